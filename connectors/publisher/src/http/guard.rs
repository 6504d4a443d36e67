//! The guard against requests to addresses that are not public.
//!
//! It sits in the resolver, where an address is *used*, not where a name is written: a name may resolve differently the
//! next time. Addresses written into a URL are judged before the call, because nothing resolves them. The only exception
//! is [`EgressAllow`], an address with its port named by the operator.
//!
//! Which port a name is resolved for is known to the call alone; it is passed in a task-local. A resolution outside of any
//! call has no port, so no exception applies to it.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
};
use url::{Host, Url};

tokio::task_local! {
    /// What the call in progress is allowed to reach.
    pub(super) static TARGET: Target;
}

/// The part of a URL that the guard needs when the address is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    port: u16,
    plain: bool,
}

/// An address and port that may be reached although the guard would refuse it, in plain HTTP too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EgressAllow(pub SocketAddr);

impl FromStr for EgressAllow {
    type Err = String;

    /// Reads `127.0.0.1:2583` or `[::1]:80`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim().parse().map(Self).map_err(|_| {
            format!("`{text}` is no address with a port; write `127.0.0.1:2583` or `[::1]:80`")
        })
    }
}

/// Why the guard said no. Names the host, never the rest of the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(pub(super) String);

/// Judges URLs and addresses; also the resolver of every client.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    allow: Arc<[EgressAllow]>,
}

impl Guard {
    pub(super) fn new(allow: Vec<EgressAllow>) -> Self {
        Self {
            allow: allow.into(),
        }
    }

    /// Judges all of a URL that can be judged without resolving.
    ///
    /// Errors: another scheme than http(s), a user name or password, no host, or an address that may not be reached.
    pub(super) fn admit(&self, url: &Url) -> Result<Target, Refusal> {
        let plain = match url.scheme() {
            "https" => false,
            "http" => true,
            other => {
                return Err(Refusal(format!(
                    "the scheme `{other}` is not http or https"
                )));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal(
                "the URL contains a user name or password".to_owned(),
            ));
        }
        let port = url.port_or_known_default().unwrap_or_default();
        let target = Target { port, plain };
        let address = match url.host() {
            None => return Err(Refusal("the URL has no host".to_owned())),
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(name)) => name.trim_end_matches('.').parse().ok(),
        };
        match address {
            Some(address) => self.judge(address, Some(target)).map(|()| target),
            None => Ok(target),
        }
    }

    /// Judges one address for a target; without a target no exception applies.
    fn judge(&self, address: IpAddr, target: Option<Target>) -> Result<(), Refusal> {
        let allowed = target.is_some_and(|target| {
            self.allow
                .contains(&EgressAllow(SocketAddr::new(address, target.port)))
        });
        if allowed {
            return Ok(());
        }
        if let Some(kind) = not_public(address) {
            return Err(Refusal(format!("{address} is {kind}")));
        }
        if target.is_none_or(|target| target.plain) {
            return Err(Refusal(format!(
                "plain http to {address} is not allowed; use https"
            )));
        }
        Ok(())
    }

    /// Keeps the addresses that may be reached. Errors: none of them may; says why for the first.
    fn keep(
        &self,
        found: impl Iterator<Item = SocketAddr>,
        target: Option<Target>,
    ) -> Result<Vec<SocketAddr>, Refusal> {
        let mut kept = Vec::new();
        let mut refusal = None;
        for address in found {
            match self.judge(address.ip(), target) {
                Ok(()) => kept.push(address),
                Err(why) => refusal = refusal.or(Some(why)),
            }
        }
        match refusal {
            Some(why) if kept.is_empty() => Err(why),
            _ => Ok(kept),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        let target = TARGET.try_with(|target| *target).ok();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept = guard.keep(found, target)?;
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

/// What kind of non-public address this is; none if it is public.
fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_public_v4(address),
        IpAddr::V6(address) => not_public_v6(address),
    }
}

/// Source: https://www.iana.org/assignments/iana-ipv4-special-registry, what is not globally reachable; and multicast.
fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("unspecified (0.0.0.0/8)"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("private"),
        [100, 64..=127, ..] => Some("shared by a carrier (100.64.0.0/10)"),
        [127, ..] => Some("loopback"),
        [169, 254, ..] => Some("link-local"),
        [192, 0, 0, _] => Some("reserved for protocols (192.0.0.0/24)"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("for documentation"),
        [192, 88, 99, _] => Some("a 6to4 relay (192.88.99.0/24)"),
        [198, 18..=19, ..] => Some("for benchmarking (198.18.0.0/15)"),
        [224..=239, ..] => Some("multicast"),
        [240..=255, ..] => Some("reserved (240.0.0.0/4)"),
        _ => None,
    }
}

/// Source: https://www.iana.org/assignments/iana-ipv6-special-registry. Only 2000::/3 is handed out as global unicast; what
/// embeds an IPv4 address is judged by it.
fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    let parts = address.segments();
    match parts {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        // ::ffff:a.b.c.d and the older ::a.b.c.d: the socket would speak IPv4, whatever it says.
        [0, 0, 0, 0, 0, 0xffff, high, low] => {
            not_public_v4(embedded(high, low)).or(Some("an IPv4 address in disguise"))
        }
        [0, 0, 0, 0, 0, 0, ..] => Some("an IPv4-compatible address (::/96)"),
        // NAT64: 64:ff9b::/96 stands for the IPv4 address in its last 32 bits; 64:ff9b:1::/48 is local use.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => not_public_v4(embedded(high, low)),
        [0x64, 0xff9b, ..] => Some("local-use NAT64 (64:ff9b:1::/48)"),
        [0x2002, high, low, ..] => not_public_v4(embedded(high, low)).or(Some("6to4 (2002::/16)")),
        // 2001::/23 holds Teredo, benchmarking, ORCHID and other protocol blocks.
        [0x2001, 0..=0x01ff, ..] => Some("reserved for protocols (2001::/23)"),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Some("for documentation"),
        [0xfc00..=0xfdff, ..] => Some("unique-local"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xfec0..=0xfeff, ..] => Some("site-local"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("outside of the global unicast block (2000::/3)"),
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
