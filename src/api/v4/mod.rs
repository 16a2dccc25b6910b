//! The API in the form of the original's: everything under `/client/v4`.
//!
//! A resource is a file with `routes()`, a table of its routes, and [`routes`] lists those tables. A handler takes what it
//! needs by its arguments ([`request`]) and gives an [`envelope::Answer`]; a change goes through [`Context::commit`].
//! Nothing here knows who may do what but [`caller`], and no route is reached without its check there ([`route`]).

use std::sync::Arc;

use axum::routing::get;
use axum::{Router, middleware};

pub use self::context::{Context, Store};
use self::route::Route;

pub mod accounts;
pub mod audit;
pub mod body;
pub mod caller;
pub mod code;
pub mod context;
pub mod dns_records;
pub mod envelope;
pub mod error;
pub mod events;
pub mod health;
pub mod levers;
pub mod load_balancers;
pub mod monitor_groups;
pub mod monitors;
pub mod object;
pub mod openapi;
pub mod origins;
pub mod paging;
pub mod plan;
pub mod pools;
pub mod precondition;
pub mod preview;
pub mod references;
pub mod regions;
pub mod request;
pub(in crate::api) mod request_id;
pub mod route;
pub mod search;
pub mod secrets;
pub mod times;
pub mod turns;
pub mod usage;
pub mod user;
pub mod zones;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
pub(crate) mod transcript;

/// Where the API begins.
pub const BASE: &str = "/client/v4";

/// All routes.
pub fn routes() -> Vec<Route> {
    [
        accounts::routes(),
        user::routes(),
        pools::routes(),
        origins::routes(),
        levers::routes(),
        health::routes(),
        monitors::routes(),
        monitor_groups::routes(),
        preview::routes(),
        references::routes(),
        events::routes(),
        search::routes(),
        regions::routes(),
        usage::routes(),
        load_balancers::routes(),
        zones::routes(),
        dns_records::routes(),
        audit::routes(),
    ]
    .concat()
}

/// The router of the API. Whoever mounts it says who calls, by a [`caller::Caller`] among the request's extensions;
/// without one nobody may do anything.
pub fn router(context: Arc<Context>) -> Router {
    let router = route::router(routes(), BASE, &context.bulk).route(openapi::PATH, get(openapi::show));
    let router = router.layer(middleware::from_fn(precondition::not_modified));
    router.layer(middleware::from_fn(request_id::give_back)).with_state(context)
}

#[cfg(test)]
mod tests;
