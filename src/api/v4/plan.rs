//! What a request is to change, from the inventory as it is.

use crate::api::v4::body::Parsed;
use crate::api::v4::envelope::Message;
use crate::model::inventory::{Change, Expected, Step};

/// A change that is to be made.
#[derive(Debug, Default)]
pub struct Plan {
    /// Its steps; none if there is nothing to do.
    pub steps: Vec<Step>,
    /// What there is to tell of it.
    pub messages: Vec<Message>,
}

impl Plan {
    /// An object that a body says is written; `put` makes the change of it.
    pub fn write<T>(new: Parsed<T>, put: impl FnOnce(T) -> Change, expected: Expected) -> Self {
        let Parsed { object, messages } = new;
        Self { steps: vec![Step { change: put(object), expected }], messages }
    }

    /// The same in the place of the present object. Where they are equal there is nothing to do, so that its revision and
    /// the time of its last change stay.
    pub fn rewrite<T: PartialEq>(
        new: Parsed<T>,
        present: &T,
        put: impl FnOnce(T) -> Change,
        expected: Expected,
    ) -> Self {
        if new.object == *present {
            return Self { steps: vec![], messages: new.messages };
        }
        Self::write(new, put, expected)
    }
}

impl From<Step> for Plan {
    fn from(step: Step) -> Self {
        Self { steps: vec![step], messages: vec![] }
    }
}
