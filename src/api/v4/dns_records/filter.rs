//! Which records of a zone somebody wants to see, and in which order.

use crate::api::v4::dns_records::line::Line;
use crate::api::v4::error::ApiError;
use crate::api::v4::request::Parameters;
use crate::api::v4::zones::is_descending;
use crate::model::dns_record::TTL_AUTOMATIC;
use crate::model::name::{Name, compare_canonically};
use crate::model::rrset::Rtype;
use crate::spec::record::{parse_type, type_name};

/// What is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wish {
    /// What records have.
    conditions: Vec<Condition>,
    /// Whether one of the conditions is enough.
    any: bool,
    /// What they are sorted by.
    order: Order,
    /// Whether the last comes first.
    descending: bool,
}

/// Something that records have or have not.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Condition {
    /// A type; none if the text names no type.
    Type(Option<Rtype>),
    /// Answered through a proxy, which none is.
    Proxied(bool),
    /// A text somewhere.
    Text(Field, Comparison, String),
    /// A text anywhere.
    Anywhere(String),
}

/// A text of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Field {
    /// Its owner.
    Name,
    /// Its content.
    Content,
    /// Its comment.
    Comment,
}

/// How a text is compared, whatever the case of its letters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Comparison {
    /// The same.
    Exact,
    /// A part.
    Contains,
    /// The beginning.
    StartsWith,
    /// The end.
    EndsWith,
}

/// What records are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    /// By owner, then type.
    Name,
    /// By type, then owner.
    Type,
    /// By content.
    Content,
    /// By TTL.
    Ttl,
}

/// The texts that parameters can ask for.
const FIELDS: [(&str, Field); 3] = [("name", Field::Name), ("content", Field::Content), ("comment", Field::Comment)];
/// How; a text alone is exact.
const COMPARISONS: [(&str, Comparison); 5] = [
    ("", Comparison::Exact),
    (".exact", Comparison::Exact),
    (".contains", Comparison::Contains),
    (".startswith", Comparison::StartsWith),
    (".endswith", Comparison::EndsWith),
];

/// What the document says of the parameters.
pub(super) const PARAMETERS: [(&str, &str); 19] = [
    ("type", "Only records of this type."),
    ("name", "Only records of this owner."),
    ("name.exact", "The same."),
    ("name.contains", "Only records whose owner has this in it."),
    ("name.startswith", "Only records whose owner begins so."),
    ("name.endswith", "Only records whose owner ends so."),
    ("content", "Only records with this content."),
    ("content.exact", "The same."),
    ("content.contains", "Only records whose content has this in it."),
    ("content.startswith", "Only records whose content begins so."),
    ("content.endswith", "Only records whose content ends so."),
    ("comment", "Only records with this comment."),
    ("comment.contains", "Only records whose comment has this in it."),
    ("search", "Only records with this in their owner, content or comment."),
    ("proxied", "Only records that are answered through a proxy, or not; none is."),
    ("match", "Whether records have `all` of that, or `any`."),
    ("order", "What the list is sorted by: `type`, `name`, `content`, `ttl` or `proxied`."),
    ("direction", "Which way the list goes: `asc` or `desc`."),
    ("comment.exact", "The same as `comment`."),
];

impl Wish {
    /// What parameters ask for.
    pub(super) fn parse(parameters: &Parameters) -> Result<Self, ApiError> {
        let mut conditions = Vec::new();
        if let Some(rtype) = parameters.text("type")? {
            conditions.push(Condition::Type(parse_type(rtype)));
        }
        if let Some(proxied) = parameters.boolean("proxied")? {
            conditions.push(Condition::Proxied(proxied));
        }
        for (name, field) in FIELDS {
            for (suffix, comparison) in COMPARISONS {
                let text = parameters.text(&format!("{name}{suffix}"))?;
                conditions.extend(text.map(|text| Condition::Text(field, comparison, normal(field, text))));
            }
        }
        if let Some(text) = parameters.text("search")? {
            conditions.push(Condition::Anywhere(text.to_lowercase()));
        }
        let any = match parameters.text("match")? {
            None | Some("all") => false,
            Some("any") => true,
            Some(_) => return Err(ApiError::invalid("the parameter match is all or any")),
        };
        let order = match parameters.text("order")? {
            // No record is proxied, and so all are equal.
            None | Some("name" | "proxied") => Order::Name,
            Some("type") => Order::Type,
            Some("content") => Order::Content,
            Some("ttl") => Order::Ttl,
            Some(_) => return Err(ApiError::invalid("the parameter order is type, name, content, ttl or proxied")),
        };
        Ok(Self { conditions, any, order, descending: is_descending(parameters)? })
    }

    /// The only owner whose records can be wanted, if there is one.
    pub(super) fn owner(&self) -> Option<Name> {
        let exact = |condition: &Condition| match condition {
            Condition::Text(Field::Name, Comparison::Exact, text) => Name::parse(text, None).ok(),
            _ => None,
        };
        if self.any { None } else { self.conditions.iter().find_map(exact) }
    }

    /// Whether a record is wanted.
    pub(super) fn is_for(&self, line: &Line<'_>) -> bool {
        let mut conditions = self.conditions.iter();
        if self.any && !self.conditions.is_empty() {
            conditions.any(|condition| condition.holds(line))
        } else {
            conditions.all(|condition| condition.holds(line))
        }
    }

    /// Sorts records.
    pub(super) fn sort(&self, lines: &mut [Line<'_>]) {
        let by_name = |one: &Line<'_>, other: &Line<'_>| {
            let owners = compare_canonically(one.owner, other.owner);
            owners.then(one.rtype.cmp(&other.rtype)).then(one.rdata.cmp(other.rdata))
        };
        lines.sort_unstable_by(by_name);
        match self.order {
            Order::Name => {}
            Order::Type => lines.sort_by_cached_key(|line| type_name(line.rtype)),
            Order::Content => lines.sort_by_cached_key(|line| line.content().into_owned()),
            Order::Ttl => lines.sort_by_key(|line| line.ttl.unwrap_or(TTL_AUTOMATIC)),
        }
        if self.descending {
            lines.reverse();
        }
    }
}

impl Condition {
    /// Whether a record has it.
    fn holds(&self, line: &Line<'_>) -> bool {
        match self {
            Self::Type(rtype) => *rtype == Some(line.rtype),
            Self::Proxied(proxied) => !proxied,
            Self::Text(field, comparison, text) => comparison.holds(&normal(*field, &field.of(line)), text),
            Self::Anywhere(text) => FIELDS.iter().any(|(_, field)| field.of(line).to_lowercase().contains(text)),
        }
    }
}

impl Field {
    /// What a record says there.
    fn of(self, line: &Line<'_>) -> String {
        match self {
            Self::Name => line.name().to_string(),
            Self::Content => line.content().into_owned(),
            Self::Comment => line.comment().to_owned(),
        }
    }
}

impl Comparison {
    /// Whether a text of a record is as wanted.
    fn holds(self, found: &str, wanted: &str) -> bool {
        match self {
            Self::Exact => found == wanted,
            Self::Contains => found.contains(wanted),
            Self::StartsWith => found.starts_with(wanted),
            Self::EndsWith => found.ends_with(wanted),
        }
    }
}

/// A text as it is compared. Names may have a final dot, and the content of TXT records quotation marks: clients write and
/// ask for it with them and without.
fn normal(field: Field, text: &str) -> String {
    let lower = text.to_lowercase();
    match field {
        Field::Name => lower.strip_suffix('.').map_or_else(|| lower.clone(), str::to_owned),
        Field::Content => unquoted(&lower).unwrap_or(lower),
        Field::Comment => lower,
    }
}

/// The text within quotation marks, if it is in some.
fn unquoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.replace("\" \"", "").replace("\\\"", "\"").replace("\\\\", "\\"))
}
