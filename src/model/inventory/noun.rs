//! What the kinds of object have in common.

use crate::model::hosting::Hosting;
use crate::model::id::ObjectId;
use crate::model::inventory::id_map::Identified;
use crate::model::inventory::name_index::Named;
use crate::model::lever::Levers;
use crate::model::load_balancer::LoadBalancer;
use crate::model::monitor::Monitor;
use crate::model::monitor_group::MonitorGroup;
use crate::model::pool::{Origin, Pool};
use crate::model::stamp::{Disabled, UnixMicros};
use crate::model::zone::Zone;

/// A kind of object that people declare or make.
pub(super) trait Noun: Identified {
    /// The object's id, with its kind.
    fn object(&self) -> ObjectId;

    /// Since when it and parts of it are disabled, at `now`.
    fn disabled(&self, before: Option<&Disabled>, now: UnixMicros) -> Disabled {
        Disabled::since(before, false, std::iter::empty(), now)
    }
}

impl Noun for Hosting {
    fn object(&self) -> ObjectId {
        ObjectId::Zone(self.id)
    }
}

impl Noun for Zone {
    fn object(&self) -> ObjectId {
        ObjectId::Zone(self.id)
    }
}

impl Noun for Monitor {
    fn object(&self) -> ObjectId {
        ObjectId::Monitor(self.id)
    }
}

impl Noun for MonitorGroup {
    fn object(&self) -> ObjectId {
        ObjectId::MonitorGroup(self.id)
    }
}

impl Noun for Pool {
    fn object(&self) -> ObjectId {
        ObjectId::Pool(self.id)
    }

    fn disabled(&self, before: Option<&Disabled>, now: UnixMicros) -> Disabled {
        let origins = self.origins.iter().filter(|origin: &&Origin| !origin.enabled);
        Disabled::since(before, !self.enabled, origins.map(|origin| origin.name.as_str()), now)
    }
}

impl Noun for LoadBalancer {
    fn object(&self) -> ObjectId {
        ObjectId::LoadBalancer(self.id)
    }
}

impl Noun for Levers {
    fn object(&self) -> ObjectId {
        ObjectId::Levers(self.pool)
    }
}

impl Named for Hosting {
    fn name_octets(&self) -> &[u8] {
        self.apex.wire()
    }

    fn shown_name(&self) -> String {
        self.apex.to_string()
    }
}

impl Named for Monitor {
    fn name_octets(&self) -> &[u8] {
        self.name.as_bytes()
    }

    fn shown_name(&self) -> String {
        self.name.clone()
    }
}

impl Named for MonitorGroup {
    fn name_octets(&self) -> &[u8] {
        self.name.as_bytes()
    }

    fn shown_name(&self) -> String {
        self.name.clone()
    }
}

impl Named for Pool {
    fn name_octets(&self) -> &[u8] {
        self.name.as_bytes()
    }

    fn shown_name(&self) -> String {
        self.name.clone()
    }
}

impl Named for LoadBalancer {
    fn name_octets(&self) -> &[u8] {
        self.name.wire()
    }

    fn shown_name(&self) -> String {
        self.name.to_string()
    }
}
