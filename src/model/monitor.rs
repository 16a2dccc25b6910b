//! A monitor: the declared rule by which origins are probed.

use std::time::Duration;

use crate::model::id::MonitorId;

/// How to probe the origins of every pool that names this monitor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Monitor {
    /// Its id.
    pub id: MonitorId,
    /// Its name in the configuration file.
    pub name: String,
    /// Free text.
    pub description: String,
    /// What one probe does.
    pub check: Check,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Immediate further attempts after a time-out.
    pub retries: u32,
    /// From the start of one probe to the start of the next.
    pub interval: Duration,
    /// Successes in a row that turn a target up; 0 means 1.
    pub consecutive_up: u32,
    /// Failures in a row that turn a target down; 0 means 1.
    pub consecutive_down: u32,
}

/// What one probe does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Check {
    /// A connection is established.
    Tcp {
        /// The port to connect to.
        port: u16,
    },
    /// An HTTP or HTTPS request gets an expected response.
    Http(HttpCheck),
}

/// An HTTP or HTTPS request, and what its response has to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpCheck {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Whether an HTTPS certificate is taken unseen.
    pub allow_insecure: bool,
    /// The request method, upper case.
    pub method: String,
    /// Path and query, starting with `/`.
    pub path: String,
    /// The port; none is the scheme's.
    pub port: Option<u16>,
    /// Header fields in order, names as written. `Host` is here too; an origin's own wins over it.
    pub headers: Vec<(String, Vec<String>)>,
    /// Status codes that mean healthy.
    pub expected_codes: ExpectedCodes,
    /// Text that the body must contain, compared without regard to ASCII case; empty means no check.
    pub expected_body: String,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
}

/// The scheme of an HTTP check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// The port of URLs that name none.
    pub const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Status codes as the original writes them: `200`, `2xx`, `20x`, and lists with commas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedCodes {
    /// The text as written, for whoever reads it back.
    text: String,
    /// Inclusive ranges of codes.
    ranges: Vec<(u16, u16)>,
}

impl ExpectedCodes {
    /// Parses comma-separated items of three characters whose trailing one or two may be `x`.
    pub fn parse(text: &str) -> Option<Self> {
        let ranges = text.split(',').map(|item| parse_code_item(item.trim())).collect::<Option<_>>()?;
        Some(Self { text: text.to_owned(), ranges })
    }

    /// The text as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether `code` means healthy.
    pub fn contains(&self, code: u16) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&code))
    }
}

/// Parses `200`, `20x` or `2xx` into an inclusive range.
fn parse_code_item(item: &str) -> Option<(u16, u16)> {
    let digits = item.trim_end_matches(['x', 'X']);
    let wild = item.len() - digits.len();
    let starts_well = digits.starts_with(|c: char| ('1'..='5').contains(&c));
    if item.len() != 3 || wild > 2 || !starts_well || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let span = if wild == 0 { 1 } else { 10_u16.pow(u32::try_from(wild).ok()?) };
    let low = digits.parse::<u16>().ok()? * span;
    Some((low, low + span - 1))
}

impl Monitor {
    /// Successes in a row that turn a target up, at least 1.
    pub fn up_count(&self) -> u32 {
        self.consecutive_up.max(1)
    }

    /// Failures in a row that turn a target down, at least 1.
    pub fn down_count(&self) -> u32 {
        self.consecutive_down.max(1)
    }

    /// The port that is probed.
    pub fn port(&self) -> u16 {
        match &self.check {
            Check::Tcp { port } => *port,
            Check::Http(http) => http.port.unwrap_or_else(|| http.scheme.port()),
        }
    }

    /// The `Host` header field of an HTTP check, if it sets one.
    pub fn host(&self) -> Option<&str> {
        let Check::Http(http) = &self.check else { return None };
        let host = http.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"))?;
        host.1.first().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_codes() {
        for (text, yes, no) in [
            ("200", vec![200], vec![201, 199]),
            ("2xx", vec![200, 299], vec![199, 300]),
            ("20x", vec![200, 209], vec![210]),
            ("200, 302,5xx", vec![200, 302, 500, 599], vec![201, 301, 499]),
        ] {
            let codes = ExpectedCodes::parse(text).unwrap();
            assert!(yes.iter().all(|code| codes.contains(*code)), "{text}");
            assert!(!no.iter().any(|code| codes.contains(*code)), "{text}");
        }
        for bad in ["", "2", "2x", "xxx", "x00", "2x0", "200-299", "600", "099", "200,", "2000", "２００"] {
            assert_eq!(ExpectedCodes::parse(bad), None, "{bad}");
        }
    }
}
