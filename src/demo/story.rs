//! What the demo shows: an account is connected, a picture uploaded, one post published now and one later.
//!
//! Every step prints the command that would do the same, then what came back. At the end the fake's ledger is asked: each
//! post took effect exactly once.

use super::{
    client::Client,
    fleet::ACCOUNT,
    narrator::Narrator,
    state::{Facts, POSTCARD, State},
};
use crate::{config::Config, exit::Stop, output::stamp};
use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::time::Duration;

/// How far ahead the scheduled post is.
const AHEAD: TimeDelta = TimeDelta::seconds(6);
/// How long a post may take, its schedule included.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(100);

const ALT_TEXT: &str = "A drawn postcard: a road leads to hills under an evening sky.";

/// What the story left behind.
pub(super) struct Told {
    /// The connected account.
    pub(super) account: String,
    /// Its DID.
    did: String,
}

/// Tells the story. Errors: anything in it went otherwise than it must.
pub(super) async fn tell(facts: &Facts, state: &State, say: Narrator) -> anyhow::Result<Told> {
    let client = Client::new(&facts.base_url, &facts.fake_url, facts.key.clone().into())?;
    say.title("The commands below use");
    say.command(&format!(
        "export BASE={} FAKE={} KEY={}",
        facts.base_url, facts.fake_url, facts.key
    ));
    let told = connect(&client, facts, say).await?;
    say.command(&format!("export ACCOUNT={}", told.account));
    let media = upload(&client, state, say).await?;
    // Another text in every run, so that the ledger tells the runs apart.
    let run = &uuid::Uuid::now_v7().simple().to_string()[20..26];
    let now = format!("A postcard from Postrider. #firstlight ({run})");
    let later = format!("And one on time, see https://example.com/ ({run})");
    let accepted_at = publish_now(&client, &told, &media, &now, say).await?;
    publish_later(&client, &told, &later, accepted_at, say).await?;
    check_ledger(&client, &[&now, &later], say).await?;
    Ok(told)
}

async fn connect(client: &Client, facts: &Facts, say: Narrator) -> anyhow::Result<Told> {
    say.title("1. Connect a Bluesky account by its app password");
    let body =
        json!({ "identifier": ACCOUNT.0, "appPassword": ACCOUNT.1, "pdsUrl": facts.fake_url });
    say.command(&curl(
        "/v1/accounts/connect/bluesky/complete",
        &shell(&body, &[(&facts.fake_url, "$FAKE")]),
    ));
    let (status, account) = client
        .post("v1/accounts/connect/bluesky/complete", &body, None)
        .await?;
    let text = |name: &str| {
        account[name]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("the account has no `{name}`"))
    };
    let (id, did) = (text("id")?, text("platformAccountId")?);
    let known = if status == 201 {
        "connected"
    } else {
        "known from an earlier run, its session renewed"
    };
    say.done(&format!(
        "{status}: account {id}, @{} ({did}), {known}",
        ACCOUNT.0
    ));
    Ok(Told { account: id, did })
}

async fn upload(client: &Client, state: &State, say: Narrator) -> anyhow::Result<String> {
    say.title("2. Upload a picture");
    let file = state.postcard_file();
    say.command(&format!(
        "curl -s $BASE/v1/media -H \"Authorization: Bearer $KEY\" -F file=@{}",
        file.display()
    ));
    let (status, media) = client.upload("postcard.png", POSTCARD).await?;
    let id = media["id"].as_str().context("the upload has no id")?;
    say.done(&format!(
        "{status}: {id}, {}, {} bytes",
        media["contentType"].as_str().unwrap_or("?"),
        media["sizeBytes"]
    ));
    Ok(id.to_owned())
}

/// Returns when the request was accepted, by the server's clock.
async fn publish_now(
    client: &Client,
    told: &Told,
    media: &str,
    text: &str,
    say: Narrator,
) -> anyhow::Result<DateTime<Utc>> {
    say.title("3. Publish a post with it now; the answer is the result");
    let body = json!({
        "targets": [{ "accountId": told.account }],
        "text": text,
        "media": [{ "kind": "image", "mediaId": media, "altText": ALT_TEXT }],
    });
    say.command(&curl(
        "/v1/posts",
        &shell(&body, &[(&told.account, "$ACCOUNT")]),
    ));
    let key = uuid::Uuid::now_v7().to_string();
    let (status, batch) = client.post("v1/posts", &body, Some(&key)).await?;
    let result = &batch["results"][0];
    say.done(&format!(
        "{status}: the batch is {}",
        batch["status"].as_str().unwrap_or("?")
    ));
    let post = result["postId"]
        .as_str()
        .context("the answer names no post")?;
    watch(client, post, say).await?;
    let accepted = batch["createdAt"]
        .as_str()
        .context("the answer has no `createdAt`")?;
    Ok(DateTime::parse_from_rfc3339(accepted)?.to_utc())
}

async fn publish_later(
    client: &Client,
    told: &Told,
    text: &str,
    accepted_at: DateTime<Utc>,
    say: Narrator,
) -> anyhow::Result<()> {
    say.title(&format!(
        "4. Schedule a post, {} seconds ahead",
        AHEAD.num_seconds()
    ));
    let at = stamp(accepted_at + AHEAD);
    let body =
        json!({ "targets": [{ "accountId": told.account }], "text": text, "scheduledAt": at });
    say.command(&curl(
        "/v1/posts",
        &shell(&body, &[(&told.account, "$ACCOUNT")]),
    ));
    let key = uuid::Uuid::now_v7().to_string();
    let (status, batch) = client.post("v1/posts", &body, Some(&key)).await?;
    say.done(&format!(
        "{status}: {}, for {at}",
        batch["status"].as_str().unwrap_or("?")
    ));
    let post = batch["results"][0]["postId"]
        .as_str()
        .context("the answer names no post")?;
    watch(client, post, say).await
}

/// Tells a post's changes until it is published, and then its attempts.
async fn watch(client: &Client, post: &str, say: Narrator) -> anyhow::Result<()> {
    say.command(&format!(
        "curl -s $BASE/v1/posts/{post} -H \"Authorization: Bearer $KEY\""
    ));
    let path = format!("v1/posts/{post}");
    let mut shown = String::new();
    let end = async {
        loop {
            let now = client.get(&path).await?;
            let status = now["status"].as_str().unwrap_or_default();
            if status != shown {
                status.clone_into(&mut shown);
                let waits = now["waiting"]["reason"]
                    .as_str()
                    .map(|reason| format!(" ({reason})"))
                    .unwrap_or_default();
                say.remark(&format!("{post} is {status}{waits}"));
            }
            if !matches!(status, "queued" | "publishing") {
                return anyhow::Ok(now);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let late = |_| {
        Stop::failed(
            format!("the post {post} was not published in time"),
            "see the logs of the workers",
        )
    };
    let now = tokio::time::timeout(PUBLISHED_WITHIN, end)
        .await
        .map_err(late)??;
    if now["status"] != "published" {
        return Err(Stop::failed(
            format!("the post {post} ended {}: {}", now["status"], now["error"]),
            "see its error",
        )
        .into());
    }
    say.done(&format!(
        "published {}: {}",
        now["publishedAt"].as_str().unwrap_or("?"),
        now["platformUri"].as_str().unwrap_or("?")
    ));
    for attempt in now["attempts"].as_array().into_iter().flatten() {
        say.done(&format!(
            "attempt {}: {}, {} to {}",
            attempt["attemptNumber"],
            attempt["outcome"].as_str().unwrap_or("?"),
            attempt["startedAt"].as_str().unwrap_or("?"),
            attempt["finishedAt"].as_str().unwrap_or("?"),
        ));
    }
    Ok(())
}

async fn check_ledger(client: &Client, texts: &[&str], say: Narrator) -> anyhow::Result<()> {
    say.title("5. Ask the platform's ledger: how often did each take effect?");
    say.command("curl -s $FAKE/_fake/ledger");
    let ledger = client.ledger().await?;
    for text in texts {
        let took_effect = |entry: &&Value| entry["text"] == *text && entry["effective"] == true;
        let times = ledger
            .as_array()
            .into_iter()
            .flatten()
            .filter(took_effect)
            .count();
        if times != 1 {
            let what = format!("`{text}` took effect {times} times on the platform, not once");
            return Err(Stop::failed(what, "see the ledger and the logs of the workers").into());
        }
        say.done(&format!("once: {text}"));
    }
    Ok(())
}

/// Says what else can be tried while everything is up.
pub(super) fn invite(facts: &Facts, told: &Told, state: &State, config: &Config, say: Narrator) {
    let program = std::env::current_exe().map_or_else(
        |_| "postrider".to_owned(),
        |path| path.display().to_string(),
    );
    say.title("Everything stays up until Ctrl-C. Try next");
    say.command(&format!(
        "export BASE={} FAKE={} ACCOUNT={} KEY={}",
        facts.base_url, facts.fake_url, facts.account_id, facts.key
    ));
    let post = |text: &str| {
        curl(
            "/v1/posts",
            &format!(r#"{{"targets":[{{"accountId":"'$ACCOUNT'"}}],"text":"{text}"}}"#),
        )
    };
    let fault = |fault: &str| {
        format!(
            "curl -s $FAKE/_fake/faults \\\n  -d '{{\"route\":\"com.atproto.repo.putRecord\",\"fault\":{fault},\"times\":1}}'"
        )
    };
    say.remark("a post, and what the platform has");
    say.command(&post("Hello from the command line"));
    say.command(&format!(
        "curl -s \"$FAKE/xrpc/com.atproto.repo.listRecords?repo={}&collection=app.bsky.feed.post\"",
        told.did
    ));
    say.remark("a text over the limit: every violation at once, and nothing is stored");
    say.command(&curl(
        "/v1/posts",
        r#"{"targets":[{"accountId":"'$ACCOUNT'"}],"text":"'$(printf 'x%.0s' $(seq 301))'"}"#,
    ));
    say.remark("the answer is cut off after the post took effect: it is looked for, found, and not sent again");
    say.command(&format!(
        "{}\n{}",
        fault("\"cut_after\""),
        post("Sent once, although nobody answered")
    ));
    say.remark("both workers die in the middle (they are started again): the post goes on after a minute or two, when it is clear what became of it");
    say.command(&format!(
        "{}\n{} &",
        fault(r#"{"hang":{"until_released":true}}"#),
        post("Survives kill -9")
    ));
    say.command(&format!(
        "sleep 2; kill -9 {} {}; curl -s -X POST $FAKE/_fake/release",
        facts.pids.worker[0], facts.pids.worker[1]
    ));
    say.remark("a dead letter: the platform refuses; look at it, and send it again");
    let refusal =
        r#"{"status":{"status":400,"body":{"error":"InvalidRequest","message":"not today"}}}"#;
    say.command(&format!(
        "{}\n{}",
        fault(refusal),
        post("Refused the first time")
    ));
    if config.postgres_pid.is_some() {
        say.command("set -a; . .postrider/postgres.env; set +a");
    }
    say.command(&format!(
        "export POSTRIDER_MASTER_KEY=\"$(cat {})\"",
        state.master_key_file().display()
    ));
    say.command(&format!("{program} dead-letters list\n{program} dead-letters redrive LETTER\n{program} doctor --invariants"));
    play_with_the_fake(say);
    say.remark(&format!(
        "logs: .postrider/api.log, worker-1.log, worker-2.log, fake.log; facts: {}",
        state.facts_file().display()
    ));
}

/// Says how to be the platform: its faults, its clock, what it was asked.
fn play_with_the_fake(say: Narrator) {
    say.remark("be the platform: what it can be told, what it was asked, its clock two hours on (every access token ends), and from the beginning; docs/platforms/fakes.md has all faults");
    say.command("curl -s $FAKE/_fake");
    say.command("curl -s $FAKE/_fake/requests");
    say.command("curl -s $FAKE/_fake/clock -d '{\"advance_ms\":7200000}'");
    say.command("curl -s -X POST $FAKE/_fake/reset");
}

fn curl(path: &str, body: &str) -> String {
    format!(
        "curl -s $BASE{path} -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' \\\n  -d '{body}'"
    )
}

/// A body as it stands between single quotes in a shell, with variables for what has one.
fn shell(body: &Value, variables: &[(&str, &str)]) -> String {
    let quoted = body.to_string().replace('\'', r"'\''");
    variables.iter().fold(quoted, |text, (value, name)| {
        text.replace(*value, &format!("'{name}'"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_command_can_be_pasted() {
        let body = json!({ "targets": [{ "accountId": "0199" }], "text": "it's" });
        let shown = curl("/v1/posts", &shell(&body, &[("0199", "$ACCOUNT")]));
        assert!(
            shown.ends_with(r#"-d '{"targets":[{"accountId":"'$ACCOUNT'"}],"text":"it'\''s"}'"#),
            "{shown}"
        );
    }
}
