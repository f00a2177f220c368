//! What `/api/catalogue` and `/api/suggest` say: what can be asked of the data at hand, the first questions, and the
//! values that a few letters may mean. Pure functions of the catalogue, the state of the data and its values.

use super::{CompileContext, compile, filled_dimension};
use crate::{
    api::{CatalogueAnswer, DataState, DimensionInfo, MetricInfo},
    catalogue::{Catalogue, CatalogueValue, Dimension, Metric, TimePart, Unit},
    chat::Suggestion,
    insight,
    query::{Direction, Filter, Grain, Operator, Order, Query, Value},
};
use jiff::civil::Date;

/// First questions on an empty page.
const QUESTIONS: usize = 4;
/// Rows of a ranking in a first question.
const RANKED_ROWS: u32 = 10;

impl CatalogueAnswer {
    /// What can be asked: only metrics and dimensions that the published data holds.
    pub fn build(catalogue: &Catalogue, state: &DataState, values: &[CatalogueValue]) -> CatalogueAnswer {
        let compiles = |query: &Query| compile(query, catalogue, &context(state)).is_ok();
        let metrics = catalogue
            .metrics
            .iter()
            .filter(|metric| compiles(&of_metric(metric)))
            .map(|metric| MetricInfo {
                name: metric.name.clone(),
                label: metric.label.clone(),
                description: metric.description.clone(),
                noun: metric.noun.clone(),
                unit: metric.unit,
                format: metric.format,
            });
        let dimensions = catalogue
            .dimensions
            .iter()
            .filter(|dimension| filled_dimension(dimension, catalogue, state))
            .map(|dimension| DimensionInfo {
                name: dimension.name.clone(),
                label: dimension.label.clone(),
                plural: dimension.plural.clone(),
                column_type: dimension.column_type,
                phrase: dimension.phrase.clone(),
                names: values
                    .iter()
                    .filter(|value| value.dimension == dimension.name)
                    .filter_map(|value| Some((value.value.clone(), dimension.name_of(&value.value)?)))
                    .collect(),
                indexed: dimension.indexed,
                grain: dimension.grain,
                part: dimension.part,
            });
        CatalogueAnswer {
            version: catalogue.version.clone(),
            metrics: metrics.collect(),
            dimensions: dimensions.collect(),
            data: state.clone(),
            questions: questions(catalogue, state, values),
        }
    }
}

fn context(state: &DataState) -> CompileContext<'_> {
    // No question here has a relative period, so any day does.
    CompileContext {
        today: Date::constant(2000, 1, 1),
        state,
        role: None,
        max_rows: 1,
        offset: 0,
    }
}

fn of_metric(metric: &Metric) -> Query {
    Query {
        metrics: vec![metric.name.as_str().into()],
        ..Query::default()
    }
}

fn ranked(metric: &Metric, dimension: &Dimension) -> Query {
    Query {
        dimensions: vec![dimension.name.clone()],
        order: vec![Order {
            by: metric.name.clone(),
            direction: Direction::Descending,
        }],
        limit: Some(RANKED_ROWS),
        ..of_metric(metric)
    }
}

/// Up to four different questions that the data can answer: a ranking, a course of time, a part of it, a weekday.
fn questions(catalogue: &Catalogue, state: &DataState, values: &[CatalogueValue]) -> Vec<Suggestion> {
    let mut offered: Vec<Vec<Query>> = Vec::new();
    let counts: Vec<&Metric> = catalogue.metrics.iter().filter(|m| m.noun.is_some()).collect();
    let amounts: Vec<&Metric> = catalogue
        .metrics
        .iter()
        .filter(|m| m.noun.is_none() && m.unit != Unit::Percent)
        .collect();
    let both = || amounts.iter().chain(&counts).copied();
    let usable = |dimension: &&Dimension| filled_dimension(dimension, catalogue, state);
    let entity = catalogue
        .dimensions
        .iter()
        .filter(usable)
        .find(|d| d.column.is_none() && d.part.is_none());
    if let Some(entity) = entity {
        offered.push(both().map(|metric| ranked(metric, entity)).collect());
    }
    let days = state
        .tables
        .iter()
        .filter_map(|table| Some((table.first_day?, table.last_complete_day?)));
    let years = days.map(|(first, last)| last.year() - first.year()).max().unwrap_or(0);
    let grain = if years >= 2 { Grain::Year } else { Grain::Month };
    offered.push(
        both()
            .map(|metric| Query {
                grain: Some(grain),
                ..of_metric(metric)
            })
            .collect(),
    );

    // The most frequent value of a dimension, with the next finer dimension inside it.
    let indexed: Vec<&Dimension> = catalogue
        .dimensions
        .iter()
        .filter(|d| d.indexed)
        .filter(usable)
        .collect();
    let distinct = |dimension: &Dimension| values.iter().filter(|value| value.dimension == dimension.name).count();
    let several: Vec<&Dimension> = indexed.iter().copied().filter(|d| distinct(d) > 1).collect();
    if let [finer, coarser, ..] = several.as_slice() {
        let most = values
            .iter()
            .filter(|value| value.dimension == coarser.name)
            .max_by_key(|value| value.weight);
        if let Some(value) = most {
            let filter = Filter {
                dimension: coarser.name.clone(),
                op: Operator::Equal,
                values: vec![Value::Text(value.value.clone())],
            };
            let inside = |metric: &&Metric| Query {
                filters: vec![filter.clone().into()],
                ..ranked(metric, finer)
            };
            offered.push(counts.iter().map(inside).collect());
        }
    }
    if let Some(weekday) = catalogue.dimensions.iter().find(|d| d.part == Some(TimePart::Weekday)) {
        offered.push(
            counts
                .iter()
                .map(|metric| Query {
                    dimensions: vec![weekday.name.clone()],
                    ..of_metric(metric)
                })
                .collect(),
        );
    }
    for dimension in &several {
        offered.push(both().map(|metric| ranked(metric, dimension)).collect());
    }
    let answerable = |query: &Query| compile(query, catalogue, &context(state)).is_ok();
    let mut questions: Vec<Suggestion> = Vec::new();
    for alternatives in offered {
        let Some(query) = alternatives.into_iter().find(answerable) else {
            continue;
        };
        let label = insight::title(&query, catalogue);
        if questions.len() < QUESTIONS && !questions.iter().any(|other| other.label == label) {
            questions.push(Suggestion { label, query });
        }
    }
    questions
}

/// The values that `text` may mean: those that begin with it, then those with a word that does, then those that are
/// spelt like it; within each, the most frequent first. An empty text gives the most frequent.
pub fn suggest(values: &[CatalogueValue], text: &str, dimension: Option<&str>, limit: usize) -> Vec<CatalogueValue> {
    const LEAST_SIMILAR: f64 = 0.85;
    const LONGEST_CHARS: usize = 100;
    let asked: String = fold(text).chars().take(LONGEST_CHARS).collect();
    let mut found: Vec<(u8, &CatalogueValue)> = values
        .iter()
        .filter(|value| dimension.is_none_or(|dimension| value.dimension == dimension))
        .filter_map(|value| {
            let name = fold(&value.label);
            let rank = if name.starts_with(&asked) {
                0
            } else if name.split([' ', '-', ',']).any(|word| word.starts_with(&asked)) {
                1
            } else if name.contains(&asked) {
                2
            } else if asked.chars().count() >= 3 && strsim::jaro_winkler(&asked, &name) >= LEAST_SIMILAR {
                3
            } else {
                return None;
            };
            Some((rank, value))
        })
        .collect();
    found.sort_by(|(a_rank, a), (b_rank, b)| {
        a_rank
            .cmp(b_rank)
            .then_with(|| b.weight.cmp(&a.weight))
            .then_with(|| a.label.cmp(&b.label))
    });
    found.into_iter().take(limit).map(|(_, value)| value.clone()).collect()
}

fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}
