//! A monitor group: monitors that decide together whether an address is healthy.

use crate::model::id::{MonitorGroupId, MonitorId};
use crate::model::stamp::UnixMicros;
use crate::model::verdict::Vote;

/// Monitors, and what the verdict of each counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MonitorGroup {
    /// Its id.
    pub id: MonitorGroupId,
    /// Its name, unique among monitor groups; its id as text where nobody gave one.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The members, in the order in which they were given; never empty, monitors unique.
    pub members: Vec<GroupMember>,
}

/// A monitor as a member of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupMember {
    /// The monitor.
    pub monitor: MonitorId,
    /// A disabled member probes nothing for this group.
    pub enabled: bool,
    /// Its verdict that an address is down decides alone.
    pub must_be_healthy: bool,
    /// It probes, and has no vote.
    pub monitoring_only: bool,
    /// When it became a member. Whoever keeps the group sets it, see [`MonitorGroup::dated`].
    pub created: UnixMicros,
    /// When what the group says of it last changed.
    pub updated: UnixMicros,
}

impl MonitorGroup {
    /// What it is called where others name it: without a name of its own, by its description if it has one.
    pub fn label(&self) -> &str {
        let has_name = self.name != self.id.to_string();
        if has_name || self.description.is_empty() { &self.name } else { &self.description }
    }

    /// Whether a monitor is a member, enabled or not.
    pub fn names(&self, monitor: MonitorId) -> bool {
        self.members.iter().any(|member| member.monitor == monitor)
    }

    /// Whether any verdict of its members counts.
    pub fn has_votes(&self) -> bool {
        self.members.iter().any(|member| member.enabled && member.vote() != Vote::None)
    }

    /// Whether `other` says the same of the same monitors, whenever it did.
    pub fn says(&self, other: &Self) -> bool {
        let dated = other.clone().dated(Some(self), UnixMicros::default());
        *self == dated
    }

    /// The group with the times of its members, as it takes the place of another at `now`: what is said of a member as
    /// before keeps its times. So a group that says the same is the same.
    #[must_use]
    pub fn dated(mut self, before: Option<&Self>, now: UnixMicros) -> Self {
        for member in &mut self.members {
            let mut others = before.iter().flat_map(|before| &before.members);
            let old = others.find(|old| old.monitor == member.monitor);
            member.created = old.map_or(now, |old| old.created);
            member.updated = old.filter(|old| old.says(member)).map_or(now, |old| old.updated);
        }
        self
    }
}

impl GroupMember {
    /// What its verdict counts.
    pub const fn vote(&self) -> Vote {
        match self {
            Self { monitoring_only: true, .. } => Vote::None,
            Self { must_be_healthy: true, .. } => Vote::Veto,
            _ => Vote::One,
        }
    }

    /// Whether `other` says the same of the same monitor.
    fn says(&self, other: &Self) -> bool {
        let Self { monitor, enabled, must_be_healthy, monitoring_only, created: _, updated: _ } = other;
        self.monitor == *monitor
            && self.enabled == *enabled
            && self.must_be_healthy == *must_be_healthy
            && self.monitoring_only == *monitoring_only
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A member that was never dated.
    fn member(monitor: u128, enabled: bool) -> GroupMember {
        GroupMember {
            monitor: MonitorId::random(monitor),
            enabled,
            must_be_healthy: false,
            monitoring_only: false,
            created: UnixMicros(0),
            updated: UnixMicros(0),
        }
    }

    /// A group of members.
    fn group(members: &[GroupMember]) -> MonitorGroup {
        let id = MonitorGroupId::random(1);
        MonitorGroup { id, name: id.to_string(), description: String::new(), members: members.to_vec() }
    }

    #[test]
    fn members_keep_their_times_until_something_else_is_said_of_them() {
        let first = group(&[member(1, true), member(2, true), member(3, true)]).dated(None, UnixMicros(10));
        let next = group(&[member(4, true), member(2, false), member(1, true)]).dated(Some(&first), UnixMicros(20));
        let times = |group: &MonitorGroup| -> Vec<(u64, u64)> {
            group.members.iter().map(|member| (member.created.0, member.updated.0)).collect()
        };
        assert_eq!(times(&first), [(10, 10); 3]);
        assert_eq!(times(&next), [(20, 20), (10, 20), (10, 10)]);
        let again = group(&[member(4, true), member(2, false), member(1, true)]).dated(Some(&next), UnixMicros(30));
        assert_eq!(again, next);
    }

    #[test]
    fn a_member_that_only_watches_has_no_veto_either() {
        let votes =
            [(false, false), (true, false), (false, true), (true, true)].map(|(must_be_healthy, monitoring_only)| {
                GroupMember { must_be_healthy, monitoring_only, ..member(1, true) }.vote()
            });
        assert_eq!(votes, [Vote::One, Vote::Veto, Vote::None, Vote::None]);
        assert!(!group(&[member(1, false), GroupMember { monitoring_only: true, ..member(2, true) }]).has_votes());
    }
}
