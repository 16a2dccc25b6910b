//! `accounts/{account_id}/audit_logs`: who changed what, from the store's journal, the newest first. The general shape is the
//! original's; what an object or token was and is are objects here, and not texts too.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use serde::Serialize;
use serde_json::Value as Json;

use crate::api::v4::accounts;
use crate::api::v4::caller::Caller;
use crate::api::v4::code::Code;
use crate::api::v4::context::Context;
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::events::moment;
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema;
use crate::api::v4::paging::Paging;
use crate::api::v4::request::{Parameters, PathIdentifier as _};
use crate::api::v4::route::{Route, in_account};
use crate::api::v4::secrets;
use crate::api::v4::times::Time;
use crate::model::id::MonitorId;
use crate::model::limits::{AUDIT_REACH_MAX, AUDIT_SHOWN_MAX};
use crate::store::embedded::{Action, AuditEntry, AuditQuery};

/// The log.
const ALL: &str = "/audit_logs";
/// Entries of a page where nobody says how many: the original's.
const PER_PAGE_DEFAULT: usize = 100;

/// An entry as it is shown.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Entry {
    /// Its number.
    id: String,
    /// When.
    when: Time,
    /// What was done.
    action: Done,
    /// Who did it.
    actor: Actor,
    /// The way in.
    interface: &'static str,
    /// What it was done to.
    resource: Resource,
    /// Whose that is.
    owner: Owner,
    /// What else is known.
    metadata: Metadata,
    /// What the object or token was; null if it is new, or too large for a list.
    #[serde(rename = "oldValueJson")]
    old_value: Option<Json>,
    /// What it became; null if it is gone, or too large for a list.
    #[serde(rename = "newValueJson")]
    new_value: Option<Json>,
}

/// What was done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Done {
    /// Create, update, delete or revoke.
    r#type: Action,
    /// Whether it went well: what is refused changes nothing and is not here.
    result: bool,
}

/// Who did it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Actor {
    /// The name of the token, or of the way in; the original has a person's address here.
    email: String,
    /// Where from; null through the control socket.
    ip: Option<IpAddr>,
    /// What it is.
    r#type: &'static str,
}

/// What it was done to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Resource {
    /// Its kind.
    r#type: &'static str,
    /// Its id.
    id: String,
}

/// Whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Owner {
    /// The account's id.
    id: String,
}

/// What else is known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Metadata {
    /// The object's or token's name, after the change if it is still there.
    name: String,
    /// The generation that the change made; of a token, which makes none, the one that it came upon.
    generation: u64,
    /// The zone of a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    zone_id: Option<String>,
    /// Whether a value is left out because it is too large for a list; the entry's `id` as a parameter shows it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shortened: bool,
}

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_account(&[Route::get(ALL, list).at_length()])
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let entry = schema::object(
        [
            ("id", schema::text()),
            ("when", schema::time()),
            (
                "action",
                schema::object(
                    [("type", schema::words(&["create", "update", "delete", "revoke"])), ("result", schema::boolean())],
                    [],
                ),
            ),
            (
                "actor",
                schema::object(
                    [("email", schema::text()), ("ip", schema::text_or_null()), ("type", schema::text())],
                    [],
                ),
            ),
            ("interface", schema::text()),
            ("resource", schema::object([("type", schema::text()), ("id", schema::id())], [])),
            ("owner", schema::object([("id", schema::id())], [])),
            (
                "metadata",
                schema::object(
                    [("name", schema::text()), ("generation", schema::integer(0, i64::MAX))],
                    [("zone_id", schema::id()), ("shortened", schema::boolean())],
                ),
            ),
            ("oldValueJson", schema::anything()),
            ("newValueJson", schema::anything()),
        ],
        [],
    );
    let most = || schema::integer(1, i64::MAX);
    let list = Operation::new(Method::GET, ALL, "Lists who changed what, the newest first.")
        .gives(schema::list(schema::of("AuditEntry")))
        .query("page", most(), "Which page.")
        .query("per_page", most(), "How many entries a page has.")
        .query("since", schema::text(), "From this time on.")
        .query("before", schema::text(), "Until this time.")
        .query("cursor", schema::text(), "Only entries before the one with this id.")
        .query("id", schema::text(), "Only the entry with this id, and that whole.")
        .query("actor.email", schema::text(), "Only what the token with this name did.")
        .query("resource.id", schema::text(), "Only what was done to the object or token with this id.")
        .query("direction", schema::words(&["desc"]), "Which way the list goes.");
    Description { tag: "Audit log", operations: vec![list], schemas: vec![("AuditEntry", entry)] }
}

/// `GET /accounts/{account_id}/audit_logs`
async fn list(
    State(context): State<Arc<Context>>,
    caller: Caller,
    parameters: Parameters,
    paging: Paging,
) -> Answer<Vec<Entry>> {
    if parameters.text("direction")?.is_some_and(|direction| direction != "desc") {
        return Err(ApiError::invalid("the parameter direction can only be desc: the newest entry comes first"));
    }
    let one = parameters.number("id", 0, usize::MAX)?.and_then(|id| u64::try_from(id).ok());
    let (offset, count) = match paging {
        Paging::Everything => (0, PER_PAGE_DEFAULT),
        Paging::Part { offset, limit } => (offset, limit.min(AUDIT_SHOWN_MAX)),
    };
    if offset.saturating_add(count) > AUDIT_REACH_MAX {
        let text =
            format!("pages reach {AUDIT_REACH_MAX} entries; for older ones say before which time, or which cursor");
        return Err(ApiError::invalid(text));
    }
    let query = match one {
        Some(id) => AuditQuery { before: id.checked_add(1), limit: 1, whole: true, ..AuditQuery::default() },
        None => query(&parameters, offset, count)?,
    };
    let found = context.store.audit(query).await;
    let found = found.map_err(|error| ApiError::new(Code::Unavailable, error.to_string()))?;
    let wanted = found.into_iter().filter(|entry| one.is_none_or(|id| entry.number == id));
    let shown = wanted.map(Entry::of);
    let hides = !caller.sees_secrets();
    Ok(Reply::new(shown.map(|entry| if hides { entry.without_secrets() } else { entry }).collect()))
}

/// What is asked for.
fn query(parameters: &Parameters, skip: usize, limit: usize) -> Result<AuditQuery, ApiError> {
    let text = |name: &str| Ok::<_, ApiError>(parameters.text(name)?.map(str::to_owned));
    let cursor = parameters.number("cursor", 0, usize::MAX)?;
    Ok(AuditQuery {
        since: moment(parameters, "since")?,
        until: moment(parameters, "before")?,
        object: text("resource.id")?,
        author: text("actor.email")?,
        before: cursor.and_then(|cursor| u64::try_from(cursor).ok()),
        skip,
        limit,
        whole: false,
    })
}

/// What an object says, without what is known of it beside.
fn said(text: &str) -> Option<Json> {
    match serde_json::from_str(text).ok()? {
        Json::Object(mut row) => Some(row.remove("object").unwrap_or(Json::Object(row))),
        other => Some(other),
    }
}

impl Entry {
    /// The same with the secrets of monitors hidden.
    fn without_secrets(mut self) -> Self {
        if self.resource.r#type == MonitorId::KIND {
            [&mut self.old_value, &mut self.new_value].into_iter().flatten().for_each(secrets::hide);
        }
        self
    }

    /// An entry.
    fn of(entry: AuditEntry) -> Self {
        let AuditEntry { number, at, author, action, subject, name, before, after, generation, shortened } = entry;
        let shown = |text: Option<String>| text.and_then(|text| said(&text));
        Self {
            id: number.to_string(),
            when: Time(at),
            action: Done { r#type: action, result: true },
            interface: if author.address.is_some() { "API" } else { "control socket" },
            actor: Actor { email: author.name, ip: author.address, r#type: "user" },
            resource: Resource { r#type: subject.kind(), id: subject.to_string() },
            owner: Owner { id: accounts::id().to_string() },
            metadata: Metadata {
                name,
                generation: generation.0,
                zone_id: subject.zone().map(|zone| zone.to_string()),
                shortened,
            },
            old_value: shown(before),
            new_value: shown(after),
        }
    }
}

#[cfg(test)]
mod tests;
