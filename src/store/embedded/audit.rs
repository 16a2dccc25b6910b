//! The audit log: who changed what, when, and what it was before and after.

use std::net::IpAddr;

use redb::ReadTransaction;
use serde::{Deserialize, Serialize};

use crate::model::id::ObjectId;
use crate::model::inventory::{Author, Generation, Inventory};
use crate::model::stamp::UnixMicros;
use crate::store::embedded::journal::{AUDIT, Entry};
use crate::store::embedded::rows::{self, Touched};

/// One object that somebody changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditEntry {
    /// Its number; later entries have higher ones.
    pub number: u64,
    /// When.
    pub at: UnixMicros,
    /// Who.
    pub author: Author,
    /// What was done.
    pub action: Action,
    /// To what.
    pub object: ObjectId,
    /// Its name, after the change if it is still there.
    pub name: String,
    /// What it was before, as JSON; none if it is new. A zone is shown without its records.
    pub before: Option<String>,
    /// What it is now, as JSON; none if it is gone.
    pub after: Option<String>,
    /// The generation that the change made.
    pub generation: Generation,
}

/// What was done to an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is new.
    Create,
    /// It is another.
    Update,
    /// It is gone.
    Delete,
}

/// Which entries somebody wants to see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditQuery {
    /// From then on.
    pub since: Option<UnixMicros>,
    /// Until then, and then too.
    pub until: Option<UnixMicros>,
    /// Of the object with this id, in text form.
    pub object: Option<String>,
    /// By an author with this name.
    pub author: Option<String>,
    /// With lower numbers than this: what comes after the last entry of an answer.
    pub before: Option<u64>,
    /// At most so many, the newest.
    pub limit: usize,
}

/// An entry as it is kept.
#[derive(Serialize, Deserialize)]
struct AuditRow {
    /// Who.
    author: String,
    /// Where from.
    address: Option<IpAddr>,
    /// What was done.
    action: Action,
    /// The object's kind.
    kind: String,
    /// Its id.
    id: String,
    /// The zone that it is in, if it is a record.
    zone: Option<String>,
    /// Its name.
    name: String,
    /// What it was.
    before: Option<String>,
    /// What it is.
    after: Option<String>,
    /// The generation.
    generation: u64,
}

/// What the log says of a commit.
pub(super) fn entries(
    author: &Author,
    at: UnixMicros,
    touched: &Touched,
    before: &Inventory,
    after: &Inventory,
) -> Vec<Entry> {
    let text = |inventory, object| rows::row(inventory, object).map(|row| String::from_utf8_lossy(&row).into_owned());
    let entry = |object: &ObjectId| {
        let (was, is) = (text(before, *object), text(after, *object));
        let action = match (&was, &is) {
            (None, None) => return None,
            (None, Some(_)) => Action::Create,
            (Some(_), None) => Action::Delete,
            (Some(was), Some(is)) if was == is => return None,
            (Some(_), Some(_)) => Action::Update,
        };
        let name = rows::name(after, *object).or_else(|| rows::name(before, *object));
        let zone = match object {
            ObjectId::Record(zone, _) => Some(zone.to_string()),
            _ => None,
        };
        let row = AuditRow {
            author: author.name.clone(),
            address: author.address,
            action,
            kind: object.kind().to_owned(),
            id: object.to_string(),
            zone,
            name: name.unwrap_or_default(),
            before: was,
            after: is,
            generation: after.generation.0,
        };
        Some(Entry { at, text: serde_json::to_vec(&row).unwrap_or_default() })
    };
    touched.objects.iter().filter_map(entry).collect()
}

/// The entries that somebody wants to see, newest first. One that cannot be read is left out.
pub(super) fn find(transaction: &ReadTransaction, query: &AuditQuery) -> Result<Vec<AuditEntry>, redb::Error> {
    let AuditQuery { since, until, object, author, before, limit } = query;
    let rows = transaction.open_table(AUDIT)?;
    let mut found = Vec::new();
    for entry in rows.range(..before.unwrap_or(u64::MAX))?.rev() {
        if found.len() >= *limit {
            break;
        }
        let (number, value) = entry?;
        let (at, text) = value.value();
        let at = UnixMicros(at);
        // The clock may have been set back, so that one too old may stand before one that is not.
        if since.is_some_and(|since| at < since) || until.is_some_and(|until| at > until) {
            continue;
        }
        let Some(entry) = read(number.value(), at, text) else { continue };
        let is_wanted = object.as_ref().is_none_or(|id| entry.object.to_string() == *id)
            && author.as_ref().is_none_or(|author| entry.author.name == *author);
        if is_wanted {
            found.push(entry);
        }
    }
    Ok(found)
}

/// Reads an entry.
fn read(number: u64, at: UnixMicros, text: &[u8]) -> Option<AuditEntry> {
    let AuditRow { author, address, action, kind, id, zone, name, before, after, generation } =
        serde_json::from_slice(text).ok()?;
    let object = rows::object(&kind, &id, zone.as_deref())?;
    let author = Author { name: author, address };
    Some(AuditEntry { number, at, author, action, object, name, before, after, generation: Generation(generation) })
}
