//! Moments as JSON writes them: RFC 3339 with microseconds, in UTC.

use jiff::Timestamp;

use crate::model::stamp::UnixMicros;
use crate::model::tree::Node;

/// A moment as text. What is beyond the year 9999 is shown as its last moment.
pub fn text(moment: UnixMicros) -> String {
    let micros = i64::try_from(moment.0).unwrap_or(i64::MAX);
    format!("{:.6}", Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX))
}

/// A moment as a value.
pub fn build(moment: UnixMicros) -> Node {
    Node::text(text(moment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_microseconds_and_a_z() {
        // `date -u -d @1621977990 +%FT%TZ`
        assert_eq!(text(UnixMicros(1_621_977_990_371_603)), "2021-05-25T21:26:30.371603Z");
        assert_eq!(text(UnixMicros(1_621_977_990_000_000)), "2021-05-25T21:26:30.000000Z");
        assert!(text(UnixMicros(u64::MAX)).starts_with("9999-12-3"));
    }
}
