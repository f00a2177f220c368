//! Settles the staged rows of one table with the rows that are there: which are new, which change a row, which say what
//! is known. Rows whose key occurs once in the load and not in the table, nearly all of a usual load, go straight into
//! the table's new files; the others are put together by key, in parts that fit into memory.

use crate::{
    Error, Result,
    collect::{KEY_HASH, ORDINAL, key_hashes},
    merge::{Defaults, fold, folded_schema, merge, stored, unfolded},
    stage::{StageWriter, StagedBatches, Staging},
    tables::{self, QUEUED_BATCHES},
};
use arrow::{
    array::{AsArray as _, BooleanArray, RecordBatch, UInt64Array},
    compute::{concat_batches, filter_record_batch, take_record_batch},
    datatypes::{Int64Type, SchemaRef},
    error::ArrowError,
};
use concert_lake::{Layer, Staged, Writer, schema::TableDef};
use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::{runtime::Handle, sync::mpsc::Sender};

/// How much of the rows that are put together by key is held at once, in bytes as they are staged. The rows that are
/// there, the result, and the index of their keys take some four times as much again.
pub const PART_BYTES: u64 = 32 << 20;

/// Into how many parts they are cut at most: one file each is open.
const MAX_PARTS: u64 = 256;

/// For how many staged rows the hashes of their keys are held, 9 bytes each. Of more, every row is put together by key.
const MAX_HASHED_ROWS: u64 = 16 << 20;

/// How much of a table's load is held in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// See [`PART_BYTES`].
    pub part_bytes: u64,
    /// For how many staged rows the hashes of their keys are held.
    pub hashed_rows: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            part_bytes: PART_BYTES,
            hashed_rows: MAX_HASHED_ROWS,
        }
    }
}

/// How many rows wait for a part before they are written to its file.
const PART_ROWS: usize = 4096;

/// What became of a table's staged rows.
#[derive(Debug, Default)]
pub struct Settled {
    pub clean: u64,
    pub merged: u64,
    pub unchanged: u64,
    /// New rows, written and not committed.
    pub fresh: Option<Staged>,
    /// Rows that take the place of the ones with their key.
    pub changed: StagedBatches,
}

/// What all tables of a load share.
#[derive(Clone)]
pub struct Settling {
    pub staging: Arc<Staging>,
    pub session: SessionContext,
    pub defaults: Defaults,
    pub limits: Limits,
    pub stopped: Arc<AtomicBool>,
}

impl Settling {
    /// Settles the staged rows of `table`, which are given in the order of the load, but for those whose ordinals are
    /// among `refused`, which is sorted.
    ///
    /// # Errors
    /// [`Error::Stopped`], and those of reading and writing.
    pub async fn settle(
        &self,
        writer: &Writer,
        table: &'static TableDef,
        staged: Vec<StagedBatches>,
        refused: Vec<i64>,
    ) -> Result<Settled> {
        if staged.iter().all(|staged| staged.rows == 0) {
            return Ok(Settled::default());
        }
        let to = writer.stage(Layer::Clean, table.name)?;
        let (send, receive) = tokio::sync::mpsc::channel(QUEUED_BATCHES);
        let task = Task {
            shared: self.clone(),
            table,
            staged,
            refused,
            send,
            runtime: Handle::current(),
        };
        let work = tokio::task::spawn_blocking(move || task.run());
        let written = tables::write(to, receive).await;
        // Where writing has failed, the other side has only heard that nobody listens any more.
        let worked = work.await.map_err(|e| Error::Thread(e.to_string()))?;
        let fresh = written?;
        Ok(Settled { fresh, ..worked? })
    }
}

struct Task {
    shared: Settling,
    table: &'static TableDef,
    staged: Vec<StagedBatches>,
    refused: Vec<i64>,
    send: Sender<RecordBatch>,
    runtime: Handle,
}

impl Task {
    fn run(self) -> Result<Settled> {
        let mut settled = Settled::default();
        let contested = self.contested()?;
        let rows: u64 = self.staged.iter().map(|staged| staged.rows).sum();
        let bytes: u64 = self.staged.iter().map(|staged| staged.bytes).sum();
        let parts = match &contested {
            Contested::Some(keys) if !keys.any => 0,
            _ => bytes.div_ceil(self.shared.limits.part_bytes.max(1)).clamp(1, MAX_PARTS),
        };
        let mut new = self.parts("new", parts, folded_schema(self.table));
        for batch in self.batches(None) {
            let batch = self.without_refused(batch?)?;
            let waits = contested.mask(&batch, || hashes_of(&batch).values().to_vec());
            let (fresh, waiting) = self.split(batch, waits)?;
            if let Some(fresh) = fresh {
                settled.clean += fresh.num_rows() as u64;
                self.send(self.check(stored(self.table, &fresh, &self.shared.defaults))?)?;
            }
            if let Some(waiting) = waiting {
                let folded = self.check(unfolded(self.table, &waiting).and_then(|rows| fold(self.table, rows)))?;
                let hashes = hashes_of(&folded).values().to_vec();
                new.add(folded, &hashes)?;
            }
        }
        if parts > 0 && rows > 0 {
            let mut old = self.parts("old", parts, self.table.arrow_schema());
            self.read_old(&contested, &mut old)?;
            self.put_together(new, old, &mut settled)?;
        }
        Ok(settled)
    }

    /// Finds the keys that occur more than once, in the load or in the table.
    fn contested(&self) -> Result<Contested> {
        let rows: u64 = self.staged.iter().map(|staged| staged.rows).sum();
        if rows > self.shared.limits.hashed_rows {
            return Ok(Contested::All);
        }
        let columns = [KEY_HASH, ORDINAL].map(|name| self.staged_column(name));
        let mut hashes = Vec::with_capacity(usize::try_from(rows).unwrap_or_default());
        for batch in self.batches(Some(columns.to_vec())) {
            hashes.extend_from_slice(hashes_of(&self.without_refused(batch?)?).values());
        }
        hashes.sort_unstable();
        let mut keys = Keys::default();
        for hash in hashes {
            match keys.hashes.last() {
                Some(last) if *last == hash => {
                    if let Some(contested) = keys.contested.last_mut() {
                        *contested = true;
                    }
                    keys.any = true;
                }
                _ => {
                    keys.hashes.push(hash);
                    keys.contested.push(false);
                }
            }
        }
        let session = &self.shared.session;
        if self.runtime.block_on(tables::row_count(session, self.table))? > 0 {
            self.each_old(self.table.key, |batch| {
                for hash in key_hashes(self.table, &batch).values() {
                    if let Ok(found) = keys.hashes.binary_search(hash) {
                        keys.contested[found] = true;
                        keys.any = true;
                    }
                }
                Ok(())
            })?;
        }
        Ok(Contested::Some(keys))
    }

    /// Reads the rows of the table whose keys may be among the contested ones.
    fn read_old(&self, contested: &Contested, old: &mut Parts) -> Result<()> {
        self.each_old(&tables::all_columns(self.table), |batch| {
            let hashes = key_hashes(self.table, &batch).values().to_vec();
            let Some(mask) = contested.mask(&batch, || hashes.clone()) else {
                return old.add(batch, &hashes);
            };
            let wanted = self.check(filter_record_batch(&batch, &mask))?;
            let hashes: Vec<i64> = hashes
                .iter()
                .zip(mask.values())
                .filter_map(|(hash, wanted)| wanted.then_some(*hash))
                .collect();
            old.add(wanted, &hashes)
        })
    }

    fn put_together(&self, new: Parts, old: Parts, settled: &mut Settled) -> Result<()> {
        let mut changed = self
            .shared
            .staging
            .working(&format!("{}.changed", self.table.name), self.table.arrow_schema());
        for (new, old) in new.finish()?.into_iter().zip(old.finish()?) {
            self.look_for_stop()?;
            let new = self.load(&folded_schema(self.table), new)?;
            let old = self.load(&self.table.arrow_schema(), old)?;
            if new.num_rows() == 0 {
                continue;
            }
            let folded = self.check(fold(self.table, new))?;
            let merged = self.check(merge(self.table, &[old], &folded, &self.shared.defaults))?;
            settled.clean += merged.clean;
            settled.merged += merged.merged;
            settled.unchanged += merged.unchanged;
            if merged.fresh.num_rows() > 0 {
                self.send(merged.fresh)?;
            }
            changed.write(&merged.changed)?;
        }
        settled.changed = changed.finish()?;
        Ok(())
    }

    fn load(&self, schema: &SchemaRef, part: Part) -> Result<RecordBatch> {
        let mut batches = part.waiting;
        for batch in self.shared.staging.read(&part.written, None)? {
            batches.push(batch?);
        }
        // Arrow's text columns end at 2 GiB, and some of its kernels panic there.
        let bytes: usize = (0..schema.fields().len())
            .filter_map(|column| {
                let text = |batch: &RecordBatch| Some(batch.column(column).as_string_opt::<i32>()?.value_data().len());
                batches.iter().map(text).sum::<Option<usize>>()
            })
            .max()
            .unwrap_or_default();
        if i32::try_from(bytes).is_err() {
            return self.check(Err(ArrowError::OffsetOverflowError(bytes)));
        }
        self.check(concat_batches(schema, &batches))
    }

    fn without_refused(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let ordinals = batch.column_by_name(ORDINAL);
        let Some(ordinals) = ordinals.and_then(|ordinals| ordinals.as_primitive_opt::<Int64Type>()) else {
            return Ok(batch);
        };
        if self.refused.is_empty() {
            return Ok(batch);
        }
        let kept: BooleanArray = ordinals
            .values()
            .iter()
            .map(|ordinal| Some(self.refused.binary_search(ordinal).is_err()))
            .collect();
        self.check(filter_record_batch(&batch, &kept))
    }

    fn split(
        &self,
        batch: RecordBatch,
        waits: Option<BooleanArray>,
    ) -> Result<(Option<RecordBatch>, Option<RecordBatch>)> {
        let Some(waits) = waits else {
            return Ok((None, Some(batch)));
        };
        if waits.true_count() == 0 {
            return Ok((Some(batch), None));
        }
        let goes = self.check(arrow::compute::not(&waits))?;
        Ok((
            Some(self.check(filter_record_batch(&batch, &goes))?).filter(|rows| rows.num_rows() > 0),
            Some(self.check(filter_record_batch(&batch, &waits))?),
        ))
    }

    fn each_old(&self, columns: &[&str], mut each: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        let stream = tables::stream(&self.shared.session, self.table, columns);
        let mut stream = self.runtime.block_on(stream)?;
        while let Some(batch) = self.runtime.block_on(stream.next()) {
            self.look_for_stop()?;
            each(batch.map_err(|e| tables::failed(self.table, e))?)?;
        }
        Ok(())
    }

    fn batches(&self, columns: Option<Vec<usize>>) -> impl Iterator<Item = Result<RecordBatch>> {
        let readers = self.staged.iter().map(move |staged| {
            self.look_for_stop()?;
            self.shared.staging.read(staged, columns.clone())
        });
        readers.flat_map(|reader| {
            let (batches, failed) = match reader {
                Ok(batches) => (Some(batches), None),
                Err(e) => (None, Some(Err(e))),
            };
            failed.into_iter().chain(batches.into_iter().flatten())
        })
    }

    fn staged_column(&self, name: &str) -> usize {
        let schema = folded_schema(self.table);
        schema.index_of(name).unwrap_or_default()
    }

    fn parts(&self, what: &str, count: u64, schema: SchemaRef) -> Parts {
        let writer = |part| {
            let name = format!("{}.{what}.{part:03}", self.table.name);
            self.shared.staging.working(&name, schema.clone())
        };
        Parts {
            table: self.table.name,
            parts: (0..count)
                .map(|part| (Vec::new(), 0, (count > 1).then(|| writer(part))))
                .collect(),
            schema: schema.clone(),
        }
    }

    fn send(&self, rows: RecordBatch) -> Result<()> {
        self.look_for_stop()?;
        self.send.blocking_send(rows).map_err(|_| Error::Stopped)
    }

    fn look_for_stop(&self) -> Result<()> {
        if self.shared.stopped.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        Ok(())
    }

    fn check<T>(&self, result: Result<T, ArrowError>) -> Result<T> {
        result.map_err(|source| Error::Arrow {
            table: self.table.name,
            source,
        })
    }
}

fn hashes_of(batch: &RecordBatch) -> arrow::array::Int64Array {
    match batch
        .column_by_name(KEY_HASH)
        .and_then(|hashes| hashes.as_primitive_opt::<Int64Type>())
    {
        Some(hashes) => hashes.clone(),
        None => arrow::array::Int64Array::from_value(0, batch.num_rows()),
    }
}

/// Which keys have to be put together.
enum Contested {
    All,
    Some(Keys),
}

/// The hashes of all staged keys, in order, and which of them occur more than once.
#[derive(Default)]
struct Keys {
    hashes: Vec<i64>,
    contested: Vec<bool>,
    any: bool,
}

impl Contested {
    /// Which rows have such a key; none if all have.
    fn mask(&self, batch: &RecordBatch, hashes: impl FnOnce() -> Vec<i64>) -> Option<BooleanArray> {
        match self {
            Contested::All => None,
            Contested::Some(keys) if !keys.any => Some(BooleanArray::from(vec![false; batch.num_rows()])),
            Contested::Some(keys) => {
                let of = |hash| {
                    let found = keys.hashes.binary_search(&hash);
                    found.is_ok_and(|found| keys.contested[found])
                };
                Some(hashes().into_iter().map(|hash| Some(of(hash))).collect())
            }
        }
    }
}

/// Rows by the hash of their key, in memory if there is one part and else in a file each.
struct Parts {
    table: &'static str,
    schema: SchemaRef,
    parts: Vec<(Vec<RecordBatch>, usize, Option<StageWriter>)>,
}

struct Part {
    waiting: Vec<RecordBatch>,
    written: StagedBatches,
}

impl Parts {
    fn add(&mut self, rows: RecordBatch, hashes: &[i64]) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let count = self.parts.len();
        if let [(waiting, _, None)] = self.parts.as_mut_slice() {
            waiting.push(rows);
            return Ok(());
        }
        let mut picks: Vec<Vec<u64>> = vec![Vec::new(); count];
        for (row, hash) in hashes.iter().enumerate() {
            let part = hash.cast_unsigned() % count as u64;
            picks[usize::try_from(part).unwrap_or_default()].push(row as u64);
        }
        let failed = |source| Error::Arrow {
            table: self.table,
            source,
        };
        for ((waiting, waiting_rows, writer), picks) in self.parts.iter_mut().zip(picks) {
            if picks.is_empty() {
                continue;
            }
            *waiting_rows += picks.len();
            waiting.push(take_record_batch(&rows, &UInt64Array::from(picks)).map_err(failed)?);
            if let (Some(writer), true) = (writer, *waiting_rows >= PART_ROWS) {
                writer.write(&concat_batches(&self.schema, waiting.iter()).map_err(failed)?)?;
                waiting.clear();
                *waiting_rows = 0;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Part>> {
        let finished = self.parts.into_iter().map(|(waiting, _, writer)| {
            Ok(Part {
                waiting,
                written: match writer {
                    Some(writer) => writer.finish()?,
                    None => StagedBatches::default(),
                },
            })
        });
        finished.collect()
    }
}
