//! Server-sent events: each has an id `<turn>.<n>`, a name and one line of data. A comment every few seconds keeps a
//! quiet connection open.

use crate::{BodyError, Host, limits::KEEP_ALIVE_MS};
use bytes::Bytes;
use concert_contract::chat::ChatEvent;
use futures::{
    Stream, StreamExt,
    channel::mpsc::Receiver,
    future::{Fuse, FutureExt, LocalBoxFuture},
    select_biased, stream,
};
use std::{future::Future, rc::Rc};

struct State {
    host: Rc<dyn Host>,
    turn: String,
    /// Of the event that comes next.
    number: u64,
    events: Receiver<ChatEvent>,
    driver: Fuse<LocalBoxFuture<'static, ()>>,
    keep_alive: Fuse<LocalBoxFuture<'static, ()>>,
}

/// The events as bytes. Reading the stream is what drives the turn, so a reader who leaves ends it.
pub fn stream(
    host: Rc<dyn Host>,
    turn: String,
    events: Receiver<ChatEvent>,
    driver: impl Future<Output = ()> + 'static,
) -> impl Stream<Item = Result<Bytes, BodyError>> {
    let keep_alive = host.sleep(KEEP_ALIVE_MS).fuse();
    let state = State {
        host,
        turn,
        number: 1,
        events,
        driver: driver.boxed_local().fuse(),
        keep_alive,
    };
    stream::unfold(state, |mut state| async move {
        loop {
            let event = select_biased! {
                event = state.events.next() => event,
                // Its sender is gone with it; the events still in the channel come first.
                () = &mut state.driver => continue,
                () = &mut state.keep_alive => {
                    state.keep_alive = state.host.sleep(KEEP_ALIVE_MS).fuse();
                    return Some((Ok(Bytes::from_static(b": keep-alive\n\n")), state));
                }
            };
            let event = event?;
            let piece = match event.data() {
                Ok(data) => {
                    let text = format!(
                        "id: {}.{}\nevent: {}\ndata: {data}\n\n",
                        state.turn,
                        state.number,
                        event.name()
                    );
                    state.number += 1;
                    Ok(Bytes::from(text))
                }
                Err(error) => Err(BodyError(format!("an event as JSON: {error}"))),
            };
            return Some((piece, state));
        }
    })
}
