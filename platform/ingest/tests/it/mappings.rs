//! Mappings and lookups: what they do, and what is said when they do not fit the files.

use crate::support::*;

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
        ["5|price|mapping.lookup|price: \"a song\" is not in money.csv"]
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
    let (options, notes) = noting(options(&files, Some(&mapping)));
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
