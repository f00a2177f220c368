//! What a question is for: "for the label's quarterly report I need …", "… for my manager's meeting". Such a clause
//! asks for nothing, and its words are taken out before anything is looked up, as long as none of them could narrow
//! the question.

use crate::{
    index::{Lexicon, Meaning, ValueIndex},
    text::{Token, number},
    words::Key,
};

/// What figures are wanted for.
const OCCASIONS: [&str; 27] = [
    "report",
    "meeting",
    "deck",
    "presentation",
    "slide",
    "slides",
    "review",
    "newsletter",
    "memo",
    "dashboard",
    "pitch",
    "call",
    "board",
    "boss",
    "manager",
    "accountant",
    "accountants",
    "lawyer",
    "auditor",
    "auditors",
    "investor",
    "investors",
    "spreadsheet",
    "briefing",
    "filing",
    "records",
    "statement",
];
/// Words between "for" and the occasion: "for the label's big quarterly report".
const MOST_BETWEEN: usize = 4;
/// What may lead a clause.
const LEADS: [&str; 12] = [
    "the", "a", "an", "my", "our", "your", "their", "his", "her", "this", "next", "tomorrow",
];

/// Takes the clauses out and gives their words as they were written.
pub(crate) fn take_out(tokens: &mut Vec<Token>, lexicon: &Lexicon, values: &ValueIndex) -> Vec<String> {
    let mut taken = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let Some(length) = clause(tokens, at, lexicon, values) else {
            at += 1;
            continue;
        };
        let words: Vec<String> = tokens.drain(at..at + length).map(|token| token.text).collect();
        taken.push(words.join(" "));
    }
    taken
}

/// How many words the clause has that begins here.
fn clause(tokens: &[Token], at: usize, lexicon: &Lexicon, values: &ValueIndex) -> Option<usize> {
    let says_for = tokens.get(at).is_some_and(|token| token.norm == "for");
    let lead = tokens.get(at + 1).filter(|_| says_for)?;
    let opens = LEADS.contains(&lead.norm.as_str()) || is_owner(lead) || OCCASIONS.contains(&lead.norm.as_str());
    if !opens {
        return None;
    }
    let is_occasion = |index: usize| {
        tokens
            .get(index)
            .is_some_and(|token| OCCASIONS.contains(&token.norm.as_str()) && !values.has_word(&token.norm))
    };
    let mut end = (at + 1..=at + 1 + MOST_BETWEEN).find(|index| is_occasion(*index) && !is_owner_at(tokens, *index))?;
    // "board meeting"
    while is_occasion(end + 1) {
        end += 1;
    }
    let between = tokens.get(at + 1..end)?;
    between
        .iter()
        .all(|token| says_nothing(token, lexicon, values))
        .then_some(end + 1 - at)
}

fn is_owner_at(tokens: &[Token], at: usize) -> bool {
    tokens.get(at).is_some_and(is_owner)
}

/// "label's", "tomorrow's"
fn is_owner(token: &Token) -> bool {
    let text = token.text.trim_end_matches(|c: char| !c.is_alphanumeric());
    ["'s", "’s"].iter().any(|ending| text.ends_with(ending))
}

/// Whether a word of the clause could not narrow the question: an article, an owner who is nobody of the data, an
/// adjective of time. Names, figures and numbers could.
fn says_nothing(token: &Token, lexicon: &Lexicon, values: &ValueIndex) -> bool {
    if LEADS.contains(&token.norm.as_str()) {
        return true;
    }
    let root = token.norm.trim_end_matches("'s").trim_end_matches("’s");
    if number(&token.norm).is_some() || values.has_word(root) || values.has_word(&token.norm) {
        return false;
    }
    if is_owner(token) {
        return true;
    }
    let meanings = || lexicon.find(std::slice::from_ref(token)).map(|(meaning, _)| meaning);
    // "annual" is an adjective here, whatever else it groups by elsewhere.
    meanings().any(|meaning| matches!(meaning, Meaning::Key(Key::Grain(_))))
        || meanings().all(|meaning| matches!(meaning, Meaning::Key(Key::Filler | Key::InTime(_) | Key::Next)))
}
