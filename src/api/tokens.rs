//! Tokens: made, listed and revoked through the control socket only, so that no token can make another.
//!
//! What a bearer shows is `pooldns_` and 256 random bits in base64url, shown once, when it is made. The store has only its
//! SHA-256: there is nothing to guess that a slower digest would make dearer.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tracing::info;

use crate::api::exchange::Refusal;
use crate::api::v4::Store;
use crate::api::v4::caller::Caller;
use crate::model::id::{ObjectId, TokenId};
use crate::model::limits::{NAME_CHARS_MAX, TOKEN_LIFE_MAX};
use crate::model::stamp::UnixMicros;
use crate::model::token::{Access, Token};
use crate::store::embedded::TokenError;
use crate::store::{InventoryStore as _, now};

/// What every secret begins with, so that it is known for what it is wherever it turns up.
const PREFIX: &str = "pooldns_";
/// Octets of a secret behind that.
const SECRET_OCTETS: usize = 32;

/// What a new token is to be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// Whether its bearer may look only.
    pub read: bool,
    /// The name of the only pool that it may edit.
    pub pool: Option<String>,
    /// After how many seconds it expires.
    pub expires_in: Option<u64>,
}

/// A token that has just been made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MadeToken {
    /// What is known of it from now on.
    pub token: ListedToken,
    /// What its bearer shows. It is shown to nobody else, and never again.
    pub secret: String,
}

/// A token as it is listed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ListedToken {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `read` or `edit`.
    pub access: String,
    /// The only pool that it may edit: its name, or its id and that it is gone.
    pub pool: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is worth nothing.
    pub expires: Option<Timestamp>,
    /// Whether that time has come.
    pub expired: bool,
}

/// The digest of what a bearer shows.
pub(in crate::api) fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Whether a token is worth nothing any more.
pub(in crate::api) fn is_expired(token: &Token, now: UnixMicros) -> bool {
    token.expires.is_some_and(|expires| expires <= now)
}

/// The routes, for the control socket.
pub fn router(store: Arc<Store>) -> Router {
    let tokens = get(list).post(create);
    Router::new().route("/tokens", tokens).route("/tokens/{token}", delete(revoke)).with_state(store)
}

/// What a route gives.
type Answer<T> = Result<Json<T>, (StatusCode, Json<Refusal>)>;

/// Refuses.
fn refusal(status: StatusCode, error: &impl ToString) -> (StatusCode, Json<Refusal>) {
    (status, Json(Refusal { error: error.to_string() }))
}

/// `GET /tokens`
async fn list(State(store): State<Arc<Store>>) -> Json<Vec<ListedToken>> {
    let mut tokens: Vec<ListedToken> = store.tokens().iter().map(|token| listed(token, &store)).collect();
    tokens.sort_by(|one, other| one.name.cmp(&other.name));
    Json(tokens)
}

/// `POST /tokens`
async fn create(State(store): State<Arc<Store>>, Json(wanted): Json<NewToken>) -> Answer<MadeToken> {
    let (token, secret) = make(wanted, &store).map_err(|why| refusal(StatusCode::BAD_REQUEST, &why))?;
    store.put_token(token.clone(), Caller::control().author()).await.map_err(|error| match &error {
        TokenError::NameTaken(name) if is_held_in_vain(name, &store) => {
            let why = format!("{error}; it has expired: `pooldns token revoke {name}` frees the name");
            refusal(StatusCode::BAD_REQUEST, &why)
        }
        _ => refused(&error),
    })?;
    let listed = listed(&token, &store);
    let ListedToken { id, name, access, pool, .. } = &listed;
    info!(%id, %name, %access, pool = pool.as_deref(), "token made through the control socket");
    Ok(Json(MadeToken { token: listed, secret }))
}

/// `DELETE /tokens/{token}`: by id or name.
async fn revoke(State(store): State<Arc<Store>>, Path(which): Path<String>) -> Answer<ListedToken> {
    let tokens = store.tokens();
    // An id first: a name that looks like another token's id must not stand in for it.
    let found = tokens.iter().find(|token| token.id.to_string() == which);
    let found = found.or_else(|| tokens.iter().find(|token| token.name == which));
    let missing = || refusal(StatusCode::NOT_FOUND, &format_args!("no token has the id or name {which:?}"));
    let token = found.ok_or_else(missing)?;
    store.remove_token(token.id, Caller::control().author()).await.map_err(|error| refused(&error))?;
    info!(id = %token.id, name = %token.name, "token revoked through the control socket");
    Ok(Json(listed(token, &store)))
}

/// Whether the token with a name has expired.
fn is_held_in_vain(name: &str, store: &Store) -> bool {
    store.tokens().iter().any(|token| token.name == name && is_expired(token, now()))
}

/// Why the store refuses.
fn refused(error: &TokenError) -> (StatusCode, Json<Refusal>) {
    let status = match error {
        TokenError::NameTaken(_) | TokenError::TooMany(_) => StatusCode::BAD_REQUEST,
        TokenError::NotFound(_) => StatusCode::NOT_FOUND,
        TokenError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    refusal(status, &error)
}

/// Makes a token, and what its bearer shows.
fn make(wanted: NewToken, store: &Store) -> Result<(Token, String), String> {
    let NewToken { name, read, pool, expires_in } = wanted;
    let is_legal = !name.is_empty()
        && name.chars().count() <= NAME_CHARS_MAX
        && name.trim() == name
        && !name.chars().any(char::is_control);
    if !is_legal {
        return Err(format!("a token's name has 1 to {NAME_CHARS_MAX} characters, and no spaces at its ends"));
    }
    let pool = match pool {
        None => None,
        Some(_) if read => return Err("a token that only reads is not limited to a pool: it changes none".to_owned()),
        Some(name) => {
            let inventory = store.load();
            let Some(pool) = inventory.pool_named(&name) else { return Err(format!("no pool has the name {name:?}")) };
            if let Some(file) = inventory.declared_in(ObjectId::Pool(pool.id)) {
                let why = "no token can change it, since it is changed there only; one with --read can look at it";
                return Err(format!("the pool {name} is declared in {file}: {why}"));
            }
            Some(pool.id)
        }
    };
    let life = expires_in.map(Duration::from_secs);
    if life.is_some_and(|life| life.is_zero() || life > TOKEN_LIFE_MAX) {
        return Err(format!("a token expires after 1 second to {} days, or never", TOKEN_LIFE_MAX.as_secs() / 86_400));
    }
    let (mut octets, mut id) = ([0; SECRET_OCTETS], [0; 16]);
    let random = aws_lc_rs::default_provider().secure_random;
    let filled = random.fill(&mut octets).and_then(|()| random.fill(&mut id));
    filled.map_err(|_| "the system gives no random numbers".to_owned())?;
    let secret = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&octets));
    let created = now();
    let after =
        |life: Duration| UnixMicros(created.0.saturating_add(u64::try_from(life.as_micros()).unwrap_or(u64::MAX)));
    let token = Token {
        id: TokenId::random(u128::from_le_bytes(id)),
        name,
        digest: digest(&secret),
        access: if read { Access::Read } else { Access::Edit },
        pool,
        created,
        expires: life.map(after),
    };
    Ok((token, secret))
}

/// A token as it is listed.
fn listed(token: &Token, store: &Store) -> ListedToken {
    let Token { id, name, digest: _, access, pool, created, expires } = token;
    let inventory = store.load();
    let pool_name =
        |id| inventory.pools.find(id).map_or_else(|| format!("{id}, which is gone"), |pool| pool.name.clone());
    let pool = pool.map(pool_name);
    ListedToken {
        id: id.to_string(),
        name: name.clone(),
        access: match access {
            Access::Read => "read",
            Access::Edit => "edit",
        }
        .to_owned(),
        pool,
        created: timestamp(*created),
        expires: expires.map(timestamp),
        expired: is_expired(token, now()),
    }
}

/// A moment for people.
fn timestamp(moment: UnixMicros) -> Timestamp {
    let micros = i64::try_from(moment.0).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::inventory::Change;

    /// A token by name.
    fn wanted(name: &str) -> NewToken {
        NewToken { name: name.to_owned(), read: false, pool: None, expires_in: None }
    }

    #[test]
    fn a_secret_is_256_bits_and_only_its_digest_is_kept() {
        let store = Store::in_memory().unwrap();
        let (token, secret) = make(wanted("ci"), &store).unwrap();
        let (other, another) = make(wanted("ci"), &store).unwrap();
        assert!(secret != another && token.id != other.id);
        let (prefix, rest) = secret.split_at(PREFIX.len());
        assert_eq!((prefix, rest.len()), ("pooldns_", 43));
        assert_eq!(BASE64URL_NOPAD.decode(rest.as_bytes()).unwrap().len(), 32);
        assert_eq!(token.digest, digest(&secret));
        assert!(!format!("{token:?}").contains(rest));
    }

    #[test]
    fn what_cannot_be_is_refused_in_words() {
        let store = Store::in_memory().unwrap();
        for (token, why) in [
            (wanted(""), "name"),
            (wanted(" a"), "name"),
            (wanted("a\u{1b}"), "name"),
            (NewToken { pool: Some("web".to_owned()), ..wanted("a") }, "no pool"),
            (NewToken { pool: Some("web".to_owned()), read: true, ..wanted("a") }, "reads"),
            (NewToken { expires_in: Some(0), ..wanted("a") }, "expires"),
            (NewToken { expires_in: Some(u64::MAX), ..wanted("a") }, "expires"),
        ] {
            let refused = make(token, &store).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_token_of_a_pool_that_nobody_can_change_is_refused_and_one_whose_pool_is_gone_says_so() {
        let store = Arc::new(Store::in_memory().unwrap());
        let text = "version = 1\n[[pools]]\nname = \"web\"\norigins = [{ name = \"a\", address = \"192.0.2.1\" }]\n";
        let declared = crate::config::load_text("pools.toml", text).unwrap().declared;
        let mut pool = declared.pools[0].clone();
        store.commit(Change::Declare(declared)).await.unwrap();
        let refused = make(NewToken { pool: Some("web".to_owned()), ..wanted("a") }, &store).unwrap_err();
        assert!(refused.starts_with("the pool web is declared in pools.toml"), "{refused}");
        (pool.name, pool.id) = ("made".to_owned(), crate::model::id::PoolId::random(1));
        let object = ObjectId::Pool(pool.id);
        store.commit(Change::PutPool(pool)).await.unwrap();
        let (token, _) = make(NewToken { pool: Some("made".to_owned()), ..wanted("a") }, &store).unwrap();
        assert_eq!(listed(&token, &store).pool.as_deref(), Some("made"));
        store.commit(Change::Delete(object)).await.unwrap();
        assert_eq!(listed(&token, &store).pool, Some(format!("{object}, which is gone")));
    }

    #[tokio::test]
    async fn a_name_that_an_expired_token_has_can_be_freed() {
        let store = Arc::new(Store::in_memory().unwrap());
        let (token, _) = make(wanted("ci"), &store).unwrap();
        let put = |token| store.put_token(token, Caller::control().author());
        put(token.clone()).await.unwrap();
        let error = async || create(State(Arc::clone(&store)), Json(wanted("ci"))).await.unwrap_err().1.0.error;
        assert_eq!(error().await, "another token has the name ci");
        put(Token { expires: Some(UnixMicros(1)), ..token }).await.unwrap();
        assert!(error().await.ends_with("`pooldns token revoke ci` frees the name"));
    }
}
