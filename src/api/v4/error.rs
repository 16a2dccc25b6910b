//! Why a request is refused: a code, and what is wrong in words, all of it at once.

use std::time::Duration;

use axum::response::{IntoResponse, Response};

use crate::api::v4::code::{Code, Note};
use crate::api::v4::envelope::{self, Message};
use crate::api::v4::request::PathIdentifier as _;
use crate::model::id::{ObjectId, RecordId};
use crate::model::inventory::{Contradiction, Referrer};
use crate::model::tree::shown_text;
use crate::spec::fault::{Fault, Faults, pointer};
use crate::store::CommitError;

/// A refused request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiError {
    /// What is wrong.
    code: Code,
    /// In words; never empty.
    errors: Vec<Message>,
    /// What there is to tell beside.
    messages: Vec<Message>,
    /// When to come again.
    retry_after: Option<Duration>,
}

/// Names that an error lists; of more, their number is enough.
const LISTED_MAX: usize = 50;
/// When to come again after something that passes by itself.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl ApiError {
    /// An error of a kind, in words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let retry_after = (code.is_passing() && code != Code::BodyTimeout).then_some(RETRY_AFTER);
        Self { code, errors: vec![Message::new(code.number(), message)], messages: vec![], retry_after }
    }

    /// A value that is not allowed: `detail` says which and why.
    pub fn invalid(detail: impl std::fmt::Display) -> Self {
        Self::new(Code::Invalid, format!("{detail}: validation failed"))
    }

    /// An object that is not there.
    pub fn not_found(kind: &str, id: impl std::fmt::Display) -> Self {
        let code = if kind == RecordId::KIND { Code::RecordMissing } else { Code::NotFound };
        Self::new(code, format!("there is no {kind} {id}"))
    }

    /// Nothing at a path.
    pub fn no_route(path: &str) -> Self {
        let slash = if path.ends_with('/') { "; paths here end without a slash" } else { "" };
        Self::new(Code::NoRoute, format!("No route for the URI {}{slash}", shown_text(path)))
    }

    /// Something that should not happen, in words for whoever looks after the server.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// The same with the place in the body (RFC 6901).
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        if let Some(error) = self.errors.first_mut() {
            error.pointer = Some(pointer.into());
        }
        self
    }

    /// The same with what there is to tell beside.
    #[must_use]
    pub fn with_messages(mut self, messages: impl IntoIterator<Item = Message>) -> Self {
        self.messages.extend(messages);
        self
    }

    /// The same with when to come again.
    #[must_use]
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// What is wrong.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Others refer to an object that was to be deleted.
    fn in_use(object: ObjectId, referrers: &[Referrer]) -> Self {
        let name = |referrer: &Referrer| format!("{} {}", referrer.object.kind(), referrer.name);
        let names: Vec<String> = referrers.iter().map(name).collect();
        let text = "This object is referenced by other objects, delete them first";
        let notes = referrers.iter().take(LISTED_MAX).map(|referrer| {
            let Referrer { object, name, active: _ } = referrer;
            Message::of(Note::Referrer, format!("referenced by {} {name} ({object})", object.kind()))
        });
        let way = match object {
            ObjectId::Pool(_) => "; with ?detach=true it is taken out of them as it goes",
            _ => "",
        };
        Self::new(Code::InUse, format!("{text}: {}{way}", first_of(&names, ", "))).with_messages(notes)
    }

    /// Another object has a value that only one may have.
    fn not_unique(field: &str, value: &str, holder: ObjectId) -> Self {
        if matches!(holder, ObjectId::Record(..)) {
            // The original's words, which a client looks for.
            return Self::new(Code::RecordExists, format!("An identical record already exists. ({holder}, {value})"));
        }
        let text = format!("value not unique: {} {holder} has the {field} {value:?} already", holder.kind());
        Self::new(Code::NotUnique, text).at(format!("/{field}"))
    }
}

impl From<Contradiction> for ApiError {
    fn from(contradiction: Contradiction) -> Self {
        let invalid = |pointer: &str| Self::invalid(&contradiction).at(pointer);
        match &contradiction {
            Contradiction::NotUnique { field, value, holder } => Self::not_unique(field, value, *holder),
            Contradiction::InUse { object, referrers } => Self::in_use(*object, referrers),
            Contradiction::NotFound(object) => Self::not_found(object.kind(), object),
            Contradiction::ReadOnly { .. } => Self::new(Code::ReadOnly, contradiction.to_string()),
            Contradiction::Stale { .. } => Self::new(Code::Stale, contradiction.to_string()),
            Contradiction::TooMany { .. } => Self::new(Code::TooMany, contradiction.to_string()),
            Contradiction::Exists(_) => Self::new(Code::NotUnique, format!("value not unique: {contradiction}")),
            Contradiction::MonitorMissing { .. } => invalid("/monitor"),
            Contradiction::GroupMissing { .. } => invalid("/monitor_group"),
            Contradiction::MemberMissing { .. } => invalid("/members"),
            // What makes a zone invalid is that a record stands where it does.
            Contradiction::OutsideZones(_)
            | Contradiction::Covered { .. }
            | Contradiction::TakesOver { .. }
            | Contradiction::Zone { .. } => invalid("/name"),
            // Whichever of the two is put, the other one is in the way.
            Contradiction::OwnName { .. } => invalid(""),
            Contradiction::PoolMissing { .. }
            | Contradiction::LeversWithoutPool(_)
            | Contradiction::KeyMissing { .. }
            | Contradiction::NotSecondary(_)
            | Contradiction::WouldSetAside(_) => Self::invalid(&contradiction),
        }
    }
}

impl From<CommitError> for ApiError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Contradiction(contradiction) => contradiction.into(),
            CommitError::Unavailable(_) => Self::new(Code::Unavailable, error.to_string()),
        }
    }
}

/// All faults of a body; its warnings become messages.
impl From<Faults> for ApiError {
    fn from(faults: Faults) -> Self {
        let dropped = (faults.dropped() > 0)
            .then(|| Message::new(Code::Invalid.number(), format!("and {} more: validation failed", faults.dropped())));
        let mut errors: Vec<Message> = faults.kept().iter().map(invalid_field).chain(dropped).collect();
        if errors.is_empty() {
            errors.push(Message::new(Code::Invalid.number(), "validation failed"));
        }
        let is_twin = |error: &Message| error.code == Code::NotUnique.number();
        let code = if errors.iter().all(is_twin) { Code::NotUnique } else { Code::Invalid };
        Self { code, errors, messages: envelope::warnings(&faults), retry_after: None }
    }
}

/// The first of some texts, and how many more there are.
pub fn first_of(texts: &[String], between: &str) -> String {
    let few = texts.get(..LISTED_MAX).unwrap_or(texts).join(between);
    match texts.len().saturating_sub(LISTED_MAX) {
        0 => few,
        more => format!("{few} and {more} more"),
    }
}

/// One fault of a body.
fn invalid_field(fault: &Fault) -> Message {
    let help = fault.suggestion.as_ref().map_or_else(String::new, |suggestion| format!(" ({suggestion})"));
    let message = if fault.first.is_some() {
        Message::new(Code::NotUnique.number(), format!("value not unique: {fault}{help}"))
    } else {
        Message::new(Code::Invalid.number(), format!("{fault}{help}: validation failed"))
    };
    message.at(pointer(&fault.path))
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { code, errors, messages, retry_after } = self;
        envelope::failure(code, &errors, &messages, retry_after)
    }
}
