//! One row per answer of the sheet's catalogue.

use super::*;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

const NOW: i64 = 1_800_000_000;

fn answer(status: u16, error: &str, headers: &[(&'static str, &str)]) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    let body = if error.is_empty() || error.starts_with('<') {
        error.to_owned()
    } else {
        json!({ "error": error, "message": format!("about {error}") }).to_string()
    };
    Answer {
        status,
        headers: map,
        body: Bytes::from(body),
    }
}

fn judged(call: Xrpc, status: u16, error: &str) -> Failure {
    failure(
        call,
        &answer(status, error, &[]),
        DateTime::from_timestamp(NOW, 0).unwrap(),
    )
}

/// Call, status, error name (`-`: empty body), class, fact of the code.
const CATALOGUE: &str = "\
PutRecord       400 ExpiredToken             Unauthorized    token_refused
UploadBlob      400 ExpiredToken             Unauthorized    token_refused
PutRecord       400 InvalidToken             Unauthorized    token_refused
PutRecord       401 AuthMissing              Unauthorized    token_refused
PutRecord       401 AuthenticationRequired   Unauthorized    token_refused
PutRecord       401 -                        Unauthorized    token_refused
PutRecord       401 invalid_token            Unauthorized    token_refused
RefreshSession  400 ExpiredToken             AccountBlocked  revoked
RefreshSession  400 InvalidToken             AccountBlocked  revoked
CreateSession   401 AuthenticationRequired   AccountBlocked  credentials_refused
CreateSession   401 AuthFactorTokenRequired  AccountBlocked  second_factor
CreateSession   400 InvalidRequest           Rejected        refused
PutRecord       401 AccountTakedown          AccountBlocked  account_taken_down
RefreshSession  401 AccountTakedown          AccountBlocked  account_taken_down
PutRecord       401 AccountDeactivated       AccountBlocked  account_deactivated
PutRecord       403 AccountNotFound          AccountBlocked  account_not_found
PutRecord       403 ScopeMissingError        AccountBlocked  scope_missing
PutRecord       400 InvalidRequest           Rejected        refused
PutRecord       400 SomethingNew             Rejected        refused
PutRecord       400 InvalidSwap              Ambiguous       key_taken
PutRecord       400 BlobNotFound             Transient       blob_not_found
PutRecord       400 InvalidMimeType          Rejected        mime
PutRecord       400 InvalidSize              Rejected        size
UploadBlob      413 PayloadTooLarge          Rejected        size
UploadBlob      413 <html>                   Rejected        size
PutRecord       429 RateLimitExceeded        RateLimited     rate_limited
GetRecord       429 -                        RateLimited     rate_limited
PutRecord       500 InternalServerError      Ambiguous       unknown_outcome
PutRecord       502 UpstreamFailure          Ambiguous       unknown_outcome
PutRecord       503 NotEnoughResources       Ambiguous       unknown_outcome
PutRecord       504 UpstreamTimeout          Ambiguous       unknown_outcome
PutRecord       502 <html>                   Ambiguous       unknown_outcome
PutRecord       302 -                        Ambiguous       unknown_outcome
PutRecord       400 <html>                   Ambiguous       unknown_outcome
PutRecord       404 XRPCNotSupported         Ambiguous       unknown_outcome
ApplyWrites     400 ExpiredToken             Unauthorized    token_refused
ApplyWrites     400 InvalidRequest           Rejected        refused
ApplyWrites     400 InvalidSwap              Ambiguous       key_taken
ApplyWrites     400 BlobNotFound             Transient       blob_not_found
ApplyWrites     413 PayloadTooLarge          Rejected        size
ApplyWrites     429 RateLimitExceeded        RateLimited     rate_limited
ApplyWrites     500 InternalServerError      Ambiguous       unknown_outcome
ApplyWrites     502 <html>                   Ambiguous       unknown_outcome
UploadBlob      500 InternalServerError      Transient       unavailable
GetRecord       502 <html>                   Transient       unavailable
ResolveHandle   504 UpstreamTimeout          Transient       unavailable
DeleteSession   503 -                        Transient       unavailable
";

#[test]
fn every_row_of_the_catalogue_has_its_class() {
    let calls = [
        Xrpc::CreateSession,
        Xrpc::RefreshSession,
        Xrpc::DeleteSession,
        Xrpc::ResolveHandle,
        Xrpc::UploadBlob,
        Xrpc::PutRecord,
        Xrpc::ApplyWrites,
        Xrpc::GetRecord,
    ];
    let mut rows = 0;
    for row in CATALOGUE.lines() {
        let [call, status, error, class, fact] = row.split_whitespace().collect::<Vec<_>>()[..]
        else {
            panic!("{row}")
        };
        let call = *calls
            .iter()
            .find(|known| format!("{known:?}") == call)
            .unwrap();
        let status = status.parse().unwrap();
        let failure = judged(call, status, if error == "-" { "" } else { error });
        assert_eq!(format!("{:?}", failure.class), class, "{row}");
        assert_eq!(
            (failure.code, failure.http_status),
            (call.code(fact), Some(status)),
            "{row}"
        );
        rows += 1;
    }
    assert_eq!(rows, 47);
}

#[test]
fn a_refusal_repeats_the_servers_words_and_keeps_its_answer() {
    let failure = judged(Xrpc::PutRecord, 400, "InvalidRequest");
    assert!(
        failure.message.contains("about InvalidRequest"),
        "{}",
        failure.message
    );
    assert_eq!(
        failure.platform_response.unwrap()["error"],
        "InvalidRequest"
    );
}

#[test]
fn a_limit_says_when_it_reopens_and_whom_it_concerns() {
    let at = |headers: &[(&'static str, &str)]| {
        let limited = answer(429, "RateLimitExceeded", headers);
        let failure = failure(
            Xrpc::PutRecord,
            &limited,
            DateTime::from_timestamp(NOW, 0).unwrap(),
        );
        (failure.retry_in.unwrap().as_secs(), failure.scope)
    };
    let reset = (NOW + 1234).to_string();
    assert_eq!(
        at(&[
            ("ratelimit-reset", &reset),
            ("ratelimit-policy", "5000;w=3600")
        ]),
        (1234, Scope::Account)
    );
    assert_eq!(
        at(&[
            ("ratelimit-reset", &reset),
            ("ratelimit-policy", "3000;w=300")
        ]),
        (1234, Scope::Host)
    );
    assert_eq!(at(&[("retry-after", "77")]), (77, Scope::Account));
    assert_eq!(
        at(&[("ratelimit-reset", "1"), ("retry-after", "7")]),
        (7, Scope::Account)
    );
    assert_eq!(at(&[("retry-after", "99999999")]), (86_400, Scope::Account));
    assert_eq!(at(&[("ratelimit-reset", "soon")]), (60, Scope::Account));
}

#[test]
fn a_server_that_repeats_our_secrets_does_not_spread_them() {
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2ln_-x";
    let body = json!({ "error": "InvalidRequest", "message": format!("bad token {token}, sorry") })
        .to_string();
    let told = |call| {
        let answer = Answer {
            status: 400,
            headers: HeaderMap::new(),
            body: Bytes::from(body.clone()),
        };
        format!(
            "{:?}",
            failure(call, &answer, DateTime::from_timestamp(NOW, 0).unwrap())
        )
    };
    assert!(told(Xrpc::PutRecord).contains("bad token [token], sorry"));
    assert!(!told(Xrpc::PutRecord).contains("c2ln"));
    assert!(!told(Xrpc::CreateSession).contains("sorry"));
}
