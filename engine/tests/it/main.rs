//! The engine against a real Postgres and the toy platforms over real HTTP.

#[cfg(test)]
mod frames;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod state;

#[cfg(test)]
mod commits;
#[cfg(test)]
mod death;
#[cfg(test)]
mod disconnect;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod edits;
#[cfg(test)]
mod library;
#[cfg(test)]
mod life;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod rotate;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod unknown;
#[cfg(test)]
mod wait;
#[cfg(test)]
mod wake;
#[cfg(test)]
mod zombie;
