//! The contract between Postrider and a platform: how to write a connector.
//!
//! A platform is a crate that exports one function, `pub fn connector(setup: &Setup) -> Result<Connector, SetupError>`.
//! The crate implements two traits, [`Publisher`] and [`Authorizer`], declares its [`Quota`]s and [`Habits`], and knows
//! nothing of queues, databases, retries or clocks.
//!
//! * A connector **reports** what happened ([`Progress`], [`Evidence`], [`Failure`]); the engine decides what follows.
//! * The one irreversible request of a step needs a [`Permit`], which only a committed send mark gives ([`Mark::set`]).
//! * Everything goes through [`Http`]: it keeps deadlines, guards against private addresses, paces requests per host, and
//!   knows whether a failed request can have reached the platform.
//!
//! # Writing one
//!
//! `make new-connector NAME=mastodon` writes a crate that compiles. Its test run is the list of what to do: each named case
//! of `publisher::conformance` (feature `fake`) says what it lacks. In this order:
//!
//! 1. the fake (`publisher::fake::FakePlatform`): routes, limits and tokens, from the platform's documents;
//! 2. the error table: a [`Class`] for every answer; where it does not know one it assumes the least;
//! 3. the rules: [`Publisher::preflight`] tells all violations at once, and warns of what would be ignored;
//! 4. [`Publisher::publish`]: what is harmless to repeat, then the mark, then the one irreversible request; what a
//!    repetition needs to be identical is frozen in the [`Checkpoint`];
//! 5. [`Publisher::verify`], by the strongest [`ReadBack`] that the platform allows;
//! 6. the [`Authorizer`]: a [`Form`] or a [`Consent`] page, refresh, revoke;
//! 7. [`Habits`] and [`Quota`]s, every figure with its source.
//!
//! ```ignore
//! let permit = step.mark.set(checkpoint).await?; // refused: pass it on unchanged
//! let call = self.http.post_once(&url, permit).bearer(step.token).json(&body);
//! let answer = call.deadline(step.deadline).send().await.map_err(|e| e.failure("mastodon.create.no_answer"))?;
//! ```
//!
//! This crate may be depended on by everything and depends on nothing of ours. Its only I/O is [`http`].

#![forbid(unsafe_code)]

pub mod authorizer;
#[cfg(feature = "fake")]
pub mod conformance;
pub mod connector;
pub mod contract;
pub mod failure;
#[cfg(feature = "fake")]
pub mod fake;
pub mod fault;
pub mod http;
pub mod id;
#[cfg(feature = "image")]
pub mod image;
pub mod measure;
pub mod media;
pub mod oauth;
pub mod post;
pub mod preflight;
pub mod quota;
#[cfg(feature = "fake")]
pub mod toys;

pub use authorizer::{
    Authorizer, Choice, Choosing, Consent, Descriptor, Entered, Field, Form, Grant, NewChoice,
    Refreshed, Start, TokenSet,
};
pub use connector::{
    ApiVersion, App, Connector, Habits, Pace, ReadBack, Registry, ScopeUse, Setup, SetupError,
};
pub use contract::{
    Account, Checkpoint, Evidence, Mark, Part, Permit, Progress, Publisher, Receipt, Role, Step,
    Visibility,
};
pub use failure::{Class, Failure, Scope};
pub use http::{Answer, CallError, Deadline, EgressAllow, Http, HttpConfig};
pub use media::{MediaReader, MediaStream};
pub use post::{
    Caption, FirstComment, Media, MediaFacts, MediaKind, OptionMedia, Post, ThreadMedia, ThreadPart,
};
pub use preflight::{Report, Violation, Warning};
pub use quota::{Bound, Counts, Left, Quota, Rate, Usage, Usages};
