//! `pooldns status`: pools, origins and load balancers of a running server.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};

use clap::Args;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use jiff::Timestamp;

use crate::api::client;
use crate::api::status::{
    AddressStatus, CertificateStatus, DeliveryStatus, LeverStatus, LoadBalancerStatus, MemberStatus, OriginStatus,
    PoolStatus, ProbeStatus, ReferenceStatus, ReloadStatus, SecondaryStatus, SetAsideStatus, Status, WebhookStatus,
};
use crate::cli::{CliError, ControlArgs, block_on};
use crate::model::verdict::FailReason;

/// Arguments of `status`.
#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    /// Which server.
    #[command(flatten)]
    control: ControlArgs,
    /// Everything as JSON, counters too.
    #[arg(long)]
    json: bool,
}

/// Asks for the status and prints it.
pub(super) fn run(args: &StatusArgs) -> Result<(), CliError> {
    let path = args.control.path()?;
    let status = block_on(client::status(&path))??;
    let mut out = io::stdout();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&status)?)?;
        return Ok(());
    }
    write!(out, "{}", Report { status: &status, now: Timestamp::now() })?;
    Ok(())
}

/// The status for a person.
struct Report<'s> {
    /// The status.
    status: &'s Status,
    /// When it is shown.
    now: Timestamp,
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Status {
            version,
            started,
            ready,
            generation,
            guard,
            stalled,
            listen,
            api,
            api_certificate,
            configuration: _,
            zones,
            pools,
            load_balancers,
            set_aside,
            webhooks,
            reload,
            counters,
        } = self.status;
        let readiness = if *ready { "ready" } else { "waiting for first verdicts" };
        writeln!(f, "pooldns {version}, {readiness}, up {}, generation {generation}", ago(*started, self.now))?;
        let addresses: Vec<String> = listen.iter().map(ToString::to_string).collect();
        writeln!(f, "listens on {}; {} answers sent", addresses.join(", "), counters.udp_sent + counters.tcp_sent)?;
        if !api.is_empty() {
            let addresses: Vec<String> = api.iter().map(ToString::to_string).collect();
            writeln!(f, "offers its API on {}", addresses.join(", "))?;
        }
        if let Some(certificate) = api_certificate {
            writeln!(f, "{}", certificate_line(certificate, self.now))?;
        }
        if let Some(since) = guard.frozen_since {
            let fallen = guard.fallen;
            let since = ago(since, self.now);
            writeln!(
                f,
                "VERDICTS ARE FROZEN for {since}: {fallen} addresses fell silent together, as if the network was lost"
            )?;
        }
        if stalled.since.is_some() {
            let (targets, longest) = (stalled.targets, stalled.longest);
            writeln!(f, "PROBES ARE STALLED: {targets} targets make no progress, the longest is {longest} s overdue")?;
        }
        for ReferenceStatus { address, .. } in guard.references.iter().filter(|it| it.answers == Some(false)) {
            writeln!(f, "the reference {address} is SILENT")?;
        }
        if let Some(ReloadStatus { at, fault, waiting_for_restart }) = reload {
            let at = ago(*at, self.now);
            match fault {
                Some(fault) => writeln!(f, "the reload {at} ago was REFUSED: {fault}")?,
                None if waiting_for_restart.is_empty() => writeln!(f, "reloaded {at} ago")?,
                None => writeln!(f, "reloaded {at} ago; waiting for a restart: {}", waiting_for_restart.join(", "))?,
            }
        }
        for SetAsideStatus { kind, id, name, why } in set_aside {
            writeln!(f, "SET ASIDE, kept and not served: {kind} {name} ({id}): {why}")?;
        }
        for webhook in webhooks {
            writeln!(f, "webhook {}", webhook_line(webhook, self.now))?;
        }
        writeln!(f)?;
        for zone in zones {
            let serial = zone.serial.map_or_else(|| "none".to_owned(), |serial| serial.to_string());
            writeln!(f, "zone {}  serial {serial}  static names {}", zone.name, zone.owners)?;
            if let Some(secondary) = &zone.secondary {
                writeln!(f, "  {}", secondary_line(secondary, self.now))?;
            }
        }
        writeln!(f, "\n{}", load_balancer_table(load_balancers))?;
        writeln!(f, "\n{}", origin_table(pools, self.now))?;
        lever_lines(pools, self.now).try_for_each(|line| writeln!(f, "LEVER {line}"))
    }
}

/// The API's certificate.
fn certificate_line(certificate: &CertificateStatus, now: Timestamp) -> String {
    let CertificateStatus { file, open, expires, fault } = certificate;
    let expires = match expires {
        Some(expires) if *expires <= now => format!("EXPIRED {} ago", ago(*expires, now)),
        Some(expires) => format!("expires in {}", ago(now, *expires)),
        None => "does not say when it expires".to_owned(),
    };
    match fault {
        Some(fault) if *open => {
            format!("the API's certificate on disk is NO GOOD ({fault}); the one in force {expires}")
        }
        Some(fault) => format!("the API is CLOSED, it has no good certificate: {fault}"),
        None => format!("the API's certificate {} {expires}", file.display()),
    }
}

/// How a webhook is doing.
fn webhook_line(webhook: &WebhookStatus, now: Timestamp) -> String {
    let WebhookStatus { name, receiver, delivered, failed: _, given_up, lost, waiting, last } = webhook;
    let last = match last {
        None => "nothing sent yet".to_owned(),
        Some(DeliveryStatus { at, code, failure, took_ms: _ }) => {
            let code = code.map_or_else(String::new, |code| format!(" ({code})"));
            match failure {
                None => format!("last message taken {} ago{code}", ago(*at, now)),
                Some(failure) => format!("LAST DELIVERY FAILED {} ago: {failure}{code}", ago(*at, now)),
            }
        }
    };
    let counts = [
        (*delivered, "delivered"),
        (*given_up, "GIVEN UP"),
        (*lost, "changes LOST"),
        (*waiting as u64, "changes waiting"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("; {count} {what}"));
    format!("{name} to {receiver}: {last}{}", counts.collect::<String>())
}

/// How the transfer of a zone is doing.
fn secondary_line(secondary: &SecondaryStatus, now: Timestamp) -> String {
    let SecondaryStatus { primary, confirmed, next, expires, expired, failure } = secondary;
    let confirmed = match confirmed {
        Some(at) => format!("confirmed {} ago", ago(*at, now)),
        None if *expired => "EXPIRED, clients get SERVFAIL; last confirmed".to_owned(),
        None => "not transferred yet, clients get SERVFAIL".to_owned(),
    };
    let primary = primary.map_or_else(String::new, |primary| format!(" by {primary}"));
    let until =
        |what: &str, at: &Option<Timestamp>| at.map_or_else(String::new, |at| format!(", {what} in {}", ago(now, at)));
    let failure = failure.as_ref().map_or_else(String::new, |failure| format!("; LAST ATTEMPT FAILED: {failure}"));
    format!("{confirmed}{primary}{}{}{failure}", until("asked again", next), until("expires", expires))
}

/// Load balancers and what they answer from.
fn load_balancer_table(load_balancers: &[LoadBalancerStatus]) -> Table {
    let mut table = new_table(["LOAD BALANCER", "CONDITION", "A FROM", "AAAA FROM", "POOLS", "FALLBACK", "TTL"]);
    for load_balancer in load_balancers {
        let LoadBalancerStatus { name, condition, a, aaaa, default_pools, fallback_pool, ttl } = load_balancer;
        let pools = default_pools.join(", ");
        table.add_row([name, condition, a, aaaa, &pools, fallback_pool, &ttl.to_string()]);
    }
    table
}

/// Pools and their origins.
fn origin_table(pools: &[PoolStatus], now: Timestamp) -> Table {
    let mut table = new_table(["POOL", "STATE", "ORIGIN", "ADDRESS", "VERDICT", "SINCE", "LAST PROBE"]);
    for pool in pools {
        for (index, origin) in pool.origins.iter().enumerate() {
            table.add_row(origin_row(pool, index, origin, now));
            table.add_rows(origin.members.iter().map(|member| member_row(member, now)));
            for address in &origin.addresses {
                table.add_row(address_row(address, now));
                table.add_rows(address.members.iter().map(|member| member_row(member, now)));
            }
        }
    }
    table
}

/// A table that fits the terminal.
fn new_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    table
}

/// One origin. The pool is named in its first row only.
fn origin_row(pool: &PoolStatus, index: usize, origin: &OriginStatus, now: Timestamp) -> [String; 7] {
    let (name, state) = if index == 0 { (pool.name.clone(), pool.state.clone()) } else { Default::default() };
    let OriginStatus { name: origin_name, address, verdict, since, reason, last, lever, .. } = origin;
    let verdict = with_lever(&verdict_column(verdict, reason.as_deref()), lever.as_ref());
    let [since, last] = probe_columns(*since, last.as_ref(), now);
    let state = if index == 0 { with_lever(&state, pool.lever.as_ref()) } else { state };
    [name, state, origin_name.clone(), address.clone(), verdict, since, last]
}

/// What probes say, and what an operator has decided instead.
fn with_lever(word: &str, lever: Option<&LeverStatus>) -> String {
    lever.map_or_else(|| word.to_owned(), |lever| format!("{word}, LEVER {}", lever.action))
}

/// The levers that are pulled, each in a line.
fn lever_lines(pools: &[PoolStatus], now: Timestamp) -> impl Iterator<Item = String> {
    let of_pool = |pool: &'_ PoolStatus| pool.lever.clone().map(|lever| (pool.name.clone(), lever));
    let of_origins = |pool: &'_ PoolStatus| {
        let name = pool.name.clone();
        let levers = pool.origins.iter().filter_map(|origin| Some((origin.name.clone(), origin.lever.clone()?)));
        levers.map(|(origin, lever)| (format!("{name}/{origin}"), lever)).collect::<Vec<_>>()
    };
    let all: Vec<_> = pools.iter().flat_map(|pool| of_pool(pool).into_iter().chain(of_origins(pool))).collect();
    all.into_iter().map(move |(what, lever)| {
        let LeverStatus { action, reason, since, until } = lever;
        let since = since.map_or_else(String::new, |since| format!(" for {}", ago(since, now)));
        let until =
            until.map_or_else(|| ", until it is released".to_owned(), |until| format!(", {} more", ago(now, until)));
        let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
        format!("{what} {action}{since}{until}{reason}")
    })
}

/// One address of an origin that is a host, below it.
fn address_row(status: &AddressStatus, now: Timestamp) -> [String; 7] {
    let AddressStatus { address, verdict, since, reason, last, members: _ } = status;
    let verdict = verdict_column(verdict, reason.as_deref());
    let [since, last] = probe_columns(*since, last.as_ref(), now);
    let empty = String::new;
    [empty(), empty(), empty(), format!("  {address}"), verdict, since, last]
}

/// A verdict, with its reason if the last probe may have succeeded all the same.
fn verdict_column(verdict: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) if reason == FailReason::HeldDown.words() => format!("{verdict}: {reason}"),
        _ => verdict.to_owned(),
    }
}

/// What one member of a monitor group says of an address, below it.
fn member_row(status: &MemberStatus, now: Timestamp) -> [String; 7] {
    let MemberStatus { monitor, vote, verdict, since, last } = status;
    let [since, last] = probe_columns(*since, last.as_ref(), now);
    let role = match vote.as_str() {
        "veto" => " (must be healthy)",
        "none" => " (no vote)",
        _ => "",
    };
    let empty = String::new;
    [empty(), empty(), empty(), format!("    {monitor}{role}"), verdict.clone(), since, last]
}

/// How long a verdict stands, and what the last probe saw.
fn probe_columns(since: Option<Timestamp>, last: Option<&ProbeStatus>, now: Timestamp) -> [String; 2] {
    let last = last.map_or_else(String::new, |last| {
        let code = last.code.map_or_else(String::new, |code| format!(" ({code})"));
        format!("{}{code}, {:.1} ms, {} ago", last.reason, last.rtt_ms, ago(last.at, now))
    });
    [since.map_or_else(String::new, |since| ago(since, now)), last]
}

/// How long ago something was, in its two largest units.
fn ago(then: Timestamp, now: Timestamp) -> String {
    let span = now.duration_since(then).max(jiff::SignedDuration::ZERO);
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}
