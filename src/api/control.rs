//! The control socket: a router that only the server's own user and root can reach.
//!
//! The socket file has mode 0600, and besides, every peer's user id is checked: the file's mode says nothing between
//! its making and its change. Whoever may connect may do everything.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::serve::Listener;
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::api::events;
use crate::api::exchange::{self, Refusal};
use crate::api::explain;
use crate::api::observe::{self, Readiness};
use crate::api::set_aside;
use crate::api::status::{DeliveryStatus, Status};
use crate::api::tokens;
use crate::api::v4::caller::Caller;
use crate::api::v4::{self, Context};

/// What the control socket can ask of the server.
pub trait Server: Send + Sync + 'static {
    /// The server at this moment.
    fn status(&self) -> Status;

    /// Whether every live name is decided.
    fn readiness(&self) -> Readiness;

    /// The server at this moment, in the text format of Prometheus. It may take a while.
    fn metrics(&self) -> String;

    /// Reads the configuration again.
    fn reload(&self, contradictions: Contradictions) -> impl Future<Output = Reload> + Send;

    /// Transfers a zone anew from its primaries, whatever its serial.
    fn retransfer(&self, zone: &str) -> impl Future<Output = Retransfer> + Send;

    /// Sends a sample to a webhook; none if there is none of this name.
    fn test_webhook(&self, name: &str) -> impl Future<Output = Option<DeliveryStatus>> + Send;
}

/// How a transfer that was asked for went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Retransfer {
    /// The zone is as a primary has it.
    Done {
        /// Its serial.
        serial: u32,
    },
    /// No primary gave it.
    Failed {
        /// Why, primary by primary.
        failure: String,
    },
    /// It is not transferred from elsewhere.
    NotSecondary,
}

/// What becomes of objects of the API that a new configuration contradicts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contradictions {
    /// The configuration is refused.
    #[default]
    Refused,
    /// They are kept, and no longer served.
    SetAside,
}

/// What a reload may say.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct ReloadParameters {
    /// What becomes of objects of the API.
    #[serde(default)]
    contradictions: Contradictions,
}

/// How a reload went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Reload {
    /// The new configuration is live.
    Done {
        /// Generation of the inventory.
        generation: u64,
        /// Changed keys that wait for a restart.
        waiting_for_restart: Vec<String>,
        /// What is most likely a mistake, for a person; empty if nothing is. A server of an earlier version says nothing.
        #[serde(default)]
        warnings: String,
    },
    /// The configuration is faulty; the old one stays.
    Refused {
        /// All faults, for a person.
        faults: String,
    },
}

/// Why the control socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another server answers there.
    #[error("another pooldns answers on the control socket {}: stop it, or set [server] control to another path", .0.display())]
    InUse(PathBuf),
    /// Something else is there.
    #[error("{} exists and is no socket: set [server] control to another path", .0.display())]
    NotASocket(PathBuf),
    /// The system says no.
    #[error("cannot make the control socket {}: {cause}; its folder must exist and be writable, or set [server] control to another path", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// The control socket, bound. Its file goes when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    /// The listener.
    listener: UnixListener,
    /// Who owns the socket's file: this process's user.
    owner: u32,
    /// Takes the file away.
    file: SocketFile,
}

/// The socket's file, removed when dropped.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Gone already, or the next start removes it.
        drop(std::fs::remove_file(&self.0));
    }
}

impl ControlSocket {
    /// Binds the socket at `path`; takes the place of one that nobody answers on.
    pub async fn bind(path: &FilePath) -> Result<Self, ControlError> {
        let failed = |cause| ControlError::Io { path: path.to_owned(), cause };
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            // Its last part only: what is further up is somebody else's. If this fails, binding says so.
            std::fs::create_dir(folder).ok();
        }
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(ControlError::NotASocket(path.to_owned())),
            Ok(_) if UnixStream::connect(path).await.is_ok() => return Err(ControlError::InUse(path.to_owned())),
            Ok(_) => std::fs::remove_file(path).map_err(failed)?,
            Err(_) => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        let file = SocketFile(path.to_owned());
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let owner = std::fs::symlink_metadata(path).map_err(failed)?.uid();
        Ok(Self { listener, owner, file })
    }

    /// Serves until `token` is cancelled, the API in a `runtime` of its own; requests under way are finished.
    pub async fn serve<S: Server>(
        self,
        server: Arc<S>,
        context: Arc<Context>,
        runtime: Handle,
        token: CancellationToken,
    ) -> io::Result<()> {
        let Self { listener, owner, file } = self;
        let tokens = tokens::router(Arc::clone(&context.store));
        let exchange = exchange::routes(Arc::clone(&context.store));
        let events = events::routes(Arc::clone(&context.store), token.clone());
        let set_aside = set_aside::routes(Arc::clone(&context.store));
        let explain = explain::routes(Arc::clone(&context));
        // What may take long is made where it holds up neither DNS nor the rest of this socket.
        let elsewhere = middleware::from_fn_with_state(runtime, elsewhere);
        let api = v4::router(context).merge(exchange).layer(Extension(Caller::control())).layer(elsewhere);
        let router = Router::new()
            .route("/status", get(status::<S>))
            .route("/reload", post(reload::<S>))
            .route("/zones/{zone}/retransfer", post(retransfer::<S>))
            .route("/webhooks/{name}/test", post(test_webhook::<S>))
            .merge(observe::metrics_route::<S>())
            .merge(observe::signs::<S>().layer(Extension(Caller::control())))
            .fallback(async || {
                let routes = "the control socket has GET /status, GET /metrics, GET /healthz, GET /readyz, \
                              POST /reload, POST /zones/{zone}/retransfer, POST /webhooks/{name}/test, /tokens, GET /events, GET /explain, \
                              GET /export, POST /import, POST /backup, DELETE /set-aside/{id}, the API under \
                              /client/v4 and its document at GET /openapi.json\n";
                (StatusCode::NOT_FOUND, routes)
            })
            .with_state(server)
            .merge(tokens)
            .merge(events)
            .merge(set_aside)
            .merge(explain)
            .merge(api);
        let listener = OwnPeers { listener, owner };
        let served = axum::serve(listener, router).with_graceful_shutdown(async move { token.cancelled().await }).await;
        drop(file);
        served
    }
}

/// Answers a request in another runtime.
async fn elsewhere(State(runtime): State<Handle>, request: Request, next: Next) -> Response {
    let mut task = JoinSet::new();
    // Dropped with the set, if nobody waits for it any more.
    task.spawn_on(next.run(request), &runtime);
    match task.join_next().await {
        Some(Ok(response)) => response,
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// `GET /status`
async fn status<S: Server>(State(server): State<Arc<S>>) -> Json<Status> {
    Json(server.status())
}

/// `POST /reload`
async fn reload<S: Server>(
    State(server): State<Arc<S>>,
    Query(parameters): Query<ReloadParameters>,
) -> (StatusCode, Json<Reload>) {
    let reload = server.reload(parameters.contradictions).await;
    let code = match reload {
        Reload::Done { .. } => StatusCode::OK,
        Reload::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
    };
    (code, Json(reload))
}

/// `POST /zones/{zone}/retransfer`
async fn retransfer<S: Server>(
    State(server): State<Arc<S>>,
    Path(zone): Path<String>,
) -> (StatusCode, Json<Retransfer>) {
    let retransfer = server.retransfer(&zone).await;
    let code = match retransfer {
        Retransfer::Done { .. } => StatusCode::OK,
        Retransfer::Failed { .. } => StatusCode::BAD_GATEWAY,
        Retransfer::NotSecondary => StatusCode::NOT_FOUND,
    };
    (code, Json(retransfer))
}

/// `POST /webhooks/{name}/test`
async fn test_webhook<S: Server>(
    State(server): State<Arc<S>>,
    Path(name): Path<String>,
) -> Result<Json<DeliveryStatus>, (StatusCode, Json<Refusal>)> {
    let unknown = || {
        let error = format!("there is no webhook {name:?}; `pooldns status` lists those that there are");
        (StatusCode::NOT_FOUND, Json(Refusal { error }))
    };
    server.test_webhook(&name).await.map(Json).ok_or_else(unknown)
}

/// Accepts connections of the owner and of root only.
struct OwnPeers {
    /// The listener.
    listener: UnixListener,
    /// The owner's user id.
    owner: u32,
}

impl Listener for OwnPeers {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => match stream.peer_cred().map(|peer| peer.uid()) {
                    Ok(uid) if uid == self.owner || uid == 0 => return (stream, address),
                    Ok(uid) => warn!(uid, "refused a control connection of another user"),
                    Err(_) => {}
                },
                // Out of file descriptors, most likely: others have to be closed first.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_private_and_replaces_a_dead_one_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let first = ControlSocket::bind(&path).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(ControlSocket::bind(&path).await, Err(ControlError::InUse(_))));
        drop(first);
        assert!(!path.exists());

        // What a killed server leaves behind.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(ControlSocket::bind(&path).await.unwrap());

        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(ControlSocket::bind(&path).await, Err(ControlError::NotASocket(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        let nowhere = folder.path().join("no/such/folder.sock");
        assert!(matches!(ControlSocket::bind(&nowhere).await, Err(ControlError::Io { .. })));
    }
}
