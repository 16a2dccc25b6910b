//! Turns at something of which only so much is done at one time, in all and with one server: however slow that one is,
//! others have their turn.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Who is having a turn, and who waits for one.
#[derive(Debug)]
pub(super) struct Turns {
    /// Turns in all.
    all: Semaphore,
    /// Turns with one server.
    each_max: usize,
    /// The servers that somebody has a turn with or waits for.
    servers: Mutex<HashMap<IpAddr, Server>>,
}

/// Turns with one server.
#[derive(Debug)]
struct Server {
    /// Bounds them.
    turns: Arc<Semaphore>,
    /// How many have one or wait for one.
    users: usize,
}

/// A turn. It lasts until this is dropped.
#[derive(Debug)]
pub(super) struct Turn<'t> {
    /// Its part of all.
    _all: Option<SemaphorePermit<'t>>,
    /// Its part of the server's.
    _own: Option<OwnedSemaphorePermit>,
    /// Keeps the server's entry.
    _entry: Entry<'t>,
}

/// A server's entry, which goes with the last who uses it.
#[derive(Debug)]
struct Entry<'t> {
    /// Where it stands.
    turns: &'t Turns,
    /// The server.
    address: IpAddr,
}

impl Turns {
    /// So many turns in all, and with one server.
    pub(super) fn new(all_max: usize, each_max: usize) -> Self {
        Self { all: Semaphore::new(all_max), each_max, servers: Mutex::default() }
    }

    /// Waits for a turn with a server.
    pub(super) async fn take(&self, address: IpAddr) -> Turn<'_> {
        let address = address.to_canonical();
        let own = {
            let mut servers = self.lock();
            let new = || Server { turns: Arc::new(Semaphore::new(self.each_max)), users: 0 };
            let server = servers.entry(address).or_insert_with(new);
            server.users += 1;
            Arc::clone(&server.turns)
        };
        let entry = Entry { turns: self, address };
        // The server's first: whoever waits for a slow one takes nothing from others. They are never closed.
        let own = own.acquire_owned().await.ok();
        let all = self.all.acquire().await.ok();
        Turn { _all: all, _own: own, _entry: entry }
    }

    /// The servers.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut servers = self.turns.lock();
        if let Some(server) = servers.get_mut(&self.address) {
            server.users = server.users.saturating_sub(1);
            if server.users == 0 {
                servers.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    /// Whether a future is ready when it is asked once.
    async fn is_ready<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
        tokio::select! {
            biased;
            _ = future => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn one_server_leaves_turns_to_others_and_no_entry_stays() {
        let [slow, other] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from);
        let turns = Turns::new(3, 2);
        let first = turns.take(slow).await;
        let second = turns.take(slow).await;
        {
            let mut third = pin!(turns.take("::ffff:192.0.2.1".parse().unwrap()));
            assert!(!is_ready(third.as_mut()).await, "a mapped address is the same server");
            let _other = turns.take(other).await;
            let mut fourth = pin!(turns.take(other));
            assert!(!is_ready(fourth.as_mut()).await, "there are three in all");
            drop(first);
            assert!(is_ready(fourth.as_mut()).await);
            assert!(is_ready(third.as_mut()).await);
        }
        drop(second);
        assert!(turns.lock().is_empty());
    }
}
