//! What the tests of the whole server share: the real program in a folder of its own, origins that misbehave on
//! demand, and a DNS client that sees every octet. Nothing has a fixed port, and nothing sleeps to be in time.

pub(crate) mod client;
pub(crate) mod http;
pub(crate) mod origin;
pub(crate) mod random;
pub(crate) mod server;
pub(crate) mod tls;
pub(crate) mod tools;

use std::time::{Duration, Instant};

pub(crate) use client::{Dns, addresses, extended_error, question, records};
pub(crate) use origin::{Behaviour, Origin, Site};
pub(crate) use random::Random;
pub(crate) use server::{Ran, TestServer, run};

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A zone for all tests: `example.test`, with names of every kind.
pub(crate) const ZONE: &str = r#"
[[zones]]
name = "example.test"
records = [
  "@ 3600 SOA ns1 hostmaster 7 7200 900 1209600 300",
  "@ 3600 NS ns1",
  "@ 300 MX 10 mail",
  "ns1 3600 A 192.0.2.53",
  "static 60 A 192.0.2.80",
]
"#;

/// The same zone with `big`, 40 TXT records that fit no datagram.
pub(crate) fn big_zone() -> String {
    let texts: Vec<String> = (0..40).map(|n| format!("  \"big 60 TXT {n:0>60}\",\n")).collect();
    ZONE.replace("  \"static 60", &format!("{}  \"static 60", texts.concat()))
}

/// Polls until there is a value; fails after [`PATIENCE`].
#[track_caller]
pub(crate) fn wait_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Polls until a condition holds; fails after [`PATIENCE`].
#[track_caller]
pub(crate) fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    wait_some(what, || holds().then_some(()));
}

/// Polls until `look` gives `expected`; a failure shows what it gave last.
#[track_caller]
pub(crate) fn wait_for<T: PartialEq + std::fmt::Debug>(expected: &T, mut look: impl FnMut() -> T) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = look();
        if found == *expected {
            return;
        }
        assert!(Instant::now() < deadline, "waited in vain for {expected:?}; at last {found:?}");
        std::thread::sleep(LOOK_EVERY);
    }
}
