//! A strict reader of the text format of Prometheus, version 0.0.4: it takes nothing that a server should not write.

use std::collections::{BTreeMap, BTreeSet};

/// Labels of a sample.
pub type Labels = BTreeMap<String, String>;

/// The samples of one series by suffix: bounds, where there are any, and values.
type Parts<'f> = BTreeMap<&'f str, Vec<(String, f64)>>;

/// Everything that a scrape has.
#[derive(Debug, Default)]
pub struct Scraped {
    /// Metrics by name.
    pub families: BTreeMap<String, Family>,
}

/// A metric.
#[derive(Debug)]
pub struct Family {
    /// `counter`, `gauge`, `histogram` or `summary`.
    pub kind: String,
    /// Its samples: name with suffix, labels, value.
    pub samples: Vec<(String, Labels, f64)>,
}

impl Scraped {
    /// Reads a text, or says at which line it is wrong and why.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut scraped = Self::default();
        let mut current: Option<String> = None;
        let mut help: Option<String> = None;
        if !text.ends_with('\n') || text.contains('\r') {
            return Err("the last line does not end, or a line ends as in Windows".into());
        }
        for (index, line) in text.lines().enumerate() {
            let wrong = |why: &str| format!("line {}: {why}: {line}", index + 1);
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, said) = rest.split_once(' ').ok_or_else(|| wrong("no help"))?;
                if said.trim().is_empty() || !said.ends_with('.') || unescape(said, false).is_none() {
                    return Err(wrong("help is no sentence, or badly escaped"));
                }
                if help.replace(name.into()).is_some() || scraped.families.contains_key(name) {
                    return Err(wrong("help twice, or without a type"));
                }
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
                if help.take().as_deref() != Some(name) || !is_name(name, true) {
                    return Err(wrong("no help in front, or a bad name"));
                }
                if !["counter", "gauge", "histogram", "summary"].contains(&kind) {
                    return Err(wrong("no such type"));
                }
                scraped.families.insert(name.into(), Family { kind: kind.into(), samples: vec![] });
                current = Some(name.into());
            } else {
                let (name, labels, value) = sample(line).ok_or_else(|| wrong("no sample"))?;
                let family = current.as_ref().and_then(|name| scraped.families.get_mut(name));
                let family = family.filter(|_| help.is_none()).ok_or_else(|| wrong("of no metric"))?;
                family.samples.push((name, labels, value));
            }
        }
        scraped.families.iter().try_for_each(|(name, family)| family.check(name))?;
        Ok(scraped)
    }

    /// The value of a sample; 0 if it is not there.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_default()
    }

    /// The value of the one sample with exactly these labels.
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: Labels = labels.iter().map(|(label, value)| ((*label).into(), (*value).into())).collect();
        self.samples(name).find(|(_, other, _)| *other == labels).map(|(_, _, value)| *value)
    }

    /// The sum over all samples that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |found: &Labels| labels.iter().all(|(label, value)| found.get(*label).is_some_and(|is| is == value));
        self.samples(name).filter(|(_, found, _)| has(found)).map(|(_, _, value)| value).sum()
    }

    /// All samples of a name.
    pub fn samples(&self, name: &str) -> impl Iterator<Item = &(String, Labels, f64)> {
        self.families.values().flat_map(|family| &family.samples).filter(move |(other, ..)| other == name)
    }

    /// The names of all samples.
    pub fn names(&self) -> BTreeSet<&str> {
        self.families.values().flat_map(|family| &family.samples).map(|(name, ..)| name.as_str()).collect()
    }
}

impl Family {
    /// What holds for all samples of a metric together.
    fn check(&self, name: &str) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("{name}: {why}: {:?}", self.samples));
        let is_ours = name.starts_with("pooldns_") || name.starts_with("process_");
        if !is_ours || (self.kind == "counter") != name.ends_with("_total") {
            return wrong("a name against the conventions");
        }
        if ["_ms", "_milliseconds", "_microseconds", "_kb", "_megabytes"].iter().any(|unit| name.contains(unit)) {
            return wrong("no base unit");
        }
        let mut seen = BTreeSet::new();
        let mut series: BTreeMap<Labels, Parts<'_>> = BTreeMap::new();
        for (sample, labels, value) in &self.samples {
            if !seen.insert((sample, labels)) {
                return wrong("a series twice");
            }
            if value.is_nan() || (self.kind != "gauge" && *value < 0.0) {
                return wrong("a count below nothing");
            }
            let Some(suffix) = sample.strip_prefix(name) else { return wrong("a sample of another metric") };
            let mut labels = labels.clone();
            let bound = labels.remove("le").unwrap_or_default();
            series.entry(labels).or_default().entry(suffix).or_default().push((bound, *value));
        }
        let suffixes: &[&str] = match self.kind.as_str() {
            "histogram" => &["_bucket", "_count", "_sum"],
            "summary" => &["_count", "_sum"],
            _ => &[""],
        };
        for parts in series.values() {
            if !parts.keys().eq(suffixes) {
                return wrong("parts are missing or too many");
            }
            if self.kind != "histogram" {
                continue;
            }
            let bounds: Option<Vec<f64>> = parts["_bucket"].iter().map(|(bound, _)| number(bound)).collect();
            let counts = parts["_bucket"].iter().map(|(_, count)| *count);
            let ends = parts["_bucket"].last().map(|(bound, count)| (bound.as_str(), *count));
            let total = parts["_count"][0].1;
            let grows = bounds.is_some_and(|bounds| bounds.is_sorted_by(|one, other| one < other));
            if !grows || !counts.is_sorted() || ends != Some(("+Inf", total)) {
                return wrong("buckets that do not add up");
            }
        }
        Ok(())
    }
}

/// Reads `name{label="value",...} number`.
fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let (head, value) = line.rsplit_once(' ')?;
    let value = number(value)?;
    let Some((name, rest)) = head.split_once('{') else {
        return is_name(head, true).then(|| (head.into(), Labels::new(), value));
    };
    let mut rest = rest.strip_suffix('}')?;
    let mut labels = Labels::new();
    while !rest.is_empty() {
        let (label, quoted) = rest.split_once("=\"")?;
        let end = closing_quote(quoted)?;
        let value = unescape(&quoted[..end], true)?;
        if !is_name(label, false) || label.starts_with("__") || labels.insert(label.into(), value).is_some() {
            return None;
        }
        rest = &quoted[end + 1..];
        if !rest.is_empty() {
            rest = rest.strip_prefix(',').filter(|rest| !rest.is_empty())?;
        }
    }
    (is_name(name, true) && !labels.is_empty()).then(|| (name.into(), labels, value))
}

/// Where a quoted text ends.
fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, letter)| {
        let ends = letter == '"' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

/// Takes backslashes away; none where one stands in front of something that needs none.
fn unescape(text: &str, is_quoted: bool) -> Option<String> {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next()? {
                'n' => '\n',
                '\\' => '\\',
                '"' if is_quoted => '"',
                _ => return None,
            },
            letter => letter,
        });
    }
    Some(plain)
}

/// A number as the format has it.
fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        _ if text.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'.' | b'e' | b'-')) => text.parse().ok(),
        _ => None,
    }
}

/// Whether a text is a metric's name, or a label's.
fn is_name(text: &str, is_metric: bool) -> bool {
    let fits = |letter: char| letter.is_ascii_alphabetic() || letter == '_' || (is_metric && letter == ':');
    text.starts_with(fits) && text.chars().all(|letter| fits(letter) || letter.is_ascii_digit())
}

#[test]
fn the_reader_is_strict() {
    let head = "# HELP pooldns_a A.\n# TYPE pooldns_a gauge\n";
    let good = format!("{head}pooldns_a{{one=\"\\\\ \\\" \\n }} ,\",two=\"\"}} -1.5\npooldns_a 2e-05\n");
    let scraped = Scraped::read(&good).unwrap();
    assert_eq!(scraped.find("pooldns_a", &[("one", "\\ \" \n } ,"), ("two", "")]), Some(-1.5));
    let histogram = |buckets: &str| {
        let head = "# HELP pooldns_t T.\n# TYPE pooldns_t histogram\n";
        format!("{head}{buckets}pooldns_t_sum 1\npooldns_t_count 2\n")
    };
    let (one, infinite) = ("pooldns_t_bucket{le=\"1\"} 1\n", "pooldns_t_bucket{le=\"+Inf\"} 2\n");
    Scraped::read(&histogram(&format!("{one}{infinite}"))).unwrap();
    for bad in [
        "pooldns_a 1\n".to_owned(),
        "# TYPE pooldns_a gauge\npooldns_a 1\n".into(),
        format!("{head}pooldns_a 1"),
        format!("{head}pooldns_a 1 \n"),
        format!("{head}pooldns_a\n"),
        format!("{head}pooldns_a NaN\n"),
        format!("{head}pooldns_b 1\n"),
        format!("{head}pooldns_a 1\npooldns_a 1\n"),
        format!("{head}pooldns_a{{}} 1\n"),
        format!("{head}pooldns_a{{a=\"1\",}} 1\n"),
        format!("{head}pooldns_a{{a=\"\\t\"}} 1\n"),
        format!("{head}pooldns_a{{a=\"1\",a=\"2\"}} 1\n"),
        format!("{head}pooldns_a{{1a=\"1\"}} 1\n"),
        format!("{head}pooldns_a{{a=\"1}} 1\n"),
        format!("{head}\npooldns_a 1\n"),
        format!("{head}pooldns_a 1\n{head}pooldns_a{{a=\"1\"}} 1\n"),
        "# HELP pooldns_a A.\n# TYPE pooldns_a counter\npooldns_a 1\n".into(),
        "# HELP pooldns_a_total A.\n# TYPE pooldns_a_total counter\npooldns_a_total -1\n".into(),
        "# HELP pooldns_a_ms A.\n# TYPE pooldns_a_ms gauge\npooldns_a_ms 1\n".into(),
        histogram(one),
        histogram(infinite),
        histogram(&format!("{infinite}{one}")),
        histogram(&format!("{one}pooldns_t_bucket{{le=\"+Inf\"}} 3\n")),
    ] {
        // One bucket is few, but enough.
        let is_fine = bad == histogram(infinite);
        assert_eq!(Scraped::read(&bad).is_ok(), is_fine, "{bad}");
    }
}
