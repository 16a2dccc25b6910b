//! What the server knows and does, as one document: for `pooldns status` and for scripts.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::health::endpoint::{Checks, Endpoint, Member, ProbedOrigin, ProbedPool};
use crate::health::schedule::Assigned;
use crate::health::standstill::Standstill;
use crate::health::table::TargetCell;
use crate::health::watchdog::{Stalled, Watchdog};
use crate::model::hosting::Hosting;
use crate::model::inventory::Inventory;
use crate::model::lever::Lever;
use crate::model::load_balancer::LoadBalancer;
use crate::model::pool::{Origin, Pool};
use crate::model::rrset::Rtype;
use crate::model::stamp::UnixMicros;
use crate::model::verdict::{FailReason, Verdict};
use crate::steering::judged::{Judged, Moment};
use crate::steering::lookup::{Found, lookup};
use crate::steering::publish::Serials;
use crate::steering::state::{Condition, PoolState};
use crate::steering::table::RecordTable;
use crate::store::embedded::Unreadable;
use crate::store::now;
use crate::telemetry::Totals;

/// The server at one moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// When it started.
    pub started: Timestamp,
    /// Whether every live name has what it needs to answer.
    pub ready: bool,
    /// Generation of the inventory that is live.
    pub generation: u64,
    /// Whether verdicts are frozen, and what speaks for or against it.
    #[serde(default)]
    pub guard: GuardStatus,
    /// Targets whose probes make no progress.
    #[serde(default)]
    pub stalled: StalledStatus,
    /// Addresses that it listens on, UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// Addresses at which it offers the API.
    #[serde(default)]
    pub api: Vec<SocketAddr>,
    /// The certificate that it offers it with; none where that is not by TLS.
    #[serde(default)]
    pub api_certificate: Option<CertificateStatus>,
    /// The configuration file that it reads; none for one that is part of the program.
    #[serde(default)]
    pub configuration: Option<PathBuf>,
    /// Its zones.
    pub zones: Vec<ZoneStatus>,
    /// Its pools.
    pub pools: Vec<PoolStatus>,
    /// Its load balancers.
    pub load_balancers: Vec<LoadBalancerStatus>,
    /// Objects of the API that are kept and not served.
    #[serde(default)]
    pub set_aside: Vec<SetAsideStatus>,
    /// Who is told of changes of health, and how that goes.
    #[serde(default)]
    pub webhooks: Vec<WebhookStatus>,
    /// How the last reload went; none if there was none.
    pub reload: Option<ReloadStatus>,
    /// What it has counted since it started.
    pub counters: Totals,
}

/// The certificate of the API.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Its file.
    pub file: PathBuf,
    /// Whether one is in force: without, the API is closed.
    pub open: bool,
    /// When the one in force expires.
    pub expires: Option<Timestamp>,
    /// What is wrong with the files as they are; the last good ones are in force.
    pub fault: Option<String>,
}

/// The guard of verdicts.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct GuardStatus {
    /// Since when verdicts are frozen; none if they are not.
    pub frozen_since: Option<Timestamp>,
    /// How often they have frozen since the start.
    pub freezes: u32,
    /// Addresses that had fallen silent when they last froze.
    pub fallen: usize,
    /// Its references.
    pub references: Vec<ReferenceStatus>,
}

/// Targets whose probes make no progress.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct StalledStatus {
    /// Since when it is known; none if all do.
    pub since: Option<Timestamp>,
    /// How many do not.
    pub targets: usize,
    /// Seconds that the longest is overdue.
    pub longest: u64,
}

/// A reference of the guard.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReferenceStatus {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether it answered when it was last asked; none if it was not asked yet.
    pub answers: Option<bool>,
}

/// An object of the API that is kept and not served.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SetAsideStatus {
    /// Its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Its name; empty if its row cannot be read.
    pub name: String,
    /// Why it is not served.
    pub why: String,
}

/// A webhook.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WebhookStatus {
    /// Its name.
    pub name: String,
    /// Scheme and host of its URL; the rest may be secret.
    pub receiver: String,
    /// Messages that were delivered.
    pub delivered: u64,
    /// Deliveries that failed.
    pub failed: u64,
    /// Messages that were given up.
    pub given_up: u64,
    /// Changes that were not told, and will not be.
    pub lost: u64,
    /// Things that changed and wait to be told.
    pub waiting: usize,
    /// How the last delivery went; none if there was none.
    pub last: Option<DeliveryStatus>,
}

/// How a delivery went.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DeliveryStatus {
    /// When it ended.
    pub at: Timestamp,
    /// The code of the answer, if there was one.
    pub code: Option<u16>,
    /// Why it failed; none if it did not.
    pub failure: Option<String>,
    /// How long it took.
    pub took_ms: f64,
}

/// How a reload went.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReloadStatus {
    /// When.
    pub at: Timestamp,
    /// The first fault, if it was refused: then what is in force is older than what is on disk.
    pub fault: Option<String>,
    /// Changed keys that wait for a restart.
    pub waiting_for_restart: Vec<String>,
}

/// A zone.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ZoneStatus {
    /// Its apex.
    pub name: String,
    /// Its serial; none while it has no records to answer from.
    pub serial: Option<u32>,
    /// Owner names that have static records.
    pub owners: usize,
    /// How its transfer from primaries is doing; none if it is declared here.
    pub secondary: Option<SecondaryStatus>,
}

/// How a zone that is transferred from primaries is doing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SecondaryStatus {
    /// The primary that last gave or confirmed it; none since the start.
    pub primary: Option<SocketAddr>,
    /// When a primary last confirmed it.
    pub confirmed: Option<Timestamp>,
    /// When a primary is asked again.
    pub next: Option<Timestamp>,
    /// When it is answered no longer unless a primary confirms it.
    pub expires: Option<Timestamp>,
    /// Whether it has expired: it was answered once, and nobody has confirmed it for too long.
    pub expired: bool,
    /// Why the last attempt was in vain; none if it was not.
    pub failure: Option<String>,
}

/// A pool.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// `healthy`, `degraded`, `critical`, `unknown`, `not monitored` or `disabled`.
    pub state: String,
    /// Healthy origins that it needs.
    pub minimum_origins: u32,
    /// The monitor's name.
    pub monitor: Option<String>,
    /// Or the monitor group's.
    #[serde(default)]
    pub monitor_group: Option<String>,
    /// The lever of the whole pool.
    pub lever: Option<LeverStatus>,
    /// Its origins.
    pub origins: Vec<OriginStatus>,
}

/// An origin.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OriginStatus {
    /// Its name.
    pub name: String,
    /// Its address, or the name of its host.
    pub address: String,
    /// Its share of the pool's traffic.
    pub weight: f64,
    /// `up`, `down`, `unknown`, `not monitored` or `disabled`.
    pub verdict: String,
    /// When the verdict last changed.
    pub since: Option<Timestamp>,
    /// Why it is down, if it is; the last probe may have seen something else.
    #[serde(default)]
    pub reason: Option<String>,
    /// What the last probe saw.
    pub last: Option<ProbeStatus>,
    /// The addresses of its host; empty if it is an address itself.
    pub addresses: Vec<AddressStatus>,
    /// What each member of a monitor group says of it; empty if it is a host, or has no group.
    #[serde(default)]
    pub members: Vec<MemberStatus>,
    /// Its lever.
    pub lever: Option<LeverStatus>,
}

/// What an operator has decided about a pool or an origin.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LeverStatus {
    /// `up`, `down` or `drain`.
    pub action: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// When it ends by itself; none if it does not.
    pub until: Option<Timestamp>,
}

/// An address of an origin that is a host.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AddressStatus {
    /// It.
    pub address: IpAddr,
    /// `up`, `down`, `unknown` or `not monitored`.
    pub verdict: String,
    /// When the verdict last changed.
    pub since: Option<Timestamp>,
    /// Why it is down, if it is; the last probe may have seen something else.
    #[serde(default)]
    pub reason: Option<String>,
    /// What the last probe saw.
    pub last: Option<ProbeStatus>,
    /// What each member of a monitor group says of it.
    #[serde(default)]
    pub members: Vec<MemberStatus>,
}

/// What one member of a monitor group says of an address.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MemberStatus {
    /// The monitor's name.
    pub monitor: String,
    /// What its verdict counts: `none`, `one` or `veto`.
    pub vote: String,
    /// `up`, `down` or `unknown`.
    pub verdict: String,
    /// When the verdict last changed.
    pub since: Option<Timestamp>,
    /// What the last probe saw.
    pub last: Option<ProbeStatus>,
}

/// What a probe saw.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ProbeStatus {
    /// When.
    pub at: Timestamp,
    /// Why it failed, or `No failures`, as in the original.
    pub reason: String,
    /// Code of the response (HTTP, SMTP or DNS), if one came.
    pub code: Option<u16>,
    /// How long it took, in milliseconds.
    pub rtt_ms: f64,
}

/// A load balancer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LoadBalancerStatus {
    /// Its name.
    pub name: String,
    /// `ok`, `fallback`, `last resort`, `exhausted`, `not ready` or `disabled`; where the zone is transferred, also `no zone`
    /// while it is not there, and `delegated` or `redirected` where its primaries say so.
    pub condition: String,
    /// What A is answered from: a pool, and how it came to be chosen.
    pub a: String,
    /// What AAAA is answered from.
    pub aaaa: String,
    /// Names of its pools, in order.
    pub default_pools: Vec<String>,
    /// Name of its fallback pool.
    pub fallback_pool: String,
    /// TTL of its answers, in seconds.
    pub ttl: u32,
}

/// The guard of verdicts.
pub fn guard(standstill: &Standstill) -> GuardStatus {
    let frozen = standstill.state();
    let references = standstill.references().into_iter();
    GuardStatus {
        frozen_since: frozen.since.and_then(timestamp),
        freezes: frozen.freezes,
        fallen: frozen.fallen,
        references: references.map(|(address, answers)| ReferenceStatus { address, answers }).collect(),
    }
}

/// Targets whose probes make no progress.
pub fn stalled(watchdog: &Watchdog) -> StalledStatus {
    let Stalled { since, targets, longest } = watchdog.state();
    StalledStatus { since: since.and_then(timestamp), targets, longest: longest.as_secs() }
}

/// Zones, in order of name. `secondary` tells how the transfer of a zone is doing.
pub fn zones(
    assigned: &Assigned,
    serials: &Serials,
    secondary: impl Fn(&Hosting) -> Option<SecondaryStatus>,
) -> Vec<ZoneStatus> {
    let zones = assigned.inventory.hostings.iter().map(|hosting| {
        let zone = assigned.inventory.zones.find(hosting.id);
        let live = serials.find(hosting.id).map(|live| live.serial);
        ZoneStatus {
            name: hosting.apex.to_string(),
            serial: zone.map(|zone| live.unwrap_or_else(|| zone.soa().serial)),
            owners: zone.map_or(0, |zone| zone.owners().len()),
            secondary: secondary(hosting),
        }
    });
    sorted(zones, |zone| zone.name.clone())
}

/// Objects of the API that are kept and not served: those that contradict what is declared, and rows that cannot be read.
pub fn set_aside(inventory: &Inventory, unreadable: &[Unreadable]) -> Vec<SetAsideStatus> {
    let contradicting = inventory.set_aside.iter().map(|aside| {
        let object = &aside.stored.object;
        let (kind, id) = (object.id().kind().to_owned(), object.id().to_string());
        SetAsideStatus { kind, id, name: object.name(), why: aside.why.clone() }
    });
    let unreadable = unreadable.iter().map(|Unreadable { table, key, why }| SetAsideStatus {
        kind: (*table).to_owned(),
        id: key.clone(),
        name: String::new(),
        why: why.clone(),
    });
    contradicting.chain(unreadable).collect()
}

/// Pools, in order of name.
pub fn pools(assigned: &Assigned) -> Vec<PoolStatus> {
    sorted(assigned.pools.iter().map(|pool| pool_status(pool, assigned)), |pool| pool.name.clone())
}

/// Load balancers, in order of name. Their condition is read from the live table: it is what queries get.
pub fn load_balancers(assigned: &Assigned, table: &RecordTable) -> Vec<LoadBalancerStatus> {
    let pool_name = |id| assigned.inventory.pools.find(id).map_or_else(String::new, |pool| pool.name.clone());
    let load_balancers = assigned.inventory.load_balancers.iter().map(|load_balancer| {
        let (condition, served) = condition(load_balancer, table);
        let (a, aaaa) = match served {
            Some(Condition::Ready { v4, v6 }) => (v4.words(&assigned.inventory), v6.words(&assigned.inventory)),
            _ => (String::new(), String::new()),
        };
        LoadBalancerStatus {
            name: load_balancer.name.to_string(),
            condition: condition.to_owned(),
            a,
            aaaa,
            default_pools: load_balancer.default_pools.iter().map(|id| pool_name(*id)).collect(),
            fallback_pool: pool_name(load_balancer.fallback_pool),
            ttl: load_balancer.ttl,
        }
    });
    sorted(load_balancers, |load_balancer| load_balancer.name.clone())
}

/// Collects in order of a key.
fn sorted<T, K: Ord>(items: impl Iterator<Item = T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_by_key(key);
    items
}

/// One pool.
fn pool_status(probed: &ProbedPool, assigned: &Assigned) -> PoolStatus {
    let pool = &probed.pool;
    let Inventory { monitors, monitor_groups, .. } = &*assigned.inventory;
    let monitor = pool.monitor.and_then(|id| monitors.find(id));
    let group = pool.monitor_group.and_then(|id| monitor_groups.find(id));
    let judged = Judged::new(probed, Moment { instant: Instant::now(), unix: now() });
    let origins = pool.origins.iter().zip(&probed.origins);
    PoolStatus {
        name: pool.name.clone(),
        id: pool.id.to_string(),
        state: PoolState::of(&judged).word().to_owned(),
        minimum_origins: pool.minimum_origins,
        monitor: monitor.map(|monitor| monitor.name.clone()),
        monitor_group: group.map(|group| group.label().to_owned()),
        lever: lever_status(probed, None),
        origins: origins
            .map(|(origin, one)| OriginStatus {
                lever: lever_status(probed, Some(&origin.name)),
                ..origin_status(pool, origin, one, &assigned.inventory)
            })
            .collect(),
    }
}

/// One origin.
fn origin_status(pool: &Pool, origin: &Origin, probed: &ProbedOrigin, inventory: &Inventory) -> OriginStatus {
    let endpoints = match probed {
        ProbedOrigin::Host(endpoints) => &**endpoints,
        ProbedOrigin::Address(_) | ProbedOrigin::Awaited | ProbedOrigin::Lost(_) => &[],
    };
    let address_status = |endpoint: &Endpoint| {
        let cell = endpoint.checks.telling();
        AddressStatus {
            address: endpoint.address,
            verdict: endpoint.checks.verdict().map_or(NOT_MONITORED, Verdict::word).to_owned(),
            since: cell.and_then(|cell| cell.since()).and_then(timestamp),
            reason: reason(endpoint.checks.verdict(), endpoint.checks.reason()),
            last: cell.and_then(|cell| probe_status(cell)),
            members: members(&endpoint.checks, inventory),
        }
    };
    let checks = match probed {
        ProbedOrigin::Address(endpoint) => &endpoint.checks,
        ProbedOrigin::Host(_) | ProbedOrigin::Awaited | ProbedOrigin::Lost(_) => &Checks::None,
    };
    let cell = checks.telling();
    OriginStatus {
        name: origin.name.clone(),
        address: origin.address.to_string(),
        weight: origin.weight.value(),
        verdict: verdict(pool, origin, probed).to_owned(),
        since: cell.and_then(|cell| cell.since()).and_then(timestamp),
        reason: reason(probed.verdict(), probed.reason()),
        last: cell.and_then(|cell| probe_status(cell)),
        addresses: endpoints.iter().map(address_status).collect(),
        members: members(checks, inventory),
        lever: None,
    }
}

/// What each member of a monitor group says.
fn members(checks: &Checks, inventory: &Inventory) -> Vec<MemberStatus> {
    let Checks::Group(members) = checks else { return vec![] };
    let member = |Member { cell, vote }: &Member| MemberStatus {
        monitor: inventory.monitors.find(cell.key().monitor).map_or_else(String::new, |monitor| monitor.name.clone()),
        vote: vote.word().to_owned(),
        verdict: cell.verdict().word().to_owned(),
        since: cell.since().and_then(timestamp),
        last: probe_status(cell),
    };
    members.iter().map(member).collect()
}

/// The lever of an origin, or of the whole pool, that is in force.
fn lever_status(probed: &ProbedPool, origin: Option<&str>) -> Option<LeverStatus> {
    let Lever { action, reason, since, until } = probed.levers.as_ref()?.in_force(origin, now())?;
    let time = |moment: UnixMicros| Timestamp::from_microsecond(i64::try_from(moment.0).ok()?).ok();
    Some(LeverStatus {
        action: action.word().to_owned(),
        reason: reason.clone(),
        since: time(*since),
        until: until.and_then(time),
    })
}

/// All words that [`verdict`] has.
pub(super) const VERDICTS: &[&str] = &["up", "down", "unknown", NOT_MONITORED, "disabled"];

/// The word for what nothing probes.
const NOT_MONITORED: &str = "not monitored";

/// The verdict on an origin of a pool, in a word.
pub(super) fn verdict(pool: &Pool, origin: &Origin, probed: &ProbedOrigin) -> &'static str {
    if !pool.enabled || !origin.enabled {
        return "disabled";
    }
    probed.verdict().map_or(NOT_MONITORED, Verdict::word)
}

/// Why something is down, if it is.
fn reason(verdict: Option<Verdict>, reason: Option<FailReason>) -> Option<String> {
    reason.filter(|_| verdict == Some(Verdict::Down)).map(|reason| reason.words().to_owned())
}

/// What a target's last probe saw.
fn probe_status(cell: &TargetCell) -> Option<ProbeStatus> {
    let (outcome, at) = cell.last()?;
    Some(ProbeStatus {
        at: timestamp(at)?,
        reason: outcome.failure.map_or("No failures", |reason| reason.words()).to_owned(),
        code: outcome.code,
        rtt_ms: outcome.rtt.as_secs_f64() * 1000.0,
    })
}

/// All words that [`condition`] has.
pub(super) const CONDITIONS: &[&str] =
    &["ok", "fallback", "last resort", "exhausted", "not ready", "disabled", "delegated", "redirected", "no zone"];

/// What a load balancer answers from now, in a word; and in full if it answers.
pub(super) fn condition(load_balancer: &LoadBalancer, table: &RecordTable) -> (&'static str, Option<Condition>) {
    match lookup(table, &table.hashed_name(&load_balancer.name), Rtype::A) {
        _ if !load_balancer.enabled => ("disabled", None),
        Found::Node { node, .. } => {
            let condition = node.slot().map_or(Condition::NotReady, |slot| Condition::of(&slot.load()));
            (condition.word(), Some(condition))
        }
        Found::Cut { .. } => ("delegated", None),
        Found::Dname { .. } => ("redirected", None),
        Found::Absent(_) => ("no zone", None),
        // It has just been declared.
        Found::NxDomain { .. } | Found::NotOurs => (Condition::NotReady.word(), None),
    }
}

/// A time for people; none where it is out of any calendar's range.
fn timestamp(time: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}
