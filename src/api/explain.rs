//! What a name would be answered with now, and why: which pools and origins were considered, and what keeps each out. For
//! `pooldns explain`, through the control socket.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::api::exchange::Refusal;
use crate::api::v4::Context;
use crate::health::endpoint::{ProbedOrigin, ProbedPool};
use crate::health::schedule::Assigned;
use crate::model::lever::LeverAction;
use crate::model::load_balancer::LoadBalancer;
use crate::model::name::Name;
use crate::model::rrset::Rtype;
use crate::model::verdict::{FailReason, Verdict};
use crate::spec::record::{parse_type, type_name};
use crate::steering::compile::{FamilyAnswer, LiveAnswer};
use crate::steering::explain::{Considered, Explained, Part, explain};
use crate::steering::judged::{Judged, Moment};
use crate::steering::lookup::{Found, lookup};
use crate::steering::select::{Family, LeftOut, PassedOver, Source};
use crate::steering::table::{Absence, Node, RecordTable};
use crate::store::now;

/// What is to be explained.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainAsked {
    /// The name, absolute with or without a dot at its end.
    pub name: String,
    /// The type; A without it.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub rtype: Option<String>,
    /// Who would ask; without it somebody who may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
}

/// The explanation of an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// The name.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub rtype: String,
    /// What the answer is, in a sentence.
    pub answer: String,
    /// The addresses that answers are drawn from; empty unless a pool answers.
    pub addresses: Vec<IpAddr>,
    /// Their TTL, in seconds.
    pub ttl: Option<u32>,
    /// The load balancer, if one answers.
    pub load_balancer: Option<String>,
    /// Its pools in the order in which they are considered, the fallback last.
    pub pools: Vec<ExplainedPool>,
}

/// What a pool has to do with an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExplainedPool {
    /// Its name.
    pub name: String,
    /// Whether it is the fallback.
    pub is_fallback: bool,
    /// What it has to do with the answer, in words.
    pub part: String,
    /// The lever of the whole pool that is pulled.
    pub lever: Option<String>,
    /// Its addresses.
    pub addresses: Vec<ExplainedAddress>,
}

/// What an address has to do with an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExplainedAddress {
    /// Its origin.
    pub origin: String,
    /// It, or the name of a host that has none.
    pub address: String,
    /// What probes say: `up`, `down`, `unknown` or `not monitored`.
    pub verdict: String,
    /// Why it is down, if it is.
    pub reason: Option<String>,
    /// The lever of its origin that is pulled.
    pub lever: Option<String>,
    /// Whether it is among those that answer.
    pub is_answered: bool,
    /// What keeps it out; none if nothing does.
    pub left_out: Option<String>,
}

/// The route, for the control socket only.
pub(super) fn routes(context: Arc<Context>) -> Router {
    Router::new().route("/explain", get(answer)).with_state(context)
}

/// `GET /explain`
async fn answer(
    State(context): State<Arc<Context>>,
    Query(asked): Query<ExplainAsked>,
) -> Result<Json<Explanation>, (StatusCode, Json<Refusal>)> {
    let refused = |error: String| (StatusCode::BAD_REQUEST, Json(Refusal { error }));
    let ExplainAsked { name, rtype, client } = asked;
    let name = Name::parse(&name, None).map_err(|error| refused(format!("{name:?} is no name: {error}")))?;
    let rtype = rtype.unwrap_or_else(|| "A".to_owned());
    let rtype = parse_type(&rtype.to_ascii_uppercase()).ok_or_else(|| refused(format!("{rtype:?} is no type")))?;
    Ok(Json(explained(&name, rtype, client, &context.assigned(), &context.table.load())))
}

/// Explains what a name would be answered with now.
fn explained(
    name: &Name,
    rtype: Rtype,
    client: Option<IpAddr>,
    assigned: &Assigned,
    table: &RecordTable,
) -> Explanation {
    let found = lookup(table, &table.hashed_name(name), rtype);
    let plain = |answer: String| Explanation {
        name: name.to_string(),
        rtype: type_name(rtype),
        answer,
        addresses: vec![],
        ttl: None,
        load_balancer: None,
        pools: vec![],
    };
    if let Some(client) = client.filter(|client| !found.allows(*client)) {
        return plain(format!("REFUSED: {client} is not in the zone's allow_query"));
    }
    match found {
        Found::NotOurs => plain("REFUSED: the name is in none of the zones here".to_owned()),
        Found::Absent(absent) => plain(match absent.absence {
            Absence::NotTransferred => "SERVFAIL: its zone has not been transferred yet".to_owned(),
            Absence::Expired => "SERVFAIL: its zone has expired".to_owned(),
        }),
        Found::NxDomain { zone } => plain(format!("NXDOMAIN: there is no such name in {}", zone.zone().apex())),
        Found::Cut { cut, .. } => plain(format!("a referral: {} is delegated", cut.owner().name())),
        Found::Dname { dname, .. } => plain(format!("a DNAME: {} redirects what is below it", dname.owner().name())),
        Found::Node { node, .. } => {
            let family = [Family::V4, Family::V6].into_iter().find(|family| family.rtype() == rtype);
            match node.slot().zip(family) {
                Some((slot, family)) => live(plain(String::new()), node, &slot.load(), slot.ttl(), family, assigned),
                None => plain(static_answer(node, rtype)),
            }
        }
    }
}

/// What a name is answered with that is not live, or not for this type.
fn static_answer(node: &Node, rtype: Rtype) -> String {
    let owner = node.owner();
    let records = owner.rrset(rtype).map_or(0, |rrset| rrset.rdatas().count());
    let wanted = type_name(rtype);
    match records {
        0 if owner.rrset(Rtype::CNAME).is_some() && node.slot().is_none() => {
            "a CNAME, which no health has a part in; explain the name that it leads to".to_owned()
        }
        0 => format!("NODATA: there is no {wanted} record at this name"),
        count => format!("{count} static records: health has no part in them"),
    }
}

/// Explains a live answer.
fn live(
    explanation: Explanation,
    node: &Node,
    answer: &LiveAnswer,
    ttl: u32,
    family: Family,
    assigned: &Assigned,
) -> Explanation {
    let owner = node.owner().name();
    let Some(load_balancer) = assigned.inventory.load_balancer_named(&owner) else {
        return Explanation { answer: "a load balancer that has just gone".to_owned(), ..explanation };
    };
    let moment = Moment { instant: Instant::now(), unix: now() };
    let find = |id| assigned.pools.find(id).map(|probed| Judged::new(probed, moment));
    let LoadBalancer { default_pools, fallback_pool, steering_policy, .. } = &**load_balancer;
    let pools: Vec<Judged<'_>> = default_pools.iter().filter_map(|id| find(*id)).collect();
    let pools: Vec<&Judged<'_>> = pools.iter().collect();
    let Some(fallback) = find(*fallback_pool) else {
        return Explanation { answer: "SERVFAIL: its pools have just changed".to_owned(), ..explanation };
    };
    let (selection, explained) = explain(*steering_policy, &pools, &fallback, family);
    let last = explained.len().saturating_sub(1);
    let addresses = answer.family(family).map(addresses).unwrap_or_default();
    let words = match (answer, selection.source) {
        (LiveAnswer::NotReady, _) => "SERVFAIL: its origins have no verdicts yet".to_owned(),
        (_, Source::Pool) => "addresses of the first usable pool".to_owned(),
        (_, Source::Fallback) => "healthy addresses of the fallback: no default pool is usable".to_owned(),
        (_, Source::LastResort) => "all addresses of the fallback: nothing is healthy (last resort)".to_owned(),
        (_, Source::NoFamily) => "NODATA: what answers has no origin of this family".to_owned(),
        (_, Source::Exhausted) => "NODATA: no usable pool has anything of this family to give (exhausted)".to_owned(),
    };
    let shown = explained.iter().enumerate().map(|(index, one)| pool(one, index == last, assigned));
    Explanation {
        answer: words,
        ttl: (!addresses.is_empty()).then_some(ttl),
        addresses,
        load_balancer: Some(owner.to_string()),
        pools: shown.collect(),
        ..explanation
    }
}

/// The addresses that answers are drawn from.
fn addresses(answer: &FamilyAnswer) -> Vec<IpAddr> {
    let address = |octets: &[u8]| match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
    };
    answer.addresses().filter_map(|(_, octets)| address(octets)).collect()
}

/// What a pool has to do with an answer.
fn pool(explained: &Explained<'_, Judged<'_>>, is_fallback: bool, assigned: &Assigned) -> ExplainedPool {
    use crate::steering::select::PoolHealth as _;
    let Explained { health, part, addresses } = explained;
    let pool = health.pool();
    let probed = assigned.pools.find(pool.id).map(Arc::as_ref);
    let part = match part {
        Part::Answers => "answers".to_owned(),
        Part::NotReached if is_fallback => "not needed".to_owned(),
        Part::NotReached => "not reached: a pool before it answers".to_owned(),
        Part::Empty => "has nothing to give".to_owned(),
        Part::PassedOver(why) => format!("passed over: {}", passed_over(*why)),
    };
    ExplainedPool {
        name: pool.name.clone(),
        is_fallback,
        part,
        lever: health.lever().map(|lever| lever.word().to_owned()),
        addresses: addresses.iter().map(|one| address(one, health, probed)).collect(),
    }
}

/// Why a pool is passed over, in words.
fn passed_over(why: PassedOver) -> String {
    match why {
        PassedOver::Disabled => "it is disabled".to_owned(),
        PassedOver::Lever(LeverAction::Drain) => "it is drained (lever)".to_owned(),
        PassedOver::Lever(_) => "it is forced down (lever)".to_owned(),
        PassedOver::TooFewHealthy { healthy, minimum } => {
            format!("{healthy} of its origins are healthy, and it needs {minimum}")
        }
        PassedOver::NothingToGive => "none of its origins is healthy and takes traffic".to_owned(),
        PassedOver::FamilyDown => "none of its origins of this family can answer".to_owned(),
    }
}

/// What an address has to do with an answer.
fn address(considered: &Considered<'_>, health: &Judged<'_>, probed: Option<&ProbedPool>) -> ExplainedAddress {
    use crate::steering::select::PoolHealth as _;
    let Considered { origin, address, judgement: _, is_answered, left_out } = considered;
    let index = health.pool().origins.iter().position(|one| one.name == origin.name);
    let one = index.and_then(|index| probed?.origins.get(index));
    let endpoints = one.map_or(&[][..], ProbedOrigin::endpoints);
    let endpoint = endpoints.iter().find(|endpoint| Some(endpoint.address) == *address);
    let verdict = match endpoint {
        Some(endpoint) => endpoint.checks.verdict(),
        None => one.and_then(ProbedOrigin::verdict),
    };
    let reason = endpoint.map_or_else(|| one.and_then(ProbedOrigin::reason), |endpoint| endpoint.checks.reason());
    ExplainedAddress {
        origin: origin.name.clone(),
        address: address.map_or_else(|| origin.address.to_string(), |address| address.to_string()),
        verdict: verdict.map_or("not monitored", Verdict::word).to_owned(),
        reason: reason.filter(|_| verdict == Some(Verdict::Down)).map(|reason| FailReason::words(reason).to_owned()),
        lever: index.and_then(|index| health.origin_lever(index)).map(|lever| lever.word().to_owned()),
        is_answered: *is_answered,
        left_out: match (left_out, address) {
            (Some(why), _) => Some(left_out_words(*why)),
            (None, None) => Some("its host has no known address".to_owned()),
            (None, Some(_)) => None,
        },
    }
}

/// Why an address is left out, in words.
fn left_out_words(why: LeftOut) -> String {
    match why {
        LeftOut::Disabled => "the origin is disabled".to_owned(),
        LeftOut::Weightless => "the origin has the weight 0".to_owned(),
        LeftOut::Lever(LeverAction::Drain) => "the origin is drained (lever)".to_owned(),
        LeftOut::Lever(_) => "the origin is forced down (lever)".to_owned(),
        LeftOut::OtherFamily => "it is of the other family".to_owned(),
        LeftOut::Unhealthy(verdict) => format!("it is {verdict}"),
        LeftOut::Twin => "another origin of the pool has it too".to_owned(),
    }
}
