//! The page's calls to the edge. Every failure is a [`Problem`]; what a person reads of it stands in [`crate::words`].

use crate::{browser, sse, turn::Problem};
use concert_contract::{
    api::CatalogueAnswer,
    chat::{ChatEvent, ChatRequest},
    error::ErrorEnvelope,
    query::Query,
    table::Table,
};
use gloo_net::http::{Request, Response};
use gloo_timers::future::TimeoutFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, ReadableStreamDefaultReader};

/// # Errors
/// No server, an error envelope, or an answer that is not a catalogue.
pub async fn catalogue() -> Result<CatalogueAnswer, Problem> {
    let response = Request::get("/api/catalogue").send().await.map_err(unreached)?;
    read(response).await
}

/// The rows that follow a result's first ones, and where to go on from there.
///
/// # Errors
/// As [`catalogue`]; `snapshot_changed` when the data was published anew in between.
pub async fn more_rows(query: &Query, cursor: String) -> Result<(Table, Option<String>), Problem> {
    let query = Query {
        cursor: Some(cursor),
        ..query.clone()
    };
    let response = Request::post("/api/query")
        .json(&query)
        .map_err(unreached)?
        .send()
        .await
        .map_err(unreached)?;
    let mut answer: Value = read(response).await?;
    // The rest of the answer is known already; the table's own fields stand beside it.
    let next = answer
        .get_mut("next_cursor")
        .and_then(|next| next.take().as_str().map(str::to_owned));
    Ok((decode_value(answer)?, next))
}

/// Asks, and hands over events as they come, several at a time where they came together. A connection that breaks off
/// is taken up again where it was, for the turn goes on without it.
///
/// # Errors
/// Why the stream could not begin or be taken up again. A stream that simply ends is no error here: the turn knows
/// whether it was done.
pub async fn chat(
    request: &ChatRequest,
    abort: &AbortSignal,
    mut on_events: impl FnMut(Vec<ChatEvent>),
) -> Result<(), Problem> {
    let response = Request::post("/api/chat")
        .header("accept", "text/event-stream")
        .header("idempotency-key", &browser::random_id())
        .abort_signal(Some(abort))
        .json(request)
        .map_err(unreached)?
        .send()
        .await
        .map_err(unreached)?;
    let mut seen = Seen::default();
    let mut end = read_events(response, &mut seen, &mut on_events).await;
    let mut tries = 0;
    while !seen.is_done && !abort.aborted() && tries < RESUMES_MAX {
        // The turn's id is in the event's: `<turn>.<n>`.
        let Some((turn, _)) = seen.id.rsplit_once('.') else {
            break;
        };
        TimeoutFuture::new(RESUME_AFTER_MS << tries).await;
        let before = seen.id.clone();
        let again = Request::get(&format!("/api/chat/{turn}/events"))
            .header("accept", "text/event-stream")
            .header("last-event-id", &seen.id)
            .abort_signal(Some(abort))
            .send()
            .await;
        end = match again {
            Ok(response) => read_events(response, &mut seen, &mut on_events).await,
            Err(error) => Err(unreached(error)),
        };
        // Where no turn is kept there is nothing to take up.
        if matches!(end, Err(Problem::Envelope(_))) {
            return Err(Problem::CutOff);
        }
        tries = if seen.id == before { tries + 1 } else { 0 };
    }
    end
}

/// How often in a row a broken connection is taken up again without anything new, and after how long.
const RESUMES_MAX: u32 = 4;
const RESUME_AFTER_MS: u32 = 500;

/// As far as a turn has been read.
#[derive(Default)]
struct Seen {
    /// Of the last event.
    id: String,
    is_done: bool,
}

async fn read_events(
    response: Response,
    seen: &mut Seen,
    on_events: &mut impl FnMut(Vec<ChatEvent>),
) -> Result<(), Problem> {
    if !response.ok() {
        return Err(refusal(response).await);
    }
    let kind = response.headers().get("content-type").unwrap_or_default();
    if !kind.starts_with("text/event-stream") {
        return Err(Problem::Unreadable(format!(
            "the answer is {kind:?}, not an event stream"
        )));
    }
    let body = response
        .body()
        .ok_or_else(|| Problem::Unreadable("the answer has no body".to_owned()))?;
    let stream: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    let mut reader = sse::Reader::default();
    while let Some(bytes) = next(&stream).await? {
        let events = reader.push(&bytes).map_err(|sse::TooLong| {
            Problem::Unreadable(format!("an event is longer than {} bytes", sse::EVENT_MAX_BYTES))
        })?;
        if let Some(last) = events.iter().rev().find(|event| !event.id.is_empty()) {
            seen.id.clone_from(&last.id);
        }
        let events = events.iter().filter_map(decode).collect::<Result<Vec<_>, _>>()?;
        seen.is_done |= events.iter().any(|event| matches!(event, ChatEvent::Done { .. }));
        if !events.is_empty() {
            on_events(events);
        }
    }
    Ok(())
}

/// Tells the server to stop a turn. It has stopped here already, so nobody waits for the answer.
pub async fn stop(turn: String) {
    let _ = Request::post(&format!("/api/chat/{turn}/stop")).send().await;
}

async fn next(stream: &ReadableStreamDefaultReader) -> Result<Option<Vec<u8>>, Problem> {
    let chunk = JsFuture::from(stream.read()).await.map_err(|_| Problem::CutOff)?;
    let field = |name: &str| js_sys::Reflect::get(&chunk, &name.into()).unwrap_or(JsValue::UNDEFINED);
    if field("done").is_truthy() {
        return Ok(None);
    }
    Ok(Some(js_sys::Uint8Array::new(&field("value")).to_vec()))
}

/// None for an event that this version of the page does not know: a newer server may send more.
fn decode(event: &sse::Event) -> Option<Result<ChatEvent, Problem>> {
    const KNOWN: [&str; 10] = [
        "ack",
        "text",
        "tool_call",
        "tool_result",
        "usage",
        "clarify",
        "follow_ups",
        "reset",
        "done",
        "error",
    ];
    KNOWN.contains(&event.name.as_str()).then(|| {
        ChatEvent::parse(&event.name, &event.data)
            .map_err(|error| Problem::Unreadable(format!("the event {:?}: {error}", event.name)))
    })
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Problem> {
    if !response.ok() {
        return Err(refusal(response).await);
    }
    let text = response.text().await.map_err(unreached)?;
    decode_value(serde_json::from_str(&text).map_err(|error| Problem::Unreadable(error.to_string()))?)
}

/// Everything is read through [`Value`], as chat events are: reading each type from text as well would put a second
/// copy of every reader into the program.
fn decode_value<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| Problem::Unreadable(error.to_string()))
}

async fn refusal(response: Response) -> Problem {
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    match serde_json::from_str(&text).and_then(serde_json::from_value::<ErrorEnvelope>) {
        Ok(envelope) => Problem::Envelope(Box::new(envelope)),
        Err(_) => Problem::Unreadable(format!("status {status} without the error's description")),
    }
}

fn unreached(_: gloo_net::Error) -> Problem {
    Problem::Unreachable
}

#[cfg(test)]
mod tests {
    use super::*;
    use concert_contract::chat::TurnState;

    #[test]
    fn known_events_are_decoded_and_others_passed_over() {
        let event = |name: &str, data: &str| sse::Event {
            name: name.into(),
            id: String::new(),
            data: data.into(),
        };
        assert_eq!(
            decode(&event("done", r#"{"state":"complete"}"#)),
            Some(Ok(ChatEvent::Done {
                state: TurnState::Complete
            }))
        );
        assert_eq!(decode(&event("a_later_one", "{}")), None);
        assert!(matches!(decode(&event("done", "{")), Some(Err(Problem::Unreadable(_)))));
    }
}
