use super::*;
use crate::cli::LogFormat;
use std::{collections::BTreeMap, time::Duration};

mod file;
mod pages;

const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Reads an environment under flags and a file's text.
fn read_layers(
    flags: Vec<Flag>,
    variables: &[(&str, &str)],
    file: Document,
    needs: Needs,
) -> (Config, Vec<Problem>) {
    let variables: BTreeMap<String, OsString> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.into()))
        .collect();
    let known: Vec<String> = super::variables().collect();
    let value = |name: &str| {
        assert!(
            known.iter().any(|known| known == name),
            "{name} is read and not known"
        );
        variables.get(name).cloned()
    };
    let layers = Layers {
        flags,
        environment: Environment {
            value: &value,
            names: variables.keys().cloned().collect(),
        },
        file,
    };
    Config::read(layers, needs)
}

fn read(variables: &[(&str, &str)], needs: Needs) -> (Config, Vec<Problem>) {
    read_layers(vec![], variables, Document::default(), needs)
}

/// What a setting is, and from where.
fn effective<'a>(config: &'a Config, variable: &str) -> (&'a str, String) {
    let found = config.effective().iter();
    let mut found = found.filter(|one| one.variable == variable);
    let one = found.next().unwrap();
    (&one.value, one.source.to_string())
}

#[test]
fn defaults_are_enough_where_nothing_is_needed() {
    let (config, problems) = read(&[], Needs::Nothing);
    assert_eq!(problems, []);
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(
        (config.slots, config.lease, config.wait),
        (64, Duration::from_mins(1), Duration::from_secs(25))
    );
}

#[test]
fn every_default_can_be_read() {
    assert_eq!(settings::every_default().len(), ALL.len());
}

#[test]
fn all_problems_are_reported_at_once_with_rule_and_remedy() {
    let wrong = [
        ("DATABASE_URL", "mysql://u:p@h/d"),
        ("POSTRIDER_MASTER_KEY", "k1:short"),
        ("POSTRIDER_EGRESS_ALLOW", "localhost"),
        ("POSTRIDER_LISTEN", "8080"),
        ("POSTRIDER_PUBLIC_URL", "ftp://x"),
        ("POSTRIDER_DASHBOARD_URL", "nowhere"),
        ("POSTRIDER_APPS", "twitter"),
        ("POSTRIDER_SLOTS", "0"),
        ("POSTRIDER_LEASE_MS", "999"),
        ("POSTRIDER_POLL_MS", "soon"),
        ("POSTRIDER_WAIT_MS", "-1"),
        ("POSTRIDER_DRAIN_MS", "600001"),
        ("POSTRIDER_DATABASE_CONNECTIONS", "1"),
        ("POSTRIDER_LOG", "info,store=loud"),
        ("POSTRIDER_LOG_FORMAT", "xml"),
        ("POSTRIDER_BLUESKY_URL", "https://u:p@bsky.social"),
        ("POSTRIDER_TOYS_URL", "toys"),
        ("POSTRIDER_FAULT", "nowhere"),
        ("POSTGRES_PID", "one"),
    ];
    let (_, problems) = read(&wrong, Needs::DatabaseAndMasterKey);
    let mut named: Vec<String> = problems
        .iter()
        .map(|problem| problem.source.to_string())
        .collect();
    named.sort_unstable();
    let mut expected = wrong.map(|(name, _)| name);
    expected.sort_unstable();
    assert_eq!(named, expected);
    assert!(
        problems
            .iter()
            .all(|problem| !problem.rule.is_empty() && !problem.remedy.is_empty())
    );
    let text = Problems(problems).to_string();
    assert!(
        text.contains(
            "POSTRIDER_LEASE_MS: 999 milliseconds is out of bounds: 1000 to 600000 are allowed"
        ),
        "{text}"
    );
}

#[test]
fn what_is_missing_comes_with_the_command_that_makes_it() {
    let (_, problems) = read(
        &[("DATABASE_URL", " "), ("POSTRIDER_MASTER_KEY", "")],
        Needs::DatabaseAndMasterKey,
    );
    let text = Problems(problems).to_string();
    assert!(text.contains("export DATABASE_URL=postgres://"), "{text}");
    assert!(
        text.contains("export POSTRIDER_MASTER_KEY=\"k1:$(openssl rand -base64 32)\""),
        "{text}"
    );
    assert_eq!(read(&[], Needs::Database).1.len(), 1);
    assert_eq!(read(&[], Needs::Nothing).1.len(), 0);
}

#[test]
fn no_secret_is_shown() {
    let given = [
        (
            "DATABASE_URL",
            "postgres://ada:hunter2@db.example:5433/posts?password=hunter2",
        ),
        ("POSTRIDER_MASTER_KEY", KEY),
        ("POSTRIDER_APPS", "twitter=app-1:hunter2,tiktok=app-2"),
    ];
    let (config, problems) = read(&given, Needs::DatabaseAndMasterKey);
    assert_eq!(problems, []);
    let shown = format!("{config:?}\n{:?}", config.effective());
    assert!(
        !shown.contains("hunter2") && !shown.contains("AAECAw"),
        "{shown}"
    );
    assert!(
        shown.contains("postgres://ada@db.example:5433/posts")
            && shown.contains("k1 (hidden)")
            && shown.contains("twitter=app-1 (secret hidden)"),
        "{shown}"
    );
}

#[test]
fn no_problem_repeats_a_secret() {
    let wrong = [
        ("DATABASE_URL", "hunter2://x"),
        ("POSTRIDER_MASTER_KEY", "hunter2"),
        ("POSTRIDER_APPS", "twitter=a:hunter2,Twitter=b:hunter2"),
    ];
    let text = Problems(read(&wrong, Needs::DatabaseAndMasterKey).1).to_string();
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn every_setting_is_shown_once_with_its_source() {
    let (config, _) = read(&[("POSTRIDER_SLOTS", "7")], Needs::Nothing);
    let shown: Vec<&str> = config.effective().iter().map(|one| one.variable).collect();
    let declared: Vec<&str> = ALL.iter().map(|about| about.variable).collect();
    assert_eq!(shown, declared);
    assert_eq!(
        effective(&config, "POSTRIDER_SLOTS"),
        ("7", "POSTRIDER_SLOTS".to_owned())
    );
    let others = config.effective().iter();
    let others = others.filter(|one| one.source != Source::Default);
    assert_eq!(others.count(), 1);
}

#[test]
fn no_two_settings_share_a_name() {
    let mut names: Vec<String> = variables().collect();
    names.extend(ALL.iter().filter_map(|about| about.key.map(str::to_owned)));
    names.extend(ALL.iter().filter_map(|about| about.file_names()?.0));
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn a_flag_wins_over_the_environment() {
    let flags = vec![
        ("POSTRIDER_LOG", "--log", "debug".to_owned()),
        ("POSTRIDER_LOG_FORMAT", "--log-format", "json".to_owned()),
    ];
    let (config, problems) = read_layers(
        flags,
        &[("POSTRIDER_LOG", "warn"), ("POSTRIDER_LOG_FORMAT", "text")],
        Document::default(),
        Needs::Nothing,
    );
    assert_eq!(problems, []);
    assert_eq!(config.log.as_deref(), Some("debug"));
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(
        effective(&config, "POSTRIDER_LOG"),
        ("debug", "--log".to_owned())
    );
}

#[test]
fn a_variable_that_nobody_reads_is_warned_of() {
    let stray = [
        ("POSTRIDER_SLOT", "3"),
        ("POSTRIDER_COLOUR", "red"),
        ("POSTRIDER_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("POSTRIDER_SERVICE_HOST", "10.0.0.1"),
        ("PATH", "/bin"),
    ];
    let (config, problems) = read(&stray, Needs::Nothing);
    assert_eq!(problems, []);
    let told: Vec<String> = config
        .warnings()
        .iter()
        .map(|warning| format!("{warning}. {}", warning.remedy))
        .collect();
    assert_eq!(
        told,
        [
            "POSTRIDER_COLOUR: nobody reads this variable. unset it",
            "POSTRIDER_SLOT: nobody reads this variable. did you mean POSTRIDER_SLOTS? Else unset it",
        ]
    );
}

#[test]
fn at_most_sixteen_addresses_may_be_excepted_from_the_guard() {
    let list = |count: u16| {
        (1..=count)
            .map(|port| format!("127.0.0.1:{port}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (config, problems) = read(&[("POSTRIDER_EGRESS_ALLOW", &list(16))], Needs::Nothing);
    assert_eq!((config.egress_allow.len(), problems.len()), (16, 0));
    let (config, problems) = read(&[("POSTRIDER_EGRESS_ALLOW", &list(17))], Needs::Nothing);
    assert_eq!((config.egress_allow.len(), problems.len()), (0, 1));
}

#[test]
fn a_fault_kills_parks_or_stops() {
    let kill = read(&[("POSTRIDER_FAULT", "mark.after")], Needs::Nothing)
        .0
        .fault;
    assert_eq!(kill, Some(Fault::Kill("mark.after".to_owned())));
    let stop = read(&[("POSTRIDER_FAULT", "mark.after:stop")], Needs::Nothing)
        .0
        .fault;
    assert_eq!(stop, Some(Fault::Stop("mark.after".to_owned())));
    let (_, problems) = read(&[("POSTRIDER_FAULT", "mark.after:rest")], Needs::Nothing);
    assert_eq!(problems[0].source.to_string(), "POSTRIDER_FAULT");
    let (config, problems) = read(
        &[
            ("POSTRIDER_FAULT", "mark.after:park"),
            ("POSTRIDER_FAULT_FILE", "x"),
        ],
        Needs::Nothing,
    );
    assert_eq!(problems, []);
    assert_eq!(
        config.fault,
        Some(Fault::Park {
            point: "mark.after".to_owned(),
            reached: "x".into()
        })
    );
    let (_, problems) = read(&[("POSTRIDER_FAULT", "mark.after:park")], Needs::Nothing);
    assert_eq!(problems[0].source.to_string(), "POSTRIDER_FAULT_FILE");
}

#[test]
fn the_times_of_platforms_have_names_and_milliseconds() {
    let variable = "POSTRIDER_PLATFORM_MS";
    let (config, problems) = read(
        &[(variable, "bluesky.quiet=500,toys.quiet=1")],
        Needs::Nothing,
    );
    assert_eq!(problems, []);
    assert_eq!(
        config.platform_times["bluesky.quiet"],
        Duration::from_millis(500)
    );
    assert_eq!(config.platform_times.len(), 2);
    for wrong in ["bluesky.quiet", "bluesky.quiet=soon", "moon.quiet=5", ""] {
        let (_, problems) = read(&[(variable, wrong)], Needs::Nothing);
        assert_eq!(problems.len(), usize::from(!wrong.is_empty()), "{wrong}");
    }
}
