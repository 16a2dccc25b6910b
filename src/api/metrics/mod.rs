//! What Prometheus reads: everything that is counted, and the state of things at this moment.
//!
//! Series with the name of an object are at most [`SERIES_MAX`](crate::model::limits::SERIES_MAX). Objects beyond that are
//! counted together as `other`, and their states are left out; totals are of all of them.

mod exposition;
mod objects;
mod process;
mod queries;
mod webhooks;

use std::time::SystemTime;

use self::exposition::{Exposition, Type};
use crate::api::status::{CertificateStatus, ReloadStatus, SecondaryStatus, WebhookStatus};
use crate::health::schedule::Assigned;
use crate::health::standstill::Standstill;
use crate::health::watchdog::Watchdog;
use crate::model::hosting::Hosting;
use crate::steering::publish::{Live, Serials};
use crate::steering::table::RecordTable;
use crate::telemetry::Registry;

/// Media type of the text.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The server at one moment, as far as metrics tell of it.
pub struct Scrape<'s> {
    /// When it started.
    pub started: SystemTime,
    /// The inventory with its targets.
    pub assigned: &'s Assigned,
    /// The live record table.
    pub table: &'s RecordTable,
    /// Whether verdicts stand still.
    pub standstill: &'s Standstill,
    /// Whether targets make progress.
    pub watchdog: &'s Watchdog,
    /// What is live.
    pub live: Live,
    /// The serials that are live.
    pub serials: &'s Serials,
    /// What is counted.
    pub registry: &'s Registry,
    /// Reloads.
    pub reloads: Reloads,
    /// Who is told of changes of health.
    pub webhooks: &'s [WebhookStatus],
    /// Events that were lost before they were on disk.
    pub events_lost: u64,
    /// TCP connections that are open.
    pub tcp_connections: usize,
    /// The API's certificate, if it is offered by TLS.
    pub certificate: Option<CertificateStatus>,
    /// Requests to the API that were refused because nobody knew who made them.
    pub api_refused: u64,
    /// How the transfer of a zone is doing.
    pub secondary: &'s dyn Fn(&Hosting) -> Option<SecondaryStatus>,
}

/// How reloads went.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Reloads {
    /// Those that took effect.
    pub done: u64,
    /// Those that changed nothing because of faults.
    pub refused: u64,
    /// The last one; none if there was none.
    pub last: Option<ReloadStatus>,
}

impl Scrape<'_> {
    /// The text for Prometheus.
    pub fn render(&self) -> String {
        let mut exposition = Exposition::default();
        self.write_server(&mut exposition);
        process::write(&mut exposition, self.started);
        queries::write(&mut exposition, self.registry, self.tcp_connections);
        objects::write(&mut exposition, self);
        self.write_doubts(&mut exposition);
        webhooks::write(&mut exposition, self.webhooks, self.events_lost);
        exposition.finish()
    }

    /// What is doubted of verdicts.
    fn write_doubts(&self, exposition: &mut Exposition) {
        let frozen = self.standstill.state();
        let help = "1 while verdicts are frozen, because this machine seems to have lost its network; else 0.";
        exposition.single("pooldns_verdicts_frozen", Type::Gauge, help, u8::from(frozen.since.is_some()));
        let help = "How often verdicts have frozen.";
        exposition.single("pooldns_verdict_freezes_total", Type::Counter, help, frozen.freezes);
        let help = "Targets whose probes are due and neither begin nor end.";
        exposition.single("pooldns_probes_stalled", Type::Gauge, help, self.watchdog.state().targets);
        let help = "1 if a reference of the guard answered when it was last asked, else 0.";
        let mut family = exposition.family("pooldns_reference_up", Type::Gauge, help);
        for (address, answers) in self.standstill.references() {
            if let Some(answers) = answers {
                family.sample(&[("reference", &address.to_string())], u8::from(answers));
            }
        }
    }

    /// The server itself.
    fn write_server(&self, exposition: &mut Exposition) {
        let Self { live, reloads, .. } = self;
        let mut info =
            exposition.family("pooldns_build_info", Type::Gauge, "Always 1; the label says which version runs.");
        info.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        let help = "Generation of the inventory that answers.";
        exposition.single("pooldns_live_generation", Type::Gauge, help, live.generation);
        let help = "1 when every live name has what it needs to answer, or has waited long enough; else 0.";
        exposition.single("pooldns_ready", Type::Gauge, help, u8::from(live.waiting == 0));
        let mut family = exposition.family("pooldns_reloads_total", Type::Counter, "Reloads of the configuration.");
        family.sample(&[("result", "done")], reloads.done);
        family.sample(&[("result", "refused")], reloads.refused);
        let help = "Requests to the API over TCP without a token that is known.";
        exposition.single("pooldns_api_authentications_failed_total", Type::Counter, help, self.api_refused);
        let help = "1 when the configuration in force is the one on disk, as far as the last reload tells; 0 when it was refused.";
        let is_good = reloads.last.as_ref().is_none_or(|last| last.fault.is_none());
        exposition.single("pooldns_last_reload_successful", Type::Gauge, help, u8::from(is_good));
        let help = "1 when the API's certificate and key on disk are good; 0 when older ones are in force, or none.";
        let mut good = exposition.family("pooldns_api_certificate_good", Type::Gauge, help);
        if let Some(CertificateStatus { fault, .. }) = &self.certificate {
            good.sample(&[], u8::from(fault.is_none()));
        }
        let help = "When the API's certificate expires, since 1970.";
        let mut end = exposition.family("pooldns_api_certificate_expires_timestamp_seconds", Type::Gauge, help);
        if let Some(expires) = self.certificate.as_ref().and_then(|certificate| certificate.expires) {
            end.sample(&[], expires.as_second());
        }
        let at = reloads.last.as_ref().map_or(self.started, |last| SystemTime::from(last.at));
        let seconds = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let help = "When the configuration was last read, since 1970.";
        exposition.single("pooldns_last_reload_timestamp_seconds", Type::Gauge, help, seconds);
    }
}
