//! The API in the form of the original's: everything under `/client/v4`.
//!
//! A resource is a file with `routes()`, a table of its routes, and [`routes`] lists those tables. A handler takes what it
//! needs by its arguments ([`request`]) and gives an [`envelope::Answer`]; a change goes through [`Context::commit`].
//! Nothing here knows who may do what but [`caller`], and no route is reached without its check there ([`route`]).

use std::sync::Arc;

use axum::{Router, middleware};

pub use self::context::{Context, Store};
use self::route::Route;

pub mod accounts;
pub mod caller;
pub mod code;
pub mod context;
pub mod envelope;
pub mod error;
pub mod paging;
pub mod precondition;
pub mod request;
pub mod route;
pub mod times;
pub mod user;

#[cfg(test)]
pub(crate) mod fixture;

/// Where the API begins.
pub const BASE: &str = "/client/v4";

/// All routes.
pub fn routes() -> Vec<Route> {
    [accounts::routes(), user::routes()].concat()
}

/// The router of the API. Whoever mounts it says who calls, by a [`caller::Caller`] among the request's extensions;
/// without one nobody may do anything.
pub fn router(context: Arc<Context>) -> Router {
    let router = route::router(routes(), BASE);
    router.layer(middleware::from_fn(precondition::not_modified)).with_state(context)
}

#[cfg(test)]
mod tests;
