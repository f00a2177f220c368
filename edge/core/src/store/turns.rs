//! A turn in the store: its head, and the log of its events in numbered pieces. A piece is put only where none is yet,
//! so that the log has one writer at a time: whoever takes over an expired lease writes the next piece, and the writer
//! before sees at its next one that it has lost the turn.

use super::{Store, key, number, text, unreadable};
use crate::{Level, failure::Failure, identity, limits::ID_MAX_CHARS};
use concert_aws::{
    bedrock::Message,
    dynamodb::{AttributeValue, Item, Placeholders, UpdateItem},
};
use concert_contract::{
    chat::{ChatEvent, TurnState},
    history::{Feedback, Thumbs},
};
use serde::{Deserialize, Serialize};

/// Hexadecimal digits of a turn within its conversation.
const HASH_CHARS: usize = 32;

/// Whose turn it is, of which conversation. Its id is `CONVERSATION-HASH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnKey {
    pub viewer: String,
    pub conversation_id: String,
    pub hash: String,
}

impl TurnKey {
    /// The turn that `viewer` asks for with an `Idempotency-Key`: the same key gives the same turn.
    pub fn of_request(secret: &[u8], viewer: &str, conversation_id: &str, idempotency_key: &str) -> TurnKey {
        let message = format!("{viewer}\n{conversation_id}\n{idempotency_key}");
        TurnKey {
            viewer: viewer.to_owned(),
            conversation_id: conversation_id.to_owned(),
            hash: digest(secret, "turn", &message),
        }
    }

    /// None for what is no turn's id.
    pub fn parse(viewer: &str, id: &str) -> Option<TurnKey> {
        let (conversation_id, hash) = id.split_at_checked(id.len().checked_sub(HASH_CHARS)?)?;
        let conversation_id = conversation_id.strip_suffix('-')?;
        let is_hash = hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (is_hash && is_id(conversation_id)).then(|| TurnKey {
            viewer: viewer.to_owned(),
            conversation_id: conversation_id.to_owned(),
            hash: hash.to_owned(),
        })
    }

    /// Another turn of the same conversation.
    pub fn sibling(&self, hash: &str) -> TurnKey {
        TurnKey {
            hash: hash.to_owned(),
            ..self.clone()
        }
    }

    pub fn id(&self) -> String {
        format!("{}-{}", self.conversation_id, self.hash)
    }

    fn pk(&self) -> String {
        partition(&self.viewer, &self.conversation_id)
    }

    fn log_prefix(&self) -> String {
        format!("LOG#{}#", self.hash)
    }
}

/// The conversation that a request without one begins.
pub fn new_conversation(secret: &[u8], viewer: &str, idempotency_key: &str) -> String {
    digest(secret, "conversation", &format!("{viewer}\n{idempotency_key}"))
}

fn digest(secret: &[u8], label: &str, message: &str) -> String {
    hex::encode(&identity::mac(secret, label, message.as_bytes())[..HASH_CHARS / 2])
}

/// Ids of conversations, which clients may choose.
pub fn is_id(id: &str) -> bool {
    (1..=ID_MAX_CHARS).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

pub fn partition(viewer: &str, conversation_id: &str) -> String {
    format!("CONV#{viewer}#{conversation_id}")
}

/// A turn as it was begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    pub key: TurnKey,
    pub question: String,
    /// Of the request, by which a key that is used again for another one is noticed.
    pub digest: String,
    pub created_ms: u64,
    /// The turn before it, none at the beginning of the conversation.
    pub previous: Option<String>,
    /// The turn whose place it takes.
    pub replaces: Option<String>,
    pub lease_until_ms: u64,
    pub is_stopping: bool,
}

impl Head {
    fn item(&self, store: &Store) -> Item {
        let mut item = key(&self.key.pk(), &format!("TURN#{}", self.key.hash));
        let mut set = |name: &str, value| item.insert(name.to_owned(), value);
        set("question", AttributeValue::text(&self.question));
        set("digest", AttributeValue::text(&self.digest));
        set("created_ms", AttributeValue::number(self.created_ms));
        set("lease_until_ms", AttributeValue::number(self.lease_until_ms));
        set("expires_at", store.expires_at());
        if let Some(previous) = &self.previous {
            set("previous", AttributeValue::text(previous));
        }
        if let Some(replaces) = &self.replaces {
            set("replaces", AttributeValue::text(replaces));
        }
        item
    }

    fn read(turn: TurnKey, item: &Item) -> Option<Head> {
        Some(Head {
            key: turn,
            question: text(item, "question")?.to_owned(),
            digest: text(item, "digest")?.to_owned(),
            created_ms: number(item, "created_ms")?,
            previous: text(item, "previous").map(str::to_owned),
            replaces: text(item, "replaces").map(str::to_owned),
            lease_until_ms: number(item, "lease_until_ms")?,
            is_stopping: item.get("stopping").and_then(AttributeValue::as_bool).unwrap_or(false),
        })
    }
}

/// An event and its number in the turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Numbered {
    pub n: u64,
    #[serde(flatten)]
    pub event: ChatEvent,
}

/// A piece of a turn's log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Piece {
    pub number: u32,
    pub events: Vec<Numbered>,
    /// What model and tools have said to each other since the piece before.
    pub messages: Vec<Message>,
    /// The turn is over.
    pub state: Option<TurnState>,
    pub lease_until_ms: u64,
    /// How often the turn was continued.
    pub attempt: u64,
    /// Random, by which a writer knows its own piece again.
    pub writer: String,
}

impl Piece {
    fn item(&self, turn: &TurnKey, store: &Store) -> Result<Item, Failure> {
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| Failure::internal(format!("events as JSON: {error}")))
        };
        let mut item = key(&turn.pk(), &format!("{}{:04}", turn.log_prefix(), self.number));
        let mut set = |name: &str, value| item.insert(name.to_owned(), value);
        set(
            "events",
            AttributeValue::text(json(serde_json::to_string(&self.events))?),
        );
        if !self.messages.is_empty() {
            set(
                "messages",
                AttributeValue::text(json(serde_json::to_string(&self.messages))?),
            );
        }
        if let Some(state) = self.state {
            set("state", AttributeValue::text(state_name(state)));
        }
        set("lease_until_ms", AttributeValue::number(self.lease_until_ms));
        set("attempt", AttributeValue::number(self.attempt));
        set("writer", AttributeValue::text(&self.writer));
        set("expires_at", store.expires_at());
        Ok(item)
    }

    fn read(item: &Item) -> Option<Piece> {
        let messages = match text(item, "messages") {
            Some(json) => serde_json::from_str(json).ok()?,
            None => Vec::new(),
        };
        Some(Piece {
            number: text(item, "sk")?.rsplit('#').next()?.parse().ok()?,
            events: serde_json::from_str(text(item, "events")?).ok()?,
            messages,
            state: match text(item, "state") {
                None => None,
                Some("complete") => Some(TurnState::Complete),
                Some("stopped") => Some(TurnState::Stopped),
                Some(_) => Some(TurnState::Failed),
            },
            lease_until_ms: number(item, "lease_until_ms")?,
            attempt: number(item, "attempt").unwrap_or(0),
            writer: text(item, "writer").unwrap_or_default().to_owned(),
        })
    }
}

fn state_name(state: TurnState) -> &'static str {
    match state {
        TurnState::Complete => "complete",
        TurnState::Stopped => "stopped",
        TurnState::Failed => "failed",
    }
}

/// A turn as far as it is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    pub pieces: Vec<Piece>,
}

impl Log {
    pub fn state(&self) -> Option<TurnState> {
        self.pieces.last().and_then(|piece| piece.state)
    }

    pub fn events(&self) -> impl Iterator<Item = &Numbered> {
        self.pieces.iter().flat_map(|piece| &piece.events)
    }

    /// The number of the last event. The first one, `ack`, is the head's.
    pub fn last_n(&self) -> u64 {
        self.events().last().map_or(1, |event| event.n)
    }

    pub fn next_number(&self) -> u32 {
        self.pieces.last().map_or(0, |piece| piece.number + 1)
    }

    pub fn lease_until_ms(&self, head: &Head) -> u64 {
        self.pieces
            .last()
            .map_or(head.lease_until_ms, |piece| piece.lease_until_ms)
    }

    pub fn attempt(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.attempt)
    }

    pub fn messages(&self) -> Vec<Message> {
        self.pieces.iter().flat_map(|piece| piece.messages.clone()).collect()
    }
}

impl Store {
    /// Stores the beginning of a turn. False if it has been begun before.
    pub async fn begin(&self, head: &Head) -> Result<bool, Failure> {
        self.put_new(head.item(self)).await
    }

    pub async fn head(&self, turn: &TurnKey) -> Result<Option<Head>, Failure> {
        let item = self.get(key(&turn.pk(), &format!("TURN#{}", turn.hash))).await?;
        item.map(|item| Head::read(turn.clone(), &item).ok_or_else(|| unreadable("a turn")))
            .transpose()
    }

    /// All turns of a conversation, the oldest first.
    pub async fn heads(&self, viewer: &str, conversation_id: &str) -> Result<Vec<Head>, Failure> {
        let items = self.all(&partition(viewer, conversation_id), "TURN#", None).await?;
        let mut heads: Vec<Head> = items
            .iter()
            .filter_map(|item| {
                let hash = text(item, "sk")?.strip_prefix("TURN#")?.to_owned();
                let turn = TurnKey {
                    viewer: viewer.to_owned(),
                    conversation_id: conversation_id.to_owned(),
                    hash,
                };
                Head::read(turn, item)
            })
            .collect();
        heads.sort_by(|a, b| (a.created_ms, &a.key.hash).cmp(&(b.created_ms, &b.key.hash)));
        Ok(heads)
    }

    /// The pieces of a turn's log after piece `after`.
    pub async fn pieces(&self, turn: &TurnKey, after: Option<u32>) -> Result<Vec<Piece>, Failure> {
        let prefix = turn.log_prefix();
        let after = after.map(|number| format!("{prefix}{number:04}"));
        let items = self.all(&turn.pk(), &prefix, after.as_deref()).await?;
        items
            .iter()
            .map(|item| Piece::read(item).ok_or_else(|| unreadable("a turn's events")))
            .collect()
    }

    pub async fn turn_log(&self, turn: &TurnKey) -> Result<Log, Failure> {
        Ok(Log {
            pieces: self.pieces(turn, None).await?,
        })
    }

    /// Puts the next piece. False if somebody else has: this writer has lost the turn.
    pub async fn append(&self, turn: &TurnKey, piece: &Piece) -> Result<bool, Failure> {
        if self.put_new(piece.item(turn, self)?).await? {
            return Ok(true);
        }
        // A try that was answered too late may have been taken all the same.
        let sk = format!("{}{:04}", turn.log_prefix(), piece.number);
        let there = self.get(key(&turn.pk(), &sk)).await?;
        let is_mine = there.as_ref().and_then(|item| text(item, "writer")) == Some(piece.writer.as_str());
        if !is_mine {
            self.log(Level::Info, &format!("turn {}: another writer has it", turn.id()));
        }
        Ok(is_mine)
    }

    /// Tells the writer of a turn to stop. False if there is no such turn.
    pub async fn ask_to_stop(&self, turn: &TurnKey) -> Result<bool, Failure> {
        let update = UpdateItem {
            key: key(&turn.pk(), &format!("TURN#{}", turn.hash)),
            update_expression: "SET stopping = :yes".to_owned(),
            condition_expression: Some("attribute_exists(pk)".to_owned()),
            placeholders: Placeholders::default().value("yes", AttributeValue::Bool(true)),
            ..UpdateItem::default()
        };
        Ok(self.update(update).await?.is_some())
    }

    pub async fn set_feedback(&self, turn: &TurnKey, feedback: &Feedback) -> Result<(), Failure> {
        let mut item = key(&turn.pk(), &format!("FEEDBACK#{}", turn.hash));
        item.insert("thumbs".to_owned(), AttributeValue::text(thumbs_name(feedback.thumbs)));
        if let Some(comment) = &feedback.comment {
            item.insert("comment".to_owned(), AttributeValue::text(comment));
        }
        item.insert("given_ms".to_owned(), AttributeValue::number(self.now_ms()));
        item.insert("expires_at".to_owned(), self.expires_at());
        self.put(item).await
    }

    /// Feedback on the turns of a conversation, by their hash.
    pub async fn feedback(&self, viewer: &str, conversation_id: &str) -> Result<Vec<(String, Feedback)>, Failure> {
        let items = self.all(&partition(viewer, conversation_id), "FEEDBACK#", None).await?;
        let read = |item: &Item| {
            let hash = text(item, "sk")?.strip_prefix("FEEDBACK#")?.to_owned();
            let thumbs = if text(item, "thumbs")? == "up" {
                Thumbs::Up
            } else {
                Thumbs::Down
            };
            let comment = text(item, "comment").map(str::to_owned);
            Some((hash, Feedback { thumbs, comment }))
        };
        Ok(items.iter().filter_map(read).collect())
    }
}

fn thumbs_name(thumbs: Thumbs) -> &'static str {
    match thumbs {
        Thumbs::Up => "up",
        Thumbs::Down => "down",
    }
}

/// The turns that are shown, the oldest first: from the beginning, at each place the newest version, unless the turn
/// `through` stands behind another one.
pub fn shown<'a>(heads: &'a [Head], through: Option<&str>) -> Vec<&'a Head> {
    // The turns on the way to `through`, which win over newer versions.
    let mut way: Vec<&str> = Vec::new();
    let mut at = through;
    while let Some(hash) = at {
        // A circle cannot be written, since a turn names only turns that were there before it.
        if way.contains(&hash) {
            break;
        }
        way.push(hash);
        at = heads
            .iter()
            .find(|head| head.key.hash == hash)
            .and_then(|head| head.previous.as_deref());
    }
    let mut shown: Vec<&Head> = Vec::new();
    while shown.len() <= heads.len() {
        let previous = shown.last().map(|head| head.key.hash.as_str());
        let mut children = heads.iter().filter(|head| head.previous.as_deref() == previous);
        let chosen = children
            .clone()
            .find(|head| way.contains(&head.key.hash.as_str()))
            .or_else(|| children.next_back());
        match chosen {
            Some(head) => shown.push(head),
            None => break,
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(hash: &str, created_ms: u64, previous: Option<&str>) -> Head {
        Head {
            key: TurnKey {
                viewer: "v".into(),
                conversation_id: "c".into(),
                hash: hash.into(),
            },
            question: String::new(),
            digest: String::new(),
            created_ms,
            previous: previous.map(str::to_owned),
            replaces: None,
            lease_until_ms: 0,
            is_stopping: false,
        }
    }

    #[test]
    fn ids_of_turns_are_read_back_and_others_are_none() {
        let turn = TurnKey::of_request(b"secret", "g-1", "my-conversation_7", "key");
        assert_eq!(TurnKey::parse("g-1", &turn.id()), Some(turn.clone()));
        assert_eq!(turn, TurnKey::of_request(b"secret", "g-1", "my-conversation_7", "key"));
        for other in [
            TurnKey::of_request(b"secret", "g-2", "my-conversation_7", "key"),
            TurnKey::of_request(b"secret", "g-1", "my-conversation_7", "key2"),
            TurnKey::of_request(b"other", "g-1", "my-conversation_7", "key"),
        ] {
            assert_ne!(other.hash, turn.hash);
        }
        for wrong in [
            "",
            "t",
            &turn.hash,
            &format!("-{}", turn.hash),
            &format!("a#b-{}", turn.hash),
            "é".repeat(40).as_str(),
        ] {
            assert_eq!(TurnKey::parse("g-1", wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_newest_version_is_shown_unless_an_older_one_is_asked_for() {
        let heads = [
            head("a", 1, None),
            head("b", 2, Some("a")),
            head("c", 3, Some("b")),
            head("b2", 4, Some("a")),
            head("a2", 5, None),
        ];
        let hashes = |through: Option<&str>| -> Vec<String> {
            shown(&heads, through)
                .iter()
                .map(|head| head.key.hash.clone())
                .collect()
        };
        assert_eq!(hashes(None), ["a2"]);
        assert_eq!(hashes(Some("a")), ["a", "b2"]);
        assert_eq!(hashes(Some("b")), ["a", "b", "c"]);
        assert_eq!(hashes(Some("no such turn")), ["a2"]);
        assert!(shown(&[], None).is_empty());
    }
}
