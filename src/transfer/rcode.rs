//! Response codes of other servers, in words.

/// The word for a response code (RFC 1035 §4.1.1, RFC 2136 §2.2).
pub(super) fn word(code: u8) -> String {
    match code {
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        9 => "NOTAUTH".to_owned(),
        other => format!("with response code {other}"),
    }
}

/// What to look at when a server answers NOTIFY with a response code other than NOERROR.
pub(super) const fn notify_cure(code: u8) -> &'static str {
    match code {
        3 | 9 => "is it a secondary of this zone, and does it have the key?",
        4 => "it knows no NOTIFY, so take it out of `notify`: it learns of changes when it asks",
        5 => {
            "does it take NOTIFY for this zone from the address and with the key that we use? `source` sets the address"
        }
        _ => "its log says why",
    }
}
