//! Levers: as requests pull them, as responses show them, and as rows of a store.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::id::PoolId;
use crate::model::lever::{Lever, LeverAction, Levers};
use crate::model::limits::LEVER_TIME_MAX;
use crate::model::stamp::UnixMicros;
use crate::model::tree::{Node, Table, Value};
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Key, Path, Spot, defaulted, optional, read_only, required};
use crate::spec::time;
use crate::spec::value::{Word, description, duration, label, word};

/// The keys of a lever.
pub const KEYS: &[Key] =
    &[required("action"), defaulted("reason"), optional("for"), read_only("since"), read_only("until")];

/// The keys of a pool's levers in a store.
const ROW_KEYS: &[Key] = &[optional("whole"), defaulted("origins")];
/// The keys of one of them.
const LEVER_ROW_KEYS: &[Key] =
    &[optional("origin"), required("action"), defaulted("reason"), required("since"), optional("until")];

/// The words for actions.
const ACTIONS: &[Word<LeverAction>] = &[
    (LeverAction::Up.word(), Ok(LeverAction::Up)),
    (LeverAction::Down.word(), Ok(LeverAction::Down)),
    (LeverAction::Drain.word(), Ok(LeverAction::Drain)),
];

/// Parses the body of a request that pulls a lever at `now`.
pub fn parse_json(body: &Node, now: UnixMicros, faults: &mut Faults) -> Option<Lever> {
    let mut fields = Fields::open(Spot { source: 0, path: &Path::ROOT, node: body }, KEYS, faults)?;
    let action = fields.read("action", word(ACTIONS)).required();
    let reason = fields.read("reason", description).or(String::new());
    let time = fields.read("for", duration(Duration::from_secs(1), LEVER_TIME_MAX)).optional();
    let after = |time: Duration| UnixMicros(now.0.saturating_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)));
    Some(Lever { action: action?, reason: reason?, since: now, until: time?.map(after) })
}

/// Builds a lever for a response.
pub fn build_json(lever: &Lever) -> Table {
    let Lever { action, reason, since, until } = lever;
    let table = Table::default()
        .with("action", Node::text(action.word()))
        .with("reason", Node::text(reason))
        .with("since", time::build(*since));
    match until {
        Some(until) => table.with("until", time::build(*until)),
        None => table,
    }
}

/// Builds what a row says of the levers of a pool.
pub fn build_row(levers: &Levers) -> Table {
    let Levers { pool: _, whole, origins } = levers;
    let origins = origins
        .iter()
        .map(|(name, lever)| Node::built(Value::Table(build_lever_row(lever).with("origin", Node::text(name)))));
    let table = Table::default().with("origins", Node::built(Value::Array(origins.collect())));
    match whole {
        Some(lever) => table.with("whole", Node::built(Value::Table(build_lever_row(lever)))),
        None => table,
    }
}

/// Builds what a row says of one lever.
fn build_lever_row(lever: &Lever) -> Table {
    let Lever { action, reason, since, until } = lever;
    let moment = |moment: UnixMicros| Node::built(Value::Int(i64::try_from(moment.0).unwrap_or(i64::MAX)));
    let table = Table::default()
        .with("action", Node::text(action.word()))
        .with("reason", Node::text(reason))
        .with("since", moment(*since));
    match until {
        Some(until) => table.with("until", moment(*until)),
        None => table,
    }
}

/// Reads what a row says of the levers of a pool.
pub fn parse_row(spot: Spot<'_, '_>, pool: PoolId, faults: &mut Faults) -> Option<Levers> {
    let mut fields = Fields::open(spot, ROW_KEYS, faults)?;
    let whole = fields.read("whole", |spot, faults| parse_lever_row(spot, faults)).optional();
    let origins = fields.read("origins", |spot, faults| {
        let items = spot.items(faults)?.iter().enumerate();
        let read = items.map(|(index, item)| parse_lever_row(spot.inner(&spot.path.index(index), item), faults));
        read.map(|one| one.and_then(|(name, lever)| Some((name?, lever)))).collect::<Option<BTreeMap<String, Lever>>>()
    });
    let origins = origins.or(BTreeMap::new());
    Some(Levers { pool, whole: whole?.map(|(_, lever)| lever), origins: origins? })
}

/// Reads what a row says of one lever, and of the origin that it is pulled of.
fn parse_lever_row(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<(Option<String>, Lever)> {
    let mut fields = Fields::open(spot, LEVER_ROW_KEYS, faults)?;
    let origin = fields.read("origin", label).optional();
    let action = fields.read("action", word(ACTIONS)).required();
    let reason = fields.read("reason", description).or(String::new());
    let since = fields.read("since", moment).required();
    let until = fields.read("until", moment).optional();
    Some((origin?, Lever { action: action?, reason: reason?, since: since?, until: until? }))
}

/// Reads a moment.
fn moment(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<UnixMicros> {
    match spot.node.value {
        Value::Int(micros) => u64::try_from(micros).ok().map(UnixMicros),
        _ => spot.refuse("microseconds since 1970", faults),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spec::dialect::Dialect;

    /// Any lever.
    fn lever() -> impl Strategy<Value = Lever> {
        let action = prop::sample::select(LeverAction::ALL.to_vec());
        let moment = 0..1_u64 << 60;
        (action, "[a-z ]{0,9}", moment.clone(), prop::option::of(moment)).prop_map(|(action, reason, since, until)| {
            Lever { action, reason, since: UnixMicros(since), until: until.map(UnixMicros) }
        })
    }

    proptest! {
        #[test]
        fn rows_are_read_as_they_were_written(
            whole in prop::option::of(lever()),
            origins in prop::collection::btree_map("[a-z]{1,4}", lever(), 0..4),
        ) {
            let levers = Levers { pool: PoolId::declared("p"), whole, origins };
            let node = Node::built(Value::Table(build_row(&levers)));
            let mut faults = Faults::of(Dialect::Json);
            let read = parse_row(Spot { source: 0, path: &Path::ROOT, node: &node }, levers.pool, &mut faults);
            prop_assert!(faults.is_empty());
            prop_assert_eq!(read, Some(levers));
        }
    }

    #[test]
    fn what_a_request_says_begins_now_and_ends_in_time() {
        let body = |table: Table| Node::built(Value::Table(table));
        let down = Table::default().with("action", Node::text("down"));
        let read = |table: Table| {
            let mut faults = Faults::of(Dialect::Json);
            let lever = parse_json(&body(table), UnixMicros(5), &mut faults);
            lever.ok_or_else(|| faults.kept()[0].to_string())
        };
        let since = UnixMicros(5);
        let plain = Lever { action: LeverAction::Down, reason: String::new(), since, until: None };
        assert_eq!(read(down.clone()), Ok(plain.clone()));
        let limited = Lever { until: Some(UnixMicros(60_000_005)), reason: "disk".into(), ..plain };
        assert_eq!(read(down.clone().with("for", Node::text("1m")).with("reason", Node::text("disk"))), Ok(limited));
        for (table, why) in [
            (Table::default(), "action"),
            (Table::default().with("action", Node::text("off")), "\"drain\""),
            (down.with("for", Node::int(0)), "for"),
        ] {
            assert!(read(table).unwrap_err().contains(why));
        }
    }
}
