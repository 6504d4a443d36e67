//! The event that a settlement writes with it.

use serde_json::Value;
use store::queue::Settlement;
use uuid::Uuid;

/// Gives a settlement its event, to be written in the same commit.
pub(super) fn announce(row: &mut Settlement, event: &'static str, data: Value) {
    row.event = Some(Uuid::now_v7());
    row.event_type = Some(event);
    row.event_data = Some(data);
}
