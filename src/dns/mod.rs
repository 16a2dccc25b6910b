//! The data plane: octets in, octets out.
//!
//! # What is followed
//!
//! | RFC | what | where |
//! |---|---|---|
//! | 1035 §5 | master files; `$GENERATE` is no part of them and refused | `spec::zone_file` |
//! | 1034 §4.3.2 | the search for an answer: chains across our zones, referrals with glue, additional addresses | `steering::lookup`, [`respond`] |
//! | 1035 §4.1 | messages; names in record data are never compressed | `wire` |
//! | 1982 | serials that we count; a primary's older serial is refused | `model::serial`, `steering::publish`, `transfer::secondary` |
//! | 1995, 1996, 5936, 8945 | IXFR, NOTIFY, AXFR and TSIG, given: passed on to those who do it | `transfer` |
//! | 1995 §4, 1996 §3, 5936 §2.2, 8945 §5.3 | the same, taken from primaries: differences apply exactly or not at all | `transfer::secondary` |
//! | 1035 §3.3.13 | REFRESH, RETRY and EXPIRE, within bounds | `transfer::secondary::timers` |
//! | 2181 §4.1, §5, §5.4.1, §9, §10.1 | reply source address, `RRset`s, glue is for referrals only, TC, lone CNAMEs | [`udp`], `model::rrset`, [`respond`], `model::zone` |
//! | 2308 | negative answers with SOA; TTL `min(SOA TTL, MINIMUM)` | `steering::table`, [`respond`] |
//! | 3597 | unknown types | `spec::record` |
//! | 4035 §3.1.4.1 | DS is answered by the parent's side of a cut | `steering::lookup`, [`respond`] |
//! | 4343 | letter case: the client's own comes back | `wire::name`, `wire::message` |
//! | 4592 | wildcards, empty non-terminals, closest encloser | `steering::lookup` |
//! | 4892 | `version.bind`, `id.server`, if configured | [`chaos`] |
//! | 5001 | NSID, if configured, for those who ask | [`engine`] |
//! | 6604 | a chain's last link decides the response code | [`respond`] |
//! | 6672 | DNAME with synthesized CNAME, YXDOMAIN | `steering::lookup`, [`respond`], `model::zone` |
//! | 6891 | EDNS, BADVERS; OPT is kept when an answer is truncated | `wire::query`, `wire::message`, [`engine`] |
//! | 6895 §3.1 | query and meta types are no records | [`engine`] |
//! | 7766 | TCP: pipelining, time-outs, half-close | [`tcp`] |
//! | 7828 | edns-tcp-keepalive: the idle time-out, for those who ask over TCP | [`engine`] |
//! | 7873, 9018 | DNS cookies, interoperable; queries for a cookie alone (§5.4) | [`cookie`], [`engine`] |
//! | 8020 | NXDOMAIN means nothing below either | `steering::table` |
//! | 8482 §4.1 | ANY over UDP gets one `RRset` | [`respond`] |
//! | 8906 | every query gets an answer that says what is wrong with it; §8 is a test | `wire::query`, [`engine`] |
//! | 8914 | Extended DNS Errors: Not Ready (14), Prohibited (18), Invalid Data (24), Other (0) for fallback and last resort | [`engine`] |
//! | 9460 | SVCB and HTTPS: additional addresses, hints that follow health (`auto`) | `model::svcb`, `spec::record`, [`respond`] |
//! | 9471 §3 | glue inside the delegated zone comes whole or with TC | [`respond`] |
//! | 9499 | the words | everywhere |
//! | 9619 | QDCOUNT is one, but for cookies | `wire::query` |
//! | 9715 | no fragments: 1232 octets, path MTU ignored | [`engine`], [`io`] |
//!
//! # What is not
//!
//! - RFC 7873 §5.2.3: we do not insist on cookies by BADCOOKIE; clients with a good one are spared rate limits ([`rrl`]).
//! - RFC 2308 §3 and §5: a negative answer at a live name has at most the load balancer's TTL, because recovery must not
//!   hide behind a long negative one.
//! - RFC 4035 §3.1.4.1: DS at the apex of a zone of ours is answered by the zone around it only if that one delegates it:
//!   a parent without the NS records would deny a name that exists.
//! - RFC 4592 §4.2, §4.4: NS and DNAME records at a wildcard are faults, as their meaning is not defined.
//! - RFC 1034 §4.3.2 step 6: answers to ANY have no additional records (RFC 8482), MX and other hosts below a cut of ours
//!   no addresses but in the referral itself (RFC 2181 §5.4.1), and no CNAME is followed for an address.
//! - RFC 6672 §3.2: a DNAME that a chain meets again is given once, with another CNAME.
//! - RFC 1035 §3.2.4: class ANY and classes other than IN and CH are refused, as other authoritative servers do.
//! - A live name that a transferred zone delegates or redirects is not served from its pools: the primaries' word wins.
//! - RFC 2136: UPDATE is answered NOTIMP.
//! - RFC 4035: zones are not signed; CD and AD are cleared (§3.1.6), DO is repeated and asks for nothing.

pub mod engine;
pub mod ahead;
pub mod respond;
pub mod chaos;
pub mod cookie;
pub mod rrl;
pub mod transport;
pub mod listen;
pub mod io;
pub mod udp;
pub mod tcp;
