//! What went wrong, told on stderr: text with a remedy for people, one JSON document where `--json` was asked for.

pub(crate) mod usage;

use crate::{
    config::Problems,
    exit::{Exit, Stop, told},
    output::{columns_of, wrapped},
    wiring,
};
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use std::io::IsTerminal as _;
use store::StoreError;

const ALARM: Style = AnsiColor::Red.on_default().bold();

/// Says what went wrong and what to do; the causes of an error are printed here and nowhere else.
pub(crate) fn report(error: &anyhow::Error, exit: Exit, json: bool) {
    let stop = error.downcast_ref::<Stop>();
    let store = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<StoreError>());
    let remedy = stop
        .map(|stop| stop.remedy.as_str())
        .or_else(|| store.map(wiring::remedy_for));
    let message = if error.is::<Stop>() {
        error.to_string()
    } else {
        told(error)
    };
    if json {
        anstream::eprintln!("{}", document(error, &message, remedy, exit));
        return;
    }
    say(
        "postrider: ",
        &format!("{ALARM}postrider:{ALARM:#} "),
        &message,
    );
    for broken in stop.iter().flat_map(|stop| &stop.violations) {
        let what = format!("{}: {} ({})", broken.path, broken.message, broken.rule);
        say("  ", "  ", &what);
        if let Some(remedy) = &broken.remediation {
            say("    remedy: ", "    remedy: ", remedy);
        }
    }
    if let Some(remedy) = remedy {
        say("  remedy: ", "  remedy: ", remedy);
    }
}

/// A text behind its label: broken between words where a terminal ends, on its own lines elsewhere.
fn say(label: &str, shown: &str, text: &str) {
    let indent = label.len();
    let stderr = std::io::stderr();
    let columns = if stderr.is_terminal() {
        usize::from(columns_of(stderr)).saturating_sub(indent)
    } else {
        usize::MAX
    };
    let text = wrapped(text, columns).join(&format!("\n{:indent$}", ""));
    anstream::eprintln!("{shown}{text}");
}

fn document(error: &anyhow::Error, message: &str, remedy: Option<&str>, exit: Exit) -> Value {
    let mut document =
        json!({ "error": { "message": message, "remedy": remedy, "exit": exit as u8 } });
    if let Some(Problems(all)) = error.downcast_ref() {
        document["error"]["message"] = "the configuration cannot be used".into();
        document["error"]["problems"] = json!(all);
    }
    let stop = error.downcast_ref::<Stop>();
    if let Some(stop) = stop.filter(|stop| !stop.violations.is_empty()) {
        document["error"]["violations"] = json!(stop.violations);
    }
    document
}
