//! What the publisher kit promises, over real sockets.

#[cfg(test)]
mod http;
#[cfg(test)]
mod irreversible;
#[cfg(test)]
mod raw;

#[cfg(test)]
#[cfg(feature = "fake")]
mod conformance;
#[cfg(test)]
#[cfg(feature = "fake")]
mod fake;
#[cfg(test)]
#[cfg(feature = "fake")]
mod oauth;
#[cfg(test)]
#[cfg(feature = "fake")]
mod provider;
#[cfg(test)]
#[cfg(feature = "fake")]
mod toys;
