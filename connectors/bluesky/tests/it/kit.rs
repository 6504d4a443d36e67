//! What every test needs: a fake PDS with an account, the connector, and a stand-in for the engine's side of a step.

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use connector_bluesky::{FakeAccount, FakePds, connector, fake};
use futures_util::{StreamExt as _, stream};
use publisher::{
    Account, Caption, Checkpoint, Connector, Deadline, EgressAllow, Entered, Evidence, Failure,
    Http, HttpConfig, Mark, Media, MediaKind, MediaReader, MediaStream, Permit, Post, Progress,
    Receipt, Setup, Step, TokenSet, Usages,
    fake::{FakeServer, Fault},
    id::AccountId,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use url::Url;

pub(crate) const DID: &str = "did:plc:ada7nxzyoun6zhxrhs64oiz1";
pub(crate) const HANDLE: &str = "ada.test";
pub(crate) const PASSWORD: &str = "s3cr-etpa-sswo-rd00";

/// A fake PDS with ada and bob, and ada connected.
pub(crate) struct World {
    pub(crate) pds: Arc<FakePds>,
    pub(crate) server: FakeServer,
    pub(crate) http: Http,
    pub(crate) connector: Connector,
    pub(crate) account: Account,
    pub(crate) tokens: TokenSet,
    pub(crate) files: Files,
    pub(crate) usages: Usages,
    sequence: AtomicI64,
}

impl World {
    pub(crate) async fn open() -> Self {
        Self::open_allowing(&[]).await
    }

    /// A world that may also reach these addresses.
    pub(crate) async fn open_allowing(addresses: &[SocketAddr]) -> Self {
        let account = |handle: &str, did: &str| FakeAccount {
            handle: handle.to_owned(),
            did: did.to_owned(),
            password: PASSWORD.to_owned(),
        };
        let pds = fake(vec![
            account(HANDLE, DID),
            account("bob.test", "did:web:bob.test"),
        ]);
        let server = FakeServer::start(pds.clone(), None).await.unwrap();
        let reached = addresses.iter().copied().chain([server.addr()]);
        let egress_allow = reached.map(EgressAllow).collect();
        let http = Http::new(HttpConfig {
            egress_allow,
            ..HttpConfig::default()
        })
        .unwrap();
        let connector = connector_at(&http, &server.url(), &server.url());
        let now = server.clock().now();
        let grant = connector
            .authorizer
            .complete(&entered(HANDLE, PASSWORD, None), now, soon())
            .await
            .unwrap()
            .remove(0);
        let account = Account {
            id: AccountId::new(),
            platform_account_id: grant.platform_account_id,
            handle: grant.handle,
            profile: grant.profile,
        };
        let sequence = AtomicI64::new(now.timestamp_micros());
        Self {
            pds,
            server,
            http,
            connector,
            account,
            tokens: grant.tokens,
            files: Files::default(),
            usages: Usages::default(),
            sequence,
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.server.clock().now()
    }

    /// A publication's next turn, as the engine would begin it.
    pub(crate) fn turn<'a>(&'a self, post: &'a Post, marks: &'a Marks) -> Turn<'a> {
        Turn {
            world: self,
            post,
            marks,
            checkpoint: None,
            media: None,
            receipt: None,
            sent_at: None,
            now: self.now(),
            deadline: soon(),
        }
    }

    pub(crate) fn posts(&self) -> Vec<(String, Value)> {
        self.pds.records(DID)
    }
}

/// The connector, with everything but the hosts of handles at `home`.
pub(crate) fn connector_at(http: &Http, home: &Url, handle_hosts: &Url) -> Connector {
    let all =
        ["bluesky", "bluesky.plc", "bluesky.video"].map(|name| (name.to_owned(), home.clone()));
    let mut addresses = BTreeMap::from(all);
    addresses.insert("bluesky.handles".to_owned(), handle_hosts.clone());
    connector(&Setup {
        addresses,
        ..Setup::new(http.clone())
    })
    .unwrap()
}

/// What a person enters.
pub(crate) fn entered(identifier: &str, password: &str, pds: Option<&str>) -> Entered {
    let mut fields = BTreeMap::from([
        (
            "identifier".to_owned(),
            SecretString::from(identifier.to_owned()),
        ),
        (
            "appPassword".to_owned(),
            SecretString::from(password.to_owned()),
        ),
    ]);
    if let Some(pds) = pds {
        fields.insert("pdsUrl".to_owned(), SecretString::from(pds.to_owned()));
    }
    Entered(fields)
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

pub(crate) fn text(text: &str) -> Post {
    Post {
        text: text.to_owned(),
        options: json!({}),
        ..Post::default()
    }
}

/// One call of the connector; everything that the engine would take from the job.
pub(crate) struct Turn<'a> {
    world: &'a World,
    post: &'a Post,
    marks: &'a Marks,
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Another reader than the world's files.
    pub(crate) media: Option<&'a dyn MediaReader>,
    pub(crate) receipt: Option<Receipt>,
    pub(crate) sent_at: Option<DateTime<Utc>>,
    pub(crate) now: DateTime<Utc>,
    pub(crate) deadline: Deadline,
}

impl Turn<'_> {
    fn step(&self) -> Step<'_> {
        Step {
            post: self.post,
            account: &self.world.account,
            token: &self.world.tokens.access,
            media: self.media.unwrap_or(&self.world.files),
            checkpoint: self.checkpoint.as_ref(),
            receipt: self.receipt.as_ref(),
            sent_at: self.sent_at,
            answer_by: None,
            mark: self.marks,
            usages: &self.world.usages,
            idempotency_key: "key",
            sequence: self.world.sequence.fetch_add(1, Ordering::SeqCst),
            now: self.now,
            deadline: self.deadline,
        }
    }

    pub(crate) async fn publish(&self) -> Result<Progress, Failure> {
        self.world.connector.publisher.publish(self.step()).await
    }

    pub(crate) async fn verify(&self) -> Result<Evidence, Failure> {
        self.world.connector.publisher.verify(self.step()).await
    }
}

/// A fault that answers this.
pub(crate) fn answers(status: u16, body: Value) -> Fault {
    Fault::Status {
        status,
        body,
        headers: vec![],
    }
}

/// The receipt of what must have been published.
pub(crate) fn receipt(progress: Progress) -> Receipt {
    match progress {
        Progress::Published(receipt) => receipt,
        Progress::Pending { .. } => panic!("still pending"),
    }
}

/// What a mark does beside being set.
type Hook = Box<dyn Fn() + Send + Sync>;

/// Send marks: keeps the checkpoints.
#[derive(Default)]
pub(crate) struct Marks {
    pub(crate) set: Mutex<Vec<Checkpoint>>,
    pub(crate) hook: Option<Hook>,
}

impl Marks {
    /// The checkpoint of the latest mark.
    pub(crate) fn last(&self) -> Option<Checkpoint> {
        self.set.lock().unwrap().last().cloned()
    }
}

#[async_trait]
impl Mark for Marks {
    async fn set(&self, checkpoint: Checkpoint) -> Result<Permit, Failure> {
        self.set.lock().unwrap().push(checkpoint);
        if let Some(hook) = &self.hook {
            hook();
        }
        Ok(Permit::granted(soon()))
    }
}

/// The media of a post, in memory.
#[derive(Default)]
pub(crate) struct Files(Mutex<HashMap<String, Bytes>>);

impl Files {
    /// An MP4 of this many bytes, different from every other.
    pub(crate) fn mp4(&self, id: &str, size: usize) -> Media {
        let mut bytes = b"\0\0\0\x20ftypisom\0\0\x02\0".to_vec();
        bytes.extend_from_slice(id.as_bytes());
        bytes.resize(size, 7);
        self.0.lock().unwrap().insert(id.to_owned(), bytes.into());
        Media {
            id: id.to_owned(),
            kind: MediaKind::Video,
            mime: "video/mp4".to_owned(),
            size_bytes: size as u64,
            width: Some(1_080),
            height: Some(1_920),
            alt_text: Some(format!("alt of {id}")),
            ..Media::default()
        }
    }

    /// A file of captions, and how a film names it.
    pub(crate) fn vtt(&self, id: &str, lang: &str) -> (Caption, Media) {
        let bytes = Bytes::from(format!("WEBVTT\n\n00:01.000 --> 00:02.000\n{id}\n"));
        let size_bytes = bytes.len() as u64;
        self.0.lock().unwrap().insert(id.to_owned(), bytes);
        let caption = Caption {
            lang: lang.to_owned(),
            media_id: id.to_owned(),
        };
        let file = Media {
            id: id.to_owned(),
            mime: "text/vtt".to_owned(),
            size_bytes,
            ..Media::default()
        };
        (caption, file)
    }

    /// A PNG of noise, different from every other.
    pub(crate) fn png(&self, id: &str, width: u32, height: u32) -> Media {
        self.keep(id, "image/png", (width, height), noise(id, width, height))
    }

    /// Any file, as the library would have it.
    pub(crate) fn keep(
        &self,
        id: &str,
        mime: &str,
        (width, height): (u32, u32),
        bytes: Vec<u8>,
    ) -> Media {
        let size_bytes = bytes.len() as u64;
        self.0.lock().unwrap().insert(id.to_owned(), bytes.into());
        Media {
            id: id.to_owned(),
            kind: MediaKind::Image,
            mime: mime.to_owned(),
            size_bytes,
            width: Some(width),
            height: Some(height),
            alt_text: Some(format!("alt of {id}")),
            ..Media::default()
        }
    }

    /// Takes a file away.
    pub(crate) fn lose(&self, id: &str) {
        self.0.lock().unwrap().remove(id);
    }
}

/// A picture that compresses badly, the same for the same seed.
pub(crate) fn noise(seed: &str, width: u32, height: u32) -> Vec<u8> {
    let mut state = seed.bytes().fold(7_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let picture = image::RgbImage::from_fn(width, height, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [a, b, c, _] = state.to_be_bytes();
        image::Rgb([a, b, c])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

#[async_trait]
impl MediaReader for Files {
    async fn open(&self, media: &Media) -> Result<MediaStream, Failure> {
        let found = self.0.lock().unwrap().get(&media.id).cloned();
        let bytes = found.ok_or_else(|| Failure::rejected("media.unknown", "it is gone"))?;
        let half = bytes.len() / 2;
        Ok(stream::iter([Ok(bytes.slice(..half)), Ok(bytes.slice(half..))]).boxed())
    }
}
