//! The conformance kit on Skeleton: what is missing here makes the cases fail that need it.

use connector_skeleton::{FakeSkeleton, connector};
use publisher::conformance::Subject;
use std::sync::Arc;

publisher::conformance!(subject);

fn subject() -> Subject {
    Subject {
        addresses: vec!["skeleton"],
        // To do, in this order: entered, shapes, irreversible, look, violating, ignored, rows, unreachable, refresh, revoke.
        ..Subject::new(connector, Arc::new(FakeSkeleton::default()))
    }
}
