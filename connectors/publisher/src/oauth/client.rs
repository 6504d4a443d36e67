//! The flow itself: consent page, exchange, refresh, revocation.

use super::{
    Challenge, ClientAuth, Issued, Provider, Renewal, TokenQuery,
    refusal::{BEGIN_AGAIN, Doing, refused, unclear},
};
use crate::authorizer::{Consent, Entered, Start, TokenSet};
use crate::connector::App;
use crate::failure::Failure;
use crate::fault;
use crate::http::{Answer, Call, Deadline, Http};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use url::form_urlencoded::{Serializer, byte_serialize};

/// Largest answer of a token endpoint; real ones have a few kilobytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// One platform's OAuth 2 client.
#[derive(Clone, Debug)]
pub struct OAuth {
    http: Http,
    provider: Provider,
    app: Option<App>,
}

/// What is sent: in a form, or in a query.
type Pairs<'a> = Vec<(&'a str, &'a str)>;

impl OAuth {
    /// A client of this platform for the operator's `app`; without one it can begin nothing.
    pub fn new(http: Http, provider: Provider, app: Option<App>) -> Self {
        Self {
            http,
            provider,
            app,
        }
    }

    /// The platform's data.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// The consent page of one connection. Errors: `OperatorBlocked` without an app.
    pub fn begin(&self, start: &Start) -> Result<Consent, Failure> {
        let app = self.app()?;
        let provider = &self.provider;
        let scopes = provider.scopes.join(provider.separator);
        let challenge = challenge(provider.challenge, &start.verifier);
        let mut pairs = Serializer::new(String::new());
        pairs
            .append_pair("response_type", "code")
            .append_pair(provider.client_id_name, &app.client_id)
            .append_pair("redirect_uri", &start.redirect_uri)
            .append_pair("scope", &scopes)
            .append_pair("state", start.state.expose_secret());
        if let Some(challenge) = &challenge {
            pairs
                .append_pair("code_challenge", challenge)
                .append_pair("code_challenge_method", "S256");
        }
        pairs.extend_pairs(provider.authorize_extra);
        // A space is `%20`: not every consent page reads `+` as one, and a plus sign is `%2B` already.
        let query = pairs.finish().replace('+', "%20");
        let mut page = provider.authorize.clone();
        let own = page.query().filter(|own| !own.is_empty());
        let query = own.map_or(query.clone(), |own| format!("{own}&{query}"));
        page.set_query(Some(&query));
        Ok(Consent {
            authorization_url: page,
            state: start.state.clone(),
            scopes: provider.scopes.iter().map(ToString::to_string).collect(),
            redirect_uri: start.redirect_uri.clone(),
            code_verifier: (provider.shows_verifier && challenge.is_some())
                .then(|| start.verifier.clone()),
        })
    }

    /// Exchanges what the person brought back (`code`, `redirectUri`, `codeVerifier`), and a short-lived token for a
    /// long-lived one where the platform has both.
    ///
    /// Errors: `Rejected` for a code that is not accepted (any more) and for scopes that were not granted, `OperatorBlocked`
    /// for a refused app, else `Transient` or `RateLimited`. A code works once: whatever fails, the person begins again.
    pub async fn exchange(&self, entered: &Entered, deadline: Deadline) -> Result<Issued, Failure> {
        let app = self.app()?;
        let code = self.required(entered, "code")?;
        let redirect_uri = self.required(entered, "redirectUri")?;
        let mut form: Pairs<'_> = vec![
            ("grant_type", "authorization_code"),
            // Meta appends this to its redirect, and people copy it.
            ("code", code.trim_end_matches("#_")),
            ("redirect_uri", redirect_uri),
        ];
        let mut secrets = vec![SecretString::from(code.to_owned())];
        if self.provider.challenge != Challenge::None {
            let verifier = self.required(entered, "codeVerifier")?;
            form.push(("code_verifier", verifier));
            secrets.push(SecretString::from(verifier.to_owned()));
        }
        form.extend(self.provider.token_extra);
        let call = self.post(&self.provider.token, form, app, &secrets);
        let mut issued = self.ask(Doing::Exchange, call, deadline).await?;
        if let Some(upgrade) = &self.provider.upgrade {
            let call = self.query(upgrade, &issued.access, app);
            let better = self.ask(Doing::Exchange, call, deadline).await?;
            issued = better.instead_of(issued);
        }
        self.require_scopes(&issued)?;
        Ok(issued)
    }

    /// Exchanges the stored tokens for fresh ones.
    ///
    /// Errors: `AccountBlocked` when a person must connect again, `OperatorBlocked` for a refused app, else `Transient` or
    /// `RateLimited`: the exchange is repeated with the same tokens, which heals a lost answer where the platform lets it.
    pub async fn refresh(&self, tokens: &TokenSet, deadline: Deadline) -> Result<Issued, Failure> {
        let app = self.app()?;
        let Some(refresh) = &tokens.refresh else {
            return Err(self.must_reconnect("none", "the platform gave no refresh token"));
        };
        let call = match &self.provider.renewal {
            Renewal::RefreshToken => {
                let mut form: Pairs<'_> = vec![
                    ("grant_type", "refresh_token"),
                    ("refresh_token", refresh.expose_secret()),
                ];
                form.extend(self.provider.token_extra);
                self.post(
                    &self.provider.token,
                    form,
                    app,
                    std::slice::from_ref(refresh),
                )
            }
            Renewal::Query(query) => self.query(query, refresh, app),
            Renewal::Never => {
                return Err(self.must_reconnect("never", "this platform renews no tokens"));
            }
        };
        let issued = self.ask(Doing::Refresh, call, deadline).await?;
        fault::point("refresh.after_answer");
        Ok(issued)
    }

    /// Gives the tokens back; a token that the platform does not know any more was given back before.
    pub async fn revoke(&self, tokens: &TokenSet, deadline: Deadline) -> Result<(), Failure> {
        let Some(revocation) = &self.provider.revoke else {
            return Ok(());
        };
        let app = self.app()?;
        let (token, hint) = match &tokens.refresh {
            Some(refresh) if revocation.refresh => (refresh, "refresh_token"),
            _ => (&tokens.access, "access_token"),
        };
        let form: Pairs<'_> = vec![("token", token.expose_secret()), ("token_type_hint", hint)];
        let secrets = std::slice::from_ref(token);
        let call = if revocation.authenticated {
            self.post(&revocation.url, form, app, secrets)
        } else {
            self.http.post(&revocation.url).form(&form).withhold(token)
        };
        let answer = self.send(Doing::Revoke, call, deadline).await?;
        let gone = answer.status == 400
            && super::refusal::word(&answer).as_deref() == Some("invalid_token");
        if answer.is_success() || gone {
            return Ok(());
        }
        Err(refused(&self.provider, Doing::Revoke, &answer))
    }

    fn app(&self) -> Result<&App, Failure> {
        self.app.as_ref().ok_or_else(|| {
            let platform = self.provider.platform;
            Failure::operator_blocked(
                format!("{platform}.app.none"),
                format!("this server is not registered with {platform}"),
            )
            .remediation(
                "The operator registers an app with the platform and configures its id and secret.",
            )
        })
    }

    fn required<'a>(&self, entered: &'a Entered, name: &str) -> Result<&'a str, Failure> {
        entered.get(name).ok_or_else(|| {
            let platform = self.provider.platform;
            Failure::rejected(
                format!("{platform}.connect.missing"),
                format!("`{name}` is missing"),
            )
            .rule(format!("{platform}.connect.{name}"))
            .remediation("Connect again from the beginning.")
        })
    }

    fn require_scopes(&self, issued: &Issued) -> Result<(), Failure> {
        let Some(granted) = &issued.scopes else {
            return Ok(());
        };
        let missing: Vec<&str> = self
            .provider
            .needed
            .iter()
            .copied()
            .filter(|needed| !granted.iter().any(|has| has == needed))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let rule = format!("{}.connect.scopes", self.provider.platform);
        let missing = missing.join(", ");
        Err(Failure::rejected(&rule, format!("not granted: {missing}"))
            .rule(rule)
            .remediation("Connect again, and leave everything ticked that is asked for."))
    }

    fn must_reconnect(&self, fact: &str, why: &str) -> Failure {
        Failure::account_blocked(format!("{}.refresh.{fact}", self.provider.platform), why)
            .remediation("Connect the account again.")
    }

    /// A form for the token endpoint, with the app's proof of itself.
    fn post(&self, url: &url::Url, form: Pairs<'_>, app: &App, secrets: &[SecretString]) -> Call {
        let mut form = form;
        let call = self.http.post(url);
        let call = match (self.provider.client_auth, &app.client_secret) {
            (ClientAuth::Basic, Some(secret)) => {
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let secret = SecretString::from(encoded(secret.expose_secret()));
                call.basic(&encoded(&app.client_id), &secret)
            }
            (ClientAuth::Form, Some(secret)) => {
                form.push((self.provider.client_id_name, &app.client_id));
                form.push(("client_secret", secret.expose_secret()));
                call.withhold(secret)
            }
            _ => {
                form.push((self.provider.client_id_name, &app.client_id));
                call
            }
        };
        secrets.iter().fold(call.form(&form), Call::withhold)
    }

    fn query(&self, ask: &TokenQuery, token: &SecretString, app: &App) -> Call {
        let mut pairs: Pairs<'_> = vec![
            ("grant_type", ask.grant_type),
            (ask.parameter, token.expose_secret()),
        ];
        if ask.sends_id {
            pairs.push((self.provider.client_id_name, &app.client_id));
        }
        let mut call = self.http.get(&ask.url).withhold(token);
        if let (true, Some(secret)) = (ask.sends_secret, &app.client_secret) {
            pairs.push(("client_secret", secret.expose_secret()));
            call = call.withhold(secret);
        }
        call.query(&pairs)
    }

    async fn send(&self, doing: Doing, call: Call, deadline: Deadline) -> Result<Answer, Failure> {
        let call = call
            .header("accept", "application/json")
            .answer_bytes_max(ANSWER_BYTES_MAX)
            .deadline(deadline);
        let code = format!("{}.{}.unanswered", self.provider.platform, doing.word());
        call.send().await.map_err(|error| {
            let failure = error.failure(&code);
            match doing {
                Doing::Exchange => failure.remediation(BEGIN_AGAIN),
                Doing::Refresh | Doing::Revoke => failure,
            }
        })
    }

    /// Asks for tokens. Errors: the platform's refusal, or an answer that holds none.
    async fn ask(&self, doing: Doing, call: Call, deadline: Deadline) -> Result<Issued, Failure> {
        let answer = self.send(doing, call, deadline).await?;
        match Issued::read(&answer) {
            Some(issued) if answer.is_success() => Ok(issued),
            // TikTok refuses with 200: what counts is that there is no token.
            None if answer.is_success() && super::refusal::word(&answer).is_none() => {
                Err(unclear(&self.provider, doing, &answer))
            }
            _ => Err(refused(&self.provider, doing, &answer)),
        }
    }
}

/// What stands for the verifier in the consent page's address.
fn challenge(kind: Challenge, verifier: &SecretString) -> Option<String> {
    let digest = Sha256::digest(verifier.expose_secret().as_bytes());
    match kind {
        Challenge::None => None,
        Challenge::S256 => Some(BASE64_URL_SAFE_NO_PAD.encode(digest)),
        Challenge::HexS256 => Some(digest.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_the_one_of_the_rfc() {
        // RFC 7636, appendix B.
        let verifier = SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        assert_eq!(
            challenge(Challenge::S256, &verifier).as_deref(),
            Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
        );
        assert_eq!(
            challenge(Challenge::HexS256, &verifier).as_deref(),
            Some("13d31e961a1ad8ec2f16b10c4c982e0876a878ad6df144566ee1894acb70f9c3")
        );
        assert_eq!(challenge(Challenge::None, &verifier), None);
    }
}
