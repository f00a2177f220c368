//! Reading a question about things from left to right: what is listed or counted, under which conditions, in which
//! order. Each word gets one role by what stands around it; a word that gets none is said back.

mod conditions;
mod nouns;
mod target;
mod verbs;
mod words;

use super::{
    lex::{Hit, Span, Word, same_root},
    request::{By, Condition, Figure, Group, Related, Request},
    schema::{Kind, Schema},
};
use crate::text::Token;
use concert_contract::query::{Direction, Operator, Statistic, Value};
use jiff::civil::Date;

/// Rows of a ranking in the plural whose length nobody said.
const RANKED_ROWS: u32 = 10;
const MOST_RANKED_ROWS: f64 = 1000.0;

/// Verbs and the words of names that they speak of, where the words are no forms of each other.
const SPEAKS_OF: &[(&str, &[&str])] = &[
    ("born", &["birth", "birthday", "born", "dob", "birthdate"]),
    ("died", &["death", "died"]),
    ("earn", &["salary", "wage", "earnings", "income", "pay"]),
    ("paid", &["salary", "wage", "pay", "payment"]),
    ("cost", &["price", "cost", "fee", "fare"]),
    ("weigh", &["weight"]),
    ("founded", &["founded", "founding", "foundation", "established"]),
    ("released", &["release", "released", "year"]),
    ("published", &["publication", "published", "pub"]),
    ("registered", &["registration", "registered", "signup", "reg"]),
    ("returned", &["return", "returned", "ret"]),
    ("built", &["built", "construction"]),
    ("started", &["start", "begin"]),
    ("ended", &["end", "finish"]),
    ("borrowed", &["loan", "checkout"]),
    ("borrow", &["loan", "checkout"]),
    ("lent", &["loan"]),
    ("bought", &["order", "purchase", "sale", "invoice", "sold"]),
    ("sold", &["sale", "order", "invoice"]),
    ("spent", &["spent", "spend", "total", "amount"]),
    ("spend", &["spent", "spend", "total", "amount"]),
    ("written", &["author"]),
    ("wrote", &["author"]),
    ("teach", &["instructor", "teacher", "professor", "lecturer", "faculty"]),
    (
        "teaches",
        &["instructor", "teacher", "professor", "lecturer", "faculty"],
    ),
    ("taught", &["instructor", "teacher", "professor", "lecturer", "faculty"]),
    ("treated", &["physician", "doctor", "treatment"]),
    ("treats", &["physician", "doctor", "treatment"]),
    ("performed", &["performance", "artist", "singer", "performer"]),
    ("enrolled", &["enrolment", "enrollment", "registration"]),
    ("took", &["course", "enrolment"]),
    ("flew", &["flight"]),
    ("married", &["wedding", "spouse"]),
    ("tall", &["height"]),
    ("arrive", &["destination", "dest", "arrival", "to"]),
    ("arriving", &["destination", "dest", "arrival", "to"]),
    ("land", &["destination", "dest", "arrival"]),
    ("landing", &["destination", "dest", "arrival"]),
    ("depart", &["source", "origin", "departure", "src", "orig"]),
    ("departing", &["source", "origin", "departure", "src", "orig"]),
    ("leaving", &["source", "origin", "departure"]),
    ("old", &["age"]),
    ("aged", &["age"]),
    ("long", &["length", "duration"]),
];

pub(super) struct Reader<'a> {
    pub schema: &'a Schema,
    pub tokens: &'a [Token],
    pub spans: &'a [Span],
    pub state: State,
}

/// What has been read so far.
#[derive(Debug, Default)]
pub(super) struct State {
    pub request: Request,
    pub told: Vec<(usize, String)>,
    used: Vec<bool>,
    pub guesses: usize,
    /// Things that were spoken of, the last one last.
    context: Vec<usize>,
    /// The related thing that conditions are said of, by its place among the conditions.
    scope: Option<usize>,
    /// The span of a "not" that nothing has taken yet.
    negation: Option<usize>,
    /// The attribute that a comparison which follows is about.
    subject: Option<usize>,
    statistics: Vec<(usize, Option<Statistic>)>,
    rank: Option<PendingRank>,
    number: Option<(usize, f64)>,
    is_counting: bool,
    groups: bool,
    sorts: bool,
    is_sorting: bool,
    asks_how_much: bool,
    is_list_by: bool,
    is_selecting: bool,
    is_both: bool,
    /// Whether the last joining word was "or".
    is_or: bool,
    last_hit: Option<usize>,
    fails: bool,
}

#[derive(Clone, Copy, Debug)]
struct PendingRank {
    span: usize,
    direction: Direction,
    rows: Option<u32>,
}

impl<'a> Reader<'a> {
    /// None where the question asks for more than things can answer.
    pub fn read(mut self) -> Option<State> {
        if self
            .spans
            .iter()
            .any(|span| span.is(Word::Beyond) && !span.says_something())
        {
            return None;
        }
        self.state.used = vec![false; self.spans.len()];
        self.state.request.thing = self.target()?;
        self.state.is_selecting = true;
        let mut at = 0;
        while at < self.spans.len() {
            if !self.is_used(at) {
                self.step(at);
            }
            if self.state.fails {
                return None;
            }
            at += 1;
        }
        self.end()?;
        (!self.state.fails).then_some(self.state)
    }

    /// The spans that no reading has taken, and that say something.
    pub fn unknown(state: &State, spans: &[Span]) -> Vec<usize> {
        spans
            .iter()
            .zip(&state.used)
            .filter(|(span, used)| {
                !**used
                    && !matches!(
                        span.word,
                        Some(
                            Word::Filler
                                | Word::List
                                | Word::Which
                                | Word::Who
                                | Word::Is
                                | Word::Of
                                | Word::In
                                | Word::And
                                | Word::With
                                | Word::Verb
                                | Word::Than
                                | Word::By
                                | Word::HowMany
                                | Word::Distinct
                                | Word::Or
                        )
                    )
            })
            .flat_map(|(span, _)| span.at..span.end())
            .collect()
    }

    fn span(&self, at: usize) -> Option<&'a Span> {
        self.spans.get(at)
    }

    fn is_used(&self, at: usize) -> bool {
        self.state.used.get(at) == Some(&true)
    }

    fn take(&mut self, at: usize, meaning: impl Into<String>) {
        if let Some(used) = self.state.used.get_mut(at)
            && !*used
        {
            *used = true;
            self.state.told.push((at, meaning.into()));
            if self.spans.get(at).is_some_and(|span| span.is_guess) {
                self.state.guesses += 1;
            }
        }
    }

    fn word_at(&self, at: usize) -> &'a str {
        self.span(at)
            .and_then(|span| self.tokens.get(span.at))
            .map_or("", |token| token.norm.as_str())
    }

    /// The next span that is more than a word of the sentence.
    fn next(&self, at: usize) -> Option<usize> {
        (at + 1..self.spans.len()).find(|index| {
            self.span(*index).is_some_and(|span| {
                !span.is_light() && !matches!(span.word, Some(Word::Of | Word::Is | Word::In | Word::Distinct))
                    || span.says_something() && !span.is(Word::Is)
            })
        })
    }

    fn before(&self, at: usize) -> Option<usize> {
        (0..at).rev().find(|index| {
            self.span(*index)
                .is_some_and(|span| !span.is_light() && !matches!(span.word, Some(Word::Of | Word::Is | Word::In)))
        })
    }

    fn is_plural(&self, at: usize) -> bool {
        self.span(at)
            .and_then(|span| self.tokens.get(span.end().checked_sub(1)?))
            .is_some_and(Token::is_plural)
    }

    fn kind(&self, attribute: usize) -> Kind {
        self.schema.attributes.get(attribute).map_or(Kind::Text, |a| a.kind)
    }

    fn name(&self, attribute: usize) -> String {
        self.schema
            .attributes
            .get(attribute)
            .map_or_else(String::new, |a| a.column.replace('_', " "))
    }

    fn noun(&self, thing: usize) -> String {
        self.schema
            .things
            .get(thing)
            .map_or_else(String::new, |thing| thing.count.replace('_', " "))
    }

    fn step(&mut self, at: usize) {
        let Some(span) = self.span(at) else { return };
        if let Some(word) = span.word
            && self.word(at, word)
        {
            return;
        }
        if self.is_used(at) {
            return;
        }
        if !span.comparatives.is_empty() {
            self.comparative(at);
        } else if !span.ranks.is_empty() || !span.metric_ranks.is_empty() {
            self.superlative(at);
        } else if let Some(days) = span.days.filter(|_| !self.is_plain_number(at)) {
            self.time(at, self.whole_year(at, days));
        } else if let Some(number) = span.number {
            self.number(at, number);
        } else if self.is_noun(at) {
            self.thing(at);
        } else if !span.metrics.is_empty() {
            self.metric(at);
        } else if !span.hits.is_empty() && (span.attributes.is_empty() || self.reads_as_value(at)) {
            self.hit(at);
        } else if !span.attributes.is_empty() {
            let target = self.state.request.thing;
            let near = |options: &[usize]| options.iter().any(|a| self.sees(target, *a));
            let options = if !near(&span.attributes) && near(&span.parts) {
                &span.parts
            } else {
                &span.attributes
            };
            self.attribute_at(at, options);
        } else if !span.parts.is_empty() {
            self.attribute_at(at, &span.parts);
        }
    }

    /// What is still open at the end.
    fn end(&mut self) -> Option<()> {
        if self.state.negation.is_some() || !self.state.statistics.is_empty() || self.state.is_counting {
            return None;
        }
        if let Some(rank) = self.state.rank.take() {
            // "the most" of a thing that only one related thing can be counted for.
            match self.schema.referring(self.state.request.thing).as_slice() {
                [only] => {
                    self.take(rank.span, "the most or the least");
                    self.state.guesses += 1;
                    self.rank_by(By::Figure(Figure::Count(*only)), rank.direction, rank.rows, rank.span);
                }
                _ => return None,
            }
        }
        if let Some((By::Attribute(usize::MAX), _)) = self.state.request.order {
            return None;
        }
        self.whom();
        self.how_much();
        Some(())
    }
}

fn is_same_attribute(conditions: &[Condition], attribute: usize) -> bool {
    conditions
        .iter()
        .any(|condition| matches!(condition, Condition::Is { attribute: of, .. } if *of == attribute))
}

/// The values that an attribute is already compared with.
fn find_values(conditions: &mut [Condition], attribute: usize, wanted: Operator) -> Option<&mut Vec<Value>> {
    for condition in conditions {
        match condition {
            Condition::Is {
                attribute: of,
                op,
                values,
            } if *of == attribute && *op == wanted => return Some(values),
            Condition::Related(related) if !related.is_apart => {
                if let Some(values) = find_values(&mut related.conditions, attribute, wanted) {
                    return Some(values);
                }
            }
            _ => {}
        }
    }
    None
}

fn number_value(number: f64) -> Value {
    const EXACT_TO: f64 = 9e15;
    if number.fract() == 0.0 && number.abs() < EXACT_TO {
        Value::Integer(number as i64)
    } else {
        Value::Number(number)
    }
}
