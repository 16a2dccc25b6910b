//! `pooldns lever`: what operators decide about a pool or an origin, whatever probes say.

use std::io::{self, Write};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::api::client;
use crate::cli::token::parse_life;
use crate::cli::{CliError, ControlArgs, block_on};
use crate::model::lever::LeverAction;

/// Arguments of `lever`.
#[derive(Args, Debug)]
pub(super) struct LeverArgs {
    /// What to do.
    #[command(subcommand)]
    command: LeverCommand,
}

/// What to do with a lever.
#[derive(Subcommand, Debug)]
enum LeverCommand {
    /// Have it count as healthy, whatever probes say.
    Up(PullArgs),
    /// Take it out of answers, even out of the last resort.
    Down(PullArgs),
    /// Give it no new traffic; it counts as what probes say, and a drained pool is still the fallback.
    Drain(PullArgs),
    /// Let probes decide again.
    Release {
        /// Whose lever.
        #[command(flatten)]
        whose: Whose,
    },
}

/// Arguments of what pulls a lever.
#[derive(Args, Debug)]
struct PullArgs {
    /// Whose lever.
    #[command(flatten)]
    whose: Whose,
    /// Why, for those who wonder at 3 a.m.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// It is released by itself after this time, such as 30m or 2h.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_life)]
    time: Option<Duration>,
}

/// Whose lever.
#[derive(Args, Debug)]
struct Whose {
    /// A pool by its name, or one of its origins: `web-eu` or `web-eu/eu-1`.
    #[arg(value_name = "POOL[/ORIGIN]")]
    target: String,
    /// Which server.
    #[command(flatten)]
    control: ControlArgs,
}

impl Whose {
    /// The names of the pool and the origin. No pool's name has a slash.
    fn names(&self) -> (&str, Option<&str>) {
        self.target.split_once('/').map_or((&self.target, None), |(pool, origin)| (pool, Some(origin)))
    }

    /// The id of the pool.
    fn pool_id(&self) -> Result<String, CliError> {
        let (name, _) = self.names();
        let status = block_on(client::status(&self.control.path()?))??;
        let found = status.pools.into_iter().find(|pool| pool.name == name);
        found.map(|pool| pool.id).ok_or_else(|| CliError::Lever(format!("no pool has the name {name:?}")))
    }
}

/// Pulls or releases a lever.
pub(super) fn run(args: &LeverArgs) -> Result<(), CliError> {
    match &args.command {
        LeverCommand::Up(args) => pull(LeverAction::Up, args),
        LeverCommand::Down(args) => pull(LeverAction::Down, args),
        LeverCommand::Drain(args) => pull(LeverAction::Drain, args),
        LeverCommand::Release { whose } => {
            let (pool, (_, origin)) = (whose.pool_id()?, whose.names());
            let released = block_on(client::release_lever(&whose.control.path()?, &pool, origin))??;
            released.map_err(CliError::Lever)?;
            Ok(writeln!(io::stdout(), "{}: released, probes decide", whose.target)?)
        }
    }
}

/// Pulls a lever.
fn pull(action: LeverAction, args: &PullArgs) -> Result<(), CliError> {
    let PullArgs { whose, reason, time } = args;
    let (pool, (_, origin)) = (whose.pool_id()?, whose.names());
    let mut lever = json!({"action": action.word(), "reason": reason});
    if let (Some(time), Some(lever)) = (time, lever.as_object_mut()) {
        lever.insert("for".to_owned(), time.as_secs().into());
    }
    let pulled = block_on(client::pull_lever(&whose.control.path()?, &pool, origin, &lever))??;
    pulled.map_err(CliError::Lever)?;
    let end = time.map_or_else(|| "until it is released".to_owned(), |time| format!("for {} s", time.as_secs()));
    Ok(writeln!(io::stdout(), "{}: {} {end}", whose.target, action.word())?)
}
