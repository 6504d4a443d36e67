//! The reference page and the example file, held against the declarations.

use super::*;

const BEGIN: &str = "<!-- from `postrider config reference`; `scripts/reference` renews it -->\n";
const END: &str = "<!-- end -->\n";

#[test]
fn the_reference_page_is_the_one_that_the_declarations_make() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/reference/config.md")).unwrap();
    let (_, behind) = page.split_once(BEGIN).unwrap();
    let (tables, _) = behind.split_once(END).unwrap();
    assert_eq!(
        tables.trim(),
        reference().trim(),
        "docs/reference/config.md is old; renew it with scripts/reference"
    );
}

/// The example with its settings in effect: all, or those that show a default.
fn uncommented(all: bool) -> String {
    let lines = example();
    let lines = lines.lines().map(|line| match line.strip_prefix("# ") {
        Some(setting) if is_setting(setting) && (all || !setting.contains("; not set: ")) => {
            setting
        }
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_setting(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(key, _)| {
        key.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            && !key.ends_with("_file")
    })
}

fn read_text(text: &str) -> (Config, Vec<Problem>) {
    let document = Document::parse(Path::new("postrider.toml"), text, ALL);
    read_layers(vec![], &[], document, Needs::Nothing)
}

#[test]
fn the_example_says_nothing_as_it_is_and_the_defaults_uncommented() {
    let (defaults, _) = read(&[], Needs::Nothing);
    let (config, problems) = read_text(&example());
    assert_eq!(problems, []);
    assert_eq!(config.effective(), defaults.effective());

    let (config, problems) = read_text(&uncommented(false));
    assert_eq!(problems, []);
    let mut given = 0;
    for (one, default) in config.effective().iter().zip(defaults.effective()) {
        assert_eq!(one.value, default.value, "{}", one.variable);
        given += usize::from(one.source != Source::Default);
    }
    let with_default = ALL
        .iter()
        .filter(|about| about.key.is_some() && matches!(about.unset, setting::Unset::Default(_)));
    assert_eq!(given, with_default.count());
}

#[test]
fn the_example_has_every_setting_and_each_is_accepted() {
    let (config, problems) = read_text(&uncommented(true));
    assert_eq!(problems, []);
    for (one, about) in config.effective().iter().zip(ALL) {
        let in_file = about.key.is_some() && about.file_names().is_none();
        assert_eq!(one.source != Source::Default, in_file, "{}", one.variable);
        if let Some((Some(key), _)) = about.file_names() {
            let (_, last) = key.split_once('.').unwrap();
            assert!(example().contains(&format!("# {last} = ")), "{key}");
        }
    }
}
