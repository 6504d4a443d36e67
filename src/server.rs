//! The listener: bounded in connections and in the time that a request's head may take, drained in good order.
//!
//! Plain HTTP/1.1. A connection beyond the bound is closed at once, which keeps file descriptors for the database; a client
//! that trickles its headers is cut off. It does not know routes.

use crate::{exit::Stop, shutdown::Shutdown};
use axum_server::{Handle, accept::Accept};
use hyper_util::rt::TokioTimer;
use std::{
    future::{Ready, ready},
    io,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::task::TaskTracker;

/// Connections at a time: twice the requests that may wait for their results.
const CONNECTIONS_MAX: usize = 2_048;
/// Longest time from a connection's, or an answer's, end to the end of the next request's head.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);
/// Most headers of one request.
const HEADERS_MAX: usize = 64;
/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// After the drain's deadline, so that answers that were given on time get out.
const LAST_BYTES: Duration = Duration::from_millis(250);

/// Takes the address that a variable names, without answering yet. Errors: it is taken, or not ours.
pub(crate) fn bind(listen: SocketAddr, variable: &str) -> Result<TcpListener, Stop> {
    let bound = TcpListener::bind(listen)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    bound.map_err(|e| {
        Stop::failed(
            format!("cannot listen on {listen}: {e}"),
            format!("end the program that has this address, or choose another: export {variable}=127.0.0.1:0 takes a free one"),
        )
    })
}

/// Serves until the drain, and then until the requests in flight have their answers, or until now.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: axum::Router,
    tracker: &TaskTracker,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let handle = Handle::new();
    let (ending, told) = (handle.clone(), shutdown.clone());
    tracker.spawn(async move {
        told.drain.cancelled().await;
        ending.graceful_shutdown(None);
        told.now.cancelled().await;
        tokio::time::sleep(LAST_BYTES).await;
        ending.shutdown();
    });
    let mut server = axum_server::from_tcp(listener)?
        .http1_only()
        .handle(handle)
        .acceptor(Bounded::new(CONNECTIONS_MAX));
    // Without a timer the timeout does nothing.
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    server.serve(routes.into_make_service()).await
}

/// Lets so many connections in.
#[derive(Clone, Debug)]
struct Bounded(Arc<Semaphore>);

impl Bounded {
    fn new(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(most)))
    }
}

impl<S> Accept<TcpStream, S> for Bounded {
    type Stream = Connection;
    type Service = S;
    type Future = Ready<io::Result<(Connection, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Ok(place) = Arc::clone(&self.0).try_acquire_owned() else {
            tracing::warn!(
                most = CONNECTIONS_MAX,
                "too many connections; one was closed"
            );
            return ready(Err(io::Error::other("too many connections")));
        };
        let connected = stream.set_nodelay(true);
        ready(connected.map(|()| {
            (
                Connection {
                    stream,
                    _place: place,
                },
                service,
            )
        }))
    }
}

/// A connection, and its place among those that are let in.
struct Connection {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener as AsyncListener,
        sync::Notify,
    };

    #[tokio::test]
    async fn a_connection_beyond_the_bound_is_closed_until_another_one_ends() {
        let listener = AsyncListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        let mut accepted = Vec::new();
        for _ in 0..3 {
            clients.push(TcpStream::connect(address).await.unwrap());
            accepted.push(listener.accept().await.unwrap().0);
        }
        let bounded = Bounded::new(1);
        let (first, ()) = bounded.accept(accepted.remove(0), ()).await.unwrap();
        assert!(bounded.accept(accepted.remove(0), ()).await.is_err());
        drop(first);
        assert!(bounded.accept(accepted.remove(0), ()).await.is_ok());
    }

    #[tokio::test]
    async fn a_drain_waits_for_the_answer_of_a_request_in_flight() {
        let (arrived, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (told, wait) = (Arc::clone(&arrived), Arc::clone(&release));
        let routes = axum::Router::new().fallback(async move || {
            told.notify_one();
            wait.notified().await;
            "answered"
        });
        let listener = bind("127.0.0.1:0".parse().unwrap(), "X").unwrap();
        let address = listener.local_addr().unwrap();
        let (tracker, shutdown) = (TaskTracker::new(), Shutdown::default());
        let serving = {
            let (inner, shutdown) = (tracker.clone(), shutdown.clone());
            tracker.spawn(async move { serve(listener, routes, &inner, &shutdown).await })
        };
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        arrived.notified().await;
        shutdown.drain.cancel();
        release.notify_one();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("answered"),
            "{answer}"
        );
        serving.await.unwrap().unwrap();
        assert!(
            TcpStream::connect(address).await.is_err(),
            "the address is free again"
        );
    }
}
