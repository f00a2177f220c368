//! `GET /api/catalogue` and `GET /api/suggest`, both answered from memory.

use crate::{
    Body, data,
    failure::Failure,
    identity::Viewer,
    limits::{SUGGEST_DEFAULT_ROWS, SUGGEST_MAX_ROWS},
    routes::{Incoming, json},
    upstream::Context,
};
use concert_contract::{
    api::{SuggestAnswer, SuggestedValue},
    catalogue::{Catalogue, CatalogueValue, Dimension},
};
use http::{Response, StatusCode};

pub async fn catalogue(context: &Context, viewer: &Viewer) -> Result<Response<Body>, Failure> {
    let data = data::data(context).await?;
    json(StatusCode::OK, &*data.offer(&context.edge, &viewer.role)?)
}

pub async fn suggest(context: &Context, viewer: &Viewer, incoming: &Incoming) -> Result<Response<Body>, Failure> {
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
    let values = find(context, viewer, &text, dimension.as_deref(), limit).await?;
    json(StatusCode::OK, &SuggestAnswer { values })
}

/// The values that `text` may mean, of those that the viewer may see.
///
/// # Errors
/// A dimension that has none to look up, or the warehouse.
pub async fn find(
    context: &Context,
    viewer: &Viewer,
    text: &str,
    dimension: Option<&str>,
    limit: usize,
) -> Result<Vec<SuggestedValue>, Failure> {
    let seen = context.edge.seen_by(&viewer.role)?;
    if let Some(name) = dimension {
        indexed(&seen, name)?;
    }
    let data = data::data(context).await?;
    let is_sought = |name: &str| match dimension {
        Some(dimension) => name == dimension,
        None => seen.dimension(name).is_some(),
    };
    let found = data.values.find(text, is_sought, limit);
    Ok(found.into_iter().map(suggested).collect())
}

fn suggested(value: &CatalogueValue) -> SuggestedValue {
    SuggestedValue {
        dimension: value.dimension.clone(),
        value: value.value.clone(),
        label: value.label.clone(),
    }
}

/// The dimension, if its values can be looked up.
///
/// # Errors
/// 400 with the names of those that can.
fn indexed<'a>(catalogue: &'a Catalogue, name: &str) -> Result<&'a Dimension, Failure> {
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
