//! What handlers take from a request: ids from its path, its parameters, its body, and what a change depends on.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::Method;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::api::v4::body::Edit;
use crate::api::v4::caller::Caller;
use crate::api::v4::code::Code;
use crate::api::v4::error::ApiError;
use crate::api::v4::paging::Paging;
use crate::api::v4::precondition::Precondition;
use crate::model::id::{LoadBalancerId, MonitorGroupId, MonitorId, PoolId, PreviewId, RecordId, ZoneId};
use crate::model::limits::BODY_OCTETS_MAX;
use crate::model::tree::Node;
use crate::spec::json_text;
use crate::spec::toml_text::SyntaxFault;

/// An id that stands in paths.
pub trait PathIdentifier: Sized {
    /// The name of the path's part that holds it.
    const PART: &'static str;
    /// What it names, in a word.
    const KIND: &'static str;

    /// Reads it.
    fn parse_part(text: &str) -> Option<Self>;
}

/// Makes an id one that stands in paths.
macro_rules! in_paths {
    ($id:ty, $part:literal, $kind:literal) => {
        impl PathIdentifier for $id {
            const PART: &'static str = $part;
            const KIND: &'static str = $kind;

            fn parse_part(text: &str) -> Option<Self> {
                Self::parse(text)
            }
        }
    };
}

in_paths!(PoolId, "pool_id", "pool");
in_paths!(MonitorId, "monitor_id", "monitor");
in_paths!(MonitorGroupId, "monitor_group_id", "monitor_group");
in_paths!(LoadBalancerId, "load_balancer_id", "load_balancer");
in_paths!(ZoneId, "zone_id", "zone");
in_paths!(PreviewId, "preview_id", "preview");
in_paths!(RecordId, "dns_record_id", "dns_record");

/// An id from the request's path; what cannot be one names nothing, which is a 404.
#[derive(Clone, Copy, Debug)]
pub struct PathId<I>(pub I);

impl<I: PathIdentifier, S: Send + Sync> FromRequestParts<S> for PathId<I> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = PathParts::from_request_parts(parts, state).await?;
        let text = path.part(I::PART)?;
        I::parse_part(text).map(Self).ok_or_else(|| ApiError::not_found(I::KIND, text))
    }
}

/// The parts of the path that differ from request to request, decoded.
#[derive(Debug)]
pub struct PathParts(RawPathParams);

impl PathParts {
    /// A part by its name in the route.
    pub fn part(&self, name: &str) -> Result<&str, ApiError> {
        let found = self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| value);
        found.ok_or_else(|| ApiError::internal(format!("the route has no part {name}")))
    }

    /// A part by its name, where the route may have none of that name.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathParts {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // Only an octet sequence that is no UTF-8 fails here: no path of ours.
        RawPathParams::from_request_parts(parts, state)
            .await
            .map(Self)
            .map_err(|_| ApiError::no_route(parts.uri.path()))
    }
}

/// What stands behind the question mark, decoded. Nobody is refused for a parameter that we have no use for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query string.
    pub fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The value of a parameter that may be given once; an empty one counts as not given.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(ApiError::invalid(format_args!("the parameter {name} is given more than once"))),
        }
    }

    /// All values of a parameter.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// A whole number within bounds.
    pub fn number(&self, name: &str, min: usize, max: usize) -> Result<Option<usize>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        let wrong = || match max {
            usize::MAX => ApiError::invalid(format_args!("the parameter {name} is a whole number from {min}")),
            max => ApiError::invalid(format_args!("the parameter {name} is a whole number from {min} to {max}")),
        };
        number.map(Some).ok_or_else(wrong)
    }

    /// Yes or no, in any letter case: one of the official clients writes `True`.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::invalid(format_args!("the parameter {name} is true or false"))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::parse(&Parameters::parse(parts.uri.query().unwrap_or_default()))
    }
}

/// What a change depends on, beside its body: who makes it, what has to hold, and what is waited for.
#[derive(Clone, Debug)]
pub struct Writing {
    /// Who makes it.
    pub caller: Caller,
    /// What its object has to be before.
    pub precondition: Precondition,
    /// Whether the response waits until the change is in DNS answers.
    pub wait: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Writing {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let precondition = Precondition::of(&parts.headers)?;
        let parameters = Parameters::parse(parts.uri.query().unwrap_or_default());
        let wait = match parameters.text("wait")? {
            None => false,
            Some("live") => true,
            Some(_) => return Err(ApiError::invalid("the parameter wait can only be \"live\"")),
        };
        Ok(Self { caller, precondition, wait })
    }
}

/// The body as the common tree.
#[derive(Clone, Debug)]
pub struct JsonBody(pub Node);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            let text = "the body has to be JSON: send it with Content-Type: application/json";
            return Err(ApiError::new(Code::MediaType, text));
        }
        let octets = octets(body).await?;
        if octets.is_empty() {
            return Err(ApiError::new(Code::Malformed, "the body is empty; a JSON object is wanted"));
        }
        parse(&octets).map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for Edit {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let is_patch = *request.method() == Method::PATCH;
        let JsonBody(body) = JsonBody::from_request(request, state).await?;
        if is_patch { Self::part(body) } else { Ok(Self::Whole(body)) }
    }
}

/// A body that may be left out.
#[derive(Clone, Debug)]
pub struct OptionalJsonBody(pub Option<Node>);

impl<S: Send + Sync> FromRequest<S> for OptionalJsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let octets = octets(body).await?;
        match octets.is_empty() {
            true => Ok(Self(None)),
            false if !is_json(&parts.headers) => Err(ApiError::new(Code::MediaType, "the body has to be JSON")),
            false => parse(&octets).map(|node| Self(Some(node))),
        }
    }
}

/// Whether a body is said to be JSON; one that nobody says anything of is taken to be. Parameters do not matter: JSON
/// between strangers is UTF-8 (RFC 8259 §8.1).
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
}

/// How long a body may take to arrive: the largest one at half a megabit a second.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The whole body, if it is not too large.
pub(in crate::api) async fn octets(body: Body) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::new(Code::TooLarge, format!("the body has more than {BODY_OCTETS_MAX} octets"));
    if body.size_hint().lower() > BODY_OCTETS_MAX as u64 {
        // Content-Length says so: nothing of it has to come.
        return Err(too_large());
    }
    let arrival = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_OCTETS_MAX).collect()).await;
    let late = |_| ApiError::new(Code::BodyTimeout, format!("the body did not arrive within {BODY_TIMEOUT:?}"));
    match arrival.map_err(late)? {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        // Nobody reads this: the connection is gone.
        Err(error) => Err(ApiError::new(Code::Malformed, format!("the body broke off: {error}"))),
    }
}

/// Reads a body.
fn parse(octets: &[u8]) -> Result<Node, ApiError> {
    let wrong = |fault: SyntaxFault| ApiError::new(Code::Malformed, format!("the body is no JSON: {}", fault.why));
    json_text::parse(octets).map_err(wrong)
}
