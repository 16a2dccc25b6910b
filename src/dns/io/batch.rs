//! A batch of datagrams: received together, answered one by one, sent together.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use super::control::{Asked, Control, socket_address};

/// Datagrams in one batch. More gained nothing when measured, and the first would wait longer for the last.
pub const BATCH: usize = 32;
/// Octets of the largest datagram, either way: what EDNS clients announce at most. Larger ones are no queries.
pub const DATAGRAM_OCTETS_MAX: usize = 4096;
/// `BATCH` as the kernel takes it.
const BATCH_LEN: libc::c_uint = 32;
const _: () = assert!(BATCH_LEN as usize == BATCH, "both say the same");

/// What one call received.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Received {
    /// Datagrams.
    pub datagrams: u64,
    /// Those among them that were dropped, because they are larger than any query or not from an IP address.
    pub dropped: u64,
    /// Nothing waits and the socket has been shut down for reading: there will be no more.
    pub shut_down: bool,
}

/// What became of a batch of answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    /// Answers that the kernel took.
    pub sent: u64,
    /// Answers that it would not take: buffers full, no route, filtered. They are gone, clients ask again.
    pub failed: u64,
}

/// One query and its answer.
struct Message {
    /// Where the query came from, as the kernel writes it; goes back to the kernel untouched.
    name: libc::sockaddr_storage,
    /// Octets of `name`.
    name_len: libc::socklen_t,
    /// Where the query came from; `None` if the message is to be ignored.
    source: Option<SocketAddr>,
    /// Where the query was sent to, if the kernel says so.
    asked: Option<Asked>,
    /// Packet information, in or out.
    control: Control,
    /// The query.
    query: [u8; DATAGRAM_OCTETS_MAX],
    /// Octets of the query.
    query_len: usize,
    /// The answer.
    reply: [u8; DATAGRAM_OCTETS_MAX],
    /// Octets of the answer; 0 if there is none.
    reply_len: usize,
}

/// Buffers for one thread, allocated once. It stays on the thread that made it: the headers hold pointers.
pub struct Batch {
    /// The messages.
    messages: Box<[Message]>,
    /// What the kernel reads and writes; valid only during a call.
    headers: Box<[libc::mmsghdr]>,
    /// One buffer for each header.
    buffers: Box<[libc::iovec]>,
    /// How many messages hold a query.
    received: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// Allocates everything that will ever be needed.
    pub fn new() -> Self {
        let nothing = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: `mmsghdr` is integers and pointers, for which zeros are valid values; nothing follows the null pointers.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        Self {
            messages: (0..BATCH).map(|_| Message::new()).collect(),
            headers: vec![header; BATCH].into_boxed_slice(),
            buffers: vec![nothing; BATCH].into_boxed_slice(),
            received: 0,
        }
    }

    /// Waits for a datagram on a blocking socket, and takes what else is there already.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<Received> {
        self.received = 0;
        for ((message, header), buffer) in self.messages.iter_mut().zip(&mut self.headers).zip(&mut self.buffers) {
            message.lend_query(&mut header.msg_hdr, buffer);
        }
        let flags = libc::MSG_WAITFORONE;
        let count = retry_interrupted(|| {
            // SAFETY: `headers` has BATCH_LEN entries; each points to a name, a control buffer and one buffer of exactly the
            // given lengths, all of them owned by `self` and distinct, and nothing else touches them during the call.
            // The descriptor is open for as long as `socket` is borrowed.
            unsafe { libc::recvmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), BATCH_LEN, flags, ptr::null_mut()) }
        })?;
        let mut received = Received::default();
        for (message, header) in self.messages.iter_mut().zip(&mut self.headers).take(count) {
            if header.msg_hdr.msg_namelen == 0 {
                // A datagram has a source, even an empty one. Only a socket that was shut down gives nothing from nobody.
                received.shut_down = true;
                break;
            }
            message.take_query(header);
            received.datagrams += 1;
            received.dropped += u64::from(message.source.is_none());
            self.received += 1;
        }
        Ok(received)
    }

    /// The queries of the batch, and who asks, in the order in which [`Batch::respond`] takes them.
    pub fn queries(&self) -> impl Iterator<Item = (&[u8], IpAddr)> {
        self.messages.iter().take(self.received).filter_map(|message| {
            Some((message.query.get(..message.query_len).unwrap_or_default(), message.source?.ip()))
        })
    }

    /// Calls `respond(query, source, asked, out)` for each query. It returns the length of the answer in `out`, 0 for
    /// none.
    pub fn respond(&mut self, mut respond: impl FnMut(&[u8], SocketAddr, Option<Asked>, &mut [u8]) -> usize) {
        for message in self.messages.iter_mut().take(self.received) {
            let Some(source) = message.source else { continue };
            let query = message.query.get(..message.query_len).unwrap_or_default();
            message.reply_len = respond(query, source, message.asked, &mut message.reply).min(DATAGRAM_OCTETS_MAX);
        }
    }

    /// Sends the answers. One that fails is skipped, the rest go on.
    pub fn send(&mut self, socket: &UdpSocket) -> Sent {
        let mut count = 0;
        let mut slots = self.headers.iter_mut().zip(&mut self.buffers);
        for message in self.messages.iter_mut().take(self.received).filter(|message| message.reply_len > 0) {
            let Some((header, buffer)) = slots.next() else { break };
            message.lend_reply(&mut header.msg_hdr, buffer);
            count += 1;
        }
        self.received = 0;
        let mut outcome = Sent::default();
        let mut waiting = self.headers.get_mut(..count).unwrap_or_default();
        while !waiting.is_empty() {
            let len = libc::c_uint::try_from(waiting.len()).unwrap_or(BATCH_LEN);
            let result = retry_interrupted(|| {
                // Does not wait for room: packets for neighbors that do not exist fill the socket's buffer for seconds, and
                // whoever forges such sources must not stop this thread.
                // SAFETY: `waiting` has `len` entries; each points to a name, perhaps a control buffer, and one buffer, set
                // above from messages of `self` that nothing has touched since. The kernel reads those and writes the headers.
                unsafe { libc::sendmmsg(socket.as_raw_fd(), waiting.as_mut_ptr(), len, libc::MSG_DONTWAIT) }
            });
            // The kernel stops at a message that fails; it is the first one of the next call, which says why.
            let done = if let Ok(sent @ 1..) = result {
                outcome.sent += sent as u64;
                sent
            } else {
                outcome.failed += 1;
                1
            };
            waiting = waiting.get_mut(done..).unwrap_or_default();
        }
        outcome
    }
}

impl Message {
    /// An empty message.
    fn new() -> Self {
        Self {
            // SAFETY: `sockaddr_storage` is integers, for which zeros are valid values.
            name: unsafe { std::mem::zeroed() },
            name_len: 0,
            source: None,
            asked: None,
            control: Control::new(),
            query: [0; DATAGRAM_OCTETS_MAX],
            query_len: 0,
            reply: [0; DATAGRAM_OCTETS_MAX],
            reply_len: 0,
        }
    }

    /// Points `header` to where a query is to be written.
    fn lend_query(&mut self, header: &mut libc::msghdr, buffer: &mut libc::iovec) {
        *buffer = libc::iovec { iov_base: self.query.as_mut_ptr().cast(), iov_len: DATAGRAM_OCTETS_MAX };
        header.msg_name = (&raw mut self.name).cast();
        header.msg_namelen = size_of::<libc::sockaddr_storage>().try_into().unwrap_or(0);
        header.msg_iov = buffer;
        header.msg_iovlen = 1;
        header.msg_flags = 0;
        self.control.lend(header);
    }

    /// Notes what the kernel wrote.
    fn take_query(&mut self, header: &mut libc::mmsghdr) {
        let whole = header.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
        self.name_len = header.msg_hdr.msg_namelen;
        self.source = if whole { socket_address(&self.name) } else { None };
        self.asked = self.control.asked(&mut header.msg_hdr);
        self.query_len = usize::try_from(header.msg_len).unwrap_or(0);
        self.reply_len = 0;
    }

    /// Points `header` to the answer.
    fn lend_reply(&mut self, header: &mut libc::msghdr, buffer: &mut libc::iovec) {
        *buffer = libc::iovec { iov_base: self.reply.as_mut_ptr().cast(), iov_len: self.reply_len };
        header.msg_name = (&raw mut self.name).cast();
        header.msg_namelen = self.name_len;
        header.msg_iov = buffer;
        header.msg_iovlen = 1;
        header.msg_flags = 0;
        header.msg_control = ptr::null_mut();
        header.msg_controllen = 0;
        if let Some(asked) = self.asked {
            self.control.leave_from(header, asked);
        }
    }
}

/// Sends one datagram, from the address that was asked if it is known. Never waits.
pub fn send_from(socket: &UdpSocket, octets: &[u8], client: SocketAddr, asked: Option<Asked>) -> io::Result<()> {
    let client = socket2::SockAddr::from(client);
    let mut buffer = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
    let mut control = Control::new();
    // SAFETY: `msghdr` is integers and pointers, for which zeros are valid values; nothing follows the null pointers.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = client.as_ptr().cast_mut().cast();
    header.msg_namelen = client.len();
    header.msg_iov = &raw mut buffer;
    header.msg_iovlen = 1;
    if let Some(asked) = asked {
        control.leave_from(&mut header, asked);
    }
    let sent = retry_interrupted(|| {
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: `header` points to a name, at most one control buffer, and one buffer with their lengths, all of which
        // outlive the call; the kernel only reads them. The descriptor is open for as long as `socket` is borrowed.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, flags) };
        libc::c_int::try_from(sent).unwrap_or(libc::c_int::MAX)
    })?;
    if sent == octets.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Repeats `call` while signals interrupt it, and gives its count or its error.
fn retry_interrupted(mut call: impl FnMut() -> libc::c_int) -> io::Result<usize> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_message_that_fails_is_skipped_and_the_rest_go_on() {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for number in 0..5 {
            client.send_to(&[number], server.local_addr().unwrap()).unwrap();
        }
        let mut batch = Batch::new();
        assert_eq!(batch.receive(&server).unwrap(), Received { datagrams: 5, dropped: 0, shut_down: false });
        batch.respond(|query, source, _, out| {
            assert_eq!(source, client.local_addr().unwrap());
            out[..query.len()].copy_from_slice(query);
            if query == [3] { 0 } else { query.len() }
        });
        // No family that the kernel could send to.
        for failing in [0, 2] {
            batch.messages[failing].name.ss_family = 0xffff;
        }
        assert_eq!(batch.send(&server), Sent { sent: 2, failed: 2 });
        assert_eq!(batch.send(&server), Sent::default(), "a batch is sent once");
        for expected in [1, 4] {
            let mut heard = [0; 10];
            assert_eq!((client.recv(&mut heard).unwrap(), heard[0]), (1, expected));
        }
    }

    #[test]
    fn a_socket_that_was_shut_down_gives_what_it_has_and_then_says_so() {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for _ in 0..BATCH + 3 {
            client.send_to(&[], server.local_addr().unwrap()).unwrap();
        }
        socket2::SockRef::from(&server).shutdown(std::net::Shutdown::Read).unwrap_err();
        let mut batch = Batch::new();
        assert_eq!(batch.receive(&server).unwrap().datagrams, BATCH as u64);
        assert_eq!(batch.receive(&server).unwrap().datagrams, 3);
        assert!(batch.receive(&server).unwrap().shut_down);
        assert!(batch.receive(&server).unwrap().shut_down);
    }
}
