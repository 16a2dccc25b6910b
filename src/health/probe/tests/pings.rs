//! ICMP: pings of loopback, where the kernel is the origin.

use tokio::net::UdpSocket;

use super::*;

/// Says why a test has nothing to say.
#[expect(clippy::print_stderr, reason = "whoever reads the tests' output has to know")]
fn say_skipped() {
    eprintln!("skipped: this process may not send pings");
}

/// One attempt at a loopback address; none, said aloud, where this process may not ping.
async fn attempt(check: Check, address: &str, source: Option<&str>) -> Option<Outcome> {
    let source_address = source.map(|source| source.parse().unwrap());
    let monitor = Monitor { source_address, ..monitor(check, AMPLE) };
    let outcome = prober().attempt(&monitor, &key(SocketAddr::new(address.parse().unwrap(), 0), None)).await;
    if outcome.failure == Some(FailReason::NoPrivilege) {
        say_skipped();
        return None;
    }
    Some(outcome)
}

#[tokio::test]
async fn pings_are_answered() {
    for (address, source) in [
        ("127.0.0.1", None),
        ("127.1.2.3", None),
        ("127.0.0.1", Some("127.0.0.9")),
        ("::1", None),
        ("::1", Some("127.0.0.1")),
    ] {
        let Some(outcome) = attempt(Check::IcmpPing, address, source).await else { return };
        assert_eq!((outcome.failure, outcome.code), (None, None), "{address}");
    }
    let Some(outcome) = attempt(Check::IcmpPing, "127.0.0.1", Some("192.0.2.1")).await else { return };
    assert_eq!(outcome.failure, Some(FailReason::LocalResource), "an address that is not ours to come from");
}

#[tokio::test]
async fn many_pings_at_once_find_their_replies() {
    // To many addresses, and to one, where each raw socket hears all requests and replies.
    for same in [false, true] {
        let mut pings = JoinSet::new();
        for number in 0..100 {
            let address = if same { "127.0.0.1".to_owned() } else { format!("127.0.1.{number}") };
            pings.spawn(async move { attempt(Check::IcmpPing, &address, None).await });
        }
        for outcome in pings.join_all().await.into_iter().flatten() {
            assert_eq!(outcome.failure, None, "{same}");
        }
    }
}

#[tokio::test]
async fn a_datagram_after_the_ping() {
    for address in ["127.0.0.1", "::1"] {
        let socket = UdpSocket::bind((address, 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let Some(outcome) = attempt(Check::UdpIcmp { port }, address, None).await else { return };
        assert_eq!(outcome.failure, None, "{address}: silence is fine");
        let mut datagram = [0; 64];
        assert_eq!(socket.recv(&mut datagram).await.unwrap(), 7);
        drop(socket);
        let Some(outcome) = attempt(Check::UdpIcmp { port }, address, None).await else { return };
        assert_eq!(outcome.failure, Some(FailReason::IcmpPortUnreachable), "{address}");
        assert!(outcome.rtt < Duration::from_secs(5), "the ping's own time");
    }
}
