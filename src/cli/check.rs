//! `pooldns check`: is a configuration good? What is wrong goes to standard error, and so do warnings, which fail nothing.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::app::reload::ConfigSource;
use crate::cli::{CliError, ConfigArgs, progress};
use crate::config::Configuration;
use crate::spec::fault::Severity;

/// Arguments of `check`.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// The configuration file, as with --config.
    #[arg(value_name = "FILE", conflicts_with_all = ["config", "demo"])]
    file: Option<PathBuf>,
    /// Which configuration.
    #[command(flatten)]
    config: ConfigArgs,
}

/// Parses and cross-checks; prints a summary and all warnings, or all faults.
pub(super) fn run(args: &CheckArgs) -> Result<(), CliError> {
    let CheckArgs { file, config } = args;
    let source = file.clone().map_or_else(|| config.source(), |file| Ok(ConfigSource::File(file)))?;
    let Configuration { declared, files, warnings, .. } = progress::load(&source)?;
    if !warnings.is_empty() {
        writeln!(io::stderr(), "{warnings}")?;
    }
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    writeln!(
        io::stdout(),
        "good: {}, {}{}, {}, {} in {}{}",
        count(declared.hostings.len(), "zone"),
        count(declared.monitors.len(), "monitor"),
        match declared.monitor_groups.len() {
            0 => String::new(),
            groups => format!(", {}", count(groups, "monitor group")),
        },
        count(declared.pools.len(), "pool"),
        count(declared.load_balancers.len(), "load balancer"),
        count(files.len().max(1), "file"),
        if warnings.is_empty() {
            String::new()
        } else {
            format!("; {}", count(warnings.count(Severity::Warning), "warning"))
        },
    )?;
    Ok(())
}
