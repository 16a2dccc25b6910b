//! Data of records whose content is text: TXT, in the forms that clients write it, and URI.

use crate::model::rrset::Rtype;

/// Octets of one character string (RFC 1035 §3.3).
const STRING_OCTETS_MAX: usize = 255;

/// Names what is at a URI (RFC 7553).
pub(super) const URI: Rtype = Rtype(256);

/// The data of a TXT record: character strings in quotation marks, or else one text as it is. What is longer than a
/// character string becomes several.
pub(super) fn parse_txt(content: &str) -> Result<Vec<u8>, String> {
    let texts = if content.starts_with('"') { quoted(content)? } else { vec![content.as_bytes().to_vec()] };
    let mut rdata = Vec::with_capacity(content.len() + 1);
    for text in &texts {
        if text.is_empty() {
            rdata.push(0);
        }
        for part in text.chunks(STRING_OCTETS_MAX) {
            rdata.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
            rdata.extend_from_slice(part);
        }
    }
    Ok(rdata)
}

/// The content of a TXT record: its character strings in quotation marks.
pub(super) fn build_txt(rdata: &[u8]) -> String {
    let mut strings = Vec::new();
    let mut rest = rdata;
    while let Some((length, tail)) = rest.split_first() {
        let (string, tail) = tail.split_at_checked(usize::from(*length)).unwrap_or((tail, &[]));
        strings.push(format!("\"{}\"", string.iter().map(|octet| escaped(*octet)).collect::<String>()));
        rest = tail;
    }
    strings.join(" ")
}

/// An octet in quotation marks, as RFC 1035 §5.1 escapes it.
fn escaped(octet: u8) -> String {
    match octet {
        b'"' | b'\\' => format!("\\{}", char::from(octet)),
        b' '..=b'~' => char::from(octet).to_string(),
        _ => format!("\\{octet:03}"),
    }
}

/// The data of a URI record (RFC 7553 §4.4) from priority, weight and target.
pub(super) fn parse_uri(line: &str) -> Result<Vec<u8>, String> {
    let allowed =
        || "allowed: a weight and a target in quotation marks, such as `1 \"https://example.com/\"`".to_owned();
    let mut words = line.splitn(3, ' ');
    let mut number = || words.next()?.parse::<u16>().ok();
    let (priority, weight) = number().zip(number()).ok_or_else(allowed)?;
    let target = words.next().ok_or_else(allowed)?.trim();
    let target = match quoted(target)?.as_slice() {
        [one] if !one.is_empty() => one.clone(),
        _ => return Err(allowed()),
    };
    Ok([&priority.to_be_bytes()[..], &weight.to_be_bytes()[..], &target].concat())
}

/// The texts in quotation marks that a text is, as RFC 1035 §5.1 escapes them.
pub(super) fn quoted(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut texts = Vec::new();
    let mut octets = text.bytes();
    loop {
        match octets.find(|octet| !matches!(octet, b' ' | b'\t')) {
            None => return Ok(texts),
            Some(b'"') => texts.push(one_quoted(&mut octets)?),
            Some(_) => return Err("something stands outside of the quotation marks".to_owned()),
        }
    }
}

/// The rest of a text in quotation marks.
fn one_quoted(octets: &mut impl Iterator<Item = u8>) -> Result<Vec<u8>, String> {
    let open = || "a quotation mark is not closed".to_owned();
    let mut text = Vec::new();
    loop {
        match octets.next().ok_or_else(open)? {
            b'"' => return Ok(text),
            b'\\' => {
                let first = octets.next().ok_or_else(open)?;
                if !first.is_ascii_digit() {
                    text.push(first);
                    continue;
                }
                let digits = [first, octets.next().ok_or_else(open)?, octets.next().ok_or_else(open)?];
                let number = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok());
                text.push(number.ok_or_else(|| "a backslash and digits are \\000 to \\255".to_owned())?);
            }
            octet => text.push(octet),
        }
    }
}

/// A text in quotation marks.
pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
