//! `POST /api/sql`: free SQL, for those whom a `Query` does not serve. It runs only if the guard lets it through, as the
//! guard rewrote it: with the viewer's rows and columns and a row limit. The agent's tool `run_sql` runs the same way.

use crate::{
    Body,
    failure::Failure,
    identity::Viewer,
    limits::RESULT_MAX_ROWS,
    routes::{Incoming, json},
    statement::{StatementError, select},
    upstream::Context,
};
use concert_contract::{
    api::{SqlAnswer, SqlRequest},
    table::Table,
};
use concert_guard::{Policy, check};
use http::{Response, StatusCode};

pub async fn sql(context: &Context, viewer: &Viewer, mut incoming: Incoming) -> Result<Response<Body>, Failure> {
    let body = incoming.whole_body(context).await?;
    let asked: SqlRequest = serde_json::from_slice(&body).map_err(|error| {
        Failure::validation("bad_request", format!("The request cannot be read: {error}."))
            .with_action("Send {\"sql\": \"SELECT …\"}.")
    })?;
    json(StatusCode::OK, &run(context, viewer, &asked.sql).await?)
}

/// Checks and runs one statement.
///
/// # Errors
/// Why the guard refuses it and where, or what is wrong with the warehouse.
pub async fn run(context: &Context, viewer: &Viewer, sql: &str) -> Result<SqlAnswer, Failure> {
    let policy = Policy::of(&context.edge.catalogue, Some(&viewer.role)).map_err(|error| {
        Failure::validation("not_allowed", "Your role may see nothing of this data.")
            .with_action("Ask whoever keeps the catalogue to add the role.")
            .with_internal(error.to_string())
    })?;
    // One row more than is shown, by which it is known that there are more.
    let policy = policy.with_max_rows(RESULT_MAX_ROWS as u64 + 1);
    let guarded = check(sql, &policy).map_err(|refusal| {
        let place = format!("line {}, column {}", refusal.line, refusal.column);
        Failure::validation(refusal.code.name(), format!("{} ({place})", refusal.reason))
            .with_action("Change the statement there and send it again.")
    })?;
    let rows = select(context, &guarded.sql, &[], RESULT_MAX_ROWS + 1)
        .await
        .map_err(|error| match error {
            // The guard let it through, so what is wrong is in the statement: a type, a date that is none.
            StatementError::Failed(reason) => Failure::validation(
                "statement_failed",
                "The warehouse could not run this statement as it is written.",
            )
            .with_action("Check types, divisions by zero, and dates that are none.")
            .with_internal(reason),
            StatementError::Other(failure) => failure,
        })?;
    Ok(SqlAnswer {
        table: shown(rows.into_table()),
        sql: guarded.sql,
    })
}

fn shown(mut table: Table) -> Table {
    table.truncated = table.rows.len() > RESULT_MAX_ROWS;
    table.rows.truncate(RESULT_MAX_ROWS);
    table.row_count = table.rows.len() as u64;
    table
}
