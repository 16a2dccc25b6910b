//! The search for the expected text in a body that comes in chunks.

/// Looks for a text, without regard to ASCII case, in octets that it sees once and does not keep: the algorithm of
/// Knuth, Morris and Pratt, which no body can slow down.
#[derive(Debug)]
pub(super) struct Search<'a> {
    /// What to look for.
    text: &'a [u8],
    /// For each octet of the text: how long a proper prefix of it ends there.
    borders: Vec<usize>,
    /// How much of the text the body's end matches at the moment.
    matched: usize,
}

impl<'a> Search<'a> {
    /// A search for `text` in a body of which nothing has come yet.
    pub(super) fn new(text: &'a str) -> Self {
        let mut search = Self { text: text.as_bytes(), borders: Vec::with_capacity(text.len()), matched: 0 };
        // The text is searched in itself, one octet late.
        search.borders.push(0);
        for octet in search.text.iter().skip(1) {
            search.step(*octet);
            search.borders.push(search.matched);
        }
        search.matched = 0;
        search
    }

    /// Takes the next chunk in; says whether the text has been found by now.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> bool {
        for octet in chunk {
            if self.is_found() {
                break;
            }
            self.step(*octet);
        }
        self.is_found()
    }

    /// Whether the whole text has been seen.
    const fn is_found(&self) -> bool {
        self.matched == self.text.len()
    }

    /// Takes one octet in: the longest prefix of the text that now ends the body.
    fn step(&mut self, octet: u8) {
        while !self.continues(octet) {
            let Some(shorter) = self.matched.checked_sub(1).and_then(|last| self.borders.get(last)) else { return };
            self.matched = *shorter;
        }
        self.matched += 1;
    }

    /// Whether `octet` is what comes next in the text.
    fn continues(&self, octet: u8) -> bool {
        self.text.get(self.matched).is_some_and(|next| next.eq_ignore_ascii_case(&octet))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_text_across_chunks_and_cases() {
        for (text, chunks, found) in [
            ("ok", &["OK"][..], true),
            ("OK", &["o", "k"][..], true),
            ("ready", &["not re", "", "ADy yet"][..], true),
            ("aab", &["aa", "ab"][..], true),
            ("abcabd", &["abcab", "cabd"][..], true),
            ("ok", &["o", " k"][..], false),
            ("ok", &[][..], false),
            ("ü", &["Ü"][..], false),
            ("", &[][..], true),
        ] {
            let mut search = Search::new(text);
            let seen = chunks.iter().fold(search.feed(b""), |_, chunk| search.feed(chunk.as_bytes()));
            assert_eq!(seen, found, "{text} {chunks:?}");
        }
    }

    proptest! {
        #[test]
        fn finds_what_the_standard_library_finds(text in "[abAB]{0,6}", chunks in prop::collection::vec("[abAB]{0,9}", 0..6)) {
            let mut search = Search::new(&text);
            let mut found = search.feed(b"");
            for chunk in &chunks {
                found = search.feed(chunk.as_bytes());
            }
            let whole = chunks.concat().to_ascii_lowercase();
            prop_assert_eq!(found, whole.contains(&text.to_ascii_lowercase()));
        }
    }
}
