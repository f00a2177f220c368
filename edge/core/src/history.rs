//! `/api/history` and `/api/feedback`: conversations to list, search, read, rename, pin, delete and export. Each route
//! begins with the viewer's id, so that another person's conversation is one that is not there.

use crate::{
    Body,
    chat::answer_of,
    failure::{Failure, timestamp},
    identity::{Viewer, is_signed, mac},
    limits::MESSAGES_PAGE_ROWS,
    routes::{Incoming, json, no_content},
    store::{
        Store,
        conversations::{checked_title, search_words},
        turns::{TurnKey, is_id, shown},
    },
    upstream::Context,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use concert_contract::{
    history::{
        COMMENT_MAX_CHARS, ConversationAnswer, ConversationInfo, ConversationPatch, Feedback, FeedbackRequest,
        HistoryAnswer, Message, MessageState,
    },
    table::{Cell, Table},
};
use futures::{future::try_join_all, try_join};
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt::Write;

const WHAT: &str = "The history";
/// Turns that are read at the same time.
const TURNS_AT_ONCE: usize = 6;
/// Rows of a table in an export as Markdown.
const EXPORT_MAX_ROWS: usize = 50;

/// Where a page of the list begins.
#[derive(Serialize, Deserialize)]
struct ListCursor {
    /// The viewer.
    v: String,
    /// The search.
    q: String,
    /// When the last conversation of the page before was used, and its id.
    u: String,
    i: String,
}

/// `GET /api/history?q=&cursor=`.
pub async fn list(context: &Context, viewer: &Viewer, incoming: &Incoming) -> Result<Response<Body>, Failure> {
    let store = Store::needed(context, WHAT)?;
    let q = incoming.parameter("q").unwrap_or_default();
    let words = search_words(&q);
    let cursor = incoming.parameter("cursor").filter(|cursor| !cursor.is_empty());
    let after = match &cursor {
        None => None,
        Some(cursor) => {
            let cursor: ListCursor = read_cursor(context, "history", cursor)?;
            if cursor.v != viewer.id || cursor.q != words.join(" ") {
                return Err(bad_cursor());
            }
            Some((cursor.u, cursor.i))
        }
    };
    let is_first = after.is_none();
    let pinned = async {
        match is_first {
            true => store.pinned(&viewer.id, &words).await,
            false => Ok(Vec::new()),
        }
    };
    let (mut conversations, listed) = try_join!(pinned, store.list(&viewer.id, &words, after))?;
    conversations.extend(listed.conversations);
    let next_cursor = match listed.last {
        None => None,
        Some((u, i)) => Some(write_cursor(
            context,
            "history",
            &ListCursor {
                v: viewer.id.clone(),
                q: words.join(" "),
                u,
                i,
            },
        )?),
    };
    json(
        StatusCode::OK,
        &HistoryAnswer {
            conversations,
            next_cursor,
        },
    )
}

/// `GET`, `PATCH` and `DELETE /api/history/{conversation_id}`.
pub async fn conversation(
    context: &Context,
    viewer: &Viewer,
    mut incoming: Incoming,
    id: &str,
) -> Result<Response<Body>, Failure> {
    let store = Store::needed(context, WHAT)?;
    if !is_id(id) {
        return Err(unknown());
    }
    match incoming.method {
        Method::PATCH => {
            let patch: ConversationPatch = body(context, &mut incoming, r#"{"title": "…", "pinned": true}"#).await?;
            let patch = ConversationPatch {
                title: patch.title.as_deref().map(checked_title).transpose()?,
                ..patch
            };
            let patched = store.patch(&viewer.id, id, &patch).await?.ok_or_else(unknown)?;
            json(StatusCode::OK, &patched)
        }
        Method::DELETE => {
            if store.forget(&viewer.id, id).await? {
                Ok(no_content())
            } else {
                Err(unknown())
            }
        }
        _ => {
            let cursor = incoming.parameter("cursor").filter(|cursor| !cursor.is_empty());
            let through = incoming.parameter("at").filter(|at| !at.is_empty());
            let before = match cursor {
                None => None,
                Some(cursor) => {
                    let cursor: MessageCursor = read_cursor(context, "messages", &cursor)?;
                    if cursor.v != viewer.id || cursor.c != id {
                        return Err(bad_cursor());
                    }
                    Some(cursor)
                }
            };
            json(
                StatusCode::OK,
                &read(context, &store, viewer, id, through, before).await?,
            )
        }
    }
}

/// Where a page of messages ends: it holds those before the message `b` on the way through the message `t`.
#[derive(Serialize, Deserialize)]
struct MessageCursor {
    v: String,
    c: String,
    b: String,
    t: String,
}

async fn read(
    context: &Context,
    store: &Store,
    viewer: &Viewer,
    id: &str,
    through: Option<String>,
    before: Option<MessageCursor>,
) -> Result<ConversationAnswer, Failure> {
    let (info, heads, feedback) = try_join!(
        store.conversation(&viewer.id, id),
        store.heads(&viewer.id, id),
        store.feedback(&viewer.id, id)
    )?;
    let info = info.ok_or_else(unknown)?;
    let through = match through {
        None => before.as_ref().map(|cursor| cursor.t.clone()),
        Some(turn) => {
            let key = TurnKey::parse(&viewer.id, &turn).filter(|key| key.conversation_id == id);
            Some(key.ok_or_else(unknown)?.hash)
        }
    };
    let path = shown(&heads, through.as_deref());
    let end = match &before {
        None => path.len(),
        Some(cursor) => path
            .iter()
            .position(|head| head.key.hash == cursor.b)
            .ok_or_else(bad_cursor)?,
    };
    let begin = end.saturating_sub(MESSAGES_PAGE_ROWS);
    let page = &path[begin..end];
    let mut logs = Vec::with_capacity(page.len());
    for some in page.chunks(TURNS_AT_ONCE) {
        logs.extend(try_join_all(some.iter().map(|head| store.turn_log(&head.key))).await?);
    }
    let messages = page
        .iter()
        .zip(logs)
        .map(|(head, log)| {
            let answered = answer_of(&head.key, log.events());
            let versions = heads
                .iter()
                .filter(|other| other.previous == head.previous)
                .map(|other| other.key.id())
                .collect();
            Message {
                id: head.key.id(),
                question: head.question.clone(),
                created_at: timestamp(head.created_ms),
                state: log.state().map_or(MessageState::Running, MessageState::from),
                parent_id: head.replaces.as_ref().map(|hash| head.key.sibling(hash).id()),
                versions,
                answer: answered.answer,
                error: answered.error,
                feedback: feedback
                    .iter()
                    .find(|(hash, _)| *hash == head.key.hash)
                    .map(|(_, feedback)| feedback.clone()),
            }
        })
        .collect();
    let next_cursor = match (begin, page.first(), path.last()) {
        (1.., Some(first), Some(last)) => Some(write_cursor(
            context,
            "messages",
            &MessageCursor {
                v: viewer.id.clone(),
                c: id.to_owned(),
                b: first.key.hash.clone(),
                t: last.key.hash.clone(),
            },
        )?),
        _ => None,
    };
    Ok(ConversationAnswer {
        conversation: info,
        messages,
        next_cursor,
    })
}

/// `GET /api/history/{conversation_id}/export?format=md|json`: the whole conversation as a file.
pub async fn export(
    context: &Context,
    viewer: &Viewer,
    incoming: &Incoming,
    id: &str,
) -> Result<Response<Body>, Failure> {
    let store = Store::needed(context, WHAT)?;
    if !is_id(id) {
        return Err(unknown());
    }
    let format = incoming.parameter("format").unwrap_or_else(|| "md".to_owned());
    if !matches!(format.as_str(), "md" | "json") {
        return Err(Failure::validation("bad_parameter", format!("format is {format:?}."))
            .with_action("Write format=md or format=json."));
    }
    let mut whole = read(context, &store, viewer, id, None, None).await?;
    while let Some(cursor) = whole.next_cursor.take() {
        let cursor = read_cursor(context, "messages", &cursor)?;
        let earlier = read(context, &store, viewer, id, None, Some(cursor)).await?;
        whole.messages.splice(0..0, earlier.messages);
        whole.next_cursor = earlier.next_cursor;
    }
    let mut response = if format == "json" {
        json(StatusCode::OK, &whole)?
    } else {
        let mut response = Response::new(Body::from(markdown(&whole).into_bytes()));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/markdown; charset=utf-8"));
        response
    };
    let name = format!("attachment; filename=\"conversation-{id}.{format}\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// `POST /api/feedback`.
pub async fn feedback(context: &Context, viewer: &Viewer, mut incoming: Incoming) -> Result<Response<Body>, Failure> {
    let store = Store::needed(context, "Feedback")?;
    let example = r#"{"message_id": "…", "conversation_id": "…", "thumbs": "up"}"#;
    let request: FeedbackRequest = body(context, &mut incoming, example).await?;
    let chars = request.comment.as_ref().map_or(0, |comment| comment.chars().count());
    if chars > COMMENT_MAX_CHARS {
        return Err(Failure::too_large(
            "comment_too_long",
            format!("The comment has {chars} characters; at most {COMMENT_MAX_CHARS} are kept."),
        )
        .with_action("Write a shorter comment."));
    }
    let unknown = || Failure::not_found("There is no such message.").with_action("Check message_id.");
    let key = TurnKey::parse(&viewer.id, &request.message_id)
        .filter(|key| key.conversation_id == request.conversation_id)
        .ok_or_else(unknown)?;
    store.head(&key).await?.ok_or_else(unknown)?;
    let feedback = Feedback {
        thumbs: request.thumbs,
        comment: request.comment.filter(|comment| !comment.trim().is_empty()),
    };
    store.set_feedback(&key, &feedback).await?;
    Ok(no_content())
}

fn unknown() -> Failure {
    Failure::not_found("There is no such conversation.").with_action("Read the list again.")
}

fn bad_cursor() -> Failure {
    Failure::validation("invalid_cursor", "This cursor does not belong to this list.")
        .with_action("Ask again without a cursor.")
}

async fn body<T: DeserializeOwned>(context: &Context, incoming: &mut Incoming, example: &str) -> Result<T, Failure> {
    let body = incoming.whole_body(context).await?;
    serde_json::from_slice(&body).map_err(|error| {
        Failure::validation("bad_request", format!("The request cannot be read: {error}."))
            .with_action(format!("Send JSON such as {example}."))
    })
}

fn write_cursor(context: &Context, label: &str, cursor: &impl Serialize) -> Result<String, Failure> {
    let payload =
        serde_json::to_vec(cursor).map_err(|error| Failure::internal(format!("a cursor as JSON: {error}")))?;
    let signature = mac(&context.edge.settings.cookie_key, label, &payload);
    Ok(format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(&payload),
        URL_SAFE_NO_PAD.encode(signature)
    ))
}

fn read_cursor<T: DeserializeOwned>(context: &Context, label: &str, cursor: &str) -> Result<T, Failure> {
    let read = || {
        let (payload, signature) = cursor.split_once('.')?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let is_ours = is_signed(&context.edge.settings.cookie_key, label, &payload, &signature);
        is_ours.then(|| serde_json::from_slice(&payload).ok())?
    };
    read().ok_or_else(bad_cursor)
}

/// A conversation to read elsewhere: questions, answers, tables and the SQL behind them.
fn markdown(conversation: &ConversationAnswer) -> String {
    let ConversationInfo { title, created_at, .. } = &conversation.conversation;
    // Writing to a String cannot fail.
    let mut text = format!("# {}\n\nBegun {created_at}.\n", inline(title));
    for message in &conversation.messages {
        let _ = write!(text, "\n## {}\n\n", inline(&message.question));
        let said = message.answer.text.trim();
        if !said.is_empty() {
            let _ = writeln!(text, "{said}\n");
        }
        for result in &message.answer.results {
            if let Some(title) = &result.title {
                let _ = writeln!(text, "### {}\n", inline(title));
            }
            if let Some(summary) = result
                .summary
                .as_ref()
                .filter(|summary| !said.contains(summary.as_str()))
            {
                let _ = writeln!(text, "{summary}\n");
            }
            if let Some(table) = &result.table {
                table_markdown(table, &mut text);
            }
            if let Some(sql) = &result.sql {
                let _ = writeln!(text, "```sql\n{}\n```\n", sql.trim());
            }
        }
        if let Some(clarify) = &message.answer.clarify {
            let _ = writeln!(text, "{}\n", inline(&clarify.question));
        }
        match (&message.error, message.state) {
            (Some(error), _) => {
                let _ = writeln!(text, "*{}*\n", inline(&error.error_message));
            }
            (None, MessageState::Stopped) => text.push_str("*Stopped.*\n"),
            _ => {}
        }
    }
    text
}

fn table_markdown(table: &Table, text: &mut String) {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let names = table.columns.iter().map(|column| inline(&column.name)).collect();
    text.push_str(&row(names));
    text.push_str(&row(vec!["---".to_owned(); table.columns.len()]));
    for cells in table.rows.iter().take(EXPORT_MAX_ROWS) {
        let cells = cells
            .iter()
            .map(|cell| match cell {
                Cell::Null => String::new(),
                Cell::Text(text) => inline(text),
                other => serde_json::to_string(other).unwrap_or_default(),
            })
            .collect();
        text.push_str(&row(cells));
    }
    let left = table.rows.len().saturating_sub(EXPORT_MAX_ROWS);
    if left > 0 || table.truncated {
        text.push_str("\nThere are more rows.\n");
    }
    text.push('\n');
}

/// One line that Markdown leaves as it is.
fn inline(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut escaped = String::with_capacity(line.len());
    for char in line.chars() {
        if "\\`*_[]<>|#".contains(char) {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_stays_text() {
        assert_eq!(inline("<b>a|b</b>\n[x](y)"), r"\<b\>a\|b\</b\> \[x\](y)");
    }
}
