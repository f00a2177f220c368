//! The Redshift Data API: statements that run on their own, are asked after, and whose results are read page by page.
//! Names and shapes are those of the service's model, version 2019-12-20.

use crate::{WORKGROUP, error::AwsError};
use concert_contract::api::Parameter;
use concert_redshift::{ColumnInfo, QueryResult, RedshiftError, TableInfo, Value as Cell, Warehouse, matches};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{Semaphore, watch},
    task::AbortHandle,
};
use uuid::Uuid;

/// As long as AWS keeps them.
const RETENTION: SignedDuration = SignedDuration::from_hours(24);
/// Finished statements beyond these are forgotten, the oldest first.
const STATEMENTS_MAX: usize = 1_000;
const RESULTS_MAX_BYTES: usize = 256 << 20;
/// AWS's quota of active statements.
const ACTIVE_MAX: usize = 500;
/// A page of a result ends at whichever comes first; AWS's ends at 1 MB or so.
const PAGE_MAX_ROWS: usize = 1_000;
const PAGE_MAX_BYTES: usize = 1 << 20;
const LIST_MAX: usize = 1_000;
const LIST_STATEMENTS_MAX: usize = 100;
const WAIT_MAX_SECONDS: i64 = 30;
const PARAMETERS_MAX: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Submitted,
    Picked,
    Started,
    Finished,
    Aborted,
    Failed,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Status::Submitted => "SUBMITTED",
            Status::Picked => "PICKED",
            Status::Started => "STARTED",
            Status::Finished => "FINISHED",
            Status::Aborted => "ABORTED",
            Status::Failed => "FAILED",
        }
    }

    fn is_over(self) -> bool {
        matches!(self, Status::Finished | Status::Aborted | Status::Failed)
    }
}

#[derive(Clone, Debug)]
struct Progress {
    status: Status,
    updated_at: Timestamp,
    /// Time of running; zero before that.
    duration: Duration,
    error: Option<String>,
    result: Option<Arc<QueryResult>>,
}

struct Statement {
    id: Uuid,
    /// A number as Redshift gives to queries; counts from 1.
    number: u64,
    request: Execute,
    created_at: Timestamp,
    progress: watch::Sender<Progress>,
    task: Mutex<Option<AbortHandle>>,
}

impl Statement {
    fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Goes on to another state; what is over stays as it is. Says whether it moved.
    fn advance(&self, change: impl FnOnce(&mut Progress)) -> bool {
        self.progress.send_if_modified(|progress| {
            let open = !progress.status.is_over();
            if open {
                change(progress);
                progress.updated_at = Timestamp::now();
            }
            open
        })
    }

    async fn wait(&self, seconds: Option<i64>) -> Result<Progress, AwsError> {
        check_wait(seconds)?;
        let Some(seconds) = seconds else {
            return Ok(self.progress());
        };
        let mut changes = self.progress.subscribe();
        let over = changes.wait_for(|progress| progress.status.is_over());
        // Time that runs out is no error: the answer then says how far the statement is.
        let _ = tokio::time::timeout(Duration::from_secs(seconds.unsigned_abs()), over).await;
        Ok(self.progress())
    }
}

#[derive(Default)]
struct Statements {
    by_id: HashMap<Uuid, Arc<Statement>>,
    /// Oldest first.
    order: VecDeque<Uuid>,
    by_token: HashMap<String, Uuid>,
    count: u64,
}

impl Statements {
    fn prune(&mut self, now: Timestamp) {
        let over = |statement: &Statement| statement.progress.borrow().status.is_over();
        let bytes = |statement: &Statement| {
            statement
                .progress
                .borrow()
                .result
                .as_ref()
                .map_or(0, |result| result.size_bytes())
        };
        let mut kept: usize = self.by_id.values().map(|statement| bytes(statement)).sum();
        let mut at = 0;
        while at < self.order.len() {
            let Some(statement) = self.by_id.get(&self.order[at]) else {
                self.order.remove(at);
                continue;
            };
            let crowded = self.order.len() > STATEMENTS_MAX || kept > RESULTS_MAX_BYTES;
            let old = now.duration_since(statement.created_at) > RETENTION;
            if !crowded && !old {
                break;
            }
            if over(statement) {
                kept -= bytes(statement);
                if let Some(token) = &statement.request.client_token {
                    self.by_token.remove(token);
                }
                self.by_id.remove(&self.order[at]);
                self.order.remove(at);
            } else {
                at += 1;
            }
        }
    }

    fn active(&self) -> usize {
        self.by_id
            .values()
            .filter(|statement| !statement.progress.borrow().status.is_over())
            .count()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Execute {
    sql: Option<String>,
    workgroup_name: Option<String>,
    cluster_identifier: Option<String>,
    database: Option<String>,
    db_user: Option<String>,
    secret_arn: Option<String>,
    parameters: Option<Vec<SqlParameter>>,
    statement_name: Option<String>,
    with_event: Option<bool>,
    client_token: Option<String>,
    result_format: Option<String>,
    session_id: Option<String>,
    session_keep_alive_seconds: Option<i64>,
    wait_time_seconds: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct SqlParameter {
    name: String,
    value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ById {
    id: Option<String>,
    next_token: Option<String>,
    wait_time_seconds: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Listing {
    workgroup_name: Option<String>,
    cluster_identifier: Option<String>,
    database: Option<String>,
    connected_database: Option<String>,
    schema: Option<String>,
    table: Option<String>,
    schema_pattern: Option<String>,
    table_pattern: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ListStatements {
    next_token: Option<String>,
    max_results: Option<i64>,
    statement_name: Option<String>,
    status: Option<String>,
}

pub(crate) struct RedshiftData {
    warehouse: Warehouse,
    statements: Mutex<Statements>,
    running: Arc<Semaphore>,
    /// Makes page tokens that only this process can have made.
    token_key: Uuid,
}

impl RedshiftData {
    pub fn new(warehouse: Warehouse) -> RedshiftData {
        // More at once than there are cores makes each slower and none faster.
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        RedshiftData {
            warehouse,
            statements: Mutex::default(),
            running: Arc::new(Semaphore::new(cores.max(2))),
            token_key: Uuid::new_v4(),
        }
    }

    pub async fn call(&self, operation: &str, body: &[u8]) -> Result<Value, AwsError> {
        match operation {
            "ExecuteStatement" => self.execute(parse(body)?).await,
            "DescribeStatement" => self.describe(parse(body)?).await,
            "GetStatementResult" => self.result(parse(body)?).await,
            "CancelStatement" => self.cancel(&parse(body)?),
            "ListStatements" => self.list_statements(&parse(body)?),
            "ListDatabases" => self.list_databases(&parse(body)?),
            "ListSchemas" => self.list_schemas(&parse(body)?),
            "ListTables" => self.list_tables(parse(body)?).await,
            "DescribeTable" => self.describe_table(parse(body)?).await,
            _ => Err(AwsError::new(
                StatusCode::BAD_REQUEST,
                "UnknownOperationException",
                format!(
                    "{operation:?} is not an operation that is served here. Of Redshift Data, ExecuteStatement, \
                     DescribeStatement, GetStatementResult, CancelStatement, ListStatements, ListDatabases, \
                     ListSchemas, ListTables and DescribeTable are."
                ),
            )),
        }
    }

    async fn execute(&self, request: Execute) -> Result<Value, AwsError> {
        let sql = required("sql", request.sql.as_deref())?;
        if sql.trim().is_empty() {
            return Err(AwsError::validation("SQL statement is empty."));
        }
        connection(request.workgroup_name.as_deref(), request.cluster_identifier.as_deref())?;
        if request.session_id.is_some() || request.session_keep_alive_seconds.is_some_and(|seconds| seconds > 0) {
            return Err(AwsError::validation(
                "Sessions are not kept here: leave out SessionId and SessionKeepAliveSeconds.",
            ));
        }
        let database = required("database", request.database.as_deref())?;
        match request.result_format.as_deref() {
            None | Some("JSON") => {}
            Some("CSV") => return Err(AwsError::validation("ResultFormat CSV is not served here: use JSON.")),
            Some(other) => {
                return Err(constraint(
                    "resultFormat",
                    other,
                    "Member must satisfy enum value set: [CSV, JSON]",
                ));
            }
        }
        if let Some(token) = &request.client_token
            && !(1..=64).contains(&token.chars().count())
        {
            return Err(constraint(
                "clientToken",
                token,
                "Member must have length between 1 and 64",
            ));
        }
        check_wait(request.wait_time_seconds)?;
        let parameters: Vec<Parameter> = match &request.parameters {
            None => Vec::new(),
            Some(list) if list.is_empty() => {
                return Err(constraint(
                    "parameters",
                    "[]",
                    "Member must have length greater than or equal to 1",
                ));
            }
            Some(list) if list.len() > PARAMETERS_MAX => {
                return Err(AwsError::validation(format!(
                    "A statement takes at most {PARAMETERS_MAX} parameters."
                )));
            }
            Some(list) => list
                .iter()
                .map(|p| Parameter {
                    name: p.name.clone(),
                    value: p.value.clone(),
                })
                .collect(),
        };
        // Whatever else is wrong with the text is found by running it.
        if let Err(error) = self.warehouse.check_parameters(sql, &parameters)
            && error.is_parameter()
        {
            return Err(AwsError::validation(error.to_string()));
        }
        let (statement, new) = self.submit(&request)?;
        if new {
            self.start(&statement, sql.to_owned(), database.to_owned(), parameters);
        }
        let mut answer = Map::new();
        answer.insert("Id".to_owned(), json!(statement.id.to_string()));
        answer.insert("CreatedAt".to_owned(), seconds(statement.created_at));
        describe_connection(&statement.request, &mut answer);
        if request.wait_time_seconds.is_some() {
            let progress = statement.wait(request.wait_time_seconds).await?;
            answer.insert("Status".to_owned(), json!(progress.status.name()));
            answer.insert("HasResultSet".to_owned(), json!(progress.result.is_some()));
        }
        Ok(Value::Object(answer))
    }

    /// Keeps a statement; the one that had the same client token, if there was one. `true` for a new one.
    fn submit(&self, request: &Execute) -> Result<(Arc<Statement>, bool), AwsError> {
        // How long a caller waits is not part of what it asks for.
        let request = Execute {
            wait_time_seconds: None,
            ..request.clone()
        };
        let now = Timestamp::now();
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements.prune(now);
        let same = request
            .client_token
            .as_ref()
            .and_then(|token| statements.by_token.get(token));
        if let Some(statement) = same.and_then(|id| statements.by_id.get(id)) {
            return if statement.request == request {
                Ok((Arc::clone(statement), false))
            } else {
                Err(AwsError::validation(
                    "ClientToken was used before, with another request. Use a new one.",
                ))
            };
        }
        if statements.active() >= ACTIVE_MAX {
            return Err(AwsError::new(
                StatusCode::BAD_REQUEST,
                "ActiveStatementsExceededException",
                format!("Active statements exceeded the allowed quota ({ACTIVE_MAX})."),
            ));
        }
        statements.count += 1;
        let progress = Progress {
            status: Status::Submitted,
            updated_at: now,
            duration: Duration::ZERO,
            error: None,
            result: None,
        };
        let statement = Arc::new(Statement {
            id: Uuid::new_v4(),
            number: statements.count,
            request,
            created_at: now,
            progress: watch::Sender::new(progress),
            task: Mutex::new(None),
        });
        if let Some(token) = &statement.request.client_token {
            statements.by_token.insert(token.clone(), statement.id);
        }
        statements.order.push_back(statement.id);
        statements.by_id.insert(statement.id, Arc::clone(&statement));
        Ok((statement, true))
    }

    fn start(&self, statement: &Arc<Statement>, sql: String, database: String, parameters: Vec<Parameter>) {
        let running = Arc::clone(&self.running);
        let warehouse = self.warehouse.clone();
        let own = Arc::clone(statement);
        let task = tokio::spawn(async move {
            let Ok(_permit) = running.acquire_owned().await else {
                return;
            };
            own.advance(|progress| progress.status = Status::Picked);
            let started = Instant::now();
            own.advance(|progress| progress.status = Status::Started);
            let outcome = if database == warehouse.database() {
                warehouse
                    .execute(&sql, &parameters)
                    .await
                    .map_err(|error| statement_error(&error))
            } else {
                Err(format!("FATAL: database \"{database}\" does not exist"))
            };
            own.advance(|progress| {
                progress.duration = started.elapsed();
                match outcome {
                    Ok(result) => {
                        progress.status = Status::Finished;
                        progress.result = Some(Arc::new(result));
                    }
                    Err(error) => {
                        tracing::info!(statement = %own.id, error, "failed");
                        progress.status = Status::Failed;
                        progress.error = Some(error);
                    }
                }
            });
        });
        *statement.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
    }

    fn find(&self, id: Option<&str>) -> Result<Arc<Statement>, AwsError> {
        let text = required("id", id)?;
        let id = Uuid::parse_str(text)
            .ok()
            .filter(|id| id.to_string() == text)
            .ok_or_else(|| {
                AwsError::validation(
                    "id must satisfy regex pattern: ^[a-z0-9]{8}(-[a-z0-9]{4}){3}-[a-z0-9]{12}(:\\d+)?$".to_owned(),
                )
            })?;
        let statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements
            .by_id
            .get(&id)
            .cloned()
            .ok_or_else(|| not_found("Query does not exist.", text))
    }

    async fn describe(&self, request: ById) -> Result<Value, AwsError> {
        let statement = self.find(request.id.as_deref())?;
        let progress = statement.wait(request.wait_time_seconds).await?;
        let (rows, bytes) = match &progress.result {
            Some(result) => (i64::try_from(result.row_count()), i64::try_from(result.size_bytes())),
            None => (Ok(-1), Ok(-1)),
        };
        let mut answer = Map::new();
        let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
        put("Id", json!(statement.id.to_string()));
        put("Status", json!(progress.status.name()));
        put("CreatedAt", seconds(statement.created_at));
        put("UpdatedAt", seconds(progress.updated_at));
        put(
            "Duration",
            json!(i64::try_from(progress.duration.as_nanos()).unwrap_or(i64::MAX)),
        );
        put("HasResultSet", json!(progress.result.is_some()));
        put("QueryString", json!(statement.request.sql));
        put("RedshiftPid", json!(std::process::id()));
        put("RedshiftQueryId", json!(statement.number));
        put("ResultRows", json!(rows.unwrap_or(i64::MAX)));
        put("ResultSize", json!(bytes.unwrap_or(i64::MAX)));
        put("ResultFormat", json!("JSON"));
        if let Some(error) = &progress.error {
            put("Error", json!(error));
        }
        if let Some(parameters) = &statement.request.parameters {
            put("QueryParameters", query_parameters(parameters));
        }
        describe_connection(&statement.request, &mut answer);
        Ok(Value::Object(answer))
    }

    async fn result(&self, request: ById) -> Result<Value, AwsError> {
        let statement = self.find(request.id.as_deref())?;
        let id = statement.id.to_string();
        let offset = request
            .next_token
            .as_deref()
            .map(|token| self.offset(token, &id))
            .transpose()?
            .unwrap_or(0);
        let progress = statement.wait(request.wait_time_seconds).await?;
        let Some(result) = progress.result else {
            return Err(not_found(
                "Query does not have result. Please check query status with DescribeStatement.",
                &id,
            ));
        };
        let mut records = Vec::new();
        let mut bytes = 0;
        for row in result.rows(offset) {
            if records.len() == PAGE_MAX_ROWS || bytes > PAGE_MAX_BYTES {
                break;
            }
            bytes += row.iter().map(wire_bytes).sum::<usize>();
            records.push(Value::Array(row.into_iter().map(field).collect()));
        }
        let end = offset + records.len();
        let mut answer = Map::new();
        if end < result.row_count() {
            answer.insert("NextToken".to_owned(), json!(self.token(end, &id)));
        }
        answer.insert("Records".to_owned(), Value::Array(records));
        answer.insert(
            "ColumnMetadata".to_owned(),
            result.columns.iter().map(column_metadata).collect(),
        );
        answer.insert("TotalNumRows".to_owned(), json!(result.row_count()));
        Ok(Value::Object(answer))
    }

    fn cancel(&self, request: &ById) -> Result<Value, AwsError> {
        let statement = self.find(request.id.as_deref())?;
        let ended = statement.advance(|progress| progress.status = Status::Aborted);
        if !ended {
            return Err(AwsError::validation(format!(
                "Could not cancel a query that is already in {} state, retry is not possible.",
                statement.progress().status.name()
            )));
        }
        if let Some(task) = statement.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        Ok(json!({"Status": true}))
    }

    fn list_statements(&self, request: &ListStatements) -> Result<Value, AwsError> {
        let status = request.status.as_deref().unwrap_or("ALL");
        const KNOWN: [&str; 7] = ["SUBMITTED", "PICKED", "STARTED", "FINISHED", "ABORTED", "FAILED", "ALL"];
        if !KNOWN.contains(&status) {
            let rule = format!("Member must satisfy enum value set: [{}]", KNOWN.join(", "));
            return Err(constraint("status", status, &rule));
        }
        let all: Vec<Arc<Statement>> = {
            let statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
            statements
                .order
                .iter()
                .rev()
                .filter_map(|id| statements.by_id.get(id).cloned())
                .collect()
        };
        let listed: Vec<Value> = all
            .iter()
            .filter(|statement| {
                let named = request.statement_name.as_deref().is_none_or(|prefix| {
                    statement
                        .request
                        .statement_name
                        .as_deref()
                        .is_some_and(|name| name.starts_with(prefix))
                });
                named && (status == "ALL" || statement.progress().status.name() == status)
            })
            .map(|statement| {
                let progress = statement.progress();
                let mut data = Map::new();
                let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
                put("Id", json!(statement.id.to_string()));
                put("QueryString", json!(statement.request.sql));
                put("Status", json!(progress.status.name()));
                put("CreatedAt", seconds(statement.created_at));
                put("UpdatedAt", seconds(progress.updated_at));
                put("IsBatchStatement", json!(false));
                put("ResultFormat", json!("JSON"));
                if let Some(name) = &statement.request.statement_name {
                    put("StatementName", json!(name));
                }
                if let Some(parameters) = &statement.request.parameters {
                    put("QueryParameters", query_parameters(parameters));
                }
                Value::Object(data)
            })
            .collect();
        let (page, next) = self.page(
            listed,
            request.max_results,
            LIST_STATEMENTS_MAX,
            request.next_token.as_deref(),
            "statements",
        )?;
        Ok(paged("Statements", page, next))
    }

    fn list_databases(&self, request: &Listing) -> Result<Value, AwsError> {
        connection(request.workgroup_name.as_deref(), request.cluster_identifier.as_deref())?;
        Ok(json!({"Databases": [self.warehouse.database()]}))
    }

    fn list_schemas(&self, request: &Listing) -> Result<Value, AwsError> {
        self.database(request)?;
        let schema = self.warehouse.schema();
        let schemas: Vec<&str> = [schema]
            .into_iter()
            .filter(|name| matches(request.schema_pattern.as_deref(), name))
            .collect();
        Ok(json!({"Schemas": schemas}))
    }

    async fn list_tables(&self, request: Listing) -> Result<Value, AwsError> {
        self.database(&request)?;
        let tables: Vec<Value> = self
            .tables()
            .await?
            .iter()
            .filter(|table| {
                matches(request.schema_pattern.as_deref(), &table.schema)
                    && matches(request.table_pattern.as_deref(), &table.name)
            })
            .map(|table| json!({"name": table.name, "schema": table.schema, "type": "TABLE"}))
            .collect();
        let (page, next) = self.page(
            tables,
            request.max_results,
            LIST_MAX,
            request.next_token.as_deref(),
            "tables",
        )?;
        Ok(paged("Tables", page, next))
    }

    async fn describe_table(&self, request: Listing) -> Result<Value, AwsError> {
        self.database(&request)?;
        let wanted = required("table", request.table.as_deref())?.to_lowercase();
        let schema = request.schema.as_deref().map(str::to_lowercase);
        let tables = self.tables().await?;
        let table = tables
            .iter()
            .find(|table| table.name == wanted && schema.as_ref().is_none_or(|schema| *schema == table.schema))
            .ok_or_else(|| not_found(&format!("Table \"{wanted}\" does not exist."), &wanted))?;
        let columns: Vec<Value> = table.columns.iter().map(column_metadata).collect();
        let (page, next) = self.page(
            columns,
            request.max_results,
            LIST_MAX,
            request.next_token.as_deref(),
            &wanted,
        )?;
        let mut answer = paged("ColumnList", page, next);
        answer["TableName"] = json!(table.name);
        Ok(answer)
    }

    async fn tables(&self) -> Result<Vec<TableInfo>, AwsError> {
        self.warehouse
            .tables()
            .await
            .map_err(|error| AwsError::internal(error.to_string()))
    }

    fn database(&self, request: &Listing) -> Result<(), AwsError> {
        connection(request.workgroup_name.as_deref(), request.cluster_identifier.as_deref())?;
        let database = request.connected_database.as_deref().or(request.database.as_deref());
        let database = required("database", database)?;
        if database != self.warehouse.database() {
            return Err(AwsError::validation(format!(
                "FATAL: database \"{database}\" does not exist"
            )));
        }
        Ok(())
    }

    fn page(
        &self,
        all: Vec<Value>,
        max_results: Option<i64>,
        most: usize,
        token: Option<&str>,
        subject: &str,
    ) -> Result<(Vec<Value>, Option<String>), AwsError> {
        let size = match max_results {
            None | Some(0) => most,
            Some(size) => usize::try_from(size).ok().filter(|size| *size <= most).ok_or_else(|| {
                constraint(
                    "maxResults",
                    &size.to_string(),
                    &format!("Member must have value between 0 and {most}"),
                )
            })?,
        };
        let offset = token.map(|token| self.offset(token, subject)).transpose()?.unwrap_or(0);
        let end = (offset + size).min(all.len());
        let next = (end < all.len()).then(|| self.token(end, subject));
        Ok((all.into_iter().skip(offset).take(size).collect(), next))
    }

    /// A page token says where to go on and in what; a token of another subject, or a made one, is refused.
    fn token(&self, offset: usize, subject: &str) -> String {
        let seal = Sha256::digest(format!("{}/{subject}/{offset}", self.token_key));
        format!("{}{}", hex::encode(&seal[..12]), hex::encode(offset.to_string()))
    }

    fn offset(&self, token: &str, subject: &str) -> Result<usize, AwsError> {
        token
            .get(24..)
            .and_then(|digits| hex::decode(digits).ok())
            .and_then(|digits| String::from_utf8(digits).ok()?.parse().ok())
            .filter(|offset| self.token(*offset, subject) == token)
            .ok_or_else(|| AwsError::validation("NextToken is not one that was given out for this request."))
    }
}

fn check_wait(seconds: Option<i64>) -> Result<(), AwsError> {
    match seconds {
        Some(seconds) if !(1..=WAIT_MAX_SECONDS).contains(&seconds) => Err(constraint(
            "waitTimeSeconds",
            &seconds.to_string(),
            &format!("Member must have value between 1 and {WAIT_MAX_SECONDS}"),
        )),
        _ => Ok(()),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, AwsError> {
    crate::error::parse_object(body)
}

fn required<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, AwsError> {
    value.ok_or_else(|| {
        AwsError::validation(format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

fn constraint(name: &str, value: &str, rule: &str) -> AwsError {
    AwsError::validation(format!(
        "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {rule}"
    ))
}

fn not_found(message: &str, id: &str) -> AwsError {
    AwsError::new(StatusCode::BAD_REQUEST, "ResourceNotFoundException", message).with("ResourceId", id)
}

fn connection(workgroup: Option<&str>, cluster: Option<&str>) -> Result<(), AwsError> {
    match (workgroup, cluster) {
        (Some(WORKGROUP), None) => Ok(()),
        (Some(_), Some(_)) => Err(AwsError::validation(
            "Give either WorkgroupName or ClusterIdentifier, not both.",
        )),
        (None, None) => Err(AwsError::validation(format!(
            "WorkgroupName is required; it is \"{WORKGROUP}\" here."
        ))),
        (Some(other), None) | (None, Some(other)) => Err(AwsError::validation(format!(
            "Redshift endpoint doesn't exist in this region: \"{other}\". The workgroup \"{WORKGROUP}\" does."
        ))),
    }
}

fn describe_connection(request: &Execute, answer: &mut Map<String, Value>) {
    let members = [
        ("WorkgroupName", &request.workgroup_name),
        ("Database", &request.database),
        ("DbUser", &request.db_user),
        ("SecretArn", &request.secret_arn),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            answer.insert(name.to_owned(), json!(value));
        }
    }
}

fn statement_error(error: &RedshiftError) -> String {
    format!("ERROR: {error}")
}

fn query_parameters(parameters: &[SqlParameter]) -> Value {
    parameters
        .iter()
        .map(|parameter| json!({"name": parameter.name, "value": parameter.value}))
        .collect()
}

fn paged(name: &str, page: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = Map::new();
    answer.insert(name.to_owned(), Value::Array(page));
    if let Some(next) = next {
        answer.insert("NextToken".to_owned(), json!(next));
    }
    Value::Object(answer)
}

/// A timestamp as JSON 1.1 writes it: seconds since 1970, with milliseconds.
fn seconds(time: Timestamp) -> Value {
    json!(time.as_millisecond() as f64 / 1000.0)
}

fn field(cell: Cell) -> Value {
    match cell {
        Cell::Null => json!({"isNull": true}),
        Cell::Boolean(value) => json!({"booleanValue": value}),
        Cell::Long(value) => json!({"longValue": value}),
        // JSON has no NaN and no infinity; AWS's clients read these words.
        Cell::Double(value) if value.is_nan() => json!({"doubleValue": "NaN"}),
        Cell::Double(value) if value.is_infinite() => {
            json!({"doubleValue": if value > 0.0 { "Infinity" } else { "-Infinity" }})
        }
        Cell::Double(value) => json!({"doubleValue": value}),
        Cell::Text(value) => json!({"stringValue": value}),
    }
}

fn wire_bytes(cell: &Cell) -> usize {
    match cell {
        Cell::Text(text) => text.len() + 18,
        _ => 24,
    }
}

fn column_metadata(column: &ColumnInfo) -> Value {
    let mut metadata = json!({
        "isCaseSensitive": column.is_case_sensitive(),
        "isCurrency": false,
        "isSigned": column.is_signed(),
        "label": column.label,
        "length": 0,
        "name": column.name,
        "nullable": i32::from(column.nullable),
        "precision": column.precision,
        "scale": column.scale,
        "schemaName": "",
        "tableName": "",
        "typeName": column.type_name,
    });
    if let (Some(schema), Some(table)) = (&column.schema, &column.table) {
        metadata["schemaName"] = json!(schema);
        metadata["tableName"] = json!(table);
    }
    metadata
}
