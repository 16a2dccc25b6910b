//! The control plane: a router on the control socket, and the client by which our own commands reach it.

pub mod client;
pub mod control;
pub mod metrics;
pub mod observe;
pub mod status;
