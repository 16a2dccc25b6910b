//! A process that writes as fast as it can is killed again and again. What it said was kept is kept.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use tokio::task::JoinSet;

use super::*;
use crate::model::id::PoolId;
use crate::model::inventory::Expected;
use crate::store::sample::{commit, pool};

/// Names the folder to the process that is to be killed.
const FOLDER: &str = "POOLDNS_TEST_STORE";
/// The first number of this round's pools.
const FIRST: &str = "POOLDNS_TEST_FIRST";
/// Commits under way at one time.
const WRITERS: u128 = 16;
/// How often it is killed.
const ROUNDS: u128 = 30;
/// Numbers that a round has for itself.
const ROUND_NUMBERS: u128 = 1 << 40;

/// What the killed process runs: this test, by its name. By itself it has nothing to do.
#[test]
fn writer_that_is_killed() {
    let (Ok(folder), Ok(first)) = (std::env::var(FOLDER), std::env::var(FIRST)) else { return };
    let first: u128 = first.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let store = Arc::new(EmbeddedStore::open(Path::new(&folder)).unwrap());
    runtime.block_on(async {
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let store = Arc::clone(&store);
            writers.spawn(async move {
                for turn in 0.. {
                    let number = first + 2 * (turn * WRITERS + writer);
                    // Both or none.
                    let pair = [number, number + 1].map(|number| (Change::PutPool(pool(number, 1)), Expected::Absent));
                    store.commit(commit(pair)).await.unwrap();
                    let mut out = std::io::stdout().lock();
                    out.write_all(format!("kept {number}.\n").as_bytes()).unwrap();
                }
            });
        }
        writers.join_all().await;
    });
}

/// Starts the process.
fn start(folder: &Path, first: u128) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "store::embedded::tests::kill::writer_that_is_killed", "--nocapture"]);
    command.env(FOLDER, folder).env(FIRST, first.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn whatever_was_acknowledged_before_a_kill_is_there_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<u128> = Vec::new();
    for round in 0..ROUNDS {
        let mut child = start(folder.path(), (round + 1) * ROUND_NUMBERS);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let number = |line: &String| line.strip_prefix("kept ")?.strip_suffix('.')?.parse::<u128>().ok();
        // Not at a time but after some commits, wherever the next ones are by then.
        let wanted = usize::try_from(round * 7 % 41 + 1).unwrap();
        acknowledged.extend(lines.by_ref().filter_map(|line| number(&line)).take(wanted));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died; a line that it did not end has no full stop.
        acknowledged.extend(lines.filter_map(|line| number(&line)));
        let store = EmbeddedStore::open(folder.path()).unwrap();
        let kept = rows_of(&store.load());
        let is_kept = |number: u128| kept.contains_key(&("pool", rows::key(ObjectId::Pool(PoolId::random(number)))));
        let lost: Vec<_> = acknowledged.iter().filter(|number| !is_kept(**number)).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?} of {} are lost", acknowledged.len());
        let halves = kept.keys().filter(|(_, key)| {
            let number = u128::from_be_bytes(key.as_slice().try_into().unwrap());
            !is_kept(number ^ 1)
        });
        assert_eq!(halves.count(), 0, "round {round}");
        assert_eq!(*store.unreadable(), []);
    }
    assert!(acknowledged.len() >= usize::try_from(ROUNDS).unwrap());
}
