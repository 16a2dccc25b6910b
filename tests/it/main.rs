//! The integration tests: the server's parts put together in process, and the whole program as its users have it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::indexing_slicing, reason = "an index out of range is a failure like any other")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "whole processes run on the real clock")]
#![allow(clippy::print_stderr, reason = "whoever reads a test's output should know what it skipped")]
#![allow(unreachable_pub, reason = "modules of a binary: nothing is reachable from outside")]

mod abuse;
mod allocation;
mod answers;
mod api;
mod api_zones;
mod callers;
mod clients;
mod differential;
mod doubt;
mod events;
mod exchange;
mod failover;
mod hosts;
mod guard;
mod harness;
mod kill;
mod metrics;
mod operation;
mod pools;
mod query;
mod reach;
mod reload;
mod resolver;
mod restart;
mod rfc8906;
mod secondary;
mod subject;
mod tools;
mod transfer;
mod twin;
mod webhooks;
mod wire;
