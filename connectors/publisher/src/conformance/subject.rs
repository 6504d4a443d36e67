//! What a connector gives to be tested: itself, its fake, and what is known of its platform, as data.

use crate::{
    connector::{App, Connector, Setup, SetupError},
    failure::{Class, Scope},
    fake::{FakePlatform, Fault},
    post::{Media, Post},
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Builds a connector: the crate's own function, as a rule.
type Build = Arc<dyn Fn(&Setup) -> Result<Connector, SetupError> + Send + Sync>;

/// One connector under test. Routes are written as for [`crate::fake::Faults::arm`].
#[derive(Clone)]
pub struct Subject {
    /// Builds the connector.
    pub connector: Build,
    /// Its fake, with at least one account.
    pub fake: Arc<dyn FakePlatform>,
    /// The names in [`Setup::addresses`] under which the connector looks for the fake.
    pub addresses: Vec<&'static str>,
    /// The operator's registrations in [`Setup::apps`], where the platform wants one.
    pub apps: Vec<(&'static str, App)>,
    /// What a person enters to connect the account, by field. Where they are sent to a consent page instead, the kit goes
    /// there for them: the fake answers the page's address with a redirect that brings the code and the state back.
    pub entered: Vec<(&'static str, String)>,
    /// The route of the one irreversible request.
    pub irreversible: &'static str,
    /// The route of the request by which `verify` looks.
    pub look: &'static str,
    /// The route that exchanges tokens.
    pub refresh: &'static str,
    /// A sample of each shape that a post can have here (text, one image, four images, a video, …); the plainest first.
    pub shapes: Vec<Shape>,
    /// Posts that preflight must refuse; at least one breaks several rules at once.
    pub violating: Vec<Violating>,
    /// Posts that are accepted with a warning.
    pub ignored: Vec<Ignored>,
    /// The platform's error table.
    pub rows: Vec<Row>,
    /// Classes that no answer of this platform has, each with the reason.
    pub unreachable: Vec<(Class, &'static str)>,
    /// Takes away, at the fake, what the account granted, so that only a person can give it again.
    pub revoke: Option<Arc<dyn Fn() + Send + Sync>>,
    /// Cases that cannot apply, each with the reason; see [`super::SKIPPABLE`].
    pub skips: Vec<(&'static str, &'static str)>,
}

impl Subject {
    /// A subject that gives nothing yet; fill in the fields.
    pub fn new(
        connector: impl Fn(&Setup) -> Result<Connector, SetupError> + Send + Sync + 'static,
        fake: Arc<dyn FakePlatform>,
    ) -> Self {
        Self {
            connector: Arc::new(connector),
            fake,
            addresses: Vec::new(),
            apps: Vec::new(),
            entered: Vec::new(),
            irreversible: "",
            look: "",
            refresh: "",
            shapes: Vec::new(),
            violating: Vec::new(),
            ignored: Vec::new(),
            rows: Vec::new(),
            unreachable: Vec::new(),
            revoke: None,
            skips: Vec::new(),
        }
    }
}

/// A sample post of one shape, with the bytes of its files.
#[derive(Clone, Debug)]
pub struct Shape {
    /// What it is called in reports.
    pub name: &'static str,
    /// The post.
    pub post: Post,
    /// The files of its media, by their id.
    pub files: Vec<(String, Bytes)>,
}

impl Shape {
    /// A post of text alone.
    pub fn text(name: &'static str, text: impl Into<String>) -> Self {
        let post = Post {
            text: text.into(),
            options: json!({}),
            ..Post::default()
        };
        Self {
            name,
            post,
            files: Vec::new(),
        }
    }

    /// Attaches a file; see [`super::png`] and [`super::mp4`].
    #[must_use]
    pub fn with(mut self, (media, bytes): (Media, Bytes)) -> Self {
        self.files.push((media.id.clone(), bytes));
        self.post.media.push(media);
        self
    }

    /// Adds a file that the options name.
    #[must_use]
    pub fn attached(mut self, (media, bytes): (Media, Bytes)) -> Self {
        self.files.push((media.id.clone(), bytes));
        self.post.option_media.push(media);
        self
    }

    /// Sets the platform's options.
    #[must_use]
    pub fn options(mut self, options: Value) -> Self {
        self.post.options = options;
        self
    }
}

/// A post that preflight must refuse.
#[derive(Clone, Debug)]
pub struct Violating {
    /// The post.
    pub post: Post,
    /// All the rules that it breaks, in any order.
    pub rules: Vec<&'static str>,
}

/// A post that is accepted, although part of it will not be published as it was sent.
#[derive(Clone, Debug)]
pub struct Ignored {
    /// The post.
    pub post: Post,
    /// The codes of the warnings, in any order.
    pub codes: Vec<&'static str>,
}

/// When an answer is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// While an account is connected.
    Connect,
    /// While tokens are refreshed.
    Refresh,
    /// While a post is published; any request of any shape.
    Publish,
    /// While `verify` looks.
    Look,
}

/// One row of the platform's error table: an answer, and what it means.
#[derive(Clone, Debug)]
pub struct Row {
    /// When it is met.
    pub phase: Phase,
    /// Which request is answered so.
    pub route: &'static str,
    /// The answer.
    pub status: u16,
    /// Its body.
    pub body: Value,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// What it means.
    pub class: Class,
    /// The whole code that it must have, if that is to be checked.
    pub code: Option<&'static str>,
    /// For a limit: after how long the platform says to come back, and whom it concerns.
    pub limit: Option<(Duration, Scope)>,
}

impl Row {
    /// An answer and its class.
    pub fn new(phase: Phase, route: &'static str, status: u16, body: Value, class: Class) -> Self {
        Self {
            phase,
            route,
            status,
            body,
            headers: Vec::new(),
            class,
            code: None,
            limit: None,
        }
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Demands a code.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// Demands that the failure says when to come back, up to two seconds less, and whom it concerns.
    #[must_use]
    pub fn limit(mut self, retry_in: Duration, scope: Scope) -> Self {
        self.limit = Some((retry_in, scope));
        self
    }

    /// As a fault.
    pub(super) fn fault(&self) -> Fault {
        Fault::Status {
            status: self.status,
            body: self.body.clone(),
            headers: self.headers.clone(),
        }
    }

    /// As it is called in reports.
    pub(super) fn name(&self) -> String {
        format!(
            "{:?} {} {} {}",
            self.phase, self.route, self.status, self.body
        )
    }
}
