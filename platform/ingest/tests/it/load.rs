//! What a load promises: every record is accounted for, and a second load changes nothing.

use crate::support::*;

#[tokio::test]
async fn files_named_after_tables_need_no_mapping() {
    let bench = Bench::new();
    bench.file(
        "venues.csv",
        format!("{VENUES_HEADER}v1,Paradise,Boston,0,Club\nv2,\"Hall, The\",Ulm,1200,\n"),
    );
    bench.file(
        "concerts.csv",
        "concert_id,artist_id,venue_id,event_date,revenue,comment\n\
         c1,a1,v1,2024-05-31,1234.5,x\n\
         c2,a1,v1,2024-06-01T20:00:00-04:00,,\n",
    );
    bench.file("README.txt", "not data");
    let report = bench.load(&[bench.data.path().to_owned()], None).await.expect("loads");
    assert_eq!(report.tables["venues"], counts(2, 2, 0, 0, 0));
    assert_eq!(report.tables["concerts"], counts(2, 2, 0, 0, 0));
    assert_eq!(
        bench
            .rows("SELECT name, city, capacity, venue_type FROM venues ORDER BY venue_id")
            .await,
        ["Paradise|Boston|-|club", "Hall, The|Ulm|1200|-"]
    );
    // The status follows from the day, the currency is the configured one, and a time beside the day is split off.
    assert_eq!(
        bench
            .rows("SELECT event_date, starts_at, status, revenue, currency, _source, _line FROM concerts ORDER BY 1")
            .await,
        [
            "2024-05-31|-|completed|1234.50|USD|concerts.csv|2",
            "2024-06-01|2024-06-02T00:00:00Z|scheduled|-|USD|concerts.csv|3"
        ]
    );
}

#[tokio::test]
async fn the_report_has_the_shape_that_scripts_read() {
    let bench = Bench::new();
    let file = bench.file("venues.csv", format!("{VENUES_HEADER}v1,A,,,\nv2,,,,\n"));
    let report = bench.load(&[file], None).await.expect("loads");
    let mut json = serde_json::to_value(&report).expect("serialises");
    let rules = json
        .as_object_mut()
        .and_then(|json| json.remove("rules"))
        .expect("the rules");
    let required = serde_json::json!(
        {"rule": "venues.name.required", "table": "venues", "severity": "error", "records": 1}
    );
    assert_eq!(rules[0], required);
    let wanted = serde_json::json!({
        "run_id": report.run_id,
        "tables": {"venues": {"in": 2, "clean": 1, "merged": 0, "quarantined": 1, "unchanged": 0}},
    });
    assert_eq!(json, wanted);
}

#[tokio::test]
async fn a_second_load_of_the_same_file_changes_nothing() {
    let bench = Bench::new();
    let file = bench.file(
        "venues.csv",
        format!("{VENUES_HEADER}v1,A,Boston,,\nv1,A,Boston,500,\nv2,B,Ulm,x,\nv1,A,,,club\n"),
    );
    let first = bench.load(std::slice::from_ref(&file), None).await.expect("loads");
    assert_eq!(first.tables["venues"], counts(4, 1, 2, 1, 0));
    let pointer = bench.pointer();
    let second = bench.load(&[file], None).await.expect("loads");
    assert_eq!(second.tables["venues"], counts(4, 0, 0, 1, 3));
    assert_eq!(bench.pointer(), pointer, "no table has a new version");
    assert_eq!(
        bench.rows("SELECT city, capacity, venue_type FROM venues").await,
        ["Boston|500|club"]
    );
    assert_eq!(bench.rows("SELECT count(*) FROM quarantine").await, ["1"]);
    assert_eq!(bench.rows("SELECT records FROM raw_files").await, ["4"]);
    assert_eq!(bench.rows("SELECT count(*) FROM raw_records").await, ["4"]);
}

#[tokio::test]
async fn rows_that_differ_are_merged_and_no_value_erases_a_value() {
    let bench = Bench::new();
    let first = bench.file(
        "venues.csv",
        format!("{VENUES_HEADER}v1,A,Boston,500,club\nv2,B,Ulm,,\n"),
    );
    bench.load(&[first], None).await.expect("loads");
    let before = bench
        .rows("SELECT venue_id, created_at, updated_at FROM venues ORDER BY 1")
        .await;
    let second = bench.file(
        "venues.csv",
        format!("{VENUES_HEADER}v1,A,,600,\nv2,B,Ulm,,\nv3,C,,,\n"),
    );
    let report = bench.load(&[second], None).await.expect("loads");
    assert_eq!(report.tables["venues"], counts(3, 1, 1, 0, 1));
    assert_eq!(
        bench
            .rows("SELECT venue_id, city, capacity, venue_type, _line FROM venues ORDER BY 1")
            .await,
        ["v1|Boston|600|club|2", "v2|Ulm|-|-|3", "v3|-|-|-|4"]
    );
    let after = bench
        .rows("SELECT venue_id, created_at, updated_at FROM venues ORDER BY 1")
        .await;
    assert_ne!(after[0], before[0], "a changed row was updated");
    assert_eq!(after[1], before[1], "an unchanged row was not");
    assert_eq!(
        bench
            .rows("SELECT count(*) FROM venues WHERE created_at < updated_at")
            .await,
        ["1"],
        "only the changed row is older than its last change"
    );
}

#[tokio::test]
async fn a_scheduled_concert_is_over_when_its_day_has_passed() {
    let bench = Bench::new();
    let header = "concert_id,artist_id,venue_id,event_date,status\n";
    let file = bench.file(
        "concerts.csv",
        format!("{header}c1,a,v,2024-06-01,\nc2,a,v,2024-06-01,cancelled\n"),
    );
    bench.load(std::slice::from_ref(&file), None).await.expect("loads");
    assert_eq!(
        bench.rows("SELECT status FROM concerts ORDER BY concert_id").await,
        ["scheduled", "cancelled"]
    );
    let later = IngestOptions {
        today: date(2024, 6, 2),
        ..options(&[file], None)
    };
    let report = ingest(&bench.lake, &later).await.expect("loads");
    assert_eq!(report.tables["concerts"], counts(2, 0, 1, 0, 1));
    assert_eq!(
        bench.rows("SELECT status FROM concerts ORDER BY concert_id").await,
        ["completed", "cancelled"]
    );
}

#[tokio::test]
async fn a_row_leads_back_to_its_run_its_file_and_its_record() {
    let bench = Bench::new();
    let file = bench.file(
        "venues.csv",
        format!("{VENUES_HEADER}v1,O'Neil's,Cork,100,\nv2,B,Ulm,many,\n"),
    );
    let first = bench.load(std::slice::from_ref(&file), None).await.expect("loads");
    // The same name with other content is another file.
    let file = bench.file("venues.csv", format!("{VENUES_HEADER}v3,C,Ulm,,\n"));
    let second = bench.load(&[file], None).await.expect("loads");
    let page = bench.file("page.json", NESTED_PAGE);
    let mapping = bench.file("m.toml", NESTED);
    bench.load(&[page], Some(&mapping)).await.expect("loads");

    let runs = bench.lake.runs(10).await.expect("reads");
    assert_eq!(runs.len(), 3);
    assert_eq!((&runs[2].run_id, &runs[1].run_id), (&first.run_id, &second.run_id));
    let of_first = &runs[2].tables["venues"];
    assert_eq!((of_first.records_in, of_first.clean, of_first.quarantined), (2, 1, 1));
    assert_eq!(
        (runs[2].files[0].source.as_str(), runs[2].files[0].records),
        ("venues.csv", 2)
    );
    assert_eq!(bench.lake.runs(1).await.expect("reads"), runs[..1]);

    let trace = async |table: &str, key: &[&str]| {
        let key: Vec<String> = key.iter().map(|part| (*part).to_owned()).collect();
        bench.lake.lineage(table, &key).await.expect("reads")
    };
    let found = trace("venues", &["v1"]).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].source.as_str(), found[0].line), ("venues.csv", 2));
    assert_eq!(found[0].original.as_deref(), Some("v1,O'Neil's,Cork,100,"));
    assert_eq!(found[0].row["capacity"], 100);
    assert_eq!(found[0].run_id, first.run_id);
    let found = trace("venues", &["v3"]).await;
    assert_eq!(found[0].original.as_deref(), Some("v3,C,Ulm,,"));
    let found = trace("concerts", &["2"]).await;
    assert_eq!((found[0].source.as_str(), found[0].line), ("page.json:page.shows[]", 2));
    assert_eq!(
        found[0].original.as_deref(),
        Some(r#"{"id": 2, "acts": [{"id": "b", "name": "B"}], "when": {"day": "2024-05-30"}}"#)
    );
    assert_eq!(
        trace("artist_genres", &["a"]).await.len(),
        2,
        "the key's first column alone"
    );
    assert_eq!(trace("artist_genres", &["a", "pop"]).await.len(), 1);
    assert_eq!(trace("venues", &["' OR 1 = 1 --"]).await, []);
    assert!(bench.lake.lineage("publication", &["x".to_owned()]).await.is_err());

    let counts = bench.lake.quarantine_counts().await.expect("reads");
    assert_eq!(counts.len(), 1);
    assert_eq!(
        (counts[0].table.as_str(), counts[0].rule.as_str(), counts[0].records),
        ("venues", "type.number", 1)
    );
}
