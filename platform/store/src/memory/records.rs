//! Records: what is remembered for long. Extraction makes them, callers may too; they are listed by namespace and
//! found by words.

use super::{
    Memory, MemoryError, RECORDS, commit,
    events::{Event, timestamp_ms},
    extract::{self, SUMMARIES, Topic},
    filter::MetadataFilter,
    key, prefix, prefix_end, put,
    rank::{Document, scores},
    request::{Order, check_namespace, check_strategy, invalid, is_metadata_char, page, page_size, read, with_next},
    seconds,
};
use crate::disk::{disk, from_json, read_json};
use redb::{ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

const BATCH_MAX: usize = 100;
const TEXT_MAX_CHARS: usize = 16_000;
const QUERY_MAX_CHARS: usize = 10_000;
const METADATA_MAX: usize = 20;
const TOP_DEFAULT: i64 = 10;
const TOP_MAX: i64 = 100;
/// The strategy of records that callers made without one.
const DIRECT: &str = "direct-localwrite";

/// A record as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    id: String,
    text: String,
    strategy: String,
    namespaces: Vec<String>,
    created_ms: i64,
    updated_ms: i64,
    metadata: Map<String, Json>,
    /// What an extracted record is about.
    subject: Option<String>,
    /// What a summary was made of.
    topics: Vec<Topic>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchRequest {
    memory_id: String,
    namespace: Option<String>,
    namespace_path: Option<String>,
    memory_strategy_id: Option<String>,
    search_criteria: Option<Criteria>,
    metadata_filters: Option<Vec<MetadataFilter>>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Criteria {
    search_query: String,
    memory_strategy_id: Option<String>,
    top_k: Option<i64>,
    metadata_filters: Option<Vec<MetadataFilter>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordRequest {
    memory_id: String,
    memory_record_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchRequest {
    memory_id: String,
    records: Vec<Json>,
    client_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewRecord {
    namespaces: Vec<String>,
    content: Json,
    timestamp: Json,
    memory_strategy_id: Option<String>,
    metadata: Option<Map<String, Json>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangedRecord {
    memory_record_id: String,
    timestamp: Json,
    namespaces: Option<Vec<String>>,
    content: Option<Json>,
    memory_strategy_id: Option<String>,
    metadata: Option<Map<String, Json>>,
}

impl Record {
    fn to_json(&self) -> Json {
        let mut out = json!({
            "memoryRecordId": self.id,
            "content": { "text": self.text },
            "memoryStrategyId": self.strategy,
            "namespaces": self.namespaces,
            "createdAt": seconds(self.created_ms),
        });
        if !self.metadata.is_empty() {
            out["metadata"] = json!(self.metadata);
        }
        out
    }
}

fn new_id() -> String {
    format!("mem-{}", Uuid::new_v4())
}

fn all(table: &impl ReadableTable<&'static str, &'static [u8]>, memory: &str) -> Result<Vec<Record>, MemoryError> {
    let begin = prefix(&[memory]);
    let end = prefix_end(&begin);
    let mut out = Vec::new();
    for entry in table.range(begin.as_str()..end.as_str()).map_err(disk)? {
        out.push(from_json(entry.map_err(disk)?.1.value())?);
    }
    Ok(out)
}

/// Whether a namespace is asked for: by its beginning, or by a path that it lies under.
fn is_in(namespaces: &[String], wanted: &str, as_path: bool) -> bool {
    namespaces.iter().any(|namespace| {
        if !as_path {
            return namespace.starts_with(wanted);
        }
        let path = wanted.trim_end_matches('/');
        namespace
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn content_text(content: &Json) -> Result<String, MemoryError> {
    let text = content["text"].as_str().unwrap_or_default();
    if text.is_empty() || text.chars().count() > TEXT_MAX_CHARS {
        return Err(invalid(
            "content.text",
            format!("A record's text has between 1 and {TEXT_MAX_CHARS} characters"),
        ));
    }
    Ok(text.to_owned())
}

fn check_namespaces(namespaces: &[String]) -> Result<(), MemoryError> {
    if namespaces.len() > 1 {
        return Err(invalid("namespaces", "A record lies in at most one namespace"));
    }
    namespaces.iter().try_for_each(|namespace| check_namespace(namespace))
}

fn check_metadata(metadata: &Map<String, Json>) -> Result<(), MemoryError> {
    let name_fits = |name: &String| (1..=128).contains(&name.chars().count()) && name.chars().all(is_metadata_char);
    let value_fits = |value: &Json| {
        let text_fits = |value: &Json, most: usize| {
            value.as_str().is_some_and(|text| {
                !text.is_empty() && text.chars().count() <= most && text.chars().all(is_metadata_char)
            })
        };
        value.as_object().is_some_and(|members| {
            members.len() == 1
                && members.iter().all(|(kind, value)| match kind.as_str() {
                    "stringValue" => text_fits(value, 256),
                    "stringListValue" => value.as_array().is_some_and(|list| {
                        (1..=5).contains(&list.len()) && list.iter().all(|value| text_fits(value, 64))
                    }),
                    "numberValue" | "dateTimeValue" => value.is_number() || value.is_string(),
                    _ => false,
                })
        })
    };
    if metadata.len() <= METADATA_MAX
        && metadata
            .iter()
            .all(|(name, value)| name_fits(name) && value_fits(value))
    {
        return Ok(());
    }
    Err(invalid(
        "metadata",
        format!("A record has at most {METADATA_MAX} metadata: a name, and a short text, texts, a number or a time"),
    ))
}

impl Memory {
    /// Puts into records what an event says.
    pub(super) fn remember(&self, write: &WriteTransaction, memory: &str, event: &Event) -> Result<(), MemoryError> {
        let messages = Memory::messages(event);
        if messages.is_empty() {
            return Ok(());
        }
        let now = self.store.clock().now_ms();
        let known = all(&write.open_table(RECORDS).map_err(disk)?, memory)?;
        let mut changed: Vec<Record> = Vec::new();
        let mut keep = |strategy: &str, namespace: String, subject: &str, change: &mut dyn FnMut(&mut Record)| {
            let is_it = |record: &&Record| {
                record.strategy == strategy
                    && record.subject.as_deref() == Some(subject)
                    && record.namespaces.first() == Some(&namespace)
            };
            let found = changed.iter().find(is_it).or_else(|| known.iter().find(is_it)).cloned();
            let mut record = found.unwrap_or_else(|| Record {
                id: new_id(),
                text: String::new(),
                strategy: strategy.to_owned(),
                namespaces: vec![namespace.clone()],
                created_ms: now,
                updated_ms: now,
                metadata: Map::new(),
                subject: Some(subject.to_owned()),
                topics: Vec::new(),
            });
            record.updated_ms = now;
            change(&mut record);
            changed.retain(|other| other.id != record.id);
            changed.push(record);
        };
        for message in messages.iter().filter(|message| message.is_user) {
            for finding in extract::findings(message.text) {
                let namespace = finding.strategy.namespace(&event.actor, &event.session);
                keep(finding.strategy.id, namespace, &finding.subject, &mut |record| {
                    record.text.clone_from(&finding.text);
                });
            }
        }
        if messages.iter().any(|message| message.is_user || message.is_assistant) {
            let namespace = SUMMARIES.namespace(&event.actor, &event.session);
            keep(SUMMARIES.id, namespace, "session", &mut |record| {
                extract::carry_on(&mut record.topics, &messages);
                record.text = extract::summary(&record.topics);
            });
        }
        for record in changed.iter().filter(|record| !record.text.is_empty()) {
            put(write, RECORDS, &key(&[memory, &record.id]), record)?;
        }
        Ok(())
    }

    /// The records that a request is about.
    fn sought(
        &self,
        request: &SearchRequest,
        strategy: Option<&str>,
        filters: &[MetadataFilter],
    ) -> Result<Vec<Record>, MemoryError> {
        self.known(&request.memory_id)?;
        let (wanted, as_path) = match (&request.namespace, &request.namespace_path) {
            (Some(namespace), None) => (namespace, false),
            (None, Some(path)) => (path, true),
            _ => {
                return Err(invalid(
                    "namespace",
                    "Say either namespace or namespacePath, and not both",
                ));
            }
        };
        check_namespace(wanted)?;
        if let Some(strategy) = strategy {
            check_strategy(strategy)?;
        }
        let table = self.store.read()?.open_table(RECORDS).map_err(disk)?;
        let mut out = Vec::new();
        for record in all(&table, &request.memory_id)? {
            let mut fits = is_in(&record.namespaces, wanted, as_path)
                && strategy.is_none_or(|strategy| record.strategy == strategy);
            for filter in filters {
                fits = fits && filter.holds(&record.metadata)?;
            }
            if fits {
                out.push(record);
            }
        }
        Ok(out)
    }

    /// Newest first.
    pub(super) fn list_memory_records(&self, request: &Json) -> Result<Json, MemoryError> {
        let request: SearchRequest = read(request)?;
        let size = page_size(request.max_results)?;
        let filters = request.metadata_filters.as_deref().unwrap_or_default();
        let records = self.sought(&request, request.memory_strategy_id.as_deref(), filters)?;
        let (records, next) = page(records, size, &request.next_token, Order::Descending, |record| {
            format!("{:016} {}", record.updated_ms, record.id)
        })?;
        let summaries: Vec<Json> = records.iter().map(Record::to_json).collect();
        Ok(with_next(json!({ "memoryRecordSummaries": summaries }), next))
    }

    /// Best first.
    pub(super) fn retrieve_memory_records(&self, request: &Json) -> Result<Json, MemoryError> {
        let request: SearchRequest = read(request)?;
        let size = page_size(request.max_results)?;
        let Some(criteria) = &request.search_criteria else {
            return Err(invalid("searchCriteria", "searchCriteria is missing"));
        };
        let query = &criteria.search_query;
        if query.is_empty() || query.chars().count() > QUERY_MAX_CHARS {
            return Err(invalid(
                "searchCriteria.searchQuery",
                format!("A query has between 1 and {QUERY_MAX_CHARS} characters"),
            ));
        }
        let top = criteria.top_k.unwrap_or(TOP_DEFAULT);
        if !(1..=TOP_MAX).contains(&top) {
            return Err(invalid(
                "searchCriteria.topK",
                format!("Value '{top}' at 'searchCriteria.topK' must be between 1 and {TOP_MAX}"),
            ));
        }
        let filters = criteria.metadata_filters.as_deref().unwrap_or_default();
        let records = self.sought(&request, criteria.memory_strategy_id.as_deref(), filters)?;
        let now = self.store.clock().now_ms();
        let documents: Vec<Document<'_>> = records
            .iter()
            .map(|record| Document {
                text: &record.text,
                age_ms: now - record.updated_ms,
            })
            .collect();
        let scores = scores(query, &documents);
        let mut scored: Vec<(f64, Record)> = scores.into_iter().zip(records).collect();
        scored.sort_by(|(one, a), (two, b)| two.total_cmp(one).then_with(|| b.updated_ms.cmp(&a.updated_ms)));
        scored.truncate(usize::try_from(top).unwrap_or(1));
        let (scored, next) = page(
            scored,
            size,
            &request.next_token,
            Order::Descending,
            |(score, record)| format!("{score:.12} {:016} {}", record.updated_ms, record.id),
        )?;
        let summaries: Vec<Json> = scored
            .iter()
            .map(|(score, record)| {
                let mut out = record.to_json();
                out["score"] = json!(score);
                out
            })
            .collect();
        Ok(with_next(json!({ "memoryRecordSummaries": summaries }), next))
    }

    pub(super) fn get_memory_record(&self, request: &Json) -> Result<Json, MemoryError> {
        let request: RecordRequest = read(request)?;
        self.known(&request.memory_id)?;
        let table = self.store.read()?.open_table(RECORDS).map_err(disk)?;
        let record: Option<Record> = read_json(&table, &key(&[&request.memory_id, &request.memory_record_id]))?;
        let record = record.ok_or_else(|| no_record(&request.memory_record_id))?;
        Ok(json!({ "memoryRecord": record.to_json() }))
    }

    pub(super) fn delete_memory_record(&self, request: &Json) -> Result<Json, MemoryError> {
        let request: RecordRequest = read(request)?;
        self.known(&request.memory_id)?;
        let write = self.store.write()?;
        if !delete(&write, &request.memory_id, &request.memory_record_id)? {
            return Err(no_record(&request.memory_record_id));
        }
        commit(write)?;
        Ok(json!({ "memoryRecordId": request.memory_record_id }))
    }

    pub(super) fn batch_create_memory_records(&self, body: &Json) -> Result<Json, MemoryError> {
        let request = self.batch(body)?;
        let memory = request.memory_id;
        self.once(
            "BatchCreateMemoryRecords",
            &memory,
            request.client_token.as_deref(),
            body,
            |write| {
                let mut outcome = Outcome::default();
                for json in &request.records {
                    let identifier = json["requestIdentifier"].as_str();
                    match create(json) {
                        Ok(record) => {
                            put(write, RECORDS, &key(&[&memory, &record.id]), &record)?;
                            outcome.succeeded(&record.id, identifier);
                        }
                        Err(error) => outcome.failed("", identifier, error)?,
                    }
                }
                Ok(outcome.into_json())
            },
        )
    }

    pub(super) fn batch_update_memory_records(&self, body: &Json) -> Result<Json, MemoryError> {
        let request = self.batch(body)?;
        let write = self.store.write()?;
        let mut outcome = Outcome::default();
        for json in &request.records {
            let id = json["memoryRecordId"].as_str().unwrap_or_default();
            let name = key(&[&request.memory_id, id]);
            let found: Option<Record> = read_json(&write.open_table(RECORDS).map_err(disk)?, &name)?;
            match found
                .ok_or_else(|| no_record(id))
                .and_then(|record| change(record, json))
            {
                Ok(record) => {
                    put(&write, RECORDS, &name, &record)?;
                    outcome.succeeded(id, None);
                }
                Err(error) => outcome.failed(id, None, error)?,
            }
        }
        commit(write)?;
        Ok(outcome.into_json())
    }

    pub(super) fn batch_delete_memory_records(&self, body: &Json) -> Result<Json, MemoryError> {
        let request = self.batch(body)?;
        let write = self.store.write()?;
        let mut outcome = Outcome::default();
        for json in &request.records {
            let id = json["memoryRecordId"].as_str().unwrap_or_default();
            if delete(&write, &request.memory_id, id)? {
                outcome.succeeded(id, None);
            } else {
                outcome.failed(id, None, no_record(id))?;
            }
        }
        commit(write)?;
        Ok(outcome.into_json())
    }

    fn batch(&self, body: &Json) -> Result<BatchRequest, MemoryError> {
        let request: BatchRequest = read(body)?;
        self.known(&request.memory_id)?;
        if request.records.len() > BATCH_MAX {
            return Err(invalid("records", format!("A batch holds at most {BATCH_MAX} records")));
        }
        Ok(request)
    }
}

fn delete(write: &WriteTransaction, memory: &str, id: &str) -> Result<bool, MemoryError> {
    let mut table = write.open_table(RECORDS).map_err(disk)?;
    let removed = table.remove(key(&[memory, id]).as_str()).map_err(disk)?;
    Ok(removed.is_some())
}

fn create(json: &Json) -> Result<Record, MemoryError> {
    let new: NewRecord = read(json)?;
    check_namespaces(&new.namespaces)?;
    let metadata = new.metadata.unwrap_or_default();
    check_metadata(&metadata)?;
    if let Some(strategy) = &new.memory_strategy_id {
        check_strategy(strategy)?;
    }
    let at = timestamp_ms("timestamp", &new.timestamp)?;
    Ok(Record {
        id: new_id(),
        text: content_text(&new.content)?,
        strategy: new.memory_strategy_id.unwrap_or_else(|| DIRECT.to_owned()),
        namespaces: new.namespaces,
        created_ms: at,
        updated_ms: at,
        metadata,
        subject: None,
        topics: Vec::new(),
    })
}

fn change(mut record: Record, json: &Json) -> Result<Record, MemoryError> {
    let changed: ChangedRecord = read(json)?;
    debug_assert_eq!(changed.memory_record_id, record.id);
    record.updated_ms = timestamp_ms("timestamp", &changed.timestamp)?;
    if let Some(namespaces) = changed.namespaces {
        check_namespaces(&namespaces)?;
        record.namespaces = namespaces;
    }
    if let Some(content) = changed.content {
        record.text = content_text(&content)?;
    }
    if let Some(strategy) = changed.memory_strategy_id {
        check_strategy(&strategy)?;
        record.strategy = strategy;
    }
    if let Some(metadata) = changed.metadata {
        check_metadata(&metadata)?;
        record.metadata = metadata;
    }
    Ok(record)
}

/// What became of each record of a batch.
#[derive(Default)]
struct Outcome {
    succeeded: Vec<Json>,
    failed: Vec<Json>,
}

impl Outcome {
    fn succeeded(&mut self, id: &str, identifier: Option<&str>) {
        self.succeeded.push(Outcome::entry(id, identifier, "SUCCEEDED"));
    }

    /// # Errors
    /// When the store failed: then the whole batch has.
    fn failed(&mut self, id: &str, identifier: Option<&str>, error: MemoryError) -> Result<(), MemoryError> {
        let code = match &error {
            MemoryError::NotFound(_) => 404,
            MemoryError::Store(_) => return Err(error),
            _ => 400,
        };
        let mut entry = Outcome::entry(id, identifier, "FAILED");
        entry["errorCode"] = json!(code);
        entry["errorMessage"] = json!(error.to_string());
        self.failed.push(entry);
        Ok(())
    }

    fn entry(id: &str, identifier: Option<&str>, status: &str) -> Json {
        let mut out = json!({ "memoryRecordId": id, "status": status });
        if let Some(identifier) = identifier {
            out["requestIdentifier"] = json!(identifier);
        }
        out
    }

    fn into_json(self) -> Json {
        json!({ "successfulRecords": self.succeeded, "failedRecords": self.failed })
    }
}

fn no_record(id: &str) -> MemoryError {
    MemoryError::NotFound(format!("The memory record {id} was not found"))
}
