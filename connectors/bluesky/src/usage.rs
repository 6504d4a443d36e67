//! What a PDS's answers say about its own count of our points.
//!
//! Its headers describe the tightest of its windows, on success too; which one that is, the policy tells. The window of all
//! requests of an address is none of an account's quotas and is left to the pace.

use chrono::DateTime;
use publisher::{Answer, Left, Scope, Usage};

/// Windows by their policy, with the quotas that they are.
const WINDOWS: [(&str, &str); 2] = [
    ("5000;w=3600", "points_per_hour"),
    ("35000;w=86400", "points_per_day"),
];

/// What an answer tells; none if it tells nothing of an account's points.
pub(crate) fn usage(answer: &Answer) -> Option<Usage> {
    let policy = answer.header("ratelimit-policy")?.trim();
    let (_, quota) = WINDOWS.into_iter().find(|(known, _)| *known == policy)?;
    let left = answer.header("ratelimit-remaining")?.trim().parse().ok()?;
    let reset = answer.header("ratelimit-reset");
    let reset = reset.and_then(|seconds| seconds.trim().parse().ok());
    Some(Usage {
        quota,
        scope: Scope::Account,
        left: Left::Units(left),
        resets_at: reset.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};

    fn told(headers: &[(&'static str, &'static str)]) -> Option<Usage> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        usage(&Answer {
            status: 200,
            headers: map,
            body: bytes::Bytes::new(),
        })
    }

    #[test]
    fn the_policy_says_which_window_the_figures_are_of() {
        let figures = [
            ("ratelimit-remaining", "17"),
            ("ratelimit-reset", "1800000000"),
        ];
        let of = |policy| told(&[figures[0], figures[1], ("ratelimit-policy", policy)]);
        let hour = of("5000;w=3600").unwrap();
        assert_eq!(
            (hour.quota, hour.scope, hour.left),
            ("points_per_hour", Scope::Account, Left::Units(17))
        );
        assert_eq!(hour.resets_at.unwrap().timestamp(), 1_800_000_000);
        assert_eq!(of("35000;w=86400").unwrap().quota, "points_per_day");
        assert_eq!(of("3000;w=300"), None, "the window of an address");
        assert_eq!(told(&figures), None);
        assert_eq!(told(&[("ratelimit-policy", "5000;w=3600")]), None);
    }
}
