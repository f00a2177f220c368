//! `GET /api/catalogue` and `GET /api/suggest`, both answered from memory.

use crate::{
    Body, data,
    failure::Failure,
    limits::{SUGGEST_DEFAULT_ROWS, SUGGEST_MAX_ROWS},
    routes::{Incoming, json},
    upstream::Context,
    values::Found,
};
use concert_contract::catalogue::{Catalogue, Dimension};
use http::{Response, StatusCode};
use serde::Serialize;

pub async fn catalogue(context: &Context) -> Result<Response<Body>, Failure> {
    let data = data::data(context).await?;
    json(StatusCode::OK, &data.offer)
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
