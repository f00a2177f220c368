//! `POST /api/query`: a `Query` compiled and run, one page at a time. The agent's tool `query_data` runs the same way.

use crate::{
    Body,
    cache::Page,
    cursor,
    data::{self, Data},
    failure::Failure,
    flight::{Boarded, Key},
    identity::Viewer,
    limits::RESULT_MAX_ROWS,
    lock,
    routes::{Incoming, json},
    statement::{StatementError, coerce, select},
    upstream::Context,
};
use concert_contract::{
    api::{DryRunAnswer, QueryAnswer},
    compile::{CompileContext, Compiled, compile},
    query::{Query, QueryError, QueryErrorCode},
    table::Table,
};
use http::{Response, StatusCode};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// One page of a query's result.
pub struct Answered {
    pub table: Table,
    pub notes: Vec<String>,
    pub sql: String,
    pub as_of: Option<String>,
    pub next_cursor: Option<String>,
    /// The rows before this page, and the snapshot that they are of.
    pub offset: u64,
    pub snapshot_id: String,
}

pub async fn query(context: &Context, viewer: &Viewer, mut incoming: Incoming) -> Result<Response<Body>, Failure> {
    let dry_run = match incoming.parameter("dry_run").as_deref() {
        None | Some("false") => false,
        Some("true" | "") => true,
        Some(other) => {
            return Err(Failure::validation("bad_parameter", format!("dry_run is {other:?}."))
                .with_action("Write dry_run=true or leave it out."));
        }
    };
    let body = incoming.whole_body(context).await?;
    let text = std::str::from_utf8(&body).map_err(|error| {
        Failure::validation(
            "bad_query",
            format!("The query is not UTF-8 text: byte {} is wrong.", error.valid_up_to()),
        )
    })?;
    let mut query = Query::from_json(text).map_err(|error| refused(&error))?;
    let cursor = query.cursor.take();
    if dry_run {
        let data = data::data(context).await?;
        let compiled = compiled(context, viewer, &data, &query, 0).map_err(|error| refused(&error))?;
        let columns = compiled.public_columns();
        return json(
            StatusCode::OK,
            &DryRunAnswer {
                sql: compiled.sql,
                parameters: compiled.parameters,
                columns,
            },
        );
    }
    let answered = run(context, viewer, &query, cursor.as_deref()).await?;
    json(
        StatusCode::OK,
        &QueryAnswer {
            table: answered.table,
            sql: answered.sql,
            query,
            as_of: answered.as_of,
            next_cursor: answered.next_cursor,
        },
    )
}

/// Runs `query`, which holds no cursor itself, from where the cursor `begin` says.
///
/// # Errors
/// What is wrong with the query or the cursor, or with the warehouse.
pub async fn run(context: &Context, viewer: &Viewer, query: &Query, begin: Option<&str>) -> Result<Answered, Failure> {
    let key = &context.edge.settings.cookie_key;
    let (data, offset) = match begin {
        None => (data::data(context).await?, 0),
        // Pages must be of one snapshot, so the edge looks which one is there now.
        Some(cursor) => {
            let data = data::fresh(context).await?;
            let offset = cursor::read(key, viewer, query, &data.state.snapshot_id, cursor)?;
            (data, offset)
        }
    };
    let page = page(context, viewer, &data, query, offset).await?;
    let next_cursor = if page.table.truncated {
        let next = offset + page.table.row_count;
        Some(cursor(context, viewer, query, &data.state.snapshot_id, next)?)
    } else {
        None
    };
    Ok(Answered {
        table: page.table.clone(),
        notes: page.notes.clone(),
        sql: page.sql.clone(),
        as_of: data.state.as_of.clone(),
        next_cursor,
        offset,
        snapshot_id: data.state.snapshot_id.clone(),
    })
}

/// A page that was made before, is being made by another request, or is made now.
async fn page(
    context: &Context,
    viewer: &Viewer,
    data: &Data,
    query: &Query,
    offset: u64,
) -> Result<Arc<Page>, Failure> {
    let edge = &context.edge;
    let key = key(context, viewer, data, query, offset)?;
    loop {
        if let Some(page) = lock(&edge.cache).get(&key) {
            return Ok(page);
        }
        if !context.host.requests_may_meet() {
            return made(context, viewer, data, query, offset, key).await;
        }
        match edge.query_flights.board(key) {
            Boarded::Lead(lead) => {
                let made = made(context, viewer, data, query, offset, key).await;
                lead.land(&made);
                return made;
            }
            Boarded::Follow(follower) => {
                if let Ok(made) = follower.await {
                    return made;
                }
            }
        }
    }
}

async fn made(
    context: &Context,
    viewer: &Viewer,
    data: &Data,
    query: &Query,
    offset: u64,
    key: Key,
) -> Result<Arc<Page>, Failure> {
    let compiled = compiled(context, viewer, data, query, offset).map_err(|error| refused(&error))?;
    // The statement reads one row more than a page, by which it is known whether there are more.
    let rows = select(context, &compiled.sql, &compiled.parameters, RESULT_MAX_ROWS + 1)
        .await
        .map_err(StatementError::into_failure)?
        .rows;
    let typed = rows
        .into_iter()
        .map(|row| {
            let types = compiled.columns.iter().map(|column| column.column_type);
            row.into_iter()
                .zip(types)
                .map(|(cell, column_type)| coerce(cell, column_type))
                .collect()
        })
        .collect();
    let page = compiled.page(typed);
    let page = Arc::new(Page {
        table: page.table,
        notes: page.notes,
        sql: compiled.sql,
    });
    lock(&context.edge.cache).insert(key, page.clone());
    Ok(page)
}

/// All that a page depends on.
fn key(context: &Context, viewer: &Viewer, data: &Data, query: &Query, offset: u64) -> Result<Key, Failure> {
    let json = serde_json::to_vec(query).map_err(|error| Failure::internal(format!("a query as JSON: {error}")))?;
    let today = context.today().to_string();
    let parts: [&[u8]; 6] = [
        &json,
        context.edge.catalogue.version.as_bytes(),
        data.state.snapshot_id.as_bytes(),
        viewer.role.as_bytes(),
        today.as_bytes(),
        &offset.to_le_bytes(),
    ];
    let mut hash = Sha256::new();
    for part in parts {
        // Lengths keep parts apart.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    Ok(hash.finalize().into())
}

/// The cursor of the page that begins after `offset` rows.
pub fn cursor(
    context: &Context,
    viewer: &Viewer,
    query: &Query,
    snapshot_id: &str,
    offset: u64,
) -> Result<String, Failure> {
    cursor::write(&context.edge.settings.cookie_key, viewer, query, snapshot_id, offset)
}

/// `query` as a statement over the data that is there.
pub fn compiled(
    context: &Context,
    viewer: &Viewer,
    data: &Data,
    query: &Query,
    offset: u64,
) -> Result<Compiled, QueryError> {
    let max_rows = u32::try_from(RESULT_MAX_ROWS).unwrap_or(u32::MAX);
    compile(
        query,
        &context.edge.catalogue,
        &CompileContext {
            today: context.today(),
            state: &data.state,
            role: Some(&viewer.role),
            max_rows,
            offset,
        },
    )
}

pub fn refused(error: &QueryError) -> Failure {
    if error.code == QueryErrorCode::BadCatalogue {
        return Failure::internal(error.to_string());
    }
    let mut failure = Failure::validation(error.code.name(), error.to_string());
    failure.suggested_action.clone_from(&error.suggested_action);
    failure
}
