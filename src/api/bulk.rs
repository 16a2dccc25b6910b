//! What may be long: lists are made on blocking threads, a few at one time, and what has been made counts until its client
//! has it. So neither their making holds up whoever else is served, nor do clients that are slow to read fill the memory.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::api::v4::code::Code;
use crate::api::v4::error::ApiError;
use crate::model::limits::{LISTS_AT_ONCE_MAX, LISTS_KIBIBYTES_MAX, LISTS_QUEUED_MAX, RESPONSE_SMALL_OCTETS};

/// Room for what is long.
#[derive(Debug)]
pub struct Bulk {
    /// A permit for each list that is not being made yet.
    line: Semaphore,
    /// A permit for each list that is being made.
    makers: Arc<Semaphore>,
    /// A permit for each kibibyte that has been made and is not yet read.
    kibibytes: Arc<Semaphore>,
}

impl Default for Bulk {
    fn default() -> Self {
        Self {
            line: Semaphore::new(LISTS_QUEUED_MAX),
            makers: Arc::new(Semaphore::new(LISTS_AT_ONCE_MAX)),
            kibibytes: Arc::new(Semaphore::new(LISTS_KIBIBYTES_MAX as usize)),
        }
    }
}

/// Answers a request that may look at much, when there is room for it.
pub(super) async fn at_length(
    State(bulk): State<Arc<Bulk>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let closed = |_| ApiError::internal("nothing is listed any more");
    let full =
        |_| ApiError::new(Code::Overloaded, format!("more than {LISTS_QUEUED_MAX} lists are waited for at one time"));
    let place = bulk.line.try_acquire().map_err(full)?;
    let maker = Arc::clone(&bulk.makers).acquire_owned().await.map_err(closed)?;
    drop(place);
    let (runtime, gone) = (Handle::current(), CancellationToken::new());
    let _gone = gone.clone().drop_guard();
    let made = tokio::task::spawn_blocking(move || {
        // Whoever has gone away needs no answer. What is being made is finished all the same, and counts for as long.
        let response = runtime.block_on(gone.run_until_cancelled(next.run(request)));
        (response, maker)
    });
    let (response, maker) = match made.await {
        Ok((Some(response), maker)) => (response, maker),
        Ok((None, _)) => return Err(ApiError::new(Code::Timeout, "nobody waits for the answer any more")),
        Err(error) => return Err(ApiError::internal(format!("the answer could not be made: {error}"))),
    };
    let octets = response.body().size_hint().lower();
    if octets <= RESPONSE_SMALL_OCTETS {
        return Ok(response);
    }
    // One that is larger than all the room has it to itself.
    let kibibytes = u32::try_from(octets >> 10).unwrap_or(u32::MAX).min(LISTS_KIBIBYTES_MAX);
    let room = Arc::clone(&bulk.kibibytes).acquire_many_owned(kibibytes).await.map_err(closed)?;
    drop(maker);
    Ok(response.map(|body| Body::new(Held { body, _room: room })).into_response())
}

/// A body that has its room until it is sent, or dropped.
#[derive(Debug)]
struct Held {
    /// The body.
    body: Body,
    /// Its room.
    _room: OwnedSemaphorePermit,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
