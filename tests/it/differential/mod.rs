//! Knot DNS, NSD and pooldns have the same zones and have to give the same answers. `README.md` lists where we differ.

mod client;
mod compare;
mod corruption;
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
use std::fmt::Write as _;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tempfile::TempDir;

use client::Client;
use corruption::corruptions;
use deviation::Deviation;
use file::master_file;
use message::Question;
use rival::{Program, Rival, ZoneFile, write_files};
use verdict::{Agreement, Servers};
use zone::ZoneSet;

use crate::harness::TestServer;
use crate::harness::tools::installed;

/// The default of `POOLDNS_DIFFERENTIAL_SEED`, which decides all zones and questions.
const SEED: u64 = 1;
/// The default of `POOLDNS_DIFFERENTIAL_SETS`, the number of zone sets.
const SETS: u64 = 64;
/// Questions about each set.
const QUESTIONS: usize = 120;
/// Of so many answers, one is corrupted in all ways.
const CORRUPTED: usize = 12;
/// Wrong answers that are shown in full.
const SHOWN: usize = 3;

/// A number out of the environment.
fn setting(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Zone sets and the questions about each, the same in every run with the same seed.
fn generated(seed: u64, sets: u64) -> Vec<(ZoneSet, Vec<Question>)> {
    let bytes: Vec<u8> = seed.to_le_bytes().into_iter().cycle().take(32).collect();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
    let mut world = |number| {
        let set = generate::zone_set(number).new_tree(&mut runner).unwrap().current();
        let draws = generate::draws(number, QUESTIONS).new_tree(&mut runner).unwrap().current();
        let known = generate::known_names(&set);
        let questions = draws.iter().map(|draw| draw.question(&known)).collect();
        (set, questions)
    };
    (0..usize::try_from(sets).unwrap()).map(&mut world).collect()
}

/// The three servers as processes, with the zones of all sets.
struct Processes {
    knot: Rival,
    nsd: Rival,
    ours: TestServer,
    /// The zone files.
    _folder: TempDir,
}

impl Processes {
    /// Starts them.
    fn start(sets: &[ZoneSet]) -> Self {
        let folder = tempfile::Builder::new().prefix("differential").tempdir().unwrap();
        let files = write_files(folder.path(), sets);
        let mut objects = String::new();
        for ZoneFile { apex, file } in &files {
            let path = folder.path().join(file);
            writeln!(objects, "[[zones]]\nname = '{apex}'\nfile = '{}'", path.display()).unwrap();
        }
        Self {
            knot: Rival::start(Program::Knot, folder.path(), &files),
            nsd: Rival::start(Program::Nsd, folder.path(), &files),
            ours: TestServer::start(&objects),
            _folder: folder,
        }
    }

    /// Clients of all.
    fn clients(&self) -> Servers {
        Servers {
            knot: Client::new(self.knot.address),
            nsd: Client::new(self.nsd.address),
            ours: Client::new(self.ours.addresses[0]),
        }
    }
}

/// A wrong answer, with all that is needed to see why.
fn failure(set: &ZoneSet, question: &Question, why: &str) -> String {
    let files: Vec<String> = set.0.iter().map(|zone| format!("; {}\n{}", zone.apex, master_file(zone))).collect();
    format!("{question}\n{why}\n{}", files.join("\n"))
}

#[test]
fn our_answers_are_those_of_knot_and_nsd() {
    if !installed(Program::Knot.executable()) || !installed(Program::Nsd.executable()) {
        return;
    }
    let seed = setting("POOLDNS_DIFFERENTIAL_SEED", SEED);
    let worlds = generated(seed, setting("POOLDNS_DIFFERENTIAL_SETS", SETS));
    let sets: Vec<ZoneSet> = worlds.iter().map(|(set, _)| set.clone()).collect();
    eprintln!("{}; {}; seed {seed}, {} sets", Program::Knot.version(), Program::Nsd.version(), sets.len());
    let processes = Processes::start(&sets);
    let mut servers = processes.clients();
    let mut failures = Vec::new();
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    let asked = worlds.iter().flat_map(|(set, questions)| questions.iter().map(move |question| (set, question)));
    for (number, (set, question)) in asked.enumerate() {
        let Agreement { side, but_for } = match servers.judge(set, question) {
            Ok(agreement) => agreement,
            Err(why) => {
                failures.push(failure(set, question, &why));
                continue;
            }
        };
        let titles = but_for.iter().map(|deviation| deviation.title().to_owned());
        for title in titles.chain([format!("{side:?}")]) {
            *tally.entry(title).or_default() += 1;
        }
        let ours = servers.ours.ask(question).unwrap();
        if number % CORRUPTED != 0 || ours.truncated {
            continue;
        }
        for (what, wrong) in corruptions(&ours) {
            let verdict = servers.judge_answer(set, question, &wrong);
            assert!(verdict.is_err(), "{what} is not noticed: {}", failure(set, question, &wrong.to_string()));
        }
    }
    for (what, times) in &tally {
        eprintln!("{times:>6} {what}");
    }
    let shown = failures.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(failures.is_empty(), "{} wrong answers\n{shown}", failures.len());
    let unseen: Vec<Deviation> =
        Deviation::ALL.into_iter().filter(|deviation| !tally.contains_key(deviation.title())).collect();
    if !unseen.is_empty() {
        eprintln!("no question of this seed shows {unseen:?}");
    }
}

#[test]
fn every_deviation_has_its_reason() {
    let document = include_str!("README.md");
    let headings: Vec<&str> = document.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(headings, Deviation::ALL.map(Deviation::title));
}
