//! `accounts/{account_id}/load_balancers/usage`: how many objects there are, and how many there may be.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use serde::Serialize;

use crate::api::v4::context::Context;
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema;
use crate::api::v4::route::{Route, in_account};
use crate::model::limits::{LOAD_BALANCERS_MAX, MONITOR_GROUPS_MAX, MONITORS_MAX, ORIGINS_PER_POOL_MAX, POOLS_MAX};

/// Where it is.
const PATH: &str = "/load_balancers/usage";

/// How many there are. What the original says here is not public; the members are named as its objects are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Usage {
    /// Load balancers.
    load_balancers: Count,
    /// Pools.
    pools: Count,
    /// Monitors.
    monitors: Count,
    /// Monitor groups.
    monitor_groups: Count,
    /// Origins of all pools.
    origins: Count,
}

/// How many of a kind there are, and may be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Count {
    /// How many there are, declared ones too.
    used: usize,
    /// How many there may be.
    limit: usize,
}

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_account(&[Route::get(PATH, show).at_length()])
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let number = || schema::integer(0, i64::MAX);
    let count = || schema::object([("used", number()), ("limit", number())], []);
    let kinds = ["load_balancers", "pools", "monitors", "monitor_groups", "origins"];
    let usage = schema::object(kinds.map(|kind| (kind, count())), []);
    let operations =
        vec![Operation::new(Method::GET, PATH, "Counts objects, beside how many there may be.").gives(usage)];
    Description { tag: "Usage", operations, schemas: vec![] }
}

/// `GET /accounts/{account_id}/load_balancers/usage`
async fn show(State(context): State<Arc<Context>>) -> Answer<Usage> {
    let inventory = context.inventory();
    let origins = inventory.pools.iter().map(|pool| pool.origins.len()).sum();
    Ok(Reply::new(Usage {
        load_balancers: Count { used: inventory.load_balancers.len(), limit: LOAD_BALANCERS_MAX },
        pools: Count { used: inventory.pools.len(), limit: POOLS_MAX },
        monitors: Count { used: inventory.monitors.len(), limit: MONITORS_MAX },
        monitor_groups: Count { used: inventory.monitor_groups.len(), limit: MONITOR_GROUPS_MAX },
        origins: Count { used: origins, limit: POOLS_MAX * ORIGINS_PER_POOL_MAX },
    }))
}

#[cfg(test)]
mod tests {
    use crate::api::v4::accounts;
    use crate::api::v4::fixture::Fixture;

    #[tokio::test]
    async fn declared_and_made_objects_count() {
        let api =
            Fixture::declaring("[[pools]]\nname = \"fixed\"\norigins = [{ name = \"a\", address = \"192.0.2.9\" }]\n")
                .await;
        let body =
            r#"{"name":"made","origins":[{"name":"a","address":"192.0.2.1"},{"name":"b","address":"192.0.2.2"}]}"#;
        api.made("/user/load_balancers/pools", body).await;
        let used = api.call("GET", &format!("/accounts/{}/load_balancers/usage", accounts::id()), "").await;
        let count = |kind: &str| used.body["result"][kind]["used"].as_u64();
        assert_eq!((count("pools"), count("origins"), count("monitors")), (Some(2), Some(3), Some(0)));
        assert!(used.body["result"]["pools"]["limit"].as_u64() > count("pools"));
    }
}
