//! The data plane: bytes in, bytes out.

pub mod engine;
