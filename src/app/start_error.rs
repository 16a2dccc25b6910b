//! Why a server does not start, and what to do about it.

use std::io;

use crate::api::control::ControlError;
use crate::dns::listen::BindError;
use crate::store::CommitError;
use crate::store::embedded::OpenError;
use crate::transfer::secondary::CopyError;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listen address that cannot be had.
    #[error("{0}{remedy}", remedy = remedy(.0))]
    Bind(#[from] BindError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Copies of transferred zones cannot be kept.
    #[error(transparent)]
    Copies(#[from] CopyError),
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A configuration that contradicts itself; parsing finds that first.
    #[error("the configuration contradicts itself: {0}")]
    Inventory(#[from] CommitError),
    /// Threads or runtimes that the system does not give.
    #[error("the system does not give what is needed to start: {0}")]
    System(#[from] io::Error),
}

/// What to do about a listen address that cannot be had.
fn remedy(error: &BindError) -> &'static str {
    match error {
        BindError::Taken { .. } => {
            "\n  help: `ss -lnptu` shows who has it. On port 53 that is often systemd-resolved's stub listener: listen on \
             this machine's own addresses instead of all, or set DNSStubListener=no in /etc/systemd/resolved.conf."
        }
        BindError::Privileged { .. } => {
            "\n  help: ports below 1024 need CAP_NET_BIND_SERVICE. Use the systemd unit config/pooldns.service, or \
             `setcap cap_net_bind_service=+ep` on the program, or listen on a port above 1023."
        }
        BindError::NotLocal { .. } => {
            "\n  help: `ip address` lists this machine's addresses; [server] listen takes those."
        }
        BindError::Other { .. } => "",
    }
}
