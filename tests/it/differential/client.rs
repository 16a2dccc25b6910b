//! Asks one server many questions: one socket and one connection for all of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::message::{Answer, Question};

/// How long an answer is waited for before the question is sent again.
const TRY: Duration = Duration::from_secs(3);
/// How often a question is sent.
const TRIES: usize = 5;

/// A client of one server.
pub struct Client {
    server: SocketAddr,
    socket: UdpSocket,
    stream: Option<TcpStream>,
    id: u16,
}

impl Client {
    /// A client of the server at this address.
    pub fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(TRY)).unwrap();
        Self { server, socket, stream: None, id: 0 }
    }

    /// Asks until there is an answer; says what is wrong with one that cannot be read.
    pub fn ask(&mut self, question: &Question) -> Result<Answer, String> {
        let mut why = String::new();
        for _ in 0..TRIES {
            self.id = self.id.wrapping_add(1);
            let query = question.wire(self.id);
            let octets = if question.tcp { self.exchange_tcp(&query) } else { self.exchange_udp(&query) };
            match octets {
                Ok(octets) => return Answer::read(&octets, question, self.id),
                Err(error) => why = error.to_string(),
            }
        }
        Err(format!("no answer: {why}"))
    }

    /// Sends a datagram and waits for one with the same id: a late answer to an earlier try is passed over.
    fn exchange_udp(&self, query: &[u8]) -> std::io::Result<Vec<u8>> {
        self.socket.send(query)?;
        let mut octets = vec![0; 65_535];
        loop {
            let length = self.socket.recv(&mut octets)?;
            if octets[..length].starts_with(&query[..2]) {
                octets.truncate(length);
                return Ok(octets);
            }
        }
    }

    /// Sends over the connection, or a new one where the server has ended it.
    fn exchange_tcp(&mut self, query: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.server)?,
        };
        stream.set_read_timeout(Some(TRY))?;
        stream.set_nodelay(true)?;
        let length = u16::try_from(query.len()).map_err(|_| ErrorKind::InvalidInput)?;
        stream.write_all(&[&length.to_be_bytes(), query].concat())?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut octets)?;
        self.stream = Some(stream);
        Ok(octets)
    }
}
