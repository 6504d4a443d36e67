//! The conformance kit on the toys, and on a toy that lies: each lie is caught by the case of its name.

mod accounts;
mod consent;
mod liar;
mod lies;

use publisher::{
    Class, Scope, Setup,
    conformance::{Ignored, Phase, Row, Shape, Subject, Violating, png},
    post::FirstComment,
    toys::{self, ToyPlatform, ToyTimes},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};

const TOKEN: &str = "POST /toys/token";
const PASSWORD: &str = "toy-pass-word-s3cret";

/// A toy as a subject; `create` and `look` are its routes.
fn toy(platform: &'static str, create: &'static str, look: &'static str) -> Subject {
    let fake = Arc::new(ToyPlatform::new(ToyTimes::default()));
    let account = Arc::clone(&fake);
    let connector = move |setup: &Setup| {
        let mut all = toys::connectors(setup, ToyTimes::default())?;
        all.retain(|toy| toy.platform == platform);
        Ok(all.remove(0))
    };
    Subject {
        addresses: vec!["toys"],
        entered: vec![
            ("identifier", "ada".to_owned()),
            ("password", PASSWORD.to_owned()),
        ],
        irreversible: create,
        look,
        refresh: TOKEN,
        shapes: vec![Shape::text("text", "hello, toys")],
        violating: violating(platform),
        ignored: vec![ignored(platform)],
        rows: rows(create),
        unreachable: vec![
            (
                Class::Stale,
                "nothing of ours lies on the platform before it is public",
            ),
            (
                Class::OperatorBlocked,
                "there is no app that could be at fault",
            ),
            (Class::Duplicate, "no toy knows what it already has"),
        ],
        revoke: Some(Arc::new(move || account.revoke("ada"))),
        ..Subject::new(connector, fake)
    }
}

fn own(platform: &str, rest: &str) -> &'static str {
    format!("{platform}.{rest}").leak()
}

fn violating(platform: &str) -> Vec<Violating> {
    let long = Shape::text("long", "x".repeat(501)).with(png("pic", 100));
    vec![
        Violating {
            post: long.post,
            rules: vec![
                own(platform, "text.too_long"),
                own(platform, "media.unsupported"),
            ],
        },
        Violating {
            post: Shape::text("empty", " ").post,
            rules: vec![own(platform, "text.empty")],
        },
    ]
}

fn ignored(platform: &str) -> Ignored {
    let mut post = Shape::text("ignored", "hello")
        .options(json!({ "colour": "red" }))
        .post;
    post.first_comment = Some(FirstComment {
        text: "first".to_owned(),
    });
    let codes = vec![
        own(platform, "first_comment.ignored"),
        own(platform, "options.ignored"),
    ];
    Ignored { post, codes }
}

fn rows(create: &'static str) -> Vec<Row> {
    let refused = |status, class| Row::new(Phase::Publish, create, status, json!({}), class);
    let refresh = |status, class| Row::new(Phase::Refresh, TOKEN, status, json!({}), class);
    let limit = Duration::from_secs(7);
    vec![
        refused(401, Class::Unauthorized),
        refused(403, Class::AccountBlocked),
        refused(400, Class::Rejected),
        refused(429, Class::RateLimited)
            .header("retry-after", "7")
            .limit(limit, Scope::Account),
        refused(500, Class::Ambiguous),
        refresh(400, Class::AccountBlocked),
        refresh(503, Class::Transient),
        Row::new(
            Phase::Connect,
            "POST /toys/session",
            401,
            json!({}),
            Class::AccountBlocked,
        ),
    ]
}

mod toy_list {
    fn subject() -> publisher::conformance::Subject {
        super::toy(
            "toy_list",
            "POST /toy_list/{account}/posts",
            "GET /toy_list/{account}/posts",
        )
    }

    publisher::conformance!(subject);
}

mod toy_late {
    fn subject() -> publisher::conformance::Subject {
        super::toy(
            "toy_late",
            "POST /toy_late/{account}/posts",
            "GET /toy_late/{account}/posts",
        )
    }

    publisher::conformance!(subject);
}

mod toy_blind {
    fn subject() -> publisher::conformance::Subject {
        super::toy("toy_blind", "POST /toy_blind/{account}/posts", "")
    }

    publisher::conformance!(subject);
}

mod toy_steps {
    use publisher::{
        Class,
        conformance::{Phase, Row, Subject},
    };
    use serde_json::json;

    fn subject() -> Subject {
        let (create, status) = (
            "POST /toy_steps/{account}/containers/{id}/publish",
            "GET /toy_steps/{account}/containers/{id}",
        );
        let mut steps = super::toy("toy_steps", create, status);
        steps
            .unreachable
            .retain(|(class, _)| *class != Class::Stale);
        let row = |route, code, class| Row::new(Phase::Publish, route, code, json!({}), class);
        steps.rows.extend([
            row(status, 404, Class::Stale),
            row(status, 500, Class::Transient),
            row(
                "POST /toy_steps/{account}/containers",
                500,
                Class::Transient,
            ),
            row(create, 409, Class::Stale),
        ]);
        steps
    }

    publisher::conformance!(subject);
}

mod toy_oauth {
    use publisher::{
        App, Class, Setup,
        conformance::{Phase, Row, Subject},
        toys::{self, CONSENT_PLATFORM, ToyPlatform, ToyTimes},
    };
    use serde_json::json;
    use std::sync::Arc;

    const CREATE: &str = "POST /toy_oauth/{account}/posts";
    const TOKEN: &str = "POST /toy_oauth/token";

    fn subject() -> Subject {
        let fake = Arc::new(ToyPlatform::new(ToyTimes::default()));
        let person = Arc::clone(&fake);
        let connector = |setup: &Setup| toys::consent_connector(setup, ToyTimes::default());
        let app = App {
            client_id: "toy-app".to_owned(),
            client_secret: Some("toy-app-secret".to_owned().into()),
        };
        let mut subject = super::toy(CONSENT_PLATFORM, CREATE, "GET /toy_oauth/{account}/posts");
        subject.rows.retain(|row| row.phase == Phase::Publish);
        subject
            .unreachable
            .retain(|(class, _)| *class != Class::OperatorBlocked);
        let word = |phase, status, word: &str, class| {
            Row::new(phase, TOKEN, status, json!({ "error": word }), class)
        };
        subject.rows.extend([
            word(Phase::Connect, 400, "invalid_grant", Class::Rejected),
            word(
                Phase::Connect,
                401,
                "invalid_client",
                Class::OperatorBlocked,
            ),
            word(Phase::Refresh, 400, "invalid_grant", Class::AccountBlocked),
            word(
                Phase::Refresh,
                401,
                "invalid_client",
                Class::OperatorBlocked,
            ),
            word(
                Phase::Refresh,
                503,
                "temporarily_unavailable",
                Class::Transient,
            ),
        ]);
        Subject {
            refresh: TOKEN,
            apps: vec![(CONSENT_PLATFORM, app)],
            entered: Vec::new(),
            revoke: Some(Arc::new(move || person.oauth().withdraw("ada"))),
            connector: Arc::new(connector),
            fake,
            ..subject
        }
    }

    publisher::conformance!(subject);
}
