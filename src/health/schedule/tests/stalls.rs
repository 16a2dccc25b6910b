//! What makes no progress is noticed, and what panics starts anew.

use super::*;
use crate::health::watchdog::Stalled;

/// A schedule whose watchdog looks.
fn watched(in_flight_max: usize, addresses: &[&str]) -> (Bench, watch::Receiver<Stalled>) {
    let mut bench = Bench::new(100, in_flight_max);
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), addresses)]);
    let watchdog = Arc::clone(bench.schedule.watchdog());
    let state = watchdog.subscribe();
    let (sender, assigned) = watch::channel(Arc::clone(&bench.assigned));
    // The test's runtime ends it.
    drop(tokio::spawn(async move {
        let _sender = sender;
        watchdog.run(assigned, CancellationToken::new()).await;
    }));
    (bench, state)
}

/// Waits until so many are stalled.
async fn stalled(state: &mut watch::Receiver<Stalled>, targets: usize) {
    let waiting = state.wait_for(|stalled| stalled.targets == targets && stalled.since.is_some() == (targets > 0));
    drop(tokio::time::timeout(INTERVAL * 10, waiting).await.expect("in time").unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_probe_without_end_stalls_whoever_waits_for_its_permit() {
    let (bench, mut state) = watched(1, &[A, B, "192.0.2.3"]);
    tokio::time::sleep(INTERVAL * 5).await;
    assert_eq!(*state.borrow(), Stalled::default());
    // Far beyond its time-out, which a real probe would obey.
    bench.script.take(A, INTERVAL * 20);
    stalled(&mut state, 3).await;
    assert!(state.borrow().longest > Duration::from_secs(10));
    bench.script.take(A, MS);
    tokio::time::sleep(INTERVAL * 12).await;
    stalled(&mut state, 0).await;
    assert_eq!(bench.verdict("p", 2), Verdict::Up);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_turn_or_is_gone_is_not_stalled() {
    let (mut bench, state) = watched(100, &[A, B]);
    tokio::time::sleep(INTERVAL).await;
    // The watchdog goes on looking at cells that nobody keeps current any more.
    bench
        .declare(vec![Monitor { interval: Duration::from_hours(1), ..monitor("m") }], vec![pool("p", Some("m"), &[A])]);
    tokio::time::sleep(Duration::from_hours(3)).await;
    assert_eq!(*state.borrow(), Stalled::default());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_starts_anew() {
    let mut bench = Bench::new(100, 100);
    bench.script.take(A, INTERVAL / 2);
    bench.script.panic(A, Panics::Dropped);
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &[A])]);
    tokio::time::sleep(MS * 5).await;
    // The edit drops the probe that is under way.
    bench.declare(vec![Monitor { retries: 1, ..monitor("m") }], vec![pool("p", Some("m"), &[A])]);
    let flip = tokio::time::timeout(INTERVAL * 3, bench.flips.recv()).await.expect("it goes on").unwrap();
    assert_eq!((flip.transition.to, bench.script.starts(A).len()), (Verdict::Up, 2));
}
