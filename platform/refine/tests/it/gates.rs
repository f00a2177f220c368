//! What does not hold is not published, and the publication from before stays.

use crate::support::{Bench, TODAY, catalogue};
use arrow::{array::RecordBatch, compute::concat_batches};
use concert_lake::{Layer, new_id};
use concert_refine::{Breach, Error, PublishOptions, dangling, mart_breaches, publish};
use jiff::Timestamp;
use std::{collections::BTreeMap, time::Duration};

/// Changes a table behind the back of whoever writes it, as a broken tool would.
async fn tamper(bench: &Bench, layer: Layer, table: &str, change: impl Fn(&RecordBatch) -> RecordBatch) {
    let mut writer = bench.lake.writer(Duration::ZERO).await.expect("the lease");
    let schema = layer.table(table).expect("there").arrow_schema();
    let rows = concat_batches(&schema, &writer.read(layer, table).await.expect("reads")).expect("one batch");
    writer.replace(layer, table, vec![change(&rows)]).await.expect("writes");
    let now = Timestamp::now();
    let fingerprints: BTreeMap<String, String> = writer.snapshot(layer).fingerprints;
    writer.commit(layer, new_id(now), now, fingerprints).expect("commits");
}

async fn refused(bench: &Bench) -> Vec<Breach> {
    let options = PublishOptions {
        today: TODAY,
        wait: Duration::ZERO,
    };
    let before = bench.lake.snapshot().expect("reads");
    let error = publish(&bench.lake, &catalogue(), &options).await.expect_err("refused");
    assert_eq!(bench.lake.snapshot().expect("reads"), before, "the old snapshot stays");
    match error {
        Error::Gates(breaches) => breaches,
        other => panic!("another error: {other}"),
    }
}

async fn small_world() -> Bench {
    let bench = Bench::new();
    bench.world();
    bench.file(
        "ticket_sales.csv",
        "sale_id,concert_id,quantity,unit_price,currency,purchase_timestamp\n\
         s1,c1,2,10.50,EUR,2024-05-02T03:59:59Z\ns2,c2,1,10.50,EUR,2024-05-01T04:00:00Z\n",
    );
    bench.load().await;
    bench.publish(TODAY).await;
    bench
}

#[tokio::test]
async fn a_key_that_stands_twice_stops_the_publication() {
    let bench = small_world().await;
    tamper(&bench, Layer::Clean, "concerts", |rows| {
        concat_batches(&rows.schema(), [rows, &rows.slice(0, 1)]).expect("one batch")
    })
    .await;
    let breaches = refused(&bench).await;
    let keys = breaches.iter().find(|breach| breach.gate == "keys").expect("is found");
    assert!(
        keys.message.contains("concerts") && keys.message.contains("c1 2"),
        "{}",
        keys.message
    );
    assert_eq!(bench.rows("SELECT count(*) FROM concerts").await, ["4"]);
    // What was written and not published is taken back by the next writer.
    tamper(&bench, Layer::Clean, "concerts", |rows| rows.slice(0, 4)).await;
    bench.publish(TODAY).await;
    assert_eq!(bench.rows("SELECT count(*) FROM concerts").await, ["4"]);
}

#[tokio::test]
async fn a_required_value_that_is_missing_stops_the_publication() {
    let bench = small_world().await;
    tamper(&bench, Layer::Clean, "venues", |rows| {
        let mut columns = rows.columns().to_vec();
        columns[1] = arrow::array::new_null_array(columns[1].data_type(), rows.num_rows());
        RecordBatch::try_new(rows.schema(), columns).expect("a batch")
    })
    .await;
    let breaches = refused(&bench).await;
    assert_eq!(breaches.len(), 1, "{breaches:?}");
    assert_eq!(breaches[0].gate, "required");
    assert!(breaches[0].message.contains("4 rows of venues"), "{}", breaches[0]);
}

#[tokio::test]
async fn a_mart_that_does_not_add_up_is_found() {
    let bench = small_world().await;
    assert_eq!(mart_breaches(&bench.session().await).await.expect("looks"), []);
    for (table, gate, words) in [
        ("daily_sales", "daily_sales", "EUR 3 31.50"),
        ("venue_popularity", "venue_popularity", "same venues"),
        ("artist_performance", "artist_performance", "same artists"),
    ] {
        let bench = small_world().await;
        tamper(&bench, Layer::ConcertDw, table, |rows| {
            rows.slice(1, rows.num_rows() - 1)
        })
        .await;
        let breaches = mart_breaches(&bench.session().await).await.expect("looks");
        assert!(
            breaches.iter().any(|b| b.gate == gate && b.message.contains(words)),
            "{table}: {breaches:?}"
        );
    }
}

#[tokio::test]
async fn references_that_lead_nowhere_are_counted_and_published_all_the_same() {
    let bench = Bench::published(&[
        ("artists", "artist_id,name\na1,Ann\n"),
        (
            "concerts",
            "concert_id,artist_id,venue_id,event_date\nc1,a1,v1,2024-05-01\nc2,a2,v1,2024-05-02\n",
        ),
    ])
    .await;
    let found = dangling(&bench.session().await).await.expect("looks");
    let found: Vec<_> = found.iter().map(|d| (d.table, d.column, d.to, d.rows)).collect();
    assert_eq!(
        found,
        [
            ("concerts", "artist_id", "artists", 1),
            ("concerts", "venue_id", "venues", 2)
        ]
    );
    assert_eq!(bench.rows("SELECT count(*) FROM concerts").await, ["2"]);
}
