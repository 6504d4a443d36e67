//! A TCP proxy that understands Postgres's frames, so that one statement's fate can be chosen.
//!
//! It knows what each prepared statement says, and therefore which Bind (or simple query) is *the* statement: the
//! autocommitted one, recognised by a piece of its text, or the COMMIT of the transaction that ran it. That one can be lost
//! on its way, lose its answer, or arrive long after its sender was cut off. Besides, everything can be cut or stopped.

use crate::frames::{append, read_frame, rest_of, text_at};
use crate::state::until;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::testing::TestDatabase;
use store::{PoolSizes, Store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What becomes of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The connection is cut before the server sees it.
    Lost,
    /// The server does it; its answer is eaten and the connection cut.
    Unanswered,
    /// The connection is cut now; the server gets it so much later.
    Late(Duration),
    /// Everything is silent until [`Proxy::stop`] says otherwise; only then the server gets it.
    Frozen,
    /// Everything is silent until [`Proxy::stop`] says otherwise; then the connection is cut: it was done, unanswered.
    Held,
    /// It is done and answered; after that everything is silent until [`Proxy::stop`] says otherwise.
    Silence,
}

#[derive(Clone, Debug)]
struct Trap {
    text: &'static str,
    commit: bool,
    fate: Fate,
    left: usize,
}

#[derive(Debug)]
struct Shared {
    server: String,
    traps: Mutex<Vec<Trap>>,
    sprung: AtomicUsize,
    /// Nothing is forwarded while this is true.
    stopped: watch::Sender<bool>,
    /// New connections are refused while this is true; every change cuts the old ones.
    away: watch::Sender<bool>,
}

/// The proxy; stops with [`Proxy::close`].
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    url: String,
    end: CancellationToken,
    tasks: TaskTracker,
}

impl Proxy {
    /// A proxy before a test's database.
    pub(crate) async fn before(database: &TestDatabase) -> Self {
        let (before, rest) = database.url.split_once("://").unwrap();
        let (authority, path) = rest.split_once('/').unwrap();
        let (user, server) = authority
            .rsplit_once('@')
            .map_or((String::new(), authority), |(user, server)| {
                (format!("{user}@"), server)
            });
        let server = if server.contains(':') {
            server.to_owned()
        } else {
            format!("{server}:5432")
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let separator = if path.contains('?') { '&' } else { '?' };
        let url = format!("{before}://{user}127.0.0.1:{port}/{path}{separator}sslmode=disable");
        let shared = Arc::new(Shared {
            server,
            traps: Mutex::default(),
            sprung: AtomicUsize::new(0),
            stopped: watch::Sender::new(false),
            away: watch::Sender::new(false),
        });
        let (end, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(accept(
            listener,
            Arc::clone(&shared),
            end.clone(),
            tasks.clone(),
        ));
        Self {
            shared,
            url,
            end,
            tasks,
        }
    }

    /// A store behind the proxy.
    pub(crate) fn store(&self) -> Store {
        let sizes = PoolSizes {
            ordinary: 4,
            reserved: 3,
            acquire_timeout: Duration::from_secs(2),
        };
        Store::connect_lazily(&self.url, sizes).unwrap()
    }

    /// Chooses the fate of the next `times` executions of the statement with this text.
    pub(crate) fn trap(&self, text: &'static str, fate: Fate, times: usize) {
        self.arm(text, false, fate, times);
    }

    /// Chooses the fate of the next COMMIT of a transaction that ran the statement with this text.
    pub(crate) fn trap_commit(&self, text: &'static str, fate: Fate) {
        self.arm(text, true, fate, 1);
    }

    fn arm(&self, text: &'static str, commit: bool, fate: Fate, left: usize) {
        self.shared.traps().push(Trap {
            text,
            commit,
            fate,
            left,
        });
    }

    /// Waits until so many statements have met their fates.
    pub(crate) async fn sprung(&self, times: usize) {
        until("the statement that was waited for", async || {
            (self.shared.sprung.load(Ordering::SeqCst) >= times).then_some(())
        })
        .await;
    }

    /// Stops forwarding, or goes on: a partition, in which nobody is told anything.
    pub(crate) fn stop(&self, stopped: bool) {
        self.shared.stopped.send_replace(stopped);
    }

    /// Cuts everything and refuses connections, or lets them come again: a database that is away.
    pub(crate) fn away(&self, away: bool) {
        self.shared.away.send_replace(away);
    }

    /// Ends the proxy and all its connections.
    pub(crate) async fn close(self) {
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Shared {
    fn traps(&self) -> std::sync::MutexGuard<'_, Vec<Trap>> {
        self.traps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fate of this statement, if a trap waits for it; uses it up.
    fn spring(&self, statement: &str, in_transaction: &[String]) -> Option<Fate> {
        let mut traps = self.traps();
        let is_commit = statement.trim().eq_ignore_ascii_case("commit");
        let trap = traps.iter_mut().find(|trap| {
            trap.left > 0
                && if trap.commit {
                    is_commit && in_transaction.iter().any(|ran| ran.contains(trap.text))
                } else {
                    statement.contains(trap.text)
                }
        })?;
        trap.left -= 1;
        Some(trap.fate)
    }

    async fn flowing(&self) {
        let mut stopped = self.stopped.subscribe();
        stopped.wait_for(|stopped| !stopped).await.map(drop).ok();
    }
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    end: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let client = tokio::select! {
            () = end.cancelled() => return,
            accepted = listener.accept() => accepted.unwrap().0,
        };
        if *shared.away.borrow() {
            continue;
        }
        let (shared, end) = (Arc::clone(&shared), end.clone());
        tasks.spawn(async move {
            let mut away = shared.away.subscribe();
            tokio::select! {
                () = end.cancelled() => {}
                _ = away.wait_for(|away| *away) => {}
                served = serve(client, &shared) => { served.ok(); }
            }
        });
    }
}

/// Forwards both ways until one side ends or a trap cuts it.
async fn serve(client: TcpStream, shared: &Shared) -> io::Result<()> {
    let server = TcpStream::connect(&shared.server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let answers = Answers::default();
    tokio::select! {
        forwarded = forward(from_client, to_server, shared, &answers) => forwarded,
        answered = answer(from_server, to_client, shared, &answers) => answered,
    }
}

/// How many answers are owed, and from which on they are eaten. The start of the session owes the first.
struct Answers {
    asked: AtomicU64,
    given: watch::Sender<u64>,
    eaten_from: AtomicU64,
    deaf: CancellationToken,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            asked: AtomicU64::new(1),
            given: watch::Sender::new(0),
            eaten_from: AtomicU64::new(u64::MAX),
            deaf: CancellationToken::new(),
        }
    }
}

async fn forward(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    shared: &Shared,
    answers: &Answers,
) -> io::Result<()> {
    let mut startup = vec![0; 4];
    client.read_exact(&mut startup).await?;
    append(&mut client, &mut startup, 0).await?;
    server.write_all(&startup).await?;
    let mut seen = Seen::default();
    let mut awaited = None;
    loop {
        let frame = read_frame(&mut client).await?;
        shared.flowing().await;
        let statement = seen.statement(&frame);
        let fate = statement.and_then(|it| seen.fate(it, shared));
        let owed = answers.asked.load(Ordering::SeqCst) + 1;
        match fate {
            None => {}
            Some(Fate::Lost) => {
                shared.sprung.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            Some(Fate::Late(after)) => {
                let rest = rest_of(&mut client, &frame).await?;
                // The client is gone; the server does not know.
                answers.eaten_from.store(owed, Ordering::SeqCst);
                answers.deaf.cancel();
                drop(client);
                shared.sprung.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(after).await;
                server.write_all(&frame).await?;
                server.write_all(&rest).await?;
                return wait_for_answer(answers, owed).await;
            }
            Some(Fate::Frozen) => {
                shared.stopped.send_replace(true);
                shared.sprung.fetch_add(1, Ordering::SeqCst);
                shared.flowing().await;
            }
            Some(Fate::Silence) => awaited = Some((owed, Fate::Silence)),
            Some(eaten @ (Fate::Unanswered | Fate::Held)) => {
                answers.eaten_from.store(owed, Ordering::SeqCst);
                awaited = Some((owed, eaten));
            }
        }
        let asks = matches!(frame[0], b'Q' | b'S');
        if asks {
            answers.asked.store(owed, Ordering::SeqCst);
        }
        server.write_all(&frame).await?;
        if let Some((_, fate)) = awaited.take_if(|(answer, _)| asks && *answer == owed) {
            wait_for_answer(answers, owed).await?;
            if fate != Fate::Unanswered {
                shared.stopped.send_replace(true);
            }
            shared.sprung.fetch_add(1, Ordering::SeqCst);
            if fate != Fate::Silence {
                shared.flowing().await;
                return Ok(());
            }
        }
    }
}

/// What a connection has said: its prepared statements, and what its transaction ran.
#[derive(Default)]
struct Seen {
    prepared: HashMap<String, String>,
    transaction: Vec<String>,
}

impl Seen {
    /// The statement that this message executes, if it does.
    fn statement(&mut self, frame: &[u8]) -> Option<String> {
        match frame[0] {
            b'P' => {
                let (name, rest) = text_at(frame, 5);
                self.prepared.insert(name, text_at(frame, rest).0);
                None
            }
            b'B' => {
                let (_, rest) = text_at(frame, 5);
                self.prepared.get(&text_at(frame, rest).0).cloned()
            }
            b'Q' => Some(text_at(frame, 5).0),
            _ => None,
        }
    }

    fn fate(&mut self, statement: String, shared: &Shared) -> Option<Fate> {
        let fate = shared.spring(&statement, &self.transaction);
        if statement.trim().eq_ignore_ascii_case("begin") {
            self.transaction.clear();
        }
        self.transaction.push(statement);
        fate
    }
}

async fn wait_for_answer(answers: &Answers, owed: u64) -> io::Result<()> {
    let mut given = answers.given.subscribe();
    given
        .wait_for(|given| *given >= owed)
        .await
        .map(drop)
        .map_err(io::Error::other)
}

async fn answer(
    mut server: OwnedReadHalf,
    client: OwnedWriteHalf,
    shared: &Shared,
    answers: &Answers,
) -> io::Result<()> {
    let mut client = Some(client);
    loop {
        let frame = tokio::select! {
            () = answers.deaf.cancelled(), if client.is_some() => {
                client = None;
                continue;
            }
            frame = read_frame(&mut server) => frame?,
        };
        shared.flowing().await;
        let next = *answers.given.borrow() + 1;
        if let Some(client) = &mut client
            && next < answers.eaten_from.load(Ordering::SeqCst)
        {
            client.write_all(&frame).await?;
        }
        if frame[0] == b'Z' {
            answers.given.send_replace(next);
        }
    }
}
