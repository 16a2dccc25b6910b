//! `[[webhooks]]`: who is told of changes of health, and of which.

use std::fmt;
use std::io::Read as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;

use crate::config::files::open_regular;
use crate::model::event::Change;
use crate::model::hosting::Secret;
use crate::model::limits::{
    WEBHOOK_GROUP_WAIT_MAX, WEBHOOK_POOLS_MAX, WEBHOOK_SECRET_FILE_OCTETS_MAX, WEBHOOK_SECRET_OCTETS_MAX,
    WEBHOOK_SECRET_OCTETS_MIN, WEBHOOK_URL_OCTETS_MAX, WEBHOOKS_MAX,
};
use crate::model::notification::{NotificationFilter, Wish};
use crate::model::tree::Table;
use crate::spec::fault::{Faults, Place};
use crate::spec::fields::{Fields, Key, Path, Spot, defaulted, optional, required};
use crate::spec::told::Kind;
use crate::spec::value::{Word, boolean, duration, label, list, word};

/// How long changes are collected if nothing is said: two rounds of a monitor that is quick, so that a flap is one message.
const GROUP_WAIT: Duration = Duration::from_secs(10);
/// What secrets begin with as other senders' libraries write them; it means nothing.
const PREFIX: &str = "whsec_";

/// A receiver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Webhook {
    /// Its name, unique among webhooks.
    pub name: String,
    /// Where messages go.
    pub url: WebhookUrl,
    /// What they are signed with.
    pub secret: Secret,
    /// The names of the pools that are told of; all if there is none.
    pub pools: Vec<String>,
    /// What is told of them.
    pub filter: NotificationFilter,
    /// How long changes are collected before they are told.
    pub group_wait: Duration,
}

impl Webhook {
    /// Whether a change is told here.
    pub fn wants(&self, change: Change<'_>) -> bool {
        let is_named = || self.pools.contains(&change.event.name);
        (self.pools.is_empty() || is_named()) && self.filter.wants(change)
    }
}

/// A URL of HTTP or HTTPS. Its path may be as secret as a password, so it is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(String);

impl WebhookUrl {
    /// Reads a URL; an error says what is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or("it does not begin with https:// or http://")?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err("it has characters that are no part of a URL; write them with percent signs");
        }
        if rest.contains('#') {
            return Err("it has a fragment (#), which nobody sends");
        }
        if authority.contains('@') {
            return Err("it has a user name or password; messages are signed instead");
        }
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, port)) => (address, port.strip_prefix(':').or_else(|| port.is_empty().then_some(""))),
            None => authority.split_once(':').map_or((authority, Some("")), |(host, port)| (host, Some(port))),
        };
        let is_port = port.is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok_and(|port| port > 0));
        if host.is_empty() || !is_port {
            return Err("it has no host, or a port that is no number from 1 to 65535");
        }
        Ok(Self(text.to_owned()))
    }

    /// All of it, for whoever connects.
    pub fn secret_text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or_default();
        write!(f, "{scheme}://{}", rest.split(['/', '?']).next().unwrap_or_default())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The keys of a webhook.
pub const WEBHOOK_KEYS: &[Key] = &[
    required("name"),
    required("url"),
    optional("secret"),
    optional("secret_file"),
    defaulted("pools"),
    defaulted("events"),
    optional("healthy"),
    defaulted("group_wait"),
];

/// The words for what is told.
const KINDS: &[Word<Kind>] = &[("pool", Ok(Kind::Pool)), ("origin", Ok(Kind::Origin))];

/// What all webhooks of a file are read with.
pub(super) struct Reader<'r> {
    /// What relative paths are relative to.
    pub(super) folder: &'r FilePath,
    /// Where the files are noted that were read.
    pub(super) files: &'r mut Vec<PathBuf>,
}

impl Reader<'_> {
    /// Reads `[[webhooks]]` of the main file.
    pub(super) fn read(&mut self, root: &Table, webhooks: &mut Vec<Arc<Webhook>>, faults: &mut Faults) {
        let Some(entry) = root.entry("webhooks") else { return };
        let path = Path::ROOT.key("webhooks");
        let spot = Spot { source: 0, path: &path, node: &entry.node };
        let Some(items) = spot.items(faults) else { return };
        if items.len() > WEBHOOKS_MAX {
            faults.push(spot.fault(format!("there are {}; allowed: at most {WEBHOOKS_MAX}", items.len())));
            return;
        }
        let mut firsts: Vec<(String, Place)> = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = path.index(index);
            let spot = spot.inner(&path, item);
            let Some(webhook) = self.webhook(spot, faults) else { continue };
            if let Some((name, first)) = firsts.iter().find(|(name, _)| *name == webhook.name) {
                faults.push(spot.fault(format!("another webhook is named {name:?}")).first(first.clone()));
                continue;
            }
            firsts.push((webhook.name.clone(), spot.place()));
            webhooks.push(Arc::new(webhook));
        }
    }

    /// Reads a webhook.
    fn webhook(&mut self, spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Webhook> {
        let mut fields = Fields::open(spot, WEBHOOK_KEYS, faults)?;
        let name = fields.read("name", label).required();
        let url = fields.read("url", read_url).required();
        let given = fields.read("secret", read_secret).optional();
        let of_file = fields.read("secret_file", |spot, faults| self.read_file(spot, faults)).optional();
        let secret = match (given, of_file) {
            (Some(Some(secret)), Some(None)) | (Some(None), Some(Some(secret))) => Some(secret),
            (Some(one), Some(other)) => {
                let key = if one.is_some() && other.is_some() { "secret_file" } else { "secret" };
                let fault = fields.fault_at(key, "messages are signed: either `secret` or `secret_file` has to be set");
                fields.faults.push(fault);
                None
            }
            _ => None,
        };
        let pools = fields.read("pools", list(WEBHOOK_POOLS_MAX, label)).or(vec![]);
        let events = fields
            .read("events", list(KINDS.len(), |spot, faults| word(KINDS)(spot, faults)))
            .or(vec![Kind::Pool, Kind::Origin]);
        let healthy = fields.read("healthy", boolean).optional();
        let wait = duration(Duration::ZERO, WEBHOOK_GROUP_WAIT_MAX);
        let group_wait = fields.read("group_wait", wait).or(GROUP_WAIT);
        let (events, healthy) = (events?, healthy?);
        if events.is_empty() {
            let fault = fields.fault_at("events", "with an empty list nothing is told: allowed: \"pool\", \"origin\"");
            fields.faults.push(fault);
        }
        let wish = |kind| Wish { disable: !events.contains(&kind), healthy };
        let filter = NotificationFilter { pool: wish(Kind::Pool), origin: wish(Kind::Origin) };
        Some(Webhook { name: name?, url: url?, secret: secret?, pools: pools?, filter, group_wait: group_wait? })
    }

    /// Reads a secret from the file that a value names.
    fn read_file(&mut self, spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Secret> {
        let text = spot.text(faults)?;
        if text.is_empty() || text.contains('\0') {
            return spot.refuse("the path of a file with a secret", faults);
        }
        let path = self.folder.join(text);
        let read = open_regular(&path).and_then(|(file, _)| {
            let mut text = String::new();
            let read = file.take(WEBHOOK_SECRET_FILE_OCTETS_MAX).read_to_string(&mut text);
            read.map(|_| text).map_err(|_| "it cannot be read as a text".to_owned())
        });
        self.files.push(path);
        match read.and_then(|text| parse_secret(text.trim()).ok_or_else(not_a_secret)) {
            Ok(secret) => Some(secret),
            Err(why) => spot.reject(why, faults),
        }
    }
}

/// Reads a URL. Faults do not repeat it.
fn read_url(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<WebhookUrl> {
    let text = spot.text(faults)?;
    let parsed = if text.len() > WEBHOOK_URL_OCTETS_MAX { Err("it is too long") } else { WebhookUrl::parse(text) };
    match parsed {
        Ok(url) => Some(url),
        Err(why) => {
            faults.push(spot.fault(format!("{why}; allowed: such as \"https://hooks.example.com/pooldns\"")));
            None
        }
    }
}

/// Reads a secret. Faults do not repeat it.
fn read_secret(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Secret> {
    let secret = parse_secret(spot.text(faults)?);
    if secret.is_none() {
        faults.push(spot.fault(not_a_secret()));
    }
    secret
}

/// A secret from its text.
fn parse_secret(text: &str) -> Option<Secret> {
    let octets = BASE64.decode(text.strip_prefix(PREFIX).unwrap_or(text).as_bytes()).ok()?;
    (WEBHOOK_SECRET_OCTETS_MIN..=WEBHOOK_SECRET_OCTETS_MAX).contains(&octets.len()).then_some(Secret(octets))
}

/// What a secret is.
fn not_a_secret() -> String {
    format!(
        "allowed: {WEBHOOK_SECRET_OCTETS_MIN} to {WEBHOOK_SECRET_OCTETS_MAX} octets in base64; make one with `openssl rand -base64 32`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Configuration, Report, load, load_text};

    /// 32 octets.
    const SECRET: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

    /// Loads a configuration with one webhook.
    fn load_one(text: &str) -> Result<Configuration, Report> {
        load_text("x.toml", &format!("version = 1\n[[webhooks]]\nname = \"ops\"\n{text}"))
    }

    /// A webhook's URL and secret, and more of it.
    fn sound(more: &str) -> String {
        format!("url = \"https://hooks.example.com/T0/secret\"\nsecret = \"{SECRET}\"\n{more}")
    }

    #[test]
    fn nothing_secret_is_shown() {
        let policy = load_one(&sound("")).unwrap().policy;
        let shown = format!("{policy:?}");
        assert!(shown.contains("https://hooks.example.com") && !shown.contains("T0"), "{shown}");
        assert_eq!(policy.webhooks[0].secret.0, b"01234567890123456789012345678901");
        for text in [
            sound("").replace("MDEy", "!DEy"),
            sound("").replace("=\"", "\""),
            sound("").replace("https://", "ftps://"),
            sound("").replace("https://", "https://user:pass@"),
        ] {
            let report = load_one(&text).unwrap_err().to_string();
            assert!(!report.contains("MzQ1Njc4OTAx") && !report.contains("T0/secret"), "{report}");
        }
    }

    #[test]
    fn urls_that_are_taken() {
        for (url, shown) in [
            ("https://hooks.example.com/a?b=c", "https://hooks.example.com"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080/x", "http://[::1]:8080"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]"),
            ("https://h?q", "https://h"),
        ] {
            assert_eq!(WebhookUrl::parse(url).unwrap().to_string(), shown);
        }
        for wrong in [
            "",
            "hooks.example.com",
            "HTTPS://h",
            "https://",
            "https:///x",
            "https://h:0/",
            "https://h:65536",
            "https://h:x",
            "https://h/a b",
            "https://h/\u{e9}",
            "https://h/#x",
            "https://u@h/",
            "http://[::1]8080",
            "https://:80/",
        ] {
            assert!(WebhookUrl::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, fault) in [
            (sound("secret_file = \"nowhere\""), "webhooks[0].secret_file: found \"nowhere\"; there is no such file"),
            ("url = \"https://h\"".to_owned(), "webhooks[0].secret: messages are signed"),
            (sound("events = []"), "webhooks[0].events: with an empty list nothing is told"),
            (sound("events = [\"pol\"]"), "webhooks[0].events[0]: found \"pol\"; allowed: \"pool\", \"origin\""),
            (sound("group_wait = \"6m\""), "webhooks[0].group_wait: "),
            (
                sound(&format!("[[webhooks]]\nname = \"ops\"\n{}", sound(""))),
                "webhooks[1]: another webhook is named \"ops\"",
            ),
        ] {
            let report = load_one(&text).unwrap_err().to_string();
            assert!(report.contains(fault), "{report}");
        }
    }

    #[test]
    fn a_secret_may_stand_in_a_file_that_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let (main, file) = (folder.path().join("x.toml"), folder.path().join("hook.secret"));
        std::fs::write(&file, format!("whsec_{SECRET}\n")).unwrap();
        let text = |more: &str| {
            format!(
                "version = 1\n[[webhooks]]\nname = \"a\"\nurl = \"http://h\"\nsecret_file = \"hook.secret\"\n{more}"
            )
        };
        std::fs::write(&main, text("")).unwrap();
        let loaded = load(&main).unwrap();
        assert_eq!(loaded.policy.webhooks[0].secret.0.len(), 32);
        assert!(loaded.files.contains(&file));
        std::fs::write(&main, text(&format!("secret = \"{SECRET}\""))).unwrap();
        assert!(load(&main).unwrap_err().to_string().contains("either `secret` or `secret_file`"));
        std::fs::write(&file, "short").unwrap();
        std::fs::write(&main, text("")).unwrap();
        assert!(load(&main).unwrap_err().to_string().contains("openssl rand -base64 32"));
    }
}
