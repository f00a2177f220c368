//! Server-sent events: each has an id `<turn>.<n>`, a name and one line of data. A comment every few seconds keeps a
//! quiet connection open.

use crate::{BodyError, Host, limits::KEEP_ALIVE_MS, store::turns::Numbered};
use bytes::Bytes;
use futures::{
    Stream, StreamExt,
    channel::mpsc::UnboundedReceiver,
    future::{Fuse, FutureExt, LocalBoxFuture},
    select_biased, stream,
};
use std::rc::Rc;

struct State {
    host: Rc<dyn Host>,
    turn: String,
    events: UnboundedReceiver<Numbered>,
    feed: Fuse<LocalBoxFuture<'static, ()>>,
    keep_alive: Fuse<LocalBoxFuture<'static, ()>>,
}

/// The events as bytes, until their sender is gone. Reading the stream drives `feed`.
pub fn stream(
    host: Rc<dyn Host>,
    turn: String,
    events: UnboundedReceiver<Numbered>,
    feed: LocalBoxFuture<'static, ()>,
) -> impl Stream<Item = Result<Bytes, BodyError>> {
    let keep_alive = host.sleep(KEEP_ALIVE_MS).fuse();
    let state = State {
        host,
        turn,
        events,
        feed: feed.fuse(),
        keep_alive,
    };
    stream::unfold(state, |mut state| async move {
        loop {
            let event = select_biased! {
                event = state.events.next() => event,
                // Its sender is gone with it; the events still in the channel come first.
                () = &mut state.feed => continue,
                () = &mut state.keep_alive => {
                    state.keep_alive = state.host.sleep(KEEP_ALIVE_MS).fuse();
                    return Some((Ok(Bytes::from_static(b": keep-alive\n\n")), state));
                }
            };
            let Numbered { n, event } = event?;
            let piece = match event.data() {
                Ok(data) => {
                    let text = format!("id: {}.{n}\nevent: {}\ndata: {data}\n\n", state.turn, event.name());
                    Ok(Bytes::from(text))
                }
                Err(error) => Err(BodyError(format!("an event as JSON: {error}"))),
            };
            return Some((piece, state));
        }
    })
}
