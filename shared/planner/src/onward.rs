//! Whether a question goes on from the one before, or begins anew.

use crate::{build::Draft, text::Token};

/// Words that open a part of a question: "per week please", "with at least 20 concerts", "sorted by revenue".
const PARTS: &[&str] = &[
    "by",
    "per",
    "with",
    "without",
    "in",
    "for",
    "only",
    "just",
    "except",
    "excluding",
    "as",
    "split",
    "sort",
    "sorted",
    "order",
    "ordered",
    "rank",
    "ranked",
    "group",
    "grouped",
    "break",
    "compare",
    "compared",
    "vs",
    "versus",
    "against",
    "not",
    "but",
    "on",
    "during",
    "since",
    "now",
    "ok",
    "okay",
    "also",
    "add",
    "include",
    "drill",
    "zoom",
    "focus",
    "narrow",
    "limit",
    "reverse",
    "remove",
    "clear",
    "drop",
    "reset",
    "make",
    "switch",
    "same",
    "again",
    "then",
    "exclude",
    "non",
    "from",
    "at",
    "near",
    "before",
    "after",
    "over",
    "under",
    "above",
    "below",
    "instead",
    "rather",
    "of",
    "minus",
];

/// Such words that go on even where a figure is named: "sorted by revenue".
const ALWAYS: &[&str] = &[
    "sort", "sorted", "order", "ordered", "also", "add", "same", "again", "switch",
];

/// How many words a question has at most that only names other groups or another figure: "venues", "ticket sales?".
const MOST_WORDS: usize = 4;

pub(crate) fn goes_on(tokens: &[Token], draft: &Draft) -> bool {
    let first = tokens.first().map(|token| token.norm.as_str()).unwrap_or_default();
    let opens = PARTS.contains(&first);
    let names_nothing = !draft.has_metrics && !draft.names_groups;
    let says_change = draft.bare_rank.is_some() || !draft.constructs.is_empty() || draft.says_chart;
    let is_short = tokens.len() <= MOST_WORDS;
    let asks_anew = tokens
        .iter()
        .any(|token| matches!(token.norm.as_str(), "total" | "overall" | "how" | "altogether"));
    draft.goes_on
        || draft.is_beside
        || ALWAYS.contains(&first)
        || opens && !draft.has_metrics
        || points_back(tokens)
        || names_nothing && (!draft.is_explicit || says_change)
        || draft.says_all && !draft.has_metrics
        || names_nothing && draft.groups_are_kinds
        || names_nothing && !draft.query.having.is_empty()
        // "quarterly", "the concerts": of what was asked for.
        || !draft.has_metrics && !draft.has_scope && !asks_anew
        // "ticket sales?"
        || draft.has_metrics && !draft.has_scope && !draft.names_groups && is_short && !asks_anew
}

/// Whether a word stands for what the turn before was about: "break it down by venue", "revenue there".
fn points_back(tokens: &[Token]) -> bool {
    let word = |at: usize| tokens.get(at).map(|token| token.norm.as_str());
    (0..tokens.len()).any(|at| match word(at) {
        Some("it" | "them" | "its" | "their") => true,
        Some("there") => {
            let is_verb = |word: Option<&str>| {
                matches!(
                    word,
                    Some("is" | "are" | "was" | "were" | "have" | "has" | "will" | "been" | "be" | "exist")
                )
            };
            !is_verb(at.checked_sub(1).and_then(word)) && !is_verb(word(at + 1))
        }
        Some("that" | "this" | "those" | "these") => matches!(
            word(at + 1),
            None | Some(
                "by" | "in" | "as" | "for" | "per" | "down" | "with" | "without" | "only" | "instead" | "to" | "over"
            )
        ),
        _ => false,
    })
}
