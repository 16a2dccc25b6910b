//! The SMTP probe: a mail server greets, answers HELO, and says goodbye (RFC 5321).

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::health::probe::failure::{self, Phase};
use crate::health::probe::{Attempt, tcp};
use crate::model::limits::PROBE_SMTP_OCTETS_MAX;
use crate::model::verdict::FailReason;

/// Talks to a mail server; its last reply code is left in `code`.
pub(super) async fn greet(attempt: &Attempt<'_>, code: &mut Option<u16>) -> Result<(), FailReason> {
    let stream = tcp::connect(attempt).await?;
    attempt.within(FailReason::ResponseTimeout, converse(stream, code)).await
}

/// The conversation.
async fn converse(mut stream: TcpStream, code: &mut Option<u16>) -> Result<(), FailReason> {
    // RFC 5321 §4.1.4: without a name of its own a client says the address that it comes from.
    let helo = match stream.local_addr().map_err(|error| reason(&error))?.ip() {
        IpAddr::V4(address) => format!("HELO [{address}]\r\n"),
        IpAddr::V6(address) => format!("HELO [IPv6:{address}]\r\n"),
    };
    expect(&mut stream, 220, code).await?;
    say(&mut stream, &helo).await?;
    expect(&mut stream, 250, code).await?;
    say(&mut stream, "QUIT\r\n").await?;
    expect(&mut stream, 221, code).await
}

/// Sends a command.
async fn say(stream: &mut TcpStream, command: &str) -> Result<(), FailReason> {
    stream.write_all(command.as_bytes()).await.map_err(|error| reason(&error))
}

/// Reads a reply up to the end of its last line; it has to have the code.
async fn expect(stream: &mut TcpStream, expected: u16, code: &mut Option<u16>) -> Result<(), FailReason> {
    let mut reply = Reply::default();
    let mut buffer = [0; 512];
    for _ in 0..PROBE_SMTP_OCTETS_MAX {
        let length = stream.read(&mut buffer).await.map_err(|error| reason(&error))?;
        if length == 0 {
            return Err(FailReason::ConnectionReset);
        }
        match reply.feed(buffer.get(..length).unwrap_or_default()) {
            Some(Ok(found)) => {
                *code = Some(found);
                return if found == expected { Ok(()) } else { Err(FailReason::SmtpMismatch) };
            }
            Some(Err(NoReply)) => return Err(FailReason::SmtpMismatch),
            None => {}
        }
    }
    Err(FailReason::SmtpMismatch)
}

/// Why the conversation broke.
fn reason(error: &io::Error) -> FailReason {
    failure::of_io(error, Phase::Exchange).unwrap_or(FailReason::Other)
}

/// A reply that comes in pieces: lines `250-text`, the last of them `250 text` or `250` (RFC 5321 §4.2.1).
#[derive(Debug, Default)]
struct Reply {
    /// The first four octets of the line that comes.
    head: [u8; 4],
    /// Octets of that line so far.
    line: usize,
    /// Octets of all lines so far.
    octets: usize,
    /// The code of the lines before.
    code: Option<u16>,
}

/// What came is no reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct NoReply;

impl Reply {
    /// Takes the next octets in; gives the code when the last line has ended.
    fn feed(&mut self, octets: &[u8]) -> Option<Result<u16, NoReply>> {
        for octet in octets {
            self.octets += 1;
            if self.octets > PROBE_SMTP_OCTETS_MAX {
                return Some(Err(NoReply));
            }
            if *octet == b'\n' {
                match self.end_line() {
                    Ok(None) => {}
                    Ok(Some(code)) => return Some(Ok(code)),
                    Err(no_reply) => return Some(Err(no_reply)),
                }
            } else {
                if let Some(place) = self.head.get_mut(self.line) {
                    *place = *octet;
                }
                self.line += 1;
            }
        }
        None
    }

    /// Reads the head of a line that has ended; gives the code if it was the last.
    fn end_line(&mut self) -> Result<Option<u16>, NoReply> {
        let [a, b, c, mark] = self.head;
        let is_code = matches!(a, b'2'..=b'5') && b.is_ascii_digit() && c.is_ascii_digit() && self.line >= 3;
        let code = [a, b, c].into_iter().fold(0, |code, digit| code * 10 + u16::from(digit.wrapping_sub(b'0')));
        let mark = if self.line == 3 { b' ' } else { mark };
        (self.head, self.line) = ([0; 4], 0);
        if !is_code || self.code.replace(code).is_some_and(|before| before != code) {
            return Err(NoReply);
        }
        match mark {
            b' ' | b'\r' => Ok(Some(code)),
            b'-' => Ok(None),
            _ => Err(NoReply),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies() {
        for (text, code) in [
            ("220 mail.example ESMTP\r\n", Some(Ok(220))),
            ("250\r\n", Some(Ok(250))),
            ("250\n", Some(Ok(250))),
            ("220-one\r\n220-two\r\n220 three\r\n", Some(Ok(220))),
            ("554 go away\r\n", Some(Ok(554))),
            ("220-one\r\n250 two\r\n", Some(Err(NoReply))),
            ("220-one\r\n", None),
            ("220 without an end", None),
            ("22 x\r\n", Some(Err(NoReply))),
            ("\r\n", Some(Err(NoReply))),
            ("2200 x\r\n", Some(Err(NoReply))),
            ("HTTP/1.1 400 Bad Request\r\n", Some(Err(NoReply))),
            ("999 x\r\n", Some(Err(NoReply))),
            ("", None),
        ] {
            assert_eq!(Reply::default().feed(text.as_bytes()), code, "{text}");
            // The same in pieces of one octet.
            let mut reply = Reply::default();
            let mut pieces = text.as_bytes().chunks(1).map(|piece| reply.feed(piece));
            assert_eq!(pieces.find_map(|found| found), code, "{text}");
        }
        let mut endless = Reply::default();
        assert_eq!(endless.feed(&[b'2'; PROBE_SMTP_OCTETS_MAX]), None);
        assert_eq!(endless.feed(b"2"), Some(Err(NoReply)));
    }
}
