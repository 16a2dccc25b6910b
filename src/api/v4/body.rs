//! What bodies say: objects, with all faults at once, and with all warnings as messages.

use crate::api::v4::envelope::{self, Message};
use crate::api::v4::error::ApiError;
use crate::model::tree::{Node, Table, Value};
use crate::spec::dialect::Dialect;
use crate::spec::fault::Faults;
use crate::spec::json_text::patch;

/// An object that a body says, and what there is to tell of the body.
#[derive(Debug)]
pub struct Parsed<T> {
    /// The object.
    pub object: T,
    /// Keys without effect, and the like.
    pub messages: Vec<Message>,
}

/// Parses a body; `parse` collects what is wrong with it.
pub fn parsed<T>(parse: impl FnOnce(&mut Faults) -> Option<T>) -> Result<Parsed<T>, ApiError> {
    let mut faults = Faults::of(Dialect::Json);
    let object = parse(&mut faults);
    finished(object, faults)
}

/// What has been parsed; an error if there are faults.
pub fn finished<T>(object: Option<T>, faults: Faults) -> Result<Parsed<T>, ApiError> {
    match object {
        Some(object) if faults.is_empty() => Ok(Parsed { object, messages: envelope::warnings(&faults) }),
        _ => Err(faults.into()),
    }
}

/// The table that a body is.
pub fn table(body: &Node) -> Result<&Table, ApiError> {
    match &body.value {
        Value::Table(table) => Ok(table),
        _ => Err(ApiError::invalid("the body has to be a JSON object")),
    }
}

/// What an object is to say after a PATCH: what the body leaves out stays as it is, and what is null goes back to its
/// default.
pub fn overlaid(current: &Table, body: &Table) -> Node {
    Node::built(Value::Table(patch(current, body)))
}

/// Whether a message is about something in a body: what else the object says has been told when it was written.
pub fn is_about(message: &Message, body: &Table) -> bool {
    let first = message.pointer.as_deref().and_then(|pointer| pointer.split('/').nth(1));
    first.is_none_or(|key| body.entry(&key.replace("~1", "/").replace("~0", "~")).is_some())
}
