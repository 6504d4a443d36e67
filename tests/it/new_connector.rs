//! The skeleton of a connector: it compiles, and its first run is the list of what to do.
//!
//! It is written into a copy of the workspace below the target folder, at the same place every time and with the files'
//! own times, so that what was built there before is not built again.

use publisher::conformance::CASES;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// What cargo needs of the workspace to build a connector, and what the script writes beside.
const PARTS: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "Makefile",
    "api",
    "connectors",
    "docs/platforms",
    "engine",
    "scripts",
    "src",
    "vault",
];

/// What cargo tells a test about its own package. A build script such as ring's is run again when one of them changes, and
/// everything above it built again; so an inner cargo must not see them.
const TOLD_BY_CARGO: [&str; 8] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to)?;
    let modified = from.metadata()?.modified()?;
    File::options()
        .append(true)
        .open(to)?
        .set_modified(modified)
}

/// A copy of the workspace without any build of it.
fn workspace() -> PathBuf {
    let copied = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-connector");
    if copied.exists() {
        fs::remove_dir_all(&copied).unwrap();
    }
    for part in PARTS {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(part);
        copy(&from, &copied.join(part)).unwrap();
    }
    copied
}

fn script(workspace: &Path, name: &str) -> Output {
    Command::new(workspace.join("scripts/new-connector"))
        .arg(name)
        .output()
        .unwrap()
}

/// Builds and runs the tests of one crate, sharing what this test's own build made.
fn run_tests(workspace: &Path, package: &str) -> String {
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    for name in TOLD_BY_CARGO {
        cargo.env_remove(name);
    }
    let run = cargo
        .args(["test", "--offline", "--no-fail-fast", "--package", package])
        .current_dir(workspace)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    assert!(!run.status.success(), "nothing is missing?");
    let streams = [run.stdout, run.stderr].concat();
    String::from_utf8_lossy(&streams).into_owned()
}

#[test]
fn a_new_connector_compiles_and_its_conformance_run_lists_what_is_missing() {
    let workspace = workspace();
    for wrong in ["", "Trial", "publisher", "bluesky", "../trial"] {
        let refused = script(&workspace, wrong);
        assert!(!refused.status.success(), "{wrong}");
        assert!(
            String::from_utf8_lossy(&refused.stderr).contains("remedy: "),
            "{wrong}"
        );
    }
    let written = script(&workspace, "trial");
    let told = String::from_utf8_lossy(&written.stdout).into_owned();
    assert!(
        written.status.success(),
        "{}",
        String::from_utf8_lossy(&written.stderr)
    );
    for line in [
        r#"connector-trial = { path = "connectors/trial" }"#,
        "connector_trial::connector,",
        "docs/adding-a-platform.md",
    ] {
        assert!(told.contains(line), "{told}");
    }
    assert!(workspace.join("docs/platforms/trial.md").exists());

    let run = run_tests(&workspace, "connector-trial");
    assert!(!run.contains("warning: "), "{run}");
    let mut missing = 0;
    for case in CASES {
        let listed = format!("test conformance::{case} ... ");
        assert!(run.contains(&listed), "{case} is not listed: {run}");
        missing += usize::from(run.contains(&format!("{listed}FAILED")));
    }
    assert_eq!(missing, CASES.len() - 1, "all but the declarations: {run}");
    for field in [
        "`entered`",
        "`shapes`",
        "`violating`",
        "`ignored`",
        "`rows`",
    ] {
        assert!(run.contains(&format!("{field}: ")), "{field}: {run}");
    }
}
