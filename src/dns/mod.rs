//! The data plane: bytes in, bytes out.

pub mod engine;
pub mod transport;
pub mod listen;
pub mod io;
pub mod udp;
pub mod tcp;
