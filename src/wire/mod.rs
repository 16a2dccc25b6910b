//! Messages as octets: reading a query, writing an answer. Nothing here allocates, and any octets may come in.

pub mod message;
pub mod name;
pub mod query;
