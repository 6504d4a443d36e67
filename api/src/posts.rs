//! Posts: taking them, and reading back what became of them.
//!
//! Taking is a row of steps, each in a module: [`draft`] reads the JSON, [`shape`] judges it without asking anybody,
//! [`resolve`] finds the accounts, [`judge`] asks the platforms' rules, [`create`] hands over to the engine and waits.
//! The first three only collect violations, so that one answer names them all.

mod answer;
pub(crate) mod change;
pub(crate) mod create;
mod draft;
mod judge;
pub(crate) mod list;
pub(crate) mod one;
mod resolve;
mod shape;
mod view;
