//! What a load promises: every record is accounted for, a second load changes nothing, and what cannot be read says
//! where and how to mend it.

use concert_contract::money::Currency;
use concert_ingest::{Error, IngestOptions, IngestReport, MAX_RECORD_BYTES, OnProgress, Progress, TableCounts, ingest};
use concert_lake::{Lake, Layer};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::civil::{Date, date};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;

const TODAY: Date = date(2024, 6, 1);

struct Bench {
    home: TempDir,
    data: TempDir,
    lake: Lake,
}

impl Bench {
    fn new() -> Bench {
        let home = tempfile::tempdir().expect("a folder");
        let data = tempfile::tempdir().expect("a folder");
        let lake = Lake::open(home.path()).expect("opens");
        Bench { home, data, lake }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.data.path().join(name);
        std::fs::write(&path, content).expect("writes");
        path
    }

    async fn load(&self, files: &[PathBuf], mapping: Option<&Path>) -> Result<IngestReport, Error> {
        ingest(&self.lake, &options(files, mapping)).await
    }

    /// The rows of a query on the clean layer, cells joined by `|`.
    async fn rows(&self, sql: &str) -> Vec<String> {
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

    fn pointer(&self) -> Option<concert_lake::Snapshot> {
        Lake::open(self.home.path())
            .expect("opens")
            .layer_snapshot(Layer::Clean)
            .expect("reads")
    }
}

fn options(files: &[PathBuf], mapping: Option<&Path>) -> IngestOptions {
    IngestOptions {
        files: files.to_vec(),
        mapping: mapping.map(Path::to_owned),
        today: TODAY,
        currency: Currency::USD,
        wait: Duration::ZERO,
        progress: None,
    }
}

fn counts(records_in: u64, clean: u64, merged: u64, quarantined: u64, unchanged: u64) -> TableCounts {
    TableCounts {
        records_in,
        clean,
        merged,
        quarantined,
        unchanged,
    }
}

fn mappings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings")
}

/// Real data stands beside the repository on some machines; where it does not, the test says so.
fn real_data(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(folder);
    if !path.is_dir() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

const VENUES_HEADER: &str = "venue_id,name,city,capacity,venue_type\n";

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
    let json = serde_json::to_value(&report).expect("serialises");
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
async fn a_bad_row_is_put_aside_with_its_place_and_reason() {
    let bench = Bench::new();
    let mut content = VENUES_HEADER.as_bytes().to_vec();
    content.extend_from_slice(b"v1,Good,Boston,100,\n"); // 2
    content.extend_from_slice(b"v2,Cut off\n"); // 3
    content.extend_from_slice(b"v3,No number,Ulm,many,\n"); // 4
    content.extend_from_slice(b"v4,Bad \xFFtext,Ulm,1,\n"); // 5
    content.extend_from_slice(b"v5,Wide,Ulm,1,,extra\n"); // 6
    content.extend_from_slice(b"v6,,Ulm,1,\n"); // 7
    content.extend_from_slice(b"v7,\"open,Ulm,1,\n"); // 8
    content.extend_from_slice(&vec![b'x'; 10 << 20]); // 9: ten megabytes
    content.extend_from_slice(b"\nv8,Good too,Ulm,1,\n"); // 10
    let file = bench.file("venues.csv", content);
    let report = bench.load(&[file], None).await.expect("loads");
    assert_eq!(report.tables["venues"], counts(9, 2, 0, 7, 0));
    let limit = format!("9|-|too_long|the line has more than {MAX_RECORD_BYTES} bytes (MAX_RECORD_BYTES)");
    assert_eq!(
        bench
            .rows("SELECT line, column_name, rule, message FROM quarantine ORDER BY line")
            .await,
        [
            "3|-|fields|the row has 2 fields, not 5: it is cut off",
            "4|capacity|number|capacity: \"many\" is not a whole number",
            "5|name|utf8|the text is not valid UTF-8; if the file is Latin-1, write encoding = \"latin-1\"",
            "6|-|fields|the row has 6 fields, not 5: it has a delimiter too many",
            "7|name|required|name: there is no value, and every row must have one",
            "8|-|quote|a quote is opened and not closed",
            &limit,
        ]
    );
    let listed = bench.lake.quarantined(3).await.expect("reads");
    assert_eq!(listed.iter().map(|record| record.line).collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!(listed[1].column.as_deref(), Some("capacity"));
    assert_eq!(
        bench
            .rows("SELECT table_name, source, original FROM quarantine WHERE line = 4")
            .await,
        ["venues|venues.csv|v3,No number,Ulm,many,"]
    );
    // As received, byte for byte.
    assert_eq!(
        bench
            .rows("SELECT encode(record, 'hex') FROM raw_records WHERE line = 5")
            .await,
        ["76342c42616420ff746578742c556c6d2c312c"]
    );
    let longest = bench.rows("SELECT max(octet_length(original)) FROM quarantine").await;
    assert!(longest[0].parse::<usize>().expect("a number") <= concert_ingest::MAX_ORIGINAL_BYTES);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_the_mend() {
    let cases: [(&str, &[u8], &str); 12] = [
        (
            "venues.csv",
            b"PK\x03\x04rest",
            "it is a zip archive or a spreadsheet. Save the sheet as CSV",
        ),
        ("venues.csv", b"\x1f\x8b\x08", "could not unpack"),
        ("venues.csv", b"PAR1rest", "is not a Parquet file: "),
        ("venues.parquet", b"PAR1rest", "is not a Parquet file: "),
        (
            "venues.json",
            b"<html>",
            "is not a JSON file: it looks like XML or HTML",
        ),
        (
            "venues.json",
            b"[{\"venue_id\": 1},\n{\"ven",
            "line 2: the document ends inside of the value",
        ),
        ("venues.xml", b"<l><v>\n</l>", "line 2: "),
        ("venues.csv", b"\xff\xfev\0e\0", "text in UTF-16"),
        ("venues.csv", b"venue_id,name\0\n", "it holds zero bytes"),
        ("venues.csv", b"{\"venue_id\": 1}", "it looks like JSON"),
        ("venues.csv", b"", "line 1: the file is empty"),
        (
            "data.csv",
            b"a,b\n1,2\n",
            "data.csv is not named after a table, and no mapping says what is in it",
        ),
    ];
    for (name, content, wanted) in cases {
        let bench = Bench::new();
        let file = bench.file(name, content);
        let message = bench.load(&[file], None).await.expect_err(wanted).to_string();
        assert!(
            message.contains(wanted) && message.contains(name),
            "{message}\nnot {wanted}"
        );
        assert_eq!(bench.pointer(), None, "nothing was loaded");
    }
}

const MAPPING: &str =
    "[source]\nnull = [\"NA\"]\n[venues]\nvenue_id = { key = [\"hall\", \"town\"] }\nname = { column = \"hall\" }\n";

#[tokio::test]
async fn a_missing_column_is_named_with_the_nearest_one() {
    let bench = Bench::new();
    let mapping = bench.file("m.toml", MAPPING);
    let file = bench.file("v.csv", "hal,town\nA,B\n");
    let message = bench
        .load(&[file], Some(&mapping))
        .await
        .expect_err("refused")
        .to_string();
    assert_eq!(
        message,
        "v.csv, line 1: there is no column \"hall\", which m.toml, line 4 asks for (venues.venue_id). \
         Did you mean \"hal\"? Its columns are hal, town"
    );
    let file = bench.file("v.csv", "hall;town\nA;B\n");
    let message = bench
        .load(&[file], Some(&mapping))
        .await
        .expect_err("refused")
        .to_string();
    assert!(message.contains("write delimiter = \";\" in the mapping"), "{message}");
    let file = bench.file("venues.csv", "id,name\n1,A\n");
    let message = bench.load(&[file], None).await.expect_err("refused").to_string();
    assert!(
        message.contains("no column \"venue_id\", which every row of venues must have"),
        "{message}"
    );
}

#[tokio::test]
async fn a_mapping_types_looks_up_and_maps() {
    let bench = Bench::new();
    let mapping = bench.file(
        "m.toml",
        r#"
        [source]
        encoding = "latin-1"
        delimiter = ";"
        null = ["NA"]
        [concerts]
        concert_id = { column = "id", prefix = "x-" }
        artist_id = { const = "me" }
        venue_id = { key = ["hall", "town"] }
        event_date = { column = "day", datetime = "%d.%m.%Y %H:%M %z" }
        status = { column = "state", map = { "abgesagt" = "cancelled", "-" = "" } }
        total_attendance = { column = "crowd", pattern = "about (\\d+)", missing = "null", default = 7 }
        currency = { lookup = "money", column = "price", take = "currency", missing = "null" }
        [concert_prices]
        concert_id = { column = "id", prefix = "x-" }
        tier = { const = "door" }
        price = { lookup = "money", column = "price", take = "price", map = { "Free" = 0 } }
        currency = { lookup = "money", column = "price", take = "currency", missing = "null" }
        [lookup.money]
        file = "money.csv"
        key = "text"
        delimiter = ","
        "#,
    );
    bench.file("money.csv", "text,price,currency\n6(pounds),6,GBP\n");
    let mut content = b"id;hall;town;day;state;crowd;price\n".to_vec();
    content.extend_from_slice(b"1;Caf\xE9;Ulm;31.12.2023 23:30 -0500;abgesagt;about 250;6(pounds)\n");
    content.extend_from_slice(b"2;Caf\xE9;Ulm;01.01.2024 20:00 +0000;-;lots;Free\n");
    content.extend_from_slice(b"3;Bar;Ulm;01.01.2024 20:00 +0000;NA;NA;NA\n");
    content.extend_from_slice(b"4;Bar;Ulm;01.01.2024 20:00 +0000;NA;NA;a song\n");
    let file = bench.file("c.csv", content);
    let report = bench.load(&[file], Some(&mapping)).await.expect("loads");
    assert_eq!(report.tables["concerts"], counts(4, 4, 0, 0, 0));
    // A row without a price says nothing about prices; one whose price nobody knows is put aside.
    assert_eq!(report.tables["concert_prices"], counts(3, 2, 0, 1, 0));
    assert_eq!(
        bench
            .rows(
                "SELECT concert_id, event_date, starts_at, status, total_attendance, currency FROM concerts ORDER BY 1"
            )
            .await,
        [
            "x-1|2023-12-31|2024-01-01T04:30:00Z|cancelled|250|GBP",
            "x-2|2024-01-01|2024-01-01T20:00:00Z|completed|7|USD",
            "x-3|2024-01-01|2024-01-01T20:00:00Z|completed|7|USD",
            "x-4|2024-01-01|2024-01-01T20:00:00Z|completed|7|USD",
        ]
    );
    assert_eq!(
        bench
            .rows("SELECT concert_id, price, currency FROM concert_prices ORDER BY 1")
            .await,
        ["x-1|6.00|GBP", "x-2|0.00|USD"]
    );
    assert_eq!(
        bench
            .rows("SELECT line, column_name, rule, message FROM quarantine")
            .await,
        ["5|price|lookup|price: \"a song\" is not in money.csv"]
    );
    assert_eq!(bench.rows("SELECT count(DISTINCT venue_id) FROM concerts").await, ["2"]);
}

#[tokio::test]
async fn a_lookup_that_is_missing_or_contradicts_itself_is_an_error() {
    let bench = Bench::new();
    let text = format!(
        "{MAPPING}city = {{ lookup = \"towns\", column = \"town\", take = \"name\" }}\n[lookup.towns]\nfile = \"t.csv\"\nkey = \"code\"\n"
    );
    let mapping = bench.file("m.toml", text);
    let file = bench.file("v.csv", "hall,town\nA,B\n");
    let message = bench
        .load(std::slice::from_ref(&file), Some(&mapping))
        .await
        .expect_err("refused")
        .to_string();
    assert!(
        message.contains("[lookup.towns]: the file t.csv is not there. It is sought in"),
        "{message}"
    );
    bench.file("t.csv", "code,name\nB,Berlin\nB,Bonn\n");
    let message = bench
        .load(std::slice::from_ref(&file), Some(&mapping))
        .await
        .expect_err("refused")
        .to_string();
    assert!(
        message.contains("t.csv, line 3: the key \"B\" stands here for the second time"),
        "{message}"
    );
    bench.file("t.csv", "code,nam\nB,Berlin\n");
    let message = bench
        .load(&[file], Some(&mapping))
        .await
        .expect_err("refused")
        .to_string();
    assert!(
        message.contains("t.csv, line 1: there is no column \"name\"") && message.contains("\"nam\""),
        "{message}"
    );
}

#[tokio::test]
async fn files_go_to_the_tables_that_ask_for_them() {
    let bench = Bench::new();
    let mapping = bench.file(
        "m.toml",
        "[artists]\nfrom = \"bands*.csv\"\nartist_id = { column = \"id\" }\nname = { column = \"id\" }\n\
         [venues]\nvenue_id = { column = \"id\" }\nname = { column = \"id\" }\n\
         [customers]\nfrom = \"people.csv\"\ncustomer_id = { column = \"id\" }\n",
    );
    let files = [
        bench.file("bands1.csv", "id\na\nb\n"),
        bench.file("bands2.csv", "id\nc\n"),
        bench.file("halls.csv", "id\nv\n"),
    ];
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&notes);
    let on_progress: OnProgress = Arc::new(move |progress| {
        if let Progress::Note(note) = progress {
            heard.lock().expect("not poisoned").push(note);
        }
    });
    let options = IngestOptions {
        progress: Some(on_progress),
        ..options(&files, Some(&mapping))
    };
    let report = ingest(&bench.lake, &options).await.expect("loads");
    assert_eq!(report.tables["artists"].clean, 3);
    assert_eq!(report.tables["venues"].clean, 1);
    assert!(!report.tables.contains_key("customers"));
    assert_eq!(
        *notes.lock().expect("not poisoned"),
        ["no file named people.csv was given: customers is left as it is"]
    );
}

#[tokio::test]
async fn the_fugazi_live_series_loads_whole() {
    let Some(data) = real_data("fugazi") else { return };
    let bench = Bench::new();
    let (file, mapping) = (data.join("fls_data.csv"), mappings().join("fugazi.toml"));
    let report = bench
        .load(std::slice::from_ref(&file), Some(&mapping))
        .await
        .expect("loads");
    assert_eq!(report.tables["artists"], counts(1049, 1, 1048, 0, 0));
    assert_eq!(report.tables["venues"], counts(1049, 749, 300, 0, 0));
    assert_eq!(report.tables["concerts"], counts(1049, 1049, 0, 0, 0));
    assert_eq!(report.tables["concert_prices"], counts(700, 700, 0, 0, 0));
    assert_eq!(
        bench
            .rows("SELECT count(total_attendance), min(event_date), max(event_date), min(status) FROM concerts")
            .await,
        ["917|1987-09-03|2002-11-04|completed"]
    );
    assert_eq!(
        bench.rows("SELECT count(DISTINCT currency) FROM concert_prices").await,
        ["17"]
    );
    assert_eq!(
        bench
            .rows(
                "SELECT v.name, v.city, v.state, v.country, c.total_attendance, p.price, p.currency FROM concerts c \
                   JOIN venues v ON v.venue_id = c.venue_id JOIN concert_prices p ON p.concert_id = c.concert_id \
                   WHERE c.concert_id = 'FLS0001'"
            )
            .await,
        ["Wilson Center|Washington|DC|US|300|5.00|USD"]
    );
    assert_eq!(
        bench
            .rows("SELECT count(*) FROM venues WHERE length(country) <> 2 OR country IS NULL")
            .await,
        ["0"]
    );
    assert_eq!(
        bench.rows("SELECT count(*) FROM venues WHERE latitude IS NULL").await,
        ["25"]
    );
    let pointer = bench.pointer();
    let again = bench.load(&[file], Some(&mapping)).await.expect("loads");
    assert_eq!(again.tables["venues"], counts(1049, 0, 0, 0, 1049));
    assert_eq!(again.tables["concerts"], counts(1049, 0, 0, 0, 1049));
    assert_eq!(again.tables["concert_prices"], counts(700, 0, 0, 0, 700));
    assert_eq!(bench.pointer(), pointer);
}

#[tokio::test]
async fn the_tickit_sample_loads_whole() {
    let Some(data) = real_data("tickit") else { return };
    let bench = Bench::new();
    let files = ["allevents_pipe.txt", "venue_pipe.txt", "category_pipe.txt"].map(|name| data.join(name));
    let mapping = mappings().join("tickit.toml");
    let report = bench.load(&files, Some(&mapping)).await.expect("loads");
    assert_eq!(report.tables["artists"], counts(8798, 576, 8222, 0, 0));
    assert_eq!(report.tables["venues"], counts(202, 202, 0, 0, 0));
    assert_eq!(report.tables["concerts"], counts(8798, 8798, 0, 0, 0));
    // 130 have 0 seats and 15 have none: nobody knows either.
    assert_eq!(
        bench.rows("SELECT count(*) - count(capacity) FROM venues").await,
        ["145"]
    );
    assert_eq!(
        bench
            .rows("SELECT country, count(*) FROM venues GROUP BY 1 ORDER BY 1")
            .await,
        ["CA|8", "US|194"]
    );
    assert_eq!(
        bench
            .rows(
                "SELECT a.name, a.genre, v.name, c.event_date FROM concerts c JOIN artists a ON a.artist_id = \
                   c.artist_id JOIN venues v ON v.venue_id = c.venue_id WHERE c.concert_id = 'tickit-1'"
            )
            .await,
        ["Gotterdammerung|Opera|Lyric Opera House|2008-01-25"]
    );
}

const NESTED: &str = "[source]\nrecords = \"page.shows\"\n\
    [artists]\nartist_id = { column = \"acts[*].id\" }\nname = { column = \"acts[*].name\" }\n\
    [artist_genres]\nartist_id = { column = \"acts[0].id\" }\ngenre = { column = \"genres[*]\" }\n\
    [concerts]\nconcert_id = { column = \"id\" }\nartist_id = { column = \"acts[0].id\" }\n\
    venue_id = { const = \"v\" }\nevent_date = { column = \"when.day\" }\n\
    total_attendance = { column = \"crowd\" }\nstarts_at = { column = \"when.tiem\" }\n";

#[tokio::test]
async fn nested_records_fill_several_tables_and_keep_their_place() {
    let bench = Bench::new();
    let mapping = bench.file("m.toml", NESTED);
    let page = r#"{"page": {"size": 4, "shows": [
        {"id": 1, "acts": [{"id": "a", "name": "A"}, {"id": "b", "name": "B"}], "genres": ["rock", "pop"],
         "when": {"day": "2024-05-31", "time": "20:00"}, "crowd": 300},
        {"id": 2, "acts": [{"id": "a", "name": "A"}, {"id": "c"}], "genres": [],
         "when": {"day": "2024-05-30"}, "crowd": "many"},
        {"id": 3 "acts": []},
        {"id": 4, "acts": [], "when": {"day": {"y": 2024}}}
    ]}}"#;
    let file = bench.file("page.json", page);
    let notes = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&notes);
    let progress: OnProgress = Arc::new(move |progress| {
        if let Progress::Note(text) = progress {
            heard.lock().expect("not poisoned").push(text);
        }
    });
    let mut options = options(&[file], Some(&mapping));
    options.progress = Some(progress);
    let report = ingest(&bench.lake, &options).await.expect("loads");
    assert_eq!(report.tables["artists"], counts(5, 2, 1, 2, 0));
    assert_eq!(report.tables["artist_genres"], counts(3, 2, 0, 1, 0));
    assert_eq!(report.tables["concerts"], counts(4, 1, 0, 3, 0));
    assert_eq!(
        bench.rows("SELECT genre FROM artist_genres ORDER BY 1").await,
        ["pop", "rock"]
    );
    assert_eq!(
        bench
            .rows("SELECT concert_id, event_date, total_attendance, _source, _line FROM concerts")
            .await,
        ["1|2024-05-31|300|page.json:page.shows[]|1"]
    );
    assert_eq!(
        bench
            .rows("SELECT line, table_name, column_name, rule, message FROM quarantine ORDER BY line, table_name")
            .await,
        [
            "2|artists|acts[1].name|required|name: there is no value, and every row must have one; \
             the record begins on line 4",
            "2|concerts|crowd|number|total_attendance: \"many\" is not a whole number; the record begins on line 4",
            "3|artist_genres|-|json|the record is no JSON: expected `,` or `}` at line 1 column 10; \
             the record begins on line 6",
            "3|artists|-|json|the record is no JSON: expected `,` or `}` at line 1 column 10; \
             the record begins on line 6",
            "3|concerts|-|json|the record is no JSON: expected `,` or `}` at line 1 column 10; \
             the record begins on line 6",
            "4|concerts|acts[0].id|required|artist_id: there is no value, and every row must have one; \
             the record begins on line 7",
        ]
    );
    // As received, whatever it holds.
    assert_eq!(
        bench
            .rows("SELECT encode(record, 'hex') FROM raw_records WHERE line = 3")
            .await,
        [hex::encode("{\"id\": 3 \"acts\": []}")]
    );
    assert_eq!(
        *notes.lock().expect("not poisoned"),
        ["page.json: no record has a value at \"when.tiem\". Did you mean \"when.time\"?"]
    );
}

#[tokio::test]
async fn every_format_gives_the_same_rows() {
    let mapping = "[venues]\nvenue_id = { column = \"id\" }\nname = { column = \"name\" }\n\
                   capacity = { column = \"seats\" }\n";
    let csv = "id,name,seats\nv1,A & B,100\nv2,\"C, D\",0\nv3,E,many\n";
    let json = r#"[{"id":"v1","name":"A & B","seats":100},{"id":"v2","name":"C, D","seats":0},
                   {"id":"v3","name":"E","seats":"many"}]"#;
    let lines = "{\"id\":\"v1\",\"name\":\"A & B\",\"seats\":100}\n\n{\"id\":\"v2\",\"name\":\"C, D\",\"seats\":0}\n\
                 {\"id\":\"v3\",\"name\":\"E\",\"seats\":\"many\"}\n";
    let xml = "<?xml version=\"1.0\"?><l><v><id>v1</id><name>A &amp; B</name><seats>100</seats></v>\n\
               <v><id>v2</id><name>C, D</name><seats>0</seats></v><v><id>v3</id><name>E</name><seats>many</seats></v></l>";
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("v.csv", csv.into()),
        ("v.csv.gz", gzip(csv.as_bytes())),
        ("v.dat", zstd::encode_all(csv.as_bytes(), 0).expect("packs")),
        ("v.json", json.into()),
        ("v.json.gz", gzip(json.as_bytes())),
        ("answer", json.into()),
        ("v.jsonl", lines.into()),
        ("v.xml", xml.into()),
        ("v.xml.zst", zstd::encode_all(xml.as_bytes(), 0).expect("packs")),
        (
            "v.parquet",
            parquet_of(&[("v1", "A & B", "100"), ("v2", "C, D", "0"), ("v3", "E", "many")]),
        ),
    ];
    for (name, content) in files {
        let bench = Bench::new();
        let mapping = bench.file("m.toml", mapping);
        let file = bench.file(name, content);
        let report = bench.load(&[file], Some(&mapping)).await.expect(name);
        assert_eq!(report.tables["venues"], counts(3, 2, 0, 1, 0), "{name}");
        assert_eq!(
            bench
                .rows("SELECT venue_id, name, capacity FROM venues ORDER BY 1")
                .await,
            ["v1|A & B|100", "v2|C, D|-"],
            "{name}"
        );
        assert_eq!(
            bench.rows("SELECT column_name, rule FROM quarantine").await,
            ["seats|number"],
            "{name}"
        );
        assert_eq!(bench.rows("SELECT records FROM raw_files").await, ["3"], "{name}");
        assert_eq!(bench.rows("SELECT count(*) FROM raw_records").await, ["3"], "{name}");
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text).expect("packs");
    packed.finish().expect("packs")
}

fn parquet_of(rows: &[(&str, &str, &str)]) -> Vec<u8> {
    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    let texts = |of: fn(&(&str, &str, &str)) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
    };
    let batch = RecordBatch::try_from_iter([
        ("id", texts(|r| r.0.to_owned())),
        ("name", texts(|r| r.1.to_owned())),
        ("seats", texts(|r| r.2.to_owned())),
    ])
    .expect("a batch");
    let mut file = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut file, batch.schema(), None).expect("opens");
    writer.write(&batch).expect("writes");
    writer.close().expect("closes");
    file
}

#[tokio::test]
async fn files_of_any_format_are_known_by_a_tables_name() {
    let bench = Bench::new();
    bench.file(
        "venues.json",
        r#"[{"venue_id": "v1", "name": "A", "capacity": 5}, {"venue_id": "v2"}]"#,
    );
    bench.file(
        "artists.jsonl.gz",
        gzip(b"{\"artist_id\": \"a1\", \"name\": \"B\", \"popularity_score\": 12.5}\n"),
    );
    bench.file(
        "artist_genres.xml",
        "<rows><row artist_id='no'><artist_id>a1</artist_id><genre>x</genre></row></rows>",
    );
    let report = bench.load(&[bench.data.path().to_owned()], None).await.expect("loads");
    assert_eq!(report.tables["venues"], counts(2, 1, 0, 1, 0));
    assert_eq!(report.tables["artists"], counts(1, 1, 0, 0, 0));
    assert_eq!(report.tables["artist_genres"], counts(1, 1, 0, 0, 0));
    assert_eq!(bench.rows("SELECT popularity_score FROM artists").await, ["12.5"]);
}

#[tokio::test]
async fn a_wrong_path_and_two_lists_in_one_table_are_refused() {
    let table =
        |rest: &str| format!("[venues]\nvenue_id = {{ column = \"a[*].id\" }}\nname = {{ column = {rest:?} }}\n");
    for (rest, wanted) in [
        (
            "b[*].name",
            "v.json, line 1: the columns of venues take their rows from two lists",
        ),
        (
            "b[",
            "the path \"b[\", which m.toml, line 3 asks for (venues.name) does not read",
        ),
    ] {
        let bench = Bench::new();
        let mapping = bench.file("m.toml", table(rest));
        let file = bench.file("v.json", "{}");
        let message = bench.load(&[file], Some(&mapping)).await.expect_err(rest).to_string();
        assert!(message.starts_with(wanted) || message.contains(wanted), "{message}");
    }
}

#[tokio::test]
async fn pages_of_ticketmasters_events_load_whole() {
    let Some(data) = real_data("ticketmaster") else { return };
    let bench = Bench::new();
    let files = ["events_2019_page.json", "event_all-200.json", "event_find-404.json"].map(|name| data.join(name));
    let mapping = mappings().join("ticketmaster.toml");
    let report = bench.load(&files, Some(&mapping)).await.expect("loads");
    // 40 events; 5 of them name neither venue nor act, 4 more no act.
    let concerts = report.tables["concerts"];
    assert_eq!((concerts.records_in, concerts.clean, concerts.quarantined), (40, 31, 9));
    assert_eq!(report.tables["concert_prices"].quarantined, 0);
    assert_eq!(
        bench
            .rows(
                "SELECT c.event_date, c.starts_at, c.status, v.name, v.city, v.state, v.timezone, a.name, p.price, \
                 p.currency FROM concerts c JOIN venues v ON c.venue_id = v.venue_id \
                 JOIN artists a ON c.artist_id = a.artist_id JOIN concert_prices p ON c.concert_id = p.concert_id \
                 WHERE c.concert_id = 'tm-vvG1YZ4JMnE9B1'"
            )
            .await,
        ["2020-01-01|-|completed|Cotton Bowl|Dallas|TX|America/Chicago|Bridgestone-NHL Winter Classic®|75.00|USD"]
    );
    let again = bench.load(&files, Some(&mapping)).await.expect("loads again");
    assert!(
        again
            .tables
            .values()
            .all(|counts| counts.clean == 0 && counts.merged == 0),
        "{again:?}"
    );
}

#[tokio::test]
async fn artists_of_spotify_and_musicbrainz_load_whole() {
    let (Some(spotify), Some(musicbrainz)) = (real_data("spotify"), real_data("musicbrainz")) else {
        return;
    };
    let bench = Bench::new();
    let search = spotify.join("artist_search_Arctic_0.json");
    let report = bench
        .load(&[search], Some(&mappings().join("spotify.toml")))
        .await
        .expect("loads");
    assert_eq!(report.tables["artists"], counts(20, 20, 0, 0, 0));
    assert_eq!(report.tables["artist_genres"], counts(16, 16, 0, 0, 0));
    let files = [
        "artist.json",
        "artist_arabic.json",
        "artist_ended.json",
        "artist_null.json",
    ];
    let files = files.map(|name| musicbrainz.join(name));
    let report = bench
        .load(&files, Some(&mappings().join("musicbrainz.toml")))
        .await
        .expect("loads");
    assert_eq!(report.tables["artists"], counts(4, 3, 0, 1, 0));
    assert_eq!(
        bench
            .rows("SELECT name, home_city, formation_date FROM artists WHERE musicbrainz_id IS NOT NULL ORDER BY 1")
            .await,
        [
            "Ed Sheeran|Hebden Bridge|1991-02-17",
            "Serge Gainsbourg|Paris|1928-04-02",
            "محمد منير|Aswān|1954-10-10"
        ]
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
        ("venues", "number", 1)
    );
}

/// Two records on one line, as services send them.
const NESTED_PAGE: &str = r#"{"page": {"shows": [{"id": 1, "acts": [{"id": "a", "name": "A"}], "genres": ["rock", "pop"], "when": {"day": "2024-05-31"}}, {"id": 2, "acts": [{"id": "b", "name": "B"}], "when": {"day": "2024-05-30"}}]}}"#;
