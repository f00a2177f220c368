//! Files as people have them: every format, odd headers, odd values, and what is said where they cannot be read.

use crate::support::{World, inferred, schema_folder};
use arrow::{
    array::{
        Float32Array, Int32Array, ListBuilder, RecordBatch, StringArray, StringBuilder, TimestampMillisecondArray,
    },
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use concert_catalogue::{Error, Folder};
use concert_contract::{catalogue::Catalogue, table::ColumnType};
use datafusion::parquet::arrow::ArrowWriter;
use std::{fs, path::Path, sync::Arc};

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    fs::write(folder.join(name), content).expect("writes");
}

fn columns(catalogue: &Catalogue, table: &str) -> Vec<(String, ColumnType)> {
    let table = catalogue
        .tables
        .get(table)
        .unwrap_or_else(|| panic!("no table {table}"));
    table.columns.iter().map(|(name, held)| (name.clone(), *held)).collect()
}

#[tokio::test]
async fn delimited_files_are_read_whatever_their_make() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path();
    // A mark at the beginning, semicolons, a quoted line break, and one byte a letter.
    write(
        folder,
        "Sales Data 2023.csv",
        b"\xEF\xBB\xBFId;Order;Sold On;Amount;Note\n1;a;31/12/2022;$1,200.50;\"two\nlines\"\n2;b;01/02/2023;$3;caf\xe9\n3;c;;-$4.25\n",
    );
    write(folder, "empty.tsv", "a\tb\n");
    write(folder, "notes.docx", "no table");
    write(folder, ".hidden.csv", "x\n1\n");
    let world = World::open(folder).await;
    assert_eq!(
        columns(world.catalogue(), "sales_data_2023"),
        [
            ("amount", ColumnType::Decimal),
            ("id", ColumnType::Integer),
            ("note", ColumnType::Text),
            // "order" is a word of SQL.
            ("order_", ColumnType::Text),
            ("sold_on", ColumnType::Date),
        ]
        .map(|(name, held)| (name.to_owned(), held))
    );
    let rows = world
        .rows("select id, sold_on, amount, note from sales_data_2023 order by id")
        .await;
    assert_eq!(
        rows,
        [
            "1 | 2022-12-31 | 1200.50 | two\nlines",
            "2 | 2023-02-01 | 3.00 | café",
            "3 | - | -4.25 | -",
        ]
    );
    assert_eq!(columns(world.catalogue(), "empty").len(), 2);
    assert!(!world.catalogue().tables.contains_key("hidden"));
    let toml = &world.inferred.toml;
    assert!(
        toml.contains("1 records have more or fewer fields than the header"),
        "{toml}"
    );
    let folder = Folder::open(folder).await.expect("opens");
    assert_eq!(folder.left_out, ["notes.docx"]);
}

#[tokio::test]
async fn headers_without_names_or_twice_the_same_still_give_columns() {
    let home = tempfile::tempdir().expect("a folder");
    write(home.path(), "x.csv", "a,,a,SELECT,2nd\n1,2,3,4,5\n6,7,8,9,10\n");
    let world = World::open(home.path()).await;
    let rows = world
        .rows("select a, column_2, a_2, select_, _2nd from x order by a")
        .await;
    assert_eq!(rows, ["1 | 2 | 3 | 4 | 5", "6 | 7 | 8 | 9 | 10"]);
}

#[tokio::test]
async fn parquet_has_the_types_that_redshift_has() {
    let home = tempfile::tempdir().expect("a folder");
    let mut tags = ListBuilder::new(StringBuilder::new());
    for _ in 0..3 {
        tags.values().append_value("x");
        tags.append(true);
    }
    let tags = tags.finish();
    let schema = Arc::new(Schema::new(vec![
        Field::new("EventID", DataType::Int32, false),
        Field::new("Kind", DataType::Utf8, true),
        Field::new("Score", DataType::Float32, true),
        Field::new("HappenedAt", DataType::Timestamp(TimeUnit::Millisecond, None), true),
        Field::new("tags", arrow::array::Array::data_type(&tags).clone(), true),
    ]));
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(Int32Array::from(vec![1, 2, 3])),
            Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some("a")])),
            Arc::new(Float32Array::from(vec![Some(0.5), None, Some(1.5)])),
            Arc::new(TimestampMillisecondArray::from(vec![0, 86_400_000, 172_800_000])),
            Arc::new(tags),
        ],
    )
    .expect("a batch");
    // Two files in a folder are one table.
    fs::create_dir(home.path().join("events")).expect("a folder");
    for (part, rows) in [
        ("part-0.parquet", batch.slice(0, 2)),
        ("part-1.parquet", batch.slice(2, 1)),
    ] {
        let file = fs::File::create(home.path().join("events").join(part)).expect("a file");
        let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), None).expect("a writer");
        writer.write(&rows).expect("writes");
        writer.close().expect("closes");
    }
    write(&home.path().join("events"), "_SUCCESS", "");
    let world = World::open(home.path()).await;
    assert_eq!(
        columns(world.catalogue(), "events"),
        [
            ("event_id", ColumnType::Integer),
            ("happened_at", ColumnType::Timestamp),
            ("kind", ColumnType::Text),
            ("score", ColumnType::Float),
        ]
        .map(|(name, held)| (name.to_owned(), held))
    );
    let events = &world.catalogue().tables["events"];
    assert_eq!(
        (events.key.join(","), events.time.as_deref()),
        ("event_id".to_owned(), Some("happened_at"))
    );
    assert!(
        world.inferred.toml.contains("the column tags is left out"),
        "{}",
        world.inferred.toml
    );
    let rows = world
        .rows("select kind, count(*), avg(score) from events group by 1 order by 1")
        .await;
    assert_eq!(rows, ["a | 2 | 1", "b | 1 | -"]);
}

#[tokio::test]
async fn json_lines_are_flattened() {
    let home = tempfile::tempdir().expect("a folder");
    write(
        home.path(),
        "people.jsonl",
        "{\"id\": 1, \"name\": \"Ann\", \"home\": {\"city\": \"Rome\"}, \"tags\": [1]}\n\n{\"id\": 2, \"age\": 30, \"name\": null}\n",
    );
    let world = World::open(home.path()).await;
    let rows = world
        .rows("select id, name, home_city, tags, age from people order by id")
        .await;
    assert_eq!(rows, ["1 | Ann | Rome | [1] | -", "2 | - | - | - | 30"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_said_with_its_place() {
    let open = async |name: &str, content: &str| {
        let home = tempfile::tempdir().expect("a folder");
        write(home.path(), name, content);
        match Folder::open(home.path()).await {
            Ok(_) => panic!("{name} opens"),
            Err(error) => error.to_string(),
        }
    };
    for (name, content, said) in [
        ("a.jsonl", "{\"a\": 1}\n{\"a\": \n", "line 2 is no JSON"),
        ("a.jsonl", "[1]\n", "line 1 is no record"),
        ("a.csv", "", "the first line must name the columns"),
        ("a.parquet", "PAR0", "a.parquet"),
        ("a.xlsx", "", "holds no table: put files ending in .csv"),
    ] {
        let error = open(name, content).await;
        assert!(error.contains(said), "{name}: {error}");
    }
    assert!(matches!(
        Folder::open(Path::new("/no/such/folder")).await.err(),
        Some(Error::Io { .. })
    ));
}

#[tokio::test]
async fn a_catalogue_that_does_not_fit_the_files_is_refused_with_every_reason() {
    let catalogue = inferred(&schema_folder("company")).await.catalogue;
    let home = tempfile::tempdir().expect("a folder");
    write(home.path(), "employees.csv", "Employee ID,salary\n1,high\n");
    let Err(error) = Folder::open_for(home.path(), &catalogue).await else {
        panic!("it fits");
    };
    let error = error.to_string();
    for said in [
        "there is no file for the table departments",
        "the table employees has no column last_name",
        "employees.salary holds Text, the catalogue says Integer",
    ] {
        assert!(error.contains(said), "{error}");
    }
    assert!(
        !error.contains("employee_id"),
        "the header is written another way, and fits: {error}"
    );
}
