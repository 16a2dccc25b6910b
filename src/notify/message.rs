//! What a receiver gets: the body, and the signature under it, in the form of the Standard Webhooks specification.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use data_encoding::BASE64;
use serde::Serialize;

use crate::model::hosting::Secret;
use crate::model::stamp::UnixMicros;
use crate::notify::group::Item;
use crate::spec::time;
use crate::spec::told::{Kind, ToldChange};

/// A message, the same however often it is tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Message {
    /// Its id, by which a receiver knows that it has it already.
    pub(super) id: String,
    /// Its body.
    pub(super) body: String,
    /// How many changes it tells of.
    pub(super) changes: u64,
    /// How many it says are lost.
    pub(super) lost: u64,
}

/// The body.
#[derive(Serialize)]
struct Body<'b> {
    /// The message's id.
    id: &'b str,
    /// What it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// When it was written.
    timestamp: String,
    /// The webhook's name.
    webhook: &'b str,
    /// How many changes could not be told, since the last message that was delivered.
    lost: u64,
    /// What changed.
    changes: &'b [Item],
}

impl Message {
    /// A message of changes; `lost` are those that could not be told.
    pub(super) fn new(id: String, webhook: &str, items: &[Item], lost: u64, now: UnixMicros) -> Self {
        Self::of("health.changed", id, webhook, items, lost, now)
    }

    /// A message that only shows what others look like.
    pub(super) fn sample(id: String, webhook: &str, now: UnixMicros) -> Self {
        let last = ToldChange {
            id: None,
            time: time::text(now),
            kind: Kind::Origin,
            pool: "example".to_owned(),
            pool_id: "0".repeat(32),
            origin: Some("example-1".to_owned()),
            address: Some("192.0.2.1".to_owned()),
            ip: None,
            reason: Some("HTTP timeout occurred".to_owned()),
            count: Some(2),
            latency_ms: Some(2_000.0),
            from: "up".to_owned(),
            to: "down".to_owned(),
            healthy_origins: 1,
            minimum_origins: 1,
        };
        Self::of("test", id, webhook, &[Item { last, changes: 1 }], 0, now)
    }

    /// A message of a type.
    fn of(kind: &'static str, id: String, webhook: &str, items: &[Item], lost: u64, now: UnixMicros) -> Self {
        let body = Body { id: &id, kind, timestamp: time::text(now), webhook, lost, changes: items };
        // Texts and finite numbers: there is nothing that JSON could not say.
        let body = serde_json::to_string(&body).unwrap_or_default();
        Self { id, body, changes: items.len() as u64, lost }
    }

    /// The value of the signature's header field, for a delivery at a second of Unix time. The time is signed, so that nobody
    /// can send an old message again.
    pub(super) fn signature(&self, secret: &Secret, timestamp: u64) -> String {
        let Self { id, body, .. } = self;
        let signed = format!("{id}.{timestamp}.{body}");
        let tag = sign(&Key::new(HMAC_SHA256, &secret.0), signed.as_bytes());
        format!("v1,{}", BASE64.encode(tag.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_specification() {
        // printf '%s' 'msg_1.1614265330.{"test": 2432232314}' | openssl dgst -sha256 \
        //   -hmac 0123456789abcdef01234567 -binary | base64
        let message =
            Message { id: "msg_1".to_owned(), body: r#"{"test": 2432232314}"#.to_owned(), changes: 0, lost: 0 };
        let secret = Secret(b"0123456789abcdef01234567".to_vec());
        assert_eq!(message.signature(&secret, 1_614_265_330), "v1,h+ZUB5cEWs0m2mOFmzzKmdlvEsnLup6pH7CmSyxP9wk=");
    }

    #[test]
    fn a_sample_looks_like_the_others() {
        let Message { body, changes, .. } = Message::sample("x".to_owned(), "ops", UnixMicros(1_621_977_990_371_603));
        let expected = concat!(
            r#"{"id":"x","type":"test","timestamp":"2021-05-25T21:26:30.371603Z","webhook":"ops","lost":0,"changes":["#,
            r#"{"time":"2021-05-25T21:26:30.371603Z","kind":"origin","pool":"example","#,
            r#""pool_id":"00000000000000000000000000000000","origin":"example-1","address":"192.0.2.1","#,
            r#""reason":"HTTP timeout occurred","count":2,"latency_ms":2000.0,"from":"up","to":"down","#,
            r#""healthy_origins":1,"minimum_origins":1,"changes":1}]}"#
        );
        assert_eq!((body.as_str(), changes), (expected, 1));
    }
}
