//! What the two passes find.

use super::*;

#[derive(Debug, Deserialize)]
struct Outer {
    #[expect(dead_code, reason = "only its parsing matters")]
    count: Option<i64>,
    #[expect(dead_code, reason = "only its parsing matters")]
    items: Option<Vec<Object<Inner>>>,
}

#[derive(Debug, Deserialize)]
struct Inner {
    #[expect(dead_code, reason = "only its parsing matters")]
    text: Option<String>,
}

/// Rule and message of the envelope for a body.
fn refused(body: &[u8]) -> (String, String) {
    let problem = read::<Outer>(body).unwrap_err();
    let text = format!("{problem:?}");
    let rule = text
        .split("rule: Some(\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    (rule, text)
}

#[test]
fn unknown_fields_are_collected_with_their_paths() {
    let read = read::<Outer>(br#"{"items":[{"text":"a","colour":1},{}],"extra":{"a":1}}"#).unwrap();
    assert_eq!(read.unknown, ["items.0.colour", "extra"]);
}

#[test]
fn a_wrong_type_names_its_field_and_never_repeats_the_value() {
    let (rule, text) = refused(br#"{"items":[{"text":"a"},{"text":["hunter2"]}]}"#);
    assert_eq!(rule, "items.1.text");
    assert!(!text.contains("hunter2"));
    assert_eq!(refused(br#"{"count":"hunter2"}"#).0, "count");
    assert!(!refused(br#"{"count":"hunter2"}"#).1.contains("hunter2"));
}

#[test]
fn an_array_is_no_object() {
    assert_eq!(refused(br#"[1,[{"text":"a"}]]"#).0, "body");
    assert_eq!(refused(br#"{"items":[["a"]]}"#).0, "items.0");
}

#[test]
fn a_nul_is_named_by_its_field_escaped_or_raw() {
    assert_eq!(
        refused(br#"{"items":[{"text":"a\u0000b"}]}"#).0,
        "items.0.text"
    );
    assert_eq!(
        refused(b"{\"items\":[{\"text\":\"a\0b\"}]}").0,
        "items.0.text"
    );
    assert_eq!(refused(br#"{"a\u0000":1}"#).0, "a\u{fffd}");
}

#[test]
fn a_name_given_twice_is_refused_anywhere() {
    assert_eq!(refused(br#"{"extra":{"a":1,"a":2}}"#).0, "extra.a");
}

#[test]
fn what_is_no_json_is_refused_as_such() {
    let deep = [b"[".repeat(5000), b"]".repeat(5000)].concat();
    for broken in [
        &b""[..],
        b"{",
        b"{} x",
        b"{\"a\":\"\xff\"}",
        b"nope",
        &deep,
        b"{\"count\":1e999}",
        b"\0",
    ] {
        assert_eq!(refused(broken).0, "body.json", "{broken:?}");
    }
}

#[test]
fn a_document_of_too_many_values_is_refused_before_it_is_built() {
    let many = format!("{{\"extra\":[{}0]}}", "0,".repeat(VALUES_MAX));
    assert_eq!(refused(many.as_bytes()).0, "body.values_max");
}
