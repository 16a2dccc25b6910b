//! The other end of the control socket, for our own commands.

use std::io;
use std::path::{Path, PathBuf};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::api::control::{Contradictions, Reload, Retransfer};
use crate::api::status::Status;
use crate::model::name::Name;

/// Why a running server did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody there, or not for us.
    #[error("no pooldns answers on the control socket {}: {cause}; {} (--control PATH names another socket)", path.display(), remedy(cause))]
    Connect {
        /// Where.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A conversation that broke off.
    #[error("the server on the control socket broke off: {0}")]
    Http(#[from] hyper::Error),
    /// A request that cannot be made.
    #[error("the request cannot be made: {0}")]
    Request(#[from] hyper::http::uri::InvalidUri),
    /// An answer that we do not understand: another version, most likely.
    #[error("the server on the control socket gave an answer that this version does not understand: {0}")]
    Body(#[from] serde_json::Error),
}

/// What to do about a control socket that cannot be reached.
fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => "only the server's own user and root may ask it",
        _ => "is it running, with this configuration?",
    }
}

/// Asks for the status.
pub async fn status(control: &Path) -> Result<Status, ClientError> {
    ask(control, Method::GET, "/status").await
}

/// Asks for the metrics, in the text format of Prometheus.
pub async fn metrics(control: &Path) -> Result<String, ClientError> {
    Ok(String::from_utf8_lossy(&ask_octets(control, Method::GET, "/metrics").await?.1).into_owned())
}

/// Asks whether the server is ready; if it is not, for what it waits.
pub async fn readiness(control: &Path) -> Result<Result<(), String>, ClientError> {
    let (status, body) = ask_octets(control, Method::GET, "/readyz").await?;
    Ok(if status.is_success() { Ok(()) } else { Err(String::from_utf8_lossy(&body).into_owned()) })
}

/// Asks for a reload, and waits for its result.
pub async fn reload(control: &Path, contradictions: Contradictions) -> Result<Reload, ClientError> {
    let path = match contradictions {
        Contradictions::Refused => "/reload",
        Contradictions::SetAside => "/reload?contradictions=set_aside",
    };
    ask(control, Method::POST, path).await
}

/// Asks for a zone's transfer, and waits for its result.
pub async fn retransfer(control: &Path, zone: &Name) -> Result<Retransfer, ClientError> {
    // Presentation form, and nothing of it means anything in a path.
    let encoded = zone.to_string().bytes().fold(String::new(), |path, octet| match octet {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' => path + &char::from(octet).to_string(),
        octet => path + &format!("%{octet:02X}"),
    });
    ask(control, Method::POST, &format!("/zones/{encoded}/retransfer")).await
}

/// One request, whose answer is a document.
async fn ask<T: DeserializeOwned>(control: &Path, method: Method, path: &str) -> Result<T, ClientError> {
    Ok(serde_json::from_slice(&ask_octets(control, method, path).await?.1)?)
}

/// One request, one connection.
async fn ask_octets(control: &Path, method: Method, path: &str) -> Result<(StatusCode, Bytes), ClientError> {
    let stream = UnixStream::connect(control);
    let stream = stream.await.map_err(|cause| ClientError::Connect { path: control.to_owned(), cause })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = method;
    *request.uri_mut() = hyper::Uri::try_from(path)?;
    request.headers_mut().insert(hyper::header::HOST, hyper::header::HeaderValue::from_static("pooldns"));
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        Ok::<_, hyper::Error>((status, response.into_body().collect().await?.to_bytes()))
    };
    tokio::select! {
        biased;
        answer = exchange => Ok(answer?),
        // The connection has to be driven; when it ends first, the exchange has failed.
        ended = connection => {
            ended?;
            Err(serde_json::Error::io(io::ErrorKind::UnexpectedEof.into()).into())
        }
    }
}
