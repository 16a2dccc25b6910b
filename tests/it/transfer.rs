//! Zone transfer from us to others: real secondaries, real clients, and what is refused.

mod clients;
mod secondary;
mod secondaries;
