//! How far the reading of a large zone file is, for whoever waits at a terminal.

use std::cell::{Cell, RefCell};
use std::io::{IsTerminal as _, stderr};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::app::reload::ConfigSource;
use crate::cli::CliError;
use crate::config::{Configuration, LoadContext, Progress};

/// What takes no longer is not worth a line that comes and goes.
const UNSEEN: Duration = Duration::from_millis(500);
/// How a bar looks.
const TEMPLATE: &str = "{msg} {wide_bar} {bytes} of {total_bytes}, {eta} left";

/// A line on the terminal while a zone file is read.
#[derive(Default)]
struct Bar {
    /// When the file that is being read was begun.
    began: Cell<Option<Instant>>,
    /// The line, once there is one.
    line: RefCell<Option<ProgressBar>>,
}

impl Progress for Bar {
    fn advanced(&self, file: &Path, octets: u64, all: u64) {
        let began = self.began.get().unwrap_or_else(Instant::now);
        self.began.set(Some(began));
        if began.elapsed() < UNSEEN {
            return;
        }
        let mut line = self.line.borrow_mut();
        let line = line.get_or_insert_with(|| {
            let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            let name = file.file_name().unwrap_or_default().to_string_lossy().escape_debug().to_string();
            ProgressBar::new(all).with_style(style).with_message(name)
        });
        line.set_length(all);
        line.set_position(octets);
    }

    fn ended(&self) {
        self.began.set(None);
        if let Some(line) = self.line.take() {
            line.finish_and_clear();
        }
    }
}

/// Loads a configuration, and shows how far it is if that takes long and standard error is a terminal.
pub(super) fn load(source: &ConfigSource) -> Result<Configuration, CliError> {
    let bar = stderr().is_terminal().then(Bar::default);
    let progress = bar.as_ref().map(|bar| bar as &dyn Progress);
    source.load(LoadContext { before: None, progress }).map_err(CliError::Faulty)
}
