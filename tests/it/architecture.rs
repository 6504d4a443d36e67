//! The house's rules, held against `cargo metadata` and the sources themselves.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Who of us may depend on whom of us; the root package is the only one that knows all.
const EDGES: [(&str, &[&str]); 7] = [
    ("connector-bluesky", &["publisher"]),
    ("engine", &["publisher", "store", "vault"]),
    (
        "postrider",
        &[
            "connector-bluesky",
            "engine",
            "postrider-api",
            "publisher",
            "store",
            "vault",
        ],
    ),
    ("postrider-api", &["engine", "publisher", "store"]),
    ("publisher", &[]),
    ("store", &["publisher"]),
    ("vault", &[]),
];

/// Foreign crates that only these of ours may name.
const WRAPPED: [(&str, &[&str]); 11] = [
    ("aes", &["vault"]),
    ("aes-gcm-siv", &["vault"]),
    ("apalis", &["engine"]),
    ("apalis-core", &["engine"]),
    ("axum-server", &["postrider"]),
    ("clap", &["postrider"]),
    ("governor", &["engine", "postrider-api", "publisher"]),
    ("metrics", &["postrider", "publisher"]),
    ("metrics-exporter-prometheus", &["postrider"]),
    ("reqwest", &["publisher"]),
    ("sqlx", &["store"]),
];

/// Never, however deep.
const DENIED: [&str; 6] = [
    "apalis-sql",
    "async-openai",
    "aws-lc-rs",
    "aws-lc-sys",
    "native-tls",
    "openssl",
];

const LICENCES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .exec()
        .expect("cargo metadata")
}

fn ours(metadata: &Metadata) -> Vec<&Package> {
    metadata.workspace_packages()
}

/// Everything below the folders that hold sources of ours.
fn sources(ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in [
        "src",
        "tests",
        "engine",
        "connectors",
        "vault",
        "api",
        "migrations",
    ] {
        walk(&root().join(folder), ending, &mut found);
    }
    assert!(!found.is_empty(), "no sources with the ending {ending}");
    found
}

fn walk(folder: &Path, ending: &str, found: &mut Vec<(PathBuf, String)>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.map(|entry| entry.expect("a directory entry").path()) {
        if path.is_dir() {
            walk(&path, ending, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == ending)
        {
            let text = std::fs::read_to_string(&path).expect("a source file");
            found.push((path, text));
        }
    }
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

#[test]
fn our_crates_depend_on_each_other_only_as_drawn() {
    let metadata = metadata();
    let names: BTreeSet<String> = ours(&metadata)
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let drawn: BTreeMap<&str, BTreeSet<String>> = EDGES
        .iter()
        .map(|(from, to)| (*from, to.iter().map(ToString::to_string).collect()))
        .collect();
    for package in ours(&metadata) {
        let edges: BTreeSet<String> = package
            .dependencies
            .iter()
            .filter(|d| d.kind != DependencyKind::Development && names.contains(&d.name))
            .map(|d| d.name.clone())
            .collect();
        assert_eq!(
            Some(&edges),
            drawn.get(package.name.as_str()),
            "the edges of {}",
            package.name
        );
    }
    assert_eq!(
        names.len(),
        EDGES.len(),
        "a crate that is not drawn, or drawn and gone"
    );
}

#[test]
fn a_wrapped_crate_has_only_its_wrappers() {
    let metadata = metadata();
    for (wrapped, wrappers) in WRAPPED {
        for package in ours(&metadata) {
            let depends = package.dependencies.iter().any(|d| d.name == wrapped);
            assert!(
                !depends || wrappers.contains(&package.name.as_str()),
                "{} depends on {wrapped}; only {wrappers:?} may",
                package.name
            );
        }
    }
}

#[test]
fn denied_crates_are_nowhere_in_the_graph_and_every_licence_is_known() {
    let metadata = metadata();
    for package in &metadata.packages {
        assert!(
            !DENIED.contains(&package.name.as_str()),
            "{} is in the graph",
            package.name
        );
        let licence = package
            .license
            .as_deref()
            .unwrap_or("none stated")
            .replace('/', " OR ");
        let acceptable = licence.split(" OR ").any(|choice| {
            choice
                .split(" AND ")
                .all(|part| LICENCES.contains(&part.trim_matches(['(', ')', ' '])))
        });
        assert!(acceptable, "{} is under {licence}", package.name);
    }
}

#[test]
fn every_crate_keeps_the_workspaces_lints() {
    for package in ours(&metadata()) {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a manifest");
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{} has lints of its own",
            package.name
        );
    }
}

#[test]
fn files_are_rooms_with_one_purpose() {
    for (path, text) in sources("rs") {
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        assert!(
            !["utils", "util", "common", "helpers", "types", "misc"].contains(&name),
            "{} says nothing about its purpose",
            shown(&path)
        );
        let most = if name == "wire" { 600 } else { 400 };
        let lines = text.lines().count();
        assert!(
            lines <= most,
            "{} has {lines} lines; at most {most}",
            shown(&path)
        );
    }
}

#[test]
fn every_module_says_what_it_owns() {
    for (path, text) in sources("rs") {
        let says = text
            .lines()
            .find(|line| !line.trim().is_empty())
            .is_some_and(|line| line.starts_with("//!"));
        let is_tests = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().ends_with("tests.rs"));
        assert!(
            says || is_tests,
            "{} begins without a module header",
            shown(&path)
        );
    }
}

/// Words that must not occur below a folder, with what to do instead.
const FORBIDDEN: [(&str, &[&str], &str); 8] = [
    (
        "api/src",
        &[
            "store::queue",
            "Publisher::publish",
            ".publisher.publish",
            ".publisher.verify",
        ],
        "the API only writes jobs",
    ),
    (
        "api/src",
        &["sqlx", "apalis", "vault::", "connector_"],
        "the API knows engine, store and publisher",
    ),
    (
        "connectors/publisher/src/toys",
        &["std::env"],
        "connectors know no environment",
    ),
    (
        "engine/src",
        &["sqlx", "connector_", "std::env"],
        "no SQL, no platform, no environment in the engine",
    ),
    (
        "engine/store/src",
        &["backoff", "bluesky"],
        "no policy and no platform in the store",
    ),
    (
        "vault/src",
        &["tokio", "std::env", "tracing"],
        "the vault is bytes in, bytes out",
    ),
    (
        "vault/src",
        &["SystemTime", "Instant"],
        "the vault has no clock",
    ),
    (
        "src",
        &["select ", "insert into"],
        "SQL lies in engine/store/queries",
    ),
];

#[test]
fn no_folder_holds_what_belongs_elsewhere() {
    for (folder, words, instead) in FORBIDDEN {
        let mut found = Vec::new();
        walk(&root().join(folder), "rs", &mut found);
        assert!(!found.is_empty(), "{folder} is empty");
        for (path, text) in found {
            for (number, line) in text
                .lines()
                .enumerate()
                .filter(|(_, line)| !line.trim_start().starts_with("//"))
            {
                for word in words {
                    assert!(
                        !line.contains(word),
                        "{}:{}: `{word}`: {instead}",
                        shown(&path),
                        number + 1
                    );
                }
            }
        }
    }
}

#[test]
fn no_connector_waits_spawns_or_reads_the_environment() {
    let of_a_connector = |own: &str| own.starts_with("connectors/") && own.contains("/src/");
    let mut read = 0;
    for (path, text) in sources("rs") {
        let own = shown(&path);
        if of_a_connector(&own) && !own.starts_with("connectors/publisher/") {
            read += 1;
            for word in ["sleep(", "std::env", "tokio::spawn"] {
                let why = "connectors report; the engine waits";
                assert!(!text.contains(word), "{own}: `{word}`: {why}");
            }
        }
    }
    assert!(read > 5, "{read}");
}

#[test]
fn sql_lies_in_files_of_one_statement_each() {
    let mut queries = Vec::new();
    walk(&root().join("engine/store/queries"), "sql", &mut queries);
    assert!(queries.len() > 40);
    let sources: String = sources("rs").into_iter().map(|(_, text)| text).collect();
    for (path, text) in &queries {
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        assert!(
            text.starts_with(&format!("-- {name}: ")),
            "{} must begin with its name",
            shown(path)
        );
        assert!(
            !text.trim_end().ends_with(';'),
            "{} ends with a semicolon",
            shown(path)
        );
        let used = format!(
            "{}/{name}.sql",
            path.parent()
                .and_then(Path::file_name)
                .unwrap_or_default()
                .to_string_lossy()
        );
        assert!(sources.contains(&used), "{} is used by nobody", shown(path));
    }
    for (path, text) in self::sources("rs") {
        let own = shown(&path);
        if own.contains("/tests/") || own.starts_with("tests/") || own.ends_with("testing.rs") {
            continue;
        }
        for opening in [
            "\"select ",
            "\"insert into ",
            "\"update ",
            "\"delete from ",
            "\"with ",
        ] {
            let at = text
                .lines()
                .position(|line| line.contains(opening) && line.contains(" from "));
            assert_eq!(at, None, "{own}: SQL in a string");
        }
    }
}

#[test]
fn no_source_names_a_machine_of_its_own() {
    for (path, text) in sources("rs").into_iter().chain(sources("sql")) {
        for place in ["/home/", "/root/", "/Users/"] {
            assert!(
                !text.contains(place) || shown(&path).ends_with("architecture.rs"),
                "{} names {place}",
                shown(&path)
            );
        }
    }
}
