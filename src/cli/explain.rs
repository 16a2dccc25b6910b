//! `pooldns explain`: what a name would be answered with now, and why.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use std::net::IpAddr;

use clap::Args;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use crate::api::client;
use crate::api::explain::{ExplainAsked, ExplainedAddress, ExplainedPool, Explanation};
use crate::cli::{CliError, ControlArgs, block_on};

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// The name.
    name: String,
    /// The type.
    #[arg(value_name = "TYPE", default_value = "A")]
    rtype: String,
    /// As for a client with this address.
    #[arg(long, value_name = "IP")]
    client: Option<IpAddr>,
    /// One JSON document, for scripts.
    #[arg(long)]
    json: bool,
    /// Which server.
    #[command(flatten)]
    control: ControlArgs,
}

/// Prints the explanation of an answer.
pub(super) fn run(args: &ExplainArgs) -> Result<(), CliError> {
    let ExplainArgs { name, rtype, client, json, control } = args;
    let asked = ExplainAsked { name: name.clone(), rtype: Some(rtype.clone()), client: *client };
    let explained = block_on(client::explain(&control.path()?, &asked))??.map_err(CliError::Explain)?;
    let mut out = io::stdout();
    if *json {
        serde_json::to_writer_pretty(&mut out, &explained)?;
        return Ok(writeln!(out)?);
    }
    Ok(write!(out, "{}", Shown(&explained))?)
}

/// An explanation for people.
struct Shown<'e>(&'e Explanation);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Explanation { name, rtype, answer, addresses, ttl, load_balancer, pools } = self.0;
        writeln!(f, "{name} {rtype}: {answer}")?;
        for address in addresses {
            writeln!(f, "  {} {address}", ttl.unwrap_or(0))?;
        }
        if let Some(load_balancer) = load_balancer.as_ref().filter(|owner| *owner != name) {
            writeln!(f, "by the load balancer {load_balancer}")?;
        }
        for ExplainedPool { name, is_fallback, part, lever, addresses } in pools {
            let role = if *is_fallback { "fallback pool" } else { "pool" };
            let lever = lever.as_ref().map_or_else(String::new, |lever| format!(", LEVER {lever}"));
            writeln!(f, "\n{role} {name}{lever}: {part}")?;
            let mut table = Table::new();
            table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
            for address in addresses {
                table.add_row(row(address));
            }
            writeln!(f, "{table}")?;
        }
        Ok(())
    }
}

/// One address.
fn row(explained: &ExplainedAddress) -> [String; 4] {
    let ExplainedAddress { origin, address, verdict, reason, lever, is_answered, left_out } = explained;
    let lever = lever.as_ref().map_or_else(String::new, |lever| format!(", LEVER {lever}"));
    let reason = reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    let what = match left_out {
        _ if *is_answered => "answered".to_owned(),
        Some(why) => format!("left out: {why}"),
        None => String::new(),
    };
    [format!("  {origin}"), address.clone(), format!("{verdict}{reason}{lever}"), what]
}
