//! Reading a question about things from left to right: what is listed or counted, under which conditions, in which
//! order. Each word gets one role by what stands around it; a word that gets none is said back.

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

    // Whose rows are meant

    fn target(&self) -> Option<usize> {
        let is_after = |at: usize, words: &[Word]| {
            self.before_words(at).is_some_and(|before| {
                self.span(before)
                    .is_some_and(|s| s.word.is_some_and(|w| words.contains(&w)))
            })
        };
        // "how many singers", wherever it stands.
        let counted = self.spans.iter().enumerate().find_map(|(at, span)| {
            if !span.is(Word::HowMany) {
                return None;
            }
            self.counted_noun(at)
        });
        if let Some(at) = counted {
            let is_ranked = self.before(at).is_some_and(|how| self.is_rank_word_before(how));
            if !is_ranked {
                return self.best_thing(at);
            }
        }
        let nouns: Vec<usize> = (0..self.spans.len())
            .filter(|at| self.span(*at).is_some_and(|span| !span.things.is_empty()))
            .filter(|at| !is_after(*at, &[Word::By]) || !self.has_figures())
            .collect();
        let head = (0..self.spans.len()).find(|at| {
            self.span(*at)
                .is_some_and(|span| (!span.things.is_empty() || !span.attributes.is_empty()) && !span.is(Word::Is))
        });
        // "the code and channel of the latest cartoon" is about cartoons.
        let owner = head.and_then(|head| {
            let is_owner = |at: &usize| {
                let before = (head..*at).rev().find(|index| {
                    self.span(*index).is_some_and(|span| {
                        !span.is_light() && span.ranks.is_empty() && !matches!(span.word, Some(Word::Recent(_)))
                    })
                });
                before.is_some_and(|before| self.span(before).is_some_and(|span| span.is(Word::Of)))
                    && (head..*at).all(|index| {
                        self.span(index).is_some_and(|span| {
                            span.is_light()
                                || span.says_something()
                                || !span.ranks.is_empty()
                                || matches!(span.word, Some(Word::And | Word::Of | Word::Recent(_)))
                        })
                    })
            };
            nouns.iter().copied().find(is_owner)
        });
        let is_attribute = head.is_some_and(|head| self.span(head).is_some_and(|span| span.things.is_empty()));
        let first = owner.filter(|_| is_attribute).or(nouns.first().copied());
        match (head, first) {
            (Some(head), Some(first)) if head < first => {
                // "cities with more than 3 customers" is about cities.
                let counts = self.is_counted_noun(first);
                if counts {
                    self.attribute_thing(head, &nouns)
                } else {
                    self.best_thing(first)
                }
            }
            // "who owns the most dogs"
            (_, Some(first)) if self.spans.first().is_some_and(|s| s.is(Word::Who)) && self.is_counted_noun(first) => {
                let counted = self.best_thing(first)?;
                let agent = (0..first)
                    .filter(|at| self.span(*at).is_some_and(|span| span.is(Word::Verb)))
                    .flat_map(|at| self.things_of_verb(at))
                    .find(|thing| *thing != counted && self.schema.connector(*thing, counted).is_some());
                let person = self
                    .schema
                    .person
                    .filter(|person| *person != counted && self.schema.connector(*person, counted).is_some());
                agent.or(person).or(Some(counted))
            }
            (_, Some(first)) => self.best_thing(first),
            _ => {
                let by_votes = self.by_votes()?;
                let asks_who = self.spans.first().is_some_and(|span| span.is(Word::Who));
                match self.schema.person {
                    Some(person) if asks_who && self.schema.reaches(by_votes, person) => Some(person),
                    _ => Some(by_votes),
                }
            }
        }
    }

    /// The thing that is counted, words that only narrow it aside: "how many active female members".
    fn counted_noun(&self, at: usize) -> Option<usize> {
        let mut index = self.next(at)?;
        loop {
            let span = self.span(index)?;
            if self.is_thing(span) {
                return Some(index);
            }
            let narrows = !span.hits.is_empty()
                || !span.ranks.is_empty()
                || span.is(Word::Distinct)
                || span.attributes.iter().any(|a| self.kind(*a) == Kind::Truth);
            if !narrows {
                return None;
            }
            index += 1;
        }
    }

    fn counted_noun_follows(&self, at: usize) -> Option<usize> {
        let how = (0..at)
            .rev()
            .find(|index| self.span(*index).is_some_and(|span| span.is(Word::HowMany)))?;
        self.counted_noun(how)
    }

    fn is_thing(&self, span: &Span) -> bool {
        !span.things.is_empty()
    }

    fn attribute_thing(&self, at: usize, nouns: &[usize]) -> Option<usize> {
        let span = self.span(at)?;
        let related: Vec<usize> = nouns.iter().filter_map(|noun| self.best_thing(*noun)).collect();
        span.attributes
            .iter()
            .filter_map(|a| self.schema.attributes.get(*a))
            .map(|a| a.thing)
            .min_by_key(|thing| {
                related
                    .first()
                    .and_then(|other| self.schema.distance(*thing, *other))
                    .unwrap_or(usize::MAX)
            })
    }

    fn has_figures(&self) -> bool {
        self.spans.iter().any(|span| {
            matches!(
                span.word,
                Some(Word::HowMany | Word::Statistic(_) | Word::Total | Word::Most | Word::Least)
            ) || !span.metrics.is_empty()
        })
    }

    /// The span right before, words without a meaning aside.
    fn before_words(&self, at: usize) -> Option<usize> {
        (0..at)
            .rev()
            .find(|index| self.span(*index).is_some_and(|span| !span.is_light()))
    }

    fn is_rank_word_before(&self, at: usize) -> bool {
        self.before_words(at).is_some_and(|before| {
            matches!(
                self.span(before).and_then(|span| span.word),
                Some(Word::Most | Word::Least | Word::Top)
            )
        })
    }

    /// "more than 3 customers", "the most customers".
    fn is_counted_noun(&self, at: usize) -> bool {
        let Some(before) = self.before(at) else { return false };
        self.span(before).is_some_and(|span| {
            matches!(
                span.word,
                Some(Word::Most | Word::Least | Word::Common(_) | Word::Without | Word::Compare(_))
            ) || span.number.is_some() && span.word.is_none()
        })
    }

    fn sees(&self, thing: usize, attribute: usize) -> bool {
        self.schema
            .attributes
            .get(attribute)
            .is_some_and(|a| self.schema.reaches(thing, a.thing))
    }

    /// Of several things of one name the one that the rest of the question is about.
    fn best_thing(&self, at: usize) -> Option<usize> {
        let span = self.span(at)?;
        match span.things.as_slice() {
            [] => None,
            [thing] => Some(*thing),
            several => {
                let votes = self.votes();
                several.iter().copied().max_by_key(|thing| {
                    (
                        votes.get(*thing).copied().unwrap_or_default(),
                        std::cmp::Reverse(*thing),
                    )
                })
            }
        }
    }

    fn votes(&self) -> Vec<usize> {
        let mut votes = vec![0; self.schema.things.len()];
        for (at, span) in self.spans.iter().enumerate() {
            let mut options: Vec<usize> = span.attributes.clone();
            options.extend(span.hits.iter().map(|hit| hit.attribute));
            options.extend(span.ranks.iter().chain(&span.comparatives).map(|(a, _)| *a));
            if options.is_empty() {
                options.extend(&span.parts);
            }
            if span.is(Word::Verb) && options.is_empty() {
                options.extend(self.attributes_of_verb(at));
            }
            let of: Vec<usize> = options
                .iter()
                .filter_map(|a| self.schema.attributes.get(*a))
                .map(|a| a.thing)
                .collect();
            if of.is_empty() {
                for (thing, votes) in votes.iter_mut().enumerate() {
                    let nearest = span
                        .things
                        .iter()
                        .filter_map(|other| self.schema.steps_up(thing, *other))
                        .min();
                    *votes += nearest.map_or(0, |steps| 15_usize.saturating_sub(steps));
                }
                continue;
            }
            for (thing, votes) in votes.iter_mut().enumerate() {
                // What lies far away counts a little less, so that of two that know everything the nearer one is meant.
                let nearest = of.iter().filter_map(|other| self.schema.steps_up(thing, *other)).min();
                *votes += match nearest {
                    Some(0) => 30,
                    Some(steps) => 20_usize.saturating_sub(steps),
                    None => 0,
                };
            }
        }
        votes
    }

    fn by_votes(&self) -> Option<usize> {
        let votes = self.votes();
        let most = *votes.iter().max()?;
        if most == 0 {
            return None;
        }
        votes.iter().position(|votes| *votes == most)
    }

    // Which attribute a word means

    /// The attribute of a span that is nearest to what is spoken of.
    fn attribute(&self, at: usize, options: &[usize]) -> Option<usize> {
        let neighbour = self.noun_beside(at);
        let scope = self.scope_thing();
        let target = self.state.request.thing;
        let last = self.state.context.last().copied();
        options.iter().copied().min_by_key(|option| {
            let Some(attribute) = self.schema.attributes.get(*option) else {
                return (usize::MAX, 0);
            };
            let from = |thing: usize| self.schema.steps_up(thing, attribute.thing);
            let cost = if neighbour == Some(attribute.thing) {
                0
            } else if attribute.thing == scope {
                1
            } else if last == Some(attribute.thing) {
                2
            } else if let Some(steps) = from(scope).or_else(|| from(target)) {
                2 + steps
            } else {
                20 + self.schema.distance(scope, attribute.thing).unwrap_or(100)
            };
            (cost * 2 + usize::from(attribute.is_roundabout), *option)
        })
    }

    /// The thing of a noun right before an attribute, or behind it and "of": "stadium names", "names of the stadiums".
    fn noun_beside(&self, at: usize) -> Option<usize> {
        let thing_at = |index: usize| {
            self.span(index)
                .filter(|span| !span.things.is_empty())
                .and_then(|_| self.best_thing(index))
        };
        let own = self.span(at)?;
        if let Some(index) = at.checked_sub(1)
            && self.span(index).is_some_and(|span| span.end() == own.at)
            && let Some(thing) = thing_at(index)
        {
            return Some(thing);
        }
        // Over "and"s and other attributes to the "of".
        let mut index = at + 1;
        while let Some(span) = self.span(index) {
            if span.is(Word::Of) {
                let next = (index + 1..self.spans.len()).find(|i| self.span(*i).is_some_and(|s| !s.is_light()))?;
                return thing_at(next);
            }
            if !(span.is(Word::And) || span.is_light() || !span.attributes.is_empty()) {
                return None;
            }
            index += 1;
        }
        None
    }

    fn scope_thing(&self) -> usize {
        self.related().map_or(self.state.request.thing, |related| related.thing)
    }

    fn related(&self) -> Option<&Related> {
        match self.state.request.conditions.get(self.state.scope?)? {
            Condition::Related(related) => Some(related),
            _ => None,
        }
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

    // Conditions

    /// Puts a condition where it is said: on the related rows that are spoken of, or on the rows themselves.
    fn condition(&mut self, condition: Condition) {
        let (attribute, target) = match &condition {
            Condition::Is { attribute, .. } | Condition::Average { attribute, .. } => {
                (*attribute, self.state.request.thing)
            }
            Condition::Related(_) => {
                self.state.request.conditions.push(condition);
                self.state.is_selecting = false;
                return;
            }
        };
        self.state.is_selecting = false;
        let of = self.schema.attributes.get(attribute).map_or(target, |a| a.thing);
        let reached = self.schema.reaches(target, of);
        let scope = self.state.scope;
        let in_scope = self.related().is_some_and(|related| {
            self.schema.reaches(related.thing, of) && (!reached || related.thing == of)
                || self
                    .schema
                    .connector(target, related.thing)
                    .is_some_and(|link| !reached && self.schema.reaches(link, of))
        });
        if let (Some(scope), true) = (scope, in_scope)
            && let Some(Condition::Related(related)) = self.state.request.conditions.get_mut(scope)
        {
            related.conditions.push(condition);
            return;
        }
        if reached {
            self.state.request.conditions.push(condition);
            return;
        }
        // Rows of another thing that nothing has named: "students who have a cat".
        let is_absent = self.state.negation.is_some();
        if let Some(not) = self.state.negation.take() {
            self.take(not, "none of them");
        }
        let open = self.state.request.conditions.iter_mut().find_map(|known| match known {
            Condition::Related(related)
                if related.thing == of
                    && related.is_absent == is_absent
                    && !self.state.is_both
                    && !related.is_apart =>
            {
                Some(related)
            }
            _ => None,
        });
        match open {
            Some(related) if !is_same_attribute(&related.conditions, attribute) => related.conditions.push(condition),
            _ => {
                self.state.request.conditions.push(Condition::Related(Related {
                    thing: of,
                    is_absent,
                    conditions: vec![condition],
                    is_apart: self.state.is_both,
                    ..Related::default()
                }));
            }
        }
    }

    /// A value, beside others of its attribute where there are some.
    fn value(&mut self, attribute: usize, hit: &Hit, is_negated: bool) {
        let value = self.value_of(attribute, &hit.value);
        let wanted = if is_negated { Operator::NotIn } else { Operator::In };
        let merges = !self.state.is_both || is_negated;
        if merges && let Some(values) = find_values(&mut self.state.request.conditions, attribute, wanted) {
            if !values.contains(&value) {
                values.push(value);
            }
            return;
        }
        self.condition(Condition::Is {
            attribute,
            op: wanted,
            values: vec![value],
        });
    }

    fn value_of(&self, attribute: usize, value: &str) -> Value {
        match self.kind(attribute) {
            Kind::Number | Kind::Year => value
                .parse()
                .map_or_else(|_| Value::Text(value.to_owned()), Value::Integer),
            _ => Value::Text(value.to_owned()),
        }
    }

    fn days(&mut self, attribute: usize, days: (Option<Date>, Option<Date>)) {
        let is_year = self.kind(attribute) != Kind::Day;
        let value = |day: Date| {
            if is_year {
                Value::Integer(i64::from(day.year()))
            } else {
                Value::Text(day.to_string())
            }
        };
        let (op, values) = match days {
            (Some(from), Some(to)) if is_year && from.year() == to.year() => (Operator::Equal, vec![value(from)]),
            (Some(from), Some(to)) => (Operator::Between, vec![value(from), value(to)]),
            (Some(from), None) => (Operator::GreaterOrEqual, vec![value(from)]),
            (None, Some(to)) => (Operator::LessOrEqual, vec![value(to)]),
            (None, None) => return,
        };
        // "in 2014 or 2015"
        if is_year
            && op == Operator::Equal
            && let Some(known) = find_values(&mut self.state.request.conditions, attribute, Operator::In)
        {
            known.extend(values);
            return;
        }
        let op = if op == Operator::Equal { Operator::In } else { op };
        // "before 1990 and after 2000" names two stretches, and no row lies in both.
        let opposite = match op {
            Operator::LessOrEqual => Some(Operator::GreaterOrEqual),
            Operator::GreaterOrEqual => Some(Operator::LessOrEqual),
            _ => None,
        };
        let contradicts = opposite
            .and_then(|opposite| find_values(&mut self.state.request.conditions, attribute, opposite))
            .is_some_and(|known| {
                let text = |value: &Value| match value {
                    Value::Text(text) => text.clone(),
                    Value::Integer(year) => format!("{year:06}"),
                    _ => String::new(),
                };
                match (known.first(), values.first()) {
                    (Some(known), Some(new)) if op == Operator::LessOrEqual => text(known) > text(new),
                    (Some(known), Some(new)) => text(known) < text(new),
                    _ => false,
                }
            });
        self.state.fails |= contradicts;
        self.condition(Condition::Is { attribute, op, values });
    }

    fn number_condition(&mut self, attribute: usize, op: Operator, values: &[f64]) -> bool {
        let values: Vec<Value> = match self.kind(attribute) {
            Kind::Number | Kind::Year => values.iter().map(|number| number_value(*number)).collect(),
            // "after 1950" of a day.
            Kind::Day => {
                let year = |number: &f64| {
                    let fits = number.fract() == 0.0 && (1.0..=9999.0).contains(number);
                    fits.then_some(*number as i16)
                };
                let (Some(first), last) = (values.first().and_then(year), values.last().and_then(year)) else {
                    return false;
                };
                let start = |year: i16| Date::new(year, 1, 1).ok();
                let end = |year: i16| Date::new(year, 12, 31).ok();
                let days = match op {
                    Operator::Greater => (start(first.saturating_add(1)), None),
                    Operator::GreaterOrEqual => (start(first), None),
                    Operator::Less => (None, end(first.saturating_sub(1))),
                    Operator::LessOrEqual => (None, end(first)),
                    Operator::Between => (start(first), last.and_then(end)),
                    _ => (start(first), end(first)),
                };
                self.days(attribute, days);
                return true;
            }
            Kind::Text | Kind::Truth => return false,
        };
        self.condition(Condition::Is { attribute, op, values });
        true
    }

    /// The number that a comparison without a name is about: the only one that the rows have.
    fn only_measure(&self, thing: usize) -> Option<usize> {
        let key = self
            .schema
            .things
            .get(thing)
            .map(|thing| thing.key.as_slice())
            .unwrap_or_default();
        let mut measures = self.schema.attributes.iter().enumerate().filter(|(_, a)| {
            a.thing == thing
                && a.kind == Kind::Number
                && !a.is_roundabout
                && !key.contains(&a.column)
                && !a.column.ends_with("id")
        });
        let first = measures.next()?.0;
        if measures.next().is_none() {
            return Some(first);
        }
        // "between 10 and 20 dollars", where only one of them is money.
        const MONEY: [&str; 12] = [
            "price", "cost", "amount", "salary", "fee", "fare", "budget", "revenue", "total", "balance", "income",
            "wage",
        ];
        let says_money = self.tokens.iter().any(|token| {
            token.text.contains(['$', '€', '£'])
                || matches!(
                    token.stem.as_str(),
                    "dollar" | "euro" | "pound" | "usd" | "eur" | "buck"
                )
        });
        let mut amounts = (0..self.schema.attributes.len()).filter(|at| {
            self.schema.attributes.get(*at).is_some_and(|a| {
                a.thing == thing && a.kind == Kind::Number && a.column.split('_').any(|word| MONEY.contains(&word))
            })
        });
        let amount = amounts.next().filter(|_| says_money)?;
        amounts.next().is_none().then_some(amount)
    }

    // Verbs

    fn attributes_of_verb(&self, at: usize) -> Vec<usize> {
        let verb = self.word_at(at);
        let speaks = SPEAKS_OF
            .iter()
            .filter(|(word, _)| *word == verb || same_root(word, verb) && word.len() > 3)
            .flat_map(|(_, names)| names.iter().copied())
            .collect::<Vec<_>>();
        (0..self.schema.attributes.len())
            .filter(|index| {
                let Some(attribute) = self.schema.attributes.get(*index) else {
                    return false;
                };
                let in_name = |fits: &dyn Fn(&str) -> bool| attribute.column.split('_').any(fits);
                let is_form = |word: &str| {
                    same_root(word, verb) || word.len() >= 3 && verb.starts_with(word) && attribute.kind != Kind::Text
                };
                let is_id = attribute.column.ends_with("id");
                in_name(&|word| speaks.contains(&word)) && !is_id
                    || attribute.kind != Kind::Text && attribute.kind != Kind::Number && in_name(&is_form)
                    || attribute.kind == Kind::Truth && in_name(&is_form)
            })
            .collect()
    }

    fn things_of_verb(&self, at: usize) -> Vec<usize> {
        let verb = self.word_at(at);
        let speaks: Vec<&str> = SPEAKS_OF
            .iter()
            .filter(|(word, _)| *word == verb)
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        (0..self.schema.things.len())
            .filter(|index| {
                self.schema.things.get(*index).is_some_and(|thing| {
                    thing.table.split('_').any(|word| {
                        let word = crate::text::stem(word);
                        same_root(&word, verb) || speaks.contains(&word.as_str())
                    })
                })
            })
            .collect()
    }

    /// A verb: it may say which day is meant, or which related rows, or only tie two things.
    fn verb(&mut self, at: usize) {
        let target = self.state.request.thing;
        let scope = self.scope_thing();
        let attributes: Vec<usize> = self
            .attributes_of_verb(at)
            .into_iter()
            .filter(|a| {
                self.schema.attributes.get(*a).is_some_and(|a| {
                    self.schema.reaches(scope, a.thing) || self.state.context.contains(&a.thing) || a.thing == target
                })
            })
            .collect();
        let attribute = self.attribute(at, &attributes);
        let things: Vec<usize> = self
            .things_of_verb(at)
            .into_iter()
            .filter(|thing| *thing != target && self.schema.connector(target, *thing).is_some())
            .filter(|thing| !self.schema.reaches(target, *thing))
            .collect();
        let thing = things
            .iter()
            .copied()
            .min_by_key(|thing| (self.schema.distance(target, *thing), *thing));
        let names_more = self
            .next(at)
            .and_then(|next| self.span(next))
            .is_some_and(|span| !span.things.is_empty() && !span.things.contains(&target) || !span.hits.is_empty());
        if let Some(not) = self.state.negation {
            // "orders that have not been shipped"
            if let Some(attribute) = attribute.filter(|a| self.kind(*a) == Kind::Day) {
                self.take(not, "not");
                self.state.negation = None;
                self.take(at, format!("{} is not known", self.name(attribute)));
                self.condition(Condition::Is {
                    attribute,
                    op: Operator::IsNull,
                    values: Vec::new(),
                });
                return;
            }
            if names_more {
                return;
            }
            // "customers who have never ordered", "books that were never borrowed"
            let only = match self.schema.referring(target).as_slice() {
                [only] => Some(*only),
                _ => None,
            };
            if let Some(thing) = thing.or(only) {
                self.take(not, "none");
                self.state.negation = None;
                self.take(at, format!("{} of it", self.noun(thing)));
                self.relate(thing, true, None);
            }
            return;
        }
        if let Some(attribute) = attribute {
            let is_time = matches!(self.kind(attribute), Kind::Day | Kind::Year);
            let is_about = self.next(at).and_then(|next| self.span(next)).is_some_and(|span| {
                span.days.is_some()
                    || span.number.is_some()
                    || matches!(
                        span.word,
                        Some(
                            Word::Compare(_)
                                | Word::Between
                                | Word::Before
                                | Word::After
                                | Word::Average(_)
                                | Word::Most
                                | Word::Least
                        )
                    )
            });
            if is_about {
                self.take(at, self.name(attribute));
                self.state.subject = Some(attribute);
                return;
            }
            if is_time {
                return;
            }
        }
        let is_counted = self
            .state
            .request
            .figures
            .iter()
            .any(|figure| matches!(figure, Figure::Count(_)));
        if let Some(thing) = thing
            && names_more
            && !is_counted
            && self
                .next(at)
                .and_then(|next| self.span(next))
                .is_some_and(|span| span.things.is_empty() && !span.hits.is_empty())
        {
            self.take(at, format!("by its {}", self.noun(thing)));
            self.relate(thing, false, None);
        }
    }

    /// Conditions are said of these related rows from here on.
    fn relate(&mut self, thing: usize, is_absent: bool, count: Option<(Operator, i64)>) {
        let is_apart = self.state.is_both;
        self.condition(Condition::Related(Related {
            thing,
            is_absent,
            count,
            conditions: Vec::new(),
            is_apart,
        }));
        self.state.scope = Some(self.state.request.conditions.len().saturating_sub(1));
        self.state.context.push(thing);
    }

    // One span after the other

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

    /// Whether a number that could be a year is a plain one: "with more than 2000 seats".
    fn is_plain_number(&self, at: usize) -> bool {
        let Some(span) = self.span(at) else { return false };
        if span.number.is_none() {
            return false;
        }
        let is_compared = self
            .before_words(at)
            .is_some_and(|before| matches!(self.span(before).and_then(|s| s.word), Some(Word::Compare(_))));
        let is_subject = self.state.subject.is_some_and(|a| self.kind(a) == Kind::Number);
        is_compared || is_subject
    }

    /// A word that is both a thing and something else is the thing unless its neighbours say otherwise.
    fn is_noun(&self, at: usize) -> bool {
        let Some(span) = self.span(at) else { return false };
        if span.things.is_empty() {
            return false;
        }
        if !span.hits.is_empty() && self.tokens.get(span.at).is_some_and(Token::is_capital) && span.at > 0 {
            return false;
        }
        // "the country of each city": an attribute of what is meant is nearer than a thing of that name elsewhere.
        let target = self.state.request.thing;
        let is_own = span
            .attributes
            .iter()
            .any(|a| self.schema.attributes.get(*a).is_some_and(|a| a.thing == target));
        !(is_own && !span.things.contains(&target) && !span.things.iter().any(|t| self.schema.reaches(target, *t)))
    }

    fn reads_as_value(&self, at: usize) -> bool {
        let Some(span) = self.span(at) else { return false };
        let first = self.tokens.get(span.at);
        first.is_some_and(|token| token.is_capital() && span.at > 0) || span.length > 1
    }

    /// A word of the language. True where it has been dealt with.
    #[allow(clippy::too_many_lines, reason = "one arm for each word")]
    fn word(&mut self, at: usize, word: Word) -> bool {
        let Some(span) = self.span(at) else { return true };
        match word {
            Word::HowMany => {
                let next = self.next(at).and_then(|next| self.span(next));
                let counts = next.is_some_and(|span| span.says_something() || !span.parts.is_empty());
                self.state.is_counting = counts;
                self.state.fails |= !counts;
                self.take(at, "how many");
            }
            Word::By => {
                let next = self.next(at).and_then(|next| self.span(next));
                let is_name = next.is_some_and(|n| {
                    n.things.is_empty() && n.attributes.is_empty() && n.metrics.is_empty() && n.parts.is_empty()
                });
                let says_each = self.span(at).is_some_and(|span| {
                    (span.at..span.end()).any(|t| {
                        self.tokens
                            .get(t)
                            .is_some_and(|t| matches!(t.norm.as_str(), "each" | "every" | "per" | "grouped" | "group"))
                    })
                });
                if self.state.is_sorting && !is_name {
                    self.state.is_sorting = false;
                    self.state.sorts = true;
                    self.take(at, "in order of");
                    return true;
                }
                // "budget by department" asks for the figure, though no word says which one of it.
                let is_figure = !self.has_figures()
                    && self.state.context.is_empty()
                    && self.state.request.order.is_none()
                    && !self.state.request.shown.is_empty()
                    && self.state.request.shown.iter().all(|a| self.kind(*a) == Kind::Number);
                self.state.fails |= is_figure && !is_name;
                let ranked_by = next
                    .filter(|_| !says_each && self.state.request.limit.is_some())
                    .map(|next| {
                        next.attributes
                            .iter()
                            .copied()
                            .filter(|a| self.kind(*a) == Kind::Number)
                            .collect()
                    })
                    .unwrap_or_default();
                let ranked_by: Vec<usize> = ranked_by;
                if let (Some((By::Attribute(_), direction)), Some(at_next)) = (self.state.request.order, self.next(at))
                    && let Some(attribute) = self.attribute(at_next, &ranked_by)
                {
                    // "the smallest countries by surface area"
                    self.take(at, "ranked by");
                    self.take(at_next, self.name(attribute));
                    self.state.request.order = Some((By::Attribute(attribute), direction));
                } else if self.state.rank.is_some() && !is_name && !says_each {
                    // "top 5 products by revenue"
                    self.take(at, "ranked by");
                } else if !is_name && (self.has_figures() || says_each) {
                    self.state.groups = true;
                    self.state.subject = None;
                    self.take(at, "for each");
                } else if !is_name
                    && next.is_some_and(|n| n.things.is_empty() && !n.attributes.is_empty())
                    && !self.has_figures()
                {
                    self.state.sorts = true;
                    self.state.is_list_by = true;
                    self.take(at, "in order of");
                }
            }
            Word::Sort => {
                self.state.is_sorting = true;
                self.take(at, "sorted");
            }
            Word::HowMuch => {
                self.state.asks_how_much = true;
                self.take(at, "how much");
            }
            Word::Recent(direction) => {
                if !span.ranks.is_empty() && self.ranks_by_own(at) {
                    let options: Vec<usize> = span.ranks.iter().map(|(a, _)| *a).collect();
                    let target = self.state.request.thing;
                    if options.iter().any(|a| self.sees(target, *a)) {
                        return false;
                    }
                }
                if let Some(attribute) = self.schema.time_of(self.state.request.thing) {
                    let rows = self.rows_beside(at);
                    self.take(at, format!("by {}", self.name(attribute)));
                    self.rank_by(By::Attribute(attribute), direction, rows, at);
                }
            }
            Word::SortBy => {
                self.state.sorts = true;
                self.state.groups = false;
                self.take(at, "in order of");
            }
            Word::Sorted(direction) => self.sorted(at, direction),
            Word::Statistic(statistic) => {
                if !span.says_something() || !span.attributes.is_empty() && self.next_attribute(at) {
                    self.state.statistics.push((at, Some(statistic)));
                    return true;
                }
                return false;
            }
            Word::Total => {
                if span.says_something() && !self.next_attribute(at) {
                    return false;
                }
                self.state.statistics.push((at, None));
            }
            Word::Most | Word::Top | Word::Least | Word::Bottom => {
                if !span.ranks.is_empty() && self.ranks_by_own(at) {
                    return false;
                }
                if span.says_something() && !self.next_attribute(at) {
                    return false;
                }
                let direction = if matches!(word, Word::Most | Word::Top) {
                    Direction::Descending
                } else {
                    Direction::Ascending
                };
                let rows = self.rows_beside(at);
                self.state.rank = Some(PendingRank {
                    span: at,
                    direction,
                    rows,
                });
                self.most_of_verb(at);
            }
            Word::Common(direction) => {
                let rows = self.rows_beside(at);
                // "the most common hometown"
                if let Some(next) = self.next(at)
                    && let Some(span) = self.span(next)
                    && span.things.is_empty()
                    && let Some(attribute) = self.attribute(next, &span.attributes)
                {
                    self.take(next, format!("shows {}", self.name(attribute)));
                    self.show(attribute);
                }
                self.take(at, "by how many there are");
                let thing = self.state.request.thing;
                self.rank_by(By::Figure(Figure::Count(thing)), direction, rows, at);
            }
            Word::Compare(op) => self.compare(at, op),
            Word::Between => self.between(at),
            Word::Before | Word::After => {
                let Some(next) = self.next(at) else { return true };
                let Some(number) = self.span(next).and_then(|span| span.number) else {
                    return true;
                };
                let op = match (word, self.word_at(at)) {
                    (Word::After, "since") => Operator::GreaterOrEqual,
                    (Word::After, _) => Operator::Greater,
                    _ => Operator::Less,
                };
                if let Some(attribute) = self.time_attribute()
                    && self.number_condition(attribute, op, &[number])
                {
                    self.take(at, format!("condition on {}", self.name(attribute)));
                    self.take(next, "condition");
                }
            }
            Word::Average(op) => self.against_average(at, op),
            Word::Not | Word::Without => {
                self.state.negation = Some(at);
                // "never rated anything", "have no orders": what is absent follows.
                if word == Word::Without {
                    self.state.is_selecting = false;
                }
            }
            Word::Contains | Word::StartsWith => self.text(at, word),
            Word::Both => {
                self.state.is_both = true;
                self.take(at, "both");
            }
            Word::Distinct => {
                self.state.request.is_distinct = true;
                self.take(at, "each once");
            }
            Word::And => self.state.is_or = false,
            Word::Or => {
                self.state.is_or = true;
                self.state.is_both = false;
            }
            // "employees with their department names" are shown with them.
            Word::With
                if self
                    .tokens
                    .get(span.end())
                    .is_some_and(|t| matches!(t.norm.as_str(), "their" | "its")) => {}
            Word::Who | Word::With => {
                if !self.state.request.shown.is_empty() || !self.state.context.is_empty() {
                    self.state.is_selecting = false;
                }
                self.state.groups = false;
                self.state.subject = None;
                return !span.says_something();
            }
            Word::Verb => {
                // "the cost of each treatment"
                let is_noun = span
                    .at
                    .checked_sub(1)
                    .and_then(|before| self.tokens.get(before))
                    .is_some_and(|token| matches!(token.norm.as_str(), "the" | "a" | "an" | "their" | "its"));
                if span.says_something() || is_noun && !span.parts.is_empty() {
                    return false;
                }
                if self.state.groups && self.state.request.groups.is_empty() {
                    self.state.groups = false;
                }
                self.verb(at);
            }
            Word::Is | Word::Of | Word::In | Word::Than | Word::Which | Word::List => {
                return !span.says_something();
            }
            Word::Filler => return !span.says_something() && span.parts.is_empty() && span.number.is_none(),
            Word::Share => {
                self.state.request.is_share = true;
                self.state.is_counting = false;
                self.take(at, "share of all");
            }
            Word::Often(direction) => {
                let verb = (0..at)
                    .rev()
                    .find(|index| self.span(*index).is_some_and(|s| s.is(Word::Verb)));
                let target = self.state.request.thing;
                let things: Vec<usize> = verb
                    .map(|verb| self.things_of_verb(verb))
                    .unwrap_or_default()
                    .into_iter()
                    .filter(|thing| *thing != target && self.schema.connector(target, *thing).is_some())
                    .collect();
                let only = match self.schema.referring(target).as_slice() {
                    [only] => Some(*only),
                    _ => None,
                };
                let behind = self
                    .next(at)
                    .filter(|next| self.span(*next).is_some_and(|span| self.is_thing(span)))
                    .and_then(|next| self.best_thing(next))
                    .filter(|thing| *thing != target && self.schema.connector(target, *thing).is_some());
                if let Some(thing) = things.first().copied().or(behind).or(only) {
                    if let (Some(_), Some(next)) = (behind, self.next(at)) {
                        self.take(next, self.noun(thing));
                    }
                    self.take(at, format!("number of {}", self.noun(thing)));
                    self.rank_by(By::Figure(Figure::Count(thing)), direction, None, at);
                }
            }
            Word::When => {
                if !span.attributes.is_empty() {
                    return false;
                }
                self.when(at);
            }
            Word::Year => {
                if span.says_something() {
                    return false;
                }
                // A course over years is told by the time of the rows.
                let is_grouped = self
                    .before_words(at)
                    .is_some_and(|before| self.span(before).is_some_and(|span| span.is(Word::By)));
                self.state.fails |= is_grouped || self.is_asked(at);
                self.take(at, "year");
            }
            Word::Beyond => return !span.says_something(),
        }
        true
    }

    /// "when was she hired", "in which year was it published": the day or year that the verb speaks of, else the usual.
    fn when(&mut self, at: usize) {
        let target = self.state.request.thing;
        let is_time = |reader: &Self, a: &usize| matches!(reader.kind(*a), Kind::Day | Kind::Year);
        let of_verb = (at + 1..self.spans.len()).find_map(|index| {
            if !self.span(index)?.is(Word::Verb) {
                return None;
            }
            let options: Vec<usize> = self
                .attributes_of_verb(index)
                .into_iter()
                .filter(|a| is_time(self, a) && self.sees(target, *a))
                .collect();
            self.attribute(index, &options)
        });
        if let Some(attribute) = of_verb.or_else(|| self.schema.time_of(target)) {
            self.take(at, format!("shows {}", self.name(attribute)));
            self.show(attribute);
            self.state.request.names_columns = true;
        }
    }

    /// "how much does it cost": the number that the verb speaks of.
    fn how_much(&mut self) {
        if !self.state.asks_how_much || !self.state.request.shown.is_empty() || !self.state.request.figures.is_empty() {
            return;
        }
        let target = self.state.request.thing;
        let found = (0..self.spans.len()).find_map(|index| {
            let span = self.span(index)?;
            let options: Vec<usize> = if span.is(Word::Verb) {
                self.attributes_of_verb(index)
            } else if self.is_used(index) {
                return None;
            } else {
                span.attributes.iter().chain(&span.parts).copied().collect()
            };
            let options: Vec<usize> = options.into_iter().filter(|a| self.kind(*a) == Kind::Number).collect();
            Some((index, self.attribute(index, &options)?))
        });
        match found {
            Some((index, attribute)) => {
                self.take(index, self.name(attribute));
                if self.sees(target, attribute) && self.state.request.groups.is_empty() {
                    self.show(attribute);
                    self.state.request.names_columns = true;
                } else {
                    self.state.request.figures.push(Figure::Of(None, attribute));
                }
            }
            None => self.state.fails = true,
        }
    }

    /// "who wrote Emma", "who directed it": whom the verb speaks of, where a column or a thing is named for them.
    fn whom(&mut self) {
        let asks = self.spans.first().is_some_and(|span| span.is(Word::Who));
        let is_plain = self.state.request.shown.is_empty()
            && self.state.request.figures.is_empty()
            && self.state.request.groups.is_empty()
            && self.state.request.order.is_none()
            && !self.state.request.conditions.is_empty();
        if !asks || !is_plain || Some(self.state.request.thing) == self.schema.person {
            return;
        }
        let target = self.state.request.thing;
        let Some(verb) = (0..self.spans.len()).find(|index| self.span(*index).is_some_and(|span| span.is(Word::Verb)))
        else {
            return;
        };
        let word = self.word_at(verb);
        let texts: Vec<usize> = (0..self.schema.attributes.len())
            .filter(|a| {
                self.schema.attributes.get(*a).is_some_and(|attribute| {
                    attribute.kind == Kind::Text
                        && self.schema.reaches(target, attribute.thing)
                        && attribute.column.split('_').any(|part| same_root(part, word))
                })
            })
            .collect();
        let things: Vec<usize> = self
            .things_of_verb(verb)
            .into_iter()
            .filter(|thing| *thing != target && self.schema.reaches(target, *thing))
            .collect();
        if let Some(attribute) = self.attribute(verb, &texts) {
            self.take(verb, format!("shows {}", self.name(attribute)));
            self.show(attribute);
        } else if let Some(thing) = things.first() {
            self.take(verb, self.noun(*thing));
            self.show_thing(*thing);
        }
    }

    /// Whether an attribute follows at once, so that the word is said of it.
    fn next_attribute(&self, at: usize) -> bool {
        self.next(at).and_then(|next| self.span(next)).is_some_and(|span| {
            !span.attributes.is_empty()
                || !span.metrics.is_empty()
                || !span.parts.is_empty() && span.word.is_none()
                || matches!(span.word, Some(Word::Statistic(_) | Word::Total | Word::And))
        })
    }

    /// "the largest city", where no attribute follows: by the number that the word speaks of.
    fn ranks_by_own(&self, at: usize) -> bool {
        let next = self.next(at).and_then(|next| self.span(next));
        next.is_none_or(|span| {
            !span.things.is_empty()
                || span.attributes.is_empty() && span.metrics.is_empty() && span.word != Some(Word::HowMany)
        }) && !next.is_some_and(|span| matches!(span.word, Some(Word::Statistic(_) | Word::Total)))
    }

    fn rows_beside(&mut self, at: usize) -> Option<u32> {
        let rows = |number: f64| {
            let fits = number.fract() == 0.0 && (1.0..=MOST_RANKED_ROWS).contains(&number);
            fits.then_some(number as u32)
        };
        if let Some((place, number)) = self.state.number.take()
            && let Some(rows) = rows(number)
        {
            self.take(place, format!("{rows} rows"));
            return Some(rows);
        }
        let next = at + 1;
        let number = self
            .span(next)
            .filter(|span| span.word.is_none())
            .and_then(|span| span.number)?;
        let rows = rows(number)?;
        self.take(next, format!("{rows} rows"));
        Some(rows)
    }

    /// "who earns the most": by what the verb speaks of.
    fn most_of_verb(&mut self, at: usize) {
        let next = self.next(at).and_then(|next| self.span(next));
        let names_figure = next.is_some_and(|span| {
            span.says_something()
                || !span.parts.is_empty()
                || matches!(span.word, Some(Word::Statistic(_) | Word::HowMany | Word::Total))
                || !span.ranks.is_empty()
        });
        if names_figure {
            return;
        }
        let Some(rank) = self.state.rank else { return };
        let attribute = self.state.subject.or_else(|| {
            let verb = (0..at)
                .rev()
                .find(|index| self.span(*index).is_some_and(|s| s.is(Word::Verb)))?;
            let options: Vec<usize> = self
                .attributes_of_verb(verb)
                .into_iter()
                .filter(|a| self.kind(*a) == Kind::Number)
                .collect();
            self.attribute(verb, &options)
        });
        if let Some(attribute) = attribute {
            self.state.rank = None;
            self.take(at, format!("by {}", self.name(attribute)));
            let target = self.state.request.thing;
            let is_own = self.sees(target, attribute);
            let by = if is_own {
                By::Attribute(attribute)
            } else {
                By::Figure(Figure::Of(None, attribute))
            };
            self.rank_by(by, rank.direction, rank.rows, at);
        }
    }

    fn rank_by(&mut self, by: By, direction: Direction, rows: Option<u32>, at: usize) {
        let thing = self.state.request.thing;
        let names = (0..self.spans.len())
            .filter(|index| *index != at && self.span(*index).is_some_and(|span| span.things.contains(&thing)))
            .min_by_key(|index| index.abs_diff(at));
        let has_attribute = |index: &usize| self.span(*index).is_some_and(|span| !span.attributes.is_empty());
        let shown = (0..at).find(has_attribute);
        let any_shown = (0..self.spans.len()).find(|index| has_attribute(index) && self.is_used(*index));
        // "cities with the most customers" ranks cities, "names of the youngest student" the student.
        let head = match by {
            By::Figure(Figure::Count(of)) if of == thing => shown.or(any_shown).or(names),
            _ => names.or(shown),
        };
        let is_plural = head.is_some_and(|head| self.is_plural(head))
            && !self
                .spans
                .iter()
                .zip(0..)
                .any(|(span, index): (&Span, usize)| span.is(Word::Which) && self.word_at(index) == "what is");
        let rows = rows.unwrap_or(if is_plural { RANKED_ROWS } else { 1 });
        self.state.request.order = Some((by, direction));
        self.state.request.limit = Some(rows);
        self.state.is_selecting = false;
    }

    fn superlative(&mut self, at: usize) {
        let Some(span) = self.span(at) else { return };
        let options: Vec<usize> = span.ranks.iter().map(|(a, _)| *a).collect();
        // "top 3 most expensive"
        let before = self.state.rank.take();
        if let Some(rank) = before {
            self.take(rank.span, "the first");
        }
        let rows = self.rows_beside(at).or(before.and_then(|rank| rank.rows));
        let best = self.attribute(at, &options);
        let target = self.state.request.thing;
        let near = best.filter(|a| {
            self.sees(target, *a)
                || self.sees(self.scope_thing(), *a)
                || self
                    .schema
                    .attributes
                    .get(*a)
                    .is_some_and(|a| self.schema.reaches(a.thing, target))
        });
        if let Some(attribute) = near {
            let direction = span
                .ranks
                .iter()
                .find(|(a, _)| *a == attribute)
                .map_or(Direction::Descending, |(_, direction)| *direction);
            self.take(at, format!("by {}", self.name(attribute)));
            self.rank_by(By::Attribute(attribute), direction, rows, at);
            return;
        }
        if let Some((metric, direction)) = span.metric_ranks.first().copied() {
            self.take(at, "ranked");
            self.rank_by(By::Figure(Figure::Metric(metric)), direction, rows, at);
        }
    }

    fn comparative(&mut self, at: usize) {
        let Some(span) = self.span(at) else { return };
        let options: Vec<usize> = span.comparatives.iter().map(|(a, _)| *a).collect();
        let Some(attribute) = self.attribute(at, &options) else {
            return;
        };
        let direction = span
            .comparatives
            .iter()
            .find(|(a, _)| *a == attribute)
            .map_or(Direction::Descending, |(_, direction)| *direction);
        let op = if direction == Direction::Descending {
            Operator::Greater
        } else {
            Operator::Less
        };
        let Some(next) = (at + 1..self.spans.len()).find(|index| {
            self.span(*index)
                .is_some_and(|s| s.number.is_some() || s.days.is_some() || matches!(s.word, Some(Word::Average(_))))
        }) else {
            return;
        };
        let Some(of) = self.span(next) else { return };
        if matches!(of.word, Some(Word::Average(_))) {
            self.condition(Condition::Average { attribute, op });
        } else if let Some(number) = of.number {
            // How old somebody is, is not told by a birthday.
            if self.kind(attribute) == Kind::Day || !self.number_condition(attribute, op, &[number]) {
                return;
            }
        } else {
            return;
        }
        self.take(at, format!("condition on {}", self.name(attribute)));
        self.take(next, "condition");
        self.unit_behind(next, attribute);
    }

    /// "300000 milliseconds": the unit names the attribute once more.
    fn unit_behind(&mut self, at: usize, attribute: usize) {
        if let Some(next) = self.next(at)
            && let Some(span) = self.span(next)
            && (span.attributes.contains(&attribute) || span.parts.contains(&attribute))
        {
            self.take(next, self.name(attribute));
        }
    }

    fn compare(&mut self, at: usize, op: Operator) {
        let Some(mut next) = self.next(at) else { return };
        // "above age 20"
        if let Some(span) = self.span(next)
            && span.number.is_none()
            && !span.attributes.is_empty()
            && self.span(next + 1).is_some_and(|behind| behind.number.is_some())
            && let Some(attribute) = self.attribute(next, &span.attributes)
        {
            self.take(next, self.name(attribute));
            self.state.subject = Some(attribute);
            next += 1;
        }
        let Some(number) = self.span(next).and_then(|span| span.number) else {
            return;
        };
        if self.compare_with(at, next, op, &[number]) {
            self.take(at, "condition");
            self.take(next, "condition");
        }
    }

    fn between(&mut self, at: usize) {
        let numbers: Vec<usize> = (at + 1..self.spans.len())
            .filter(|index| {
                self.span(*index)
                    .is_some_and(|span| !span.is_light() && !span.is(Word::And))
            })
            .take(2)
            .collect();
        let [first, second] = numbers.as_slice() else { return };
        let number = |index: usize| self.span(index).and_then(|span| span.number);
        let (Some(low), Some(high)) = (number(*first), number(*second)) else {
            return;
        };
        if self.compare_with(at, *second, Operator::Between, &[low.min(high), low.max(high)]) {
            for index in [at, *first, *second] {
                self.take(index, "condition");
            }
        }
    }

    /// What a comparison is about: the attribute before it, the attribute or the thing behind its number.
    fn compare_with(&mut self, at: usize, last: usize, op: Operator, numbers: &[f64]) -> bool {
        let not = self.state.negation.take();
        let op = match (not, op) {
            (Some(not), op) => {
                self.take(not, "not");
                match op {
                    Operator::Greater => Operator::LessOrEqual,
                    Operator::GreaterOrEqual => Operator::Less,
                    Operator::Less => Operator::GreaterOrEqual,
                    Operator::LessOrEqual => Operator::Greater,
                    Operator::Equal => Operator::NotEqual,
                    other => other,
                }
            }
            (None, op) => op,
        };
        let behind = self.next(last).filter(|next| {
            let gap = self.span(*next).map_or(0, |s| s.at) - self.span(last).map_or(0, Span::end);
            gap <= 1
        });
        if let Some(subject) = self.state.subject.take()
            && matches!(self.kind(subject), Kind::Number | Kind::Year | Kind::Day)
            && self.number_condition(subject, op, numbers)
        {
            self.unit_behind(last, subject);
            return true;
        }
        if let Some(behind) = behind
            && let Some(span) = self.span(behind)
        {
            let options = if span.attributes.is_empty() {
                &span.parts
            } else {
                &span.attributes
            };
            let options: Vec<usize> = options
                .iter()
                .copied()
                .filter(|a| self.kind(*a) == Kind::Number)
                .collect();
            let own = self
                .attribute(behind, &options)
                .filter(|a| self.sees(self.scope_thing(), *a) || span.things.is_empty());
            if let Some(attribute) = own.filter(|_| span.word.is_none() || !span.attributes.is_empty())
                && self.number_condition(attribute, op, numbers)
            {
                self.take(behind, self.name(attribute));
                return true;
            }
            if !span.things.is_empty()
                && let Some(thing) = self.best_thing(behind)
                && let Some(count) = numbers.first().filter(|n| n.fract() == 0.0).map(|n| *n as i64)
                && op != Operator::Between
            {
                self.take(behind, format!("number of {}", self.noun(thing)));
                self.relate(thing, false, Some((op, count)));
                return true;
            }
        }
        // "cities with a population over …" without a subject: by the verb, by what ranks, or the only number there is.
        let verb = (0..at)
            .rev()
            .take(3)
            .find(|index| self.span(*index).is_some_and(|span| span.is(Word::Verb)));
        let by_verb = verb.and_then(|verb| {
            let options: Vec<usize> = self
                .attributes_of_verb(verb)
                .into_iter()
                .filter(|a| self.kind(*a) == Kind::Number)
                .collect();
            self.attribute(verb, &options)
        });
        let figure = match self.state.request.figures.as_slice() {
            [.., Figure::Of(_, attribute)] if self.state.request.groups.is_empty() => Some(*attribute),
            _ => None,
        };
        let measure = by_verb.or(figure).or_else(|| self.only_measure(self.scope_thing()));
        if let Some(attribute) = measure
            && self.number_condition(attribute, op, numbers)
        {
            self.state.guesses += usize::from(by_verb.is_none());
            return true;
        }
        false
    }

    fn against_average(&mut self, at: usize, op: Operator) {
        let behind = self.next(at).filter(|next| {
            self.span(*next)
                .is_some_and(|span| !span.attributes.is_empty() || !span.parts.is_empty())
        });
        let named = behind.and_then(|behind| {
            let span = self.span(behind)?;
            let options = if span.attributes.is_empty() {
                &span.parts
            } else {
                &span.attributes
            };
            let options: Vec<usize> = options
                .iter()
                .copied()
                .filter(|a| self.kind(*a) == Kind::Number)
                .collect();
            self.attribute(behind, &options)
        });
        let verb = (0..at)
            .rev()
            .take(3)
            .find(|index| self.span(*index).is_some_and(|span| span.is(Word::Verb)));
        let of_verb = || {
            let options: Vec<usize> = self
                .attributes_of_verb(verb?)
                .into_iter()
                .filter(|a| self.kind(*a) == Kind::Number)
                .collect();
            self.attribute(verb?, &options)
        };
        let attribute = named
            .or(self.state.subject)
            .or_else(of_verb)
            .or_else(|| self.only_measure(self.scope_thing()));
        if let Some(attribute) = attribute.filter(|a| self.kind(*a) == Kind::Number) {
            if let (Some(behind), Some(_)) = (behind, named) {
                self.take(behind, self.name(attribute));
            }
            self.take(at, format!("against the average of {}", self.name(attribute)));
            self.state.subject = None;
            self.condition(Condition::Average { attribute, op });
        }
    }

    fn text(&mut self, at: usize, word: Word) {
        let subject = self.state.subject.take().or_else(|| {
            let thing = self.schema.things.get(self.scope_thing())?;
            thing.label
        });
        let next = (at + 1..self.spans.len()).find(|index| {
            !matches!(self.span(*index).and_then(|s| s.word), Some(Word::Filler)) || *index + 1 == self.spans.len()
        });
        let Some((attribute, next)) = subject.filter(|a| self.kind(*a) == Kind::Text).zip(next) else {
            return;
        };
        let Some(span) = self.span(next) else { return };
        let text: Vec<&str> = self
            .tokens
            .get(span.at..span.end())
            .unwrap_or_default()
            .iter()
            .map(|token| token.text.as_str())
            .collect();
        let op = if word == Word::Contains {
            Operator::Contains
        } else {
            Operator::StartsWith
        };
        self.take(at, format!("condition on {}", self.name(attribute)));
        self.take(next, "text");
        self.condition(Condition::Is {
            attribute,
            op,
            values: vec![Value::Text(text.join(" "))],
        });
    }

    fn sorted(&mut self, at: usize, direction: Direction) {
        self.take(at, "in this order");
        let says_of = self
            .span(at)
            .and_then(|span| self.tokens.get(span.end().checked_sub(1)?))
            .is_some_and(|token| matches!(token.norm.as_str(), "of" | "by"));
        let follows = self
            .next(at)
            .and_then(|next| self.span(next))
            .is_some_and(|span| !span.attributes.is_empty() || !span.parts.is_empty());
        match &mut self.state.request.order {
            Some((_, known)) if !says_of || !follows => *known = direction,
            _ if follows => {
                self.state.sorts = true;
                self.state.request.order = Some((By::Attribute(usize::MAX), direction));
            }
            _ => {
                let shown = self.state.request.shown.clone();
                let label = self
                    .schema
                    .things
                    .get(self.state.request.thing)
                    .and_then(|thing| thing.label);
                let by = match self.state.request.figures.last() {
                    Some(figure) => Some(By::Figure(*figure)),
                    None => shown.last().copied().or(label).map(By::Attribute),
                };
                self.state.request.order = by.map(|by| (by, direction));
            }
        }
    }

    fn time_attribute(&self) -> Option<usize> {
        let is_time = |a: &usize| matches!(self.kind(*a), Kind::Day | Kind::Year);
        let last = self.state.context.last().copied();
        self.state.subject.filter(is_time).or_else(|| {
            let scope = self.scope_thing();
            last.filter(|thing| self.schema.reaches(scope, *thing) && *thing != scope)
                .and_then(|thing| self.schema.time_of(thing))
                .or_else(|| self.schema.time_of(scope))
                .or_else(|| self.schema.time_of(self.state.request.thing))
        })
    }

    fn time(&mut self, at: usize, days: (Option<Date>, Option<Date>)) {
        if let Some(subject) = self
            .state
            .subject
            .filter(|a| matches!(self.kind(*a), Kind::Day | Kind::Year))
        {
            self.take(at, format!("condition on {}", self.name(subject)));
            self.days(subject, days);
            self.state.subject = None;
            return;
        }
        // "in year 2014", "founded date after 2014": a name behind.
        let attribute = self.time_attribute();
        if let Some(attribute) = attribute {
            self.take(at, format!("condition on {}", self.name(attribute)));
            self.days(attribute, days);
        }
    }

    /// "orders from 1997" are those of that year, though a course "from 1997" goes on.
    fn whole_year(&self, at: usize, days: (Option<Date>, Option<Date>)) -> (Option<Date>, Option<Date>) {
        match days {
            (Some(from), None) if self.word_at(at) == "from" && from == from.first_of_year() => {
                (Some(from), Some(from.last_of_year()))
            }
            other => other,
        }
    }

    fn number(&mut self, at: usize, number: f64) {
        // "aged 32 or 33"
        let joined = self.before_words(at).is_some_and(|b| {
            self.span(b)
                .is_some_and(|span| matches!(span.word, Some(Word::Or | Word::And)))
        });
        if joined
            && let Some(Condition::Is {
                op: op @ (Operator::Equal | Operator::In),
                values,
                attribute,
            }) = self.state.request.conditions.last_mut()
            && matches!(values.first(), Some(Value::Integer(_) | Value::Number(_)))
        {
            *op = Operator::In;
            values.push(number_value(number));
            let attribute = *attribute;
            self.take(at, format!("or {number}, {}", self.name(attribute)));
            return;
        }
        let next = at + 1;
        if let Some(subject) = self.state.subject.take()
            && matches!(self.kind(subject), Kind::Number | Kind::Year)
        {
            let not = self.state.negation.take();
            let op = match not {
                Some(not) => {
                    self.take(not, "not");
                    Operator::NotEqual
                }
                None => Operator::Equal,
            };
            self.take(at, format!("{} is {number}", self.name(subject)));
            self.number_condition(subject, op, &[number]);
            return;
        }
        if let Some(span) = self.span(next) {
            let ranks = span.word.is_some_and(|word| {
                matches!(
                    word,
                    Word::Most | Word::Least | Word::Top | Word::Bottom | Word::Common(_)
                )
            }) || !span.ranks.is_empty()
                || !span.metric_ranks.is_empty();
            if ranks {
                self.state.number = Some((at, number));
                return;
            }
            let options = if span.attributes.is_empty() {
                &span.parts
            } else {
                &span.attributes
            };
            let options: Vec<usize> = options
                .iter()
                .copied()
                .filter(|a| self.kind(*a) == Kind::Number)
                .collect();
            if !options.is_empty()
                && let Some(attribute) = self.attribute(next, &options)
            {
                self.take(at, format!("{} is {number}", self.name(attribute)));
                self.take(next, self.name(attribute));
                self.number_condition(attribute, Operator::Equal, &[number]);
                return;
            }
            // "2 pets"
            if !span.things.is_empty()
                && let Some(thing) = self.best_thing(next)
                && thing != self.state.request.thing
                && number.fract() == 0.0
            {
                self.take(at, "exactly so many");
                self.take(next, format!("number of {}", self.noun(thing)));
                self.relate(thing, false, Some((Operator::Equal, number as i64)));
            }
        }
    }

    fn thing(&mut self, at: usize) {
        let Some(span) = self.span(at) else { return };
        let target = self.state.request.thing;
        let thing = if span.things.contains(&target) {
            target
        } else {
            match self.best_thing(at) {
                Some(thing) => thing,
                None => return,
            }
        };
        let label = self.noun(thing);
        if let Some(rank) = self.state.rank {
            let is_top = matches!(
                self.span(rank.span).and_then(|s| s.word),
                Some(Word::Top | Word::Bottom)
            );
            let qualifies = self
                .span(at + 1)
                .is_some_and(|next| next.at == span.end() && !next.attributes.is_empty() && next.word.is_none());
            if !is_top && !qualifies && (thing != target || self.heads_with_attribute(at)) {
                // "the most orders"
                self.state.rank = None;
                self.take(rank.span, "the most or the least");
                self.take(at, format!("number of {label}"));
                self.rank_by(By::Figure(Figure::Count(thing)), rank.direction, rank.rows, at);
                self.state.is_counting = false;
                return;
            }
        }
        if self.state.groups {
            // "full name of each maker": the attribute of the noun behind it is what is grouped by.
            self.take(at, format!("for each of the {label}"));
            let names_attribute = self
                .next(at)
                .filter(|next| *next == at + 1)
                .and_then(|next| self.span(next))
                .is_some_and(|s| !s.attributes.is_empty());
            if !names_attribute {
                let has_shown = self
                    .state
                    .request
                    .shown
                    .iter()
                    .any(|a| self.schema.attributes.get(*a).is_some_and(|a| a.thing == thing));
                if !has_shown {
                    self.push_group(Group::Thing(thing));
                }
                self.state.groups = false;
            }
            self.state.context.push(thing);
            return;
        }
        if self.state.is_counting {
            self.state.is_counting = false;
            self.take(at, format!("number of {label}"));
            // "how many different languages", where the rows are those of countries and languages.
            let of_rows = span.attributes.iter().copied().find(|a| {
                self.schema.attributes.get(*a).is_some_and(|a| a.thing == thing)
                    && self
                        .schema
                        .things
                        .get(thing)
                        .is_some_and(|thing| thing.label != Some(*a))
            });
            let figure = match of_rows.filter(|_| self.state.request.is_distinct) {
                Some(attribute) => Figure::Different(attribute),
                None => Figure::Count(thing),
            };
            self.state.request.figures.push(figure);
            self.state.request.names_thing = true;
            self.state.context.push(thing);
            return;
        }
        // "all authors and the number of their books"
        let leads_to_figure = self.state.context.is_empty()
            && self.state.request.shown.is_empty()
            && thing != target
            && self
                .span(at + 1)
                .is_some_and(|next| next.is(Word::And) || next.is(Word::With))
            && (at + 1..self.spans.len())
                .find(|index| {
                    self.span(*index)
                        .is_some_and(|s| !s.is_light() && !s.is(Word::And) && !s.is(Word::With))
                })
                .is_some_and(|next| {
                    matches!(
                        self.span(next).and_then(|s| s.word),
                        Some(Word::HowMany | Word::Statistic(_) | Word::Total)
                    )
                });
        if leads_to_figure {
            self.take(at, format!("for each of the {label}"));
            self.push_group(Group::Thing(thing));
            self.state.context.push(thing);
            return;
        }
        let qualifies = self
            .span(at + 1)
            .is_some_and(|next| next.at == span.end() && !next.attributes.is_empty() && next.word.is_none());
        let names_value = [at.checked_sub(1), Some(at + 1)].into_iter().flatten().any(|index| {
            self.span(index).is_some_and(|other| {
                other.hits.iter().any(|hit| {
                    self.schema
                        .attributes
                        .get(hit.attribute)
                        .is_some_and(|a| a.thing == thing)
                })
            })
        });
        if thing == target {
            self.state.request.names_thing = true;
            self.take(at, label);
            self.state.context.push(thing);
            if self.state.negation.is_some() && self.before(at) == self.state.negation {
                self.state.fails = true;
            }
            return;
        }
        let is_above = self.schema.reaches(target, thing);
        if qualifies || names_value && (is_above || self.state.scope.is_some()) {
            self.take(at, label);
            self.state.context.push(thing);
            return;
        }
        if is_above {
            let is_negated = self.state.negation.is_some();
            if is_negated {
                self.state.fails = true;
                return;
            }
            // "products and their suppliers"
            if self.state.is_selecting
                && !self.state.context.is_empty()
                && self
                    .before_words(at)
                    .is_some_and(|b| self.span(b).is_some_and(|s| s.is(Word::And)))
            {
                self.take(at, label);
                // "students and their courses" are shown together.
                if self.state.request.shown.is_empty() && self.state.context.last() == Some(&target) {
                    self.show_thing(target);
                }
                self.show_thing(thing);
                self.state.context.push(thing);
                return;
            }
            // "which city does … live in" has been the head; elsewhere it says what a name is of.
            self.take(at, label);
            if self.is_asked(at) {
                self.show_thing(thing);
            }
            self.state.context.push(thing);
            return;
        }
        if self.schema.connector(target, thing).is_none() {
            return;
        }
        let is_listed = self.state.is_selecting
            && !self.state.context.is_empty()
            && self.state.negation.is_none()
            && self
                .before_words(at)
                .is_some_and(|b| self.span(b).is_some_and(|s| s.is(Word::And)));
        if is_listed {
            self.take(at, label);
            if self.state.request.shown.is_empty() && self.state.context.last() == Some(&target) {
                self.show_thing(target);
            }
            self.show_thing(thing);
            self.state.context.push(thing);
            return;
        }
        if let Some(not) = self.state.negation.take() {
            self.take(not, "none");
            self.take(at, format!("no {label}"));
            self.relate(thing, true, None);
            return;
        }
        // More about the related rows that a verb has already named.
        let reaches = self
            .related()
            .is_some_and(|related| related.count.is_none() && self.schema.reaches(related.thing, thing));
        if reaches {
            self.take(at, label);
            self.state.context.push(thing);
            return;
        }
        self.take(at, format!("with {label}"));
        self.relate(thing, false, None);
    }

    /// Whether a question word asks for this.
    fn is_asked(&self, at: usize) -> bool {
        self.before_words(at)
            .is_some_and(|before| self.span(before).is_some_and(|span| span.is(Word::Which)))
    }

    /// Whether what is meant is told by an attribute in front: "cities with the most customers".
    fn heads_with_attribute(&self, at: usize) -> bool {
        !self.state.request.shown.is_empty() && self.state.context.is_empty() && at > 0
    }

    fn show_thing(&mut self, thing: usize) {
        if let Some(label) = self.schema.things.get(thing).and_then(|thing| thing.label) {
            self.show(label);
        }
    }

    fn show(&mut self, attribute: usize) {
        if !self.state.request.shown.contains(&attribute) {
            self.state.request.shown.push(attribute);
        }
    }

    fn push_group(&mut self, group: Group) {
        if !self.state.request.groups.contains(&group) {
            self.state.request.groups.push(group);
        }
    }

    fn metric(&mut self, at: usize) {
        let Some(metric) = self.span(at).and_then(|span| span.metrics.first().copied()) else {
            return;
        };
        let statistics = std::mem::take(&mut self.state.statistics);
        // "average revenue" is no metric that the catalogue has.
        self.state.fails |= statistics.iter().any(|(_, statistic)| statistic.is_some());
        for (place, _) in statistics {
            self.take(place, "total");
        }
        self.take(at, "metric");
        if let Some(rank) = self.state.rank.take() {
            self.take(rank.span, "the most or the least");
            self.rank_by(By::Figure(Figure::Metric(metric)), rank.direction, rank.rows, at);
            return;
        }
        self.state.is_counting = false;
        self.state.request.figures.push(Figure::Metric(metric));
    }

    fn attribute_at(&mut self, at: usize, options: &[usize]) {
        let Some(attribute) = self.attribute(at, options) else {
            return;
        };
        let target = self.state.request.thing;
        let name = self.name(attribute);
        let kind = self.kind(attribute);
        if kind == Kind::Truth {
            let not = self.state.negation.take();
            if let Some(not) = not {
                self.take(not, "not");
            }
            let is_opposite = self.span(at).is_some_and(|span| span.is_opposite);
            self.take(at, name);
            self.condition(Condition::Is {
                attribute,
                op: Operator::Equal,
                values: vec![Value::Boolean(not.is_none() != is_opposite)],
            });
            return;
        }
        if !self.state.statistics.is_empty() {
            let statistics = std::mem::take(&mut self.state.statistics);
            self.take(at, name.clone());
            for (place, statistic) in statistics {
                self.take(place, format!("of {name}"));
                let figure = Figure::Of(statistic, attribute);
                if let Some(rank) = self.state.rank.take() {
                    self.take(rank.span, "the most or the least");
                    self.rank_by(By::Figure(figure), rank.direction, rank.rows, at);
                } else {
                    self.state.request.figures.push(figure);
                }
            }
            self.state.subject = Some(attribute);
            return;
        }
        if let Some(rank) = self.state.rank.take() {
            self.take(rank.span, format!("by {name}"));
            self.take(at, name);
            // "the highest salary", of nobody in particular, is the figure itself.
            let asks_who = self.spans.first().is_some_and(|span| span.is(Word::Who));
            let named = self.spans.first().is_some_and(|span| span.is(Word::Who))
                || (0..rank.span).any(|index| {
                    self.is_used(index)
                        && self
                            .span(index)
                            .is_some_and(|s| !s.things.is_empty() || !s.attributes.is_empty())
                });
            let follows = matches!(self.span(at + 1).and_then(|s| s.word), Some(Word::With | Word::Who));
            if !named && !follows && matches!(kind, Kind::Number | Kind::Year | Kind::Day) && rank.rows.is_none() {
                let statistic = if rank.direction == Direction::Descending {
                    Statistic::Maximum
                } else {
                    Statistic::Minimum
                };
                if kind == Kind::Number {
                    self.state.request.figures.push(Figure::Of(Some(statistic), attribute));
                    return;
                }
            }
            // "the highest bonus" is that of one row, "the most points" are added up.
            let says_most = matches!(
                self.word_at(rank.span),
                "most" | "fewest" | "least" | "top" | "best" | "worst"
            );
            let of_row = self
                .schema
                .attributes
                .get(attribute)
                .is_some_and(|a| self.schema.reaches(a.thing, target));
            let by = if self.sees(target, attribute) || of_row && !says_most && !asks_who {
                By::Attribute(attribute)
            } else {
                By::Figure(Figure::Of(None, attribute))
            };
            self.rank_by(by, rank.direction, rank.rows, at);
            return;
        }
        if self.state.sorts {
            self.state.sorts = false;
            self.take(at, format!("ordered by {name}"));
            // "cities by population" shows the largest first, "sorted by population" the smallest.
            let usual = if self.state.is_list_by && kind == Kind::Number {
                Direction::Descending
            } else {
                Direction::Ascending
            };
            let direction = self.state.request.order.map_or(usual, |(_, direction)| direction);
            self.state.request.order = Some((By::Attribute(attribute), direction));
            return;
        }
        if self.state.groups {
            self.state.groups = false;
            self.take(at, format!("by {name}"));
            self.push_group(Group::Attribute(attribute));
            return;
        }
        if self.state.is_counting {
            self.state.is_counting = false;
            // "how many units were sold" adds up, "how many different prices" counts.
            let figure = if kind == Kind::Number && !self.state.request.is_distinct {
                self.take(at, format!("total {name}"));
                Figure::Of(None, attribute)
            } else {
                self.take(at, format!("how many different {name}"));
                Figure::Different(attribute)
            };
            self.state.request.figures.push(figure);
            return;
        }
        let is_next_value = self.is_subject(at, attribute);
        if is_next_value {
            self.take(at, name);
            self.state.subject = Some(attribute);
            return;
        }
        if let Some(not) = self.state.negation.take() {
            let without = self.span(not).is_some_and(|span| span.is(Word::Without)) || self.is_behind_have(not);
            if without {
                self.take(not, "none");
                self.take(at, format!("{name} is not known"));
                self.condition(Condition::Is {
                    attribute,
                    op: Operator::IsNull,
                    values: Vec::new(),
                });
                return;
            }
            self.state.negation = Some(not);
        }
        if self.state.is_selecting || self.is_asked(at) {
            self.take(at, format!("shows {name}"));
            // "all employees and their titles"
            let beside = self.state.request.shown.is_empty()
                && self.state.context.last() == Some(&target)
                && self.has_between(at, &["their", "its", "his", "her"]);
            if beside {
                self.show_thing(target);
            }
            self.show(attribute);
            self.state.request.names_columns = true;
            return;
        }
        let and_of_shown = self
            .before_words(at)
            .is_some_and(|b| self.span(b).is_some_and(|s| s.is(Word::And)))
            && self.state.request.conditions.is_empty();
        if and_of_shown {
            self.take(at, format!("shows {name}"));
            self.show(attribute);
            return;
        }
        let with = self
            .before_words(at)
            .is_some_and(|b| self.span(b).is_some_and(|s| s.is(Word::With)));
        self.take(at, name);
        if with && self.next(at).is_none() {
            self.condition(Condition::Is {
                attribute,
                op: Operator::IsNotNull,
                values: Vec::new(),
            });
        }
        self.state.subject = Some(attribute);
    }

    /// Whether one of these words stands between the last thing and this span.
    fn has_between(&self, at: usize, words: &[&str]) -> bool {
        let Some(end) = self.span(at).map(|span| span.at) else {
            return false;
        };
        let begin = (0..at)
            .rev()
            .find(|index| {
                self.span(*index)
                    .is_some_and(|span| self.is_thing(span) && !span.attributes.is_empty() || self.is_thing(span))
            })
            .and_then(|index| self.span(index))
            .map_or(0, Span::end);
        self.tokens
            .get(begin..end)
            .is_some_and(|between| between.iter().any(|token| words.contains(&token.norm.as_str())))
    }

    fn is_behind_have(&self, not: usize) -> bool {
        self.span(not + 1).is_some_and(|span| span.is(Word::With))
    }

    /// Whether what follows an attribute says how much of it, or which: then the attribute is no column to show.
    fn is_subject(&self, at: usize, attribute: usize) -> bool {
        let Some(next) = (at + 1..self.spans.len()).find(|index| {
            self.span(*index).is_some_and(|span| {
                !span.is_light() && !matches!(span.word, Some(Word::Is | Word::Of | Word::Not | Word::In))
            })
        }) else {
            return false;
        };
        let Some(span) = self.span(next) else { return false };
        let is_direct = (at + 1..next).all(|index| {
            self.span(index)
                .is_some_and(|span| matches!(span.word, Some(Word::Is | Word::Of | Word::Not | Word::Filler)))
        });
        let compares = matches!(
            span.word,
            Some(
                Word::Compare(_)
                    | Word::Between
                    | Word::Average(_)
                    | Word::Before
                    | Word::After
                    | Word::Contains
                    | Word::StartsWith
            )
        ) && !span.says_something();
        let is_kind = match self.kind(attribute) {
            Kind::Number => span.number.is_some(),
            Kind::Year | Kind::Day => span.number.is_some() || span.days.is_some(),
            _ => false,
        };
        let is_value = span.hits.iter().any(|hit| hit.attribute == attribute)
            && (is_direct && (self.is_condition_word(at) || at + 1 == next || self.has_is_between(at, next)));
        compares || is_kind && is_direct || is_value
    }

    fn has_is_between(&self, at: usize, next: usize) -> bool {
        (at + 1..next).any(|index| self.span(index).is_some_and(|span| span.is(Word::Is)))
    }

    fn is_condition_word(&self, at: usize) -> bool {
        self.before_words(at).is_some_and(|before| {
            self.span(before)
                .is_some_and(|span| matches!(span.word, Some(Word::With | Word::Who)))
        })
    }

    fn hit(&mut self, at: usize) {
        let Some(span) = self.span(at) else { return };
        let options: Vec<usize> = span.hits.iter().map(|hit| hit.attribute).collect();
        let subject = self.state.subject.filter(|subject| options.contains(subject));
        let Some(attribute) = subject
            .or_else(|| self.beside_value(at, &options))
            .or_else(|| self.attribute(at, &options))
        else {
            return;
        };
        let several = options
            .iter()
            .filter(|other| {
                **other != attribute
                    && self.schema.attributes.get(**other).map(|a| a.thing)
                        == self.schema.attributes.get(attribute).map(|a| a.thing)
            })
            .count();
        self.state.guesses += several.min(1);
        // "how many dogs": those that are one.
        if self.state.is_counting
            && !self.span(at + 1).is_some_and(|next| self.is_thing(next))
            && self.counted_noun_follows(at).is_none()
        {
            self.state.is_counting = false;
            let thing = self.state.request.thing;
            self.state.request.figures.push(Figure::Count(thing));
        }
        let mut hits: Vec<&Hit> = span.hits.iter().filter(|hit| hit.attribute == attribute).collect();
        hits.sort_by_key(|hit| std::cmp::Reverse(hit.weight));
        let is_negated_value = self.state.negation.is_some() && self.sees(self.state.request.thing, attribute);
        if is_negated_value && let Some(not) = self.state.negation.take() {
            self.take(not, "not");
        }
        let values: Vec<&Hit> = hits;
        let told: Vec<&str> = values.iter().map(|hit| hit.value.as_str()).collect();
        self.take(at, format!("{} is {}", self.name(attribute), told.join(" or ")));
        let both = self.state.is_both;
        for (index, hit) in values.iter().enumerate() {
            if index > 0 {
                self.state.is_both = false;
            }
            self.value(attribute, hit, is_negated_value);
        }
        self.state.is_both = both;
        self.state.subject = None;
        self.state.last_hit = Some(at);
        self.state.is_selecting = self.state.is_selecting && self.state.request.shown.is_empty();
    }

    /// The attribute of a value whose thing stands beside it: "the Surgery department".
    fn beside_value(&self, at: usize, options: &[usize]) -> Option<usize> {
        [at.checked_sub(1), Some(at + 1)]
            .into_iter()
            .flatten()
            .find_map(|index| {
                let things = &self.span(index)?.things;
                options.iter().copied().find(|option| {
                    self.schema
                        .attributes
                        .get(*option)
                        .is_some_and(|a| things.contains(&a.thing))
                })
            })
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
