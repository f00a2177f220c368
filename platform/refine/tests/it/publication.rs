//! What a publication promises: it says what is there, it is weighed by what refers to it, and it changes only when
//! the data does.

use crate::support::{Bench, TODAY, catalogue, generated};
use concert_contract::money::Currency;
use concert_ingest::{IngestOptions, ingest};
use concert_lake::{Layer, OptimizeOptions};
use concert_refine::{Error, PublishOptions, publish, unpublished};
use jiff::civil::date;
use std::{path::Path, time::Duration};

#[tokio::test]
async fn an_empty_lake_can_be_published() {
    let bench = Bench::new();
    let snapshot = bench.publish(TODAY).await;
    assert!(!snapshot.id.is_empty());
    let state = bench.state().await;
    assert_eq!(state.snapshot_id, snapshot.id);
    assert_eq!(state.table("concerts").expect("named").row_count, 0);
    assert_eq!(state.last_complete_day, None);
}

#[tokio::test]
async fn the_publication_says_how_far_the_data_reaches() {
    let bench = Bench::new();
    bench.world();
    bench.load().await;
    let snapshot = bench.publish(TODAY).await;
    let state = bench.state().await;
    assert_eq!(
        state.as_of.as_deref().map(|at| at.get(..19)),
        Some(snapshot.published_at.get(..19))
    );
    let concerts = state.table("concerts").expect("named");
    assert_eq!(concerts.row_count, 4);
    assert_eq!(concerts.first_day, Some(date(2024, 6, 1)));
    // The cancelled concert of the 8th completes no day, and July is yet to come.
    assert_eq!(concerts.last_complete_day, Some(date(2024, 6, 5)));
    assert_eq!(state.last_complete_day, Some(date(2024, 6, 5)));
    assert!(state.is_filled("concerts", "revenue"));
    assert!(!state.is_filled("concerts", "starts_at"));
    assert!(!state.is_filled("ticket_sales", "quantity"));
    let session = bench.lake.session(&snapshot).await.expect("a session");
    let schema = session
        .table("concert_dw.concerts")
        .await
        .expect("there")
        .schema()
        .as_arrow()
        .clone();
    assert_eq!(
        &schema,
        Layer::ConcertDw
            .table("concerts")
            .expect("there")
            .arrow_schema()
            .as_ref(),
        "no lineage"
    );
}

#[tokio::test]
async fn values_are_weighed_by_the_concerts_that_refer_to_them() {
    let bench = Bench::new();
    bench.world();
    bench.load().await;
    bench.publish(TODAY).await;
    assert_eq!(bench.values("artist").await, ["Ann/Ann/3", "Bob/Bob/1", "Cy/Cy/0"]);
    assert_eq!(bench.values("genre").await, ["jazz/jazz/4", "pop/pop/0"]);
    assert_eq!(bench.values("city").await, ["Boston/Boston/2", "Ulm/Ulm/2"]);
    // A name that two cities have stands alone.
    assert_eq!(
        bench.values("venue").await,
        ["Paradise/Paradise/3", "Hall/Hall, Ulm/1", "Empty/Empty, Ulm/0"]
    );
    // Three amounts in euros, one in pounds; the dollar stands beside none.
    assert_eq!(bench.values("currency").await, ["EUR/EUR/3", "GBP/GBP/1", "USD/USD/0"]);
    assert_eq!(bench.state().await.currencies, ["EUR", "GBP"]);
}

#[tokio::test]
async fn publishing_the_same_again_changes_nothing() {
    let bench = Bench::new();
    bench.world();
    bench.load().await;
    let first = bench.publish(TODAY).await;
    assert_eq!(bench.publish(TODAY).await, first);
    bench.load().await;
    assert_eq!(
        bench.publish(TODAY).await,
        first,
        "a load that changes nothing changes no publication"
    );
    // A day later the same data is as complete as before: only the hash of the inputs is another one.
    let later = bench.publish(date(2024, 6, 11)).await;
    assert_eq!(
        (&later.id, &later.published_at, &later.tables),
        (&first.id, &first.published_at, &first.tables)
    );
    assert_eq!(bench.publish(date(2024, 6, 11)).await, later);

    bench.file("artists.csv", "artist_id,name,genre\na3,Cy,folk\n");
    bench.load().await;
    let clean = bench
        .lake
        .layer_snapshot(Layer::Clean)
        .expect("reads")
        .expect("is there");
    assert_eq!(unpublished(&clean, &later), ["artists"]);
    let second = bench.publish(TODAY).await;
    assert_eq!(unpublished(&clean, &second), [""; 0]);
    assert_ne!(second.id, first.id);
    assert_ne!(second.tables["artists"], first.tables["artists"]);
    assert_eq!(
        second.tables["concerts"], first.tables["concerts"],
        "what did not change is not written again"
    );
    assert_eq!(bench.values("genre").await, ["jazz/jazz/4", "folk/folk/0"]);
}

#[tokio::test]
async fn a_catalogue_of_other_tables_is_refused_and_the_old_snapshot_stays() {
    let bench = Bench::new();
    bench.world();
    bench.load().await;
    let first = bench.publish(TODAY).await;
    let mut catalogue = catalogue();
    let state = catalogue
        .dimensions
        .iter_mut()
        .find(|d| d.name == "state")
        .expect("there");
    state.column = Some("venues.region".to_owned());
    let options = PublishOptions {
        today: TODAY,
        wait: Duration::ZERO,
    };
    let error = publish(&bench.lake, &catalogue, &options).await.expect_err("refused");
    assert!(matches!(error, Error::Catalogue { .. }), "{error}");
    assert!(error.to_string().contains("dimension state"), "{error}");
    assert_eq!(bench.lake.snapshot().expect("reads"), Some(first));
}

#[tokio::test]
async fn a_generated_world_is_published_whole() {
    let bench = Bench::new();
    let options = generated(bench.data.path(), 60, 40, 300, 1_000);
    let made = concert_generate::generate(&options).expect("makes a world");
    let report = bench.load().await;
    for (table, rows) in &made.tables {
        let counts = report.tables[table];
        assert_eq!(
            (counts.records_in, counts.clean, counts.quarantined),
            (*rows, *rows, 0),
            "{table}"
        );
    }
    bench.publish(TODAY).await;
    let state = bench.state().await;
    for (table, rows) in &made.tables {
        assert_eq!(state.table(table).map(|t| t.row_count), Some(*rows), "{table}");
    }
    assert!(state.is_filled("concerts", "revenue") && state.is_filled("ticket_sales", "channel"));
    assert_eq!(state.currencies, ["USD"]);
}

#[tokio::test]
async fn the_fugazi_live_series_is_published_whole() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/fugazi/fls_data.csv");
    if !data.is_file() {
        eprintln!("skipped: {} is not there", data.display());
        return;
    }
    let bench = Bench::new();
    let options = IngestOptions {
        files: vec![data],
        mapping: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../ingest/mappings/fugazi.toml")),
        today: TODAY,
        currency: Currency::USD,
        wait: Duration::ZERO,
        progress: None,
    };
    ingest(&bench.lake, &options).await.expect("loads");
    bench.publish(TODAY).await;
    let state = bench.state().await;
    assert_eq!(state.table("concerts").expect("named").row_count, 1049);
    assert_eq!(state.last_complete_day, Some(date(2002, 11, 4)));
    assert!(!state.is_filled("concerts", "revenue"));
    assert_eq!(state.currencies.first().map(String::as_str), Some("USD"));
    assert_eq!(state.currencies.len(), 17);
    assert_eq!(bench.values("artist").await, ["Fugazi/Fugazi/1049"]);
    let cities = bench.values("city").await;
    assert_eq!(cities.first().map(String::as_str), Some("Washington/Washington/67"));
}

#[tokio::test]
async fn files_that_were_put_together_are_no_new_data() {
    let bench = Bench::new();
    bench.world();
    bench.load().await;
    let first = bench.publish(TODAY).await;
    let options = OptimizeOptions {
        full: true,
        wait: Duration::ZERO,
    };
    let optimized = bench.lake.optimize(&options).await.expect("optimises");
    assert!(!optimized.tables.is_empty());
    let clean = bench
        .lake
        .layer_snapshot(Layer::Clean)
        .expect("reads")
        .expect("is there");
    let kept = bench.lake.snapshot().expect("reads").expect("is there");
    assert_eq!(unpublished(&clean, &kept), [""; 0]);
    let again = bench.publish(TODAY).await;
    assert_eq!((&again.id, &again.tables), (&first.id, &kept.tables));
}
