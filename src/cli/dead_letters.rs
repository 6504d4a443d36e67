//! The verbs of dead letters.

use super::{
    options::{Actor, Consent, Page},
    values::{letter_id, reason},
};
use clap::{Args, Subcommand};
use uuid::Uuid;

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List dead letters, newest first
    ///
    /// With --json, prints `{"data": [Letter], "nextCursor": text or null}`; a Letter is as `dead-letters show` has it.
    List(ListLetters),
    /// Show one dead letter
    ///
    /// With --json, prints a Letter: `{"id", "organisationId", "job", "kind", "postId", "platform", "class",
    /// "fingerprint", "failure": {"class", "code", "message", …}, "failures", "looks", "claims", "sentAt", "stage",
    /// "generation", "createdAt", "resolvedAt", "resolvedBy", "resolvedHow", "resolvedNote", "text",
    /// "handle"}`.
    Show(ShowLetter),
    /// Send the post of a dead letter again
    ///
    /// A letter of class ambiguous may be public already; therefore the platform is asked first, and only what is not
    /// there is sent. With --json, prints `{"postId", "looksFirst"}`. Exits 3 if somebody has dealt with it already.
    Redrive(Redrive),
    /// Close a dead letter without sending anything
    ///
    /// Its post stays as it ended. With --json, prints a Letter. Exits 3 if somebody has dealt with it already.
    Discard(Discard),
}

#[derive(Debug, Args)]
pub(crate) struct ListLetters {
    /// Only of this organisation: name or id
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Only of this platform
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Only of this class
    #[arg(long, value_name = "CLASS", value_parser = CLASSES)]
    pub(crate) class: Option<String>,
    /// Those that somebody has dealt with, too
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) page: Page,
}

const CLASSES: [&str; 6] = [
    "rejected",
    "account_blocked",
    "exhausted",
    "expired",
    "ambiguous",
    "poison",
];

#[derive(Debug, Args)]
pub(crate) struct ShowLetter {
    /// Its id, or its post's
    #[arg(value_name = "ID", value_parser = letter_id)]
    pub(crate) id: Uuid,
}

#[derive(Debug, Args)]
pub(crate) struct Redrive {
    /// Its id, or its post's
    #[arg(value_name = "ID", value_parser = letter_id)]
    pub(crate) id: Uuid,
    #[command(flatten)]
    pub(crate) actor: Actor,
    /// Send an ambiguous one without asking the platform first: I have looked, and it is not there
    #[arg(long)]
    pub(crate) i_checked_it_is_absent: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct Discard {
    /// Its id, or its post's
    #[arg(value_name = "ID", value_parser = letter_id)]
    pub(crate) id: Uuid,
    /// Why nothing is to be sent; kept with the letter
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) actor: Actor,
    #[command(flatten)]
    pub(crate) consent: Consent,
}
