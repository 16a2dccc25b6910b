//! gRPC: health services that behave, and those that do not.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use hyper::{HeaderMap, Request, Response};
use tokio_rustls::TlsAcceptor;

use super::https::{Authority, serve_http2};
use super::*;
use crate::model::monitor::GrpcCheck;

/// What a health service answers with.
#[derive(Clone, Copy)]
struct Script {
    /// HTTP status.
    http: u16,
    /// Content type.
    content: &'static str,
    /// The message with its prefix.
    message: &'static [u8],
    /// `grpc-status` in the trailers.
    status: Option<&'static str>,
    /// `grpc-status` in the head.
    early: Option<&'static str>,
}

/// SERVING.
const GOOD: Script = Script {
    http: 200,
    content: "application/grpc+proto",
    message: b"\0\0\0\0\x02\x08\x01",
    status: Some("0"),
    early: None,
};

/// A body of frames that are there already.
struct Frames(std::vec::IntoIter<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

/// The response of a script.
fn respond(script: Script) -> Response<Frames> {
    let mut frames = vec![];
    if !script.message.is_empty() {
        frames.push(Frame::data(Bytes::from_static(script.message)));
    }
    if let Some(status) = script.status {
        frames.push(Frame::trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())])));
    }
    let mut response = Response::builder().status(script.http).header("content-type", script.content);
    if let Some(status) = script.early {
        response = response.header("grpc-status", status);
    }
    response.body(Frames(frames.into_iter())).unwrap()
}

/// A health service without TLS.
async fn service(script: Script) -> (ScriptedOrigin, Heads) {
    let heads = Heads::default();
    let seen = heads.clone();
    let origin = ScriptedOrigin::start(move |stream| {
        let seen = seen.clone();
        serve_http2(stream, move |request| {
            seen.push(format!("{} {} {:?}", request.method(), request.uri(), request.headers()));
            respond(script)
        })
    });
    (origin.await, heads)
}

/// A check without TLS.
fn grpc(origin: &ScriptedOrigin, tls: Option<TlsTerms>) -> Check {
    Check::Grpc(GrpcCheck { port: Some(origin.address.port()), service: "a.B".into(), server_name: None, tls })
}

#[tokio::test]
async fn responses() {
    let invalid = Some(FailReason::HttpInvalidResponse);
    for (what, script, failure, code) in [
        ("serving", GOOD, None, 200),
        ("not serving", Script { message: b"\0\0\0\0\x02\x08\x02", ..GOOD }, Some(FailReason::GrpcNotServing), 200),
        ("unknown", Script { message: b"\0\0\0\0\0", ..GOOD }, Some(FailReason::GrpcNotServing), 200),
        ("not found", Script { message: b"", status: Some("5"), ..GOOD }, Some(FailReason::GrpcCallFailed), 200),
        (
            "at once",
            Script { message: b"", status: None, early: Some("12"), ..GOOD },
            Some(FailReason::GrpcCallFailed),
            200,
        ),
        ("serving, but failed", Script { status: Some("13"), ..GOOD }, Some(FailReason::GrpcCallFailed), 200),
        ("no status", Script { status: None, ..GOOD }, invalid, 200),
        ("no message", Script { message: b"", ..GOOD }, invalid, 200),
        ("no gRPC", Script { content: "text/html", ..GOOD }, invalid, 200),
        ("too long", Script { message: &[0; 2048], ..GOOD }, invalid, 200),
        ("another page", Script { http: 404, ..GOOD }, Some(FailReason::ResponseCodeMismatch), 404),
    ] {
        let (origin, _) = service(script).await;
        let outcome = prober().attempt(&monitor(grpc(&origin, None), AMPLE), &key(origin.address, None)).await;
        assert_eq!((outcome.failure, outcome.code), (failure, Some(code)), "{what}");
    }
}

#[tokio::test]
async fn the_call_that_a_service_sees() {
    let (origin, heads) = service(GOOD).await;
    let port = origin.address.port();
    for (host, authority) in [(None, "127.0.0.1"), (Some("rpc.example.com:1"), "rpc.example.com")] {
        let outcome = prober().attempt(&monitor(grpc(&origin, None), AMPLE), &key(origin.address, host)).await;
        assert_eq!(outcome.failure, None);
        let head = heads.all().pop().unwrap();
        let start = format!("POST http://{authority}:{port}/grpc.health.v1.Health/Check ");
        assert!(head.starts_with(&start), "{head}");
        assert!(head.contains("\"application/grpc\"") && head.contains("\"trailers\""), "{head}");
    }
}

#[tokio::test]
async fn over_tls() {
    let authority = Authority::new();
    let config = authority.certify("rpc.example.com", |_| ());
    let mut old = (*config).clone();
    old.alpn_protocols = vec![b"http/1.1".to_vec()];
    let host = Some("rpc.example.com");
    for (config, failure) in [(config, None), (Arc::new(old), Some(FailReason::TlsProtocol))] {
        let acceptor = TlsAcceptor::from(config);
        let origin = ScriptedOrigin::start(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                serve_http2(stream, |_: &Request<_>| respond(GOOD)).await;
            }
        });
        let origin = origin.await;
        let terms = Some(TlsTerms::default());
        let outcome =
            authority.prober().attempt(&monitor(grpc(&origin, terms.clone()), AMPLE), &key(origin.address, host)).await;
        assert_eq!(outcome.failure, failure);
        let stranger = prober().attempt(&monitor(grpc(&origin, terms), AMPLE), &key(origin.address, host)).await;
        assert!(stranger.failure.is_some());
    }
}

#[tokio::test]
async fn what_is_no_grpc() {
    let silent = ScriptedOrigin::start(async |_stream: TcpStream| std::future::pending().await).await;
    let outcome = prober().attempt(&monitor(grpc(&silent, None), SHORT), &key(silent.address, None)).await;
    assert_eq!(outcome.failure, Some(FailReason::HttpTimeout));
    for (answer, failures) in [
        (&b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..], [FailReason::HttpInvalidResponse]),
        (b"220 mail.example ESMTP\r\n", [FailReason::HttpInvalidResponse]),
        (b"", [FailReason::ConnectionReset]),
    ] {
        let origin = ScriptedOrigin::start(move |mut stream: TcpStream| async move {
            assert_ne!(stream.read(&mut [0; 512]).await.unwrap(), 0);
            stream.write_all(answer).await.unwrap();
            linger(stream).await;
        });
        let origin = origin.await;
        let outcome = prober().attempt(&monitor(grpc(&origin, None), AMPLE), &key(origin.address, None)).await;
        assert!(failures.map(Some).contains(&outcome.failure), "{answer:?}: {:?}", outcome.failure);
    }
}
