//! The verbs of the configuration.

use clap::Subcommand;

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Check file and environment: print what is in effect and from where, or everything that is wrong
    ///
    /// Asks neither the database nor a platform; `postrider doctor` does. With --json, prints `{"ok", "file", "settings":
    /// [{"key", "variable", "value", "source"}], "problems": [{"key", "source", "rule", "remedy"}], "warnings":
    /// [Problem]}`; source is `default`, a flag, a variable or `<file>:<line>:<column>`. Exits 2 if anything is wrong.
    Check,
    /// Print a postrider.toml with every setting, its default and its meaning
    ///
    /// With --json, prints `{"example": text}`.
    Example,
    /// Print the tables of all settings, in Markdown
    ///
    /// With --json, prints `{"reference": text}`.
    Reference,
}
