//! Referrals: the NS records of a cut, and the addresses that lead there (RFC 1034 §4.3.2 step 3b).

use crate::dns::respond::additional::{self, Hosts, Need};
use crate::dns::respond::chain::Chain;
use crate::model::rrset::Rtype;
use crate::steering::table::{Node, ZoneTable};
use crate::wire::message::Full;
use crate::wire::name::HashedName;

/// Refers to the servers of the cut that is the suffix of `labels` labels of `name`.
pub(super) fn refer(
    chain: &mut Chain<'_, '_>,
    zone: &ZoneTable,
    cut: &Node,
    labels: usize,
    name: &HashedName,
) -> Result<(), Full> {
    debug_assert!(labels > zone.apex_labels(), "a zone does not delegate its own apex");
    let Some(servers) = cut.owner().rrset(Rtype::NS) else { return Ok(()) };
    let start = chain.message.len();
    chain.message.referral(servers.rendered, servers.count, chain.name_at + name.suffix_start(labels))?;
    // RFC 9471 §3.1: the addresses of servers inside the delegated zone are part of the referral, as nobody can find them
    // elsewhere; without room for them the client comes again over TCP. All others are a courtesy (RFC 9471 §3.2).
    let mut hosts = Hosts::default();
    let own = Need::Glue { cut: name.suffix(labels), labels };
    additional::add_hosts(chain, Rtype::NS, start, servers.count, own, &mut hosts)?;
    additional::add_hosts(chain, Rtype::NS, start, servers.count, Need::Courtesy, &mut hosts)
}
