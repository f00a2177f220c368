//! The tables of a Redshift schema, looked at through the signed Redshift Data API: at AWS, or at an endpoint that
//! speaks like it. The questions are those that files are asked.

use crate::{
    error::{Error, Result},
    names,
    profile::{Ask, ColumnShape, Declared, TableShape, quoted},
};
use concert_aws::{
    Aws, Credentials, ServiceError,
    redshift::{
        ColumnMetadata, DescribeStatement, ExecuteStatement, Field, GetStatementResult, Operation, Parameter, Status,
        WAIT_MAX_S, decode, request,
    },
    retry,
};
use concert_contract::table::{Cell, ColumnType, Decimal};
use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// One statement may take so long: some look through a whole table.
const STATEMENT_MAX: Duration = Duration::from_secs(30 * 60);
/// One call waits at most [`WAIT_MAX_S`] for a statement, and a little for the way there and back.
const CALL_MAX: Duration = Duration::from_secs(WAIT_MAX_S as u64 + 30);
/// A service that does not wait is asked no more often than this.
const POLL: Duration = Duration::from_millis(500);

/// Where the schema is.
#[derive(Clone, Debug)]
pub struct RedshiftOptions {
    pub region: String,
    /// Empty: AWS itself.
    pub endpoint: String,
    pub credentials: Credentials,
    pub workgroup: String,
    pub database: String,
    pub schema: String,
}

/// A schema in Redshift.
pub struct RedshiftSchema {
    client: reqwest::Client,
    aws: Aws,
    options: RedshiftOptions,
    pub shapes: Vec<TableShape>,
    /// What could not be learnt, for the head of the catalogue.
    pub notes: Vec<String>,
}

struct Rows {
    columns: Vec<ColumnMetadata>,
    rows: Vec<Vec<Cell>>,
}

impl RedshiftSchema {
    /// Reads the names and types of the schema's tables, and what keys and references it declares.
    ///
    /// # Errors
    /// The service cannot be reached or refuses; the schema has no tables.
    pub async fn open(options: RedshiftOptions) -> Result<RedshiftSchema> {
        let failed = |error: &dyn std::fmt::Display| Error::Redshift(error.to_string());
        let aws = Aws::new(&options.region, &options.endpoint, options.credentials.clone()).map_err(|e| failed(&e))?;
        let client = reqwest::Client::builder()
            .timeout(CALL_MAX)
            .build()
            .map_err(|e| failed(&e))?;
        let mut schema = RedshiftSchema {
            client,
            aws,
            options,
            shapes: Vec::new(),
            notes: Vec::new(),
        };
        let of_schema = [Parameter {
            name: "schema".to_owned(),
            value: schema.options.schema.clone(),
        }];
        let tables = schema
            .run(
                "SELECT CAST(table_name AS VARCHAR) FROM information_schema.tables WHERE table_schema = :schema \
                 ORDER BY 1",
                &of_schema,
            )
            .await?;
        for row in &tables.rows {
            if let Some(name) = row.first().and_then(Cell::as_str) {
                let shape = schema.shape(name).await?;
                schema.shapes.push(shape);
            }
        }
        let names = |name: &String| names::identifier(name, "") == *name;
        schema
            .shapes
            .retain(|shape| names(&shape.name) && !shape.columns.is_empty());
        if schema.shapes.is_empty() {
            return Err(Error::Redshift(format!(
                "the schema {} in the database {} has no tables that this key may see",
                schema.options.schema, schema.options.database
            )));
        }
        schema.constraints(&of_schema).await?;
        Ok(schema)
    }

    /// The columns of a table, as the result of reading none of its rows says.
    async fn shape(&self, name: &str) -> Result<TableShape> {
        let sql = format!("SELECT * FROM {} LIMIT 0", self.table(name));
        let mut shape = TableShape::new(name);
        for column in self.run(&sql, &[]).await?.columns {
            let Some(column_type) = column_type(&column) else {
                shape.doubts.push(format!(
                    "the column {} is left out: {} has no single values",
                    column.name, column.type_name
                ));
                continue;
            };
            if names::identifier(&column.name, "") != column.name {
                shape.doubts.push(format!(
                    "the column {} is left out: its name needs quotes in SQL",
                    column.name
                ));
                continue;
            }
            shape.columns.push(ColumnShape {
                name: column.name,
                column_type,
                is_percent: false,
                doubts: Vec::new(),
            });
        }
        Ok(shape)
    }

    /// Keys and references that the database declares. Redshift does not enforce them, so they are checked like others.
    async fn constraints(&mut self, of_schema: &[Parameter]) -> Result<()> {
        let sql = "SELECT CAST(con.contype AS VARCHAR), CAST(con.conname AS VARCHAR), CAST(own.relname AS VARCHAR), \
             CAST(own_column.attname AS VARCHAR), CAST(other.relname AS VARCHAR), CAST(other_column.attname AS VARCHAR) \
             FROM pg_constraint con JOIN pg_namespace space ON space.oid = con.connamespace \
             JOIN pg_class own ON own.oid = con.conrelid \
             JOIN pg_attribute own_column ON own_column.attrelid = own.oid AND own_column.attnum = ANY(con.conkey) \
             LEFT JOIN pg_class other ON other.oid = con.confrelid \
             LEFT JOIN pg_attribute other_column ON other_column.attrelid = other.oid \
             AND other_column.attnum = ANY(con.confkey) \
             WHERE space.nspname = :schema AND con.contype IN ('p', 'f') ORDER BY 3, 2, own_column.attnum";
        let rows = match self.run(sql, of_schema).await {
            Ok(rows) => rows.rows,
            Err(Error::RedshiftStatement(reason)) => {
                self.notes.push(format!(
                    "The database did not say which keys it declares ({reason}), so names and values alone speak."
                ));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut references: BTreeMap<(String, String), Declared> = BTreeMap::new();
        for row in rows {
            let text = |at: usize| row.get(at).and_then(Cell::as_str).unwrap_or_default().to_owned();
            let (table, column) = (text(2), text(3));
            if text(0) == "p" {
                keys.entry(table).or_default().push(column);
            } else {
                let declared = references.entry((table, text(1))).or_insert_with(|| Declared {
                    columns: Vec::new(),
                    table: text(4),
                    to: Vec::new(),
                });
                for (list, name) in [(&mut declared.columns, column), (&mut declared.to, text(5))] {
                    if !list.contains(&name) {
                        list.push(name);
                    }
                }
            }
        }
        for shape in &mut self.shapes {
            shape.declared_key = keys.remove(&shape.name);
        }
        for ((table, _), declared) in references {
            if let Some(shape) = self.shapes.iter_mut().find(|shape| shape.name == table) {
                shape.declared_references.push(declared);
            }
        }
        Ok(())
    }

    /// Runs one statement to its end.
    async fn run(&self, sql: &str, parameters: &[Parameter]) -> Result<Rows> {
        let started = Instant::now();
        let executed = self
            .call(&ExecuteStatement {
                sql: sql.to_owned(),
                database: self.options.database.clone(),
                workgroup_name: Some(self.options.workgroup.clone()),
                parameters: parameters.to_vec(),
                statement_name: Some("concert-catalogue".to_owned()),
                // A second try of the same call must not run the statement twice.
                client_token: Some(format!("{:016x}{:016x}", random(), random())),
                wait_time_seconds: Some(WAIT_MAX_S),
            })
            .await?;
        let mut status = executed.status.unwrap_or(Status::Submitted);
        let mut reason = None;
        while status != Status::Finished {
            if started.elapsed() > STATEMENT_MAX {
                return Err(Error::RedshiftStatement(format!(
                    "it took longer than {} minutes",
                    STATEMENT_MAX.as_secs() / 60
                )));
            }
            let asked = Instant::now();
            let described = self
                .call(&DescribeStatement {
                    id: executed.id.clone(),
                    wait_time_seconds: Some(WAIT_MAX_S),
                })
                .await?;
            status = described.status;
            reason = described.error.or(reason);
            if status.is_final() && status != Status::Finished {
                return Err(Error::RedshiftStatement(
                    reason.unwrap_or_else(|| format!("{status:?}")),
                ));
            }
            if status != Status::Finished && asked.elapsed() < POLL {
                tokio::time::sleep(POLL).await;
            }
        }
        let mut result = Rows {
            columns: Vec::new(),
            rows: Vec::new(),
        };
        let mut next_token = None;
        loop {
            let page = self
                .call(&GetStatementResult {
                    id: executed.id.clone(),
                    next_token,
                })
                .await?;
            if result.columns.is_empty() {
                result.columns = page.column_metadata;
            }
            result
                .rows
                .extend(page.records.into_iter().map(|record| cells(record, &result.columns)));
            next_token = page.next_token;
            if next_token.is_none() {
                return Ok(result);
            }
        }
    }

    /// One call, tried again where that may help.
    async fn call<O: Operation>(&self, operation: &O) -> Result<O::Output> {
        let failed = |error: &dyn std::fmt::Display| Error::Redshift(format!("{}: {error}", O::NAME));
        let mut attempt = 1;
        loop {
            let now_ms = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
            let signed = request(&self.aws, operation, now_ms).map_err(|e| failed(&e))?;
            let signed = reqwest::Request::try_from(signed).map_err(|e| failed(&e))?;
            let (error, retry_after_s) = match self.client.execute(signed).await {
                Ok(answer) => {
                    let (status, headers) = (answer.status(), answer.headers().clone());
                    let body = answer.bytes().await.map_err(|e| failed(&e))?;
                    if status.is_success() {
                        return decode::<O>(&body).map_err(|e| failed(&e));
                    }
                    let error = ServiceError::decode(status.as_u16(), &headers, &body);
                    if !retry::is_retryable(&error) {
                        return Err(failed(&error));
                    }
                    (failed(&error), error.retry_after_s)
                }
                Err(error) => (failed(&error), None),
            };
            if attempt >= retry::MAX_ATTEMPTS {
                return Err(error);
            }
            let wait_ms = retry::backoff_ms(attempt, (random() >> 32) as u32, retry_after_s);
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            attempt += 1;
        }
    }
}

/// A number that differs from call to call and from process to process; nothing secret hangs on it.
fn random() -> u64 {
    RandomState::new().hash_one(SystemTime::now())
}

impl Ask for RedshiftSchema {
    async fn ask(&self, table: &str, sql: &str) -> Result<Vec<Vec<Cell>>> {
        match self.run(sql, &[]).await {
            Ok(result) => Ok(result.rows),
            Err(Error::RedshiftStatement(message)) => Err(Error::Content {
                table: table.to_owned(),
                message,
            }),
            Err(error) => Err(error),
        }
    }

    fn table(&self, name: &str) -> String {
        format!("{}.{}", quoted(&self.options.schema), quoted(name))
    }

    fn about_distinct(&self, column: &str) -> String {
        format!("APPROXIMATE COUNT(DISTINCT {column})")
    }
}

fn column_type(column: &ColumnMetadata) -> Option<ColumnType> {
    Some(match column.type_name.as_str() {
        "int2" | "int4" | "int8" => ColumnType::Integer,
        "numeric" if column.scale.unwrap_or(0) == 0 => ColumnType::Integer,
        "numeric" => ColumnType::Decimal,
        "float4" | "float8" => ColumnType::Float,
        "bool" => ColumnType::Boolean,
        "date" => ColumnType::Date,
        "timestamp" | "timestamptz" => ColumnType::Timestamp,
        "varchar" | "bpchar" | "text" | "name" => ColumnType::Text,
        _ => return None,
    })
}

fn cells(record: Vec<Field>, columns: &[ColumnMetadata]) -> Vec<Cell> {
    record
        .into_iter()
        .enumerate()
        .map(|(at, field)| match field {
            Field::IsNull(_) | Field::BlobValue(_) => Cell::Null,
            Field::LongValue(value) => Cell::Integer(value),
            Field::DoubleValue(value) => Cell::Float(value),
            Field::BooleanValue(value) => Cell::Boolean(value),
            Field::StringValue(text) => match columns.get(at).map(|column| column.type_name.as_str()) {
                Some("numeric") => Decimal::parse(&text).map_or(Cell::Text(text), Cell::Decimal),
                _ => Cell::Text(text),
            },
        })
        .collect()
}
