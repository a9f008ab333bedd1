//! Whom a request comes from, as far as limits go.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::Request;

/// The address of a connection's other end, as the listener saw it.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// An IPv4 address, or the first 64 bits of an IPv6 one: the rest of that its holder chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// The source that an address belongs to.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into()),
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

const FORWARDED: &str = "x-forwarded-for";

/// The source of a request. What a proxy says about it counts for trusted proxies only, and only the last hop: that
/// is the one that the proxy saw itself.
pub(super) fn source(request: &Request, trusted: &[IpAddr]) -> Source {
    let peer = request.extensions().get::<Peer>().map_or(Ipv6Addr::UNSPECIFIED.into(), |peer| peer.0.to_canonical());
    let forwarded = || {
        let last = request.headers().get_all(FORWARDED).iter().next_back()?.to_str().ok()?;
        address(last.rsplit(',').next()?.trim())
    };
    let stated = if trusted.iter().any(|proxy| proxy.to_canonical() == peer) { forwarded() } else { None };
    Source::of(stated.unwrap_or(peer))
}

/// An address as proxies write it: alone, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn seen(peer: &str, forwarded: &[&str], trusted: &[IpAddr]) -> Source {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        for line in forwarded {
            request.headers_mut().append(FORWARDED, line.parse().unwrap());
        }
        source(&request, trusted)
    }

    fn of(text: &str) -> Source {
        Source::of(text.parse().unwrap())
    }

    #[test]
    fn a_trusted_proxy_names_the_source_and_nobody_else_does() {
        let proxy = ["127.0.0.1".parse().unwrap()];
        let hops = ["9.9.9.9", "1.1.1.1, 203.0.113.7"];
        assert_eq!(seen("127.0.0.1", &hops, &proxy), of("203.0.113.7"));
        assert_eq!(seen("::ffff:127.0.0.1", &hops, &proxy), of("203.0.113.7"));
        assert_eq!(seen("127.0.0.1", &hops, &[]), of("127.0.0.1"));
        assert_eq!(seen("198.51.100.1", &hops, &proxy), of("198.51.100.1"));
        assert_eq!(seen("127.0.0.1", &[], &proxy), of("127.0.0.1"));
        assert_eq!(seen("127.0.0.1", &["unknown"], &proxy), of("127.0.0.1"));
        assert_eq!(seen("127.0.0.1", &["203.0.113.7:4711"], &proxy), of("203.0.113.7"));
        assert_eq!(seen("127.0.0.1", &["[2001:db8::1]:80"], &proxy), of("2001:db8::2"));
        assert_eq!(seen("127.0.0.1", &["[2001:db8::1]"], &proxy), of("2001:db8::ffff"));
    }

    #[test]
    fn ipv6_addresses_of_one_network_are_one_source() {
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
