//! What other servers hear from us, and where it comes from.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};

use super::fake::Fake;
use super::primary::APEX;
use super::{logged, serial};
use crate::harness::server::PROGRAM;
use crate::harness::{PATIENCE, TestServer, wait, wait_for};

/// An address of this machine that the system would not choose.
const OURS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

#[test]
fn primaries_hear_us_from_the_source() {
    let primary = Fake::start(1, [1, 1, 1000]);
    let store = tempfile::tempdir().unwrap();
    let objects = |more: &str| {
        format!(
            "[store]\npath = \"{}\"\n[[zones]]\nname = \"{APEX}\"\nprimaries = [{{ address = \"{}\"{more} }}]\n",
            store.path().display(),
            primary.address
        )
    };
    let server = TestServer::start(&objects(&format!(", source = \"{OURS}\"")));
    wait_for(&Ok(1), || serial(&server));
    primary.edit(|zone| zone.serial = 2);
    wait_for(&Ok(2), || serial(&server));
    let ours = HashSet::from([IpAddr::from(OURS)]);
    assert_eq!(primary.clients(), [ours.clone(), ours]);

    server.reload(&objects(", source = \"192.0.2.1\""));
    wait("the reason", || logged(&server, "cannot send from 192.0.2.1, its `source`"));
    server.reload(&objects(""));
    wait("the system's choice", || primary.clients()[0].contains(&Ipv4Addr::LOCALHOST.into()));
}

#[test]
fn rfc1996_notify_comes_from_the_source_and_what_is_said_to_it_is_told_in_words() {
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let objects = |serial: u32| {
        format!(
            "[[zones]]\nname = \"{APEX}\"\nnotify = [{{ address = \"{}\", source = \"{OURS}\" }}]\n\
             records = [\"@ SOA ns1 h {serial} 2 3 4 5\", \"@ NS ns1\"]\n",
            peer.local_addr().unwrap()
        )
    };
    let server = TestServer::start(&objects(1));
    let answer = |rcode: u8| {
        let mut message = [0; 512];
        let (length, from) = peer.recv_from(&mut message).unwrap();
        assert_eq!(from.ip(), IpAddr::from(OURS));
        message[2] |= 0x80;
        message[3] |= rcode;
        peer.send_to(&message[..length], from).unwrap();
    };
    answer(9);
    wait("the refusal", || logged(&server, "\"says\":\"NOTAUTH\""));
    assert!(logged(&server, "is it a secondary of this zone, and does it have the key?"));
    // The same once more is no news.
    server.reload(&objects(2));
    answer(9);
    wait("both answers", || server.status().counters.notifies_answered == 2);
    server.reload(&objects(3));
    answer(0);
    wait("the end of it", || logged(&server, "the server takes NOTIFY again"));
    assert_eq!(server.log().iter().filter(|line| line.contains("refuses NOTIFY")).count(), 1);
}

#[test]
fn whoever_waits_for_a_silent_primary_is_told_so() {
    // It accepts connections, and that is all.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let store = tempfile::tempdir().unwrap();
    let server = TestServer::start(&format!(
        "[store]\npath = \"{}\"\n[[zones]]\nname = \"{APEX}\"\nprimaries = [\"{}\"]\n",
        store.path().display(),
        silent.local_addr().unwrap()
    ));
    let mut command = Command::new(PROGRAM);
    command.args(["refresh", APEX, "--config"]).arg(server.config()).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut refresh = command.spawn().unwrap();
    let mut said = BufReader::new(refresh.stderr.take().unwrap()).lines().map(Result::unwrap);
    let first = said.next().unwrap();
    assert!(first.starts_with(&format!("waiting for the primaries of {APEX}")), "{first}");
    assert!(refresh.try_wait().unwrap().is_none(), "it still waits");
    // Whoever has been accepted meanwhile is refused now.
    drop(silent);
    assert!(said.next().unwrap().contains("no primary gave"));
    assert_eq!(refresh.wait().unwrap().code(), Some(1));
}
