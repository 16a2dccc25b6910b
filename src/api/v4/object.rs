//! What single objects have in common: how they are found, their order in lists, and what has to hold before they change
//! or go.

use std::sync::Arc;

use serde::Serialize;

use crate::api::v4::context::Context;
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::plan::Plan;
use crate::api::v4::precondition::Precondition;
use crate::api::v4::request::{PathIdentifier, Writing};
use crate::model::id::ObjectId;
use crate::model::inventory::{Change, Expected, IdMap, Identified, Inventory, Step};
use crate::model::stamp::Stamp;

/// What is shown of an object that is gone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Deleted {
    /// The id that it had.
    id: String,
}

impl Deleted {
    /// An object that is gone.
    pub fn of(object: ObjectId) -> Self {
        Self { id: object.to_string() }
    }
}

/// An object, and what is known of it.
pub type Found<'i, T> = (&'i Arc<T>, &'i Stamp<<T as Identified>::Id>);

/// The object with an id.
pub fn find<'i, T: Identified>(
    objects: &'i IdMap<T>,
    stamps: &'i IdMap<Stamp<T::Id>>,
    id: T::Id,
) -> Result<Found<'i, T>, ApiError>
where
    T::Id: PathIdentifier,
    Stamp<T::Id>: Identified<Id = T::Id>,
{
    let found = objects.find(id).zip(stamps.find(id));
    found.map(|(object, stamp)| (object, stamp.as_ref())).ok_or_else(|| ApiError::not_found(T::Id::KIND, id))
}

/// Objects with their stamps in the order of lists: the oldest first, by name where they are of one age. Thus what is
/// new comes last, and pages that were read before stay as they were.
pub fn in_order<'i, T: Identified, N: Ord + ?Sized>(
    objects: impl Iterator<Item = &'i Arc<T>>,
    stamps: &'i IdMap<Stamp<T::Id>>,
    name: impl Fn(&T) -> &N,
) -> Vec<Found<'i, T>>
where
    Stamp<T::Id>: Identified<Id = T::Id>,
{
    let stamped = |object: &'i Arc<T>| Some((object, stamps.find(object.id())?.as_ref()));
    let mut all: Vec<_> = objects.filter_map(stamped).collect();
    all.sort_unstable_by(|(a, a_stamp), (b, b_stamp)| {
        a_stamp.created.cmp(&b_stamp.created).then_with(|| name(a).cmp(name(b)))
    });
    all
}

/// What a commit is to expect of an object that a request changes; an error if it is not there, is not what the request
/// expects, or is declared in a file.
pub fn changeable(inventory: &Inventory, object: ObjectId, precondition: &Precondition) -> Result<Expected, ApiError> {
    let found = inventory.revision(object).ok_or_else(|| ApiError::not_found(object.kind(), object))?;
    let expected = precondition.expected(object, found)?;
    inventory.check_writable(object)?;
    Ok(expected)
}

/// Deletes an object, if `check` has nothing against it.
pub async fn delete(
    context: &Context,
    writing: &Writing,
    object: ObjectId,
    check: impl Fn(&Inventory) -> Result<(), ApiError> + Send + Sync,
) -> Answer<Deleted> {
    let committed = context.commit(writing, |inventory| {
        check(inventory)?;
        deletion(inventory, object, &writing.precondition).map(Plan::from)
    });
    committed.await?.reply(|_| Ok(Reply::new(Deleted::of(object))))
}

/// The step by which an object goes. One that is set aside has no revision to expect.
pub fn deletion(inventory: &Inventory, object: ObjectId, precondition: &Precondition) -> Result<Step, ApiError> {
    let is_aside = || inventory.set_aside.iter().any(|aside| aside.stored.object.id() == object);
    let expected = if inventory.revision(object).is_none() && *precondition == Precondition::None && is_aside() {
        Expected::Anything
    } else {
        changeable(inventory, object, precondition)?
    };
    Ok(Step { change: Change::Delete(object), expected })
}
