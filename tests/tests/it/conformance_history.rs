//! What is kept, in every runtime: turns that outlive their connection, conversations, feedback and preferences, and
//! that none of it opens to somebody else.

use crate::conformance::{Seen, send};
use anyhow::{Context, Result, bail, ensure};
use concert_contract::{
    chat::{ChatAnswer, ChatEvent, TurnState},
    history::{ConversationAnswer, ConversationInfo, HistoryAnswer, MemoryAnswer, MessageState, StopAnswer, Thumbs},
};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;

/// How often something that another process does is looked for, and how long in all.
const PAUSE: Duration = Duration::from_millis(100);
const LOOKS_MAX: usize = 300;

/// A guest of one edge.
struct Guest<'a> {
    client: &'a Client,
    base_url: &'a str,
    cookie: String,
}

impl<'a> Guest<'a> {
    async fn new(client: &'a Client, base_url: &'a str) -> Result<Guest<'a>> {
        let first = send(client, Method::GET, format!("{base_url}/api/catalogue"), &[], "").await?;
        let cookie = first
            .header("set-cookie")?
            .split(';')
            .next()
            .unwrap_or_default()
            .to_owned();
        Ok(Guest {
            client,
            base_url,
            cookie,
        })
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Result<Seen> {
        let mut all = vec![("cookie", self.cookie.as_str())];
        all.extend(headers);
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        send(self.client, method, format!("{}{path}", self.base_url), &all, body).await
    }

    async fn get(&self, path: &str) -> Result<Seen> {
        let seen = self.send(Method::GET, path, &[], Value::Null).await?;
        ensure!(seen.status == 200, "{path}: {} {}", seen.status, seen.body);
        Ok(seen)
    }

    async fn ask(&self, body: Value) -> Result<ChatAnswer> {
        let seen = self.send(Method::POST, "/chat", &[], body).await?;
        ensure!(seen.status == 200, "{} {}", seen.status, seen.body);
        seen.json()
    }
}

pub async fn run(client: &Client, base_url: &str) -> Result<()> {
    let guest = Guest::new(client, base_url).await?;
    let stranger = Guest::new(client, base_url).await?;
    turns(&guest).await.context("turns")?;
    goes_on(&guest).await.context("a turn whose reader left")?;
    conversations(&guest, &stranger).await.context("history")?;
    memory(&guest, &stranger).await.context("memory")
}

/// The same key and the events' own address give the same turn again, from any event on.
async fn turns(guest: &Guest<'_>) -> Result<()> {
    let body = json!({"message": "attendance by city", "conversation_id": "kept-1"});
    let key = [("idempotency-key", "first-key")];
    let first = guest.send(Method::POST, "/api/chat", &key, body.clone()).await?;
    let events = first.events()?;
    let Some(ChatEvent::Ack { turn, .. }) = events.first() else {
        bail!("no ack: {}", first.body)
    };
    ensure!(
        matches!(
            events.last(),
            Some(ChatEvent::Done {
                state: TurnState::Complete
            })
        ),
        "{}",
        first.body
    );
    let again = guest.send(Method::POST, "/api/chat", &key, body.clone()).await?;
    ensure!(
        without_comments(&again.body) == without_comments(&first.body),
        "{}",
        again.body
    );
    let path = format!("/api/chat/{turn}/events");
    let replayed = guest.get(&path).await?;
    ensure!(
        without_comments(&replayed.body) == without_comments(&first.body),
        "{}",
        replayed.body
    );
    let last = format!("{turn}.{}", events.len() - 1);
    let rest = guest
        .send(Method::GET, &path, &[("last-event-id", &last)], Value::Null)
        .await?;
    ensure!(
        without_comments(&rest.body).starts_with(&format!("id: {turn}.{}\n", events.len())),
        "{}",
        rest.body
    );
    let as_json = guest
        .send(Method::GET, &path, &[("accept", "application/json")], Value::Null)
        .await?;
    ensure!(
        as_json.json::<ChatAnswer>()?.text.contains("Chicago"),
        "{}",
        as_json.body
    );
    let other = json!({"message": "concerts by year", "conversation_id": "kept-1"});
    let reused = guest.send(Method::POST, "/api/chat", &key, other).await?;
    ensure!(
        (reused.status, reused.envelope()?.error_code.as_str()) == (409, "idempotency_key_reused"),
        "{}",
        reused.body
    );
    let stopped = guest
        .send(Method::POST, &format!("/api/chat/{turn}/stop"), &[], Value::Null)
        .await?;
    ensure!(
        stopped.json::<StopAnswer>()?.state == MessageState::Complete,
        "{}",
        stopped.body
    );
    Ok(())
}

fn without_comments(body: &str) -> String {
    body.split("\n\n")
        .filter(|record| !record.starts_with(':'))
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// Whoever leaves after the first event finds the whole answer later. Native and the Worker go on writing it; where the
/// component ended with its request, the next reader continues it once the lease is over.
async fn goes_on(guest: &Guest<'_>) -> Result<()> {
    let mut response = guest
        .client
        .post(format!("{}/api/chat", guest.base_url))
        .header("cookie", &guest.cookie)
        .body(json!({"message": "attendance by venue", "conversation_id": "kept-2"}).to_string())
        .send()
        .await?;
    let first = response.chunk().await?.context("no first event")?;
    drop(response);
    let first = String::from_utf8_lossy(&first).into_owned();
    let turn = first
        .split("\"turn\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .context("no turn in the first event")?;
    let events = guest.get(&format!("/api/chat/{turn}/events")).await?;
    ensure!(
        without_comments(&events.body)
            .trim_end()
            .ends_with(r#"{"state":"complete"}"#)
            && events.body.contains("Hafenhalle"),
        "{}",
        events.body
    );
    Ok(())
}

async fn conversations(guest: &Guest<'_>, stranger: &Guest<'_>) -> Result<()> {
    let one = guest
        .ask(json!({"message": "attendance by city", "conversation_id": "talk"}))
        .await?;
    let two = guest
        .ask(json!({"message": "and only in 2024?", "conversation_id": "talk"}))
        .await?;
    let read: ConversationAnswer = guest.get("/api/history/talk").await?.json()?;
    let ids: Vec<&str> = read.messages.iter().map(|message| message.id.as_str()).collect();
    ensure!(ids == [one.turn.as_str(), two.turn.as_str()], "{ids:?}");
    ensure!(
        read.conversation.title == "attendance by city",
        "{:?}",
        read.conversation
    );
    ensure!(
        read.messages
            .iter()
            .all(|message| message.state == MessageState::Complete),
        "{read:?}"
    );
    ensure!(read.messages[0].answer.results[0].table.is_some(), "{read:?}");

    // The second question went on from the first: it is by city still.
    let result = two.results.first().context("no result for the second question")?;
    let query = result.query.as_ref().context("no query")?;
    ensure!(query.dimensions == ["city"], "{query:?}");

    let edited = guest
        .ask(json!({"message": "attendance by venue", "parent_id": one.turn}))
        .await?;
    let read: ConversationAnswer = guest.get("/history/talk").await?.json()?;
    ensure!(
        read.messages.len() == 1 && read.messages[0].versions == [one.turn.clone(), edited.turn.clone()],
        "{read:?}"
    );

    let patch = json!({"title": "Where people come", "pinned": true});
    let patched = guest.send(Method::PATCH, "/api/history/talk", &[], patch).await?;
    let patched: ConversationInfo = patched.json()?;
    ensure!(patched.pinned && patched.title == "Where people come", "{patched:?}");
    guest
        .ask(json!({"message": "concerts by year", "conversation_id": "later"}))
        .await?;
    let list: HistoryAnswer = guest.get("/api/history").await?.json()?;
    let ids: Vec<&str> = list.conversations.iter().map(|c| c.id.as_str()).collect();
    ensure!(
        ids[..2] == ["talk", "later"],
        "pinned first, then the last used: {ids:?}"
    );
    let found: HistoryAnswer = guest.get("/api/history?q=people").await?.json()?;
    ensure!(
        found.conversations.len() == 1 && found.conversations[0].id == "talk",
        "{found:?}"
    );

    let feedback = json!({"message_id": edited.turn, "conversation_id": "talk", "thumbs": "up", "comment": "Good."});
    let given = guest.send(Method::POST, "/api/feedback", &[], feedback.clone()).await?;
    ensure!(
        given.status == 204 && given.body.is_empty(),
        "{} {}",
        given.status,
        given.body
    );
    let read: ConversationAnswer = guest.get("/api/history/talk").await?.json()?;
    let kept = read.messages[0].feedback.as_ref().context("no feedback")?;
    ensure!(
        kept.thumbs == Thumbs::Up && kept.comment.as_deref() == Some("Good."),
        "{kept:?}"
    );

    let markdown = guest.get("/api/history/talk/export?format=md").await?;
    ensure!(
        markdown.header("content-type")?.starts_with("text/markdown"),
        "{:?}",
        markdown.headers
    );
    ensure!(
        markdown.body.starts_with("# Where people come\n") && markdown.body.contains("```sql"),
        "{}",
        markdown.body
    );
    let whole: ConversationAnswer = guest.get("/api/history/talk/export?format=json").await?.json()?;
    ensure!(whole.messages.len() == 1, "{whole:?}");

    // Nothing of it is there for somebody else.
    for (method, path, body) in [
        (Method::GET, "/api/history/talk".to_owned(), Value::Null),
        (Method::PATCH, "/api/history/talk".to_owned(), json!({"title": "Mine"})),
        (Method::DELETE, "/api/history/talk".to_owned(), Value::Null),
        (Method::GET, "/api/history/talk/export".to_owned(), Value::Null),
        (Method::GET, format!("/api/chat/{}/events", one.turn), Value::Null),
        (Method::POST, format!("/api/chat/{}/stop", one.turn), Value::Null),
        (Method::POST, "/api/feedback".to_owned(), feedback),
    ] {
        let seen = stranger.send(method.clone(), &path, &[], body).await?;
        ensure!(
            (seen.status, seen.envelope()?.error_code.as_str()) == (404, "not_found"),
            "{method} {path}: {} {}",
            seen.status,
            seen.body
        );
    }
    let theirs: HistoryAnswer = stranger.get("/api/history").await?.json()?;
    ensure!(theirs.conversations.is_empty(), "{theirs:?}");

    let deleted = guest
        .send(Method::DELETE, "/api/history/talk", &[], Value::Null)
        .await?;
    ensure!(deleted.status == 204, "{} {}", deleted.status, deleted.body);
    let gone = guest.send(Method::GET, "/api/history/talk", &[], Value::Null).await?;
    ensure!(gone.status == 404, "{} {}", gone.status, gone.body);
    Ok(())
}

/// A preference that was said in a question is remembered, shown and erased.
async fn memory(guest: &Guest<'_>, stranger: &Guest<'_>) -> Result<()> {
    guest
        .ask(json!({"message": "I prefer figures for Chicago. Attendance by city"}))
        .await?;
    let mut memories = MemoryAnswer::default();
    for _ in 0..LOOKS_MAX {
        memories = guest.get("/api/memory").await?.json()?;
        if !memories.memories.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let known = memories.memories.first().context("nothing was remembered")?;
    ensure!(known.text.contains("Chicago"), "{known:?}");
    let theirs: MemoryAnswer = stranger.get("/api/memory").await?.json()?;
    ensure!(theirs.memories.is_empty(), "{theirs:?}");
    let path = format!("/api/memory/{}", known.id);
    let stolen = stranger.send(Method::DELETE, &path, &[], Value::Null).await?;
    ensure!(stolen.status == 404, "{} {}", stolen.status, stolen.body);
    let erased = guest.send(Method::DELETE, &path, &[], Value::Null).await?;
    ensure!(erased.status == 204, "{} {}", erased.status, erased.body);
    let left: MemoryAnswer = guest.get("/api/memory").await?.json()?;
    ensure!(left.memories.iter().all(|memory| memory.id != known.id), "{left:?}");
    Ok(())
}
