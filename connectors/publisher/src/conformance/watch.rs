//! How a call is watched from outside: that it waits for nothing but its requests, and that it returns in time.

use super::broken::{Broken, Checked};
use crate::http::Http;
use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

/// How much longer than its deadline a call may take before it counts as stuck: generous, for a busy machine.
const GRACE: Duration = Duration::from_secs(5);

/// Runs a call and breaks as soon as it waits although none of its requests is under way: then it sleeps, or waits for
/// something that is not its business.
pub(super) async fn never_idle<T>(http: &Http, call: impl Future<Output = T>) -> Checked<T> {
    let mut call = pin!(call);
    poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Ok(done)),
        Poll::Pending if http.calls_under_way() == 0 => Poll::Ready(Err(Broken::because(
            "it waits although no request of its own is under way: a connector never sleeps; the engine does",
        ))),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Runs a call that has to return by `deadline`.
pub(super) async fn in_time<T>(deadline: Duration, call: impl Future<Output = T>) -> Checked<T> {
    tokio::time::timeout(deadline + GRACE, call)
        .await
        .map_err(|_| {
            Broken::because(format!(
                "it had {deadline:?} and has not returned {GRACE:?} after that; give every call `.deadline(step.deadline)`"
            ))
        })
}
