//! Health: probes of origins, and the verdicts that they add up to.
//!
//! One way: schedule → probe → `Outcome` → tracker → `Transition` → cell, then the queue of flips. A verdict has one
//! writer, the task of its target; everybody else reads cells. What turns down passes the guard, which doubts mass
//! failures. What verdicts mean for answers is decided in steering.

pub mod tracker;
pub mod table;
pub mod probe;
pub mod bequest;
mod places;
pub mod endpoint;
pub mod hosts;
pub mod resolver;
mod shortage;
pub mod guard;
pub mod standstill;
mod references;
pub mod target;
pub mod schedule;
pub mod watchdog;
