//! Serves a fake: its own accept loop, so that a connection can be closed in the middle of anything.
//!
//! Every connection is served by a future of its own; cutting it drops that future and with it the socket, which is a TCP
//! close without an HTTP answer.

use super::{
    FakeClock, FakeKit, FakePlatform, Faults, Journal, Ledger, admin,
    inject::{Connection, Injector},
};
use axum::{Extension, Router, body::Bytes, middleware};
use chrono::{DateTime, Utc};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use url::Url;

/// A fake that is being served. Dropping it closes everything at once.
pub struct FakeServer {
    addr: SocketAddr,
    kit: FakeKit,
    injector: Arc<Injector>,
    stopped: CancellationToken,
    closed: CancellationToken,
    tasks: JoinSet<()>,
}

impl std::fmt::Debug for FakeServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeServer")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

impl FakeServer {
    /// Serves `platform` on `listen`, or on a free port of loopback.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(
        platform: Arc<dyn FakePlatform>,
        listen: Option<SocketAddr>,
    ) -> io::Result<Self> {
        let listener =
            TcpListener::bind(listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)))).await?;
        let addr = listener.local_addr()?;
        let kit = FakeKit::default();
        let injector = Arc::new(Injector::new(Arc::clone(&platform), kit.clone()));
        let faulty = Arc::clone(&injector);
        let app = injector
            .handlers()
            .layer(middleware::from_fn(move |request, next| {
                let injector = Arc::clone(&faulty);
                async move { injector.handle(request, next).await }
            }))
            .merge(admin::routes(&platform, &kit, &injector));
        let (stopped, closed) = (CancellationToken::new(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        let (stop, close) = (stopped.clone(), closed.clone());
        tasks.spawn(async move {
            accept(listener, app, stop).await;
            close.cancel();
        });
        tasks.spawn(take_late_effects(
            Arc::clone(&injector),
            kit.clone(),
            stopped.clone(),
        ));
        Ok(Self {
            addr,
            kit,
            injector,
            stopped,
            closed,
            tasks,
        })
    }

    /// Its base address: `http://127.0.0.1:<port>/`.
    pub fn url(&self) -> Url {
        let mut url =
            Url::parse("http://localhost/").unwrap_or_else(|_| unreachable!("a constant"));
        let _ = url.set_ip_host(self.addr.ip());
        let _ = url.set_port(Some(self.addr.port()));
        url
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What took effect.
    pub fn ledger(&self) -> &Ledger {
        &self.kit.ledger
    }

    /// What was asked of it.
    pub fn journal(&self) -> &Journal {
        &self.kit.journal
    }

    /// What is to go wrong.
    pub fn faults(&self) -> &Faults {
        &self.kit.faults
    }

    /// Serves a file at `/_fake/files/{id}`, for fakes of platforms that fetch media.
    pub fn host(&self, id: &str, bytes: Bytes) {
        self.kit.files.put(id, bytes);
    }

    /// Its clock.
    pub fn clock(&self) -> &FakeClock {
        &self.kit.clock
    }

    /// Lets everything take effect that is due by the fake's clock, and returns when that is done.
    pub async fn settle(&self) {
        self.injector.settle().await;
    }

    /// Closes all connections and the listener, as a platform that goes down; ledger and journal can still be read.
    pub async fn close(&self) {
        self.stopped.cancel();
        self.closed.cancelled().await;
    }

    /// Closes all connections and the listener; the port is free when this returns.
    pub async fn stop(mut self) {
        self.stopped.cancel();
        self.tasks.shutdown().await;
    }
}

async fn accept(listener: TcpListener, app: Router, stopped: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped.cancelled() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve(stream, app.clone())); }
                // Out of file descriptors, as a rule: let some connections end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
}

async fn serve(stream: TcpStream, app: Router) {
    let _ = stream.set_nodelay(true);
    let cut = CancellationToken::new();
    let app = app.layer(Extension(Connection(cut.clone())));
    let http = auto::Builder::new(TokioExecutor::new());
    let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    tokio::select! {
        biased;
        () = cut.cancelled() => {}
        _ = served => {}
    }
}

async fn take_late_effects(injector: Arc<Injector>, kit: FakeKit, stopped: CancellationToken) {
    let mut advanced = kit.clock.watch();
    loop {
        let due = injector.settle().await;
        tokio::select! {
            () = stopped.cancelled() => return,
            _ = advanced.changed() => {}
            () = tokio::time::sleep(until(due, &kit.clock)) => {}
        }
    }
}

/// How long until then; never longer than half a second, because a request may delay something new at any time.
fn until(due: Option<DateTime<Utc>>, clock: &FakeClock) -> Duration {
    let longest = Duration::from_millis(500);
    due.map_or(longest, |due| {
        (due - clock.now())
            .to_std()
            .unwrap_or_default()
            .min(longest)
    })
}
