//! Which messages are sent next: each peer has a few places of all that there are, so that one that does not answer delays
//! nobody else.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use tokio::task::{Id, JoinError, JoinSet};
use tracing::error;

use crate::model::hosting::Peer;
use crate::model::id::ZoneId;
use crate::model::limits::{NOTIFIES_AT_ONCE_MAX, NOTIFIES_PER_PEER_MAX};
use crate::transfer::notify::Outcome;

/// One zone and one server to tell.
pub(super) type Task = (ZoneId, Peer);

/// Messages that are to be sent, each once.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Where each message is that waits or runs.
    known: HashMap<Task, State>,
    /// The messages of each peer that has any.
    lanes: HashMap<IpAddr, Lane>,
    /// Peers that may start a message and have one that waits, each once, in this order.
    turns: VecDeque<IpAddr>,
    /// Messages that run; each gives what came of it.
    running: JoinSet<Outcome>,
    /// What they are.
    started: HashMap<Id, Task>,
}

/// Where a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// In its lane.
    Waiting,
    /// On its way.
    Running,
    /// On its way, and to be sent once more after that.
    Again,
}

/// The messages of one peer.
#[derive(Debug, Default)]
struct Lane {
    /// Those that wait, in this order.
    waiting: VecDeque<Task>,
    /// How many run.
    running: usize,
}

impl Lane {
    /// Whether a message can be started.
    fn has_turn(&self) -> bool {
        !self.waiting.is_empty() && self.running < NOTIFIES_PER_PEER_MAX
    }
}

impl Queue {
    /// Adds a message; one that runs runs again.
    pub(super) fn push(&mut self, task: Task) {
        if let Some(state) = self.known.get_mut(&task) {
            if *state == State::Running {
                *state = State::Again;
            }
            return;
        }
        let peer = task.1.address.ip();
        let lane = self.lanes.entry(peer).or_default();
        let had_turn = lane.has_turn();
        lane.waiting.push_back(task.clone());
        if !had_turn && lane.has_turn() {
            self.turns.push_back(peer);
        }
        self.known.insert(task, State::Waiting);
    }

    /// Starts messages, as many as may run.
    pub(super) fn start<F: Future<Output = Outcome> + Send + 'static>(&mut self, tell: impl Fn(Task) -> F) {
        while self.running.len() < NOTIFIES_AT_ONCE_MAX
            && let Some(peer) = self.turns.pop_front()
        {
            let Some(lane) = self.lanes.get_mut(&peer) else { continue };
            let Some(task) = lane.waiting.pop_front() else { continue };
            lane.running += 1;
            if lane.has_turn() {
                self.turns.push_back(peer);
            }
            self.known.insert(task.clone(), State::Running);
            let id = self.running.spawn(tell(task.clone())).id();
            self.started.insert(id, task);
        }
    }

    /// The next message that ends, and what came of it; none if none runs. It is cancel safe.
    pub(super) async fn next_ended(&mut self) -> Option<(Task, Outcome)> {
        let ended = self.running.join_next_with_id().await?;
        self.end(ended)
    }

    /// Makes room after a message.
    fn end(&mut self, ended: Result<(Id, Outcome), JoinError>) -> Option<(Task, Outcome)> {
        let (id, outcome) = ended.unwrap_or_else(|error| {
            error!(%error, "a NOTIFY panicked");
            (error.id(), Outcome::Unheard(Some("sending it panicked, which is a bug".to_owned())))
        });
        let task = self.started.remove(&id)?;
        let peer = task.1.address.ip();
        if let Some(lane) = self.lanes.get_mut(&peer) {
            let had_turn = lane.has_turn();
            lane.running -= 1;
            if !had_turn && lane.has_turn() {
                self.turns.push_back(peer);
            }
            if lane.running == 0 && lane.waiting.is_empty() {
                self.lanes.remove(&peer);
            }
        }
        if self.known.remove(&task) == Some(State::Again) {
            self.push(task.clone());
        }
        Some((task, outcome))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Longer than anything here should take.
    const PATIENCE: Duration = Duration::from_secs(10);
    /// A peer that never answers.
    const DEAD: u8 = 1;
    /// A peer at which messages panic.
    const BROKEN: u8 = 2;

    /// A message about a zone for a peer.
    fn task(zone: usize, peer: u8) -> Task {
        let address = (Ipv4Addr::new(127, 0, 0, peer), 53).into();
        (ZoneId::declared(&format!("{zone}.example")), Peer { address, key: None, source: None })
    }

    /// Starts messages; gives those that were.
    fn start(queue: &mut Queue) -> Vec<Task> {
        let started: Arc<Mutex<Vec<Task>>> = Arc::default();
        queue.start(|task| {
            started.lock().unwrap().push(task.clone());
            async move {
                match task.1.address.ip() {
                    IpAddr::V4(address) if address.octets()[3] == DEAD => std::future::pending().await,
                    IpAddr::V4(address) if address.octets()[3] == BROKEN => panic!("as it should"),
                    _ => Outcome::Taken,
                }
            }
        });
        let started = started.lock().unwrap();
        started.clone()
    }

    #[tokio::test]
    async fn a_peer_that_does_not_answer_delays_no_other() {
        let mut queue = Queue::default();
        (0..1_000).for_each(|zone| queue.push(task(zone, DEAD)));
        assert_eq!(start(&mut queue).len(), NOTIFIES_PER_PEER_MAX);
        (0..100).for_each(|zone| queue.push(task(zone, 9)));
        for _ in 0..100 {
            start(&mut queue);
            let (ended, outcome) = timeout(PATIENCE, queue.next_ended()).await.unwrap().unwrap();
            assert_eq!((ended.1.address, outcome), (task(0, 9).1.address, Outcome::Taken));
        }
        assert_eq!((start(&mut queue).len(), queue.known.len(), queue.lanes.len()), (0, 1_000, 1));
    }

    #[tokio::test]
    async fn a_message_that_is_on_its_way_is_sent_once_more_and_not_twice() {
        let mut queue = Queue::default();
        let one = task(0, 9);
        queue.push(one.clone());
        queue.push(one.clone());
        assert_eq!(start(&mut queue), std::slice::from_ref(&one));
        queue.push(one.clone());
        queue.push(one.clone());
        assert_eq!(start(&mut queue), []);
        for expected in [&[one.clone()][..], &[]] {
            assert_eq!(timeout(PATIENCE, queue.next_ended()).await.unwrap(), Some((one.clone(), Outcome::Taken)));
            assert_eq!(start(&mut queue), expected);
        }
        assert!(queue.known.is_empty() && queue.lanes.is_empty() && queue.started.is_empty());
    }

    #[tokio::test]
    async fn a_message_that_panicked_can_be_sent_again() {
        let mut queue = Queue::default();
        for _ in 0..2 {
            queue.push(task(0, BROKEN));
            assert_eq!(start(&mut queue).len(), 1);
            let (ended, outcome) = timeout(PATIENCE, queue.next_ended()).await.unwrap().unwrap();
            assert_eq!(ended, task(0, BROKEN));
            assert!(matches!(outcome, Outcome::Unheard(Some(_))), "{outcome:?}");
        }
        assert!(queue.known.is_empty() && queue.lanes.is_empty() && queue.started.is_empty());
    }
}
