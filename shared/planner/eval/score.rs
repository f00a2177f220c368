//! Scores the planner on the questions of this folder: a question is right if its query means the same as one of
//! those expected, or if it was to be refused and was. Used by the tests and by `cargo xtask bench planner`.

use concert_contract::query::{Filter, FilterClause, Grain, HavingClause, Operator, Period, Query};
use concert_planner::Plan;
use jiff::civil::Date;
use serde::Deserialize;
use std::{collections::BTreeMap, path::Path};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub question: String,
    /// The query of the turn before.
    pub after: Option<Query>,
    pub tags: Vec<String>,
    /// Every query that answers the question.
    #[serde(default)]
    pub expected: Vec<Query>,
    /// No query is right, or none at all has to be given.
    #[serde(default)]
    pub refuse: bool,
    /// The question has to be asked back.
    #[serde(default)]
    pub clarify: bool,
    /// Words that must be said back.
    #[serde(default)]
    pub unknown: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Right,
    /// No answer where there is one.
    Silent,
    Wrong,
}

/// The cases of a file of this folder.
pub fn cases(name: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("eval").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.case
}

/// Below this confidence an answer says itself that it is a guess.
pub const SURE: f64 = 0.5;

pub fn judge(case: &Case, plan: &Plan, today: Date) -> Verdict {
    let said_back = case
        .unknown
        .iter()
        .all(|word| plan.not_understood.iter().any(|said| said.eq_ignore_ascii_case(word)));
    if plan.clarify.is_some() {
        return if case.clarify { Verdict::Right } else { Verdict::Silent };
    }
    let Some(query) = &plan.query else {
        return if case.refuse && said_back {
            Verdict::Right
        } else {
            Verdict::Silent
        };
    };
    let meaning = meaning(query, today);
    if case
        .expected
        .iter()
        .any(|expected| self::meaning(expected, today) == meaning)
    {
        return Verdict::Right;
    }
    if case.refuse && said_back && !case.unknown.is_empty() && plan.confidence < SURE {
        return Verdict::Right;
    }
    Verdict::Wrong
}

/// A query without what does not change its rows: the order of conditions, two ways to say one thing, an order where
/// all rows are asked for.
pub fn meaning(query: &Query, today: Date) -> String {
    let mut query = query.clone();
    query.filters = clauses(&query.filters, today);
    query.focus = clauses(&query.focus, today);
    query.having = havings(&query.having);
    query.period = query.period.take().map(|period| absolute(period, today));
    if query.grain == Some(Grain::Year) {
        query.grain = None;
        query.dimensions.push("year".to_owned());
    }
    query.dimensions.sort();
    query.dimensions.dedup();
    let first = query.metrics.first().map(|metric| metric.name());
    if let Some(top) = &mut query.top {
        top.by = top.by.take().or(first);
        top.per.sort();
    }
    query.metrics.sort_by_key(|metric| metric.name());
    query.compare.sort_by_key(|comparison| format!("{comparison:?}"));
    if query.limit.is_none() {
        query.order.clear();
    }
    serde_json::to_string(&query).unwrap_or_default()
}

fn absolute(period: Period, today: Date) -> Period {
    match period {
        Period::Since { .. } => period,
        other => other.resolve(today).map_or(other, |days| Period::Between {
            from: days.from,
            to: days.to,
        }),
    }
}

fn clauses(clauses: &[FilterClause], today: Date) -> Vec<FilterClause> {
    let mut plain: Vec<FilterClause> = clauses.iter().map(|clause| normal(clause, today)).collect();
    plain.sort_by_key(|clause| serde_json::to_string(clause).unwrap_or_default());
    plain
}

fn normal(clause: &FilterClause, today: Date) -> FilterClause {
    match clause {
        FilterClause::Is(filter) => FilterClause::Is(Filter {
            op: plain_operator(filter.op),
            values: {
                let mut values = filter.values.clone();
                if matches!(plain_operator(filter.op), Operator::In | Operator::NotIn) {
                    values.sort_by_key(|value| serde_json::to_string(value).unwrap_or_default());
                }
                values
            },
            dimension: filter.dimension.clone(),
        }),
        FilterClause::Any { any } => FilterClause::Any {
            any: self::clauses(any, today),
        },
        FilterClause::All { all } => FilterClause::All {
            all: self::clauses(all, today),
        },
        FilterClause::Not { not } => FilterClause::Not {
            not: Box::new(normal(not, today)),
        },
        FilterClause::Exists { exists } => {
            let mut exists = exists.clone();
            exists.filters = self::clauses(&exists.filters, today);
            exists.having = havings(&exists.having);
            exists.period = exists.period.take().map(|period| absolute(period, today));
            FilterClause::Exists { exists }
        }
        FilterClause::Than { .. } => clause.clone(),
    }
}

fn plain_operator(op: Operator) -> Operator {
    match op {
        Operator::Equal => Operator::In,
        Operator::NotEqual => Operator::NotIn,
        other => other,
    }
}

fn havings(clauses: &[HavingClause]) -> Vec<HavingClause> {
    let mut plain = clauses.to_vec();
    plain.sort_by_key(|clause| serde_json::to_string(clause).unwrap_or_default());
    plain
}

/// Right and all, by tag.
pub type ByTag = BTreeMap<String, (usize, usize)>;

#[derive(Debug, Default)]
pub struct Score {
    pub right: usize,
    pub cases: usize,
    /// Wrong answers that were given with confidence, by their questions.
    pub sure_and_wrong: Vec<String>,
    /// Answers with a confidence of at least 0.9, and how many of them are right.
    pub very_sure: (usize, usize),
    pub by_tag: ByTag,
    /// Each question that was not right, with what became of it.
    pub failed: Vec<String>,
}

impl Score {
    pub fn add(&mut self, case: &Case, plan: &Plan, today: Date) {
        const VERY_SURE: f64 = 0.9;
        let verdict = judge(case, plan, today);
        let right = usize::from(verdict == Verdict::Right);
        self.cases += 1;
        self.right += right;
        if plan.query.is_some() {
            if verdict == Verdict::Wrong && plan.confidence >= SURE {
                self.sure_and_wrong
                    .push(format!("{} ({:.2})", case.question, plan.confidence));
            }
            if plan.confidence >= VERY_SURE {
                self.very_sure.0 += right;
                self.very_sure.1 += 1;
            }
        }
        for tag in &case.tags {
            let of = self.by_tag.entry(tag.clone()).or_default();
            of.0 += right;
            of.1 += 1;
        }
        if verdict != Verdict::Right {
            let became = match (&plan.query, &plan.message) {
                (Some(query), _) => format!("{} ({:.2})", query.to_compact(), plan.confidence),
                (None, Some(message)) => message.clone(),
                (None, None) => "nothing".to_owned(),
            };
            self.failed.push(format!("{}\n    {became}", case.question));
        }
    }
}
