//! Looking for a post whose outcome nobody knows: found when it is there, absent only when it cannot come any more.

use super::shapes::once;
use crate::{
    conformance::{
        Make,
        broken::{Broken, Checked, Whereabouts as _, ensure},
        drive::{End, Turn},
        world::{World, shapes},
    },
    connector::ReadBack,
    contract::Evidence,
    failure::Class,
    fake::Fault,
};
use chrono::TimeDelta;
use serde_json::json;
use std::time::Duration;

pub(in crate::conformance) async fn a_post_that_is_there_is_found(make: Make<'_>) -> Checked {
    for index in 0..shapes(make)? {
        let (world, shape) = World::with(make, index).await?;
        let mut turn = world.cut(&shape, Fault::CutAfter).await?;
        let early = turn.look().await.at(shape.name)?;
        if !world.can_look() {
            unknowable(&early)?;
            continue;
        }
        ensure(
            matches!(early, Evidence::Found(_) | Evidence::NotYet { .. }),
            || {
                format!(
                    "{}: it took effect, and a look at once says {early:?}",
                    shape.name
                )
            },
        )?;
        world.pass_quiet_time().await;
        let late = turn.look().await.at(shape.name)?;
        ensure(matches!(late, Evidence::Found(_)), || {
            format!(
                "{}: it took effect, and a look after the quiet time says {late:?}",
                shape.name
            )
        })?;
        turn.drive_to_publication().await.at(shape.name)?;
        once(&world, world.parts(&shape)).at(shape.name)?;
    }
    Ok(())
}

fn unknowable(evidence: &Evidence) -> Checked {
    ensure(*evidence == Evidence::Unknowable, || {
        format!("habits say that nothing can be read back, and a look says {evidence:?}")
    })
}

pub(in crate::conformance) async fn an_effect_that_comes_late_is_found(make: Make<'_>) -> Checked {
    for index in 0..shapes(make)? {
        let (world, shape) = World::with(make, index).await?;
        let after = world.connector.habits.quiet / 2;
        let mut turn = world.cut(&shape, Fault::Late { after }).await?;
        let end = turn.drive().await.at(shape.name)?;
        match end {
            End::Published(_) => once(&world, world.parts(&shape)).at(shape.name)?,
            End::Unknown if !world.can_look() => {}
            other => {
                return Err(Broken::because(format!("{}: {other}", shape.name)));
            }
        }
    }
    Ok(())
}

pub(in crate::conformance) async fn absence_is_not_said_before_the_quiet_time(
    make: Make<'_>,
) -> Checked {
    let (world, shape) = World::with(make, 0).await?;
    let turn = world.cut(&shape, Fault::CutBefore).await?;
    let habits = world.connector.habits;
    let sent_at = turn.sent_at.unwrap_or_else(|| world.now());
    let settled = habits.call_deadline + habits.quiet;
    for after in [
        Duration::ZERO,
        habits.quiet,
        settled.saturating_sub(Duration::from_millis(1)),
    ] {
        let now = sent_at + TimeDelta::from_std(after).unwrap_or_default();
        let evidence = turn.look_at(now).await.at("a look")?;
        if !world.can_look() {
            unknowable(&evidence)?;
            continue;
        }
        let patient = matches!(&evidence, Evidence::NotYet { look_after } if !look_after.is_zero());
        ensure(patient, || {
            format!(
                "{after:?} after the mark, of {settled:?}, a look says {evidence:?}; it must be NotYet"
            )
        })?;
    }
    Ok(())
}

pub(in crate::conformance) async fn absence_is_said_after_the_quiet_time(
    make: Make<'_>,
) -> Checked {
    for index in 0..shapes(make)? {
        let (world, shape) = World::with(make, index).await?;
        let mut turn = world.cut(&shape, Fault::CutBefore).await?;
        world.pass_quiet_time().await;
        let evidence = turn.look().await.at(shape.name)?;
        if !world.can_look() {
            unknowable(&evidence)?;
            continue;
        }
        ensure(
            matches!(evidence, Evidence::Absent | Evidence::ResendIsSafe { .. }),
            || {
                format!(
                    "{}: nothing took effect, and after the quiet time a look says {evidence:?}",
                    shape.name
                )
            },
        )?;
        turn.drive_to_publication().await.at(shape.name)?;
        once(&world, world.parts(&shape)).at(shape.name)?;
    }
    Ok(())
}

/// The same content, published before the mark; and, where the read-back has a key or a handle, also after it.
pub(in crate::conformance) async fn an_identical_post_of_another_origin_is_not_adopted(
    make: Make<'_>,
) -> Checked {
    for index in 0..shapes(make)? {
        let (world, shape) = World::with(make, index).await?;
        // Directly, so that no other time passes between the two posts than is meant.
        let mut other = Turn::new(&world, &shape);
        other.drive_to_publication().await.at("the other post")?;
        let mut turn = Turn::new(&world, &shape);
        turn.tokens = world.fresh_tokens(&other.tokens).await?;
        world
            .server
            .faults()
            .arm(world.subject.irreversible, Fault::CutBefore, 1);
        let Some(call) = turn.until_fault().await? else {
            return Err(Broken::because(format!("{}: it was not sent", shape.name)));
        };
        ensure(call.marked.is_some(), || {
            format!("{}: sent without a mark", shape.name)
        })?;
        turn.forget(&call);
        if matches!(
            world.connector.habits.read_back,
            ReadBack::Key | ReadBack::Handle
        ) {
            let mut later = Turn::new(&world, &shape);
            later.tokens = turn.tokens.clone();
            later.drive_to_publication().await.at("a later post")?;
            turn.tokens = world.fresh_tokens(&later.tokens).await?;
        }
        world.pass_quiet_time().await;
        let evidence = turn.look().await.at(shape.name)?;
        ensure(!matches!(evidence, Evidence::Found(_)), || {
            format!(
                "{}: a look takes another post of the same content for its own: {evidence:?}",
                shape.name
            )
        })?;
    }
    Ok(())
}

pub(in crate::conformance) async fn a_failed_look_is_no_verdict(make: Make<'_>) -> Checked {
    let (world, shape) = World::with(make, 0).await?;
    let turn = world.cut(&shape, Fault::CutBefore).await?;
    world.pass_quiet_time().await;
    if !world.can_look() {
        return unknowable(&turn.look().await.at("a look")?);
    }
    let route = world.subject.look;
    if route.is_empty() {
        return Err(Broken::missing(
            "`look`: the route of the request by which verify looks",
        ));
    }
    let status = |status| Fault::Status {
        status,
        body: json!({}),
        headers: vec![],
    };
    for fault in [
        status(500),
        status(503),
        status(429),
        Fault::Html,
        Fault::Empty,
        Fault::HugeAnswer,
        Fault::CutBefore,
    ] {
        world.server.faults().arm(route, fault.clone(), 1);
        let outcome = turn.look().await;
        ensure(world.server.faults().left() == 0, || {
            format!("a look makes no request to {route}")
        })?;
        let plain = matches!(&outcome, Err(failure) if !matches!(failure.class, Class::Ambiguous | Class::Duplicate));
        ensure(plain, || {
            format!("a look that meets {fault:?} must be a plain failure, and says {outcome:?}")
        })?;
    }
    Ok(())
}
