//! The slow twin: a naive server over plain lists, written from the RFCs and the design, not from the code. Whatever
//! it is asked, the real one has to say the same.

mod expect;
mod generate;
pub mod plan;
mod shown;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use pooldns::dns::engine::Transport;
use pooldns::model::verdict::Verdict;
use proptest::prelude::*;

use crate::query::{ID, OPT, client, query, question};
use crate::subject::{FIRST_VERDICT_TIMEOUT, Face, Subject, paused_runtime};
use expect::{Expected, Last, Part, Twin};
use generate::{Question, questions, world};
use plan::{Data, Health, World, type_number};
use shown::{Seen, Shown};

/// Verdicts by address as a script has them: none is a target that never answers.
type Script = Vec<(IpAddr, Option<bool>)>;

/// A verdict for every address that worlds use.
fn script() -> impl Strategy<Value = Script> {
    let addresses = generate::addresses();
    prop::collection::vec(prop::option::weighted(0.85, prop::bool::weighted(0.55)), addresses.len())
        .prop_map(move |verdicts| addresses.iter().copied().zip(verdicts).collect())
}

/// The part of a script that probes can tell.
fn told(script: &Script) -> impl Iterator<Item = (IpAddr, bool)> {
    script.iter().filter_map(|(address, up)| up.map(|up| (*address, up)))
}

/// The verdicts that a script comes to, whatever the monitor.
fn scripted_health(script: &Script) -> Health {
    let up: HashMap<IpAddr, bool> = told(script).collect();
    Box::new(move |address, _| up.get(&address).copied().unwrap_or(false))
}

/// The verdicts that a server has.
fn observed_health(subject: &Subject) -> Health {
    let cells = subject.assigned.pools.iter().flat_map(|pool| pool.cells());
    let up: HashMap<_, _> =
        cells.map(|cell| ((cell.key().address, cell.key().monitor), cell.verdict() == Verdict::Up)).collect();
    Box::new(move |address, monitor| up.get(&(address, plan::monitor_id(monitor))).copied().unwrap_or(false))
}

/// Asks, and compares what comes with what the twin says.
fn check(face: &mut Face, twin: &Twin<'_>, asked: &Question) -> Result<(), TestCaseError> {
    let Question { name, rtype, edns, random } = asked;
    let octets = query(name, type_number(rtype), 1, if *edns { OPT } else { b"" });
    let over_udp = face.answer(&octets, &client(Transport::Udp), *random);
    let over_tcp = face.answer(&octets, &client(Transport::Tcp), *random);
    let limit = if *edns { 1232 } else { 512 };
    prop_assert!(over_udp.len() <= limit, "{} octets for {asked:?}", over_udp.len());
    let echoed = question(name, type_number(rtype), 1);
    let expected = twin.answer(name, rtype);
    for (octets, transport) in [(&over_udp, Transport::Udp), (&over_tcp, Transport::Tcp)] {
        prop_assert_eq!(&octets[..2], &ID[..]);
        prop_assert_eq!(&octets[12..12 + echoed.len()], echoed.as_slice(), "question of {:?}", asked);
        let seen = Seen::parse(octets);
        prop_assert_eq!(seen.edns, *edns, "OPT for {:?}", asked);
        if seen.truncated {
            // RFC 2181 §9: TC only where something required does not fit; and then nothing else is here.
            prop_assert!(transport == Transport::Udp && over_tcp.len() > limit, "truncated: {asked:?}");
            prop_assert!(seen.answers.is_empty() && seen.authorities.is_empty() && seen.additionals.is_empty());
            prop_assert_eq!(seen.authoritative, expected.authoritative, "AA of {:?}", asked);
            continue;
        }
        let room = if transport == Transport::Tcp { usize::MAX } else { limit };
        let compared = compare(&expected, &seen, name, transport)
            .and_then(|()| hints(&expected, &seen))
            .and_then(|()| additional(&expected, &seen, over_tcp.len() <= room));
        if let Err(why) = compared {
            let why = format!("{why}\nfor {asked:?} over {transport:?}\nexpected {expected:#?}\nseen {seen:#?}");
            return Err(TestCaseError::fail(why));
        }
    }
    Ok(())
}

/// Says what in an answer is not as expected.
fn compare(expected: &Expected, seen: &Seen, name: &str, transport: Transport) -> Result<(), String> {
    let same = |what: &str, ok: bool| if ok { Ok(()) } else { Err(format!("{what} differs")) };
    same("rcode", expected.rcode == seen.rcode)?;
    same("AA", expected.authoritative == seen.authoritative)?;
    same("authority section", seen.authorities == expected.authorities)?;
    let missing = expected.chain.difference(&seen.answers).count();
    same("chain", missing == 0)?;
    let rest: BTreeSet<Shown> = seen.answers.difference(&expected.chain).cloned().collect();
    let alternatives = match &expected.last {
        Last::Any(all) if transport == Transport::Tcp => {
            // All of them together: each record belongs to one, and each is there.
            let parts = all.iter().map(|one| (one, one.part(&rest)));
            let parts: Vec<_> = parts.collect();
            let total: usize = parts.iter().map(|(_, part)| part.len()).sum();
            same("ANY", total == rest.len() && parts.iter().all(|(one, part)| one.is_met_by(part)))?;
            return owner_case(seen, name);
        }
        // RFC 8482 §4.1: one of them.
        Last::Any(all) => all.clone(),
        Last::One(one) => vec![one.clone()],
        Last::Nothing => {
            same("answer section", rest.is_empty())?;
            return owner_case(seen, name);
        }
    };
    same("answer section", alternatives.iter().any(|one| one.is_met_by(&rest)))?;
    owner_case(seen, name)
}

/// Says what in the additional section is not as expected. RFC 9471 §3.1: glue is there in any case; RFC 2181 §9: the rest
/// is there if all has room, and without room each RRset is there as a whole or not at all.
fn additional(expected: &Expected, seen: &Seen, has_room: bool) -> Result<(), String> {
    let mut total = 0;
    for (parts, needed) in [(&expected.glue, true), (&expected.courtesy, has_room)] {
        for part in parts {
            let records = part.part(&seen.additionals);
            total += records.len();
            if !(part.is_met_by(&records) || records.is_empty() && !needed) {
                return Err(format!("additional section differs: {part:?}"));
            }
        }
    }
    if total == seen.additionals.len() { Ok(()) } else { Err("additional section has more".to_owned()) }
}

/// Says what in the hints of HTTPS records is not as expected.
fn hints(expected: &Expected, seen: &Seen) -> Result<(), String> {
    for (shown, addresses) in &seen.hints {
        let hint = expected.hints.iter().find(|(data, _)| *data == shown.data);
        let parts = hint.map(|(_, parts)| parts.as_slice()).unwrap_or_default();
        let mut total = 0;
        for part in parts {
            let (Part::Fixed(own) | Part::Some { allowed: own, .. }) = part;
            let hinted = |shown: &&Shown| matches!(shown.data, Data::Address(address) if addresses.contains(&address));
            let records: BTreeSet<Shown> = own.iter().filter(hinted).cloned().collect();
            total += records.len();
            if !part.is_met_by(&records) {
                return Err(format!("hints differ: {part:?}"));
            }
        }
        if total != addresses.len() {
            return Err(format!("more hints than there are addresses: {addresses:?}"));
        }
    }
    Ok(())
}

/// RFC 1034 §3.1: letter case comes back as it was sent, in what belongs to the question's name. Where there is a chain,
/// that is its first record; where there is none, every record.
fn owner_case(seen: &Seen, name: &str) -> Result<(), String> {
    let suffixes: Vec<&str> =
        std::iter::once(name).chain(name.match_indices('.').map(|(at, _)| &name[at + 1..])).collect();
    let bound = if seen.chain_is_empty() { seen.owners.len() } else { 1 };
    match seen.owners.iter().take(bound).find(|owner| !suffixes.contains(&owner.as_str())) {
        Some(owner) => Err(format!("letter case of {owner}")),
        None => Ok(()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_server_says_what_the_twin_says(world in world(), script in script(), asked in questions()) {
        let runtime = paused_runtime();
        runtime.block_on(async {
            let mut subject = Subject::new();
            subject.script.set(told(&script));
            subject.declare(world.declared());
            subject.settle().await;
            let health = scripted_health(&script);
            let twin = Twin { world: &world, health: &health };
            // Every live name, whatever else is asked.
            for asked in asked.iter().cloned().chain(live_questions(&world)) {
                check(&mut subject.face, &twin, &asked)?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }

    #[test]
    fn edits_and_flips_come_to_what_a_new_server_says(
        steps in prop::collection::vec((prop::option::of(world()), script()), 2..5),
        asked in questions(),
    ) {
        let runtime = paused_runtime();
        runtime.block_on(async {
            let mut subject = Subject::new();
            let mut current = World::default();
            for (world, script) in steps {
                if let Some(world) = world {
                    current = world;
                    subject.declare(current.declared());
                }
                subject.script.set(told(&script));
                subject.settle().await;
                // Verdicts are the subject's own: an address keeps its verdict when nothing is known any more.
                let mut fresh = Face::new(8);
                fresh.apply(&subject.assigned);
                tokio::time::sleep(FIRST_VERDICT_TIMEOUT).await;
                fresh.expire();
                let health = observed_health(&subject);
                let twin = Twin { world: &current, health: &health };
                for asked in asked.iter().cloned().chain(live_questions(&current)) {
                    check(&mut subject.face, &twin, &asked)?;
                    let octets = query(&asked.name, type_number(asked.rtype), 1, if asked.edns { OPT } else { b"" });
                    let one = subject.face.answer(&octets, &client(Transport::Tcp), asked.random);
                    let other = fresh.answer(&octets, &client(Transport::Tcp), asked.random);
                    prop_assert_eq!(one, other, "{:?}", asked);
                }
            }
            Ok::<(), TestCaseError>(())
        })?;
    }

    #[test]
    fn no_address_is_unhealthy_unless_nothing_is_healthy(world in world(), script in script(), random in any::<u64>()) {
        let runtime = paused_runtime();
        runtime.block_on(async {
            let mut subject = Subject::new();
            subject.script.set(told(&script));
            subject.declare(world.declared());
            subject.settle().await;
            let health = scripted_health(&script);
            for balancer in world.balancers.iter().filter(|balancer| balancer.enabled) {
                let pools: Vec<_> =
                    balancer.pools.iter().chain([&balancer.fallback]).map(|index| &world.pools[*index]).collect();
                let healthy: BTreeSet<IpAddr> = pools
                    .iter()
                    .filter(|pool| pool.enabled)
                    .flat_map(|pool| pool.origins.iter().map(move |origin| (pool, origin)))
                    .filter(|(_, origin)| origin.enabled)
                    .filter(|(pool, origin)| pool.monitor.is_none_or(|monitor| health(origin.address, monitor)))
                    .map(|(_, origin)| origin.address)
                    .collect();
                for rtype in ["A", "AAAA", "ANY"] {
                    let octets = query(&balancer.name, type_number(rtype), 1, OPT);
                    let seen = Seen::parse(&subject.face.answer(&octets, &client(Transport::Udp), random));
                    for address in seen.addresses() {
                        prop_assert!(healthy.is_empty() || healthy.contains(&address), "{address} at {}", balancer.name);
                    }
                }
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}

/// A and AAAA for every load balancer's name.
fn live_questions(world: &World) -> Vec<Question> {
    let ask = |name: &str, rtype| Question { name: name.to_owned(), rtype, edns: true, random: 0x1234_5678_9abc_def0 };
    world
        .balancers
        .iter()
        .flat_map(|balancer| ["A", "AAAA", "TXT", "HTTPS"].map(|rtype| ask(&balancer.name, rtype)))
        .collect()
}
