//! Judging before work: everything wrong is told at once, and nothing that was sent disappears in silence.

use crate::{
    conformance::{
        Make,
        broken::{Broken, Checked, Whereabouts as _, ensure},
        drive::Turn,
        world::{Bench, World, shapes},
    },
    fake::Request,
    post::{FirstComment, Post},
    preflight::Report,
};

pub(in crate::conformance) async fn preflight_reports_all_violations_at_once(
    make: Make<'_>,
) -> Checked {
    let bench = Bench::open(make).await?;
    let samples = &bench.subject.violating;
    if !samples.iter().any(|sample| sample.rules.len() > 1) {
        return Err(Broken::missing(
            "`violating`: posts that break rules, at least one of them several at once",
        ));
    }
    for sample in samples {
        let report = bench.connector.publisher.preflight(&sample.post);
        let found = report
            .violations
            .iter()
            .map(|violation| violation.rule.as_str());
        let (found, expected) = (sorted(found), sorted(sample.rules.iter().copied()));
        ensure(found == expected, || {
            format!("a post that breaks {expected:?} is told of {found:?}")
        })?;
        for violation in &report.violations {
            let complete = !violation.path.is_empty()
                && !violation.message.is_empty()
                && violation
                    .remediation
                    .as_ref()
                    .is_some_and(|remedy| !remedy.is_empty());
            ensure(complete, || {
                format!("field, message or remedy is missing: {violation:?}")
            })?;
            named(bench.connector.platform, &violation.rule)?;
        }
        let again = bench.connector.publisher.preflight(&sample.post);
        ensure(again == report, || {
            "the same post is judged in two ways".to_owned()
        })?;
    }
    Ok(())
}

pub(in crate::conformance) async fn preflight_warns_of_what_would_be_ignored(
    make: Make<'_>,
) -> Checked {
    let bench = Bench::open(make).await?;
    if bench.subject.ignored.is_empty() {
        return Err(Broken::missing(
            "`ignored`: posts that are accepted with a warning, such as one with an option that nobody knows",
        ));
    }
    for sample in &bench.subject.ignored {
        let report = bench.connector.publisher.preflight(&sample.post);
        let found = report.warnings.iter().map(|warning| warning.code.as_str());
        let (found, expected) = (sorted(found), sorted(sample.codes.iter().copied()));
        ensure(report.passes() && found == expected, || {
            format!(
                "a post that is accepted with {expected:?} has {found:?} and {:?}",
                report.violations
            )
        })?;
        for warning in &report.warnings {
            // What nobody knows is called the same on every platform (`Post::read_options`).
            if warning.code != "request.unknown_field" {
                named(bench.connector.platform, &warning.code)?;
            }
            ensure(!warning.message.is_empty(), || {
                format!("{} says nothing", warning.code)
            })?;
        }
    }
    Ok(())
}

/// Adds to each sample what not every platform has, in words of its own; each must be refused, warned of, or sent.
pub(in crate::conformance) async fn nothing_that_was_sent_is_dropped_in_silence(
    make: Make<'_>,
) -> Checked {
    for index in 0..shapes(make)? {
        let (world, shape) = World::with(make, index).await?;
        let plain = world.connector.publisher.preflight(&shape.post);
        let mut option = shape.post.clone();
        if !option.options.is_object() {
            option.options = serde_json::json!({});
        }
        option.options["conformanceOption"] = "conformance-option".into();
        told(&world, &plain, &option, "an option that nobody knows").at(shape.name)?;

        let mut commented = shape.clone();
        commented.post.first_comment = Some(FirstComment {
            text: "conformance-comment".to_owned(),
        });
        let judged = world.connector.publisher.preflight(&commented.post);
        if says_more(&plain, &judged) {
            continue;
        }
        Turn::new(&world, &commented)
            .drive_to_publication()
            .await
            .at("a first comment")?;
        let sent = |request: &Request| {
            let whole = format!(
                "{} {}",
                request.query,
                String::from_utf8_lossy(&request.body)
            );
            whole.contains("conformance-comment")
        };
        ensure(world.server.journal().requests().iter().any(sent), || {
            format!(
                "{}: a first comment is neither refused, nor warned of, nor sent",
                shape.name
            )
        })?;
    }
    for index in 0..shapes(make)? {
        alternatives_arrive(make, index).await?;
    }
    Ok(())
}

fn told(world: &World, plain: &Report, post: &Post, what: &str) -> Checked {
    let judged = world.connector.publisher.preflight(post);
    ensure(says_more(plain, &judged), || {
        format!("{what} is neither refused nor warned of")
    })
}

fn says_more(plain: &Report, judged: &Report) -> bool {
    judged.violations.len() + judged.warnings.len() > plain.violations.len() + plain.warnings.len()
}

/// An alt text is sent, or its loss is told.
async fn alternatives_arrive(make: Make<'_>, index: usize) -> Checked {
    let (world, shape) = World::with(make, index).await?;
    let mut marked = shape.clone();
    let mut bare = shape.clone();
    for (media, at) in marked.post.media.iter_mut().zip(1..) {
        media.alt_text = Some(format!("conformance-alt-{at}"));
    }
    for media in &mut bare.post.media {
        media.alt_text = None;
    }
    let publisher = &world.connector.publisher;
    if marked.post.media.is_empty()
        || says_more(
            &publisher.preflight(&bare.post),
            &publisher.preflight(&marked.post),
        )
    {
        return Ok(());
    }
    Turn::new(&world, &marked)
        .drive_to_publication()
        .await
        .at(shape.name)?;
    let requests = world.server.journal().requests();
    let shown = |request: &Request| {
        format!(
            "{} {}",
            request.query,
            String::from_utf8_lossy(&request.body)
        )
    };
    let all: Vec<String> = requests.iter().map(shown).collect();
    for at in 1..=marked.post.media.len() {
        ensure(
            all.iter()
                .any(|sent| sent.contains(&format!("conformance-alt-{at}"))),
            || {
                format!(
                    "{}: the alt text of file {at} is neither refused, nor warned of, nor sent",
                    shape.name
                )
            },
        )?;
    }
    Ok(())
}

/// Whether a rule or code begins with the platform's name.
pub(super) fn named(platform: &str, code: &str) -> Checked {
    let own = code
        .strip_prefix(platform)
        .is_some_and(|rest| rest.starts_with('.'));
    ensure(own, || {
        format!("`{code}` does not begin with `{platform}.`")
    })
}

fn sorted<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all: Vec<&str> = words.collect();
    all.sort_unstable();
    all
}
