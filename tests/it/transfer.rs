//! Zone transfer from us to others: real secondaries, real clients, and what is refused.

mod clients;
mod million;
mod secondary;
mod secondaries;
