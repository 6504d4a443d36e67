//! The sweep: planted secrets of every kind go through success, failure, refresh and refusal; then everything that the
//! product wrote, stored or answered is searched for them.
//!
//! The fakes are made to repeat secrets in their error answers, as a careless platform would. The search proves itself by
//! what it must find: the post's text, and the bytes of what is stored sealed.

mod consent;
pub(crate) mod search;

use self::search::{Haystack, dump, needles};
use crate::{
    caller::{Caller, immediate},
    fleet::{APP_PASSWORD, Fleet, MASTER_KEY, TOY_PASSWORD, did},
    late_arrival::irreversible,
    process::Process,
};
use publisher::{Answer, TokenSet, fake::Fault};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::time::Duration;
use vault::{Owner, Purpose};

/// Stands in every text; no secret.
const PLAIN: &str = "visible words of a post";

const WRONG_PASSWORD: &str = "zqmark-wrong-wrong-word";

const WRONG_KEY: &str = "lmp_live_zqmark0wrong0key0zqmark0wro";

const ENDED_WITHIN: Duration = Duration::from_mins(1);

/// Longer than any access token of the fakes lives.
const TOKENS_END: Duration = Duration::from_mins(121);

/// One sweep: the fleet, its API, and all that was found so far.
struct Sweep {
    fleet: Fleet,
    caller: Caller,
    secrets: Vec<(String, Vec<u8>)>,
    haystacks: Vec<Haystack>,
}

impl Sweep {
    fn plant(&mut self, what: &str, secret: impl AsRef<[u8]>) {
        self.secrets
            .push((what.to_owned(), secret.as_ref().to_vec()));
    }

    /// Keeps an answer of the API, headers included; returns its body.
    fn keep(&mut self, what: &str, answer: &Answer) -> Value {
        let mut text = format!("{}\n{:?}\n", answer.status, answer.headers).into_bytes();
        text.extend_from_slice(&answer.body);
        self.haystacks.push(Haystack {
            name: format!("answer: {what}"),
            bytes: text,
        });
        answer.json().unwrap_or_default()
    }

    async fn get(&mut self, path: &str) -> Value {
        let answer = self.caller.get(path).await;
        assert_eq!(answer.status, 200, "GET /{path}");
        self.keep(path, &answer)
    }

    async fn post(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.caller.post(path, body, None).await.unwrap();
        (answer.status, self.keep(path, &answer))
    }

    async fn connect(&mut self, platform: &str, form: &Value) -> (u16, Value) {
        self.post(&format!("v1/accounts/connect/{platform}/complete"), form)
            .await
    }

    /// The tokens of an account as they are now, by the vault's own door; each is a secret from now on.
    async fn plant_tokens(&mut self, account: &str) -> TokenSet {
        let question =
            format!("select encode(sealed_tokens, 'hex') from accounts where id = '{account}'");
        let hex = self.fleet.database.ask(&question).await.unwrap();
        let sealed = search::bytes_of(&hex);
        let owner = Owner::account(account.parse().unwrap());
        let plain = self
            .fleet
            .vault
            .open(&sealed, owner, Purpose::AccountToken)
            .unwrap();
        let tokens = TokenSet::from_sealable(&plain).unwrap();
        let refresh = tokens.refresh.clone().unwrap();
        self.plant(
            &format!("access token of {account}"),
            tokens.access.expose_secret(),
        );
        self.plant(
            &format!("refresh token of {account}"),
            refresh.expose_secret(),
        );
        tokens
    }

    /// Publishes, and expects what becomes of it.
    async fn publish(&mut self, account: &Value, words: &str, status: &str) -> String {
        let account = self.fleet.store.get_account(
            self.fleet.org,
            account["id"].as_str().unwrap().parse().unwrap(),
            None,
        );
        let account = account.await.unwrap().unwrap();
        let (code, body) = self
            .post(
                "v1/posts",
                &immediate(&account, &format!("{PLAIN} {words}")),
            )
            .await;
        assert_eq!(
            (code, body["status"].as_str()),
            (200, Some(status)),
            "{words}: {body}"
        );
        body["results"][0]["postId"].as_str().unwrap().to_owned()
    }

    /// Runs a verb to its end; its output is searched with all the others.
    async fn run(&self, name: &str, arguments: &[&str]) {
        let mut process = self.fleet.start(name, arguments, &self.fleet.variables());
        let ended = process.end_within(ENDED_WITHIN).await;
        let code = ended.and_then(|status| status.code());
        assert_eq!(
            code,
            Some(0),
            "postrider {}\n{}",
            arguments.join(" "),
            process.said()
        );
    }

    /// Every needle in every haystack; returns what was found.
    fn findings(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (what, secret) in &self.secrets {
            for (form, needle) in needles(secret) {
                for haystack in self
                    .haystacks
                    .iter()
                    .filter(|haystack| haystack.holds(&needle))
                {
                    found.push(format!(
                        "{what} ({form}) in {}: …{}…",
                        haystack.name,
                        haystack.around(&needle)
                    ));
                }
            }
        }
        found
    }

    fn must_find(&self, what: &str, needle: &[u8], haystack: &str) {
        let holds = |one: &Haystack| one.name.contains(haystack) && one.holds(needle);
        assert!(
            self.haystacks.iter().any(holds),
            "the search is blind: {what} is not in {haystack}"
        );
    }
}

/// A platform that repeats a secret in its error answer.
fn repeats(status: u16, error: &str, secret: &str) -> Fault {
    let body = json!({ "error": error, "message": format!("the token {secret} is refused"), "token": secret });
    Fault::Status {
        status,
        body,
        headers: vec![],
    }
}

fn form(name: &str, field: &str, password: &str) -> Value {
    json!({ "identifier": name, field: password })
}

async fn open() -> (Sweep, Process, Process) {
    let mut fleet = Fleet::open().await;
    fleet.extra.push(consent::variable());
    let key = fleet.api_key().await;
    let (api, address) = fleet.api().await;
    let caller = Caller::of(&address, &key);
    caller.is_ready().await;
    let stranger = Caller::of(&address, &SecretString::from(WRONG_KEY));
    let worker = fleet.worker(None);
    let mut sweep = Sweep {
        fleet,
        caller,
        secrets: vec![],
        haystacks: vec![],
    };
    sweep.plant("API key", key.expose_secret());
    sweep.plant("wrong API key", WRONG_KEY);
    sweep.plant("app password", APP_PASSWORD);
    sweep.plant("toy password", TOY_PASSWORD);
    sweep.plant("wrong password", WRONG_PASSWORD);
    sweep.plant("master key, as configured", MASTER_KEY);
    sweep.plant("master key", "zqmark-master-key-of-all-fleets!");
    sweep.plant("a JSON Web Token", r#"{"alg":"HS256","typ":""#);
    sweep.plant("a toy's access token", "toyacc-");
    sweep.plant("a toy's refresh token", "toyref-");
    let refused = stranger.get("v1/posts").await;
    assert_eq!(refused.status, 401);
    sweep.keep("wrong API key", &refused);
    (sweep, api, worker)
}

/// Connecting, with right and wrong passwords, the wrong one repeated by the platform; returns the accounts.
async fn connects(sweep: &mut Sweep) -> (Value, Value) {
    for (platform, name, field, password) in [
        ("bluesky", "ada.test", "appPassword", APP_PASSWORD),
        ("toy_blind", "ada", "password", TOY_PASSWORD),
    ] {
        let (status, body) = sweep.connect(platform, &form(name, field, password)).await;
        assert_eq!(status, 201, "{body}");
        let (status, body) = sweep
            .connect(platform, &form(name, field, WRONG_PASSWORD))
            .await;
        assert_eq!(status, 401, "{body}");
        let log_in = if platform == "bluesky" {
            "com.atproto.server.createSession"
        } else {
            "session"
        };
        let echo = repeats(401, "AuthenticationRequired", WRONG_PASSWORD);
        sweep.fleet.fake(platform).faults().arm(log_in, echo, 1);
        let (status, body) = sweep
            .connect(platform, &form(name, field, WRONG_PASSWORD))
            .await;
        assert_eq!(status, 401, "{body}");
    }
    let accounts = sweep.get("v1/accounts").await;
    let of = |platform: &str| {
        let all = accounts["data"].as_array().unwrap();
        all.iter()
            .find(|account| account["platform"] == platform)
            .unwrap()
            .clone()
    };
    (of("bluesky"), of("toy_blind"))
}

/// Success, a refused token that the platform repeats, an expired one, and a failure, on one account.
async fn publishes(sweep: &mut Sweep, platform: &str, account: &Value) -> Vec<String> {
    let id = account["id"].as_str().unwrap().to_owned();
    let tokens = sweep.plant_tokens(&id).await;
    let mut posts = vec![sweep.publish(account, "at once", "published").await];
    let echo = repeats(401, "InvalidToken", tokens.access.expose_secret());
    sweep
        .fleet
        .fake(platform)
        .faults()
        .arm(&irreversible(platform), echo, 1);
    posts.push(sweep.publish(account, "after a refusal", "published").await);
    let fresh = sweep.plant_tokens(&id).await;
    assert_ne!(
        fresh.access.expose_secret(),
        tokens.access.expose_secret(),
        "nothing was refreshed"
    );
    sweep.fleet.fake(platform).clock().advance(TOKENS_END);
    // A token that is refused although it is fresh closes the account; these tokens are old.
    sweep
        .fleet
        .database
        .execute("update accounts set token_refreshed_at = token_refreshed_at - interval '1 hour'")
        .await;
    posts.push(sweep.publish(account, "after an expiry", "published").await);
    let current = sweep.plant_tokens(&id).await;
    let echo = repeats(400, "InvalidRequest", current.access.expose_secret());
    sweep
        .fleet
        .fake(platform)
        .faults()
        .arm(&irreversible(platform), echo, 1);
    posts.push(sweep.publish(account, "in vain", "failed").await);
    posts
}

/// The refresh token is gone, and the platform repeats the app password that is tried next: the account needs its owner.
async fn is_revoked(sweep: &mut Sweep, account: &Value) -> String {
    sweep.fleet.pds.revoke_app_password(&did("ada"));
    let faults = sweep.fleet.fake("bluesky").faults();
    faults.arm(
        "com.atproto.server.createSession",
        repeats(401, "AuthenticationRequired", APP_PASSWORD),
        1,
    );
    sweep.fleet.fake("bluesky").clock().advance(TOKENS_END);
    sweep
        .fleet
        .database
        .execute("update accounts set token_refreshed_at = token_refreshed_at - interval '1 hour'")
        .await;
    sweep
        .publish(account, "after the revocation", "failed")
        .await
}

/// Everything that shows what became of the posts, over HTTP and on the command line.
async fn shows(sweep: &mut Sweep, posts: &[String]) {
    for post in posts {
        sweep.get(&format!("v1/posts/{post}")).await;
        let show = ["posts", "show", post, "--json"];
        sweep.run("posts-show", &show).await;
    }
    let question = "select string_agg(id::text, ' ') from dead_letters where kind = 'publish'";
    let letters = sweep.fleet.database.ask(question).await.unwrap();
    assert_eq!(letters.split(' ').count(), 3);
    for letter in letters.split(' ') {
        let show = ["dead-letters", "show", letter, "--json"];
        sweep.run("letter-show", &show).await;
    }
    for list in ["v1/posts", "v1/accounts", "ready", "health"] {
        sweep.get(list).await;
    }
    for (name, line) in [
        ("posts-list", "posts list --json"),
        ("letters-list", "dead-letters list --json"),
        ("keys-list", "keys list --json"),
        ("doctor", "doctor --invariants"),
        ("doctor-json", "doctor --json"),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        sweep.run(name, &arguments).await;
    }
}

/// A search that finds nothing must be one that could have found something.
async fn finds_what_is_there(sweep: &Sweep) {
    let ask = |question| sweep.fleet.database.ask(question);
    let sealed = ask("select encode(sealed_tokens, 'hex') from accounts limit 1").await;
    sweep.must_find("what is sealed", sealed.unwrap().as_bytes(), "pg_dump");
    for haystack in [
        "pg_dump",
        "answer: v1/posts",
        "posts-show.out",
        "letter-show.out",
        "posts-list.out",
    ] {
        sweep.must_find("the text of a post", PLAIN.as_bytes(), haystack);
    }
    let job = ask("select job::text from attempts limit 1").await;
    sweep.must_find("a job", job.unwrap().as_bytes(), "worker.err");
    sweep.must_find("a route", b"/v1/posts", "api.err");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_planted_secret_is_in_any_log_dump_or_answer() {
    let (mut sweep, api, worker) = open().await;
    let (bluesky, toy) = connects(&mut sweep).await;
    let mut posts = publishes(&mut sweep, "bluesky", &bluesky).await;
    posts.extend(publishes(&mut sweep, "toy_blind", &toy).await);
    let consented = consent::consents(&mut sweep).await;
    sweep.plant_tokens(consented["id"].as_str().unwrap()).await;
    posts.push(sweep.publish(&consented, "by consent", "published").await);
    posts.push(is_revoked(&mut sweep, &bluesky).await);
    shows(&mut sweep, &posts).await;
    worker.drain().await;
    api.drain().await;

    let dumped = ("pg_dump".to_owned(), dump(&sweep.fleet.database.url));
    let outputs = sweep.fleet.outputs().into_iter();
    let outputs = outputs.map(|(path, bytes)| (path.display().to_string(), bytes));
    let found = outputs
        .chain([dumped])
        .map(|(name, bytes)| Haystack { name, bytes });
    sweep.haystacks.extend(found);
    finds_what_is_there(&sweep).await;
    let found = sweep.findings();
    let told = found.join("\n");
    assert!(found.is_empty(), "{} findings:\n{told}", found.len());
    sweep.fleet.close().await;
}
