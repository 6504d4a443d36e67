//! What is to go wrong, and how often.

use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// One thing that goes wrong with one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Answers this and does nothing.
    Status {
        /// The HTTP status.
        status: u16,
        /// The body.
        #[serde(default)]
        body: serde_json::Value,
        /// More headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// Reads the request, does nothing and closes the connection without an answer.
    CutBefore,
    /// Reads half of the request's body and closes the connection; nothing takes effect.
    CutMidBody,
    /// Takes effect, then closes the connection without an answer.
    CutAfter,
    /// Closes the connection without an answer now; takes effect that much later by the fake's clock.
    Late {
        /// How much later; as `after_ms` on the wire.
        #[serde(rename = "after_ms", with = "millis")]
        after: Duration,
    },
    /// Does not answer. Nothing takes effect unless it is released.
    Hang {
        /// Whether [`Faults::release`] lets it go on as if nothing had happened; else it hangs until the client leaves.
        until_released: bool,
    },
    /// Answers 200 with an HTML page, as a proxy in between would; nothing takes effect.
    Html,
    /// Takes effect, then answers 200 with an empty body.
    Empty,
    /// Takes effect, then answers one byte a second.
    TrickleAnswer,
    /// Answers 307 to there; nothing takes effect.
    Redirect {
        /// The `Location`.
        to: String,
    },
    /// Takes effect, then answers with 64 MiB.
    HugeAnswer,
}

#[derive(Clone, Debug)]
struct Armed {
    route: String,
    fault: Fault,
    skip: u32,
    left: u32,
}

/// The armed faults of a fake. All clones are one.
#[derive(Clone, Debug)]
pub struct Faults {
    armed: Arc<Mutex<Vec<Armed>>>,
    releases: Arc<watch::Sender<u64>>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            armed: Arc::default(),
            releases: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Faults {
    /// Lets the next `times` requests to `route` go wrong; faults for one route are used up in the order of arming.
    ///
    /// `route` is `*`, or `METHOD /path`, or `/path`, where a segment in braces stands for any one segment
    /// (`POST /toy_list/{account}/posts`), or a single word: the last segment of the path (`com.atproto.repo.putRecord`).
    pub fn arm(&self, route: &str, fault: Fault, times: u32) {
        self.arm_after(0, route, fault, times);
    }

    /// The same, after `skip` requests to `route` that go well.
    pub fn arm_after(&self, skip: u32, route: &str, fault: Fault, times: u32) {
        self.lock().push(Armed {
            route: route.to_owned(),
            fault,
            skip,
            left: times,
        });
    }

    /// Disarms everything and releases what hangs.
    pub fn clear(&self) {
        self.lock().clear();
        self.release();
    }

    /// Lets go on what hangs until it is released.
    pub fn release(&self) {
        self.releases.send_modify(|times| *times += 1);
    }

    /// How many requests are still to go wrong.
    pub fn left(&self) -> u32 {
        self.lock().iter().map(|armed| armed.left).sum()
    }

    /// The fault for this request, if there is one; uses it up.
    pub(super) fn take(&self, method: &str, path: &str) -> Option<Fault> {
        let mut all = self.lock();
        let armed = all
            .iter_mut()
            .find(|armed| armed.left > 0 && fits(&armed.route, method, path))?;
        if armed.skip > 0 {
            armed.skip -= 1;
            return None;
        }
        armed.left -= 1;
        let fault = armed.fault.clone();
        all.retain(|armed| armed.left > 0);
        Some(fault)
    }

    /// Is told whenever something is released.
    pub(super) fn releases(&self) -> watch::Receiver<u64> {
        self.releases.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a request is one to `route`; see [`Faults::arm`].
pub(super) fn fits(route: &str, method: &str, path: &str) -> bool {
    if route == "*" {
        return true;
    }
    let pattern = match route.split_once(' ') {
        Some((wanted, pattern)) if wanted.eq_ignore_ascii_case(method) => pattern,
        Some(_) => return false,
        None => route,
    };
    if !pattern.starts_with('/') {
        return path.rsplit('/').next() == Some(pattern);
    }
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == found => {}
            (Some(wanted), Some(_)) if wanted.starts_with('{') && wanted.ends_with('}') => {}
            _ => return false,
        }
    }
}

mod millis {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(after: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_fits_by_pattern_method_or_last_segment() {
        let path = "/toy_list/ada/posts";
        for route in [
            "*",
            "POST /toy_list/{account}/posts",
            "/toy_list/ada/posts",
            "posts",
            "post posts",
        ] {
            assert!(fits(route, "POST", path), "{route}");
        }
        for route in [
            "GET /toy_list/{account}/posts",
            "/toy_list/{account}",
            "/toy_list",
            "ada",
            "",
        ] {
            assert!(!fits(route, "POST", path), "{route}");
        }
    }

    #[test]
    fn a_fault_is_used_up() {
        let faults = Faults::default();
        faults.arm("posts", Fault::CutBefore, 2);
        faults.arm("*", Fault::Html, 1);
        assert_eq!(faults.take("POST", "/a/posts"), Some(Fault::CutBefore));
        assert_eq!(faults.take("GET", "/b"), Some(Fault::Html));
        assert_eq!(faults.take("POST", "/a/posts"), Some(Fault::CutBefore));
        assert_eq!(faults.take("POST", "/a/posts"), None);
        faults.arm_after(1, "posts", Fault::Html, 1);
        assert_eq!(faults.take("GET", "/b"), None);
        assert_eq!(faults.take("POST", "/a/posts"), None);
        assert_eq!(faults.take("POST", "/a/posts"), Some(Fault::Html));
    }

    #[test]
    fn faults_have_a_wire_form() {
        let late: Fault = serde_json::from_str(r#"{"late":{"after_ms":1500}}"#).unwrap();
        assert_eq!(
            late,
            Fault::Late {
                after: Duration::from_millis(1500)
            }
        );
        assert_eq!(
            serde_json::to_string(&Fault::CutAfter).unwrap(),
            r#""cut_after""#
        );
    }
}
