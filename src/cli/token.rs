//! `pooldns token`: who may use the API.

use std::io::{self, Write};
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::api::client;
use crate::api::tokens::{ListedToken, MadeToken, NewToken};
use crate::cli::{CliError, ControlArgs, block_on};

/// Arguments of `token`.
#[derive(Args, Debug)]
pub(super) struct TokenArgs {
    /// What to do.
    #[command(subcommand)]
    command: TokenCommand,
}

/// What to do with tokens.
#[derive(Subcommand, Debug)]
enum TokenCommand {
    /// Make a token. It is printed once, alone, to standard output.
    Create(CreateArgs),
    /// List the tokens, without what their bearers show.
    List {
        /// Which server.
        #[command(flatten)]
        control: ControlArgs,
    },
    /// Revoke a token: from now on it is worth nothing.
    Revoke {
        /// Its name or id.
        #[arg(value_name = "NAME|ID")]
        token: String,
        /// Which server.
        #[command(flatten)]
        control: ControlArgs,
    },
}

/// Arguments of `token create`.
#[derive(Args, Debug)]
struct CreateArgs {
    /// Its name, which logs show: what it is for.
    name: String,
    /// It may look at everything, and change nothing.
    #[arg(long, conflicts_with = "pool")]
    read: bool,
    /// It may change this pool only, which has to be there already.
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,
    /// It is worth nothing after this time, such as 90d or 12h.
    #[arg(long, value_name = "TIME", value_parser = parse_life)]
    expires: Option<Duration>,
    /// Which server.
    #[command(flatten)]
    control: ControlArgs,
}

/// Makes, lists or revokes tokens.
pub(super) fn run(args: &TokenArgs) -> Result<(), CliError> {
    match &args.command {
        TokenCommand::Create(args) => create(args),
        TokenCommand::List { control } => list(&block_on(client::tokens(&control.path()?))??),
        TokenCommand::Revoke { token, control } => {
            let revoked = block_on(client::revoke_token(&control.path()?, token))??;
            let ListedToken { name, id, .. } = revoked.map_err(CliError::Token)?;
            Ok(writeln!(io::stdout(), "revoked {name} ({id})")?)
        }
    }
}

/// Makes a token and prints it.
fn create(args: &CreateArgs) -> Result<(), CliError> {
    let CreateArgs { name, read, pool, expires, control } = args;
    let expires_in = expires.map(|life| life.as_secs());
    let wanted = NewToken { name: name.clone(), read: *read, pool: pool.clone(), expires_in };
    let made = block_on(client::create_token(&control.path()?, &wanted))??;
    let MadeToken { token: ListedToken { id, name, access, pool, expires, .. }, secret } =
        made.map_err(CliError::Token)?;
    let pool = pool.map_or_else(String::new, |pool| format!(" of the pool {pool} only"));
    let end = expires.map_or_else(|| "does not expire".to_owned(), |expires| format!("expires at {expires}"));
    let what = if access == "read" { "reads" } else { "edits" };
    // Apart from the token, so that a script can take that as it is.
    writeln!(io::stderr(), "{name} ({id}) {what}{pool}, and {end}. The token is shown this once:")?;
    Ok(writeln!(io::stdout(), "{secret}")?)
}

/// Prints the tokens.
fn list(tokens: &[ListedToken]) -> Result<(), CliError> {
    if tokens.is_empty() {
        return Ok(writeln!(io::stdout(), "no tokens; `pooldns token create NAME` makes one")?);
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["NAME", "ACCESS", "POOL", "CREATED", "EXPIRES", "ID"]);
    for ListedToken { id, name, access, pool, created, expires, expired } in tokens {
        let end = match (expires, expired) {
            (None, _) => "never".to_owned(),
            (Some(expires), false) => format!("{expires:.0}"),
            (Some(_), true) => "expired".to_owned(),
        };
        let pool = pool.as_deref().unwrap_or("all");
        table.add_row([name, access, pool, &format!("{created:.0}"), &end, id]);
    }
    Ok(writeln!(io::stdout(), "{table}")?)
}

/// Reads a span of time: a number and a unit.
pub(super) fn parse_life(text: &str) -> Result<Duration, String> {
    let wrong = || "a number with s, m, h or d, such as 90d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_have_a_unit() {
        for (text, seconds) in [("90d", Some(7_776_000)), ("12h", Some(43_200)), ("1s", Some(1)), ("5m", Some(300))] {
            assert_eq!(parse_life(text).ok().map(|life| life.as_secs()), seconds, "{text}");
        }
        for text in ["", "d", "90", "-1d", "1 d", "1y", "99999999999999999999d", "9999999999999999999d", "5\u{e9}"] {
            assert!(parse_life(text).is_err(), "{text}");
        }
    }
}
