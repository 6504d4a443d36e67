//! The connector against its fake, over real HTTP.

#[cfg(test)]
mod conformance;
