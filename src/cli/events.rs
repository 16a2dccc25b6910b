//! `pooldns events`: what happened to pools and origins, and what happens.
//!
//! Whoever follows goes by the numbers of events: after an interruption, be it of the server, it goes on after the last one
//! that it has seen, and says on standard error what is missing.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::client::{self, ClientError};
use crate::api::events::{EventsAsked, EventsTold};
use crate::cli::token::parse_life;
use crate::cli::{CliError, ControlArgs, block_on};
use crate::model::limits::EVENTS_ANSWERED_MAX;
use crate::spec::told::{Kind, ToldChange};

/// How many events are shown if nothing is said.
const SHOWN: usize = 100;
/// How many events whoever follows begins with.
const BEFORE: usize = 10;
/// How long an answer is waited for: less than a server allows, so that it has one.
const WAIT: Duration = Duration::from_secs(30);
/// How much later an answer is given up: a server that says nothing for so long has been stopped, or worse.
const SILENCE: Duration = Duration::from_secs(30);
/// Between two tries to reach a server that is gone.
const AGAIN: Duration = Duration::from_millis(500);

/// Arguments of `events`.
#[derive(Args, Debug)]
pub(super) struct EventsArgs {
    /// Only what happened since then: a time such as 2026-01-31T12:00:00Z, or a span such as 2h.
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<Timestamp>,
    /// Only the pool with this name.
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,
    /// So many events at most, the last ones; without it 100, or, with --since, all.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: Option<u16>,
    /// Go on with what happens from now on, until interrupted; begins with the last 10, or what --limit or --since say.
    #[arg(long, short)]
    follow: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// Which server.
    #[command(flatten)]
    control: ControlArgs,
}

/// Prints events.
pub(super) fn run(args: &EventsArgs) -> Result<(), CliError> {
    let path = args.control.path()?;
    block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            printed = print(args, &path) => printed,
            interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
            _ = terminated.recv() => Ok(()),
        }
    })?
}

/// Prints what is there, and then, if that is wanted, what comes.
async fn print(args: &EventsArgs, control: &Path) -> Result<(), CliError> {
    let since = args.since.map(|since| u64::try_from(since.as_microsecond()).unwrap_or(0));
    let mut asked = EventsAsked { since, pool: args.pool.clone(), ..EventsAsked::default() };
    if args.since.is_some() && args.limit.is_none() {
        asked.after = Some(0);
    } else {
        asked.limit = Some(args.limit.map_or(if args.follow { BEFORE } else { SHOWN }, usize::from));
    }
    let mut told;
    loop {
        told = client::events(control, &asked).await?.map_err(CliError::Store)?;
        show(&told, args.json)?;
        let is_all = told.next >= told.last;
        if asked.after.is_none() || is_all {
            break;
        }
        asked.after = Some(told.next);
    }
    if !args.follow {
        return Ok(());
    }
    asked = EventsAsked { after: Some(told.next), limit: None, wait: Some(WAIT.as_secs()), ..asked };
    follow(control, asked, told.lost, args.json).await
}

/// Prints what comes, for ever.
async fn follow(control: &Path, mut asked: EventsAsked, mut lost: u64, json: bool) -> Result<(), CliError> {
    let mut interrupted = false;
    loop {
        // A server that is back says so at once, though nothing happens.
        let wait = asked.wait.filter(|_| !interrupted);
        let asking = EventsAsked { wait, ..asked.clone() };
        let answer = tokio::time::timeout(WAIT + SILENCE, client::events(control, &asking)).await;
        let after = asked.after.unwrap_or(0);
        let told = match answer {
            Ok(Ok(Ok(told))) => told,
            failed => {
                if !interrupted {
                    complain(format_args!("{}; trying again until it answers", failure(failed)));
                }
                interrupted = true;
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        if told.last < after {
            complain("the server keeps other events than before: all that it has follow");
            (asked.after, lost) = (Some(0), told.lost);
            continue;
        }
        if interrupted {
            complain(format_args!("the server answers again: going on after event {after}"));
            // What it has lost is counted since its start.
            (interrupted, lost) = (false, if told.lost < lost { 0 } else { lost });
        }
        let gone = told.missed;
        if gone > 0 {
            complain(format_args!("A GAP: {gone} events after {after} are no longer kept"));
        }
        let more = told.lost.saturating_sub(lost);
        if more > 0 {
            complain(format_args!("A GAP: the server had no room for {more} events, which have no numbers"));
        }
        lost = told.lost;
        show(&told, json)?;
        asked.after = Some(told.next);
    }
}

/// Why there was no answer.
fn failure<T, E>(answer: Result<Result<Result<T, String>, ClientError>, E>) -> String {
    match answer {
        Ok(Ok(Err(why))) => why,
        Ok(Err(error)) => error.to_string(),
        _ => "the server says nothing".to_owned(),
    }
}

/// Says something beside the events. Whoever has closed standard error does not want to know.
fn complain(what: impl Display) {
    drop(writeln!(io::stderr(), "pooldns: {what}"));
}

/// Prints changes, one a line.
fn show(told: &EventsTold, json: bool) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    for change in &told.changes {
        if json {
            writeln!(out, "{}", serde_json::to_string(change)?)?;
        } else {
            writeln!(out, "{}", Line(change))?;
        }
    }
    Ok(out.flush()?)
}

/// A change for a person.
struct Line<'c>(&'c ToldChange);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ToldChange { id: _, time, kind, pool, pool_id: _, origin, address, ip, .. } = self.0;
        let ToldChange { reason, count, latency_ms, from, to, healthy_origins, minimum_origins, .. } = self.0;
        // To the millisecond.
        let time = time.get(..23).unwrap_or(time);
        write!(f, "{time}Z  {pool}  ")?;
        match kind {
            Kind::Pool => write!(f, "pool  {from} -> {to}  ({healthy_origins} healthy, {minimum_origins} needed")?,
            Kind::Origin => {
                write!(f, "{}", origin.as_deref().unwrap_or("?"))?;
                address.iter().try_for_each(|address| write!(f, " {address}"))?;
                ip.iter().try_for_each(|ip| write!(f, " {ip}"))?;
                write!(f, "  {from} -> {to}")?;
                reason.iter().try_for_each(|reason| write!(f, "  {reason}"))?;
                let count =
                    count.map(|count| if count == 1 { "1 probe".to_owned() } else { format!("{count} probes") });
                let latency = latency_ms.map(|latency| format!("{latency:.1} ms"));
                let details: Vec<String> = count.into_iter().chain(latency).collect();
                if details.is_empty() {
                    return Ok(());
                }
                write!(f, "  ({}", details.join(", "))?;
            }
        }
        f.write_str(")")
    }
}

/// Reads a moment, or how long ago it is.
fn parse_since(text: &str) -> Result<Timestamp, String> {
    let wrong = |_| "a time such as 2026-01-31T12:00:00Z, or a number with s, m, h or d, such as 2h".to_owned();
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let span = parse_life(text).map_err(wrong)?;
    // What is before all calendars is before everything.
    Ok(Timestamp::now().checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH))
}

// Both ends agree on how much one answer has.
const _: () = assert!(SHOWN <= EVENTS_ANSWERED_MAX && BEFORE <= SHOWN);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_everything_that_is_known() {
        let origin = ToldChange {
            id: Some(1),
            time: "2026-01-31T12:00:00.123456Z".to_owned(),
            kind: Kind::Origin,
            pool: "web".to_owned(),
            pool_id: "0".repeat(32),
            origin: Some("a".to_owned()),
            address: Some("192.0.2.1".to_owned()),
            ip: None,
            reason: Some("TCP Timeout".to_owned()),
            count: Some(2),
            latency_ms: Some(2000.25),
            from: "up".to_owned(),
            to: "down".to_owned(),
            healthy_origins: 1,
            minimum_origins: 2,
        };
        let bare = ToldChange { count: None, latency_ms: None, reason: None, ..origin.clone() };
        let once = ToldChange { count: Some(1), ..bare.clone() };
        let pool = ToldChange { kind: Kind::Pool, origin: None, address: None, ..bare.clone() };
        let host =
            ToldChange { address: Some("app.example.net".to_owned()), ip: Some([192, 0, 2, 7].into()), ..bare.clone() };
        for (change, line) in [
            (host, "web  a app.example.net 192.0.2.7  up -> down"),
            (origin, "web  a 192.0.2.1  up -> down  TCP Timeout  (2 probes, 2000.2 ms)"),
            (bare, "web  a 192.0.2.1  up -> down"),
            (once, "web  a 192.0.2.1  up -> down  (1 probe)"),
            (pool, "web  pool  up -> down  (1 healthy, 2 needed)"),
        ] {
            assert_eq!(Line(&change).to_string(), format!("2026-01-31T12:00:00.123Z  {line}"));
        }
    }

    #[test]
    fn a_moment_is_a_time_or_a_span() {
        assert_eq!(parse_since("2026-01-31T12:00:00Z").unwrap().as_second(), 1_769_860_800);
        let ago = Timestamp::now().duration_since(parse_since("2h").unwrap()).as_secs();
        assert!((7_140..=7_200).contains(&ago), "{ago}");
        for wrong in ["", "yesterday", "2", "-2h"] {
            assert!(parse_since(wrong).is_err(), "{wrong}");
        }
    }
}
