//! The documents, held against the code they speak of.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every Markdown page of ours.
fn pages() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    let mut folders = vec![root().join("docs"), root().join("migrations")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// What stands between backticks, line by line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_test_that_a_page_names_exists() {
    let mut named = 0;
    for page in pages() {
        let text = read(&page);
        for (file, test) in quoted(&text).filter_map(|word| word.split_once("::")) {
            if Path::new(file)
                .extension()
                .is_none_or(|ending| ending != "rs")
            {
                continue;
            }
            named += 1;
            let source = read(&root().join(file));
            assert!(
                source.contains(&format!("fn {test}(")),
                "{} names {file}::{test}, which is not there",
                page.display()
            );
        }
    }
    assert!(named > 40, "the guarantees name their tests; found {named}");
}

#[test]
fn every_link_between_our_pages_leads_somewhere() {
    let mut links = 0;
    for page in pages() {
        let text = read(&page);
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            links += 1;
            let goal = page.parent().unwrap().join(path);
            assert!(goal.exists(), "{} links to {target}", page.display());
        }
    }
    assert!(links > 20, "found {links} links");
}

#[test]
fn every_metric_has_its_row() {
    let row = |about: &publisher::measure::About| {
        let labels: Vec<String> = about
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let (name, kind, unit, is) = (about.name, about.kind, about.unit, about.is);
        format!(
            "| `{name}` | {kind} | {} | {unit} | {is} |",
            labels.join(", ")
        )
    };
    let rows: Vec<String> = publisher::measure::ALL.iter().map(row).collect();
    let page = read(&root().join("docs/reference/metrics.md"));
    let found = page
        .lines()
        .filter(|line| line.starts_with("| `postrider_"));
    let found: Vec<&str> = found.collect();
    let table = rows.join("\n");
    assert_eq!(
        found, rows,
        "docs/reference/metrics.md needs these rows:\n{table}"
    );
}

#[test]
fn every_invariant_check_and_fault_point_has_its_entry() {
    let invariants = read(&root().join("docs/INVARIANTS.md"));
    let checks = read(&root().join("engine/store/queries/console/check_invariants.sql"));
    let names: Vec<&str> = checks
        .split("as \"")
        .skip(1)
        .filter_map(|rest| rest.split('!').next())
        .collect();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        assert!(invariants.contains(name), "docs/INVARIANTS.md lacks {name}");
    }
    let testing = read(&root().join("docs/TESTING.md"));
    for point in publisher::fault::POINTS {
        assert!(testing.contains(point), "docs/TESTING.md lacks {point}");
    }
}

#[test]
fn every_code_of_the_envelope_has_its_entry() {
    let reference = read(&root().join("docs/reference/error-codes.md"));
    let problem = read(&root().join("api/src/problem.rs"));
    let codes: BTreeSet<&str> = quoted(&reference)
        .filter(|word| word.contains('_'))
        .collect();
    let mut known = 0;
    for word in problem.split('"').skip(1).step_by(2) {
        let is_code = [
            "validation_failed",
            "preflight_failed",
            "platform_auth_failed",
            "platform_rejected",
            "platform_unavailable",
            "platform_not_enabled",
            "internal_error",
            "unauthenticated",
            "unauthorized",
            "not_found",
            "idempotency_conflict",
            "rate_limited",
        ]
        .contains(&word);
        if is_code && word.contains('_') {
            known += 1;
            assert!(
                codes.contains(word),
                "docs/reference/error-codes.md lacks {word}"
            );
        }
    }
    assert!(known > 5, "found {known} codes in api/src/problem.rs");
}

#[test]
fn every_connector_has_its_page_and_every_case_its_line() {
    let mut connectors = 0;
    for entry in std::fs::read_dir(root().join("connectors")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == "publisher" {
            continue;
        }
        connectors += 1;
        let page = root().join(format!("docs/platforms/{name}.md"));
        assert!(page.exists(), "{} is missing", page.display());
    }
    assert!(connectors > 0);
    let adding = read(&root().join("docs/adding-a-platform.md"));
    for case in publisher::conformance::CASES {
        assert!(
            adding.contains(&format!("| `{case}` |")),
            "docs/adding-a-platform.md lacks {case}"
        );
    }
}
