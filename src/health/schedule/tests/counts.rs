//! What probes do is counted by monitor.

use super::*;

#[tokio::test(start_paused = true)]
async fn attempts_results_times_and_lags_are_counted() {
    let mut bench = Bench::new(100, 1);
    let registry = Registry::default();
    bench.schedule = bench.schedule.counting_into(registry.clone());
    let counts = |monitor: &str| registry.monitors().counts().into_iter().find(|counts| counts.monitor == monitor);
    let slow = Duration::from_secs(1);
    bench.script.take(A, slow);
    bench.script.take(B, slow);
    bench.script.fail(B, FailReason::TcpTimeout);
    let patient = Monitor { retries: 1, ..monitor("m") };
    bench.declare(vec![patient.clone(), monitor("idle")], vec![pool("p", Some("m"), &[A, B])]);
    tokio::time::sleep(slow / 2).await;
    // One permit: the other waits for it.
    assert_eq!(counts("m").map(|counts| (counts.in_flight, counts.lag.count)), Some((1, 1)));
    tokio::time::sleep(slow * 3).await;
    let first = counts("m").unwrap();
    assert_eq!((first.in_flight, first.attempts, first.took.count), (0, 3, 2));
    assert_eq!(first.results.into_iter().collect::<Vec<_>>(), [("TCP Timeout", 1), ("success", 1)]);
    // A second each, below or at the bound of one.
    let seconds = |count: u64| count * 1_000_000_000;
    assert_eq!((first.took.sum, first.took.at_most[9]), (seconds(2), (seconds(1), 2)));
    // The one that waited began a second late, or two if it waited for both attempts of the other.
    assert!(first.lag.sum >= seconds(1) && first.lag.sum <= seconds(2) + 10_000_000, "{}", first.lag.sum);
    assert_eq!(counts("idle"), None, "nothing is probed by it");

    // A probe under way that is given up is one no longer.
    bench.script.take(A, INTERVAL);
    bench.script.take(B, INTERVAL);
    while counts("m").unwrap().in_flight == 0 {
        tokio::time::sleep(slow / 10).await;
    }
    bench.declare(vec![], vec![]);
    tokio::time::sleep(slow).await;
    assert_eq!(counts("m"), None, "its series die with it");
    assert_eq!(registry.series_free(), Registry::default().series_free());
}
