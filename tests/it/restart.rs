//! The server is killed and started again while its origins are silent: its first answer is that of the verdicts which it had,
//! as long as they are young.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use pooldns::model::stamp::UnixMicros;
use pooldns::model::target::LeftVerdict;
use pooldns::store::embedded::EmbeddedStore;

use crate::harness::origin::load_balancer;
use crate::harness::server::Options;
use crate::harness::{Behaviour, Random, Site, TestServer, ZONE, addresses, extended_error, wait, wait_for};

/// How often the server is killed.
const ROUNDS: usize = 20;
/// The live name of these tests.
const WWW: &str = "www.example.test.";
/// Often enough to notice; a busy machine is late now and then, and not three times in a row.
const QUICK: &str = "interval = \"500ms\"\ntimeout = \"400ms\"\nretries = 0\nconsecutive_down = 3";
/// The same monitor, of which no probe ends while a test lasts if the origin is silent.
const PATIENT: &str = "interval = 3600\ntimeout = 60\nretries = 0\nconsecutive_down = 3";

/// Two origins under a monitor answer for [`WWW`].
fn objects(site: &Site, monitor: &str) -> String {
    let monitor = site.monitor("web", "http", monitor);
    format!("{ZONE}{monitor}{}{}", site.pool("web", "web"), load_balancer("www.example.test", &["web"]))
}

/// One of two origins is healthy.
fn set_healthy(site: &Site, healthy: usize) {
    site.origins[healthy].set(Behaviour::Ok);
    site.origins[1 - healthy].set(Behaviour::Error500);
}

/// What a server that is killed now leaves behind.
fn left(server: &TestServer) -> Vec<LeftVerdict> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(server.folder.path().join("store/pooldns.redb"), folder.path().join("pooldns.redb")).unwrap();
    // A copy of a file that is being written may be torn, as no crash leaves it.
    let store = EmbeddedStore::open(folder.path());
    store.map(|store| store.take_left_verdicts()).unwrap_or_default()
}

/// The addresses that are healthy by what a server that is killed now leaves behind.
fn left_healthy(server: &TestServer) -> Vec<IpAddr> {
    left(server).into_iter().filter(|left| left.standing.is_up).map(|left| left.key.address).collect()
}

/// The first answer after a start is of the healthy origin alone.
#[track_caller]
fn expect_first_answer(server: &TestServer, healthy: IpAddr, what: &str) {
    let answer = server.dns().get(WWW, RecordType::A);
    assert_eq!(answer.metadata.response_code, ResponseCode::NoError, "{what}: {answer}");
    assert_eq!((addresses(&answer), extended_error(&answer)), (vec![healthy], None), "{what}: {answer}");
    assert!(server.status().ready, "{what}");
}

#[test]
fn the_first_answer_after_a_kill_at_any_moment_is_right() {
    let site = Site::http(2);
    let all = site.addresses();
    let mut healthy = 0;
    set_healthy(&site, healthy);
    // A machine so busy that a round takes longer than a verdict is young shows nothing.
    let options = Options { health: "verdict_lifetime = \"10m\"".into(), ..Options::default() };
    let mut server = TestServer::start_with(&objects(&site, QUICK), options);
    wait_for(&vec![all[healthy]], || server.dns().addresses(WWW));
    wait_for(&vec![all[healthy]], || left_healthy(&server));
    let mut random = Random(4);
    let mut latest = Duration::ZERO;
    for round in 0..ROUNDS {
        if round % 4 == 3 {
            healthy = 1 - healthy;
            set_healthy(&site, healthy);
            wait_for(&vec![all[healthy]], || server.dns().addresses(WWW));
            let answered = Instant::now();
            wait_for(&vec![all[healthy]], || left_healthy(&server));
            latest = latest.max(answered.elapsed());
        } else {
            // At any moment, also before anything has been probed.
            std::thread::sleep(Duration::from_micros(random.next() % 700_000));
        }
        server.signal(if round % 5 == 4 { "TERM" } else { "KILL" });
        server.wait_end();

        site.origins.iter().for_each(|origin| origin.set(Behaviour::Hang));
        server.edit(&objects(&site, PATIENT));
        server.start_again();
        expect_first_answer(&server, all[healthy], &format!("round {round}, silent origins"));
        assert!(server.origin("web", 0).last.is_none(), "no probe has ended");
        server.signal("KILL");
        server.wait_end();

        set_healthy(&site, healthy);
        server.edit(&objects(&site, QUICK));
        server.start_again();
        expect_first_answer(&server, all[healthy], &format!("round {round}"));
    }
    eprintln!("changed answers were on disk after {latest:?} at the latest");
    // Since when it stands is no news of the last process.
    let since = server.origin("web", healthy).since.unwrap();
    assert!(since < server.status().started, "{since}");
}

#[test]
fn verdicts_that_are_too_old_are_waited_for_anew() {
    let site = Site::http(2);
    let lifetime = Duration::from_secs(1);
    for (health, is_kept) in [("verdict_lifetime = 1", true), ("verdict_lifetime = 0", false)] {
        set_healthy(&site, 0);
        let options = Options { health: health.to_owned(), ..Options::default() };
        let mut server = TestServer::start_with(&objects(&site, QUICK), options);
        wait_for(&site.addresses()[..1].to_vec(), || server.dns().addresses(WWW));
        if is_kept {
            wait("verdicts on disk", || left(&server).len() == 2);
        }
        server.signal("TERM");
        server.wait_end();
        site.origins.iter().for_each(|origin| origin.set(Behaviour::Hang));
        server.edit(&objects(&site, PATIENT));
        let kept = left(&server);
        assert_eq!(kept.len(), if is_kept { 2 } else { 0 }, "{health}");
        let age = |left: &LeftVerdict| UnixMicros::of(SystemTime::now()).0 - left.alive.0;
        wait("old age", || kept.iter().all(|left| u128::from(age(left)) > lifetime.as_micros()));
        server.start_again();
        let answer = server.dns().get(WWW, RecordType::A);
        assert_eq!(answer.metadata.response_code, ResponseCode::ServFail, "{health}: {answer}");
        assert_eq!((extended_error(&answer), answer.answers.len()), (Some(14), 0), "{health}: {answer}");
        assert!(!server.status().ready && server.origin("web", 0).verdict == "unknown", "{health}");
        // What is probed anew decides, here the other way round.
        set_healthy(&site, 1);
        server.reload(&objects(&site, QUICK));
        wait_for(&site.addresses()[1..].to_vec(), || server.dns().addresses(WWW));
    }
}
