//! Asks a primary: for its SOA record, and for the zone. Whatever it says, and however slowly, it costs no more than it may.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::model::hosting::{Peer, TsigKey};
use crate::model::id::ZoneId;
use crate::model::limits::{
    SOA_TIMEOUTS, TRANSFER_CONNECT_TIMEOUT, TRANSFER_GRACE, TRANSFER_MESSAGE_TIMEOUT, TRANSFER_RATE_MIN,
    TRANSFER_TIMEOUT,
};
use crate::model::name::Name;
use crate::model::rrset::Rtype;
use crate::transfer::exchange::{random_id, unix_now};
use crate::transfer::route::Route;
use crate::transfer::secondary::budget::Share;
use crate::transfer::secondary::message::Question;
use crate::transfer::secondary::refusal::Refusal;
use crate::transfer::secondary::soa::serial_of;
use crate::transfer::secondary::stream::{Allowance, Received, Stream};
use crate::transfer::tsig::{Key, Verifier};

/// Octets of a UDP answer without EDNS (RFC 1035 §4.2.1), and room to see that there are more.
const UDP_OCTETS: usize = 4096;

/// A primary of a zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Primary {
    /// The way to it.
    pub route: Route,
    /// The key that both sign with.
    pub key: Option<TsigKey>,
}

impl Primary {
    /// A server as the inventory names it.
    pub fn new(peer: &Peer, find_key: impl Fn(&Name) -> Option<TsigKey>) -> Option<Self> {
        let key = match &peer.key {
            // Without the key there is no talking to it.
            Some(name) => Some(find_key(name)?),
            None => None,
        };
        Some(Self { route: Route::new(peer), key })
    }
}

/// How long a primary may take, and how much it may give.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For one message.
    pub message: Duration,
    /// For a transfer.
    pub transfer: Duration,
    /// For an answer over UDP, attempt by attempt.
    pub soa: [Duration; 2],
    /// Octets a second, on average, after the grace.
    pub rate_min: u64,
    /// How long a transfer may be slower, from its first message on.
    pub grace: Duration,
    /// What a transfer may amount to.
    pub allowance: Allowance,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: TRANSFER_CONNECT_TIMEOUT,
            message: TRANSFER_MESSAGE_TIMEOUT,
            transfer: TRANSFER_TIMEOUT,
            soa: SOA_TIMEOUTS,
            rate_min: TRANSFER_RATE_MIN,
            grace: TRANSFER_GRACE,
            allowance: Allowance::default(),
        }
    }
}

/// What is known of our own version when a zone is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted<'r> {
    /// What differs from the version with this SOA data.
    Differences(&'r [u8]),
    /// All of it, if it is not older than the version with this serial.
    Whole(Option<u32>),
}

/// A query and what verifies its answers.
struct Exchange {
    /// What is asked.
    question: Question,
    /// The query, signed if the primary has a key.
    message: Vec<u8>,
    /// Verifies answers, if the primary has a key.
    verifier: Option<Verifier>,
}

impl Exchange {
    /// A query to a primary.
    fn new(primary: &Primary, apex: &Name, qtype: Rtype, held: Option<&[u8]>) -> Result<Self, Refusal> {
        let question = Question { id: random_id(), apex: apex.clone(), qtype };
        let mut message = question.message(held);
        let verifier = match &primary.key {
            None => None,
            Some(key) => {
                let known = Key::new(key).ok_or_else(|| Refusal::Signature("our key cannot be used".to_owned()))?;
                Some(known.sign_query(&mut message, unix_now()))
            }
        };
        Ok(Self { question, message, verifier })
    }

    /// Takes the signature off an answer, after having verified it.
    fn verify(&mut self, message: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let Some(verifier) = &mut self.verifier else { return Ok(message) };
        verifier.take(&message, unix_now()).map_err(|unverified| Refusal::Signature(unverified.of(&message)))
    }

    /// Whether everything taken so far is signed.
    fn is_settled(&self) -> bool {
        self.verifier.as_ref().is_none_or(Verifier::is_settled)
    }
}

/// Asks a primary for the data of the zone's SOA record: over UDP, and over TCP if that does not do.
pub async fn ask_soa(primary: &Primary, apex: &Name, patience: Patience) -> Result<Vec<u8>, Refusal> {
    let mut exchange = Exchange::new(primary, apex, Rtype::SOA, None)?;
    match ask_udp(&mut exchange, primary.route, patience).await {
        Ok(Some(rdata)) => Ok(rdata),
        // Cut short, or a network that takes no UDP.
        Ok(None) | Err(Refusal::Slow(_) | Refusal::Network(_)) => {
            let mut exchange = Exchange::new(primary, apex, Rtype::SOA, None)?;
            let mut connection = Connection::open(primary.route, patience).await?;
            connection.send(&exchange.message).await?;
            let message = exchange.verify(connection.receive().await?)?;
            read_soa(&exchange, &message)?.ok_or(Refusal::Cut)
        }
        Err(refusal) => Err(refusal),
    }
}

/// Asks over UDP; none if the answer is cut short.
async fn ask_udp(exchange: &mut Exchange, route: Route, patience: Patience) -> Result<Option<Vec<u8>>, Refusal> {
    let socket = route.udp().await.map_err(network)?;
    let mut octets = vec![0; UDP_OCTETS];
    for wait in patience.soa {
        socket.send(&exchange.message).await.map_err(network)?;
        let deadline = Instant::now() + wait;
        while let Ok(received) = timeout_at(deadline, socket.recv(&mut octets)).await {
            let length = received.map_err(network)?;
            let message = octets.get(..length).unwrap_or_default().to_vec();
            // What is not meant for us is no answer: the true one may still come.
            if message.first_chunk() != Some(&exchange.question.id.to_be_bytes()) {
                continue;
            }
            let message = exchange.verify(message)?;
            return read_soa(exchange, &message);
        }
    }
    Err(Refusal::Slow("answer over UDP"))
}

/// Reads the SOA record in an answer; none if it is cut short.
fn read_soa(exchange: &Exchange, message: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    let mut answer = exchange.question.open(message, true)?;
    if answer.truncated {
        return Ok(None);
    }
    // A server that has lost the zone may still know it from elsewhere.
    if !answer.authoritative {
        return Err(Refusal::NotAuthoritative);
    }
    while let Some(record) = answer.next_record()? {
        if record.rtype == Rtype::SOA && record.owner == exchange.question.apex && serial_of(&record.rdata).is_some() {
            return Ok(Some(record.rdata));
        }
    }
    Err(Refusal::Malformed("it has no SOA record of the zone"))
}

/// Transfers a zone from a primary (RFC 5936, RFC 1995), over TCP. What has come is drawn from the budget of all.
pub async fn transfer(
    primary: &Primary,
    (id, apex): (ZoneId, &Name),
    wanted: Wanted<'_>,
    patience: Patience,
    share: &mut Share,
) -> Result<Received, Refusal> {
    let (qtype, soa, held) = match wanted {
        Wanted::Differences(soa) => (Rtype::IXFR, Some(soa), serial_of(soa)),
        Wanted::Whole(held) => (Rtype::AXFR, None, held),
    };
    let mut exchange = Exchange::new(primary, apex, qtype, soa)?;
    let whole = async {
        let mut connection = Connection::open(primary.route, patience).await?;
        connection.send(&exchange.message).await?;
        let mut stream = Stream::new(exchange.question.clone(), id, held, patience.allowance);
        while !stream.is_complete() {
            let message = exchange.verify(connection.receive().await?)?;
            stream.take(&message)?;
            share.grow_to(stream.octets())?;
        }
        // RFC 8945 §5.3.1: the last message is signed.
        if !exchange.is_settled() {
            return Err(Refusal::Signature("its last message is not signed".to_owned()));
        }
        stream.finish()
    };
    timeout(patience.transfer, whole).await.unwrap_or(Err(Refusal::Slow("transfer the zone")))
}

/// A TCP connection to a primary.
struct Connection {
    /// The connection.
    stream: TcpStream,
    /// How long the primary may take.
    patience: Patience,
    /// When the first message had come; before that, a primary may have to read a large zone.
    since: Option<Instant>,
    /// Octets that have come since.
    octets: u64,
}

impl Connection {
    /// Connects.
    async fn open(route: Route, patience: Patience) -> Result<Self, Refusal> {
        let stream = timeout(patience.connect, route.tcp()).await;
        let stream = stream.map_err(|_| Refusal::Slow("accept a connection"))?.map_err(network)?;
        Ok(Self { stream, patience, since: None, octets: 0 })
    }

    /// Sends a message.
    async fn send(&mut self, message: &[u8]) -> Result<(), Refusal> {
        let length = u16::try_from(message.len()).map_err(|_| Refusal::TooMuch)?;
        let framed = [&length.to_be_bytes(), message].concat();
        let sent = timeout(self.patience.message, self.stream.write_all(&framed)).await;
        sent.map_err(|_| Refusal::Slow("take a query"))?.map_err(network)
    }

    /// Receives a message.
    async fn receive(&mut self) -> Result<Vec<u8>, Refusal> {
        let received = async {
            let length = self.stream.read_u16().await?;
            let mut message = vec![0; usize::from(length)];
            self.stream.read_exact(&mut message).await?;
            Ok(message)
        };
        let received = timeout(self.patience.message, received).await;
        let message = received.map_err(|_| Refusal::Slow("send a message"))?.map_err(|error: io::Error| {
            if error.kind() == io::ErrorKind::UnexpectedEof { Refusal::Cut } else { network(error) }
        })?;
        let Some(since) = self.since else {
            self.since = Some(Instant::now());
            return Ok(message);
        };
        self.octets += 2 + message.len() as u64;
        let late = since.elapsed().saturating_sub(self.patience.grace);
        // In thousandths of octets.
        if u128::from(self.octets) * 1000 < u128::from(self.patience.rate_min) * late.as_millis() {
            return Err(Refusal::Slow("transfer the zone: it trickles"));
        }
        Ok(message)
    }
}

/// What the network says, for a person.
#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn network(error: io::Error) -> Refusal {
    Refusal::Network(error.to_string())
}

#[cfg(test)]
pub(super) mod tests;
