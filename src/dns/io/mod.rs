//! Batched datagram I/O, and asking for memory ahead: the only folder with `unsafe`, and none of it shows outside.
//!
//! One system call receives up to [`BATCH`] queries and one sends their answers, from buffers that are allocated
//! once. No safe crate has both `recvmmsg` and `sendmmsg` with packet information. Deliberately absent: sockets and
//! threads (`dns::udp` has them), and any knowledge of DNS.

#![allow(unsafe_code)]
#![deny(clippy::undocumented_unsafe_blocks)]

mod batch;
mod control;
mod option;
mod prefetch;

pub use batch::{BATCH, Batch, DATAGRAM_OCTETS_MAX, Received, Sent, send_from};
pub use control::Asked;
pub use option::{answer_from_asked_address, ignore_path_mtu};
pub use prefetch::{prefetch_at, prefetch_value};
