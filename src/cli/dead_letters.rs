//! The verbs of dead letters.

use super::{
    content::ContentChange,
    options::{Actor, Consent, InOrg, Page},
    values::{Moment, account_id, instant, letter_id, moment, reason},
};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use publisher::id::AccountId;
use uuid::Uuid;

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List dead letters, newest first
    ///
    /// With --json, prints `{"data": [Letter], "nextCursor": text or null}`; a Letter is as `dead-letters show` has it,
    /// without `attempts` and `history`.
    List(ListLetters),
    /// Show one dead letter, with every attempt of its post and who dealt with it before
    ///
    /// With --json, prints a Letter: `{"id", "organisation": {"id", "name"}, "job", "kind", "postId", "platform",
    /// "account": {"id", "displayName", "handle", "connected"}, "class", "fingerprint", "failure": {"class", "code",
    /// "message", …}, "failures", "looks", "claims", "sentAt", "stage", "generation", "createdAt", "resolvedAt",
    /// "resolvedBy", "resolvedHow", "resolvedNote", "text", "attempts": [Attempt], "history": [{"id", "class",
    /// "generation", "createdAt", "resolvedAt", "resolvedBy", "resolvedHow", "resolvedNote"}]}`; an Attempt is as `posts
    /// show` has it, `history` has all letters of the post, oldest first.
    Show(ShowLetter),
    /// Send the post of a dead letter again, as it is; asks first
    ///
    /// A letter whose last send is unresolved may be public already; therefore the platform is asked first, and only what is
    /// not there is sent. Where the platform cannot be asked, this is refused unless you say that you have looked. With
    /// --json, prints `{"postId", "looksFirst"}`. Exits 3 if somebody has dealt with it already, if nobody can look, or if
    /// its account is gone.
    Redrive(Redrive),
    /// Change the post of a dead letter and send it, all of it or nothing; asks first
    ///
    /// The new content is judged by the platform's rules as any post is, and goes as a new generation: nothing of the old
    /// content's progress is used. A letter whose last send is unresolved is refused: redrive it, or discard it after a look.
    /// With --json, prints `{"postId", "scheduledAt"}`. Exits 2 if rules are broken, 3 if it cannot be edited.
    Edit(EditLetter),
    /// Close a dead letter without sending anything; asks first
    ///
    /// Its post stays as it ended. With --json, prints a Letter as `dead-letters list` has it. Exits 3 if somebody has dealt
    /// with it already.
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
    /// Only of this account
    #[arg(long, value_name = "ACCOUNT_ID", value_parser = account_id)]
    pub(crate) account: Option<AccountId>,
    /// Only of this class
    #[arg(long, value_name = "CLASS", value_parser = CLASSES)]
    pub(crate) class: Option<String>,
    /// Only of this fault; letters of one cause have one fingerprint
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) fingerprint: Option<String>,
    /// Only those that ended then or later: an instant, or an age such as 30m, 2h or 7d
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(crate) since: Option<Moment>,
    /// Only those that ended before: an instant, or an age
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(crate) until: Option<Moment>,
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
    #[command(flatten)]
    pub(crate) of: InOrg,
}

#[derive(Debug, Args)]
pub(crate) struct Redrive {
    /// Its id, or its post's
    #[arg(value_name = "ID", value_parser = letter_id)]
    pub(crate) id: Uuid,
    #[command(flatten)]
    pub(crate) of: InOrg,
    #[command(flatten)]
    pub(crate) actor: Actor,
    /// Send one that may be public without asking the platform first: I have looked, and it is not there
    #[arg(long)]
    pub(crate) i_checked_it_is_absent: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct EditLetter {
    /// Its id, or its post's
    #[arg(value_name = "ID", value_parser = letter_id)]
    pub(crate) id: Uuid,
    #[command(flatten)]
    pub(crate) content: ContentChange,
    /// When it is to go, such as 2026-12-24T18:00:00Z; without it at once
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    pub(crate) at: Option<DateTime<Utc>>,
    #[command(flatten)]
    pub(crate) of: InOrg,
    #[command(flatten)]
    pub(crate) actor: Actor,
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
    pub(crate) of: InOrg,
    #[command(flatten)]
    pub(crate) actor: Actor,
    #[command(flatten)]
    pub(crate) consent: Consent,
}
