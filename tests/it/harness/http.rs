//! A client of the API: HTTP/1.1 over one connection that is kept, made anew when it broke off.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where the API begins.
const BASE: &str = "/client/v4";

/// A client that shows a token.
pub(crate) struct Http {
    address: SocketAddr,
    token: String,
    stream: Option<BufReader<TcpStream>>,
}

/// An answer.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its tag, with the quotes.
    pub(crate) etag: Option<String>,
    /// Its body.
    pub(crate) octets: Vec<u8>,
}

impl Answer {
    /// The body.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.octets).expect("a body of JSON")
    }

    /// The result of what went well.
    #[track_caller]
    pub(crate) fn result(&self) -> Value {
        let mut body = self.json();
        assert_eq!(self.status, 200, "{body}");
        body["result"].take()
    }

    /// The number of the error of what did not.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, Option<u64>) {
        (self.status, self.json()["errors"][0]["code"].as_u64())
    }
}

impl Http {
    /// A client that connects when it is first used.
    pub(crate) fn new(address: SocketAddr, token: &str) -> Self {
        Self { address, token: token.to_owned(), stream: None }
    }

    /// Sends a request and waits for its answer, whatever that is.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.try_call(method, path, "", body).expect("an answer of the API")
    }

    /// The same with more header fields, each with its line's end; no answer is an error.
    pub(crate) fn try_call(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: Option<&Value>,
    ) -> io::Result<Answer> {
        let text = body.map_or_else(String::new, Value::to_string);
        let request = format!(
            "{method} {BASE}{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{headers}\r\n{text}",
            self.address,
            self.token,
            text.len()
        );
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.address)?,
        };
        stream.get_mut().write_all(request.as_bytes())?;
        let answer = read(&mut stream)?;
        self.stream = Some(stream);
        Ok(answer)
    }
}

/// A connection.
fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// Reads an answer, which has to say how long it is.
fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut line = String::new();
    let mut next = |stream: &mut BufReader<TcpStream>| {
        line.clear();
        stream.read_line(&mut line)?;
        // Half a line is the end of the connection.
        line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(broken)
    };
    let status = next(stream)?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(broken)?;
    let (mut length, mut etag) = (0, None);
    loop {
        let field = next(stream)?;
        if field.is_empty() {
            break;
        }
        let (name, value) = field.split_once(": ").ok_or_else(broken)?;
        match name {
            "content-length" => length = value.parse().map_err(io::Error::other)?,
            "etag" => etag = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut octets = vec![0; length];
    stream.read_exact(&mut octets)?;
    Ok(Answer { status, etag, octets })
}
