//! Who may be called by which words: every phrase means one metric and one dimension at most, so that a question is
//! never read by chance.

use crate::names;
use std::collections::BTreeSet;

/// Words that a question uses for itself; as a synonym they would turn it round.
const OF_QUESTIONS: &str = "number count total sum average mean maximum minimum year quarter month week day weekday \
    hour rate share percent percentage ratio top best most least worst first last all each every no not and or by per \
    time date name id list show difference change highest lowest greatest largest \
    smallest biggest maximal minimal overall";

/// Whether a word is a question's own.
pub fn is_of_question(phrase: &str) -> bool {
    OF_QUESTIONS.split_whitespace().any(|word| word == phrase)
}

/// The phrases that are taken.
#[derive(Debug, Default)]
pub struct Phrases {
    taken: BTreeSet<String>,
}

impl Phrases {
    /// Takes a phrase for something's own name, whoever had it.
    pub fn own(&mut self, phrase: &str) {
        self.taken.insert(normal(phrase));
    }

    /// Whether a phrase is taken.
    pub fn has(&self, phrase: &str) -> bool {
        self.taken.contains(&normal(phrase))
    }

    /// Takes those phrases that are free, and gives them back in order.
    pub fn claim(&mut self, phrases: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut claimed = Vec::new();
        for phrase in phrases {
            let phrase = phrase.trim().to_lowercase();
            let normal = normal(&phrase);
            if phrase.is_empty() || is_of_question(&normal) {
                continue;
            }
            if self.taken.insert(normal) {
                claimed.push(phrase);
            }
        }
        claimed
    }
}

/// A phrase without number: "order items" and "order item" are one.
fn normal(phrase: &str) -> String {
    names::words(phrase)
        .iter()
        .map(|word| names::singular(word))
        .collect::<Vec<_>>()
        .join(" ")
}
