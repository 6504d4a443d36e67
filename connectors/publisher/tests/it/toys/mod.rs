//! The toys' connectors against their fake.

mod outcomes;
mod refusals;
mod shop;
