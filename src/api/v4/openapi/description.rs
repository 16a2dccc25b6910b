//! What the document says of a resource: its operations, each from what is special about it, and the schemas of its bodies.

use axum::http::Method;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation as PathOperation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{Content, Ref, RefOr, Required, Schema};

use crate::api::v4::code::Code;
use crate::api::v4::openapi::schema;
use crate::model::limits::PER_PAGE_MAX;

/// The name of the response to everything that is refused.
pub(super) const FAILURE: &str = "Failure";
/// The form of bodies.
const JSON: &str = "application/json";

/// What the document says of a resource.
pub struct Description {
    /// The heading that it stands under.
    pub tag: &'static str,
    /// Its operations.
    pub operations: Vec<Operation>,
    /// Schemas by name.
    pub schemas: Vec<(&'static str, RefOr<Schema>)>,
}

/// What the document says of one method of one path.
pub struct Operation {
    /// The method.
    method: Method,
    /// The path as the resource's table has it: below the views, if it is in some.
    path: &'static str,
    /// What it does.
    summary: &'static str,
    /// Its parameters, beside those of its path.
    parameters: Vec<Parameter>,
    /// What it takes.
    body: Option<RequestBody>,
    /// What it gives.
    result: RefOr<Schema>,
    /// Whether it gives a list in pages.
    is_paged: bool,
    /// Whether the response has an `ETag`.
    is_tagged: bool,
}

impl Operation {
    /// An operation that gives something unknown.
    pub fn new(method: Method, path: &'static str, summary: &'static str) -> Self {
        let (parameters, body, result) = (vec![], None, schema::anything());
        Self { method, path, summary, parameters, body, result, is_paged: false, is_tagged: false }
    }

    /// One that shows an object of a schema.
    pub fn show(path: &'static str, summary: &'static str, schema: &str) -> Self {
        Self::new(Method::GET, path, summary).gives(schema::of(schema)).tagged()
    }

    /// One that writes an object: it takes one schema and gives another.
    pub fn write(method: Method, path: &'static str, summary: &'static str, takes: &str, gives: &str) -> Self {
        Self::new(method, path, summary).takes(schema::of(takes)).gives(schema::of(gives)).tagged().writes()
    }

    /// One that deletes an object.
    pub fn delete(path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::DELETE, path, summary).gives(schema::deleted()).writes()
    }

    /// The same, which gives this.
    #[must_use]
    pub fn gives(self, result: RefOr<Schema>) -> Self {
        Self { result, ..self }
    }

    /// The same, which gives a list of these in pages.
    #[must_use]
    pub fn lists(self, item: RefOr<Schema>) -> Self {
        let most = i64::try_from(PER_PAGE_MAX).unwrap_or(i64::MAX);
        Self { result: schema::list(item), is_paged: true, ..self }
            .query("page", schema::integer(1, i64::MAX), "Which page.")
            .query("per_page", schema::integer(1, most), "How many items a page has; 25 if only `page` is given.")
            .query("offset", schema::integer(0, i64::MAX), "Instead of `page`: how many items to leave out.")
            .query("limit", schema::integer(1, most), "Instead of `per_page`: how many items at most.")
    }

    /// The same, whose response has an `ETag`.
    #[must_use]
    pub fn tagged(self) -> Self {
        Self { is_tagged: true, ..self }
    }

    /// The same, which takes a body.
    #[must_use]
    pub fn takes(self, body: RefOr<Schema>) -> Self {
        let body = RequestBodyBuilder::new().content(JSON, Content::new(Some(body))).required(Some(Required::True));
        Self { body: Some(body.build()), ..self }
    }

    /// The same, which takes a body or none.
    #[must_use]
    pub fn may_take(self, body: RefOr<Schema>) -> Self {
        let body = RequestBodyBuilder::new().content(JSON, Content::new(Some(body))).required(Some(Required::False));
        Self { body: Some(body.build()), ..self }
    }

    /// The same with a parameter.
    #[must_use]
    pub fn query(self, name: &str, schema: RefOr<Schema>, description: &str) -> Self {
        self.parameter(ParameterIn::Query, name, schema, description)
    }

    /// The same as a change: it can wait until it is live, and, unless it makes something new, depend on a revision.
    #[must_use]
    pub fn writes(self) -> Self {
        let depends = self.method != Method::POST;
        let waits = self.query("wait", schema::words(&["live"]), "Answer only when the change is in DNS answers.");
        if !depends {
            return waits;
        }
        let text = "`ETag`s of the object; it is changed only if it still has one of them.";
        waits.parameter(ParameterIn::Header, "If-Match", schema::text(), text)
    }

    /// The same with a parameter somewhere.
    fn parameter(mut self, place: ParameterIn, name: &str, schema: RefOr<Schema>, description: &str) -> Self {
        self.parameters.push(parameter(place, name, schema, description));
        self
    }

    /// Whether it describes a method of a path.
    pub(super) fn is_of(&self, method: &Method, path: &str) -> bool {
        self.method == *method && self.path == path
    }

    /// The operation at a whole path.
    pub(super) fn build(&self, tag: &str, path: &str) -> PathOperation {
        let success = schema::success(self.result.clone(), self.is_paged);
        let mut response =
            ResponseBuilder::new().description("It went well.").content(JSON, Content::new(Some(success)));
        if self.is_tagged {
            let header = HeaderBuilder::new().schema(Some(schema::text())).description(Some("The object's revision."));
            response = response.header("ETag", header.build());
        }
        let mut operation = OperationBuilder::new()
            .tag(tag)
            .summary(Some(self.summary))
            .operation_id(Some(operation_id(&self.method, path)))
            .request_body(self.body.clone())
            .response("200", response.build())
            .response("default", Ref::from_response_name(FAILURE));
        for name in path_parts(path) {
            operation = operation.parameter(path_parameter(name));
        }
        for parameter in &self.parameters {
            operation = operation.parameter(parameter.clone());
        }
        operation.build()
    }
}

/// A parameter.
fn parameter(place: ParameterIn, name: &str, schema: RefOr<Schema>, description: &str) -> Parameter {
    let parameter = ParameterBuilder::new().name(name).schema(Some(schema)).description(Some(description));
    // What is in the path is always there.
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    parameter.parameter_in(place).required(required).build()
}

/// The variable parts of a path.
fn path_parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// A variable part of a path.
fn path_parameter(name: &str) -> Parameter {
    let (schema, description) = match name {
        "region_code" => (schema::text(), "A region's code, such as `WEU`."),
        "origin_name" => (schema::text(), "An origin's name."),
        _ => (schema::id(), "An id."),
    };
    parameter(ParameterIn::Path, name, schema, description)
}

/// The name of an operation: its method and path.
fn operation_id(method: &Method, path: &str) -> String {
    let path = path.strip_prefix(crate::api::v4::BASE).unwrap_or(path);
    let words = path.split(['/', '{', '}', '_']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    format!("{}_{}", method.as_str().to_ascii_lowercase(), words.join("_"))
}

/// The response to everything that is refused.
pub(super) fn failure() -> Response {
    let codes = Code::ALL.map(|code| format!("{} ({})", code.number(), code.status().as_u16()));
    let text = format!("It is refused. Numbers of errors, with the status of the response: {}.", codes.join(", "));
    ResponseBuilder::new().description(text).content(JSON, Content::new(Some(schema::of(FAILURE)))).build()
}
