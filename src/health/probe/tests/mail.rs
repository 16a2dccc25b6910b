//! SMTP: mail servers that behave, and those that do not.

use super::*;

/// A mail server that greets, and then gives one reply for each line.
async fn mail(replies: &'static [&'static str]) -> (ScriptedOrigin, Heads) {
    let heads = Heads::default();
    let seen = heads.clone();
    let origin = ScriptedOrigin::start(move |mut stream: TcpStream| {
        let seen = seen.clone();
        async move {
            let [greeting, replies @ ..] = replies else { return };
            stream.write_all(greeting.as_bytes()).await.unwrap();
            for reply in replies {
                let mut line = Vec::new();
                while !line.ends_with(b"\r\n") {
                    match stream.read_u8().await {
                        Ok(octet) => line.push(octet),
                        Err(_) => return,
                    }
                }
                seen.push(String::from_utf8(line).unwrap());
                if stream.write_all(reply.as_bytes()).await.is_err() {
                    return;
                }
            }
            linger(stream).await;
        }
    });
    (origin.await, heads)
}

/// One attempt.
async fn greet(origin: &ScriptedOrigin, timeout: Duration) -> Outcome {
    let monitor = monitor(Check::Smtp { port: origin.address.port() }, timeout);
    prober().attempt(&monitor, &key(origin.address, None)).await
}

#[tokio::test]
async fn replies() {
    let mismatch = Some(FailReason::SmtpMismatch);
    for (replies, failure, code) in [
        (&["220 mail.example ESMTP\r\n", "250 hello\r\n", "221 bye\r\n"][..], None, Some(221)),
        (&["220-mail.example\r\n220 ready\r\n", "250-hello\r\n250 SIZE\r\n", "221\r\n"], None, Some(221)),
        (&["554 go away\r\n"], mismatch, Some(554)),
        (&["220 mail.example\r\n", "501 no\r\n"], mismatch, Some(501)),
        (&["220 mail.example\r\n", "250 hello\r\n", "421 busy\r\n"], mismatch, Some(421)),
        (&["HTTP/1.1 400 Bad Request\r\n\r\n"], mismatch, None),
        (&["220-mail.example\r\n250 other\r\n"], mismatch, None),
        (&[""], Some(FailReason::ConnectionReset), None),
        (&["220 mail.example\r\n", ""], Some(FailReason::ConnectionReset), Some(220)),
    ] {
        let (origin, _) = mail(replies).await;
        let outcome = greet(&origin, AMPLE).await;
        assert_eq!((outcome.failure, outcome.code), (failure, code), "{replies:?}");
    }
}

#[tokio::test]
async fn what_a_mail_server_hears() {
    let (origin, heads) = mail(&["220 mail.example\r\n", "250 hello\r\n", "221 bye\r\n"]).await;
    assert_eq!(greet(&origin, AMPLE).await.failure, None);
    assert_eq!(heads.all(), ["HELO [127.0.0.1]\r\n", "QUIT\r\n"]);
}

#[tokio::test]
async fn mail_servers_that_hang_trickle_reset_or_flood() {
    let silent = ScriptedOrigin::start(async |_stream: TcpStream| std::future::pending().await).await;
    assert_eq!(greet(&silent, SHORT).await.failure, Some(FailReason::ResponseTimeout));

    let trickling = ScriptedOrigin::start(async |mut stream: TcpStream| {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while stream.write_all(b"2").await.is_ok() {
            tick.tick().await;
        }
    });
    assert_eq!(greet(&trickling.await, SHORT).await.failure, Some(FailReason::ResponseTimeout));

    let resetting = ScriptedOrigin::start(async |stream: TcpStream| {
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    assert_eq!(greet(&resetting.await, AMPLE).await.failure, Some(FailReason::ConnectionReset));

    let flooding =
        ScriptedOrigin::start(async |mut stream: TcpStream| while stream.write_all(b"220-more\r\n").await.is_ok() {});
    assert_eq!(greet(&flooding.await, AMPLE).await.failure, Some(FailReason::SmtpMismatch));

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let monitor = monitor(Check::Smtp { port: closed.port() }, AMPLE);
    let outcome = prober().attempt(&monitor, &key(closed, None)).await;
    assert_eq!(outcome.failure, Some(FailReason::TcpConnectionFailed));
}

#[tokio::test]
async fn probes_come_from_the_monitors_source_address() {
    let heads = Heads::default();
    let seen = heads.clone();
    let origin = ScriptedOrigin::start(move |mut stream: TcpStream| {
        let seen = seen.clone();
        async move {
            seen.push(stream.peer_addr().unwrap().ip().to_string());
            read_head(&mut stream).await;
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await);
            linger(stream).await;
        }
    });
    let origin = origin.await;
    let port = origin.address.port();
    for check in [Check::Tcp { port }, Check::Http(check(Scheme::Http, port))] {
        for (source, seen) in [("127.0.0.9", "127.0.0.9"), ("::1", "127.0.0.1")] {
            let source_address = Some(source.parse().unwrap());
            let monitor = Monitor { source_address, ..monitor(check.clone(), AMPLE) };
            let outcome = prober().attempt(&monitor, &key(origin.address, None)).await;
            assert_eq!(outcome.failure, None);
            // A connection alone may be seen after its probe.
            while heads.all().last().is_none_or(|last| last != seen) {
                tokio::task::yield_now().await;
            }
        }
        // Not an address of this machine: no fault of the origin.
        let monitor = Monitor { source_address: Some("192.0.2.1".parse().unwrap()), ..monitor(check, AMPLE) };
        let outcome = prober().attempt(&monitor, &key(origin.address, None)).await;
        assert_eq!(outcome.failure, Some(FailReason::LocalResource));
    }
}
