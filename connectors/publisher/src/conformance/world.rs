//! One served fake with one connected account, and the connector that is to publish for it.

use super::{
    Make, Shape, Subject,
    broken::{Broken, Checked, Whereabouts as _},
    consent::consent,
    marks::Files,
};
use crate::{
    authorizer::{Entered, Grant, TokenSet},
    connector::{App, Connector, ReadBack, Setup},
    contract::Account,
    failure::Failure,
    fake::FakeServer,
    http::{Deadline, EgressAllow, Http, HttpConfig},
    id::AccountId,
};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

/// How long a call has, where that is not what is tested.
pub(super) const AMPLE: Duration = Duration::from_secs(20);

/// Everything that a case needs around a connector.
pub(super) struct World {
    pub(super) subject: Subject,
    pub(super) server: FakeServer,
    pub(super) http: Http,
    pub(super) connector: Connector,
    pub(super) account: Account,
    pub(super) tokens: TokenSet,
    pub(super) files: Files,
    setup: Setup,
    sequence: AtomicI64,
}

impl World {
    /// Serves a new fake and connects its account. Errors: the connector cannot be built or connected.
    pub(super) async fn open(make: Make<'_>) -> Checked<Self> {
        let Bench {
            subject,
            server,
            setup,
            connector,
        } = Bench::open(make).await?;
        if subject.entered.is_empty() && connector.authorizer.form().is_some() {
            return Err(Broken::missing(
                "`entered`: what a person enters to connect the fake's account",
            ));
        }
        let now = server.clock().now();
        let grant = connect(&setup.http, &connector, &subject, now)
            .await
            .at("connecting")?;
        let Some(grant) = grant else {
            return Err(Broken::because("connecting grants no account"));
        };
        let account = Account {
            id: AccountId::new(),
            platform_account_id: grant.platform_account_id,
            handle: grant.handle,
            profile: grant.profile,
        };
        let files = subject.shapes.iter().flat_map(|shape| shape.files.clone());
        Ok(Self {
            files: Files::new(files.collect(), &server),
            subject,
            server,
            http: setup.http.clone(),
            connector,
            account,
            tokens: grant.tokens,
            setup,
            sequence: AtomicI64::new(now.timestamp_micros()),
        })
    }

    /// A new world, and one of its sample shapes.
    pub(super) async fn with(make: Make<'_>, shape: usize) -> Checked<(Self, Shape)> {
        let known = shapes(make)?;
        let world = Self::open(make).await?;
        let shape = world.subject.shapes[shape.min(known - 1)].clone();
        Ok((world, shape))
    }

    /// The connector as a new process would build it. Errors: it cannot be built.
    pub(super) fn rebuilt(&self) -> Checked<Connector> {
        built(&self.subject, &self.setup)
    }

    /// The database's clock, which is the fake's here.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.server.clock().now()
    }

    /// Lets time pass for the platform and for us; what became due has taken effect when this returns.
    pub(super) async fn pass(&self, time: Duration) {
        self.server.clock().advance(time);
        self.server.settle().await;
    }

    /// Lets so much time pass that nothing sent before can take effect unseen.
    pub(super) async fn pass_quiet_time(&self) {
        let habits = self.connector.habits;
        self.pass(habits.call_deadline + habits.quiet + Duration::from_secs(1))
            .await;
    }

    /// The next value of a claim's sequence.
    pub(super) fn sequence(&self) -> i64 {
        self.sequence
            .fetch_max(self.now().timestamp_micros(), Ordering::SeqCst);
        self.sequence.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(super) fn can_look(&self) -> bool {
        self.connector.habits.read_back != ReadBack::None
    }

    /// How many effects the ledger must show once a shape is public as a whole.
    pub(super) fn parts(&self, shape: &Shape) -> usize {
        usize::try_from(self.connector.publisher.parts(&shape.post)).unwrap_or(usize::MAX)
    }

    /// Exchanges the tokens. Errors: as the connector says.
    pub(super) async fn refresh(&self, within: Duration) -> Result<TokenSet, Failure> {
        let (now, deadline) = (self.now(), Deadline::after(within));
        self.connector
            .authorizer
            .refresh(&self.account, &self.tokens, now, deadline)
            .await
            .map(|refreshed| refreshed.tokens)
    }

    /// Whether the tokens can be exchanged at all.
    pub(super) fn refreshes(&self) -> bool {
        self.tokens.refresh.is_some()
    }

    /// Tokens for now, from those of some time ago. Errors: they cannot be exchanged although time went by.
    pub(super) async fn fresh_tokens(&self, old: &TokenSet) -> Checked<TokenSet> {
        let horizon =
            TimeDelta::from_std(self.connector.habits.refresh_horizon).unwrap_or_default();
        if old
            .expires_at
            .is_none_or(|ends| ends - horizon > self.now())
        {
            return Ok(old.clone());
        }
        let (now, deadline) = (self.now(), Deadline::after(AMPLE));
        let authorizer = &self.connector.authorizer;
        let fresh = authorizer.refresh(&self.account, old, now, deadline).await;
        fresh.map(|refreshed| refreshed.tokens).at("a refresh")
    }

    /// Moves the clock past the end of the access token. Errors: the grant names no end.
    pub(super) async fn expire(&self) -> Checked {
        let ends = self.tokens.expires_at.ok_or_else(|| {
            Broken::missing(
                "an end of the access token (`expires_at`); if tokens do not end here, declare it in `skips`",
            )
        })?;
        let left = (ends - self.now() + TimeDelta::seconds(1)).to_std();
        self.pass(left.unwrap_or_default()).await;
        Ok(())
    }

    /// Everything that must never be shown.
    pub(super) fn secrets(&self) -> Vec<String> {
        let TokenSet {
            access,
            refresh,
            others,
            ..
        } = &self.tokens;
        let known = [
            Some(self.account.platform_account_id.as_str()),
            self.account.handle.as_deref(),
        ];
        let entered = self.subject.entered.iter().map(|(_, value)| value.clone());
        let tokens = [Some(access), refresh.as_ref()].into_iter().flatten();
        let apps = self.subject.apps.iter();
        let apps = apps.filter_map(|(_, app)| app.client_secret.as_ref());
        let sealed = tokens.chain(others.values()).chain(apps);
        sealed
            .map(|secret| secret.expose_secret().to_owned())
            .chain(entered.filter(|value| !known.contains(&Some(value.as_str()))))
            .collect()
    }
}

/// A served fake and the connector that was built for it; nothing is connected yet.
pub(super) struct Bench {
    pub(super) subject: Subject,
    pub(super) server: FakeServer,
    pub(super) setup: Setup,
    pub(super) connector: Connector,
}

impl Bench {
    /// Serves a new fake. Errors: the connector cannot be built.
    pub(super) async fn open(make: Make<'_>) -> Checked<Self> {
        let subject = make();
        let server = FakeServer::start(subject.fake.clone(), None)
            .await
            .map_err(|e| Broken::because(format!("the fake cannot be served: {e}")))?;
        let config = HttpConfig {
            egress_allow: vec![EgressAllow(server.addr())],
            ..HttpConfig::default()
        };
        let http = Http::new(config)
            .map_err(|e| Broken::because(format!("no HTTP client can be built: {e}")))?;
        let address = |name: &&str| ((*name).to_owned(), server.url());
        let app = |(platform, app): &(&str, App)| ((*platform).to_owned(), app.clone());
        let setup = Setup {
            addresses: subject.addresses.iter().map(address).collect(),
            apps: subject.apps.iter().map(app).collect(),
            ..Setup::new(http)
        };
        Ok(Self {
            connector: built(&subject, &setup)?,
            subject,
            server,
            setup,
        })
    }
}

/// How many sample shapes there are. Errors: none.
pub(super) fn shapes(make: Make<'_>) -> Checked<usize> {
    let subject = make();
    if !subject.shapes.is_empty() {
        return Ok(subject.shapes.len());
    }
    let entered = match subject.entered.len() {
        0 => {
            "; and `entered`: what a person enters to connect the fake's account, where there is a form"
        }
        _ => "",
    };
    Err(Broken::missing(format!(
        "`shapes`: a sample post of each shape that this platform takes, the plainest first{entered}"
    )))
}

/// Connects the account of the subject; none if nothing was granted. Errors: as the connector says.
pub(super) async fn connect(
    http: &Http,
    connector: &Connector,
    subject: &Subject,
    now: DateTime<Utc>,
) -> Result<Option<Grant>, Failure> {
    let mut entered: Vec<(String, String)> = subject
        .entered
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    if connector.authorizer.form().is_none() {
        entered.extend(consent(http, connector).await?);
    }
    let entered = Entered(
        entered
            .into_iter()
            .map(|(name, value)| (name, SecretString::from(value)))
            .collect(),
    );
    let deadline = Deadline::after(AMPLE);
    let mut grants = connector
        .authorizer
        .complete(&entered, now, deadline)
        .await?;
    Ok((!grants.is_empty()).then(|| grants.swap_remove(0)))
}

fn built(subject: &Subject, setup: &Setup) -> Checked<Connector> {
    (subject.connector)(setup).map_err(|e| Broken::because(format!("it cannot be built: {e}")))
}
