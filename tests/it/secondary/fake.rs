//! A primary that says what it is told to, and counts what it is asked.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::primary::{APEX, free_port};

/// What it has.
pub(super) struct Zone {
    /// Its serial.
    pub(super) serial: u32,
    /// REFRESH, RETRY and EXPIRE, in seconds.
    pub(super) times: [i32; 3],
    /// Records besides SOA and NS at the apex.
    pub(super) records: Vec<Record>,
    /// What it answers with; other than NOERROR, there are no records.
    pub(super) rcode: ResponseCode,
}

/// A primary that runs until this is dropped.
pub(super) struct Fake {
    /// Where it listens.
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What its threads share.
struct Shared {
    zone: Mutex<Zone>,
    soas: AtomicU32,
    clients: [Mutex<HashSet<IpAddr>>; 2],
    ended: AtomicBool,
}

/// A record of the zone.
pub(super) fn record(owner: &str, data: RData) -> Record {
    Record::from_rdata(Name::from_ascii(format!("{owner}.{APEX}.")).unwrap(), 60, data)
}

impl Fake {
    /// Starts with a zone.
    pub(super) fn start(serial: u32, times: [i32; 3]) -> Self {
        let address = (Ipv4Addr::LOCALHOST, free_port()).into();
        let zone = Mutex::new(Zone { serial, times, records: Vec::new(), rcode: ResponseCode::NoError });
        let shared = Arc::new(Shared {
            zone,
            soas: AtomicU32::new(0),
            clients: Default::default(),
            ended: AtomicBool::new(false),
        });
        let (udp, tcp) = (UdpSocket::bind(address).unwrap(), TcpListener::bind(address).unwrap());
        let (over_udp, over_tcp) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::spawn(move || over_udp.serve_udp(&udp)),
            std::thread::spawn(move || over_tcp.serve_tcp(&tcp)),
        ];
        Self { address, shared, threads }
    }

    /// Changes what it has.
    pub(super) fn edit(&self, edit: impl FnOnce(&mut Zone)) {
        edit(&mut self.shared.zone.lock().unwrap());
    }

    /// How often it has been asked for its SOA record over UDP.
    pub(super) fn soas(&self) -> u32 {
        self.shared.soas.load(Ordering::Relaxed)
    }

    /// Who has asked it, over UDP and over TCP.
    pub(super) fn clients(&self) -> [HashSet<IpAddr>; 2] {
        self.shared.clients.each_ref().map(|clients| clients.lock().unwrap().clone())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(self.address));
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

impl Shared {
    /// Answers datagrams.
    fn serve_udp(&self, socket: &UdpSocket) {
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut query = [0; 512];
        while !self.ended.load(Ordering::Relaxed) {
            let Ok((length, client)) = socket.recv_from(&mut query) else { continue };
            self.soas.fetch_add(1, Ordering::Relaxed);
            self.clients[0].lock().unwrap().insert(client.ip());
            socket.send_to(&self.answer(&query[..length]), client).ok();
        }
    }

    /// Answers one query for each connection.
    fn serve_tcp(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.ended.load(Ordering::Relaxed) {
                return;
            }
            let mut stream = stream.unwrap();
            self.clients[1].lock().unwrap().insert(stream.peer_addr().unwrap().ip());
            let mut length = [0; 2];
            if stream.read_exact(&mut length).is_ok() {
                let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut query).unwrap();
                let answer = self.answer(&query);
                let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                stream.write_all(&[&length[..], &answer].concat()).ok();
            }
        }
    }

    /// The answer to a query: the SOA record, or all records for AXFR and IXFR.
    fn answer(&self, query: &[u8]) -> Vec<u8> {
        let zone = self.zone.lock().unwrap();
        let mut message = Message::from_vec(query).unwrap();
        let is_soa = message.queries[0].query_type() == RecordType::SOA;
        message.metadata.message_type = MessageType::Response;
        message.metadata.authoritative = true;
        message.metadata.response_code = zone.rcode;
        message.authorities.clear();
        if zone.rcode == ResponseCode::NoError {
            let apex = Name::from_ascii(format!("{APEX}.")).unwrap();
            let [refresh, retry, expire] = zone.times;
            let data = SOA::new(apex.clone(), apex.clone(), zone.serial, refresh, retry, expire, 300);
            let soa = Record::from_rdata(apex.clone(), 60, RData::SOA(data));
            message.add_answer(soa.clone());
            if !is_soa {
                let host = Name::from_ascii("ns.example.net.").unwrap();
                let ns = RData::NS(hickory_proto::rr::rdata::NS(host));
                message.add_answer(Record::from_rdata(apex, 60, ns));
                message.add_answers(zone.records.iter().cloned());
                message.add_answer(soa);
            }
        }
        message.to_vec().unwrap()
    }
}
