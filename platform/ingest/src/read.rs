//! Reads one file of a load into the staging folder. Formats whose records are lines are cut into blocks and read by
//! several threads; the blocks are staged in the order in which they stand in the file.

use crate::{
    Error, OnProgress, Pass, Progress, Result,
    bind::BoundTable,
    blocks::{BLOCK_BYTES, Block, Cutter},
    collect::{Collector, Parsed, raw_schema, refused_schema, stage_schema},
    files::{Rows, Seen, Template},
    lookup::Lookup,
    mapping::Mapping,
    quarantine::{Document, Reading},
    stage::{StageWriter, StagedFile, StagedTable, Staging},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

/// How many threads read one file at most. A block and what is read of it take about 4 × [`BLOCK_BYTES`] for each thread
/// and each place in the queues, so that this bounds the memory as well: 150 MB.
const MAX_THREADS: usize = 6;

/// How many blocks wait for each thread.
const QUEUED_BLOCKS: usize = 1;

/// What all files of a load share.
pub struct Job<'a> {
    pub staging: &'a Staging,
    pub mapping: Option<&'a Mapping>,
    pub lookups: &'a HashMap<String, Arc<Lookup>>,
    /// The mapping and the lookup files.
    pub documents: &'a [Document],
    /// Set when nobody waits for the load any more.
    pub stopped: &'a AtomicBool,
    pub progress: Option<&'a OnProgress>,
    pub advance: &'a Advance,
}

/// How far the files of a load are read, for the progress. Several may be read at once.
#[derive(Default)]
pub struct Advance {
    pub bytes: AtomicU64,
    pub records: AtomicU64,
    /// Of all files of the load.
    pub total_bytes: u64,
}

/// How many files are read at once, of formats whose records cannot be cut for several threads. Each holds what was read
/// of some blocks, as a thread of a file that is cut does.
pub const FILES_AT_ONCE: usize = 4;

/// Does something with each of some files, several at once, and gives the results in their order. After the first failure
/// no other is begun; those that are under way come to their end, so that they need not be read again.
///
/// # Errors
/// The first failure, in the order of the files.
pub fn side_by_side<T: Send>(files: usize, each: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results: Vec<Mutex<Option<Result<T>>>> = (0..files).map(|_| Mutex::default()).collect();
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(place) = results.get(at) else { return };
            let result = each(at);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        }
    };
    let threads = thread::available_parallelism()
        .map_or(1, |n| n.get())
        .min(FILES_AT_ONCE)
        .min(files);
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let results = results
        .into_iter()
        .filter_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner));
    results.collect()
}

/// Reads the file of a pass to its end. `index` is its place in the load.
///
/// # Errors
/// [`Error::Stopped`] if nobody waits any more, and those of reading and of writing the staged files.
pub fn read(job: &Job<'_>, pass: &Pass, index: usize, key: &str) -> Result<StagedFile> {
    let mut rows = Rows::open(&pass.file, &pass.source)?;
    let tables = pass.bind(job.mapping, &mut rows, job.lookups)?;
    let source = rows.source();
    let reading = Reading::new(&rows, &pass.source, job.documents, job.mapping);
    let mut sink = Sink::new(job, &tables, index, &pass.file.name, rows.position());
    match rows.cut() {
        Some((cutter, template)) => read_blocks(job, cutter, &template, &tables, &source, &mut sink, &mut rows)?,
        None => read_in_order(job, &mut rows, &tables, &source, &mut sink)?,
    }
    sink.finish(&mut rows, key, pass.file.bytes()?, reading)
}

/// Takes what was read in the file's order and stages it.
struct Sink<'a> {
    job: &'a Job<'a>,
    index: usize,
    name: &'a str,
    position: Arc<AtomicU64>,
    records: u64,
    /// What of this file the progress has heard.
    told: (u64, u64),
    tables: Vec<OfTable>,
    raw: StageWriter,
    refused: StageWriter,
}

/// What of a file belongs to one table.
struct OfTable {
    name: &'static str,
    /// What the source calls the columns that a column of the model is made from.
    names: BTreeMap<String, String>,
    records_in: u64,
    quarantined: u64,
    rows: StageWriter,
}

impl<'a> Sink<'a> {
    fn new(job: &'a Job<'a>, tables: &[BoundTable], index: usize, name: &'a str, position: Arc<AtomicU64>) -> Sink<'a> {
        let staging = job.staging;
        let of_table = |bound: &BoundTable| OfTable {
            name: bound.table.name,
            names: bound.source_names(),
            records_in: 0,
            quarantined: 0,
            rows: staging.writer(index, bound.table.name, stage_schema(bound.table)),
        };
        Sink {
            job,
            index,
            name,
            position,
            records: 0,
            told: (0, 0),
            tables: tables.iter().map(of_table).collect(),
            raw: staging.writer(index, "raw", raw_schema()),
            refused: staging.writer(index, "refused", refused_schema()),
        }
    }

    fn take(&mut self, parsed: &Parsed) -> Result<()> {
        if self.job.stopped.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        self.records += parsed.records;
        for (to, table) in self.tables.iter_mut().zip(&parsed.tables) {
            to.records_in += table.records_in;
            to.quarantined += table.quarantined;
            if let Some(rows) = &table.rows {
                to.rows.write_numbered(rows)?;
            }
        }
        self.raw.write(&parsed.raw)?;
        if let Some(refused) = &parsed.refused {
            self.refused.write_numbered(refused)?;
        }
        self.tell(self.position.load(Ordering::Relaxed));
        Ok(())
    }

    fn tell(&mut self, bytes_read: u64) {
        let advance = self.job.advance;
        let add = |to: &AtomicU64, more: u64| to.fetch_add(more, Ordering::Relaxed) + more;
        // A position that is told again is behind the one before only by mistake; it never counts back.
        let bytes_read = bytes_read.max(self.told.0);
        let bytes = add(&advance.bytes, bytes_read - self.told.0);
        let records = add(&advance.records, self.records - self.told.1);
        self.told = (bytes_read, self.records);
        if let Some(progress) = self.job.progress {
            progress(Progress::Reading {
                file: self.name.to_owned(),
                records,
                bytes_read: bytes,
                bytes: advance.total_bytes,
            });
        }
    }

    fn finish(mut self, rows: &mut Rows, key: &str, bytes: u64, reading: Reading) -> Result<StagedFile> {
        let sha256 = rows.finish()?;
        self.tell(bytes);
        let mut tables = BTreeMap::new();
        for of_table in self.tables {
            let staged = StagedTable {
                records_in: of_table.records_in,
                quarantined: of_table.quarantined,
                rows: of_table.rows.finish()?,
                names: of_table.names,
            };
            tables.insert(of_table.name.to_owned(), staged);
        }
        let staged = StagedFile {
            key: key.to_owned(),
            source: self.name.to_owned(),
            sha256,
            bytes,
            records: self.records,
            encoding: rows.encoding(),
            // Without a mapping nobody asked for the columns by name, and most are optional.
            notes: rows.notes(self.job.mapping.is_some()),
            raw: self.raw.finish()?,
            refused: self.refused.finish()?,
            tables,
            reading: Some(reading),
        };
        self.job.staging.done(self.index, &staged)?;
        Ok(staged)
    }
}

/// One thread reads, this one stages.
fn read_in_order(
    job: &Job<'_>,
    rows: &mut Rows,
    tables: &[BoundTable],
    source: &str,
    sink: &mut Sink<'_>,
) -> Result<()> {
    let (send, receive) = sync_channel::<Result<Parsed>>(QUEUED_BLOCKS);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut collector = Collector::new(tables, source.to_owned());
            let mut next = |rows: &mut Rows| -> Result<(Parsed, bool)> {
                while let Some(row) = rows.next_row()? {
                    collector.take(&row, rows);
                    if collector.bytes() >= BLOCK_BYTES {
                        return Ok((collector.finish()?, true));
                    }
                }
                Ok((collector.finish()?, false))
            };
            loop {
                let (parsed, more) = match next(rows) {
                    Ok((parsed, more)) => (Ok(parsed), more),
                    Err(e) => (Err(e), false),
                };
                // The other side hangs up when it cannot go on.
                if send.send(parsed).is_err() || !more || job.stopped.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        receive.into_iter().try_for_each(|parsed| sink.take(&parsed?))
    })
}

/// A block that was read, and what its thread left over.
struct BlockRead {
    parsed: Parsed,
    seen: Seen,
    /// The record that goes on in the next block, and the line that it begins on.
    unfinished: Option<(u64, Vec<u8>)>,
}

type Task = (Block, SyncSender<Result<(Block, BlockRead)>>);

/// One thread cuts, several read, this one stages.
fn read_blocks(
    job: &Job<'_>,
    mut cutter: Cutter,
    template: &Template,
    tables: &[BoundTable],
    source: &str,
    sink: &mut Sink<'_>,
    rows: &mut Rows,
) -> Result<()> {
    let threads = thread::available_parallelism().map_or(1, |n| n.get()).min(MAX_THREADS);
    let (send_task, tasks) = sync_channel::<Task>(QUEUED_BLOCKS);
    let tasks = Mutex::new(tasks);
    let (send_turn, turns) = sync_channel::<Receiver<Result<(Block, BlockRead)>>>(threads + QUEUED_BLOCKS);
    let path = rows.file.path.clone();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((block, answer)) = task else { return };
                    // The block goes with the answer: it is read again if the one before leaves a record unfinished.
                    let _ = answer.send(read_block(template, tables, source, block));
                }
            });
        }
        scope.spawn(move || {
            loop {
                let (answer, turn) = sync_channel(1);
                let sent = match cutter.next() {
                    Ok(None) => return,
                    Ok(Some(block)) => send_turn.send(turn).is_ok() && send_task.send((block, answer)).is_ok(),
                    Err(e) => {
                        let _ = answer.send(Err(Error::io("read", &path, e)));
                        let _ = send_turn.send(turn);
                        return;
                    }
                };
                if !sent || job.stopped.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let mut unfinished: Option<(u64, Vec<u8>)> = None;
        // Taken apart when this ends early, so that no thread waits for a place in the queue.
        let turns = turns;
        for turn in &turns {
            let Ok(answer) = turn.recv() else {
                return Err(Error::Stopped);
            };
            let (block, mut read) = answer?;
            if let Some((line, bytes)) = unfinished.take() {
                read = read_block(template, tables, source, block.behind(line, bytes))?.1;
            }
            unfinished = read.unfinished.take();
            sink.take(&read.parsed)?;
            rows.absorb(read.seen);
        }
        if job.stopped.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        Ok(())
    })
}

fn read_block(template: &Template, tables: &[BoundTable], source: &str, block: Block) -> Result<(Block, BlockRead)> {
    let mut rows = template.rows(&block);
    let mut collector = Collector::new(tables, source.to_owned());
    while let Some(row) = rows.next_row()? {
        collector.take(&row, &mut rows);
    }
    let unfinished = rows.take_unfinished();
    let read = BlockRead {
        parsed: collector.finish()?,
        seen: rows.into_seen(),
        unfinished,
    };
    Ok((block, read))
}
