//! The API over TCP, as its callers have it: tokens, TLS, and bounds.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use crate::harness::server::{Options, PROGRAM};
use crate::harness::{PATIENCE, Ran, TestServer, ZONE, run, wait};

/// A server with the API at a port of the system's choice, and lines of `[api]`.
fn server(lines: &str) -> TestServer {
    TestServer::start(&format!("[api]\nlisten = [\"127.0.0.1:0\"]\n{lines}\n{ZONE}"))
}

/// Where it offers its API.
fn address(server: &TestServer) -> SocketAddr {
    server.status().api[0]
}

/// `pooldns token` with arguments.
fn token(server: &TestServer, arguments: &[&str]) -> Ran {
    let mut command = Command::new(PROGRAM);
    run(command.arg("token").args(arguments).arg("--control").arg(server.folder.path().join("control.sock")))
}

/// A new token's secret.
fn secret(server: &TestServer, arguments: &[&str]) -> String {
    let ran = token(server, &[&["create"], arguments].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout.trim_end().to_owned()
}

/// What curl gets: the status, and the body.
fn curl(arguments: &[&str], url: &str) -> (u16, String) {
    let ran = run(Command::new("curl").args(["-sS", "-m", "20", "-w", "\n%{http_code}"]).args(arguments).arg(url));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let (body, status) = ran.stdout.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

/// Says something over TCP, and gives what comes back until the other end closes.
fn converse(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_token_opens_the_api_until_it_is_revoked() {
    let server = server("");
    let url = format!("http://{}/client/v4/user/tokens/verify", address(&server));
    let (status, body) = curl(&[], &url);
    assert_eq!(status, 401, "{body}");
    assert!(body.contains("\"code\":10000") && body.contains("\"success\":false"), "{body}");

    let ran = token(&server, &["create", "ci", "--expires", "90d"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 1), "{ran:?}");
    let secret = ran.stdout.trim_end();
    assert!(secret.starts_with("pooldns_") && secret.len() == 51, "{secret}");
    assert!(ran.stderr.contains("ci (") && !ran.stderr.contains(secret), "{ran:?}");
    let bearer = format!("Authorization: Bearer {secret}");
    let (status, body) = curl(&["-H", &bearer], &url);
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("\"status\":\"active\""), "{body}");
    let old = format!("X-Auth-Key: {secret}");
    assert_eq!(curl(&["-H", &old, "-H", "X-Auth-Email: me@example.com"], &url).0, 200);

    let again = token(&server, &["create", "ci"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(1), ""), "{again:?}");
    let list = token(&server, &["list"]);
    assert!(list.stdout.contains("ci") && !list.stdout.contains(secret), "{list:?}");
    assert_eq!(token(&server, &["revoke", "ci"]).code, Some(0));
    assert_eq!(token(&server, &["revoke", "ci"]).code, Some(1));
    assert_eq!(curl(&["-H", &bearer], &url).0, 401);
    assert!(server.log().iter().all(|line| !line.contains(secret)));
}

#[test]
fn what_a_token_may_do_is_what_it_was_made_for() {
    let server = server("");
    let url = |path: &str| format!("http://{}{path}", address(&server));
    let read = format!("Authorization: Bearer {}", secret(&server, &["reader", "--read"]));
    let edit = format!("Authorization: Bearer {}", secret(&server, &["editor"]));
    let pools = url("/client/v4/user/load_balancers/pools");
    let pool = r#"{"name":"api","origins":[{"name":"a","address":"127.0.0.1"}]}"#;
    let (status, body) = curl(&["-H", &read, "--json", pool], &pools);
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("\"code\":9109"), "{body}");
    let (status, body) = curl(&["-H", &edit, "--json", pool], &pools);
    assert_eq!(status, 200, "{body}");
    let own = secret(&server, &["deploy", "--pool", "api"]);
    let own = format!("Authorization: Bearer {own}");
    let id = body.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap();
    let one = format!("{pools}/{id}");
    let edited = curl(&["-H", &own, "-X", "PATCH", "--json", "{\"description\":\"x\"}"], &one);
    assert_eq!(edited.0, 200, "{edited:?}");
    assert_eq!(curl(&["-H", &own, "-X", "DELETE"], &one).0, 403);
    assert_eq!(curl(&["-H", &own, "--json", pool], &pools).0, 403);
    assert_eq!(token(&server, &["create", "x", "--pool", "nothing"]).code, Some(1));

    // What watches the server.
    assert_eq!(curl(&[], &url("/healthz")).0, 200);
    assert_eq!(curl(&[], &url("/readyz")).0, 200);
    assert_eq!(curl(&[], &url("/metrics")).0, 401);
    assert_eq!(curl(&["-H", &read], &url("/metrics")).0, 200);
    // What is for the control socket is nowhere here.
    for path in ["/status", "/tokens", "/reload", "/"] {
        let (status, body) = curl(&["-H", &edit, "-X", "POST"], &url(path));
        assert_eq!(status, 404, "{path}: {body}");
        assert!(body.contains("\"code\":7003"), "{body}");
    }
}

#[test]
fn failed_authentications_are_limited_and_logged_once_and_good_tokens_pass() {
    let server = server("");
    let url = format!("http://{}/client/v4/accounts", address(&server));
    let bearer = format!("Authorization: Bearer {}", secret(&server, &["ci"]));
    let statuses: Vec<u16> = (0..12).map(|_| curl(&["-H", "Authorization: Bearer pooldns_x"], &url).0).collect();
    assert_eq!(statuses, [[401; 10].as_slice(), &[429; 2]].concat());
    assert_eq!(curl(&["-H", &bearer], &url).0, 200);
    let refused = server.log().iter().filter(|line| line.contains("a request to the API is refused")).count();
    assert_eq!(refused, 1);
    wait("the log says so", || server.log().iter().any(|line| line.contains("requests to the API keep being refused")));
}

#[test]
fn slow_clients_hold_nobody_else_and_are_let_go() {
    let server = server("idle_timeout = 1\nconnections_max = 8");
    let address = address(&server);
    let bearer = format!("Authorization: Bearer {}", secret(&server, &["ci"]));
    let url = format!("http://{address}/client/v4/accounts");
    let slow = |text: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let held: Vec<TcpStream> =
        (0..3).map(|_| slow("GET /client/v4/accounts HTTP/1.1\r\nHost: a\r\nX-Slow: ")).collect();
    assert_eq!(curl(&["-H", &bearer], &url).0, 200);
    // More than one network may have: closed at once, while those before still stand.
    let fourth = slow("GET ");
    for _ in 0..4 {
        let mut more = TcpStream::connect(address).unwrap();
        more.set_read_timeout(Some(PATIENCE)).unwrap();
        // Told that it is too many and closed, or reset.
        let mut answer = Vec::new();
        drop(more.read_to_end(&mut answer));
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 503 "), "{}", String::from_utf8_lossy(&answer));
    }
    for mut stream in held.into_iter().chain([fourth]) {
        let mut answer = Vec::new();
        // The server ends it, with or without a word about the time-out.
        drop(stream.read_to_end(&mut answer));
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    }
    wait("room for a connection", || run(Command::new("curl").args(["-s", "-H", &bearer, &url])).code == Some(0));
}

#[test]
fn heads_are_bounded_and_nonsense_is_refused() {
    let server = server("");
    let address = address(&server);
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-A: b\r\n".repeat(100));
    for text in [long.as_str(), &many, "\0\0\0\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // It may be closed before all of it is said.
        drop(stream.write_all(text.as_bytes()));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{text:.20}: {answer:?}");
    }
    let answer = converse(address, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"), "{answer}");
}

#[test]
fn within_tls_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    let server = server(&format!("certificate = {:?}\nkey = {:?}", path("cert.pem"), path("key.pem")));
    let address = address(&server);
    // One that says nothing holds up no handshake.
    let silent = TcpStream::connect(address).unwrap();
    let bearer = format!("Authorization: Bearer {}", secret(&server, &["ci"]));
    let url = format!("https://{address}/client/v4/accounts");
    let (status, body) = curl(&["--cacert", &path("cert.pem"), "-H", &bearer], &url);
    assert_eq!(status, 200, "{body}");
    let plain = run(Command::new("curl").args(["-sS", "-m", "5", &url.replace("https", "http")]));
    assert_ne!(plain.code, Some(0), "{plain:?}");
    drop(silent);
}

#[test]
fn requests_under_way_are_finished_when_it_stops() {
    let server = server("");
    let address = address(&server);
    let bearer = secret(&server, &["ci"]);
    let body = r#"{"name":"late","origins":[{"name":"a","address":"127.0.0.1"}]}"#;
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /client/v4/user/load_balancers/pools HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {bearer}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&go_on));
    server.signal("TERM");
    wait("a server that takes no more connections", || TcpStream::connect(address).is_err());
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_bad_certificate_closes_the_api_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    let server = server(&format!("certificate = {certificate:?}\nkey = {key:?}"));
    let state = || server.status().api_certificate.unwrap();
    assert!(!state().open && state().fault.unwrap().contains("there is no such file"), "{:?}", state());
    assert!(!server.dns().addresses("static.example.test.").is_empty());
    assert!(server.log().iter().any(|line| line.contains("THE API IS CLOSED")));
    assert!(server.command("status").stdout.contains("the API is CLOSED"));
    assert!(server.metrics().contains("pooldns_api_certificate_good 0\n"));
    let checked = server.command("check");
    assert!(checked.code == Some(0) && checked.stderr.contains("warning: api.certificate: "), "{checked:?}");
    let url = format!("https://localhost:{}/healthz", address(&server).port());
    let curl = || run(Command::new("curl").args(["-sS", "-k", "-m", "20", "-4", &url])).code;
    assert_ne!(curl(), Some(0));
    // The key of another, then its own.
    let pair = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&pair).unwrap();
    std::fs::write(&certificate, made.pem()).unwrap();
    std::fs::write(&key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let reloaded = server.command("reload");
    assert!(reloaded.stderr.contains("its key is not that of the certificate"), "{reloaded:?}");
    std::fs::write(&key, pair.serialize_pem()).unwrap();
    wait("the API to open", || state().open);
    assert_eq!(curl(), Some(0));
    assert!(server.metrics().contains("pooldns_api_certificate_good 1\n"));
    assert!(server.metrics().contains("pooldns_api_certificate_expires_timestamp_seconds "));
}

/// Says something and leaves the connection open.
fn say(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

#[test]
fn bodies_that_do_not_come_hold_up_nobody() {
    let server = server("connections_max = 1000");
    let address = address(&server);
    let bearer = format!("Authorization: Bearer {}", secret(&server, &["ci"]));
    let head = |length: usize| {
        format!(
            "POST /client/v4/user/load_balancers/pools HTTP/1.1\r\nHost: a\r\n{bearer}\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    // More than may be worked on at one time.
    let _held: Vec<TcpStream> = (0..200).map(|_| say(address, &head(100))).collect();
    assert_eq!(curl(&["-H", &bearer], &format!("http://{address}/client/v4/accounts")).0, 200);
    assert_eq!(curl(&[], &format!("http://{address}/healthz")).0, 200);
    // One that is announced as too large is refused before any of it has come, and the connection ends.
    let mut answer = String::new();
    say(address, &head(2 << 20)).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("\"code\":1011"), "{answer}");
    assert!(answer.contains("x-request-id: "), "{answer}");
}

#[test]
fn a_network_with_too_many_connections_is_told_so() {
    let server = server("connections_max = 8");
    let address = address(&server);
    let _held: Vec<TcpStream> = (0..4).map(|_| say(address, "GET ")).collect();
    let mut answer = Vec::new();
    let mut more = TcpStream::connect(address).unwrap();
    more.set_read_timeout(Some(PATIENCE)).unwrap();
    more.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn what_is_waited_for_is_told_to_those_who_show_a_token() {
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let server = TestServer::start_with(
        &format!(
            "[api]\nlisten = [\"127.0.0.1:0\"]\n{ZONE}\n\
         [[monitors]]\nname = \"m\"\ntype = \"http\"\nport = {port}\ntimeout = \"60s\"\ninterval = \"600s\"\n\
         [[pools]]\nname = \"secret-pool\"\nmonitor = \"m\"\norigins = [{{ name = \"a\", address = \"127.0.0.1\" }}]\n\
         [[load_balancers]]\nname = \"www.example.test\"\ndefault_pools = [\"secret-pool\"]\nfallback_pool = \"secret-pool\"\n"
        ),
        Options::default(),
    );
    let url = format!("http://{}/readyz", address(&server));
    let (status, body) = curl(&[], &url);
    assert_eq!((status, body.as_str()), (503, "waiting for the first verdicts of 1 origins\n"));
    let bearer = format!("Authorization: Bearer {}", secret(&server, &["watch", "--read"]));
    let (status, body) = curl(&["-H", &bearer], &url);
    assert!(status == 503 && body.contains("secret-pool: a at 127.0.0.1"), "{body}");
}
