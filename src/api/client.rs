//! The other end of the control socket, for our own commands.

use std::io;
use std::path::{Path, PathBuf};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::api::control::{Contradictions, Reload, Retransfer};
use crate::api::events::{EventsAsked, EventsTold};
use crate::api::exchange::{BackupOrder, Imported, Importing, Refusal};
use crate::api::explain::{ExplainAsked, Explanation};
use crate::api::status::{DeliveryStatus, Status};
use crate::api::tokens::{ListedToken, MadeToken, NewToken};
use crate::api::v4::BASE;
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
    ask(control, Method::POST, &format!("/zones/{}/retransfer", encoded(&zone.to_string()))).await
}

/// Asks for a new token; why there is none if it is refused.
pub async fn create_token(control: &Path, wanted: &NewToken) -> Result<Result<MadeToken, String>, ClientError> {
    told(exchange(control, Method::POST, "/tokens", serde_json::to_vec(wanted)?).await?)
}

/// Asks for the list of tokens.
pub async fn tokens(control: &Path) -> Result<Vec<ListedToken>, ClientError> {
    ask(control, Method::GET, "/tokens").await
}

/// Asks for the end of a token, by its name or id; why it stays if it is refused.
pub async fn revoke_token(control: &Path, token: &str) -> Result<Result<ListedToken, String>, ClientError> {
    let path = format!("/tokens/{}", encoded(token));
    told(exchange(control, Method::DELETE, &path, Vec::new()).await?)
}

/// Asks for the explanation of an answer; why there is none if that is refused.
pub async fn explain(control: &Path, asked: &ExplainAsked) -> Result<Result<Explanation, String>, ClientError> {
    let ExplainAsked { name, rtype, client } = asked;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("name", name);
    query.extend_pairs(rtype.as_ref().map(|rtype| ("type", rtype)));
    query.extend_pairs(client.map(|client| ("client", client.to_string())));
    told(exchange(control, Method::GET, &format!("/explain?{}", query.finish()), Vec::new()).await?)
}

/// Pulls a lever of a pool, or of one of its origins; why it is not if that is refused.
pub async fn pull_lever(
    control: &Path,
    pool: &str,
    origin: Option<&str>,
    lever: &serde_json::Value,
) -> Result<Result<(), String>, ClientError> {
    called(exchange(control, Method::PUT, &lever_path(pool, origin), serde_json::to_vec(lever)?).await?)
}

/// Releases a lever; why there is none if that is refused.
pub async fn release_lever(
    control: &Path,
    pool: &str,
    origin: Option<&str>,
) -> Result<Result<(), String>, ClientError> {
    called(exchange(control, Method::DELETE, &lever_path(pool, origin), Vec::new()).await?)
}

/// Where the lever of a pool with this id, or of one of its origins, is.
fn lever_path(pool: &str, origin: Option<&str>) -> String {
    let origin = origin.map_or_else(String::new, |origin| format!("/origins/{}", encoded(origin)));
    format!("{BASE}/user/load_balancers/pools/{pool}{origin}/lever")
}

/// What a call of the API says: nothing if it went well.
fn called((status, body): (StatusCode, Bytes)) -> Result<Result<(), String>, ClientError> {
    if status.is_success() {
        return Ok(Ok(()));
    }
    let answer: serde_json::Value = serde_json::from_slice(&body)?;
    let messages = answer.get("errors").and_then(serde_json::Value::as_array).into_iter().flatten();
    let texts = messages.filter_map(|message| message.get("message")?.as_str());
    Ok(Err(texts.collect::<Vec<_>>().join("; ")))
}

/// Asks for a sample to be sent to a webhook; why it is not if there is none of this name.
pub async fn test_webhook(control: &Path, name: &str) -> Result<Result<DeliveryStatus, String>, ClientError> {
    told(exchange(control, Method::POST, &format!("/webhooks/{}/test", encoded(name)), Vec::new()).await?)
}

/// Asks for events, perhaps for those to come; why there are none if that is refused.
pub async fn events(control: &Path, asked: &EventsAsked) -> Result<Result<EventsTold, String>, ClientError> {
    let EventsAsked { after, since, pool, limit, wait } = asked;
    let mut query = form_urlencoded::Serializer::new(String::new());
    let numbers = [("after", *after), ("since", *since), ("limit", limit.map(|limit| limit as u64)), ("wait", *wait)];
    for (name, number) in numbers {
        query.extend_pairs(number.map(|number| (name, number.to_string())));
    }
    query.extend_pairs(pool.as_ref().map(|pool| ("pool", pool)));
    told(exchange(control, Method::GET, &format!("/events?{}", query.finish()), Vec::new()).await?)
}

/// Asks for everything that the API made, as TOML.
pub async fn export(control: &Path) -> Result<String, ClientError> {
    Ok(String::from_utf8_lossy(&ask_octets(control, Method::GET, "/export").await?.1).into_owned())
}

/// Asks for the objects of a document with a name to be taken in; why they are not if that is refused.
pub async fn import(
    control: &Path,
    name: &str,
    text: String,
    importing: Importing,
) -> Result<Result<Imported, String>, ClientError> {
    let importing = match importing {
        Importing::Kept => "kept",
        Importing::Dry => "dry",
    };
    let path = format!("/import?importing={importing}&name={}", encoded(name));
    told(exchange(control, Method::POST, &path, text.into_bytes()).await?)
}

/// Asks for an object that is set aside to be dropped, by its id: its kind and name, or why it stays.
pub async fn drop_set_aside(control: &Path, id: &str) -> Result<Result<String, String>, ClientError> {
    told(exchange(control, Method::DELETE, &format!("/set-aside/{}", encoded(id)), Vec::new()).await?)
}

/// Asks for a copy of the store in a new file; why there is none if that is refused.
pub async fn backup(control: &Path, file: &Path) -> Result<Result<(), String>, ClientError> {
    let order = serde_json::to_vec(&BackupOrder { file: file.to_owned() })?;
    told(exchange(control, Method::POST, "/backup", order).await?)
}

/// What a route says that may refuse.
fn told<T: DeserializeOwned>((status, body): (StatusCode, Bytes)) -> Result<Result<T, String>, ClientError> {
    if status.is_success() {
        return Ok(Ok(serde_json::from_slice(&body)?));
    }
    let Refusal { error } = serde_json::from_slice(&body)?;
    Ok(Err(error))
}

/// A text as one part of a path or query.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |path, octet| match octet {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' => path + &char::from(octet).to_string(),
        octet => path + &format!("%{octet:02X}"),
    })
}

/// One request, whose answer is a document.
async fn ask<T: DeserializeOwned>(control: &Path, method: Method, path: &str) -> Result<T, ClientError> {
    Ok(serde_json::from_slice(&ask_octets(control, method, path).await?.1)?)
}

/// One request without a body.
async fn ask_octets(control: &Path, method: Method, path: &str) -> Result<(StatusCode, Bytes), ClientError> {
    exchange(control, method, path, Vec::new()).await
}

/// One request, one connection; a body is JSON.
async fn exchange(
    control: &Path,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Bytes), ClientError> {
    let stream = UnixStream::connect(control);
    let stream = stream.await.map_err(|cause| ClientError::Connect { path: control.to_owned(), cause })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::new(Full::<Bytes>::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = hyper::Uri::try_from(path)?;
    let mut header = |name, value| request.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
    header(hyper::header::HOST, "pooldns");
    header(hyper::header::CONTENT_TYPE, "application/json");
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
