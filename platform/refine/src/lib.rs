//! Makes `concert_dw` out of the clean layer and publishes it: copies the model's tables, builds the marts, lists the
//! values that the catalogue's dimensions take, says how far the data reaches, and checks all of it before the pointer
//! moves. What is published is a function of the clean rows, the catalogue and the day; publishing the same again
//! changes nothing, not even the snapshot's id.
//!
//! Linking duplicates is not here yet: a table is copied as it is.

mod content;
mod error;
mod gates;
mod marts;
mod publication;
mod values;

pub use error::{Breach, Error, Result};
pub use gates::{Dangling, REFERENCES, Reference, dangling, marts as mart_breaches};
pub use values::collect as catalogue_values;

use crate::{
    content::{Digest, Work, frame, number, side_by_side},
    publication::Publication,
};
use concert_contract::catalogue::Catalogue;
use concert_lake::{
    Lake, Layer, Snapshot, Staged, TableWriter, Writer, new_id,
    schema::{CATALOGUE_VALUES, MODEL, PUBLICATION, TableDef},
};
use datafusion::{
    execution::SendableRecordBatchStream,
    prelude::{DataFrame, SessionContext},
};
use futures::{FutureExt as _, StreamExt as _};
use jiff::{Timestamp, civil::Date};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, time::Duration};

/// Goes up when the way from clean to published changes, so that the next publication makes the tables anew.
const METHOD: u32 = 2;

/// The name under which a snapshot keeps the hash of its inputs; no table has it.
const INPUTS: &str = "(inputs)";

/// The name under which it keeps the id of the clean snapshot that it was made from.
const CLEAN: &str = "(clean)";

/// The largest table that others refer to, and up to how many of its rows the references are looked up in memory: some
/// 100 bytes for each. Beyond that both sides are sorted, which is slower and goes through temporary files.
const CUSTOMERS: &str = "customers";
const MAX_HASHED_ROWS: u64 = 4_000_000;

#[derive(Clone, Copy, Debug)]
pub struct PublishOptions {
    /// A day after this one is not complete, whatever the data says.
    pub today: Date,
    /// How long to wait for another writer.
    pub wait: Duration,
}

/// Publishes the clean layer as `concert_dw` and returns the snapshot that is current afterwards: the one from before
/// if nothing would change.
///
/// # Errors
/// [`Error::Lake`] when a table cannot be read or written, [`Error::Catalogue`] when the catalogue names a table or a
/// column that is not there, [`Error::Gates`] when what was made does not hold. Nothing is published then.
pub async fn publish(lake: &Lake, catalogue: &Catalogue, options: &PublishOptions) -> Result<Snapshot> {
    let mut writer = lake.writer(options.wait).await?;
    let before = writer.snapshot(Layer::ConcertDw);
    let inputs = inputs(&writer.snapshot(Layer::Clean), catalogue, options.today)?;
    if before.fingerprints.get(INPUTS) == Some(&inputs) {
        return Ok(before);
    }
    let now = Timestamp::now();
    let mut fingerprints = BTreeMap::from([
        (INPUTS.to_owned(), inputs),
        (CLEAN.to_owned(), writer.snapshot(Layer::Clean).id),
    ]);

    let copied = copy(&mut writer, &before, &mut fingerprints).await?;
    let made = marts::build(&mut writer, &before, &mut fingerprints, options.today, now).await?;

    let session = lake.session(&writer.heads(Layer::ConcertDw)).await?;
    let values = values::collect(&session, catalogue).await?;
    let mut digest = Digest::new(&CATALOGUE_VALUES);
    digest
        .add(&values)
        .map_err(|source| Error::query("catalogue_values", source))?;
    let fingerprint = format!("{METHOD} {}", digest.fingerprint());
    let values_changed = before.fingerprints.get(CATALOGUE_VALUES.name) != Some(&fingerprint);
    fingerprints.insert(CATALOGUE_VALUES.name.to_owned(), fingerprint);
    if values_changed {
        writer
            .replace(Layer::ConcertDw, CATALOGUE_VALUES.name, vec![values])
            .await?;
    }

    // The publication speaks of the tables as they are now, the values among them.
    let session = lake.session(&writer.heads(Layer::ConcertDw)).await?;
    let publication = Publication::of(&session, options.today).await?;
    let content = publication.fingerprint();
    let changed = before.id.is_empty()
        || !copied.is_empty()
        || !made.is_empty()
        || values_changed
        || before.fingerprints.get(PUBLICATION.name) != Some(&content);
    if !changed {
        return remember(&mut writer, before, fingerprints);
    }
    check(&writer, &session, &publication, copied, made).await?;

    let id = new_id(now);
    fingerprints.insert(PUBLICATION.name.to_owned(), content);
    writer
        .replace(Layer::ConcertDw, PUBLICATION.name, vec![publication.batch(&id, now)?])
        .await?;
    Ok(writer.commit(Layer::ConcertDw, id, now, fingerprints)?)
}

/// The tables of the clean layer whose rows are newer than the published ones: those that [`publish`] would look at.
pub fn unpublished(clean: &Snapshot, published: &Snapshot) -> Vec<&'static str> {
    // The tables of a snapshot get other versions when their files are put together, and it stays the same one.
    if published.fingerprints.get(CLEAN) == Some(&clean.id) {
        return Vec::new();
    }
    let is_behind = |table: &&TableDef| {
        clean.tables.get(table.name).is_some_and(|version| {
            let seen = format!("{METHOD} {}", from_clean(*version));
            let known = published.fingerprints.get(table.name);
            !known.is_some_and(|fingerprint| fingerprint.starts_with(&seen))
        })
    };
    MODEL.iter().filter(is_behind).map(|table| table.name).collect()
}

/// Where a table's rows came from, as its fingerprint says it between the method and the content.
fn from_clean(version: i64) -> String {
    format!("clean@{version} ")
}

/// Keeps what was found out about inputs that changed and gave the same content, so that it is not found out again: the
/// snapshot stays the one that it is.
fn remember(writer: &mut Writer, before: Snapshot, fingerprints: BTreeMap<String, String>) -> Result<Snapshot> {
    match before.published_at.parse::<Timestamp>() {
        Ok(at) if before.fingerprints != fingerprints => {
            Ok(writer.commit(Layer::ConcertDw, before.id, at, fingerprints)?)
        }
        _ => Ok(before),
    }
}

/// Everything that a publication is a function of, in one hash. Other inputs may still give the same content.
fn inputs(clean: &Snapshot, catalogue: &Catalogue, today: Date) -> Result<String> {
    let catalogue = serde_json::to_string(catalogue).map_err(|source| Error::Json { source })?;
    let mut hash = Sha256::new();
    for part in [format!("{METHOD} {today} {:?}", clean.tables), catalogue] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    Ok(content::hex(&hash.finalize()))
}

/// Copies the clean tables, without their lineage, whose rows are others than those that are published. Returns what was
/// seen of each that was written.
async fn copy(
    writer: &mut Writer,
    before: &Snapshot,
    fingerprints: &mut BTreeMap<String, String>,
) -> Result<Vec<Digest>> {
    let clean = writer.snapshot(Layer::Clean);
    let mut session = None;
    let mut works: Vec<Work<Copied>> = Vec::new();
    for table in &MODEL {
        let (Some(version), Some(table)) = (clean.tables.get(table.name), Layer::ConcertDw.table(table.name)) else {
            continue;
        };
        // The version tells at once that nothing happened; the content tells that what happened changed nothing here,
        // as when only lineage moved.
        let seen = format!("{METHOD} {}", from_clean(*version));
        let known = before.fingerprints.get(table.name);
        if let Some(fingerprint) = known.filter(|fingerprint| fingerprint.starts_with(&seen)) {
            fingerprints.insert(table.name.to_owned(), fingerprint.clone());
            continue;
        }
        let session = match &session {
            Some(session) => session,
            None => session.insert(writer.lake().batch_session(Layer::Clean, &clean).await?),
        };
        let copying = Copying {
            session: session.clone(),
            table,
            seen,
            published: known.and_then(|fingerprint| Some(fingerprint.rsplit(' ').next()?.to_owned())),
            to: writer.stage(Layer::ConcertDw, table.name)?,
        };
        works.push(copying.run().boxed());
    }
    let mut copied = Vec::new();
    for table in side_by_side(works).await? {
        fingerprints.insert(table.name.to_owned(), table.fingerprint);
        if let Some((digest, staged)) = table.written {
            writer.replace_staged(staged).await?;
            copied.push(digest);
        }
    }
    Ok(copied)
}

/// A table on its way from clean to published.
struct Copying {
    session: SessionContext,
    table: &'static TableDef,
    /// What its fingerprint begins with.
    seen: String,
    /// The hash of what is published of it.
    published: Option<String>,
    to: TableWriter,
}

/// A table that was copied, or that need not be.
struct Copied {
    name: &'static str,
    fingerprint: String,
    written: Option<(Digest, Staged)>,
}

impl Copying {
    async fn run(self) -> Result<Copied> {
        let Copying {
            session, table, seen, ..
        } = self;
        // The content's hash begins with the number of rows, which is known without reading them.
        if let Some(published) = self.published
            && let Some((rows, _)) = published.split_once('-')
            && rows.parse() == Ok(number(&session, &format!("SELECT count(*) FROM {}", table.name)).await?)
        {
            let mut digest = Digest::new(table);
            let mut rows = stream(&session, table).await?;
            while let Some(batch) = rows.next().await {
                batch
                    .and_then(|batch| digest.add(&batch))
                    .map_err(|source| Error::query(table.name, source))?;
            }
            if digest.fingerprint() == published {
                return Ok(Copied {
                    name: table.name,
                    fingerprint: format!("{seen}{published}"),
                    written: None,
                });
            }
        }
        let rows = sorted_stream(&session, table).await?;
        let (digest, staged) = write(self.to, table, rows).await?;
        Ok(Copied {
            name: table.name,
            fingerprint: format!("{seen}{}", digest.fingerprint()),
            written: Some((digest, staged)),
        })
    }
}

/// A table's rows with the columns that are published, in any order.
async fn stream(session: &SessionContext, table: &TableDef) -> Result<SendableRecordBatchStream> {
    let rows = published_columns(session, table).await?.execute_stream().await;
    rows.map_err(|source| Error::query(table.name, source))
}

/// The same in the order in which they are written: by day, where they have one, so that a question about a period
/// reads a few row groups of a large table instead of all. What does not fit into memory is sorted on the disk.
async fn sorted_stream(session: &SessionContext, table: &TableDef) -> Result<SendableRecordBatchStream> {
    if table.day.is_none() {
        return stream(session, table).await;
    }
    let failed = |source| Error::query(table.name, source);
    let rows = published_columns(session, table).await?;
    let rows = rows.sort(table.sort_order()).map_err(failed)?;
    rows.execute_stream().await.map_err(failed)
}

async fn published_columns(session: &SessionContext, table: &TableDef) -> Result<DataFrame> {
    let columns: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
    frame(session, &format!("SELECT {} FROM {}", columns.join(", "), table.name)).await
}

/// Writes a stream of rows, which it looks at on their way, to files that will take the place of a published table.
async fn write(
    mut to: TableWriter,
    table: &'static TableDef,
    mut rows: SendableRecordBatchStream,
) -> Result<(Digest, Staged)> {
    let mut digest = Digest::new(table);
    while let Some(batch) = rows.next().await {
        let seen = batch.and_then(|batch| digest.add(&batch).map(|()| batch));
        let written = match seen {
            Ok(batch) => to.write(&batch).await.map_err(Error::from),
            Err(source) => Err(Error::query(table.name, source)),
        };
        if let Err(error) = written {
            to.abort().await;
            return Err(error);
        }
    }
    Ok((digest, to.finish().await?))
}

/// The gates: everything that was written is looked at once more before it is published.
async fn check(
    writer: &Writer,
    session: &SessionContext,
    publication: &Publication,
    mut copied: Vec<Digest>,
    mut made: Vec<Digest>,
) -> Result<()> {
    let mut breaches = Vec::new();
    for digest in copied.iter_mut().chain(&mut made) {
        let written_rows = publication.rows(digest.table().name);
        breaches.extend(gates::table(session, digest, written_rows).await?);
    }
    if !copied.is_empty() {
        let (lake, clean) = (writer.lake(), writer.snapshot(Layer::Clean));
        let changed = |name: &str| copied.iter().any(|digest| digest.table().name == name);
        breaches.extend(if publication.rows(CUSTOMERS) > MAX_HASHED_ROWS {
            let session = lake
                .batch_session(Layer::ConcertDw, &writer.heads(Layer::ConcertDw))
                .await?;
            gates::references(&lake.batch_session(Layer::Clean, &clean).await?, &session, changed).await?
        } else {
            gates::references(&lake.layer_session(Layer::Clean, &clean).await?, session, changed).await?
        });
    }
    if !made.is_empty() {
        breaches.extend(gates::marts(session).await?);
    }
    if breaches.is_empty() {
        Ok(())
    } else {
        Err(Error::Gates(breaches))
    }
}
