//! `If-Match` and `If-None-Match` (RFC 9110 §13): an object's revision in quotes is its tag.
//!
//! Where a response shows health too, the tag has a hyphen and more digits, which change with it: for `If-None-Match` that is
//! another response. `If-Match` is about the object, so it looks at the revision alone.

use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::api::v4::code::Code;
use crate::api::v4::error::ApiError;
use crate::model::id::ObjectId;
use crate::model::inventory::Expected;
use crate::model::stamp::Revision;

/// What an object has to be before it is changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Precondition {
    /// Whatever it is.
    None,
    /// There.
    Present,
    /// In one of these revisions.
    OneOf(Vec<Revision>),
    /// Not there.
    Absent,
    /// In none of these revisions, if it is there.
    NoneOf(Vec<Revision>),
}

impl Precondition {
    /// What the request's `If-Match` says, or else its `If-None-Match`.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        if let Some(tags) = Tags::parse(headers, &IF_MATCH)? {
            return Ok(match tags {
                Tags::Any => Self::Present,
                // RFC 9110 §13.1.1: If-Match compares strongly, so that a weak tag matches nothing. Neither does one that
                // is none of ours.
                Tags::These(tags) => {
                    Self::OneOf(tags.iter().filter(|tag| !tag.is_weak).filter_map(Tag::revision).collect())
                }
            });
        }
        // RFC 9110 §13.1.2: * is for those who would make something and overwrite nothing; tags compare weakly.
        Ok(match Tags::parse(headers, &IF_NONE_MATCH)? {
            None => Self::None,
            Some(Tags::Any) => Self::Absent,
            Some(Tags::These(tags)) => Self::NoneOf(tags.iter().filter_map(Tag::revision).collect()),
        })
    }

    /// What a commit is to expect of an object that is there in a revision.
    ///
    /// Without `If-Match` that is this very revision too: what is written was made of what was read, and
    /// [`Context::commit`](crate::api::v4::context::Context::commit) makes it again if somebody else was faster.
    pub fn expected(&self, object: ObjectId, found: Revision) -> Result<Expected, ApiError> {
        match self {
            Self::OneOf(revisions) if !revisions.contains(&found) => {
                let kind = object.kind();
                let text =
                    format!("{kind} {object} is at revision {found}, which If-Match does not name: read it again");
                Err(ApiError::new(Code::Stale, text))
            }
            Self::Absent => {
                let text =
                    format!("{} {object} is there already, and If-None-Match says that it must not be", object.kind());
                Err(ApiError::new(Code::Stale, text))
            }
            Self::NoneOf(revisions) if revisions.contains(&found) => {
                let text = format!("{} {object} is at revision {found}, which If-None-Match names", object.kind());
                Err(ApiError::new(Code::Stale, text))
            }
            Self::None | Self::Present | Self::OneOf(_) | Self::NoneOf(_) => Ok(Expected::At(found)),
        }
    }

    /// Nothing can be expected of an object that is to be made.
    pub fn of_new(&self) -> Result<Expected, ApiError> {
        match self {
            Self::None | Self::Absent | Self::NoneOf(_) => Ok(Expected::Absent),
            Self::Present | Self::OneOf(_) => Err(ApiError::new(Code::Stale, "If-Match is for objects that are there")),
        }
    }
}

/// The tags of a header.
enum Tags {
    /// `*`
    Any,
    /// A list.
    These(Vec<Tag>),
}

/// One tag: its text, and whether it is weak.
struct Tag {
    /// What stands between the quotes.
    text: String,
    /// Whether it has the mark of weak ones.
    is_weak: bool,
}

impl Tag {
    /// The revision that it names.
    fn revision(&self) -> Option<Revision> {
        let text = self.text.split_once('-').map_or(&*self.text, |(revision, _)| revision);
        let number: u64 = text.parse().ok()?;
        // "042" and "+42" are other tags than "42".
        (number.to_string() == text).then_some(Revision(number))
    }
}

impl Tags {
    /// Reads a header that may be there several times.
    fn parse(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>, ApiError> {
        let mut tags = Vec::new();
        let mut is_given = false;
        for value in headers.get_all(name) {
            is_given = true;
            let wrong = || ApiError::invalid(format_args!("{name} is * or a list of tags such as \"42\""));
            let text = value.to_str().map_err(|_| wrong())?.trim();
            if text == "*" {
                return Ok(Some(Self::Any));
            }
            tags.extend(tag_list(text).ok_or_else(wrong)?);
        }
        Ok(is_given.then_some(Self::These(tags)))
    }
}

/// Reads tags with commas between them (RFC 9110 §8.8.3). A tag may have a comma in it.
fn tag_list(mut text: &str) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        if text.is_empty() {
            return Some(tags);
        }
        let strong = text.strip_prefix("W/");
        let is_weak = strong.is_some();
        let (tag, rest) = strong.unwrap_or(text).strip_prefix('"')?.split_once('"')?;
        tags.push(Tag { text: tag.to_owned(), is_weak });
        text = rest.trim_start();
        if !text.is_empty() && !text.starts_with(',') {
            return None;
        }
    }
}

/// Answers with 304 what the client has already.
pub(super) async fn not_modified(request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    // An If-None-Match that cannot be read changes nothing: the client gets what it asked for.
    let known = is_read.then(|| Tags::parse(request.headers(), &IF_NONE_MATCH).ok().flatten()).flatten();
    let mut response = next.run(request).await;
    let Some(tag) = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()) else { return response };
    let is_known = match known {
        None => false,
        Some(Tags::Any) => true,
        // RFC 9110 §13.1.2: If-None-Match compares weakly.
        Some(Tags::These(tags)) => tags.iter().any(|known| tag.trim_matches('"') == known.text),
    };
    if is_known && response.status() == StatusCode::OK {
        let mut headers = std::mem::take(response.headers_mut());
        headers.remove(CONTENT_TYPE);
        headers.remove(CONTENT_LENGTH);
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::model::id::PoolId;

    #[test]
    fn if_match_names_revisions() {
        let object = ObjectId::Pool(PoolId::declared("web"));
        for (header, at_42) in [
            (None, true),
            (Some("*"), true),
            (Some("\"42\""), true),
            (Some("\"7\", \"42\""), true),
            (Some("\"a,b\",\"42\""), true),
            (Some("\"42-0badcafe\""), true),
            (Some("\"-42\""), false),
            (Some("W/\"42\""), false),
            (Some("\"042\""), false),
            (Some("\"+42\""), false),
            (Some("\"7\""), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(header.map(|header| (IF_MATCH, HeaderValue::from_static(header))));
            let precondition = Precondition::of(&headers).unwrap();
            let expected = precondition.expected(object, Revision(42));
            assert_eq!(expected.is_ok(), at_42, "{header:?}");
            assert_eq!(precondition.of_new().is_ok(), header.is_none());
        }
        for header in ["42", "\"42", "\"42\" \"43\"", "w/\"42\""] {
            let headers = HeaderMap::from_iter([(IF_MATCH, HeaderValue::from_static(header))]);
            assert!(Precondition::of(&headers).is_err(), "{header}");
        }
    }

    #[test]
    fn if_none_match_keeps_what_is_there() {
        let object = ObjectId::Pool(PoolId::declared("web"));
        for (header, at_42) in [("*", false), ("\"42\"", false), ("W/\"42\"", false), ("\"7\"", true)] {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static(header))]);
            let precondition = Precondition::of(&headers).unwrap();
            assert_eq!(precondition.expected(object, Revision(42)).is_ok(), at_42, "{header}");
            assert!(precondition.of_new().is_ok());
        }
    }
}
