//! Explains an answer: which pools and addresses were considered, and what kept each out. It asks the very functions that
//! select, so it cannot say something else than they do.

use std::net::IpAddr;

use crate::model::load_balancer::SteeringPolicy;
use crate::model::pool::Origin;
use crate::steering::select::{
    Family, Judgement, LeftOut, PassedOver, PoolHealth, Selection, Source, from_pool, left_out, select,
};

/// What a pool has to do with an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// It answers.
    Answers,
    /// It was considered, and something was in the way.
    PassedOver(PassedOver),
    /// Another one answers before it would be considered.
    NotReached,
    /// It is the fallback, was considered, and has nothing to give.
    Empty,
}

/// One address of a pool that was considered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Considered<'p> {
    /// Its origin.
    pub origin: &'p Origin,
    /// The address; none for a host that has none.
    pub address: Option<IpAddr>,
    /// What is thought of it; of a host without addresses, of that.
    pub judgement: Option<Judgement>,
    /// Whether it is among those that answer.
    pub is_answered: bool,
    /// What keeps it out, whatever its pool does; none if nothing does.
    pub left_out: Option<LeftOut>,
}

/// One pool that was considered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explained<'p, P> {
    /// The pool.
    pub health: &'p P,
    /// What it has to do with the answer.
    pub part: Part,
    /// Its addresses, in the order of its origins.
    pub addresses: Vec<Considered<'p>>,
}

/// Explains what is selected for `family`: the default pools in order, then the fallback.
pub fn explain<'p, P: PoolHealth>(
    policy: SteeringPolicy,
    pools: &[&'p P],
    fallback: &'p P,
    family: Family,
) -> (Selection<'p>, Vec<Explained<'p, P>>) {
    let selection = select(policy, pools, fallback, family);
    let mut is_over = false;
    let mut all: Vec<Explained<'p, P>> = Vec::with_capacity(pools.len() + 1);
    for health in pools {
        let part = match from_pool(*health, family) {
            _ if is_over => Part::NotReached,
            Ok(_) => Part::Answers,
            Err(why) => Part::PassedOver(why),
        };
        is_over |= part == Part::Answers;
        all.push(Explained { health, part, addresses: considered(*health, part, family, &selection) });
    }
    let part = match selection.source {
        Source::Fallback | Source::LastResort => Part::Answers,
        _ if is_over => Part::NotReached,
        Source::Pool | Source::NoFamily | Source::Exhausted => Part::Empty,
    };
    all.push(Explained { health: fallback, part, addresses: considered(fallback, part, family, &selection) });
    (selection, all)
}

/// The addresses of a pool, and what keeps each out.
fn considered<'p, P: PoolHealth>(
    health: &'p P,
    part: Part,
    family: Family,
    selection: &Selection<'p>,
) -> Vec<Considered<'p>> {
    let none = Selection { source: selection.source, pool: None, candidates: vec![] };
    let selection = if part == Part::Answers { selection } else { &none };
    let mut all = Vec::new();
    for (index, origin) in health.pool().origins.iter().enumerate() {
        let before = all.len();
        all.extend(health.addresses(index).map(|(address, judgement)| {
            let left_out = left_out(health, (index, origin), (address, judgement), (family, selection));
            let is_answered =
                selection.candidates.iter().any(|one| one.address == address && std::ptr::eq(one.origin, origin));
            Considered { origin, address: Some(address), judgement: Some(judgement), is_answered, left_out }
        }));
        if all.len() == before {
            all.push(Considered { origin, address: None, judgement: None, is_answered: false, left_out: None });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::model::id::{MonitorId, PoolId};
    use crate::model::kept::Kept;
    use crate::model::lever::LeverAction;
    use crate::model::pool::{Pool, SLOW_START_STEPS, Weight};
    use crate::model::verdict::Verdict;

    /// A pool with what is thought of its origins, one address each.
    #[derive(Clone, PartialEq, Debug)]
    struct Fake {
        pool: Pool,
        lever: Option<LeverAction>,
        origins: Vec<(Verdict, Option<LeverAction>)>,
    }

    impl PoolHealth for Fake {
        fn pool(&self) -> &Pool {
            &self.pool
        }
        fn lever(&self) -> Option<LeverAction> {
            self.lever
        }
        fn origin_lever(&self, origin: usize) -> Option<LeverAction> {
            self.origins[origin].1
        }
        fn addresses(&self, origin: usize) -> impl Iterator<Item = (IpAddr, Judgement)> {
            let judgement = Judgement { verdict: self.origin_verdict(origin), steps: SLOW_START_STEPS };
            self.pool.origins[origin].address.ip().map(|address| (address, judgement)).into_iter()
        }
        fn origin_verdict(&self, origin: usize) -> Option<Verdict> {
            Some(match (self.origins[origin].1, self.lever) {
                (Some(LeverAction::Up), _) | (None, Some(LeverAction::Up)) => Verdict::Up,
                (Some(LeverAction::Down), _) => Verdict::Down,
                _ => self.origins[origin].0,
            })
        }
        fn considers_health(&self) -> bool {
            true
        }
    }

    /// Any pool of up to four origins.
    fn any_pool(number: u8) -> impl Strategy<Value = Fake> {
        let verdict = prop::sample::select(vec![Verdict::Up, Verdict::Down, Verdict::Unknown]);
        let lever = || prop::option::weighted(0.2, prop::sample::select(LeverAction::ALL.to_vec()));
        let origin = (verdict, lever(), any::<bool>(), prop::bool::weighted(0.8), prop::bool::weighted(0.8));
        let origins = prop::collection::vec(origin, 1..5);
        (origins, lever(), prop::bool::weighted(0.9), 0..3_u32).prop_map(move |(origins, lever, enabled, minimum)| {
            let made = origins.iter().enumerate().map(|(index, (_, _, is_v4, enabled, weighs))| {
                let last = number * 16 + u8::try_from(index).unwrap();
                Origin {
                    name: index.to_string(),
                    address: if *is_v4 {
                        IpAddr::from([192, 0, 2, last]).into()
                    } else {
                        IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)]).into()
                    },
                    probe_address: None,
                    enabled: *enabled,
                    weight: if *weighs { Weight::ONE } else { Weight::ZERO },
                    host: None,
                    kept: Kept::default(),
                }
            });
            let pool = Pool {
                id: PoolId::declared(&number.to_string()),
                name: number.to_string(),
                description: String::new(),
                enabled,
                minimum_origins: minimum,
                slow_start: Duration::ZERO,
                monitor: Some(MonitorId::declared("m")),
                monitor_group: None,
                origins: made.collect(),
                kept: Kept::default(),
            };
            Fake { pool, lever, origins: origins.into_iter().map(|(verdict, lever, ..)| (verdict, lever)).collect() }
        })
    }

    proptest! {
        #[test]
        fn what_is_explained_is_what_is_selected(first in any_pool(0), second in any_pool(1), fallback in any_pool(2)) {
            for family in [Family::V4, Family::V6] {
                let (selection, explained) = explain(SteeringPolicy::Off, &[&first, &second], &fallback, family);
                prop_assert_eq!(explained.len(), 3);
                let answered = |one: &&Considered<'_>| one.is_answered;
                let all = || explained.iter().flat_map(|pool| &pool.addresses);
                let told: Vec<Option<IpAddr>> = all().filter(answered).map(|one| one.address).collect();
                let selected: Vec<Option<IpAddr>> = selection.candidates.iter().map(|one| Some(one.address)).collect();
                prop_assert_eq!(told, selected);
                let answering = explained.iter().filter(|pool| pool.part == Part::Answers).count();
                let is_answered = !matches!(selection.source, Source::Exhausted) && selection.pool.is_some();
                prop_assert!(answering <= 1 && (!is_answered || answering == 1), "{:?}", selection);
                for pool in &explained {
                    for one in &pool.addresses {
                        prop_assert!(!(one.is_answered && one.left_out.is_some()));
                        // Of the pool that answers, whatever does not has a reason.
                        prop_assert!(pool.part != Part::Answers || one.is_answered || one.left_out.is_some(), "{:?}", one);
                    }
                }
            }
        }
    }
}
