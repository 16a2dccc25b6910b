//! Looking ahead at a batch of queries: what answering them begins with is done for all of them first, so that memory is
//! on its way when they are answered.
//!
//! In a zone that is larger than the caches, finding a name means waiting for memory twice: for the name's place in the
//! table, and for its records. Each query of a batch alone would wait for both; asked for ahead, they all come at once.
//! What was found out on the way, the transport keeps and hands over with the query. It is of use with any table and policy,
//! which may be others when the query is answered: a hash says how it was made, and a network what it is.

use crate::dns::io::{BATCH, prefetch_at, prefetch_value};
use crate::dns::rrl::Network;
use crate::steering::lookup::Coming;
use crate::steering::table::RecordTable;
use crate::wire::name::{HashedName, LowerName, NameHashing};
use crate::wire::query::question;

/// What looking ahead at one query has found out. Reused.
#[derive(Clone, Default)]
pub struct Ahead {
    /// The question's name, if there is one. It is large: where nobody looks for it, what is found out about a batch fits
    /// a few cache lines without it.
    qname: Box<HashedName>,
    /// Whether there is one.
    has_name: bool,
    /// Whether the name was looked for. Where all zones are small it is not: a name that is read when it is needed is
    /// still in the fastest cache.
    pub(super) is_read: bool,
    /// Where answers to the client are counted, if they are.
    pub(super) network: Option<Network>,
}

impl std::fmt::Debug for Ahead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ahead").finish_non_exhaustive()
    }
}

impl Ahead {
    /// One for each query of a batch.
    pub fn batch() -> Box<[Self]> {
        vec![Self::default(); BATCH].into()
    }

    /// Reads the question's name. What is no query is found out when it is answered.
    pub(super) fn read(&mut self, query: &[u8]) {
        self.has_name = self.qname.read_only(question(query)).is_ok();
        self.is_read = true;
    }

    /// Octets that the question's name takes in the query; none if there is no name at its place.
    pub(super) fn name_octets(&self) -> Option<usize> {
        self.has_name.then(|| self.qname.wire().len())
    }

    /// The question's name. It means nothing if there is none.
    pub(super) fn name(&self) -> &LowerName {
        &self.qname
    }

    /// The question's name, hashed as names of a table are. It means nothing if there is none.
    pub(super) fn qname(&mut self, hashing: NameHashing) -> &HashedName {
        self.qname.hash_by(hashing);
        &self.qname
    }

    /// Whether this is about a query, as far as its name goes.
    pub(super) fn is_about(&self, query: &[u8]) -> bool {
        let name = self.name_octets().map(|octets| question(query).get(..octets).unwrap_or_default());
        name.is_none_or(|name| name.eq_ignore_ascii_case(self.qname.wire()))
    }
}

/// Asks for the memory in which the names will be found that have been read, of at most [`BATCH`] queries.
pub(super) fn prefetch_names(table: &RecordTable, batch: &mut [Ahead]) {
    let mut searches: [Option<Coming<'_>>; BATCH] = [None; BATCH];
    for (place, ahead) in searches.iter_mut().zip(batch) {
        if let Some(coming) = Coming::of(table, ahead.qname(table.hashing()))
            && let Some(home) = coming.home()
        {
            prefetch_value(home);
            *place = Some(coming);
        }
    }
    for node in searches.iter().flatten().filter_map(Coming::likely) {
        prefetch_at(node.owner().address());
        if let Some(slot) = node.slot() {
            prefetch_value(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use arc_swap::ArcSwap;

    use super::*;
    use crate::config::Policy;
    use crate::config::guard::{CookieSecret, RrlPolicy};
    use crate::dns::engine::{Client, Engine, Fittings, Transport, UnixTime, Worker};
    use crate::dns::rrl::RateLimiter;
    use crate::model::id::ZoneId;
    use crate::model::name::Name;
    use crate::model::rrset::{Record, Rtype};
    use crate::model::zone::Zone;
    use crate::telemetry::Counters;

    /// Who asks.
    const CLIENT: Client =
        Client { address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), transport: Transport::Udp };

    /// A zone in which each of these names, and `fillers` others, has an address that ends in `last`.
    fn zone(apex: &str, names: &[&str], fillers: usize, last: u8) -> Arc<Zone> {
        let apex = Name::parse(apex, None).unwrap();
        let record = |owner: &str, rtype, rdata: &[u8]| Record {
            owner: Name::parse(owner, Some(&apex)).unwrap(),
            rtype,
            ttl: 60,
            rdata: rdata.to_vec(),
        };
        let mut records = vec![record("@", Rtype::SOA, &[0; 22]), record("@", Rtype::NS, b"\0")];
        records.extend(names.iter().map(|name| record(name, Rtype::A, &[192, 0, 2, last])));
        records.extend((0..fillers).map(|number| record(&format!("host{number}"), Rtype::A, &[198, 51, 100, last])));
        Arc::new(Zone::try_new(ZoneId::declared(&apex.to_string()), apex, records).unwrap())
    }

    /// A table with these zones.
    fn table(seed: u64, zones: impl IntoIterator<Item = Arc<Zone>>) -> RecordTable {
        let mut table = RecordTable::new(seed);
        zones.into_iter().for_each(|zone| table.put_zone(zone));
        table
    }

    /// Queries for names of all kinds, and what is no query.
    fn queries() -> Vec<Vec<u8>> {
        let names =
            ["www.example.com", "WWW.sub.example.COM", "x.wild.example.com", "host7.example.com", "no.example.com"];
        let head = [0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let query = |name: &&str| [&head[..], Name::parse(name, None).unwrap().wire(), &[0, 1, 0, 1]].concat();
        let cut_short = query(&"www.example.com")[..20].to_vec();
        let mut queries: Vec<Vec<u8>> = names.iter().map(query).collect();
        // What was a name and is none would otherwise be answered by the name before.
        queries.extend([cut_short, vec![0; 5], vec![]]);
        queries
    }

    /// The octets of an answer.
    fn answered(respond: impl FnOnce(&mut [u8]) -> usize) -> Vec<u8> {
        let mut out = vec![0; 512];
        let len = respond(&mut out);
        out.truncate(len);
        out
    }

    /// The answers to all queries, looked ahead at, `between` happening before they are answered; and those of a worker that
    /// does not look ahead.
    fn both_ways([worker, plain]: &mut [Worker; 2], batch: &mut [Ahead], between: impl FnOnce()) -> [Vec<Vec<u8>>; 2] {
        let queries = queries();
        worker.look_ahead(queries.iter().map(|query| (query.as_slice(), CLIENT.address)), batch);
        between();
        let now = UnixTime(1_700_000_000_000);
        let ahead = queries
            .iter()
            .zip(batch)
            .map(|(query, ahead)| answered(|out| worker.answer_ahead(query, ahead, &CLIENT, now, 1, out).len));
        let ahead = ahead.collect();
        let plain = queries.iter().map(|query| answered(|out| plain.answer(query, &CLIENT, now, 1, out).len)).collect();
        [ahead, plain]
    }

    #[test]
    fn what_is_swapped_after_looking_ahead_is_what_answers() {
        let names = ["www", "www.sub", "*.wild"];
        let large = || table(1, [zone("example.com", &names, 17_000, 1)]);
        assert!(large().has_large_zone());
        let live = Arc::new(ArcSwap::from_pointee(large()));
        let policy = Arc::new(ArcSwap::from_pointee(Policy::default()));
        let fittings = Fittings {
            limiter: RateLimiter::new(1024, 7),
            cookie_secret: CookieSecret([7; 16]),
            tcp_idle_timeout: Duration::from_secs(10),
        };
        let engine = Engine::new(Arc::clone(&live), Arc::clone(&policy), Arc::new(fittings));
        let mut workers = [(); 2].map(|()| engine.worker(Arc::new(Counters::default())));
        let mut batch = Ahead::batch();
        // The last octets say which zone answered.
        let lasts = |answers: &[Vec<u8>]| -> Vec<Option<u8>> {
            answers.iter().map(|answer| answer.last().filter(|_| answer.get(7) == Some(&1)).copied()).collect()
        };
        let nothing = [None; 4];
        let [ahead, plain] = both_ways(&mut workers, &mut batch, || {});
        assert_eq!(ahead, plain);
        assert_eq!(lasts(&ahead), [&[Some(1); 4][..], &nothing].concat());
        // Another seed, so that no hash holds; an apex further down; and a small zone.
        let small = [zone("example.com", &names, 10, 2), zone("sub.example.com", &["www"], 0, 3)];
        let [ahead, plain] = both_ways(&mut workers, &mut batch, || {
            live.store(Arc::new(table(2, small)));
            let rrl = RrlPolicy { ipv4_prefix: 16, ..RrlPolicy::default() };
            policy.store(Arc::new(Policy { rrl, ..Policy::default() }));
        });
        assert_eq!(ahead, plain);
        assert_eq!(lasts(&ahead), [&[Some(2), Some(3), Some(2), Some(2)][..], &nothing].concat());
        let [ahead, plain] = both_ways(&mut workers, &mut batch, || live.store(Arc::new(large())));
        assert_eq!(ahead, plain);
        assert_eq!(lasts(&ahead), [&[Some(1); 4][..], &nothing].concat());
        // The same table, without its zone.
        let [ahead, plain] = both_ways(&mut workers, &mut batch, || live.store(Arc::new(table(1, []))));
        assert_eq!(ahead, plain);
        assert_eq!(lasts(&ahead), [None; 8]);
    }
}
