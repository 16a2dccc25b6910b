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

/// Some positive answer.
const SUBJECT: (ResponseClass, usize) = (ResponseClass::Answer, 1);
/// Some time, in milliseconds.
const NOW: u64 = 1_700_000_000_000;

/// How many of `count` answers at one moment are admitted.
fn admitted(limiter: &RateLimiter, client: &str, about: (ResponseClass, usize), now: u64, count: usize) -> usize {
    let client = client.parse().unwrap();
    (0..count).filter(|_| limiter.admits(client, about, now, &policy())).count()
}

#[test]
fn a_burst_of_one_second_then_the_rate() {
    let limiter = limiter();
    assert_eq!(admitted(&limiter, "192.0.2.1", SUBJECT, NOW, 50), 10);
    for tenth in 1..=20 {
        assert_eq!(admitted(&limiter, "192.0.2.1", SUBJECT, NOW + tenth * 100, 50), 1, "{tenth}");
    }
    // After a second without a query the bucket is full again, and not fuller.
    assert_eq!(admitted(&limiter, "192.0.2.1", SUBJECT, NOW + 60_000, 50), 10);
}

#[test]
fn networks_classes_and_subjects_have_buckets_of_their_own() {
    let limiter = limiter();
    assert_eq!(admitted(&limiter, "192.0.2.1", SUBJECT, NOW, 50), 10);
    assert_eq!(admitted(&limiter, "192.0.2.254", SUBJECT, NOW, 50), 0, "the same /24");
    assert_eq!(admitted(&limiter, "192.0.3.1", SUBJECT, NOW, 50), 10);
    assert_eq!(admitted(&limiter, "192.0.2.1", (ResponseClass::Negative, 1), NOW, 50), 10);
    assert_eq!(admitted(&limiter, "192.0.2.1", (ResponseClass::Answer, 2), NOW, 50), 10);
    assert_eq!(admitted(&limiter, "2001:db8:0:0::1", SUBJECT, NOW, 50), 10);
    assert_eq!(admitted(&limiter, "2001:db8:0:ff::2", SUBJECT, NOW, 50), 0, "the same /56");
    assert_eq!(admitted(&limiter, "2001:db8:0:100::1", SUBJECT, NOW, 50), 10);
}

#[test]
fn each_network_is_told_of_once_until_it_has_been_quiet() {
    let limiter = limiter();
    let told = |now| {
        admitted(&limiter, "192.0.2.1", SUBJECT, now, 30);
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
    assert_eq!(admitted(&limiter, "192.0.2.1", SUBJECT, NOW, 50), 10);
    assert_eq!(admitted(&limiter, "192.0.2.1", SUBJECT, NOW - 3_600_000, 50), 10);
}

#[test]
fn time_in_an_entry_comes_round() {
    let limiter = limiter();
    let round = (1 << TIME_BITS) / 1000;
    assert_eq!(admitted(&limiter, "192.0.2.1", SUBJECT, round - 1, 50), 10);
    assert_eq!(admitted(&limiter, "192.0.2.1", SUBJECT, round + 99, 50), 1);
}

#[test]
fn a_full_table_forgets_the_idlest() {
    let limiter = RateLimiter::new(1, 7);
    assert_eq!(limiter.sets.len(), 1);
    // One that is being limited, and seven that asked once.
    assert_eq!(admitted(&limiter, "192.0.2.1", SUBJECT, NOW, 50), 10);
    for subject in 2..9 {
        assert_eq!(admitted(&limiter, "192.0.2.1", (ResponseClass::Answer, subject), NOW, 1), 1);
    }
    // A hundred more push out each other, but not the one whose bucket is empty.
    for subject in 9..109 {
        assert_eq!(admitted(&limiter, "192.0.2.1", (ResponseClass::Answer, subject), NOW, 1), 1);
    }
    assert_eq!(admitted(&limiter, "192.0.2.1", SUBJECT, NOW, 50), 0);
}

#[test]
fn many_threads_together_get_the_rate_of_one() {
    let limiter = limiter();
    let policy = RrlPolicy { rate: 1_000, ..policy() };
    let admitted: usize = std::thread::scope(|scope| {
        let count = || (0..5_000).filter(|_| limiter.admits([192, 0, 2, 1].into(), SUBJECT, NOW, &policy)).count();
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
    let admitted = (0..1_100_000).filter(|_| limiter.admits([192, 0, 2, 1].into(), SUBJECT, NOW, &policy)).count();
    assert_eq!(admitted, 1_000_000);
}
