//! Reading JSON that a person wrote: fields that may be missing or null, and complaints that say where.

use publisher::Report;
use serde_json::{Map, Value};

/// The fields of an object that are given.
pub(super) struct Fields<'a>(Option<&'a Map<String, Value>>);

impl<'a> Fields<'a> {
    /// Those of the options; anything that is no object has none.
    pub(super) fn of(value: &'a Value) -> Self {
        Self(value.as_object())
    }

    /// Those of what must be an object.
    pub(super) fn of_object(value: &'a Value) -> Option<Self> {
        value.as_object().map(|fields| Self(Some(fields)))
    }

    /// A field, unless it is null.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.0?.get(name).filter(|value| !value.is_null())
    }

    /// A string; anything else is a violation.
    pub(super) fn text(&self, name: &str, path: &str, report: &mut Report) -> Option<String> {
        let value = self.get(name)?;
        if !value.is_string() {
            let what = format!("{name} must be a string");
            wrong("bluesky.options.type", path.to_owned(), &what, report);
        }
        value.as_str().map(str::to_owned)
    }

    /// An object below `options`; anything else is a violation of `rule`.
    pub(super) fn object(&self, name: &str, rule: &str, report: &mut Report) -> Option<Self> {
        let value = self.get(name)?;
        let fields = Self::of_object(value);
        if fields.is_none() {
            let what = format!("{name} must be an object");
            wrong(rule, format!("options.{name}"), &what, report);
        }
        fields
    }

    fn names(&self) -> impl Iterator<Item = &'a String> {
        let fields = self.0.into_iter().flatten();
        fields
            .filter(|(_, value)| !value.is_null())
            .map(|(name, _)| name)
    }
}

/// The items of a list; none if it is none.
pub(super) fn list(value: &Value) -> Option<&[Value]> {
    value.as_array().map(Vec::as_slice)
}

/// A violation whose remedy is to do as the message says.
pub(super) fn wrong(rule: &str, path: String, what: &str, report: &mut Report) {
    report.violate(rule, path, what, "Correct it, or leave it out.");
}

/// Warns of every field that nobody knows.
pub(super) fn unknown(fields: &Fields<'_>, known: &[&str], path: &str, report: &mut Report) {
    for name in fields
        .names()
        .filter(|name| !known.contains(&name.as_str()))
    {
        report.warn(
            "bluesky.options.unknown",
            format!("{path}.{name}: Bluesky knows no such option; it is ignored"),
        );
    }
}
