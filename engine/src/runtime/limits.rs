//! What a connector declares, as rows of `limits`.

use publisher::Scope;
use store::queue::DeclaredLimit;

/// A connector's quotas as rows of `limits`.
pub(super) fn declared(connector: &publisher::Connector) -> Vec<DeclaredLimit> {
    connector
        .quotas
        .iter()
        .map(|quota| {
            if quota.scope != Scope::Account {
                let (queue, limit, scope) = (connector.platform, quota.name, quota.scope.word());
                tracing::warn!(
                    queue,
                    limit,
                    scope,
                    "a limit of this scope is stored, and claims do not heed it"
                );
            }
            let (kind, max_units, window_ms) = match quota.bound {
                publisher::Bound::Window { max, window } => {
                    ("window", max, i64::try_from(window.as_millis()).ok())
                }
                publisher::Bound::Slots(max) => ("slots", max, None),
            };
            DeclaredLimit {
                scope: quota.scope.word(),
                name: quota.name,
                meter: quota.meter,
                kind,
                counts: quota.counts.word(),
                max_units,
                units: quota.units,
                window_ms,
            }
        })
        .collect()
}
