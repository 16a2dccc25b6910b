//! The API: its sockets and its certificate, bound and read before anything runs.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::control::Server;
use crate::api::listen::ApiServer;
use crate::api::tls::Certificate;
use crate::api::v4::Context;
use crate::app::StartError;
use crate::config::api::ApiSettings;
use crate::dns::listen::bind_tcp;

/// What the API over TCP stands on.
#[derive(Debug)]
pub(super) struct BoundApi {
    /// Its sockets.
    listeners: Vec<TcpListener>,
    /// For TLS.
    certificate: Option<Arc<Certificate>>,
}

impl BoundApi {
    /// Binds every address, and reads the certificate if there is to be one.
    pub(super) fn new(settings: &ApiSettings) -> Result<Self, StartError> {
        let listeners = settings.listen.iter().map(|address| bind_tcp(*address)).collect::<Result<Vec<_>, _>>()?;
        // Without an address nobody misses it.
        let certificate = match (&settings.certificate, &settings.key) {
            (Some(certificate), Some(key)) if !listeners.is_empty() => {
                Some(Arc::new(Certificate::open(certificate, key)))
            }
            _ => None,
        };
        Ok(Self { listeners, certificate })
    }

    /// Its certificate, if it is offered by TLS.
    pub(super) fn certificate(&self) -> Option<Arc<Certificate>> {
        self.certificate.clone()
    }

    /// Where it is offered: real ports where 0 was asked for.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves it in a runtime until `stop`.
    pub(super) fn serve<S: Server>(
        self,
        context: Arc<Context>,
        server: Arc<S>,
        settings: &ApiSettings,
        stop: &CancellationToken,
        tasks: &mut JoinSet<()>,
        runtime: &Handle,
    ) {
        let addresses = self.addresses();
        let Self { listeners, certificate } = self;
        if listeners.is_empty() {
            return;
        }
        info!(listen = ?addresses, tls = certificate.is_some(), "the API is offered over TCP");
        if let Some(certificate) = &certificate {
            tasks.spawn_on(Arc::clone(certificate).watch(stop.clone()), runtime);
        }
        let api = ApiServer::new(context, server, settings.clone(), certificate);
        for listener in listeners {
            let (api, stop) = (api.clone(), stop.clone());
            let serve = async move {
                if let Err(error) = api.serve(listener, stop).await {
                    warn!(%error, "the API stopped listening");
                }
            };
            tasks.spawn_on(serve, runtime);
        }
    }
}
