//! Times as the API writes them: RFC 3339 in UTC with six decimals, as the original's are.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::ser::{Serialize, Serializer};

use crate::model::stamp::UnixMicros;

/// A moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Time(pub UnixMicros);

/// Always six decimals, so that texts sort as times do.
const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let micros = i64::try_from(self.0.0).unwrap_or(i64::MAX);
        // Beyond the calendar's end nothing was made.
        let time = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
        serializer.serialize_str(&PRINTER.timestamp_to_string(&time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_decimals() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_764_267_409_000_001, "2025-11-27T18:16:49.000001Z"),
            (u64::MAX, "9999-12-30T22:00:00.999999Z"),
        ] {
            assert_eq!(serde_json::to_value(Time(UnixMicros(micros))).unwrap(), text);
        }
    }
}
