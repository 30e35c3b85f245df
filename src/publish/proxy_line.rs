//! The PROXY protocol, version 1: one line before the data that says who the client is
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>). Every server that has the protocol reads this version.

use std::net::{IpAddr, SocketAddr};

/// "PROXY TCP4 192.0.2.1 192.0.2.2 40000 8080": client and the address that it asked.
pub fn line(client: SocketAddr, asked: SocketAddr) -> String {
    let (from, to) = (plain(client.ip()), plain(asked.ip()));
    let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
    format!("PROXY {family} {from} {to} {} {}\r\n", client.port(), asked.port())
}

/// A socket of both families has IPv4 clients as ::ffff:192.0.2.1.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn both_families_and_the_one_inside_the_other() {
        let line = |client: &str, asked: &str| line(client.parse().unwrap(), asked.parse().unwrap());
        assert_eq!(line("192.0.2.1:40000", "192.0.2.2:80"), "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n");
        assert_eq!(
            line("[::ffff:192.0.2.1]:40000", "[::ffff:192.0.2.2]:80"),
            "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n"
        );
        assert_eq!(line("[fd00::1]:1", "[fd00::2]:80"), "PROXY TCP6 fd00::1 fd00::2 1 80\r\n");
    }
}
