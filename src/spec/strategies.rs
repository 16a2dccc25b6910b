//! Random declared objects for property tests: valid by construction, and varied where it hurts.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use crate::model::hosting::{
    Hosting, Peer, Secret, SerialSource, Sharing, TransferLive, TransferRule, TsigAlgorithm, TsigKey, ZoneOrigin,
};
use crate::model::id::{LoadBalancerId, MonitorGroupId, MonitorId, PoolId, ZoneId};
use crate::model::inventory::Declared;
use crate::model::kept::Kept;
use crate::model::load_balancer::{Answers, LoadBalancer, SteeringPolicy};
use crate::model::monitor::{
    Check, ClientFiles, Damping, DnsCheck, ExpectedAnswer, ExpectedCodes, GrpcCheck, HttpCheck, Monitor, TlsCheck,
    TlsFiles, TlsTerms,
};
use crate::model::monitor_group::{GroupMember, MonitorGroup};
use crate::model::name::Name;
use crate::model::pool::{Address, Origin, Pool, Weight};
use crate::model::rrset::{Record, Rtype};
use crate::model::stamp::UnixMicros;
use crate::model::zone::Zone;
use crate::spec::{json_text, record};

/// Any text of a description.
fn description() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), any::<String>()]
}

/// The name of a monitor or origin.
fn label() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,3}", "[!-~äß\"\\\\]( ?[!-~é]){0,8}"]
}

/// An id that an object says, or the one that follows from its name.
fn said_id<I>(random: impl Fn(u128) -> I) -> impl Strategy<Value = Option<I>>
where
    I: std::fmt::Debug,
{
    prop::option::weighted(0.3, any::<u128>()).prop_map(move |bits| bits.map(&random))
}

/// Some of these entries of a kept table, each a group that belongs together, in JSON.
fn kept(groups: Vec<String>) -> impl Strategy<Value = Kept> {
    let most = groups.len();
    subsequence(groups, 0..=most).prop_map(|groups| {
        let node = json_text::parse(format!("{{{}}}", groups.join(",")).as_bytes()).unwrap();
        let crate::model::tree::Value::Table(table) = node.value else { panic!("braces make a table") };
        Kept::new(table)
    })
}

/// Keys of different names.
fn keys() -> impl Strategy<Value = Vec<TsigKey>> {
    let secret = prop::collection::vec(any::<u8>(), 16..=128).prop_map(Secret);
    let one = (select(TsigAlgorithm::ALL.to_vec()), secret);
    prop::collection::btree_map("[a-z]{1,3}(\\.[a-z]{1,3})?", one, 1..4).prop_map(|keys| {
        let key = |(name, (algorithm, secret)): (String, _)| TsigKey {
            name: Name::parse(&name, None).unwrap(),
            algorithm,
            secret,
        };
        keys.into_iter().map(key).collect()
    })
}

/// Zones of different apexes, some with records of their own; the names of keys are given.
fn zones(keys: Vec<Name>) -> impl Strategy<Value = Vec<(Hosting, Option<Arc<Zone>>)>> {
    prop::collection::btree_map("[a-z]{1,4}(\\.[a-z]{1,3})?", (records(), hosting(keys), said_id(ZoneId::random)), 0..3)
        .prop_map(|zones| {
            let pair = |(name, (records, hosting, id)): (String, (_, Hosting, Option<ZoneId>))| {
                let mut zone = zone(&name, records);
                zone.id = id.unwrap_or(zone.id);
                let hosting = Hosting { id: zone.id, apex: zone.apex().clone(), ..hosting };
                let zone = hosting.primaries().is_none().then(|| Arc::new(zone));
                (hosting, zone)
            };
            zones.into_iter().map(pair).collect()
        })
}

/// A way to host some zone.
fn hosting(keys: Vec<Name>) -> impl Strategy<Value = Hosting> {
    let key = prop::option::of(select(keys));
    let peers = prop::collection::vec(
        (any::<[u8; 3]>(), 1_u16.., key.clone(), any::<Option<[u8; 1]>>()).prop_map(
            |([b, c, d], port, key, source)| {
                let source = source.map(|[d]| [192, 0, 2, d].into());
                Peer { address: ([192, b, c, d], port).into(), key, source }
            },
        ),
        1..3,
    );
    let network = prop_oneof![
        (any::<[u8; 4]>(), 0_u8..=32).prop_map(|(address, prefix)| IpNet::new(address.into(), prefix).unwrap().trunc()),
        (any::<[u8; 16]>(), 0_u8..=128)
            .prop_map(|(address, prefix)| IpNet::new(address.into(), prefix).unwrap().trunc()),
    ];
    let networks = prop::collection::vec(network.clone(), 0..3);
    let rule = (prop::option::of(network), key)
        .prop_filter("not for everybody", |(network, key)| network.is_some() || key.is_some())
        .prop_map(|(network, key)| TransferRule { network, key });
    let origin = prop_oneof![
        select(vec![SerialSource::Records, SerialSource::Auto]).prop_map(ZoneOrigin::Declared),
        peers.clone().prop_map(ZoneOrigin::Primaries),
    ];
    let live = select(vec![TransferLive::Follow, TransferLive::Snapshot]);
    let apex = Name::root();
    (origin, networks, prop::collection::vec(rule, 0..3), peers, live).prop_map(
        move |(origin, allow_query, allow_transfer, notify, transfer_live)| Hosting {
            id: ZoneId::declared("."),
            apex: apex.clone(),
            origin,
            allow_query,
            allow_transfer,
            notify,
            transfer_live,
        },
    )
}

/// Lines and data of records.
fn records() -> impl Strategy<Value = Vec<(Vec<u8>, u16, u32, Vec<u8>)>> {
    let owner = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..5),
        select(vec![b"*".to_vec(), b"a".to_vec(), b"@".to_vec(), b"a.b".to_vec()])
    ];
    let data = prop_oneof![
        (Just(1_u16), prop::collection::vec(any::<u8>(), 4..=4)),
        (Just(28_u16), prop::collection::vec(any::<u8>(), 16..=16)),
        (
            Just(16_u16),
            prop::collection::vec(any::<u8>(), 0..9)
                .prop_map(|text| [vec![u8::try_from(text.len()).unwrap()], text].concat())
        ),
        (
            Just(15_u16),
            select(vec![b"\0\x0a\x01M\0".to_vec(), b"\0\x01\0".to_vec(), b"\xff\xff\x03a b\x02.;\0".to_vec()])
        ),
        (Just(33_u16), Just(b"\0\x01\0\x02\0\x35\x01a\0".to_vec())),
        // Hints that follow health, alone and behind another parameter.
        (
            Just(65_u16),
            select(vec![b"\0\x01\0\0\x04\0\0\0\x06\0\0".to_vec(), b"\0\x02\0\0\x03\0\x02\0\x50\0\x06\0\0".to_vec()])
        ),
        (65_400_u16..65_410, prop::collection::vec(any::<u8>(), 0..9)),
    ];
    let record = (owner, data, 0_u32..0x7fff_ffff).prop_map(|(owner, (rtype, data), ttl)| (owner, rtype, ttl, data));
    prop::collection::vec(record, 0..6)
}

/// A zone of these records, with the ones it must have.
fn zone(name: &str, extra: Vec<(Vec<u8>, u16, u32, Vec<u8>)>) -> Zone {
    let apex = Name::parse(name, None).unwrap();
    let lines = ["@ 60 SOA ns1 hostmaster 1 7200 900 1209600 300", "@ NS ns1", "c CNAME www.example.net."];
    let mut records: Vec<Record> = lines.iter().map(|line| record::parse(line, &apex, 99).unwrap()).collect();
    for (owner, rtype, ttl, rdata) in extra {
        let label = [vec![u8::try_from(owner.len()).unwrap()], owner].concat();
        let owner = Name::from_wire(&[&label[..], apex.wire()].concat()).unwrap();
        if owner.to_string() != format!("c.{apex}") {
            records.push(Record { owner, rtype: Rtype(rtype), ttl, rdata });
        }
    }
    Zone::try_new(ZoneId::declared(&apex.to_string()), apex, records).unwrap()
}

/// Monitors of different names.
fn monitors() -> impl Strategy<Value = Vec<Monitor>> {
    let times = (10_u64..60_000, 0_u32..=5, 0_u64..1000).prop_map(|(timeout, retries, more)| {
        let timeout = Duration::from_millis(timeout);
        (timeout, retries, (timeout * (retries + 1)).max(Duration::from_millis(100)) + Duration::from_millis(more))
    });
    let source = prop::option::of(select(vec!["192.0.2.1", "2001:db8::1"]).prop_map(|text| text.parse().unwrap()));
    // Long enough for the longest interval above.
    let damping = prop::option::of((2_u32..=20, 7_000_000_u64..=86_400_000, 1_000_u64..=86_400_000).prop_map(
        |(changes, within, hold)| Damping {
            changes,
            within: Duration::from_millis(within),
            hold: Duration::from_millis(hold),
        },
    ));
    let downs = (0_u32..=100, said_id(MonitorId::random), damping);
    let one = (description(), (check(), source), times, 0_u32..=100, downs);
    prop::collection::btree_map(label(), one, 0..4).prop_map(|monitors| {
        let monitor = |(
            name,
            (description, (check, source_address), (timeout, retries, interval), up, (down, id, damping)),
        ): (String, (_, (_, _), _, _, (_, Option<_>, _)))| Monitor {
            id: id.unwrap_or_else(|| MonitorId::declared(&name)),
            name,
            probe_zone: if up % 2 == 0 { String::new() } else { format!("{up}.example") },
            description,
            check,
            source_address,
            timeout,
            retries,
            interval,
            consecutive_up: up,
            consecutive_down: down,
            damping,
        };
        monitors.into_iter().map(monitor).collect()
    })
}

/// Monitor groups of different names, with some of these monitors. Nobody has given their members times.
fn monitor_groups(monitors: Vec<MonitorId>) -> impl Strategy<Value = Vec<MonitorGroup>> {
    let (least, most) = (usize::from(!monitors.is_empty()), monitors.len());
    let members = (subsequence(monitors, least..=most), any::<[[bool; 3]; 4]>()).prop_map(|(monitors, roles)| {
        let member = |(monitor, [enabled, must_be_healthy, monitoring_only]): (MonitorId, [bool; 3])| GroupMember {
            monitor,
            enabled,
            must_be_healthy,
            monitoring_only,
            created: UnixMicros::default(),
            updated: UnixMicros::default(),
        };
        monitors.into_iter().zip(roles).map(member).collect::<Vec<_>>()
    });
    let one = (description(), members.prop_shuffle(), said_id(MonitorGroupId::random));
    prop::collection::btree_map(label(), one, 0..least * 3 + 1).prop_map(|groups| {
        let group = |(name, (description, members, id)): (String, (_, _, Option<_>))| MonitorGroup {
            id: id.unwrap_or_else(|| MonitorGroupId::declared(&name)),
            name,
            description,
            members,
        };
        groups.into_iter().map(group).collect()
    })
}

/// Any check.
fn check() -> impl Strategy<Value = Check> {
    let codes = select(vec!["200", "2xx", "200, 30x ,5XX"]).prop_map(|codes| ExpectedCodes::parse(codes).unwrap());
    let values = prop::collection::vec("[!-~]( ?[!-~]){0,5}|", 1..3);
    let headers = prop::collection::btree_map("x-[a-z!#$%&'*+.^_`|~-]{0,6}", values, 0..4).prop_map(|headers| {
        let mut headers: Vec<(String, Vec<String>)> = headers.into_iter().rev().collect();
        headers.push(("hOst".to_owned(), vec!["[2001:db8::1]:80".to_owned()]));
        headers
    });
    let text = ("[A-Z]{1,7}", "/[!-\"$-~]{0,9}", any::<String>()).prop_filter("no tunnels", |text| text.0 != "CONNECT");
    let http = (prop::option::of(tls_terms()), any::<bool>(), text, port(), headers, codes).prop_map(
        |(tls, follow_redirects, (method, path, expected_body), port, headers, expected_codes)| {
            Check::Http(HttpCheck { tls, method, path, port, headers, expected_codes, expected_body, follow_redirects })
        },
    );
    let tls = (1_u16.., server_name(), tls_terms())
        .prop_map(|(port, server_name, terms)| Check::Tls(TlsCheck { port, server_name, terms }));
    let grpc = (port(), any::<String>(), server_name(), prop::option::of(tls_terms()))
        .prop_map(|(port, service, server_name, tls)| Check::Grpc(GrpcCheck { port, service, server_name, tls }));
    prop_oneof![
        (1_u16.., 0..3).prop_map(|(port, kind)| match kind {
            0 => Check::Tcp { port },
            1 => Check::UdpIcmp { port },
            _ => Check::Smtp { port },
        }),
        Just(Check::IcmpPing),
        dns(),
        tls,
        grpc,
        http,
    ]
}

/// A port, or that of the scheme.
fn port() -> impl Strategy<Value = Option<u16>> {
    prop::option::of(1_u16..)
}

/// A name for a handshake, perhaps.
fn server_name() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[A-Za-z_][a-z0-9]{0,3}(\\.[a-z]{1,3})?\\.?")
}

/// What a handshake has to show.
fn tls_terms() -> impl Strategy<Value = TlsTerms> {
    let path = || "/?[!-~ä]{1,6}".prop_map(PathBuf::from);
    let client = (path(), path()).prop_map(|(certificate, key)| ClientFiles { certificate, key });
    (any::<bool>(), 0_u16..=3_650, prop::option::of(path()), prop::option::of(client)).prop_map(
        |(allow_insecure, certificate_days_min, authorities, client)| {
            let authorities = authorities.filter(|_| !allow_insecure);
            TlsTerms { allow_insecure, certificate_days_min, files: TlsFiles { authorities, client } }
        },
    )
}

/// A monitor without files, as an API can have it.
pub(super) fn without_files(monitor: Monitor) -> Monitor {
    let bare = |terms: TlsTerms| TlsTerms { files: TlsFiles::default(), ..terms };
    let check = match monitor.check {
        Check::Tls(tls) => Check::Tls(TlsCheck { terms: bare(tls.terms), ..tls }),
        Check::Grpc(grpc) => Check::Grpc(GrpcCheck { tls: grpc.tls.map(bare), ..grpc }),
        Check::Http(http) => Check::Http(HttpCheck { tls: http.tls.map(bare), ..http }),
        check => check,
    };
    Monitor { check, ..monitor }
}

/// A DNS check.
fn dns() -> impl Strategy<Value = Check> {
    let answer = prop_oneof![
        Just((Rtype(65_280), None)),
        Just((Rtype::A, Some(("192.0.2.1", vec![192, 0, 2, 1])))),
        Just((Rtype::MX, Some(("10  a.example.", b"\0\x0a\x01a\x07example\0".to_vec())))),
        Just((Rtype::TXT, Some(("\"a b\" c", b"\x03a b\x01c".to_vec())))),
        Just((Rtype(65_280), Some(("\\# 1 ff", vec![255])))),
    ];
    (1_u16.., "[a-z0-9*_-]{1,9}(\\.[a-z]{1,3})?", select(vec![0_u8, 1, 2, 3, 4, 5, 9]), answer).prop_map(
        |(port, name, expected_rcode, (query_type, answer))| {
            let query_name = Name::parse(&name, None).unwrap();
            let expected_answer = answer.map(|(text, rdata)| ExpectedAnswer { text: text.to_owned(), rdata });
            Check::Dns(DnsCheck { port, query_name, query_type, expected_rcode, expected_answer })
        },
    )
}

/// Pools of different names; each may name one of the monitors.
fn pools(monitors: Vec<MonitorId>, groups: Vec<MonitorGroupId>) -> impl Strategy<Value = Vec<Pool>> {
    let address = prop_oneof![
        (1_u8..224, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| IpAddr::V4(Ipv4Addr::new(a, b, c, d))),
        any::<[u16; 7]>().prop_map(|[b, c, d, e, f, g, h]| IpAddr::V6(Ipv6Addr::new(0x2001, b, c, d, e, f, g, h))),
    ];
    let host = prop::option::of(select(vec!["www.example.com", "192.0.2.1:8080"]).prop_map(str::to_owned));
    let weight = (0_u8..=100).prop_map(|weight| Weight::try_new(f64::from(weight) / 100.0).unwrap());
    let kept_origin = kept(vec![
        r#""port":8080"#.to_owned(),
        r#""flatten_cname":false"#.to_owned(),
        r#""virtual_network_id":"a5624d4e-044a-4ff0-b3e1-e2465353d4b4""#.to_owned(),
    ]);
    let origin = (label(), prop::option::of(address.clone()), any::<bool>(), weight, host, kept_origin);
    let hosts =
        select(vec!["a.example.net", "xn--a.example"]).prop_map(|name| Address::Host(Name::parse(name, None).unwrap()));
    let address = prop_oneof![4 => address.prop_map(Address::Ip), 1 => hosts];
    let origins = prop::collection::btree_map(address, origin, 1..5).prop_map(|origins| {
        let by_name: BTreeMap<String, Origin> = origins
            .into_iter()
            .map(|(address, (name, probe_address, enabled, weight, host, kept))| {
                (name.clone(), Origin { name, address, probe_address, enabled, weight, host, kept })
            })
            .collect();
        by_name.into_values().collect::<Vec<_>>()
    });
    let kept_pool = kept(
        [
            r#""check_regions":["WEU","ALL_REGIONS"],"health_sources":["regional","global"]"#,
            r#""latitude":-12.345678,"longitude":0"#,
            r#""load_shedding":{"default_percent":12.5,"session_percent":1}"#,
            r#""origin_steering":{"policy":"hash"}"#,
            r#""notification_email":"a@example.com,\"b\"@example.com""#,
            r#""notification_filter":{"pool":{"disable":true},"origin":{"healthy":false}}"#,
            r#""networks":["a","b"]"#,
        ]
        .map(str::to_owned)
        .into(),
    );
    let one = (
        description(),
        any::<bool>(),
        any::<Index>(),
        any::<[Option<Index>; 2]>(),
        (origins, kept_pool, said_id(PoolId::random), 0..=3_600_u64),
    );
    prop::collection::btree_map("[A-Za-z0-9_-]{1,6}", one, 1..5).prop_map(move |pools| {
        type More = (Vec<Origin>, Kept, Option<PoolId>, u64);
        let pool = |(name, (description, enabled, minimum, checks, more)): (
            String,
            (_, _, Index, [Option<Index>; 2], More),
        )| {
            let (origins, kept, id, slow_start) = more;
            let [monitor, group] = checks;
            let monitor = monitor.filter(|_| !monitors.is_empty()).map(|index| *index.get(&monitors));
            let group = group.filter(|_| !groups.is_empty() && monitor.is_none());
            Pool {
                id: id.unwrap_or_else(|| PoolId::declared(&name)),
                name,
                description,
                enabled,
                minimum_origins: u32::try_from(minimum.index(origins.len() + 1)).unwrap(),
                slow_start: Duration::from_secs(slow_start),
                monitor,
                monitor_group: group.map(|index| *index.get(&groups)),
                origins,
                kept,
            }
        };
        pools.into_iter().map(pool).collect()
    })
}

/// What load balancers may keep, with two of the pools in it.
fn kept_groups(pools: &[PoolId]) -> Vec<String> {
    let (Some(p), Some(q)) = (pools.first(), pools.last()) else { return vec![] };
    vec![
        format!(r#""region_pools":{{"WEU":["{p}"],"OC":["{q}"]}},"country_pools":{{"DE":["{q}"]}}"#),
        format!(r#""pop_pools":{{"FRA":["{p}"]}}"#),
        format!(r#""random_steering":{{"default_weight":0.5,"pool_weights":{{"{p}":0.07}}}}"#),
        r#""location_strategy":{"mode":"resolver_ip"}"#.to_owned(),
        format!(
            r#""rules":[{{}},{{"name":"r","condition":"","disabled":true,"priority":3,"terminates":false,"overrides":
            {{"default_pools":["{p}"],"fallback_pool":"{q}","random_steering":{{}},"steering_policy":"random","ttl":0}},
            "fixed_response":{{"message_body":"\u0000\n"}}}}]"#
        ),
        format!(
            r#""pool_sets":[{{"name":"s","match":{{"topology":{{"pops":["FRA"],"countries":[],"regions":["WEU"]}}}},
            "overrides":{{"pools":["{q}"],"pool_weights":{{"{q}":1}},"fallback_pool":"{p}"}}}}]"#
        ),
        r#""networks":["a"],"adaptive_routing":{"failover_across_pools":true}"#.to_owned(),
        r#""session_affinity":"cookie","session_affinity_ttl":1800"#.to_owned(),
        r#""session_affinity_attributes":{"drain_duration":60,"headers":["x"],"secure":"Never"}"#.to_owned(),
    ]
}

/// Load balancers of different names in the zones.
fn load_balancers(apexes: Vec<Name>, pools: Vec<PoolId>) -> impl Strategy<Value = Vec<LoadBalancer>> {
    let name = prop_oneof![Just("@"), Just("*"), Just("www"), Just("_x.*a-b")].prop_map(|name| name.replace("*a", "a"));
    let answers = prop::option::of(1_u16..)
        .prop_map(|count| count.and_then(NonZeroU16::new).map_or(Answers::All, Answers::Count));
    let most = pools.len();
    let kept = kept(kept_groups(&pools));
    let policy = select(vec![
        SteeringPolicy::Off,
        SteeringPolicy::Geo,
        SteeringPolicy::Random,
        SteeringPolicy::DynamicLatency,
        SteeringPolicy::Proximity,
        SteeringPolicy::LeastOutstandingRequests,
        SteeringPolicy::LeastConnections,
    ]);
    let more = (answers, policy, kept, said_id(LoadBalancerId::random));
    let one = (description(), any::<bool>(), subsequence(pools.clone(), 1..=most), select(pools), 0_u32..=86_400, more);
    let max = if apexes.is_empty() { 0 } else { 5 };
    prop::collection::btree_map((name, any::<Index>().prop_map(|i| i.index(1 << 16))), one, 0..=max).prop_map(
        move |all| {
            let mut named = BTreeMap::new();
            for ((name, apex), (description, enabled, default_pools, fallback_pool, ttl, more)) in all {
                let (answers, steering_policy, kept, id) = more;
                let name = Name::parse(&name, apexes.get(apex % apexes.len())).unwrap();
                let id = id.unwrap_or_else(|| LoadBalancerId::declared(&name.to_string()));
                named.insert(
                    name.clone(),
                    LoadBalancer {
                        id,
                        name,
                        description,
                        enabled,
                        default_pools,
                        fallback_pool,
                        steering_policy,
                        ttl,
                        answers,
                        kept,
                    },
                );
            }
            named.into_values().collect()
        },
    )
}

/// Any declared objects.
pub(super) fn declared() -> impl Strategy<Value = Declared> {
    (keys(), monitors())
        .prop_flat_map(|(keys, monitors)| {
            let names = keys.iter().map(|key| key.name.clone()).collect();
            let ids: Vec<MonitorId> = monitors.iter().map(|monitor| monitor.id).collect();
            (Just(keys), zones(names), Just(monitors), Just(ids.clone()), monitor_groups(ids))
        })
        .prop_flat_map(|(keys, zones, monitors, ids, monitor_groups)| {
            let groups = monitor_groups.iter().map(|group| group.id).collect();
            (Just(keys), Just(zones), Just((monitors, monitor_groups)), pools(ids, groups))
        })
        .prop_flat_map(|(keys, zones, monitors, pools)| {
            let apexes = zones.iter().map(|(hosting, _)| hosting.apex.clone()).collect();
            let ids = pools.iter().map(|pool| pool.id).collect();
            (Just(keys), Just(zones), Just(monitors), Just(pools), load_balancers(apexes, ids))
        })
        .prop_map(|(keys, zones, (monitors, monitor_groups), pools, load_balancers)| {
            let (mut hostings, zones): (Vec<Hosting>, Vec<_>) = zones.into_iter().unzip();
            // Copies follow live names only under a serial of ours.
            for hosting in hostings.iter_mut().filter(|hosting| hosting.is_shared() && !hosting.has_auto_serial()) {
                hosting.transfer_live = TransferLive::Snapshot;
            }
            let zones = zones.into_iter().flatten().collect();
            let sharing = Sharing::default();
            Declared {
                keys,
                hostings,
                zones,
                monitors,
                monitor_groups,
                pools,
                load_balancers,
                sharing,
                files: HashMap::new(),
                written: HashMap::new(),
            }
        })
}
