//! Tells other servers that a zone has changed (RFC 1996), until they answer or it is no use.

mod queue;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::health::schedule::Assigned;
use crate::model::hosting::Peer;
use crate::model::id::ZoneId;
use crate::model::name::Name;
use crate::steering::publish::{Live, Serials};
use crate::telemetry::Counters;
use crate::transfer::exchange::{random_id, unix_now};
use crate::transfer::notify::queue::{Queue, Task};
use crate::transfer::rcode;
use crate::transfer::route::Route;
use crate::transfer::tsig::Key;
use crate::wire::query::{HEADER_OCTETS, OPCODE_NOTIFY};

/// How long each try waits for an answer: together a minute (RFC 1996 §3.6 leaves it to us).
const TRIES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
    Duration::from_secs(30),
];
/// How long live names may keep a message back: whoever came at once would find no copy to take.
const READY_MAX: Duration = Duration::from_mins(1);
/// Octets of the largest answer that is read.
const ANSWER_OCTETS_MAX: usize = 1_232;

/// What all messages need.
#[derive(Clone, Debug)]
pub struct Notifier {
    /// The inventory: whom to tell, and keys.
    assigned: watch::Receiver<Arc<Assigned>>,
    /// The serials that are live.
    serials: watch::Receiver<Serials>,
    /// Whether live names answer.
    live: watch::Receiver<Live>,
    /// Where messages are counted.
    counters: Arc<Counters>,
}

impl Notifier {
    /// Tells of changes of `serials`.
    pub const fn new(
        assigned: watch::Receiver<Arc<Assigned>>,
        serials: watch::Receiver<Serials>,
        live: watch::Receiver<Live>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { assigned, serials, live, counters }
    }

    /// Tells of every zone at the start, and of each change, until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut told = Serials::default();
        let mut queue = Queue::default();
        let mut troubles = HashMap::new();
        loop {
            // An error means that publish has ended, and the server with it.
            let ready = self.live.wait_for(|live| live.waiting == 0);
            tokio::select! {
                () = stop.cancelled() => return,
                // Late or not: a name that waits for ever must not silence the others.
                _ = timeout(READY_MAX, ready) => {}
            }
            let serials = self.serials.borrow_and_update().clone();
            let assigned = Arc::clone(&self.assigned.borrow());
            for id in serials.differences(&told) {
                let peers = assigned.inventory.hostings.find(id).map(|hosting| hosting.notify.clone());
                peers.into_iter().flatten().for_each(|peer| queue.push((id, peer)));
            }
            told = serials;
            loop {
                queue.start(|task| {
                    let notifier = self.clone();
                    async move { notifier.tell(&task).await }
                });
                tokio::select! {
                    () = stop.cancelled() => return,
                    changed = self.serials.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    Some((task, outcome)) = queue.next_ended() => self.report(&mut troubles, task, outcome),
                }
            }
        }
    }

    /// Counts what came of a message, and says so when it is not what came of the last one; `troubles` are those that were
    /// not taken.
    fn report(&self, troubles: &mut HashMap<Task, Outcome>, task: Task, outcome: Outcome) {
        let assigned = Arc::clone(&self.assigned.borrow());
        let zone = assigned.inventory.hostings.find(task.0).map(|hosting| hosting.apex.to_string());
        let peer = task.1.address;
        let counter = match outcome {
            Outcome::Taken | Outcome::Refused(_) => &self.counters.notifies_answered,
            Outcome::Unheard(_) => &self.counters.notifies_failed,
        };
        counter.increment_shared();
        let before = match outcome {
            Outcome::Taken => troubles.remove(&task),
            _ => troubles.insert(task, outcome.clone()),
        };
        if before.as_ref() == Some(&outcome) {
            return;
        }
        match outcome {
            Outcome::Taken if before.is_none() => {}
            Outcome::Taken => info!(zone, %peer, "the server takes NOTIFY again"),
            Outcome::Refused(code) => {
                let (says, cure) = (rcode::word(code), rcode::notify_cure(code));
                warn!(zone, %peer, says, "the server refuses NOTIFY; it will learn of changes when it asks: {cure}");
            }
            Outcome::Unheard(why) => {
                warn!(zone, %peer, why, "the server does not answer NOTIFY; it will learn of changes when it asks");
            }
        }
    }

    /// Tells one server of one zone, until it answers.
    async fn tell(&self, (id, peer): &Task) -> Outcome {
        let deadline = Instant::now() + TRIES.iter().sum();
        let mut why = None;
        for patience in TRIES {
            let Some(notice) = self.notice(*id, peer) else { return Outcome::Taken };
            match timeout(patience, notice.send()).await {
                Ok(Ok(0)) => return Outcome::Taken,
                // RFC 1996 §3.6: any answer ends it; what it says is worth a line for whoever looks.
                Ok(Ok(code)) => return Outcome::Refused(code),
                // An ICMP error, or a server that is just being started: the next try comes no sooner.
                Ok(Err(error)) => {
                    debug!(peer = %peer.address, %error, "NOTIFY failed");
                    why = Some(error.to_string());
                    tokio::time::sleep_until((Instant::now() + patience).min(deadline)).await;
                }
                Err(_) => why = None,
            }
        }
        Outcome::Unheard(why)
    }

    /// What to tell now; nothing if the zone or the server is gone in the meantime.
    fn notice(&self, id: ZoneId, peer: &Peer) -> Option<Notice> {
        let assigned = Arc::clone(&self.assigned.borrow());
        let hosting = assigned.inventory.hostings.find(id).filter(|hosting| hosting.notify.contains(peer))?;
        let key = match &peer.key {
            Some(name) => Some(Key::new(assigned.inventory.keys.get(name)?)?),
            None => None,
        };
        Some(Notice { zone: hosting.apex.clone(), route: Route::new(peer), key })
    }
}

/// What came of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Outcome {
    /// The server knows.
    Taken,
    /// It answers with this response code.
    Refused(u8),
    /// It does not answer, or nothing that counts: why, if there is more to say.
    Unheard(Option<String>),
}

/// One message.
#[derive(Debug)]
struct Notice {
    /// The zone.
    zone: Name,
    /// Whom to tell.
    route: Route,
    /// What to sign with.
    key: Option<Key>,
}

impl Notice {
    /// Sends the message and waits for an answer, for ever; gives its response code.
    async fn send(&self) -> io::Result<u8> {
        // A port of its own for each try: who answers has seen the question (RFC 5452 §9.2).
        let socket = self.route.udp().await?;
        let mut message = self.message(random_id());
        let sent_id = message.first_chunk::<2>().copied();
        let now = unix_now();
        let mut verifier = self.key.as_ref().map(|key| key.sign_query(&mut message, now));
        socket.send(&message).await?;
        let mut answer = vec![0; ANSWER_OCTETS_MAX];
        loop {
            let length = socket.recv(&mut answer).await?;
            let answer = answer.get(..length).unwrap_or_default();
            let Some([i0, i1, f0, f1, ..]) = answer.first_chunk::<HEADER_OCTETS>() else { continue };
            let is_answer = f0 & 0x80 != 0 && f0 >> 3 & 0x0f == OPCODE_NOTIFY && sent_id == Some([*i0, *i1]);
            if !is_answer {
                continue;
            }
            if let Some(verifier) = &mut verifier
                && let Err(unverified) = verifier.take(answer, unix_now())
            {
                return Err(io::Error::other(unverified.of(answer)));
            }
            return Ok(f1 & 0x0f);
        }
    }

    /// The message (RFC 1996 §3.7). It has no SOA record, which would be a hint only.
    fn message(&self, id: u16) -> Vec<u8> {
        let [i0, i1] = id.to_be_bytes();
        let mut message = vec![i0, i1, OPCODE_NOTIFY << 3 | 0x04, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(self.zone.wire());
        message.extend_from_slice(&[0, 6, 0, 1]);
        message
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use tokio::net::UdpSocket;

    use super::*;
    use crate::model::hosting::{Secret, TsigAlgorithm, TsigKey};
    use crate::transfer::tsig;

    /// Longer than anything here should take.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// A peer, and a message for it.
    async fn peer(key: Option<&TsigKey>) -> (UdpSocket, Notice) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let zone = Name::parse("example.com", None).unwrap();
        let route = Route { to: socket.local_addr().unwrap(), from: None };
        let notice = Notice { zone, route, key: key.and_then(Key::new) };
        (socket, notice)
    }

    /// The next message that a peer hears, and from whom.
    async fn heard(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut message = vec![0; 512];
        let (length, from) = timeout(PATIENCE, socket.recv_from(&mut message)).await.unwrap().unwrap();
        message.truncate(length);
        (message, from)
    }

    #[tokio::test]
    async fn only_the_answer_to_this_very_message_ends_it() {
        let (socket, notice) = peer(None).await;
        let sending = tokio::spawn(async move { notice.send().await });
        let (message, from) = heard(&socket).await;
        assert_eq!(&message[2..], b"\x24\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x06\0\x01");
        let answer = |edit: fn(&mut Vec<u8>)| {
            let mut answer = message.clone();
            answer[2] |= 0x80;
            edit(&mut answer);
            answer
        };
        let wrong: [fn(&mut Vec<u8>); 4] = [
            |answer| answer[0] ^= 1,
            |answer| answer[2] &= 0x7f,
            |answer| answer[2] ^= 0x08,
            |answer| answer.truncate(4),
        ];
        for edit in wrong {
            socket.send_to(&answer(edit), from).await.unwrap();
        }
        tokio::task::yield_now().await;
        assert!(!sending.is_finished());
        socket.send_to(&answer(|_| {}), from).await.unwrap();
        assert_eq!(timeout(PATIENCE, sending).await.unwrap().unwrap().unwrap(), 0);
    }

    #[tokio::test]
    async fn a_peer_with_a_key_has_to_sign() {
        let name = Name::parse("k.example", None).unwrap();
        let key = TsigKey { name, algorithm: TsigAlgorithm::HmacSha256, secret: Secret(vec![1; 32]) };
        for is_signed in [true, false] {
            let (socket, notice) = peer(Some(&key)).await;
            let sending = tokio::spawn(async move { notice.send().await });
            let (message, from) = heard(&socket).await;
            let mut verified = tsig::verify(|_| Some(&key), &message, unix_now()).unwrap();
            verified.message[2] |= 0x80;
            if is_signed {
                verified.signer.sign(&mut verified.message, unix_now());
            }
            socket.send_to(&verified.message, from).await.unwrap();
            let outcome = timeout(PATIENCE, sending).await.unwrap().unwrap();
            assert_eq!(outcome.is_ok(), is_signed);
        }
    }
}
