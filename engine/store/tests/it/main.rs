//! Crate `store` against a real Postgres: every statement, every race, every plan.

#[cfg(test)]
mod accept;
#[cfg(test)]
mod claim;
#[cfg(test)]
mod claimers;
#[cfg(test)]
mod commits;
#[cfg(test)]
mod consents;
#[cfg(test)]
mod constraints;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod disconnect;
#[cfg(test)]
mod disconnect_races;
#[cfg(test)]
mod edits;
#[cfg(test)]
mod forgetting;
#[cfg(test)]
mod keeper;
#[cfg(test)]
mod layout;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod letter_edits;
#[cfg(test)]
mod letters;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod mark;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod model;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod pauses;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod race_grid;
#[cfg(test)]
mod races;
#[cfg(test)]
mod reconnect;
#[cfg(test)]
mod sealed;
#[cfg(test)]
mod settle;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod windows;
