//! Verdicts that an earlier process left behind.

use std::time::SystemTime;

use super::*;
use crate::model::stamp::UnixMicros;
use crate::model::target::{LeftVerdict, Standing};

const LIFETIME: Duration = Duration::from_mins(1);
/// What the wall clock says at the start.
const WALL: u64 = 1_000_000;
/// When the verdicts of these tests changed last.
const SINCE: u64 = WALL - 900;

/// A verdict on an address under monitor `m`, by which somebody stood `alive` seconds after 1970.
fn left(address: &str, is_up: bool, alive: u64) -> LeftVerdict {
    let key = TargetKey { address: address.parse().unwrap(), monitor: MonitorId::declared("m"), host: None };
    let reason = (!is_up).then_some(FailReason::HttpTimeout);
    let since = Some(UnixMicros(SINCE * 1_000_000));
    LeftVerdict { key, standing: Standing { is_up, since, reason }, alive: UnixMicros(alive * 1_000_000) }
}

/// A bench whose schedule was left these.
fn bench(left: Vec<LeftVerdict>) -> Bench {
    let mut bench = Bench::new(100, 100);
    let bequest = Bequest::new(left, LIFETIME, UnixMicros(WALL * 1_000_000), Instant::now());
    bench.schedule = bench.schedule.inheriting(bequest);
    bench
}

#[tokio::test(start_paused = true)]
async fn young_verdicts_hold_and_others_do_not() {
    let [c, d, e] = ["192.0.2.3", "192.0.2.4", "192.0.2.5"];
    let mut never = left(e, true, WALL - 30);
    never.standing.since = Some(UnixMicros((WALL + 1) * 1_000_000));
    let young = WALL - 59;
    let all =
        vec![left(A, true, young), left(B, false, young), left(c, true, WALL - 60), left(d, true, WALL + 1), never];
    let mut bench = bench(all);
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &[A, B, c, d, e])]);
    let verdicts = [0, 1, 2, 3, 4].map(|place| bench.verdict("p", place));
    assert_eq!(verdicts, [Verdict::Up, Verdict::Down, Verdict::Unknown, Verdict::Unknown, Verdict::Unknown]);
    let since = SystemTime::UNIX_EPOCH + Duration::from_secs(SINCE);
    let [up, down] = [0, 1].map(|place| bench.cell("p", place).unwrap());
    assert_eq!((up.since(), up.reason(), up.last()), (Some(since), None, None));
    assert_eq!((down.since(), down.reason()), (Some(since), Some(FailReason::HttpTimeout)));

    // What is down may have recovered meanwhile, and what is up has its turn.
    tokio::time::sleep(MS * 5).await;
    assert_eq!([A, B, c, d, e].map(|address| bench.script.starts(address).len()), [0, 1, 1, 1, 1]);
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(bench.script.starts(A).len(), 1);
    let flips: Vec<Flip> = std::iter::from_fn(|| bench.flips.try_recv().ok()).collect();
    assert!(flips.iter().all(|flip| flip.transition.to == Verdict::Up && flip.cell.key() != up.key()));
    assert_eq!(flips.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn it_takes_as_many_failures_as_ever_to_contradict_them() {
    let mut bench = bench(vec![left(A, true, WALL)]);
    bench.script.fail(A, FailReason::ConnectionReset);
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &[A])]);
    let flip = bench.flips.recv().await.unwrap();
    assert_eq!((flip.transition.from, flip.transition.count), (Verdict::Up, 2));
}

#[tokio::test(start_paused = true)]
async fn they_are_of_one_target_alone() {
    let mut other = http_monitor("m", "a.example");
    other.consecutive_down = 7;
    let mut with_host = left(A, true, WALL);
    with_host.key.host = Some("a.example".into());
    let mut bench = bench(vec![with_host, left(B, true, WALL)]);
    let mut hosted = pool("q", Some("m"), &[A]);
    hosted.origins[0].host = Some("b.example".into());
    let pools = vec![pool("p", Some("m"), &[A, B]), hosted, pool("r", Some("n"), &[B])];
    bench.declare(vec![other, monitor("n")], pools);
    assert_eq!(bench.verdict("p", 0), Verdict::Up, "its monitor may have changed");
    assert_eq!(bench.verdict("p", 1), Verdict::Unknown, "that had no Host");
    assert_eq!(bench.verdict("q", 0), Verdict::Unknown, "another Host");
    assert_eq!(bench.verdict("r", 0), Verdict::Unknown, "another monitor");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_comes_later_has_its_verdict_while_it_is_young_and_once() {
    let mut bench = bench(vec![left(A, true, WALL - 20), left(B, true, WALL - 20)]);
    bench.declare(vec![monitor("m")], vec![]);
    tokio::time::sleep(Duration::from_secs(39)).await;
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &[A])]);
    assert_eq!(bench.verdict("p", 0), Verdict::Up);
    bench.declare(vec![monitor("m")], vec![]);
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &[A])]);
    assert_eq!(bench.verdict("p", 0), Verdict::Unknown, "it was gone");
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &[A, B])]);
    assert_eq!(bench.verdict("p", 1), Verdict::Unknown, "too old by now");
    assert!(bench.schedule.bequest.is_empty());
}
