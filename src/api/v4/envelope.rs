//! What every response looks like: `success`, `errors`, `messages` and `result`, in this order, and `result_info` in lists.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Response as HttpResponse, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};

use crate::api::v4::code::{Code, Note};
use crate::api::v4::error::ApiError;
use crate::api::v4::paging::{Page, PageInfo};
use crate::model::stamp::Revision;
use crate::spec::fault::{Faults, Severity, pointer};

/// A header by which the official clients let themselves be told that repeating is in vain.
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// What it says then.
const REPEATED_IN_VAIN: HeaderValue = HeaderValue::from_static("false");
/// The form of all bodies.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Something told in a response: an error, or a message beside the result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Its number.
    pub code: u32,
    /// In words.
    pub message: String,
    /// The place in the body that it is about (RFC 6901).
    pub pointer: Option<String>,
}

impl Message {
    /// A message with a number.
    pub fn new(code: u32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), pointer: None }
    }

    /// A message of a kind.
    pub fn of(note: Note, message: impl Into<String>) -> Self {
        Self::new(note.number(), message)
    }

    /// The same with the place in the body that it is about.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Where a message belongs.
        #[derive(Serialize)]
        struct Source<'m> {
            /// The place in the body.
            pointer: &'m str,
        }
        let mut fields = serializer.serialize_struct("Message", 3)?;
        fields.serialize_field("code", &self.code)?;
        fields.serialize_field("message", &self.message)?;
        if let Some(pointer) = &self.pointer {
            fields.serialize_field("source", &Source { pointer })?;
        }
        fields.end()
    }
}

/// The body of every response. No response has both a result and errors.
#[derive(Serialize)]
struct Envelope<'e, T> {
    /// Whether it went well.
    success: bool,
    /// What is wrong.
    errors: &'e [Message],
    /// What there is to tell beside.
    messages: &'e [Message],
    /// The result; null if it went wrong.
    result: Option<T>,
    /// Where in a list the result stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_info: Option<PageInfo>,
}

/// A successful response.
#[derive(Debug)]
pub struct Reply<T> {
    /// What was asked for.
    result: T,
    /// Where in a list it stands.
    info: Option<PageInfo>,
    /// What there is to tell beside.
    messages: Vec<Message>,
    /// The revision of the single object that it shows, and what else is shown that changes without it.
    tag: Option<(Revision, Option<u32>)>,
}

/// What every handler gives.
pub type Answer<T> = Result<Reply<T>, ApiError>;

impl<T: Serialize> Reply<T> {
    /// A single object, or whatever is no list.
    pub const fn new(result: T) -> Self {
        Self { result, info: None, messages: Vec::new(), tag: None }
    }

    /// A page of a list.
    pub fn page(page: Page<T>) -> Reply<Vec<T>> {
        let Page { items, info } = page;
        Reply { result: items, info: Some(info), messages: vec![], tag: None }
    }

    /// The same with the revision of the object that it shows, which becomes its `ETag`.
    #[must_use]
    pub const fn at(mut self, revision: Revision) -> Self {
        self.tag = Some((revision, None));
        self
    }

    /// The same where it also shows what changes without a revision: `seen` differs when that does.
    #[must_use]
    pub const fn at_seen(mut self, revision: Revision, seen: Option<u32>) -> Self {
        self.tag = Some((revision, seen));
        self
    }

    /// The same with where in a list it stands.
    #[must_use]
    pub const fn with_info(mut self, info: PageInfo) -> Self {
        self.info = Some(info);
        self
    }

    /// The same with what there is to tell beside.
    #[must_use]
    pub fn with_messages(mut self, messages: impl IntoIterator<Item = Message>) -> Self {
        self.messages.extend(messages);
        self
    }
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        let Self { result, info: result_info, messages, tag } = self;
        let body = Envelope { success: true, errors: &[], messages: &messages, result: Some(result), result_info };
        let mut response = written(StatusCode::OK, &body);
        // RFC 9110 §8.8.3: a strong validator, in quotes.
        let text = tag.map(|(revision, seen)| match seen {
            None => format!("\"{revision}\""),
            Some(seen) => format!("\"{revision}-{seen:08x}\""),
        });
        if let Some(tag) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

/// The response to a request that is refused.
pub(super) fn failure(code: Code, errors: &[Message], messages: &[Message], retry_after: Option<Duration>) -> Response {
    let body = Envelope::<()> { success: false, errors, messages, result: None, result_info: None };
    let mut response = written(code.status(), &body);
    let headers = response.headers_mut();
    if let Some(after) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    if !code.is_passing() {
        headers.insert(X_SHOULD_RETRY, REPEATED_IN_VAIN);
    }
    if code == Code::Unauthorized {
        // RFC 9110 §11.6.1: a 401 names at least one way to authenticate.
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if code.is_unsure() {
        response.extensions_mut().insert(Unsure);
    }
    response
}

/// What a response has beside it, if it is not known whether what was asked for has been done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsure;

/// A response after which the official clients do not repeat the request by themselves.
pub fn not_to_be_repeated(mut response: Response) -> Response {
    response.headers_mut().insert(X_SHOULD_RETRY, REPEATED_IN_VAIN);
    response
}

/// A response with a body of JSON.
fn written<T: Serialize>(status: StatusCode, body: &Envelope<'_, T>) -> Response {
    let (status, body) = match serde_json::to_vec(body) {
        Ok(body) => (status, body),
        // Only a map whose keys are no texts, or a Serialize that fails: both would be ours.
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, UNWRITABLE.to_vec()),
    };
    let mut response = HttpResponse::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// The body in place of one that cannot be written.
const UNWRITABLE: &[u8] =
    br#"{"success":false,"errors":[{"code":1000,"message":"the result cannot be written"}],"messages":[],"result":null}"#;

/// Messages that tell of the warnings of a body.
pub fn warnings(faults: &Faults) -> Vec<Message> {
    let warnings = faults.listed(Severity::Warning).kept().iter();
    warnings.map(|warning| Message::of(Note::Warning, warning.to_string()).at(pointer(&warning.path))).collect()
}
