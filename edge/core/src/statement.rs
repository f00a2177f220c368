//! One SELECT through the Redshift Data API: submit, wait, fetch pages, decode. A statement whose reader has left, or
//! that takes too long, is cancelled.

use crate::{
    Level,
    failure::Failure,
    limits::{EXECUTE_PATIENCE_MS, PACE_WAIT_MAX_MS, STATEMENT_MAX_MS, STATEMENT_POLL_MS, STATEMENT_WAIT_S},
    lock,
    pace::Pacer,
    upstream::{Context, WAREHOUSE, call_once, redshift},
};
use concert_aws::redshift::{
    CancelStatement, ColumnMetadata, DescribeStatement, ExecuteStatement, Field, GetStatementResult, Parameter, Status,
};
use concert_contract::table::{Cell, Column, ColumnType, Decimal, Table};

/// How long a cancellation may take; nobody waits for it.
const CANCEL_TIMEOUT_MS: u64 = 5_000;

/// What a statement gave. Column types are the engine's.
#[derive(Debug)]
pub struct Rows {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
}

impl Rows {
    pub fn into_table(self) -> Table {
        let row_count = self.rows.len() as u64;
        Table {
            columns: self.columns,
            rows: self.rows,
            row_count,
            truncated: false,
        }
    }
}

/// The statement ended, but not with a result.
#[derive(Debug)]
pub enum StatementError {
    /// In the engine's words; for the log.
    Failed(String),
    Other(Failure),
}

impl StatementError {
    pub fn into_failure(self) -> Failure {
        match self {
            StatementError::Failed(reason) => Failure::upstream_refused(WAREHOUSE, reason),
            StatementError::Other(failure) => failure,
        }
    }
}

impl From<Failure> for StatementError {
    fn from(failure: Failure) -> Self {
        StatementError::Other(failure)
    }
}

/// Runs a SELECT and reads at most `max_rows` of its rows.
///
/// # Errors
/// See [`StatementError`].
pub async fn select(
    context: &Context,
    sql: &str,
    parameters: &[concert_contract::api::Parameter],
    max_rows: usize,
) -> Result<Rows, StatementError> {
    let settings = &context.edge.settings;
    pace(context, |paces| &mut paces.execute).await?;
    let started_ms = context.host.now_ms();
    let executed = redshift(
        context,
        ExecuteStatement {
            sql: sql.to_owned(),
            database: settings.database.clone(),
            workgroup_name: Some(settings.workgroup.clone()),
            parameters: parameters
                .iter()
                .map(|parameter| Parameter {
                    name: parameter.name.clone(),
                    value: parameter.value.clone(),
                })
                .collect(),
            statement_name: Some(format!("concert-{}", context.correlation_id)),
            // A second try of the same call must not run the statement twice.
            client_token: Some(context.random_id()?),
            wait_time_seconds: Some(STATEMENT_WAIT_S),
        },
        EXECUTE_PATIENCE_MS,
    )
    .await?;
    let mut running = Running {
        context: context.clone(),
        id: executed.id.clone(),
        is_over: false,
    };
    let mut status = executed.status.unwrap_or(Status::Submitted);
    while !status.is_final() {
        if context.host.now_ms().saturating_sub(started_ms) > STATEMENT_MAX_MS {
            return Err(
                Failure::timeout(WAREHOUSE, format!("the statement {} took too long: {sql}", executed.id))
                    .with_action("Ask for less at once: a shorter period, or fewer groups.")
                    .into(),
            );
        }
        let asked_ms = context.host.now_ms();
        let described = describe(context, &executed.id, Some(STATEMENT_WAIT_S)).await?;
        status = described.status;
        // A service that does not know how to wait answers at once; it is not asked in a tight loop.
        if !status.is_final() && context.host.now_ms().saturating_sub(asked_ms) < STATEMENT_POLL_MS {
            context.host.sleep(STATEMENT_POLL_MS).await;
        }
    }
    running.is_over = true;
    if status != Status::Finished {
        let described = describe(context, &executed.id, None).await?;
        let reason = described
            .error
            .unwrap_or_else(|| format!("{status:?} without a reason"));
        return Err(StatementError::Failed(format!(
            "the statement {} failed: {reason}; it was: {sql}",
            executed.id
        )));
    }
    fetch(context, &executed.id, max_rows)
        .await
        .map_err(StatementError::Other)
}

/// One pacer for each operation with a quota of its own.
#[derive(Debug)]
pub struct Paces {
    pub execute: Pacer,
    pub describe: Pacer,
    pub result: Pacer,
}

/// Waits for this call's time.
async fn pace(context: &Context, of: impl FnOnce(&mut Paces) -> &mut Pacer) -> Result<(), Failure> {
    let wait_ms = of(&mut lock(&context.edge.paces)).reserve(context.host.now_ms(), PACE_WAIT_MAX_MS);
    match wait_ms {
        Some(0) => Ok(()),
        Some(ms) => {
            context.host.sleep(ms).await;
            Ok(())
        }
        None => Err(Failure::busy(WAREHOUSE, "too many statements wait for their time")),
    }
}

async fn describe(
    context: &Context,
    id: &str,
    wait_time_seconds: Option<u32>,
) -> Result<concert_aws::redshift::Described, Failure> {
    pace(context, |paces| &mut paces.describe).await?;
    redshift(
        context,
        DescribeStatement {
            id: id.to_owned(),
            wait_time_seconds,
        },
        STATEMENT_MAX_MS,
    )
    .await
}

async fn fetch(context: &Context, id: &str, max_rows: usize) -> Result<Rows, Failure> {
    let mut columns: Vec<Column> = Vec::new();
    let mut types: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    let mut next_token = None;
    loop {
        pace(context, |paces| &mut paces.result).await?;
        let page = redshift(
            context,
            GetStatementResult {
                id: id.to_owned(),
                next_token: next_token.take(),
            },
            STATEMENT_MAX_MS,
        )
        .await?;
        if columns.is_empty() {
            columns = page.column_metadata.iter().map(column).collect();
            types = page
                .column_metadata
                .into_iter()
                .map(|metadata| metadata.type_name)
                .collect();
        }
        let fields = page.records.into_iter().take(max_rows - rows.len());
        rows.extend(fields.map(|record| {
            record
                .into_iter()
                .enumerate()
                .map(|(at, field)| cell(field, types.get(at).map_or("", |t| t)))
                .collect()
        }));
        match page.next_token {
            Some(token) if rows.len() < max_rows => next_token = Some(token),
            _ => return Ok(Rows { columns, rows }),
        }
    }
}

/// Cancels the statement if its reader is dropped before it is over.
struct Running {
    context: Context,
    id: String,
    is_over: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let context = self.context.clone();
        let cancel = CancelStatement {
            id: std::mem::take(&mut self.id),
        };
        self.context.host.detach(Box::pin(async move {
            if let Err(error) = call_once(&context, &cancel, CANCEL_TIMEOUT_MS).await {
                context.log(
                    Level::Warning,
                    &format!("cannot cancel {}: {}", cancel.id, error.describe()),
                );
            }
        }));
    }
}

fn column(metadata: &ColumnMetadata) -> Column {
    let name = metadata
        .label
        .as_ref()
        .filter(|label| !label.is_empty())
        .unwrap_or(&metadata.name)
        .clone();
    let column_type = match metadata.type_name.to_ascii_lowercase().as_str() {
        "int2" | "int4" | "int8" | "smallint" | "integer" | "bigint" | "oid" => ColumnType::Integer,
        "numeric" | "decimal" => ColumnType::Decimal,
        "float4" | "float8" | "real" | "double precision" => ColumnType::Float,
        "bool" | "boolean" => ColumnType::Boolean,
        "date" => ColumnType::Date,
        "timestamp" | "timestamptz" | "timestamp without time zone" | "timestamp with time zone" => {
            ColumnType::Timestamp
        }
        _ => ColumnType::Text,
    };
    Column {
        name,
        column_type,
        unit: None,
    }
}

fn cell(field: Field, type_name: &str) -> Cell {
    match field {
        Field::IsNull(_) => Cell::Null,
        Field::BooleanValue(value) => Cell::Boolean(value),
        Field::LongValue(value) => Cell::Integer(value),
        Field::DoubleValue(value) => Cell::Float(value),
        Field::BlobValue(text) => Cell::Text(text),
        Field::StringValue(text) => {
            let type_name = type_name.to_ascii_lowercase();
            match type_name.as_str() {
                "numeric" | "decimal" => Decimal::parse(&text).map_or(Cell::Text(text), Cell::Decimal),
                name if name.starts_with("timestamp") => Cell::Text(instant(&text)),
                _ => Cell::Text(text),
            }
        }
    }
}

/// Redshift writes `2020-01-02 03:04:05.5` and, with a zone, `…+00`; on our wire it is RFC 3339 with `Z`.
fn instant(text: &str) -> String {
    let text = text.trim();
    let utc = ["+00:00", "+00", "Z"]
        .iter()
        .find_map(|zone| text.strip_suffix(zone))
        .unwrap_or(text);
    match utc.split_once([' ', 'T']) {
        Some((day, time)) => format!("{day}T{time}Z"),
        None => text.to_owned(),
    }
}

/// Puts a cell into the type that its column has on our wire: a sum of integers is a NUMERIC in Redshift.
pub fn coerce(cell: Cell, to: ColumnType) -> Cell {
    match (cell, to) {
        (Cell::Decimal(value), ColumnType::Integer) => match i64::try_from(value.mantissa) {
            Ok(whole) if value.scale == 0 => Cell::Integer(whole),
            _ => Cell::Decimal(value),
        },
        (Cell::Decimal(value), ColumnType::Float) => Cell::Float(value.to_f64()),
        (Cell::Integer(value), ColumnType::Float) => Cell::Float(value as f64),
        (Cell::Integer(value), ColumnType::Decimal) => Cell::Decimal(Decimal {
            mantissa: i128::from(value),
            scale: 0,
        }),
        (cell, _) => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_cells_of_our_wire() {
        let text = |text: &str| Field::StringValue(text.into());
        for (field, type_name, expected) in [
            (text("12.50"), "numeric", r#"12.50"#),
            (text("2020-01-02 03:04:05"), "timestamp", r#""2020-01-02T03:04:05Z""#),
            (
                text("2020-01-02 03:04:05.25+00"),
                "timestamptz",
                r#""2020-01-02T03:04:05.25Z""#,
            ),
            (text("2020-01-02T03:04:05Z"), "timestamp", r#""2020-01-02T03:04:05Z""#),
            (text("2020-01-02"), "date", r#""2020-01-02""#),
            (text("12.50"), "varchar", r#""12.50""#),
            (Field::LongValue(7), "int8", "7"),
            (Field::IsNull(true), "varchar", "null"),
            (Field::BooleanValue(true), "bool", "true"),
        ] {
            assert_eq!(
                serde_json::to_string(&cell(field.clone(), type_name)).unwrap(),
                expected,
                "{field:?}"
            );
        }
    }

    #[test]
    fn a_sum_of_integers_is_an_integer_again() {
        let sum = Cell::Decimal(Decimal { mantissa: 12, scale: 0 });
        assert_eq!(coerce(sum, ColumnType::Integer), Cell::Integer(12));
        let half = Cell::Decimal(Decimal {
            mantissa: 125,
            scale: 1,
        });
        assert_eq!(coerce(half.clone(), ColumnType::Integer), half);
        assert_eq!(coerce(half, ColumnType::Float), Cell::Float(12.5));
    }
}
