//! The world, as far as the edge may touch it.

use crate::Body;
use bytes::Bytes;
use futures::future::LocalBoxFuture;
use http::{Request, Response};

/// What a runtime gives to the core. Futures need not be `Send`: native runs a request on one thread, a Worker has one.
pub trait Host {
    /// Sends a request and answers as soon as the headers of the answer are there; its body streams.
    fn send(&self, request: Request<Bytes>) -> LocalBoxFuture<'static, Result<Response<Body>, SendError>>;

    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;

    /// Fills `bytes` from the system's source of randomness.
    ///
    /// # Errors
    /// There is no such source; nothing may be signed or named then.
    fn random(&self, bytes: &mut [u8]) -> Result<(), String>;

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()>;

    /// One line for whoever runs this edge.
    fn log(&self, level: Level, line: &str);

    /// Whether one request may wait for another: a Worker cancels a future that another request's work wakes.
    fn requests_may_meet(&self) -> bool {
        false
    }

    /// Lets `future` go on after the client has left, as long as the runtime allows: native to its end, a Worker for
    /// 30 s, Spin not at all.
    fn detach(&self, future: LocalBoxFuture<'static, ()>);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Info,
    Warning,
    Error,
}

/// The request did not reach the service, or no answer came back. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SendError(pub String);
