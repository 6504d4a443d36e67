//! A server of bare TCP: it counts connections, keeps what arrived, and answers by a script.

use publisher::{EgressAllow, Http, HttpConfig};
use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use url::Url;

/// Everything that arrived at a server.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    connections: Arc<AtomicUsize>,
    bytes: Arc<Mutex<Vec<u8>>>,
    closed: Arc<AtomicUsize>,
}

impl Seen {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Connections that the client closed, as far as the script read on.
    pub(crate) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}

/// One connection of a script.
pub(crate) struct Peer {
    stream: TcpStream,
    seen: Seen,
    unread: Vec<u8>,
}

impl Peer {
    /// Reads one request with its whole body; false if the client closed before it was whole.
    pub(crate) async fn request(&mut self) -> bool {
        loop {
            if let Some(length) = whole(&self.unread) {
                self.unread.drain(..length);
                return true;
            }
            let mut piece = [0; 4096];
            let read = self.stream.read(&mut piece).await.unwrap_or(0);
            if read == 0 {
                self.seen.closed.fetch_add(1, Ordering::SeqCst);
                return false;
            }
            self.unread.extend_from_slice(&piece[..read]);
            self.seen
                .bytes
                .lock()
                .unwrap()
                .extend_from_slice(&piece[..read]);
        }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    pub(crate) async fn answer(&mut self, body: &str) {
        let length = body.len();
        self.say(&format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await;
    }
}

/// Length of the first request in `bytes`, if it is there as a whole.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = head + length.map_or(0, |length| length.trim().parse().unwrap());
    (bytes.len() >= length).then_some(length)
}

/// A running server; dropping it ends it.
pub(crate) struct Raw {
    pub(crate) addr: SocketAddr,
    pub(crate) seen: Seen,
    _tasks: JoinSet<()>,
}

impl Raw {
    pub(crate) async fn start<F, R>(script: F) -> Self
    where
        F: Fn(Peer) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Seen::default();
        let (mut tasks, known) = (JoinSet::new(), seen.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                known.connections.fetch_add(1, Ordering::SeqCst);
                let unread = Vec::new();
                connections.spawn(script(Peer {
                    stream,
                    seen: known.clone(),
                    unread,
                }));
            }
        });
        Self {
            addr,
            seen,
            _tasks: tasks,
        }
    }

    /// Answers every request of a connection with `{}`.
    pub(crate) async fn friendly() -> Self {
        Self::start(|mut peer| async move {
            while peer.request().await {
                peer.answer("{}").await;
            }
        })
        .await
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("http://{}/path", self.addr)).unwrap()
    }

    /// A client that may reach this server.
    pub(crate) fn http(&self) -> Http {
        http(&[self.addr])
    }
}

pub(crate) fn http(allow: &[SocketAddr]) -> Http {
    let egress_allow = allow.iter().copied().map(EgressAllow).collect();
    let connect_timeout = Duration::from_secs(3);
    Http::new(HttpConfig {
        egress_allow,
        connect_timeout,
        ..HttpConfig::default()
    })
    .unwrap()
}

/// Waits for a condition, for at most five seconds.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not happen within five seconds");
}
