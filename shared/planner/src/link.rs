//! Linking: which words of a question mean what. Every span of words gets the readings that fit it, and the
//! segmentation that explains the most words with the fewest links is taken.

use crate::{
    index::{Lexicon, Meaning, ValueIndex},
    text::{Token, number_at},
    times::{Time, time_at},
    words::{COMPARISONS, COMPARISONS_BEHIND, Key},
};
use concert_contract::{
    catalogue::{Catalogue, Condition},
    query::{Direction, Operator, Value},
};
use jiff::civil::Date;

/// What a span of words can mean.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reading {
    Metric(usize),
    Dimension(usize),
    Rank(usize, Direction),
    /// Ranks the things of a dimension's table by it.
    RankOf(usize, Direction),
    Condition(usize, Condition),
    Value {
        dimension: usize,
        value: String,
        weight: i64,
        how: Match,
    },
    /// Several values have these words in their name.
    Part {
        dimension: usize,
        text: String,
    },
    Time(Time),
    Compare(Operator, Vec<Value>),
    Number(f64),
    Key(Key),
}

/// How a value was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Match {
    Exact,
    /// By another word that the catalogue has for it: "England".
    Alias,
    Partial,
    Spelling,
}

/// A span of words and its readings, at least one.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub at: usize,
    pub length: usize,
    pub readings: Vec<Reading>,
    /// Recognised by its spelling only.
    pub is_guess: bool,
}

impl Link {
    pub fn end(&self) -> usize {
        self.at + self.length
    }

    pub fn key(&self) -> Option<Key> {
        self.readings.iter().find_map(|reading| match reading {
            Reading::Key(key) => Some(*key),
            _ => None,
        })
    }

    pub fn metric(&self) -> Option<usize> {
        self.readings.iter().find_map(|reading| match reading {
            Reading::Metric(at) => Some(*at),
            _ => None,
        })
    }

    pub fn dimension(&self) -> Option<usize> {
        self.readings.iter().find_map(|reading| match reading {
            Reading::Dimension(at) => Some(*at),
            _ => None,
        })
    }

    /// Whether it ranks things by a figure: "top", "most", "best attended".
    pub fn ranks(&self) -> bool {
        matches!(self.key(), Some(Key::RankThings(_) | Key::RankBy(_)))
            || self.readings.iter().any(|reading| matches!(reading, Reading::Rank(..)))
    }

    pub fn is_value(&self) -> bool {
        self.readings
            .iter()
            .any(|reading| matches!(reading, Reading::Value { .. } | Reading::Part { .. }))
    }
}

/// What each link costs, so that "best attended" is one ranking and not two.
const PER_LINK: i32 = 5;
/// The longest name that is looked for.
const MOST_WORDS: usize = 8;

pub(crate) struct Linker<'a> {
    pub catalogue: &'a Catalogue,
    pub values: &'a ValueIndex,
    pub lexicon: &'a Lexicon,
    pub today: Date,
}

impl Linker<'_> {
    /// The links of a question in order; the words that no link covers are not understood.
    pub fn link(&self, tokens: &[Token]) -> Vec<Link> {
        let mut links = self.segment(tokens, &self.candidates(tokens));
        // What is left over may be part of a name, or misspelt.
        let covered: Vec<bool> = (0..tokens.len())
            .map(|at| links.iter().any(|link| (link.at..link.end()).contains(&at)))
            .collect();
        let mut at = 0;
        while at < tokens.len() {
            if covered.get(at) == Some(&true) {
                at += 1;
                continue;
            }
            let free = covered.iter().skip(at).take_while(|covered| !**covered).count();
            match self.rescue(tokens, at, free) {
                Some(link) => {
                    at = link.end();
                    links.push(link);
                }
                None => at += 1,
            }
        }
        links.sort_by_key(|link| link.at);
        for link in &mut links {
            let words = tokens.get(link.at..link.end()).unwrap_or_default();
            link.is_guess |= words.iter().any(|word| word.is_corrected);
        }
        links
    }

    fn candidates(&self, tokens: &[Token]) -> Vec<(Link, i32)> {
        let mut found: Vec<(Link, i32)> = Vec::new();
        for at in 0..tokens.len() {
            let rest = tokens.get(at..).unwrap_or_default();
            let mut add = |length: usize, reading: Reading, bonus: i32| {
                let score = i32::try_from(length).unwrap_or(i32::MAX / 100) * 10 + bonus - PER_LINK;
                match found
                    .iter_mut()
                    .find(|(link, _)| link.at == at && link.length == length)
                {
                    Some((link, best)) => {
                        if !link.readings.contains(&reading) {
                            link.readings.push(reading);
                        }
                        *best = (*best).max(score);
                    }
                    None => found.push((
                        Link {
                            at,
                            length,
                            readings: vec![reading],
                            is_guess: false,
                        },
                        score,
                    )),
                }
            };
            if let Some((time, length)) = time_at(tokens, at, self.today) {
                add(length, Reading::Time(time), 4);
            }
            if let Some((op, values, length)) = compare_at(tokens, at) {
                // "over 1999" and "over the 90s" are times, "over 1,500" is a comparison.
                add(length, Reading::Compare(op, values), 5);
            }
            if let Some((number, length)) = number_at(tokens, at)
                && !matches!(rest.first().map(|t| t.norm.as_str()), Some("one" | "once" | "twice"))
            {
                add(length, Reading::Number(number), 1);
            }
            if let [rank, word, ..] = rest
                && word.stem == "percentile"
                && rank.norm.starts_with(|c: char| c.is_ascii_digit())
            {
                add(2, Reading::Key(Key::Percentile), 4);
            }
            for (meaning, length) in self.lexicon.find(rest) {
                match meaning {
                    Meaning::Metric(index) => add(length, Reading::Metric(*index), 3),
                    Meaning::Dimension(index) => add(length, Reading::Dimension(*index), 3),
                    Meaning::Rank(index, direction) => add(length, Reading::Rank(*index, *direction), 3),
                    Meaning::RankOf(index, direction) => add(length, Reading::RankOf(*index, *direction), 3),
                    Meaning::Condition(index, condition) => {
                        add(length, Reading::Condition(*index, condition.clone()), 3)
                    }
                    Meaning::Key(Key::Filler) => {
                        add(length, Reading::Key(Key::Filler), if length > 1 { 2 } else { -2 })
                    }
                    Meaning::Key(Key::Preposition) => add(length, Reading::Key(Key::Preposition), -1),
                    // "average attendance rate" is an average of a rate, and not an average attendance of something.
                    Meaning::Key(key @ Key::Beyond(_)) => add(length, Reading::Key(*key), 1),
                    Meaning::Key(key) => add(length, Reading::Key(*key), 2),
                    Meaning::Value {
                        dimension,
                        value,
                        weight,
                    } => {
                        if self.may_be_name(tokens, at, length) {
                            let reading = Reading::Value {
                                dimension: *dimension,
                                value: value.clone(),
                                weight: *weight,
                                how: Match::Alias,
                            };
                            add(length, reading, if length > 1 { 6 } else { 3 });
                        }
                    }
                }
            }
            for (entry, length) in self.values.exact(rest) {
                if !self.may_be_name(tokens, at, length)
                    && !self.stands_beside(tokens, at, length, &entry.dimension)
                    && !self.describes(tokens, at, length)
                {
                    continue;
                }
                let Some(dimension) = self.dimension_at(&entry.dimension) else {
                    continue;
                };
                let reading = Reading::Value {
                    dimension,
                    value: entry.value.clone(),
                    weight: entry.weight,
                    how: Match::Exact,
                };
                add(length, reading, if length > 1 { 6 } else { 4 });
            }
        }
        found
    }

    fn dimension_at(&self, name: &str) -> Option<usize> {
        self.catalogue
            .dimensions
            .iter()
            .position(|dimension| dimension.name == name)
    }

    /// Whether words that also mean something else may be a name: "US" is one, "us" is not; a venue called "Live"
    /// is one where it is written so and does not open the question.
    fn may_be_name(&self, tokens: &[Token], at: usize, length: usize) -> bool {
        const CODE_CHARS: usize = 3;
        let [word] = tokens.get(at..at + length).unwrap_or_default() else {
            return true;
        };
        let is_number = number_at(tokens, at).is_some();
        let is_word = is_number
            || self
                .lexicon
                .find(std::slice::from_ref(word))
                .any(|(meaning, _)| !matches!(meaning, Meaning::Value { .. }));
        if !is_word {
            return word.norm.chars().count() > 1 || word.is_upper();
        }
        let is_shouted = tokens.iter().all(Token::is_upper);
        let is_code = word.is_upper() && word.norm.chars().count() <= CODE_CHARS && !is_shouted && word.norm != "i";
        is_code || (word.is_capital() && at > 0 && !is_titled(tokens) && !is_number)
    }

    /// Whether another value of the dimension stands beside it: in "rock vs country" the country is a genre.
    fn stands_beside(&self, tokens: &[Token], at: usize, length: usize, dimension: &str) -> bool {
        let joins = |index: usize| {
            tokens
                .get(index)
                .is_some_and(|token| matches!(token.norm.as_str(), "vs" | "versus" | "and" | "or" | "to" | "with"))
        };
        let is_value = |from: usize, to: usize| {
            self.values
                .exact(tokens.get(from..to).unwrap_or_default())
                .any(|(entry, taken)| entry.dimension == dimension && taken == to - from)
        };
        let end = at + length;
        let behind = joins(end) && (end + 2..=tokens.len().min(end + 1 + MOST_WORDS)).any(|to| is_value(end + 1, to));
        let ahead =
            at > 1 && joins(at - 1) && (at.saturating_sub(1 + MOST_WORDS)..at - 1).any(|from| is_value(from, at - 1));
        behind || ahead
    }

    /// Whether a word that names a dimension as well stands as an adjective before things: "country concerts", "the
    /// country artists".
    fn describes(&self, tokens: &[Token], at: usize, length: usize) -> bool {
        let [word] = tokens.get(at..at + length).unwrap_or_default() else {
            return false;
        };
        let is_thing = tokens.get(at + length..).is_some_and(|rest| {
            self.lexicon.find(rest).any(|(meaning, _)| match meaning {
                Meaning::Dimension(index) => self
                    .catalogue
                    .dimensions
                    .get(*index)
                    .is_some_and(|dimension| dimension.key.is_some()),
                _ => false,
            })
        });
        let names_dimension = self
            .lexicon
            .find(std::slice::from_ref(word))
            .any(|(meaning, _)| matches!(meaning, Meaning::Dimension(_)));
        let is_asked = at
            .checked_sub(1)
            .and_then(|index| tokens.get(index))
            .is_some_and(|token| {
                matches!(
                    token.norm.as_str(),
                    "by" | "per" | "each" | "every" | "which" | "what" | "this" | "that"
                )
            });
        names_dimension && is_thing && !is_asked && !word.is_plural()
    }

    /// The best way to cut the question into links: dynamic programming from its end.
    fn segment(&self, tokens: &[Token], candidates: &[(Link, i32)]) -> Vec<Link> {
        let mut best: Vec<(i32, Option<&Link>)> = vec![(0, None); tokens.len() + 1];
        for at in (0..tokens.len()).rev() {
            let skip = best.get(at + 1).map_or(0, |(score, _)| *score);
            let mut choice = (skip, None);
            for (link, score) in candidates.iter().filter(|(link, _)| link.at == at) {
                let total = score + best.get(link.end()).map_or(0, |(score, _)| *score);
                if total > choice.0 {
                    choice = (total, Some(link));
                }
            }
            if let Some(slot) = best.get_mut(at) {
                *slot = choice;
            }
        }
        let mut links = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            match best.get(at).and_then(|(_, link)| *link) {
                Some(link) => {
                    links.push(link.clone());
                    at = link.end();
                }
                None => at += 1,
            }
        }
        links
    }

    /// A link for words that nothing else explains: part of a value's name, or something misspelt.
    fn rescue(&self, tokens: &[Token], at: usize, free: usize) -> Option<Link> {
        const SHORTEST_PART: usize = 4;
        const SHORTEST_UNNAMED_PART: usize = 6;
        for length in (1..=free.min(MOST_WORDS)).rev() {
            let words = tokens.get(at..at + length)?;
            let named = words.iter().any(Token::is_capital) || after_preposition(tokens, at);
            let long = words.iter().map(|word| word.norm.chars().count()).sum::<usize>() >= SHORTEST_PART;
            let is_plain = words.iter().all(|word| word.norm.chars().all(char::is_alphabetic));
            let is_long = words.iter().map(|word| word.norm.chars().count()).sum::<usize>() >= SHORTEST_UNNAMED_PART;
            if long && (named || is_plain && is_long) {
                let found = self.values.partial(words);
                let one = found.first().map(|first| first.value.clone());
                // In small letters, what only one name has.
                if !named && found.iter().any(|entry| Some(&entry.value) != one.as_ref()) {
                    continue;
                }
                if let Some(readings) = self.parts(&found, words) {
                    return Some(Link {
                        at,
                        length,
                        readings,
                        is_guess: !named,
                    });
                }
            }
            if let Some((entry, _)) = self.values.similar(words)
                && let Some(dimension) = self.dimension_at(&entry.dimension)
            {
                let reading = Reading::Value {
                    dimension,
                    value: entry.value.clone(),
                    weight: entry.weight,
                    how: Match::Spelling,
                };
                return Some(Link {
                    at,
                    length,
                    readings: vec![reading],
                    is_guess: true,
                });
            }
        }
        None
    }

    fn parts(&self, found: &[&crate::index::Entry], words: &[Token]) -> Option<Vec<Reading>> {
        let mut readings: Vec<Reading> = Vec::new();
        for (index, dimension) in self.catalogue.dimensions.iter().enumerate() {
            let mut of: Vec<_> = found.iter().filter(|entry| entry.dimension == dimension.name).collect();
            of.dedup_by(|a, b| a.value == b.value);
            match of.as_slice() {
                [] => {}
                [entry] => readings.push(Reading::Value {
                    dimension: index,
                    value: entry.value.clone(),
                    weight: entry.weight,
                    how: Match::Partial,
                }),
                _ => {
                    let text = words
                        .iter()
                        .map(|word| word.text.as_str())
                        .collect::<Vec<_>>()
                        .join(" ");
                    readings.push(Reading::Part { dimension: index, text });
                }
            }
        }
        (!readings.is_empty()).then_some(readings)
    }
}

/// Whether capitals say nothing: most words have one.
fn is_titled(tokens: &[Token]) -> bool {
    let written = tokens
        .iter()
        .filter(|token| token.text.chars().any(char::is_alphabetic))
        .count();
    tokens.iter().filter(|token| token.is_capital()).count() * 3 > written * 2
}

fn after_preposition(tokens: &[Token], at: usize) -> bool {
    let before = |steps: usize| {
        at.checked_sub(steps)
            .and_then(|i| tokens.get(i))
            .map(|token| token.norm.as_str())
    };
    let word = if before(1) == Some("the") { before(2) } else { before(1) };
    matches!(word, Some("at" | "in" | "by" | "for" | "from" | "near"))
}

/// "more than 20", "at least $5", "20 or more", "between 5 and 10", "20+".
fn compare_at(tokens: &[Token], at: usize) -> Option<(Operator, Vec<Value>, usize)> {
    let phrase_at = |phrase: &str, at: usize| {
        let mut length = 0;
        for word in phrase.split(' ') {
            if tokens.get(at + length).is_none_or(|token| token.norm != word) {
                return None;
            }
            length += 1;
        }
        Some(length)
    };
    for (phrase, op) in COMPARISONS {
        if let Some(lead) = phrase_at(phrase, at) {
            if let Some((number, length)) = number_at(tokens, at + lead) {
                return Some((*op, vec![value(number)], lead + length));
            }
            // "more than half full"
            if phrase_at("half", at + lead).is_some() {
                return Some((*op, vec![Value::Number(0.5)], lead + 1));
            }
        }
    }
    if phrase_at("between", at).is_some()
        && let Some((low, low_length)) = number_at(tokens, at + 1)
        && phrase_at("and", at + 1 + low_length).is_some()
        && let Some((high, high_length)) = number_at(tokens, at + 2 + low_length)
    {
        return Some((
            Operator::Between,
            vec![value(low.min(high)), value(high.max(low))],
            2 + low_length + high_length,
        ));
    }
    // "500 to 2,000 seats", "500-2000"
    let from = usize::from(phrase_at("from", at).is_some());
    if let Some((low, low_length)) = number_at(tokens, at + from) {
        let to = at + from + low_length;
        let skip = usize::from(phrase_at("to", to).is_some());
        let joined = skip == 1 || tokens.get(to).is_some_and(|token| token.after_dash);
        if joined
            && let Some((high, high_length)) = number_at(tokens, to + skip)
            && low < high
        {
            return Some((
                Operator::Between,
                vec![value(low), value(high)],
                from + low_length + skip + high_length,
            ));
        }
    }
    if let Some((low, high)) = tokens.get(at).and_then(|token| token.norm.split_once('-'))
        && let (Some(low), Some(high)) = (crate::text::number(low), crate::text::number(high))
        && low < high
    {
        return Some((Operator::Between, vec![value(low), value(high)], 1));
    }
    let (number, length) = number_at(tokens, at)?;
    for (phrase, op) in COMPARISONS_BEHIND {
        if let Some(behind) = phrase_at(phrase, at + length) {
            return Some((*op, vec![value(number)], length + behind));
        }
    }
    tokens
        .get(at)?
        .norm
        .ends_with('+')
        .then_some((Operator::GreaterOrEqual, vec![value(number)], 1))
}

fn value(number: f64) -> Value {
    const EXACT_TO: f64 = 9e15;
    if number.fract() == 0.0 && number.abs() < EXACT_TO {
        Value::Integer(number as i64)
    } else {
        Value::Number(number)
    }
}
