//! Who makes a request, and what they may do.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::api::v4::code::Code;
use crate::api::v4::error::ApiError;
use crate::model::id::{MonitorGroupId, MonitorId, PoolId};
use crate::model::inventory::{Author, Change, Inventory, Step};
use crate::model::token::{Access, Token};

/// Whoever makes a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The token that they showed; none if they came through the control socket, where everything is allowed.
    pub token: Option<Arc<Token>>,
    /// Where from; none through the control socket.
    pub address: Option<IpAddr>,
}

/// What a route does, as far as it matters to who may use it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Shows something: not to tokens that are limited to a pool.
    Read,
    /// Shows something about the pool that the path names.
    ReadPool,
    /// Shows what whoever has a token may see. Where that is less for a token that is limited to a pool, the handler sees to it.
    ReadOpen,
    /// Changes something.
    Edit,
    /// Changes the pool that the path names, and nothing else.
    EditPool,
}

impl Caller {
    /// Whoever comes through the control socket: the server's own user, or root.
    pub const fn control() -> Self {
        Self { token: None, address: None }
    }

    /// The pool that they are limited to, if they are.
    pub fn limit(&self) -> Option<PoolId> {
        self.token.as_ref().and_then(|token| token.pool)
    }

    /// As the audit log names them.
    pub fn author(&self) -> Author {
        let name = self.token.as_ref().map_or_else(|| "control socket".to_owned(), |token| token.name.clone());
        Author { name, address: self.address }
    }

    /// Why they may not use a route of a class, in words: what they may do, and what that takes.
    pub fn refusal(&self, class: Class) -> String {
        let wanted = match class {
            Class::ReadOpen => "a token",
            Class::Read => "a token that is not limited to a pool",
            Class::ReadPool => "a token for this pool, or for all",
            Class::Edit => "a token that edits and is not limited to a pool",
            Class::EditPool => "a token that edits this pool, or all",
        };
        let may = match self.token.as_ref().map(|token| (token.access, token.pool)) {
            None => "may do everything".to_owned(),
            Some((Access::Read, None)) => "may only read".to_owned(),
            Some((Access::Read, Some(pool))) => format!("may read the pool {pool} only"),
            Some((Access::Edit, None)) => "may edit".to_owned(),
            Some((Access::Edit, Some(pool))) => format!("may read and edit the pool {pool} only"),
        };
        format!("the token does not allow this: it {may}, and this takes {wanted}")
    }

    /// Whether they may use a route; `pool` is what the path names, where it names a pool.
    pub fn may(&self, class: Class, pool: Option<PoolId>) -> bool {
        let Some(token) = &self.token else { return true };
        match (class, token.access, token.pool) {
            (Class::ReadOpen, _, _)
            | (Class::Read | Class::ReadPool, _, None)
            | (Class::Edit | Class::EditPool, Access::Edit, None) => true,
            (Class::ReadPool, _, Some(limit)) | (Class::EditPool, Access::Edit, Some(limit)) => pool == Some(limit),
            (Class::Read, _, Some(_))
            | (Class::Edit, Access::Edit, Some(_))
            | (Class::Edit | Class::EditPool, Access::Read, _) => false,
        }
    }

    /// Whether they may see secrets of monitors: only who could have written them.
    pub fn sees_secrets(&self) -> bool {
        self.token.as_ref().is_none_or(|token| token.access == Access::Edit && token.pool.is_none())
    }

    /// Refuses a monitor to those who are limited to a pool with another, or none.
    pub fn check_monitor(&self, monitor: MonitorId, inventory: &Inventory) -> Result<(), ApiError> {
        let Some(limit) = self.limit() else { return Ok(()) };
        let its_own = inventory.pools.find(limit).and_then(|pool| pool.monitor);
        if its_own == Some(monitor) {
            Ok(())
        } else {
            Err(forbidden("it is limited to a pool, and this is not its monitor"))
        }
    }

    /// The same of a monitor group.
    fn check_monitor_group(&self, group: MonitorGroupId, inventory: &Inventory) -> Result<(), ApiError> {
        let Some(limit) = self.limit() else { return Ok(()) };
        let its_own = inventory.pools.find(limit).and_then(|pool| pool.monitor_group);
        if its_own == Some(group) {
            Ok(())
        } else {
            Err(forbidden("it is limited to a pool, and this is not its monitor group"))
        }
    }

    /// Refuses a change beyond what the token allows, whatever route it came by: whoever is limited to a pool changes that
    /// alone. They give it no monitor and no monitor group that it does not have, because monitors take their secrets to wherever the
    /// origins are.
    pub fn check_change(&self, steps: &[Step], inventory: &Inventory) -> Result<(), ApiError> {
        let Some(limit) = self.limit() else { return Ok(()) };
        for step in steps {
            match &step.change {
                Change::PutPool(pool) if pool.id == limit => {
                    pool.monitor.map_or(Ok(()), |monitor| self.check_monitor(monitor, inventory))?;
                    pool.monitor_group.map_or(Ok(()), |group| self.check_monitor_group(group, inventory))?;
                }
                _ => return Err(forbidden("it is limited to a pool")),
            }
        }
        Ok(())
    }
}

/// The token does not allow something.
pub fn forbidden(why: &str) -> ApiError {
    ApiError::new(Code::Forbidden, format!("the token does not allow this: {why}"))
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Whoever mounts the router says who calls; forgetting it must open nothing.
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| ApiError::new(Code::Unauthorized, "Authentication error"))
    }
}
