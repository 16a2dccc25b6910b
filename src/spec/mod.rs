//! The nouns as outsiders write them. A document becomes a [`tree`](crate::model::tree), whatever its language; **parse** turns trees into
//! the model with all faults at once, **build** turns the model into a tree again, so that `parse(build(x)) == x`.
//!
//! Deliberately absent: files, clocks, ids that somebody else hands out. Objects refer to each other by name in TOML, and
//! by id in JSON and in the model.

mod auto_hint;
pub mod contradiction;
pub mod declared;
pub mod dialect;
pub mod dns_record;
pub mod export;
pub mod fault;
pub mod fields;
pub mod header;
pub mod hosting;
pub mod identity;
pub mod json_text;
pub mod key;
mod kept;
mod line;
pub mod lever;
pub mod load_balancer;
pub mod monitor;
pub mod monitor_group;
pub mod pool;
pub mod record;
pub mod references;
pub mod row;
#[cfg(test)]
mod strategies;
pub mod schema;
pub mod time;
pub mod told;
pub mod toml_text;
pub mod value;
pub mod warnings;
pub mod zone;
pub mod zone_file;
pub mod zone_json;
