//! What the server tells about itself in class CH, if it is told to: `version.bind` and `id.server` (RFC 4892).

use crate::config::Policy;
use crate::dns::respond::Answer;
use crate::model::rrset::Rtype;
use crate::wire::message::Message;
use crate::wire::name::LowerName;
use crate::wire::query::Rcode;

/// Answers a question of class CH. What is not configured is refused, like everything else of that class.
pub fn respond(message: &mut Message<'_>, qname: &LowerName, qtype: Rtype, policy: &Policy) -> Answer {
    let text = match qname.wire() {
        b"\x07version\x04bind\0" | b"\x07version\x06server\0" => policy.version_bind.as_bytes(),
        b"\x02id\x06server\0" | b"\x08hostname\x04bind\0" => policy.id_server.as_bytes(),
        _ => b"",
    };
    let Ok(length) = u8::try_from(text.len()) else { return Answer::error(Rcode::Refused) };
    if length == 0 || !matches!(qtype, Rtype::TXT | Rtype::ANY) {
        return Answer::error(Rcode::Refused);
    }
    let [l0, l1] = (u16::from(length) + 1).to_be_bytes();
    // Owner: the question's name. TXT, CH, TTL 0, one character string.
    let head = [0xc0, 0x0c, 0, 16, 0, 3, 0, 0, 0, 0, l0, l1, length];
    let written = message.answer_raw(&head).and_then(|()| message.answer_raw(text));
    if written.is_err() {
        return Answer { truncated: true, ..Answer::authoritative(Rcode::NoError) };
    }
    message.count_answer();
    Answer::authoritative(Rcode::NoError)
}
