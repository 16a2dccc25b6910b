//! Ids of objects that are read: a declared object's follows from its name, unless it says one; the API hands out its own.

use std::hash::Hash;

use crate::model::id::{LoadBalancerId, MonitorGroupId, MonitorId, PoolId, ZoneId};
use crate::model::tree::{Node, Table};
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Given, Spot};

/// The id of some kind of object.
pub trait Id: Copy + Eq + Hash + ToString {
    /// The id that follows from a name.
    fn of_name(name: &str) -> Self;
    /// The id that a text writes.
    fn of_text(text: &str) -> Option<Self>;
}

/// Implements [`Id`] for ids, which have all of it already.
macro_rules! ids {
    ($($id:ty),*) => {$(
        impl Id for $id {
            fn of_name(name: &str) -> Self {
                Self::declared(name)
            }

            fn of_text(text: &str) -> Option<Self> {
                Self::parse(text)
            }
        }
    )*};
}

ids!(ZoneId, MonitorId, MonitorGroupId, PoolId, LoadBalancerId);

/// Where the id of an object comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Identity<I> {
    /// From its key `id`, or else from its name.
    Declared,
    /// From whoever has it read.
    Known(I),
}

impl<I: Id> Identity<I> {
    /// The name of an object that can be without one, if its id is known: then that is what it is called.
    pub(super) fn name(self, given: Given<String>) -> Option<String> {
        match (self, given) {
            (Self::Known(id), Given::Absent) => Some(id.to_string()),
            (_, given) => given.required(),
        }
    }

    /// The id of an object with a name; none if it says a faulty one.
    pub(super) fn id(self, name: &str, fields: &mut Fields<'_, '_, '_>) -> Option<I> {
        match self {
            Self::Known(id) => Some(id),
            Self::Declared => Some(fields.read("id", parse).optional()?.unwrap_or_else(|| I::of_name(name))),
        }
    }
}

/// Reads an id.
pub(super) fn parse<I: Id>(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<I> {
    let id = I::of_text(spot.text(faults)?);
    id.or_else(|| spot.refuse("an id of 32 hexadecimal digits, the letters small", faults))
}

/// Adds an id to the table of an object, unless it follows from the object's name.
pub(super) fn build<I: Id>(table: Table, id: I, name: &str) -> Table {
    if id == I::of_name(name) { table } else { table.with("id", Node::text(id.to_string())) }
}
