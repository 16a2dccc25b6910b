//! Zone transfer. The primary's side: what the engine passes on, because it is long, or has to be signed; and who is told
//! that a zone has changed. The secondary's side has a folder of its own: [`secondary`].
//!
//! A copy is of one `version` of a zone, which never changes; the records that it is written from are those that
//! queries are answered from. Live names are in a copy with the addresses that they had when the version was taken.

pub mod exchange;
pub mod notify;
pub mod route;
pub mod serve;
pub mod tsig;
pub mod secondary;
mod hints;
mod history;
mod rcode;
mod stream;
mod version;
