//! A body: pieces of bytes as they come, in both directions.

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream::LocalBoxStream};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// The other side broke off. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BodyError(pub String);

/// A stream of pieces. A body that is known as a whole keeps its length.
pub struct Body(Kind);

enum Kind {
    Whole(Option<Bytes>),
    Stream(LocalBoxStream<'static, Result<Bytes, BodyError>>),
}

impl Body {
    pub fn empty() -> Body {
        Body(Kind::Whole(None))
    }

    pub fn stream(pieces: impl Stream<Item = Result<Bytes, BodyError>> + 'static) -> Body {
        Body(Kind::Stream(pieces.boxed_local()))
    }

    /// Collects at most `limit_bytes`.
    ///
    /// # Errors
    /// [`CollectError::TooLong`] as soon as one byte more has come; the rest is not read.
    pub async fn collect(mut self, limit_bytes: usize) -> Result<Bytes, CollectError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next().await {
            let piece = piece.map_err(CollectError::Broken)?;
            if whole.len() + piece.len() > limit_bytes {
                return Err(CollectError::TooLong);
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

#[derive(Debug)]
pub enum CollectError {
    TooLong,
    Broken(BodyError),
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(whole: T) -> Body {
        let whole = whole.into();
        Body(Kind::Whole((!whole.is_empty()).then_some(whole)))
    }
}

impl Stream for Body {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Kind::Stream(stream) => stream.poll_next_unpin(context),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        self.poll_next(context)
            .map(|piece| piece.map(|piece| piece.map(http_body::Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Whole(None))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => http_body::SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Kind::Stream(_) => http_body::SizeHint::default(),
        }
    }
}
