//! What a connector declares, as rows of `limits`.

use publisher::{Bound, Scope};
use store::queue::DeclaredLimit;

/// A connector's quotas as rows of `limits`.
pub(super) fn declared(connector: &publisher::Connector) -> Vec<DeclaredLimit> {
    connector
        .quotas
        .iter()
        .map(|quota| {
            let row = DeclaredLimit {
                scope: quota.scope.word(),
                name: quota.name,
                meter: quota.meter,
                counts: quota.counts.word(),
                units: quota.units,
                ..of_bound(quota.bound)
            };
            let is_heeded = matches!(row.kind, "window" | "slots");
            if quota.scope != Scope::Account || !is_heeded {
                let (queue, limit, scope) = (connector.platform, row.name, row.scope);
                tracing::warn!(
                    queue,
                    limit,
                    scope,
                    kind = row.kind,
                    "a limit of this scope or kind is stored, and claims do not heed it"
                );
            }
            row
        })
        .collect()
}

/// The columns that a bound fills. A rate is a burst, and the time in which a whole burst is replenished.
fn of_bound(bound: Bound) -> DeclaredLimit {
    let millis = |time: std::time::Duration| i64::try_from(time.as_millis()).ok();
    let row = DeclaredLimit::default();
    match bound {
        Bound::Window { max, window } => DeclaredLimit {
            kind: "window",
            max_units: max,
            window_ms: millis(window),
            ..row
        },
        Bound::Rate(rate) => DeclaredLimit {
            kind: "rate",
            max_units: rate.burst_size().get(),
            window_ms: millis(rate.burst_size_replenished_in()),
            burst: Some(rate.burst_size().get()),
            ..row
        },
        Bound::Calendar { max, zone } => DeclaredLimit {
            kind: "calendar",
            max_units: max,
            zone: Some(zone),
            ..row
        },
        Bound::Slots(max) => DeclaredLimit {
            kind: "slots",
            max_units: max,
            ..row
        },
    }
}
