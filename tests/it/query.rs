//! Queries written octet by octet, so that tests can send what no client library would.

use std::net::{IpAddr, Ipv4Addr};

use pooldns::dns::engine::{Client, Transport};

/// The id of every query.
pub const ID: [u8; 2] = [0xab, 0xcd];
/// Class IN.
pub const IN: u16 = 1;
/// Class CH.
pub const CH: u16 = 3;
/// An OPT record without options that offers 1232 octets.
pub const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";

/// A client that asks over `transport`.
pub const fn client(transport: Transport) -> Client {
    Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), transport }
}

/// Presentation form without escapes, in uncompressed wire form, letter case kept. The root is the empty text.
pub fn wire_name(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

/// The question section for a name.
pub fn question(name: &str, qtype: u16, qclass: u16) -> Vec<u8> {
    [wire_name(name), qtype.to_be_bytes().to_vec(), qclass.to_be_bytes().to_vec()].concat()
}

/// A whole query, which ends in `additional`: nothing, or one record such as [`OPT`].
pub fn query(name: &str, qtype: u16, qclass: u16, additional: &[u8]) -> Vec<u8> {
    let [i0, i1] = ID;
    let header = [i0, i1, 0, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(!additional.is_empty())];
    [&header, question(name, qtype, qclass).as_slice(), additional].concat()
}
