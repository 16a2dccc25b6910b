//! DNS cookies (RFC 7873) with the server cookies that all servers can make and check (RFC 9018).
//!
//! A client that sends our cookie back gets answers at its address, so the address is not forged. We never insist on one:
//! RFC 7873 §5.2.3 leaves that to servers under attack, and rate limits spare those who have one.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::config::guard::CookieSecret;
use crate::wire::message::COOKIE_OCTETS;

/// Octets of a client's cookie (RFC 7873 §4).
const CLIENT_OCTETS: usize = 8;
/// Octets of a server's cookie of version 1 (RFC 9018 §4).
const SERVER_OCTETS: usize = 16;
/// Fewest octets of any server's cookie (RFC 7873 §4).
const SERVER_OCTETS_MIN: usize = 8;
/// Most octets of any server's cookie (RFC 7873 §4).
const SERVER_OCTETS_MAX: usize = 32;
/// The only version there is (RFC 9018 §4.1).
const VERSION: u8 = 1;
/// Seconds after which a cookie is no longer accepted (RFC 9018 §4.3).
const AGE_MAX: i32 = 3600;
/// Seconds that a cookie may come from the future: another server's clock (RFC 9018 §4.3).
const AHEAD_MAX: i32 = 300;
/// Seconds after which a cookie is made anew (RFC 9018 §4.3).
const RENEWAL_AGE: i32 = 1800;

const _: () = assert!(CLIENT_OCTETS + SERVER_OCTETS == COOKIE_OCTETS);

/// A COOKIE option of a length that none can have: FORMERR (RFC 7873 §5.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// How a client stands with us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It has no server cookie yet.
    New,
    /// It has one that we gave to its address not long ago.
    Valid,
    /// It has one that is not ours, or too old.
    Invalid,
}

/// A COOKIE option that has been looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checked {
    /// How the client stands with us.
    pub standing: Standing,
    /// What the answer's COOKIE option says: the client's cookie and ours.
    pub reply: [u8; COOKIE_OCTETS],
}

/// Checks the data of a COOKIE option that came from `client` at the Unix time `now`. The first secret signs, all are
/// accepted.
pub fn check(sent: &[u8], client: IpAddr, now: u32, secrets: &[CookieSecret]) -> Result<Checked, Malformed> {
    let (&of_client, of_server) = sent.split_first_chunk::<CLIENT_OCTETS>().ok_or(Malformed)?;
    let standing = match of_server.len() {
        0 => Standing::New,
        SERVER_OCTETS_MIN..=SERVER_OCTETS_MAX => Standing::Invalid,
        _ => return Err(Malformed),
    };
    if let Some((head, hash)) = split_server_cookie(of_server)
        && let Some(age) = age(head, now)
        && let Some(secret) = secrets.iter().position(|secret| sign(secret, of_client, head, client) == hash)
    {
        // A cookie of another secret is made anew, so that the secret can go.
        let fresh = age > RENEWAL_AGE || secret > 0;
        let reply = if fresh { make(secrets, of_client, client, now) } else { join(of_client, head, hash) };
        return Ok(Checked { standing: Standing::Valid, reply });
    }
    Ok(Checked { standing, reply: make(secrets, of_client, client, now) })
}

/// A server's cookie in two: version, reserved octets and time, and the hash; none if it is not of our kind.
fn split_server_cookie(cookie: &[u8]) -> Option<([u8; 8], [u8; 8])> {
    let cookie: &[u8; SERVER_OCTETS] = cookie.try_into().ok()?;
    let (&head, hash) = cookie.split_first_chunk::<8>()?;
    (head.first() == Some(&VERSION)).then_some((head, *hash.first_chunk()?))
}

/// Seconds since a cookie was made; none if it is out of time. RFC 9018 §4.3: in serial number arithmetic (RFC 1982).
fn age(head: [u8; 8], now: u32) -> Option<i32> {
    let made = u32::from_be_bytes(*head.last_chunk()?);
    let age = now.wrapping_sub(made).cast_signed();
    (-AHEAD_MAX..=AGE_MAX).contains(&age).then_some(age)
}

/// A fresh cookie, of which the first secret makes the server's part.
fn make(secrets: &[CookieSecret], of_client: [u8; CLIENT_OCTETS], client: IpAddr, now: u32) -> [u8; COOKIE_OCTETS] {
    let [t0, t1, t2, t3] = now.to_be_bytes();
    let head = [VERSION, 0, 0, 0, t0, t1, t2, t3];
    // Whoever calls has a secret.
    let hash = secrets.first().map_or([0; 8], |secret| sign(secret, of_client, head, client));
    join(of_client, head, hash)
}

/// The whole cookie of its parts.
fn join(of_client: [u8; 8], head: [u8; 8], hash: [u8; 8]) -> [u8; COOKIE_OCTETS] {
    let mut whole = [0; COOKIE_OCTETS];
    for (place, part) in whole.chunks_exact_mut(8).zip([of_client, head, hash]) {
        place.copy_from_slice(&part);
    }
    whole
}

/// The hash of a server's cookie (RFC 9018 §4.4): over the client's cookie, what stands before the hash, and the client's
/// address.
fn sign(secret: &CookieSecret, of_client: [u8; 8], head: [u8; 8], client: IpAddr) -> [u8; 8] {
    let mut hasher = SipHasher24::new_with_key(&secret.0);
    hasher.write(&of_client);
    hasher.write(&head);
    match client {
        IpAddr::V4(address) => hasher.write(&address.octets()),
        IpAddr::V6(address) => hasher.write(&address.octets()),
    }
    hasher.finish().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// Octets of hexadecimal digits.
    fn octets(digits: &str) -> Vec<u8> {
        HEXLOWER.decode(digits.as_bytes()).unwrap()
    }

    fn secret(digits: &str) -> CookieSecret {
        CookieSecret(octets(digits).try_into().unwrap())
    }

    /// How a client stands, and the reply in hexadecimal digits.
    fn checked(sent: &str, client: &str, now: u32, secrets: &[CookieSecret]) -> (Standing, String) {
        let Checked { standing, reply } = check(&octets(sent), client.parse().unwrap(), now, secrets).unwrap();
        (standing, HEXLOWER.encode(&reply))
    }

    /// The secret of RFC 9018 §A.1 to §A.3.
    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
    /// The client of RFC 9018 §A.1 and §A.2, its cookie, and ours for it.
    const CLIENT: &str = "198.51.100.100";
    const LEARNT: &str = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
    /// When it got that.
    const THEN: u32 = 0x5cf7_9f11;

    #[test]
    fn rfc9018_a1_a_client_learns_its_cookie() {
        let secrets = [secret(SECRET)];
        assert_eq!(checked("2464c4abcf10c957", CLIENT, 1_559_731_985, &secrets), (Standing::New, LEARNT.to_owned()));
    }

    #[test]
    fn rfc9018_a2_a_cookie_is_renewed_after_half_an_hour() {
        let secrets = [secret(SECRET)];
        let renewed = "2464c4abcf10c957010000005cf7a871d4a564a1442aca77".to_owned();
        assert_eq!(checked(LEARNT, CLIENT, 1_559_734_385, &secrets), (Standing::Valid, renewed));
        assert_eq!(checked(LEARNT, CLIENT, THEN + 1800, &secrets), (Standing::Valid, LEARNT.to_owned()));
        assert_ne!(checked(LEARNT, CLIENT, THEN + 1801, &secrets).1, LEARNT);
    }

    #[test]
    fn rfc9018_a3_reserved_octets_are_hashed_as_they_came() {
        let secrets = [secret(SECRET)];
        let sent = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
        let made = 1_559_727_985;
        assert_eq!(checked(sent, "203.0.113.203", made + 60, &secrets), (Standing::Valid, sent.to_owned()));
        let renewed = "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e".to_owned();
        // The document's own time is beyond the hour that it recommends.
        assert_eq!(checked(sent, "203.0.113.203", 1_559_734_700, &secrets), (Standing::Invalid, renewed));
    }

    #[test]
    fn rfc9018_a4_an_older_secret_is_accepted_and_the_first_one_signs() {
        let secrets = ["445536bcd2513298075a5d379663c962", "dd3bdf9344b678b185a6f5cb60fca715"].map(secret);
        let (client, now) = ("2001:db8:220:1:59de:d0f4:8769:82b8", 1_559_741_961);
        let sent = "22681ab97d52c298010000005cf7c57926556bd0934c72f8";
        let renewed = "22681ab97d52c298010000005cf7c609a6bb79d16625507a".to_owned();
        assert_eq!(checked(sent, client, now, &secrets), (Standing::Valid, renewed.clone()));
        assert_eq!(checked(sent, client, now, &secrets[..1]), (Standing::Invalid, renewed));
    }

    #[test]
    fn a_cookie_is_good_for_an_hour_and_from_five_minutes_ahead() {
        let secrets = [secret(SECRET)];
        let standing = |now| checked(LEARNT, CLIENT, now, &secrets).0;
        for (now, expected) in [
            (THEN - 301, Standing::Invalid),
            (THEN - 300, Standing::Valid),
            (THEN + 3600, Standing::Valid),
            (THEN + 3601, Standing::Invalid),
            (THEN.wrapping_add(1 << 31), Standing::Invalid),
        ] {
            assert_eq!(standing(now), expected, "{now}");
        }
    }

    #[test]
    fn a_cookie_is_bound_to_the_address_the_client_cookie_and_the_version() {
        let secrets = [secret(SECRET)];
        assert_eq!(checked(LEARNT, "198.51.100.101", THEN, &secrets).0, Standing::Invalid);
        for at in [0, 8, 9, 15, 16, 23] {
            let mut sent = octets(LEARNT);
            sent[at] ^= 2;
            let Checked { standing, reply } = check(&sent, CLIENT.parse().unwrap(), THEN, &secrets).unwrap();
            assert_eq!(standing, Standing::Invalid, "octet {at}");
            assert_eq!(reply[..8], sent[..8], "the client's own cookie comes back");
            assert_eq!(check(&reply, CLIENT.parse().unwrap(), THEN, &secrets).unwrap().standing, Standing::Valid);
        }
    }

    #[test]
    fn lengths_that_no_cookie_has_are_malformed() {
        let secrets = [secret(SECRET)];
        for length in 0..=50 {
            let checked = check(&vec![1; length], CLIENT.parse().unwrap(), THEN, &secrets);
            assert_eq!(checked.is_ok(), length == 8 || (16..=40).contains(&length), "{length}");
        }
    }
}
