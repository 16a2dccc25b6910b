//! Metrics of what is told: deliveries of webhooks, and events that nobody will see.

use super::exposition::{Exposition, Type};
use crate::api::status::WebhookStatus;

/// Writes all of them.
pub(super) fn write(exposition: &mut Exposition, webhooks: &[WebhookStatus], events_lost: u64) {
    let help = "Events of pools that were lost, because there was no room for them or no disk.";
    exposition.single("pooldns_events_lost_total", Type::Counter, help, events_lost);
    let help = "Messages to a webhook by what became of them: delivered, or given up.";
    let mut family = exposition.family("pooldns_webhook_messages_total", Type::Counter, help);
    for webhook in webhooks {
        family.sample(&[("webhook", &webhook.name), ("result", "delivered")], webhook.delivered);
        family.sample(&[("webhook", &webhook.name), ("result", "given up")], webhook.given_up);
    }
    let help = "Deliveries to a webhook that failed; most of them are tried again.";
    let mut family = exposition.family("pooldns_webhook_deliveries_failed_total", Type::Counter, help);
    for webhook in webhooks {
        family.sample(&[("webhook", &webhook.name)], webhook.failed);
    }
    let help = "Changes that a webhook was not told of, and will not be.";
    let mut family = exposition.family("pooldns_webhook_changes_lost_total", Type::Counter, help);
    for webhook in webhooks {
        family.sample(&[("webhook", &webhook.name)], webhook.lost);
    }
    let help = "Pools and origins that changed and of which a webhook is to be told.";
    let mut family = exposition.family("pooldns_webhook_changes_waiting", Type::Gauge, help);
    for webhook in webhooks {
        family.sample(&[("webhook", &webhook.name)], webhook.waiting);
    }
}
