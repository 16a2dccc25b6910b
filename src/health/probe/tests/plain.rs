//! TCP and plain HTTP.

use super::*;
use crate::model::limits::{PROBE_BODY_OCTETS_MAX, PROBE_REDIRECTS_MAX};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready";

/// What came of one attempt at an origin that gives `response`.
async fn outcome(response: impl Into<Vec<u8>>, edit: impl FnOnce(&mut HttpCheck)) -> Outcome {
    let origin = ScriptedOrigin::answering(response).await;
    let mut check = check(Scheme::Http, origin.address.port());
    edit(&mut check);
    attempt(check, &origin, None, AMPLE).await
}

/// A port on which nobody listens.
async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A listener that takes no more connections: its backlog is full. The connections keep it so.
async fn full_backlog() -> (socket2::Socket, SocketAddr, Vec<TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
        held.push(stream.unwrap());
        assert!(held.len() < 100, "a backlog of 0 ends somewhere");
    }
    (socket, address, held)
}

#[tokio::test]
async fn tcp() {
    let origin = ScriptedOrigin::start(linger).await;
    let prober = prober();
    let at = async |address: SocketAddr, timeout| {
        let monitor = monitor(Check::Tcp { port: address.port() }, timeout);
        prober.attempt(&monitor, &key(address, None)).await
    };
    let outcome = at(origin.address, AMPLE).await;
    assert_eq!((outcome.failure, outcome.code), (None, None));
    assert_eq!(at(closed_port().await, AMPLE).await.failure, Some(FailReason::TcpConnectionFailed));
    let (_socket, full, _held) = full_backlog().await;
    assert_eq!(at(full, SHORT).await.failure, Some(FailReason::TcpTimeout));
}

#[tokio::test]
async fn no_connection() {
    let prober = prober();
    let at = async |scheme, address: SocketAddr, timeout| {
        let monitor = monitor(Check::Http(check(scheme, address.port())), timeout);
        prober.attempt(&monitor, &key(address, Some("www.example.com"))).await.failure
    };
    let (_socket, full, _held) = full_backlog().await;
    for scheme in [Scheme::Http, Scheme::Https] {
        assert_eq!(at(scheme, closed_port().await, AMPLE).await, Some(FailReason::TcpConnectionFailed));
    }
    assert_eq!(at(Scheme::Http, full, SHORT).await, Some(FailReason::TcpTimeout));
    // Two timers of the client end at about the same time, and only one can tell a connection from a handshake.
    assert!(at(Scheme::Https, full, SHORT).await.is_some_and(FailReason::is_timeout));
}

#[tokio::test]
async fn codes_and_bodies() {
    let long =
        |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}ready", length + 5, "x".repeat(length));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnow\r\n3\r\nREA\r\n2\r\ndy\r\n0\r\n\r\n";
    let until_closed = "HTTP/1.0 200 OK\r\n\r\nready";
    for (response, codes, body, code, failure) in [
        (OK.to_owned(), "200", "", 200, None),
        (OK.to_owned(), "2xx", "READY", 200, None),
        (OK.to_owned(), "200", "well", 200, Some(FailReason::ResponseBodyMismatch)),
        (OK.to_owned(), "204", "", 200, Some(FailReason::ResponseCodeMismatch)),
        ("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".into(), "200", "", 500, Some(FailReason::ResponseCodeMismatch)),
        ("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".into(), "5xx", "", 500, None),
        ("HTTP/1.1 204 None\r\n\r\n".into(), "2xx", "ready", 204, Some(FailReason::ResponseBodyMismatch)),
        (chunked.into(), "200", "ready", 200, None),
        (until_closed.into(), "200", "ready", 200, None),
        (long(PROBE_BODY_OCTETS_MAX - 5), "200", "ready", 200, None),
        (long(PROBE_BODY_OCTETS_MAX - 4), "200", "ready", 200, Some(FailReason::ResponseBodyMismatch)),
    ] {
        let outcome = outcome(response.clone(), |check| {
            check.expected_codes = ExpectedCodes::parse(codes).unwrap();
            check.expected_body = body.into();
        });
        let outcome = outcome.await;
        let head = response.lines().next().unwrap();
        assert_eq!((outcome.failure, outcome.code), (failure, Some(code)), "{head} {codes} {body}");
    }
}

#[tokio::test]
async fn what_is_no_response() {
    use FailReason::{ConnectionReset, HttpInvalidResponse};
    let flood = || format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(200_000)).into_bytes();
    let endless_line = || [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'y'; 4 << 20]].concat();
    for (what, response, failure) in [
        ("garbage", b"\0\x01\x02garbage\r\n\r\n".to_vec(), HttpInvalidResponse),
        ("another protocol", b"220 mail.example ESMTP\r\n".to_vec(), HttpInvalidResponse),
        ("many header fields", flood(), HttpInvalidResponse),
        ("a header field without end", endless_line(), HttpInvalidResponse),
        ("a code of four digits", b"HTTP/1.1 2000 OK\r\n\r\n".to_vec(), HttpInvalidResponse),
        (
            "two lengths",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_vec(),
            HttpInvalidResponse,
        ),
        ("nothing", vec![], ConnectionReset),
        ("half a head", b"HTTP/1.1 200 OK\r\nX: y".to_vec(), ConnectionReset),
    ] {
        let outcome = outcome(response, |_| ()).await;
        assert_eq!((outcome.failure, outcome.code), (Some(failure), None), "{what}");
    }
    for (what, response, failure) in [
        ("half a body", &b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc"[..], ConnectionReset),
        ("half a chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", ConnectionReset),
        ("a bad chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", HttpInvalidResponse),
    ] {
        let outcome = outcome(response, |check| check.expected_body = "ready".into()).await;
        assert_eq!((outcome.failure, outcome.code), (Some(failure), Some(200)), "{what}");
    }
}

#[tokio::test]
async fn origins_that_speak_first() {
    let origin = ScriptedOrigin::start(async |mut stream: TcpStream| {
        stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
        linger(stream).await;
    });
    let origin = origin.await;
    for _ in 0..20 {
        let outcome = attempt(check(Scheme::Http, origin.address.port()), &origin, None, AMPLE).await;
        assert_eq!((outcome.failure, outcome.code), (Some(FailReason::HttpInvalidResponse), None));
    }
}

#[tokio::test]
async fn origins_that_reset() {
    let origin = ScriptedOrigin::start(async |mut stream: TcpStream| {
        read_head(&mut stream).await;
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let origin = origin.await;
    let outcome = attempt(check(Scheme::Http, origin.address.port()), &origin, None, AMPLE).await;
    assert_eq!(outcome.failure, Some(FailReason::ConnectionReset));
}

#[tokio::test]
async fn origins_that_take_too_long() {
    // Never answers; then answers with a body that never ends.
    let silent = ScriptedOrigin::start(async |mut stream: TcpStream| {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    });
    let silent = silent.await;
    let outcome = attempt(check(Scheme::Http, silent.address.port()), &silent, None, SHORT).await;
    assert_eq!((outcome.failure, outcome.code), (Some(FailReason::HttpTimeout), None));
    assert!(outcome.rtt >= SHORT);

    let trickling = ScriptedOrigin::start(async |mut stream: TcpStream| {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while stream.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    });
    let trickling = trickling.await;
    let patient = HttpCheck { expected_body: "ready".into(), ..check(Scheme::Http, trickling.address.port()) };
    let outcome = attempt(patient, &trickling, None, SHORT).await;
    assert_eq!((outcome.failure, outcome.code), (Some(FailReason::HttpTimeout), Some(200)));
    // Without a text to look for, the body is not waited for.
    let outcome = attempt(check(Scheme::Http, trickling.address.port()), &trickling, None, AMPLE).await;
    assert_eq!(outcome.failure, None);
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_limit() {
    let (ended, mut endings) = tokio::sync::mpsc::channel(1);
    let origin = ScriptedOrigin::start(move |mut stream: TcpStream| {
        let ended = ended.clone();
        async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
            ended.send(()).await.unwrap();
        }
    });
    let origin = origin.await;
    let check = HttpCheck { expected_body: "ready".into(), ..check(Scheme::Http, origin.address.port()) };
    let outcome = attempt(check, &origin, None, AMPLE).await;
    assert_eq!((outcome.failure, outcome.code), (Some(FailReason::ResponseBodyMismatch), Some(200)));
    endings.recv().await.expect("the prober closes the connection");
}

/// An origin that redirects to what `location` makes of its own address, and answers 200 at `/end`.
async fn redirecting(location: impl Fn(SocketAddr) -> String + Send + Sync + 'static) -> (ScriptedOrigin, Heads) {
    let heads = Heads::default();
    let seen = heads.clone();
    let location = Arc::new(location);
    let origin = ScriptedOrigin::start(move |mut stream: TcpStream| {
        let (seen, location) = (seen.clone(), Arc::clone(&location));
        async move {
            let head = read_head(&mut stream).await;
            let at_end = head.starts_with("GET /end");
            seen.push(head);
            let location = location(stream.local_addr().unwrap());
            let found = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(if at_end { OK.as_bytes() } else { found.as_bytes() }).await.unwrap();
            linger(stream).await;
        }
    });
    (origin.await, heads)
}

#[tokio::test]
async fn redirects() {
    let following =
        |origin: &ScriptedOrigin| HttpCheck { follow_redirects: true, ..check(Scheme::Http, origin.address.port()) };
    let host = Some("www.example.com");

    let (origin, heads) = redirecting(|_| "/end".into()).await;
    assert_eq!(attempt(following(&origin), &origin, host, AMPLE).await.failure, None);
    assert_eq!(heads.all().len(), 2);
    assert!(heads.all().iter().all(|head| head.contains("host: www.example.com\r\n")));
    let staying = attempt(check(Scheme::Http, origin.address.port()), &origin, host, AMPLE).await;
    assert_eq!((staying.failure, staying.code), (Some(FailReason::ResponseCodeMismatch), Some(302)));

    // The name still leads to the origin, on the port that the URL says.
    let (origin, _) = redirecting(|address| format!("http://WWW.example.com:{}/end", address.port())).await;
    assert_eq!(attempt(following(&origin), &origin, host, AMPLE).await.failure, None);

    for elsewhere in
        ["http://other.example/end", "//other.example/end", "ftp://www.example.com/end", "http://127.0.0.2/end"]
    {
        let (origin, heads) = redirecting(|_| elsewhere.into()).await;
        let outcome = attempt(following(&origin), &origin, host, AMPLE).await;
        assert_eq!((outcome.failure, outcome.code), (Some(FailReason::ResponseCodeMismatch), Some(302)), "{elsewhere}");
        assert_eq!(heads.all().len(), 1);
    }

    let (origin, heads) = redirecting(|_| "/health".into()).await;
    let outcome = attempt(following(&origin), &origin, host, AMPLE).await;
    assert_eq!(outcome.failure, Some(FailReason::HttpInvalidResponse));
    assert_eq!(heads.all().len(), 1 + PROBE_REDIRECTS_MAX);
}

#[tokio::test]
async fn strange_locations_harm_nobody() {
    for location in ["", "http://", "http://[::1", "\\\\\\", "%zz", "http://www.example.com:99999/", "http://a@:0/"] {
        let (origin, _) = redirecting(|_| location.into()).await;
        let check = HttpCheck { follow_redirects: true, ..check(Scheme::Http, origin.address.port()) };
        let outcome = attempt(check, &origin, Some("www.example.com"), AMPLE).await;
        assert!(outcome.failure.is_some(), "{location}");
    }
}

#[tokio::test]
async fn the_request_that_an_origin_sees() {
    let (origin, heads) = redirecting(|_| "/end".into()).await;
    let mut check = check(Scheme::Http, origin.address.port());
    check.headers = vec![
        ("X-Probe".into(), vec!["1".into(), "2".into()]),
        ("Host".into(), vec!["monitor.example".into()]),
        ("User-Agent".into(), vec!["other".into()]),
    ];
    for (host, line) in [
        (Some("Origin.Example:8080"), "host: Origin.Example:8080\r\n".to_owned()),
        (Some("192.0.2.80"), "host: 192.0.2.80\r\n".to_owned()),
        (None, format!("host: {}\r\n", origin.address)),
    ] {
        attempt(check.clone(), &origin, host, AMPLE).await;
        let head = heads.all().pop().unwrap();
        assert!(head.starts_with("GET /health HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&line), "{head}");
        assert!(head.contains("x-probe: 1\r\nx-probe: 2\r\n"), "{head}");
        let product = format!("user-agent: pooldns/{} (health monitor)\r\n", env!("CARGO_PKG_VERSION"));
        assert!(head.contains(&product) && !head.contains("other"), "{head}");
    }
}

#[tokio::test]
async fn nothing_is_sent_when_monitor_and_origin_make_no_request() {
    let origin = ScriptedOrigin::answering(OK).await;
    let outcome = attempt(check(Scheme::Http, origin.address.port()), &origin, Some("a b"), AMPLE).await;
    assert_eq!(outcome.failure, Some(FailReason::MonitorConfig));
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn each_attempt_is_one_new_connection() {
    let origin = ScriptedOrigin::answering(OK).await;
    for connections in 1..=3 {
        attempt(check(Scheme::Http, origin.address.port()), &origin, None, AMPLE).await;
        assert_eq!(origin.connections(), connections);
    }
}
