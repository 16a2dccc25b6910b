//! Errors of the system and of the libraries, made and classified.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::*;

/// Fails every connection with a number of the system's, inside of an error of a library.
struct FailingWith(i32);

impl Resolve for FailingWith {
    fn resolve(&self, _: Name) -> Resolving {
        let error = io::Error::other(io::Error::from_raw_os_error(self.0));
        Box::pin(std::future::ready(Err::<Addrs, _>(error.into())))
    }
}

/// The words of Linux, their numbers, and what they tell of a connection that was not made.
const NUMBERS: &[(&str, i32, Option<FailReason>)] = &[
    ("ENOMEM", 12, Some(FailReason::LocalResource)),
    ("ENFILE", 23, Some(FailReason::LocalResource)),
    ("EMFILE", 24, Some(FailReason::LocalResource)),
    ("EADDRNOTAVAIL", 99, Some(FailReason::LocalResource)),
    ("ENOBUFS", 105, Some(FailReason::LocalResource)),
    ("ENETUNREACH", 101, Some(FailReason::NetworkUnreachable)),
    ("ECONNRESET", 104, Some(FailReason::ConnectionReset)),
    ("ETIMEDOUT", 110, Some(FailReason::TcpTimeout)),
    ("ECONNREFUSED", 111, Some(FailReason::TcpConnectionFailed)),
    ("EHOSTUNREACH", 113, Some(FailReason::NoRouteToHost)),
    // Rules that somebody made about this destination, and a wait that is none of a connection's.
    ("EPERM", 1, None),
    ("EAGAIN", 11, None),
    ("EACCES", 13, None),
];

#[test]
fn numbers_of_the_system() {
    for (word, number, reason) in NUMBERS {
        assert_eq!(of_io(&io::Error::from_raw_os_error(*number), Phase::Connect), *reason, "{word}");
    }
    // A write may run out of memory, too.
    assert_eq!(of_io(&io::Error::from_raw_os_error(105), Phase::Exchange), Some(FailReason::LocalResource));
}

#[tokio::test]
async fn numbers_of_the_system_inside_of_a_request() {
    for (word, number, reason) in NUMBERS {
        let client = Client::builder().tls_backend_preconfigured(tls()).no_proxy().dns_resolver(FailingWith(*number));
        let error = client.build().unwrap().get("http://www.example.com").send().await.unwrap_err();
        assert_eq!(of_request(&error, Scheme::Http), reason.unwrap_or(FailReason::Other), "{word}");
    }
}

#[tokio::test]
async fn no_local_address_to_connect_from() {
    // From the connector itself: the address is not this machine's.
    let elsewhere: IpAddr = "192.0.2.1".parse().unwrap();
    let client = Client::builder().tls_backend_preconfigured(tls()).no_proxy().local_address(elsewhere);
    let target = SocketAddr::from(([127, 0, 0, 1], 9));
    let error = client.build().unwrap().get(format!("http://{target}")).send().await.unwrap_err();
    assert_eq!(of_request(&error, Scheme::Http), FailReason::LocalResource);
}

/// A client's TLS, of which nothing comes to use.
fn tls() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
}
