//! Inventory × health → what may be answered. Pure but for `publish`, which keeps the record table true.

pub mod alias;
pub mod audience;
pub mod compile;
pub mod draw;
pub mod events;
pub mod explain;
pub mod judged;
pub mod lookup;
pub mod publish;
pub mod select;
pub mod state;
pub mod table;
