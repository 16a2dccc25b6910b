//! The gRPC probe: `grpc.health.v1.Health/Check` says SERVING. Its two messages have one field each, so they are written
//! and read here by hand.

use http_body_util::BodyExt as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use reqwest::{Body, Client, Method, Request};

use crate::health::probe::client::{self, PRODUCT};
use crate::health::probe::tls::Policies;
use crate::health::probe::{Attempt, failure};
use crate::model::limits::PROBE_GRPC_OCTETS_MAX;
use crate::model::monitor::{GrpcCheck, Scheme};
use crate::model::verdict::FailReason;

/// The method of the service.
const PATH: &str = "/grpc.health.v1.Health/Check";
/// Octets in front of a message: whether it is compressed, and its length.
const PREFIX_OCTETS: usize = 5;
/// The status of a call that went well.
const STATUS_OK: &[u8] = b"0";

/// Calls the health service; the HTTP status code is left in `code`.
pub(super) async fn call(
    check: &GrpcCheck,
    attempt: &Attempt<'_>,
    policies: &Policies,
    code: &mut Option<u16>,
) -> Result<(), FailReason> {
    let scheme = Scheme::of(check.tls.as_ref());
    let url = client::url(scheme, attempt.port, PATH, attempt.key).ok_or(FailReason::MonitorConfig)?;
    let terms = check.tls.clone().unwrap_or_default();
    let mut tls = attempt.within(FailReason::LocalResource, policies.config(&terms)).await?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let client = client::builder(attempt, attempt.key.address, tls).http2_prior_knowledge().build();
    let client = client.map_err(|_| FailReason::MonitorConfig)?;
    let mut request = Request::new(Method::POST, url);
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
    *request.body_mut() = Some(encode(&check.service).into());
    client::unless_late(attempt, exchange(&client, request, scheme, code)).await
}

/// Sends the call and judges what comes back.
async fn exchange(client: &Client, request: Request, scheme: Scheme, code: &mut Option<u16>) -> Result<(), FailReason> {
    let reason = |error: reqwest::Error| failure::of_request(&error, scheme);
    let response = client.execute(request).await.map_err(reason)?;
    let http_status = response.status().as_u16();
    *code = Some(http_status);
    if http_status != 200 {
        return Err(FailReason::ResponseCodeMismatch);
    }
    let is_grpc = |value: &HeaderValue| value.as_bytes().starts_with(b"application/grpc");
    if !response.headers().get(CONTENT_TYPE).is_some_and(is_grpc) {
        return Err(FailReason::HttpInvalidResponse);
    }
    // A call that failed has its status in the head, and no message.
    let mut status = status_of(response.headers());
    let mut body = Body::from(response);
    let mut octets = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map_err(reason)?.into_data() {
            Ok(data) => octets.extend_from_slice(&data),
            Err(frame) => status = frame.trailers_ref().and_then(status_of).or(status),
        }
        if octets.len() > PROBE_GRPC_OCTETS_MAX {
            return Err(FailReason::HttpInvalidResponse);
        }
    }
    match status {
        None => Err(FailReason::HttpInvalidResponse),
        Some(Status::Failed) => Err(FailReason::GrpcCallFailed),
        Some(Status::Ok) => match decode(&octets) {
            None => Err(FailReason::HttpInvalidResponse),
            Some(SERVING) => Ok(()),
            Some(_) => Err(FailReason::GrpcNotServing),
        },
    }
}

/// How a call went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    /// It has a message.
    Ok,
    /// It has none.
    Failed,
}

/// The status in the head or the trailers of a response.
fn status_of(headers: &HeaderMap) -> Option<Status> {
    let status = headers.get("grpc-status")?;
    Some(if status.as_bytes() == STATUS_OK { Status::Ok } else { Status::Failed })
}

/// The number of SERVING.
const SERVING: u64 = 1;
/// Field 1 of a request: a text.
const SERVICE: u8 = 1 << 3 | 2;
/// Field 1 of a response: a number.
const STATUS: u64 = 1 << 3;

/// A request with its prefix.
fn encode(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(SERVICE);
        let mut length = service.len();
        while length >= 0x80 {
            let [low, ..] = length.to_le_bytes();
            message.push(low | 0x80);
            length >>= 7;
        }
        let [low, ..] = length.to_le_bytes();
        message.push(low);
        message.extend_from_slice(service.as_bytes());
    }
    let mut octets = vec![0];
    octets.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    octets.extend_from_slice(&message);
    octets
}

/// Reads the serving status of a response with its prefix; none if it is no such response. Fields that we do not know are
/// passed over.
fn decode(octets: &[u8]) -> Option<u64> {
    let (prefix, mut rest) = octets.split_at_checked(PREFIX_OCTETS)?;
    // We did not say that we can read what is compressed.
    let (0, length) = prefix.split_first().map(|(first, length)| (*first, length))? else { return None };
    let length = u32::from_be_bytes(length.try_into().ok()?);
    if usize::try_from(length).ok()? != rest.len() {
        return None;
    }
    // A field with its default is not sent.
    let mut status = 0;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let number = match key & 7 {
            0 => varint(&mut rest)?,
            kind @ (1 | 2 | 5) => {
                let length = match kind {
                    1 => 8,
                    5 => 4,
                    _ => usize::try_from(varint(&mut rest)?).ok()?,
                };
                rest = rest.get(length..)?;
                continue;
            }
            _ => return None,
        };
        if key == STATUS {
            status = number;
        }
    }
    Some(status)
}

/// Takes a number in groups of seven bits from the front.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (octet, tail) = rest.split_first()?;
        *rest = tail;
        number |= u64::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        assert_eq!(encode(""), [0, 0, 0, 0, 0]);
        assert_eq!(encode("a.B"), *b"\0\0\0\0\x05\x0a\x03a.B");
        let long = encode(&"x".repeat(300));
        assert_eq!(long[..8], *b"\0\0\0\x01\x2f\x0a\xac\x02");
        assert_eq!(long.len(), 5 + 3 + 300);
    }

    #[test]
    fn responses() {
        for (octets, status) in [
            (&b"\0\0\0\0\x02\x08\x01"[..], Some(1)),
            (b"\0\0\0\0\x02\x08\x02", Some(2)),
            (b"\0\0\0\0\0", Some(0)),
            // Unknown fields: a text, eight octets, four octets, a number.
            (b"\0\0\0\0\x15\x12\x01x\x19********\x25****\x28\x05\x08\x01", Some(1)),
            (b"\0\0\0\0\x03\x08\x81\x00", Some(1)),
            (b"\x01\0\0\0\x02\x08\x01", None),
            (b"\0\0\0\0\x03\x08\x01", None),
            (b"\0\0\0\0\x02\x08\x01\x08", None),
            (b"\0\0\0\0\x01\x08", None),
            (b"\0\0\0\0\x02\x12\x05", None),
            (b"\0\0\0\0\x02\x0b\x01", None),
            (b"\0\0\0\0\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", None),
            (b"\0\0\0", None),
            (b"", None),
        ] {
            assert_eq!(decode(octets), status, "{octets:?}");
        }
    }
}
