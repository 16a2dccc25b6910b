//! `/user`: the bearer of a token, and whether the token holds.

use axum::http::Method;
use serde::Serialize;

use crate::api::v4::accounts;
use crate::api::v4::caller::Caller;
use crate::api::v4::envelope::{Answer, Message, Reply};
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema;
use crate::api::v4::route::Route;
use crate::api::v4::times::Time;
use crate::model::id::TokenId;

/// The user as it is shown. There are no users here, only tokens; tools ask for one all the same.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct User {
    /// The account's id: everybody is the same user.
    id: String,
    /// The token's name.
    username: String,
    /// Whether the user is barred.
    suspended: bool,
}

/// A token's state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Verified {
    /// The token's id.
    id: String,
    /// Always `active`: another token does not come this far.
    status: &'static str,
    /// From when on it is worth nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_on: Option<Time>,
}

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/user", details).for_all(), Route::get("/user/tokens/verify", verify).for_all()]
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let user =
        schema::object([("id", schema::id()), ("username", schema::text()), ("suspended", schema::boolean())], []);
    let verified = schema::object(
        [("id", schema::id()), ("status", schema::words(&["active"]))],
        [("expires_on", schema::time())],
    );
    let operations = vec![
        Operation::new(Method::GET, "/user", "Shows who calls.").gives(user),
        Operation::new(Method::GET, "/user/tokens/verify", "Tells that the token holds.").gives(verified),
    ];
    Description { tag: "User", operations, schemas: vec![] }
}

/// `GET /user`
async fn details(caller: Caller) -> Answer<User> {
    Ok(Reply::new(User { id: accounts::id().to_string(), username: caller.author().name, suspended: false }))
}

/// `GET /user/tokens/verify`
async fn verify(caller: Caller) -> Answer<Verified> {
    let Caller { token, address: _ } = caller;
    let id = token.as_ref().map_or_else(|| TokenId::declared("control socket"), |token| token.id);
    let expires_on = token.and_then(|token| token.expires).map(Time);
    let verified = Verified { id: id.to_string(), status: "active", expires_on };
    // The original tells so, and some tools look for it.
    let message = Message::new(10000, "This API Token is valid and active");
    Ok(Reply::new(verified).with_messages([message]))
}
