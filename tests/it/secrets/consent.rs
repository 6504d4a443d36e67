//! A consent, refused and granted: the platform repeats the code in its refusal, as a careless one would.

use super::{Sweep, repeats};
use crate::caller::Caller;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use url::Url;

/// The secret of the toys' app.
const APP_SECRET: &str = "toy-app-secret";

/// What lets the processes serve `toy_oauth`.
pub(super) fn variable() -> (&'static str, std::ffi::OsString) {
    let app = format!("toy_oauth=toy-app:{APP_SECRET}");
    ("POSTRIDER_APPS", app.into())
}

/// Connects an account by consent, at the second try; returns it.
pub(super) async fn consents(sweep: &mut Sweep) -> Value {
    sweep.plant("app secret", APP_SECRET);
    sweep.plant("a code", "toycode-");
    let toys = sweep.fleet.fake("toy_oauth").addr().to_string();
    let browser = Caller::of(&toys, &SecretString::from("none".to_owned()));
    for refused in [true, false] {
        // Whoever begins is told the state, so this answer is not searched.
        let begun = sweep
            .caller
            .post("v1/accounts/connect/toy_oauth", &json!({}), None)
            .await
            .unwrap();
        let begun: Value = begun.json().unwrap();
        let page = begun["descriptor"]["authorizationUrl"].as_str().unwrap();
        let page = Url::parse(page).unwrap();
        let path = format!("toy_oauth/authorize?{}", page.query().unwrap());
        let granted = browser.get(&path).await;
        let back = Url::parse(granted.header("location").unwrap()).unwrap();
        let sent: BTreeMap<String, String> = back.query_pairs().into_owned().collect();
        sweep.plant("a state", &sent["state"]);
        if refused {
            let echo = repeats(400, "invalid_grant", &sent["code"]);
            let faults = sweep.fleet.fake("toy_oauth").faults();
            faults.arm("POST /toy_oauth/token", echo, 1);
        }
        let path = format!(
            "v1/accounts/oauth/toy_oauth/callback?{}",
            back.query().unwrap()
        );
        let answer = sweep.caller.get(&path).await;
        sweep.keep("a callback", &answer);
        let to = answer.header("location").unwrap_or_default();
        assert_eq!(to.contains("connect_error"), refused, "{to}");
    }
    let accounts = sweep.get("v1/accounts").await;
    let all = accounts["data"].as_array().unwrap();
    let found = all
        .iter()
        .find(|account| account["platform"] == "toy_oauth");
    found.unwrap().clone()
}
