//! The reference and the example file, from the declarations themselves.

use super::setting::{About, Form, Unset};
use super::settings::ALL;
use std::fmt::Write as _;

/// The tables of docs/reference/config.md.
pub(crate) fn reference() -> String {
    let mut page = String::from("### Secrets\n\n");
    page += "| variable | file named by | is | read by |\n|---|---|---|---|\n";
    for about in ALL {
        let (Form::Secret { of, .. }, Some((key, variable))) = (about.form, about.file_names())
        else {
            continue;
        };
        let key = key.unwrap_or_default();
        let _ = writeln!(
            page,
            "| `{}` | `{variable}` or `{key}` | {}: {of} | {} |",
            about.variable,
            about.is.trim(),
            about.read_by
        );
    }
    page += "\n### Settings of file and environment\n\n";
    page += "| key | variable | default | takes | is | read by |\n|---|---|---|---|---|---|\n";
    for about in settings() {
        let key = about.key.unwrap_or_default();
        let _ = writeln!(page, "| `{key}` {}", row(about));
    }
    page += "\n### Settings of the environment alone\n\n";
    page += "| variable | default | takes | is | read by |\n|---|---|---|---|---|\n";
    for about in ALL.iter().filter(|about| about.key.is_none()) {
        let _ = writeln!(page, "{}", row(about));
    }
    page
}

/// Those that the file may hold.
fn settings() -> impl Iterator<Item = &'static &'static About> {
    ALL.iter()
        .filter(|about| about.key.is_some() && !matches!(about.form, Form::Secret { .. }))
}

fn row(about: &About) -> String {
    let default = match about.unset {
        Unset::Default(value) => format!("`{value}`"),
        Unset::None { means, .. } => means.to_owned(),
    };
    let takes = match about.form {
        Form::Text(of) | Form::Secret { of, .. } => of.to_owned(),
        Form::Path => "a path".to_owned(),
        Form::Whole { least, most, unit } => {
            format!("{} to {} {unit}", grouped(least), grouped(most))
        }
        Form::List(of) => format!("a list: {of}"),
    };
    let (is, read_by) = (about.is.trim(), about.read_by);
    format!(
        "| `{}` | {default} | {takes} | {is} | {read_by} |",
        about.variable
    )
}

/// A number with a comma between thousands.
fn grouped(number: u64) -> String {
    let text = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && (text.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A configuration file with every setting, all of them commented out.
pub(crate) fn example() -> String {
    let mut file = String::from(
        "# Postrider's configuration. Every line that begins with `#` and a key is a default, or shows how a value looks.\n\
         # A flag wins over the environment, the environment over this file. Paths count from the folder of this file.\n\
         # Secrets have no place here; name a file that holds one, or set the variable.\n\
         # `postrider config check` says what is in effect, or what is wrong.\n",
    );
    let mut section = "";
    for about in ALL {
        let Some((its_section, key)) = about.key.and_then(|key| key.split_once('.')) else {
            continue;
        };
        if its_section != section {
            section = its_section;
            let _ = write!(file, "\n[{section}]\n");
        }
        let _ = writeln!(file, "# {}.", plain(about.is));
        let _ = match (about.form, about.unset) {
            (Form::Secret { .. }, _) => {
                writeln!(
                    file,
                    "# {key}_file = \"/run/secrets/{key}\"  # or {} in the environment",
                    about.variable
                )
            }
            (form, Unset::Default(value)) => {
                writeln!(
                    file,
                    "# {key} = {}  # {}",
                    written(form, value),
                    about.variable
                )
            }
            (form, Unset::None { means, example }) => {
                let value = written(form, example);
                writeln!(
                    file,
                    "# {key} = {value}  # {}; not set: {means}",
                    about.variable
                )
            }
        };
    }
    file
}

/// A sentence without links.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.trim();
    while let Some((before, link)) = rest.split_once('[') {
        let (name, behind) = link.split_once("](").unwrap_or((link, ""));
        plain += before;
        plain += name;
        rest = behind.split_once(')').map_or("", |(_, behind)| behind);
    }
    plain + rest
}

/// A value of the environment as the file has it.
fn written(form: Form, value: &str) -> String {
    match form {
        Form::Whole { .. } => value.to_owned(),
        Form::List(_) => format!("[\"{}\"]", value.replace(',', "\", \"")),
        _ => format!("\"{value}\""),
    }
}
