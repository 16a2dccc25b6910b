//! How many changes of pools a second the embedded store acknowledges, and how long each takes, with many writers at a
//! time, on a real file. Acknowledged means on disk.
//!
//! The file is in the target folder, since a temporary one may be in memory; `WRITES_FOLDER` names another place.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its results and may stop anywhere")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pooldns::model::id::PoolId;
use pooldns::model::inventory::{Author, Change, Commit, Expected, Step};
use pooldns::model::kept::Kept;
use pooldns::model::pool::{Origin, Pool, Weight};
use pooldns::store::InventoryStore;
use pooldns::store::embedded::EmbeddedStore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use support::quantile;

/// Pools that there are.
const POOLS: u128 = 10_000;
/// How long each case takes.
const DURATION: Duration = Duration::from_secs(5);

fn main() {
    let place =
        std::env::var_os("WRITES_FOLDER").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let folder = tempfile::tempdir_in(place).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = Arc::new(EmbeddedStore::open(folder.path()).unwrap());
    let started = Instant::now();
    runtime.block_on(fill(&store));
    println!("{POOLS} pools made in {:.2?}, in commits of 100", started.elapsed());
    println!("{:<12} {:>12} {:>9} {:>9} {:>9}", "writers", "changes/s", "p50 ms", "p99 ms", "max ms");
    for writers in [1, 32, 64] {
        let mut latencies = runtime.block_on(edit(&store, writers));
        #[expect(clippy::cast_precision_loss, reason = "a rate to four digits")]
        let rate = latencies.len() as f64 / DURATION.as_secs_f64();
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| quantile(&mut latencies, part));
        println!("{writers:<12} {rate:>12.0} {p50:>9.2} {p99:>9.2} {max:>9.2}");
    }
    let copy = folder.path().join("copy");
    let started = Instant::now();
    runtime.block_on(store.backup(copy)).unwrap();
    println!("backup in {:.2?}", started.elapsed());
    drop(store);
    reopen(folder.path());
}

/// Opens the store again.
fn reopen(folder: &Path) {
    let octets = std::fs::metadata(folder.join("pooldns.redb")).unwrap().len();
    let started = Instant::now();
    let store = EmbeddedStore::open(folder).unwrap();
    let objects = store.load().set_aside.len();
    println!("opened again in {:.2?}: {objects} objects, {octets} octets", started.elapsed());
}

/// Makes the pools.
async fn fill(store: &EmbeddedStore) {
    for first in (0..POOLS).step_by(100) {
        let steps = (first..first + 100).map(|number| step(number, 1, Expected::Absent)).collect();
        store.commit(Commit { steps, author: None }).await.unwrap();
    }
}

/// Has writers edit pools, and tells how many milliseconds each edit took.
async fn edit(store: &Arc<EmbeddedStore>, writers: u128) -> Vec<f64> {
    let end = Instant::now() + DURATION;
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            let author = Author { name: "bench".into(), address: None };
            let mut turn = 0;
            while Instant::now() < end {
                turn += 1;
                let number = (turn * writers + writer) * 7_919 % POOLS;
                let steps = vec![step(number, u8::try_from(turn % 200).unwrap(), Expected::Present)];
                let started = Instant::now();
                store.commit(Commit { steps, author: Some(author.clone()) }).await.unwrap();
                latencies.push(started.elapsed().as_secs_f64() * 1e3);
            }
            latencies
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

/// A pool with four addresses, one of which is given.
fn step(number: u128, address: u8, expected: Expected) -> Step {
    let origin = |(index, last): (usize, u8)| Origin {
        name: format!("origin-{index}"),
        address: [192, 0, 2, last].into(),
        probe_address: None,
        enabled: true,
        weight: Weight::ONE,
        host: None,
        kept: Kept::default(),
    };
    let pool = Pool {
        id: PoolId::random(number),
        name: format!("pool-{number}"),
        description: String::new(),
        enabled: true,
        minimum_origins: 1,
        slow_start: Duration::ZERO,
        monitor: None,
        monitor_group: None,
        origins: [address, 201, 202, 203].into_iter().enumerate().map(origin).collect(),
        kept: Kept::default(),
    };
    Step { change: Change::PutPool(pool), expected }
}
