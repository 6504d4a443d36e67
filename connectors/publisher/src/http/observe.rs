//! What is told and counted of every call.

use super::{Answer, CallError};
use crate::measure;
use ::http::Method;
use tokio::time::Instant;
use tracing::{Instrument as _, field::Empty};

/// Makes a call in a span of its own, and counts it as the platform's. `endpoint` is method and host.
pub(super) async fn observed(
    platform: &'static str,
    method: &Method,
    endpoint: String,
    call: impl Future<Output = Result<Answer, CallError>>,
) -> Result<Answer, CallError> {
    let span = tracing::info_span!(
        "platform.call",
        platform,
        endpoint,
        status = Empty,
        duration_ms = Empty
    );
    let asked = Instant::now();
    let outcome = call.instrument(span.clone()).await;
    let took = asked.elapsed();
    let status = match &outcome {
        Ok(answer) => answer.status.to_string(),
        Err(error) if error.may_have_been_sent => "unanswered".to_owned(),
        Err(_) => "unsent".to_owned(),
    };
    measure::PLATFORM_CALLS.add([platform, method.as_str(), &status], 1);
    measure::PLATFORM_CALL.observe([platform], took.as_secs_f64());
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    span.record("duration_ms", milliseconds);
    span.record("status", status);
    outcome
}
