//! Metrics of what came, what was answered, and how.

use super::exposition::{Exposition, Type};
use crate::telemetry::probes::SUCCESS;
use crate::telemetry::series::{Kind, LiveSource, NONE, ZoneOutcome};
use crate::telemetry::{PROTOCOLS, Registry, Snapshot, Totals};

/// Writes all of them.
pub(super) fn write(exposition: &mut Exposition, registry: &Registry, tcp_connections: usize) {
    let Snapshot { totals, codes, qtypes, took } = registry.snapshot();
    write_messages(exposition, &totals);
    let help = "Answers by protocol and response code.";
    let mut family = exposition.family("pooldns_responses_total", Type::Counter, help);
    for (protocol, code, count) in codes {
        family.sample(&[("protocol", protocol), ("rcode", code)], count);
    }
    let mut family = exposition.family("pooldns_questions_total", Type::Counter, "Questions of class IN by type.");
    for (qtype, count) in qtypes {
        family.sample(&[("type", qtype)], count);
    }
    write_guards(exposition, &totals);
    write_passed_on(exposition, &totals);
    let help = "TCP connections that are open.";
    exposition.single("pooldns_tcp_connections", Type::Gauge, help, tcp_connections);
    let help = "Time to make an answer, of one in 1,024: the engine alone, without the network.";
    exposition.family("pooldns_engine_duration_seconds", Type::Histogram, help).histogram(&[], &took);
    write_named(exposition, registry);
    write_live(exposition, &totals);
    write_probes(exposition, registry);
}

/// A counter whose samples differ in one label.
fn by_word<const N: usize>(
    exposition: &mut Exposition,
    (name, help): (&'static str, &str),
    label: &str,
    counts: [(&str, u64); N],
) {
    let mut family = exposition.family(name, Type::Counter, help);
    for (word, count) in counts {
        family.sample(&[(label, word)], count);
    }
}

/// What came and went.
fn write_messages(exposition: &mut Exposition, totals: &Totals) {
    let [udp, tcp] = PROTOCOLS;
    let Totals { udp_received, udp_sent, tcp_received, tcp_sent, .. } = *totals;
    let metric = ("pooldns_messages_received_total", "Messages received.");
    by_word(exposition, metric, "protocol", [(udp, udp_received), (tcp, tcp_received)]);
    let metric = ("pooldns_messages_sent_total", "Answers sent.");
    by_word(exposition, metric, "protocol", [(udp, udp_sent), (tcp, tcp_sent)]);
    for (name, help, count) in [
        ("pooldns_udp_send_failures_total", "Answers that the kernel would not send.", totals.udp_send_failed),
        (
            "pooldns_messages_unanswered_total",
            "Messages that got no answer: too short, or responses themselves.",
            totals.silent,
        ),
        ("pooldns_responses_truncated_total", "Answers with the TC bit.", totals.truncated),
        ("pooldns_tcp_connections_accepted_total", "TCP connections accepted.", totals.tcp_accepted),
        (
            "pooldns_tcp_connections_refused_total",
            "TCP connections closed at once because a cap was reached.",
            totals.tcp_refused,
        ),
        (
            "pooldns_tcp_connections_timed_out_total",
            "TCP connections closed because the client was idle or too slow.",
            totals.tcp_timed_out,
        ),
    ] {
        exposition.single(name, Type::Counter, help, count);
    }
}

/// Who is kept out.
fn write_guards(exposition: &mut Exposition, totals: &Totals) {
    let metric = ("pooldns_cookies_total", "Queries with a DNS cookie, by what it was worth.");
    let cookies = [("valid", totals.cookies_valid), ("invalid", totals.cookies_invalid), ("new", totals.cookies_new)];
    by_word(exposition, metric, "standing", cookies);
    let metric = ("pooldns_rate_limited_total", "Answers that a rate limit held back, truncated, or only noted.");
    let limited = [("dropped", totals.rrl_dropped), ("slipped", totals.rrl_slipped), ("logged", totals.rrl_log_only)];
    by_word(exposition, metric, "action", limited);
    let help = "Queries for a zone by clients that may not ask.";
    exposition.single("pooldns_queries_prohibited_total", Type::Counter, help, totals.prohibited);
}

/// What the engine leaves to others.
fn write_passed_on(exposition: &mut Exposition, totals: &Totals) {
    let metric =
        ("pooldns_passed_on_total", "Transfers, NOTIFY and signed queries, by whether there was room for them.");
    by_word(exposition, metric, "result", [("queued", totals.passed_on), ("refused", totals.pass_on_failed)]);
    let metric = ("pooldns_notifies_total", "NOTIFY messages that were sent.");
    let notifies = [("answered", totals.notifies_answered), ("failed", totals.notifies_failed)];
    by_word(exposition, metric, "result", notifies);
    for (name, help, count) in [
        ("pooldns_transfers_total", "Transfers of zones to others, whole or of changes.", totals.transfers),
        (
            "pooldns_transfers_refused_total",
            "Transfers refused: not allowed, or too many at one time.",
            totals.transfers_refused,
        ),
        (
            "pooldns_transfers_failed_total",
            "Transfers that the client did not read to their end.",
            totals.transfers_failed,
        ),
        ("pooldns_tsig_rejected_total", "Requests whose signature did not hold.", totals.tsig_rejected),
    ] {
        exposition.single(name, Type::Counter, help, count);
    }
}

/// What is counted by the names of zones, load balancers and pools.
fn write_named(exposition: &mut Exposition, registry: &Registry) {
    for (kind, name, help, label, columns) in [
        (
            Kind::Zone,
            "pooldns_zone_responses_total",
            "Answers by the zone of the question; `none` is in no zone of ours, or in no class that has zones.",
            "zone",
            Some(("outcome", ZoneOutcome::ALL)),
        ),
        (
            Kind::LoadBalancer,
            "pooldns_load_balancer_answers_total",
            "Answers of load balancers to A, AAAA and ANY, by what they were from.",
            "load_balancer",
            Some(("source", LiveSource::ALL)),
        ),
        (
            Kind::Pool,
            "pooldns_pool_answers_total",
            "Answers of load balancers by the pool that was chosen; `none` if no pool was.",
            "pool",
            None,
        ),
    ] {
        let mut family = exposition.family(name, Type::Counter, help);
        for row in registry.rows(kind) {
            match columns {
                None => row.counts.iter().for_each(|count| family.sample(&[(label, &row.label)], count)),
                // Nothing is answered by no load balancer.
                Some(_) if kind == Kind::LoadBalancer && *row.label == *NONE => {}
                Some((column, words)) => {
                    for (word, count) in words.iter().zip(&row.counts) {
                        family.sample(&[(label, &row.label), (column, word)], count);
                    }
                }
            }
        }
    }
}

/// Live answers of all load balancers.
fn write_live(exposition: &mut Exposition, totals: &Totals) {
    let help = "Answers of load balancers to A, AAAA and ANY.";
    exposition.single("pooldns_live_answers_total", Type::Counter, help, totals.live);
    let help = "Answers of load balancers that are not from a usable pool, by what they were from.";
    let degraded = [
        ("fallback", totals.live_fallback),
        ("last resort", totals.live_last_resort),
        ("exhausted", totals.live_exhausted),
        ("not ready", totals.live_not_ready),
    ];
    by_word(exposition, ("pooldns_live_answers_degraded_total", help), "source", degraded);
}

/// What the probes of each monitor do.
fn write_probes(exposition: &mut Exposition, registry: &Registry) {
    let monitors = registry.monitors().counts();
    let mut family = exposition.family("pooldns_probes_total", Type::Counter, "Probes that ended, by what they saw.");
    for monitor in &monitors {
        // A series that begins at 0 shows its first increase.
        if !monitor.results.contains_key(SUCCESS) {
            family.sample(&[("monitor", &monitor.monitor), ("result", SUCCESS)], 0);
        }
        for (result, count) in &monitor.results {
            family.sample(&[("monitor", &monitor.monitor), ("result", result)], count);
        }
    }
    let help = "Attempts; a probe that runs out of time makes several.";
    let mut family = exposition.family("pooldns_probe_attempts_total", Type::Counter, help);
    for monitor in &monitors {
        family.sample(&[("monitor", &monitor.monitor)], monitor.attempts);
    }
    let mut family = exposition.family("pooldns_probes_in_flight", Type::Gauge, "Probes that are under way.");
    for monitor in &monitors {
        family.sample(&[("monitor", &monitor.monitor)], monitor.in_flight);
    }
    for (name, kind, help) in [
        ("pooldns_probe_duration_seconds", Type::Histogram, "Time of the last attempt of each probe."),
        ("pooldns_probe_lag_seconds", Type::Summary, "How late probes began: the prober has too much to do."),
    ] {
        let mut family = exposition.family(name, kind, help);
        for monitor in &monitors {
            let labels: &[(&str, &str)] = &[("monitor", &monitor.monitor)];
            if kind == Type::Histogram {
                family.histogram(labels, &monitor.took);
            } else {
                family.summary(labels, &monitor.lag);
            }
        }
    }
}
