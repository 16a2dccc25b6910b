//! Knot DNS, NSD and pooldns with the same zones have to give the same answers. `README.md` lists where we differ.

mod client;
mod compare;
mod file;
mod generate;
mod message;
mod name;
mod rival;
mod zone;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use client::Client;
use file::master_file;
use message::{Answer, Question};
use rival::{Program, Rival, write_files};
use zone::ZoneSet;

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
    let seed = setting("POOLDNS_DIFFERENTIAL_SEED", 1);
    let worlds = generated(seed, setting("POOLDNS_DIFFERENTIAL_SETS", SETS));
    let mut folder = tempfile::Builder::new().prefix("differential").tempdir().unwrap(); folder.disable_cleanup(true);
    let sets: Vec<ZoneSet> = worlds.iter().map(|(set, _)| set.clone()).collect();
    let start = std::time::Instant::now();
    let files = write_files(folder.path(), &sets);
    let knot = Rival::start(Program::Knot, folder.path(), &files);
    let nsd = Rival::start(Program::Nsd, folder.path(), &files);
    eprintln!("started {} zones in {:?}", files.len(), start.elapsed());
    let (mut knot, mut nsd) = (Client::new(knot.address), Client::new(nsd.address));
    let (mut same, mut differ) = (0, 0);
    for (set, questions) in &worlds {
        for question in questions {
            let one = knot.ask(question);
            let other = nsd.ask(question);
            let (Ok(a), Ok(b)) = (&one, &other) else { println!("UNREADABLE {question}\n {one:?}\n {other:?}"); continue };
            let d = compare::differences(a, b);
            if d.is_empty() { same += 1; continue; }
            differ += 1;
            let sig: Vec<String> = d.iter().map(|d| match d { compare::Difference::Section(n, m, l) => format!("S{n}{}{}", if m.is_empty() {""} else {"+"}, if l.is_empty() {""} else {"-"}), d => d.to_string() }).collect();
            println!("=== [{}] {} {question}\n K {a}\n N {b}", sig.join(","), message::type_text(question.rtype));
            let _ = (set, master_file as fn(&_) -> _, None::<Answer>);
        }
    }
    eprintln!("same {same} differ {differ} in {:?}", start.elapsed());
}
