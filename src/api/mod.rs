//! The control plane: what the control socket and TCP offer, and the client by which our own commands reach it.

pub mod authentication;
pub mod bulk;
pub mod client;
pub mod control;
pub mod events;
pub mod exchange;
pub mod explain;
pub mod listen;
pub mod metrics;
pub mod observe;
pub mod set_aside;
pub mod status;
pub mod tls;
pub mod tokens;
pub mod v4;

mod admission;
mod network;
mod patient;
mod shares;
