//! Readers of single values: each gives the value, or adds a fault that says what is allowed.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::model::limits::{DESCRIPTION_CHARS_MAX, NAME_CHARS_MAX};
use crate::model::tree::{Node, Value};
use crate::spec::fault::Faults;
use crate::spec::fields::Spot;

/// Reads yes or no.
pub fn boolean(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<bool> {
    match spot.node.value {
        Value::Bool(value) => Some(value),
        _ => spot.refuse("true or false", faults),
    }
}

/// A reader of whole numbers within bounds.
pub fn integer<T>(min: T, max: T) -> impl FnOnce(Spot<'_, '_>, &mut Faults) -> Option<T>
where
    T: TryFrom<i64> + PartialOrd + Copy + std::fmt::Display,
{
    move |spot, faults| match spot.node.value {
        Value::Int(value) => match T::try_from(value) {
            Ok(value) if min <= value && value <= max => Some(value),
            _ => spot.refuse(format_args!("a whole number from {min} to {max}"), faults),
        },
        _ => spot.refuse(format_args!("a whole number from {min} to {max}"), faults),
    }
}

/// Reads a name of ours: what people see in logs and tables, so nothing that a terminal would act on.
pub fn label(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<String> {
    let text = spot.text(faults)?;
    let legal = !text.is_empty()
        && text.chars().count() <= NAME_CHARS_MAX
        && text.trim() == text
        && !text.chars().any(char::is_control);
    if legal {
        return Some(text.to_owned());
    }
    spot.refuse(
        format_args!("a text of 1 to {NAME_CHARS_MAX} characters without control characters or spaces at its ends"),
        faults,
    )
}

/// Reads a description.
pub fn description(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<String> {
    let text = spot.text(faults)?;
    if text.chars().count() <= DESCRIPTION_CHARS_MAX {
        return Some(text.to_owned());
    }
    spot.refuse(format_args!("a text of at most {DESCRIPTION_CHARS_MAX} characters"), faults)
}

/// A reader of texts of a number of octets.
pub fn octets(min: usize, max: usize) -> impl FnOnce(Spot<'_, '_>, &mut Faults) -> Option<String> {
    move |spot, faults| {
        let text = spot.text(faults)?;
        if (min..=max).contains(&text.len()) {
            return Some(text.to_owned());
        }
        spot.refuse(format_args!("a text of {min} to {max} octets"), faults)
    }
}

/// A reader of arrays of at most `max` items.
pub fn list<T>(
    max: usize,
    read: impl Fn(Spot<'_, '_>, &mut Faults) -> Option<T>,
) -> impl FnOnce(Spot<'_, '_>, &mut Faults) -> Option<Vec<T>> {
    move |spot, faults| {
        let items = spot.items(faults)?;
        if items.len() > max {
            faults.push(spot.fault(format!("there are {}; allowed: at most {max}", items.len())));
            return None;
        }
        let read_item = |(index, item)| {
            let path = spot.path.index(index);
            read(spot.inner(&path, item), faults)
        };
        let all: Vec<T> = items.iter().enumerate().filter_map(read_item).collect();
        (all.len() == items.len()).then_some(all)
    }
}

/// Reads a network: an address with the length of its prefix, or an address alone.
pub fn network(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<IpNet> {
    let text = match &spot.node.value {
        Value::String(text) => text.as_str(),
        _ => "",
    };
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match network {
        Ok(network) if network.trunc() == network => Some(network),
        Ok(network) => {
            let suggestion = Some(format!("did you mean \"{}\"?", network.trunc()));
            let fault = spot.fault("the address has bits beyond the length of its prefix").found(spot.node.shown());
            faults.push(fault.suggest(suggestion));
            None
        }
        Err(_) => spot.refuse("a network, such as \"192.0.2.0/24\", \"2001:db8::/32\" or \"192.0.2.1\"", faults),
    }
}

/// A word and what it means: a value, or why it is refused.
pub type Word<T> = (&'static str, Result<T, &'static str>);

/// A reader of words; those that we know but refuse have their reason.
pub fn word<T: Copy>(words: &[Word<T>]) -> impl FnOnce(Spot<'_, '_>, &mut Faults) -> Option<T> {
    |spot, faults| {
        let allowed = || words.iter().filter(|word| word.1.is_ok() && !word.0.is_empty()).map(|word| word.0);
        let all = || allowed().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        let Value::String(text) = &spot.node.value else { return spot.refuse(all(), faults) };
        match words.iter().find(|word| word.0 == text) {
            Some((_, Ok(value))) => Some(*value),
            Some((_, Err(why))) => spot.reject(format!("{why}; allowed: {}", all()), faults),
            None => {
                let nearest = faults.nearest(text, allowed());
                faults.push(spot.not_allowed(all()).suggest(nearest));
                None
            }
        }
    }
}

/// A reader of spans of time within bounds: whole seconds, or a text with a unit.
pub fn duration(min: Duration, max: Duration) -> impl FnOnce(Spot<'_, '_>, &mut Faults) -> Option<Duration> {
    move |spot, faults| {
        let parsed = match &spot.node.value {
            Value::Int(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
            Value::String(text) => parse_duration(text),
            _ => None,
        };
        match parsed {
            Some(duration) if min <= duration && duration <= max => Some(duration),
            _ => spot.refuse(
                format_args!(
                    "whole seconds, or a text such as \"500ms\", \"5s\" or \"1m\", from {} to {}",
                    duration_text(min),
                    duration_text(max)
                ),
                faults,
            ),
        }
    }
}

/// Parses `500ms`, `5s`, `1m`, `2h` or `7d`.
fn parse_duration(text: &str) -> Option<Duration> {
    let end = text.find(|char: char| !char.is_ascii_digit())?;
    let (digits, unit) = text.split_at_checked(end)?;
    let number: u64 = digits.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(3_600)?)),
        "d" => Some(Duration::from_secs(number.checked_mul(86_400)?)),
        _ => None,
    }
}

/// A span of time as it is written, exact to the millisecond.
pub fn duration_text(duration: Duration) -> String {
    match duration.as_millis() {
        whole if whole % 1000 == 0 => format!("{}s", whole / 1000),
        millis => format!("{millis}ms"),
    }
}

/// Builds a span of time: whole seconds where it can be.
pub fn build_duration(duration: Duration) -> Node {
    match i64::try_from(duration.as_secs()) {
        Ok(seconds) if duration.subsec_millis() == 0 => Node::int(seconds),
        _ => Node::text(duration_text(duration)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::fields::Path;

    /// Reads a lone value.
    fn read<T>(value: Value, read: impl FnOnce(Spot<'_, '_>, &mut Faults) -> Option<T>) -> Result<T, String> {
        let (node, path, mut faults) = (Node::built(value), Path::ROOT, Faults::default());
        let got = read(Spot { source: 0, path: &path, node: &node }, &mut faults);
        got.ok_or_else(|| faults.kept()[0].to_string())
    }

    #[test]
    fn durations() {
        let second = Duration::from_secs(1);
        for (value, expected) in [
            (Value::Int(5), second * 5),
            (Value::String("500ms".into()), second / 2),
            (Value::String("5s".into()), second * 5),
            (Value::String("1m".into()), second * 60),
        ] {
            assert_eq!(read(value, duration(Duration::ZERO, second * 60)), Ok(expected));
        }
        let texts = ["", "5", "ms", "1.5s", "-1s", " 5s", "5 s", "5S", "99999999999999999999s", "9223372036854775807m"];
        let texts = texts.map(|text| Value::String(text.into()));
        for bad in texts.into_iter().chain([Value::Int(-1), Value::Int(61), Value::Float(1.5), Value::Bool(true)]) {
            let fault = read(bad.clone(), duration(Duration::ZERO, second * 60)).unwrap_err();
            assert!(fault.ends_with("\"500ms\", \"5s\" or \"1m\", from 0s to 60s"), "{bad:?}: {fault}");
        }
        assert_eq!(duration_text(second * 90), "90s");
        assert_eq!(duration_text(second * 3 / 2), "1500ms");
    }

    #[test]
    fn words_know_what_is_not_supported_yet() {
        const WORDS: &[Word<u8>] = &[("", Ok(0)), ("off", Ok(0)), ("geo", Err("not supported yet"))];
        assert_eq!(read(Value::String(String::new()), word(WORDS)), Ok(0));
        let geo = read(Value::String("geo".into()), word(WORDS)).unwrap_err();
        assert_eq!(geo, "found \"geo\"; not supported yet; allowed: \"off\"");
        assert_eq!(read(Value::Int(1), word(WORDS)).unwrap_err(), "found 1; allowed: \"off\"");
    }

    #[test]
    fn bounds_are_inclusive() {
        assert_eq!(read(Value::Int(65_535), integer(1_u16, 65_535)), Ok(65_535));
        for bad in [0, 65_536, -1, i64::MAX] {
            let fault = read(Value::Int(bad), integer(1_u16, 65_535)).unwrap_err();
            assert_eq!(fault, format!("found {bad}; allowed: a whole number from 1 to 65535"));
        }
        assert!(read(Value::Float(1.0), integer(1_u16, 2)).is_err());
    }
}
