//! `load_balancers/search`: load balancers, monitors, monitor groups and pools by a part of their name, or by their id. Sorted by kind, then
//! by name, so that pages do not change from request to request.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use serde::Serialize;

use crate::api::v4::context::Context;
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::monitors::label;
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema;
use crate::api::v4::paging::Paging;
use crate::api::v4::references::{Direction, Reference, checks_of, monitors_of};
use crate::api::v4::request::Parameters;
use crate::api::v4::route::{Route, in_account};
use crate::model::id::{ObjectId, PoolId};
use crate::model::inventory::Inventory;
use crate::model::load_balancer::LoadBalancer;

/// Resources of a page where nobody says how many: the original's.
const PER_PAGE_DEFAULT: usize = 25;

/// What was found.
#[derive(Debug, Serialize)]
struct Resources {
    /// Each in the order of the page.
    resources: Vec<Resource>,
}

/// A resource.
#[derive(Debug, Serialize)]
struct Resource {
    /// Its kind.
    #[serde(rename = "resource_type")]
    kind: &'static str,
    /// Its id.
    #[serde(rename = "resource_id")]
    id: String,
    /// Its name.
    #[serde(rename = "resource_name")]
    name: String,
    /// What refers to it, and what it refers to, as far as that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    references: Option<Vec<Reference>>,
}

/// Which references are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shown {
    /// None.
    Nothing,
    /// Those that go one way.
    Only(Direction),
    /// All.
    All,
}

impl Shown {
    /// What the parameters say.
    fn parse(parameters: &Parameters) -> Result<Self, ApiError> {
        Ok(match parameters.text("references")? {
            None => Self::Nothing,
            Some("*") => Self::All,
            Some("referral") => Self::Only(Direction::Referral),
            Some("referrer") => Self::Only(Direction::Referrer),
            Some(_) => {
                return Err(ApiError::invalid(
                    "the parameter references is empty, \"*\", \"referral\" or \"referrer\"",
                ));
            }
        })
    }

    /// Whether references of a direction are.
    fn has(self, direction: Direction) -> bool {
        self == Self::All || self == Self::Only(direction)
    }
}

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_account(&[Route::get("/load_balancers/search", find).at_length()])
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let resource = schema::object(
        [("resource_type", schema::text()), ("resource_id", schema::id()), ("resource_name", schema::text())],
        [("references", schema::list(schema::of("Reference")))],
    );
    let find = Operation::new(
        Method::GET,
        "/load_balancers/search",
        "Finds load balancers, monitors, their groups, and pools.",
    )
    .lists(schema::anything())
    .gives(schema::object([("resources", schema::list(resource))], []))
    .query("query", schema::text(), "A part of the name, or the id.")
    .query("references", schema::words(&["", "*", "referral", "referrer"]), "Which references to show.");
    Description { tag: "Search", operations: vec![find], schemas: vec![] }
}

/// `GET .../search`
async fn find(State(context): State<Arc<Context>>, parameters: Parameters, paging: Paging) -> Answer<Resources> {
    let query = parameters.text("query")?.unwrap_or_default().to_ascii_lowercase();
    let shown = Shown::parse(&parameters)?;
    let paging = match paging {
        Paging::Everything => Paging::Part { offset: 0, limit: PER_PAGE_DEFAULT },
        part @ Paging::Part { .. } => part,
    };
    let inventory = context.inventory();
    let mut found = matching(&inventory, &query);
    found.sort_unstable_by(|(a, a_name), (b, b_name)| a.kind().cmp(b.kind()).then_with(|| a_name.cmp(b_name)));
    let page = paging.part(found.into_iter(), |resource| resource);
    let on_page: HashSet<ObjectId> = page.items.iter().map(|(object, _)| *object).collect();
    let mut referrers = if shown.has(Direction::Referrer) { referrers(&inventory, &on_page) } else { HashMap::new() };
    let resource = |(object, name): (ObjectId, String)| {
        let mut references = referrers.remove(&object).unwrap_or_default();
        references.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
        if shown.has(Direction::Referral) {
            references.extend(referrals(&inventory, object));
        }
        Resource {
            kind: object.kind(),
            id: object.to_string(),
            name,
            references: (shown != Shown::Nothing).then_some(references),
        }
    };
    let resources = page.items.into_iter().map(resource).collect();
    Ok(Reply::new(Resources { resources }).with_info(page.info))
}

/// Everything whose name has `query` in it, whatever the case of its letters, or whose id it is.
fn matching(inventory: &Inventory, query: &str) -> Vec<(ObjectId, String)> {
    let all = (inventory.load_balancers.iter())
        .map(|load_balancer| (ObjectId::LoadBalancer(load_balancer.id), load_balancer.name.to_string()))
        .chain(inventory.monitors.iter().map(|monitor| (ObjectId::Monitor(monitor.id), label(monitor).to_owned())))
        .chain(
            (inventory.monitor_groups.iter()).map(|group| (ObjectId::MonitorGroup(group.id), group.label().to_owned())),
        )
        .chain(inventory.pools.iter().map(|pool| (ObjectId::Pool(pool.id), pool.name.clone())));
    all.filter(|(object, name)| name.to_ascii_lowercase().contains(query) || object.to_string() == query).collect()
}

/// Who refers to some objects, in one pass over all who could.
fn referrers(inventory: &Inventory, objects: &HashSet<ObjectId>) -> HashMap<ObjectId, Vec<Reference>> {
    let mut found: HashMap<ObjectId, Vec<Reference>> = HashMap::new();
    let mut note = |object: ObjectId, by: ObjectId, name: &str| {
        if objects.contains(&object) {
            found.entry(object).or_default().push(Reference::new(Direction::Referrer, by, name));
        }
    };
    for group in inventory.monitor_groups.iter() {
        for member in &group.members {
            note(ObjectId::Monitor(member.monitor), ObjectId::MonitorGroup(group.id), group.label());
        }
    }
    for pool in inventory.pools.iter() {
        let (monitor, group) = (pool.monitor.map(ObjectId::Monitor), pool.monitor_group.map(ObjectId::MonitorGroup));
        for object in monitor.into_iter().chain(group) {
            note(object, ObjectId::Pool(pool.id), &pool.name);
        }
    }
    for load_balancer in inventory.load_balancers.iter() {
        let object = ObjectId::LoadBalancer(load_balancer.id);
        let pools = pools_of(load_balancer).into_iter().map(ObjectId::Pool);
        let name = load_balancer.name.to_string();
        pools.for_each(|pool| note(pool, object, &name));
    }
    found
}

/// What an object refers to.
fn referrals(inventory: &Inventory, object: ObjectId) -> Vec<Reference> {
    match object {
        ObjectId::Pool(id) => {
            inventory.pools.find(id).and_then(|pool| checks_of(pool, inventory)).into_iter().collect()
        }
        ObjectId::MonitorGroup(id) => {
            let group = inventory.monitor_groups.find(id);
            group.into_iter().flat_map(|group| monitors_of(group, inventory)).collect()
        }
        ObjectId::LoadBalancer(id) => {
            let pools = inventory.load_balancers.find(id).map(|load_balancer| pools_of(load_balancer));
            let pools = pools.unwrap_or_default().into_iter().filter_map(|id| inventory.pools.find(id));
            let mut pools: Vec<_> =
                pools.map(|pool| Reference::new(Direction::Referral, ObjectId::Pool(pool.id), &pool.name)).collect();
            pools.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
            pools
        }
        ObjectId::Monitor(_) | ObjectId::Zone(_) | ObjectId::Record(..) | ObjectId::Levers(_) => vec![],
    }
}

/// All pools that a load balancer names, in maps and rules too. What looks like an id there is one of a pool.
fn pools_of(load_balancer: &LoadBalancer) -> BTreeSet<PoolId> {
    let mut pools: BTreeSet<PoolId> = load_balancer.pools().collect();
    if let Some(kept) = load_balancer.kept.table() {
        kept.texts(&mut |text| pools.extend(PoolId::parse(text)));
    }
    pools
}

#[cfg(test)]
mod tests;
