//! What happened, for logs and for whoever has to act on it.

use crate::model::verdict::{FailReason, Verdict};

/// A verdict that changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transition {
    /// The verdict before.
    pub from: Verdict,
    /// The verdict now.
    pub to: Verdict,
    /// Why, when the target went down.
    pub reason: Option<FailReason>,
    /// How many outcomes in a row decided it.
    pub count: u32,
}
