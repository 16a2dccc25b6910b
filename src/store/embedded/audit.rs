//! The audit log: who changed what, when, and what it was before and after.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use redb::ReadTransaction;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::model::id::{ObjectId, TokenId, ZoneId};
use crate::model::inventory::{Author, Generation, Inventory};
use crate::model::limits::{AUDIT_RECORDS_MAX, AUDIT_SHOWN_OCTETS_MAX};
use crate::model::stamp::UnixMicros;
use crate::model::token::Token;
use crate::model::tree::{Node, Value};
use crate::spec::{dns_record, json_text};
use crate::store::embedded::journal::{AUDIT, Entry};
use crate::store::embedded::rows::{self, Touched};
use crate::store::embedded::tokens;

/// The kind of a token, as [`ObjectId::kind`] has the kinds of objects.
const TOKEN: &str = "token";

/// One object or token that somebody changed.
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
    pub subject: Subject,
    /// Its name, after the change if it is still there.
    pub name: String,
    /// What it was before, as JSON; none if it is new. A zone is shown without its records, a token
    /// without its digest.
    pub before: Option<String>,
    /// What it is now, as JSON; none if it is gone.
    pub after: Option<String>,
    /// The generation that the change made; of a token, which makes none, the one that it came upon.
    pub generation: Generation,
    /// Whether one of both was left out for its size.
    pub shortened: bool,
}

/// What the log tells of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// An object.
    Object(ObjectId),
    /// A token.
    Token(TokenId),
}

/// What was done to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is new.
    Create,
    /// It is another.
    Update,
    /// It is gone.
    Delete,
    /// It is gone, and opens nothing any more: said of tokens.
    Revoke,
}

/// Which entries somebody wants to see.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditQuery {
    /// From then on.
    pub since: Option<UnixMicros>,
    /// Until then, and then too.
    pub until: Option<UnixMicros>,
    /// Of the object or token with this id, in text form.
    pub object: Option<String>,
    /// By an author with this name.
    pub author: Option<String>,
    /// With lower numbers than this: what comes after the last entry of an answer.
    pub before: Option<u64>,
    /// So many of the newest are left out.
    pub skip: usize,
    /// At most so many, the newest.
    pub limit: usize,
    /// Whether values are wanted however large they are.
    pub whole: bool,
}

/// What of an entry decides whether it is wanted: all else is passed over unread.
#[derive(Deserialize)]
struct Head<'t> {
    /// Who.
    #[serde(borrow)]
    author: Cow<'t, str>,
    /// The id of the object or token.
    #[serde(borrow)]
    id: Cow<'t, str>,
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
    /// The kind of object, or `token`.
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

/// Who changes something, and when.
pub(super) struct Occasion<'a> {
    /// Who.
    pub(super) author: &'a Author,
    /// When.
    pub(super) at: UnixMicros,
    /// The generation then, after the change.
    pub(super) generation: Generation,
}

impl Occasion<'_> {
    /// What the log says of the objects that a commit changed.
    pub(super) fn of_commit(&self, touched: &Touched, before: &Inventory, after: &Inventory) -> Vec<Entry> {
        let text = |inventory, object| said(inventory, object).map(|row| String::from_utf8_lossy(&row).into_owned());
        let entry = |object: &ObjectId| {
            let (was, is) = (text(before, *object), text(after, *object));
            let action = match (&was, &is) {
                (None, None) => return None,
                (None, Some(_)) => Action::Create,
                (Some(_), None) => Action::Delete,
                (Some(was), Some(is)) if was == is => return None,
                (Some(_), Some(_)) => Action::Update,
            };
            let name = rows::name(after, *object).or_else(|| rows::name(before, *object)).unwrap_or_default();
            Some(self.entry(Subject::Object(*object), action, name, was, is))
        };
        let records = changed_records(touched, before, after);
        // Where records tell what has changed, the zone has nothing to add.
        let is_told = |object: &&ObjectId| match object {
            ObjectId::Zone(id) => {
                records.iter().any(|record| matches!(record, ObjectId::Record(zone, _) if zone == id))
                    && records.len() < AUDIT_RECORDS_MAX
                    && before.hostings.find(*id) == after.hostings.find(*id)
            }
            _ => false,
        };
        touched.objects.iter().filter(|object| !is_told(object)).chain(&records).filter_map(entry).collect()
    }

    /// What the log says of a token that is another now, or came, or went; nothing if it is as it was.
    pub(super) fn of_token(&self, before: Option<&Token>, after: Option<&Token>) -> Option<Entry> {
        let (token, action) = match (before, after) {
            (None, None) => return None,
            (None, Some(is)) => (is, Action::Create),
            (Some(was), None) => (was, Action::Revoke),
            (Some(was), Some(is)) if was == is => return None,
            // Perhaps of its digest alone, which the log does not show.
            (Some(_), Some(is)) => (is, Action::Update),
        };
        let (was, is) = (before.map(tokens::shown), after.map(tokens::shown));
        Some(self.entry(Subject::Token(token.id), action, token.name.clone(), was, is))
    }

    /// An entry.
    fn entry(
        &self,
        subject: Subject,
        action: Action,
        name: String,
        before: Option<String>,
        after: Option<String>,
    ) -> Entry {
        let row = AuditRow {
            author: self.author.name.clone(),
            address: self.author.address,
            action,
            kind: subject.kind().to_owned(),
            id: subject.to_string(),
            zone: subject.zone().map(|zone| zone.to_string()),
            name,
            before,
            after,
            generation: self.generation.0,
        };
        Entry { at: self.at, text: serde_json::to_vec(&row).unwrap_or_default(), writer: row.author }
    }
}

/// What an object says: a record as the API shows it, everything else as its row.
fn said(inventory: &Inventory, object: ObjectId) -> Option<Vec<u8>> {
    let ObjectId::Record(zone, id) = object else { return rows::row(inventory, object) };
    let apex = &inventory.hostings.find(zone)?.apex;
    let record = inventory.records.find(zone)?.records.find(id)?;
    Some(json_text::render(&Node::built(Value::Table(dns_record::build_json(record, apex)))))
}

/// Records that a commit changed with their zone, the first [`AUDIT_RECORDS_MAX`] of them. Those of a zone that is new or gone
/// came or went with it.
fn changed_records(touched: &Touched, before: &Inventory, after: &Inventory) -> Vec<ObjectId> {
    let of_zone = |zone: &ZoneId| {
        let (old, new) = (before.records.find(*zone)?, after.records.find(*zone)?);
        let mut ids = new.records.differences(&old.records);
        ids.sort_unstable();
        let zone = *zone;
        Some(ids.into_iter().map(move |id| ObjectId::Record(zone, id)))
    };
    touched.whole_zones.iter().filter_map(of_zone).flatten().take(AUDIT_RECORDS_MAX).collect()
}

impl Subject {
    /// The word for its kind.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Object(object) => object.kind(),
            Self::Token(_) => TOKEN,
        }
    }

    /// The zone that it is in, if it is a record.
    pub const fn zone(self) -> Option<ZoneId> {
        match self {
            Self::Object(ObjectId::Record(zone, _)) => Some(zone),
            Self::Object(_) | Self::Token(_) => None,
        }
    }

    /// One that was given with its kind in words and its id as text.
    fn parse(kind: &str, id: &str, zone: Option<&str>) -> Option<Self> {
        if kind == TOKEN {
            return TokenId::parse(id).map(Self::Token);
        }
        rows::object(kind, id, zone).map(Self::Object)
    }
}

/// The id alone: 32 digits.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(object) => object.fmt(f),
            Self::Token(id) => id.fmt(f),
        }
    }
}

/// Who wrote an entry.
pub(super) fn writer(text: &[u8]) -> String {
    serde_json::from_slice::<Head<'_>>(text).map(|head| head.author.into_owned()).unwrap_or_default()
}

/// The entries that somebody wants to see, newest first, unless they are `gone`. One that cannot be read is left out.
pub(super) fn find(
    transaction: &ReadTransaction,
    query: &AuditQuery,
    gone: &CancellationToken,
) -> Result<Vec<AuditEntry>, redb::Error> {
    let AuditQuery { since, until, object, author, before, skip, limit, whole } = query;
    let rows = transaction.open_table(AUDIT)?;
    let mut found = Vec::new();
    let mut left_out = 0;
    for entry in rows.range(..before.unwrap_or(u64::MAX))?.rev() {
        if found.len() >= *limit || gone.is_cancelled() {
            break;
        }
        let (number, value) = entry?;
        let (at, text) = value.value();
        let at = UnixMicros(at);
        // The clock may have been set back, so that one too old may stand before one that is not.
        if since.is_some_and(|since| at < since) || until.is_some_and(|until| at > until) {
            continue;
        }
        let is_wanted = |head: &Head<'_>| {
            object.as_ref().is_none_or(|id| head.id == *id)
                && author.as_ref().is_none_or(|author| head.author == *author)
        };
        if (object.is_some() || author.is_some())
            && !serde_json::from_slice::<Head<'_>>(text).is_ok_and(|head| is_wanted(&head))
        {
            continue;
        }
        if left_out < *skip {
            left_out += 1;
            continue;
        }
        found.extend(read(number.value(), at, text, *whole));
    }
    Ok(found)
}

/// Reads an entry, with values of any size if it is wanted `whole`.
fn read(number: u64, at: UnixMicros, text: &[u8], whole: bool) -> Option<AuditEntry> {
    let AuditRow { author, address, action, kind, id, zone, name, before, after, generation } =
        serde_json::from_slice(text).ok()?;
    let subject = Subject::parse(&kind, &id, zone.as_deref())?;
    let author = Author { name: author, address };
    let is_large = |text: &String| !whole && text.len() > AUDIT_SHOWN_OCTETS_MAX;
    let shortened = before.iter().chain(&after).any(is_large);
    let [before, after] = [before, after].map(|value| value.filter(|text| !is_large(text)));
    let generation = Generation(generation);
    Some(AuditEntry { number, at, author, action, subject, name, before, after, generation, shortened })
}
