//! Which records answer a query best: BM25 over their words, leaned towards what was said lately.
//!
//! BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the
//! inverse document frequency that cannot be negative. Words are folded to lower case without accents, common words
//! are dropped, and plurals are cut by Harman's S stemmer ("How Effective Is Suffixing?", 1991).

use std::collections::{BTreeMap, BTreeSet};
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// How soon further occurrences of a word stop counting, and how much long texts are held back: the usual values.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// A record that nobody has said again for so long counts half of what age can cost it.
const HALF_LIFE_MS: f64 = 30.0 * 24.0 * 3600.0 * 1000.0;
/// What age can cost a record that shares words with the query.
const AGE_SHARE: f64 = 0.2;
/// The most that a record without a shared word can have: the latest are still worth a look, as the nearest are in a
/// search by meaning, and none comes before one that shares a word.
const UNRELATED_MAX: f64 = 0.01;

/// Words that say nothing about the matter.
const COMMON: [&str; 58] = [
    "a", "about", "all", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "did", "do",
    "does", "for", "from", "had", "has", "have", "how", "i", "if", "in", "is", "it", "me", "my", "of", "on", "or",
    "our", "please", "so", "that", "the", "their", "there", "they", "this", "to", "us", "user", "was", "we", "were",
    "what", "when", "where", "which", "who", "will", "with", "you", "your",
];

/// The words of a text that count, in order.
pub(super) fn words(text: &str) -> Vec<String> {
    let folded: String = text
        .nfd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .filter(|c| *c != '\'' && *c != '\u{2019}')
        .collect();
    folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && COMMON.binary_search(word).is_err())
        .map(singular)
        .collect()
}

/// Harman's three rules; the first that fits decides.
fn singular(word: &str) -> String {
    let ends = |ending: &str| word.ends_with(ending);
    if word.len() < 4 || !word.is_ascii() {
        return word.to_owned();
    }
    if ends("ies") && !ends("eies") && !ends("aies") {
        return format!("{}y", &word[..word.len() - 3]);
    }
    if ends("es") && !ends("aes") && !ends("ees") && !ends("oes") {
        return word[..word.len() - 1].to_owned();
    }
    if ends("s") && !ends("us") && !ends("ss") {
        return word[..word.len() - 1].to_owned();
    }
    word.to_owned()
}

/// A text to be ranked and how old it is.
pub(super) struct Document<'a> {
    pub text: &'a str,
    pub age_ms: i64,
}

/// A score between 0 and 1 for each document, in their order.
pub(super) fn scores(query: &str, documents: &[Document<'_>]) -> Vec<f64> {
    let query: BTreeSet<String> = words(query).into_iter().collect();
    let counted: Vec<(BTreeMap<String, usize>, usize)> = documents
        .iter()
        .map(|document| {
            let words = words(document.text);
            let length = words.len();
            let mut counts = BTreeMap::new();
            for word in words {
                *counts.entry(word).or_insert(0) += 1;
            }
            (counts, length)
        })
        .collect();
    let total = documents.len() as f64;
    let mean = counted.iter().map(|(_, length)| *length as f64).sum::<f64>() / total.max(1.0);
    let rarity: BTreeMap<&String, f64> = query
        .iter()
        .map(|word| {
            let holding = counted.iter().filter(|(counts, _)| counts.contains_key(word)).count() as f64;
            (word, (1.0 + (total - holding + 0.5) / (holding + 0.5)).ln())
        })
        .collect();
    counted
        .iter()
        .zip(documents)
        .map(|((counts, length), document)| {
            let held_back = K1 * (1.0 - B + B * *length as f64 / mean.max(1.0));
            let relevance: f64 = query
                .iter()
                .filter_map(|word| {
                    let count = *counts.get(word)? as f64;
                    Some(rarity[word] * count * (K1 + 1.0) / (count + held_back))
                })
                .sum();
            let youth = 0.5f64.powf(document.age_ms.max(0) as f64 / HALF_LIFE_MS);
            if relevance > 0.0 {
                // Squeezed below 1; a shared word is worth more than any youth.
                let squeezed = relevance / (1.0 + relevance);
                UNRELATED_MAX + (1.0 - UNRELATED_MAX) * squeezed * (1.0 - AGE_SHARE + AGE_SHARE * youth)
            } else {
                UNRELATED_MAX * youth
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_words_are_sorted_and_dropped() {
        assert!(COMMON.is_sorted());
        assert_eq!(
            words("Show me Björk's venues & cities, please"),
            ["show", "bjork", "venue", "city"]
        );
        assert_eq!(words("It's the Metro's bus"), ["its", "metro", "bus"]);
    }

    #[test]
    fn rare_words_count_more_than_frequent_ones_and_new_texts_more_than_old() {
        let texts = [
            "venues in Chicago",
            "venues in Berlin",
            "venues and artists",
            "always show euros",
        ];
        let documents: Vec<Document<'_>> = texts.iter().map(|text| Document { text, age_ms: 0 }).collect();
        let found = scores("Chicago venue", &documents);
        assert!(found[0] > found[1] && found[1] > found[3], "{found:?}");
        assert!(found.iter().all(|score| (0.0..1.0).contains(score)));
        let day = 24 * 3600 * 1000;
        let aged = [
            Document {
                text: "euros",
                age_ms: 90 * day,
            },
            Document {
                text: "euros",
                age_ms: day,
            },
        ];
        let found = scores("euro", &aged);
        assert!(found[1] > found[0], "{found:?}");
        // Old and fitting still comes before new and unrelated.
        let mixed = [
            Document {
                text: "euros",
                age_ms: 3650 * day,
            },
            Document {
                text: "dollars",
                age_ms: 0,
            },
        ];
        let found = scores("euro", &mixed);
        assert!(found[0] > found[1], "{found:?}");
    }
}
