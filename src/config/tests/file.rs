//! What the configuration file may say, what is refused in it, and who wins over it.

use super::*;
use std::fs;
use tempfile::TempDir;

fn parse(text: &str) -> Document {
    Document::parse(Path::new("postrider.toml"), text, ALL)
}

fn read_file(text: &str, variables: &[(&str, &str)]) -> (Config, Vec<Problem>) {
    read_layers(vec![], variables, parse(text), Needs::Nothing)
}

/// Each problem in one line, its remedy behind an arrow.
fn told(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|problem| format!("{problem} -> {}", problem.remedy))
        .collect()
}

#[test]
fn a_file_says_what_the_environment_may_say() {
    let text = "
api = { listen = \"127.0.0.1:9000\", wait_ms = 5_000 }
worker.slots = 0x10
[egress]
allow = [\"127.0.0.1:2583\", \"[::1]:80\"]
[media]
data_dir = \"data\"
[log]
levels = \"info,store=debug\"
format = \"json\"
";
    let (config, problems) = read_file(text, &[]);
    assert_eq!(problems, []);
    assert_eq!(config.listen.port(), 9000);
    assert_eq!((config.slots, config.wait), (16, Duration::from_secs(5)));
    assert_eq!(config.egress_allow.len(), 2);
    assert_eq!(config.log.as_deref(), Some("info,store=debug"));
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(
        effective(&config, "POSTRIDER_SLOTS"),
        ("16", "postrider.toml:3:16".to_owned())
    );
}

#[test]
fn the_environment_wins_over_the_file() {
    let (config, problems) = read_file(
        "[worker]\nslots = 3\npoll_ms = 50\n",
        &[("POSTRIDER_SLOTS", "7")],
    );
    assert_eq!(problems, []);
    assert_eq!((config.slots, config.poll), (7, Duration::from_millis(50)));
    assert_eq!(effective(&config, "POSTRIDER_SLOTS").1, "POSTRIDER_SLOTS");
}

#[test]
fn a_mistake_in_the_file_is_one_even_where_the_environment_wins() {
    let (config, problems) = read_file("[worker]\nslots = 0\n", &[("POSTRIDER_SLOTS", "7")]);
    assert_eq!(config.slots, 7);
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn everything_that_is_wrong_with_a_file_is_reported_at_once_with_its_place() {
    let text = "\
[worker]
slots = \"64\"
lease_ms = 999
poll_ms = 1.5
slot = 3
[api]
listen = 8080
public_url = \"\"
slots = 5
[egress]
allow = [\"localhost\"]
[wrker]
slots = 1
[log]
format = true
levels = [1]
";
    let (_, problems) = read_file(text, &[("POSTRIDER_WAIT_MS", "-1")]);
    assert_eq!(
        told(&problems),
        [
            "postrider.toml:2:9: worker.slots: it is a string -> write a whole number, without quotes",
            "postrider.toml:4:11: worker.poll_ms: it is a number with a fraction -> write a whole number, without quotes",
            "postrider.toml:5:1: worker.slot: there is no such key -> did you mean worker.slots? Else delete it; `postrider config reference` lists all",
            "postrider.toml:7:10: api.listen: it is a whole number -> write a string, in quotes",
            "postrider.toml:8:14: api.public_url: it is empty -> write a value, or leave the key out",
            "postrider.toml:9:1: api.slots: there is no such key -> did you mean worker.slots? Else delete it; `postrider config reference` lists all",
            "postrider.toml:12:2: wrker: there is no such section -> did you mean worker? Else delete it; `postrider config reference` lists all",
            "postrider.toml:15:10: log.format: it is true or false -> write a string, in quotes",
            "postrider.toml:16:10: log.levels: it is an array -> write a string, in quotes",
            "POSTRIDER_WAIT_MS: -1 milliseconds is out of bounds: 0 to 60000 are allowed -> write a whole number from 0 to 60000, or leave it out for 25000",
            "postrider.toml:3:12: worker.lease_ms: 999 milliseconds is out of bounds: 1000 to 600000 are allowed -> write a whole number from 1000 to 600000, or leave it out for 60000",
            "postrider.toml:11:9: egress.allow: `localhost` is no address with a port; write `127.0.0.1:2583` or `[::1]:80` -> name each address with its port: 127.0.0.1:2583,[::1]:80",
        ]
    );
}

#[test]
fn errors_of_syntax_have_line_and_column_and_do_not_hide_the_rest() {
    let text =
        "[worker]\nslots = 3\nslots = 4\npoll_ms = \nlease_ms = 1\n[api\nwait_ms = 99999999\n";
    let (_, problems) = read_file(text, &[]);
    let told = told(&problems);
    assert!(
        told[0].starts_with("postrider.toml:3:1: duplicate key -> keep one"),
        "{told:?}"
    );
    assert!(
        told.iter().any(|one| one.starts_with("postrider.toml:4:")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|one| one.starts_with("postrider.toml:6:")),
        "{told:?}"
    );
    assert!(
        told.iter()
            .any(|one| one.contains("worker.lease_ms: 1 milliseconds")),
        "{told:?}"
    );
}

#[test]
fn a_section_that_is_a_value_and_a_value_that_is_a_section_are_refused() {
    let (_, problems) = read_file("worker = 3\n[api.listen]\nport = 1\n", &[]);
    assert_eq!(
        told(&problems),
        [
            "postrider.toml:1:1: worker: it is a section, and here it is a whole number -> write [worker], and its keys below",
            "postrider.toml:2:1: api.listen: it is a section -> write a string, in quotes",
        ]
    );
}

#[test]
fn a_secret_in_the_file_is_refused_and_never_repeated() {
    let text = "\
[database]
url = \"postgres://ada:hunter2@db/posts\"
[vault]
master_key = hunter2
master_key_fil = \"hunter2\"
";
    let (_, problems) = read_file(text, &[]);
    let told = told(&problems).join("\n");
    assert!(
        told.contains("postrider.toml:2:1: database.url: a secret does not belong in this file -> delete it here, and set DATABASE_URL or DATABASE_URL_FILE"),
        "{told}"
    );
    assert!(
        told.contains("did you mean vault.master_key_file?"),
        "{told}"
    );
    assert!(!told.contains("hunter2"), "{told}");
    assert_eq!(problems.len(), 3, "{told}");
}

#[test]
fn a_secret_may_lie_in_a_file_of_its_own() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    file("key", &format!("{KEY}\n"));
    let url = file("url", "postgres://ada:hunter2@db/posts\n");
    let path = dir.path().join("postrider.toml");
    let document = || Document::parse(&path, "vault.master_key_file = \"key\"", ALL);
    let variables = [("DATABASE_URL_FILE", url.as_str())];
    let (config, problems) =
        read_layers(vec![], &variables, document(), Needs::DatabaseAndMasterKey);
    assert_eq!(problems, [], "a path counts from the file's folder");
    assert_eq!(
        config.database_shown().as_deref(),
        Some("postgres://ada@db/posts")
    );
    assert_eq!(effective(&config, "DATABASE_URL").1, "DATABASE_URL_FILE");
    assert!(
        effective(&config, "POSTRIDER_MASTER_KEY")
            .1
            .ends_with("postrider.toml:1:25")
    );

    let both = [variables[0], ("DATABASE_URL", "postgres://db/posts")];
    let (_, problems) = read_layers(vec![], &both, document(), Needs::Database);
    assert_eq!(
        told(&problems),
        ["DATABASE_URL_FILE: DATABASE_URL is set, too -> unset one of the two"]
    );

    let empty = file("empty", " \n");
    let wrong = [
        ("DATABASE_URL_FILE", empty.as_str()),
        ("POSTRIDER_MASTER_KEY_FILE", "/nowhere"),
    ];
    let (_, problems) = read_layers(
        vec![],
        &wrong,
        Document::default(),
        Needs::DatabaseAndMasterKey,
    );
    let told = told(&problems).join("\n");
    assert_eq!(problems.len(), 2, "{told}");
    assert!(
        told.contains("is empty") && told.contains("/nowhere: it cannot be read"),
        "{told}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_if_somebody_named_it() {
    let dir = TempDir::new().unwrap();
    let read = |name: &str, must_exist| {
        let document = Document::read(&dir.path().join(name), must_exist, ALL);
        told(&document.problems).join("\n")
    };
    assert_eq!(read("nowhere.toml", false), "");
    assert!(read("nowhere.toml", true).contains("nowhere.toml: it cannot be read: "));
    fs::create_dir(dir.path().join("folder")).unwrap();
    assert!(read("folder", false).contains("folder: it is a directory"));
    fs::write(dir.path().join("huge"), "# comment\n".repeat(30_000)).unwrap();
    assert!(read("huge", false).contains("huge: it is longer than 256 KiB"));
    fs::write(dir.path().join("latin"), b"# a\n# caf\xe9\n").unwrap();
    assert!(
        read("latin", false).contains("latin: it is not UTF-8: the first wrong byte is in line 2")
    );
    fs::write(dir.path().join("empty"), "").unwrap();
    assert_eq!(read("empty", true), "");
}
