//! The OAuth 2 room: one client for the authorization code flow of every platform, which a connector configures by data.
//!
//! A [`Provider`] says where a platform's pages and endpoints are and in what it differs from the RFCs; [`OAuth`] builds the
//! consent page's address, exchanges the code, refreshes and revokes, and turns the platform's refusals into classes. The
//! connector adds what only it knows: which accounts the token is for.
//!
//! Nothing that a platform says is repeated in a failure but its error word: descriptions may quote codes and tokens.
//!
//! Sources: RFC 6749 (§4.1, §5, §6), RFC 7009, RFC 7636, RFC 9700.

mod client;
mod issued;
mod refusal;

pub use self::{client::OAuth, issued::Issued, refusal::Meaning};

use url::Url;

/// One platform's OAuth 2, as data. [`Provider::new`] is a platform that keeps to the RFCs.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The wire id; the first word of every code and rule.
    pub platform: &'static str,
    /// The consent page.
    pub authorize: Url,
    /// Where codes and refresh tokens are exchanged.
    pub token: Url,
    /// What the platform calls the client id (TikTok: `client_key`).
    pub client_id_name: &'static str,
    /// How the app proves itself at the token endpoint.
    pub client_auth: ClientAuth,
    /// The PKCE challenge.
    pub challenge: Challenge,
    /// What is asked for.
    pub scopes: Vec<&'static str>,
    /// Those without which the connection is of no use: a person may untick what they are asked for.
    pub needed: Vec<&'static str>,
    /// Between two scopes in the address.
    pub separator: &'static str,
    /// More parameters of the consent page (Google: `access_type=offline`).
    pub authorize_extra: &'static [(&'static str, &'static str)],
    /// More parameters of every exchange and refresh (Pinterest: `continuous_refresh`).
    pub token_extra: &'static [(&'static str, &'static str)],
    /// A second exchange right after the first one: a short-lived token for a long-lived one (Meta).
    pub upgrade: Option<TokenQuery>,
    /// How tokens are renewed.
    pub renewal: Renewal,
    /// Where tokens are given back; none where the platform has no such thing.
    pub revoke: Option<Revocation>,
    /// Whether the wire contract hands the verifier to the client (`twitter`, `tiktok`).
    pub shows_verifier: bool,
    /// Error words that mean something else here than in RFC 6749 §5.2; they are asked first.
    pub errors: &'static [(&'static str, Meaning)],
}

impl Provider {
    /// A platform that keeps to the RFCs: S256, the app's secret in the form, scopes separated by spaces, refresh tokens.
    pub fn new(platform: &'static str, authorize: Url, token: Url) -> Self {
        Self {
            platform,
            authorize,
            token,
            client_id_name: "client_id",
            client_auth: ClientAuth::Form,
            challenge: Challenge::S256,
            scopes: Vec::new(),
            needed: Vec::new(),
            separator: " ",
            authorize_extra: &[],
            token_extra: &[],
            upgrade: None,
            renewal: Renewal::RefreshToken,
            revoke: None,
            shows_verifier: false,
            errors: &[],
        }
    }
}

/// How the app proves itself (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `Authorization: Basic`, id and secret form-encoded first.
    Basic,
    /// Id and secret in the form.
    Form,
    /// Not at all: the id in the form.
    Public,
}

/// What stands for the PKCE verifier in the consent page's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// No PKCE: neither challenge nor verifier is sent.
    None,
    /// Base64url of its SHA-256 (RFC 7636).
    S256,
    /// Hexadecimal digits of its SHA-256, called `S256` all the same (TikTok's desktop apps).
    HexS256,
}

/// A token that is exchanged by a query (Meta's `fb_exchange_token`, `ig_exchange_token`, `th_refresh_token` and the like).
#[derive(Clone, Debug)]
pub struct TokenQuery {
    /// Where.
    pub url: Url,
    /// Its `grant_type`.
    pub grant_type: &'static str,
    /// The parameter that holds the token.
    pub parameter: &'static str,
    /// Whether the client's id goes along.
    pub sends_id: bool,
    /// Whether the client's secret goes along.
    pub sends_secret: bool,
}

/// How tokens are renewed.
#[derive(Clone, Debug)]
pub enum Renewal {
    /// With the refresh token (RFC 6749 §6); an answer without a new one leaves the old one in force.
    RefreshToken,
    /// With the access token itself, by a query; it is kept as the refresh token, too.
    Query(TokenQuery),
    /// Not at all: the token has no end, or a person must connect again.
    Never,
}

/// Where tokens are given back (RFC 7009).
#[derive(Clone, Debug)]
pub struct Revocation {
    /// Where.
    pub url: Url,
    /// Whether the refresh token is sent; else the access token.
    pub refresh: bool,
    /// Whether the app proves itself.
    pub authenticated: bool,
}
