//! Objects of the API that are set aside: dropped through the control socket. The status lists them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::delete;
use axum::{Json, Router};
use tracing::info;

use crate::api::exchange::Refusal;
use crate::api::v4::Store;
use crate::model::inventory::{Author, Change, Commit, Expected, Step};
use crate::store::{CommitError, InventoryStore as _};

/// The routes, for the control socket only.
pub fn routes(store: Arc<Store>) -> Router {
    Router::new().route("/set-aside/{id}", delete(forget)).with_state(store)
}

/// `DELETE /set-aside/{id}`: gives the kind and name of what is gone.
async fn forget(
    State(store): State<Arc<Store>>,
    Path(id): Path<String>,
) -> Result<Json<String>, (StatusCode, Json<Refusal>)> {
    let refusal = |status, error: String| (status, Json(Refusal { error }));
    let inventory = store.load();
    let found = inventory.set_aside.iter().find(|aside| aside.stored.object.id().to_string() == id);
    let missing = || refusal(StatusCode::NOT_FOUND, format!("no object with the id {id:?} is set aside"));
    let aside = &found.ok_or_else(missing)?.stored.object;
    let (object, name) = (aside.id(), aside.name());
    let author = Some(Author { name: "control socket".to_owned(), address: None });
    let commit = Commit { steps: vec![Step { change: Change::Forget(object), expected: Expected::Anything }], author };
    store.commit(commit).await.map_err(|error| {
        let status = match error {
            CommitError::Contradiction(_) => StatusCode::NOT_FOUND,
            CommitError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        refusal(status, error.to_string())
    })?;
    info!(kind = object.kind(), %object, name, "an object that was set aside is dropped, through the control socket");
    Ok(Json(format!("{} {name}", object.kind())))
}
