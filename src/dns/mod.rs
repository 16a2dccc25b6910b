//! The data plane: octets in, octets out.
//!
//! # What is followed
//!
//! | RFC | what | where |
//! |---|---|---|
//! | 1034 §4.3.2 | the search for an answer, CNAME chains across our zones | `steering::lookup`, [`respond`] |
//! | 1035 §4.1 | messages; names in record data are never compressed | `wire` |
//! | 2181 §4.1, §5, §9, §10.1 | reply source address, `RRset`s, TC, lone CNAMEs | [`udp`], `model::rrset`, [`respond`], `model::zone` |
//! | 2308 | negative answers with SOA; TTL `min(SOA TTL, MINIMUM)` | `steering::table`, [`respond`] |
//! | 3597 | unknown types | `spec::record` |
//! | 4343 | letter case: the client's own comes back | `wire::name`, `wire::message` |
//! | 4592 | wildcards, empty non-terminals, closest encloser | `steering::lookup` |
//! | 4892 | `version.bind`, `id.server`, if configured | [`chaos`] |
//! | 6604 | a chain's last link decides the response code | [`respond`] |
//! | 6891 | EDNS, BADVERS; OPT is kept when an answer is truncated | `wire::query`, `wire::message`, [`engine`] |
//! | 6895 §3.1 | query and meta types are no records | [`engine`] |
//! | 7766 | TCP: pipelining, time-outs, half-close | [`tcp`] |
//! | 8020 | NXDOMAIN means nothing below either | `steering::table` |
//! | 8482 §4.1 | ANY over UDP gets one `RRset` | [`respond`] |
//! | 8906 | every query gets an answer that says what is wrong with it | `wire::query`, [`engine`] |
//! | 8914 | Extended DNS Errors: Not Ready (14), Other (0) for fallback and last resort | [`engine`] |
//! | 9499 | the words | everywhere |
//! | 9619 | QDCOUNT is one | `wire::query` |
//! | 9715 | no fragments: 1232 octets, path MTU ignored | [`engine`], [`io`] |
//!
//! # What is not
//!
//! - RFC 2308 §3 and §5: a negative answer at a live name has at most the load balancer's TTL, because recovery must not
//!   hide behind a long negative one.
//! - RFC 1035 §3.2.4: class ANY and classes other than IN and CH are refused, as other authoritative servers do.
//! - RFC 5936, 1995, 1996, 2136: zone transfer is refused; NOTIFY and UPDATE are answered NOTIMP.
//! - RFC 4035: zones are not signed; CD and AD are cleared (§3.1.6), DO is repeated and asks for nothing.

pub mod engine;
pub mod ahead;
pub mod respond;
pub mod chaos;
pub mod transport;
pub mod listen;
pub mod io;
pub mod udp;
pub mod tcp;
