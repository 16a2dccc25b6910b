//! The integration tests: the server's parts put together, without the machine's network.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::indexing_slicing, reason = "an index out of range is a failure like any other")]
#![allow(unreachable_pub, reason = "modules of a binary: nothing is reachable from outside")]

mod allocation;
mod query;
mod subject;
mod twin;
