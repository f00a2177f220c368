//! A lake of its own and a folder for data, for each test.

pub use arrow::{array::AsArray as _, datatypes::Int64Type};
pub use concert_contract::money::Currency;
pub use concert_ingest::{
    Error, Failure, IngestOptions, IngestReport, MAX_RECORD_BYTES, OnProgress, Progress, TableCounts, ingest,
    ingest_judged,
};
pub use concert_lake::{Lake, Layer, schema::TableDef};
use datafusion::{
    arrow::util::display::{ArrayFormatter, FormatOptions},
    prelude::SessionContext,
};
use futures::{StreamExt as _, stream::BoxStream};
pub use jiff::civil::{Date, date};
pub use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;

pub const TODAY: Date = date(2024, 6, 1);

pub struct Bench {
    pub home: TempDir,
    pub data: TempDir,
    pub lake: Lake,
}

impl Bench {
    pub fn new() -> Bench {
        let home = tempfile::tempdir().expect("a folder");
        let data = tempfile::tempdir().expect("a folder");
        let lake = Lake::open(home.path()).expect("opens");
        Bench { home, data, lake }
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.data.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes it");
        std::fs::write(&path, content).expect("writes");
        path
    }

    pub async fn load(&self, files: &[PathBuf], mapping: Option<&Path>) -> Result<IngestReport, Error> {
        ingest(&self.lake, &options(files, mapping)).await
    }

    /// The rows of a query on the clean layer, cells joined by `|`.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        let snapshot = self
            .lake
            .layer_snapshot(Layer::Clean)
            .expect("reads")
            .unwrap_or_default();
        let session = self
            .lake
            .layer_session(Layer::Clean, &snapshot)
            .await
            .expect("a session");
        let batches = session.sql(sql).await.expect(sql).collect().await.expect(sql);
        let format = FormatOptions::new().with_null("-");
        let mut rows = Vec::new();
        for batch in &batches {
            let columns: Vec<_> = batch
                .columns()
                .iter()
                .map(|c| ArrayFormatter::try_new(c, &format).expect("formats"))
                .collect();
            for row in 0..batch.num_rows() {
                rows.push(
                    columns
                        .iter()
                        .map(|c| c.value(row).to_string())
                        .collect::<Vec<_>>()
                        .join("|"),
                );
            }
        }
        rows
    }

    pub fn pointer(&self) -> Option<concert_lake::Snapshot> {
        Lake::open(self.home.path())
            .expect("opens")
            .layer_snapshot(Layer::Clean)
            .expect("reads")
    }
}

/// Options under which the notes of a load can be read afterwards.
pub fn noting(options: IngestOptions) -> (IngestOptions, Arc<Mutex<Vec<String>>>) {
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&notes);
    let progress: OnProgress = Arc::new(move |progress| {
        if let Progress::Note(note) = progress {
            heard.lock().expect("not poisoned").push(note);
        }
    });
    let options = IngestOptions {
        progress: Some(progress),
        ..options
    };
    (options, notes)
}

pub fn options(files: &[PathBuf], mapping: Option<&Path>) -> IngestOptions {
    IngestOptions {
        files: files.to_vec(),
        mapping: mapping.map(Path::to_owned),
        today: TODAY,
        currency: Currency::USD,
        wait: Duration::ZERO,
        progress: None,
    }
}

pub fn counts(records_in: u64, clean: u64, merged: u64, quarantined: u64, unchanged: u64) -> TableCounts {
    TableCounts {
        records_in,
        clean,
        merged,
        quarantined,
        unchanged,
    }
}

pub fn mappings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings")
}

/// Real data stands beside the repository on some machines; where it does not, the test says so.
pub fn real_data(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(folder);
    if !path.is_dir() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

pub const NESTED: &str = "[source]\nrecords = \"page.shows\"\n\
    [artists]\nartist_id = { column = \"acts[*].id\" }\nname = { column = \"acts[*].name\" }\n\
    [artist_genres]\nartist_id = { column = \"acts[0].id\" }\ngenre = { column = \"genres[*]\" }\n\
    [concerts]\nconcert_id = { column = \"id\" }\nartist_id = { column = \"acts[0].id\" }\n\
    venue_id = { const = \"v\" }\nevent_date = { column = \"when.day\" }\n\
    total_attendance = { column = \"crowd\" }\nstarts_at = { column = \"when.tiem\" }\n";

pub const NESTED_PAGE: &str = r#"{"page": {"shows": [{"id": 1, "acts": [{"id": "a", "name": "A"}], "genres": ["rock", "pop"], "when": {"day": "2024-05-31"}}, {"id": 2, "acts": [{"id": "b", "name": "B"}], "when": {"day": "2024-05-30"}}]}}"#;

pub const VENUES_HEADER: &str = "venue_id,name,city,capacity,venue_type\n";

pub fn gzip(text: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text).expect("packs");
    packed.finish().expect("packs")
}

/// What a judge refuses, as SQL over `stage` and `clean` that gives the ordinals.
pub struct SqlJudge {
    pub table: &'static str,
    pub refused: &'static str,
}

impl concert_ingest::Judge for SqlJudge {
    fn judge<'a>(
        &'a self,
        session: &'a SessionContext,
        table: &'static TableDef,
    ) -> BoxStream<'a, Result<Vec<Failure>, Error>> {
        if table.name != self.table {
            return futures::stream::empty().boxed();
        }
        let failures = async {
            let batches = session
                .sql(self.refused)
                .await
                .expect("plans")
                .collect()
                .await
                .expect("runs");
            let mut failures = Vec::new();
            for batch in &batches {
                let ordinals = batch.column(0).as_primitive::<Int64Type>();
                failures.extend(ordinals.values().iter().map(|ordinal| Failure {
                    ordinal: *ordinal,
                    rule: "test.rule".into(),
                    column: Some("capacity".into()),
                    message: "it is refused".into(),
                }));
            }
            Ok(failures)
        };
        futures::stream::once(failures).boxed()
    }
}
