//! The data plane: bytes in, bytes out.

pub mod chaos;
pub mod engine;
pub mod respond;
