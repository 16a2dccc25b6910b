//! Brings what the transports pass on to those who answer it, and their answers back.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::dns::engine::{Client, Transport, Worker};
use crate::dns::transport::{Back, PassedOn, PassingOn, Responder, unix_time};
use crate::model::limits::{
    PASSED_ON_TCP_AT_ONCE_MAX, PASSED_ON_TCP_QUEUED_MAX, PASSED_ON_UDP_AT_ONCE_MAX, PASSED_ON_UDP_QUEUED_MAX,
};
use crate::transfer::exchange::Outlet;
use crate::transfer::serve::{Ordinary, Service};

/// The engine, for queries that are only signed.
pub(super) fn ordinary(worker: Worker) -> Ordinary {
    let worker = Mutex::new(worker);
    Box::new(move |query: &[u8], address: IpAddr, is_stream: bool, out: &mut [u8]| {
        let transport = if is_stream { Transport::Tcp } else { Transport::Udp };
        let client = Client { address, transport };
        let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
        worker.respond(query, &client, unix_time(), random(), out).len
    })
}

/// A number for what is left to chance.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0_u8)
}

/// What comes by one transport.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// The queries that wait.
    queue: mpsc::Receiver<PassedOn>,
    /// How many are answered at one time.
    at_once: usize,
}

/// Both ends of the queues: each transport has its own, and its own limits.
pub(super) fn queues() -> (PassingOn, [Arrivals; 2]) {
    let (udp, datagrams) = mpsc::channel(PASSED_ON_UDP_QUEUED_MAX);
    let (tcp, streams) = mpsc::channel(PASSED_ON_TCP_QUEUED_MAX);
    let arrivals = [
        Arrivals { queue: datagrams, at_once: PASSED_ON_UDP_AT_ONCE_MAX },
        Arrivals { queue: streams, at_once: PASSED_ON_TCP_AT_ONCE_MAX },
    ];
    (PassingOn { udp, tcp }, arrivals)
}

/// Answers what comes until `stop`; what is under way ends with the connections that it is for.
pub(super) async fn serve(service: Arc<Service>, arrivals: Arrivals, stop: CancellationToken) {
    let Arrivals { mut queue, at_once } = arrivals;
    let permits = Arc::new(Semaphore::new(at_once));
    let mut tasks = JoinSet::new();
    loop {
        let free = Arc::clone(&permits).acquire_owned();
        let next = async { (free.await, queue.recv().await) };
        let (permit, passed_on) = tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = tasks.join_next() => {
                if let Err(error) = ended && error.is_panic() {
                    error!(%error, "an answer panicked");
                }
                continue;
            }
            (Ok(permit), Some(passed_on)) = next => (permit, passed_on),
            else => break,
        };
        let PassedOn { query, source, cookie, back } = passed_on;
        let outlet = match back {
            // Datagrams may be lost, on their way or here.
            Back::Udp(back) => Outlet::Datagram(Arc::new(move |answer| drop(back.send(answer)))),
            Back::Tcp(sender) => Outlet::Stream(sender),
        };
        let service = Arc::clone(&service);
        tasks.spawn(async move {
            service.answer(query, source, cookie, outlet).await;
            drop(permit);
        });
    }
    drop(queue);
    while tasks.join_next().await.is_some() {}
}
