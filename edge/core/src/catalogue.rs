//! `GET /api/catalogue` and `GET /api/suggest`, both answered from memory.

use crate::{
    Body,
    data::{self, Data},
    failure::Failure,
    limits::{SUGGEST_DEFAULT_ROWS, SUGGEST_MAX_ROWS},
    query::compiled,
    routes::{Incoming, json},
    upstream::Context,
    values::{Found, Values},
};
use concert_contract::{
    api::{CatalogueAnswer, DimensionInfo, MetricInfo},
    catalogue::{Catalogue, Dimension},
    chat::Suggestion,
    insight,
    query::{Direction, Filter, Operator, Order, Query, Value},
    table::ColumnType,
};
use http::{Response, StatusCode};
use serde::Serialize;

/// First questions on an empty page.
const QUESTIONS_MAX: usize = 6;
/// Rows of a first question that ranks.
const QUESTION_LIMIT: u32 = 10;

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
            values: data.values.find(&text, dimension.as_deref(), limit),
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
fn candidates(catalogue: &Catalogue, values: &Values) -> Vec<Query> {
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
