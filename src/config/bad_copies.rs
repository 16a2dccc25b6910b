//! Tests of zones whose copies elsewhere could not be right, and of the servers that have copies.

use crate::config::bad_inputs::{SOUND, faults, faults_of};
use crate::config::load_text;

#[test]
fn copies_with_hints_of_live_names_elsewhere_need_a_serial_that_changes() {
    let found = |settings: &str, hints: &str| {
        let zone = format!(
            "\n[[zones]]\nname = 'other.test'\n{settings}\nrecords = ['@ SOA a b 1 2 3 4 5', '@ NS ns.example.net.', '{hints}']\n"
        );
        load_text("x.toml", &format!("{SOUND}{zone}")).err().map(|report| faults(&report, 0))
    };
    let notify = "notify = ['192.0.2.53']";
    let [fault] = &found(notify, "@ HTTPS 1 www.example.com. ipv4hint=auto").unwrap()[..] else { panic!("one fault") };
    for wanted in ["copies of the zone other.test", "load balancer www.example.com", "serial = \"auto\""] {
        assert!(fault.contains(wanted), "{wanted}: {fault}");
    }
    for (settings, hints) in [
        ("", "@ HTTPS 1 www.example.com. ipv4hint=auto"),
        (notify, "@ HTTPS 1 www.example.com. ipv4hint=192.0.2.1"),
        (notify, "@ HTTPS 1 x.www.example.com. ipv4hint=auto"),
        (&format!("{notify}\nserial = 'auto'"), "@ HTTPS 1 www.example.com. ipv4hint=auto"),
        (&format!("{notify}\ntransfer_live = 'snapshot'"), "@ HTTPS 1 www.example.com. ipv4hint=auto"),
    ] {
        assert_eq!(found(settings, hints), None, "{settings} {hints}");
    }
}

#[test]
fn copies_of_live_names_need_a_serial_that_changes() {
    let configuration =
        |zone: &str| SOUND.replace("name = \"example.com\"\n", &format!("name = \"example.com\"\n{zone}\n"));
    let found = |zone: &str| load_text("x.toml", &configuration(zone)).err().map(|report| faults(&report, 0));
    for shared in ["allow_transfer = ['192.0.2.0/24']", "notify = ['192.0.2.53']"] {
        let [fault] = &found(shared).unwrap()[..] else { panic!("one fault") };
        assert!(fault.contains("zones[0]: copies of the zone example.com are allowed"), "{fault}");
        for wanted in ["load balancer www.example.com", "serial = \"auto\"", "transfer_live = \"snapshot\""] {
            assert!(fault.contains(wanted), "{wanted}: {fault}");
        }
        assert_eq!(found(&format!("{shared}\nserial = 'auto'")), None);
        assert_eq!(found(&format!("{shared}\ntransfer_live = 'snapshot'")), None);
    }
    let disabled = configuration("notify = ['192.0.2.53']") + "enabled = false\n";
    load_text("x.toml", &disabled).unwrap();
    let copied = "primaries = ['192.0.2.1']\nnotify = ['192.0.2.53']";
    let configured = configuration(copied);
    let text: Vec<&str> = configured.lines().filter(|line| !line.starts_with("records")).collect();
    let text = text.join("\n");
    let report = load_text("x.toml", &text).map(|_| ()).unwrap_err();
    let [fault] = &faults(&report, 0)[..] else { panic!("one fault") };
    assert!(fault.contains("its primary's serial") && !fault.contains("auto"), "{fault}");
}

#[test]
fn sources_of_servers() {
    for (source, why) in [("::1", "one of `address`"), ("192.0.2.2:53", "found"), ("0.0.0.0", "found")] {
        let faults = faults_of(&format!(
            "[[zones]]\nname = 'z'\nprimaries = [{{ address = '192.0.2.1', source = '{source}' }}]"
        ));
        let expected = format!("3:48 zones[1].primaries[0].source: {why}");
        assert!(faults.iter().any(|fault| fault.starts_with(&expected)), "{faults:#?}");
    }
}
