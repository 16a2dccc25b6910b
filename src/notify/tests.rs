//! Tests of whole lines, with receivers on this machine that fail, hang and recover.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use data_encoding::BASE64;
use rustls::RootCertStore;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::webhooks::WebhookUrl;
use crate::model::event::OriginEvent;
use crate::model::hosting::Secret;
use crate::model::id::PoolId;
use crate::model::inventory::{Change, Declared};
use crate::model::stamp::UnixMicros;
use crate::model::verdict::{FailReason, Verdict};
use crate::store::InventoryStore as _;
use crate::store::memory::MemoryStore;

/// The secret of all webhooks here.
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(30);
/// A patience that ends soon.
const HASTE: Patience = Patience {
    timeout: Duration::from_millis(300),
    pause_min: Duration::from_millis(5),
    pause_max: Duration::from_millis(20),
    total: Duration::from_secs(20),
};

/// What a receiver does with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    /// Answers with a code, and in the end a location.
    Code(u16),
    /// Says nothing.
    Hang,
}

/// A receiver.
struct Receiver {
    /// Where it listens.
    address: SocketAddr,
    /// What it does next; 200 when nothing is said.
    next: Arc<Mutex<VecDeque<Answer>>>,
    /// The requests that it got, head and body.
    got: mpsc::UnboundedReceiver<(String, String)>,
}

impl Receiver {
    /// A receiver that does this, one thing a message.
    async fn new(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let next = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
        let (tell, got) = mpsc::unbounded_channel();
        let script = Arc::clone(&next);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, tell.clone(), Arc::clone(&script)));
            }
        });
        Self { address, next, got }
    }

    /// The next request that comes.
    async fn request(&mut self) -> (String, serde_json::Value) {
        let (head, body) = tokio::time::timeout(LONG, self.got.recv()).await.expect("a message").unwrap();
        verify(&head, &body);
        (head, serde_json::from_str(&body).unwrap())
    }
}

/// Reads one request and answers as the script says.
async fn serve(
    mut stream: TcpStream,
    tell: mpsc::UnboundedSender<(String, String)>,
    script: Arc<Mutex<VecDeque<Answer>>>,
) {
    let mut octets = Vec::new();
    let (head, length) = loop {
        if stream.read_buf(&mut octets).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&octets).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length: usize = field(head, "content-length").unwrap().parse().unwrap();
            break (head.to_owned(), length);
        }
    };
    while octets.len() < head.len() + 4 + length {
        stream.read_buf(&mut octets).await.unwrap();
    }
    let body = String::from_utf8(octets.split_off(head.len() + 4)).unwrap();
    let answer = script.lock().unwrap().pop_front().unwrap_or(Answer::Code(200));
    drop(tell.send((head, body)));
    match answer {
        Answer::Code(code) => {
            let answer = format!("HTTP/1.1 {code} x\r\nlocation: /elsewhere\r\ncontent-length: 2\r\n\r\nhi");
            drop(stream.write_all(answer.as_bytes()).await);
        }
        Answer::Hang => drop(stream.read_buf(&mut octets).await),
    }
}

/// The value of a header field.
fn field(head: &str, name: &str) -> Option<String> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

/// HMAC-SHA256 by the book (RFC 2104 §2): another implementation than the one that signs.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|octet| octet ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|octet| octet ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

/// Checks a signature as a receiver does.
fn verify(head: &str, body: &str) {
    let [id, timestamp, signature] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| field(head, name).unwrap());
    let expected = BASE64.encode(&hmac(SECRET, format!("{id}.{timestamp}.{body}").as_bytes()));
    assert_eq!(signature, format!("v1,{expected}"));
    let age = (crate::store::now().0 / 1_000_000).abs_diff(timestamp.parse().unwrap());
    assert!(age < 60, "{age}");
}

/// A webhook of everything, at a URL.
fn webhook(name: &str, url: &str, group_wait: Duration) -> Webhook {
    Webhook {
        name: name.to_owned(),
        url: WebhookUrl::parse(url).unwrap(),
        secret: Secret(SECRET.to_vec()),
        pools: vec![],
        filter: NotificationFilter::default(),
        group_wait,
    }
}

/// A policy with webhooks.
fn policy(webhooks: Vec<Webhook>) -> Policy {
    Policy { webhooks: webhooks.into_iter().map(Arc::new).collect(), ..Policy::default() }
}

/// An event of a pool that goes from one verdict to another with its only origin.
fn event(pool: &str, from: Verdict, verdict: Verdict) -> PoolEvent {
    let origin = OriginEvent {
        name: "o".to_owned(),
        address: [192, 0, 2, 1].into(),
        ip: Some([192, 0, 2, 1].into()),
        enabled: true,
        from,
        verdict,
        reason: None,
        count: 1,
        latency: None,
    };
    PoolEvent {
        at: UnixMicros(5),
        pool: PoolId::declared(pool),
        name: pool.to_owned(),
        from,
        verdict,
        minimum_origins: 1,
        origins: vec![origin],
    }
}

/// Everything that runs for webhooks.
struct World {
    webhooks: Webhooks,
    policy: Arc<ArcSwap<Policy>>,
    store: MemoryStore,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl World {
    /// Runs with these webhooks.
    fn new(webhooks: Vec<Webhook>, patience: Patience) -> Self {
        let (policy, stop) = (Arc::new(ArcSwap::from_pointee(policy(webhooks))), CancellationToken::new());
        let keeper = Keeper::new(RootCertStore::empty(), Arc::clone(&policy), patience, stop.clone());
        let store = MemoryStore::default();
        let webhooks = keeper.webhooks();
        let running = tokio::spawn(keeper.run(store.subscribe()));
        Self { webhooks, policy, store, stop, running }
    }

    /// Tells of a pool that goes up or down.
    fn tell(&self, pool: &str, from: Verdict, verdict: Verdict) {
        let event = event(pool, from, verdict);
        self.webhooks.tell(std::iter::once((event, NotificationFilter::default())), 0);
    }

    /// Waits until the first webhook is doing so.
    async fn wait(&self, holds: impl Fn(Condition) -> bool) -> Condition {
        let waiting = async {
            loop {
                let condition = self.webhooks.conditions()[0].1;
                if holds(condition) {
                    return condition;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("{:?}", self.webhooks.conditions()))
    }
}

/// What a message tells: pool or origin, from, to, how often.
fn told(body: &serde_json::Value) -> Vec<String> {
    let word = |change: &serde_json::Value, key: &str| change[key].as_str().unwrap_or("-").to_owned();
    let changes = body["changes"].as_array().unwrap().iter();
    let told = changes.map(|change| {
        let [pool, kind, from, to] = ["pool", "kind", "from", "to"].map(|key| word(change, key));
        format!("{pool} {kind} {from}>{to} {}", change["changes"])
    });
    told.collect()
}

#[tokio::test]
async fn a_message_is_tried_until_it_is_taken_and_what_happens_meanwhile_is_one_more() {
    use Verdict::{Down, Up};
    let mut receiver = Receiver::new(&[Answer::Code(500), Answer::Hang, Answer::Code(302), Answer::Code(204)]).await;
    let world = World::new(vec![webhook("ops", &format!("http://{}/x", receiver.address), Duration::ZERO)], HASTE);
    world.tell("a", Up, Down);
    let (head, first) = receiver.request().await;
    assert!(head.starts_with("POST /x HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(&head, "content-type").as_deref(), Some("application/json"));
    assert!(field(&head, "user-agent").unwrap().starts_with("pooldns/"), "{head}");
    assert_eq!(told(&first), ["a origin up>down 1", "a pool up>down 1"]);
    assert_eq!(
        (&first["webhook"], &first["type"], &first["lost"]),
        (&"ops".into(), &"health.changed".into(), &0.into())
    );
    // A flap while the receiver is ill.
    world.tell("b", Up, Down);
    world.tell("b", Down, Up);
    for _ in 0..3 {
        let (again, body) = receiver.request().await;
        assert_eq!(body, first, "the same message");
        assert_eq!(field(&again, "webhook-id"), field(&head, "webhook-id"));
        assert!(again.starts_with("POST /x "), "no redirect is followed: {again}");
    }
    let (next, body) = receiver.request().await;
    assert_ne!(field(&next, "webhook-id"), field(&head, "webhook-id"));
    assert_eq!(told(&body), ["b origin up>up 2", "b pool up>up 2"]);
    let condition = world.wait(|condition| condition.delivered == 2).await;
    assert_eq!((condition.failed, condition.given_up, condition.lost, condition.waiting), (3, 0, 0, 0));
    assert_eq!(condition.last.unwrap().0.code, Some(200));
}

#[tokio::test]
async fn what_is_given_up_is_counted_and_told_later() {
    use Verdict::{Down, Up};
    let mut receiver = Receiver::new(&[Answer::Code(500); 3]).await;
    let patience = Patience { total: Duration::ZERO, ..HASTE };
    let world = World::new(vec![webhook("ops", &format!("http://{}", receiver.address), Duration::ZERO)], patience);
    for round in 1..=3 {
        world.tell("a", Up, Down);
        receiver.request().await;
        world.wait(|condition| condition.given_up == round).await;
    }
    world.webhooks.tell(std::iter::empty(), 5);
    world.tell("a", Down, Up);
    let (_, body) = receiver.request().await;
    assert_eq!(body["lost"], 11, "two changes each time, and five that nobody has events of");
    world.tell("a", Up, Down);
    let (_, body) = receiver.request().await;
    assert_eq!(body["lost"], 0);
    let condition = world.wait(|condition| condition.delivered == 2).await;
    assert_eq!((condition.failed, condition.given_up, condition.lost), (3, 3, 11));
}

#[tokio::test]
async fn a_reload_replaces_receivers_and_closes_lines() {
    use Verdict::{Down, Up};
    let (mut ill, mut well) = (Receiver::new(&[Answer::Code(500); 99]).await, Receiver::new(&[]).await);
    let url = |receiver: &Receiver| format!("http://{}", receiver.address);
    let patience = Patience { pause_max: Duration::from_millis(50), ..HASTE };
    let world = World::new(vec![webhook("ops", &url(&ill), Duration::ZERO)], patience);
    world.tell("a", Up, Down);
    let (_, first) = ill.request().await;
    // What waits goes to the new address.
    world.policy.store(Arc::new(policy(vec![webhook("ops", &url(&well), Duration::ZERO)])));
    world.store.commit(Change::Declare(Declared::default())).await.unwrap();
    assert_eq!(well.request().await.1, first);
    world.policy.store(Arc::new(policy(vec![])));
    world.store.commit(Change::Declare(Declared::default())).await.unwrap();
    while !world.webhooks.conditions().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(world.webhooks.test("ops").await, None);
}

#[tokio::test]
async fn the_end_delivers_what_waits_but_waits_for_nobody() {
    use Verdict::{Down, Up};
    let (mut well, mut silent) = (Receiver::new(&[]).await, Receiver::new(&[Answer::Hang; 9]).await);
    let hour = Duration::from_hours(1);
    let hooks = [("well", &well, hour), ("silent", &silent, Duration::ZERO)];
    let hooks = hooks.map(|(name, receiver, wait)| webhook(name, &format!("http://{}", receiver.address), wait));
    let patience = Patience { timeout: hour, ..HASTE };
    let world = World::new(hooks.into(), patience);
    world.tell("a", Up, Down);
    silent.request().await;
    world.wait(|condition| condition.waiting == 2).await;
    world.stop.cancel();
    assert_eq!(told(&well.request().await.1), ["a origin up>down 1", "a pool up>down 1"]);
    tokio::time::timeout(LONG, world.running).await.expect("an end").unwrap();
}

#[tokio::test]
async fn a_test_says_what_the_receiver_answers_or_why_there_is_no_answer() {
    let mut receiver = Receiver::new(&[Answer::Code(201), Answer::Code(404), Answer::Hang]).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let hooks = [
        ("ours", format!("http://{}/", receiver.address)),
        ("nobody", format!("http://{free}/")),
        // Nothing is sent to these.
        ("metadata", "http://169.254.169.254/latest".to_owned()),
        ("disguised", "http://[::ffff:169.254.169.254]/".to_owned()),
        ("number", "http://0xa9fea9fe/".to_owned()),
        ("plain", format!("https://{}/", receiver.address)),
    ];
    let hooks = hooks.map(|(name, url)| webhook(name, &url, Duration::ZERO));
    let world = World::new(hooks.into(), HASTE);
    let denied = Some(FailReason::AddressDenied);
    for (name, code, failure) in [
        ("ours", Some(201), None),
        ("ours", Some(404), Some(FailReason::ResponseCodeMismatch)),
        ("ours", None, Some(FailReason::HttpTimeout)),
        ("nobody", None, Some(FailReason::TcpConnectionFailed)),
        ("metadata", None, denied),
        ("disguised", None, denied),
        ("number", None, denied),
        ("plain", None, Some(FailReason::HttpTimeout)),
    ] {
        let delivery = world.webhooks.test(name).await.unwrap();
        assert_eq!((delivery.code, delivery.failure), (code, failure), "{name}");
    }
    for _ in 0..3 {
        let (_, body) = receiver.request().await;
        assert_eq!(body["type"], "test");
    }
    assert_eq!(receiver.next.lock().unwrap().len(), 0);
    assert_eq!(world.webhooks.test("other").await, None);
}
