//! Rules of the house that no compiler knows, read from the sources: layers, fences around crates, purity, sizes, names.
//!
//! Every violation is reported at once, each with its place. A rule that has to give way is changed here, with a reason.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::indexing_slicing, reason = "an index out of range is a failure like any other")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Layers from the lowest to the highest; those on one line are siblings, which may not name each other.
const LAYERS: &[&[&str]] = &[
    &["telemetry"],
    &["model"],
    &["wire"],
    &["spec"],
    &["config"],
    &["health", "store"],
    &["steering"],
    &["api", "dns", "transfer", "notify"],
    &["app"],
    &["cli"],
];

/// Crates that stay where they are, so that replacing one is work in one folder.
const FENCES: &[(&str, &[&str])] = &[
    ("axum", &["src/api/"]),
    ("clap", &["src/cli/", "src/main.rs"]),
    ("comfy_table", &["src/cli/"]),
    ("domain", &["src/config/", "src/spec/"]),
    // In health to read the answers that DNS probes get.
    ("hickory_proto", &["src/config/", "src/health/probe/dns.rs", "src/spec/", "src/transfer/"]),
    ("hickory_server", &["src/transfer/"]),
    // In health only to read what reqwest's errors wrap.
    ("hyper", &["src/api/", "src/app/", "src/health/probe/failure.rs"]),
    ("indicatif", &["src/cli/"]),
    ("libc", &["src/dns/io/"]),
    ("notify", &["src/app/"]),
    ("redb", &["src/store/"]),
    ("reqwest", &["src/health/", "src/notify/"]),
    ("tokio_rustls", &["src/api/tls.rs", "src/health/probe/tls.rs"]),
    ("toml", &["src/config/", "src/spec/"]),
    ("utoipa", &["src/api/v4/"]),
    ("x509_parser", &["src/api/tls.rs", "src/health/probe/tls.rs"]),
];

/// Pure files: no clock, task, log line, lock or random source. A folder stands for everything in it.
const PURE: &[&str] = &[
    "src/dns/cookie.rs",
    "src/model/",
    "src/wire/",
    "src/spec/",
    "src/health/guard.rs",
    "src/health/tracker.rs",
    "src/notify/group.rs",
    "src/notify/message.rs",
    "src/notify/pause.rs",
    "src/steering/audience.rs",
    "src/steering/compile.rs",
    "src/steering/draw.rs",
    "src/steering/lookup.rs",
    "src/steering/explain.rs",
    "src/steering/select.rs",
    "src/steering/state.rs",
    "src/transfer/secondary/difference.rs",
    "src/transfer/secondary/message.rs",
    "src/transfer/secondary/refusal.rs",
    "src/transfer/secondary/soa.rs",
    "src/transfer/secondary/stream.rs",
    "src/transfer/secondary/timers.rs",
];

/// What a pure file may not say.
const IMPURE_WORDS: &[&str] = &[
    "tokio",
    "tracing",
    "arc_swap",
    "Instant",
    "SystemTime::now",
    "Mutex",
    "RwLock",
    "rand",
    "getrandom",
    "println",
    "eprintln",
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
];

/// Folders and files that would collect what belongs elsewhere.
const VAGUE_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "types", "manager"];
/// Beginnings of function names that say nothing.
const VAGUE_VERBS: &[&str] = &["handle_", "process_", "do_", "manage_", "get_", "validate_"];
/// Functions that traits of others name.
const FOREIGN_NAMES: &[&str] = &["fn handle_request<R: ResponseHandler"];
/// Lines of one file; beyond, it becomes a folder along a noun.
const LINES_MAX: usize = 600;
/// The only folder that may say `unsafe`.
const UNSAFE_FOLDER: &str = "src/dns/io/";

/// A source file.
struct Source {
    /// From the crate's root, with slashes.
    path: String,
    /// As it is.
    text: String,
    /// Without comments and the insides of literals; lines stay where they are.
    code: String,
    /// Whether all of it is compiled for tests only.
    is_test: bool,
}

/// What is wrong, and where.
#[derive(Default)]
struct Violations(Vec<String>);

impl Violations {
    /// Notes something at a line, counted from 1.
    fn add(&mut self, path: &str, line: usize, why: &str) {
        self.0.push(format!("{path}:{line}: {why}"));
    }
}

#[test]
fn the_house_is_in_order() {
    let sources = sources();
    assert!(sources.len() > 20, "run from the crate's root");
    let mut violations = Violations::default();
    for source in &sources {
        shape(source, &mut violations);
        names(source, &mut violations);
        layers(source, &mut violations);
        fences(source, &mut violations);
        purity(source, &mut violations);
        citations(source, &mut violations);
    }
    for source in rust_files(Path::new("tests")).iter().map(|path| read(path)) {
        // The fuzz crate, and this file's own cases, have their reasons.
        if !source.path.starts_with("tests/fuzz/") {
            shape(&source, &mut violations);
            citations(&source, &mut violations);
        }
    }
    dependencies(&std::fs::read_to_string("Cargo.toml").unwrap(), &mut violations);
    let mut report = String::new();
    for violation in &violations.0 {
        writeln!(report, "{violation}").unwrap();
    }
    assert!(violations.0.is_empty(), "{} violations\n{report}", violations.0.len());
}

/// All files of `src`.
fn sources() -> Vec<Source> {
    let mut sources: Vec<Source> = rust_files(Path::new("src")).iter().map(|path| read(path)).collect();
    let tests: Vec<String> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        source.is_test = tests.iter().any(|test| source.path == format!("{test}.rs") || is_in(&source.path, test));
    }
    sources
}

/// Whether a path lies in a folder.
fn is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// All `.rs` files in a folder, in order.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Reads a file.
fn read(path: &Path) -> Source {
    let text = std::fs::read_to_string(path).unwrap();
    let code = code_of(&text);
    Source { path: path.to_str().unwrap().replace('\\', "/"), text, code, is_test: false }
}

/// Paths, without `.rs`, of the modules in other files that a file declares for tests only.
fn test_modules(source: &Source) -> Vec<String> {
    let folder = match source.path.strip_suffix("/mod.rs").or_else(|| source.path.strip_suffix("/lib.rs")) {
        Some(folder) => folder,
        None => source.path.trim_end_matches(".rs"),
    };
    let lines: Vec<&str> = source.code.lines().map(str::trim).collect();
    let pairs = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    let names = pairs.filter_map(|pair| pair[1].split_once("mod ")?.1.strip_suffix(';'));
    names.map(|name| format!("{folder}/{name}")).collect()
}

/// The lines of code that run outside tests, with their numbers.
fn live_lines(source: &Source) -> Vec<(usize, &str)> {
    if source.is_test {
        return vec![];
    }
    let mut live = Vec::new();
    let mut in_tests = false;
    let lines: Vec<&str> = source.code.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let next = lines.get(index + 1).copied().unwrap_or_default();
        // A module of tests begins and ends at the margin, as rustfmt has it.
        in_tests |= *line == "#[cfg(test)]" && next.contains("mod ") && next.trim_end().ends_with('{');
        if !in_tests {
            live.push((index + 1, *line));
        }
        in_tests &= *line != "}";
    }
    live
}

/// `text` with everything blanked that is no code: comments and the insides of literals.
fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
            continue;
        }
        let quoted = chars[at] != '/';
        for (index, letter) in chars[at..end].iter().enumerate() {
            let edge = quoted && (index == 0 || index + 1 == end - at);
            code.push(if *letter == '\n' || edge { *letter } else { ' ' });
        }
        at = end;
    }
    code
}

/// Where the comment or literal that starts at `at` ends; `at` itself if none does.
fn literal_end(chars: &[char], at: usize) -> usize {
    let get = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let after = |from: usize, stop: &dyn Fn(usize) -> bool| (from..chars.len()).find(|index| stop(*index));
    let in_word = at > 0 && (get(at - 1).is_alphanumeric() || get(at - 1) == '_');
    match (get(at), get(at + 1)) {
        ('/', '/') => after(at, &|index| get(index) == '\n').unwrap_or(chars.len()),
        ('/', '*') => {
            after(at + 2, &|index| get(index) == '*' && get(index + 1) == '/').map_or(chars.len(), |end| end + 2)
        }
        ('"', _) => quote_end(chars, at, '"'),
        ('\'', '\\') => quote_end(chars, at, '\''),
        // Not a lifetime.
        ('\'', _) if get(at + 2) == '\'' => at + 3,
        ('r', '"' | '#') if !in_word || get(at - 1) == 'b' => {
            let hashes = (at + 1..chars.len()).take_while(|index| get(*index) == '#').count();
            if get(at + 1 + hashes) != '"' {
                return at;
            }
            let closes = |index: usize| get(index) == '"' && (1..=hashes).all(|hash| get(index + hash) == '#');
            after(at + 2 + hashes, &closes).map_or(chars.len(), |end| end + 1 + hashes)
        }
        _ => at,
    }
}

/// Where the literal that starts with a quote ends.
fn quote_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// Whether `line` says `word`, not as a part of a longer word.
fn says(line: &str, word: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(part) && !line[at + word.len()..].chars().next().is_some_and(part)
    })
}

/// Whether `line` names a crate: at the start of a path.
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = &line[..at];
        let rest = &line[at + name.len()..];
        let starts = !before.ends_with(|letter: char| letter.is_alphanumeric() || "_:.".contains(letter));
        let is_path = rest.starts_with("::") || (before.trim_end().ends_with("use") && rest.starts_with(';'));
        starts && is_path
    })
}

/// The layers that `line` names.
fn named_layers(line: &str) -> impl Iterator<Item = &str> {
    let word_end =
        |rest: &str| rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
    line.match_indices("crate::").map(move |(at, found)| {
        let rest = &line[at + found.len()..];
        &rest[..word_end(rest)]
    })
}

/// The rank of a layer.
fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|layers| layers.contains(&layer))
}

/// Size, the sentence at the head, and what no file may say.
fn shape(source: &Source, violations: &mut Violations) {
    let Source { path, text, code, .. } = source;
    let lines = text.lines().count();
    if lines > LINES_MAX {
        violations.add(path, lines, "more than 600 lines; make it a folder along a noun");
    }
    let head = text.lines().next().unwrap_or_default();
    let is_root = path == "src/lib.rs" && head.starts_with("#![doc = include_str!(");
    if !is_root && !head.starts_with("//! ") {
        violations.add(path, 1, "starts with no `//!` that says what lives here");
    }
    for (index, line) in code.lines().enumerate() {
        if line.contains("#[ignore") {
            violations.add(path, index + 1, "a test that is ignored is no test");
        }
        if path.starts_with("src/") && says(line, "unsafe") && !path.starts_with(UNSAFE_FOLDER) {
            violations.add(path, index + 1, "unsafe outside src/dns/io");
        }
        for verb in VAGUE_VERBS {
            let is_ours = !FOREIGN_NAMES.iter().any(|name| line.contains(name));
            if is_ours && line.split_once("fn ").is_some_and(|(_, name)| name.starts_with(verb)) {
                violations.add(path, index + 1, &format!("a function named {verb}… says nothing; see the verbs"));
            }
        }
    }
}

/// Names of folders and files.
fn names(source: &Source, violations: &mut Violations) {
    for part in source.path.trim_end_matches(".rs").split('/') {
        if VAGUE_NAMES.contains(&part) {
            violations.add(&source.path, 1, &format!("`{part}` names no noun of ours"));
        }
    }
}

/// A file names its own layer and those below, never one above, never a sibling.
fn layers(source: &Source, violations: &mut Violations) {
    let Some((own, _)) = source.path.trim_start_matches("src/").split_once('/') else { return };
    let Some(own_rank) = rank(own) else {
        violations.add(&source.path, 1, &format!("`{own}` is no layer; give it a place in tests/tidy.rs"));
        return;
    };
    for (number, line) in live_lines(source) {
        for named in named_layers(line).filter(|named| *named != own) {
            match rank(named) {
                Some(other) if other < own_rank => {}
                Some(_) => violations.add(&source.path, number, &format!("{own} names {named}, which is not below it")),
                None => violations.add(&source.path, number, &format!("`{named}` is no layer; name layers one by one")),
            }
        }
    }
}

/// Crates stay in their folders.
fn fences(source: &Source, violations: &mut Violations) {
    for (number, line) in live_lines(source) {
        for (name, folders) in FENCES {
            if names_crate(line, name) && !folders.iter().any(|folder| source.path.starts_with(folder)) {
                violations.add(&source.path, number, &format!("{name} is fenced to {folders:?}"));
            }
        }
    }
}

/// Pure files say nothing of the world.
fn purity(source: &Source, violations: &mut Violations) {
    if !PURE.iter().any(|pure| source.path.starts_with(pure)) {
        return;
    }
    for (number, line) in live_lines(source) {
        for word in IMPURE_WORDS.iter().filter(|word| says(line, word)) {
            violations.add(&source.path, number, &format!("a pure file says {word}"));
        }
    }
}

/// RFCs are cited in one form, so that they can be listed.
fn citations(source: &Source, violations: &mut Violations) {
    for (index, line) in source.text.lines().enumerate() {
        if line.match_indices("RFC").any(|(at, found)| !is_citation(&line[at + found.len()..])) {
            violations.add(&source.path, index + 1, "an RFC is written with a space and four digits");
        }
    }
}

/// Whether what follows the letters is a number in the one form, or no number at all.
fn is_citation(rest: &str) -> bool {
    let number = rest.strip_prefix(' ').unwrap_or_default();
    match number.chars().take_while(char::is_ascii_digit).count() {
        0 => !rest.starts_with(|letter: char| letter.is_ascii_digit() || letter == '-'),
        digits => digits == 4,
    }
}

/// Every dependency stands under a comment that says what it is for; a group of lines may share one.
fn dependencies(manifest: &str, violations: &mut Violations) {
    let mut in_dependencies = false;
    let mut is_explained = false;
    for (index, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            in_dependencies = line.trim_end_matches(']').ends_with("dependencies");
            is_explained = false;
        } else if line.trim().is_empty() {
            is_explained = false;
        } else if line.starts_with('#') {
            is_explained = true;
        } else if in_dependencies && !is_explained {
            violations.add("Cargo.toml", index + 1, "a dependency without a line that says what it is for");
        }
    }
}

#[test]
fn comments_and_literals_are_no_code() {
    for (text, code) in [
        ("a // tokio", "a         "),
        ("\"Mutex\" b", "\"     \" b"),
        ("\"\\\"Mutex\" b", "\"       \" b"),
        ("r#\"a\"b\"# c", "r      # c"),
        ("'\"' + x", "' ' + x"),
        ("'\\'' + x", "'  ' + x"),
        ("&'a str", "&'a str"),
        ("/* rand\n */ x", "       \n    x"),
        ("for r in rest", "for r in rest"),
    ] {
        assert_eq!(code_of(text), code, "{text}");
    }
}

#[test]
fn words_and_crates_are_whole() {
    assert!(says("let x: Mutex<u8>", "Mutex") && !says("MutexGuard", "Mutex") && !says("random", "rand"));
    assert!(says("tokio::spawn", "tokio") && !says("my_tokio", "tokio"));
    assert!(names_crate("use toml::Value;", "toml") && names_crate("use notify;", "notify"));
    assert!(!names_crate("self.notify::<T>()", "notify") && !names_crate("use super::toml::x;", "toml"));
    assert!(!names_crate("let domain = 1;", "domain") && !names_crate("toml_text::x", "toml"));
    assert_eq!(named_layers("use crate::model::x; crate::wire").collect::<Vec<_>>(), ["model", "wire"]);
    assert!(rank("health") == rank("store") && rank("model") < rank("wire"));
}

#[test]
fn each_rule_finds_what_it_forbids() {
    let found = |path: &str, text: &str| {
        let source = Source { path: path.into(), text: text.into(), code: code_of(text), is_test: false };
        let mut violations = Violations::default();
        for rule in [shape, names, layers, fences, purity, citations] {
            rule(&source, &mut violations);
        }
        violations.0.len()
    };
    let head = "//! Here.\n";
    for (path, text, count) in [
        ("src/dns/x.rs", "use crate::steering::table::RecordTable;", 0),
        ("src/dns/x.rs", "use crate::api::status;", 1),
        ("src/steering/x.rs", "use crate::dns::engine;", 1),
        ("src/store/x.rs", "fn f() { crate::health::g() }", 1),
        ("src/dns/x.rs", "use crate::{model, wire};", 1),
        ("src/new/x.rs", "", 1),
        ("src/dns/x.rs", "use axum::Router;", 1),
        ("src/api/x.rs", "use axum::Router;", 0),
        ("src/dns/x.rs", "unsafe {}", 1),
        ("src/dns/io/x.rs", "unsafe {}", 0),
        ("src/wire/x.rs", "use std::sync::Mutex; // tokio", 1),
        ("src/steering/table.rs", "use arc_swap::ArcSwap;", 0),
        ("src/model/utils.rs", "", 1),
        ("src/dns/x.rs", "pub fn handle_query() {}", 1),
        ("src/dns/x.rs", "#[ignore = \"slow\"]", 1),
    ] {
        assert_eq!(found(path, &format!("{head}{text}\n")), count, "{path}: {text}");
    }
    assert_eq!(found("src/dns/x.rs", "use std::fmt;\n"), 1);
    assert_eq!(found("src/dns/x.rs", &format!("{head}// RF{}\n", "C1034")), 1);
    assert_eq!(found("src/dns/x.rs", &"//! Long.\n".repeat(LINES_MAX + 1)), 1);
}

#[test]
fn tests_are_left_out() {
    let text = "use a;\n#[cfg(test)]\nmod tests {\n    use tokio;\n}\n\nfn b() {}\n#[cfg(test)]\nmod cases;\n";
    let source = Source { path: "src/dns/x.rs".into(), text: text.into(), code: code_of(text), is_test: false };
    let live: Vec<&str> = live_lines(&source).iter().map(|(_, line)| *line).filter(|line| !line.is_empty()).collect();
    assert_eq!(live, ["use a;", "fn b() {}", "#[cfg(test)]", "mod cases;"]);
    assert_eq!(test_modules(&source), ["src/dns/x/cases"]);
}

#[test]
fn citations_have_one_form() {
    for (rest, fine) in [(" 1034 §4", true), ("s decide", true), (" says", true), ("1034", false), ("-1034", false)] {
        assert_eq!(is_citation(rest), fine, "{rest}");
    }
    assert!(!is_citation(" 822"));
}

#[test]
fn dependencies_need_a_reason() {
    let manifest = "[package]\nname = 1\n[dependencies]\n# Why.\na = 1\nb = 1\n\nc = 1\n[dev-dependencies]\nd = 1\n";
    let mut violations = Violations::default();
    dependencies(manifest, &mut violations);
    let places: Vec<&str> = violations.0.iter().filter_map(|violation| violation.split(": ").next()).collect();
    assert_eq!(places, ["Cargo.toml:8", "Cargo.toml:10"]);
}
