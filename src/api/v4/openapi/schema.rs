//! Schemas: short ways to say the usual ones, those that all resources share, and those of objects, whose keys are the ones
//! that bodies are checked by.

use std::time::Duration;

use serde_json::{Value as Json, json};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr, Schema};

use crate::model::tree::Table;
use crate::spec::fields::{Key, Need};
use crate::spec::schema::ID_PATTERN;

/// A schema of its own name.
pub fn of(name: &str) -> RefOr<Schema> {
    Ref::from_schema_name(name).into()
}

/// Anything at all.
pub fn anything() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
}

/// Anything, with words about it.
pub fn anything_about(description: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(description)).into()
}

/// A text.
pub fn text() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).into()
}

/// A text that says more about itself.
pub fn text_about(description: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).into()
}

/// A text of at most so many characters.
pub fn text_to(max: usize) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).max_length(Some(max)).into()
}

/// A text or null.
pub fn text_or_null() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null])).into()
}

/// An id.
pub fn id() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(ID_PATTERN)).into()
}

/// A moment.
pub fn time() -> RefOr<Schema> {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
}

/// Yes or no.
pub fn boolean() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Boolean).into()
}

/// Yes or no, and which without being said.
pub fn boolean_or(default: bool) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Boolean).default(Some(Json::Bool(default))).into()
}

/// A whole number within bounds; the largest of all bounds nothing.
pub fn integer(min: i64, max: i64) -> RefOr<Schema> {
    bounded(min, max).into()
}

/// The same with a default.
pub fn integer_or(min: i64, max: i64, default: i64) -> RefOr<Schema> {
    bounded(min, max).default(Some(json!(default))).into()
}

/// A span of time.
pub fn duration(max: Duration) -> RefOr<Schema> {
    let most = i64::try_from(max.as_secs()).unwrap_or(i64::MAX);
    let seconds = bounded(1, most).schema_type(SchemaType::from_iter([Type::Integer, Type::String]));
    seconds.description(Some("Whole seconds, or a text such as `500ms`, `5s` or `1m`.")).into()
}

/// A whole number within bounds.
fn bounded(min: i64, max: i64) -> ObjectBuilder {
    // Numbers of the document are those of JSON, and bounds that matter are small.
    let bound = |value: i64| i32::try_from(value).ok().map(f64::from);
    let top = if max == i64::MAX { None } else { bound(max) };
    ObjectBuilder::new().schema_type(Type::Integer).minimum(bound(min)).maximum(top)
}

/// A number within bounds.
pub fn number(min: f64, max: f64) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Number).minimum(Some(min)).maximum(Some(max)).into()
}

/// One of some words.
pub fn words(words: &[&str]) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.iter().copied())).into()
}

/// A list.
pub fn list(item: RefOr<Schema>) -> RefOr<Schema> {
    ArrayBuilder::new().items(item).into()
}

/// An object that holds values of one schema by key.
pub fn map(value: RefOr<Schema>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Object).additional_properties(Some(AdditionalProperties::from(value))).into()
}

/// An object that has some keys always, and others at times.
pub fn object<const A: usize, const B: usize>(
    always: [(&str, RefOr<Schema>); A],
    at_times: [(&str, RefOr<Schema>); B],
) -> RefOr<Schema> {
    let mut object = ObjectBuilder::new().schema_type(Type::Object);
    for (name, schema) in always {
        object = object.property(name, schema).required(name);
    }
    for (name, schema) in at_times {
        object = object.property(name, schema);
    }
    object.into()
}

/// What is shown of an object that is gone.
pub fn deleted() -> RefOr<Schema> {
    object([("id", id())], [])
}

/// Which keys of a body have to be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whole {
    /// Those that an object cannot do without.
    Yes,
    /// None: it is laid over what is there.
    No,
}

/// An object with the keys that a reader of bodies knows. Those that are kept have their schemas from there; of the others
/// `own` says them.
pub fn keyed(keys: &[Key], kept: &Table, own: impl Fn(&str) -> Option<RefOr<Schema>>, whole: Whole) -> RefOr<Schema> {
    let mut object = ObjectBuilder::new().schema_type(Type::Object);
    for Key { name, need } in keys {
        if matches!(need, Need::Unsupported(_)) {
            continue;
        }
        let schema = kept.entry(name).and_then(|entry| from_tree(&entry.node)).or_else(|| own(name));
        let Some(schema) = schema else { continue };
        let is_set_here = *need == Need::ReadOnly || *name == "id";
        object = object.property(*name, if is_set_here { read_only(schema) } else { schema });
        if *need == Need::Required && whole == Whole::Yes {
            object = object.required(*name);
        }
    }
    object.into()
}

/// A schema that the tables of kept keys made.
fn from_tree(node: &crate::model::tree::Node) -> Option<RefOr<Schema>> {
    let value = serde_json::to_value(node).ok()?;
    serde_json::from_value(value).ok()
}

/// The same for a value that only the server sets.
fn read_only(schema: RefOr<Schema>) -> RefOr<Schema> {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            object.read_only = Some(true);
            object.into()
        }
        other => other,
    }
}

/// The body of a successful response.
pub(super) fn success(result: RefOr<Schema>, is_paged: bool) -> RefOr<Schema> {
    let body = envelope(true).property("result", result).required("result");
    if is_paged { body.property("result_info", of("PageInfo")).required("result_info").into() } else { body.into() }
}

/// What bodies of responses have in common.
fn envelope(success: bool) -> ObjectBuilder {
    let flag = ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([success]));
    let errors = ArrayBuilder::new().items(of("Message"));
    let errors = if success { errors.max_items(Some(0)) } else { errors.min_items(Some(1)) };
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("success", flag)
        .property("errors", errors)
        .property("messages", list(of("Message")))
        .required("success")
        .required("errors")
        .required("messages")
}

/// The schemas that all resources share.
pub(super) fn shared() -> Vec<(&'static str, RefOr<Schema>)> {
    let source = object([("pointer", text_about("A JSON pointer (RFC 6901) into the body of the request."))], []);
    let message = object([("code", integer(1000, i64::MAX)), ("message", text())], [("source", source)]);
    let count = || integer(0, i64::MAX);
    let page = object(
        [
            ("page", integer(1, i64::MAX)),
            ("per_page", integer(1, i64::MAX)),
            ("count", count()),
            ("total_count", count()),
            ("total_pages", count()),
        ],
        [],
    );
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let failure = envelope(false).property("result", null).required("result");
    vec![("Message", message), ("PageInfo", page), ("Failure", failure.into())]
}
