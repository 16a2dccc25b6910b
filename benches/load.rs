//! How long a start takes, from a configuration's text to compiled answers, and how much memory stays in use.
//!
//! Each case runs in a process of its own, so that none finds memory that another left behind. What the reading of the
//! text needs for a moment does not count as memory in use, therefore it comes last.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its results and may stop anywhere")]

mod support;

use std::process::Command;
use std::time::Duration;

use pooldns::config::load_text;
use pooldns::spec::declared::build;
use pooldns::spec::toml_text;
use tokio::time::Instant;

use support::inventory::{Sharing, Size, declared};
use support::quantile;
use support::stack::{Stack, StartTimes, script};

/// Tells a process which case is its own.
const CASE: &str = "POOLDNS_BENCH_CASE";
/// Processes for each case.
const ROUNDS: usize = 5;

/// What is measured: label, size, and names to divide by.
const CASES: [(&str, Size, usize); 3] = [
    (
        "100,000 load balancers, 10,000 pools of 4, equal steering in a pool",
        Size { names: 100_000, pools: 10_000, origins: 4, fixed: 0, steering: Sharing::Equal },
        100_000,
    ),
    (
        "100,000 load balancers, 10,000 pools of 4, no two steered alike",
        Size { names: 100_000, pools: 10_000, origins: 4, fixed: 0, steering: Sharing::Different },
        100_000,
    ),
    (
        "1,000,000 static A records in one zone",
        Size { names: 0, pools: 0, origins: 0, fixed: 1_000_000, steering: Sharing::Equal },
        1_000_000,
    ),
];

/// Where one case stands: milliseconds of each part, and octets of resident memory for each name.
const COLUMNS: [&str; 7] = ["TOML", "commit", "reconcile", "publish", "sum ms", "ready ms", "octets/name"];

fn main() {
    if let Ok(case) = std::env::var(CASE) {
        let (_, size, names) = CASES.get(case.parse::<usize>().unwrap()).unwrap();
        println!("{}", measure(*size, *names).map(|value| value.to_string()).join(" "));
        return;
    }
    println!("{:<68} {}", "medians", COLUMNS.map(|column| format!("{column:>11}")).concat());
    for (number, (label, ..)) in CASES.iter().enumerate() {
        let mut columns = COLUMNS.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            let exe = std::env::current_exe().unwrap();
            let output = Command::new(exe).env(CASE, number.to_string()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8(output.stdout).unwrap();
            for (column, value) in columns.iter_mut().zip(text.split_whitespace()) {
                column.push(value.parse::<f64>().unwrap());
            }
        }
        println!("{label:<68} {}", columns.map(|mut column| format!("{:>11.0}", quantile(&mut column, 0.5))).concat());
    }
}

/// Starts once and gives the columns.
fn measure(size: Size, names: usize) -> [f64; COLUMNS.len()] {
    let before = resident();
    let declared = declared(size);
    let began = Instant::now();
    let stack = Stack::start(declared, script(size).0);
    let StartTimes { commit, reconcile, publish } = stack.start;
    stack.wait_ready(size.names, u16::try_from(size.origins).unwrap());
    let ready = began.elapsed();
    // Publish may be at work on the last verdicts still.
    std::thread::park_timeout(Duration::from_millis(200));
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let per_name = (resident() - before) as f64 / names as f64;
    let toml = parse(size);
    let millis = [toml, commit, reconcile, publish, ready].map(|time| time.as_secs_f64() * 1e3);
    let [toml, commit, reconcile, publish, ready] = millis;
    [toml, commit, reconcile, publish, toml + commit + reconcile + publish, ready, per_name]
}

/// How long the same objects take to be read from a configuration's text.
fn parse(size: Size) -> Duration {
    let mut objects = declared(size);
    for monitor in &mut objects.monitors {
        // Some benches have a monitor that is more eager than a file may ask for.
        monitor.interval = Duration::from_hours(1);
    }
    let text = format!("version = 1\n{}", toml_text::render(&build(&objects)));
    let began = Instant::now();
    let configuration = load_text("bench.toml", &text).unwrap();
    let took = began.elapsed();
    assert_eq!(configuration.declared.load_balancers.len(), objects.load_balancers.len());
    took
}

/// Octets of resident memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
