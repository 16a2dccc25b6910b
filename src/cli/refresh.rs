//! `pooldns refresh`: have a running server transfer a zone anew from its primaries.

use std::io::{self, Write};

use clap::Args;

use crate::api::client;
use crate::api::control::Retransfer;
use crate::cli::{CliError, ControlArgs, block_on};
use crate::model::name::Name;

/// Arguments of `refresh`.
#[derive(Args, Debug)]
pub(super) struct RefreshArgs {
    /// The zone, such as example.com.
    #[arg(value_parser = |text: &str| Name::parse(text, None).map_err(|error| error.to_string()))]
    zone: Name,
    /// Which server.
    #[command(flatten)]
    control: ControlArgs,
}

/// Asks for the transfer and prints how it went.
pub(super) fn run(args: &RefreshArgs) -> Result<(), CliError> {
    let RefreshArgs { zone, control } = args;
    let path = control.path()?;
    match block_on(client::retransfer(&path, zone))?? {
        Retransfer::Done { serial } => Ok(writeln!(io::stdout(), "transferred {zone}: serial {serial}")?),
        Retransfer::Failed { failure } => Err(CliError::NotTransferred(format!("no primary gave {zone}: {failure}"))),
        Retransfer::NotSecondary => Err(CliError::NotTransferred(format!(
            "{zone} is not transferred from other servers: it has no `primaries`"
        ))),
    }
}
