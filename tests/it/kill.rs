//! The server is killed again and again while the API's clients write: what was acknowledged is there afterwards, what was
//! not is there as a whole or not at all, and ids stay.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Value, json};

use crate::clients::API;
use crate::harness::http::{Answer, Http};
use crate::harness::{Random, TestServer, ZONE};

/// How often it is killed.
const ROUNDS: u64 = 200;
/// Clients that write at one time.
const WRITERS: usize = 6;
/// Pools that each of them has, at most.
const POOLS_MAX: usize = 20;
/// All pools.
const POOLS: &str = "/user/load_balancers/pools";

/// A pool as its writer knows it.
#[derive(Clone, Debug)]
struct Known {
    /// Its id.
    id: String,
    /// When it was made, as the API says.
    created_on: String,
    /// The number that its contents were made of last.
    number: u64,
}

/// What was asked for when the server died.
#[derive(Clone, Debug)]
enum Asked {
    /// To make a pool of a number.
    Make(u64),
    /// To make a pool anew, of another number.
    Change(u64),
    /// To delete one.
    Delete,
}

/// What one client has written.
struct Writer {
    /// Its place among the writers.
    index: usize,
    /// Decides what is written.
    random: Random,
    /// The last number that contents were made of.
    number: u64,
    /// Pools that are acknowledged, by name.
    pools: BTreeMap<String, Known>,
    /// What was not acknowledged, if anything, and of which name.
    asked: Option<(String, Asked)>,
    /// How many writes were acknowledged.
    acknowledged: usize,
}

/// The body of a pool. All of it follows from a number, so that half of one and half of another is seen.
fn body(name: &str, number: u64) -> Value {
    let [.., high, low] = number.to_be_bytes();
    let origin = |index: u64| json!({"name": format!("{index}-{number}"), "address": format!("10.{index}.{high}.{low}"), "weight": 0.5});
    let origins: Vec<Value> = (0..=number % 4).map(origin).collect();
    json!({"name": name, "description": number.to_string(), "minimum_origins": number % 2, "origins": origins})
}

/// The number that a pool is made of, if it is made of one.
fn number_of(pool: &Value) -> Option<u64> {
    let number = pool["description"].as_str()?.parse().ok()?;
    let expected = body(pool["name"].as_str()?, number);
    let shown =
        |origin: &Value| json!({"name": origin["name"], "address": origin["address"], "weight": origin["weight"]});
    let origins: Vec<Value> = pool["origins"].as_array()?.iter().map(shown).collect();
    let is_whole =
        expected["origins"] == Value::Array(origins) && expected["minimum_origins"] == pool["minimum_origins"];
    is_whole.then_some(number)
}

impl Writer {
    /// Writes until the server does not answer any more.
    fn write(&mut self, http: &mut Http) {
        loop {
            let known = self.random.below(POOLS_MAX);
            let (name, asked) = match self.pools.keys().nth(known) {
                Some(name) if self.random.once_in(8) => (name.clone(), Asked::Delete),
                Some(name) => (name.clone(), Asked::Change(self.next())),
                None => {
                    let number = self.next();
                    (format!("w{}-{number}", self.index), Asked::Make(number))
                }
            };
            self.asked = Some((name.clone(), asked.clone()));
            let Some(answer) = self.ask(http, &name, &asked) else { return };
            self.acknowledge(name, &asked, &answer);
        }
    }

    /// A number that nothing was made of yet.
    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Asks for a change; none if the server is gone.
    fn ask(&self, http: &mut Http, name: &str, asked: &Asked) -> Option<Answer> {
        let path = self.pools.get(name).map(|known| format!("{POOLS}/{}", known.id));
        let answer = match (asked, path) {
            (Asked::Change(number), Some(path)) => http.try_call("PUT", &path, "", Some(&body(name, *number))),
            (Asked::Delete, Some(path)) => http.try_call("DELETE", &path, "", None),
            (Asked::Make(number), _) => http.try_call("POST", POOLS, "", Some(&body(name, *number))),
            (_, None) => panic!("{name} is not known"),
        };
        answer.ok()
    }

    /// Notes what the server has answered for.
    fn acknowledge(&mut self, name: String, asked: &Asked, answer: &Answer) {
        let pool = answer.result();
        let text = |key: &str| pool[key].as_str().unwrap_or_default().to_owned();
        match asked {
            Asked::Delete => drop(self.pools.remove(&name)),
            Asked::Make(number) | Asked::Change(number) => {
                assert_eq!(number_of(&pool), Some(*number), "{pool}");
                let known = Known { id: text("id"), created_on: text("created_on"), number: *number };
                self.pools.insert(name, known);
            }
        }
        self.asked = None;
        self.acknowledged += 1;
    }

    /// Holds what is there against what was acknowledged, and takes what is there for known. Gives how many pools it has.
    fn check(&mut self, there: &HashMap<&str, &Value>) -> usize {
        let asked = self.asked.take();
        if let Some((name, asked)) = &asked {
            let pool = there.get(name.as_str());
            let number = pool.map(|pool| number_of(pool).unwrap_or_else(|| panic!("half of it is written: {pool}")));
            match (asked, number) {
                (Asked::Make(asked), Some(number)) => {
                    assert_eq!(*asked, number);
                    let text = |key: &str| pool.unwrap()[key].as_str().unwrap().to_owned();
                    let known = Known { id: text("id"), created_on: text("created_on"), number };
                    self.pools.insert(name.clone(), known);
                }
                (Asked::Change(asked), Some(number)) if *asked == number => {
                    self.pools.get_mut(name).unwrap().number = number;
                }
                (Asked::Delete, None) => drop(self.pools.remove(name)),
                // As it was, which is looked at below.
                _ => {}
            }
        }
        for (name, Known { id, created_on, number }) in &self.pools {
            let Some(pool) = there.get(name.as_str()) else { panic!("{name} was acknowledged, and is not there") };
            assert_eq!(number_of(pool), Some(*number), "{asked:?}: {pool}");
            assert_eq!((&pool["id"], &pool["created_on"]), (&json!(id), &json!(created_on)), "{name}");
        }
        self.pools.len()
    }
}

#[test]
fn what_is_acknowledged_outlives_two_hundred_kills() {
    let mut server = TestServer::start(&format!("{API}{ZONE}"));
    let token = server.token("writers", &[]);
    let writer = |index: usize| Writer {
        index,
        random: Random(u64::try_from(index).unwrap()),
        number: 0,
        pools: BTreeMap::new(),
        asked: None,
        acknowledged: 0,
    };
    let mut writers: Vec<Writer> = (0..WRITERS).map(writer).collect();
    let mut random = Random(9);
    for round in 0..ROUNDS {
        let address = server.api();
        std::thread::scope(|scope| {
            for writer in &mut writers {
                let mut http = Http::new(address, &token);
                scope.spawn(move || writer.write(&mut http));
            }
            // At any moment.
            std::thread::sleep(Duration::from_micros(random.next() % 150_000));
            server.signal("KILL");
            server.wait_end();
        });
        server.start_again();
        let list = Http::new(server.api(), &token).call("GET", POOLS, None).result();
        let there: HashMap<&str, &Value> =
            list.as_array().unwrap().iter().map(|pool| (pool["name"].as_str().unwrap(), pool)).collect();
        let known: usize = writers.iter_mut().map(|writer| writer.check(&there)).sum();
        assert_eq!(there.len(), known, "round {round}: more is there than anybody has written");
    }
    let acknowledged: usize = writers.iter().map(|writer| writer.acknowledged).sum();
    eprintln!("{acknowledged} writes were acknowledged");
    // Most rounds have to have written something, or they have shown nothing.
    assert!(acknowledged > 200, "only {acknowledged} writes were acknowledged");
}
