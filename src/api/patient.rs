//! A stream whose writer is not patient for ever: hyper bounds how long a request takes to come, but not how long a client
//! takes to accept its answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::model::limits::{RESPONSE_GRACE, RESPONSE_RATE_MIN};

/// A stream that fails when no octet goes out for too long, or too few do.
pub(super) struct Patient<S> {
    /// The stream.
    stream: Pin<Box<S>>,
    /// How long is too long.
    patience: Duration,
    /// When it is too long, while something waits to go out.
    deadline: Pin<Box<Sleep>>,
    /// Whether something does.
    waits: bool,
    /// Since when something has waited again and again, and how many octets went out meanwhile.
    pressed: Option<(Instant, u64)>,
}

impl<S> Patient<S> {
    /// A stream with a patience.
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream: Box::pin(stream),
            patience,
            deadline: Box::pin(tokio::time::sleep(patience)),
            waits: false,
            pressed: None,
        }
    }

    /// Passes on what came of a write, unless it waits for too long.
    fn judge<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = false;
            return written;
        }
        if !self.waits {
            self.waits = true;
            let now = Instant::now();
            let (since, octets) = *self.pressed.get_or_insert((now, 0));
            let slowest =
                since + RESPONSE_GRACE + Duration::from_millis(octets.saturating_mul(1_000) / RESPONSE_RATE_MIN);
            self.deadline.as_mut().reset(slowest.min(now + self.patience));
        }
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.stream.as_mut().poll_write(cx, octets);
        if let (Poll::Ready(Ok(count)), Some((_, octets))) = (&written, &mut self.pressed) {
            *octets = octets.saturating_add(*count as u64);
        }
        self.judge(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.stream.as_mut().poll_flush(cx);
        if flushed.is_ready() {
            // All that there was to say is out.
            self.pressed = None;
        }
        self.judge(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = self.stream.as_mut().poll_shutdown(cx);
        self.judge(shut, cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_is_given_up_and_a_slow_one_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(10);
        let mut stream = Patient::new(ours, Duration::from_secs(5));
        let reader = tokio::spawn(async move {
            for _ in 0..2 {
                tokio::time::sleep(Duration::from_secs(4)).await;
                theirs.read_exact(&mut [0; 10]).await.unwrap();
            }
            theirs
        });
        // Eight seconds in all, and never five without an octet.
        stream.write_all(&[1; 30]).await.unwrap();
        let _silent = reader.await.unwrap();
        let stuck = stream.write_all(&[1; 20]).await.unwrap_err();
        assert_eq!(stuck.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_trickles_is_given_up_and_one_that_keeps_up_is_not() {
        let largest = 40 * usize::try_from(RESPONSE_RATE_MIN).unwrap();
        for (octets, keeps_up) in [(10, false), (usize::try_from(RESPONSE_RATE_MIN).unwrap(), true)] {
            let (ours, mut theirs) = tokio::io::duplex(octets);
            let mut stream = Patient::new(ours, Duration::from_secs(5));
            let reader = tokio::spawn(async move {
                let mut taken = vec![0; octets];
                while theirs.read_exact(&mut taken).await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            });
            let began = Instant::now();
            let written = stream.write_all(&vec![1; largest]).await;
            assert_eq!(written.is_ok(), keeps_up);
            assert!(began.elapsed() >= RESPONSE_GRACE);
            assert!(keeps_up || began.elapsed() < RESPONSE_GRACE + Duration::from_secs(2));
            drop(stream);
            reader.await.unwrap();
        }
    }
}
