//! What guards the data plane: made once at the start, and reported on while it runs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::Settings;
use crate::config::guard::CookieSecret;
use crate::dns::engine::Fittings;
use crate::dns::rrl::RateLimiter;

/// How often networks are logged that have come to be limited.
const REPORT_EVERY: Duration = Duration::from_secs(1);

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
pub(super) async fn report_limits(fittings: Arc<Fittings>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(REPORT_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let (notices, lost) = fittings.limiter.notices().take();
        for notice in notices {
            warn!(network = %notice, what = notice.class.word(), "more queries than [rrl] rate allows; limiting answers");
        }
        if lost > 0 {
            warn!(networks = lost, "more networks have come to be limited");
        }
    }
}
