//! `damping`: what holds targets down that flap. It is not the original's.

use std::time::Duration;

use crate::model::limits::{DAMPING_CHANGES_MAX, DAMPING_SPAN_MAX};
use crate::model::monitor::Damping;
use crate::model::tree::{Node, Table, Value};
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Key, Spot, defaulted};
use crate::spec::value::{build_duration, duration, duration_text, integer};

/// The keys of `damping`.
pub const KEYS: &[Key] = &[defaulted("changes"), defaulted("within"), defaulted("hold")];

/// Down and up twice: once is a restart, and a restart that fails once is no flapping yet.
const CHANGES_DEFAULT: u32 = 4;
/// Long enough for the changes to be seen at the default interval of a minute.
const WITHIN_DEFAULT: Duration = Duration::from_mins(10);
/// Shorter than what it damps, so that it costs no more traffic than the flapping did.
const HOLD_DEFAULT: Duration = Duration::from_mins(5);
/// Shortest span: as short as the shortest intervals can fill.
const SPAN_MIN: Duration = Duration::from_secs(1);

/// Parses it.
pub(super) fn parse(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Damping> {
    let mut fields = Fields::open(spot, KEYS, faults)?;
    // One change is a failure, and no flapping.
    let changes = fields.read("changes", integer(2, DAMPING_CHANGES_MAX)).or(CHANGES_DEFAULT);
    let within = fields.read("within", duration(SPAN_MIN, DAMPING_SPAN_MAX)).or(WITHIN_DEFAULT);
    let hold = fields.read("hold", duration(SPAN_MIN, DAMPING_SPAN_MAX)).or(HOLD_DEFAULT);
    Some(Damping { changes: changes?, within: within?, hold: hold? })
}

/// A verdict changes once an interval at the most, so a shorter span would never see the changes that it waits for.
pub(super) fn check_times(fields: &mut Fields<'_, '_, '_>, damping: Damping, interval: Duration) {
    let Damping { changes, within, hold: _ } = damping;
    let shortest = interval * changes.saturating_sub(1);
    if within >= shortest {
        return;
    }
    let [within, shortest, interval] = [within, shortest, interval].map(duration_text);
    let fault = fields.fault_at(
        "damping",
        format!(
            "within {within} is shorter than (changes {changes} - 1) × interval {interval} = {shortest}; so many changes \
             cannot be seen in it"
        ),
    );
    fields.faults.push(fault.suggest(format!("raise `within` to {shortest} or more, or lower `changes`")));
}

/// Builds it.
pub(super) fn build(damping: Damping) -> Node {
    let Damping { changes, within, hold } = damping;
    let table = Table::default()
        .with("changes", Node::int(changes))
        .with("within", build_duration(within))
        .with("hold", build_duration(hold));
    Node::built(Value::Table(table))
}
