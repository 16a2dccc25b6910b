//! What bodies say: objects, with all faults at once, and with all warnings as messages.

use crate::api::v4::envelope::{self, Message};
use crate::api::v4::error::ApiError;
use crate::model::tree::{Node, Table, Value};
use crate::spec::dialect::Dialect;
use crate::spec::fault::Faults;
use crate::spec::json_text::patch;

/// An object that a body says, and what there is to tell of the body.
#[derive(Clone, Debug)]
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
        _ => Err(not_a_table()),
    }
}

/// A body of another form.
fn not_a_table() -> ApiError {
    ApiError::invalid("the body has to be a JSON object")
}

/// What an object is to say after a PATCH: what the body leaves out stays as it is, and what is null goes back to its
/// default.
pub fn overlaid(current: &Table, body: &Table) -> Node {
    Node::built(Value::Table(patch(current, body)))
}

/// What a body says of an object that is there.
#[derive(Clone, Debug)]
pub enum Edit {
    /// PUT: all of it. What it leaves out goes back to its default.
    Whole(Node),
    /// PATCH: some of it. What it leaves out stays.
    Part(Table),
}

impl Edit {
    /// The body of a PATCH.
    pub fn part(body: Node) -> Result<Self, ApiError> {
        match body.value {
            Value::Table(said) => Ok(Self::Part(said)),
            _ => Err(not_a_table()),
        }
    }

    /// Parses what the object is to be; `overlaid` lays a part of it over what the object says now.
    pub fn parsed<T>(
        &self,
        overlaid: impl FnOnce(&Table) -> Node,
        parse: impl FnOnce(&Node, &mut Faults) -> Option<T>,
    ) -> Result<Parsed<T>, ApiError> {
        let mut new = match self {
            Self::Whole(body) => parsed(|faults| parse(body, faults)),
            Self::Part(said) => parsed(|faults| parse(&overlaid(said), faults)),
        }?;
        new.messages.retain(|message| self.tells(message));
        Ok(new)
    }

    /// Whether a message is to be told: what else the object says has been told when it was written.
    pub fn tells(&self, message: &Message) -> bool {
        let Self::Part(said) = self else { return true };
        let first = message.pointer.as_deref().and_then(|pointer| pointer.split('/').nth(1));
        first.is_none_or(|key| said.entry(&key.replace("~1", "/").replace("~0", "~")).is_some())
    }
}
