//! The spans of one post, from its request through its attempt to the calls of its platform, and what is not in them.

use crate::app::{App, PASSWORD};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

const TEXT: &str = "words that nobody should find in a log";

type Fields = BTreeMap<String, String>;

/// A span, or an event, which has no name.
#[derive(Clone, Debug)]
struct Kept {
    name: &'static str,
    level: Level,
    /// Where in the list its parent stands.
    parent: Option<usize>,
    fields: Fields,
}

/// Keeps everything that our own crates say.
#[derive(Clone, Debug, Default)]
struct Capture(Arc<Mutex<Vec<Kept>>>);

/// Where in the list a span stands.
struct Place(usize);

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        self.0.insert(field.name().to_owned(), value);
    }
}

fn is_ours(target: &str) -> bool {
    let ours = ["api", "engine", "store", "vault", "publisher", "connector_"];
    ours.iter().any(|prefix| target.starts_with(prefix))
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Capture {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        if !is_ours(span.metadata().target()) {
            return;
        }
        let mut fields = Fields::new();
        attributes.record(&mut Reader(&mut fields));
        let parent = span.parent();
        let parent =
            parent.and_then(|parent| parent.extensions().get::<Place>().map(|place| place.0));
        let mut kept = self.0.lock().unwrap();
        span.extensions_mut().insert(Place(kept.len()));
        kept.push(Kept {
            name: span.name(),
            level: *span.metadata().level(),
            parent,
            fields,
        });
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let place = span.extensions().get::<Place>().map(|place| place.0);
        if let Some(place) = place {
            record.record(&mut Reader(&mut self.0.lock().unwrap()[place].fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !is_ours(event.metadata().target()) {
            return;
        }
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        let span = context.event_span(event);
        let parent = span.and_then(|span| span.extensions().get::<Place>().map(|place| place.0));
        self.0.lock().unwrap().push(Kept {
            name: "",
            level: *event.metadata().level(),
            parent,
            fields,
        });
    }
}

/// The first of this name whose field has this value, and its place.
fn find<'a>(all: &'a [Kept], name: &str, field: &str, value: &str) -> (usize, &'a Kept) {
    let mut found = all.iter().enumerate();
    found
        .find(|(_, one)| one.name == name && one.fields.get(field).is_some_and(|is| is == value))
        .unwrap_or_else(|| panic!("no `{name}` with {field} = {value} in {all:#?}"))
}

/// Everything that stands in a span, however deep.
fn is_in(all: &[Kept], one: &Kept, span: usize) -> bool {
    let mut parent = one.parent;
    while let Some(place) = parent {
        if place == span {
            return true;
        }
        parent = all[place].parent;
    }
    false
}

#[tokio::test]
async fn the_spans_of_a_post_lead_from_its_request_to_the_calls_of_its_platform_and_hold_no_secret()
{
    let capture = Capture::default();
    let subscriber = tracing_subscriber::registry().with(capture.clone());
    let listening = tracing::subscriber::set_default(subscriber);
    // While there is only one subscriber, a span that another test's thread meets first is judged by that thread, which
    // has none, and stays silent for everybody. With two, all of them are asked.
    let second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());

    let app = App::start().await;
    app.work().await;
    let account = app.bluesky().await;
    let body = json!({ "targets": [{ "accountId": account }], "text": TEXT });
    let answer = app
        .post_with("/v1/posts?trace=1", &[("x-request-id", "trace-1")], body)
        .await;
    let answer = answer.ok(200).clone();
    let post = answer["results"][0]["postId"].as_str().unwrap();
    let key = app.key.clone();
    app.finish().await;
    drop((listening, second));
    let all = capture.0.lock().unwrap().clone();

    let (request, of_request) = find(&all, "http.request", "request.id", "trace-1");
    assert_eq!(of_request.fields["method"], "POST");
    assert_eq!(of_request.fields["route"], "/v1/posts");
    let accepts = |one: &Kept| one.name == "accept" && is_in(&all, one, request);
    let accept = all
        .iter()
        .find(|one| accepts(one))
        .expect("an accept in the request");
    assert_eq!(accept.fields["posts"], "1");
    assert!(
        all.iter()
            .any(|one| one.name == "claim" && one.fields["queue"] == "bluesky")
    );

    // Linked by the request's id, not its child: it runs later, and elsewhere.
    let (attempt, of_attempt) = find(&all, "attempt", "request.id", "trace-1");
    assert!(!is_in(&all, of_attempt, request), "{of_attempt:?}");
    for (field, value) in [
        ("post.id", post),
        ("account.id", account.as_str()),
        ("platform", "bluesky"),
        ("claim", "1"),
        ("failures", "0"),
    ] {
        assert_eq!(of_attempt.fields[field], value, "{field}");
    }
    let calls = |one: &&Kept| one.name == "platform.call" && is_in(&all, one, attempt);
    let calls: Vec<&Kept> = all.iter().filter(calls).collect();
    assert!(!calls.is_empty(), "an attempt without a call: {all:#?}");
    for call in calls {
        assert_eq!(call.fields["platform"], "bluesky");
        assert_eq!(call.fields["status"], "200", "{call:?}");
        assert!(
            call.fields["endpoint"].starts_with("POST 127.0.0.1:"),
            "{call:?}"
        );
        assert!(
            call.fields["duration_ms"].parse::<u64>().is_ok(),
            "{call:?}"
        );
    }

    let (_, line) = find(&all, "", "message", "attempt published");
    assert_eq!(line.level, Level::INFO);
    assert_eq!(all[line.parent.unwrap()].name, "settle");
    assert_eq!(all[line.parent.unwrap()].fields["batch"], "1");
    assert_eq!(line.fields["request.id"], "trace-1");
    assert_eq!(line.fields["subject"], post);
    assert_eq!(line.fields["settlement"], "complete");

    let said = format!("{all:?}");
    for secret in [TEXT, PASSWORD, key.as_str(), "/xrpc/", "?trace", "eyJ"] {
        assert!(!said.contains(secret), "{secret} is in a span or a line");
    }
}
