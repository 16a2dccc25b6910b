//! `pooldns set-aside`: objects of the API that are kept and not served, because what is declared contradicts them.

use std::io::{self, Write};

use clap::{Args, Subcommand};

use crate::api::client;
use crate::api::status::SetAsideStatus;
use crate::cli::{CliError, ControlArgs, block_on};

/// Arguments of `set-aside`.
#[derive(Args, Debug)]
pub(super) struct SetAsideArgs {
    /// What to do.
    #[command(subcommand)]
    command: SetAsideCommand,
}

/// What to do with them.
#[derive(Subcommand, Debug)]
enum SetAsideCommand {
    /// List them, each with the reason.
    List {
        /// Which server.
        #[command(flatten)]
        control: ControlArgs,
    },
    /// Drop one for good: it does not come back when nothing contradicts it any more.
    Drop {
        /// Its id.
        id: String,
        /// Which server.
        #[command(flatten)]
        control: ControlArgs,
    },
}

/// Lists them, or drops one.
pub(super) fn run(args: &SetAsideArgs) -> Result<(), CliError> {
    let mut out = io::stdout();
    match &args.command {
        SetAsideCommand::List { control } => {
            let status = block_on(client::status(&control.path()?))??;
            for SetAsideStatus { kind, id, name, why } in status.set_aside {
                writeln!(out, "{kind} {name} ({id}): {why}")?;
            }
            Ok(())
        }
        SetAsideCommand::Drop { id, control } => {
            let dropped = block_on(client::drop_set_aside(&control.path()?, id))??.map_err(CliError::Store)?;
            Ok(writeln!(out, "dropped {dropped}")?)
        }
    }
}
