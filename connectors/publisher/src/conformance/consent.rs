//! The person at the platform's consent page, who agrees.

use super::world::AMPLE;
use crate::{
    authorizer::Start,
    connector::Connector,
    failure::Failure,
    http::{Deadline, Http},
};
use url::Url;

/// Where the page sends the person back to; nobody listens there.
const REDIRECT_URI: &str = "http://127.0.0.1:9/v1/oauth/callback";

/// A verifier of RFC 7636, the same for every connection: nothing here is worth guessing.
const VERIFIER: &str = "conformance-conformance-conformance-conformance";

/// Goes to the page and agrees; what comes back, as fields of [`crate::authorizer::Entered`]. Errors: the connector has no
/// page, or its address does not answer with a redirect that brings a code and our state.
pub(super) async fn consent(
    http: &Http,
    connector: &Connector,
) -> Result<Vec<(String, String)>, Failure> {
    let start = Start {
        state: "conformance-state".to_owned().into(),
        verifier: VERIFIER.to_owned().into(),
        redirect_uri: REDIRECT_URI.to_owned(),
    };
    let deadline = Deadline::after(AMPLE);
    let consent = connector.authorizer.begin(&start, deadline).await?;
    let wrong = |what: &str| Failure::rejected("conformance.consent", what);
    let page = consent.authorization_url;
    let answer = http.get(&page).deadline(deadline).send().await;
    let answer = answer.map_err(|e| e.failure("conformance.consent"))?;
    let back = answer.header("location").and_then(|to| Url::parse(to).ok());
    let back = back.ok_or_else(|| wrong("the consent page answers with no redirect"))?;
    let brought = |name: &str| {
        let mut pairs = back.query_pairs();
        pairs
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    };
    if !back.as_str().starts_with(REDIRECT_URI)
        || brought("state").as_deref() != Some("conformance-state")
    {
        return Err(wrong(
            "the consent page does not bring the state back to the redirect_uri",
        ));
    }
    let code = brought("code").ok_or_else(|| wrong("the consent page brings no code back"))?;
    Ok(vec![
        ("code".to_owned(), code),
        ("redirectUri".to_owned(), REDIRECT_URI.to_owned()),
        ("codeVerifier".to_owned(), VERIFIER.to_owned()),
    ])
}
