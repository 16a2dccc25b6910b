//! Zone transfer: what the engine passes on, because it is rare, or long, or has to be signed; and what we have from
//! others.

pub mod tsig;
pub mod secondary;
