//! Writes metrics in the text format of Prometheus, version 0.0.4.

use std::fmt::{self, Display, Write};

use crate::telemetry::histogram::Observed;

/// What a metric is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    /// It only grows while the process runs.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Times by size.
    Histogram,
    /// A sum and a count.
    Summary,
}

impl Type {
    /// The word of the format.
    const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// Labels: names, which are ours, and values, which may be anything.
pub(super) type Labels<'l> = &'l [(&'l str, &'l str)];

/// A text under way.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    /// The text.
    text: String,
}

/// A metric whose samples are being written.
#[derive(Debug)]
pub(super) struct Family<'e> {
    /// The text.
    text: &'e mut String,
    /// The metric's name.
    name: &'static str,
}

impl Exposition {
    /// Begins a metric. All its samples come before the next one.
    pub(super) fn family(&mut self, name: &'static str, kind: Type, help: &str) -> Family<'_> {
        let kind = kind.word();
        // A string takes whatever is written to it, here and below.
        write!(self.text, "# HELP {name} {}\n# TYPE {name} {kind}\n", Escaped(help, "\\\n")).ok();
        Family { text: &mut self.text, name }
    }

    /// A metric of one sample without labels.
    pub(super) fn single(&mut self, name: &'static str, kind: Type, help: &str, value: impl Display) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// One sample.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    /// The samples of a histogram.
    pub(super) fn histogram(&mut self, labels: Labels<'_>, observed: &Observed) {
        for (bound, count) in &observed.at_most {
            self.line("_bucket", labels, Some(&Seconds(*bound)), count);
        }
        self.line("_bucket", labels, Some(&"+Inf"), observed.count);
        self.summary(labels, observed);
    }

    /// The samples of a summary.
    pub(super) fn summary(&mut self, labels: Labels<'_>, observed: &Observed) {
        self.line("_sum", labels, None, Seconds(observed.sum));
        self.line("_count", labels, None, observed.count);
    }

    /// One line. `bound` is that of a histogram's bucket.
    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&dyn Display>, value: impl Display) {
        let Self { text, name } = self;
        write!(text, "{name}{suffix}").ok();
        let mut separator = '{';
        for (label, value) in labels {
            write!(text, "{separator}{label}=\"{}\"", Escaped(value, "\\\n\"")).ok();
            separator = ',';
        }
        if let Some(bound) = bound {
            write!(text, "{separator}le=\"{bound}\"").ok();
            separator = ',';
        }
        if separator == ',' {
            text.push('}');
        }
        writeln!(text, " {value}").ok();
    }
}

/// A text in which certain characters have a backslash in front, a line's end as `\n`.
struct Escaped<'t>(&'t str, &'static str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text, special) = self;
        text.chars().try_for_each(|letter| match letter {
            letter if !special.contains(letter) => f.write_char(letter),
            '\n' => f.write_str("\\n"),
            letter => write!(f, "\\{letter}"),
        })
    }
}

/// Nanoseconds, shown as seconds without loss.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        write!(f, "{}", format!("{whole}.{part:09}").trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_labels_and_escapes() {
        let mut exposition = Exposition::default();
        exposition.single("up", Type::Gauge, "One \\ two\nthree \"four\".", 1);
        let mut family = exposition.family("a_total", Type::Counter, "A.");
        family.sample(&[("one", "say \"hi\"\n"), ("two", "a\\b\u{e9}\t")], 7);
        family.sample(&[("one", "")], u64::MAX);
        exposition.family("t_seconds", Type::Histogram, "T.").histogram(
            &[("m", "x")],
            &Observed { at_most: vec![(100, 1), (2_000_000_000, 3)], count: 4, sum: 3_000_000_150 },
        );
        let expected = "# HELP up One \\\\ two\\nthree \"four\".\n# TYPE up gauge\nup 1\n\
            # HELP a_total A.\n# TYPE a_total counter\na_total{one=\"say \\\"hi\\\"\\n\",two=\"a\\\\b\u{e9}\t\"} 7\n\
            a_total{one=\"\"} 18446744073709551615\n# HELP t_seconds T.\n# TYPE t_seconds histogram\n\
            t_seconds_bucket{m=\"x\",le=\"0.0000001\"} 1\nt_seconds_bucket{m=\"x\",le=\"2\"} 3\n\
            t_seconds_bucket{m=\"x\",le=\"+Inf\"} 4\nt_seconds_sum{m=\"x\"} 3.00000015\nt_seconds_count{m=\"x\"} 4\n";
        assert_eq!(exposition.finish(), expected);
    }

    #[test]
    fn seconds() {
        for (nanoseconds, text) in [(0, "0"), (1, "0.000000001"), (10_000_000_000, "10"), (1_500_000_000, "1.5")] {
            assert_eq!(Seconds(nanoseconds).to_string(), text);
        }
    }
}
