//! Every format gives the same rows.

use crate::support::*;

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
    let (options, notes) = noting(options(&[file], Some(&mapping)));
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
            "2|artists|acts[1].name|artists.name.required|name: there is no value, and every row must have one",
            "2|concerts|crowd|type.number|total_attendance: \"many\" is not a whole number; the record begins on line 4",
            "3|artist_genres|-|json|the record is no JSON: expected `,` or `}` at line 1 column 10; \
             the record begins on line 6",
            "3|artists|-|json|the record is no JSON: expected `,` or `}` at line 1 column 10; \
             the record begins on line 6",
            "3|concerts|-|json|the record is no JSON: expected `,` or `}` at line 1 column 10; \
             the record begins on line 6",
            "4|concerts|when.day|mapping.nested|event_date: what stands there is an object: write which of its values \
             is wanted, such as .name; the record begins on line 7",
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
            ["seats|type.number"],
            "{name}"
        );
        assert_eq!(bench.rows("SELECT records FROM raw_files").await, ["3"], "{name}");
        assert_eq!(bench.rows("SELECT count(*) FROM raw_records").await, ["3"], "{name}");
    }
}

pub fn parquet_of(rows: &[(&str, &str, &str)]) -> Vec<u8> {
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
