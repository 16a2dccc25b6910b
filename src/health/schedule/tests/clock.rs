//! The wall clock may say what it likes: it is shown, and decides nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::*;
use crate::model::monitor::Damping;

/// Jumps by years, forth and back.
fn jumping() -> SystemTime {
    static LOOKS: AtomicU64 = AtomicU64::new(0);
    let looks = LOOKS.fetch_add(1, Ordering::Relaxed);
    let years = if looks.is_multiple_of(2) { 10 } else { 50 - looks % 40 };
    SystemTime::UNIX_EPOCH + Duration::from_secs(years * 31_536_000)
}

/// Starts of probes and transitions of a target that fails and flaps, with their times since the beginning.
async fn story(wall: fn() -> SystemTime) -> (Vec<Duration>, Vec<(Duration, Transition)>) {
    let mut bench = Bench::new(100, 100);
    Arc::get_mut(&mut bench.schedule.shared).unwrap().wall = wall;
    let start = Instant::now();
    let damping = Damping { changes: 3, within: INTERVAL * 10, hold: INTERVAL * 2 };
    let damped = Monitor { consecutive_up: 1, damping: Some(damping), ..monitor("m") };
    bench.declare(vec![damped], vec![pool("p", Some("m"), &[A])]);
    let mut turned = Vec::new();
    for round in 0..10 {
        if round % 2 == 1 && round < 6 {
            bench.script.fail(A, FailReason::TcpTimeout);
        } else {
            bench.script.0.lock().unwrap().failures.clear();
        }
        tokio::time::sleep(INTERVAL * 3).await;
        while let Ok(flip) = bench.flips.try_recv() {
            turned.push((start.elapsed(), flip.transition));
        }
    }
    (bench.script.starts(A).into_iter().map(|at| at - start).collect(), turned)
}

#[tokio::test(start_paused = true)]
async fn jumps_of_the_wall_clock_change_nothing() {
    let jumped = story(jumping).await;
    assert!(jumped.1.iter().any(|(_, turned)| turned.reason == Some(FailReason::HeldDown)), "{jumped:?}");
    assert!(jumped.1.last().is_some_and(|(_, turned)| turned.to == Verdict::Up), "{jumped:?}");
    assert_eq!(jumped, story(SystemTime::now).await);
}
