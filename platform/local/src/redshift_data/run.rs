//! Running: one statement in a session, or a batch in one transaction.

use super::{
    RedshiftData, check_text,
    journal::Journal,
    request::Execute,
    sessions::Place,
    statement::{Part, Statement, Status},
};
use crate::error::AwsError;
use concert_contract::api::Parameter;
use concert_redshift::{ColumnInfo, Outcome, RedshiftError, ResultWriter, Session, Sink};
use jiff::Timestamp;
use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

/// The parameters of each statement: those that it names, of those that were sent.
///
/// # Errors
/// One that is missing, that no statement names, or that is none.
pub(super) fn parameters(request: &Execute) -> Result<Vec<Vec<Parameter>>, AwsError> {
    let all = request.parameters();
    let mut unused: Option<BTreeSet<String>> = None;
    let mut each = Vec::new();
    for sql in request.texts() {
        let mut own = all.clone();
        let mut not_here = BTreeSet::new();
        match check_text(sql, &all) {
            Err(RedshiftError::ParameterUnused(names)) => {
                not_here.extend(names);
                own.retain(|parameter| !not_here.contains(&parameter.name));
            }
            // Whatever else is wrong with the text is found by running it.
            Err(error) if error.is_parameter() => return Err(AwsError::validation(error.to_string())),
            _ => {}
        }
        unused = Some(match unused {
            None => not_here,
            Some(before) => before.intersection(&not_here).cloned().collect(),
        });
        each.push(own);
    }
    match unused {
        Some(names) if !names.is_empty() => {
            let error = RedshiftError::ParameterUnused(names.into_iter().collect());
            Err(AwsError::validation(error.to_string()))
        }
        _ => Ok(each),
    }
}

/// Rows go to a file only where there is a result.
struct ToFile {
    writer: ResultWriter,
    has_result: bool,
}

impl Sink for ToFile {
    fn columns(&mut self, columns: &[ColumnInfo]) -> Result<(), RedshiftError> {
        self.has_result = true;
        self.writer.columns(columns)
    }

    fn batch(&mut self, batch: &concert_redshift::RecordBatch) -> Result<(), RedshiftError> {
        self.writer.batch(batch)
    }
}

/// What a statement's end leaves.
struct Done {
    outcome: Outcome,
    rows: i64,
    bytes: i64,
    has_result: bool,
}

impl RedshiftData {
    pub(super) fn start(&self, statement: &Arc<Statement>, place: Place, parameters: Vec<Vec<Parameter>>) {
        let running = Arc::clone(&self.running);
        let journal = Arc::clone(&self.journal);
        let sessions = Arc::clone(&self.sessions);
        let own = Arc::clone(statement);
        let max_bytes = self.cluster.limits().result_max_bytes as u64;
        let task = tokio::spawn(async move {
            // A session's statements come one after the other, and may be what others wait for: they need no turn.
            let _turn = match place.id {
                Some(_) => None,
                None => running.acquire_owned().await.ok(),
            };
            own.advance(|progress| progress.status = Status::Picked);
            own.advance(|progress| progress.status = Status::Started);
            let started = Instant::now();
            let work = Work {
                statement: &own,
                session: place.session,
                journal: &journal,
                max_bytes,
            };
            let error = if own.request.is_batch() {
                work.batch(parameters).await
            } else {
                let parameters = parameters.into_iter().next().unwrap_or_default();
                work.part(0, &parameters).await.err()
            };
            if let Some(error) = &error {
                tracing::info!(statement = %own.id, error, "failed");
            }
            own.advance(|progress| {
                progress.duration_ns = nanos(started.elapsed());
                progress.status = if error.is_some() {
                    Status::Failed
                } else {
                    Status::Finished
                };
                progress.error = error;
            });
            journal.statement(own.saved());
            if let Some(session) = place.id {
                sessions.give_back(session, &journal);
            }
        });
        let mut slot = statement.task.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(task.abort_handle());
        // Cancelled before the handle was there.
        if statement.is_over() {
            task.abort();
        }
    }
}

struct Work<'a> {
    statement: &'a Statement,
    session: Session,
    journal: &'a Journal,
    max_bytes: u64,
}

impl Work<'_> {
    /// All statements, one after the other; the error of the batch if one failed.
    async fn batch(&self, parameters: Vec<Vec<Parameter>>) -> Option<String> {
        let each = self.statement.request.commits_each();
        if !each && let Err(error) = self.quietly("begin").await {
            return Some(error);
        }
        let mut failed = None;
        for (at, parameters) in parameters.iter().enumerate() {
            if let Err(error) = self.part(at, parameters).await {
                failed.get_or_insert(format!("Query #{} failed with {error}", at + 1));
                if !each {
                    break;
                }
            }
        }
        if each {
            return failed;
        }
        match failed {
            Some(error) => {
                let _ = self.quietly("rollback").await;
                self.statement.advance(|progress| {
                    let now = Timestamp::now();
                    for part in &mut progress.parts {
                        // What was taken back has no result.
                        if !part.status.is_over() {
                            part.status = Status::Aborted;
                            part.updated_at = now;
                        }
                        part.has_result = false;
                    }
                });
                Some(error)
            }
            None => self.quietly("commit").await.err(),
        }
    }

    async fn quietly(&self, sql: &str) -> Result<(), String> {
        let done = self.session.query(sql, &[]).await;
        done.map(|_| ()).map_err(|error| message(&error))
    }

    async fn part(&self, at: usize, parameters: &[Parameter]) -> Result<(), String> {
        let started = Instant::now();
        self.change(at, |part| part.status = Status::Started);
        let done = self.run(at, parameters).await;
        let duration_ns = nanos(started.elapsed());
        match done {
            Ok(done) => {
                self.change(at, |part| {
                    part.duration_ns = duration_ns;
                    part.status = Status::Finished;
                    part.has_result = done.has_result;
                    part.rows = done.rows;
                    part.bytes = done.bytes;
                    part.query_id = done.outcome.query_id;
                });
                Ok(())
            }
            Err(error) => {
                self.change(at, |part| {
                    part.duration_ns = duration_ns;
                    part.status = Status::Failed;
                    part.error = Some(error.clone());
                });
                Err(error)
            }
        }
    }

    fn change(&self, at: usize, change: impl FnOnce(&mut Part)) {
        self.statement.advance(|progress| {
            if let Some(part) = progress.parts.get_mut(at) {
                change(part);
                part.updated_at = Timestamp::now();
            }
        });
    }

    async fn run(&self, at: usize, parameters: &[Parameter]) -> Result<Done, String> {
        let texts = self.statement.request.texts();
        let sql = texts.get(at).copied().unwrap_or_default();
        let sink = ToFile {
            writer: ResultWriter::new(self.journal.result(self.statement.id, at), self.max_bytes),
            has_result: false,
        };
        let (outcome, sink) = self
            .session
            .execute(sql, parameters, sink)
            .await
            .map_err(|error| message(&error))?;
        let changed = outcome.rows.map_or(-1, |rows| i64::try_from(rows).unwrap_or(i64::MAX));
        if !sink.has_result {
            return Ok(Done {
                outcome,
                // Statements without rows have none, as in AWS.
                rows: changed.max(0),
                bytes: 0,
                has_result: false,
            });
        }
        let (rows, bytes) = sink.writer.finish().map_err(|error| message(&error))?;
        Ok(Done {
            outcome,
            rows: i64::try_from(rows).unwrap_or(i64::MAX),
            bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            has_result: true,
        })
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// An error as the Data API shows it.
fn message(error: &RedshiftError) -> String {
    let text = error.to_string();
    if text.starts_with("FATAL: ") {
        text
    } else {
        format!("ERROR: {text}")
    }
}
