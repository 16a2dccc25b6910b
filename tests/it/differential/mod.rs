//! Knot DNS, NSD and pooldns with the same zones have to give the same answers. `README.md` lists where we differ.

mod client;
mod compare;
mod deviation;
mod expected;
mod file;
mod generate;
mod message;
mod name;
mod rival;
mod verdict;
mod zone;

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use client::Client;
use file::master_file;
use message::Question;
use rival::{Program, Rival, write_files};
use verdict::{Agreement, Servers};
use zone::ZoneSet;

use crate::harness::TestServer;
use crate::harness::tools::installed;

/// Zone sets, unless `POOLDNS_DIFFERENTIAL_SETS` says how many.
const SETS: u64 = 64;
/// Questions about each set.
const QUESTIONS: usize = 160;

/// A number out of the environment.
fn setting(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Zone sets and the questions about each, the same in every run with the same seed.
fn generated(seed: u64, sets: u64) -> Vec<(ZoneSet, Vec<Question>)> {
    let bytes: Vec<u8> = seed.to_le_bytes().into_iter().cycle().take(32).collect();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
    let mut draw = |number: usize| {
        let set = generate::zone_set(number).new_tree(&mut runner).unwrap().current();
        let draws = generate::draws(number, QUESTIONS).new_tree(&mut runner).unwrap().current();
        let known = generate::known_names(&set);
        let questions = draws.iter().map(|draw| draw.question(&known)).collect();
        (set, questions)
    };
    (0..usize::try_from(sets).unwrap()).map(&mut draw).collect()
}

#[test]
fn knot_and_nsd() {
    if !installed("knotd") || !installed("nsd") {
        return;
    }
    eprintln!("{}, {}", Program::Knot.version(), Program::Nsd.version());
    let worlds = generated(setting("POOLDNS_DIFFERENTIAL_SEED", 1), setting("POOLDNS_DIFFERENTIAL_SETS", SETS));
    let sets: Vec<ZoneSet> = worlds.iter().map(|(set, _)| set.clone()).collect();
    let folder = tempfile::Builder::new().prefix("differential").tempdir().unwrap();
    let files = write_files(folder.path(), &sets);
    let knot = Rival::start(Program::Knot, folder.path(), &files);
    let nsd = Rival::start(Program::Nsd, folder.path(), &files);
    let mut objects = String::new();
    for zone in sets.iter().flat_map(|set| &set.0) {
        let lines: Vec<String> = file::plain_lines(zone).into_iter().map(|line| format!("  '{line}',\n")).collect();
        objects += &format!("[[zones]]\nname = '{}'\nrecords = [\n{}]\n", zone.apex, lines.concat());
    }
    let ours = TestServer::start(&objects);
    let mut servers = Servers {
        knot: Client::new(knot.address),
        nsd: Client::new(nsd.address),
        ours: Client::new(ours.addresses[0]),
    };
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for (set, questions) in &worlds {
        for question in questions {
            match servers.judge(set, question) {
                Ok(Agreement { side, but_for }) => {
                    *tally.entry(format!("{side:?}")).or_default() += 1;
                    for deviation in but_for {
                        *tally.entry(format!("  {}", deviation.title())).or_default() += 1;
                    }
                }
                Err(why) => failures.push((set, question, why)),
            }
        }
    }
    for (what, times) in &tally {
        eprintln!("{times:>6} {what}");
    }
    for (set, question, why) in &failures {
        println!("=== {question}\n{why}");
    }
    assert!(failures.is_empty(), "{} wrong answers", failures.len());
}
