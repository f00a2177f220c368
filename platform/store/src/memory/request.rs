//! Members of requests: their forms, the words for what breaks them, and the tokens that lead from page to page.

use super::{MemoryError, Reason};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

/// Entries of a page, where the request does not say.
const PAGE_DEFAULT: i64 = 20;
const PAGE_MAX: i64 = 100;

pub(super) fn invalid(field: &str, message: impl Into<String>) -> MemoryError {
    MemoryError::Validation {
        message: message.into(),
        reason: Reason::FieldValidationFailed,
        field: Some(field.to_owned()),
    }
}

/// # Errors
/// `CannotParse` where a member has another JSON type or is missing.
pub(super) fn read<T: DeserializeOwned>(request: &Json) -> Result<T, MemoryError> {
    T::deserialize(request).map_err(|error| MemoryError::Validation {
        message: format!("The request cannot be read: {error}"),
        reason: Reason::CannotParse,
        field: None,
    })
}

/// A text of so many characters whose first and other characters are of a kind.
pub(super) fn check_form(
    field: &str,
    value: &str,
    most: usize,
    first: fn(char) -> bool,
    rest: fn(char) -> bool,
) -> Result<(), MemoryError> {
    let mut chars = value.chars();
    let fits = chars.next().is_some_and(first) && chars.all(rest) && value.chars().count() <= most;
    if fits {
        return Ok(());
    }
    Err(invalid(
        field,
        format!(
            "Value '{value}' at '{field}' is empty, longer than {most} characters, or has a character that it may not have"
        ),
    ))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

pub(super) fn check_actor(value: &str) -> Result<(), MemoryError> {
    check_form(
        "actorId",
        value,
        255,
        |c| c.is_ascii_alphanumeric(),
        |c| is_word(c) || c == '/' || c == ':',
    )
}

pub(super) fn check_session(value: &str) -> Result<(), MemoryError> {
    check_form("sessionId", value, 100, |c| c.is_ascii_alphanumeric(), is_word)
}

pub(super) fn check_branch(value: &str) -> Result<(), MemoryError> {
    check_form("branch.name", value, 100, |c| c.is_ascii_alphanumeric(), is_word)
}

pub(super) fn check_strategy(value: &str) -> Result<(), MemoryError> {
    check_form("memoryStrategyId", value, 100, |c| c.is_ascii_alphanumeric(), is_word)
}

pub(super) fn check_namespace(value: &str) -> Result<(), MemoryError> {
    let part = |c: char| is_word(c) || c == '/' || c == '*' || c == ':';
    check_form(
        "namespace",
        value,
        1024,
        |c| c.is_ascii_alphanumeric() || c == '/' || c == '*',
        part,
    )
}

/// Letters, digits, spaces and `._:/=+@-`.
pub(super) fn is_metadata_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "._:/=+@-".contains(c)
}

pub(super) fn page_size(wanted: Option<i64>) -> Result<usize, MemoryError> {
    let size = wanted.unwrap_or(PAGE_DEFAULT);
    if (1..=PAGE_MAX).contains(&size) {
        return Ok(usize::try_from(size).unwrap_or(1));
    }
    Err(invalid(
        "maxResults",
        format!("Value '{size}' at 'maxResults' must be between 1 and {PAGE_MAX}"),
    ))
}

/// A page's token: what the last entry is known by.
pub(super) fn to_token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

pub(super) fn from_token(token: &Option<String>) -> Result<Option<String>, MemoryError> {
    let Some(token) = token else { return Ok(None) };
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(Some)
        .ok_or_else(|| invalid("nextToken", "The nextToken is none that was given out"))
}

/// Which way a list's names run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

/// Sorts by what entries are known by, and gives one page: what comes after the token, and the token for what is left.
/// What the token names need not be there any more, so that a walk can delete what it was given.
pub(super) fn page<T>(
    mut entries: Vec<T>,
    size: usize,
    token: &Option<String>,
    order: Order,
    known_by: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), MemoryError> {
    entries.sort_by_cached_key(&known_by);
    if order == Order::Descending {
        entries.reverse();
    }
    if let Some(last) = from_token(token)? {
        entries.retain(|entry| match order {
            Order::Ascending => known_by(entry) > last,
            Order::Descending => known_by(entry) < last,
        });
    }
    let more = entries.len() > size;
    entries.truncate(size);
    let next = entries.last().filter(|_| more).map(|last| to_token(&known_by(last)));
    Ok((entries, next))
}

pub(super) fn with_next(mut answer: Json, next: Option<String>) -> Json {
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    answer
}
