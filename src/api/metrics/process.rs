//! What the system says of this process, under the names that every Prometheus client has for it.

use std::fs;
use std::time::{Duration, SystemTime};

use super::exposition::{Exposition, Type};

/// Ticks of a second in `/proc`: Linux shows times in these to programs on every platform that we build for.
const TICKS: f64 = 100.0;

/// Writes what the system says. What it does not say is left out.
pub(super) fn write(exposition: &mut Exposition, started: SystemTime) {
    let read = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let (status, stat, limits) = (read("status"), read("stat"), read("limits"));
    let gauge = Type::Gauge;
    if let Some(seconds) = cpu_seconds(&stat) {
        let help = "User and system time of all threads.";
        exposition.single("process_cpu_seconds_total", Type::Counter, help, seconds);
    }
    for (name, key, help) in [
        ("process_resident_memory_bytes", "VmRSS:", "Memory in use."),
        ("process_virtual_memory_bytes", "VmSize:", "Addresses in use."),
    ] {
        if let Some(octets) = kibibytes(&status, key) {
            exposition.single(name, gauge, help, octets * 1024);
        }
    }
    if let Some(threads) = field(&status, "Threads:") {
        exposition.single("process_threads", gauge, "Threads.", threads);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The folder itself is open while it is read.
        exposition.single("process_open_fds", gauge, "Open files and sockets.", open.count().saturating_sub(1));
    }
    if let Some(max) = field(&limits, "Max open files") {
        exposition.single("process_max_fds", gauge, "Files and sockets that may be open.", max);
    }
    let since = started.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since: Duration| since.as_secs_f64());
    exposition.single("process_start_time_seconds", gauge, "When it started, since 1970.", since);
}

/// The number after a key at the start of a line.
fn field(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The same, where the number is in kibibytes.
fn kibibytes(text: &str, key: &str) -> Option<u64> {
    text.lines().any(|line| line.starts_with(key) && line.ends_with(" kB")).then(|| field(text, key))?
}

/// User and system time, fields 14 and 15; the second field may have spaces and parentheses.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok().map(f64::from);
    Some((ticks()? + ticks()?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_says() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 906 0 0 0 250 150 0 0 20 0 1 0 7 8 9";
        assert_eq!(cpu_seconds(stat), Some(4.0));
        assert_eq!(cpu_seconds("7 (a) S"), None);
        let status = "Name:\tVmRSS:\nVmRSS:\t    1024 kB\nThreads:\t3\n";
        assert_eq!((kibibytes(status, "VmRSS:"), field(status, "Threads:")), (Some(1024), Some(3)));
        assert_eq!((kibibytes(status, "Threads:"), field(status, "VmSize:")), (None, None));
        assert_eq!(
            field("Max open files            1024                 4096                 files\n", "Max open files"),
            Some(1024)
        );
    }
}
