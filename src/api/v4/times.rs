//! Times in structures that serde writes.

use serde::ser::{Serialize, Serializer};

use crate::model::stamp::UnixMicros;
use crate::spec::time;

/// A moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Time(pub UnixMicros);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time::text(self.0))
    }
}
