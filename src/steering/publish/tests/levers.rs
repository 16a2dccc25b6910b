//! Levers and slow start: what changes by time alone.

use super::*;
use crate::model::lever::{Lever, LeverAction, Levers};

/// A minute after the world began by both clocks.
const MINUTE: Duration = Duration::from_mins(1);

/// A lever that is pulled now, perhaps for some time.
fn lever(action: LeverAction, seconds: Option<u64>) -> Lever {
    let until = seconds.map(|seconds| UnixMicros(seconds * 1_000_000));
    Lever { action, reason: String::new(), since: UnixMicros(0), until }
}

impl World {
    /// Pulls a lever of a pool, or of the origin at this address.
    fn pull(&mut self, pool: &str, host: Option<u8>, lever: Option<Lever>) {
        let id = PoolId::declared(pool);
        let present = self.inventory.levers.find(id).map_or_else(|| Levers::none(id), |levers| Levers::clone(levers));
        let next = present.with(host.map(|host| host.to_string()).as_deref(), lever, UnixMicros(0));
        self.inventory = Arc::new(self.inventory.apply(Change::PutLevers(next)).unwrap());
        let assigned = self.schedule.reconcile(Arc::clone(&self.inventory));
        self.publisher.apply(assigned, Instant::now());
    }
}

#[tokio::test(start_paused = true)]
async fn levers_change_answers_at_once_and_end_by_themselves() {
    let mut world = World::new();
    (1..=4).for_each(|host| world.set(host, host != 3));
    let names = vec![load_balancer("a", "a.example.com", &["p", "q"])];
    world.declare(&["example.com"], vec![pool("p", &[1, 2, 3]), pool("q", &[4])], names);
    world.pass(MOMENT).await;
    assert_eq!(world.answer("a.example.com"), "ok [1, 2]");
    world.pull("p", Some(1), Some(lever(LeverAction::Down, Some(60))));
    assert_eq!(world.answer("a.example.com"), "ok [2]");
    world.pull("p", Some(3), Some(lever(LeverAction::Up, None)));
    assert_eq!(world.answer("a.example.com"), "ok [2, 3]");
    world.pull("p", None, Some(lever(LeverAction::Drain, Some(30))));
    assert_eq!(world.answer("a.example.com"), "ok [4]");
    world.pass(MINUTE / 2).await;
    assert_eq!(world.answer("a.example.com"), "ok [2, 3]", "the pool's lever has ended");
    world.pass(Duration::from_secs(29)).await;
    assert_eq!(world.answer("a.example.com"), "ok [2, 3]");
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(world.answer("a.example.com"), "ok [1, 2, 3]", "and so has the origin's");
    world.pull("p", Some(3), None);
    assert_eq!(world.answer("a.example.com"), "ok [1, 2]");
    // Names that come and go leave no timer behind.
    world.pull("p", None, Some(lever(LeverAction::Down, Some(600))));
    assert_eq!(world.publisher.changes.len(), 1);
    world.declare(&["example.com"], vec![pool("p", &[1]), pool("q", &[4])], vec![]);
    assert!(world.publisher.changes.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_comes_back_gets_its_weight_in_ten_steps() {
    let mut world = World::new();
    world.set(1, true);
    world.set(2, true);
    let slow = Pool { slow_start: Duration::from_secs(100), ..pool("p", &[1, 2]) };
    world.declare(&["example.com"], vec![slow], vec![load_balancer("a", "a.example.com", &["p"])]);
    world.pass(MOMENT).await;
    // How often each of 1 and 2 stands first, among all that can be drawn.
    let share = |world: &World| {
        let table = world.table.load();
        let Found::Node { node, .. } = lookup(&table, &table.hashed_name(&name("a.example.com")), Rtype::A) else {
            panic!("no such name")
        };
        let answer = node.slot().unwrap().load();
        let family = answer.family(Family::V4).unwrap();
        let draws = 40_000_u32;
        let step = u64::MAX / u64::from(draws);
        let second = (0..u64::from(draws)).filter(|draw| family.draw(draw * step)[15] == 2).count();
        f64::from(u32::try_from(second).unwrap()) / f64::from(draws)
    };
    let is_near = |found: f64, expected: f64| (found - expected).abs() < 0.01;
    assert!(is_near(share(&world), 0.5), "nobody has come back yet");
    world.set(2, false);
    world.pass(MINUTE).await;
    assert_eq!(world.answer("a.example.com"), "ok [1]");
    world.set(2, true);
    let changed = loop {
        world.pass(MOMENT).await;
        if world.answer("a.example.com") == "ok [1, 2]" {
            break Instant::now();
        }
    };
    for step in 1..=10_u32 {
        // In the middle of each step.
        let middle = changed + Duration::from_secs(10) * (step - 1) + Duration::from_secs(5);
        world.pass(middle.duration_since(Instant::now())).await;
        let expected = f64::from(step) / f64::from(step + 10);
        assert!(is_near(share(&world), expected), "step {step}: {} for {expected}", share(&world));
    }
    assert!(world.publisher.changes.is_empty(), "nothing changes by time any more");
}
