//! What is measured: every metric of the product, declared once with its unit, its labels and its sentence.
//!
//! It stands here because this is the one crate that everybody who measures knows. The declarations make the exporter's
//! descriptions and are held against docs/reference/metrics.md.
//!
//! No label ever names an account, a post or an organisation, nor a host that users choose: the number of series is bounded
//! by platforms, routes and closed sets of words.

use ::metrics::Label;

/// What is known of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct About {
    /// Its name; it ends in its unit.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Of what.
    pub unit: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it is, in half a sentence.
    pub is: &'static str,
    /// Of a histogram: the upper bounds of its buckets, in its unit.
    pub buckets: &'static [f64],
}

/// Counts what happened.
#[derive(Debug)]
pub struct Counter<const N: usize> {
    name: &'static str,
    unit: &'static str,
    labels: [&'static str; N],
    is: &'static str,
}

/// A value that goes up and down.
#[derive(Debug)]
pub struct Gauge<const N: usize> {
    name: &'static str,
    unit: &'static str,
    labels: [&'static str; N],
    is: &'static str,
}

/// How values are distributed.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    name: &'static str,
    unit: &'static str,
    labels: [&'static str; N],
    is: &'static str,
    buckets: &'static [f64],
}

impl<const N: usize> Counter<N> {
    /// Adds `n`; 0 makes the series known before anything happened.
    pub fn add(&self, values: [&str; N], n: u64) {
        ::metrics::counter!(self.name, labelled(self.labels, values)).increment(n);
    }

    const fn about(&'static self) -> About {
        about(self.name, "counter", self.unit, &self.labels, self.is, &[])
    }
}

impl<const N: usize> Gauge<N> {
    /// Sets it.
    pub fn set(&self, values: [&str; N], value: f64) {
        ::metrics::gauge!(self.name, labelled(self.labels, values)).set(value);
    }

    const fn about(&'static self) -> About {
        about(self.name, "gauge", self.unit, &self.labels, self.is, &[])
    }
}

impl<const N: usize> Histogram<N> {
    /// Adds one value, in the metric's unit.
    pub fn observe(&self, values: [&str; N], value: f64) {
        ::metrics::histogram!(self.name, labelled(self.labels, values)).record(value);
    }

    const fn about(&'static self) -> About {
        about(
            self.name,
            "histogram",
            self.unit,
            &self.labels,
            self.is,
            self.buckets,
        )
    }
}

fn labelled<const N: usize>(names: [&'static str; N], values: [&str; N]) -> Vec<Label> {
    let pairs = names.into_iter().zip(values);
    pairs
        .map(|(name, value)| Label::new(name, value.to_owned()))
        .collect()
}

const fn about(
    name: &'static str,
    kind: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    is: &'static str,
    buckets: &'static [f64],
) -> About {
    About {
        name,
        kind,
        unit,
        labels,
        is,
        buckets,
    }
}

/// From a commit to a slow call, in seconds.
const SHORT: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// From at once to a day, in seconds.
const LONG: &[f64] = &[
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0,
    86_400.0,
];

/// Sizes of a batch of at most 500.
const SIZES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0];

macro_rules! metrics {
    ($($name:ident: $type:ty = $metric:ident { name: $text:literal, unit: $unit:literal, labels: $labels:expr, is: $is:literal $(, buckets: $buckets:ident)? };)+) => {
        $(
            #[doc = $is]
            pub static $name: $type = $metric {
                name: $text,
                unit: $unit,
                labels: $labels,
                is: $is,
                $(buckets: $buckets,)?
            };
        )+

        /// Every metric, in the order of the reference.
        pub static ALL: &[About] = &[$($name.about()),+];
    };
}

metrics! {
    JOBS_CLAIMED: Counter<1> = Counter {
        name: "postrider_jobs_claimed_total", unit: "jobs", labels: ["queue"],
        is: "jobs that workers took to work on"
    };
    WAIT: Histogram<1> = Histogram {
        name: "postrider_wait_seconds", unit: "seconds", labels: ["queue"],
        is: "from the instant at which a job was due to its claim, limits and retries included",
        buckets: LONG
    };
    ATTEMPT: Histogram<1> = Histogram {
        name: "postrider_attempt_seconds", unit: "seconds", labels: ["queue"],
        is: "how long an attempt ran, from its claim being handed over to its report",
        buckets: LONG
    };
    SETTLED: Counter<3> = Counter {
        name: "postrider_settled_total", unit: "settlements", labels: ["queue", "kind", "settlement"],
        is: "what attempts came to; kind is `publish` or `refresh`, settlement as in the glossary"
    };
    SETTLE_BATCH: Histogram<0> = Histogram {
        name: "postrider_settle_batch_size", unit: "settlements", labels: [],
        is: "settlements of one commit",
        buckets: SIZES
    };
    SETTLE: Histogram<0> = Histogram {
        name: "postrider_settle_seconds", unit: "seconds", labels: [],
        is: "how long it took to write one batch of settlements, waiting for a database that is away included",
        buckets: SHORT
    };
    LEASE_LOST: Counter<0> = Counter {
        name: "postrider_lease_lost_total", unit: "leases", labels: [],
        is: "leases of this process that could not be renewed because others had taken their jobs"
    };
    REAPED: Counter<1> = Counter {
        name: "postrider_claims_reaped_total", unit: "claims", labels: ["queue"],
        is: "claims whose lease was over and that this process settled for a lost worker"
    };
    REFRESHES_PLANNED: Counter<1> = Counter {
        name: "postrider_refreshes_planned_total", unit: "jobs", labels: ["queue"],
        is: "token refreshes that were queued because a token nears its end"
    };
    PLATFORM_CALLS: Counter<3> = Counter {
        name: "postrider_platform_calls_total", unit: "calls", labels: ["platform", "method", "status"],
        is: "calls to platforms; status is the answer's, `unsent` or `unanswered`"
    };
    PLATFORM_CALL: Histogram<1> = Histogram {
        name: "postrider_platform_call_seconds", unit: "seconds", labels: ["platform"],
        is: "how long a call to a platform took, pacing included",
        buckets: SHORT
    };
    HTTP_REQUESTS: Counter<3> = Counter {
        name: "postrider_http_requests_total", unit: "requests", labels: ["method", "route", "status"],
        is: "requests to the API by route template; `(none)` is no route of ours"
    };
    HTTP_REQUEST: Histogram<1> = Histogram {
        name: "postrider_http_request_seconds", unit: "seconds", labels: ["route"],
        is: "how long a request took, waiting for the result of an immediate post included",
        buckets: SHORT
    };
    JOBS_LIVE: Gauge<2> = Gauge {
        name: "postrider_jobs_live", unit: "jobs", labels: ["queue", "state"],
        is: "live jobs; state is `queued`, `running` or `held`"
    };
    OLDEST_DUE: Gauge<1> = Gauge {
        name: "postrider_oldest_due_seconds", unit: "seconds", labels: ["queue"],
        is: "for how long the bucket that waits longest could have been claimed; 0 when nothing waits, or the queue is paused or closed"
    };
    BUCKET_BLOCKED: Gauge<2> = Gauge {
        name: "postrider_bucket_blocked", unit: "buckets", labels: ["queue", "scope"],
        is: "what a platform's word keeps closed now: buckets of scope `account`, or the whole queue, scope `app`"
    };
    DEAD_LETTERS_OPEN: Gauge<2> = Gauge {
        name: "postrider_dead_letters_open", unit: "letters", labels: ["queue", "class"],
        is: "dead letters that nobody has dealt with"
    };
    WORKERS: Gauge<1> = Gauge {
        name: "postrider_workers", unit: "workers", labels: ["queue"],
        is: "workers that serve the queue, seen within two minutes and not stopping"
    };
    SAMPLE_AGE: Gauge<0> = Gauge {
        name: "postrider_queue_sample_age_seconds", unit: "seconds", labels: [],
        is: "how old the five gauges of the queue are that are read from the database"
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_ours_and_end_as_their_kind_asks() {
        let names: BTreeSet<_> = ALL.iter().map(|about| about.name).collect();
        assert_eq!(names.len(), ALL.len());
        for about in ALL {
            assert!(about.name.starts_with("postrider_"), "{}", about.name);
            assert_eq!(
                about.kind == "counter",
                about.name.ends_with("_total"),
                "{}",
                about.name
            );
            assert_eq!(
                about.kind == "histogram",
                !about.buckets.is_empty(),
                "{}",
                about.name
            );
            assert!(about.buckets.is_sorted(), "{}", about.name);
        }
    }

    #[test]
    fn no_label_names_a_person_or_their_things() {
        let allowed = [
            "class",
            "kind",
            "method",
            "platform",
            "queue",
            "route",
            "scope",
            "settlement",
            "state",
            "status",
        ];
        for about in ALL {
            for label in about.labels {
                assert!(allowed.contains(label), "{}: {label}", about.name);
            }
        }
    }
}
