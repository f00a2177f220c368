//! Brings files into the lake: reads them by a mapping, types every value, puts aside what does not fit, and merges
//! the rest into the layer [`Layer::Clean`]. Publishing is `concert-refine`'s; this crate does not know it.
//!
//! Every record that comes in ends as clean, merged, unchanged or quarantined, per table, and the four add up; a load
//! whose counts do not is not committed. Files are read as streams; the typed rows of one load and the tables that they
//! go into are held in memory.

mod bind;
mod columnar;
mod error;
mod files;
mod infer;
mod input;
mod json;
mod lookup;
mod mapping;
mod merge;
mod path;
mod records;
pub mod rules;
mod sink;
mod value;
mod xml;

pub use error::{Error, Result};
pub use infer::{Proposal, ProposedColumn, Tried, infer};
pub use mapping::Mapping;
pub use records::MAX_RECORD_BYTES;
pub use sink::MAX_ORIGINAL_BYTES;

use crate::{
    bind::{BoundTable, Part},
    files::{DataFile, Row, Rows},
    input::Format,
    lookup::Lookup,
    mapping::{Source, TableMapping, by_name, name_fits},
    merge::{Defaults, Write, merge},
    sink::{Quarantine, RawFile, RawRecords, Refused, Run, TableRows},
};
use arrow::array::AsArray as _;
use concert_contract::money::Currency;
use concert_lake::{
    Lake, Layer, Writer, new_id,
    schema::{MODEL, RAW_FILES, RUNS, TableDef},
    time,
};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// After how many rows a load says how far it is and lets other tasks run.
const PROGRESS_ROWS: u64 = 4096;

/// How far a load is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Reading {
        file: String,
        bytes_read: u64,
        bytes: u64,
    },
    Writing {
        table: &'static str,
    },
    /// Something that a person should know and that is no fault: a file that no table reads.
    Note(String),
}

/// Is called while a load runs.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

pub struct IngestOptions {
    /// Files and folders; a folder stands for the files in it.
    pub files: Vec<PathBuf>,
    /// Says what is in the files. Without it, each file is named after a table and has its columns as header.
    pub mapping: Option<PathBuf>,
    /// A concert before this day is completed, unless its source says otherwise.
    pub today: Date,
    /// The currency of amounts whose source names none.
    pub currency: Currency,
    /// How long to wait for another writer.
    pub wait: Duration,
    pub progress: Option<OnProgress>,
}

/// What became of the records, per table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestReport {
    pub run_id: String,
    pub tables: BTreeMap<String, TableCounts>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCounts {
    /// Records that said something about the table.
    #[serde(rename = "in")]
    pub records_in: u64,
    /// New rows.
    pub clean: u64,
    /// Records that went into a row of the same id, and changed it or came with the load that made it.
    pub merged: u64,
    pub quarantined: u64,
    /// Records that say what is there already.
    pub unchanged: u64,
}

/// A file, how it is written, and the tables that it fills.
struct Pass {
    file: DataFile,
    source: Source,
    tables: Vec<TableMapping>,
}

/// The part of a load that belongs to one table.
struct TableLoad {
    rows: TableRows,
    counts: TableCounts,
}

/// Loads files into the layer [`Layer::Clean`] in one commit. A load that changes nothing commits nothing.
///
/// # Errors
/// Those of [`Error`]; nothing is loaded then.
pub async fn ingest(lake: &Lake, options: &IngestOptions) -> Result<IngestReport> {
    let note = |progress: Progress| {
        if let Some(on_progress) = &options.progress {
            on_progress(progress);
        }
    };
    // Holds standard input while it is read, if that is asked for.
    let spool = tempfile::tempdir().map_err(|e| Error::io("make a temporary folder in", &std::env::temp_dir(), e))?;
    let files = files::expand(&options.files, spool.path())?;
    let mapping = options.mapping.as_deref().map(Mapping::read).transpose()?;
    let lookups = read_lookups(mapping.as_ref(), &options.files)?;
    let passes = match &mapping {
        Some(mapping) => plan(mapping, files, &note)?,
        None => plan_by_name(files, &note)?,
    };
    // Every header is looked at before anything is read, so that a wrong file costs nothing.
    let mut opened = Vec::with_capacity(passes.len());
    for pass in passes {
        let mut rows = Rows::open(&pass.file, &pass.source)?;
        let tables = pass
            .tables
            .iter()
            .map(|table| BoundTable::new(table, mapping.as_ref(), &mut rows, &lookups))
            .collect::<Result<Vec<_>>>()?;
        opened.push((rows, tables));
    }

    let now = Timestamp::now();
    let run = Run {
        id: new_id(now),
        arrived_at: now.as_microsecond(),
    };
    let mut writer = lake.writer(options.wait).await?;
    let mut load = Load {
        quarantine: Quarantine::open(&writer, &run).await?,
        raw: RawRecords::default(),
        raw_files: Vec::new(),
        known_files: known_files(&writer).await?,
        tables: BTreeMap::new(),
    };
    for (rows, tables) in opened {
        load.read(rows, &tables, &mut writer, &note).await?;
    }
    let defaults = Defaults {
        today: time::days_since_epoch(options.today),
        currency: options.currency,
        now: run.arrived_at,
    };
    load.finish(writer, run, now, defaults, &note).await
}

struct Load {
    quarantine: Quarantine,
    raw: RawRecords,
    raw_files: Vec<RawFile>,
    known_files: HashSet<String>,
    tables: BTreeMap<&'static str, (&'static TableDef, TableLoad)>,
}

impl Load {
    async fn read(
        &mut self,
        mut rows: Rows,
        tables: &[BoundTable],
        writer: &mut Writer,
        note: &impl Fn(Progress),
    ) -> Result<()> {
        let (sha256, bytes) = rows.file.sha256()?;
        let (file, source) = (rows.file.name.clone(), rows.source());
        let is_new = self.known_files.insert(sha256.clone());
        let mut records = 0;
        for table in tables {
            self.tables.entry(table.table.name).or_insert_with(|| {
                (
                    table.table,
                    TableLoad {
                        rows: TableRows::new(table.table),
                        counts: TableCounts::default(),
                    },
                )
            });
        }
        while let Some(row) = rows.next_row()? {
            records += 1;
            let line = match &row {
                Row::Fields { line } | Row::Broken { line, .. } => *line,
            };
            if is_new {
                self.raw.push(&sha256, line, rows.raw());
            }
            for table in tables {
                let repeats = match &row {
                    Row::Broken { .. } => 1,
                    Row::Fields { .. } => table.repeats(&rows),
                };
                for element in 0..repeats {
                    rows.select(element);
                    self.take(&row, line, element, &rows, table, &source)?;
                }
            }
            if self.raw.is_full() {
                self.raw.flush(writer).await?;
            }
            if self.quarantine.is_full() {
                self.quarantine.flush(writer).await?;
            }
            if records % PROGRESS_ROWS == 0 {
                note(Progress::Reading {
                    file: file.clone(),
                    bytes_read: rows.bytes_read(),
                    bytes,
                });
                tokio::task::yield_now().await;
            }
        }
        note(Progress::Reading {
            file: file.clone(),
            bytes_read: bytes,
            bytes,
        });
        for text in rows.notes() {
            note(Progress::Note(text));
        }
        if is_new {
            self.raw_files.push(RawFile {
                sha256,
                source: file,
                bytes,
                records,
            });
        }
        Ok(())
    }

    /// Takes what a record, or one element of a list in it, says about one table.
    fn take(
        &mut self,
        row: &Row,
        line: u64,
        element: usize,
        rows: &Rows,
        table: &BoundTable,
        source: &str,
    ) -> Result<()> {
        let Some((_, load)) = self.tables.get_mut(table.table.name) else {
            return Ok(());
        };
        let (column, mut fault) = match row {
            Row::Broken { column, fault, .. } => (column.clone(), fault.clone()),
            Row::Fields { .. } => match table.read(rows) {
                Part::Absent => return Ok(()),
                Part::Cells(cells) => {
                    load.counts.records_in += 1;
                    load.rows.push(cells, source, line);
                    if load.rows.is_full() {
                        return Err(Error::TooLarge {
                            table: table.table.name,
                            file: source.to_owned(),
                            line,
                        });
                    }
                    return Ok(());
                }
                Part::Faulty { column, fault } => ((!column.is_empty()).then_some(column), fault),
            },
        };
        let is_element = table.is_each() && matches!(row, Row::Fields { .. });
        if let Some(line) = rows.line_in_file() {
            fault.message.push_str(&format!("; the record begins on line {line}"));
        }
        load.counts.records_in += 1;
        load.counts.quarantined += 1;
        self.quarantine.push(&Refused {
            table: table.table.name,
            source,
            line,
            element: is_element.then_some(element),
            column: column
                .map(|column| {
                    if is_element {
                        column.replace("[*]", &format!("[{element}]"))
                    } else {
                        column
                    }
                })
                .as_deref(),
            fault: &fault,
            original: &rows.original(),
        });
        Ok(())
    }

    async fn finish(
        mut self,
        mut writer: Writer,
        run: Run,
        now: Timestamp,
        defaults: Defaults,
        note: &impl Fn(Progress),
    ) -> Result<IngestReport> {
        let mut report = IngestReport {
            run_id: run.id.clone(),
            tables: BTreeMap::new(),
        };
        let mut written = false;
        for (name, (table, load)) in self.tables {
            let TableLoad { rows, mut counts } = load;
            let old = writer.read(Layer::Clean, name).await?;
            let failed = |source| Error::Arrow { table: name, source };
            let outcome = merge(table, &old, rows.finish(&run)?, defaults).map_err(failed)?;
            (counts.clean, counts.merged, counts.unchanged) = (outcome.clean, outcome.merged, outcome.unchanged);
            counts.check(name)?;
            if !matches!(outcome.write, Write::Nothing) {
                note(Progress::Writing { table: name });
                written = true;
            }
            match outcome.write {
                Write::Nothing => {}
                Write::Append(batch) => writer.append(Layer::Clean, name, vec![batch]).await?,
                Write::Replace(batches) => writer.replace(Layer::Clean, name, batches).await?,
            }
            report.tables.insert(name.to_owned(), counts);
        }
        self.quarantine.flush(&mut writer).await?;
        self.raw.flush(&mut writer).await?;
        if !self.raw_files.is_empty() {
            writer
                .append(
                    Layer::Clean,
                    RAW_FILES.name,
                    vec![sink::raw_files(&self.raw_files, &run)?],
                )
                .await?;
        }
        if written || self.quarantine.written || !self.raw_files.is_empty() {
            let counts = sink::runs(&report.tables, &run)?;
            writer.append(Layer::Clean, RUNS.name, vec![counts]).await?;
            writer.commit(Layer::Clean, run.id, now, BTreeMap::new())?;
        }
        Ok(report)
    }
}

impl TableCounts {
    fn check(&self, table: &'static str) -> Result<()> {
        let accounted = self.clean + self.merged + self.quarantined + self.unchanged;
        if accounted == self.records_in {
            Ok(())
        } else {
            Err(Error::Counts {
                table,
                records_in: self.records_in,
                accounted,
            })
        }
    }
}

async fn known_files(writer: &Writer) -> Result<HashSet<String>> {
    let mut known = HashSet::new();
    for batch in writer.read(Layer::Clean, RAW_FILES.name).await? {
        if let Some(hashes) = batch
            .column_by_name("file_sha256")
            .and_then(|hashes| hashes.as_string_opt::<i32>())
        {
            known.extend(hashes.iter().flatten().map(str::to_owned));
        }
    }
    Ok(known)
}

fn read_lookups(mapping: Option<&Mapping>, named: &[PathBuf]) -> Result<HashMap<String, Arc<Lookup>>> {
    let Some(mapping) = mapping else {
        return Ok(HashMap::new());
    };
    // Beside the first file that was named; a folder stands for the files in it.
    let beside_data = match named.first() {
        Some(path) if path.is_dir() => path.as_path(),
        Some(path) => path.parent().unwrap_or(Path::new("")),
        None => Path::new(""),
    };
    let beside_mapping = mapping.path.parent().unwrap_or(Path::new(""));
    let mut lookups = HashMap::new();
    for def in &mapping.lookups {
        let lookup = Lookup::read(def, &[beside_data, beside_mapping], &mapping.path)?;
        lookups.insert(def.name.clone(), Arc::new(lookup));
    }
    Ok(lookups)
}

/// Which tables each file fills. A table with `from` takes the files of that name; one without takes every file that
/// no other table asks for by name and that is no lookup.
fn plan(mapping: &Mapping, files: Vec<DataFile>, note: &impl Fn(Progress)) -> Result<Vec<Pass>> {
    let is_claimed = |file: &DataFile| {
        let asked_for = mapping
            .tables
            .iter()
            .filter_map(|t| t.from.as_deref())
            .any(|from| name_fits(from, &file.name));
        asked_for || mapping.lookups.iter().any(|lookup| lookup.file == file.name)
    };
    let mut passes: Vec<Pass> = Vec::new();
    let mut used: HashSet<PathBuf> = HashSet::new();
    for table in &mapping.tables {
        let mut found = false;
        for file in &files {
            let fits = match &table.from {
                Some(from) => name_fits(from, &file.name),
                None => !is_claimed(file),
            };
            if !fits {
                continue;
            }
            found = true;
            used.insert(file.path.clone());
            match passes
                .iter_mut()
                .find(|pass| pass.file == *file && pass.source == table.source)
            {
                Some(pass) => pass.tables.push(table.clone()),
                None => passes.push(Pass {
                    file: file.clone(),
                    source: table.source.clone(),
                    tables: vec![table.clone()],
                }),
            }
        }
        if let (false, Some(from)) = (found, &table.from) {
            note(Progress::Note(format!(
                "no file named {from} was given: {} is left as it is",
                table.table.name
            )));
        }
    }
    for file in &files {
        let is_lookup = mapping.lookups.iter().any(|lookup| lookup.file == file.name);
        if !used.contains(&file.path) && !is_lookup {
            note(Progress::Note(format!(
                "{} is not read: no table of the mapping asks for it",
                file.name
            )));
        }
    }
    if passes.is_empty() {
        let wanted: Vec<&str> = mapping
            .tables
            .iter()
            .filter_map(|table| table.from.as_deref())
            .collect();
        return Err(Error::Mapping {
            path: mapping.path.clone(),
            line: None,
            message: format!(
                "none of the files that were given fills a table. It asks for {}",
                if wanted.is_empty() {
                    "a file that is no lookup".to_owned()
                } else {
                    wanted.join(", ")
                }
            ),
        });
    }
    Ok(passes)
}

/// Files that are named after the tables, as `concert generate` writes them.
fn plan_by_name(files: Vec<DataFile>, note: &impl Fn(Progress)) -> Result<Vec<Pass>> {
    let mut passes = Vec::new();
    let only = files.len() == 1;
    for file in files {
        if file.name == files::STANDARD_INPUT {
            return Err(Error::UnnamedInput);
        }
        let stem = file.name.split('.').next().unwrap_or_default().to_owned();
        let is_data = input::format_of_name(&file.path).is_some();
        let table = MODEL.iter().find(|table| table.name == stem && is_data);
        let Some(table) = table else {
            let tables: Vec<String> = MODEL.iter().map(|table| format!("{}.csv", table.name)).collect();
            if only || is_data {
                return Err(Error::UnknownFile {
                    file: file.name,
                    tables: tables.join(", "),
                });
            }
            note(Progress::Note(format!(
                "{} is not read: it is not named after a table",
                file.name
            )));
            continue;
        };
        let rows = Rows::open(&file, &Source::default())?;
        let header = match rows.format {
            Format::Csv | Format::Parquet => rows.columns,
            // Each record says its own columns.
            Format::Json | Format::JsonLines | Format::Xml => {
                table.columns().iter().map(|column| column.name.to_owned()).collect()
            }
        };
        for column in &header {
            if table.column(column).is_none() {
                note(Progress::Note(format!(
                    "{}: the column {column} is not read: {stem} has none of that name",
                    file.name
                )));
            }
        }
        let mapping = by_name(table, &file.name, &header)?;
        passes.push(Pass {
            file,
            source: mapping.source.clone(),
            tables: vec![mapping],
        });
    }
    if passes.is_empty() {
        Err(Error::NoFiles)
    } else {
        Ok(passes)
    }
}
