//! The wire contract, route by route, against a real Postgres, a real engine and fake platforms.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod app;
#[cfg(test)]
mod bad_changes;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod database_away;
#[cfg(test)]
mod disconnect;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod films;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod media;
#[cfg(test)]
mod options;
#[cfg(test)]
mod platforms;
#[cfg(test)]
mod posts;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod trace;
