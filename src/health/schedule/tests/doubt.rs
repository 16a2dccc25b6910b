//! Mass failures are doubted: verdicts freeze as they were, and thaw by themselves.

use super::*;
use crate::config::health_guard::HealthGuard;

/// The targets of these tests.
const TARGETS: u8 = 12;
/// The reference of some of them.
const REFERENCE: &str = "198.51.100.1";

/// A schedule with its guard, and targets that are all up.
async fn guarded(references: &[&str]) -> (Bench, Arc<ArcSwap<Policy>>) {
    let references = references.iter().map(|address| format!("{address}:53").parse().unwrap()).collect();
    let guard = HealthGuard { references, ..HealthGuard::default() };
    let policy = Arc::new(ArcSwap::from_pointee(Policy { guard, ..Policy::default() }));
    let mut bench = Bench::new(1000, 100);
    bench.schedule = bench.schedule.guarded_by(Arc::clone(&policy));
    let addresses: Vec<String> = (1..=TARGETS).map(address).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &addresses)]);
    for _ in 0..TARGETS {
        bench.flips.recv().await.unwrap();
    }
    (bench, policy)
}

fn address(last: u8) -> String {
    format!("192.0.2.{last}")
}

impl Bench {
    /// Nobody of these answers any more.
    fn silence(&self, targets: std::ops::RangeInclusive<u8>) {
        targets.for_each(|last| self.script.fail(&address(last), FailReason::TcpTimeout));
    }

    /// All answer again.
    fn mend(&self) {
        self.script.0.lock().unwrap().failures.clear();
    }

    /// How many are up.
    fn up(&self) -> usize {
        (0..usize::from(TARGETS)).filter(|place| self.verdict("p", *place) == Verdict::Up).count()
    }

    /// Whether verdicts are frozen.
    fn is_frozen(&self) -> bool {
        self.schedule.standstill().state().since.is_some()
    }

    /// Waits for verdicts to freeze or thaw.
    async fn frozen(&self, frozen: bool) {
        let mut state = self.schedule.standstill().subscribe();
        let changed = state.wait_for(|state| state.since.is_some() == frozen);
        drop(tokio::time::timeout(INTERVAL * 10, changed).await.expect("in time").unwrap());
        // Time for those who hear of it.
        tokio::time::sleep(MS).await;
    }

    /// The transitions so far: down, and up.
    fn turned(&mut self) -> (usize, usize) {
        let mut turned = (0, 0);
        while let Ok(flip) = self.flips.try_recv() {
            *(if flip.transition.to == Verdict::Down { &mut turned.0 } else { &mut turned.1 }) += 1;
        }
        turned
    }
}

#[tokio::test(start_paused = true)]
async fn when_nobody_is_heard_verdicts_freeze_as_they_were_and_thaw_with_the_first_who_is() {
    let (mut bench, _policy) = guarded(&[]).await;
    bench.silence(1..=TARGETS);
    bench.frozen(true).await;
    assert_eq!(bench.up(), usize::from(TARGETS));
    // What turned down is back, through the same queue.
    let (down, up) = bench.turned();
    assert_eq!((down, down >= 7), (up, true));
    tokio::time::sleep(INTERVAL * 20).await;
    assert_eq!((bench.up(), bench.turned(), bench.is_frozen()), (usize::from(TARGETS), (0, 0), true));

    // Three are back: the others are down for themselves, each after its whole count.
    for last in 1..=3 {
        bench.script.0.lock().unwrap().failures.remove(&address(last).parse().unwrap());
    }
    bench.frozen(false).await;
    assert_eq!(bench.up(), usize::from(TARGETS));
    let thawed = Instant::now();
    while bench.up() == usize::from(TARGETS) {
        tokio::time::sleep(MS * 10).await;
    }
    assert!(thawed.elapsed() > INTERVAL, "two failures, both after the thaw");
    tokio::time::sleep(INTERVAL * 2).await;
    assert_eq!((bench.up(), bench.turned(), bench.is_frozen()), (3, (9, 0), false));
}

#[tokio::test(start_paused = true)]
async fn a_single_one_that_is_well_is_enough_for_the_others_to_be_down() {
    let (bench, _policy) = guarded(&[]).await;
    bench.silence(1..=TARGETS);
    bench.frozen(true).await;
    bench.script.0.lock().unwrap().failures.remove(&address(5).parse().unwrap());
    bench.frozen(false).await;
    tokio::time::sleep(INTERVAL * 3).await;
    assert_eq!((bench.up(), bench.schedule.standstill().state().freezes), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_speaks_is_not_silent_and_a_few_are_no_network() {
    let (mut bench, _policy) = guarded(&[]).await;
    // They say themselves that something is wrong.
    (1..=TARGETS).for_each(|last| bench.script.fail(&address(last), FailReason::ResponseCodeMismatch));
    tokio::time::sleep(INTERVAL * 3).await;
    assert_eq!((bench.up(), bench.turned().0, bench.is_frozen()), (0, 12, false));
    bench.mend();
    tokio::time::sleep(INTERVAL * 3).await;
    // Eight of twelve, while the others are heard in between.
    bench.silence(1..=8);
    tokio::time::sleep(INTERVAL * 3).await;
    assert_eq!((bench.up(), bench.is_frozen()), (4, false));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_began_in_the_dark_and_ends_in_the_light_turns_nothing_down() {
    let (mut bench, _policy) = guarded(&[]).await;
    let hasty = Monitor { consecutive_down: 1, ..monitor("m") };
    let addresses: Vec<String> = (1..=TARGETS).map(address).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    bench.declare(vec![hasty], vec![pool("p", Some("m"), &addresses)]);
    bench.silence(1..=TARGETS);
    for address in &addresses {
        bench.script.take(address, INTERVAL / 2);
    }
    bench.frozen(true).await;
    bench.turned();
    tokio::time::sleep(INTERVAL * 2).await;
    // The light is on: probes that begin now succeed at once, those under way fail for up to half an interval yet.
    bench.mend();
    bench.script.0.lock().unwrap().durations.clear();
    bench.frozen(false).await;
    tokio::time::sleep(INTERVAL * 2).await;
    assert_eq!((bench.up(), bench.turned()), (usize::from(TARGETS), (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn while_a_reference_answers_nothing_is_doubted() {
    let (mut bench, _policy) = guarded(&[REFERENCE]).await;
    bench.silence(1..=TARGETS);
    tokio::time::sleep(INTERVAL * 4).await;
    assert_eq!((bench.up(), bench.turned(), bench.is_frozen()), (0, (12, 0), false));
}

#[tokio::test(start_paused = true)]
async fn silent_references_freeze_even_while_some_targets_are_near_enough_to_be_heard() {
    let (mut bench, policy) = guarded(&[REFERENCE]).await;
    bench.silence(1..=8);
    bench.script.fail(REFERENCE, FailReason::TcpTimeout);
    bench.frozen(true).await;
    tokio::time::sleep(INTERVAL * 5).await;
    assert_eq!((bench.up(), bench.is_frozen()), (usize::from(TARGETS), true));
    assert_eq!(bench.schedule.standstill().references(), [(format!("{REFERENCE}:53").parse().unwrap(), Some(false))]);
    let (down, up) = bench.turned();
    assert_eq!(down, up);

    bench.script.0.lock().unwrap().failures.remove(&REFERENCE.parse().unwrap());
    bench.frozen(false).await;
    tokio::time::sleep(INTERVAL * 3).await;
    assert_eq!((bench.up(), bench.is_frozen()), (4, false));

    // Without the guard, as a reload would have it, everything is as it seems.
    policy.store(Arc::new(Policy {
        guard: HealthGuard { enabled: false, ..HealthGuard::default() },
        ..Policy::default()
    }));
    tokio::time::sleep(INTERVAL).await;
    bench.silence(1..=TARGETS);
    tokio::time::sleep(INTERVAL * 3).await;
    assert_eq!((bench.up(), bench.is_frozen()), (0, false));
}

#[tokio::test(start_paused = true)]
async fn what_was_down_before_stays_down_and_what_is_new_waits() {
    let (mut bench, _policy) = guarded(&[]).await;
    bench.silence(1..=2);
    tokio::time::sleep(INTERVAL * 3).await;
    assert_eq!(bench.turned(), (2, 0));
    bench.silence(1..=TARGETS);
    bench.frozen(true).await;
    assert_eq!(bench.up(), usize::from(TARGETS) - 2);
    let mut addresses: Vec<String> = (1..=TARGETS).map(address).collect();
    addresses.push("192.0.2.99".into());
    bench.script.fail("192.0.2.99", FailReason::TcpTimeout);
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &addresses)]);
    tokio::time::sleep(INTERVAL * 3).await;
    assert_eq!((bench.up(), bench.verdict("p", 12)), (usize::from(TARGETS) - 2, Verdict::Unknown));
}
