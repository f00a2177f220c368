//! The values of the data and the words of the catalogue, ready to be found by their first word.

use crate::{
    text::{Token, stem, tokens},
    words::{COMPARISONS, COMPARISONS_BEHIND, FILLERS, KEYS, Key, MONTHS, TIME_WORDS},
};
use concert_contract::{
    catalogue::{Catalogue, CatalogueValue, Condition},
    query::Direction,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::LazyLock,
};

/// Past this many values with the same word, a word is no name.
const MOST_PARTIAL: usize = 40;
/// How many values of a dimension first questions are made from.
const MOST_HEADS: usize = 50;
/// From how many names those are taken that an unknown one may have meant.
const MOST_OFFERED_FROM: usize = 2_000;
/// Names are compared letter by letter with at most this many of a similar shape.
const MOST_COMPARED: usize = 20_000;

/// The values of the data, ready to be looked up by their words. Build it once for each snapshot.
#[derive(Clone, Debug, Default)]
pub struct ValueIndex {
    values: Vec<CatalogueValue>,
    entries: Vec<Entry>,
    by_first: HashMap<String, Vec<usize>>,
    by_word: HashMap<String, Vec<usize>>,
    by_shape: HashMap<Shape, Vec<usize>>,
    /// The heaviest values of each dimension.
    heads: Vec<CatalogueValue>,
}

/// What two spellings of one name have in common: the first letter, the number of words, the length within the
/// tolerance. Names are compared letter by letter only with those of their shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Shape {
    letter: char,
    words: usize,
    letters: usize,
}

/// One name of one value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub dimension: String,
    pub value: String,
    pub weight: i64,
    pub words: Vec<String>,
    joined: String,
    /// The letters that occur, one bit each.
    letters: u64,
}

/// One bit for each letter and digit of a text; what is neither shares the rest. A spelling that differs by n letters
/// changes at most 2n bits, which is quicker to see than the distance.
fn letters_of(text: &str) -> u64 {
    text.chars().fold(0, |bits, c| {
        let bit = match c {
            'a'..='z' => c as u32 - 'a' as u32,
            '0'..='9' => 26 + (c as u32 - '0' as u32),
            _ => 36 + c as u32 % 28,
        };
        bits | 1 << bit
    })
}

impl ValueIndex {
    /// Values of one name (two venues called Paradise) count as one.
    pub fn new(values: Vec<CatalogueValue>) -> ValueIndex {
        let mut weights: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for value in &values {
            let weight = weights.entry((&value.dimension, &value.value)).or_default();
            *weight = weight.saturating_add(value.weight);
        }
        let mut index = ValueIndex::default();
        let mut names: Vec<Entry> = Vec::new();
        for ((dimension, value), weight) in weights {
            let words: Vec<String> = tokens(value).into_iter().map(|token| token.norm).collect();
            let mut add = |words: &[String]| {
                if !words.is_empty() {
                    names.push(Entry {
                        dimension: dimension.to_owned(),
                        value: value.to_owned(),
                        weight,
                        words: words.to_vec(),
                        joined: words.join(" "),
                        letters: letters_of(&words.join(" ")),
                    });
                }
            };
            add(&words);
            // "The Roxy" is asked for as "the Roxy" and as "Roxy".
            if let Some((article, rest)) = words.split_first()
                && article == "the"
            {
                add(rest);
            }
        }
        for (at, entry) in names.iter().enumerate() {
            if let Some(first) = entry.words.first() {
                index.by_first.entry(first.clone()).or_default().push(at);
            }
            for word in entry.words.iter().collect::<HashSet<_>>() {
                index.by_word.entry(word.clone()).or_default().push(at);
            }
            if let Some(letter) = entry.joined.chars().next() {
                let shape = Shape {
                    letter,
                    words: entry.words.len(),
                    letters: entry.joined.chars().count(),
                };
                index.by_shape.entry(shape).or_default().push(at);
            }
        }
        index.entries = names;
        let mut by_dimension: BTreeMap<&str, Vec<&CatalogueValue>> = BTreeMap::new();
        for value in &values {
            by_dimension.entry(&value.dimension).or_default().push(value);
        }
        let mut heads: Vec<CatalogueValue> = Vec::new();
        for of in by_dimension.values_mut() {
            of.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.label.cmp(&b.label)));
            heads.extend(of.iter().take(MOST_HEADS).map(|value| (*value).clone()));
        }
        index.heads = heads;
        index.values = values;
        index
    }

    /// The heaviest values of each dimension: enough to invent a question with.
    pub(crate) fn heads(&self) -> &[CatalogueValue] {
        &self.heads
    }

    /// Up to so many names that a name may have meant: those with a word of it, and those of its shape.
    pub(crate) fn nearest(&self, name: &str, most: usize) -> Vec<String> {
        const SLACK: usize = 2;
        let words: Vec<String> = tokens(name).into_iter().map(|token| token.norm).collect();
        let joined = words.join(" ");
        let length = joined.chars().count();
        let count = words.len();
        let of_word = words.iter().filter_map(|word| self.by_word.get(word)).flatten();
        let of_shape = joined.chars().next().into_iter().flat_map(|letter| {
            (length.saturating_sub(SLACK)..=length + SLACK).filter_map(move |letters| {
                self.by_shape.get(&Shape {
                    letter,
                    words: count,
                    letters,
                })
            })
        });
        let found: Vec<CatalogueValue> = of_word
            .chain(of_shape.flatten())
            .take(MOST_OFFERED_FROM)
            .filter_map(|at| self.entries.get(*at))
            .map(|entry| CatalogueValue {
                dimension: entry.dimension.clone(),
                value: entry.value.clone(),
                label: entry.value.clone(),
                weight: entry.weight,
                sounds_like: None,
            })
            .collect();
        let mut names: Vec<String> = Vec::new();
        for value in concert_contract::compile::suggest(&found, name, None, found.len()) {
            if !names.contains(&value.label) {
                names.push(value.label);
            }
        }
        names.truncate(most);
        names
    }

    /// The values as they were given.
    pub fn values(&self) -> &[CatalogueValue] {
        &self.values
    }

    /// Whether some name has this word.
    pub(crate) fn has_word(&self, word: &str) -> bool {
        self.by_word.contains_key(word)
    }

    /// Names that stand at the beginning of `words` in full, and how many words they take.
    pub(crate) fn exact<'a>(&'a self, words: &'a [Token]) -> impl Iterator<Item = (&'a Entry, usize)> {
        words
            .first()
            .and_then(|first| self.by_first.get(&first.norm))
            .into_iter()
            .flatten()
            .filter_map(move |at| {
                let entry = self.entries.get(*at)?;
                let fits = entry.words.len() <= words.len()
                    && entry.words.iter().zip(words).all(|(name, word)| *name == word.norm);
                fits.then_some((entry, entry.words.len()))
            })
    }

    /// The value of a dimension that has exactly this name.
    pub(crate) fn named(&self, dimension: &str, words: &[String]) -> Option<&Entry> {
        self.by_first
            .get(words.first()?)?
            .iter()
            .filter_map(|at| self.entries.get(*at))
            .find(|entry| entry.dimension == dimension && entry.words == words)
    }

    /// Values that have `words` side by side somewhere in their name; empty where too many do.
    pub(crate) fn partial(&self, words: &[Token]) -> Vec<&Entry> {
        let rarest = words
            .iter()
            .filter_map(|word| self.by_word.get(&word.norm))
            .min_by_key(|found| found.len());
        let Some(found) = rarest.filter(|found| found.len() <= MOST_PARTIAL) else {
            return Vec::new();
        };
        found
            .iter()
            .filter_map(|at| self.entries.get(*at))
            .filter(|entry| {
                entry
                    .words
                    .windows(words.len())
                    .any(|window| window.iter().zip(words).all(|(a, b)| *a == b.norm))
            })
            .collect()
    }

    /// The value that is spelt almost like `words`, and by how many letters it differs.
    pub(crate) fn similar(&self, words: &[Token]) -> Option<(&Entry, usize)> {
        let asked = words
            .iter()
            .map(|word| word.norm.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        let length = asked.chars().count();
        // In words of seven and eight letters two may have changed places, however far apart.
        let most = if (SHORTEST_ANAGRAM..=LONGEST_ANAGRAM).contains(&length) {
            2
        } else {
            tolerance(length)?
        };
        let letter = asked.chars().next()?;
        let letters = letters_of(&asked);
        // Each changed letter sets one bit and clears another.
        let most_bits = 2 * u32::try_from(most).unwrap_or(u32::MAX / 2);
        (length.saturating_sub(most)..=length + most)
            .filter_map(|letters| {
                self.by_shape.get(&Shape {
                    letter,
                    words: words.len(),
                    letters,
                })
            })
            .flatten()
            .filter_map(|at| self.entries.get(*at))
            .filter(|entry| (entry.letters ^ letters).count_ones() <= most_bits)
            .take(MOST_COMPARED)
            .map(|entry| (entry, strsim::damerau_levenshtein(&asked, &entry.joined)))
            .filter(|(entry, distance)| {
                (1..=most).contains(distance)
                    && (Some(*distance) <= tolerance(length) || is_anagram(&asked, &entry.joined))
            })
            .min_by(|(a, a_distance), (b, b_distance)| {
                a_distance
                    .cmp(b_distance)
                    .then_with(|| b.weight.cmp(&a.weight))
                    .then_with(|| a.value.cmp(&b.value))
            })
    }
}

impl ValueIndex {
    /// The one name that a word of three or four letters is a slip for, where no other is as near.
    pub(crate) fn only_short(&self, word: &str, is_slip: impl Fn(&str) -> bool) -> Option<&Entry> {
        const CHARS: std::ops::RangeInclusive<usize> = 3..=4;
        let count = word.chars().count();
        let letter = word.chars().next().filter(|_| CHARS.contains(&count))?;
        let mut found = (count..=count + 1)
            .filter_map(|letters| {
                self.by_shape.get(&Shape {
                    letter,
                    words: 1,
                    letters,
                })
            })
            .flatten()
            .take(MOST_COMPARED)
            .filter_map(|at| self.entries.get(*at))
            .filter(|entry| strsim::damerau_levenshtein(word, &entry.joined) == 1 && is_slip(&entry.joined));
        let first = found.next()?;
        found.all(|other| other.joined == first.joined).then_some(first)
    }
}

const SHORTEST_ANAGRAM: usize = 7;
const LONGEST_ANAGRAM: usize = 8;

/// Whether two words have the same letters.
pub(crate) fn is_anagram(a: &str, b: &str) -> bool {
    let sorted = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}

/// How many letters a misspelt word may differ by; short words may not.
pub(crate) fn tolerance(length: usize) -> Option<usize> {
    match length {
        0..=4 => None,
        5..=8 => Some(1),
        _ => Some(2),
    }
}

/// What a phrase of the catalogue, or of English, means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meaning {
    Metric(usize),
    Dimension(usize),
    Rank(usize, Direction),
    /// A ranking of things by a number that they have themselves.
    RankOf(usize, Direction),
    /// A comparison with a metric.
    Condition(usize, Condition),
    Value {
        dimension: usize,
        value: String,
        weight: i64,
    },
    Key(Key),
}

#[derive(Clone, Debug)]
struct Phrase {
    stems: Vec<String>,
    meaning: Meaning,
}

/// The planner's own English, the same for every catalogue.
static ENGLISH: LazyLock<Phrases> = LazyLock::new(|| {
    let mut phrases = Phrases::default();
    for (phrase, key) in KEYS {
        phrases.add(phrase, Meaning::Key(*key));
    }
    for word in FILLERS.split_whitespace() {
        phrases.add(word, Meaning::Key(Key::Filler));
    }
    phrases
});

#[derive(Clone, Debug, Default)]
struct Phrases {
    by_first: HashMap<String, Vec<Phrase>>,
}

impl Phrases {
    fn add(&mut self, phrase: &str, meaning: Meaning) {
        self.add_words(tokens(phrase).into_iter().map(|token| token.stem).collect(), meaning);
    }

    fn add_words(&mut self, stems: Vec<String>, meaning: Meaning) {
        let Some(first) = stems.first().cloned() else { return };
        let phrases = self.by_first.entry(first).or_default();
        if !phrases
            .iter()
            .any(|phrase| phrase.stems == stems && phrase.meaning == meaning)
        {
            phrases.push(Phrase { stems, meaning });
        }
    }
}

/// Where a word is from, in the order in which a misspelt one is sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Catalogue,
    English,
    /// A month, which few slips of the finger make.
    Month,
    /// Says nothing by itself.
    Filler,
}

/// The words of the planner's own English, those about time among them.
static ENGLISH_WORDS: LazyLock<BTreeMap<String, Source>> = LazyLock::new(|| {
    let mut words: BTreeMap<String, Source> = BTreeMap::new();
    for word in FILLERS.split_whitespace() {
        words.insert(stem(word), Source::Filler);
    }
    for (phrase, key) in KEYS {
        let source = if matches!(key, Key::Filler | Key::Preposition) {
            Source::Filler
        } else {
            Source::English
        };
        for token in tokens(phrase) {
            // In "the number of" only one word says something.
            let known = words.get(&token.stem).copied();
            words.insert(
                token.stem,
                known.map_or(source, |known| {
                    if known == Source::Filler {
                        known
                    } else {
                        known.min(source)
                    }
                }),
            );
        }
    }
    for word in TIME_WORDS.split_whitespace() {
        words.insert(stem(word), Source::English);
    }
    for word in MONTHS.split_whitespace() {
        words.insert(stem(word), Source::Month);
    }
    for (phrase, _) in COMPARISONS.iter().chain(COMPARISONS_BEHIND) {
        for token in tokens(phrase) {
            words.entry(token.stem).or_insert(Source::English);
        }
    }
    words
});

static ENGLISH_PAIRS: LazyLock<HashSet<(String, String)>> = LazyLock::new(|| {
    KEYS.iter()
        .map(|(phrase, _)| *phrase)
        .chain(COMPARISONS.iter().chain(COMPARISONS_BEHIND).map(|(phrase, _)| *phrase))
        .flat_map(|phrase| {
            let words: Vec<String> = tokens(phrase).into_iter().map(|token| token.stem).collect();
            pairs(&words)
        })
        .collect()
});

fn pairs(words: &[String]) -> Vec<(String, String)> {
    words.iter().cloned().zip(words.iter().skip(1).cloned()).collect()
}

/// The phrases of one catalogue, beside those of English.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lexicon {
    own: Phrases,
    /// The words of its phrases.
    words: BTreeMap<String, Source>,
    /// Words that stand side by side in its phrases.
    pairs: HashSet<(String, String)>,
}

impl Lexicon {
    pub fn new(catalogue: &Catalogue, values: &ValueIndex) -> Lexicon {
        let mut lexicon = Lexicon::default();
        for word in &catalogue.fillers {
            lexicon.own.add(word, Meaning::Key(Key::Filler));
        }
        for (at, metric) in catalogue.metrics.iter().enumerate() {
            let own = [metric.name.replace('_', " "), metric.label.clone()];
            for phrase in own.iter().chain(&metric.synonyms).chain(metric.noun.iter().flatten()) {
                lexicon.own.add(phrase, Meaning::Metric(at));
            }
            for (phrase, direction) in &metric.ranks {
                lexicon.own.add(phrase, Meaning::Rank(at, *direction));
            }
            for (phrase, condition) in &metric.conditions {
                lexicon.own.add(phrase, Meaning::Condition(at, condition.clone()));
            }
            if let Some([most, least]) = &metric.superlative {
                lexicon.own.add(most, Meaning::Rank(at, Direction::Descending));
                lexicon.own.add(least, Meaning::Rank(at, Direction::Ascending));
            }
        }
        for (at, dimension) in catalogue.dimensions.iter().enumerate() {
            // What a metric is for one row goes by the metric's words.
            if dimension.of_metric.is_some() {
                continue;
            }
            for (phrase, direction) in &dimension.ranks {
                lexicon.own.add(phrase, Meaning::RankOf(at, *direction));
            }
            let own = [
                dimension.name.replace('_', " "),
                dimension.label.clone(),
                dimension.plural.clone(),
            ];
            // A part of time and a stretch of it share a name; the engine's own words tell them apart.
            let skip = usize::from(dimension.part.is_some() && is_grain_word(&dimension.name));
            for phrase in own.iter().skip(skip).chain(&dimension.synonyms) {
                lexicon.own.add(phrase, Meaning::Dimension(at));
            }
            for (value, others) in &dimension.aliases {
                let mut group: Vec<Vec<String>> = vec![norms(value)];
                group.extend(others.iter().map(|other| norms(other)));
                // Which of these names the data uses; the others mean it too.
                let Some(entry) = group.iter().find_map(|words| values.named(&dimension.name, words)) else {
                    continue;
                };
                for words in &group {
                    if *words != entry.words {
                        let meaning = Meaning::Value {
                            dimension: at,
                            value: entry.value.clone(),
                            weight: entry.weight,
                        };
                        lexicon
                            .own
                            .add_words(words.iter().map(|word| stem(word)).collect(), meaning);
                    }
                }
            }
        }
        for phrase in lexicon.own.by_first.values().flatten() {
            lexicon.pairs.extend(pairs(&phrase.stems));
            let source = match phrase.meaning {
                Meaning::Key(_) => Source::Filler,
                _ => Source::Catalogue,
            };
            for word in &phrase.stems {
                // "how much is a ticket" does not make "how" a word of the catalogue.
                if ENGLISH_WORDS.contains_key(word) {
                    continue;
                }
                let known = lexicon.words.entry(word.clone()).or_insert(source);
                *known = source.min(*known);
            }
        }
        lexicon
    }

    /// Whether a word means something, alone or as a part of a phrase.
    pub fn knows(&self, word: &Token) -> bool {
        self.words.contains_key(&word.stem)
            || ENGLISH_WORDS.contains_key(&word.stem)
            || crate::text::number(&word.norm).is_some()
            || crate::times::is_time_word(&word.norm)
    }

    /// Whether a word alone means something and is none that says nothing.
    pub fn is_word(&self, word: &str) -> bool {
        let source = self.words.get(word).or_else(|| ENGLISH_WORDS.get(word));
        source.is_some_and(|source| *source != Source::Filler)
    }

    /// Whether two words stand side by side in some phrase.
    pub fn has_pair(&self, first: &str, second: &str) -> bool {
        let pair = (first.to_owned(), second.to_owned());
        ENGLISH_PAIRS.contains(&pair) || self.pairs.contains(&pair)
    }

    /// Every word, and where it is from.
    pub fn vocabulary(&self) -> impl Iterator<Item = (&str, Source)> {
        self.words
            .iter()
            .chain(ENGLISH_WORDS.iter())
            .map(|(word, source)| (word.as_str(), *source))
    }

    /// The shortest word of the catalogue that begins so, where all such words mean the same.
    pub fn only_word_with_prefix(&self, prefix: &str, shortest: usize) -> Option<&str> {
        let mut found: Option<(&str, Vec<&Meaning>)> = None;
        for (word, phrases) in self.own.by_first.iter().filter(|(word, _)| word.starts_with(prefix)) {
            let meanings: Vec<&Meaning> = phrases
                .iter()
                .filter(|phrase| phrase.stems.len() == 1)
                .map(|phrase| &phrase.meaning)
                .filter(|meaning| matches!(meaning, Meaning::Metric(_) | Meaning::Dimension(_)))
                .collect();
            if meanings.is_empty() || word.len() < shortest {
                continue;
            }
            match &mut found {
                Some((_, others)) if *others != meanings => return None,
                Some((shorter, _)) if shorter.len() <= word.len() => {}
                _ => found = Some((word, meanings)),
            }
        }
        found.map(|(word, _)| word)
    }

    /// Phrases that stand at the beginning of `words`, and how many words they take.
    pub fn find<'a>(&'a self, words: &'a [Token]) -> impl Iterator<Item = (&'a Meaning, usize)> {
        words
            .first()
            .into_iter()
            .flat_map(|first| [self.own.by_first.get(&first.stem), ENGLISH.by_first.get(&first.stem)])
            .flatten()
            .flatten()
            .filter_map(move |phrase| {
                let fits = phrase.stems.len() <= words.len()
                    && phrase.stems.iter().zip(words).all(|(stem, word)| *stem == word.stem);
                fits.then_some((&phrase.meaning, phrase.stems.len()))
            })
    }
}

fn norms(text: &str) -> Vec<String> {
    tokens(text).into_iter().map(|token| token.norm).collect()
}

fn is_grain_word(name: &str) -> bool {
    concert_contract::query::Grain::ALL
        .iter()
        .any(|grain| grain.name() == name)
}
