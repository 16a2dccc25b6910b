//! Compiles a live answer: everything that the queries for a live name need, prepared when health or inventory
//! changes. The same input gives the same answer.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU16;

use crate::model::id::PoolId;
use crate::model::limits::{HOST_ADDRESSES_MAX, UDP_PAYLOAD_DEFAULT};
use crate::model::load_balancer::{Answers, SteeringPolicy};
use crate::model::name::NAME_OCTETS_MAX;
use crate::model::pool::{Origin, Pool, SLOW_START_STEPS};
use crate::model::rrset::{RECORD_HEAD_OCTETS, Rtype, render_record};
use crate::model::verdict::Verdict;
use crate::steering::alias;
use crate::steering::draw::{Draws, draws};
use crate::steering::select::{Candidate, Family, PoolHealth, Selection, Source, select};
use crate::telemetry::series::SeriesId;

/// All that decides how a load balancer answers. Names with equal steering share one live answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Steering {
    /// How a pool is chosen.
    pub policy: SteeringPolicy,
    /// Pools in order of failover.
    pub default_pools: Vec<PoolId>,
    /// The pool that answers when no default pool can.
    pub fallback_pool: PoolId,
    /// TTL of the answers, in seconds.
    pub ttl: u32,
    /// How many addresses one answer has.
    pub answers: Answers,
}

/// What may be answered at a live name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LiveAnswer {
    /// Origins have not been probed yet, and guessing would be worse than asking for patience.
    NotReady,
    /// Addresses, or the knowledge that there are none.
    Ready(Addresses),
}

/// Prepared answers for both families.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Addresses {
    /// For A.
    pub v4: FamilyAnswer,
    /// For AAAA.
    pub v6: FamilyAnswer,
}

/// Prepared answers for one family.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FamilyAnswer {
    /// Where the addresses come from.
    pub source: Source,
    /// The pool that was chosen, if one was.
    pub pool: Option<PoolId>,
    /// What the pool's answers are counted by.
    pub series: SeriesId,
    /// Records of each answer; 0 is NODATA.
    pub count: u16,
    /// Octets of each answer.
    octets: u32,
    /// Octets of the alias table at the start of `prepared`.
    table_octets: u32,
    /// The alias table that draws the offset of an answer, then the rendered records, in one allocation. Each set of
    /// records stands there twice in a row, so that any rotation of it is one slice.
    prepared: Box<[u8]>,
}

/// Octets of an answer that are not address records, at the most: header, question, OPT, and its options.
const OVERHEAD_OCTETS: usize = 12 + NAME_OCTETS_MAX + 4 + 11 + 64;

impl FamilyAnswer {
    /// No address.
    fn none(source: Source, pool: Option<PoolId>) -> Self {
        Self { source, pool, series: SeriesId::NONE, count: 0, octets: 0, table_octets: 0, prepared: Box::default() }
    }

    /// The rendered records of one answer.
    pub fn draw(&self, random: u64) -> &[u8] {
        let Some((table, rendered)) = self.prepared.split_at_checked(self.table_octets as usize) else { return &[] };
        let Some(start) = alias::pick(table, random) else { return &[] };
        rendered.get(start as usize..(start + self.octets) as usize).unwrap_or_default()
    }

    /// All addresses that answers are drawn from, in order of their octets, each with its TTL.
    pub fn addresses(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let rendered = self.prepared.get(self.table_octets as usize..).unwrap_or_default();
        let count = usize::from(self.count).max(1);
        let records = rendered.chunks_exact((self.octets as usize / count).max(1));
        let all: BTreeSet<(&[u8], u32)> = records
            .filter_map(|record| {
                let ttl = record.get(6..10)?.first_chunk().map(|octets| u32::from_be_bytes(*octets))?;
                Some((record.get(RECORD_HEAD_OCTETS..)?, ttl))
            })
            .collect();
        all.into_iter().map(|(address, ttl)| (ttl, address))
    }
}

impl LiveAnswer {
    /// The same answer, counted by the number that `series` has for each pool.
    #[must_use]
    pub fn counted(mut self, series: impl Fn(PoolId) -> SeriesId) -> Self {
        if let Self::Ready(Addresses { v4, v6 }) = &mut self {
            for answer in [v4, v6] {
                answer.series = answer.pool.map_or(SeriesId::NONE, &series);
            }
        }
        self
    }

    /// The prepared answers for a family; none while not ready.
    pub const fn family(&self, family: Family) -> Option<&FamilyAnswer> {
        match (self, family) {
            (Self::NotReady, _) => None,
            (Self::Ready(addresses), Family::V4) => Some(&addresses.v4),
            (Self::Ready(addresses), Family::V6) => Some(&addresses.v6),
        }
    }
}

/// How far a live name may trust what is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patience {
    /// It has never answered: every target needs a verdict first.
    Start,
    /// It has answered before: what is known will do, unless it would come to the last resort.
    Running,
    /// Time is up: a missing verdict counts as not healthy.
    Over,
}

/// Compiles the answer of one steering. `pools` are its default pools in order.
pub fn compile<P: PoolHealth>(steering: &Steering, pools: &[&P], fallback: &P, patience: Patience) -> LiveAnswer {
    let undecided = || pools.iter().chain([&fallback]).any(|pool| is_undecided(*pool));
    if patience == Patience::Start && undecided() {
        return LiveAnswer::NotReady;
    }
    let family = |family| select(steering.policy, pools, fallback, family);
    let (mut v4, mut v6) = (family(Family::V4), family(Family::V6));
    let healthy = |selection: &Selection<'_>| matches!(selection.source, Source::Pool | Source::Fallback);
    if patience == Patience::Running && !healthy(&v4) && !healthy(&v6) && undecided() {
        return LiveAnswer::NotReady;
    }
    // A name that has nothing in service in either family is in trouble, whatever the reason.
    if v4.candidates.is_empty() && v6.candidates.is_empty() {
        (v4.source, v6.source) = (Source::Exhausted, Source::Exhausted);
    }
    let prepare = |selection, family| prepare_family(selection, family, steering.ttl, steering.answers);
    LiveAnswer::Ready(Addresses { v4: prepare(v4, Family::V4), v6: prepare(v6, Family::V6) })
}

/// Whether a target of an enabled pool has no verdict yet, or a host no addresses.
fn is_undecided<P: PoolHealth>(health: &P) -> bool {
    let Pool { enabled, origins, .. } = health.pool();
    let undecided = |(index, origin): (usize, &Origin)| {
        let addresses = health.addresses(index).map(|(_, judgement)| judgement.verdict);
        let mut verdicts = addresses.chain([health.origin_verdict(index)]);
        origin.enabled && verdicts.any(|verdict| verdict == Some(Verdict::Unknown))
    };
    *enabled && origins.iter().enumerate().any(undecided)
}

/// Renders a selection and prepares its draws.
fn prepare_family(selection: Selection<'_>, family: Family, ttl: u32, answers: Answers) -> FamilyAnswer {
    let Selection { source, pool, candidates } = selection;
    if candidates.is_empty() {
        return FamilyAnswer::none(source, pool);
    }
    let weights = shares(&candidates);
    let record_octets = record_octets(family);
    let Draws { sets, draws, shares } = draws(&weights, answer_count(answers, record_octets));
    let size = sets.first().map_or(0, Vec::len);
    let offset = |set: usize, first: usize| u32::try_from((set * 2 * size + first) * record_octets).unwrap_or(0);
    let outcomes: Vec<(u32, u64)> = draws.iter().map(|draw| (offset(draw.set, draw.first), draw.share)).collect();
    let table_octets = outcomes.len() * alias::ENTRY_OCTETS;
    let mut prepared = Vec::with_capacity(table_octets + sets.len() * 2 * size * record_octets);
    alias::render(&mut prepared, &outcomes, shares);
    for set in &sets {
        let start = prepared.len();
        for candidate in set.iter().filter_map(|index| candidates.get(*index)) {
            render_address(&mut prepared, candidate.address, ttl);
        }
        prepared.extend_from_within(start..);
    }
    FamilyAnswer {
        source,
        pool,
        series: SeriesId::NONE,
        count: u16::try_from(size).unwrap_or(u16::MAX),
        octets: u32::try_from(size * record_octets).unwrap_or(u32::MAX),
        table_octets: u32::try_from(table_octets).unwrap_or(u32::MAX),
        prepared: prepared.into(),
    }
}

/// The share of each candidate: the addresses of one origin have its weight together, as far as they are on their way to it.
fn shares(candidates: &[Candidate<'_>]) -> Vec<u32> {
    let weight = |candidate: &Candidate<'_>| candidate.origin.weight.hundredths();
    // Addresses of one origin follow each other.
    let of_one = |one: &Candidate<'_>, other: &Candidate<'_>| std::ptr::eq(one.origin, other.origin);
    let counts = || candidates.chunk_by(of_one).map(|group| u32::try_from(group.len()).unwrap_or(u32::MAX));
    let unit = counts().fold(1, least_common_multiple);
    let is_starting = candidates.iter().any(|one| one.steps < SLOW_START_STEPS);
    let steps = |candidate: &Candidate<'_>| if is_starting { candidate.steps } else { 1 };
    let groups = candidates.chunk_by(of_one).zip(counts());
    groups.flat_map(|(group, count)| group.iter().map(move |one| weight(one) * (unit / count) * steps(one))).collect()
}

/// The least common multiple of numbers up to [`HOST_ADDRESSES_MAX`], thus at most 840.
const fn least_common_multiple(one: u32, other: u32) -> u32 {
    let (mut divisor, mut rest) = (one, other);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    one / divisor * other
}

// The sum of all weights of a pool stays below 2^28, so that products of two sums fit into 64 bits.
const _: () = assert!(HOST_ADDRESSES_MAX <= 8);

/// Octets of one rendered address record.
const fn record_octets(family: Family) -> usize {
    RECORD_HEAD_OCTETS
        + match family {
            Family::V4 => 4,
            Family::V6 => 16,
        }
}

/// How many records an answer has at the most: what is asked for, as far as it fits into an unfragmented datagram
/// whatever the name.
fn answer_count(answers: Answers, record_octets: usize) -> usize {
    let fitting = (usize::from(UDP_PAYLOAD_DEFAULT) - OVERHEAD_OCTETS) / record_octets;
    match answers {
        Answers::All => fitting,
        Answers::Count(count) => usize::from(NonZeroU16::get(count)).min(fitting),
    }
}

/// Appends an A or AAAA record.
fn render_address(octets: &mut Vec<u8>, address: IpAddr, ttl: u32) {
    let rendered = match address {
        IpAddr::V4(address) => render_record(octets, Rtype::A, ttl, &address.octets()),
        IpAddr::V6(address) => render_record(octets, Rtype::AAAA, ttl, &address.octets()),
    };
    debug_assert!(rendered.is_some(), "an address is short");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::model::kept::Kept;
    use crate::model::lever::LeverAction;
    use crate::model::pool::Weight;
    use crate::steering::select::Judgement;

    struct Fake(Pool, Vec<Option<Verdict>>);

    impl PoolHealth for Fake {
        fn pool(&self) -> &Pool {
            &self.0
        }
        fn lever(&self) -> Option<LeverAction> {
            None
        }
        fn origin_lever(&self, _: usize) -> Option<LeverAction> {
            None
        }
        fn addresses(&self, origin: usize) -> impl Iterator<Item = (IpAddr, Judgement)> {
            let judgement = Judgement { verdict: self.1[origin], steps: SLOW_START_STEPS };
            self.0.origins[origin].address.ip().map(|address| (address, judgement)).into_iter()
        }
        fn origin_verdict(&self, origin: usize) -> Option<Verdict> {
            self.1[origin]
        }
        fn considers_health(&self) -> bool {
            self.0.is_monitored()
        }
    }

    fn fake(weights: &[f64], verdict: Verdict) -> Fake {
        let origin = |(index, weight): (usize, &f64)| Origin {
            name: index.to_string(),
            address: [192, 0, 2, u8::try_from(index).unwrap()].into(),
            probe_address: None,
            enabled: true,
            weight: Weight::try_new(*weight).unwrap(),
            host: None,
            kept: Kept::default(),
        };
        let pool = Pool {
            id: PoolId::declared("p"),
            name: "p".into(),
            description: String::new(),
            enabled: true,
            minimum_origins: 1,
            slow_start: Duration::ZERO,
            monitor: None,
            monitor_group: None,
            origins: weights.iter().enumerate().map(origin).collect(),
            kept: Kept::default(),
        };
        Fake(pool, vec![Some(verdict); weights.len()])
    }

    fn steering(answers: Answers) -> Steering {
        let id = PoolId::declared("p");
        Steering { policy: SteeringPolicy::Off, default_pools: vec![id], fallback_pool: id, ttl: 30, answers }
    }

    fn compiled(fake: &Fake, answers: Answers) -> FamilyAnswer {
        let answer = compile(&steering(answers), &[fake], fake, Patience::Start);
        answer.family(Family::V4).unwrap().clone()
    }

    #[test]
    fn addresses_of_one_host_have_its_weight_together() {
        let mut pool = fake(&[0.5, 1.0, 0.25], Verdict::Up).0;
        for (index, origin) in pool.origins.iter_mut().enumerate() {
            origin.name = index.to_string();
        }
        let candidates: Vec<Candidate<'_>> = [(0, 1), (1, 2), (1, 3), (1, 4), (2, 5), (2, 6)]
            .map(|(origin, last)| Candidate {
                origin: &pool.origins[origin],
                address: [192, 0, 2, last].into(),
                steps: SLOW_START_STEPS,
            })
            .to_vec();
        // 50 : 100 : 25, the second among three, the third among two.
        let shares = shares(&candidates);
        let sum = |range: std::ops::Range<usize>| f64::from(shares[range].iter().sum::<u32>());
        assert!((sum(1..4) / sum(0..1) - 2.0).abs() < 1e-9 && (sum(4..6) / sum(0..1) - 0.5).abs() < 1e-9);
        assert!(shares[1] == shares[2] && shares[2] == shares[3] && shares[4] == shares[5]);
        assert_eq!(super::shares(&candidates[..1]), [50], "addresses by themselves keep their weights");
        let back = Candidate { steps: 3, ..candidates[1] };
        assert_eq!(super::shares(&[candidates[0], back]), [500, 300], "three of ten steps");
    }

    /// The last octet of each address of an answer.
    fn hosts(rendered: &[u8]) -> Vec<u8> {
        rendered.chunks(16).map(|record| record[15]).collect()
    }

    /// Draws evenly over the range of random numbers.
    fn drawn(answer: &FamilyAnswer, count: u64) -> impl Iterator<Item = Vec<u8>> {
        (0..count).map(move |i| hosts(answer.draw((i * (u64::MAX / count)).rotate_left(7))))
    }

    #[test]
    fn all_addresses_in_rotation() {
        let answer = compiled(&fake(&[1.0, 1.0, 1.0], Verdict::Up), Answers::All);
        assert_eq!((answer.source, answer.count), (Source::Pool, 3));
        let mut seen: Vec<Vec<u8>> = drawn(&answer, 1000).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen, [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
        let expected = b"\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02\0";
        assert_eq!(&answer.prepared[answer.table_octets as usize..][..16], expected);
    }

    #[test]
    fn first_places_follow_the_weights() {
        let answer = compiled(&fake(&[1.0, 0.5, 0.5], Verdict::Up), Answers::All);
        let mut first = BTreeMap::new();
        drawn(&answer, 100_000).for_each(|hosts| *first.entry(hosts[0]).or_insert(0) += 1);
        for (host, share) in [(0, 50_000), (1, 25_000), (2, 25_000)] {
            assert!(i32::abs(first[&host] - share) < 500, "{first:?}");
        }
    }

    #[test]
    fn a_number_of_answers() {
        let one = compiled(&fake(&[1.0, 1.0], Verdict::Up), Answers::Count(NonZeroU16::MIN));
        assert!(drawn(&one, 100).all(|hosts| hosts.len() == 1));
        let more = compiled(&fake(&[1.0, 1.0], Verdict::Up), Answers::Count(NonZeroU16::new(5).unwrap()));
        assert!(drawn(&more, 100).all(|hosts| hosts.len() == 2));
    }

    #[test]
    fn all_addresses_that_can_be_drawn() {
        for (count, answers) in [(3, Answers::All), (3, Answers::Count(NonZeroU16::MIN)), (200, Answers::All)] {
            let answer = compiled(&fake(&vec![1.0; count], Verdict::Up), answers);
            let hosts: Vec<(u32, usize)> = answer.addresses().map(|(ttl, octets)| (ttl, octets[3].into())).collect();
            assert_eq!(hosts, (0..count).map(|host| (30, host)).collect::<Vec<_>>(), "{answers:?}");
        }
        assert_eq!(FamilyAnswer::none(Source::NoFamily, None).addresses().count(), 0);
    }

    #[test]
    fn many_origins_are_as_many_as_fit() {
        let answer = compiled(&fake(&[1.0; 200], Verdict::Up), Answers::All);
        assert_eq!(answer.count, 55);
        assert!(drawn(&answer, 500).all(|hosts| hosts.len() == 55));
    }

    #[test]
    fn a_name_with_nothing_in_service_is_exhausted() {
        let mut out_of_service = fake(&[1.0], Verdict::Up);
        out_of_service.0.enabled = false;
        let answer = compiled(&out_of_service, Answers::All);
        assert_eq!((answer.source, answer.count), (Source::Exhausted, 0));
    }

    #[test]
    fn patience() {
        let (unknown, up) = (fake(&[1.0], Verdict::Unknown), fake(&[1.0], Verdict::Up));
        let steering = steering(Answers::All);
        let ready = |pools: &[&Fake], fallback, patience| {
            compile(&steering, pools, fallback, patience).family(Family::V4).map(|answer| answer.source)
        };
        for (patience, pools, fallback, expected) in [
            (Patience::Start, [&up], &unknown, None),
            (Patience::Start, [&up], &up, Some(Source::Pool)),
            (Patience::Running, [&up], &unknown, Some(Source::Pool)),
            (Patience::Running, [&unknown], &up, Some(Source::Fallback)),
            (Patience::Running, [&unknown], &unknown, None),
            (Patience::Over, [&unknown], &unknown, Some(Source::LastResort)),
        ] {
            assert_eq!(ready(&pools, fallback, patience), expected, "{patience:?}");
        }
        let down = fake(&[1.0], Verdict::Down);
        assert_eq!(ready(&[&down], &down, Patience::Start), Some(Source::LastResort));
    }
}
