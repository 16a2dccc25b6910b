//! Which origins may answer for a load balancer, for one address family: pool, then fallback, then last resort.

use std::net::IpAddr;

use crate::model::id::PoolId;
use crate::model::lever::LeverAction;
use crate::model::load_balancer::SteeringPolicy;
use crate::model::pool::{Origin, Pool, Weight};
use crate::model::rrset::Rtype;
use crate::model::verdict::Verdict;

/// An address family.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Family {
    /// IPv4, asked for by A.
    V4,
    /// IPv6, asked for by AAAA.
    V6,
}

impl Family {
    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The type of its address records.
    pub const fn rtype(self) -> Rtype {
        match self {
            Self::V4 => Rtype::A,
            Self::V6 => Rtype::AAAA,
        }
    }
}

/// A pool with what is known of its origins.
pub trait PoolHealth {
    /// The pool.
    fn pool(&self) -> &Pool;

    /// The lever of the pool that is in force.
    fn lever(&self) -> Option<LeverAction>;

    /// The lever of the origin at an index that is in force.
    fn origin_lever(&self, origin: usize) -> Option<LeverAction>;

    /// The addresses of the origin at an index, each with what is thought of it. Levers of its and of the pool that force it up
    /// or down are in that already.
    fn addresses(&self, origin: usize) -> impl Iterator<Item = (IpAddr, Judgement)>;

    /// The verdict on the origin at an index, that of its best address; none where health is not considered.
    fn origin_verdict(&self, origin: usize) -> Option<Verdict>;

    /// Whether health is considered: not without a monitor, nor where no member of the monitor group has a vote. Levers have
    /// no part in it.
    fn considers_health(&self) -> bool;
}

/// What is thought of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// The verdict on it; none where health is not considered, because nothing that probes it
    /// decides.
    pub verdict: Option<Verdict>,
    /// How many of [`SLOW_START_STEPS`](crate::model::pool::SLOW_START_STEPS) steps it has taken to its weight.
    pub steps: u32,
}

/// Where the origins of an answer come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Source {
    /// A pool that is usable.
    Pool,
    /// The pool that was chosen, or every pool, has no origin of this family in service: no address, and nothing wrong.
    NoFamily,
    /// No pool is usable: healthy origins of the fallback pool.
    Fallback,
    /// Nothing is healthy in either family: all enabled origins of the fallback pool.
    LastResort,
    /// No pool is usable and the fallback pool has nothing to give: no address.
    Exhausted,
}

/// The addresses that may answer, all of one family and of origins with a weight above zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selection<'p> {
    /// Where they come from.
    pub source: Source,
    /// The pool that was chosen, if one was.
    pub pool: Option<PoolId>,
    /// The addresses, in the order of the pool's origins.
    pub candidates: Vec<Candidate<'p>>,
}

/// One address of an origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate<'p> {
    /// The origin.
    pub origin: &'p Origin,
    /// The address.
    pub address: IpAddr,
    /// How many of [`SLOW_START_STEPS`](crate::model::pool::SLOW_START_STEPS) steps it has taken to its weight.
    pub steps: u32,
}

/// Why a default pool does not answer for a family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PassedOver {
    /// It is disabled.
    Disabled,
    /// A lever keeps it out.
    Lever(LeverAction),
    /// Fewer of its origins are healthy than it needs.
    TooFewHealthy {
        /// How many are.
        healthy: usize,
        /// How many it needs.
        minimum: usize,
    },
    /// No origin of it is healthy and takes traffic.
    NothingToGive,
    /// It has origins of the family, and none of them can answer.
    FamilyDown,
}

/// Why an address is not among those that answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeftOut {
    /// Its origin is disabled.
    Disabled,
    /// Its origin has the weight 0.
    Weightless,
    /// A lever keeps its origin out.
    Lever(LeverAction),
    /// It is of the other family.
    OtherFamily,
    /// It is not up.
    Unhealthy(Verdict),
    /// Another origin of the pool has it too.
    Twin,
}

/// Selects the addresses that answer for `family`.
pub fn select<'p, P: PoolHealth>(
    policy: SteeringPolicy,
    pools: &[&'p P],
    fallback: &'p P,
    family: Family,
) -> Selection<'p> {
    let found = match policy {
        // The others are kept for those who ask for them, and answered in order until they are built.
        SteeringPolicy::Off
        | SteeringPolicy::Geo
        | SteeringPolicy::Random
        | SteeringPolicy::DynamicLatency
        | SteeringPolicy::Proximity
        | SteeringPolicy::LeastOutstandingRequests
        | SteeringPolicy::LeastConnections => pools.iter().find_map(|pool| from_pool(*pool, family).ok()),
    };
    let mut selection = found.unwrap_or_else(|| from_fallback(pools, fallback, family));
    // A pool before it has the family in service, and could not answer: that is trouble, not how the pools are meant.
    let passed_over = pools.iter().take_while(|pool| Some(pool.pool().id) != selection.pool);
    if selection.source == Source::NoFamily && passed_over.into_iter().any(|pool| has_family(*pool, family)) {
        selection.source = Source::Exhausted;
    }
    selection
}

/// What a default pool gives; or why steering has to go on to the next.
pub(in crate::steering) fn from_pool<P: PoolHealth>(health: &P, family: Family) -> Result<Selection<'_>, PassedOver> {
    let pool = health.pool();
    // Health of the pool counts origins of both families; so does whether it can return anything. Where there is no
    // monitor health is not considered at all, thus there is no minimum either.
    let is_counted = health.considers_health() && health.lever() != Some(LeverAction::Up);
    let minimum = if is_counted { usize::try_from(pool.minimum_origins).unwrap_or(usize::MAX) } else { 0 };
    let healthy = || pool.origins.iter().enumerate().filter(|origin| is_healthy(health, origin));
    match health.lever() {
        _ if !pool.enabled => return Err(PassedOver::Disabled),
        Some(lever @ (LeverAction::Down | LeverAction::Drain)) => return Err(PassedOver::Lever(lever)),
        _ if healthy().count() < minimum => {
            return Err(PassedOver::TooFewHealthy { healthy: healthy().count(), minimum });
        }
        _ if !healthy().any(|origin| takes_traffic(health, &origin)) => return Err(PassedOver::NothingToGive),
        _ => {}
    }
    if !pool.origins.iter().enumerate().any(|(index, _)| is_of(health, index, family)) {
        return Ok(Selection { source: Source::NoFamily, pool: Some(pool.id), candidates: vec![] });
    }
    let candidates = candidates(health, family, is_usable);
    if candidates.is_empty() {
        return Err(PassedOver::FamilyDown);
    }
    Ok(Selection { source: Source::Pool, pool: Some(pool.id), candidates })
}

/// What the fallback pool gives when no default pool can.
fn from_fallback<'p, P: PoolHealth>(pools: &[&'p P], fallback: &'p P, family: Family) -> Selection<'p> {
    let pool = fallback.pool();
    // Where no pool has the family in service, health has no part in it.
    if !pools.iter().chain([&fallback]).any(|health| has_family(*health, family)) {
        return Selection { source: Source::NoFamily, pool: None, candidates: vec![] };
    }
    let exhausted = Selection { source: Source::Exhausted, pool: None, candidates: vec![] };
    if is_withdrawn(fallback) {
        return exhausted;
    }
    let healthy = candidates(fallback, family, is_usable);
    if !healthy.is_empty() {
        return Selection { source: Source::Fallback, pool: Some(pool.id), candidates: healthy };
    }
    // The last resort is for when health knows of no way at all: as long as any origin of either family is healthy,
    // clients can be served by it, and this family has no address.
    let anything_healthy = pools.iter().chain([&fallback]).any(|health| has_healthy(*health));
    let all = candidates(fallback, family, |_| true);
    if anything_healthy || all.is_empty() {
        return exhausted;
    }
    Selection { source: Source::LastResort, pool: Some(pool.id), candidates: all }
}

/// The addresses of a family that take traffic and whose verdict will do. One that several origins have is the first one's.
fn candidates<P: PoolHealth>(
    health: &P,
    family: Family,
    will_do: impl Fn(Option<Verdict>) -> bool,
) -> Vec<Candidate<'_>> {
    let mut found: Vec<Candidate<'_>> = Vec::new();
    for (index, origin) in health.pool().origins.iter().enumerate() {
        if kept_away(health, &(index, origin)).is_some() {
            continue;
        }
        for (address, Judgement { verdict, steps }) in health.addresses(index) {
            // Only names of hosts can lead to the same address; a record stands in a set once (RFC 2181 §5).
            let is_taken = || origin.address.ip().is_none() && found.iter().any(|other| other.address == address);
            if Family::of(address) == family && will_do(verdict) && !is_taken() {
                found.push(Candidate { origin, address, steps });
            }
        }
    }
    found
}

/// Why an address is not among those of `selection`, which is of its pool; none if it is, or if that pool gives none.
pub(in crate::steering) fn left_out<P: PoolHealth>(
    health: &P,
    (index, origin): (usize, &Origin),
    (address, judgement): (IpAddr, Judgement),
    (family, selection): (Family, &Selection<'_>),
) -> Option<LeftOut> {
    let is_candidate = |one: &Candidate<'_>| one.address == address && std::ptr::eq(one.origin, origin);
    let wrong_family = (Family::of(address) != family).then_some(LeftOut::OtherFamily);
    let unhealthy = || match judgement.verdict {
        Some(verdict @ (Verdict::Down | Verdict::Unknown)) => Some(LeftOut::Unhealthy(verdict)),
        Some(Verdict::Up) | None => None,
    };
    match kept_away(health, &(index, origin)).or(wrong_family) {
        _ if selection.candidates.iter().any(is_candidate) => None,
        Some(why) => Some(why),
        None => unhealthy().or_else(|| (!selection.candidates.is_empty()).then_some(LeftOut::Twin)),
    }
}

/// Whether any origin of an enabled pool is healthy.
fn has_healthy<P: PoolHealth>(health: &P) -> bool {
    !is_withdrawn(health) && health.pool().origins.iter().enumerate().any(|origin| is_healthy(health, &origin))
}

/// Whether a pool has an origin of a family in service: neither disabled nor drained, and the pool neither.
fn has_family<P: PoolHealth>(health: &P, family: Family) -> bool {
    let in_service = |origin: (usize, &Origin)| takes_traffic(health, &origin) && is_of(health, origin.0, family);
    !is_withdrawn(health) && health.pool().origins.iter().enumerate().any(in_service)
}

/// Whether nothing of a pool is answered, whatever else there is.
fn is_withdrawn<P: PoolHealth>(health: &P) -> bool {
    !health.pool().enabled || health.lever() == Some(LeverAction::Down)
}

/// Whether an origin has an address of a family.
fn is_of<P: PoolHealth>(health: &P, origin: usize, family: Family) -> bool {
    health.addresses(origin).any(|(address, _)| Family::of(address) == family)
}

/// Enabled, and one of its addresses is usable.
fn is_healthy<P: PoolHealth>(health: &P, (index, origin): &(usize, &Origin)) -> bool {
    origin.enabled && health.addresses(*index).any(|(_, judgement)| is_usable(judgement.verdict))
}

/// Up if monitored. A target without a verdict counts as not healthy, as in the original.
fn is_usable(verdict: Option<Verdict>) -> bool {
    verdict.is_none_or(|verdict| verdict == Verdict::Up)
}

/// Enabled, of some weight, and with no lever that keeps traffic away.
fn takes_traffic<P: PoolHealth>(health: &P, origin: &(usize, &Origin)) -> bool {
    kept_away(health, origin).is_none()
}

/// Why an origin takes no traffic, whatever probes say; none if it does.
fn kept_away<P: PoolHealth>(health: &P, (index, origin): &(usize, &Origin)) -> Option<LeftOut> {
    match health.origin_lever(*index) {
        _ if !origin.enabled => Some(LeftOut::Disabled),
        _ if origin.weight == Weight::ZERO => Some(LeftOut::Weightless),
        Some(lever @ (LeverAction::Down | LeverAction::Drain)) => Some(LeftOut::Lever(lever)),
        Some(LeverAction::Up) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::id::{MonitorId, PoolId};
    use crate::model::kept::Kept;
    use crate::model::pool::{Address, SLOW_START_STEPS};

    /// A pool written as one word an origin: `name`, `+` up, `-` down, `?` unknown, `=` no monitor, then flags `6` for IPv6, `0` for
    /// weight zero, `x` for disabled, `u`, `d` and `D` for levers: up, down and drain.
    struct Fake {
        pool: Pool,
        verdicts: Vec<Option<Verdict>>,
        lever: Option<LeverAction>,
        levers: Vec<Option<LeverAction>>,
    }

    impl Fake {
        /// What a lever that forces something makes of a verdict.
        fn forced(&self, origin: usize) -> Option<Verdict> {
            match (self.levers[origin], self.lever) {
                (Some(LeverAction::Up), _) | (None, Some(LeverAction::Up)) => Some(Verdict::Up),
                (Some(LeverAction::Down), _) => Some(Verdict::Down),
                _ => self.verdicts[origin],
            }
        }
    }

    impl PoolHealth for Fake {
        fn pool(&self) -> &Pool {
            &self.pool
        }
        fn lever(&self) -> Option<LeverAction> {
            self.lever
        }
        fn origin_lever(&self, origin: usize) -> Option<LeverAction> {
            self.levers[origin]
        }
        fn addresses(&self, origin: usize) -> impl Iterator<Item = (IpAddr, Judgement)> {
            let judgement = Judgement { verdict: self.forced(origin), steps: SLOW_START_STEPS };
            self.pool.origins[origin].address.ip().map(|address| (address, judgement)).into_iter()
        }
        fn origin_verdict(&self, origin: usize) -> Option<Verdict> {
            self.forced(origin)
        }
        fn considers_health(&self) -> bool {
            self.pool.is_monitored()
        }
    }

    fn pool(minimum: u32, words: &str) -> Fake {
        let (mut verdicts, mut levers) = (vec![], vec![]);
        let mut origins = vec![];
        for word in words.split_whitespace() {
            let at = word.find(['+', '-', '?', '=']).unwrap();
            let flags = &word[at..];
            verdicts.push(match &flags[..1] {
                "+" => Some(Verdict::Up),
                "-" => Some(Verdict::Down),
                "?" => Some(Verdict::Unknown),
                _ => None,
            });
            levers.push(match flags {
                _ if flags.contains('u') => Some(LeverAction::Up),
                _ if flags.contains('d') => Some(LeverAction::Down),
                _ if flags.contains('D') => Some(LeverAction::Drain),
                _ => None,
            });
            origins.push(Origin {
                name: word[..at].into(),
                address: Address::Ip(if flags.contains('6') { "2001:db8::1" } else { "192.0.2.1" }.parse().unwrap()),
                probe_address: None,
                enabled: !flags.contains('x'),
                weight: if flags.contains('0') { Weight::ZERO } else { Weight::ONE },
                host: None,
                kept: Kept::default(),
            });
        }
        let pool = Pool {
            id: PoolId::declared(words),
            name: words.into(),
            description: String::new(),
            enabled: true,
            minimum_origins: minimum,
            slow_start: Duration::ZERO,
            monitor: verdicts.iter().any(Option::is_some).then(|| MonitorId::declared("m")),
            monitor_group: None,
            origins,
            kept: Kept::default(),
        };
        Fake { pool, verdicts, lever: None, levers }
    }

    fn off(pools: &[&Fake], fallback: &Fake, family: Family) -> String {
        let selection = select(SteeringPolicy::Off, pools, fallback, family);
        let names: Vec<&str> = selection.candidates.iter().map(|candidate| candidate.origin.name.as_str()).collect();
        format!("{:?} {}", selection.source, names.join(",")).trim_end().to_owned()
    }

    fn disabled(mut fake: Fake) -> Fake {
        fake.pool.enabled = false;
        fake
    }

    #[test]
    fn ordered_failover() {
        let fallback = pool(1, "f+ g+6");
        for (what, pools, v4, v6) in [
            ("all healthy", vec![pool(1, "a+ b+ c+6")], "Pool a,b", "Pool c"),
            ("one down", vec![pool(1, "a+ b- c+6")], "Pool a", "Pool c"),
            ("unknown is not healthy", vec![pool(1, "a+ b?")], "Pool a", "NoFamily"),
            ("no monitor, no health", vec![pool(1, "a= b=x c=6")], "Pool a", "Pool c"),
            ("no monitor, no minimum", vec![pool(3, "a= b=6")], "Pool a", "Pool b"),
            ("disabled and drained stay out", vec![pool(1, "a+x b+0 c+")], "Pool c", "NoFamily"),
            ("below the minimum", vec![pool(2, "a+ b-"), pool(1, "c+")], "Pool c", "NoFamily"),
            ("the minimum counts both families", vec![pool(2, "a+ b+6"), pool(1, "c+")], "Pool a", "Pool b"),
            ("drained origins count as healthy", vec![pool(2, "a+ b+0")], "Pool a", "NoFamily"),
            ("a disabled pool is passed over", vec![disabled(pool(1, "a+")), pool(1, "b+")], "Pool b", "NoFamily"),
            ("a family that is all down goes on", vec![pool(1, "a+ b-6"), pool(1, "c+ d+6")], "Pool a", "Pool d"),
            ("a family that is not there does not", vec![pool(1, "a+"), pool(1, "c+ d+6")], "Pool a", "NoFamily"),
            ("a family that is down and has no next", vec![pool(1, "a+ b-6"), pool(1, "c+")], "Pool a", "Exhausted"),
            ("a drained family goes on", vec![pool(1, "a+ b+60"), pool(1, "c+6")], "Pool a", "Pool c"),
            ("minimum 0 cannot answer with nothing", vec![pool(0, "a- b-"), pool(1, "c+")], "Pool c", "NoFamily"),
            ("all weights zero gets no traffic", vec![pool(1, "a+0"), pool(1, "c+")], "Pool c", "NoFamily"),
            ("nothing usable", vec![pool(1, "a- b-6")], "Fallback f", "Fallback g"),
        ] {
            let pools: Vec<&Fake> = pools.iter().collect();
            assert_eq!(off(&pools, &fallback, Family::V4), v4, "{what}");
            assert_eq!(off(&pools, &fallback, Family::V6), v6, "{what}");
        }
    }

    #[test]
    fn levers_outrank_verdicts() {
        let pulled = |lever, fake: Fake| Fake { lever: Some(lever), ..fake };
        for (what, first, second, v4) in [
            ("forced up", pool(1, "a-u b-"), pool(1, "c+"), "Pool a"),
            ("forced down", pool(1, "a+d b+"), pool(1, "c+"), "Pool b"),
            ("forced down counts as down", pool(2, "a+d b+"), pool(1, "c+"), "Pool c"),
            ("drained counts as what it is", pool(2, "a+D b+"), pool(1, "c+"), "Pool b"),
            ("drained while down", pool(2, "a-D b+"), pool(1, "c+"), "Pool c"),
            ("a pool forced up", pulled(LeverAction::Up, pool(2, "a- b-")), pool(1, "c+"), "Pool a,b"),
            ("but not its origin that is down", pulled(LeverAction::Up, pool(2, "a+d b-")), pool(1, "c+"), "Pool b"),
            ("a pool forced down", pulled(LeverAction::Down, pool(1, "a+")), pool(1, "c+"), "Pool c"),
            ("a drained pool", pulled(LeverAction::Drain, pool(1, "a+")), pool(1, "c+"), "Pool c"),
            ("no pool: the fallback", pulled(LeverAction::Drain, pool(1, "a+")), pool(1, "c-"), "Fallback f"),
        ] {
            assert_eq!(off(&[&first, &second], &pool(1, "f+"), Family::V4), v4, "{what}");
        }
        for (what, fallback, v4) in [
            ("a drained fallback is one", pulled(LeverAction::Drain, pool(1, "f+ g-")), "Fallback f"),
            ("one that is forced down is none", pulled(LeverAction::Down, pool(1, "f+")), "Exhausted"),
            ("forced down even in the last resort", pool(1, "f-d g-"), "LastResort g"),
            ("drained even in the last resort", pool(1, "f-D g-"), "LastResort g"),
            ("forced up in the fallback", pool(1, "f-u g-"), "Fallback f"),
        ] {
            assert_eq!(off(&[&pool(1, "a-")], &fallback, Family::V4), v4, "{what}");
        }
    }

    #[test]
    fn fallback_and_last_resort() {
        for (what, pools, fallback, v4, v6) in [
            ("its threshold is ignored", pool(1, "a-"), pool(9, "f+ g-"), "Fallback f", "NoFamily"),
            ("all down: all enabled", pool(1, "a- b-6"), pool(1, "f- g?  h-x i-6"), "LastResort f,g", "LastResort i"),
            ("drained stays out even then", pool(1, "a-"), pool(1, "f-0 g-"), "LastResort g", "NoFamily"),
            ("v6 healthy somewhere: no last resort", pool(2, "a- b+6"), pool(1, "f-"), "Exhausted", "Exhausted"),
            ("v6 healthy in the fallback", pool(1, "a-"), pool(1, "f- g+6"), "Exhausted", "Fallback g"),
            ("out of service is not missed", pool(1, "a+ b+6x"), pool(1, "f+ g+60"), "Pool a", "NoFamily"),
            ("disabled fallback", pool(1, "a-"), disabled(pool(1, "f+")), "Exhausted", "NoFamily"),
        ] {
            assert_eq!(off(&[&pools], &fallback, Family::V4), v4, "{what}");
            assert_eq!(off(&[&pools], &fallback, Family::V6), v6, "{what}");
        }
    }
}
