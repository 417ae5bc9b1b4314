//! Where to connect to: addresses, or a name to be looked up.

use std::net::{IpAddr, SocketAddr};

/// Where a TCP peer or a listener is to be found: one or several addresses, or a name with a port.
///
/// Nobody makes one by hand: functions take `impl Into<Host>`.
///
/// # Examples
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr, SocketAddr};
///
/// use flow_unix::Host;
///
/// fn connect(host: impl Into<Host>) -> Host {
///     host.into()
/// }
///
/// let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
/// assert_eq!(connect("127.0.0.1:80"), Host::Addresses(vec![local]));
/// assert_eq!(connect((Ipv4Addr::LOCALHOST, 80)), Host::Addresses(vec![local]));
/// assert_eq!(connect("localhost:80"), Host::Name("localhost:80".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// To be tried in this order.
    Addresses(Vec<SocketAddr>),
    /// `name:port`, looked up by the system.
    Name(String),
}

impl From<SocketAddr> for Host {
    fn from(address: SocketAddr) -> Self {
        Self::Addresses(vec![address])
    }
}

impl From<Vec<SocketAddr>> for Host {
    fn from(addresses: Vec<SocketAddr>) -> Self {
        Self::Addresses(addresses)
    }
}

impl From<&[SocketAddr]> for Host {
    fn from(addresses: &[SocketAddr]) -> Self {
        Self::Addresses(addresses.to_vec())
    }
}

impl<I: Into<IpAddr>> From<(I, u16)> for Host {
    fn from((ip, port): (I, u16)) -> Self {
        SocketAddr::new(ip.into(), port).into()
    }
}

/// An address, or else a name, either with a port.
impl From<&str> for Host {
    fn from(host: &str) -> Self {
        match host.parse::<SocketAddr>() {
            Ok(address) => address.into(),
            Err(_) => Self::Name(host.into()),
        }
    }
}

/// An address, or else a name, either with a port.
impl From<String> for Host {
    fn from(host: String) -> Self {
        host.as_str().into()
    }
}
