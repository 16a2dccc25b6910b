//! Tests over real connections on the loopback interface.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::dns::engine::{Reply, UnixTime};
use crate::dns::listen::bind_tcp;
use crate::dns::transport::testing::{Echo, SILENT};
use crate::dns::transport::{Back, PassedOn, PassedOnSender};

/// Longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A time limit that is meant to be reached.
const SHORT: Duration = Duration::from_millis(300);
/// Threads of the tests' runtimes: what each test says as well, as tokio wants a literal there.
const THREADS: usize = 2;

/// A server, and how to talk to it.
struct Fixture<R> {
    /// Where it listens.
    address: SocketAddr,
    /// The server.
    server: TcpServer<R>,
    /// Where it counts connections.
    counters: Arc<Counters>,
    /// How many responders it has made.
    desks: Arc<AtomicUsize>,
    /// Stops it.
    stop: CancellationToken,
    /// Its listener's task.
    serving: JoinHandle<io::Result<()>>,
}

impl<R: Responder> Fixture<R> {
    /// Serves with `responder`.
    fn new(limits: TcpLimits, responder: impl Fn() -> R + Send + Sync + 'static) -> Self {
        let listener = bind_tcp((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let (address, counters, desks) = (listener.local_addr().unwrap(), Arc::default(), Arc::default());
        let worker = {
            let desks: Arc<AtomicUsize> = Arc::clone(&desks);
            move || {
                desks.fetch_add(1, Ordering::Relaxed);
                (responder(), Arc::default())
            }
        };
        let server = TcpServer::new(limits, Arc::clone(&counters), worker);
        let stop = CancellationToken::new();
        let serving = tokio::spawn({
            let (server, stop) = (server.clone(), stop.clone());
            async move { server.serve(listener, stop).await }
        });
        Self { address, server, counters, desks, stop, serving }
    }

    /// A new connection.
    async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Waits until so many connections are open.
    async fn until_open(&self, count: usize) {
        self.until(|fixture| fixture.server.connections() == count).await;
    }

    /// Waits until `reached`.
    async fn until(&self, reached: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !reached(self) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("it happens in time");
    }
}

/// A server that echoes.
fn echo(limits: TcpLimits) -> Fixture<Echo> {
    Fixture::new(limits, || Echo)
}

/// Limits that no test reaches by accident.
fn patient() -> TcpLimits {
    TcpLimits { idle_timeout: PATIENCE, read_timeout: PATIENCE, write_timeout: PATIENCE, ..TcpLimits::default() }
}

/// A message with its length.
fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

/// A message that is unlike others.
fn numbered(number: usize, len: usize) -> Vec<u8> {
    let mut message = vec![0; len];
    message[1..9].copy_from_slice(&(number as u64).to_be_bytes());
    message
}

/// The next message.
async fn receive(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let read = async {
        let mut message = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut message).await.unwrap();
        message
    };
    timeout(PATIENCE, read).await.expect("an answer comes in time")
}

/// Waits until the server has closed its side, having sent nothing more.
async fn expect_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the server closes in time").unwrap();
    assert_eq!(rest.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_of_one_segment_are_answered_in_order() {
    let fixture = echo(patient());
    let mut stream = fixture.connect().await;
    let messages: Vec<_> = (0..3).map(|number| numbered(number, 12 + number)).collect();
    stream.write_all(&messages.iter().flat_map(|message| framed(message)).collect::<Vec<_>>()).await.unwrap();
    for message in &messages {
        assert_eq!(&receive(&mut stream).await, message);
    }
    assert_eq!(fixture.counters.tcp_accepted.value(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_may_come_octet_by_octet() {
    let fixture = echo(patient());
    let mut stream = fixture.connect().await;
    for number in 0..2 {
        let message = numbered(number, 40);
        for octet in framed(&message) {
            stream.write_all(&[octet]).await.unwrap();
        }
        assert_eq!(receive(&mut stream).await, message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_message_passes() {
    let fixture = echo(patient());
    let mut stream = fixture.connect().await;
    for number in 0..3 {
        let message = numbered(number, 65_535);
        stream.write_all(&framed(&message)).await.unwrap();
        assert_eq!(receive(&mut stream).await, message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_half_close_all_answers_come() {
    let fixture = echo(patient());
    let mut stream = fixture.connect().await;
    let messages: Vec<_> = (0..100).map(|number| numbered(number, 5_000)).collect();
    let (mut reader, mut writer) = stream.split();
    let write = async {
        for message in &messages {
            writer.write_all(&framed(message)).await.unwrap();
        }
        writer.shutdown().await.unwrap();
    };
    let read = async {
        for message in &messages {
            assert_eq!(&receive(&mut reader).await, message);
        }
    };
    tokio::join!(write, read);
    expect_end(&mut stream).await;
    fixture.until_open(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_pipelined_queries_stay_in_order() {
    let fixture = echo(patient());
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let mut stream = fixture.connect().await;
        clients.spawn(async move {
            let (mut reader, mut writer) = stream.split();
            let all: Vec<u8> = (0..1_000).flat_map(|number| framed(&numbered(number, 12 + number % 50))).collect();
            let write = async {
                // Pieces that end within messages and within lengths.
                for piece in all.chunks(997) {
                    writer.write_all(piece).await.unwrap();
                }
            };
            let read = async {
                for number in 0..1_000 {
                    assert_eq!(receive(&mut reader).await, numbered(number, 12 + number % 50));
                }
            };
            tokio::join!(write, read);
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert!(fixture.desks.load(Ordering::Relaxed) <= THREADS, "a desk for each thread, not each connection");
}

/// Answers every query with the largest message there is, which begins with the query.
struct Verbose;

impl Responder for Verbose {
    fn respond(&mut self, query: &[u8], _: &Client, _: UnixTime, _: u64, out: &mut [u8]) -> Reply {
        out[..query.len()].copy_from_slice(query);
        Reply::of(out.len())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_do_not_fit_the_buffers_wait_for_the_reader() {
    let fixture = Fixture::new(patient(), || Verbose);
    let mut stream = fixture.connect().await;
    // 13 MB of answers.
    let queries: Vec<u8> = (0..200).flat_map(|number| framed(&numbered(number, 12))).collect();
    stream.write_all(&queries).await.unwrap();
    for number in 0..200 {
        let answer = receive(&mut stream).await;
        assert_eq!((answer.len(), &answer[..12]), (65_535, &numbered(number, 12)[..]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_no_answers_is_cut_off() {
    let fixture = Fixture::new(TcpLimits { write_timeout: SHORT, ..patient() }, || Verbose);
    let mut stream = fixture.connect().await;
    let queries: Vec<u8> = (0..1_000).flat_map(|number| framed(&numbered(number, 12))).collect();
    stream.write_all(&queries).await.unwrap();
    fixture.until(|fixture| fixture.counters.tcp_timed_out.value() == 1).await;
    fixture.until_open(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_is_closed() {
    let fixture = echo(TcpLimits { idle_timeout: SHORT, ..patient() });
    let (mut quiet, mut asking) = (fixture.connect().await, fixture.connect().await);
    asking.write_all(&framed(&numbered(1, 12))).await.unwrap();
    assert_eq!(receive(&mut asking).await, numbered(1, 12));
    expect_end(&mut quiet).await;
    expect_end(&mut asking).await;
    fixture.until_open(0).await;
    assert_eq!(fixture.counters.tcp_timed_out.value(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_not_completed_closes_the_connection_however_it_trickles() {
    let fixture = echo(TcpLimits { read_timeout: SHORT, ..patient() });
    let (mut reader, mut writer) = fixture.connect().await.into_split();
    let trickle = tokio::spawn(async move {
        // An octet every 10 ms: the message would take 650 s.
        while writer.write_all(&[0xff]).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    });
    // A reset, as octets may still be on their way, or an end.
    timeout(PATIENCE, reader.read(&mut [0])).await.expect("the server closes in time").ok();
    timeout(PATIENCE, trickle).await.expect("writing fails in time").unwrap();
    assert_eq!(fixture.counters.tcp_timed_out.value(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_no_end_but_garbage_is() {
    let fixture = echo(patient());
    let mut stream = fixture.connect().await;
    let octets = [framed(&[SILENT; 12]), framed(&numbered(1, 12)), framed(b"short"), framed(&numbered(2, 12))].concat();
    stream.write_all(&octets).await.unwrap();
    assert_eq!(receive(&mut stream).await, numbered(1, 12));
    expect_end(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_cap_are_closed_until_there_is_room() {
    let fixture = echo(TcpLimits { connections_max: 2, ..patient() });
    let (first, mut second) = (fixture.connect().await, fixture.connect().await);
    fixture.until_open(2).await;
    expect_end(&mut fixture.connect().await).await;
    assert_eq!(fixture.counters.tcp_refused.value(), 1);
    drop(first);
    fixture.until_open(1).await;
    let mut third = fixture.connect().await;
    for stream in [&mut second, &mut third] {
        stream.write_all(&framed(&numbered(7, 12))).await.unwrap();
        assert_eq!(receive(stream).await, numbered(7, 12));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_prefix_does_not_take_the_room_of_others() {
    let fixture = echo(TcpLimits { connections_per_prefix_max: 1, ..patient() });
    let connect = async |from: [u8; 4]| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        socket.connect(fixture.address).await.unwrap()
    };
    let _first = connect([127, 0, 0, 1]).await;
    fixture.until_open(1).await;
    expect_end(&mut connect([127, 0, 0, 2]).await).await;
    let _other = connect([127, 0, 1, 1]).await;
    fixture.until_open(2).await;
    assert_eq!(fixture.counters.tcp_refused.value(), 1);
}

/// Echoes, but tells when it begins and waits until it may.
struct Gated {
    /// Hears of each query.
    begun: mpsc::Sender<()>,
    /// Lets one query pass for each message.
    gate: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Responder for Gated {
    fn respond(&mut self, query: &[u8], client: &Client, now: UnixTime, random: u64, out: &mut [u8]) -> Reply {
        self.begun.send(()).unwrap();
        self.gate.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        Echo.respond(query, client, now, random, out)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_has_been_read_and_closes_everything() {
    let ((begun, has_begun), (open, gate)) = (mpsc::channel(), mpsc::channel());
    let gate = Arc::new(Mutex::new(gate));
    let fixture = Fixture::new(patient(), move || Gated { begun: begun.clone(), gate: Arc::clone(&gate) });
    let (mut idle, mut asking) = (fixture.connect().await, fixture.connect().await);
    fixture.until_open(2).await;
    // Two queries and the beginning of a third.
    let octets = [framed(&numbered(1, 12)), framed(&numbered(2, 12)), vec![0, 12, 0]].concat();
    asking.write_all(&octets).await.unwrap();
    // Kept, so that the second query can tell as well.
    let _has_begun = tokio::task::spawn_blocking(move || has_begun.recv_timeout(PATIENCE).map(|()| has_begun))
        .await
        .unwrap()
        .unwrap();
    fixture.stop.cancel();
    open.send(()).unwrap();
    open.send(()).unwrap();
    for number in 1..3 {
        assert_eq!(receive(&mut asking).await, numbered(number, 12));
    }
    expect_end(&mut asking).await;
    expect_end(&mut idle).await;
    timeout(PATIENCE, fixture.serving).await.expect("it ends in time").unwrap().unwrap();
    assert_eq!(fixture.server.connections(), 0);
    TcpStream::connect(fixture.address).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_wait_for_the_end_closes_everything_at_once() {
    let fixture = echo(patient());
    let mut stream = fixture.connect().await;
    fixture.until_open(1).await;
    fixture.serving.abort();
    expect_end(&mut stream).await;
    fixture.until_open(0).await;
}

/// First octet of a message that is answered elsewhere.
const ELSEWHERE: u8 = 0xee;

/// Echoes, but passes on what begins with `ELSEWHERE`.
struct Passing(PassedOnSender);

impl Responder for Passing {
    fn respond(&mut self, query: &[u8], client: &Client, now: UnixTime, random: u64, out: &mut [u8]) -> Reply {
        Reply { passed_on: query.first() == Some(&ELSEWHERE), ..Echo.respond(query, client, now, random, out) }
    }

    fn pass_on(&mut self, query: PassedOn) -> bool {
        self.0.try_send(query).is_ok()
    }
}

/// A query that is answered elsewhere.
fn for_elsewhere(number: usize) -> Vec<u8> {
    let mut query = numbered(number, 12);
    query[0] = ELSEWHERE;
    query
}

/// What was passed on, and the way back.
async fn passed_on(queue: &mut tokio::sync::mpsc::Receiver<PassedOn>) -> (Vec<u8>, tokio::sync::mpsc::Sender<Vec<u8>>) {
    let PassedOn { query, back, .. } = timeout(PATIENCE, queue.recv()).await.expect("it is passed on in time").unwrap();
    let Back::Tcp(back) = back else { panic!("it came over TCP") };
    (query, back)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_a_query_that_is_answered_elsewhere_waits_for_it() {
    let (sender, mut queue) = tokio::sync::mpsc::channel(1);
    // The idle time-out does not run while somebody works on an answer.
    let fixture = Fixture::new(TcpLimits { idle_timeout: SHORT, ..patient() }, move || Passing(sender.clone()));
    let mut stream = fixture.connect().await;
    let octets = [numbered(1, 12), for_elsewhere(2), numbered(3, 12), for_elsewhere(4)].map(|query| framed(&query));
    stream.write_all(&octets.concat()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(receive(&mut stream).await, numbered(1, 12));
    let (query, back) = passed_on(&mut queue).await;
    assert_eq!(query, for_elsewhere(2));
    sleep(2 * SHORT).await;
    for message in 0..20_u8 {
        back.send(vec![message; 16_384]).await.unwrap();
        assert_eq!(receive(&mut stream).await, vec![message; 16_384]);
    }
    drop(back);
    assert_eq!(receive(&mut stream).await, numbered(3, 12));
    // Nothing at all is an answer too.
    drop(passed_on(&mut queue).await);
    expect_end(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_holds_up_who_answers_and_is_cut_off() {
    let (sender, mut queue) = tokio::sync::mpsc::channel(1);
    let fixture = Fixture::new(TcpLimits { write_timeout: SHORT, ..patient() }, move || Passing(sender.clone()));
    let mut stream = fixture.connect().await;
    stream.write_all(&framed(&for_elsewhere(1))).await.unwrap();
    let (_, back) = passed_on(&mut queue).await;
    let mut sent = 0_usize;
    let flood = async {
        while back.send(vec![1; 60_000]).await.is_ok() {
            sent += 60_000;
        }
    };
    timeout(PATIENCE, flood).await.expect("sending fails in time");
    assert!(sent < 64 << 20, "no more than the kernel's buffers and ours: {sent}");
    assert_eq!(fixture.counters.tcp_timed_out.value(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_passed_on_is_answered_here() {
    let (sender, mut queue) = tokio::sync::mpsc::channel(1);
    let fixture = Fixture::new(patient(), move || Passing(sender.clone()));
    let (mut first, mut second) = (fixture.connect().await, fixture.connect().await);
    first.write_all(&framed(&for_elsewhere(1))).await.unwrap();
    fixture.until(|fixture| fixture.desks.load(Ordering::Relaxed) > 0).await;
    while queue.is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    second.write_all(&framed(&for_elsewhere(2))).await.unwrap();
    assert_eq!(receive(&mut second).await, for_elsewhere(2), "the queue is full");
    let (query, back) = passed_on(&mut queue).await;
    back.send(query).await.unwrap();
    assert_eq!(receive(&mut first).await, for_elsewhere(1));
}
