//! The words of a question about things: which spans stand for things, attributes, values, numbers and times, and which
//! are words of the language. The cut that explains the most with the fewest spans is taken.

use super::{
    schema::{Kind, Schema, Sense},
    words::{FILLERS, VERBS, WORDS},
};
use crate::{
    index::ValueIndex,
    text::{Token, number_at},
    times::{Time, time_at},
};
use concert_contract::{
    catalogue::Catalogue,
    query::{Direction, Operator, Period, Statistic},
};
use jiff::civil::Date;

/// A word of the language.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Word {
    HowMany,
    Which,
    List,
    By,
    And,
    Or,
    Not,
    Without,
    With,
    Who,
    Statistic(Statistic),
    Total,
    /// "most", "highest".
    Most,
    Least,
    Top,
    Bottom,
    /// "most common".
    Common(Direction),
    Compare(Operator),
    Between,
    /// "before", "after" where no day follows.
    Before,
    After,
    SortBy,
    Sorted(Direction),
    Distinct,
    Both,
    Contains,
    StartsWith,
    /// "above the average".
    Average(Operator),
    Is,
    Of,
    In,
    Than,
    Share,
    /// "when", "in which year".
    When,
    /// "year", where no attribute is one.
    Year,
    /// "most often".
    Often(Direction),
    /// "most recently".
    Recent(Direction),
    /// "sort", where "by" follows.
    Sort,
    HowMuch,
    /// Words that ask for more than things can answer.
    Beyond,
    Verb,
    Filler,
}

/// A value of an attribute that has these words.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hit {
    pub attribute: usize,
    pub value: String,
    pub weight: i64,
}

/// A span of a question and everything that it may stand for.
#[derive(Clone, Debug, Default)]
pub(super) struct Span {
    pub at: usize,
    pub length: usize,
    pub things: Vec<usize>,
    pub attributes: Vec<usize>,
    /// Attributes of which it is one word.
    pub parts: Vec<usize>,
    pub metrics: Vec<usize>,
    pub hits: Vec<Hit>,
    pub ranks: Vec<(usize, Direction)>,
    pub metric_ranks: Vec<(usize, Direction)>,
    /// "older": more of an attribute, or less.
    pub comparatives: Vec<(usize, Direction)>,
    pub number: Option<f64>,
    pub days: Option<(Option<Date>, Option<Date>)>,
    pub word: Option<Word>,
    pub is_guess: bool,
    /// Says that an attribute does not hold.
    pub is_opposite: bool,
}

impl Span {
    pub fn end(&self) -> usize {
        self.at + self.length
    }

    pub fn is(&self, word: Word) -> bool {
        self.word == Some(word)
    }

    pub fn is_light(&self) -> bool {
        matches!(self.word, Some(Word::Filler | Word::List | Word::Verb)) && !self.says_something()
    }

    pub fn says_something(&self) -> bool {
        !self.things.is_empty() || !self.attributes.is_empty() || !self.hits.is_empty() || !self.metrics.is_empty()
    }

    pub fn is_unknown(&self) -> bool {
        self.word.is_none()
            && !self.says_something()
            && self.parts.is_empty()
            && self.ranks.is_empty()
            && self.metric_ranks.is_empty()
            && self.comparatives.is_empty()
            && self.number.is_none()
            && self.days.is_none()
    }
}

/// Whether a phrase is one of the language's own.
pub(super) fn is_word(phrase: &str) -> bool {
    WORDS.iter().any(|(word, _)| *word == phrase)
}

pub(super) struct Lexer<'a> {
    pub catalogue: &'a Catalogue,
    pub values: &'a ValueIndex,
    pub schema: &'a Schema,
    pub today: Date,
}

impl Lexer<'_> {
    pub fn spans(&self, tokens: &[Token]) -> Vec<Span> {
        let candidates = self.candidates(tokens);
        let mut best: Vec<(i32, Option<usize>)> = vec![(0, None); tokens.len() + 1];
        for at in (0..tokens.len()).rev() {
            let mut choice = (best.get(at + 1).map_or(0, |(score, _)| *score), None);
            for (index, (span, score)) in candidates.iter().enumerate() {
                if span.at != at {
                    continue;
                }
                let total = score + best.get(span.end()).map_or(0, |(score, _)| *score);
                if total > choice.0 {
                    choice = (total, Some(index));
                }
            }
            if let Some(slot) = best.get_mut(at) {
                *slot = choice;
            }
        }
        let mut spans = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let chosen = best.get(at).and_then(|(_, index)| *index);
            let span = match chosen.and_then(|index| candidates.get(index)) {
                Some((span, _)) => span.clone(),
                None => self.rescue(tokens, at),
            };
            at = span.end();
            spans.push(span);
        }
        spans
    }

    fn candidates(&self, tokens: &[Token]) -> Vec<(Span, i32)> {
        let mut found: Vec<(Span, i32)> = Vec::new();
        for at in 0..tokens.len() {
            let rest = tokens.get(at..).unwrap_or_default();
            let mut add = |length: usize, bonus: i32, change: &dyn Fn(&mut Span)| {
                let score = i32::try_from(length).unwrap_or(i32::MAX / 100) * 10 + bonus - 5;
                let place = found
                    .iter()
                    .position(|(span, _)| span.at == at && span.length == length);
                let place = place.unwrap_or_else(|| {
                    let span = Span {
                        at,
                        length,
                        ..Span::default()
                    };
                    found.push((span, score));
                    found.len() - 1
                });
                if let Some((span, best)) = found.get_mut(place) {
                    change(span);
                    *best = (*best).max(score);
                }
            };
            for (sense, length) in self.schema.find(rest) {
                match sense {
                    Sense::Thing(thing) => add(length, 3, &|span| span.things.push(*thing)),
                    Sense::Attribute(attribute) => add(length, 3, &|span| span.attributes.push(*attribute)),
                    Sense::PartOfAttribute(attribute) => add(length, -2, &|span| span.parts.push(*attribute)),
                    Sense::Metric(metric) => add(length, 2, &|span| span.metrics.push(*metric)),
                    Sense::Rank(attribute, direction) => {
                        add(length, 3, &|span| span.ranks.push((*attribute, *direction)));
                    }
                    Sense::RankByMetric(metric, direction) => {
                        add(length, 3, &|span| span.metric_ranks.push((*metric, *direction)));
                    }
                }
            }
            self.comparatives(rest, &mut add);
            if let Some(attribute) = rest.first().and_then(|word| self.opposite(word)) {
                add(1, 3, &|span| {
                    span.attributes.push(attribute);
                    span.is_opposite = true;
                });
            }
            for (phrase, word) in WORDS {
                let length = phrase.split(' ').count();
                if length <= rest.len() && phrase.split(' ').zip(rest).all(|(word, token)| word == token.norm) {
                    add(length, 2, &|span| span.word = Some(*word));
                }
            }
            let Some(first) = rest.first() else { continue };
            if FILLERS.split_whitespace().any(|word| word == first.norm) {
                add(1, -2, &|span| span.word = span.word.or(Some(Word::Filler)));
            } else if VERBS.split_whitespace().any(|word| word == first.norm) {
                add(1, -3, &|span| span.word = span.word.or(Some(Word::Verb)));
            }
            for word in &self.catalogue.fillers {
                let words: Vec<&str> = word.split(' ').collect();
                if words.len() <= rest.len() && words.iter().zip(rest).all(|(word, token)| *word == token.norm) {
                    add(words.len(), -3, &|span| span.word = span.word.or(Some(Word::Verb)));
                }
            }
            if let Some((number, length)) = number_at(tokens, at)
                && !matches!(first.norm.as_str(), "once" | "twice" | "a")
            {
                add(length, 2, &|span| span.number = Some(number));
            }
            if let Some((Time::Period(period), length)) = time_at(tokens, at, self.today)
                && let Some(days) = self.days(&period)
            {
                add(length, 3, &|span| span.days = Some(days));
            }
            for (entry, length) in self.values.exact(rest) {
                let Some(attribute) = self
                    .catalogue
                    .dimensions
                    .iter()
                    .position(|dimension| dimension.name == entry.dimension)
                    .and_then(|dimension| self.schema.attribute_of(dimension))
                else {
                    continue;
                };
                // A word of the language is a name only where it is written as one.
                let is_short = length == 1 && first.norm.chars().count() < 2 && !first.is_upper();
                let is_common = length == 1
                    && !first.is_capital()
                    && (number_at(tokens, at).is_some()
                        || WORDS.iter().any(|(phrase, _)| *phrase == first.norm)
                        || FILLERS.split_whitespace().any(|word| word == first.norm));
                if is_short || is_common {
                    continue;
                }
                let hit = Hit {
                    attribute,
                    value: entry.value.clone(),
                    weight: entry.weight,
                };
                add(length, if length > 1 { 6 } else { 4 }, &|span| {
                    span.hits.push(hit.clone())
                });
            }
            self.aliases(rest, &mut add);
        }
        found
    }

    /// Other words for values, and values in the plural: "dogs".
    fn aliases(&self, rest: &[Token], add: &mut impl FnMut(usize, i32, &dyn Fn(&mut Span))) {
        let Some(first) = rest.first() else { return };
        let singular = |length: usize| -> Vec<Token> {
            let mut words: Vec<Token> = rest.get(..length).unwrap_or_default().to_vec();
            if let Some(last) = words.last_mut() {
                last.norm = last.stem.clone();
            }
            words
        };
        for length in 1..=rest.len().min(4) {
            let words = singular(length);
            if words
                .last()
                .is_some_and(|word| word.norm == rest.get(length - 1).map_or("", |t| t.norm.as_str()))
            {
                continue;
            }
            for (entry, taken) in self.values.exact(&words) {
                if taken != length {
                    continue;
                }
                if let Some(attribute) = self.attribute_named(&entry.dimension) {
                    let hit = Hit {
                        attribute,
                        value: entry.value.clone(),
                        weight: entry.weight,
                    };
                    add(length, 2, &|span| span.hits.push(hit.clone()));
                }
            }
        }
        for (at, dimension) in self.catalogue.dimensions.iter().enumerate() {
            let Some(attribute) = self.schema.attribute_of(at) else {
                continue;
            };
            for (value, others) in &dimension.aliases {
                for other in others {
                    let words: Vec<&str> = other.split(' ').collect();
                    let fits = words.len() <= rest.len()
                        && words
                            .iter()
                            .zip(rest)
                            .all(|(word, token)| *word == token.norm || *word == token.stem);
                    // "us" is a word, "US" a country.
                    let is_word = words.len() == 1 && first.norm.len() <= 2 && !first.is_upper();
                    if !fits || is_word {
                        continue;
                    }
                    let known = self.values.named(
                        &dimension.name,
                        &crate::text::tokens(value)
                            .into_iter()
                            .map(|token| token.norm)
                            .collect::<Vec<_>>(),
                    );
                    if let Some(entry) = known {
                        let hit = Hit {
                            attribute,
                            value: entry.value.clone(),
                            weight: entry.weight,
                        };
                        add(words.len(), 3, &|span| span.hits.push(hit.clone()));
                    }
                }
            }
        }
    }

    /// "inactive", where things are active or not.
    fn opposite(&self, word: &Token) -> Option<usize> {
        let root = ["in", "un", "non", "dis"]
            .iter()
            .find_map(|prefix| word.stem.strip_prefix(prefix))?;
        self.schema.single_words().find_map(|(name, sense)| match sense {
            Sense::Attribute(attribute) | Sense::PartOfAttribute(attribute) if name == root => self
                .schema
                .attributes
                .get(*attribute)
                .is_some_and(|a| a.kind == Kind::Truth)
                .then_some(*attribute),
            _ => None,
        })
    }

    fn attribute_named(&self, dimension: &str) -> Option<usize> {
        let at = self.catalogue.dimensions.iter().position(|d| d.name == dimension)?;
        self.schema.attribute_of(at)
    }

    /// "older than", "more expensive than": from the words that rank.
    fn comparatives(&self, rest: &[Token], add: &mut impl FnMut(usize, i32, &dyn Fn(&mut Span))) {
        let Some(first) = rest.first() else { return };
        let (superlative, length) = match first.norm.as_str() {
            "more" => ("most", 2),
            "less" => ("least", 2),
            word => match word.strip_suffix("er") {
                Some(_) => ("", 1),
                None => return,
            },
        };
        if rest.get(length).is_none_or(|word| word.norm != "than") {
            return;
        }
        let words: Vec<Token> = if length == 2 {
            let mut words = rest.get(..2).unwrap_or_default().to_vec();
            if let Some(word) = words.first_mut() {
                superlative.clone_into(&mut word.norm);
                superlative.clone_into(&mut word.stem);
            }
            words
        } else {
            let mut word = first.clone();
            word.norm = format!("{}est", word.norm.strip_suffix("er").unwrap_or(&word.norm));
            word.stem.clone_from(&word.norm);
            vec![word]
        };
        for (sense, taken) in self.schema.find(&words) {
            if taken == length
                && let Sense::Rank(attribute, direction) = sense
            {
                add(length, 4, &|span| span.comparatives.push((*attribute, *direction)));
            }
        }
    }

    fn days(&self, period: &Period) -> Option<(Option<Date>, Option<Date>)> {
        let days = period.resolve(self.today).ok()?;
        (days.from.is_some() || days.to.is_some()).then_some((days.from, days.to))
    }

    /// What is left over: a word of another form ("prescriptions"), part of a name, or misspelt.
    fn rescue(&self, tokens: &[Token], at: usize) -> Span {
        let mut span = Span {
            at,
            length: 1,
            ..Span::default()
        };
        let Some(token) = tokens.get(at) else { return span };
        for (word, sense) in self.schema.single_words() {
            if !same_root(word, &token.stem) {
                continue;
            }
            match sense {
                Sense::Thing(thing) => span.things.push(*thing),
                Sense::Attribute(attribute) | Sense::PartOfAttribute(attribute) => span.parts.push(*attribute),
                _ => {}
            }
        }
        if !span.is_unknown() {
            return span;
        }
        let before = |steps: usize| {
            at.checked_sub(steps)
                .and_then(|i| tokens.get(i))
                .map(|t| t.norm.as_str())
        };
        let is_named = token.is_capital() && at > 0 || matches!(before(1), Some("in" | "at" | "by" | "from" | "for"));
        if is_named && token.norm.chars().count() > 2 {
            let length = tokens.iter().skip(at).take_while(|t| t.is_capital()).count().max(1);
            for length in (1..=length).rev() {
                let words = tokens.get(at..at + length).unwrap_or_default();
                let found = self.values.partial(words);
                for entry in &found {
                    if let Some(attribute) = self.attribute_named(&entry.dimension) {
                        span.hits.push(Hit {
                            attribute,
                            value: entry.value.clone(),
                            weight: entry.weight,
                        });
                    }
                }
                if !span.hits.is_empty() {
                    span.length = length;
                    span.is_guess = true;
                    return span;
                }
            }
        }
        for length in (1..=3.min(tokens.len() - at)).rev() {
            let words = tokens.get(at..at + length).unwrap_or_default();
            if let Some((entry, _)) = self.values.similar(words)
                && let Some(attribute) = self.attribute_named(&entry.dimension)
            {
                span.hits.push(Hit {
                    attribute,
                    value: entry.value.clone(),
                    weight: entry.weight,
                });
                span.length = length;
                span.is_guess = true;
                return span;
            }
        }
        if let Some(most) = crate::index::tolerance(token.stem.chars().count()) {
            let mut near: Vec<(usize, &str, &Sense)> = self
                .schema
                .single_words()
                .map(|(word, sense)| (strsim::damerau_levenshtein(word, &token.stem), word, sense))
                .filter(|(distance, ..)| *distance <= most)
                .collect();
            near.sort_by_key(|(distance, word, _)| (*distance, *word));
            let nearest = near.first().map(|(distance, word, _)| (*distance, *word));
            for (distance, word, sense) in near {
                if Some((distance, word)) == nearest {
                    match sense {
                        Sense::Thing(thing) => span.things.push(*thing),
                        Sense::Attribute(attribute) => span.attributes.push(*attribute),
                        _ => continue,
                    }
                    span.is_guess = true;
                }
            }
        }
        span
    }
}

/// Whether two words are forms of one: "prescription" and "prescribes", "hired" and "hire".
pub(super) fn same_root(one: &str, other: &str) -> bool {
    const ENDINGS: [&str; 21] = [
        "ations", "ation", "ments", "ment", "ions", "ion", "ings", "ing", "ers", "er", "ors", "or", "ance", "als",
        "al", "ed", "es", "e", "s", "ity", "y",
    ];
    const SHORTEST_ROOT: usize = 3;
    let root = |word: &str| {
        let cut = ENDINGS
            .iter()
            .find_map(|ending| word.strip_suffix(ending).filter(|root| root.len() >= SHORTEST_ROOT));
        let root = cut.unwrap_or(word);
        // "shipped", "running"
        let mut chars: Vec<char> = root.chars().collect();
        if let [.., a, b] = chars.as_slice()
            && a == b
            && chars.len() > SHORTEST_ROOT
        {
            chars.pop();
        }
        chars.into_iter().collect::<String>()
    };
    let (a, b) = (root(one), root(other));
    let (short, long) = if one.len() < other.len() {
        (one, other)
    } else {
        (other, one)
    };
    if a == b || short.len() >= SHORTEST_ROOT && matches!(long.strip_prefix(short), Some("d" | "s" | "ed" | "ing")) {
        return true;
    }
    // "prescription" and "prescribe": most of the longer root is shared.
    let shared = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
    let longest = a.chars().count().max(b.chars().count());
    shared >= 5 && shared + 2 >= longest
}
