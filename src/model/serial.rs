//! Serials of zones, which come round (RFC 1982).

/// The first second of 2026, since 1970. No serial that counts seconds is from before, and those that are written as
/// dates are far ahead.
const EPOCH: u32 = 1_767_225_600;

/// Whether `one` is newer than `other` (RFC 1982 §3.2). Serials that are half of all apart are in no order.
pub const fn is_newer(one: u32, other: u32) -> bool {
    let ahead = one.wrapping_sub(other);
    ahead != 0 && ahead < 1 << 31
}

/// The serial that we give a zone, `seconds` after 1970: that number of seconds. Where the records have a serial that is
/// ahead of our time, as one that is written as a date, it is that serial and the seconds since 2026: it still grows
/// from one start of the server to the next. It is always newer than `before`.
pub fn counted(records: u32, before: Option<u32>, seconds: u64) -> u32 {
    let base = if is_newer(records, EPOCH) { records } else { EPOCH };
    // Below half of all numbers, so that it is newer than its base.
    let passed = u32::try_from(seconds.saturating_sub(u64::from(EPOCH)) % (1 << 31)).unwrap_or(0);
    let serial = base.wrapping_add(passed.max(1));
    match before {
        Some(before) if !is_newer(serial, before) => before.wrapping_add(1),
        _ => serial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc1982_section_3_2_serials_wrap() {
        for (one, other, newer) in [
            (1, 0, true),
            (0, 0, false),
            (0, u32::MAX, true),
            (44, u32::MAX - 55, true),
            (u32::MAX, 0, false),
            (1 << 31, 0, false),
            (0, 1 << 31, false),
        ] {
            assert_eq!(is_newer(one, other), newer, "{one} {other}");
        }
    }

    #[test]
    fn counted_serials_grow_with_time_changes_and_records() {
        let now = 1_800_000_000;
        for (records, before, expected) in [
            (7, None, 1_800_000_000),
            (7, Some(1_799_999_999), 1_800_000_000),
            (7, Some(1_800_000_000), 1_800_000_001),
            (7, Some(1_800_000_005), 1_800_000_006),
            (2_026_112_201, None, 2_026_112_201 + (1_800_000_000 - EPOCH)),
            (u32::MAX, None, 1_800_000_000),
        ] {
            assert_eq!(counted(records, before, now), expected, "{records} {before:?}");
        }
        for records in [0, 7, 1_900_000_000, 2_026_112_201] {
            assert!(is_newer(counted(records, None, now), records), "{records}");
            assert!(is_newer(counted(records, None, now + 1), counted(records, None, now)), "{records}");
            assert!(is_newer(counted(records, None, 0), records), "{records}: without a clock");
        }
    }
}
