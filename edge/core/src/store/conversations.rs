//! Conversations in the store: one item each beside its turns, in an index by last use.

use super::{Store, key, number, text, turns::partition, user};
use crate::{
    failure::{Failure, timestamp},
    limits::{CONVERSATIONS_PAGE_ROWS, PINNED_MAX, SEARCH_TEXT_MAX_CHARS},
};
use concert_aws::dynamodb::{AttributeValue, Item, Placeholders, Query, UpdateItem};
use concert_contract::history::{ConversationInfo, ConversationPatch, TITLE_MAX_CHARS};

/// A search looks at so many conversations for one page; the cursor goes on from there.
const SEARCHED_MAX: usize = 1_000;
/// Conversations that are read at once while searching.
const SEARCH_PAGE_ROWS: u32 = 200;
/// Characters of a title that was made from a question.
const MADE_TITLE_MAX_CHARS: usize = 80;

/// One page of a person's conversations.
pub struct Listed {
    pub conversations: Vec<ConversationInfo>,
    /// Sort key in the index and id of the last one that was looked at; none at the end.
    pub last: Option<(String, String)>,
}

impl Store {
    /// Notes that a conversation has a new question, and begins it if it is new. `questions` are those that it has,
    /// the new one last.
    pub async fn touch(&self, viewer: &str, conversation_id: &str, questions: &[&str]) -> Result<(), Failure> {
        let now_ms = self.now_ms();
        let title = title_of(questions.first().copied().unwrap_or_default());
        let update = UpdateItem {
            key: key(&user(viewer), &sort(conversation_id)),
            update_expression:
                "SET title = if_not_exists(title, :title), created_ms = if_not_exists(created_ms, :now), \
                                updated_ms = :now, words = :words, conversation_id = :id, gsi1pk = :user, \
                                gsi1sk = :sort, expires_at = :expires"
                    .to_owned(),
            placeholders: Placeholders::default()
                .value("title", AttributeValue::text(title))
                .value("now", AttributeValue::number(now_ms))
                .value("words", AttributeValue::text(words(questions)))
                .value("id", AttributeValue::text(conversation_id))
                .value("user", AttributeValue::text(user(viewer)))
                .value("sort", AttributeValue::text(used(now_ms, conversation_id)))
                .value("expires", self.expires_at()),
            ..UpdateItem::default()
        };
        self.update(update).await.map(drop)
    }

    pub async fn conversation(&self, viewer: &str, conversation_id: &str) -> Result<Option<ConversationInfo>, Failure> {
        let item = self.get(key(&user(viewer), &sort(conversation_id))).await?;
        Ok(item.as_ref().and_then(info))
    }

    /// The pinned conversations of a person that hold all `words`, the last used first.
    pub async fn pinned(&self, viewer: &str, words: &[String]) -> Result<Vec<ConversationInfo>, Failure> {
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let page = self
                .page(Query {
                    filter_expression: Some("pinned = :yes".to_owned()),
                    exclusive_start_key: start,
                    ..by_use(Placeholders::default().value("yes", AttributeValue::Bool(true)), viewer)
                })
                .await?;
            found.extend(page.items.iter().filter(|item| holds_all(item, words)).filter_map(info));
            match page.last_evaluated_key {
                Some(next) if found.len() < PINNED_MAX => start = Some(next),
                _ => return Ok(found),
            }
        }
    }

    /// The conversations that are not pinned and hold all `words`, the last used first, after `after`.
    pub async fn list(
        &self,
        viewer: &str,
        words: &[String],
        after: Option<(String, String)>,
    ) -> Result<Listed, Failure> {
        let mut conversations: Vec<ConversationInfo> = Vec::new();
        let mut looked_at = 0;
        // Of the last one that was looked at and is not to be looked at again.
        let mut last = None;
        let mut start = after.map(|(used, id)| {
            let mut start = key(&user(viewer), &sort(&id));
            start.insert("gsi1pk".to_owned(), AttributeValue::text(user(viewer)));
            start.insert("gsi1sk".to_owned(), AttributeValue::text(used));
            start
        });
        loop {
            let limit = if words.is_empty() {
                // One more than a page tells whether there is a next one; pinned ones are passed over.
                u32::try_from(CONVERSATIONS_PAGE_ROWS + 1).unwrap_or(u32::MAX)
            } else {
                SEARCH_PAGE_ROWS
            };
            let page = self
                .page(Query {
                    limit: Some(limit),
                    exclusive_start_key: start,
                    ..by_use(Placeholders::default(), viewer)
                })
                .await?;
            for item in &page.items {
                looked_at += 1;
                let is_pinned = item.get("pinned").and_then(AttributeValue::as_bool).unwrap_or(false);
                if is_pinned || !holds_all(item, words) {
                    last = position(item);
                    continue;
                }
                if conversations.len() == CONVERSATIONS_PAGE_ROWS {
                    return Ok(Listed { conversations, last });
                }
                conversations.extend(info(item));
                last = position(item);
            }
            match page.last_evaluated_key {
                None => {
                    return Ok(Listed {
                        conversations,
                        last: None,
                    });
                }
                Some(_) if conversations.len() >= CONVERSATIONS_PAGE_ROWS || looked_at >= SEARCHED_MAX => {
                    return Ok(Listed { conversations, last });
                }
                next => start = next,
            }
        }
    }

    /// Renames or pins. None if there is no such conversation.
    pub async fn patch(
        &self,
        viewer: &str,
        conversation_id: &str,
        patch: &ConversationPatch,
    ) -> Result<Option<ConversationInfo>, Failure> {
        let mut sets = Vec::new();
        let mut placeholders = Placeholders::default();
        if let Some(title) = &patch.title {
            sets.push("title = :title, lower_title = :lower");
            placeholders = placeholders
                .value("title", AttributeValue::text(title))
                .value("lower", AttributeValue::text(title.to_lowercase()));
        }
        if let Some(pinned) = patch.pinned {
            sets.push("pinned = :pinned");
            placeholders = placeholders.value("pinned", AttributeValue::Bool(pinned));
        }
        if sets.is_empty() {
            return self.conversation(viewer, conversation_id).await;
        }
        let update = UpdateItem {
            key: key(&user(viewer), &sort(conversation_id)),
            update_expression: format!("SET {}", sets.join(", ")),
            condition_expression: Some("attribute_exists(pk)".to_owned()),
            placeholders,
            return_values: Some("ALL_NEW".to_owned()),
            ..UpdateItem::default()
        };
        Ok(self.update(update).await?.as_ref().and_then(info))
    }

    /// Deletes a conversation with all that belongs to it. False if there is none.
    pub async fn forget(&self, viewer: &str, conversation_id: &str) -> Result<bool, Failure> {
        let there = self.conversation(viewer, conversation_id).await?.is_some();
        let pk = partition(viewer, conversation_id);
        let mut keys: Vec<Item> = Vec::new();
        for prefix in ["TURN#", "LOG#", "FEEDBACK#"] {
            let items = self.all(&pk, prefix, None).await?;
            keys.extend(items.iter().filter_map(|item| Some(key(&pk, text(item, "sk")?))));
        }
        // The conversation goes last: as long as anything is left, it can be deleted again.
        keys.push(key(&user(viewer), &sort(conversation_id)));
        let found = there || keys.len() > 1;
        if found {
            self.delete(keys).await?;
        }
        Ok(found)
    }
}

fn sort(conversation_id: &str) -> String {
    format!("CONV#{conversation_id}")
}

/// As many digits as the milliseconds of the next centuries have, so that texts sort as their numbers do.
fn used(now_ms: u64, conversation_id: &str) -> String {
    format!("{now_ms:014}#{conversation_id}")
}

fn by_use(placeholders: Placeholders, viewer: &str) -> Query {
    Query {
        index_name: Some("gsi1".to_owned()),
        key_condition_expression: "gsi1pk = :user".to_owned(),
        placeholders: placeholders.value("user", AttributeValue::text(user(viewer))),
        scan_index_forward: false,
        ..Query::default()
    }
}

fn info(item: &Item) -> Option<ConversationInfo> {
    Some(ConversationInfo {
        id: text(item, "sk")?.strip_prefix("CONV#")?.to_owned(),
        title: text(item, "title")?.to_owned(),
        pinned: item.get("pinned").and_then(AttributeValue::as_bool).unwrap_or(false),
        created_at: timestamp(number(item, "created_ms")?),
        updated_at: timestamp(number(item, "updated_ms")?),
    })
}

fn position(item: &Item) -> Option<(String, String)> {
    Some((
        text(item, "gsi1sk")?.to_owned(),
        text(item, "sk")?.strip_prefix("CONV#")?.to_owned(),
    ))
}

fn holds_all(item: &Item, words: &[String]) -> bool {
    let questions = text(item, "words").unwrap_or_default();
    let title = text(item, "lower_title").unwrap_or_default();
    words
        .iter()
        .all(|word| questions.contains(word.as_str()) || title.contains(word.as_str()))
}

/// The words of a search, in small letters.
pub fn search_words(text: &str) -> Vec<String> {
    text.split_whitespace().take(20).map(str::to_lowercase).collect()
}

/// What a search looks at: the newest questions, as many as there is room for.
fn words(questions: &[&str]) -> String {
    let mut words = String::new();
    for question in questions.iter().rev() {
        if words.len() >= SEARCH_TEXT_MAX_CHARS {
            break;
        }
        words.push_str(&question.to_lowercase());
        words.push('\n');
    }
    words.chars().take(SEARCH_TEXT_MAX_CHARS).collect()
}

/// A question in one line, cut at a word.
fn title_of(question: &str) -> String {
    let line = question.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MADE_TITLE_MAX_CHARS {
        return line;
    }
    let cut: String = line.chars().take(MADE_TITLE_MAX_CHARS - 1).collect();
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{cut}…")
}

/// A title that a person gave, without what does not belong into one line.
///
/// # Errors
/// It is empty or too long.
pub fn checked_title(title: &str) -> Result<String, Failure> {
    let line = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let chars = line.chars().count();
    if chars == 0 || chars > TITLE_MAX_CHARS {
        return Err(
            Failure::validation("bad_title", format!("The title has {chars} characters."))
                .with_action(format!("Write a title of 1 to {TITLE_MAX_CHARS} characters.")),
        );
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_question_in_one_line_cut_at_a_word() {
        assert_eq!(title_of(" attendance\nby  year "), "attendance by year");
        let long = "word ".repeat(40);
        let title = title_of(&long);
        assert!(
            title.ends_with("word…") && title.chars().count() <= MADE_TITLE_MAX_CHARS,
            "{title}"
        );
        assert_eq!(title_of(&"x".repeat(100)).chars().count(), MADE_TITLE_MAX_CHARS);
        assert!(checked_title(" \n ").is_err() && checked_title(&"x".repeat(201)).is_err());
    }

    #[test]
    fn the_newest_questions_are_searched_first() {
        let old = "a".repeat(SEARCH_TEXT_MAX_CHARS);
        let found = words(&[&old, "Jazz in Berlin"]);
        assert!(found.starts_with("jazz in berlin\n") && found.len() == SEARCH_TEXT_MAX_CHARS);
        assert_eq!(search_words(" Jazz  Berlin"), ["jazz", "berlin"]);
    }
}
