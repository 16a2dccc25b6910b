//! `pooldns refresh`: have a running server transfer a zone anew from its primaries.

use std::io::{self, Write};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use crate::api::client::{self, ClientError};
use crate::api::control::Retransfer;
use crate::cli::{CliError, ControlArgs, block_on};
use crate::model::limits::{TRANSFER_CONNECT_TIMEOUT, TRANSFER_MESSAGE_TIMEOUT};
use crate::model::name::Name;

/// Who waits longer is told what for.
const UNTOLD: Duration = Duration::from_secs(1);

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
    match block_on(retransfer(&path, zone))?? {
        Retransfer::Done { serial } => Ok(writeln!(io::stdout(), "transferred {zone}: serial {serial}")?),
        Retransfer::Failed { failure } => Err(CliError::NotTransferred(format!("no primary gave {zone}: {failure}"))),
        Retransfer::NotSecondary => Err(CliError::NotTransferred(format!(
            "{zone} is not transferred from other servers: it has no `primaries`"
        ))),
    }
}

/// Asks for the transfer. If that takes long, says on standard error what is being waited for.
async fn retransfer(control: &Path, zone: &Name) -> Result<Retransfer, ClientError> {
    let mut transfer = pin!(client::retransfer(control, zone));
    if let Ok(done) = timeout(UNTOLD, &mut transfer).await {
        return done;
    }
    let (connect, message) = (TRANSFER_CONNECT_TIMEOUT.as_secs(), TRANSFER_MESSAGE_TIMEOUT.as_secs());
    let why = format!(
        "waiting for the primaries of {zone}, one after the other; each may take {connect} s to accept a connection and \
         {message} s for each message (Ctrl-C ends the waiting, not the transfer)"
    );
    // Whoever has closed it does not want to know.
    drop(writeln!(io::stderr(), "{why}"));
    transfer.await
}
