//! A load from its beginning to its end: what is asked for is planned, read into the staging folder, settled with the
//! tables that are there, counted, and committed.

use crate::{
    Error, IngestOptions, IngestReport, OnProgress, Progress, Result, TableCounts,
    collect::raw_schema,
    disk::Disk,
    files::Rows,
    input::Format,
    judge::{self, Judge, Verdict},
    mapping::Mapping,
    merge::Defaults,
    plan,
    quarantine::{self, Document},
    read::{self, Advance, Job},
    rules::{RuleCount, RuleJudge, Rules},
    settle::{Limits, Settled, Settling},
    sink::{self, RawFile},
    source,
    stage::{self, Scratch, StagedBatches, StagedFile, Staging, Unfinished},
    tables::{self, QUEUED_BATCHES},
};
use arrow::array::{ArrayRef, AsArray as _, RecordBatch, StringArray};
use concert_lake::{
    Lake, Layer, Staged, Writer,
    schema::{MODEL, QUARANTINE, QUARANTINE_EVENTS, RAW_FILES, RAW_RECORDS, RUN_RULES, RUNS, TableDef},
    time,
};
use datafusion::{
    logical_expr::{col, lit},
    prelude::SessionContext,
};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::runtime::Handle;

/// Loads files into the layer [`Layer::Clean`] in one commit. A load that changes nothing commits nothing.
///
/// Dropping the future stops the load. What was read to its end stays in the staging folder, and a load of the same
/// files goes on from there; nothing is committed before all of it is.
///
/// # Errors
/// Those of [`Error`]; nothing is loaded then.
pub async fn ingest(lake: &Lake, options: &IngestOptions) -> Result<IngestReport> {
    ingest_by(lake, options, &Rules::built_in()?).await
}

/// [`ingest`] by other rules than the model's own.
///
/// # Errors
/// Those of [`Error`]; nothing is loaded then.
pub async fn ingest_by(lake: &Lake, options: &IngestOptions, rules: &Rules) -> Result<IngestReport> {
    ingest_judged(lake, options, Some(&RuleJudge::new(rules, options.today))).await
}

/// [`ingest`], with someone who looks at the rows of the whole load before they go into the tables.
///
/// # Errors
/// Those of [`Error`]; nothing is loaded then.
pub async fn ingest_judged(lake: &Lake, options: &IngestOptions, judge: Option<&dyn Judge>) -> Result<IngestReport> {
    ingest_within(lake, options, judge, Limits::default()).await
}

pub(crate) async fn ingest_within(
    lake: &Lake,
    options: &IngestOptions,
    judge: Option<&dyn Judge>,
    limits: Limits,
) -> Result<IngestReport> {
    let stop = StopOnDrop::default();
    let reading = Reading {
        lake: lake.clone(),
        root: staging_root(lake),
        files: options.files.clone(),
        mapping: options.mapping.clone(),
        progress: options.progress.clone(),
        stopped: Arc::clone(&stop.0),
        runtime: Handle::current(),
    };
    let read = tokio::task::spawn_blocking(move || reading.run());
    let (staging, files, documents) = read.await.map_err(|e| Error::Thread(e.to_string()))??;
    let mut writer = lake.writer(options.wait).await?;
    let staging = Arc::new(staging);
    let load = Load {
        settling: Settling {
            session: tables::session(&writer).await?,
            defaults: Defaults {
                today: time::days_since_epoch(options.today),
                currency: options.currency,
                run: staging.run.clone(),
            },
            staging: Arc::clone(&staging),
            limits,
            stopped: Arc::clone(&stop.0),
        },
        judge,
        progress: options.progress.clone(),
    };
    let report = load.run(&mut writer, files, &documents).await?;
    drop(load);
    if let Some(staging) = Arc::into_inner(staging) {
        staging.finish();
    }
    Ok(report)
}

/// What a load of the same files would put aside, and why. Nothing of it is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValidateReport {
    /// Whether every record keeps every rule that is an error.
    pub valid: bool,
    pub tables: BTreeMap<String, Validated>,
    pub rules: Vec<RuleCount>,
    /// The first records that would be put aside, a hundred of each table at most.
    pub failures: Vec<Invalid>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Validated {
    #[serde(rename = "in")]
    pub records_in: u64,
    pub passed: u64,
    pub refused: u64,
}

/// A record that would be put aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invalid {
    pub table: String,
    pub source: String,
    pub line: u64,
    pub column: Option<String>,
    pub rule: String,
    pub message: String,
}

/// How many records of each table are described.
const DESCRIBED: usize = 100;

/// Reads and judges files as [`ingest_by`] does, against what is in the lake, and writes nothing to it.
///
/// # Errors
/// Those of [`Error`].
pub async fn validate(lake: &Lake, options: &IngestOptions, rules: &Rules) -> Result<ValidateReport> {
    let stop = StopOnDrop::default();
    // Beside the loads, which look after everything in their own folder.
    let root = staging_root(lake).with_file_name("validating");
    let reading = Reading {
        lake: lake.clone(),
        root: root.clone(),
        files: options.files.clone(),
        mapping: options.mapping.clone(),
        progress: options.progress.clone(),
        stopped: Arc::clone(&stop.0),
        runtime: Handle::current(),
    };
    let read = tokio::task::spawn_blocking(move || reading.run());
    let (staging, files, _) = read.await.map_err(|e| Error::Thread(e.to_string()))??;
    let snapshot = lake.layer_snapshot(Layer::Clean)?.unwrap_or_default();
    let session = judge::session(lake, &snapshot, &staging, &files).await?;
    let judge = RuleJudge::new(rules, options.today);
    let (mut refused, by_parser) = quarantine::completed(&staging, &files)?;
    let mut tables = BTreeMap::new();
    for table in filled(&files) {
        let verdict = judge::verdict(&judge, &session, &staging, table, &files).await?;
        let mut validated = Validated::default();
        for part in files.iter().filter_map(|file| file.tables.get(table.name)) {
            validated.records_in += part.records_in;
            validated.refused += part.quarantined;
        }
        validated.refused += verdict.ordinals.len() as u64;
        validated.passed = validated.records_in - validated.refused.min(validated.records_in);
        tables.insert(table.name.to_owned(), validated);
        refused.push(verdict.refused);
    }
    let mut failures = Vec::new();
    let mut described: BTreeMap<String, usize> = BTreeMap::new();
    for staged in &refused {
        for batch in staging.read(staged, None)? {
            for failure in quarantine::described(&batch?) {
                let described = described.entry(failure.table.clone()).or_default();
                *described += 1;
                if *described <= DESCRIBED {
                    failures.push(failure);
                }
            }
        }
    }
    staging.finish();
    // It stays while another one is at work in it.
    let _ = std::fs::remove_dir(&root);
    let mut rules = judge.counts();
    rules.extend(by_parser);
    Ok(ValidateReport {
        valid: tables.values().all(|table| table.refused == 0),
        tables,
        rules,
        failures,
    })
}

/// The loads of this lake that were begun and not brought to their end, the newest first.
///
/// # Errors
/// [`Error::Io`] when the staging folder cannot be read.
pub fn unfinished(lake: &Lake) -> Result<Vec<Unfinished>> {
    stage::unfinished(&staging_root(lake))
}

/// Removes what unfinished loads have staged, except those that a process is at, and says how many there were.
///
/// # Errors
/// [`Error::Io`] when it cannot be removed.
pub fn discard_unfinished(lake: &Lake) -> Result<usize> {
    stage::discard(&staging_root(lake))
}

/// Where loads of this lake stage: beside its folder, or for a lake in a bucket in this machine's temporary folder.
pub(crate) fn staging_root(lake: &Lake) -> PathBuf {
    let location = lake.location();
    if location.contains("://") {
        let name = hex::encode(&Sha256::digest(location.as_bytes())[..16]);
        return std::env::temp_dir().join("concert-staging").join(name);
    }
    Path::new(&location).parent().unwrap_or(Path::new(".")).join("staging")
}

/// Tells the threads of a load that nobody waits for it any more.
#[derive(Default)]
pub(crate) struct StopOnDrop(pub Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The first half of a load, which blocks.
struct Reading {
    lake: Lake,
    /// Where it stages.
    root: PathBuf,
    files: Vec<PathBuf>,
    mapping: Option<PathBuf>,
    progress: Option<OnProgress>,
    stopped: Arc<AtomicBool>,
    runtime: Handle,
}

impl Reading {
    fn run(self) -> Result<(Staging, Vec<StagedFile>, Vec<Document>)> {
        let note = |progress: Progress| {
            if let Some(on_progress) = &self.progress {
                on_progress(progress);
            }
        };
        let root = self.root.clone();
        let disk = Disk::of(&self.lake);
        let scratch = Scratch::new(&root, &disk)?;
        let files = source::expand(&self.files, scratch.path(), &disk, &self.runtime)?;
        let mapping = self.mapping.as_deref().map(Mapping::read).transpose()?;
        let lookups = plan::read_lookups(mapping.as_ref(), &self.files)?;
        let passes = match &mapping {
            Some(mapping) => plan::plan(mapping, files, &note)?,
            None => plan::plan_by_name(files, &note)?,
        };
        let documents = quarantine::documents(mapping.as_ref(), &lookups)?;
        let meaning = plan::meaning(mapping.as_ref(), &lookups);
        let mut keys = Vec::with_capacity(passes.len());
        let mut is_cut = Vec::with_capacity(passes.len());
        let mut advance = Advance::default();
        for (index, pass) in passes.iter().enumerate() {
            let mut rows = Rows::open(&pass.file, &pass.source)?;
            pass.bind(mapping.as_ref(), &mut rows, &lookups)?;
            keys.push(pass.key(index, &meaning)?);
            is_cut.push(matches!(rows.format, Format::Csv | Format::JsonLines));
            advance.total_bytes += pass.file.bytes()?;
        }
        let is_published = |run: &str| self.runtime.block_on(is_published(&self.lake, run));
        let staging = Staging::open(&root, &disk, &keys, is_published)?;
        let job = Job {
            staging: &staging,
            mapping: mapping.as_ref(),
            lookups: &lookups,
            documents: &documents,
            stopped: &self.stopped,
            progress: self.progress.as_ref(),
            advance: &advance,
        };
        if staging.is_resumed() {
            let staged = keys.iter().filter(|key| staging.found(key).is_some()).count();
            note(Progress::Note(format!(
                "going on with the load {}, which was stopped: {staged} of {} files are staged already",
                staging.run.id,
                passes.len()
            )));
        }
        let mut files = Vec::with_capacity(passes.len());
        let read = |index: usize| -> Result<StagedFile> {
            if let Some(found) = staging.found(&keys[index]) {
                advance.bytes.fetch_add(found.bytes, Ordering::Relaxed);
                advance.records.fetch_add(found.records, Ordering::Relaxed);
                return Ok(found.clone());
            }
            if self.stopped.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            read::read(&job, &passes[index], index, &keys[index])
        };
        while files.len() < passes.len() {
            // A file that is cut takes all threads; of the others, those that stand together are read side by side.
            let first = files.len();
            let together = is_cut[first..].iter().take_while(|is_cut| !**is_cut).count().max(1);
            let more = read::side_by_side(together, |at| read(first + at))?;
            for text in more.iter().flat_map(|file| &file.notes) {
                note(Progress::Note(text.clone()));
            }
            files.extend(more);
        }
        Ok((staging, files, documents))
    }
}

/// Whether a run came to its end, though its staging folder is still there.
async fn is_published(lake: &Lake, run: &str) -> bool {
    let count = async {
        let snapshot = lake.layer_snapshot(Layer::Clean)?.unwrap_or_default();
        let session = lake.layer_session(Layer::Clean, &snapshot).await?;
        let runs = session.table(RUNS.name).await.map_err(|e| tables::failed(&RUNS, e))?;
        let runs = runs.filter(col("run_id").eq(lit(run)));
        let count = runs.map_err(|e| tables::failed(&RUNS, e))?.count().await;
        count.map_err(|e| tables::failed(&RUNS, e))
    };
    // What cannot be told is settled once more, which changes nothing.
    count.await.is_ok_and(|count: usize| count > 0)
}

/// The second half of a load.
pub(crate) struct Load<'a> {
    pub settling: Settling,
    pub judge: Option<&'a dyn Judge>,
    pub progress: Option<OnProgress>,
}

/// How many tables are judged and settled at once: while the rows of one are put together, another is judged. Each
/// holds what [`Limits`] say.
const TABLES_AT_ONCE: usize = 2;

/// What became of one table of a load.
struct SettledTable {
    def: &'static TableDef,
    counts: TableCounts,
    verdict: Verdict,
    rows: Settled,
}

/// What became of all tables of a load; nothing of it is committed yet.
#[derive(Default)]
pub(crate) struct SettledLoad {
    pub counts: BTreeMap<String, TableCounts>,
    pub rules: Vec<RuleCount>,
    settled: Vec<(&'static TableDef, Settled)>,
    /// Entries for the quarantine of rows that the judge has put aside.
    refused: Vec<StagedBatches>,
    ordinals: BTreeMap<&'static str, Vec<i64>>,
}

impl SettledLoad {
    /// The ordinals of a table's rows that the judge has put aside, in order.
    pub fn refused_ordinals(&self, table: &str) -> &[i64] {
        self.ordinals.get(table).map_or(&[], Vec::as_slice)
    }
}

impl Load<'_> {
    fn note(&self, progress: Progress) {
        if let Some(on_progress) = &self.progress {
            on_progress(progress);
        }
    }

    /// Judges the staged rows and puts those that pass together with the tables that are there.
    ///
    /// # Errors
    /// [`Error::Rule`], [`Error::Counts`], and those of reading and writing.
    pub async fn settle(&self, writer: &Writer, files: &[StagedFile]) -> Result<SettledLoad> {
        let mut load = SettledLoad::default();
        let judging = match self.judge {
            Some(judge) => {
                let heads = writer.heads(Layer::Clean);
                let session = judge::session(writer.lake(), &heads, &self.settling.staging, files).await?;
                Some((judge, session))
            }
            None => None,
        };
        // Boxed and gathered: of a stream of plain ones, made by a closure, the compiler cannot show that they may change
        // threads.
        let mut tables = Vec::new();
        for table in filled(files) {
            tables.push(self.settle_table(writer, judging.as_ref(), files, table).boxed());
        }
        let mut settled = futures::stream::iter(tables).buffered(TABLES_AT_ONCE);
        while let Some(table) = settled.try_next().await? {
            load.counts.insert(table.def.name.to_owned(), table.counts);
            load.refused.push(table.verdict.refused);
            load.ordinals.insert(table.def.name, table.verdict.ordinals);
            load.settled.push((table.def, table.rows));
        }
        drop(settled);
        load.rules = self.judge.map(Judge::counts).unwrap_or_default();
        Ok(load)
    }

    async fn settle_table(
        &self,
        writer: &Writer,
        judging: Option<&(&dyn Judge, SessionContext)>,
        files: &[StagedFile],
        def: &'static TableDef,
    ) -> Result<SettledTable> {
        let (mut counts, mut staged) = (TableCounts::default(), Vec::new());
        for part in files.iter().filter_map(|file| file.tables.get(def.name)) {
            counts.records_in += part.records_in;
            counts.quarantined += part.quarantined;
            staged.push(part.rows.clone());
        }
        self.note(Progress::Writing { table: def.name });
        let mut verdict = Verdict::default();
        if let Some((judge, session)) = judging {
            verdict = judge::verdict(*judge, session, &self.settling.staging, def, files).await?;
            counts.quarantined += verdict.ordinals.len() as u64;
        }
        let rows = self
            .settling
            .settle(writer, def, staged, verdict.ordinals.clone())
            .await?;
        (counts.clean, counts.merged, counts.unchanged) = (rows.clean, rows.merged, rows.unchanged);
        counts.check(def.name)?;
        Ok(SettledTable {
            def,
            counts,
            verdict,
            rows,
        })
    }

    /// Commits what was settled of the model's tables; false if nothing was to be written.
    ///
    /// # Errors
    /// [`Error::Lake`].
    pub async fn commit_tables(&self, writer: &mut Writer, load: SettledLoad) -> Result<bool> {
        let mut written = false;
        for (table, of_table) in load.settled {
            written |= self.commit(writer, table, of_table).await?;
        }
        Ok(written)
    }

    async fn run(&self, writer: &mut Writer, files: Vec<StagedFile>, documents: &[Document]) -> Result<IngestReport> {
        let run = &self.settling.defaults.run;
        let staging = &self.settling.staging;
        let (raw, mut raw_files, renamed) = self.new_files(&files).await?;
        // The records as received are packed on one thread while the typed rows are settled on others.
        let raw = tokio::spawn(self.pack(writer, raw)?);
        let mut load = self.settle(writer, &files).await?;
        let (mut refused, by_parser) = quarantine::completed(staging, &files)?;
        refused.append(&mut load.refused);
        let mut report = IngestReport {
            run_id: run.id.clone(),
            tables: load.counts.clone(),
            rules: std::mem::take(&mut load.rules),
        };
        report.rules.extend(by_parser);
        let events = self.events(writer, &files, &load, &refused).await?;
        let readings: Vec<quarantine::Reading> = match refused.iter().any(|refused| refused.rows > 0) {
            true => files.iter().filter_map(|file| file.reading.clone()).collect(),
            false => Vec::new(),
        };
        let refused = self.settling.settle(writer, &QUARANTINE, refused, Vec::new()).await?;
        load.settled.push((&QUARANTINE, refused));
        let raw = raw.await.map_err(|e| Error::Thread(e.to_string()))??;

        let mut written = self.commit_tables(writer, load).await?;
        if let Some(raw) = raw {
            writer.append_staged(raw).await?;
        }
        if let Some(events) = events {
            writer.append_staged(events).await?;
            written = true;
        }
        let session = &self.settling.session;
        written |= quarantine::remember(writer, session, &readings, documents, &run.id).await?;
        if written || !raw_files.is_empty() {
            // What came under another name before changes nothing by itself; rows that it changed lead back to it.
            if report.tables.values().any(|counts| counts.clean + counts.merged > 0) {
                raw_files.extend(renamed);
            }
            if !raw_files.is_empty() {
                let rows = sink::raw_files(&raw_files, run)?;
                writer.append(Layer::Clean, RAW_FILES.name, vec![rows]).await?;
            }
            let counts = sink::runs(&report.tables, run)?;
            writer.append(Layer::Clean, RUNS.name, vec![counts]).await?;
            let broken: Vec<RuleCount> = report.rules.iter().filter(|count| count.records > 0).cloned().collect();
            if !broken.is_empty() {
                let rows = sink::run_rules(&broken, run)?;
                writer.append(Layer::Clean, RUN_RULES.name, vec![rows]).await?;
            }
            writer.commit(Layer::Clean, run.id.clone(), Timestamp::now(), BTreeMap::new())?;
        }
        Ok(report)
    }

    /// What the records of this load mean for entries of the quarantine that are there.
    async fn events(
        &self,
        writer: &Writer,
        files: &[StagedFile],
        load: &SettledLoad,
        refused: &[StagedBatches],
    ) -> Result<Option<Staged>> {
        let session = &self.settling.session;
        if tables::row_count(session, &QUARANTINE).await? == 0 {
            return Ok(None);
        }
        let passed: Vec<quarantine::Passed<'_>> = filled(files)
            .map(|table| quarantine::Passed {
                table,
                staged: files
                    .iter()
                    .filter_map(|file| file.tables.get(table.name))
                    .map(|part| part.rows.clone())
                    .collect(),
                refused: load.refused_ordinals(table.name),
            })
            .collect();
        let to = writer.stage(Layer::Clean, QUARANTINE_EVENTS.name)?;
        let run = &self.settling.defaults.run;
        quarantine::events_of_load(session, &self.settling.staging, &passed, refused, to, run).await
    }

    /// Commits what was settled of one table; false if nothing was to be written.
    async fn commit(&self, writer: &mut Writer, table: &'static TableDef, settled: Settled) -> Result<bool> {
        let mut written = false;
        if settled.changed.rows > 0 {
            let rows = tables::staged(&self.settling.session, &self.settling.staging, table, &settled.changed).await?;
            writer.merge(Layer::Clean, table.name, rows).await?;
            written = true;
        }
        if let Some(fresh) = settled.fresh {
            writer.append_staged(fresh).await?;
            written = true;
        }
        Ok(written)
    }

    /// The files whose content was never loaded, each once, and those whose content was, under another name.
    async fn new_files(
        &self,
        files: &[StagedFile],
    ) -> Result<(Vec<(String, StagedBatches)>, Vec<RawFile>, Vec<RawFile>)> {
        let mut known = known_files(&self.settling.session).await?;
        let (mut raw, mut new, mut renamed) = (Vec::new(), Vec::new(), Vec::new());
        let (mut said, mut fresh) = (BTreeSet::new(), BTreeSet::new());
        for file in files {
            let about = RawFile {
                sha256: file.sha256.clone(),
                source: file.source.clone(),
                bytes: file.bytes,
                records: file.records,
            };
            let names = known.entry(file.sha256.clone()).or_default();
            match names.first() {
                Some(name) => {
                    if said.insert(&file.source) {
                        self.note(Progress::Note(format!(
                            "{} holds what {name} has brought before: its records are looked at, and kept once",
                            file.source
                        )));
                    }
                    // Of one content in one load, one name is enough.
                    if !names.contains(&file.source) && !fresh.contains(&file.sha256) {
                        names.push(file.source.clone());
                        renamed.push(about);
                    }
                }
                None => {
                    said.insert(&file.source);
                    fresh.insert(&file.sha256);
                    names.push(file.source.clone());
                    raw.push((file.sha256.clone(), file.raw.clone()));
                    new.push(about);
                }
            }
        }
        Ok((raw, new, renamed))
    }

    /// Writes the records as received into files of their table.
    fn pack(
        &self,
        writer: &Writer,
        files: Vec<(String, StagedBatches)>,
    ) -> Result<impl Future<Output = Result<Option<Staged>>> + Send + 'static> {
        let to = writer.stage(Layer::Clean, RAW_RECORDS.name)?;
        let (staging, stopped) = (Arc::clone(&self.settling.staging), Arc::clone(&self.settling.stopped));
        Ok(async move {
            let (send, receive) = tokio::sync::mpsc::channel(QUEUED_BATCHES);
            let work = tokio::task::spawn_blocking(move || -> Result<()> {
                for (sha256, staged) in files {
                    for batch in staging.read(&staged, None)? {
                        let sent = send.blocking_send(with_file(&sha256, &batch?)?);
                        if sent.is_err() || stopped.load(Ordering::Relaxed) {
                            return Err(Error::Stopped);
                        }
                    }
                }
                Ok(())
            });
            let written = tables::write(to, receive).await;
            let worked = work.await.map_err(|e| Error::Thread(e.to_string()))?;
            let written = written?;
            worked?;
            Ok(written)
        })
    }
}

/// The tables that the load's files fill, in the order of the model.
fn filled(files: &[StagedFile]) -> impl Iterator<Item = &'static TableDef> {
    MODEL
        .iter()
        .filter(|table| files.iter().any(|file| file.tables.contains_key(table.name)))
}

/// Records as received with the hash of their file, as the raw table wants them.
fn with_file(sha256: &str, batch: &RecordBatch) -> Result<RecordBatch> {
    let hashes: StringArray = std::iter::repeat_n(Some(sha256), batch.num_rows()).collect();
    let mut columns: Vec<ArrayRef> = vec![Arc::new(hashes)];
    columns.extend_from_slice(batch.columns());
    debug_assert_eq!(batch.num_columns(), raw_schema().fields().len());
    RecordBatch::try_new(RAW_RECORDS.arrow_schema(), columns).map_err(|source| Error::Arrow {
        table: RAW_RECORDS.name,
        source,
    })
}

/// The files that were loaded before: their names by the hash of what they hold.
async fn known_files(session: &SessionContext) -> Result<HashMap<String, Vec<String>>> {
    let mut known: HashMap<String, Vec<String>> = HashMap::new();
    let mut rows = tables::stream(session, &RAW_FILES, &["file_sha256", "source"]).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|e| tables::failed(&RAW_FILES, e))?;
        let (Some(hashes), Some(names)) = (
            batch.column(0).as_string_opt::<i32>(),
            batch.column(1).as_string_opt::<i32>(),
        ) else {
            continue;
        };
        for (hash, name) in hashes.iter().zip(names) {
            let names = known.entry(hash.unwrap_or_default().to_owned()).or_default();
            names.push(name.unwrap_or_default().to_owned());
        }
    }
    Ok(known)
}
