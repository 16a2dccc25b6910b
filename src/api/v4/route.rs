//! The table of routes: from it the router is made, so that no route is without its class of access.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, any, on};

use crate::api::bulk::{Bulk, at_length};
use crate::api::v4::accounts;
use crate::api::v4::caller::{Caller, Class};
use crate::api::v4::code::Code;
use crate::api::v4::context::Context;
use crate::api::v4::error::ApiError;
use crate::api::v4::request::{PathIdentifier as _, PathParts};
use crate::model::id::PoolId;

/// One method of one path.
#[derive(Clone)]
pub struct Route {
    /// The method. `HEAD` comes with `GET`.
    pub method: Method,
    /// The path below the API's base, with its variable parts in braces.
    pub path: String,
    /// Who may use it.
    pub class: Class,
    /// Whether it may have to look at much, and may show much.
    is_long: bool,
    /// What answers, without any check.
    handler: MethodRouter<Arc<Context>>,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, class, is_long: _, handler: _ } = self;
        write!(f, "{method} {path} {class:?}")
    }
}

impl Route {
    /// A route that shows something.
    pub fn get<T: 'static>(path: &str, handler: impl Handler<T, Arc<Context>>) -> Self {
        Self::new(Method::GET, MethodFilter::GET, path, Class::Read, handler)
    }

    /// A route that makes something, or does something.
    pub fn post<T: 'static>(path: &str, handler: impl Handler<T, Arc<Context>>) -> Self {
        Self::new(Method::POST, MethodFilter::POST, path, Class::Edit, handler)
    }

    /// A route that replaces something.
    pub fn put<T: 'static>(path: &str, handler: impl Handler<T, Arc<Context>>) -> Self {
        Self::new(Method::PUT, MethodFilter::PUT, path, Class::Edit, handler)
    }

    /// A route that changes some of something.
    pub fn patch<T: 'static>(path: &str, handler: impl Handler<T, Arc<Context>>) -> Self {
        Self::new(Method::PATCH, MethodFilter::PATCH, path, Class::Edit, handler)
    }

    /// A route that deletes something.
    pub fn delete<T: 'static>(path: &str, handler: impl Handler<T, Arc<Context>>) -> Self {
        Self::new(Method::DELETE, MethodFilter::DELETE, path, Class::Edit, handler)
    }

    /// A route.
    fn new<T: 'static>(
        method: Method,
        filter: MethodFilter,
        path: &str,
        class: Class,
        handler: impl Handler<T, Arc<Context>>,
    ) -> Self {
        Self { method, path: path.to_owned(), class, is_long: false, handler: on(filter, handler) }
    }

    /// The same, open to tokens that are limited to the pool which the path names: nothing else is shown or changed by it.
    #[must_use]
    pub fn for_its_pool(self) -> Self {
        let class = if self.method == Method::GET { Class::ReadPool } else { Class::EditPool };
        Self { class, ..self }
    }

    /// The same, open to whoever has a token: it shows no more than they may see.
    #[must_use]
    pub fn for_all(self) -> Self {
        Self { class: Class::ReadOpen, ..self }
    }

    /// The same, answered beside everything else: it may have to look at much, or may show much.
    #[must_use]
    pub fn at_length(self) -> Self {
        Self { is_long: true, ..self }
    }

    /// Adds this route to a router, behind its check.
    fn add_to(self, router: Router<Arc<Context>>, base: &str, bulk: &Arc<Bulk>) -> Router<Arc<Context>> {
        let check = middleware::from_fn_with_state(self.class, authorize);
        let handler = if self.is_long {
            self.handler.route_layer(middleware::from_fn_with_state(Arc::clone(bulk), at_length))
        } else {
            self.handler
        };
        router.route(&format!("{base}{}", self.path), handler.route_layer(check))
    }
}

/// Where objects of the account can be reached: two views of the same.
const VIEWS: [&str; 2] = ["/user", "/accounts/{account_id}"];

/// Routes at user level and at account level, both the same; their paths are below either.
pub fn in_both_views(routes: &[Route]) -> Vec<Route> {
    let views = VIEWS.iter().flat_map(|view| {
        routes.iter().map(move |route| Route { path: format!("{view}{}", route.path), ..route.clone() })
    });
    views.collect()
}

/// The path below the view that a path is in; none if it is in no view.
pub(super) fn below_view(path: &str) -> Option<&str> {
    VIEWS.iter().find_map(|view| path.strip_prefix(view)).filter(|path| !path.is_empty())
}

/// Routes at account level only.
pub fn in_account(routes: &[Route]) -> Vec<Route> {
    let [_, account] = VIEWS;
    routes.iter().map(|route| Route { path: format!("{account}{}", route.path), ..route.clone() }).collect()
}

/// The router of a table. What no route takes is answered in the same form as everything else.
pub(super) fn router(routes: Vec<Route>, base: &str, bulk: &Arc<Bulk>) -> Router<Arc<Context>> {
    let router = routes.into_iter().fold(Router::new(), |router, route| route.add_to(router, base, bulk));
    let router = router.method_not_allowed_fallback(async |method: Method| {
        ApiError::new(Code::Method, format!("{method} is not for this URI; the header Allow names what is"))
    });
    // No fallback, which would be one for whatever else the router is mounted beside.
    router.route(&format!("{base}/{{*rest}}"), any(async |uri: Uri| ApiError::no_route(uri.path())))
}

/// Lets a request through to its handler if its caller may do that, and if the account in its path, if there is one, is
/// ours.
async fn authorize(
    State(class): State<Class>,
    caller: Caller,
    path: PathParts,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let pool = path.find(PoolId::PART).and_then(PoolId::parse_part);
    if !caller.may(class, pool) {
        return Err(ApiError::new(Code::Forbidden, caller.refusal(class)));
    }
    match path.find("account_id") {
        Some(account) if account != accounts::id().to_string() => Err(ApiError::not_found("account", account)),
        _ => Ok(next.run(request).await),
    }
}
