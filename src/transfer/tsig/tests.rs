//! Signatures of both ends against each other, against `hickory-proto`, and against whoever changes a bit.

use std::collections::HashMap;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{RecordType, TSigVerifier};
use hickory_proto::serialize::binary::BinEncodable;
use proptest::prelude::*;

use super::*;
use crate::model::hosting::Secret;

/// A moment.
const NOW: u64 = 1_700_000_000;

fn tsig_key(name: &str, algorithm: TsigAlgorithm) -> TsigKey {
    TsigKey { name: Name::parse(name, None).unwrap(), algorithm, secret: Secret(vec![7; 32]) }
}

fn key(algorithm: TsigAlgorithm) -> Key {
    Key::new(&tsig_key("transfer.example", algorithm)).unwrap()
}

fn keys(algorithm: TsigAlgorithm) -> HashMap<Name, TsigKey> {
    let key = tsig_key("transfer.example", algorithm);
    HashMap::from([(key.name.clone(), key)])
}

/// Verifies a request by one of these keys.
fn check(keys: &HashMap<Name, TsigKey>, request: &[u8], now: u64) -> Result<Verified, Rejected> {
    verify(|name| keys.get(name), request, now)
}

/// A query or an answer with some octets of its own.
fn message(id: u16, text: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 12];
    message[..2].copy_from_slice(&id.to_be_bytes());
    message[5] = 1;
    message[7] = 1;
    message.extend_from_slice(b"\x01a\0\0\x10\0\x01\xc0\x0c\0\x10\0\x01\0\0\0\0\0");
    message.push(u8::try_from(text.len() + 1).unwrap());
    message.push(u8::try_from(text.len()).unwrap());
    message.extend_from_slice(text);
    message
}

fn any_algorithm() -> impl Strategy<Value = TsigAlgorithm> {
    prop::sample::select(TsigAlgorithm::ALL.to_vec())
}

/// The TSIG record of a message.
fn tsig_of(message: &[u8]) -> Tsig {
    split(message).unwrap().unwrap().1
}

/// The signature that these keys give for an answer to a rejected request.
fn rejected(keys: &HashMap<Name, TsigKey>, request: &[u8], now: u64) -> (TsigError, Tsig) {
    let Err(Rejected::Refused(refusal)) = check(keys, request, now) else { panic!("it is refused") };
    let error = refusal.error;
    let mut answer = message(1, b"no");
    refusal.put(&mut answer, now);
    (error, tsig_of(&answer))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_ends_agree_on_a_stream_and_a_changed_bit_breaks_it(
        algorithm in any_algorithm(),
        texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let mut query = message(1, b"q");
        let sent = query.clone();
        let mut verifier = key(algorithm).sign_query(&mut query, NOW);
        let Verified { message: seen, mut signer } = check(&keys(algorithm), &query, NOW + 300).unwrap();
        prop_assert_eq!(seen, sent);
        let mut stream = Vec::new();
        for text in &texts {
            let plain = message(1, text);
            let mut signed = plain.clone();
            signer.sign(&mut signed, NOW);
            prop_assert!(signed.len() <= plain.len() + signer.key().octets());
            prop_assert_eq!(verifier.take(&signed, NOW).unwrap(), plain);
            prop_assert!(verifier.is_settled());
            stream.push(signed);
        }
        // The same stream, one bit of it changed.
        let mut octets: Vec<(usize, usize)> = Vec::new();
        octets.extend(stream.iter().enumerate().flat_map(|(i, signed)| (0..signed.len()).map(move |at| (i, at))));
        let (changed, at) = octets[place.index(octets.len())];
        let before = stream[changed][at];
        stream[changed][at] ^= 1 << bit;
        let mut verifier = key(algorithm).sign_query(&mut message(1, b"q"), NOW);
        let outcome: Result<Vec<_>, _> = stream.iter().map(|signed| verifier.take(signed, NOW)).collect();
        // Letters of the names and the id that is not digested may change without harm; the caller compares ids.
        let harmless = before.is_ascii_alphabetic() && bit == 5 || at < 2;
        prop_assert!(outcome.is_err() || !verifier.is_settled() || harmless, "octet {} of message {}", at, changed);
    }

    #[test]
    fn any_octets_are_split_or_refused(octets in prop::collection::vec(any::<u8>(), 0..100)) {
        let whole = [&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], b"\0\0\xfa\0\xff\0\0\0\0\0", &octets].concat();
        drop(split(&octets));
        drop(split(&whole));
        prop_assert!(check(&keys(TsigAlgorithm::HmacSha256), &whole, NOW).is_err());
    }
}

#[test]
fn rfc8945_section_5_3_1_up_to_99_messages_may_be_unsigned() {
    for (unsigned, fine) in [(1, true), (99, true), (100, false)] {
        let mut verifier = key(TsigAlgorithm::HmacSha256).sign_query(&mut message(1, b"q"), NOW);
        let prior = verifier.prior.clone();
        let mut signer = Signer { key: key(TsigAlgorithm::HmacSha256), prior, is_first: true };
        let mut first = message(1, b"first");
        signer.sign(&mut first, NOW);
        verifier.take(&first, NOW).unwrap();
        let between: Vec<Vec<u8>> = (0..unsigned).map(|i| message(1, &[i])).collect();
        let taken: Result<Vec<_>, _> = between.iter().map(|plain| verifier.take(plain, NOW)).collect();
        assert_eq!(taken.is_ok(), fine, "{unsigned}");
        assert!(!verifier.is_settled());
        // What the last one signs is all that came since.
        let last = message(1, b"last");
        let mut digested = chained(&signer.prior, 0);
        digested.extend(between.concat());
        digested.extend_from_slice(&last);
        let mut tsig = signer.key.record(&last, NOW);
        tsig.put_timers(&mut digested);
        tsig.mac = signer.key.digest(&digested);
        let mut signed = last;
        tsig.put(&mut signed);
        assert_eq!(verifier.take(&signed, NOW).is_ok() && verifier.is_settled(), fine);
    }
}

#[test]
fn a_first_message_without_a_signature_is_not_believed() {
    let mut verifier = key(TsigAlgorithm::HmacSha256).sign_query(&mut message(1, b"q"), NOW);
    assert_eq!(verifier.take(&message(1, b"x"), NOW), Err(Unverified::Unsigned));
    assert!(!verifier.is_settled());
}

#[test]
fn rfc8945_section_5_2_each_error_has_its_answer() {
    let ring = keys(TsigAlgorithm::HmacSha256);
    let signed = |key: &Key| {
        let mut query = message(1, b"q");
        let verifier = key.sign_query(&mut query, NOW);
        (query, verifier)
    };
    let (good, mut verifier) = signed(&key(TsigAlgorithm::HmacSha256));

    let stranger = Key::new(&tsig_key("other.example", TsigAlgorithm::HmacSha256)).unwrap();
    for unknown in [stranger, key(TsigAlgorithm::HmacSha512)] {
        let (error, tsig) = rejected(&ring, &signed(&unknown).0, NOW);
        assert_eq!((error, tsig.error, tsig.mac.len()), (TsigError::BadKey, 17, 0), "unsigned, section 5.2.1");
        assert_eq!(tsig.key, unknown.name().wire());
    }

    let mut forged = good.clone();
    forged[20] ^= 1;
    let (error, tsig) = rejected(&ring, &forged, NOW);
    assert_eq!((error, tsig.error, tsig.mac.len()), (TsigError::BadSig, 16, 0), "unsigned, section 5.2.2");

    let Err(Rejected::Refused(refusal)) = check(&ring, &good, NOW + 301) else { panic!("too late") };
    let mut answer = message(1, b"late");
    refusal.put(&mut answer, NOW + 301);
    let tsig = tsig_of(&answer);
    assert_eq!((tsig.error, tsig.time, tsig.mac.len()), (18, NOW, 32), "signed, with the client's time, section 5.2.3");
    assert_eq!(tsig.other, time_of(NOW + 301));
    assert_eq!(verifier.take(&answer, NOW), Err(Unverified::Refused(18)), "the client can verify it");
}

/// Six octets of time.
fn time_of(time: u64) -> Vec<u8> {
    time.to_be_bytes()[2..].to_vec()
}

#[test]
fn rfc8945_section_5_2_2_1_short_digests_are_refused() {
    let ring = keys(TsigAlgorithm::HmacSha256);
    for octets in [16, 31] {
        let mut query = message(1, b"q");
        key(TsigAlgorithm::HmacSha256).sign_query(&mut query, NOW);
        let (mut plain, mut tsig) = split(&query).unwrap().unwrap();
        tsig.mac.truncate(octets);
        let mut wrong = tsig.clone();
        wrong.mac[octets - 1] ^= 1;
        let mut forged = plain.clone();
        wrong.put(&mut forged);
        tsig.put(&mut plain);
        assert_eq!(rejected(&ring, &plain, NOW).0, TsigError::BadTrunc, "{octets}");
        assert_eq!(rejected(&ring, &forged, NOW).0, TsigError::BadSig, "nothing is told to those without the key");
    }
    // No digest has such a length: FORMERR.
    for octets in [0, 10, 15, 33] {
        let mut query = message(1, b"q");
        key(TsigAlgorithm::HmacSha256).sign_query(&mut query, NOW);
        let (mut plain, mut tsig) = split(&query).unwrap().unwrap();
        tsig.mac.resize(octets, 0);
        tsig.put(&mut plain);
        assert!(matches!(check(&ring, &plain, NOW), Err(Rejected::Malformed)), "{octets}");
    }
}

#[test]
fn rfc8945_section_5_1_the_record_is_the_last_one() {
    let mut query = message(1, b"q");
    key(TsigAlgorithm::HmacSha256).sign_query(&mut query, NOW);
    let mut twice = query.clone();
    key(TsigAlgorithm::HmacSha256).sign_query(&mut twice, NOW);
    assert_eq!(split(&twice), Err(Malformed));
    let mut as_answer = query;
    (as_answer[7], as_answer[11]) = (2, 0);
    assert_eq!(split(&as_answer), Err(Malformed));
    assert_eq!(split(&message(1, b"q")), Ok(None));
}

#[test]
fn a_forwarded_message_has_another_id() {
    let mut query = message(1, b"q");
    key(TsigAlgorithm::HmacSha256).sign_query(&mut query, NOW);
    query[..2].copy_from_slice(&[9, 9]);
    let verified = check(&keys(TsigAlgorithm::HmacSha256), &query, NOW).unwrap();
    assert_eq!(verified.message[..2], [9, 9]);
}

#[test]
fn hickory_signs_and_verifies_the_same() {
    for algorithm in TsigAlgorithm::ALL {
        let word = match algorithm {
            TsigAlgorithm::HmacSha256 => Algorithm::HmacSha256,
            TsigAlgorithm::HmacSha384 => Algorithm::HmacSha384,
            TsigAlgorithm::HmacSha512 => Algorithm::HmacSha512,
        };
        let name = WireName::from_ascii("transfer.example.").unwrap();
        let theirs = TSigner::new(vec![7; 32], word, name, FUDGE).unwrap();
        let mut query = Message::query();
        query.add_query(Query::query(WireName::from_ascii("example.com.").unwrap(), RecordType::AXFR));
        let (signature, verifier) = theirs.sign_message(&query, NOW).unwrap();
        query.set_signature(signature);
        let mut theirs: TSigVerifier = verifier.unwrap();
        let mut signer = check(&keys(algorithm), &query.to_bytes().unwrap(), NOW).unwrap().signer;
        for text in [&b"one"[..], b"two", b"three"] {
            let mut answer = message(query.id, text);
            answer[2] = 0x80;
            signer.sign(&mut answer, NOW);
            theirs.verify(&answer).unwrap();
        }
    }
}
