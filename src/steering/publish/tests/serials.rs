//! Serials under a paused clock: when they grow, and when they do not.

use super::*;
use crate::model::hosting::{Hosting, SerialSource, TransferLive, ZoneOrigin};

/// Seconds since 1970 at the start of each test.
const START: u32 = 1_800_000_000;

/// A zone's hosting.
fn hosting(serial: SerialSource, transfer_live: TransferLive) -> Hosting {
    let apex = name("example.com");
    let origin = ZoneOrigin::Declared(serial);
    Hosting { origin, transfer_live, ..Hosting::declared(ZoneId::declared("example.com"), apex) }
}

/// A zone with a serial, whose records depend on `text`.
fn zone_of(serial: u32, text: u8) -> Arc<Zone> {
    let record = |rtype, rdata: Vec<u8>| Record { owner: name("example.com"), rtype, ttl: 60, rdata };
    let soa = [b"\0\0", [serial, 1, 2, 3, 4].map(u32::to_be_bytes).concat().as_slice()].concat();
    let records = vec![record(Rtype::SOA, soa), record(Rtype::NS, vec![0]), record(Rtype::TXT, vec![1, text])];
    Arc::new(Zone::try_new(ZoneId::declared("example.com"), name("example.com"), records).unwrap())
}

impl World {
    /// A world that counts serials from [`START`].
    fn counting() -> Self {
        let Self { inventory, schedule, flips, publisher, table, up } = Self::new();
        let publisher =
            publisher.counting_from(Moment { instant: Instant::now(), unix: UnixMicros(u64::from(START) * 1_000_000) });
        Self { inventory, schedule, flips, publisher, table, up }
    }

    /// Declares one zone, and names in it.
    fn host(&mut self, hosting: Hosting, zone: Arc<Zone>, pools: Vec<Pool>, load_balancers: Vec<LoadBalancer>) {
        let (hostings, zones, monitors) = (vec![hosting], vec![zone], vec![monitor()]);
        let declared = Declared { hostings, zones, monitors, pools, load_balancers, ..Declared::default() };
        self.inventory = Arc::new(self.inventory.apply(Change::Declare(declared)).unwrap());
        let assigned = self.schedule.reconcile(Arc::clone(&self.inventory));
        self.publisher.apply(assigned, Instant::now());
    }

    /// The serial that is told, and that answers show.
    fn serial(&self) -> u32 {
        let told = self.publisher.serials().borrow().find(ZoneId::declared("example.com")).unwrap().serial;
        let table = self.table.load();
        let zone = table.zone_at(&name("example.com")).unwrap();
        let apex = zone.node_at(&name("example.com")).unwrap().owner().rrset(Rtype::SOA).unwrap();
        for soa in [apex.rendered, zone.negative_soa()] {
            let numbers = soa.last_chunk::<20>().unwrap();
            assert_eq!(u32::from_be_bytes(*numbers.first_chunk().unwrap()), told);
        }
        assert_eq!(zone.serial(), told);
        told
    }
}

/// A name with a pool of two origins.
fn www() -> (Vec<Pool>, Vec<LoadBalancer>) {
    (vec![pool("p", &[1, 2])], vec![load_balancer("www", "www.example.com", &["p"])])
}

/// A zone `a.test` whose record has hints of a host, and a zone `b.test` with a live name and a static one.
fn hinting(target: &str, static_host: u8) -> Vec<Arc<Zone>> {
    let record = |owner: &str, rtype, rdata: Vec<u8>| Record { owner: name(owner), rtype, ttl: 60, rdata };
    let soa = || [b"\0\0", [7, 1, 2, 3, 4_u32].map(u32::to_be_bytes).concat().as_slice()].concat();
    let https = [b"\0\x01", name(target).wire(), b"\0\x04\0\0"].concat();
    let records = [
        ("a.test", vec![record("www.a.test", Rtype::HTTPS, https)]),
        ("b.test", vec![record("static.b.test", Rtype::A, vec![192, 0, 2, static_host])]),
    ];
    let zone = |(apex, mut records): (&str, Vec<Record>)| {
        records.extend([record(apex, Rtype::SOA, soa()), record(apex, Rtype::NS, vec![0])]);
        Arc::new(Zone::try_new(ZoneId::declared(apex), name(apex), records).unwrap())
    };
    records.map(zone).into()
}

impl World {
    /// Declares `a.test` with a counted serial, `b.test` with its own, and a name in the latter.
    fn host_hinting(&mut self, transfer_live: TransferLive, zones: Vec<Arc<Zone>>, live: Option<&str>) {
        let origin = ZoneOrigin::Declared(SerialSource::Auto);
        let hostings =
            vec![Hosting { origin, transfer_live, ..Hosting::declared(ZoneId::declared("a.test"), name("a.test")) }];
        let load_balancers = live.into_iter().map(|owner| load_balancer("live", owner, &["p"])).collect();
        let (monitors, pools) = (vec![monitor()], vec![pool("p", &[1, 2])]);
        let declared = Declared { hostings, zones, monitors, pools, load_balancers, ..Declared::default() };
        self.inventory = Arc::new(self.inventory.apply(Change::Declare(declared)).unwrap());
        let assigned = self.schedule.reconcile(Arc::clone(&self.inventory));
        self.publisher.apply(assigned, Instant::now());
    }

    /// The serial of `a.test` that is told.
    fn hinting_serial(&self) -> u32 {
        self.publisher.serials().borrow().find(ZoneId::declared("a.test")).unwrap().serial
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_counted_serial_is_the_time_and_grows_with_records_and_names() {
    let mut world = World::counting();
    let auto = || hosting(SerialSource::Auto, TransferLive::Follow);
    world.host(auto(), zone_of(7, 1), vec![], vec![]);
    assert_eq!(world.serial(), START);
    world.host(auto(), zone_of(7, 1), vec![], vec![]);
    assert_eq!(world.serial(), START, "nothing has changed");
    world.host(auto(), zone_of(7, 2), vec![], vec![]);
    assert_eq!(world.serial(), START + 1, "in the same second");
    world.pass(SECOND * 10).await;
    world.host(auto(), zone_of(7, 3), vec![], vec![]);
    assert_eq!(world.serial(), START + 10);
    let (pools, names) = www();
    world.host(auto(), zone_of(7, 3), pools.clone(), names);
    assert_eq!(world.serial(), START + 11, "a name has come");
    world.host(auto(), zone_of(7, 3), pools, vec![]);
    assert_eq!(world.serial(), START + 12, "and gone");
    world.host(hosting(SerialSource::Records, TransferLive::Follow), zone_of(7, 3), vec![], vec![]);
    assert_eq!(world.serial(), 7);
}

#[tokio::test(start_paused = true)]
async fn live_answers_raise_a_counted_serial_at_most_every_five_seconds() {
    let mut world = World::counting();
    world.set(1, true);
    world.set(2, true);
    let (pools, names) = www();
    world.host(hosting(SerialSource::Auto, TransferLive::Follow), zone_of(7, 1), pools, names);
    assert_eq!((world.serial(), world.answer("www.example.com").as_str()), (START, "not ready"));
    world.pass(SECOND * 100).await;
    assert_eq!(world.answer("www.example.com"), "ok [1, 2]");
    let settled = world.serial();
    assert!(settled > START && settled <= START + 6, "the first answers, and then nothing: {}", settled - START);
    let mut serials = vec![settled];
    // The origins flap for a minute: each probe, every 5 s, sees another state of at least one of them.
    for turn in 0..60 {
        world.set(1, turn % 10 < 5);
        world.set(2, turn % 14 < 7);
        world.pass(SECOND).await;
        serials.push(world.serial());
    }
    serials.dedup();
    assert!((3..=14).contains(&serials.len()), "{serials:?}");
    world.pass(SECOND * 20).await;
    let calm = world.serial();
    world.pass(SECOND * 60).await;
    assert_eq!(world.serial(), calm, "what does not change raises nothing");
}

#[tokio::test(start_paused = true)]
async fn live_answers_raise_no_other_serial() {
    for (serial, live) in
        [(SerialSource::Auto, TransferLive::Snapshot), (SerialSource::Records, TransferLive::Snapshot)]
    {
        let mut world = World::counting();
        world.set(1, true);
        world.set(2, true);
        let (pools, names) = www();
        world.host(hosting(serial, live), zone_of(7, 1), pools, names);
        let before = world.serial();
        world.pass(SECOND * 20).await;
        world.set(1, false);
        world.pass(SECOND * 20).await;
        assert_eq!(world.answer("www.example.com"), "ok [2]");
        assert_eq!(world.serial(), before, "{serial:?} {live:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn hints_of_a_host_in_another_zone_raise_the_serial_with_it() {
    for (live, target, transfer_live, follows) in [
        ("www.b.test", "www.b.test", TransferLive::Follow, true),
        ("*.b.test", "x.b.test", TransferLive::Follow, true),
        ("www.b.test", "other.b.test", TransferLive::Follow, false),
        ("www.b.test", "www.b.test", TransferLive::Snapshot, false),
    ] {
        let mut world = World::counting();
        world.set(1, true);
        world.set(2, true);
        world.host_hinting(transfer_live, hinting(target, 1), Some(live));
        world.pass(SECOND * 100).await;
        let settled = world.hinting_serial();
        world.set(1, false);
        world.pass(SECOND * 20).await;
        assert_eq!(world.answer(target) == "ok [2]", target != "other.b.test");
        assert_eq!(world.hinting_serial() > settled, follows, "{live} {target} {transfer_live:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_declared_of_a_hinted_host_raises_the_serial_too() {
    let mut world = World::counting();
    world.set(1, true);
    world.set(2, true);
    let follow = TransferLive::Follow;
    world.host_hinting(follow, hinting("static.b.test", 1), None);
    assert_eq!(world.hinting_serial(), START);
    world.host_hinting(follow, hinting("static.b.test", 2), None);
    assert_eq!(world.hinting_serial(), START + 1, "its record");
    world.host_hinting(follow, hinting("static.b.test", 2), Some("static.b.test"));
    assert_eq!(world.hinting_serial(), START + 2, "a load balancer comes");
    world.host_hinting(follow, hinting("static.b.test", 2), None);
    assert_eq!(world.hinting_serial(), START + 3, "and goes");
    let [own, other] = hinting("static.b.test", 2).try_into().unwrap();
    world.host_hinting(follow, vec![Arc::clone(&own)], None);
    assert_eq!(world.hinting_serial(), START + 4, "its zone goes");
    world.host_hinting(follow, vec![own, other], None);
    assert_eq!(world.hinting_serial(), START + 5, "and comes");
    world.host_hinting(follow, hinting("elsewhere.test", 2), None);
    assert_eq!(world.hinting_serial(), START + 6, "the hint has another host");
    world.host_hinting(follow, hinting("elsewhere.test", 3), None);
    assert_eq!(world.hinting_serial(), START + 6, "so the one before is nothing to it");
}
