//! What publish tells of verdicts that changed.

use super::*;
use crate::health::endpoint::{ProbedOrigin, ProbedPool};
use crate::health::target::Flip;
use crate::model::event::{PoolEvent, Transition};
use crate::model::id::MonitorGroupId;
use crate::model::monitor_group::{GroupMember, MonitorGroup};
use crate::model::stamp::UnixMicros;
use crate::model::verdict::{FailReason, Verdict};
use crate::steering::events::{Flipped, Recorder};

/// A world whose changes are recorded, in a queue of so many batches.
fn recorded(batches: usize) -> (World, mpsc::Receiver<Flipped>) {
    let (recorder, reader) = Recorder::queue(batches);
    let mut world = World::new();
    world.publisher = world.publisher.recording_to(recorder);
    (world, reader)
}

/// What a pool's event says: its name, whether it is healthy, an exclamation mark if that changed, and its origins that did.
fn told(flipped: &Flipped) -> Vec<String> {
    let mark = |changed| if changed { "!" } else { "" };
    let events = flipped.pool_events(UnixMicros(1));
    let line = |event: &PoolEvent| {
        let changed = event.origins.iter().filter(|origin| origin.has_changed());
        let origins: Vec<String> = changed.map(|origin| format!("{} {}", origin.name, origin.verdict)).collect();
        format!("{} {}{} {}", event.name, event.is_healthy(), mark(event.health_changed()), origins.join(" "))
    };
    events.iter().map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn each_pool_of_a_target_has_an_event() {
    let (mut world, mut reader) = recorded(100);
    world.set(1, true);
    world.set(2, true);
    let both = Pool { minimum_origins: 2, ..pool("both", &[1, 2]) };
    world.declare(&["example.com"], vec![both, pool("any", &[1, 2])], vec![]);
    world.pass(MOMENT).await;
    let first: Vec<_> = [reader.try_recv().unwrap(), reader.try_recv().unwrap()].iter().map(told).collect();
    assert_eq!(first.concat().len(), 4, "two targets in two pools: {first:?}");
    // Both targets are up by now, but the first events tell of one of them only.
    let healthy = |line: &&String| line.starts_with("both true!");
    assert_eq!(first.iter().map(|lines| lines.iter().filter(healthy).count()).collect::<Vec<_>>(), [0, 1], "{first:?}");
    world.set(1, false);
    world.pass(Duration::from_secs(8)).await;
    let down = reader.try_recv().unwrap();
    assert_eq!(down.lost, 0);
    assert_eq!(told(&down), ["any true 1 down", "both false! 1 down"]);
}

#[tokio::test(start_paused = true)]
async fn a_member_of_a_group_that_changes_no_vote_is_no_event() {
    let (mut world, mut reader) = recorded(100);
    world.set(1, true);
    let member = |name: &str| GroupMember {
        monitor: MonitorId::declared(name),
        enabled: true,
        must_be_healthy: false,
        monitoring_only: false,
        created: UnixMicros(0),
        updated: UnixMicros(0),
    };
    let id = MonitorGroupId::declared("g");
    let members = vec![member("m"), member("n")];
    let group = MonitorGroup { id, name: "g".into(), description: String::new(), members };
    let probed = Pool { monitor: None, monitor_group: Some(id), ..pool("p", &[1]) };
    // The second monitor has a port of its own, at which somebody else decides.
    let other = Monitor { id: MonitorId::declared("n"), name: "n".into(), check: Check::Tcp { port: 1 }, ..monitor() };
    let names = vec![load_balancer("a", "a.example.com", &["p"])];
    let declared = Declared {
        zones: vec![Arc::new(zone("example.com"))],
        monitors: vec![monitor(), other],
        monitor_groups: vec![group],
        pools: vec![probed],
        load_balancers: names,
        ..Declared::default()
    };
    world.inventory = Arc::new(world.inventory.apply(Change::Declare(declared)).unwrap());
    let assigned = world.schedule.reconcile(Arc::clone(&world.inventory));
    world.publisher.apply(assigned, Instant::now());
    let mut seen = async |world: &mut World, time: Duration| {
        world.pass(time).await;
        let mut all = vec![];
        while let Ok(flipped) = reader.try_recv() {
            all.extend(told(&flipped));
        }
        (all, world.answer("a.example.com"))
    };
    // The second that is up changes nothing: that not more than half are down is known by the first.
    assert_eq!(seen(&mut world, MOMENT).await, (vec!["p true! 1 up".to_owned()], "ok [1]".to_owned()));
    world.up.1.lock().unwrap().insert(1);
    assert_eq!(seen(&mut world, Duration::from_secs(8)).await, (vec![], "ok [1]".to_owned()));
    world.set(1, false);
    let down = (vec!["p false! 1 down".to_owned()], "last resort [1]".to_owned());
    assert_eq!(seen(&mut world, Duration::from_secs(8)).await, down);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_full_loses_and_says_how_many() {
    let (mut world, mut reader) = recorded(1);
    for host in 1..=5 {
        world.set(host, true);
    }
    world.declare(&["example.com"], vec![pool("p", &[1, 2, 3, 4, 5])], vec![]);
    world.pass(MOMENT).await;
    assert_eq!(reader.try_recv().unwrap().lost, 0);
    world.set(1, false);
    world.pass(Duration::from_secs(8)).await;
    assert_eq!(reader.try_recv().unwrap().lost, 4);
}

#[tokio::test(start_paused = true)]
async fn what_changes_twice_at_once_has_two_events() {
    use Verdict::{Down, Up};
    let (mut world, mut reader) = recorded(100);
    world.set(1, true);
    world.set(2, true);
    let both = Pool { minimum_origins: 2, ..pool("both", &[1, 2]) };
    world.declare(&["example.com"], vec![both], vec![]);
    world.pass(MOMENT).await;
    let first = reader.try_recv().unwrap();
    told(&first);
    while let Ok(next) = reader.try_recv() {
        told(&next);
    }
    let Flipped { flips, pools, assigned, .. } = first;
    let turn = |from, to, reason, count| Flip {
        cell: Arc::clone(&flips[0].cell),
        transition: Transition { from, to, reason, count },
    };
    let timeout = Some(FailReason::TcpTimeout);
    let flips = vec![turn(Up, Down, timeout, 2), turn(Down, Up, None, 3)];
    let flipped = Flipped { flips, pools, assigned, lost: 0 };
    let events = flipped.pool_events(UnixMicros(1));
    let pools: Vec<_> = events.iter().map(|event| (event.from, event.verdict)).collect();
    assert_eq!(pools, [(Up, Down), (Down, Up)]);
    let origins: Vec<_> = events.iter().filter_map(|event| event.changes().find_map(|change| change.origin)).collect();
    let told: Vec<_> =
        origins.iter().map(|origin| (origin.from, origin.verdict, origin.reason, origin.count)).collect();
    assert_eq!(told, [(Up, Down, timeout, 2), (Down, Up, None, 3)]);
    // How long the probe took is known of the last one only.
    assert_eq!(origins.iter().map(|origin| origin.latency.is_some()).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_host_changes_with_the_last_of_its_addresses() {
    use Verdict::{Down, Up};
    let (mut world, mut reader) = recorded(100);
    world.set(1, true);
    world.set(2, true);
    world.declare(&["example.com"], vec![pool("host", &[1]), pool("both", &[1, 2])], vec![]);
    world.pass(MOMENT).await;
    let first = reader.try_recv().unwrap();
    told(&first);
    told(&reader.try_recv().unwrap());
    let find = |name| first.assigned.pools.find(PoolId::declared(name)).unwrap();
    let endpoints: Vec<_> = find("both").origins.iter().flat_map(|origin| origin.endpoints().to_vec()).collect();
    let cells: Vec<_> = find("both").cells().map(Arc::clone).collect();
    let host = ProbedPool {
        pool: Arc::clone(&find("host").pool),
        origins: [ProbedOrigin::Host(endpoints.into())].into(),
        levers: None,
    };
    let mut assigned = Assigned::default();
    assigned.pools.put(host);
    let assigned = Arc::new(assigned);
    let fallen = |hosts: &[usize]| {
        let reason = Some(FailReason::TcpTimeout);
        let turn = |host: &usize| Flip {
            cell: Arc::clone(&cells[*host]),
            transition: Transition { from: Up, to: Down, reason, count: 2 },
        };
        let pools = [PoolId::declared("host")].into();
        Flipped { flips: hosts.iter().map(turn).collect(), pools, assigned: Arc::clone(&assigned), lost: 0 }
    };
    let seen = |events: Vec<PoolEvent>| -> Vec<_> {
        let seen = |event: &PoolEvent| {
            let origin = &event.origins[0];
            (event.verdict, origin.from, origin.verdict, origin.reason.is_some(), origin.count, origin.ip.unwrap())
        };
        events.iter().map(seen).collect()
    };
    let one = IpAddr::from([192, 0, 2, 1]);
    let events = fallen(&[1]).pool_events(UnixMicros(1));
    assert!(events.is_empty(), "the other address is up: {events:?}");
    assert_eq!(seen(fallen(&[0]).pool_events(UnixMicros(2))), [(Down, Up, Down, true, 2, one)]);
    // Both at once.
    for cell in &cells {
        cell.tell(Up);
    }
    assert_eq!(seen(fallen(&[1, 0]).pool_events(UnixMicros(3))), [(Down, Up, Down, true, 2, one)]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_to_be_held_down_is_an_event_and_what_stays_held_down_is_none() {
    use Verdict::{Down, Up};
    let (mut world, mut reader) = recorded(100);
    world.set(1, true);
    world.declare(&["example.com"], vec![pool("p", &[1])], vec![]);
    world.pass(MOMENT).await;
    let first = reader.try_recv().unwrap();
    told(&first);
    let Flipped { flips, pools, assigned, .. } = first;
    let cell = Arc::clone(&flips[0].cell);
    let turn =
        |from, to, reason| Flip { cell: Arc::clone(&cell), transition: Transition { from, to, reason, count: 2 } };
    let (timeout, held) = (Some(FailReason::TcpTimeout), Some(FailReason::HeldDown));
    let flips = vec![turn(Up, Down, timeout), turn(Down, Down, held), turn(Down, Down, held), turn(Down, Up, None)];
    let flipped = Flipped { flips, pools: pools.clone(), assigned: Arc::clone(&assigned), lost: 0 };
    let seen = |flipped: Flipped| -> Vec<_> {
        let events = flipped.pool_events(UnixMicros(1));
        events.iter().map(|event| (event.origins[0].from, event.origins[0].verdict, event.origins[0].reason)).collect()
    };
    assert_eq!(seen(flipped), [(Up, Down, timeout), (Down, Down, held), (Down, Up, None)]);
    // The same by itself, in a batch of its own.
    cell.tell(Down);
    let alone = Flipped { flips: vec![turn(Down, Down, held)], pools, assigned, lost: 0 };
    assert_eq!(seen(alone), [(Down, Down, held)]);
}
