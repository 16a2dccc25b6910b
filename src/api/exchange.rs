//! Everything that the API made, out and in: export and import as TOML, and backup of the store's file.
//!
//! Reached through the control socket; a command that finds no server running calls the same functions on a store that it
//! has opened itself.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::api::v4::Store;
use crate::api::v4::context::random_bits;
use crate::config::load_objects;
use crate::model::dns_record::DnsRecord;
use crate::model::id::ObjectId;
use crate::model::inventory::{Author, Change, Commit, Expected, Inventory, Step};
use crate::model::limits::CONFIG_FILE_OCTETS_MAX;
use crate::model::stamp::UnixMicros;
use crate::spec::{export, toml_text};
use crate::store::InventoryStore as _;

/// How an import is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Importing {
    /// For good.
    #[default]
    Kept,
    /// Only to see what would come of it.
    Dry,
}

/// What an import does.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Imported {
    /// Objects that are new, each as its kind and name.
    pub created: Vec<String>,
    /// Objects that have changed.
    pub updated: Vec<String>,
    /// How many are as they were.
    pub unchanged: usize,
}

/// Why nothing was imported, or no backup was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// For a person.
    pub error: String,
}

/// What a backup is asked for with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupOrder {
    /// The file to make.
    pub file: PathBuf,
}

/// The document of everything that the API made; what is set aside is in comments behind it.
pub fn exported(inventory: &Inventory) -> String {
    let aside = inventory.set_aside.iter().map(|aside| {
        let object = &aside.stored.object;
        let (kind, id) = (object.id().kind(), object.id());
        // A comment is one line.
        let text = format!("{kind} {} ({id}): {}", object.name(), aside.why).replace(char::is_control, " ");
        format!("# set aside, and not in this document: {text}\n")
    });
    std::iter::once(toml_text::render(&export::build(inventory))).chain(aside).collect()
}

/// Takes in the objects of a document, which messages call `name`: all of them or none. Objects with ids that are there
/// already are replaced.
pub async fn import(store: &Store, name: &str, text: &str, importing: Importing) -> Result<Imported, String> {
    let before = store.load();
    match importing {
        Importing::Dry => try_import(&before, name, text),
        Importing::Kept => {
            let (imported, steps) = plan(&before, name, text)?;
            if !steps.is_empty() {
                let author = Author { name: "import".to_owned(), address: None };
                let commit = Commit { steps, author: Some(author) };
                store.commit(commit).await.map_err(|error| error.to_string())?;
                info!(created = imported.created.len(), updated = imported.updated.len(), "objects imported");
            }
            Ok(imported)
        }
    }
}

/// What would come of the objects of a document beside those of an inventory.
pub fn try_import(before: &Inventory, name: &str, text: &str) -> Result<Imported, String> {
    let (imported, steps) = plan(before, name, text)?;
    let commit = Commit { steps, author: None };
    drop(before.commit(commit, UnixMicros::default()).map_err(|error| error.to_string())?);
    Ok(imported)
}

/// What an import does, and the steps by which it is done.
fn plan(before: &Inventory, name: &str, text: &str) -> Result<(Imported, Vec<Step>), String> {
    let declared = load_objects(name, text, before).map_err(|report| report.to_string())?;
    let mut lacking = false;
    let mut bits = || {
        random_bits().unwrap_or_else(|_| {
            lacking = true;
            0
        })
    };
    let changes = export::changes(declared, before, &mut bits)?;
    if lacking {
        return Err("the system gives no random numbers".to_owned());
    }
    let mut imported = Imported::default();
    let mut steps = Vec::new();
    for change in changes {
        let Some(object) = change.object() else { continue };
        let title = format!("{} {}", object.kind(), name_of(&change));
        match standing(before, &change, object) {
            Standing::Absent => imported.created.push(title),
            Standing::Other => imported.updated.push(title),
            Standing::Same => {
                imported.unchanged += 1;
                continue;
            }
        }
        steps.push(Step { change, expected: Expected::Anything });
    }
    Ok((imported, steps))
}

/// What an inventory has of a change already.
enum Standing {
    /// Nothing.
    Absent,
    /// Something else.
    Other,
    /// The same.
    Same,
}

/// What an inventory has of a change already.
fn standing(inventory: &Inventory, change: &Change, object: ObjectId) -> Standing {
    if inventory.revision(object).is_none() {
        return Standing::Absent;
    }
    let same = match change {
        Change::PutMonitor(one) => inventory.monitors.find(one.id).is_some_and(|there| **there == *one),
        Change::PutMonitorGroup(one) => inventory.monitor_groups.find(one.id).is_some_and(|there| there.says(one)),
        Change::PutPool(one) => inventory.pools.find(one.id).is_some_and(|there| **there == *one),
        Change::PutLoadBalancer(one) => inventory.load_balancers.find(one.id).is_some_and(|there| **there == *one),
        Change::CreateZone { hosting, records } => {
            let is_hosted = inventory.hostings.find(hosting.id).is_some_and(|there| **there == *hosting);
            // What is there already has come with its stamps.
            let there = inventory.records.find(hosting.id).map(|zone| &zone.records);
            let is_there =
                |record: &DnsRecord| there.is_some_and(|all| all.find(record.id).is_some_and(|old| **old == *record));
            is_hosted && there.is_some_and(|all| all.len() == records.len()) && records.iter().all(is_there)
        }
        _ => false,
    };
    if same { Standing::Same } else { Standing::Other }
}

/// What the object of a change is called.
fn name_of(change: &Change) -> String {
    match change {
        Change::PutMonitor(one) => one.name.clone(),
        Change::PutMonitorGroup(one) => one.name.clone(),
        Change::PutPool(one) => one.name.clone(),
        Change::PutLoadBalancer(one) => one.name.to_string(),
        Change::CreateZone { hosting, .. } => hosting.apex.to_string(),
        _ => String::new(),
    }
}

/// The routes, for the control socket only.
pub fn routes(store: Arc<Store>) -> Router {
    let import = post(take_in)
        .layer(axum::extract::DefaultBodyLimit::max(usize::try_from(CONFIG_FILE_OCTETS_MAX).unwrap_or(usize::MAX)));
    Router::new()
        .route("/export", get(give_out))
        .route("/import", import)
        .route("/backup", post(back_up))
        .with_state(store)
}

/// `GET /export`
async fn give_out(State(store): State<Arc<Store>>) -> String {
    exported(&store.load())
}

/// What an import may say.
#[derive(Clone, Debug, Default, Deserialize)]
struct ImportParameters {
    /// What the document is called.
    name: Option<String>,
    /// Whether it is made.
    #[serde(default)]
    importing: Importing,
}

/// `POST /import`
async fn take_in(
    State(store): State<Arc<Store>>,
    Query(parameters): Query<ImportParameters>,
    text: String,
) -> Result<Json<Imported>, (StatusCode, Json<Refusal>)> {
    let name = parameters.name.as_deref().unwrap_or("import");
    let imported = import(&store, name, &text, parameters.importing).await;
    imported.map(Json).map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, Json(Refusal { error })))
}

/// `POST /backup`
async fn back_up(
    State(store): State<Arc<Store>>,
    Json(BackupOrder { file }): Json<BackupOrder>,
) -> Result<Json<()>, (StatusCode, Json<Refusal>)> {
    let made = store.backup(file).await;
    made.map(Json).map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, Json(Refusal { error: error.to_string() })))
}
