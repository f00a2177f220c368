//! The Redshift Data API: statements that run on their own, are asked after, and whose results are read page by page.
//! Names and shapes are those of the service's model, version 2019-12-20. What was asked and what came out of it lies
//! in the home and outlives the process.

mod journal;
mod listing;
mod request;
mod run;
mod sessions;
mod statement;
mod wire;

use crate::{StartError, WORKGROUP, error::AwsError};
use concert_lake::Lake;
use concert_redshift::{Cluster, ClusterOptions, Limits, RedshiftError, ResultReader, Session};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use journal::Journal;
use request::{ById, Execute, connection, statement_id};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use sessions::{Place, Sessions};
use sha2::{Digest, Sha256};
use statement::{Part, Progress, Saved, Statement, Status};
use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use uuid::Uuid;
use wire::{column_metadata, csv_row, field, seconds, wire_bytes};

/// As long as AWS keeps them.
const RETENTION: SignedDuration = SignedDuration::from_hours(24);
/// Finished statements beyond these are forgotten, the oldest first.
const STATEMENTS_MAX: usize = 5_000;
/// The results of all statements on the disk.
const RESULTS_MAX_BYTES: u64 = 4 << 30;
/// The Data API's largest result.
const RESULT_MAX_BYTES: usize = 500 << 20;
/// AWS's quota of active statements.
const ACTIVE_MAX: usize = 500;
/// A page of a result ends at whichever comes first; AWS's ends at 1 MB or so.
const PAGE_MAX_ROWS: usize = 1_000;
const PAGE_MAX_BYTES: usize = 1 << 20;
/// A statement runs for at most a day, as in AWS.
const STATEMENT_MAX: Duration = Duration::from_secs(24 * 3_600);

#[derive(Default)]
struct Statements {
    by_id: HashMap<Uuid, Arc<Statement>>,
    /// Oldest first.
    order: VecDeque<Uuid>,
    by_token: HashMap<String, Uuid>,
}

impl Statements {
    fn add(&mut self, statement: Arc<Statement>) {
        if let Some(token) = &statement.request.client_token {
            self.by_token.insert(token.clone(), statement.id);
        }
        self.order.push_back(statement.id);
        self.by_id.insert(statement.id, statement);
    }

    /// Takes out what is too old or too much.
    fn prune(&mut self, now: Timestamp) -> Vec<Arc<Statement>> {
        let bytes = |statement: &Statement| {
            let parts = statement.progress().parts;
            parts
                .iter()
                .map(|part| u64::try_from(part.bytes).unwrap_or(0))
                .sum::<u64>()
        };
        let mut kept: u64 = self.by_id.values().map(|statement| bytes(statement)).sum();
        let mut gone = Vec::new();
        let mut at = 0;
        while let Some(id) = self.order.get(at).copied() {
            let Some(statement) = self.by_id.get(&id).cloned() else {
                self.order.remove(at);
                continue;
            };
            let crowded = self.order.len() > STATEMENTS_MAX || kept > RESULTS_MAX_BYTES;
            let old = now.duration_since(statement.created_at) > RETENTION;
            if !crowded && !old {
                break;
            }
            if !statement.is_over() {
                at += 1;
                continue;
            }
            kept = kept.saturating_sub(bytes(&statement));
            if let Some(token) = &statement.request.client_token {
                self.by_token.remove(token);
            }
            self.by_id.remove(&id);
            self.order.remove(at);
            gone.push(statement);
        }
        gone
    }

    fn active(&self) -> usize {
        self.by_id.values().filter(|statement| !statement.is_over()).count()
    }
}

pub(crate) struct RedshiftData {
    cluster: Cluster,
    statements: Mutex<Statements>,
    sessions: Arc<Sessions>,
    journal: Arc<Journal>,
    running: Arc<Semaphore>,
    /// Makes page tokens that only this home can have made.
    token_key: String,
}

impl RedshiftData {
    /// Over the lake's tables and the databases in `home`; without a home in a folder that goes with the process.
    ///
    /// # Errors
    /// What was kept cannot be read.
    pub fn new(lake: Lake, home: Option<&Path>) -> Result<RedshiftData, StartError> {
        let scratch = home.is_none();
        let home: PathBuf = match home {
            Some(home) => home.to_owned(),
            None => std::env::temp_dir().join(format!("concert-{}", Uuid::new_v4().simple())),
        };
        let folder = home.join("redshift");
        // A folder of its own inside, so that a scratch home goes as a whole.
        let (journal, kept) = Journal::open(&folder.join("statements"), scratch.then(|| home.clone()))?;
        let cluster = Cluster::new(
            lake,
            ClusterOptions {
                folder,
                s3_folder: Some(home.join("s3")),
                limits: Limits {
                    timeout: STATEMENT_MAX,
                    result_max_bytes: RESULT_MAX_BYTES,
                },
            },
        );
        let mut statements = Statements::default();
        for saved in kept.statements {
            statements.add(Arc::new(Statement::from(saved)));
        }
        // More at once than there are cores makes each slower and none faster; one that waits for a lock holds its place,
        // so there are some more.
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Ok(RedshiftData {
            cluster,
            statements: Mutex::new(statements),
            sessions: Arc::new(Sessions::new(kept.sessions)),
            token_key: journal.key(),
            journal: Arc::new(journal),
            running: Arc::new(Semaphore::new(2 * cores.max(2))),
        })
    }

    pub async fn call(&self, operation: &str, body: &[u8]) -> Result<Value, AwsError> {
        self.sessions.expire(Timestamp::now(), &self.journal);
        match operation {
            "ExecuteStatement" => self.execute(parse(body)?, false).await,
            "BatchExecuteStatement" => self.execute(parse(body)?, true).await,
            "DescribeStatement" => self.describe(parse(body)?).await,
            "GetStatementResult" => self.result(parse(body)?, false).await,
            "GetStatementResultV2" => self.result(parse(body)?, true).await,
            "CancelStatement" => self.cancel(&parse(body)?),
            "ListStatements" => self.list_statements(&parse(body)?),
            "ListSessions" => self.list_sessions(&parse(body)?),
            "ListDatabases" => self.list_databases(&parse(body)?),
            "ListSchemas" => self.list_schemas(&parse(body)?).await,
            "ListTables" => self.list_tables(&parse(body)?).await,
            "DescribeTable" => self.describe_table(&parse(body)?).await,
            _ => Err(AwsError::new(
                StatusCode::BAD_REQUEST,
                "UnknownOperationException",
                format!("{operation:?} is not an operation of Redshift Data that is served here."),
            )),
        }
    }

    async fn execute(&self, request: Execute, batch: bool) -> Result<Value, AwsError> {
        // Each operation has its own member for its text, whatever else is sent.
        let request = if batch {
            Execute { sql: None, ..request }
        } else {
            Execute {
                sqls: None,
                execution_mode: None,
                ..request
            }
        };
        request.check(batch)?;
        if request.session_id.is_none() {
            connection(
                request.workgroup_name.as_deref(),
                request.cluster_identifier.as_deref(),
                request.db_user.as_deref(),
                request.secret_arn.as_deref(),
            )?;
            request::required("database", request.database.as_deref())?;
        }
        let parameters = run::parameters(&request)?;
        let wait = request.wait_time_seconds;
        let (statement, place) = self.submit(request)?;
        if let Some(place) = place {
            self.start(&statement, place, parameters);
        }
        let mut answer = Map::new();
        answer.insert("Id".to_owned(), json!(statement.id.to_string()));
        answer.insert("CreatedAt".to_owned(), seconds(statement.created_at));
        connection_of(&statement, &mut answer);
        if wait.is_some() {
            let progress = statement.wait(wait).await?;
            answer.insert("Status".to_owned(), json!(progress.status.name()));
            answer.insert("HasResultSet".to_owned(), json!(progress.has_result()));
            answer.insert("RedshiftPid".to_owned(), json!(std::process::id()));
        }
        Ok(Value::Object(answer))
    }

    /// Keeps a statement and gives what it runs in; nothing to run in for one that was sent before with the same token.
    fn submit(&self, request: Execute) -> Result<(Arc<Statement>, Option<Place>), AwsError> {
        // How long a caller waits is not part of what it asks for.
        let request = Execute {
            wait_time_seconds: None,
            ..request
        };
        let now = Timestamp::now();
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in statements.prune(now) {
            self.journal.forget(gone.id, gone.progress().parts.len());
        }
        let same = request
            .client_token
            .as_ref()
            .and_then(|token| statements.by_token.get(token));
        if let Some(statement) = same.and_then(|id| statements.by_id.get(id)) {
            return if statement.request == request {
                Ok((Arc::clone(statement), None))
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
        let id = Uuid::new_v4();
        let place = self.sessions.take(&self.cluster, &request, id, &self.journal)?;
        let statement = Arc::new(Statement::from(Saved {
            id,
            database: place.database.clone(),
            db_user: place.db_user.clone(),
            session_id: place.id,
            created_at: now,
            progress: Progress::new(request.texts().len(), now),
            request,
        }));
        self.journal.statement(statement.saved());
        statements.add(Arc::clone(&statement));
        if self.journal.is_long(statements.by_id.len()) {
            let saved = statements.order.iter().filter_map(|id| statements.by_id.get(id));
            let saved = saved.map(|statement| statement.saved()).collect();
            let sessions = self.sessions.each(|kept| Some(kept.saved.clone()));
            self.journal.rewrite(saved, sessions);
        }
        Ok((statement, Some(place)))
    }

    /// The statement and, where the id has one, the number of a part of it, from 0.
    fn find(&self, id: Option<&str>) -> Result<(Arc<Statement>, Option<usize>), AwsError> {
        let (id, part) = statement_id(id)?;
        let text = id.to_string();
        let statement = {
            let statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
            statements.by_id.get(&id).cloned()
        };
        let kept = |statement: &Arc<Statement>| Timestamp::now().duration_since(statement.created_at) <= RETENTION;
        let statement = statement
            .filter(kept)
            .ok_or_else(|| not_found("Query does not exist.", &text))?;
        let part = match part {
            None => None,
            Some(number) if statement.request.is_batch() && (1..=statement.request.texts().len()).contains(&number) => {
                Some(number - 1)
            }
            Some(number) => return Err(not_found("Query does not exist.", &format!("{text}:{number}"))),
        };
        Ok((statement, part))
    }

    async fn describe(&self, request: ById) -> Result<Value, AwsError> {
        let (statement, part) = self.find(request.id.as_deref())?;
        let progress = statement.wait(request.wait_time_seconds).await?;
        let texts = statement.request.texts();
        let mut answer = Map::new();
        let one = match part {
            Some(at) => progress.parts.get(at),
            None if !statement.request.is_batch() => progress.parts.first(),
            None => None,
        };
        match (one, part) {
            (Some(part_of), Some(at)) => {
                answer.insert("Id".to_owned(), json!(format!("{}:{}", statement.id, at + 1)));
                describe_part(part_of, texts.get(at).copied().unwrap_or_default(), &mut answer);
            }
            (Some(part_of), None) => {
                answer.insert("Id".to_owned(), json!(statement.id.to_string()));
                describe_part(part_of, texts.first().copied().unwrap_or_default(), &mut answer);
            }
            (None, _) => {
                answer.insert("Id".to_owned(), json!(statement.id.to_string()));
                answer.insert("HasResultSet".to_owned(), json!(progress.has_result()));
                answer.insert("ResultRows".to_owned(), json!(-1));
                answer.insert("ResultSize".to_owned(), json!(-1));
                answer.insert("RedshiftQueryId".to_owned(), json!(0));
                let mode = if statement.request.commits_each() {
                    "AUTO_COMMIT"
                } else {
                    "TRANSACTION"
                };
                answer.insert("ExecutionMode".to_owned(), json!(mode));
                let parts = progress.parts.iter().zip(&texts).enumerate();
                let parts: Vec<Value> = parts
                    .map(|(at, (part, text))| {
                        let mut sub = Map::new();
                        sub.insert("Id".to_owned(), json!(format!("{}:{}", statement.id, at + 1)));
                        sub.insert("CreatedAt".to_owned(), seconds(statement.created_at));
                        describe_part(part, text, &mut sub);
                        Value::Object(sub)
                    })
                    .collect();
                answer.insert("SubStatements".to_owned(), Value::Array(parts));
            }
        }
        if part.is_none() {
            // A single statement's times are the whole's.
            answer.insert("Status".to_owned(), json!(progress.status.name()));
            answer.insert("UpdatedAt".to_owned(), seconds(progress.updated_at));
            answer.insert("Duration".to_owned(), json!(progress.duration_ns));
            if let Some(error) = &progress.error {
                answer.insert("Error".to_owned(), json!(error));
            }
        }
        answer.insert("CreatedAt".to_owned(), seconds(statement.created_at));
        answer.insert("RedshiftPid".to_owned(), json!(std::process::id()));
        answer.insert("ResultFormat".to_owned(), json!(format_of(&statement)));
        if let Some(parameters) = &statement.request.parameters {
            answer.insert("QueryParameters".to_owned(), json!(parameters));
        }
        connection_of(&statement, &mut answer);
        Ok(Value::Object(answer))
    }

    async fn result(&self, request: ById, csv: bool) -> Result<Value, AwsError> {
        let (statement, part) = self.find(request.id.as_deref())?;
        let at = match part {
            Some(at) => at,
            None if statement.request.is_batch() => {
                return Err(AwsError::validation(format!(
                    "{} is a batch: name the statement of it whose result is wanted, as in {}:1.",
                    statement.id, statement.id
                )));
            }
            None => 0,
        };
        if statement.request.is_csv() != csv {
            let (format, operation) = if csv {
                ("JSON", "GetStatementResult")
            } else {
                ("CSV", "GetStatementResultV2")
            };
            return Err(AwsError::validation(format!(
                "The statement was run with ResultFormat {format}: read its result with {operation}."
            )));
        }
        let id = request.id.clone().unwrap_or_default();
        let offset = request
            .next_token
            .as_deref()
            .map(|token| self.offset(token, &id))
            .transpose()?
            .unwrap_or(0);
        let progress = statement.wait(request.wait_time_seconds).await?;
        let part = progress.parts.get(at).filter(|part| part.has_result);
        let Some(part) =
            part.filter(|_| matches!(progress.status, Status::Finished) || statement.request.commits_each())
        else {
            return Err(not_found(
                "Query does not have result. Please check query status with DescribeStatement.",
                &id,
            ));
        };
        let total = part.rows;
        let path = self.journal.result(statement.id, at);
        // Files are read by a thread that may wait for them.
        let page = tokio::task::spawn_blocking(move || page_of(&path, offset, csv)).await;
        let (records, columns, count) = page
            .map_err(|error| AwsError::internal(error.to_string()))?
            .map_err(|error| AwsError::internal(error.to_string()))?;
        let end = offset + count;
        let mut answer = Map::new();
        if i64::try_from(end).is_ok_and(|end| end < total) {
            answer.insert("NextToken".to_owned(), json!(self.token(end, &id)));
        }
        answer.insert("Records".to_owned(), records);
        answer.insert("ColumnMetadata".to_owned(), columns);
        answer.insert("TotalNumRows".to_owned(), json!(total));
        if csv {
            answer.insert("ResultFormat".to_owned(), json!("CSV"));
        }
        Ok(Value::Object(answer))
    }

    fn cancel(&self, request: &ById) -> Result<Value, AwsError> {
        let (statement, part) = self.find(request.id.as_deref())?;
        if part.is_some() {
            return Err(AwsError::validation(
                "A statement of a batch cannot be cancelled by itself: name the batch.",
            ));
        }
        let ended = statement.advance(|progress| {
            let now = Timestamp::now();
            progress.end(Status::Aborted, None, now);
        });
        if !ended {
            return Err(AwsError::validation(format!(
                "Could not cancel a query that is already in {} state, retry is not possible.",
                statement.progress().status.name()
            )));
        }
        if let Some(task) = statement.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        self.journal.statement(statement.saved());
        if let Some(session) = statement.session_id {
            self.sessions.give_back(session, &self.journal);
        }
        Ok(json!({"Status": true}))
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
                request::constraint(
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

type Page = (Value, Value, usize);

/// A page of a result's file: its records, its columns, and how many rows it has.
fn page_of(path: &Path, offset: usize, csv: bool) -> Result<Page, RedshiftError> {
    let reader = ResultReader::open(path)?;
    let (mut records, mut text, mut bytes, mut count) = (Vec::new(), String::new(), 0, 0);
    reader.rows(offset, |row| {
        if count == PAGE_MAX_ROWS || bytes > PAGE_MAX_BYTES {
            return false;
        }
        count += 1;
        bytes += row.iter().map(wire_bytes).sum::<usize>();
        if csv {
            csv_row(row, &mut text);
        } else {
            records.push(Value::Array(row.into_iter().map(field).collect()));
        }
        true
    })?;
    let columns: Value = reader.columns.iter().map(column_metadata).collect();
    if csv {
        if offset == 0 {
            let mut header = String::new();
            for (at, column) in reader.columns.iter().enumerate() {
                if at > 0 {
                    header.push(',');
                }
                wire::csv_field(&column.label, &mut header);
            }
            text.insert_str(0, &format!("{header}\r\n"));
        }
        records.push(json!({"CSVRecords": text}));
    }
    Ok((Value::Array(records), columns, count))
}

fn describe_part(part: &Part, text: &str, answer: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    put("Status", json!(part.status.name()));
    put("UpdatedAt", seconds(part.updated_at));
    put("Duration", json!(part.duration_ns));
    put("HasResultSet", json!(part.has_result));
    put("QueryString", json!(text));
    put("RedshiftQueryId", json!(part.query_id));
    put("ResultRows", json!(part.rows));
    put("ResultSize", json!(part.bytes));
    if let Some(error) = &part.error {
        put("Error", json!(error));
    }
}

fn format_of(statement: &Statement) -> &'static str {
    if statement.request.is_csv() { "CSV" } else { "JSON" }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, AwsError> {
    crate::error::parse_object(body)
}

fn not_found(message: &str, id: &str) -> AwsError {
    AwsError::new(StatusCode::BAD_REQUEST, "ResourceNotFoundException", message).with("ResourceId", id)
}

fn connection_of(statement: &Statement, answer: &mut Map<String, Value>) {
    let session = statement.session_id.map(|id| id.to_string());
    let members = [
        ("WorkgroupName", statement.request.workgroup_name.as_ref()),
        ("ClusterIdentifier", statement.request.cluster_identifier.as_ref()),
        ("Database", Some(&statement.database)),
        ("DbUser", statement.db_user.as_ref()),
        ("SecretArn", statement.request.secret_arn.as_ref()),
        ("SessionId", session.as_ref()),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            answer.insert(name.to_owned(), json!(value));
        }
    }
}

fn check_text(sql: &str, parameters: &[concert_contract::api::Parameter]) -> Result<(), RedshiftError> {
    Session::check_parameters(sql, parameters)
}
