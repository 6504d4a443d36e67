//! The body of an irreversible request: handed to the connection in pieces, each one only while the permit lasts.
//!
//! A request whose announced length never arrives is not a request, so a body that is cut off late has no effect. For the
//! same reason a call that ends before the first piece was taken cannot have had one; [`Handover`] tells the two apart.

use crate::{fault, http::Deadline, media::MediaStream};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// Why a body ended before its length.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("the permit ran out before the body was sent whole")]
    PastNotAfter,
    #[error("the body could not be read: {0}")]
    Unreadable(io::ErrorKind),
    #[error("the body is not as long as was announced")]
    WrongLength,
}

/// How far the handing over got; shared with the call.
#[derive(Clone, Debug, Default)]
pub(super) struct Handover(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    begun: AtomicBool,
    cut: OnceLock<Cut>,
}

impl Handover {
    /// Whether a connection took any piece of the body.
    pub(super) fn has_begun(&self) -> bool {
        self.0.begun.load(Ordering::Acquire)
    }

    /// Why it ended early, if it did.
    pub(super) fn cut(&self) -> Option<&Cut> {
        self.0.cut.get()
    }
}

struct Pieces {
    rest: MediaStream,
    length: u64,
    passed: u64,
    not_after: Option<Deadline>,
    handover: Handover,
}

/// Wraps a body of `length` bytes. Shape: its pieces, not empty; an error instead of a piece that comes past `not_after`,
/// which a request that is harmless to repeat does not have.
pub(super) fn guarded(
    rest: MediaStream,
    length: u64,
    not_after: Option<Deadline>,
    handover: Handover,
) -> reqwest::Body {
    let pieces = Pieces {
        rest,
        length,
        passed: 0,
        not_after,
        handover,
    };
    reqwest::Body::wrap_stream(stream::try_unfold(pieces, |mut pieces| async move {
        match pieces.next().await {
            Ok(Some(piece)) => Ok(Some((piece, pieces))),
            Ok(None) => Ok(None),
            Err(cut) => {
                let why = io::Error::other(cut.to_string());
                let _ = pieces.handover.0.cut.set(cut);
                Err(why)
            }
        }
    }))
}

/// Splits a body into its two halves, so that the second one is still ours to withhold.
pub(super) fn halves(body: &Bytes) -> MediaStream {
    let (first, second) = (body.slice(..body.len() / 2), body.slice(body.len() / 2..));
    stream::iter([Ok(first), Ok(second)]).boxed()
}

impl Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, Cut> {
        if self.not_after.is_some() && self.passed > 0 && self.passed < self.length {
            // A connection flushes when the body has nothing for it. Being pending once therefore puts on the wire what
            // was handed over so far, before the next piece exists.
            tokio::task::yield_now().await;
            if self.passed >= self.length / 2 {
                fault::point("send.mid_body");
            }
        }
        loop {
            let piece = self.rest.next().await;
            if self
                .not_after
                .is_some_and(|not_after| not_after.has_passed())
            {
                return Err(Cut::PastNotAfter);
            }
            match piece {
                None if self.passed < self.length => return Err(Cut::WrongLength),
                None => return Ok(None),
                Some(Err(why)) => return Err(Cut::Unreadable(why.kind())),
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => {
                    self.passed += piece.len() as u64;
                    if self.passed > self.length {
                        return Err(Cut::WrongLength);
                    }
                    self.handover.0.begun.store(true, Ordering::Release);
                    return Ok(Some(piece));
                }
            }
        }
    }
}
