//! A DNS client that shows every octet: messages are hickory-proto's, sockets are the standard library's.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::PATIENCE;

/// How long one datagram's answer is waited for before the query is sent again.
const TRY: Duration = Duration::from_secs(5);

/// A query to be sent.
pub(crate) type Question = Message;

/// A question without EDNS.
pub(crate) fn question(name: &str, rtype: RecordType) -> Question {
    let mut message = Message::new(fresh_id(), MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), rtype));
    message
}

/// The same with EDNS.
pub(crate) fn with_edns(mut message: Question, edit: fn(&mut Edns) -> &mut Edns) -> Question {
    let mut edns = Edns::new();
    edns.set_max_payload(1232).set_version(0);
    edit(&mut edns);
    message.set_edns(edns);
    message
}

/// The same in class CH.
pub(crate) fn in_chaos(mut message: Question) -> Question {
    for query in &mut message.queries {
        query.set_query_class(DNSClass::CH);
    }
    message
}

/// An id that the last query did not have.
fn fresh_id() -> u16 {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// Asks one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dns(pub(crate) SocketAddr);

impl Dns {
    /// A socket that hears this server only.
    pub(crate) fn socket(self) -> UdpSocket {
        let local: IpAddr = if self.0.is_ipv4() { [127, 0, 0, 1].into() } else { "::1".parse().unwrap() };
        let socket = UdpSocket::bind((local, 0)).unwrap();
        socket.connect(self.0).unwrap();
        socket.set_read_timeout(Some(TRY)).unwrap();
        socket
    }

    /// Sends octets and returns the answer's.
    #[track_caller]
    pub(crate) fn exchange(self, octets: &[u8]) -> Vec<u8> {
        let socket = self.socket();
        let deadline = Instant::now() + PATIENCE;
        let mut answer = vec![0; 65_535];
        while Instant::now() < deadline {
            socket.send(octets).unwrap();
            if let Ok(length) = socket.recv(&mut answer) {
                answer.truncate(length);
                return answer;
            }
        }
        panic!("{} does not answer", self.0);
    }

    /// Asks over UDP.
    #[track_caller]
    pub(crate) fn ask(self, question: &Question) -> Message {
        parsed(question, &self.exchange(&question.to_vec().unwrap()))
    }

    /// Asks for a type at a name over UDP, with EDNS.
    #[track_caller]
    pub(crate) fn get(self, name: &str, rtype: RecordType) -> Message {
        self.ask(&with_edns(question(name, rtype), |edns| edns))
    }

    /// Asks over TCP.
    #[track_caller]
    pub(crate) fn ask_tcp(self, question: &Question) -> Message {
        let mut stream = self.connect();
        send_framed(&mut stream, &question.to_vec().unwrap());
        parsed(question, &receive_framed(&mut stream).expect("an answer over TCP"))
    }

    /// A connection.
    #[track_caller]
    pub(crate) fn connect(self) -> TcpStream {
        let stream = TcpStream::connect(self.0).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The addresses that a name has now, sorted.
    #[track_caller]
    pub(crate) fn addresses(self, name: &str) -> Vec<IpAddr> {
        addresses(&self.get(name, RecordType::A))
    }
}

/// Sends a message with its length in front.
#[track_caller]
pub(crate) fn send_framed(stream: &mut TcpStream, octets: &[u8]) {
    let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, octets].concat()).unwrap();
}

/// Receives a message; none when the connection ends.
pub(crate) fn receive_framed(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut octets).ok()?;
    Some(octets)
}

/// An answer that belongs to its question, letter case and all.
#[track_caller]
fn parsed(question: &Question, octets: &[u8]) -> Message {
    let answer = Message::from_vec(octets).expect("an answer that parses");
    assert_eq!(answer.metadata.id, question.metadata.id);
    assert_eq!(answer.metadata.message_type, MessageType::Response);
    if let ([asked], [repeated]) = (&question.queries[..], &answer.queries[..]) {
        assert!(asked.name.eq_case(&repeated.name), "{} came back as {}", asked.name, repeated.name);
    }
    answer
}

/// Records as `name ttl class type data`, sorted.
pub(crate) fn records(section: &[Record]) -> Vec<String> {
    let mut texts: Vec<String> = section.iter().map(ToString::to_string).collect();
    texts.sort();
    texts
}

/// The addresses of an answer, sorted.
pub(crate) fn addresses(message: &Message) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = message
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        })
        .collect();
    found.sort();
    found
}

/// The code of an answer's Extended DNS Error.
pub(crate) fn extended_error(message: &Message) -> Option<u16> {
    message.edns.as_ref()?.options().options.iter().find_map(|(_, option)| match option {
        EdnsOption::Unknown(15, data) => Some(u16::from_be_bytes([data[0], data[1]])),
        _ => None,
    })
}
