//! Hosts: what the names of origins resolve to, kept current by one task for each distinct name.
//!
//! A name is looked up again when its records say that they are out of date, within bounds. What it was last seen to have
//! stands while it cannot be looked up: a resolver that fails says nothing about the host. Nothing here waits for a query,
//! and no query waits for a look-up.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::model::id::PoolId;
use crate::model::limits::{
    HOST_ADDRESSES_MAX, HOST_RETRY, HOST_TTL_MAX, HOST_TTL_MIN, LOOKUPS_IN_FLIGHT_MAX, RESOLUTIONS_QUEUED_MAX,
};
use crate::model::name::Name;
use crate::model::pool::{Address, Pool, unusable};
use crate::model::verdict::FailReason;

/// What looks names up.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of a host, or why there are none.
    fn look_up<'r>(&'r self, name: &'r Name) -> Pin<Box<dyn Future<Output = Result<Found, FailReason>> + Send + 'r>>;
}

/// What a look-up gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The addresses, in any order.
    pub addresses: Vec<IpAddr>,
    /// How long they are good for.
    pub ttl: Duration,
    /// Whether both families could be looked up: only then what is missing is not there.
    pub is_complete: bool,
}

/// What is known of a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Resolution {
    /// It has not been looked up yet.
    Awaited,
    /// Its addresses, in order; never none.
    Known(Arc<[IpAddr]>),
    /// It never had an address, for this reason.
    Lost(FailReason),
}

/// News of a host.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Its name.
    pub name: Name,
    /// What is known of it now.
    pub resolution: Resolution,
}

/// All hosts that enabled origins of enabled pools name.
pub(in crate::health) struct Hosts {
    /// What looks up; none if nothing can be.
    lookup: Option<Arc<Lookup>>,
    /// Hosts by name.
    followed: HashMap<Name, Host>,
    /// The names that each pool has.
    by_pool: HashMap<PoolId, HashSet<Name>>,
    /// News from the tasks.
    news: mpsc::Receiver<Resolved>,
    /// The other end, for new tasks.
    sender: mpsc::Sender<Resolved>,
    /// Stops all tasks.
    stop: CancellationToken,
    /// Joins all tasks.
    tasks: TaskTracker,
}

/// What all tasks share.
struct Lookup {
    /// What looks up.
    resolver: Arc<dyn Resolve>,
    /// Where tasks run.
    runtime: Handle,
    /// One permit for each look-up at one time.
    permits: Semaphore,
}

/// One host.
struct Host {
    /// What is known of it.
    resolution: Resolution,
    /// The pools that name it.
    pools: HashSet<PoolId>,
    /// Stops its task.
    stop: CancellationToken,
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosts").field("followed", &self.followed.len()).finish_non_exhaustive()
    }
}

impl Hosts {
    /// No hosts, and nobody to ask for any. Tasks end with `stop` and are joined by `tasks`.
    pub(in crate::health) fn new(stop: CancellationToken, tasks: TaskTracker) -> Self {
        let (sender, news) = mpsc::channel(RESOLUTIONS_QUEUED_MAX);
        Self { lookup: None, followed: HashMap::new(), by_pool: HashMap::new(), news, sender, stop, tasks }
    }

    /// Looks names up with `resolver`, in tasks on `runtime`.
    pub(in crate::health) fn ask(&mut self, resolver: Arc<dyn Resolve>, runtime: Handle) {
        let permits = Semaphore::new(LOOKUPS_IN_FLIGHT_MAX);
        self.lookup = Some(Arc::new(Lookup { resolver, runtime, permits }));
    }

    /// A pool names other hosts than before: starts to follow those that are new, and ends with those that nobody names.
    pub(in crate::health) fn follow(&mut self, id: PoolId, pool: Option<&Pool>) {
        let origins = pool.filter(|pool| pool.enabled).into_iter().flat_map(|pool| &pool.origins);
        let enabled = origins.filter(|origin| origin.enabled);
        let names: HashSet<Name> = enabled.filter_map(|origin| origin.address.host().cloned()).collect();
        for name in &names {
            if !self.followed.contains_key(name) {
                let host = self.start(name);
                self.followed.insert(name.clone(), host);
            }
            if let Some(host) = self.followed.get_mut(name) {
                host.pools.insert(id);
            }
        }
        let before = self.by_pool.remove(&id).unwrap_or_default();
        for name in before.difference(&names) {
            let Some(host) = self.followed.get_mut(name) else { continue };
            host.pools.remove(&id);
            if host.pools.is_empty() {
                host.stop.cancel();
                self.followed.remove(name);
            }
        }
        if !names.is_empty() {
            self.by_pool.insert(id, names);
        }
    }

    /// Follows a host that nobody has named before.
    fn start(&self, name: &Name) -> Host {
        let stop = self.stop.child_token();
        let host = |resolution| Host { resolution, pools: HashSet::new(), stop: stop.clone() };
        let Some(lookup) = &self.lookup else { return host(Resolution::Lost(FailReason::UnknownHost)) };
        let task = follow(name.clone(), Arc::clone(lookup), self.sender.clone());
        let stopped = stop.clone();
        let until_stopped = async move { stopped.run_until_cancelled(task).await };
        self.tasks.spawn_on(until_stopped, &lookup.runtime);
        host(Resolution::Awaited)
    }

    /// Takes news in; gives the pools that they concern.
    pub(in crate::health) fn note(&mut self, news: Resolved) -> Vec<PoolId> {
        let Resolved { name, resolution } = news;
        // Nobody may name it any more.
        let Some(host) = self.followed.get_mut(&name) else { return vec![] };
        host.resolution = resolution;
        host.pools.iter().copied().collect()
    }

    /// What is known of a host.
    pub(in crate::health) fn resolution(&self, name: &Name) -> Resolution {
        self.followed.get(name).map_or(Resolution::Awaited, |host| host.resolution.clone())
    }

    /// The addresses that are known of where an origin is.
    pub(in crate::health) fn addresses(&self, address: &Address) -> Arc<[IpAddr]> {
        match address {
            Address::Ip(address) => Arc::new([*address]),
            Address::Host(name) => match self.resolution(name) {
                Resolution::Known(addresses) => addresses,
                Resolution::Awaited | Resolution::Lost(_) => Arc::default(),
            },
        }
    }

    /// Waits until there are news, and takes them all.
    pub(in crate::health) async fn heard(&mut self, news: &mut Vec<Resolved>) {
        // The queue never ends, since this has a sender itself.
        self.news.recv_many(news, RESOLUTIONS_QUEUED_MAX).await;
    }
}

/// Looks a host up again and again, and tells when what is known of it changes.
async fn follow(name: Name, lookup: Arc<Lookup>, news: mpsc::Sender<Resolved>) {
    let mut known = Resolution::Awaited;
    let mut is_failing = false;
    loop {
        // Nobody closes the semaphore.
        let permit = lookup.permits.acquire().await;
        let found = lookup.resolver.look_up(&name).await.and_then(usable);
        drop(permit);
        // Half of the truth is better than nothing, and worse than all of it a while ago.
        let is_half = matches!(&found, Ok(found) if !found.is_complete) && matches!(known, Resolution::Known(_));
        let found = if is_half { Err(FailReason::LookupFailed) } else { found };
        let (next, pause) = match found {
            Ok(Found { addresses, ttl, is_complete: _ }) => {
                if is_failing {
                    info!(host = %name, "the name of an origin is resolved again");
                }
                is_failing = false;
                (Resolution::Known(addresses.into()), ttl.clamp(HOST_TTL_MIN, HOST_TTL_MAX))
            }
            Err(reason) => {
                if !is_failing {
                    let kept = matches!(known, Resolution::Known(_));
                    warn!(host = %name, %reason, kept, "the name of an origin cannot be resolved; what is known of it stands");
                }
                is_failing = true;
                let next = if let Resolution::Known(_) = known { known.clone() } else { Resolution::Lost(reason) };
                (next, HOST_RETRY)
            }
        };
        if next != known {
            if let Resolution::Known(addresses) = &next {
                info!(host = %name, ?addresses, "the addresses of an origin are");
            }
            known = next.clone();
            if news.send(Resolved { name: name.clone(), resolution: next }).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// What of a look-up can be an origin's: in order, each once, and of each family not more than anybody needs.
fn usable(found: Found) -> Result<Found, FailReason> {
    let Found { addresses, ttl, is_complete } = found;
    let (v4, v6): (BTreeSet<IpAddr>, BTreeSet<IpAddr>) =
        addresses.into_iter().filter(|address| unusable(*address).is_none()).partition(IpAddr::is_ipv4);
    let of = |family: BTreeSet<IpAddr>| family.into_iter().take(HOST_ADDRESSES_MAX);
    let addresses: Vec<IpAddr> = of(v4).chain(of(v6)).collect();
    if addresses.is_empty() { Err(FailReason::UnknownHost) } else { Ok(Found { addresses, ttl, is_complete }) }
}

#[cfg(test)]
mod tests;
