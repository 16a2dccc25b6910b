//! Webhooks of the whole server: an origin breaks, and a receiver hears of it, signed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::Value;

use crate::harness::origin::load_balancer;
use crate::harness::server::{PROGRAM, command};
use crate::harness::tools::{installed, skipped};
use crate::harness::{Behaviour, PATIENCE, Site, TestServer, ZONE, run, wait};

/// The secret in base64, and a path that is as secret.
const SECRET: &str = "c2VjcmV0IG9mIHRoZSB3ZWJob29rcyBvZiBhIHRlc3Q=";
const PATH: &str = "/T0KEN/of-a-receiver";

/// What the README says a receiver does.
const VERIFY: &str = r#"
import base64, hmac, sys
secret, id, timestamp, signature = sys.argv[1:]
body = sys.stdin.buffer.read()
signed = b".".join([id.encode(), timestamp.encode(), body])
expected = "v1," + base64.b64encode(hmac.digest(base64.b64decode(secret), signed, "sha256")).decode()
sys.exit(0 if hmac.compare_digest(expected, signature) else 1)
"#;

/// A message as it came.
struct Got {
    /// Its head, line by line.
    head: Vec<String>,
    /// Its body.
    body: String,
}

/// Listens for messages and takes them all.
fn receiver() -> (SocketAddr, Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, got) = channel();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(|stream| take(&stream, &tell)));
    (address, got)
}

/// Takes one message.
fn take(mut stream: &TcpStream, tell: &Sender<Got>) {
    let mut reader = BufReader::new(stream);
    let head: Vec<String> = (&mut reader).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |it| it.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    tell.send(Got { head, body: String::from_utf8(body).unwrap() }).ok();
}

impl Got {
    /// The value of a field of its head.
    fn field(&self, name: &str) -> &str {
        let prefix = format!("{name}: ");
        self.head.iter().find_map(|line| line.strip_prefix(prefix.as_str())).unwrap()
    }

    /// What it says.
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether its signature holds, by a program that is not ours.
    fn verify(&self) -> bool {
        let mut command = Command::new("python3");
        command.args(["-c", VERIFY, SECRET]);
        command.args(["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| self.field(name)));
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(self.body.as_bytes()).unwrap();
        child.wait().unwrap().success()
    }
}

/// A pool of two origins and a webhook; `more` is more of the pool.
fn objects(site: &Site, receiver: SocketAddr, more: &str) -> String {
    [
        ZONE.to_owned(),
        site.monitor("web", "tcp", "interval = \"500ms\"\ntimeout = \"400ms\"\nretries = 0"),
        site.pool("web", "web").replace("origins = [", &format!("{more}\norigins = [")),
        load_balancer("www.example.test", &["web"]),
        format!("\n[[webhooks]]\nname = \"ops team\"\nurl = \"http://{receiver}{PATH}\"\nsecret = \"{SECRET}\"\ngroup_wait = \"200ms\"\n"),
    ]
    .concat()
}

#[test]
fn a_receiver_hears_of_an_origin_that_breaks() {
    let site = Site::http(2);
    let (address, got) = receiver();
    let server = TestServer::start(&objects(&site, address, "minimum_origins = 2"));
    let next = || got.recv_timeout(PATIENCE).expect("a message");
    site.origins[1].set(Behaviour::Refuse);
    // The start itself was no news.
    let first = next();
    assert_eq!(first.head[0], format!("POST {PATH} HTTP/1.1"));
    let body = first.json();
    let changes = body["changes"].as_array().unwrap();
    let told: Vec<_> = changes.iter().map(|it| [&it["kind"], &it["from"], &it["to"], &it["reason"]]).collect();
    let expected = [["origin", "up", "down", "TCP connection failed"], ["pool", "up", "down", ""]];
    for (told, expected) in told.iter().zip(expected) {
        assert_eq!(told.map(|value| value.as_str().unwrap_or_default()), expected);
    }
    assert_eq!((told.len(), &changes[0]["origin"], &body["lost"]), (2, &"web-1".into(), &0.into()));
    assert_eq!(first.field("webhook-id"), body["id"].as_str().unwrap());
    if installed("python3") {
        assert!(first.verify());
        let forged = Got { body: first.body.replace("down", "up"), head: first.head.clone() };
        assert!(!forged.verify());
    } else {
        skipped("python3");
    }
    site.origins[1].set(Behaviour::Ok);
    assert_eq!(next().json()["changes"][1]["to"], "up");

    let test =
        |name: &str| run(Command::new(PROGRAM).args(["webhook", "test", name]).arg("--config").arg(server.config()));
    let tested = test("ops team");
    assert!(tested.code == Some(0) && tested.stdout.starts_with("ops team took the sample (202) in "), "{tested:?}");
    assert_eq!(next().json()["type"], "test");
    let unknown = test("dev");
    assert!(unknown.code == Some(1) && unknown.stderr.contains("there is no webhook \"dev\""), "{unknown:?}");

    wait("two messages", || server.status().webhooks[0].delivered == 2);
    let metrics = server.metrics();
    let line = "pooldns_webhook_messages_total{webhook=\"ops team\",result=\"delivered\"} 2";
    assert!(metrics.contains(line), "{metrics}");
    let shown = [
        server.command("status").stdout,
        run(command(server.folder.path(), "status").arg("--json")).stdout,
        server.command("export").stdout,
        metrics,
        server.log().join("\n"),
    ];
    assert!(shown[0].contains(&format!("webhook ops team to http://{address}: last message taken")), "{}", shown[0]);
    for text in shown {
        assert!(!text.contains("T0KEN") && !text.contains(SECRET), "{text}");
    }
}

#[test]
fn what_the_pool_and_a_reload_say_holds() {
    let site = Site::http(2);
    let (address, got) = receiver();
    let filter = "notification_filter = { pool = { disable = true }, origin = { healthy = false } }";
    let server = TestServer::start(&objects(&site, address, filter));
    site.origins[0].set(Behaviour::Refuse);
    site.origins[1].set(Behaviour::Refuse);
    let mut down = Vec::new();
    while down.len() < 2 {
        let body = got.recv_timeout(PATIENCE).expect("a message").json();
        for change in body["changes"].as_array().unwrap() {
            assert_eq!((&change["kind"], &change["to"]), (&"origin".into(), &"down".into()), "{body}");
            down.push(change["origin"].as_str().unwrap().to_owned());
        }
    }
    down.sort();
    assert_eq!(down, ["web-0", "web-1"]);
    // A webhook that is gone is told nothing more; what is sent to another is all that comes.
    let (other, heard) = receiver();
    server.reload(&objects(&site, other, "").replace("ops team", "others"));
    wait("the other", || server.status().webhooks.iter().map(|it| it.name.as_str()).eq(["others"]));
    site.origins[0].set(Behaviour::Ok);
    let body = heard.recv_timeout(PATIENCE).expect("a message").json();
    assert_eq!((&body["webhook"], &body["changes"][0]["to"]), (&"others".into(), &"up".into()));
    assert!(got.try_recv().is_err());
}
