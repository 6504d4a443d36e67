//! The connector against the fake PDS, over real HTTP.

#[cfg(test)]
mod cards;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod cuts;
#[cfg(test)]
mod facets;
#[cfg(test)]
mod fake_http;
#[cfg(test)]
mod fake_records;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod images;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod moves;
#[cfg(test)]
mod options;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod publish;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod video;
#[cfg(test)]
mod video_jobs;
#[cfg(test)]
mod video_service;
