//! `pooldns export`, `import` and `backup`: everything that the API made, out and in. They ask the server that runs; if none
//! does, they open its store themselves.

use std::fs;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::api::client::{self, ClientError};
use crate::api::exchange::{self, Imported, Importing};
use crate::cli::{CliError, ConfigArgs, ControlArgs, block_on};
use crate::config::LoadContext;
use crate::model::inventory::{Change, Inventory};
use crate::store::InventoryStore as _;
use crate::store::embedded::EmbeddedStore;

/// Arguments of `export`.
#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    /// Which server.
    #[command(flatten)]
    control: ControlArgs,
}

/// Arguments of `import`.
#[derive(Args, Debug)]
pub(super) struct ImportArgs {
    /// The document, such as `pooldns export` prints; `-` for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Say what would come of it, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Which server.
    #[command(flatten)]
    control: ControlArgs,
}

/// Arguments of `backup`.
#[derive(Args, Debug)]
pub(super) struct BackupArgs {
    /// The file to make; nothing is overwritten.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Which server.
    #[command(flatten)]
    control: ControlArgs,
}

/// Prints everything that the API made.
pub(super) fn export(args: &ExportArgs) -> Result<(), CliError> {
    let text = match block_on(client::export(&args.control.path()?))? {
        Err(ClientError::Connect { .. }) if args.control.control.is_none() => {
            exchange::exported(&look(&args.control.config)?)
        }
        asked => asked?,
    };
    Ok(write!(io::stdout(), "{text}")?)
}

/// Has the objects of a document made, and says what came of it.
pub(super) fn import(args: &ImportArgs) -> Result<(), CliError> {
    let ImportArgs { file, dry_run, control } = args;
    let (name, text) = read(file)?;
    let importing = if *dry_run { Importing::Dry } else { Importing::Kept };
    let imported = match block_on(client::import(&control.path()?, &name, text.clone(), importing))? {
        Err(ClientError::Connect { .. }) if control.control.is_none() && *dry_run => {
            exchange::try_import(&look(&control.config)?, &name, &text)
        }
        Err(ClientError::Connect { .. }) if control.control.is_none() => {
            block_on(exchange::import(&open(&control.config)?, &name, &text, importing))?
        }
        asked => asked?,
    };
    let Imported { created, updated, unchanged } = imported.map_err(CliError::Refused)?;
    let mut out = io::stdout();
    for (what, objects) in [("create", &created), ("update", &updated)] {
        for object in objects {
            writeln!(out, "{what} {object}")?;
        }
    }
    let done = if *dry_run { "would be" } else { "are" };
    let (created, updated) = (created.len(), updated.len());
    Ok(writeln!(out, "{created} created, {updated} updated, {unchanged} {done} as they were")?)
}

/// Has the store copied.
pub(super) fn backup(args: &BackupArgs) -> Result<(), CliError> {
    // The server has a folder of its own.
    let file = std::path::absolute(&args.file)?;
    let made = match block_on(client::backup(&args.control.path()?, &file))? {
        Err(ClientError::Connect { .. }) if args.control.control.is_none() => {
            let store = open(&args.control.config)?;
            block_on(store.backup(file.clone()))?.map_err(|error| error.to_string())
        }
        asked => asked?,
    };
    made.map_err(CliError::Store)?;
    Ok(writeln!(io::stdout(), "backup in {}", file.display())?)
}

/// Reads a document; gives what faults call it.
fn read(file: &Path) -> Result<(String, String), CliError> {
    if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(("standard input".to_owned(), text));
    }
    let text = fs::read_to_string(file).map_err(|error| CliError::Store(format!("{}: {error}", file.display())))?;
    Ok((file.display().to_string(), text))
}

/// What the store of a configuration has, under what that declares, while no server runs. Nothing is written, and a store
/// that is missing has nothing.
fn look(config: &ConfigArgs) -> Result<Inventory, CliError> {
    let configuration = config.source()?.load(LoadContext::default()).map_err(CliError::Faulty)?;
    let store = if EmbeddedStore::is_in(&configuration.settings.store) {
        EmbeddedStore::open(&configuration.settings.store)
    } else {
        EmbeddedStore::in_memory()
    };
    let kept = store.map_err(|error| CliError::Store(error.to_string()))?.load();
    let declared = Change::DeclareSettingAside(configuration.declared);
    kept.apply(declared).map_err(|error| CliError::Store(error.to_string()))
}

/// Opens the store of a configuration, under what that declares, while no server runs.
fn open(config: &ConfigArgs) -> Result<EmbeddedStore, CliError> {
    let configuration = config.source()?.load(LoadContext::default()).map_err(CliError::Faulty)?;
    let store =
        EmbeddedStore::open(&configuration.settings.store).map_err(|error| CliError::Store(error.to_string()))?;
    let declared = Change::DeclareSettingAside(configuration.declared);
    block_on(store.commit(declared))?.map_err(|error| CliError::Store(error.to_string()))?;
    Ok(store)
}
