//! Tests of the whole product: real processes, a real database, fake platforms over real HTTP. One binary, linked once.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod api_killed;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod bad_words;
#[cfg(test)]
mod caller;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod database_restarts;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod end_to_end;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod kill_matrix;
#[cfg(test)]
mod late_arrival;
#[cfg(test)]
mod letters;
#[cfg(test)]
mod new_connector;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod process;
#[cfg(test)]
mod rolling;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod scrape;
mod screens;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod stop_and_cont;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod times;
#[cfg(test)]
mod wire;
