//! Zone transfer: what the engine passes on, because it is rare, or long, or has to be signed.

pub mod tsig;
