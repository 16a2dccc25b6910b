//! What guards the data plane: made once at the start, and reported on while it runs.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::guard::CookieSecret;
use crate::config::{Policy, Settings};
use crate::dns::engine::Fittings;
use crate::dns::rrl::{Notice, RateLimiter};

/// How often networks are logged that have come to be limited.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// A network that has not come to be limited for so long is worth a line when it does again.
const FLOOD_OVER: Duration = Duration::from_mins(1);

/// What all engines have and no reload changes. `seed` is a number that nobody outside knows.
pub(super) fn fittings(settings: &Settings, seed: u64) -> io::Result<Fittings> {
    let mut secret = [0; 16];
    let random = aws_lc_rs::default_provider().secure_random;
    random.fill(&mut secret).map_err(|_| io::Error::other("it has no random numbers"))?;
    Ok(Fittings {
        limiter: RateLimiter::new(settings.rrl_table_size, seed),
        cookie_secret: CookieSecret(secret),
        tcp_idle_timeout: settings.tcp.idle_timeout,
    })
}

/// Logs networks that have come to be limited, one line each, until `stop`.
pub(super) async fn report_limits(fittings: Arc<Fittings>, policy: Arc<ArcSwap<Policy>>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(REPORT_EVERY);
    let mut known = Known::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = Instant::now();
        let (notices, lost) = fittings.limiter.notices().take();
        for notice in notices.into_iter().filter(|notice| known.is_new(*notice, now)) {
            let (network, what) = (notice, notice.class.word());
            if policy.load().rrl.log_only {
                warn!(%network, what, "more queries than [rrl] rate allows; all are answered, as log_only is set");
            } else {
                warn!(%network, what, "more queries than [rrl] rate allows; limiting answers");
            }
        }
        if lost > 0 {
            warn!(notices = lost, "more networks than can be named have come to be limited");
        }
    }
}

/// What has been logged. A flood that comes in waves is one flood.
#[derive(Debug, Default)]
struct Known(HashMap<Notice, Instant>);

impl Known {
    /// Notes that a network has come to be limited; whether that is worth a line. Few notices come at a time, so few are
    /// kept.
    fn is_new(&mut self, notice: Notice, now: Instant) -> bool {
        self.0.retain(|_, last| now.duration_since(*last) < FLOOD_OVER);
        self.0.insert(notice, now).is_none()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::guard::RrlPolicy;
    use crate::dns::rrl::ResponseClass;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_in_waves_is_one_flood() {
        let fittings = fittings(&Settings::default(), 1).unwrap();
        let policy = RrlPolicy { rate: 1, ..RrlPolicy::default() };
        let bucket = fittings.limiter.bucket([192, 0, 2, 1].into(), &policy, None).unwrap();
        assert!(bucket.admits(ResponseClass::Answer, 0, 1) && !bucket.admits(ResponseClass::Answer, 0, 1));
        let notices = fittings.limiter.notices().take().0;
        let (mut known, began) = (Known::default(), Instant::now());
        let new = |known: &mut Known, seconds| known.is_new(notices[0], began + Duration::from_secs(seconds));
        assert!(new(&mut known, 0) && !new(&mut known, 0) && !new(&mut known, 59) && !new(&mut known, 110));
        assert!(new(&mut known, 170));
    }

    #[test]
    fn each_process_has_a_cookie_secret_of_its_own() {
        let secret = || fittings(&Settings::default(), 1).unwrap().cookie_secret;
        assert_ne!(secret(), secret());
    }
}
