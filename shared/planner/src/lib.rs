//! Plain words to a [`Query`], offline, over any catalogue.
//!
//! Words are linked to what the catalogue knows (metrics, dimensions, ranking words), to the values of the data, and to
//! numbers and times; the links are then put together into a `Query`. A word that is linked to nothing is said back,
//! never dropped. Nothing here does I/O or reads a clock.

mod build;
mod construct;
mod follow;
mod index;
mod language;
mod link;
mod onward;
mod purpose;
mod spell;
mod text;
mod things;
mod times;
mod words;

pub use index::ValueIndex;

use build::{Builder, Draft};
use concert_contract::{
    api::DataState,
    catalogue::Catalogue,
    chart::ChartKind,
    chat::{Clarify, Suggestion, Understood},
    compile::{CompileContext, compile},
    insight,
    query::{FilterClause, Operator, Query, QueryMetric},
};
use construct::Construct;
use index::Lexicon;
use jiff::civil::Date;
use link::Linker;
use words::Lack;

/// The longest question that is read. Real ones have fewer than fifty words.
const MOST_WORDS: usize = 150;
/// As much of an unknown word as is said back in a sentence, in characters.
const MOST_SAID_BACK: usize = 60;

/// What a plan depends on beside the question.
#[derive(Clone, Copy, Debug)]
pub struct PlanContext<'a> {
    /// Reads "since March" and "in the 90s".
    pub today: Date,
    pub state: &'a DataState,
    /// The query of the turn before, for questions that go on from it.
    pub previous: Option<&'a Query>,
}

/// What a question came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// None where nothing could be asked, or where `clarify` has to be answered first. It compiles.
    pub query: Option<Query>,
    /// Of the query: "Attendance by year".
    pub title: String,
    /// How the answer is to be drawn, where the question says so.
    pub chart: Option<ChartKind>,
    pub understood: Vec<Understood>,
    /// Words that mean nothing here, as they were written.
    pub not_understood: Vec<String>,
    /// 0 to 1.
    pub confidence: f64,
    pub clarify: Option<Clarify>,
    /// What could be asked next; every query compiles.
    pub follow_ups: Vec<Suggestion>,
    /// What to say where there is no query: what is not in the data and what can be asked.
    pub message: Option<String>,
}

/// Plans questions against one catalogue and one snapshot's values. Cheap to make: the values are indexed before.
#[derive(Clone, Debug)]
pub struct Planner<'a> {
    catalogue: &'a Catalogue,
    values: &'a ValueIndex,
    lexicon: Lexicon,
    things: things::Schema,
}

impl<'a> Planner<'a> {
    pub fn new(catalogue: &'a Catalogue, values: &'a ValueIndex) -> Planner<'a> {
        Planner {
            catalogue,
            values,
            lexicon: Lexicon::new(catalogue, values),
            things: things::Schema::new(catalogue),
        }
    }

    /// Plans a question. Any text gives a plan; none panics.
    pub fn plan(&self, question: &str, context: &PlanContext<'_>) -> Plan {
        if !self.things.is_complete {
            return self.plan_figures(question, context);
        }
        match self.plan_things(question, context) {
            Some(plan) if plan.not_understood.is_empty() => plan,
            Some(plan) => {
                let other = self.plan_figures(question, context);
                let knows_more = plan.query.is_none() || other.not_understood.len() < plan.not_understood.len();
                if other.query.is_some() && knows_more {
                    other
                } else {
                    plan
                }
            }
            None => self.plan_figures(question, context),
        }
    }

    /// Plans a question that asks for things: rows, their columns, how many others belong to them.
    fn plan_things(&self, question: &str, context: &PlanContext<'_>) -> Option<Plan> {
        if is_sql(question, self.catalogue) || context.previous.is_some() {
            return None;
        }
        let tokens = text::tokens(question);
        let reading = things::read(self.catalogue, self.values, &self.things, question, context.today)?;
        let compile_context = CompileContext {
            today: context.today,
            state: context.state,
            role: None,
            max_rows: 1,
            offset: 0,
        };
        compile(&reading.query, self.catalogue, &compile_context).ok()?;
        let not_understood: Vec<String> = reading
            .unknown
            .iter()
            .filter_map(|at| tokens.get(*at))
            .map(|token| token.text.clone())
            .collect();
        let mut plan = Plan {
            title: insight::title(&reading.query, self.catalogue),
            understood: reading.understood,
            not_understood,
            ..Plan::default()
        };
        if let Some(name) = unknown_name_at(&reading.unknown, &tokens) {
            plan.message = Some(not_in_data(&name, &self.values.nearest(&name, MOST_OFFERED)));
            plan.follow_ups = self.first_questions(context);
            return Some(plan);
        }
        plan.confidence = sureness(reading.guesses, &plan.not_understood, true);
        plan.query = Some(reading.query);
        Some(plan)
    }

    /// Plans a question that asks for figures, by groups and over time.
    fn plan_figures(&self, question: &str, context: &PlanContext<'_>) -> Plan {
        if is_sql(question, self.catalogue) {
            return Plan {
                message: Some(format!(
                    "This is SQL, and the built-in planner reads plain words. Run it with the tool for SQL, or ask in \
                     words. {}",
                    self.offer(context)
                )),
                follow_ups: self.first_questions(context),
                ..Plan::default()
            };
        }
        let refused = |message: String| Plan {
            message: Some(message),
            follow_ups: self.first_questions(context),
            ..Plan::default()
        };
        let words = question.split_whitespace().count();
        if words > MOST_WORDS {
            return refused(format!(
                "The question has {words} words, and at most {MOST_WORDS} are read, so that none is left out in silence. \
                 Ask it in a sentence or two. {}",
                self.offer(context)
            ));
        }
        let mut tokens = text::tokens(question);
        let language = language::other_language(question, &tokens, |token| {
            self.lexicon.knows(token) || self.values.has_word(&token.norm)
        });
        if let Some(language) = language {
            let looks = if language.is_empty() {
                String::new()
            } else {
                format!(", and this looks like {language}")
            };
            return Plan {
                not_understood: tokens
                    .iter()
                    .filter(|token| !self.lexicon.knows(token) && !self.values.has_word(&token.norm))
                    .map(|token| token.text.clone())
                    .collect(),
                ..refused(format!("I read English only{looks}. {}", self.offer(context)))
            };
        }
        let purposes = purpose::take_out(&mut tokens, &self.lexicon, self.values);
        spell::correct(&mut tokens, &self.lexicon, self.values);
        let linker = Linker {
            catalogue: self.catalogue,
            values: self.values,
            lexicon: &self.lexicon,
            today: context.today,
        };
        let links = linker.link(&tokens);
        let draft = Builder {
            catalogue: self.catalogue,
            state: context.state,
            today: context.today,
            tokens: &tokens,
            links,
            follows: context.previous.is_some(),
        }
        .build();
        let mut plan = Plan {
            not_understood: draft
                .unknown
                .iter()
                .filter_map(|at| tokens.get(*at))
                .map(|token| token.text.clone())
                .collect(),
            understood: draft.understood.clone(),
            chart: draft.chart,
            ..Plan::default()
        };
        plan.understood.extend(purposes.into_iter().map(|words| Understood {
            words,
            meaning: "what it is for".to_owned(),
        }));
        let compile_context = CompileContext {
            today: context.today,
            state: context.state,
            role: None,
            max_rows: 1,
            offset: 0,
        };
        if let Some(message) = self
            .refusal(&draft, &plan, &tokens, context)
            .or_else(|| self.unknown_name(&draft, &tokens))
        {
            plan.message = Some(message);
            plan.follow_ups = self.first_questions(context);
            return plan;
        }
        let goes_on = context.previous.is_some() && onward::goes_on(&tokens, &draft);
        let previous = context.previous.filter(|_| goes_on);
        let mut query = self.asked(&draft, previous);
        // What the turn before compared may make no sense of what is asked now.
        if let Some(previous) = previous
            && compile(&query, self.catalogue, &compile_context).is_err()
        {
            let plain = Query {
                compare: Vec::new(),
                having: Vec::new(),
                ..previous.clone()
            };
            let again = self.asked(&draft, Some(&plain));
            if compile(&again, self.catalogue, &compile_context).is_ok() {
                query = again;
            }
        }
        plan.title = insight::title(&query, self.catalogue);
        if let Err(error) = compile(&query, self.catalogue, &compile_context) {
            plan.message = Some(format!("{} {}", error.message, self.offer(context)));
            plan.follow_ups = self.first_questions(context);
            plan.confidence = 0.0;
            return plan;
        }
        plan.confidence = confidence(&draft, &plan, goes_on);
        plan.clarify = follow::clarify(&query, &draft, self.catalogue, &compile_context);
        if plan.clarify.is_some() {
            return plan;
        }
        plan.follow_ups = follow::suggestions(&query, &draft, self.catalogue, &compile_context);
        plan.query = Some(query);
        plan
    }

    /// The query of a draft, on its own or as a change of the one before.
    fn asked(&self, draft: &Draft, previous: Option<&Query>) -> Query {
        let mut query = match previous {
            Some(previous) => follow::go_on(previous, draft, self.catalogue),
            None => draft.query.clone(),
        };
        if query.grain.is_none() {
            query.grain = draft.needs_grain;
        }
        for construct in &draft.constructs {
            construct.apply(&mut query, self.catalogue);
        }
        for filter in query.filters.iter_mut().filter_map(FilterClause::single_mut) {
            if filter.op == Operator::In && filter.values.len() == 1 {
                filter.op = Operator::Equal;
            }
        }
        query
    }

    /// Why a question is not answered at all, instead of in part.
    fn refusal(&self, draft: &Draft, plan: &Plan, tokens: &[text::Token], context: &PlanContext<'_>) -> Option<String> {
        let unknown = clipped(&plan.not_understood.join(", "));
        if let Some((words, lack)) = &draft.beyond {
            if *lack == Lack::NoSuchDay {
                return Some(format!(
                    "There is no such day as “{words}”. Name another one, or a month or a year."
                ));
            }
            return Some(format!(
                "“{words}” asks for more than this: the built-in planner does not {}. {}",
                lack.text(),
                self.offer(context)
            ));
        }
        let stray = draft.constructs.iter().any(|construct| match construct {
            Construct::AgainstPeriod(other, today) => {
                let before = context.previous.and_then(|previous| previous.period.as_ref());
                !before.is_some_and(|before| {
                    construct::pair(before, other, *today).is_some()
                        || construct::two_years(before, other, *today).is_some()
                })
            }
            _ => false,
        });
        if stray {
            return Some(format!(
                "The built-in planner compares two stretches of time that follow one another, or whole years; name both \
                 of them. {}",
                self.offer(context)
            ));
        }
        let names_nothing = !draft.is_explicit && !draft.has_groups;
        let says_change = draft.bare_rank.is_some()
            || !draft.constructs.is_empty()
            || !draft.adds.is_empty()
            || draft.says_chart && context.previous.is_some()
            || draft.is_beside;
        let goes_on = context.previous.is_some() && (draft.has_scope || draft.has_groups || says_change);
        if names_nothing && !plan.not_understood.is_empty() && !(goes_on && draft.has_scope) {
            return Some(format!(
                "I do not know what “{unknown}” means here. {}",
                self.offer(context)
            ));
        }
        if names_nothing && !draft.has_scope && !says_change && !goes_on {
            return Some(self.offer(context));
        }
        if draft.bare_rank.is_some() && !goes_on && !draft.has_scope && plan.not_understood.is_empty() {
            return Some(format!(
                "Name what is to be ranked, as in “top 10 artists by revenue”. {}",
                self.offer(context)
            ));
        }
        // A word that means something here, with nothing to attach to: the query would answer another question.
        if !draft.misplaced.is_empty() && !goes_on {
            let words: Vec<&str> = draft
                .misplaced
                .iter()
                .filter_map(|at| tokens.get(*at))
                .map(|token| token.text.as_str())
                .collect();
            return Some(format!(
                "I do not see what “{}” belongs to in this question, and without it the answer would be one to another \
                 question. {}",
                words.join(" "),
                self.offer(context)
            ));
        }
        // Someone or something by a name that only a question word points at.
        if !draft.is_explicit && !plan.not_understood.is_empty() && !draft.has_scope {
            return Some(format!(
                "I do not know what “{unknown}” means here. {}",
                self.offer(context)
            ));
        }
        None
    }

    /// A name that the data does not have, behind "in" or "at": an answer without it would be one to another question.
    fn unknown_name(&self, draft: &Draft, tokens: &[text::Token]) -> Option<String> {
        let at = draft.unlinked.iter().copied().find(|at| {
            let steps_back = |steps: usize| {
                at.checked_sub(steps)
                    .and_then(|i| tokens.get(i))
                    .map(|t| t.norm.as_str())
            };
            let lead = if steps_back(1) == Some("the") {
                steps_back(2)
            } else {
                steps_back(1)
            };
            match lead {
                Some("in" | "at" | "from" | "near" | "for") => true,
                Some("by" | "of" | "with") => tokens.get(*at).is_some_and(text::Token::is_capital),
                _ => false,
            }
        })?;
        let name: Vec<&str> = (at..)
            .take_while(|index| draft.unlinked.contains(index))
            .filter_map(|index| tokens.get(index))
            .map(|token| token.text.as_str())
            .collect();
        let name = clipped(&name.join(" "));
        Some(not_in_data(&name, &self.values.nearest(&name, MOST_OFFERED)))
    }

    /// What can be asked, in a sentence.
    fn offer(&self, context: &PlanContext<'_>) -> String {
        const MOST_NAMED: usize = 6;
        let compile_context = CompileContext {
            today: context.today,
            state: context.state,
            role: None,
            max_rows: 1,
            offset: 0,
        };
        let metrics: Vec<String> = self
            .catalogue
            .metrics
            .iter()
            .filter(|metric| {
                let query = Query {
                    metrics: vec![QueryMetric::from(&metric.name)],
                    ..Query::default()
                };
                compile(&query, self.catalogue, &compile_context).is_ok()
            })
            .map(|metric| metric.label.to_lowercase())
            .take(MOST_NAMED)
            .collect();
        if metrics.is_empty() {
            return "No data has been published yet: bring in a file first.".to_owned();
        }
        let dimensions: Vec<String> = self
            .catalogue
            .dimensions
            .iter()
            .filter(|d| d.column.is_some() || d.part.is_some())
            .filter(|d| concert_contract::compile::filled_dimension(d, self.catalogue, context.state))
            .map(|d| d.label.to_lowercase())
            .take(MOST_NAMED)
            .collect();
        format!(
            "You can ask for {}, by {} and by time.",
            list(&metrics),
            dimensions.join(", ")
        )
    }

    fn first_questions(&self, context: &PlanContext<'_>) -> Vec<Suggestion> {
        concert_contract::api::CatalogueAnswer::build(self.catalogue, context.state, self.values.heads()).questions
    }
}

/// Whether a text is a statement and no question: what a person pasted, not what they asked.
fn is_sql(text: &str, catalogue: &Catalogue) -> bool {
    let lower = text.trim_start().to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let has = |word: &str| words.contains(&word);
    // "select the revenue from Chicago" is plain words.
    let from_table = words.windows(2).any(|pair| match pair {
        ["from", table] => {
            let table = table.trim_end_matches([';', ',', ')']);
            catalogue.tables.contains_key(table.rsplit('.').next().unwrap_or(table)) || table.contains(['.', '_'])
        }
        _ => false,
    });
    let is_written = lower.contains(['*', ';', '=', '(']) || has("where") || has("join") || has("limit");
    match words.first() {
        Some(&"select") => has("from") && (from_table || is_written),
        Some(&"with") => has("as") && has("select"),
        Some(&"insert") => has("into"),
        Some(&"update") => has("set"),
        Some(&"delete") => has("from"),
        Some(&"drop" | &"alter" | &"create" | &"truncate") => {
            ["table", "view", "schema", "database", "user"].into_iter().any(has)
        }
        _ => false,
    }
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(MOST_SAID_BACK) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The nearest names that are offered for one that the data does not have.
const MOST_OFFERED: usize = 3;

fn not_in_data(name: &str, near: &[String]) -> String {
    let offer = if near.is_empty() {
        String::new()
    } else {
        format!(" The nearest are {}.", near.join(", "))
    };
    format!("“{name}” is not in the data at hand.{offer}")
}

/// A name among words that found no place: written as one, or behind a word that a name follows. An answer without it
/// would be one to another question.
fn unknown_name_at(unknown: &[usize], tokens: &[text::Token]) -> Option<String> {
    let is_name = |at: &&usize| {
        let before = at
            .checked_sub(1)
            .and_then(|index| tokens.get(index))
            .map(|t| t.norm.as_str());
        let token = tokens.get(**at);
        let is_written = token
            .is_some_and(|token| token.is_capital() && !token.is_upper() || token.is_upper() && token.norm.len() > 1)
            && **at > 0
            && !tokens.iter().all(text::Token::is_capital);
        is_written || matches!(before, Some("in" | "at" | "from" | "near" | "named" | "called"))
    };
    let at = *unknown.iter().find(is_name)?;
    let words: Vec<&str> = (at..)
        .take_while(|index| unknown.contains(index))
        .filter_map(|index| tokens.get(index))
        .map(|token| token.text.as_str())
        .collect();
    Some(words.join(" "))
}

fn list(words: &[String]) -> String {
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

/// How sure the plan is: every word that was guessed or left over takes its share.
fn confidence(draft: &Draft, plan: &Plan, goes_on: bool) -> f64 {
    // What nobody named is that of the turn before.
    let guesses = draft.guesses - usize::from(goes_on && draft.bare_rank.is_some() && draft.guesses > 0);
    sureness(guesses, &plan.not_understood, draft.is_explicit || goes_on)
}

fn sureness(guesses: usize, not_understood: &[String], is_explicit: bool) -> f64 {
    const GUESS: f64 = 0.15;
    const UNKNOWN: f64 = 0.2;
    const UNNAMED: f64 = 0.25;
    const LEAST: f64 = 0.05;
    // A word that was left out may be the one that matters.
    const MOST_WITH_UNKNOWN: f64 = 0.45;
    let guesses = GUESS * guesses as f64;
    let unknown = UNKNOWN * not_understood.len() as f64;
    let unnamed = if is_explicit { 0.0 } else { UNNAMED };
    let most = if not_understood.is_empty() {
        1.0
    } else {
        MOST_WITH_UNKNOWN
    };
    (1.0 - guesses - unknown - unnamed).clamp(LEAST, most)
}
