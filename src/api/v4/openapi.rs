//! `/openapi.json`: the document of this API, for everybody. It is built from the table of routes, so that no route is
//! missing; what it says of each stands in a `describe()` beside the resource's `routes()`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{HttpMethod, Operation as PathOperation, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ComponentsBuilder, Content, InfoBuilder, OpenApi, OpenApiBuilder, Ref, ResponseBuilder, Server,
};

use self::description::{Description, Operation};
use crate::api::v4::route::{Route, below_view};
use crate::api::v4::{
    BASE, accounts, audit, dns_records, events, health, levers, load_balancers, monitor_groups, monitors, origins,
    pools, preview, references, regions, routes, search, usage, user, zones,
};

pub mod description;
pub mod schema;

/// Where the document is.
pub const PATH: &str = "/openapi.json";
/// The name of the usual way to show a token.
const BEARER: &str = "bearer";
/// The name of old clients' way.
const KEY: &str = "key";

/// What the document says of each resource.
fn descriptions() -> Vec<Description> {
    vec![
        pools::describe(),
        origins::describe(),
        levers::describe(),
        health::describe(),
        monitors::describe(),
        monitor_groups::describe(),
        preview::describe(),
        references::describe(),
        events::describe(),
        search::describe(),
        regions::describe(),
        usage::describe(),
        load_balancers::describe(),
        zones::describe(),
        dns_records::describe(),
        accounts::describe(),
        audit::describe(),
        user::describe(),
    ]
}

/// The document.
pub fn document() -> OpenApi {
    let descriptions = descriptions();
    let mut items: BTreeMap<String, Vec<(HttpMethod, PathOperation)>> = BTreeMap::new();
    for route in routes() {
        let Some(method) = http_method(&route.method) else { continue };
        let path = format!("{BASE}{}", route.path);
        let operation = match said_of(&route, &descriptions) {
            Some((tag, operation)) => operation.build(tag, &path),
            // A test finds it.
            None => PathOperation::new(),
        };
        items.entry(path).or_default().push((method, operation));
    }
    let mut paths = PathsBuilder::new();
    for (path, operations) in items {
        let mut item = PathItem::default();
        for (method, operation) in operations {
            item.merge_operations(PathItem::new(method, operation));
        }
        paths = paths.path(path, item);
    }
    for (path, summary, needs_token) in SIGNS {
        paths = paths.path(path, PathItem::new(HttpMethod::Get, sign(path, summary, needs_token)));
    }
    let info = InfoBuilder::new().title("pooldns").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT));
    OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([Server::new("/")]))
        .paths(paths.build())
        .components(Some(components(descriptions)))
        .security(Some([BEARER, KEY].map(|name| SecurityRequirement::new(name, Vec::<String>::new()))))
        .build()
}

/// What is there for whoever watches the server, beside the API: path, what it shows, and whether it takes a token.
const SIGNS: [(&str, &str, bool); 3] = [
    ("/healthz", "Says that the server lives.", false),
    ("/metrics", "Shows what is counted, in the text format of Prometheus.", true),
    ("/readyz", "Says whether every live name answers; with a token also which origins are waited for.", false),
];

/// An operation that answers with a text.
fn sign(path: &str, summary: &str, needs_token: bool) -> PathOperation {
    let text = |description: &str| {
        ResponseBuilder::new()
            .description(description)
            .content("text/plain", Content::new(Some(schema::text())))
            .build()
    };
    let operation = OperationBuilder::new()
        .tag("Watching")
        .summary(Some(summary))
        .operation_id(Some(format!("get{}", path.replace('/', "_"))))
        .response("200", text("It went well."));
    if needs_token {
        return operation.response("default", Ref::from_response_name(description::FAILURE)).build();
    }
    let operation = operation.response("503", text("Not yet.")).securities(Some(Vec::<SecurityRequirement>::new()));
    operation.build()
}

/// What the document is about.
const ABOUT: &str = "Pools, monitors, load balancers, zones and records of a health-aware authoritative DNS server, in the \
                     form of the original's API. Lists without paging parameters are whole. PUT replaces: what the body \
                     leaves out goes back to its default. PATCH keeps it, and null resets. Unknown keys are ignored, and \
                     told of in `messages`.";

/// What is said of a route, and under which heading. Routes of several views are described once.
fn said_of<'d>(route: &Route, descriptions: &'d [Description]) -> Option<(&'static str, &'d Operation)> {
    let find = |path: &str| {
        let all = descriptions.iter().flat_map(|one| one.operations.iter().map(move |operation| (one.tag, operation)));
        all.into_iter().find(|(_, operation)| operation.is_of(&route.method, path))
    };
    find(&route.path).or_else(|| find(below_view(&route.path)?))
}

/// A method in the document.
fn http_method(method: &Method) -> Option<HttpMethod> {
    Some(match *method {
        Method::GET => HttpMethod::Get,
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => return None,
    })
}

/// What operations refer to.
fn components(descriptions: Vec<Description>) -> Components {
    let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).description(Some("A token of `pooldns token create`."));
    let key = ApiKeyValue::with_description("X-Auth-Key", "The same token, where old clients put it.");
    let mut components = ComponentsBuilder::new()
        .security_scheme(BEARER, SecurityScheme::Http(bearer.build()))
        .security_scheme(KEY, SecurityScheme::ApiKey(ApiKey::Header(key)))
        .response(description::FAILURE, description::failure());
    for (name, schema) in schema::shared().into_iter().chain(descriptions.into_iter().flat_map(|one| one.schemas)) {
        components = components.schema(name, schema);
    }
    components.build()
}

/// The document as text, made when it is first asked for.
static TEXT: LazyLock<String> = LazyLock::new(|| document().to_pretty_json().unwrap_or_default());

/// `GET /openapi.json`
pub(super) async fn show() -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], TEXT.as_str()).into_response()
}

#[cfg(test)]
mod tests;
