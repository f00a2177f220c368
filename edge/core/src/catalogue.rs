//! `GET /api/catalogue` and `GET /api/suggest`, and the search for values that the agent's `look_up` shares. All of it
//! is answered from memory.

use crate::{
    Body,
    data::{self, Data},
    failure::Failure,
    limits::{SUGGEST_DEFAULT_ROWS, SUGGEST_MAX_CHARS, SUGGEST_MAX_ROWS},
    query::compiled,
    routes::{Incoming, json},
    upstream::Context,
};
use concert_contract::{
    api::{CatalogueAnswer, DimensionInfo, MetricInfo},
    catalogue::{Catalogue, CatalogueValue, Dimension},
    chat::Suggestion,
    insight,
    query::{Direction, Filter, Operator, Order, Query, Value},
    table::ColumnType,
};
use http::{Response, StatusCode};
use serde::Serialize;
use std::cmp::Reverse;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// First questions on an empty page.
const QUESTIONS_MAX: usize = 6;
/// Rows of a first question that ranks.
const QUESTION_LIMIT: u32 = 10;
/// Names that differ more than this are not the same name with a slip (Jaro-Winkler, 0 to 1).
const SIMILAR_MIN: f64 = 0.87;

pub async fn catalogue(context: &Context) -> Result<Response<Body>, Failure> {
    let data = data::data(context).await?;
    let catalogue = &context.edge.catalogue;
    json(
        StatusCode::OK,
        &CatalogueAnswer {
            version: catalogue.version.clone(),
            metrics: catalogue
                .metrics
                .iter()
                .map(|metric| MetricInfo {
                    name: metric.name.clone(),
                    label: metric.label.clone(),
                    description: metric.description.clone(),
                    unit: metric.unit,
                    format: metric.format,
                })
                .collect(),
            dimensions: catalogue
                .dimensions
                .iter()
                .map(|dimension| DimensionInfo {
                    name: dimension.name.clone(),
                    label: dimension.label.clone(),
                    plural: dimension.plural.clone(),
                    column_type: dimension.column_type,
                    phrase: dimension.phrase.clone(),
                    names: data
                        .values
                        .iter()
                        .filter(|value| value.dimension == dimension.name)
                        .filter_map(|value| Some((value.value.clone(), dimension.name_of(&value.value)?)))
                        .collect(),
                    indexed: dimension.indexed,
                    grain: dimension.grain,
                    part: dimension.part,
                })
                .collect(),
            data: data.state.clone(),
            questions: questions(context, &data),
        },
    )
}

#[derive(Serialize)]
struct SuggestAnswer<'a> {
    values: Vec<Found<'a>>,
}

/// A value that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found<'a> {
    pub dimension: &'a str,
    /// What a filter compares with.
    pub value: &'a str,
    pub label: &'a str,
}

pub async fn suggest(context: &Context, incoming: &Incoming) -> Result<Response<Body>, Failure> {
    let text = incoming.parameter("q").unwrap_or_default();
    let limit = match incoming.parameter("limit") {
        None => SUGGEST_DEFAULT_ROWS,
        Some(limit) => limit
            .parse()
            .ok()
            .filter(|limit| (1..=SUGGEST_MAX_ROWS).contains(limit))
            .ok_or_else(|| {
                Failure::validation("bad_parameter", format!("limit is {limit:?}."))
                    .with_action(format!("Write a number from 1 to {SUGGEST_MAX_ROWS}."))
            })?,
    };
    let dimension = incoming.parameter("dimension").filter(|name| !name.is_empty());
    if let Some(name) = &dimension {
        indexed(&context.edge.catalogue, name)?;
    }
    let data = data::data(context).await?;
    json(
        StatusCode::OK,
        &SuggestAnswer {
            values: find(&data.values, &text, dimension.as_deref(), limit),
        },
    )
}

/// The dimension, if its values can be looked up.
///
/// # Errors
/// 400 with the names of those that can.
pub fn indexed<'a>(catalogue: &'a Catalogue, name: &str) -> Result<&'a Dimension, Failure> {
    catalogue
        .dimension(name)
        .filter(|dimension| dimension.indexed)
        .ok_or_else(|| {
            let names: Vec<&str> = catalogue
                .dimensions
                .iter()
                .filter(|dimension| dimension.indexed)
                .map(|d| d.name.as_str())
                .collect();
            Failure::validation(
                "unknown_dimension",
                format!("The values of {name:?} cannot be looked up."),
            )
            .with_action(format!("Write one of {}.", names.join(", ")))
        })
}

/// The values that are, begin with, contain or nearly are `text`, the best first; equal ones by weight.
pub fn find<'a>(values: &'a [CatalogueValue], text: &str, dimension: Option<&str>, limit: usize) -> Vec<Found<'a>> {
    let text: String = text.chars().take(SUGGEST_MAX_CHARS).collect();
    let sought = fold(&text);
    let mut found: Vec<(u32, &CatalogueValue)> = values
        .iter()
        .filter(|value| dimension.is_none_or(|name| value.dimension == name))
        .filter_map(|value| Some((distance(&sought, value)?, value)))
        .collect();
    found.sort_by_key(|(distance, value)| (*distance, Reverse(value.weight), &value.label));
    found
        .into_iter()
        .take(limit)
        .map(|(_, value)| Found {
            dimension: &value.dimension,
            value: &value.value,
            label: &value.label,
        })
        .collect()
}

/// 0 for the value itself, more for less of a likeness, none for another.
fn distance(sought: &str, value: &CatalogueValue) -> Option<u32> {
    let names = [fold(&value.value), fold(&value.label)];
    let best = |is: &dyn Fn(&str) -> bool| names.iter().any(|name| is(name));
    if best(&|name| name == sought) {
        return Some(0);
    }
    if best(&|name| name.starts_with(sought)) {
        return Some(1);
    }
    if best(&|name| name.split(' ').any(|word| word.starts_with(sought)) || name.contains(&format!(" {sought}"))) {
        return Some(2);
    }
    if best(&|name| name.contains(sought)) {
        return Some(3);
    }
    let likeness = names
        .iter()
        .map(|name| strsim::jaro_winkler(name, sought))
        .fold(0.0, f64::max);
    // Nearer names first: 0.99 before 0.90.
    (likeness >= SIMILAR_MIN).then(|| 4 + ((1.0 - likeness) * 1_000.0).round() as u32)
}

/// Letters and digits in lower case, words apart by one space, common accents left out, `&` read as "and".
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for char in text.nfd().filter(|char| !is_combining_mark(*char)) {
        if char.is_alphanumeric() {
            folded.extend(char.to_lowercase());
        } else if char == '&' {
            folded.push_str(" and ");
        } else if char != '\'' && char != '’' && !folded.ends_with(' ') {
            folded.push(' ');
        }
    }
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// First questions: a pure function of the catalogue and of what the data holds. Only those that compile against the
/// published data are offered, so that none of them ends in "not in this data".
fn questions(context: &Context, data: &Data) -> Vec<Suggestion> {
    if data.state.snapshot_id.is_empty() {
        return Vec::new();
    }
    candidates(&context.edge.catalogue, &data.values)
        .into_iter()
        .filter(|query| compiled(context, data, query, 0).is_ok())
        .take(QUESTIONS_MAX)
        .map(|query| Suggestion {
            label: insight::title(&query, &context.edge.catalogue),
            query,
        })
        .collect()
}

/// Rankings, courses over time and one question about the most frequent value, for the first metrics of the catalogue.
fn candidates(catalogue: &Catalogue, values: &[CatalogueValue]) -> Vec<Query> {
    let metrics: Vec<&str> = catalogue.metrics.iter().map(|metric| metric.name.as_str()).collect();
    // A dimension with one value ranks nothing.
    let ranked: Vec<&str> = catalogue
        .dimensions
        .iter()
        .filter(|dimension| dimension.column_type == ColumnType::Text && dimension.indexed)
        .map(|dimension| dimension.name.as_str())
        .filter(|name| values.iter().filter(|value| value.dimension == *name).take(2).count() == 2)
        .collect();
    let grained = catalogue.dimensions.iter().find(|dimension| dimension.grain.is_some());
    let weekday = catalogue
        .dimensions
        .iter()
        .rfind(|dimension| dimension.part.is_some() && dimension.grain.is_none());
    let top = |metric: &str, dimension: &str| Query {
        metrics: vec![metric.to_owned()],
        dimensions: vec![dimension.to_owned()],
        order: vec![Order {
            by: metric.to_owned(),
            direction: Direction::Descending,
        }],
        limit: Some(QUESTION_LIMIT),
        ..Query::default()
    };
    let mut queries = Vec::new();
    for (at, metric) in metrics.iter().enumerate() {
        if let Some(grain) = grained.and_then(|dimension| dimension.grain) {
            queries.push(Query {
                metrics: vec![(*metric).to_owned()],
                grain: Some(grain),
                ..Query::default()
            });
        }
        if !ranked.is_empty() {
            queries.push(top(metric, ranked[at % ranked.len()]));
        }
        if at == 0
            && let Some(weekday) = weekday
        {
            queries.push(Query {
                metrics: vec![(*metric).to_owned()],
                dimensions: vec![weekday.name.clone()],
                ..Query::default()
            });
        }
        if at == 1
            && let [group, filter, ..] = ranked.as_slice()
            && let Some(most) = values
                .iter()
                .filter(|value| value.dimension == *filter)
                .max_by_key(|v| v.weight)
        {
            queries.push(Query {
                filters: vec![Filter {
                    dimension: (*filter).to_owned(),
                    op: Operator::Equal,
                    values: vec![Value::Text(most.value.clone())],
                }],
                ..top(metric, group)
            });
        }
    }
    queries
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn value(dimension: &str, value: &str, weight: i64) -> CatalogueValue {
        CatalogueValue {
            dimension: dimension.into(),
            value: value.into(),
            label: value.into(),
            weight,
            sounds_like: None,
        }
    }

    #[test]
    fn values_are_found_by_beginning_word_part_and_slip() {
        let values = [
            value("city", "Washington", 90),
            value("city", "São Paulo", 5),
            value("venue", "9:30 Club", 20),
            value("venue", "Wash House", 3),
            value("artist", "Belle & Sebastian", 4),
        ];
        let found = |text: &str, dimension: Option<&str>| -> Vec<String> {
            find(&values, text, dimension, 10)
                .into_iter()
                .map(|found| found.value.to_owned())
                .collect()
        };
        assert_eq!(found("wash", None), ["Washington", "Wash House"]);
        assert_eq!(found("wash", Some("venue")), ["Wash House"]);
        assert_eq!(found("sao paulo", None), ["São Paulo"]);
        assert_eq!(found("club", None), ["9:30 Club"]);
        assert_eq!(found("Washingtn", None), ["Washington"]);
        assert_eq!(found("belle and sebastian", None), ["Belle & Sebastian"]);
        assert_eq!(found("zzz", None), [""; 0]);
        assert_eq!(find(&values, "", None, 2).len(), 2);
    }
}
