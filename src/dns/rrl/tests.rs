//! Tests of buckets and their table.

use super::*;

/// Ten answers a second.
fn policy() -> RrlPolicy {
    RrlPolicy { rate: 10, ..RrlPolicy::default() }
}

/// A small table.
fn limiter() -> RateLimiter {
    RateLimiter::new(1024, 7)
}

/// Some class.
const CLASS: ResponseClass = ResponseClass::Answer;
/// Some time, in milliseconds.
const NOW: u64 = 1_700_000_000_000;

/// Whether an answer is admitted.
fn admits(limiter: &RateLimiter, client: IpAddr, class: ResponseClass, now: u64, policy: &RrlPolicy) -> bool {
    limiter.bucket(client, policy, None).unwrap().admits(class, now, policy.rate)
}

/// How many of `count` answers at one moment are admitted.
fn admitted(limiter: &RateLimiter, client: &str, class: ResponseClass, now: u64, count: usize) -> usize {
    let client = client.parse().unwrap();
    (0..count).filter(|_| admits(limiter, client, class, now, &policy())).count()
}

#[test]
fn a_burst_of_one_second_then_the_rate() {
    let limiter = limiter();
    assert_eq!(admitted(&limiter, "192.0.2.1", CLASS, NOW, 50), 10);
    for tenth in 1..=20 {
        assert_eq!(admitted(&limiter, "192.0.2.1", CLASS, NOW + tenth * 100, 50), 1, "{tenth}");
    }
    // After a second without a query the bucket is full again, and not fuller.
    assert_eq!(admitted(&limiter, "192.0.2.1", CLASS, NOW + 60_000, 50), 10);
}

#[test]
fn networks_and_classes_have_buckets_of_their_own() {
    let limiter = limiter();
    assert_eq!(admitted(&limiter, "192.0.2.1", CLASS, NOW, 50), 10);
    assert_eq!(admitted(&limiter, "192.0.2.254", CLASS, NOW, 50), 0, "the same /24");
    assert_eq!(admitted(&limiter, "192.0.3.1", CLASS, NOW, 50), 10);
    for class in [ResponseClass::Negative, ResponseClass::Referral, ResponseClass::Error] {
        assert_eq!(admitted(&limiter, "192.0.2.1", class, NOW, 50), 10, "{class:?}");
    }
    assert_eq!(admitted(&limiter, "2001:db8:0:0::1", CLASS, NOW, 50), 10);
    assert_eq!(admitted(&limiter, "2001:db8:0:ff::2", CLASS, NOW, 50), 0, "the same /56");
    assert_eq!(admitted(&limiter, "2001:db8:0:100::1", CLASS, NOW, 50), 10);
}

#[test]
fn each_network_is_told_of_once_until_it_has_been_quiet() {
    let limiter = limiter();
    let told = |now| {
        admitted(&limiter, "192.0.2.1", CLASS, now, 30);
        limiter.notices().take().0.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(told(NOW), ["192.0.2.0/24"]);
    for tenth in 1..30 {
        assert!(told(NOW + tenth * 100).is_empty(), "the same flood");
    }
    assert_eq!(told(NOW + 60_000), ["192.0.2.0/24"]);
}

#[test]
fn a_clock_that_is_set_back_stops_nobody() {
    let limiter = limiter();
    assert_eq!(admitted(&limiter, "192.0.2.1", CLASS, NOW, 50), 10);
    assert_eq!(admitted(&limiter, "192.0.2.1", CLASS, NOW - 3_600_000, 50), 10);
}

#[test]
fn time_in_an_entry_comes_round() {
    let limiter = limiter();
    let round = (1 << TIME_BITS) / 1000;
    assert_eq!(admitted(&limiter, "192.0.2.1", CLASS, round - 1, 50), 10);
    assert_eq!(admitted(&limiter, "192.0.2.1", CLASS, round + 99, 50), 1);
}

#[test]
fn a_full_table_forgets_the_idlest() {
    let limiter = RateLimiter::new(1, 7);
    assert_eq!(limiter.sets.len(), 1);
    // One that is being limited, and a hundred that ask once and push out each other.
    assert_eq!(admitted(&limiter, "192.0.2.1", CLASS, NOW, 50), 10);
    for third in 3..103 {
        assert_eq!(admitted(&limiter, &format!("192.0.{third}.1"), CLASS, NOW, 1), 1);
    }
    assert_eq!(admitted(&limiter, "192.0.2.1", CLASS, NOW, 50), 0);
}

#[test]
fn what_has_been_idle_for_days_is_forgotten_first() {
    // Half the time that an entry covers, or more, has passed, and less than all of it.
    for days in 4..=6 {
        let limiter = RateLimiter::new(1, 7);
        for third in 0..WAYS {
            assert_eq!(admitted(&limiter, &format!("198.51.{third}.1"), CLASS, NOW, 1), 1);
        }
        let now = NOW + days * 24 * 3_600_000;
        assert_eq!(admitted(&limiter, "192.0.2.1", CLASS, now, 50), 10, "{days} days");
        assert_eq!(admitted(&limiter, "203.0.113.1", CLASS, now, 1), 1, "{days} days");
        assert_eq!(admitted(&limiter, "192.0.2.1", CLASS, now, 50), 0, "{days} days: somebody else was idle");
    }
}

#[test]
fn what_was_found_ahead_counts_for_its_network_alone() {
    let (limiter, policy) = (limiter(), policy());
    let client = IpAddr::from([192, 0, 2, 1]);
    let found = |address: [u8; 4]| Some(limiter.look_ahead(address.into(), &policy));
    let admits = |found, policy: &RrlPolicy| {
        let bucket = limiter.bucket(client, policy, found).unwrap();
        (0..50).filter(|_| bucket.admits(CLASS, NOW, policy.rate)).count()
    };
    assert_eq!(admits(found([192, 0, 2, 77]), &policy), 10);
    assert_eq!(admits(None, &policy), 0, "the same bucket");
    assert_eq!(admits(found([192, 0, 3, 1]), &policy), 0, "another network's");
    let wider = RrlPolicy { ipv4_prefix: 16, ..policy.clone() };
    assert_eq!(admits(found([192, 0, 2, 1]), &wider), 10, "another policy's");
}

#[test]
fn many_threads_together_get_the_rate_of_one() {
    let limiter = limiter();
    let policy = RrlPolicy { rate: 1_000, ..policy() };
    let admitted: usize = std::thread::scope(|scope| {
        let count = || (0..5_000).filter(|_| admits(&limiter, [192, 0, 2, 1].into(), CLASS, NOW, &policy)).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // A worker that loses a race too often lets an answer pass.
    assert!((1_000..1_100).contains(&admitted), "{admitted}");
}

#[test]
fn the_highest_rate_is_exact() {
    let limiter = limiter();
    let policy = RrlPolicy { rate: 1_000_000, ..policy() };
    let admitted = (0..1_100_000).filter(|_| admits(&limiter, [192, 0, 2, 1].into(), CLASS, NOW, &policy)).count();
    assert_eq!(admitted, 1_000_000);
}
