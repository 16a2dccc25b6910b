//! Faults that are this machine's own decide nothing about an origin.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_lack_of_resources_changes_no_verdict() {
    let mut bench = Bench::new(100, 100);
    let c = "192.0.2.3";
    bench.script.fail(B, FailReason::TcpConnectionFailed);
    bench.script.fail(c, FailReason::LocalResource);
    let patient = Monitor { retries: 2, ..monitor("m") };
    bench.declare(vec![patient], vec![pool("p", Some("m"), &[A, B, c])]);
    bench.flips.recv().await.unwrap();
    bench.flips.recv().await.unwrap();
    let stand = |bench: &Bench| [0, 1, 2].map(|place| bench.verdict("p", place));
    let before = [Verdict::Up, Verdict::Down, Verdict::Unknown];
    assert_eq!(stand(&bench), before);
    assert_eq!(bench.script.starts(c).len(), 1, "not tried again at once");

    for address in [A, B] {
        bench.script.fail(address, FailReason::LocalResource);
    }
    tokio::time::sleep(INTERVAL * 5).await;
    assert_eq!(stand(&bench), before);
    assert!(bench.flips.try_recv().is_err());
    for place in 0..3 {
        let cell = bench.cell("p", place).unwrap();
        assert_eq!(cell.last().unwrap().0.failure, Some(FailReason::LocalResource), "people see it");
    }
    assert_eq!(bench.cell("p", 1).unwrap().reason(), Some(FailReason::TcpConnectionFailed));
    assert!((5..=7).contains(&bench.script.starts(c).len()), "once an interval, as ever");
}

#[tokio::test(start_paused = true)]
async fn a_lack_of_resources_leaves_a_row_of_failures_as_long_as_it_is() {
    let mut bench = Bench::new(100, 100);
    let thrice = Monitor { consecutive_down: 3, ..monitor("m") };
    bench.declare(vec![thrice], vec![pool("p", Some("m"), &[A])]);
    bench.flips.recv().await.unwrap();
    for reason in [FailReason::TcpTimeout, FailReason::TcpTimeout, FailReason::LocalResource, FailReason::TcpTimeout] {
        assert_eq!(bench.verdict("p", 0), Verdict::Up);
        bench.script.fail(A, reason);
        let probes = bench.script.starts(A).len();
        while bench.script.starts(A).len() == probes {
            tokio::time::sleep(INTERVAL / 100).await;
        }
        tokio::time::sleep(MS * 5).await;
    }
    assert_eq!(bench.flips.try_recv().unwrap().transition.count, 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_probe_and_changes_no_verdict() {
    // One permit: a panic gives it back.
    let mut bench = Bench::new(100, 1);
    bench.script.panic(A, Panics::AtOnce);
    bench.script.fail(B, FailReason::TcpTimeout);
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &[A, B])]);
    tokio::time::sleep(MS * 20).await;
    assert_eq!((bench.verdict("p", 0), bench.verdict("p", 1)), (Verdict::Unknown, Verdict::Down));
    assert_eq!((bench.script.starts(A).len(), bench.cell("p", 0).unwrap().last()), (1, None), "nothing was seen");
    tokio::time::sleep(INTERVAL * 2).await;
    assert_eq!(bench.verdict("p", 0), Verdict::Up, "the next probe is as ever");

    bench.script.panic(B, Panics::Later);
    let probes = bench.script.starts(B).len();
    tokio::time::sleep(INTERVAL * 3).await;
    assert_eq!(bench.verdict("p", 1), Verdict::Down);
    assert!(bench.script.starts(B).len() >= probes + 2, "on its phase points");
    assert_eq!(bench.script.0.lock().unwrap().running, 0);
    bench.script.0.lock().unwrap().failures.clear();
    tokio::time::sleep(INTERVAL * 3).await;
    assert_eq!(bench.verdict("p", 1), Verdict::Up);
}

#[tokio::test(start_paused = true)]
async fn a_panic_leaves_a_row_of_failures_as_long_as_it_is() {
    let mut bench = Bench::new(100, 100);
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &[A])]);
    bench.flips.recv().await.unwrap();
    bench.script.fail(A, FailReason::ConnectionReset);
    // Failure, panic, failure: two in a row.
    while bench.script.starts(A).len() < 2 {
        tokio::time::sleep(MS).await;
    }
    tokio::time::sleep(MS * 5).await;
    bench.script.panic(A, Panics::Later);
    let flip = bench.flips.recv().await.unwrap();
    assert_eq!((flip.transition.count, bench.script.starts(A).len()), (2, 4));
}
