//! The nouns and their invariants. Nothing here can be deserialized, so whatever exists is valid.

pub mod event;
pub mod hosting;
pub mod dns_record;
pub mod id;
pub mod inventory;
pub mod kept;
pub mod lever;
pub mod limits;
pub mod load_balancer;
pub mod monitor;
pub mod monitor_group;
pub mod name;
pub mod notification;
pub mod pool;
pub mod rrset;
pub mod shard;
pub mod shard_map;
pub mod stamp;
pub mod svcb;
pub mod target;
pub mod token;
pub mod tree;
pub mod verdict;
pub mod serial;
pub mod zone;
