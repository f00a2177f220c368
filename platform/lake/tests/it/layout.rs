//! Not a test but a measurement, whose figures stand in docs/lake.md: how `ticket_sales` is best laid out. Run with
//! `cargo test -p concert-lake --test it layout -- --ignored --nocapture`; `CONCERT_ROWS` says how many rows.

use arrow::{
    array::{ArrayRef, Decimal128Array, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use concert_lake::Layer;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use deltalake::{
    datafile::writer::{DeltaWriter, WriterConfig},
    parquet::{
        basic::{Compression, ZstdLevel},
        file::properties::{EnabledStatistics, WriterProperties},
        schema::types::ColumnPath,
    },
};
use object_store::local::LocalFileSystem;
use std::{num::NonZeroU64, path::Path, sync::Arc, time::Duration};

const BATCH: usize = 8192;
/// Four years from 2023-01-01, in microseconds.
const FIRST: i64 = 1_672_531_200_000_000;
const MONTHS: i64 = 48;
const MONTH: i64 = 2_629_800_000_000;

#[derive(Clone, Copy)]
enum Order {
    /// As a table sorted by its key is: the time of a row has nothing to do with its place.
    Key,
    Time,
}

/// Numbers that look random and are the same in each run.
fn mix(mut n: u64) -> u64 {
    n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

fn batch(schema: &SchemaRef, first: usize, total: usize, order: Order) -> RecordBatch {
    let rows: Vec<u64> = (first..(first + BATCH).min(total)).map(|n| mix(n as u64 + 1)).collect();
    let n = rows.len();
    let text = |make: &dyn Fn(u64) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|r| make(*r))))
    };
    let times: Vec<i64> = rows
        .iter()
        .enumerate()
        .map(|(i, r)| {
            let at = match order {
                Order::Key => (r % 1_000_003) as f64 / 1_000_003.0,
                Order::Time => (first + i) as f64 / total as f64,
            };
            FIRST + (at * (MONTHS * MONTH) as f64) as i64
        })
        .collect();
    let instants = || -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(times.clone()).with_timezone("UTC")) };
    // On sale are, at any time, the concerts of the coming months.
    let concert = |i: usize| (times[i] - FIRST) / (MONTH / 200) + (rows[i] % 800) as i64;
    let columns: Vec<ArrayRef> = vec![
        match order {
            Order::Key => Arc::new(StringArray::from_iter_values(
                (first..first + n).map(|i| format!("s{i:012}")),
            )),
            Order::Time => text(&|r| format!("s{:012}", r % 1_000_000_000_000)),
        },
        Arc::new(StringArray::from_iter_values(
            (0..n).map(|i| format!("concert-{:06}", concert(i))),
        )),
        text(&|r| format!("customer-{:07}", r % 400_000)),
        text(&|r| ["standard", "premium", "vip"][(r % 3) as usize].to_owned()),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| 1 + (r % 4) as i32))),
        Arc::new(
            Decimal128Array::from_iter_values(rows.iter().map(|r| i128::from(2_000 + r % 90 * 100)))
                .with_precision_and_scale(14, 2)
                .expect("fits"),
        ),
        text(&|_| "USD".to_owned()),
        text(&|r| ["web", "app", "box_office", "partner"][(r % 4) as usize].to_owned()),
        instants(),
        text(&|r| ["casual", "fan", "vip"][(r % 3) as usize].to_owned()),
        instants(),
    ];
    let mut all = columns;
    if schema.fields().len() > all.len() {
        let months = times.iter().map(|t| format!("m{:02}", (t - FIRST) / MONTH));
        all.push(Arc::new(StringArray::from_iter_values(months)));
    }
    RecordBatch::try_new(Arc::clone(schema), all).expect("rows")
}

fn properties(compression: Compression, row_group: usize) -> WriterProperties {
    WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(row_group))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_column_dictionary_enabled(ColumnPath::from("sale_id"), false)
        .build()
}

struct Layout {
    name: &'static str,
    order: Order,
    compression: Compression,
    row_group: usize,
    by_month: bool,
}

/// The time that this process has spent computing: on a busy machine it says more than a clock.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // The 14th and 15th fields of the whole are the ticks in the program and for it, 100 a second.
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

async fn write(folder: &Path, layout: &Layout, rows: usize) -> (Duration, u64, usize) {
    let model = Layer::ConcertDw.table("ticket_sales").expect("there").arrow_schema();
    let mut fields: Vec<Field> = model.fields().iter().map(|f| f.as_ref().clone()).collect();
    let mut partitions = Vec::new();
    if layout.by_month {
        fields.push(Field::new("month", DataType::Utf8, true));
        partitions.push("month".to_owned());
    }
    let schema = Arc::new(Schema::new(fields));
    let settings = deltalake::DeltaTableBuilder::from_url(url::Url::from_directory_path(folder).expect("an address"))
        .expect("an address")
        .build()
        .expect("a table");
    let indexed = {
        use deltalake::table::config::TablePropertiesExt as _;
        let created = deltalake::operations::create::CreateBuilder::new()
            .with_log_store(settings.log_store())
            .with_column("x", deltalake::kernel::DataType::STRING, true, None)
            .await
            .expect("creates");
        created.snapshot().expect("loaded").table_config().num_indexed_cols()
    };
    std::fs::remove_dir_all(folder.join("_delta_log")).expect("removes");
    let config = WriterConfig::new(
        Arc::clone(&schema),
        partitions,
        Some(properties(layout.compression, layout.row_group)),
        NonZeroU64::new(128 << 20),
        Some(BATCH),
        indexed,
        None,
    );
    let store = Arc::new(LocalFileSystem::new_with_prefix(folder).expect("a store"));
    let mut writer = DeltaWriter::new(store, config);
    let mut spent = Duration::ZERO;
    for first in (0..rows).step_by(BATCH * 16) {
        let last = (first + BATCH * 16).min(rows);
        let batches: Vec<RecordBatch> = (first..last)
            .step_by(BATCH)
            .map(|first| batch(&schema, first, rows, layout.order))
            .collect();
        let began = cpu();
        for batch in &batches {
            writer.write(batch).await.expect("writes");
        }
        spent += cpu() - began;
    }
    let began = cpu();
    let files = writer.close().await.expect("ends");
    spent += cpu() - began;
    (spent, files.iter().map(|add| add.size as u64).sum(), files.len())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures for minutes"]
async fn measure() {
    let rows: usize = std::env::var("CONCERT_ROWS").map_or(1_000_000, |rows| rows.parse().expect("a number"));
    let zstd = |level| Compression::ZSTD(ZstdLevel::try_new(level).expect("a level"));
    let layout = |name, order, compression, row_group, by_month| Layout {
        name,
        order,
        compression,
        row_group,
        by_month,
    };
    let layouts = [
        layout("by key, zstd 1", Order::Key, zstd(1), 128 << 10, false),
        layout("by time, zstd 1", Order::Time, zstd(1), 128 << 10, false),
        layout("by time, zstd 3", Order::Time, zstd(3), 128 << 10, false),
        layout("by time, snappy", Order::Time, Compression::SNAPPY, 128 << 10, false),
        layout("by time, zstd 1, 1 Mi row groups", Order::Time, zstd(1), 1 << 20, false),
        layout("months, zstd 1", Order::Time, zstd(1), 128 << 10, true),
    ];
    let month = FIRST + 30 * MONTH;
    let within = |column: &str| {
        let at = |t: i64| format!("arrow_cast({t}, 'Timestamp(Microsecond, Some(\"UTC\"))')");
        format!("{column} >= {} AND {column} < {}", at(month), at(month + MONTH))
    };
    println!("{rows} rows; CPU seconds to write, MB, files, then CPU milliseconds of a run, the mean of 10:");
    println!("a month's tickets by channel / revenue of all by channel / one sale by id / one concert");
    for layout in &layouts {
        let home = tempfile::tempdir().expect("a folder");
        let (spent, bytes, files) = write(home.path(), layout, rows).await;
        let mut config = SessionConfig::new();
        config.options_mut().execution.parquet.pushdown_filters = false;
        let context = SessionContext::new_with_config(config);
        let mut options = ParquetReadOptions::default();
        let filter = if layout.by_month {
            options = options.table_partition_cols(vec![("month".to_owned(), DataType::Utf8)]);
            format!("month = 'm30' AND {}", within("purchase_timestamp"))
        } else {
            within("purchase_timestamp")
        };
        context
            .register_parquet("sales", &home.path().display().to_string(), options)
            .await
            .expect("registers");
        let mut times = Vec::new();
        for sql in [
            format!("SELECT channel, sum(quantity) FROM sales WHERE {filter} GROUP BY 1"),
            "SELECT channel, sum(quantity * unit_price) FROM sales GROUP BY 1".to_owned(),
            "SELECT * FROM sales WHERE sale_id = 's000000777777'".to_owned(),
            "SELECT sum(quantity) FROM sales WHERE concert_id = 'concert-006100'".to_owned(),
        ] {
            let mut began = cpu();
            for run in 0..11 {
                context.sql(&sql).await.expect("plans").collect().await.expect("runs");
                // The first one opens the files.
                if run == 0 {
                    began = cpu();
                }
            }
            times.push(format!("{}", (cpu() - began).as_millis() / 10));
        }
        println!(
            "{:<34} {:6.2} s {:8.1} MB {files:4} files  {}",
            layout.name,
            spent.as_secs_f64(),
            bytes as f64 / 1e6,
            times.join(" / ")
        );
    }
}
