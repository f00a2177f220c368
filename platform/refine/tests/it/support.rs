//! A lake in a temporary folder, filled from files of a few lines.

use arrow::{
    array::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use concert_contract::{api::DataState, catalogue::Catalogue, catalogue::CatalogueValue, money::Currency};
use concert_ingest::{IngestOptions, IngestReport, ingest};
use concert_lake::{Lake, Snapshot};
use concert_refine::{PublishOptions, publish};
use datafusion::prelude::SessionContext;
use jiff::civil::{Date, date};
use std::{path::Path, time::Duration};
use tempfile::TempDir;

pub const TODAY: Date = date(2024, 6, 10);

pub fn catalogue() -> Catalogue {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/contract/catalogues/concert_dw.toml");
    Catalogue::from_toml(&std::fs::read_to_string(path).expect("there")).expect("reads")
}

/// A small generated world, written to `out`.
pub fn generated(
    out: &Path,
    artists: u32,
    venues: u32,
    concerts: u32,
    sales: u64,
) -> concert_generate::GenerateOptions {
    concert_generate::GenerateOptions {
        artists,
        venues,
        concerts,
        sales: concert_generate::Sales::Exactly(sales),
        ..concert_generate::GenerateOptions::new(TODAY, out)
    }
}

pub struct Bench {
    _home: TempDir,
    pub data: TempDir,
    pub lake: Lake,
}

impl Bench {
    pub fn new() -> Bench {
        let home = tempfile::tempdir().expect("a folder");
        let lake = Lake::open(home.path()).expect("opens");
        Bench {
            _home: home,
            data: tempfile::tempdir().expect("a folder"),
            lake,
        }
    }

    pub fn file(&self, name: &str, content: &str) {
        std::fs::write(self.data.path().join(name), content).expect("writes");
    }

    pub fn world(&self) {
        self.file(
            "artists.csv",
            "artist_id,name,genre\na1,Ann,jazz\na2,Bob,jazz\na3,Cy,pop\n",
        );
        self.file(
            "venues.csv",
            "venue_id,name,city,country\nv1,Hall,Ulm,DE\nv2,Paradise,Boston,US\nv3,Paradise,Ulm,DE\nv4,Empty,Ulm,DE\n",
        );
        self.file(
            "concerts.csv",
            "concert_id,artist_id,venue_id,event_date,total_attendance,revenue,currency,status\n\
             c1,a1,v1,2024-06-01,10,100,EUR,\n\
             c2,a1,v2,2024-06-05,20,200,EUR,\n\
             c3,a2,v2,2024-06-08,,,USD,cancelled\n\
             c4,a1,v3,2024-07-01,,,GBP,\n",
        );
        self.file(
            "concert_prices.csv",
            "concert_id,tier,price,currency\nc1,door,10,EUR\nc4,door,12,GBP\n",
        );
    }

    pub async fn load(&self) -> IngestReport {
        let options = IngestOptions {
            files: vec![self.data.path().to_owned()],
            mapping: None,
            today: TODAY,
            currency: Currency::USD,
            wait: Duration::ZERO,
            progress: None,
        };
        ingest(&self.lake, &options).await.expect("loads")
    }

    pub async fn publish(&self, today: Date) -> Snapshot {
        publish(
            &self.lake,
            &catalogue(),
            &PublishOptions {
                today,
                wait: Duration::ZERO,
            },
        )
        .await
        .expect("publishes")
    }

    pub async fn state(&self) -> DataState {
        self.lake.data_state().await.expect("reads")
    }

    /// `value/label/weight` of a dimension, the heaviest first.
    pub async fn values(&self, dimension: &str) -> Vec<String> {
        let values: Vec<CatalogueValue> = self.lake.catalogue_values().await.expect("reads");
        values
            .iter()
            .filter(|value| value.dimension == dimension)
            .map(|value| format!("{}/{}/{}", value.value, value.label, value.weight))
            .collect()
    }

    /// Files of the tables' names with these lines, loaded and published.
    pub async fn published(files: &[(&str, &str)]) -> Bench {
        let bench = Bench::new();
        for (name, content) in files {
            bench.file(&format!("{name}.csv"), content);
        }
        bench.load().await;
        bench.publish(TODAY).await;
        bench
    }

    pub async fn session(&self) -> SessionContext {
        let snapshot = self.lake.snapshot().expect("reads").expect("is published");
        self.lake.session(&snapshot).await.expect("a session")
    }

    pub async fn batches(&self, sql: &str) -> Vec<RecordBatch> {
        let frame = self.session().await.sql(sql).await.expect("plans");
        frame.collect().await.expect("runs")
    }

    /// The rows of a query, each as its values with a space between; nothing is a dash.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        let options = FormatOptions::default().with_null("-");
        let mut rows = Vec::new();
        for batch in self.batches(sql).await {
            let columns: Vec<ArrayFormatter> = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column, &options).expect("can be shown"))
                .collect();
            for row in 0..batch.num_rows() {
                let values: Vec<String> = columns.iter().map(|column| column.value(row).to_string()).collect();
                rows.push(values.join(" "));
            }
        }
        rows
    }
}
