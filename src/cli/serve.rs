//! `pooldns serve`: run the server in the foreground.

use std::io::{self, IsTerminal, Write};

use clap::Args;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use crate::api::control::Contradictions;
use crate::app::demo::{DemoOrigin, ORIGINS};
use crate::app::{self, RunningApp};
use crate::cli::{CliError, ConfigArgs, progress};
use crate::config::Configuration;
use crate::config::settings::{LogFormat, LogSettings};

/// What the demonstration says when it is ready.
const DEMO_TEXT: &str = "
www.example.com is answered by a pool of three origins on this machine, each probed once a second.
In another terminal, type:

  dig @127.0.0.1 -p 5300 www.example.com +short          three addresses
  curl -X POST http://127.0.0.11:8081/fail               one origin fails ...
  dig @127.0.0.1 -p 5300 www.example.com +short          ... and a second later its address is gone
  curl -X POST http://127.0.0.11:8081/recover            it recovers, and so does the answer

The same works with 127.0.0.12 and 127.0.0.13. Fail all three, and all are answered: better an address that may
work than none. `pooldns status --demo` shows what the server thinks (from a checkout: cargo run -- status --demo).
Ctrl-C ends the demonstration.
";

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    /// Which configuration.
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the server until it is told to stop.
pub(super) fn run(args: &ServeArgs) -> Result<(), CliError> {
    let source = args.config.source()?;
    let configuration = progress::load(&source)?;
    start_logs(&configuration.settings.log);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("control").enable_all().build()?;
    let result = runtime.block_on(async {
        let stop_demo = CancellationToken::new();
        if args.config.demo {
            start_demo(&stop_demo).await?;
        }
        let result = serve(configuration, source, args.config.demo).await;
        stop_demo.cancel();
        result
    });
    // Everything has ended, or has had its time.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    result
}

/// Logs to standard error as the settings say.
fn start_logs(log: &LogSettings) {
    // What libraries say is of use when something is wrong.
    let filter = EnvFilter::new(format!("warn,pooldns={}", log.level.word()));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    match log.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}

/// Starts the demonstration's origins.
async fn start_demo(stop: &CancellationToken) -> Result<(), CliError> {
    for address in ORIGINS {
        let origin = DemoOrigin::bind(address).await.map_err(|cause| CliError::Demo { address, cause })?;
        tokio::spawn(origin.serve(stop.clone()));
    }
    Ok(())
}

/// Starts the server, tells whoever waits for it, and obeys signals.
async fn serve(configuration: Configuration, source: app::reload::ConfigSource, demo: bool) -> Result<(), CliError> {
    // Before the start, so that no signal is lost.
    let (mut hangup, mut terminate, mut interrupt) =
        (signal(SignalKind::hangup())?, signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let app = app::start(configuration, source).await?;
    let mut told = false;
    loop {
        tokio::select! {
            () = app.ready(), if !told => {
                told = true;
                tell_ready(demo);
            }
            _ = hangup.recv() => reload(&app),
            () = app.failed() => return Err(CliError::Failed),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    notify(NotifyState::Stopping);
    app.shutdown().await;
    Ok(())
}

/// Says that every live name has what it needs to answer.
fn tell_ready(demo: bool) {
    info!("ready: every live name answers");
    notify(NotifyState::Ready);
    // A server serves, whether somebody reads what it prints or not.
    if demo && let Err(error) = io::stdout().write_all(DEMO_TEXT.as_bytes()) {
        warn!(%error, "cannot print what to type next");
    }
}

/// Reloads on SIGHUP, beside everything else; the log says how it went.
fn reload(app: &RunningApp) {
    let reloader = app.reloader();
    tokio::spawn(async move { drop(reloader.reload(Contradictions::Refused).await) });
}

/// Tells systemd, if it started us.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "cannot notify systemd");
    }
}
