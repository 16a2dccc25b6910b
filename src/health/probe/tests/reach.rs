//! The policy: where probes do not go, whatever they are told.

use ipnet::IpNet;

use super::*;

/// A policy of some networks.
fn reach(deny: &[&str], allow: &[&str], redirects_to_other_hosts: bool) -> Reach {
    let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNet>>();
    Reach { deny: networks(deny), allow: networks(allow), redirects_to_other_hosts }
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_denied() {
    let origin = ScriptedOrigin::start(linger).await;
    let port = origin.address.port();
    let denied = prober_with(RootCertStore::empty(), reach(&["127.0.0.0/8"], &[], false));
    let checks = [
        Check::Tcp { port },
        Check::Smtp { port },
        Check::IcmpPing,
        Check::UdpIcmp { port },
        Check::Http(check(Scheme::Http, port)),
        Check::Http(check(Scheme::Https, port)),
    ];
    for check in checks {
        let outcome = denied.attempt(&monitor(check, AMPLE), &key(origin.address, None)).await;
        assert_eq!((outcome.failure, outcome.rtt), (Some(FailReason::AddressDenied), Duration::ZERO));
    }
    assert_eq!(origin.connections(), 0);
    let allowed = prober_with(RootCertStore::empty(), reach(&["127.0.0.0/8"], &["127.0.0.1/32"], false));
    let outcome = allowed.attempt(&monitor(Check::Tcp { port }, AMPLE), &key(origin.address, None)).await;
    assert_eq!(outcome.failure, None);
}

#[tokio::test]
async fn a_new_policy_holds_from_the_next_probe_on() {
    let origin = ScriptedOrigin::start(linger).await;
    let policy = Arc::new(ArcSwap::from_pointee(Policy::default()));
    let prober = Prober::new(RootCertStore::empty(), Arc::clone(&policy));
    let monitor = monitor(Check::Tcp { port: origin.address.port() }, AMPLE);
    let key = key(origin.address, None);
    assert_eq!(prober.attempt(&monitor, &key).await.failure, None);
    policy.store(Arc::new(Policy { reach: reach(&["127.0.0.0/8"], &[], false), ..Policy::default() }));
    assert_eq!(prober.attempt(&monitor, &key).await.failure, Some(FailReason::AddressDenied));
}

/// An origin that redirects everything to `location`.
async fn redirecting(location: String) -> ScriptedOrigin {
    ScriptedOrigin::answering(format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")).await
}

#[tokio::test]
async fn redirects_to_other_hosts_are_asked_of_the_policy_again() {
    let heads = Heads::default();
    let seen = heads.clone();
    let elsewhere = ScriptedOrigin::start(move |mut stream: TcpStream| {
        let seen = seen.clone();
        async move {
            seen.push(read_head(&mut stream).await);
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await);
            linger(stream).await;
        }
    });
    let elsewhere = elsewhere.await;
    let port = elsewhere.address.port();
    let all = ["127.0.0.0/8", "::1/128"];
    let denied = Some(FailReason::AddressDenied);
    for (location, reach, failure, requests) in [
        // Not followed: the response itself counts.
        (format!("http://127.0.0.1:{port}/x"), reach(&[], &all, false), Some(FailReason::ResponseCodeMismatch), 0),
        // Followed, unless it leads to this machine or to where nobody may go. A name is looked up before that is known.
        (format!("http://127.0.0.1:{port}/x"), reach(&[], &all, true), None, 1),
        // The listener has no IPv6 address, which that name may have too.
        (format!("http://localhost:{port}/x"), reach(&[], &all[..1], true), None, 1),
        (format!("http://127.0.0.1:{port}/x"), Reach { redirects_to_other_hosts: true, ..Reach::default() }, denied, 0),
        (format!("http://localhost:{port}/x"), Reach { redirects_to_other_hosts: true, ..Reach::default() }, denied, 0),
        (
            format!("http://[::ffff:127.0.0.1]:{port}/x"),
            Reach { redirects_to_other_hosts: true, ..Reach::default() },
            denied,
            0,
        ),
        (format!("http://0x7f.1:{port}/x"), Reach { redirects_to_other_hosts: true, ..Reach::default() }, denied, 0),
        ("http://169.254.169.254/latest/meta-data".into(), reach(&["169.254.0.0/16"], &all, true), denied, 0),
        ("http://[fe80::1]/".into(), Reach { redirects_to_other_hosts: true, ..Reach::default() }, denied, 0),
    ] {
        let before = heads.all().len();
        let origin = redirecting(location.clone()).await;
        let mut check = check(Scheme::Http, origin.address.port());
        check.follow_redirects = true;
        check.headers = vec![("Authorization".into(), vec!["secret".into()])];
        let prober = prober_with(RootCertStore::empty(), reach);
        // The host in force is a name, so that the origin's own address is another host.
        let outcome =
            prober.attempt(&monitor(Check::Http(check), AMPLE), &key(origin.address, Some("www.example.com"))).await;
        assert_eq!(outcome.failure, failure, "{location}");
        assert_eq!(heads.all().len() - before, requests, "{location}");
    }
    for head in heads.all() {
        assert!(head.starts_with("GET /x HTTP/1.1\r\n") && head.contains(&format!(":{port}\r\n")), "{head}");
        assert!(!head.contains("secret") && !head.contains("www.example.com"), "{head}");
        assert!(head.contains("user-agent: pooldns/"), "{head}");
    }
}

#[tokio::test]
async fn an_origins_redirects_to_each_other_end() {
    // To the other name of the same listener, without end.
    let origin = ScriptedOrigin::start(async |mut stream: TcpStream| {
        let head = read_head(&mut stream).await;
        let port = stream.local_addr().unwrap().port();
        let other = if head.contains("host: localhost") { "127.0.0.1" } else { "localhost" };
        let found = format!("HTTP/1.1 302 Found\r\nLocation: http://{other}:{port}/\r\nContent-Length: 0\r\n\r\n");
        drop(stream.write_all(found.as_bytes()).await);
        linger(stream).await;
    });
    let origin = origin.await;
    let prober = prober_with(RootCertStore::empty(), reach(&[], &["127.0.0.0/8"], true));
    let check = HttpCheck { follow_redirects: true, ..check(Scheme::Http, origin.address.port()) };
    let outcome =
        prober.attempt(&monitor(Check::Http(check), AMPLE), &key(origin.address, Some("www.example.com"))).await;
    assert_eq!(outcome.failure, Some(FailReason::HttpInvalidResponse));
    assert!(origin.connections() <= 11, "{}", origin.connections());
}
