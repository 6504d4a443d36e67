//! What a person enters to connect an account, brought into the form that servers expect.

use crate::{
    publish::is_did,
    session::{self, APP_PASSWORD},
    text::is_handle,
};
use publisher::{Entered, Failure, Field, Form};
use secrecy::SecretString;
use url::Url;

/// Shorter passwords without a small letter are something else that was pasted.
const PASSWORD_CHARS_MIN: usize = 12;

/// The rule of who the account is.
pub(crate) const IDENTIFIER_RULE: &str = "bluesky.connect.identifier";

/// The rule of the address of a PDS.
pub(crate) const PDS_URL_RULE: &str = "bluesky.connect.pds_url";

/// Who the account is, in the words of the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identifier {
    /// Lower case, without its `@`.
    Handle(String),
    Did(String),
    /// Only the host that the account belongs to knows whose it is.
    Email(String),
}

impl Identifier {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Handle(name) | Self::Did(name) | Self::Email(name) => name,
        }
    }
}

/// The form.
pub(crate) fn form() -> Form {
    let field = |name, label, input, required| Field {
        name,
        label,
        input,
        required,
    };
    Form {
        help_text: "Enter your handle and an app password (Bluesky: Settings, Privacy and security, App passwords); \
                    never your main password. Your PDS is found by the handle; name it only if that fails."
            .to_owned(),
        fields: vec![
            field("identifier", "Handle, e-mail or DID", "text", true),
            field(APP_PASSWORD, "App password", "password", true),
            field("pdsUrl", "PDS address", "url", false),
        ],
    }
}

/// A mistake in the form.
pub(crate) fn refused(rule: &str, message: impl Into<String>, remedy: &str) -> Failure {
    Failure::rejected(rule, message)
        .rule(rule)
        .remediation(remedy)
}

/// Handle, e-mail address or DID.
pub(crate) fn identifier(entered: &Entered) -> Result<Identifier, Failure> {
    const REMEDY: &str =
        "Enter the full handle, e.g. alice.bsky.social, the account's e-mail address or its DID.";
    let Some(typed) = entered.get("identifier") else {
        return Err(refused(
            IDENTIFIER_RULE,
            "identifier: nothing was entered",
            REMEDY,
        ));
    };
    // Copied handles carry invisible marks of writing direction.
    let visible: String =
        typed.chars().filter(|c| !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')).collect();
    let name = visible.strip_prefix('@').unwrap_or(&visible);
    if is_did(name) {
        return Ok(Identifier::Did(name.to_owned()));
    }
    let name = name.to_lowercase();
    if is_handle(&name) {
        return Ok(Identifier::Handle(name));
    }
    if name.contains('@') {
        return Ok(Identifier::Email(name));
    }
    Err(refused(
        IDENTIFIER_RULE,
        "identifier: this is no handle, e-mail address or DID",
        REMEDY,
    ))
}

pub(crate) fn app_password(entered: &Entered) -> Result<SecretString, Failure> {
    const REMEDY: &str = "An app password looks like xxxx-xxxx-xxxx-xxxx; make one on Bluesky under Settings, App Passwords.";
    let Some(typed) = entered.get(APP_PASSWORD) else {
        return Err(refused(
            "bluesky.connect.app_password",
            "appPassword: nothing was entered",
            REMEDY,
        ));
    };
    if typed.chars().count() < PASSWORD_CHARS_MIN && typed == typed.to_uppercase() {
        return Err(refused(
            "bluesky.connect.app_password",
            "appPassword: this is no app password",
            REMEDY,
        ));
    }
    Ok(SecretString::from(typed.to_owned()))
}

pub(crate) fn named_pds(entered: &Entered) -> Result<Option<Url>, Failure> {
    let Some(typed) = entered.get("pdsUrl") else {
        return Ok(None);
    };
    session::host(typed).map(Some).map_err(|wrong| {
        refused(
            PDS_URL_RULE,
            format!("pdsUrl: {wrong}"),
            "Enter the address of your PDS, e.g. https://pds.example.com, or leave it empty.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(name: &str, value: &str) -> Entered {
        Entered([(name.to_owned(), SecretString::from(value.to_owned()))].into())
    }

    #[test]
    fn an_identifier_is_brought_into_the_form_the_server_expects() {
        let handle = |name: &str| Identifier::Handle(name.to_owned());
        for (typed, expected) in [
            ("@Alice.Bsky.Social", handle("alice.bsky.social")),
            ("\u{202a}@alice.test\u{202c}", handle("alice.test")),
            ("did:plc:abc", Identifier::Did("did:plc:abc".to_owned())),
            (
                "Me@Example.com",
                Identifier::Email("me@example.com".to_owned()),
            ),
        ] {
            assert_eq!(identifier(&entered("identifier", typed)).unwrap(), expected);
        }
        for typed in ["", "alice", "alice bsky", "did:", "-a.test"] {
            let failure = identifier(&entered("identifier", typed)).unwrap_err();
            assert_eq!(failure.rule.as_deref(), Some(IDENTIFIER_RULE), "{typed}");
        }
    }

    #[test]
    fn what_cannot_be_an_app_password_is_not_sent() {
        for typed in ["", "HUNTER2", "123456"] {
            assert!(
                app_password(&entered("appPassword", typed)).is_err(),
                "{typed}"
            );
        }
        for typed in ["abcd-efgh-ijkl-mnop", "hunter2", "ABCDEFGHIJKLMNOP"] {
            assert!(
                app_password(&entered("appPassword", typed)).is_ok(),
                "{typed}"
            );
        }
    }
}
