//! The error table: one `match` from an answer to what it means, in the order of the fact sheet.
//!
//! Where it does not know an answer it assumes the least: the irreversible request may have happened, anything else did
//! not.

use publisher::{Answer, Failure};

/// What an answer to the irreversible request means that is no success. To do: the platform's own rows.
pub(crate) fn of_create(answer: &Answer) -> Failure {
    let failure = match answer.status {
        401 => Failure::unauthorized("skeleton.create.token_refused", "the token was refused"),
        status => Failure::ambiguous(
            "skeleton.create.unknown_outcome",
            format!("the platform answered {status}"),
        ),
    };
    failure.status(answer.status)
}
