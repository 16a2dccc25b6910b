//! The yardstick: `hickory-server` with the smallest handler that is a fair comparison. It answers every question with
//! the same two A records and handles EDNS; one thread, no log.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::pin::Pin;

use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Edns, HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::{Name, RData, Record, rdata::A};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo, Server};
use hickory_server::zone_handler::MessageResponseBuilder;

/// Answers with fixed records.
struct Fixed;

/// Serves on `socket` for ever.
pub(crate) fn serve(socket: UdpSocket) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        socket.set_nonblocking(true).unwrap();
        let mut server = Server::new(Fixed);
        server.register_socket(tokio::net::UdpSocket::from_std(socket).unwrap());
        server.block_until_done().await.unwrap();
    });
}

/// A socket on a port of the kernel's choice.
pub(crate) fn bind() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

impl RequestHandler for Fixed {
    // What `#[async_trait]` makes of an async function.
    fn handle_request<'life0, 'life1, 'async_trait, R, T>(
        &'life0 self,
        request: &'life1 Request,
        mut response_handle: R,
    ) -> Pin<Box<dyn Future<Output = ResponseInfo> + Send + 'async_trait>>
    where
        R: ResponseHandler + 'async_trait,
        T: Time + 'async_trait,
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let mut metadata = Metadata::response_from_request(&request.metadata);
            metadata.authoritative = true;
            let info = request.request_info();
            let name = info.map_or_else(|_| Name::root(), |info| info.query.original().name().clone());
            let record = |last| Record::from_rdata(name.clone(), 30, RData::A(A::new(10, 0, 0, last)));
            let records = [record(1), record(2)];
            let mut edns = Edns::new();
            edns.set_max_payload(1232);
            let mut builder = MessageResponseBuilder::from_message_request(request);
            if request.edns.is_some() {
                builder.edns(&edns);
            }
            let response = builder.build(metadata, &records, &[], &[], &[]);
            response_handle.send_response(response).await.unwrap_or_else(|_| {
                metadata.response_code = ResponseCode::ServFail;
                hickory_server::proto::op::Header { metadata, counts: HeaderCounts::default() }.into()
            })
        })
    }
}
