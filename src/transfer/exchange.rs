//! One exchange: a request that was passed on, and the messages that answer it, each signed if the request was.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hickory_server::net::NetError;
use hickory_server::proto::rr::Record;
use hickory_server::proto::serialize::binary::BinEncoder;
use hickory_server::server::{ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponse;
use tokio::sync::mpsc;

use crate::model::limits::UDP_PAYLOAD_DEFAULT;
use crate::transfer::tsig::Signer;

/// Octets of the largest message over TCP.
const MESSAGE_OCTETS_MAX: usize = 65_535;

/// Sends a datagram to whoever asked.
pub type SendDatagram = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Where answers go.
#[derive(Clone)]
pub enum Outlet {
    /// A datagram: one message, which nobody waits for.
    Datagram(SendDatagram),
    /// A stream of messages, in order. Sending waits for a slow reader, and fails when nobody reads any more.
    Stream(mpsc::Sender<Vec<u8>>),
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_stream() { "Stream" } else { "Datagram" })
    }
}

impl Outlet {
    /// Whether an answer may have several messages.
    pub const fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }
}

/// Nobody waits for the answer any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gone;

/// One exchange; clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// Where answers go.
    outlet: Outlet,
    /// Signs them.
    signer: Arc<Mutex<Option<Signer>>>,
    /// Octets of the largest message without its signature.
    octets_max: usize,
    /// Octets of a signature.
    signature_octets: usize,
}

impl Exchange {
    /// An exchange with a client whose datagrams may have `payload` octets.
    pub(super) fn new(outlet: Outlet, signer: Option<Signer>, payload: u16) -> Self {
        let signature_octets = signer.as_ref().map_or(0, |signer| signer.key().octets());
        let all = match outlet {
            Outlet::Stream(_) => MESSAGE_OCTETS_MAX,
            Outlet::Datagram(_) => usize::from(payload.min(UDP_PAYLOAD_DEFAULT)),
        };
        let octets_max = all.saturating_sub(signature_octets);
        Self { outlet, signer: Arc::new(Mutex::new(signer)), octets_max, signature_octets }
    }

    /// Octets of the largest message without its signature.
    pub(super) const fn octets_max(&self) -> usize {
        self.octets_max
    }

    /// Octets of a signature; 0 if nothing is signed.
    pub(super) const fn signature_octets(&self) -> usize {
        self.signature_octets
    }

    /// Whether the answer may have several messages.
    pub(super) const fn is_stream(&self) -> bool {
        self.outlet.is_stream()
    }

    /// Signs and sends the next message.
    pub(super) async fn send(&self, mut message: Vec<u8>) -> Result<(), Gone> {
        if let Some(signer) = self.signer.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            signer.sign(&mut message, unix_now());
        }
        match &self.outlet {
            Outlet::Stream(sender) => sender.send(message).await.map_err(|_| Gone),
            Outlet::Datagram(send) => {
                send(&message);
                Ok(())
            }
        }
    }
}

#[async_trait::async_trait]
impl ResponseHandler for Exchange {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut message = Vec::with_capacity(512);
        let info = {
            let mut encoder = BinEncoder::new(&mut message);
            encoder.set_max_size(u16::try_from(self.octets_max).unwrap_or(u16::MAX));
            let info = response.destructive_emit(&mut encoder)?;
            // Without it, a message that had to be truncated keeps octets of what did not fit.
            encoder.trim();
            info
        };
        // Whoever has gone needs no answer.
        self.send(message).await.ok();
        Ok(info)
    }
}

/// Seconds since 1970.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// A message id that nobody can guess (RFC 5452 §4.3): the standard library seeds its hashes from the system.
pub(super) fn random_id() -> u16 {
    let [a, b, ..] = RandomState::new().hash_one(0_u8).to_be_bytes();
    u16::from_be_bytes([a, b])
}
