//! Webhooks as status shows them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::status::{DeliveryStatus, WebhookStatus};
use crate::config::webhooks::Webhook;
use crate::model::stamp::UnixMicros;
use crate::model::verdict::FailReason;
use crate::notify::{Condition, Delivery, Webhooks};
use crate::store::now;

/// All webhooks, and how they are doing.
pub(super) fn status(webhooks: &Webhooks) -> Vec<WebhookStatus> {
    let status = |(webhook, condition): (Arc<Webhook>, Condition)| {
        let Condition { delivered, failed, given_up, lost, waiting, last, .. } = condition;
        let last = last.map(|(delivery, at)| delivery_status(delivery, at));
        let (name, receiver) = (webhook.name.clone(), webhook.url.to_string());
        WebhookStatus { name, receiver, delivered, failed, given_up, lost, waiting, last }
    };
    webhooks.conditions().into_iter().map(status).collect()
}

/// Sends a sample.
pub(super) async fn test(webhooks: &Webhooks, name: &str) -> Option<DeliveryStatus> {
    Some(delivery_status(webhooks.test(name).await?, now()))
}

/// How a delivery went that ended at a moment.
fn delivery_status(delivery: Delivery, at: UnixMicros) -> DeliveryStatus {
    let Delivery { code, failure, took } = delivery;
    let at = Timestamp::from_microsecond(i64::try_from(at.0).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
    DeliveryStatus { at, code, failure: failure.map(FailReason::words).map(str::to_owned), took_ms: millis(took) }
}

/// A span in milliseconds.
fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}
