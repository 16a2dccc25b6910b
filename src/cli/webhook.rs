//! `pooldns webhook`: try a webhook out.

use std::io::{self, Write};

use clap::{Args, Subcommand};

use crate::api::client;
use crate::api::status::DeliveryStatus;
use crate::cli::{CliError, ControlArgs, block_on};

/// Arguments of `webhook`.
#[derive(Args, Debug)]
pub(super) struct WebhookArgs {
    /// What to do.
    #[command(subcommand)]
    command: WebhookCommand,
}

/// What to do with webhooks.
#[derive(Subcommand, Debug)]
enum WebhookCommand {
    /// Have the server send a sample, signed like all messages, and show what the receiver answers.
    Test {
        /// The webhook's name.
        name: String,
        /// Which server.
        #[command(flatten)]
        control: ControlArgs,
    },
}

/// Tries a webhook out.
pub(super) fn run(args: &WebhookArgs) -> Result<(), CliError> {
    let WebhookCommand::Test { name, control } = &args.command;
    let tested = block_on(client::test_webhook(&control.path()?, name))??.map_err(CliError::Webhook)?;
    let DeliveryStatus { at: _, code, failure, took_ms } = tested;
    let code = code.map_or_else(String::new, |code| format!(" ({code})"));
    match failure {
        None => Ok(writeln!(io::stdout(), "{name} took the sample{code} in {took_ms:.1} ms")?),
        Some(failure) => {
            Err(CliError::Webhook(format!("{name} did not take the sample: {failure}{code}, after {took_ms:.1} ms")))
        }
    }
}
