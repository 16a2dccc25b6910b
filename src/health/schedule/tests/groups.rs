//! Monitor groups: which of their members probe, and what their verdicts come to.

use super::*;
use crate::model::id::MonitorGroupId;
use crate::model::monitor_group::{GroupMember, MonitorGroup};
use crate::model::stamp::UnixMicros;

/// The port that the monitor of a member connects to, which the probes here know it by.
const PORTS: [(&str, u16); 3] = [("a", 1), ("b", 2), ("c", 3)];

/// What members see at every address: the ports that fail.
#[derive(Clone, Default)]
struct Ports(Arc<Mutex<PortsSeen>>);

/// Inside of [`Ports`].
#[derive(Default)]
struct PortsSeen {
    /// Ports at which attempts fail.
    failing: Vec<u16>,
    /// Starts of attempts, by port.
    attempts: Vec<u16>,
}

impl Probe for Ports {
    async fn attempt(&self, monitor: &Monitor, _: &TargetKey) -> Outcome {
        let port = monitor.port();
        let fails = {
            let mut seen = self.0.lock().unwrap();
            seen.attempts.push(port);
            seen.failing.contains(&port)
        };
        tokio::time::sleep(MS).await;
        Outcome { failure: fails.then_some(FailReason::TcpConnectionFailed), rtt: MS, code: None }
    }
}

/// A schedule with one pool of one origin, and a group for it.
struct Site {
    ports: Ports,
    schedule: Schedule<Ports>,
    flips: mpsc::Receiver<Flip>,
    inventory: Inventory,
    assigned: Arc<Assigned>,
}

impl Site {
    fn new() -> Self {
        let (sender, flips) = mpsc::channel(100);
        let ports = Ports::default();
        let schedule = Schedule::new(ports.clone(), sender, 100, Handle::current());
        Self { ports, schedule, flips, inventory: Inventory::default(), assigned: Arc::default() }
    }

    /// The pool is probed by these members, each a monitor with its role, as in `a b! c? d-`: one vote, a veto, no vote,
    /// disabled. A single monitor without a group is written with an equals sign before it.
    fn declare(&mut self, words: &str) {
        self.declare_with(words, |monitor| monitor);
    }

    /// The same with monitors that are another way.
    fn declare_with(&mut self, words: &str, edit: fn(Monitor) -> Monitor) {
        let monitors = PORTS.map(|(name, port)| {
            let decisive = Monitor { consecutive_up: 0, consecutive_down: 0, ..monitor(name) };
            edit(Monitor { check: Check::Tcp { port }, ..decisive })
        });
        let mut pool = pool("p", None, &[A]);
        let mut monitor_groups = vec![];
        if let Some(name) = words.strip_prefix('=') {
            pool.monitor = Some(MonitorId::declared(name));
        } else {
            pool.monitor_group = Some(MonitorGroupId::declared("g"));
            monitor_groups.push(group(words));
        }
        let declared = Declared { monitors: monitors.into(), monitor_groups, pools: vec![pool], ..Declared::default() };
        self.inventory = self.inventory.apply(Change::Declare(declared)).unwrap();
        self.assigned = self.schedule.reconcile(Arc::new(self.inventory.clone()));
    }

    /// Attempts on these ports fail from now on, all others succeed.
    fn fail(&self, ports: &[u16]) {
        self.ports.0.lock().unwrap().failing = ports.to_vec();
    }

    /// Lets every member probe, and gives the ports that they did.
    async fn round(&mut self) -> Vec<u16> {
        self.ports.0.lock().unwrap().attempts.clear();
        tokio::time::sleep(INTERVAL + INTERVAL / 2).await;
        while self.flips.try_recv().is_ok() {}
        let mut ports = self.ports.0.lock().unwrap().attempts.clone();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// What the members add up to, and why.
    fn verdict(&self) -> (Option<Verdict>, Option<FailReason>) {
        let origin = &self.assigned.pools.find(PoolId::declared("p")).unwrap().origins[0];
        (origin.verdict(), origin.reason())
    }

    /// The cells of the members.
    fn cells(&self) -> Vec<Arc<TargetCell>> {
        self.assigned.pools.find(PoolId::declared("p")).unwrap().cells().cloned().collect()
    }
}

/// A group of members in words.
fn group(words: &str) -> MonitorGroup {
    let member = |word: &str| GroupMember {
        monitor: MonitorId::declared(word.trim_end_matches(['!', '?', '-'])),
        enabled: !word.ends_with('-'),
        must_be_healthy: word.ends_with('!'),
        monitoring_only: word.ends_with('?'),
        created: UnixMicros::default(),
        updated: UnixMicros::default(),
    };
    MonitorGroup {
        id: MonitorGroupId::declared("g"),
        name: "g".into(),
        description: String::new(),
        members: words.split(' ').map(member).collect(),
    }
}

const UP: (Option<Verdict>, Option<FailReason>) = (Some(Verdict::Up), None);
const DOWN: (Option<Verdict>, Option<FailReason>) = (Some(Verdict::Down), Some(FailReason::TcpConnectionFailed));

#[tokio::test(start_paused = true)]
async fn members_vote_and_those_without_a_vote_only_probe() {
    // The members, the ports that fail, those that are probed, and what it comes to.
    for (words, failing, probed, verdict) in [
        ("a b c", &[][..], &[1, 2, 3][..], UP),
        ("a b c", &[2], &[1, 2, 3], UP),
        ("a b c", &[2, 3], &[1, 2, 3], DOWN),
        ("a b", &[2], &[1, 2], UP),
        ("a b! c", &[2], &[1, 2, 3], DOWN),
        ("a b? c?", &[2, 3], &[1, 2, 3], UP),
        ("a b- c?", &[1], &[1, 3], DOWN),
        ("a? b-", &[1], &[1], (None, None)),
    ] {
        let mut site = Site::new();
        site.fail(failing);
        site.declare(words);
        assert_eq!(site.round().await, probed, "{words}");
        assert_eq!(site.verdict(), verdict, "{words} {failing:?}");
        site.schedule.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_a_group_starts_and_stops_what_differs_and_nothing_else() {
    let mut site = Site::new();
    site.declare("a b");
    assert_eq!(site.round().await, [1, 2]);
    let before = site.cells();
    site.declare("b! c a?");
    let after = site.cells();
    assert!(Arc::ptr_eq(&before[0], &after[2]) && Arc::ptr_eq(&before[1], &after[0]));
    assert_eq!(site.round().await, [1, 2, 3]);
    assert_eq!(site.schedule.targets(), 3);
    site.declare("b- c");
    assert_eq!((site.round().await, site.schedule.targets()), (vec![3], 1));
    // What is said of a group that no probe depends on leaves everything as it is.
    let probed = Arc::clone(site.assigned.pools.find(PoolId::declared("p")).unwrap());
    site.declare("a- c");
    assert!(Arc::ptr_eq(&probed, site.assigned.pools.find(PoolId::declared("p")).unwrap()));
}

#[tokio::test(start_paused = true)]
async fn what_decides_anew_inherits_what_was_decided_before() {
    let mut site = Site::new();
    site.fail(&[1]);
    site.declare("=a");
    site.round().await;
    assert_eq!(site.verdict(), DOWN);
    // The new member takes over what the monitor alone said, until it has looked itself: one of two is not more than half.
    site.declare("a b");
    assert_eq!(site.verdict().0, DOWN.0);
    site.round().await;
    assert_eq!(site.verdict(), UP);
    site.declare("=c");
    assert_eq!(site.verdict().0, UP.0);
    site.declare("a?");
    assert_eq!(site.verdict().0, None);
    // Where nobody had a vote all counted as healthy.
    site.declare("b c a?");
    assert_eq!(site.verdict().0, UP.0);
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_a_monitor_reaches_the_groups_that_it_is_in() {
    let mut site = Site::new();
    site.declare("a b!");
    site.round().await;
    assert_eq!(site.verdict(), UP);
    site.fail(&[4]);
    let moved = |monitor: Monitor| match monitor.port() {
        2 => Monitor { check: Check::Tcp { port: 4 }, ..monitor },
        _ => monitor,
    };
    site.declare_with("a b!", moved);
    assert_eq!(site.verdict(), UP, "an edit alone changes no answer");
    assert_eq!(site.round().await, [1, 4]);
    assert_eq!(site.verdict(), DOWN);
}
