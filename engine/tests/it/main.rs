//! The engine against a real Postgres and the toy platforms over real HTTP.

#[cfg(test)]
mod shop;

#[cfg(test)]
mod life;
