//! Zone transfer: what servers of one zone tell each other.

pub mod secondary;
