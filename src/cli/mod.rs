//! The command line: one file a command. A server that runs is reached by its control socket only.

mod check;
mod events;
mod exchange;
mod explain;
mod progress;
mod lever;
mod refresh;
mod reload;
mod serve;
mod set_aside;
mod status;
mod token;
mod webhook;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::api::client::ClientError;
use crate::app::StartError;
use crate::app::reload::ConfigSource;
use crate::config::LoadContext;
use crate::config::Report;

/// The configuration that `serve --demo` runs, part of the program so that it works anywhere.
const DEMO: ConfigSource =
    ConfigSource::Text { name: "config/demo.toml", text: include_str!("../../config/demo.toml") };

/// What `--help` shows below the options.
const EXAMPLES: &str = "\
Examples:
  pooldns serve --demo                       try it: three origins that you can fail by hand
  pooldns check my.toml                      is this configuration good? all faults and warnings
  pooldns serve --config my.toml             run the server
  pooldns reload --config my.toml            take changes in, all or nothing
  pooldns refresh example.com                transfer a zone anew from its primaries
  pooldns status --config my.toml            pools, origins, and why they are down
  pooldns explain www.example.com AAAA       what a name would be answered with now, and why
  pooldns events --follow                    what happens to them, as it happens
  pooldns export > api.toml                  everything that the API made, as TOML
  pooldns status --json | jq .pools          the same for scripts
  pooldns lever down web-eu/eu-1 --for 2h    take an origin out of answers for two hours
  pooldns token create ci --expires 90d      a token for the API

Exit status: 0 done (warnings or not), 1 failed, 2 faulty configuration or command line.";

/// An authoritative DNS server that answers with only the healthy addresses of a pool.
#[derive(Parser, Debug)]
#[command(name = "pooldns", version, about, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
enum Command {
    /// Run the server in the foreground.
    Serve(serve::ServeArgs),
    /// Say whether a configuration is good: all faults and warnings, each with its place.
    ///
    /// A fault is refused by `serve` and `reload`, and the exit status is 2. A warning is about what is legal and most
    /// likely a mistake, such as a mail server without addresses; nothing is refused because of it.
    Check(check::CheckArgs),
    /// Have a running server read its configuration again; a faulty one changes nothing.
    Reload(reload::ReloadArgs),
    /// Have a running server transfer a zone anew from its primaries, whatever its serial.
    Refresh(refresh::RefreshArgs),
    /// Show pools, origins and load balancers of a running server.
    Status(status::StatusArgs),
    /// Decide about a pool or an origin whatever probes say: force it up or down, drain it, perhaps for a limited time.
    Lever(lever::LeverArgs),
    /// Say what a name would be answered with now, and why: which pools and origins were considered, what keeps each out.
    Explain(explain::ExplainArgs),
    /// Show what happened to pools and origins, or follow what happens.
    Events(events::EventsArgs),
    /// Make, list and revoke tokens, which the API asks for over TCP.
    Token(token::TokenArgs),
    /// Try a webhook out.
    Webhook(webhook::WebhookArgs),
    /// Print everything that the API made, as TOML: a part of a configuration, or something to import elsewhere.
    Export(exchange::ExportArgs),
    /// Have the API make the objects of a TOML document, all of them or none; those with the same ids are replaced.
    Import(exchange::ImportArgs),
    /// List and drop objects that the API made and the configuration contradicts: they are kept, and not served.
    SetAside(set_aside::SetAsideArgs),
    /// Copy the store into a new file, while the server runs or not.
    Backup(exchange::BackupArgs),
}

/// Which configuration.
#[derive(Args, Debug, Clone)]
struct ConfigArgs {
    /// The configuration file; without it, config/pooldns.toml or else /etc/pooldns/pooldns.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The demonstration's configuration instead of a file.
    #[arg(long, conflicts_with = "config")]
    demo: bool,
}

impl ConfigArgs {
    /// Where the configuration comes from.
    fn source(&self) -> Result<ConfigSource, CliError> {
        match &self.config {
            _ if self.demo => Ok(DEMO),
            Some(file) => Ok(ConfigSource::File(file.clone())),
            None => find(&PLACES.map(Path::new)).map(ConfigSource::File).ok_or(CliError::NoConfig),
        }
    }
}

/// Where the configuration is looked for: a checkout or a trial first, then what the service has.
const PLACES: [&str; 2] = ["config/pooldns.toml", "/etc/pooldns/pooldns.toml"];

/// The first of some files that is there.
fn find(places: &[&Path]) -> Option<PathBuf> {
    // One that we may not look at is there, and reading it will say what is wrong.
    places.iter().find(|place| place.try_exists().unwrap_or(true)).map(|place| (*place).to_owned())
}

/// Which running server.
#[derive(Args, Debug, Clone)]
struct ControlArgs {
    /// The configuration that names the control socket.
    #[command(flatten)]
    config: ConfigArgs,
    /// The control socket, whatever the configuration says.
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
}

impl ControlArgs {
    /// The control socket's path.
    fn path(&self) -> Result<PathBuf, CliError> {
        if let Some(path) = &self.control {
            return Ok(path.clone());
        }
        match self.config.source()?.load(LoadContext::default()) {
            Ok(configuration) => Ok(configuration.settings.control),
            // A faulty pool is no reason not to look at the server that runs, nor to hear from it that it keeps the
            // configuration that it has.
            Err(report) => report.control().map(Path::to_owned).ok_or(CliError::NoControl(report)),
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    /// The configuration is faulty.
    #[error("{0}")]
    Faulty(Report),
    /// There is no configuration.
    #[error("there is no {} here, and no {}: name the configuration with --config FILE, or try --demo", PLACES[0], PLACES[1])]
    NoConfig,
    /// The configuration that should name the control socket is faulty.
    #[error("{0}\nThe control socket's path is in that file; --control SOCKET names it without.")]
    NoControl(Report),
    /// A reload that the server refused.
    #[error("{0}")]
    Refused(String),
    /// A transfer that did not come about.
    #[error("{0}")]
    NotTransferred(String),
    /// A token that cannot be made or revoked.
    #[error("{0}")]
    Token(String),
    /// An answer that cannot be explained.
    #[error("{0}")]
    Explain(String),
    /// A lever that cannot be pulled or released.
    #[error("{0}")]
    Lever(String),
    /// A webhook that takes nothing.
    #[error("{0}")]
    Webhook(String),
    /// A store that cannot be opened while no server runs.
    #[error("{0}")]
    Store(String),
    /// No answer from a running server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// What keeps answers true has ended; the log says why.
    #[error(
        "a part of the server that keeps its answers true ended unexpectedly (probing, publishing or zone transfer); the \
         server stops rather than answer from what it once knew"
    )]
    Failed,
    /// A demonstration's origin cannot be had.
    #[error("cannot bind the demonstration's origin {address}: {cause}; is another demonstration running?")]
    Demo {
        /// Where.
        address: std::net::SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// Anything that the system refuses.
    #[error(transparent)]
    System(#[from] io::Error),
    /// What cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl CliError {
    /// 2 for what the person has to mend in a file, 1 for everything else.
    const fn exit_status(&self) -> u8 {
        match self {
            Self::Faulty(_) | Self::NoConfig | Self::NoControl(_) | Self::Refused(_) => 2,
            Self::NotTransferred(_)
            | Self::Token(_)
            | Self::Explain(_)
            | Self::Lever(_)
            | Self::Webhook(_)
            | Self::Store(_)
            | Self::Client(_)
            | Self::Start(_)
            | Self::Failed
            | Self::Demo { .. }
            | Self::System(_)
            | Self::Json(_) => 1,
        }
    }
}

/// Runs a command line.
pub fn run(cli: Cli) -> ExitCode {
    let Cli { command } = cli;
    let result = match command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Refresh(args) => refresh::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Lever(args) => lever::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Events(args) => events::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Webhook(args) => webhook::run(&args),
        Command::Export(args) => exchange::export(&args),
        Command::Import(args) => exchange::import(&args),
        Command::SetAside(args) => set_aside::run(&args),
        Command::Backup(args) => exchange::backup(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has gone, such as `head`: nothing failed.
        Err(CliError::System(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let prefix = if error.exit_status() == 2 { "" } else { "pooldns: " };
            // Nobody is left to be told when this fails.
            drop(writeln!(io::stderr(), "{prefix}{error}"));
            ExitCode::from(error.exit_status())
        }
    }
}

/// A runtime for commands that ask a server one thing.
fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_configuration_that_is_there_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let [near, far] = ["near.toml", "far.toml"].map(|name| folder.path().join(name));
        let found = || find(&[&near, &far]);
        assert_eq!(found(), None);
        std::fs::write(&far, "").unwrap();
        assert_eq!(found().as_ref(), Some(&far));
        std::fs::write(&near, "").unwrap();
        assert_eq!(found().as_ref(), Some(&near));
    }
}
