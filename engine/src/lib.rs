//! Postrider's engine: how an accepted post becomes a published one, or a dead letter that says why not.
//!
//! Three doors, and nothing else:
//!
//! * [`Client`]: accept, wait, cancel, edit, retry, connect, disconnect (the API and the command line)
//! * [`Runtime`]: claim, attempt, settle (worker processes)
//! * [`Console`]: redrive, discard, pause, rotate master keys (operators)
//!
//! ```text
//!               accept                    claim (through the bucket)
//! ─────────────────────────► queued ─────────────────────────────────► running ──┐
//!                             ▲  ▲                                        │      │ lease over → reap
//!   continue (poll later) ────┤  │                                        │      └──► queued; verified first if marked
//!   retry  (failures + 1) ────┤  │ redrive (generation + 1)               │
//!   snooze (nothing counted)──┤  │                                        ▼
//!   verify (looks + 1)────────┘  └── dead letter ◄─── dead-letter ── settle ── complete ──► published
//! ```
//!
//! Policy is one pure function ([`decide::decide`]); everything around it is a pipeline: claim → open → run → report → decide →
//! settle. There is not one line of SQL here.

mod attempt;
mod backend;
mod backoff;
mod canary;
mod claims;
mod client;
mod console;
pub mod decide;
mod error;
mod events;
mod handlers;
mod keeper;
mod leases;
mod library;
mod mark;
mod runtime;
mod settle;
mod telemetry;

pub use backoff::{BACKOFF_FIRST, BACKOFF_MAX, backoff};
pub use canary::{CanaryError, check_canaries};
pub use client::{
    Acceptance, CONSENT_LIVES, CONSENTS_MAX, Client, ClientConfig, ConnectRequest, Connected,
    ConsentFault, ConsentRequest, CreatedKey, DisconnectRequest, Disconnected, Edit,
    EditLetterRequest, Environment, NewKeyRequest, Replay, Submission, TakenConsent, Target,
    TargetMedia, WaitEnd, media_of,
};
pub use console::{
    Closed, Console, DiscardError, DiscardRequest, RedriveError, RedriveRequest, Redriven,
    RotateError, RotateProgress, Rotated,
};
pub use error::{
    AcceptError, ConnectError, DisconnectError, EditError, EditLetterError, RetryError,
    TargetViolation,
};
pub use library::{Library, LibraryError, LibraryLimits, Upload};
pub use runtime::{Runtime, RuntimeConfig, RuntimeError, Stop};
pub use store::Ended;
pub use store::queue::{Paused, Remembered, Requeued, Resumed};
