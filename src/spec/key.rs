//! `[[keys]]`, the keys of TSIG: parse and build.

use data_encoding::BASE64;

use crate::model::hosting::{Secret, TsigAlgorithm, TsigKey};
use crate::model::limits::{TSIG_SECRET_OCTETS_MAX, TSIG_SECRET_OCTETS_MIN};
use crate::model::tree::{Node, Table};
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Key, Spot, required};
use crate::spec::value::{Word, word};
use crate::spec::zone;

/// The keys of a key.
pub const KEYS: &[Key] = &[required("name"), required("algorithm"), required("secret")];

/// The algorithms, by the names that RFC 8945 §6 gives them.
const ALGORITHMS: &[Word<TsigAlgorithm>] = &[
    (TsigAlgorithm::HmacSha256.word(), Ok(TsigAlgorithm::HmacSha256)),
    (TsigAlgorithm::HmacSha384.word(), Ok(TsigAlgorithm::HmacSha384)),
    (TsigAlgorithm::HmacSha512.word(), Ok(TsigAlgorithm::HmacSha512)),
    ("hmac-md5", Err(WEAK)),
    ("hmac-sha1", Err(WEAK)),
];

/// Why an algorithm is refused.
const WEAK: &str = "this algorithm is not for new keys (RFC 8945 §6)";

/// Parses a key.
pub(super) fn parse(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<TsigKey> {
    let mut fields = Fields::open(spot, KEYS, faults)?;
    let name = fields.read("name", zone::parse_name).required();
    let algorithm = fields.read("algorithm", word(ALGORITHMS)).required();
    let secret = fields.read("secret", parse_secret).required();
    Some(TsigKey { name: name?, algorithm: algorithm?, secret: secret? })
}

/// Reads a secret. Faults do not repeat it.
fn parse_secret(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Secret> {
    let octets = BASE64.decode(spot.text(faults)?.as_bytes()).ok();
    let length = TSIG_SECRET_OCTETS_MIN..=TSIG_SECRET_OCTETS_MAX;
    if let Some(octets) = octets.filter(|octets| length.contains(&octets.len())) {
        return Some(Secret(octets));
    }
    let why = format!(
        "allowed: {TSIG_SECRET_OCTETS_MIN} to {TSIG_SECRET_OCTETS_MAX} octets in base64; make one with `openssl rand -base64 32`"
    );
    faults.push(spot.fault(why));
    None
}

/// Builds a key, its secret included: who reads it can sign.
pub(super) fn build(key: &TsigKey) -> Table {
    let TsigKey { name, algorithm, secret } = key;
    Table::default()
        .with("name", Node::text(name.to_string()))
        .with("algorithm", Node::text(algorithm.word()))
        .with("secret", Node::text(BASE64.encode(&secret.0)))
}
