//! What the toys' answers mean.

use super::Toy;
use crate::{
    contract::{Progress, Receipt, Visibility},
    failure::Failure,
    http::Answer,
};
use serde::Deserialize;

/// Whether a request can be repeated without harm.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Harmless,
    Irreversible,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

#[derive(Deserialize)]
struct Created {
    id: String,
}

impl Toy {
    /// The failure that an answer other than 2xx stands for.
    pub(super) fn refusal(&self, what: &str, kind: Kind, answer: &Answer) -> Failure {
        let error = answer
            .json::<Refusal>()
            .map_or_else(|_| String::new(), |r| r.error);
        let code = |fact: &str| self.code(&format!("{what}.{fact}"));
        let status = answer.status;
        let failure = match status {
            401 => Failure::unauthorized(code("unauthorized"), "the access token was refused"),
            403 => Failure::account_blocked(code("suspended"), "the account is suspended"),
            429 => {
                let wait = answer.retry_after().unwrap_or(self.times.posts_window);
                Failure::rate_limited(code("rate_limited"), "too many posts").retry_in(wait)
            }
            404 | 409 | 410 if what == "container" || what == "publish" => Failure::stale(
                code("gone"),
                "the container is not there any more, or not ready",
            ),
            400 if error == "forbidden_text" => {
                Failure::rejected(code("forbidden_text"), "the text is not allowed here")
                    .rule(self.code("text.forbidden"))
                    .remediation("Change the text.")
            }
            400..=499 if status != 408 => {
                Failure::rejected(code("refused"), format!("the platform refused: {error}"))
            }
            _ => self.unclear(what, kind, &format!("the platform answered {status}")),
        };
        failure.status(status).response(&answer.body)
    }

    /// An answer that says nothing about what happened.
    pub(super) fn unclear(&self, what: &str, kind: Kind, message: &str) -> Failure {
        let code = self.code(&format!("{what}.unclear"));
        match kind {
            Kind::Harmless => Failure::transient(code, message),
            Kind::Irreversible => Failure::ambiguous(code, message),
        }
    }

    /// Reads the id of what a POST made.
    pub(super) fn created(
        &self,
        what: &str,
        kind: Kind,
        answer: &Answer,
    ) -> Result<String, Failure> {
        if !answer.is_success() {
            return Err(self.refusal(what, kind, answer));
        }
        let created = answer.json::<Created>().map_err(|e| {
            let message = format!("the platform's answer cannot be read: {e}");
            self.unclear(what, kind, &message)
                .status(answer.status)
                .response(&answer.body)
        })?;
        Ok(created.id)
    }

    /// A post is public.
    pub(super) fn published(&self, account: &str, id: String) -> Progress {
        let url = self
            .url(&[self.platform, account, "posts", &id])
            .to_string();
        Progress::Published(Receipt {
            uri: Some(id),
            url: Some(url),
            visibility: Visibility::Public,
            ..Receipt::default()
        })
    }
}
