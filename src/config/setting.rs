//! What a setting is: the one declaration from which it is read, shown, documented and exemplified.

use std::fmt;

/// Who reads a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadBy {
    /// `serve` and `api`.
    Api,
    /// `serve` and `worker`.
    Worker,
    /// `serve`, `api` and `worker`.
    Processes,
    /// Everything but `fake`; nothing of that works without it.
    EverythingNeeded,
    /// `serve`, `api`, `worker` and `vault`, which do not work without it.
    ProcessesNeeded,
    /// Processes and commands.
    Everything,
    /// Tests and the demo.
    Tests,
}

impl fmt::Display for ReadBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Api => "`serve`, `api`",
            Self::Worker => "`serve`, `worker`",
            Self::Processes => "`serve`, `api`, `worker`",
            Self::EverythingNeeded => "everything but `fake` and `config`: needed",
            Self::ProcessesNeeded => "`serve`, `api`, `worker`, `vault`: needed",
            Self::Everything => "everything",
            Self::Tests => "tests and the demo",
        })
    }
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A string; the words say of what.
    Text(&'static str),
    /// A string with a path; in the file it counts from the file's folder, in the environment from the working directory.
    Path,
    /// A whole number.
    Whole {
        /// At least.
        least: u64,
        /// At most.
        most: u64,
        /// Of what.
        unit: &'static str,
    },
    /// In the file an array of strings, in the environment separated by commas; the words say of what.
    List(&'static str),
    /// A string that nobody may see. Comes from the environment, or from a file of its own that `<key>_file` or
    /// `<variable>_FILE` names, and is refused in the configuration file.
    Secret {
        /// Of what.
        of: &'static str,
        /// What is said when it is needed and not there.
        missing: &'static str,
    },
}

/// A kind of value: how it is written, read and shown.
pub(super) struct Kind<T> {
    pub(super) form: Form,
    /// From the environment's notation. Errors: the rule that it breaks, without the value of a secret.
    pub(super) parse: fn(&Form, &str) -> Result<T, String>,
    /// Redacted, in the environment's notation.
    pub(super) show: fn(&T) -> String,
    /// What to do about a value that cannot be read; blank for numbers, whose bounds say it.
    pub(super) remedy: &'static str,
}

/// What is known of a setting apart from its type.
#[derive(Debug)]
pub(super) struct About {
    /// `<section>.<key>` of the file; none: it comes from the environment alone.
    pub(super) key: Option<&'static str>,
    pub(super) variable: &'static str,
    pub(super) form: Form,
    pub(super) unset: Unset,
    pub(super) read_by: ReadBy,
    /// What it is, in half a sentence.
    pub(super) is: &'static str,
    remedy: &'static str,
}

/// What is in effect when nobody says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unset {
    /// This value, in the environment's notation.
    Default(&'static str),
    /// No value, which means this; and how one could look.
    None {
        means: &'static str,
        example: &'static str,
    },
}

impl About {
    /// For a secret: the key and the variable that name its file.
    pub(super) fn file_names(&self) -> Option<(Option<String>, String)> {
        let Form::Secret { .. } = self.form else {
            return None;
        };
        let key = self.key.map(|key| format!("{key}_file"));
        Some((key, format!("{}_FILE", self.variable)))
    }

    /// What to do about a value that cannot be read.
    pub(super) fn remedy(&self) -> String {
        match (self.form, self.unset) {
            (Form::Whole { least, most, .. }, Unset::Default(default)) => {
                format!(
                    "write a whole number from {least} to {most}, or leave it out for {default}"
                )
            }
            (Form::Whole { least, most, .. }, Unset::None { .. }) => {
                format!("write a whole number from {least} to {most}, or leave it out")
            }
            _ => self.remedy.to_owned(),
        }
    }
}

/// A setting whose value is a `T`.
pub(super) struct Setting<T> {
    pub(super) about: About,
    pub(super) parse: fn(&Form, &str) -> Result<T, String>,
    pub(super) show: fn(&T) -> String,
    /// The value where there is no default.
    pub(super) none: Option<fn() -> T>,
}

impl<T> Setting<T> {
    /// A setting of the file and the environment.
    pub(super) const fn new(
        key: &'static str,
        variable: &'static str,
        kind: &Kind<T>,
        read_by: ReadBy,
    ) -> Self {
        let mut setting = Self::environment_only(variable, kind, read_by);
        setting.about.key = Some(key);
        setting
    }

    /// A setting of the environment alone.
    pub(super) const fn environment_only(
        variable: &'static str,
        kind: &Kind<T>,
        read_by: ReadBy,
    ) -> Self {
        let Kind {
            form,
            parse,
            show,
            remedy,
        } = *kind;
        Self {
            about: About {
                key: None,
                variable,
                form,
                unset: Unset::None {
                    means: "none",
                    example: "",
                },
                read_by,
                is: "",
                remedy,
            },
            parse,
            show,
            none: None,
        }
    }

    pub(super) const fn default(mut self, value: &'static str) -> Self {
        self.about.unset = Unset::Default(value);
        self
    }

    /// Without a default: what that means, and how a value could look.
    pub(super) const fn none(
        mut self,
        none: fn() -> T,
        means: &'static str,
        example: &'static str,
    ) -> Self {
        self.about.unset = Unset::None { means, example };
        self.none = Some(none);
        self
    }

    pub(super) const fn says(mut self, is: &'static str) -> Self {
        self.about.is = is;
        self
    }

    /// The value when nobody says anything.
    #[expect(
        clippy::expect_used,
        reason = "a test reads every default: every_default_can_be_read"
    )]
    pub(super) fn fallback(&self) -> T {
        match (self.about.unset, self.none) {
            (Unset::Default(text), _) => (self.parse)(&self.about.form, text).ok(),
            (Unset::None { .. }, none) => none.map(|none| none()),
        }
        .expect("a setting has a default that can be read, or says what none means")
    }
}
