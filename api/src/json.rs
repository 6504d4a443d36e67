//! JSON in: strict where serde is generous, and every complaint names its field.
//!
//! The one idea: two passes. The first walks the document without building it and finds what no typed parser reports:
//! NUL characters, names given twice, and documents of more values than any request needs. The second builds the typed
//! value and collects the paths that nobody knows. Paths are written `targets.0.text`, everywhere.

use crate::problem::{Problem, Violation};
use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor,
        value::MapAccessDeserializer,
    },
};
use std::{borrow::Cow, collections::HashSet, fmt, marker::PhantomData};

/// More values than any request needs: 25 targets with a hundred media each have a third of it.
const VALUES_MAX: usize = 50_000;

/// Complaints and warnings of one request; the rest would help nobody.
const FINDINGS_MAX: usize = 100;

/// Longest part of a path that is repeated to the caller.
const SEGMENT_CHARS_MAX: usize = 64;

/// A value read from a body, and the paths in it that nobody knows.
#[derive(Debug)]
pub(crate) struct Read<T> {
    pub(crate) value: T,
    pub(crate) unknown: Vec<String>,
}

/// A JSON object; serde alone would take an array for a struct, too.
#[derive(Clone, Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }
        from.deserialize_map(Members(PhantomData))
    }
}

/// Reads a body that must be one JSON object.
///
/// Errors: 400 `body.json` for what is no JSON, else with the field's path as rule.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Read<T>, Problem> {
    inspect(bytes)?;
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let tracked = serde_path_to_error::Deserializer::new(&mut source, &mut track);
    let mut note = |path: serde_ignored::Path<'_>| {
        if unknown.len() < FINDINGS_MAX {
            unknown.push(ignored_path(&path));
        }
    };
    let parsed = Object::<T>::deserialize(serde_ignored::Deserializer::new(tracked, &mut note));
    match parsed {
        Ok(Object(value)) => Ok(Read { value, unknown }),
        Err(error) => {
            let path = tracked_path(&track.path());
            let path = if path.is_empty() {
                "body".to_owned()
            } else {
                path
            };
            Err(Problem::invalid(Violation::at(
                path.clone(),
                expectation(&path, &error.to_string()),
            )))
        }
    }
}

/// What serde expected, without repeating what it got: that may be a secret, or very long.
fn expectation(path: &str, error: &str) -> String {
    let Some((_, expected)) = error.split_once(", expected ") else {
        return format!("`{path}` has a value that cannot be used.");
    };
    let expected = expected.split(" at line ").next().unwrap_or(expected);
    let expected = match expected {
        "a map" => "an object",
        "a sequence" => "an array",
        "i64" | "u64" => "a whole number",
        other => other,
    };
    format!("`{path}` must be {expected}.")
}

/// The first pass. Errors: 400 with everything it found.
fn inspect(bytes: &[u8]) -> Result<(), Problem> {
    let broken = |message: String| {
        Problem::invalid(
            Violation::new("body.json", "body", message)
                .remedy("Send one JSON object, encoded as UTF-8."),
        )
    };
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(broken(format!(
            "The body is not UTF-8: byte {} is wrong.",
            error.valid_up_to()
        )));
    }
    let bytes = escape_nul(bytes);
    let mut walk = Walk::default();
    let mut source = serde_json::Deserializer::from_slice(&bytes);
    let walked = Visit(&mut walk)
        .deserialize(&mut source)
        .and_then(|()| source.end());
    if walk.values > VALUES_MAX {
        let message = format!("The body has more than {VALUES_MAX} values.");
        return Err(Problem::invalid(Violation::new(
            "body.values_max",
            "body",
            message,
        )));
    }
    if !walk.found.is_empty() {
        return Err(Problem::invalid_all(walk.found));
    }
    walked.map_err(|error| broken(format!("The body is not valid JSON: {error}.")))
}

/// A raw NUL would only be "not JSON"; escaped, its field can be named.
fn escape_nul(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&0) {
        return Cow::Borrowed(bytes);
    }
    let mut escaped = Vec::with_capacity(bytes.len() + 64);
    for byte in bytes {
        match byte {
            0 => escaped.extend_from_slice(br"\u0000"),
            byte => escaped.push(*byte),
        }
    }
    Cow::Owned(escaped)
}

#[derive(Default)]
struct Walk {
    path: Vec<String>,
    values: usize,
    found: Vec<Violation>,
}

impl Walk {
    fn find(&mut self, message: &str, remedy: &str) {
        if self.found.len() < FINDINGS_MAX {
            let path = if self.path.is_empty() {
                "body".to_owned()
            } else {
                self.path.join(".")
            };
            self.found.push(Violation::at(path, message).remedy(remedy));
        }
    }

    fn text(&mut self, text: &str) {
        if text.contains('\0') {
            self.find(
                "There is a NUL character (U+0000) in it.",
                "Remove the NUL character.",
            );
        }
    }
}

struct Visit<'a>(&'a mut Walk);

impl<'de> DeserializeSeed<'de> for Visit<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.0.values += 1;
        if self.0.values > VALUES_MAX {
            return Err(de::Error::custom("too many values"));
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Visit<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.text(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            self.0.path.push(index.to_string());
            let more = items.next_element_seed(Visit(self.0))?.is_some();
            self.0.path.pop();
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            self.0.path.push(segment(&name));
            self.0.text(&name);
            if !seen.insert(name) {
                self.0.find("This field is given twice.", "Give it once.");
            }
            members.next_value_seed(Visit(self.0))?;
            self.0.path.pop();
        }
        Ok(())
    }
}

/// A name as part of a path: printable, and not longer than helps.
pub(crate) fn segment(name: &str) -> String {
    let printable = name
        .chars()
        .take(SEGMENT_CHARS_MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c });
    printable.collect()
}

fn tracked_path(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let segments = path.iter().filter_map(|part| match part {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(segment(key)),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    segments.collect::<Vec<_>>().join(".")
}

fn ignored_path(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    fn collect(path: &Path<'_>, into: &mut Vec<String>) {
        match path {
            Path::Root => {}
            Path::Seq { parent, index } => {
                collect(parent, into);
                into.push(index.to_string());
            }
            Path::Map { parent, key } => {
                collect(parent, into);
                into.push(segment(key));
            }
            Path::Some { parent }
            | Path::NewtypeStruct { parent }
            | Path::NewtypeVariant { parent } => collect(parent, into),
        }
    }
    let mut segments = Vec::new();
    collect(path, &mut segments);
    segments.join(".")
}

#[cfg(test)]
#[path = "json/tests.rs"]
mod tests;
