//! For golden files: calls with their responses as text, in which ids and times are numbered and hidden.

use std::fmt::Write as _;

use crate::api::v4::caller::Caller;
use crate::api::v4::fixture::{Fixture, Response};

/// Calls and responses so far.
pub(crate) struct Transcript<'f> {
    /// What is called.
    api: &'f Fixture,
    /// The text, as it is.
    text: String,
}

impl<'f> Transcript<'f> {
    /// Nothing yet.
    pub(crate) fn of(api: &'f Fixture) -> Self {
        Self { api, text: String::new() }
    }

    /// Calls at user level, and notes it.
    pub(crate) async fn call(&mut self, method: &str, path: &str, body: &str) -> Response {
        self.call_with(method, path, &[], body).await
    }

    /// The same with fields of the header.
    pub(crate) async fn call_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let response = self.api.call_as(Caller::control(), method, path, headers, body).await;
        writeln!(self.text, "{method} {path}").unwrap();
        for (name, _) in headers {
            writeln!(self.text, "{name}: ...").unwrap();
        }
        if !body.is_empty() {
            writeln!(self.text, "{body}").unwrap();
        }
        let tag = if response.headers.contains_key("etag") { ", with ETag" } else { "" };
        writeln!(self.text, "=> {}{tag}\n{:#}\n", response.status, response.body).unwrap();
        response
    }

    /// The text with ids and times hidden: the same id always has the same number.
    pub(crate) fn redacted(self) -> String {
        let mut redacted = String::with_capacity(self.text.len());
        let mut ids: Vec<String> = Vec::new();
        let is_word = |char: char| char.is_ascii_alphanumeric() || "-:.".contains(char);
        let mut rest = self.text.as_str();
        while !rest.is_empty() {
            let end = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
            let (word, tail) = rest.split_at(end);
            if is_id(word) {
                let number = ids.iter().position(|id| id == word).unwrap_or_else(|| {
                    ids.push(word.to_owned());
                    ids.len() - 1
                });
                write!(redacted, "<id {}>", number + 1).unwrap();
            } else if is_time(word) {
                redacted.push_str("<time>");
            } else {
                redacted.push_str(word);
            }
            let next = tail.chars().next().map_or(0, char::len_utf8);
            redacted.push_str(&tail[..next]);
            rest = &tail[next..];
        }
        redacted
    }
}

/// Whether a word is an id.
fn is_id(word: &str) -> bool {
    word.len() == 32 && word.bytes().all(|octet| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet))
}

/// Whether a word is a moment.
fn is_time(word: &str) -> bool {
    word.len() == "2026-01-31T12:00:00.000000Z".len() && word.ends_with('Z') && word.as_bytes()[10] == b'T'
}
