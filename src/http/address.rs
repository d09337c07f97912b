//! Whose address a request comes from, and how many requests an address may send.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::HeaderMap;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ipnet::IpNet;

use crate::config::AddressRate;

use super::problem::{Code, Problem};

/// How many addresses are remembered before those at rest are dropped.
const ADDRESSES_MAX: usize = 50_000;

/// The limit per address. IPv6 callers count by their /64, which is what one household is given.
pub struct AddressLimit {
    limiter: Option<DefaultKeyedRateLimiter<IpAddr>>,
    clock: DefaultClock,
    trusted_proxies: Vec<IpNet>,
}

impl AddressLimit {
    pub fn new(rate: Option<AddressRate>, trusted_proxies: Vec<IpNet>) -> Self {
        let limiter =
            rate.map(|rate| RateLimiter::keyed(Quota::per_second(rate.per_second).allow_burst(rate.burst)));
        Self { limiter, clock: DefaultClock::default(), trusted_proxies }
    }

    /// # Errors
    /// The problem that refuses the request.
    pub fn check(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Result<(), Problem> {
        let (Some(limiter), Some(peer)) = (&self.limiter, peer) else { return Ok(()) };
        let address = self.caller(peer.ip(), headers);
        if limiter.len() > ADDRESSES_MAX {
            limiter.retain_recent();
        }
        limiter.check_key(&network(address)).map_err(|refused| {
            let wait = refused.wait_time_from(self.clock.now());
            Problem::new(Code::AddressLimited, "too many requests from this address").retry_after(wait)
        })
    }

    /// What a caller's address counts as.
    pub fn household(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        peer.map(|peer| network(self.caller(peer.ip(), headers)))
    }

    /// The peer, or whom trusted proxies name: the last address on the way that is none of them.
    fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.is_trusted(peer) {
            return peer;
        }
        let way = forwarded(headers);
        let way = if way.is_empty() { forwarded_for(headers) } else { way };
        for hop in way.iter().rev() {
            match hop {
                Some(address) if self.is_trusted(*address) => {}
                Some(address) => return *address,
                // Beyond something unreadable nothing can be trusted.
                None => return peer,
            }
        }
        peer
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// `X-Forwarded-For: client, proxy`, in order; `None` for what is no address.
fn forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all("x-forwarded-for").filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(address_of).collect()
}

/// `Forwarded: for=client;proto=https, for=proxy` (RFC 7239), in order.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all("forwarded").filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(for_parameter).collect()
}

fn for_parameter(element: &str) -> Option<IpAddr> {
    let named = |part: &str| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"').to_owned())
    };
    element.split(';').find_map(named).and_then(|value| address_of(&value))
}

fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn limit(proxies: &[&str]) -> AddressLimit {
        let proxies = proxies.iter().map(|network| network.parse().expect("a network")).collect();
        AddressLimit::new(None, proxies)
    }

    fn caller(limit: &AddressLimit, peer: &str, header: Option<(&'static str, &'static str)>) -> String {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        limit.caller(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn a_header_counts_only_behind_a_trusted_proxy() {
        let spoofed = Some(("x-forwarded-for", "9.9.9.9"));
        assert_eq!(caller(&limit(&[]), "1.2.3.4", spoofed), "1.2.3.4");
        assert_eq!(caller(&limit(&["10.0.0.0/8"]), "1.2.3.4", spoofed), "1.2.3.4");
        assert_eq!(caller(&limit(&["10.0.0.0/8"]), "10.0.0.1", spoofed), "9.9.9.9");
    }

    #[test]
    fn the_last_untrusted_hop_is_the_caller() {
        let limit = limit(&["10.0.0.0/8"]);
        let way = Some(("x-forwarded-for", "6.6.6.6, 9.9.9.9, 10.0.0.7"));
        assert_eq!(caller(&limit, "10.0.0.1", way), "9.9.9.9");
        let rfc = Some(("forwarded", "for=6.6.6.6, for=\"[2001:db8::1]:4711\";proto=https, for=10.0.0.7"));
        assert_eq!(caller(&limit, "10.0.0.1", rfc), "2001:db8::1");
        assert_eq!(caller(&limit, "10.0.0.1", Some(("forwarded", "for=unknown"))), "10.0.0.1");
    }

    #[test]
    fn one_household_counts_as_one_address() {
        let network_of = |text: &str| network(text.parse().expect("an address")).to_string();
        assert_eq!(network_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network_of("::ffff:1.2.3.4"), "1.2.3.4");
    }
}
