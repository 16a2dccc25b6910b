//! Who may do what, route by route: the table of routes says what there is, so a new route is judged here by itself.

use axum::http::Method;

use super::super::caller::{Caller, Class};
use super::super::fixture::{Fixture, bearer};
use super::super::route::Route;
use super::super::{accounts, routes};
use crate::model::id::PoolId;
use crate::model::token::Access;

/// The path of a route with `pool` in it; whatever else it names does not exist.
fn path(route: &Route, pool: PoolId) -> String {
    let fill = |part: &str| match part {
        "{account_id}" => accounts::id().to_string(),
        "{pool_id}" => pool.to_string(),
        part if part.starts_with('{') => "00000000000000000000000000000001".to_owned(),
        part => part.to_owned(),
    };
    route.path.split('/').map(fill).collect::<Vec<_>>().join("/")
}

/// What whoever is limited to a pool sees beside it, after `/user` or the account: what is the same for everybody, or is cut to
/// their pool. Of monitors they see the pool's, and here it has none.
fn is_common(route: &Route) -> bool {
    let path = route.path.strip_prefix("/accounts/{account_id}").or_else(|| route.path.strip_prefix("/user"));
    path.is_some_and(|path| {
        path.is_empty()
            || path == "/tokens/verify"
            || path == "/load_balancing_analytics/events"
            || path.starts_with("/load_balancers/regions")
            || path == "/load_balancers/preview/{preview_id}"
    }) || route.path == "/accounts"
}

/// What the rules say, in words of their own: whoever has no limit looks at everything, and edits everything if they edit; a
/// limit leaves the pool and what is below it, but not its existence.
fn is_allowed(route: &Route, access: Access, limited: bool, own: bool) -> bool {
    let is_in_pool = route.path.contains("/pools/{pool_id}");
    let is_whole_pool = route.path.ends_with("/pools/{pool_id}");
    match (route.method == Method::GET, access, limited) {
        (true, _, false) | (false, Access::Edit, false) => true,
        (true, _, true) => own && is_in_pool || is_common(route),
        (false, Access::Read, _) => false,
        (false, Access::Edit, true) => own && is_in_pool && !(is_whole_pool && route.method == Method::DELETE),
    }
}

#[tokio::test]
async fn every_route_is_open_to_those_who_may_and_to_nobody_else() {
    let api = Fixture::new();
    let (own, other) = (PoolId::declared("own"), PoolId::declared("other"));
    let mut judged = 0;
    for route in routes() {
        for (access, limit) in
            [(Access::Read, None), (Access::Read, Some(own)), (Access::Edit, None), (Access::Edit, Some(own))]
        {
            for pool in [own, other] {
                let path = path(&route, pool);
                let response = api.call_as(bearer(access, limit), route.method.as_str(), &path, &[], "{}").await;
                let refused = response.status == 403 && response.body["errors"][0]["code"] == 9109;
                let allowed = is_allowed(&route, access, limit.is_some(), pool == own);
                assert_eq!(
                    !refused, allowed,
                    "{route:?} for {access:?} limited to {limit:?}, pool {pool}: {response:?}"
                );
                assert_ne!(response.status, 401);
                judged += 1;
            }
        }
    }
    assert!(judged > 200, "{judged}");
}

#[tokio::test]
async fn every_route_is_in_the_table_once_and_asks_for_the_account_that_there_is() {
    let api = Fixture::new();
    let routes = routes();
    for (index, route) in routes.iter().enumerate() {
        let twin =
            routes.iter().skip(index + 1).find(|twin| (&twin.method, &twin.path) == (&route.method, &route.path));
        assert!(twin.is_none(), "{route:?} {twin:?}");
        if route.path.starts_with("/accounts/{account_id}") {
            let path = path(route, PoolId::declared("own")).replace(&accounts::id().to_string(), &"0".repeat(32));
            let response = api.call(route.method.as_str(), &path, "{}").await;
            assert_eq!(
                (response.status.as_u16(), &response.body["errors"][0]["code"]),
                (404, &1001.into()),
                "{route:?}"
            );
        }
        let view = route.path.strip_prefix("/user/load_balancers");
        let other = view.map(|rest| format!("/accounts/{{account_id}}/load_balancers{rest}"));
        let missing = other.filter(|other| !routes.iter().any(|route| route.path == *other));
        assert_eq!(missing, None);
    }
}

#[test]
fn what_changes_is_never_of_a_class_for_looking() {
    for route in routes() {
        let looks = matches!(route.class, Class::Read | Class::ReadPool | Class::ReadOpen);
        assert_eq!(looks, route.method == Method::GET, "{route:?}");
        let is_of_pool = matches!(route.class, Class::ReadPool | Class::EditPool);
        assert!(!is_of_pool || route.path.contains("{pool_id}"), "{route:?}");
    }
    // Nothing is refused on the control socket.
    for class in [Class::Read, Class::ReadPool, Class::ReadOpen, Class::Edit, Class::EditPool] {
        assert!(Caller::control().may(class, None));
    }
}
