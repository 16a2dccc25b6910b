//! `[health.guard]`: when verdicts are doubted because this machine may have lost its own network.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::reach::Reach;
use crate::config::settings::{read_socket_address, set};
use crate::model::limits::{GUARD_REFERENCES_MAX, GUARD_WINDOW_MAX, GUARD_WINDOW_MIN};
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Key, Spot, defaulted};
use crate::spec::value::{boolean, duration, integer, list};

/// When verdicts are doubted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HealthGuard {
    /// Whether they ever are.
    pub enabled: bool,
    /// How many of a hundred addresses have to turn down in silence.
    pub share_percent: u8,
    /// How lately a reference must have answered for its silence to mean something.
    pub window: Duration,
    /// Hosts whose answers say that the network works, each with a TCP port.
    pub references: Vec<SocketAddr>,
}

impl Default for HealthGuard {
    fn default() -> Self {
        Self {
            enabled: true,
            share_percent: 50,
            // At the default interval of a minute, half of all origins are down 45 s after the loss; this leaves time for
            // intervals of five minutes, and for counts.
            window: Duration::from_mins(10),
            references: vec![],
        }
    }
}

/// The keys of `[health.guard]`.
pub const HEALTH_GUARD_KEYS: &[Key] =
    &[defaulted("enabled"), defaulted("share_percent"), defaulted("window"), defaulted("references")];

/// Reads it; references have to be within `reach`.
pub(super) fn read(spot: Spot<'_, '_>, reach: &Reach, faults: &mut Faults) -> Option<HealthGuard> {
    let mut fields = Fields::open(spot, HEALTH_GUARD_KEYS, faults)?;
    let mut guard = HealthGuard::default();
    set!(fields, "enabled", boolean => guard.enabled);
    set!(fields, "share_percent", integer(1, 100) => guard.share_percent);
    set!(fields, "window", duration(GUARD_WINDOW_MIN, GUARD_WINDOW_MAX) => guard.window);
    let reference = |spot: Spot<'_, '_>, faults: &mut Faults| {
        let address = read_socket_address(spot, faults)?;
        if address.port() == 0 {
            return spot.refuse("an address with a port that something listens on", faults);
        }
        if !reach.allows(address.ip()) {
            return spot.reject("[health] denies that address to probes, so that it could never answer", faults);
        }
        Some(address)
    };
    set!(fields, "references", list(GUARD_REFERENCES_MAX, reference) => guard.references);
    Some(guard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;

    /// Reads the table.
    fn read(text: &str) -> Result<HealthGuard, String> {
        let text = format!("version = 1\n[health.guard]\n{text}");
        load_text("x.toml", &text).map(|loaded| loaded.policy.guard).map_err(|report| report.to_string())
    }

    #[test]
    fn what_is_said_holds_and_the_rest_is_the_default() {
        let text = "share_percent = 80\nreferences = ['192.0.2.1:53', '[2001:db8::1]:443']";
        let references = vec!["192.0.2.1:53".parse().unwrap(), "[2001:db8::1]:443".parse().unwrap()];
        assert_eq!(read(text), Ok(HealthGuard { share_percent: 80, references, ..HealthGuard::default() }));
        assert_eq!(read("enabled = false").map(|guard| guard.enabled), Ok(false));
    }

    #[test]
    fn faults_have_their_places() {
        for (text, fault) in [
            ("share = 1", "3:1: health.guard.share: unknown key"),
            ("share_percent = 0", "3:17: health.guard.share_percent: found 0; allowed: a whole number from 1 to 100"),
            ("window = 5", "3:10: health.guard.window: found 5; allowed: whole seconds"),
            (
                "references = ['192.0.2.1']",
                "3:15: health.guard.references[0]: found \"192.0.2.1\"; allowed: an address",
            ),
            ("references = ['192.0.2.1:0']", "health.guard.references[0]: found \"192.0.2.1:0\"; allowed: an address"),
            (
                "references = ['169.254.169.254:80']",
                "health.guard.references[0]: found \"169.254.169.254:80\"; [health]",
            ),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.contains(fault), "{text}: {found}");
        }
    }
}
