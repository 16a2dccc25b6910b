//! Abuse: whatever arrives, others are served throughout and memory stays bounded.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use socket2::{Domain, Socket, Type};

use crate::harness::client::{receive_framed, send_framed};
use crate::harness::server::Options;
use crate::harness::tools::skipped;
use crate::harness::{Dns, PATIENCE, Random, TestServer, big_zone, question, wait};
use crate::query::{ID, IN, OPT, query};

/// Packets of each attacker.
const PACKETS: usize = 100_000;
/// Packets sent before the attacker waits until they have been taken: all fit the socket's buffer.
const IN_FLIGHT: usize = 128;
/// Octets that a server may grow by under attack: buffers of sockets and connections, and what the allocator keeps.
const GROWTH_MAX: u64 = 48 << 20;

/// Resident memory of a process, in octets.
fn resident(server: &TestServer) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes << 10
}

/// Fails if a server has grown by too much since `before`.
#[track_caller]
fn assert_bounded(server: &TestServer, before: u64) {
    let grown = resident(server).saturating_sub(before);
    assert!(grown < GROWTH_MAX, "it has grown by {} KB", grown >> 10);
}

/// A query that is good.
fn good() -> Vec<u8> {
    query("static.example.test", 1, IN, OPT)
}

/// A packet of one of many bad kinds.
fn bad_packet(random: &mut Random) -> Vec<u8> {
    let mut packet = good();
    match random.below(8) {
        0 => packet.truncate(random.below(packet.len())),
        1 => {
            for _ in 0..=random.below(8) {
                let at = random.below(packet.len());
                packet[at] = random.next().to_be_bytes()[0];
            }
        }
        2 => {
            // Names that point at themselves, at each other, forward, and into the header.
            packet.truncate(12);
            packet[5..12].copy_from_slice(&[1, 0, 0, 0, 0, 0, 3]);
            for _ in 0..40 {
                packet.extend([0xc0 | random.next().to_be_bytes()[0] & 1, random.next().to_be_bytes()[0]]);
            }
        }
        3 => {
            // As many OPT records as fit, each with options.
            let count = 1 + random.below(60);
            packet[11] = u8::try_from(count).unwrap();
            for _ in 1..count {
                packet.extend(OPT);
            }
        }
        4 => {
            // Thousands of options in one OPT record.
            let count = random.below(900);
            let at = packet.len() - 2;
            packet[at..].copy_from_slice(&u16::try_from(count * 4).unwrap().to_be_bytes());
            for _ in 0..count {
                packet.extend([0, random.next().to_be_bytes()[0] & 0x0f, 0, 0]);
            }
        }
        5 => {
            // Counts that lie.
            packet[4..12].copy_from_slice(&random.next().to_be_bytes());
        }
        6 => packet = (0..random.below(600)).map(|_| random.next().to_be_bytes()[0]).collect(),
        _ => {
            // A cookie of any length.
            let length = u8::try_from(random.below(60)).unwrap();
            let at = packet.len() - 1;
            packet[at] = length + 4;
            packet.extend([0, 10, 0, length]);
            packet.extend((0..length).map(|_| random.next().to_be_bytes()[0]));
        }
    }
    packet
}

/// Sends bad packets from one socket, which one thread of the server takes in order: the answer to a good query says that
/// those before it have been taken.
fn attack(dns: Dns, seed: u64) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect(dns.0).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut random = Random(seed);
    let mut answer = [0; 4096];
    for _ in 0..PACKETS / IN_FLIGHT {
        for _ in 0..IN_FLIGHT {
            socket.send(&bad_packet(&mut random)).unwrap();
        }
        let mut marker = good();
        // No bad packet has this id but by the mutations that leave everything else good.
        let id = random.next().to_be_bytes();
        marker[..2].copy_from_slice(&id[..2]);
        socket.send(&marker).unwrap();
        let mut tries = 0;
        loop {
            match socket.recv(&mut answer) {
                Ok(length) => {
                    assert!((12..=1232).contains(&length) && answer[2] & 0x80 != 0, "{:02x?}", &answer[..length]);
                    if answer[..2] == id[..2] && answer[7] == 1 {
                        break;
                    }
                }
                Err(error) => {
                    tries += 1;
                    assert!(tries < 30, "{error}");
                    socket.send(&marker).unwrap();
                }
            }
        }
    }
}

#[test]
fn two_hundred_thousand_bad_packets_disturb_nobody() {
    let server = TestServer::start(&big_zone());
    let dns = server.dns();
    dns.ask(&question("static.example.test.", RecordType::A));
    let before = resident(&server);
    let is_over = AtomicBool::new(false);
    let asked = std::thread::scope(|scope| {
        let attackers = [1, 2].map(|seed| scope.spawn(move || attack(dns, seed)));
        let client = scope.spawn(|| {
            let mut asked = 0;
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(dns.ask(&question("static.example.test.", RecordType::A)).answers.len(), 1);
                asked += 1;
            }
            asked
        });
        let ended = attackers.map(std::thread::ScopedJoinHandle::join);
        is_over.store(true, Ordering::Relaxed);
        for ended in ended {
            ended.unwrap();
        }
        client.join().unwrap()
    });
    assert!(asked > 100, "{asked}");
    assert_bounded(&server, before);
    let counters = server.status().counters;
    let sent = u64::try_from(PACKETS / IN_FLIGHT * IN_FLIGHT * 2).unwrap();
    assert!(counters.udp_received >= sent && counters.formerr > 10_000 && counters.silent > 10_000, "{counters:?}");
    assert!(server.log().iter().all(|line| !line.contains("panic")), "{:#?}", server.log());
}

/// A connection from an address of the loopback network.
#[track_caller]
fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Asks on a connection that stays open.
#[track_caller]
fn ask_on(stream: &mut TcpStream) {
    send_framed(stream, &good());
    let answer = receive_framed(stream).expect("an answer");
    assert_eq!((&answer[..2], answer[7]), (&ID[..], 1));
}

/// Whether the server has closed a connection in good order, having sent nothing.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.read(&mut [0]).is_ok_and(|count| count == 0)
}

#[test]
fn connections_that_stall_at_every_octet_hold_up_nobody() {
    let tcp = "read_timeout = 1\nidle_timeout = 60\nconnections_per_prefix_max = 1000".to_owned();
    let server = TestServer::start_with(&big_zone(), Options { tcp, ..Options::default() });
    let dns = server.dns();
    let before = resident(&server);
    let message = [&u16::try_from(good().len()).unwrap().to_be_bytes()[..], &good()].concat();
    // One connection for each number of octets that a query can stop after, from half a length to all but one octet.
    let mut stalled: Vec<TcpStream> = (1..message.len())
        .map(|count| {
            let mut stream = dns.connect();
            stream.write_all(&message[..count]).unwrap();
            stream
        })
        .collect();
    // One that claims the largest message there is and sends an octet now and then; the time-out is for the whole.
    let mut slow = dns.connect();
    slow.write_all(&[0xff, 0xff]).unwrap();
    let mut other = dns.connect();
    wait("the slow ones are closed", || {
        ask_on(&mut other);
        slow.write_all(&[0]).ok();
        assert_eq!(dns.ask(&question("static.example.test.", RecordType::A)).answers.len(), 1);
        server.status().counters.tcp_timed_out == u64::try_from(stalled.len() + 1).unwrap()
    });
    assert!(stalled.iter_mut().all(is_closed));
    ask_on(&mut other);
    assert_bounded(&server, before);
}

#[test]
fn a_thousand_pipelined_queries_and_a_half_close_get_every_answer() {
    let server = TestServer::start(&big_zone());
    let mut stream = server.dns().connect();
    let mut all = Vec::new();
    for number in 0..1_000_u16 {
        // Every tenth answer has 40 records: more than the buffers hold before anybody reads.
        let mut message = if number % 10 == 0 { query("big.example.test", 16, IN, OPT) } else { good() };
        message[..2].copy_from_slice(&number.to_be_bytes());
        all.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
        all.extend(message);
    }
    stream.write_all(&all).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    for number in 0..1_000_u16 {
        let answer = receive_framed(&mut stream).expect("an answer");
        let expected = if number % 10 == 0 { 40 } else { 1 };
        assert_eq!((&answer[..2], answer[7]), (&number.to_be_bytes()[..], expected));
    }
    assert!(is_closed(&mut stream), "RFC 7766 §6.2.4: then the server closes, too");
}

#[test]
fn five_thousand_idle_connections_and_one_too_many() {
    const CONNECTIONS: usize = 5_000;
    // The server starts with our limit, and has files of its own.
    let needed = u64::try_from(CONNECTIONS).unwrap() + 500;
    if rlimit::increase_nofile_limit(u64::MAX).unwrap_or(0) < needed {
        return skipped("the hard limit of open files is below 5,500");
    }
    let tcp =
        format!("connections_max = {CONNECTIONS}\nconnections_per_prefix_max = {CONNECTIONS}\nidle_timeout = 600");
    let server = TestServer::start_with(&big_zone(), Options { tcp, ..Options::default() });
    let dns = server.dns();
    let before = resident(&server);
    let mut idle: Vec<TcpStream> = (0..CONNECTIONS).map(|_| dns.connect()).collect();
    wait("all are accepted", || server.status().counters.tcp_accepted == 5_000);
    assert!(is_closed(&mut dns.connect()), "one too many is closed in good order");
    for stream in idle.iter_mut().step_by(500) {
        ask_on(stream);
    }
    assert_eq!(dns.ask(&question("static.example.test.", RecordType::A)).answers.len(), 1, "UDP has its own threads");
    assert_bounded(&server, before);
    let counters = server.status().counters;
    assert_eq!((counters.tcp_refused, counters.tcp_timed_out), (1, 0));
    drop(idle);
    // Their ends make room.
    wait("room", || {
        let mut stream = dns.connect();
        let message = [&u16::try_from(good().len()).unwrap().to_be_bytes()[..], &good()].concat();
        stream.write_all(&message).is_ok() && receive_framed(&mut stream).is_some()
    });
}

#[test]
fn a_network_that_takes_all_it_may_leaves_the_rest_to_others() {
    let tcp = "connections_max = 60\nconnections_per_prefix_max = 20\nidle_timeout = 60".to_owned();
    let server = TestServer::start_with(&big_zone(), Options { tcp, ..Options::default() });
    let address = server.dns().0;
    let mut greedy: Vec<TcpStream> =
        (0..50).map(|last| connect_from(Ipv4Addr::new(127, 0, 0, 100 + last), address)).collect();
    wait("all have been decided about", || {
        let counters = server.status().counters;
        (counters.tcp_accepted, counters.tcp_refused) == (20, 30)
    });
    let mut other = connect_from(Ipv4Addr::new(127, 0, 1, 1), address);
    ask_on(&mut other);
    ask_on(&mut greedy[0]);
    assert!(greedy.split_off(20).iter_mut().all(is_closed));
}
