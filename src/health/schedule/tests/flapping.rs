//! What flaps is held down, if its monitor asks for it.

use super::*;
use crate::model::monitor::Damping;

/// A monitor under which two changes in five intervals hold until two intervals have been good.
fn damped(name: &str) -> Monitor {
    let damping = Damping { changes: 2, within: INTERVAL * 5, hold: INTERVAL * 2 };
    Monitor { consecutive_up: 1, consecutive_down: 1, damping: Some(damping), ..monitor(name) }
}

/// The next transition, with what the cell says then.
async fn turned(bench: &mut Bench) -> (Verdict, Verdict, Option<FailReason>) {
    let Flip { cell, transition } = bench.flips.recv().await.unwrap();
    assert_eq!((cell.verdict(), cell.reason()), (transition.to, transition.reason));
    (transition.from, transition.to, transition.reason)
}

/// Makes a target flap: it is down once, and is held down when it is up again.
async fn flap(bench: &mut Bench) {
    bench.declare(vec![damped("m")], vec![pool("p", Some("m"), &[A])]);
    turned(bench).await;
    bench.script.fail(A, FailReason::TcpTimeout);
    assert_eq!(turned(bench).await, (Verdict::Up, Verdict::Down, Some(FailReason::TcpTimeout)));
    bench.script.0.lock().unwrap().failures.clear();
    assert_eq!(turned(bench).await, (Verdict::Down, Verdict::Down, Some(FailReason::HeldDown)));
}

#[tokio::test(start_paused = true)]
async fn a_target_is_held_down_until_it_is_stable() {
    let mut bench = Bench::new(100, 100);
    flap(&mut bench).await;
    assert_eq!(bench.cell("p", 0).unwrap().last().unwrap().0.failure, None, "its probes succeed");
    let began = Instant::now();
    assert_eq!(turned(&mut bench).await, (Verdict::Down, Verdict::Up, None));
    assert_eq!((began.elapsed() + MS * 10).as_secs(), (INTERVAL * 2).as_secs(), "the probe two intervals later");
}

#[tokio::test(start_paused = true)]
async fn a_hold_outlasts_an_edit_and_another_target_in_its_place_and_ends_with_damping() {
    let mut bench = Bench::new(100, 100);
    flap(&mut bench).await;
    let edited = Monitor { retries: 1, ..damped("m") };
    bench.declare(vec![edited.clone()], vec![pool("p", Some("m"), &[A])]);
    tokio::time::sleep(INTERVAL).await;
    let held = |bench: &Bench| bench.cell("p", 0).unwrap().reason();
    assert_eq!(held(&bench), Some(FailReason::HeldDown));
    bench.declare(vec![edited, damped("n")], vec![pool("p", Some("n"), &[A])]);
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(held(&bench), Some(FailReason::HeldDown));

    let plain = Monitor { damping: None, ..damped("n") };
    bench.declare(vec![monitor("m"), plain], vec![pool("p", Some("n"), &[A])]);
    assert_eq!(turned(&mut bench).await, (Verdict::Down, Verdict::Up, None));
}
