//! `pooldns reload`: have a running server read its configuration again.

use std::io::{self, Write};
use std::path::Path;

use clap::Args;

use crate::api::client;
use crate::api::control::{Contradictions, Reload};
use crate::cli::{CliError, ControlArgs, block_on};

/// Arguments of `reload`.
#[derive(Args, Debug)]
pub(super) struct ReloadArgs {
    /// Which server.
    #[command(flatten)]
    control: ControlArgs,
    /// Take the configuration in even if objects made through the API contradict it: those are kept and no longer served.
    #[arg(long)]
    set_aside: bool,
}

/// Asks for a reload and prints how it went; warnings go to standard error, as those of `check`.
pub(super) fn run(args: &ReloadArgs) -> Result<(), CliError> {
    let path = args.control.path()?;
    if let Some(asked) = args.control.config.config.as_deref() {
        let status = block_on(client::status(&path))??;
        check_file(asked, status.configuration.as_deref())?;
    }
    let contradictions = if args.set_aside { Contradictions::SetAside } else { Contradictions::Refused };
    match block_on(client::reload(&path, contradictions))?? {
        Reload::Done { generation, waiting_for_restart, warnings } => {
            if !warnings.is_empty() {
                writeln!(io::stderr(), "{warnings}")?;
            }
            let mut out = io::stdout();
            writeln!(out, "reloaded: generation {generation}")?;
            if !waiting_for_restart.is_empty() {
                writeln!(out, "changed, but only a restart takes it in: {}", waiting_for_restart.join(", "))?;
            }
            Ok(())
        }
        Reload::Refused { faults } => {
            Err(CliError::Refused(format!("{faults}\nThe server keeps the configuration that it has.")))
        }
    }
}

/// The file that somebody names is the one that the server reads. A server of an earlier version does not say which it is.
fn check_file(asked: &Path, read: Option<&Path>) -> Result<(), CliError> {
    let Some(read) = read else { return Ok(()) };
    let asked = asked.canonicalize().or_else(|_| std::path::absolute(asked))?;
    if asked == read {
        return Ok(());
    }
    let (asked, read) = (asked.display(), read.display());
    Err(CliError::Refused(format!(
        "the server reads {read}, not {asked}: nothing is reloaded. Change that file, or start the server with the other one."
    )))
}
