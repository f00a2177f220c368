//! Request bodies within bounds: each has its service's limit, all together have one, and whoever sends too slowly is
//! not waited for. A thousand slow clients cost a thousand small buffers, not a thousand large ones.

use crate::error::AwsError;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header::CONTENT_LENGTH};
use http_body_util::BodyExt as _;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// What all bodies that are held at one time may take.
const HELD_MAX_BYTES: usize = 256 << 20;
/// The step in which a body's room is taken.
const BLOCK_BYTES: usize = 64 << 10;
/// A body that brings nothing for so long is given up; AWS waits about as long.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// A body that is not whole after this is given up.
const WHOLE_MAX: Duration = Duration::from_secs(120);

/// The room for bodies.
pub(crate) struct Bodies {
    blocks: Arc<Semaphore>,
    idle_max: Duration,
}

/// A body, and its room for as long as this lives.
pub(crate) struct Held {
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Default for Bodies {
    fn default() -> Bodies {
        Bodies::with(HELD_MAX_BYTES, IDLE_MAX)
    }
}

impl Bodies {
    fn with(held_max_bytes: usize, idle_max: Duration) -> Bodies {
        Bodies {
            blocks: Arc::new(Semaphore::new(held_max_bytes / BLOCK_BYTES)),
            idle_max,
        }
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// It is larger than `max_bytes`, it comes too slowly or breaks off, or there is no room for it now.
    pub async fn read(&self, headers: &HeaderMap, mut body: Body, max_bytes: usize) -> Result<Held, AwsError> {
        let declared = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > max_bytes as u64) {
            return Err(too_large(max_bytes));
        }
        let deadline = Instant::now() + WHOLE_MAX;
        let mut bytes = BytesMut::new();
        let mut room: Option<OwnedSemaphorePermit> = None;
        let mut blocks = 0;
        loop {
            let until = deadline.min(Instant::now() + self.idle_max);
            let frame = match timeout_at(until, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => break,
                Ok(Some(Err(error))) => {
                    return Err(AwsError::serialization(format!(
                        "The request's body could not be read: {error}"
                    )));
                }
                Err(_) => {
                    return Err(AwsError::new(
                        StatusCode::REQUEST_TIMEOUT,
                        "RequestTimeoutException",
                        "The request's body did not come in time. Send it without pauses, or in smaller requests.",
                    ));
                }
            };
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > max_bytes {
                return Err(too_large(max_bytes));
            }
            let missing = (bytes.len() + data.len()).div_ceil(BLOCK_BYTES) - blocks;
            if missing > 0 {
                let more = u32::try_from(missing)
                    .ok()
                    .and_then(|missing| Arc::clone(&self.blocks).try_acquire_many_owned(missing).ok())
                    .ok_or_else(no_room)?;
                match &mut room {
                    Some(room) => room.merge(more),
                    None => room = Some(more),
                }
                blocks += missing;
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Held {
            bytes: bytes.freeze(),
            _room: room,
        })
    }
}

fn too_large(max_bytes: usize) -> AwsError {
    AwsError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "RequestEntityTooLargeException",
        format!("The request's body is larger than {max_bytes} bytes."),
    )
}

fn no_room() -> AwsError {
    AwsError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "ServiceUnavailableException",
        "Too many large requests are being read at once. Try again in a moment.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt as _;

    fn chunks(count: usize, bytes: usize) -> Body {
        let chunk = move |_| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; bytes]));
        Body::from_stream(futures::stream::iter(0..count).map(chunk))
    }

    #[tokio::test]
    async fn bodies_share_one_room_and_give_it_back() {
        let bodies = Bodies::with(4 * BLOCK_BYTES, IDLE_MAX);
        let headers = HeaderMap::new();
        let held = bodies
            .read(&headers, chunks(3, BLOCK_BYTES), 1 << 20)
            .await
            .unwrap_or_else(|error| panic!("{}", error.message));
        assert_eq!(held.bytes.len(), 3 * BLOCK_BYTES);
        let refused = bodies.read(&headers, chunks(2, BLOCK_BYTES), 1 << 20).await.err();
        assert_eq!(refused.map(|error| error.status), Some(StatusCode::SERVICE_UNAVAILABLE));
        drop(held);
        assert!(bodies.read(&headers, chunks(2, BLOCK_BYTES), 1 << 20).await.is_ok());
        // What was refused has left nothing taken.
        assert_eq!(bodies.blocks.available_permits(), 4);
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_by_its_length_or_when_it_grows() {
        let bodies = Bodies::default();
        let mut headers = HeaderMap::new();
        let grown = bodies.read(&headers, chunks(3, 10), 29).await.err();
        assert_eq!(grown.map(|error| error.status), Some(StatusCode::PAYLOAD_TOO_LARGE));
        headers.insert(CONTENT_LENGTH, http::HeaderValue::from_static("30"));
        // The body is not even begun: it would never end.
        let endless = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let declared = bodies.read(&headers, endless, 29).await.err();
        assert_eq!(declared.map(|error| error.status), Some(StatusCode::PAYLOAD_TOO_LARGE));
    }

    #[tokio::test]
    async fn a_body_that_stops_coming_is_given_up() {
        let bodies = Bodies::with(HELD_MAX_BYTES, Duration::from_millis(5));
        let first = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
        let body = Body::from_stream(first.chain(futures::stream::pending()));
        let refused = bodies.read(&HeaderMap::new(), body, 1 << 20).await.err();
        assert_eq!(refused.map(|error| error.status), Some(StatusCode::REQUEST_TIMEOUT));
    }
}
