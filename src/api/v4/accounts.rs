//! `/accounts`: there is one, which everything belongs to.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use serde::Serialize;

use crate::api::v4::context::Context;
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema;
use crate::api::v4::paging::Paging;
use crate::api::v4::route::Route;
use crate::api::v4::times::Time;
use crate::model::id::AccountId;
use crate::model::stamp::UnixMicros;

/// The account's name.
pub const NAME: &str = "pooldns";

/// The account's id, the same on every server.
pub fn id() -> AccountId {
    AccountId::declared(NAME)
}

/// An account as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Account {
    /// Its id.
    id: String,
    /// Its name.
    name: &'static str,
    /// Its kind.
    r#type: &'static str,
    /// What may be set of it: nothing.
    settings: Settings,
    /// When it was made.
    created_on: Time,
}

/// What the original lets people set of an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Settings {
    /// Whether everybody needs a second factor: there are no people here, only tokens.
    enforce_twofactor: bool,
}

/// The one account.
fn account() -> Account {
    Account {
        id: id().to_string(),
        name: NAME,
        r#type: "standard",
        settings: Settings { enforce_twofactor: false },
        // It was always there.
        created_on: Time(UnixMicros(0)),
    }
}

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/accounts", list).for_all(), Route::get("/accounts/{account_id}", details).for_all()]
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let one = || schema::of("Account");
    let operations = vec![
        Operation::new(Method::GET, "/accounts", "Lists accounts; there is one.").lists(one()),
        Operation::new(Method::GET, "/accounts/{account_id}", "Shows the account.").gives(one()),
    ];
    let account = schema::object(
        [
            ("id", schema::id()),
            ("name", schema::text()),
            ("type", schema::text()),
            ("settings", schema::object([("enforce_twofactor", schema::boolean())], [])),
            ("created_on", schema::time()),
        ],
        [],
    );
    Description { tag: "Account", operations, schemas: vec![("Account", account)] }
}

/// `GET /accounts`
async fn list(State(_): State<Arc<Context>>, paging: Paging) -> Answer<Vec<Account>> {
    Ok(Reply::page(paging.part([account()].into_iter(), |account| account)))
}

/// `GET /accounts/{account_id}`
async fn details() -> Answer<Account> {
    Ok(Reply::new(account()))
}
