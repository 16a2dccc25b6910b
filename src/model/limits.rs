//! Every bound of the server in one place, each with its reason.

use std::time::Duration;

/// Octets of one configuration file. 100,000 load balancers with their pools take about 25 MB.
pub const CONFIG_FILE_OCTETS_MAX: u64 = 64 << 20;
/// Octets of all configuration files together, so that includes cannot multiply the limit above.
pub const CONFIG_OCTETS_MAX: u64 = 256 << 20;
/// Files reached through `include`; more is a pattern that matched something unintended.
pub const CONFIG_FILES_MAX: usize = 10_000;
/// How deep `include` may nest; a person cannot follow more.
pub const INCLUDE_DEPTH_MAX: usize = 8;
/// Faults of one document that are kept; a reader stops long before, memory must too.
pub const FAULTS_MAX: usize = 1_000;

/// Listen addresses; each takes a thread a core.
pub const LISTEN_MAX: usize = 64;
/// UDP workers of one listen address.
pub const THREADS_MAX: usize = 256;
/// Octets of the control socket's path: what `sockaddr_un` holds, with its final zero.
pub const CONTROL_PATH_OCTETS_MAX: usize = 107;
/// Octets of the texts for `version.bind` and `id.server`: one character string (RFC 1035 §3.3).
pub const IDENTITY_OCTETS_MAX: usize = 255;
/// Octets of the name server identifier (RFC 5001): an answer to the longest question still fits 512 octets with it.
pub const NSID_OCTETS_MAX: usize = 128;
/// Cookie secrets: one that signs, and those that are on their way in or out. Each costs a hash for a forged cookie.
pub const COOKIE_SECRETS_MAX: usize = 4;
/// Answers a second and client that can be allowed; more is no limit.
pub const RRL_RATE_MAX: u32 = 1_000_000;
/// Largest `slip`: with more, a real client would ask in vain until it gives up.
pub const RRL_SLIP_MAX: u8 = 10;
/// Bits of an IPv6 client: what is beyond belongs to one network, which has all of it to hide behind.
pub const RRL_IPV6_PREFIX_MAX: u8 = 64;
/// Fewest entries of the table of rate limits: below, clients would push each other out.
pub const RRL_TABLE_MIN: usize = 1 << 10;
/// Most entries of the table of rate limits: half a gigabyte.
pub const RRL_TABLE_MAX: usize = 1 << 26;
/// Networks exempt from rate limits: each is compared for every query.
pub const EXEMPT_MAX: usize = 64;
/// Longest drain: whoever stops a server waits for it.
pub const DRAIN_MAX: Duration = Duration::from_mins(5);
/// TCP connections at one time that can be set; each takes a file descriptor and a buffer.
pub const CONNECTIONS_MAX: usize = 1_000_000;
/// Smallest time-out of a TCP connection: a round trip around the world.
pub const STREAM_TIMEOUT_MIN: Duration = Duration::from_millis(500);
/// Largest time-out of a TCP connection.
pub const STREAM_TIMEOUT_MAX: Duration = Duration::from_hours(1);
/// Longest wait for first verdicts: resolvers give up long before.
pub const FIRST_VERDICT_MAX: Duration = Duration::from_mins(10);
/// Probes at one time that can be set; each takes a file descriptor.
pub const PROBES_IN_FLIGHT_MAX: usize = 100_000;
/// Probes of one address at one time; more at once is a load test, and a host that is silent must not take all places.
pub const PROBES_PER_ADDRESS_MAX: usize = 128;
/// Addresses of each family that are taken of one host name; whoever answers for the name chooses how many there are.
pub const HOST_ADDRESSES_MAX: usize = 8;
/// How soon a host name is looked up again at the soonest, whatever TTL its records have.
pub const HOST_TTL_MIN: Duration = Duration::from_secs(5);
/// And at the latest: an origin that moves is followed within minutes.
pub const HOST_TTL_MAX: Duration = Duration::from_mins(5);
/// How soon a host name is looked up again that could not be.
pub const HOST_RETRY: Duration = Duration::from_secs(5);
/// How long one server is waited for when a host name is looked up.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);
/// How often servers are asked in one look-up.
pub const LOOKUP_ATTEMPTS: usize = 2;
/// Servers that can be named for looking up host names.
pub const RESOLVERS_MAX: usize = 8;
/// Look-ups of host names at one time; a resolver is somebody else's.
pub const LOOKUPS_IN_FLIGHT_MAX: usize = 64;
/// News of host names that wait for the schedule; whoever looks up waits when it is full.
pub const RESOLUTIONS_QUEUED_MAX: usize = 1024;
/// Longest time that a lever is pulled for; one without an end is released by hand.
pub const LEVER_TIME_MAX: Duration = Duration::from_hours(24 * 366);
/// Longest slow start: longer is not a start any more.
pub const SLOW_START_MAX: Duration = Duration::from_hours(1);
/// Networks in each of the lists of addresses that may be probed; all are compared for every probe.
pub const REACH_NETWORKS_MAX: usize = 256;
/// Threads of the probers' runtime.
pub const PROBER_THREADS_MAX: usize = 64;

/// Connections of the API at one time that can be set; each takes a file descriptor and some buffers.
pub const API_CONNECTIONS_MAX: usize = 10_000;
/// Longest that a request of the API can be allowed to take; clients and proxies give up before.
pub const API_REQUEST_TIMEOUT_MAX: Duration = Duration::from_mins(10);
/// Name servers of a zone; an answer with all of them and their addresses has to fit a datagram.
pub const NAME_SERVERS_MAX: usize = 13;
/// Requests of the API at one time that are worked on; a client is told to come again instead of waiting in a line that
/// only grows. Each may hold a body and the tree that it is read into.
pub const API_REQUESTS_MAX: usize = 128;
/// Kibibytes of bodies of requests that are on their way at one time: 64 of the largest, tens of thousands of usual ones.
pub const BODIES_KIBIBYTES_MAX: u32 = 64 << 10;
/// Lists of the API that are made at one time; each takes a core for as long, and memory for all of it.
pub const LISTS_AT_ONCE_MAX: usize = 2;
/// Requests for lists that wait for that: a part of those that are worked on, so that there is room for others.
pub const LISTS_QUEUED_MAX: usize = API_REQUESTS_MAX / 2;
/// Kibibytes of lists that clients have not read yet; what is beyond waits, and is late in the end.
pub const LISTS_KIBIBYTES_MAX: u32 = 512 << 10;
/// Octets of a response that count for nothing: as many as there are connections fit into memory.
pub const RESPONSE_SMALL_OCTETS: u64 = 64 << 10;
/// Octets a second, on average, below which a client takes its response too slowly: half a megabit, as its body may take.
pub const RESPONSE_RATE_MIN: u64 = 64 << 10;
/// How long a response may be slower than that: a connection that has just begun, or a loss.
pub const RESPONSE_GRACE: Duration = Duration::from_secs(10);
/// Fields of a request's header; clients send twenty.
pub const HEADER_FIELDS_MAX: usize = 64;
/// Octets of a request's head.
pub const HEAD_OCTETS_MAX: usize = 16 << 10;
/// Octets of what a bearer shows; a token has 51.
pub const CREDENTIAL_OCTETS_MAX: usize = 1 << 10;
/// Failed authentications of one network and minute that are told so; more are told to come later.
pub const AUTH_FAILURES_MAX: u32 = 10;
/// Networks whose failed authentications are counted; each takes some 60 octets, for a minute.
pub const AUTH_NETWORKS_MAX: usize = 4_096;
/// Longest life of a token that expires at all: ten years.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_hours(24 * 3_653);
/// Octets of a request's own id that is given back; clients send 36.
pub const REQUEST_ID_OCTETS_MAX: usize = 128;
/// Octets of a request's body: a pool of as many origins as we take has half of it.
pub const BODY_OCTETS_MAX: usize = 1 << 20;
/// Previews of monitors that run at one time; each may take as long as its probes.
pub const PREVIEWS_AT_ONCE_MAX: usize = 16;
/// Previews that are kept, running or not; beyond, the oldest is forgotten. With as many origins as one may have, ten
/// megabytes.
pub const PREVIEWS_KEPT_MAX: usize = 100;
/// Origins of one preview: four pools as large as we take, or many small ones.
pub const PREVIEW_ORIGINS_MAX: usize = 1_024;
/// Probes of all previews in flight; the schedule's own have other places.
pub const PREVIEW_PROBES_MAX: usize = 128;
/// Previews of one token that run at one time: a quarter, so that three who try much leave a place to others.
pub const PREVIEWS_PER_TOKEN_MAX: usize = PREVIEWS_AT_ONCE_MAX / 4;
/// How long a preview may run: as many origins as one may have, all of them silent, with usual time-outs and retries.
pub const PREVIEW_RUN_MAX: Duration = Duration::from_mins(5);
/// How long a preview is kept.
pub const PREVIEW_LIFETIME: Duration = Duration::from_mins(10);
/// Items of one page of a list: the largest number of the original, which records have. Without pages a request gets all, so
/// this bounds nothing; one that asks for more gets so many.
pub const PER_PAGE_MAX: usize = 5_000_000;
/// Events of one response: each has all origins of its pool.
pub const EVENTS_SHOWN_MAX: usize = 1_000;

/// Zones of one server.
pub const ZONES_MAX: usize = 1_000_000;
/// Networks, rules or servers in one list of a zone; a person cannot keep track of more.
pub const PEERS_MAX: usize = 256;
/// Keys of TSIG.
pub const TSIG_KEYS_MAX: usize = 10_000;
/// Octets of a TSIG secret: RFC 8945 §6 wants no less than half of the shortest digest we have.
pub const TSIG_SECRET_OCTETS_MIN: usize = 16;
/// Octets of a TSIG secret: what is longer than a block of the longest digest is only hashed.
pub const TSIG_SECRET_OCTETS_MAX: usize = 128;
/// Records of one transfer: ten times the largest zone that we promise.
pub const TRANSFER_RECORDS_MAX: usize = 10_000_000;
/// Octets of names and data of one transfer; more would not fit the memory that such a server has.
pub const TRANSFER_OCTETS_MAX: usize = 1 << 30;
/// Octets of all transfers to us together: one server, with as many of the largest as it may send at a time, leaves room
/// for one of others.
pub const TRANSFERS_IN_OCTETS_MAX: usize = 3 << 30;
/// Messages of one transfer: a primary may put each record in a message of its own (RFC 5936 §2.2).
pub const TRANSFER_MESSAGES_MAX: usize = 10_000_000;
/// How long a primary may take to accept a connection.
pub const TRANSFER_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a primary may take for the next message of a transfer; it may have to read a large zone before the first.
pub const TRANSFER_MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a transfer may take. The largest zone comes within minutes over any line worth having.
pub const TRANSFER_TIMEOUT: Duration = Duration::from_hours(1);
/// Octets a second, on average, below which a transfer trickles. A tenth of what a slow line gives; a primary that wants
/// to keep one of the few transfers for an hour has to send 56 MiB for it.
pub const TRANSFER_RATE_MIN: u64 = 16 << 10;
/// How long after its first message a transfer may be slower than that: a connection that has just begun, or a loss.
pub const TRANSFER_GRACE: Duration = Duration::from_secs(10);
/// How long a primary may take to answer over UDP: the first attempt, and the second.
pub const SOA_TIMEOUTS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// Zones whose primaries are asked at one time; one that does not answer must not hold up the others.
pub const REFRESHES_MAX: usize = 256;
/// Zones that are asked about at one time at one address: one server that says nothing must not take all of them.
pub const REFRESHES_PER_PRIMARY_MAX: usize = 128;
/// Transfers at one time: each takes memory for a zone.
pub const TRANSFERS_IN_MAX: usize = 8;
/// Transfers at one time from one address, so that a slow server leaves most of them to others; BIND has 2 as well.
pub const TRANSFERS_IN_PER_PRIMARY_MAX: usize = 2;
/// Copies of zones that are read or written at one time, for the same reason.
pub const COPIES_MAX: usize = 2;
/// Octets of a zone's copy on disk: what a transfer of the largest zone takes there.
pub const COPY_OCTETS_MAX: u64 = 4 << 30;
/// From a panic of a zone's task to its next start: often enough for the zone, not too often for the log.
pub const UPKEEP_RESTART_PAUSE: Duration = Duration::from_secs(10);
/// From one refresh that a NOTIFY asked for to the next: a flood of them is one query a second.
pub const NOTIFIED_REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// Smallest REFRESH that a zone's SOA record can ask for: one query a second.
pub const REFRESH_MIN: Duration = Duration::from_secs(1);
/// Largest REFRESH; what is lost for four weeks was not meant to be.
pub const REFRESH_MAX: Duration = Duration::from_hours(24 * 28);
/// Smallest RETRY, for the same reason as REFRESH.
pub const RETRY_MIN: Duration = Duration::from_secs(1);
/// Largest RETRY; a primary that is back is found within two weeks.
pub const RETRY_MAX: Duration = Duration::from_hours(24 * 14);
/// Smallest EXPIRE: below it, a zone would be gone before its primary could be asked twice.
pub const EXPIRE_MIN: Duration = Duration::from_secs(2);
/// Longest wait between attempts to get a zone that we have never had.
pub const FIRST_TRANSFER_RETRY_MAX: Duration = Duration::from_mins(5);
/// Queries over TCP that wait for whoever answers transfers, NOTIFY and what is signed; each is at most a message.
pub const PASSED_ON_TCP_QUEUED_MAX: usize = 256;
/// Queries of that kind that are being answered at one time; all but transfers are done in a moment.
pub const PASSED_ON_TCP_AT_ONCE_MAX: usize = 256;
/// The same over UDP, where sources can be forged: a number of its own, so that no flood takes the place of connections.
pub const PASSED_ON_UDP_QUEUED_MAX: usize = 256;
/// Those that are being answered at one time: none of them waits for its client, so few are enough.
pub const PASSED_ON_UDP_AT_ONCE_MAX: usize = 16;
/// Transfers of zones at one time: each reads a whole zone and holds some messages of 16 KiB.
pub const TRANSFERS_MAX: usize = 32;
/// Transfers at one time to one address: a secondary that has just started asks for several zones.
pub const TRANSFERS_PER_PEER_MAX: usize = 8;
/// Differences between versions of a zone that are kept for IXFR; at one in 5 s, a quarter of an hour.
pub const JOURNAL_DIFFERENCES_MAX: usize = 180;
/// Octets of all of them together, of one zone.
pub const JOURNAL_OCTETS_MAX: usize = 8 << 20;
/// NOTIFY messages that wait for an answer at one time; the others wait for them.
pub const NOTIFIES_AT_ONCE_MAX: usize = 64;
/// Those to one address: some that do not answer must not delay the others.
pub const NOTIFIES_PER_PEER_MAX: usize = 8;
/// Records of one zone that is managed through the API: an edit looks at each. Larger zones belong in files.
pub const RECORDS_PER_STORED_ZONE_MAX: usize = 100_000;
/// Octets of a record's content: room for the longest key that mail has, many times over.
pub const RECORD_CONTENT_OCTETS_MAX: usize = 16_384;
/// Smallest TTL of a record of the API, seconds, as in the original.
pub const RECORD_TTL_MIN: u32 = 30;
/// Characters of a record's comment; more is documentation.
pub const RECORD_COMMENT_CHARS_MAX: usize = 500;
/// Tags of a record.
pub const RECORD_TAGS_MAX: usize = 100;
/// Characters of a record's tag.
pub const RECORD_TAG_CHARS_MAX: usize = 256;
/// Monitors of one server.
pub const MONITORS_MAX: usize = 200_000;
/// Monitor groups of one server: one for each pool.
pub const MONITOR_GROUPS_MAX: usize = 100_000;
/// Members of one monitor group; each probes every address of every pool that names the group.
pub const MEMBERS_PER_GROUP_MAX: usize = 16;
/// Pools of one server.
pub const POOLS_MAX: usize = 100_000;
/// Load balancers of one server.
pub const LOAD_BALANCERS_MAX: usize = 1_000_000;
/// Origins of one pool: a prepared answer grows with their number (at most with its square when `answers` is a number).
pub const ORIGINS_PER_POOL_MAX: usize = 256;
/// Pools that one load balancer may name.
pub const POOLS_PER_LOAD_BALANCER_MAX: usize = 256;
/// Characters of a pool's, origin's or monitor's name.
pub const NAME_CHARS_MAX: usize = 255;
/// Characters of a description, as in the original.
pub const DESCRIPTION_CHARS_MAX: usize = 1024;

/// Commits that wait for the store; whoever has more waits before it hands one over.
pub const COMMITS_QUEUED_MAX: usize = 1_024;
/// Commits that share one transaction of the store: as many as may wait, so that a full queue is one of the disk's.
pub const COMMITS_PER_TRANSACTION_MAX: usize = COMMITS_QUEUED_MAX;
/// Octets of memory for the store's pages. The objects are in memory anyway; this is for writing, and for looking back.
pub const STORE_CACHE_OCTETS: usize = 32 << 20;
/// How long events and serials may wait for a transaction to go along with before they get one of their own.
pub const STORE_LAZY_INTERVAL: Duration = Duration::from_secs(1);
/// Looks back into the store at one time: each may read all of a journal.
pub const STORE_LOOKS_MAX: usize = 2;
/// The same for verdicts, which a process that starts after a crash answers from: what is lost makes its first answers old.
pub const STORE_PROMPT_INTERVAL: Duration = Duration::from_millis(50);
/// How often a process tells the store that it runs: that makes verdicts that stand so much older at most than they are.
pub const ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Verdicts that are kept: ten times the targets that we promise to probe.
pub const VERDICTS_KEPT_MAX: usize = 1_000_000;
/// Largest `verdict_lifetime`: who needs answers after more than an hour without probes needs another monitor.
pub const VERDICT_LIFETIME_MAX: Duration = Duration::from_hours(1);
/// Batches of verdicts that wait to be handed to the store; whoever has more waits, and answers do not wait for that.
pub const VERDICTS_QUEUED_MAX: usize = 64;
/// From a transaction that failed to the next try that nobody asked for.
pub const STORE_RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// Entries of the audit log: ten a minute for a week.
pub const AUDIT_ENTRIES_MAX: usize = 100_000;
/// Records that a change of a whole zone has in the audit log, so that an import does not push everything else out of it.
pub const AUDIT_RECORDS_MAX: usize = 1_000;
/// Octets of the audit log; an entry has an object twice, and a pool may be large.
pub const AUDIT_OCTETS_MAX: u64 = 256 << 20;
/// Entries of the audit log in one response: each may have an object twice.
pub const AUDIT_SHOWN_MAX: usize = 1_000;
/// Entries of the audit log, and events, that pages reach from the newest on: each page reads all that come before.
pub const AUDIT_REACH_MAX: usize = 10_000;
/// Octets of an object that a list of audit entries shows, so that a page of large pools is no matter of gigabytes.
pub const AUDIT_SHOWN_OCTETS_MAX: usize = 16 << 10;
/// Events of pools that are kept: a pool that flaps every ten seconds fills them in eleven days.
pub const EVENTS_KEPT_MAX: usize = 100_000;
/// Octets of all of them; an event has each origin of its pool.
pub const EVENTS_OCTETS_MAX: u64 = 128 << 20;
/// Events that wait for the store; it takes them once a second, and a mass failure has one for each pool.
pub const EVENTS_QUEUED_MAX: usize = POOLS_MAX;
/// Events that one answer of the control socket has: some megabytes, if each is of a large pool.
pub const EVENTS_ANSWERED_MAX: usize = 1_000;
/// How long whoever follows events may wait for the next one; then they ask again, so that a server that has gone silent is
/// noticed.
pub const EVENTS_WAIT_MAX: Duration = Duration::from_mins(1);
/// Webhooks; each has a task, and what waits for its receiver.
pub const WEBHOOKS_MAX: usize = 32;
/// Octets of a webhook's URL; servers take no longer ones.
pub const WEBHOOK_URL_OCTETS_MAX: usize = 2_048;
/// Octets of a webhook's secret: what the Standard Webhooks specification asks for at the least.
pub const WEBHOOK_SECRET_OCTETS_MIN: usize = 24;
/// Octets of a webhook's secret: a block of SHA-256; what is longer is only hashed.
pub const WEBHOOK_SECRET_OCTETS_MAX: usize = 64;
/// Octets of the file that a secret stands in: the longest in base64, with room for what an editor adds.
pub const WEBHOOK_SECRET_FILE_OCTETS_MAX: u64 = 256;
/// Pools that one webhook can name; whoever wants more names none, and gets all.
pub const WEBHOOK_POOLS_MAX: usize = 1_000;
/// Longest that a webhook's changes are collected: later, the first of them is no news.
pub const WEBHOOK_GROUP_WAIT_MAX: Duration = Duration::from_mins(5);
/// Changes in one message: some 150 KB, which receivers still take.
pub const WEBHOOK_CHANGES_MAX: usize = 500;
/// Things that changed and wait for one receiver; what is beyond is lost and counted. A mass failure has more of them than
/// anybody reads, and each takes some 500 octets.
pub const WEBHOOK_WAITING_MAX: usize = 10_000;
/// Batches of events on their way to one webhook's task, which never stops to take them in.
pub const WEBHOOK_BATCHES_QUEUED_MAX: usize = 256;
/// How long one delivery may take.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a message is tried again: then it is old, and what has happened since is worth more.
pub const WEBHOOK_PATIENCE: Duration = Duration::from_hours(1);
/// First pause before a message is tried again; each is twice as long as the one before.
pub const WEBHOOK_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause before a message is tried again: a receiver that is back hears of it soon.
pub const WEBHOOK_PAUSE_MAX: Duration = Duration::from_mins(5);
/// What a server that stops allows for what still waits; less than what it allows for draining.
pub const WEBHOOK_FAREWELL: Duration = Duration::from_secs(2);
/// Fields of an answer's header.
pub const WEBHOOK_HEADERS_MAX: usize = 100;
/// Tokens of the API: each is compared when somebody shows one.
pub const TOKENS_MAX: usize = 1_000;

/// Largest TTL we take: RFC 2181 §8 gives 31 bits; the original's load balancers stop at a day.
pub const TTL_MAX: u32 = 0x7fff_ffff;
/// Largest TTL of a load balancer, seconds; longer would hide failover for more than a day.
pub const LOAD_BALANCER_TTL_MAX: u32 = 86_400;
/// Octets of a zone file with all that it includes: twenty million records.
pub const ZONE_FILE_OCTETS_MAX: u64 = 1 << 30;
/// Files that one zone file includes; more is a generator that went wrong.
pub const ZONE_INCLUDES_MAX: usize = 1_000;
/// How deep `$INCLUDE` may nest, as for configuration files.
pub const ZONE_INCLUDE_DEPTH_MAX: usize = 8;
/// Hosts that are looked up for the warnings of one zone, so that they cost a fraction of a second.
pub const WARNING_LOOKUPS_MAX: usize = 20_000;
/// Octets of one entry of a zone file: the longest data, written as `\DDD` and with room for comments, takes a third.
pub const ZONE_ENTRY_OCTETS_MAX: usize = 1 << 20;
/// Octets of names and data of one zone while it is built: offsets have 32 bits.
pub const ZONE_OCTETS_MAX: usize = 0xffff_ffff;
/// Octets of one rendered `RRset`: more could never leave in a TCP message of 65,535.
pub const RRSET_OCTETS_MAX: usize = 64_000;
/// Records of one owner and type, for the same reason.
pub const RRSET_RECORDS_MAX: usize = 4_096;
/// Series with the name of an object in the metrics; what is beyond is counted as `other`.
pub use crate::telemetry::series::SERIES_MAX;

/// Links of a chain of CNAME and DNAME records that one answer follows; BIND stops at 16 as well.
pub const CNAME_CHAIN_MAX: usize = 16;
/// Names of one answer whose addresses are added to it; nobody has more mail or name servers that matter.
pub const ADDITIONAL_NAMES_MAX: usize = 32;

/// Smallest interval of a monitor; below it a probe is a load test.
pub const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Largest interval of a monitor, as in the original.
pub const INTERVAL_MAX: Duration = Duration::from_hours(1);
/// Smallest time-out of a probe.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(10);
/// Largest time-out of a probe; the original stops at 10 s, slow origins exist.
pub const TIMEOUT_MAX: Duration = Duration::from_mins(1);
/// Immediate retries after a time-out, as in the original.
pub const RETRIES_MAX: u32 = 5;
/// Largest `consecutive_up` and `consecutive_down`; more is a typing error.
pub const CONSECUTIVE_MAX: u32 = 100;
/// Largest `damping.changes`: a target keeps the time of each.
pub const DAMPING_CHANGES_MAX: u32 = 20;
/// Largest `damping.within` and `damping.hold`: what flaps for a day is not for a program to judge.
pub const DAMPING_SPAN_MAX: Duration = Duration::from_hours(24);
/// Addresses that have to fall silent before verdicts freeze without references: so many hosts do not fail together, unless
/// it is the network, and an installation of a few is never taken for one.
pub const GUARD_ADDRESSES_MIN: usize = 8;
/// References of the guard: enough to be in several networks.
pub const GUARD_REFERENCES_MAX: usize = 16;
/// Shortest `window` of the guard: time for references to fail after targets did.
pub const GUARD_WINDOW_MIN: Duration = Duration::from_secs(10);
/// Longest `window` of the guard: a reference that is dead for a day says nothing of the network.
pub const GUARD_WINDOW_MAX: Duration = Duration::from_hours(24);
/// From one question to references to the next.
pub const REFERENCE_INTERVAL: Duration = Duration::from_secs(2);
/// How long a reference may take: a good one is near.
pub const REFERENCE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long what a target is about to do may be overdue before it counts as stalled: longer than any load explains.
pub const PROBE_OVERDUE_MAX: Duration = Duration::from_secs(10);
/// How often the watchdog looks: 100,000 targets take it some milliseconds.
pub const WATCHDOG_INTERVAL: Duration = Duration::from_secs(5);
/// Headers of one monitor.
pub const MONITOR_HEADERS_MAX: usize = 32;
/// Octets of a header value, a path or an expected body.
pub const MONITOR_TEXT_OCTETS_MAX: usize = 4_096;
/// Largest `certificate_days_min`: authorities sign for shorter times.
pub const CERTIFICATE_DAYS_MAX: u16 = 3_650;
/// Octets of a file with certificates or keys: the authorities of a whole system take a quarter.
pub const PEM_FILE_OCTETS_MAX: u64 = 1 << 20;
/// Octets of a response body that a probe reads; the original's figures contradict each other (10 KB, 100 MB).
pub const PROBE_BODY_OCTETS_MAX: usize = 100 << 10;
/// Header fields of a response that a probe takes, as hyper's default.
pub const PROBE_HEADERS_MAX: usize = 100;
/// Octets of the header fields of an HTTP/2 response; those of HTTP/1.1 end at about 400 KiB, which hyper does not let us set.
pub const PROBE_HEADER_OCTETS_MAX: u32 = 64 << 10;
/// Octets that an HTTP/2 origin may send before we have read any: the library's default is megabytes, for each of
/// thousands of probes.
pub const PROBE_WINDOW_OCTETS: u32 = 128 << 10;
/// Octets of a gRPC health response: a field of one number, of which we know no more than two octets.
pub const PROBE_GRPC_OCTETS_MAX: usize = 1 << 10;
/// Octets that a mail server may say in one reply; RFC 5321 §4.5.3.1.5 has 512 in a line.
pub const PROBE_SMTP_OCTETS_MAX: usize = 8 << 10;
/// Octets of a DNS response over TCP: all that its length can say.
pub const PROBE_DNS_OCTETS_MAX: usize = 65_535;
/// ICMP messages that are not the awaited reply and that one ping reads past: a raw socket hears all that its host says
/// to any of us, and on loopback what we say, too.
pub const PROBE_PING_MESSAGES_MAX: usize = 10_000;
/// Datagrams that are not the awaited response and that one probe reads past.
pub const PROBE_DATAGRAMS_MAX: usize = 100;
/// Redirects that one probe follows.
pub const PROBE_REDIRECTS_MAX: usize = 10;
/// Batches of changed verdicts that may wait to be recorded; answers do not wait for records.
pub const FLIPPED_QUEUED_MAX: usize = 1_024;
/// Transitions that may wait for publish; a prober that gets ahead waits.
pub const TRANSITIONS_QUEUED_MAX: usize = 16_384;

/// UDP payload that avoids fragments on every path worth having (RFC 9715 §3.2 and DNS flag day 2020).
pub const UDP_PAYLOAD_DEFAULT: u16 = 1232;
/// Smallest UDP payload there is (RFC 6891 §6.2.3).
pub const UDP_PAYLOAD_MIN: u16 = 512;
/// Largest UDP payload that can be set; more invites fragments even on jumbo paths.
pub const UDP_PAYLOAD_MAX: u16 = 4096;

const _: () = assert!(UDP_PAYLOAD_MIN <= UDP_PAYLOAD_DEFAULT && UDP_PAYLOAD_DEFAULT <= UDP_PAYLOAD_MAX);
const _: () = assert!(ORIGINS_PER_POOL_MAX <= PREVIEW_ORIGINS_MAX && PREVIEWS_AT_ONCE_MAX < PREVIEWS_KEPT_MAX);
const _: () = assert!(CONFIG_FILE_OCTETS_MAX <= CONFIG_OCTETS_MAX);
const _: () = assert!((TRANSFERS_IN_PER_PRIMARY_MAX + 1) * TRANSFER_OCTETS_MAX <= TRANSFERS_IN_OCTETS_MAX);
const _: () = assert!(TRANSFERS_IN_PER_PRIMARY_MAX < TRANSFERS_IN_MAX && REFRESHES_PER_PRIMARY_MAX < REFRESHES_MAX);
