//! Judges records of the quarantine again: from the raw layer by the mapping and the header that were kept with them, or
//! by a changed mapping, changed rules, or a mended export. What passes now becomes clean as in any load, and its entry
//! is closed; what does not stays where it is, and is counted.

use super::{
    COLUMNS, Entry, Filter, entry,
    events::{self, Event, EventKind},
    failed,
    mended::Mended,
    reading::{Opened, Reader, Reading, readings},
    stream,
};
use crate::{
    Error, OnProgress, Progress, Result, TableCounts,
    bind::{BoundTable, Part},
    collect::{TableRows, stage_schema},
    disk::Disk,
    files::{Row, Rows},
    load::{Load, StopOnDrop, staging_root},
    mapping::Encoding,
    merge::Defaults,
    rules::{RuleCount, RuleJudge, Rules, Severity},
    settle::{Limits, Settling},
    sink,
    stage::{Scratch, StageWriter, StagedBatches, StagedFile, StagedTable, Staging},
    tables,
};
use arrow::array::AsArray as _;
use concert_contract::money::Currency;
use concert_lake::{
    Lake, Layer,
    schema::{MODEL, OPEN_QUARANTINE, QUARANTINE_EVENTS, RUN_RULES, RUNS, TableDef},
    time,
};
use futures::StreamExt as _;
use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// After how many records of a table what was read of them is staged.
const STAGED_ROWS: usize = 8192;

pub struct ReplayOptions {
    /// Which entries are judged; those of a mended export alone, if one is given.
    pub filter: Filter,
    /// Takes the place of the mappings that the records were read by.
    pub mapping: Option<PathBuf>,
    pub rules: Arc<Rules>,
    /// A mended export.
    pub from: Option<PathBuf>,
    pub today: Date,
    pub currency: Currency,
    /// How long to wait for another writer.
    pub wait: Duration,
    pub progress: Option<OnProgress>,
}

/// What became of the records, per table: `quarantined` are those that stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplayReport {
    pub run_id: String,
    pub tables: BTreeMap<String, TableCounts>,
    /// The rules that the remaining records break now.
    pub rules: Vec<RuleCount>,
    /// Entries that were closed: their records are clean now, or say nothing about the table any more.
    pub closed: u64,
    /// Entries that stay open.
    pub remaining: u64,
}

/// Judges entries of the quarantine again, and commits what passes.
///
/// # Errors
/// Those of [`Error`]; nothing is changed then.
pub async fn replay(lake: &Lake, options: &ReplayOptions) -> Result<ReplayReport> {
    let mended = options.from.as_deref().map(Mended::read).transpose()?;
    let given = options.mapping.as_deref().map(Opened::given).transpose()?;
    let mut writer = lake.writer(options.wait).await?;
    let session = tables::session(&writer).await?;
    let root = staging_root(lake);
    let disk = Disk::of(lake);
    let scratch = Scratch::new(&root, &disk)?;
    let staging = Arc::new(Staging::open(&root, &disk, &[], |_| false)?);
    let stop = StopOnDrop::default();

    let mut again = Again {
        staging: &staging,
        readers: HashMap::new(),
        tables: BTreeMap::new(),
        broken: BTreeMap::new(),
        absent: Vec::new(),
        records: 0,
    };
    let readings = readings(&session).await?;
    let mut opened: HashMap<String, Opened> = HashMap::new();
    let mut noted = 0;
    let limit = options
        .filter
        .limit
        .map(|limit| format!(" LIMIT {limit}"))
        .unwrap_or_default();
    let columns: String = COLUMNS
        .split(", ")
        .map(|column| format!("q.{}, ", column.trim()))
        .collect();
    let sql = format!(
        "SELECT {columns}r.record FROM (SELECT * FROM ({OPEN_QUARANTINE}) WHERE {}{limit}) q \
         LEFT JOIN raw_records r ON r.file_sha256 = q.file_sha256 AND r.line = q.line \
         ORDER BY q.table_name, q.source, q.line, q.element",
        options.filter.condition()
    );
    let mut rows = stream(&session, &sql).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(failed)?;
        let records = batch.column(batch.num_columns() - 1).as_binary_opt::<i32>().cloned();
        for row in 0..batch.num_rows() {
            let entry = entry(&batch, row);
            if mended.as_ref().is_some_and(|mended| !mended.has(&entry.quarantine_id)) {
                continue;
            }
            let reading = entry.reading_id.as_ref().and_then(|id| readings.get(id));
            let Some(reading) = reading else {
                again.stays(&entry, "replay.unknown_source");
                continue;
            };
            let of_reading = match &given {
                Some(given) => Ok(given),
                None => {
                    kept(
                        &mut opened,
                        &session,
                        entry.reading_id.as_deref(),
                        reading,
                        scratch.path(),
                    )
                    .await
                }
            };
            let text = mended.as_ref().and_then(|mended| mended.text_of(&entry, Some(reading)));
            let raw = records
                .as_ref()
                .filter(|records| !arrow::array::Array::is_null(*records, row));
            let record: &[u8] = match (&text, raw) {
                (Some(text), _) => text.as_bytes(),
                (None, Some(raw)) => raw.value(row),
                (None, None) => entry.original.as_bytes(),
            };
            let judged = of_reading.and_then(|opened| again.judge(&entry, opened, reading, record, text.is_some()));
            if let Err(error) = judged {
                // One source that cannot be read any more does not keep the others from being judged.
                if noted < MAX_NOTES {
                    note(options, format!("{}: {error}", entry.source));
                    noted += 1;
                }
                again.stays(&entry, "replay.not_readable");
            }
        }
    }
    drop(rows);
    let (files, ids, broken, absent) = again.finish()?;
    let run = staging.run.clone();
    let judge = RuleJudge::new(&options.rules, options.today);
    let load = Load {
        settling: Settling {
            session: session.clone(),
            defaults: Defaults {
                today: time::days_since_epoch(options.today),
                currency: options.currency,
                run: run.clone(),
            },
            staging: Arc::clone(&staging),
            limits: Limits::default(),
            stopped: Arc::clone(&stop.0),
        },
        judge: Some(&judge),
        progress: options.progress.clone(),
    };
    let settled = load.settle(&writer, &files).await?;

    let mut closed: Vec<Event> = absent
        .into_iter()
        .map(|quarantine_id| Event {
            quarantine_id,
            kind: EventKind::Absent,
        })
        .collect();
    for (table, ids) in &ids {
        let refused = settled.refused_ordinals(table);
        for (ordinal, id) in (0i64..).zip(ids) {
            if refused.binary_search(&ordinal).is_err() {
                closed.push(Event {
                    quarantine_id: id.clone(),
                    kind: EventKind::Replayed,
                });
            }
        }
    }
    let tables = settled.counts.clone();
    let mut rules = settled.rules.clone();
    rules.extend(broken);
    rules.retain(|count| count.records > 0);
    rules.sort();
    let report = ReplayReport {
        run_id: run.id.clone(),
        remaining: tables.values().map(|counts| counts.quarantined).sum(),
        closed: closed.len() as u64,
        tables,
        rules,
    };
    if !closed.is_empty() {
        load.commit_tables(&mut writer, settled).await?;
        writer
            .append(Layer::Clean, QUARANTINE_EVENTS.name, vec![events::rows(&closed, &run)?])
            .await?;
        writer
            .append(Layer::Clean, RUNS.name, vec![sink::runs(&report.tables, &run)?])
            .await?;
        if !report.rules.is_empty() {
            let rows = sink::run_rules(&report.rules, &run)?;
            writer.append(Layer::Clean, RUN_RULES.name, vec![rows]).await?;
        }
        writer.commit(Layer::Clean, run.id.clone(), Timestamp::now(), BTreeMap::new())?;
    }
    drop(load);
    if let Some(staging) = Arc::into_inner(staging) {
        staging.finish();
    }
    Ok(report)
}

/// How many sources that cannot be read are named.
const MAX_NOTES: usize = 20;

fn note(options: &ReplayOptions, text: String) {
    if let Some(progress) = &options.progress {
        progress(Progress::Note(text));
    }
}

async fn kept<'a>(
    opened: &'a mut HashMap<String, Opened>,
    session: &datafusion::prelude::SessionContext,
    id: Option<&str>,
    reading: &Reading,
    scratch: &std::path::Path,
) -> Result<&'a Opened> {
    let id = id.unwrap_or_default().to_owned();
    if !opened.contains_key(&id) {
        opened.insert(id.clone(), Opened::kept(session, reading, scratch).await?);
    }
    opened.get(&id).ok_or_else(|| Error::NotReplayable {
        message: "its mapping is not kept".to_owned(),
    })
}

/// The records of one table that were read again.
struct OfTable {
    rows: TableRows,
    waiting: usize,
    writer: StageWriter,
    /// The entries of the staged rows, in their order.
    ids: Vec<String>,
    stays: u64,
}

struct Again<'a> {
    staging: &'a Staging,
    /// By the reading, the table and the file's name.
    readers: HashMap<(String, String, String), Option<Reader>>,
    tables: BTreeMap<&'static str, OfTable>,
    broken: BTreeMap<(String, String), u64>,
    absent: Vec<String>,
    records: u64,
}

type Finished = (
    Vec<StagedFile>,
    BTreeMap<&'static str, Vec<String>>,
    Vec<RuleCount>,
    Vec<String>,
);

impl Again<'_> {
    fn of_table(&mut self, name: &str) -> Option<&mut OfTable> {
        let table: &'static TableDef = MODEL.iter().find(|table| table.name == name)?;
        let staging = self.staging;
        Some(self.tables.entry(table.name).or_insert_with(|| OfTable {
            rows: TableRows::new(table),
            waiting: 0,
            writer: staging.writer(0, table.name, stage_schema(table)),
            ids: Vec::new(),
            stays: 0,
        }))
    }

    fn stays(&mut self, entry: &Entry, rule: &str) {
        self.records += 1;
        if let Some(of_table) = self.of_table(&entry.table) {
            of_table.stays += 1;
        }
        *self.broken.entry((rule.to_owned(), entry.table.clone())).or_default() += 1;
    }

    fn judge(&mut self, entry: &Entry, opened: &Opened, reading: &Reading, record: &[u8], mended: bool) -> Result<()> {
        let file = entry
            .source
            .rsplit_once(':')
            .filter(|(_, list)| list.ends_with("[]"))
            .map_or(entry.source.as_str(), |(file, _)| file);
        let key = (
            entry.reading_id.clone().unwrap_or_default(),
            entry.table.clone(),
            file.to_owned(),
        );
        if !self.readers.contains_key(&key) {
            let reader = Reader::new(opened, reading, &entry.table, file)?;
            self.readers.insert(key.clone(), reader);
        }
        let Some(Some(reader)) = self.readers.get(&key) else {
            self.stays(entry, "replay.not_in_mapping");
            return Ok(());
        };
        let (mut rows, row) = reader.read(record, entry.line, mended)?;
        let fault = match row {
            None => Some("replay.empty".to_owned()),
            Some(Row::Broken { fault, .. }) => Some(fault.rule.to_owned()),
            Some(Row::Fields { .. }) => {
                let Some(element) = element_of(&reader.table, &mut rows, entry) else {
                    self.absent.push(entry.quarantine_id.clone());
                    return Ok(());
                };
                rows.select(element);
                match reader.table.read(&rows) {
                    Part::Absent => {
                        self.absent.push(entry.quarantine_id.clone());
                        return Ok(());
                    }
                    Part::Faulty { fault, .. } => Some(fault.rule.to_owned()),
                    Part::Cells(cells) => {
                        let staging = self.staging;
                        let table = reader.table.table;
                        let of_table = self.tables.entry(table.name).or_insert_with(|| OfTable {
                            rows: TableRows::new(table),
                            waiting: 0,
                            writer: staging.writer(0, table.name, stage_schema(table)),
                            ids: Vec::new(),
                            stays: 0,
                        });
                        of_table.rows.push(cells, &entry.source, entry.line);
                        of_table.ids.push(entry.quarantine_id.clone());
                        of_table.waiting += 1;
                        if of_table.waiting >= STAGED_ROWS {
                            of_table.flush()?;
                        }
                        None
                    }
                }
            }
        };
        match fault {
            Some(rule) => self.stays(entry, &rule),
            None => self.records += 1,
        }
        Ok(())
    }

    fn finish(self) -> Result<Finished> {
        let mut staged = BTreeMap::new();
        let mut ids = BTreeMap::new();
        for (name, mut of_table) in self.tables {
            of_table.flush()?;
            let part = StagedTable {
                records_in: of_table.ids.len() as u64 + of_table.stays,
                quarantined: of_table.stays,
                rows: of_table.writer.finish()?,
                names: BTreeMap::new(),
            };
            staged.insert(name.to_owned(), part);
            ids.insert(name, of_table.ids);
        }
        let file = StagedFile {
            key: String::new(),
            source: String::new(),
            sha256: String::new(),
            bytes: 0,
            records: self.records,
            encoding: Encoding::Utf8,
            notes: Vec::new(),
            raw: StagedBatches::default(),
            refused: StagedBatches::default(),
            tables: staged,
            reading: None,
        };
        let broken = self
            .broken
            .into_iter()
            .map(|((rule, table), records)| RuleCount {
                rule,
                table,
                severity: Severity::Error,
                records,
            })
            .collect();
        Ok((vec![file], ids, broken, self.absent))
    }
}

/// Which row of a record the entry is about: the one with its key, else the one at its place. None if the record has
/// no such row any more.
fn element_of(table: &BoundTable, rows: &mut Rows, entry: &Entry) -> Option<usize> {
    let repeats = table.repeats(rows);
    if let (Some(key), true) = (&entry.key, table.is_each()) {
        for element in 0..repeats {
            rows.select(element);
            if table.key(rows).as_ref() == Some(key) {
                return Some(element);
            }
        }
    }
    let element = usize::try_from(entry.element.unwrap_or_default()).ok()?;
    (element < repeats).then_some(element)
}

impl OfTable {
    fn flush(&mut self) -> Result<()> {
        if let Some(rows) = self.rows.finish()?.rows {
            self.writer.write_numbered(&rows)?;
        }
        self.waiting = 0;
        Ok(())
    }
}
