//! Named fault points: places where a test may stop or kill the process.
//!
//! A point costs one relaxed load when nothing is armed, and in a build without debug assertions it does nothing at all.
//! Only the composition root arms one, from the configuration of a test.

#[cfg(debug_assertions)]
use std::sync::OnceLock;

/// Every point there is, in the order in which a publication passes them.
pub const POINTS: [&str; 9] = [
    "claim.before_commit",
    "claim.after_commit",
    "mark.before",
    "mark.after",
    "send.mid_body",
    "send.after_answer",
    "settle.before_commit",
    "settle.after_commit",
    "refresh.after_answer",
];

/// What happens when a point is passed: receives the point's name and normally does not return.
pub type Trap = fn(&str);

#[cfg(debug_assertions)]
static ARMED: OnceLock<(String, Trap)> = OnceLock::new();

/// Arms one point for the rest of the process's life.
///
/// Errors: says which points exist if `point` is none of them, or that this build has none.
pub fn arm(point: &str, trap: Trap) -> Result<(), String> {
    if !POINTS.contains(&point) {
        return Err(format!(
            "unknown fault point `{point}`; there are: {}",
            POINTS.join(", ")
        ));
    }
    #[cfg(debug_assertions)]
    {
        ARMED
            .set((point.to_owned(), trap))
            .map_err(|_| "a fault point is already armed".to_owned())
    }
    #[cfg(not(debug_assertions))]
    {
        let _ = trap;
        Err("this build has no fault points; use a build with debug assertions".to_owned())
    }
}

/// Passes a point.
pub fn point(name: &'static str) {
    #[cfg(debug_assertions)]
    if let Some((armed, trap)) = ARMED.get()
        && armed == name
    {
        trap(name);
    }
    #[cfg(not(debug_assertions))]
    let _ = name;
}
