//! Reading a turn that was begun by another request: what is stored of it first, then what is added, to its end. If its
//! writer is not heard of any more, the reader continues it.

use super::{Live, Turn, note_failure, recorder};
use crate::{
    failure::Failure,
    limits::{ATTEMPTS_MAX, FOLLOW_POLL_MAX_MS, FOLLOW_POLL_MS},
    store::{
        Store,
        turns::{Log, Numbered},
    },
    upstream::{Context, MODEL},
};
use concert_contract::chat::{ChatEvent, TurnState};

/// Sends the events after number `after` as they come.
pub async fn follow(context: Context, store: Store, turn: Turn, after: u64, live: Live) {
    if let Err(failure) = events(&context, &store, &turn, after, &live).await {
        note_failure(&context, &turn.id(), &failure);
        // The turn itself may go on. The event has the number of the last one seen, so that reading again goes on there.
        let envelope = failure.envelope(context.host.now_ms(), &context.correlation_id);
        let _ = live.unbounded_send(Numbered {
            n: after.max(1),
            event: ChatEvent::Error(envelope),
        });
    }
}

async fn events(context: &Context, store: &Store, turn: &Turn, after: u64, live: &Live) -> Result<(), Failure> {
    let key = &turn.head.key;
    let mut seen = after;
    let mut send = |numbered: &Numbered| {
        if numbered.n > seen {
            seen = numbered.n;
            // Whoever has left drops this future as well.
            let _ = live.unbounded_send(numbered.clone());
        }
    };
    send(&turn.ack());
    let mut log = Log::default();
    let mut wait_ms = FOLLOW_POLL_MS;
    loop {
        let read = log.pieces.len();
        log.pieces
            .extend(store.pieces(key, log.pieces.last().map(|piece| piece.number)).await?);
        log.pieces[read..]
            .iter()
            .flat_map(|piece| &piece.events)
            .for_each(&mut send);
        if log.state().is_some() {
            return Ok(());
        }
        if log.lease_until_ms(&turn.head) < context.host.now_ms() {
            if log.attempt() >= ATTEMPTS_MAX {
                let failure = Failure::upstream_broken(MODEL, format!("given up after {ATTEMPTS_MAX} writers"))
                    .with_code("turn_abandoned", "This answer broke off too often and was given up.")
                    .with_action("Ask again.");
                let envelope = failure.envelope(context.host.now_ms(), &context.correlation_id);
                let events = vec![ChatEvent::Error(envelope)];
                let events = recorder::finish_abandoned(context, store, key, &log, TurnState::Failed, events).await?;
                events.iter().for_each(&mut send);
                return Ok(());
            }
            if let Some(piece) = recorder::take_over(context, store, key, &log).await? {
                piece.events.iter().for_each(&mut send);
                log.pieces.push(piece);
                let driver = recorder::drive(context.clone(), turn.clone(), recorder::From::Log(log), live.clone());
                context.host.detach(Box::pin(driver));
                return Ok(());
            }
            // Another was faster; its piece is there now.
            continue;
        }
        wait_ms = if log.pieces.len() > read {
            FOLLOW_POLL_MS
        } else {
            (wait_ms * 2).min(FOLLOW_POLL_MAX_MS)
        };
        context.host.sleep(wait_ms).await;
    }
}
