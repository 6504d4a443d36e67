//! What several verbs take: whose it is, who acts, the yes that a script gives beforehand, which page of a list.

use super::values::name;
use clap::Args;

/// Whose thing a verb is about, where its id could be anybody's.
#[derive(Debug, Args)]
pub(crate) struct InOrg {
    /// The organisation: name or id; what is another's is not found. Without it all are asked
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
}

/// In whose name a verb acts.
#[derive(Debug, Args)]
pub(crate) struct Actor {
    /// Who is doing this, for the record; your user name unless said
    #[arg(long = "as", value_name = "NAME", value_parser = name::<200>)]
    pub(crate) by: Option<String>,
}

/// The yes to what a verb would ask before it acts; [`crate::confirm`] asks.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Consent {
    /// Do it without asking; needed where there is no terminal to ask on
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}

/// Which page of a list.
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=200))]
    pub(crate) limit: i32,
    /// Where an earlier list said that it goes on
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}
