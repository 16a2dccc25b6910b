//! Changes of pools and origins as outsiders are told of them, by `pooldns events` and by webhooks: one flat object each.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::event::Change;
use crate::spec::time;

/// A change.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ToldChange {
    /// Number of the event that it is a part of, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// When.
    pub time: String,
    /// What changed.
    pub kind: Kind,
    /// The pool's name then.
    pub pool: String,
    /// The pool's id.
    pub pool_id: String,
    /// The origin's name; none for the pool itself, which has none of the next five either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Where the origin is, as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The address of a host that decided the change, or its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// Why it is down, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many outcomes in a row changed the verdict, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// How long the probe took that decided it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// The verdict before: `up`, `down` or `unknown`.
    pub from: String,
    /// The verdict now.
    pub to: String,
    /// How many of the pool's origins are healthy.
    pub healthy_origins: usize,
    /// How many it needs.
    pub minimum_origins: u32,
}

/// What changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A pool.
    Pool,
    /// An origin of a pool.
    Origin,
}

impl ToldChange {
    /// What outsiders are told of a change in the event with a number.
    pub fn new(id: Option<u64>, change: Change<'_>) -> Self {
        let Change { event, origin } = change;
        Self {
            id,
            time: time::text(event.at),
            kind: if origin.is_some() { Kind::Origin } else { Kind::Pool },
            pool: event.name.clone(),
            pool_id: event.pool.to_string(),
            origin: origin.map(|origin| origin.name.clone()),
            address: origin.map(|origin| origin.address.to_string()),
            ip: origin.filter(|origin| origin.address.ip().is_none()).and_then(|origin| origin.ip),
            reason: origin.and_then(|origin| origin.reason).map(|reason| reason.words().to_owned()),
            count: origin.map(|origin| origin.count).filter(|count| *count > 0),
            latency_ms: origin.and_then(|origin| origin.latency).map(|latency| {
                // Whole microseconds, so that no digits are made up.
                f64::from(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX)) / 1_000.0
            }),
            from: change.from().word().to_owned(),
            to: change.verdict().word().to_owned(),
            healthy_origins: event.healthy_origins(),
            minimum_origins: event.minimum_origins,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::event::{OriginEvent, PoolEvent};
    use crate::model::id::PoolId;
    use crate::model::stamp::UnixMicros;
    use crate::model::verdict::{FailReason, Verdict};

    #[test]
    fn a_change_is_told_flat_and_read_again() {
        let origin = |name: &str, from, verdict| OriginEvent {
            name: name.to_owned(),
            address: [192, 0, 2, 1].into(),
            ip: Some([192, 0, 2, 1].into()),
            enabled: true,
            from,
            verdict,
            reason: Some(FailReason::TcpTimeout),
            count: 2,
            latency: Some(Duration::from_nanos(2_000_250_999)),
        };
        let event = PoolEvent {
            at: UnixMicros(1_621_977_990_371_603),
            pool: PoolId::declared("web"),
            name: "web".to_owned(),
            from: Verdict::Up,
            verdict: Verdict::Down,
            minimum_origins: 1,
            origins: vec![origin("a", Verdict::Up, Verdict::Down), origin("b", Verdict::Down, Verdict::Down)],
        };
        let id = PoolId::declared("web");
        let told: Vec<ToldChange> = event.changes().map(|change| ToldChange::new(Some(7), change)).collect();
        let head =
            format!(r#"{{"id":7,"time":"2021-05-25T21:26:30.371603Z","kind":"KIND","pool":"web","pool_id":"{id}","#);
        let tail = r#""from":"up","to":"down","healthy_origins":0,"minimum_origins":1}"#;
        let middle = r#""origin":"a","address":"192.0.2.1","reason":"TCP Timeout","count":2,"latency_ms":2000.25,"#;
        let texts: Vec<String> = told.iter().map(|change| serde_json::to_string(change).unwrap()).collect();
        let expected = [head.replace("KIND", "origin") + middle + tail, head.replace("KIND", "pool") + tail];
        assert_eq!(texts, expected);
        let read: Vec<ToldChange> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        assert_eq!(read, told);
    }
}
