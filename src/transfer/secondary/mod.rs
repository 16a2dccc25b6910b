//! The secondary's side.

pub mod difference;
pub mod message;
pub mod refusal;
pub mod serial;
pub mod stream;
pub mod timers;
