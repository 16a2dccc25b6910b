//! The data plane: octets in, octets out.

pub mod engine;
pub mod respond;
pub mod chaos;
pub mod transport;
pub mod listen;
pub mod io;
pub mod udp;
pub mod tcp;
