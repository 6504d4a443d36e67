//! Request and answer types, exactly as on the wire.

use serde::{Deserialize, Serialize};

/// To do: what the irreversible request says.
#[derive(Serialize)]
pub(crate) struct Create<'a> {
    pub(crate) text: &'a str,
}

/// To do: what it answers.
#[derive(Deserialize)]
pub(crate) struct Created {
    pub(crate) id: String,
}
