//! Zones of an inventory, kept up from primaries that are told how to behave.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::client::tests::{PATIENCE, answer};
use super::*;
use crate::model::hosting::{Peer, ZoneOrigin};
use crate::model::id::ZoneId;
use crate::model::inventory::{Change, Commit, Declared, Inventory};
use crate::model::rrset::{Record, Rtype};
use crate::model::zone::Zone;
use crate::store::CommitError;
use crate::store::memory::MemoryStore;

/// Longer than anything here takes, so that a test that waits in vain ends.
const AMPLE: Duration = Duration::from_secs(20);

/// The zone of most tests.
fn apex() -> Name {
    Name::parse("example.com", None).unwrap()
}

/// Its id.
fn id() -> ZoneId {
    ZoneId::declared("example.com")
}

/// The records of a zone with a serial, good for so many seconds.
fn records(apex: &Name, serial: u32, expire: u32) -> Vec<Record> {
    let record = |rtype, rdata: &[u8]| Record { owner: apex.clone(), rtype, ttl: 60, rdata: rdata.to_vec() };
    let numbers = [serial, 3600, 600, expire, 300].map(u32::to_be_bytes).concat();
    vec![record(Rtype::SOA, &[b"\0\0", numbers.as_slice()].concat()), record(Rtype::NS, b"\0")]
}

/// Our own zone, with a serial that no primary has.
fn declared() -> Declared {
    let zone = Zone::try_new(id(), apex(), records(&apex(), 77, 90_000)).unwrap();
    Declared { zones: vec![Arc::new(zone)], ..Declared::default() }
}

/// A hosting by a primary.
fn hosting(name: &str, primary: SocketAddr) -> Hosting {
    let origin = ZoneOrigin::Primaries(vec![Peer { address: primary, key: None, source: None }]);
    let apex = Name::parse(name, None).unwrap();
    Hosting { origin, ..Hosting::declared(ZoneId::declared(name), apex) }
}

/// Hostings as a change.
fn secondary(hostings: Vec<Hosting>) -> Change {
    Change::Declare(Declared { hostings, ..Declared::default() })
}

/// A primary that answers every query for `example.com`, over TCP only.
struct Answering {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<u16>>>,
    task: JoinHandle<()>,
}

impl Answering {
    /// One with the zone of a serial, good for so many seconds.
    async fn start(serial: u32, expire: u32) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let length = stream.read_u16().await.unwrap();
                let mut query = vec![0; usize::from(length)];
                stream.read_exact(&mut query).await.unwrap();
                let at = 12 + apex().wire().len();
                let qtype = u16::from_be_bytes([query[at], query[at + 1]]);
                notes.lock().unwrap().push(qtype);
                let mut all = records(&apex(), serial, expire);
                if qtype != Rtype::SOA.0 {
                    all.push(all[0].clone());
                }
                stream.write_all(&answer(&query, &all)).await.unwrap();
            }
        });
        Self { address, asked, task }
    }

    /// Types that it has been asked for since the last call.
    fn asked(&self) -> Vec<u16> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// All zones of a store, with a folder for their copies.
struct Setting<S> {
    store: Arc<S>,
    secondaries: Secondaries<S>,
    _folder: TempDir,
}

impl<S: InventoryStore> Setting<S> {
    /// Starts to keep the zones of a store.
    fn start(store: S, patience: Patience) -> Self {
        let (store, folder) = (Arc::new(store), tempfile::tempdir().unwrap());
        let stop = CancellationToken::new();
        let mut secondaries = Secondaries::new(Arc::clone(&store), folder.path().to_owned(), patience, stop);
        Arc::get_mut(&mut secondaries.shared).unwrap().restart_pause = Duration::from_millis(10);
        tokio::spawn(secondaries.clone().run());
        Self { store, secondaries, _folder: folder }
    }

    /// Waits until the inventory is as it should be.
    async fn until(&self, what: impl FnMut(&Arc<Inventory>) -> bool) {
        timeout(AMPLE, self.store.subscribe().wait_for(what)).await.expect("in time").unwrap();
    }

    /// Waits until the zone is there with a serial.
    async fn until_serial(&self, serial: u32) {
        self.until(|inventory| inventory.zones.find(id()).is_some_and(|zone| zone.soa().serial == serial)).await;
    }
}

impl<S> Drop for Setting<S> {
    fn drop(&mut self) {
        self.secondaries.stop.cancel();
    }
}

#[tokio::test]
async fn a_zone_that_we_were_primary_of_starts_as_one_that_was_never_there() {
    let primary = Answering::start(5, 90_000).await;
    let setting = Setting::start(MemoryStore::default(), PATIENCE);
    setting.store.commit(Change::Declare(declared())).await.unwrap();
    setting.until_serial(77).await;
    let secondary = || secondary(vec![hosting("example.com", primary.address)]);
    setting.store.commit(secondary()).await.unwrap();
    assert!(setting.store.load().is_absent(id()));
    // Its serial is lower than ours was.
    setting.until_serial(5).await;
    assert_eq!(primary.asked(), [Rtype::AXFR.0]);

    setting.store.commit(Change::Declare(declared())).await.unwrap();
    setting.until_serial(77).await;
    let is_gone = async {
        while setting.secondaries.condition(&apex()).is_some() {
            tokio::task::yield_now().await;
        }
    };
    timeout(AMPLE, is_gone).await.unwrap();
    assert_eq!(setting.store.load().zone_of(&apex()), declared().zones.first());
}

#[tokio::test]
async fn a_zone_that_was_ours_for_a_moment_is_transferred_anew() {
    let primary = Answering::start(5, 90_000).await;
    let setting = Setting::start(MemoryStore::default(), PATIENCE);
    let secondary = || secondary(vec![hosting("example.com", primary.address)]);
    setting.store.commit(secondary()).await.unwrap();
    setting.until_serial(5).await;
    // Nothing else runs between the two: whoever follows the inventory sees the second one only.
    setting.store.commit(Change::Declare(declared())).await.unwrap();
    setting.store.commit(secondary()).await.unwrap();
    assert!(setting.store.load().is_absent(id()));
    setting.until_serial(5).await;
}

#[tokio::test]
async fn a_slow_primary_holds_up_its_own_zones_only() {
    // Another address, as another server has.
    let slow = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).await.unwrap();
    let (address, accepted) = (slow.local_addr().unwrap(), Arc::new(AtomicU32::new(0)));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        let mut held: Vec<TcpStream> = Vec::new();
        loop {
            held.push(slow.accept().await.unwrap().0);
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let patient = Patience { message: Duration::from_hours(1), ..PATIENCE };
    let setting = Setting::start(MemoryStore::default(), patient);
    let mut hostings: Vec<Hosting> = (0..50).map(|n| hosting(&format!("slow{n}.test"), address)).collect();
    setting.store.commit(secondary(hostings.clone())).await.unwrap();
    let all_taken = async {
        while accepted.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(AMPLE, all_taken).await.unwrap();
    let good = Answering::start(5, 90_000).await;
    hostings.push(hosting("example.com", good.address));
    setting.store.commit(secondary(hostings)).await.unwrap();
    setting.until_serial(5).await;
    assert_eq!(accepted.load(Ordering::Relaxed), 2);
}

/// A store that panics once, after it has taken a zone in.
#[derive(Default)]
struct Panicking {
    store: MemoryStore,
    panics: AtomicU32,
}

impl InventoryStore for Panicking {
    fn load(&self) -> Arc<Inventory> {
        self.store.load()
    }

    async fn commit(&self, commit: impl Into<Commit> + Send) -> Result<Arc<Inventory>, CommitError> {
        let commit = commit.into();
        let is_zone = commit.steps.iter().any(|step| matches!(step.change, Change::PutZone(_)));
        let generation = self.store.commit(commit).await?;
        assert!(!is_zone || self.panics.fetch_add(1, Ordering::Relaxed) > 0, "as it should");
        Ok(generation)
    }

    fn subscribe(&self) -> watch::Receiver<Arc<Inventory>> {
        self.store.subscribe()
    }
}

#[tokio::test]
async fn a_zone_whose_task_panicked_is_kept_up_again() {
    let primary = Answering::start(5, 90_000).await;
    let setting = Setting::start(Panicking::default(), PATIENCE);
    setting.store.commit(secondary(vec![hosting("example.com", primary.address)])).await.unwrap();
    setting.until_serial(5).await;
    let is_confirmed = |condition: &Condition| condition.primary.is_some() && condition.failure.is_none();
    let confirmed = async {
        while !setting.secondaries.condition(&apex()).is_some_and(|condition| is_confirmed(&condition)) {
            tokio::task::yield_now().await;
        }
    };
    timeout(AMPLE, confirmed).await.unwrap();
    assert_eq!(setting.store.panics.load(Ordering::Relaxed), 1);
    assert_eq!(primary.asked(), [Rtype::AXFR.0, Rtype::SOA.0]);
}

#[tokio::test]
async fn a_zone_whose_task_panicked_expires() {
    let primary = Answering::start(5, 2).await;
    let setting = Setting::start(Panicking::default(), PATIENCE);
    setting.store.commit(secondary(vec![hosting("example.com", primary.address)])).await.unwrap();
    setting.until_serial(5).await;
    // No copy has been written, and nobody confirms it any more.
    primary.task.abort();
    setting.until(|inventory| inventory.is_absent(id()) && inventory.expired.contains(&id())).await;
}

#[tokio::test]
async fn only_what_a_commit_changes_is_looked_at() {
    let key = |secret| TsigKey {
        name: Name::parse("key", None).unwrap(),
        algorithm: crate::model::hosting::TsigAlgorithm::HmacSha256,
        secret: crate::model::hosting::Secret(vec![secret; 32]),
    };
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let declare = |secret, names: &[&str]| {
        let hostings = names.iter().map(|name| hosting(name, nobody)).collect();
        Change::Declare(Declared { keys: vec![key(secret)], hostings, ..Declared::default() })
    };
    let store = Arc::new(MemoryStore::default());
    let folder = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let secondaries = Secondaries::new(Arc::clone(&store), folder.path().to_owned(), PATIENCE, stop);
    let zone = Arc::new(Zone::try_new(id(), apex(), records(&apex(), 1, 90_000)).unwrap());
    for (change, touched) in [
        (declare(1, &["example.com", "example.net"]), &["example.com", "example.net"][..]),
        (Change::PutZone(Arc::clone(&zone)), &[]),
        (declare(1, &["example.com", "example.net"]), &[]),
        (declare(1, &["example.com", "example.org"]), &["example.net", "example.org"]),
        (declare(2, &["example.com", "example.org"]), &["example.com", "example.org"]),
        (declare(3, &["example.com"]), &["example.com", "example.org"]),
        (Change::DropZone(id()), &[]),
    ] {
        store.commit(change).await.unwrap();
        let inventory = store.load();
        let mut found = secondaries.zones.read().unwrap().touched(&inventory);
        let mut expected: Vec<ZoneId> = touched.iter().map(|name| ZoneId::declared(name)).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{touched:?}");
        drop(secondaries.reconcile(&inventory));
    }
    assert_eq!(secondaries.zones.read().unwrap().kept.len(), 1);
    secondaries.stop.cancel();
}
