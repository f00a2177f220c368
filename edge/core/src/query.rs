//! `POST /api/query`: a `Query` compiled and run, one page at a time. The agent's tool `query_data` runs the same way.

use crate::{
    Body, cursor,
    data::{self, Data},
    failure::Failure,
    identity::Viewer,
    limits::RESULT_MAX_ROWS,
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
    let body = incoming.whole_body().await?;
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
    let compiled = compiled(context, viewer, &data, query, offset).map_err(|error| refused(&error))?;
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
    let next_cursor = if page.table.truncated {
        let next = offset + page.table.row_count;
        Some(cursor(context, viewer, query, &data.state.snapshot_id, next)?)
    } else {
        None
    };
    Ok(Answered {
        table: page.table,
        notes: page.notes,
        sql: compiled.sql,
        as_of: data.state.as_of.clone(),
        next_cursor,
        offset,
        snapshot_id: data.state.snapshot_id.clone(),
    })
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
