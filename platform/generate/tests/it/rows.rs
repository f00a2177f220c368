//! Bytes and rows: the same on any number of threads, in every format, with every reference in place.

use crate::support::{AS_OF, hashes, read, small};
use concert_generate::{Format, GenerateError, GenerateOptions, Sales, generate};
use jiff::civil::date;
use parquet::{arrow::arrow_reader::ParquetRecordBatchReaderBuilder, basic::Type};
use std::{collections::HashSet, fs::File};

#[test]
fn bytes_depend_on_options_and_not_on_threads() {
    let folder = tempfile::tempdir().unwrap();
    for format in Format::ALL {
        for dirty in [0.0, 0.3] {
            let make = |name: &str, threads: usize, seed: u64| {
                let out = folder.path().join(format!("{name}-{}-{dirty}", format.extension()));
                let options = GenerateOptions {
                    concerts: 800,
                    format,
                    dirty,
                    threads,
                    seed,
                    ..small(&out)
                };
                generate(&options).unwrap();
                hashes(&out)
            };
            let one = make("one", 1, 42);
            assert!(one.len() >= 10, "{one:?}");
            assert_eq!(one, make("two", 2, 42), "{format:?} {dirty}");
            assert_eq!(one, make("seven", 7, 42), "{format:?} {dirty}");
            assert_ne!(one, make("other", 1, 43), "{format:?} {dirty}");
        }
    }
}

/// Several pieces of one table have to come in order too.
#[test]
fn pieces_of_a_large_table_come_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let make = |threads: usize| {
        let out = folder.path().join(threads.to_string());
        let options = GenerateOptions {
            sales: Sales::Exactly(140_000),
            format: Format::Parquet,
            threads,
            ..small(&out)
        };
        generate(&options).unwrap();
        out
    };
    let out = make(1);
    assert_eq!(hashes(&out), hashes(&make(3)));
    let file = File::open(out.join("ticket_sales.parquet")).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert_eq!(builder.metadata().num_row_groups(), 2);
    let created_by = builder.metadata().file_metadata().created_by().unwrap().to_owned();
    assert_eq!(created_by, format!("concert-generate {}", env!("CARGO_PKG_VERSION")));
    let mut next = 1;
    for batch in builder.build().unwrap() {
        let batch = batch.unwrap();
        let ids = batch
            .column(0)
            .as_any()
            .downcast_ref::<arrow_array::StringArray>()
            .unwrap();
        for id in ids {
            assert_eq!(id.unwrap(), format!("sale-{next:09}"));
            next += 1;
        }
    }
    assert_eq!(next, 140_001);
}

#[test]
fn every_format_holds_the_same_values() {
    let folder = tempfile::tempdir().unwrap();
    let mut outs = Vec::new();
    for format in Format::ALL {
        let out = folder.path().join(format.extension());
        let report = generate(&GenerateOptions {
            format,
            sales: Sales::Exactly(500),
            concerts: 300,
            ..small(&out)
        })
        .unwrap();
        assert_eq!(report.tables.len(), 9);
        outs.push((out, report));
    }
    for table in outs[0].1.tables.keys() {
        let rows = read(&outs[0].0, &format!("{table}.csv"));
        assert_eq!(rows.len() as u64, outs[0].1.tables[table]);
        let text = std::fs::read_to_string(outs[1].0.join(format!("{table}.jsonl"))).unwrap();
        let records: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.len(), rows.len());
        for (record, row) in records.iter().zip(&rows) {
            for (column, value) in row {
                let found = match &record[column] {
                    serde_json::Value::Null => String::new(),
                    serde_json::Value::String(text) => text.clone(),
                    // 12.50 is 12.5 as a number.
                    number => {
                        assert_eq!(number.as_f64(), value.parse().ok(), "{table}.{column}");
                        value.clone()
                    }
                };
                assert_eq!(found, *value, "{table}.{column}");
            }
        }
        let file = File::open(outs[2].0.join(format!("{table}.parquet"))).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        assert_eq!(builder.metadata().file_metadata().num_rows(), rows.len() as i64);
        let descriptor = builder.parquet_schema().clone();
        for column in descriptor.columns() {
            let is_number = matches!(column.name(), "revenue" | "price" | "unit_price");
            if is_number {
                assert_eq!(column.physical_type(), Type::INT64, "{table}.{}", column.name());
            }
        }
        let mut at = 0;
        for batch in builder.build().unwrap() {
            let batch = batch.unwrap();
            for (index, field) in batch.schema().fields().iter().enumerate() {
                let Some(texts) = batch.column(index).as_any().downcast_ref::<arrow_array::StringArray>() else {
                    continue;
                };
                for (offset, text) in texts.iter().enumerate() {
                    assert_eq!(text.unwrap_or_default(), rows[at + offset][field.name()], "{table}");
                }
            }
            at += batch.num_rows();
        }
    }
}

#[test]
fn every_reference_is_there() {
    let folder = tempfile::tempdir().unwrap();
    generate(&small(folder.path())).unwrap();
    let ids = |file: &str, column: &str| -> HashSet<String> {
        let rows = read(folder.path(), file);
        let ids: HashSet<String> = rows.iter().map(|row| row[column].clone()).collect();
        assert_eq!(ids.len(), rows.len(), "{file} has an id twice");
        ids
    };
    let artists = ids("artists.csv", "artist_id");
    let venues = ids("venues.csv", "venue_id");
    let concerts = ids("concerts.csv", "concert_id");
    let customers = ids("customers.csv", "customer_id");
    ids("ticket_sales.csv", "sale_id");
    for (file, column, known) in [
        ("artist_genres.csv", "artist_id", &artists),
        ("artist_members.csv", "artist_id", &artists),
        ("venue_amenities.csv", "venue_id", &venues),
        ("concerts.csv", "artist_id", &artists),
        ("concerts.csv", "venue_id", &venues),
        ("concert_prices.csv", "concert_id", &concerts),
        ("ticket_sales.csv", "concert_id", &concerts),
        ("ticket_sales.csv", "customer_id", &customers),
    ] {
        for row in read(folder.path(), file) {
            assert!(
                row[column].is_empty() || known.contains(&row[column]),
                "{file}: {row:?}"
            );
        }
    }
    let names: HashSet<String> = read(folder.path(), "artists.csv")
        .iter()
        .map(|row| row["name"].clone())
        .collect();
    assert_eq!(names.len(), artists.len(), "no two artists share a name");
}

#[test]
fn sales_are_as_many_as_asked_for_up_to_one_for_each_ticket() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = |name: &str, sales| GenerateOptions {
        artists: 20,
        venues: 20,
        concerts: 12,
        sales,
        ..small(&folder.path().join(name))
    };
    let all = generate(&tiny("a", Sales::AtMost(u64::MAX))).unwrap();
    assert_eq!(all.tables["ticket_sales"], all.tickets);
    assert_eq!((all.sales_fraction, all.ticket_fraction), (1.0, 1.0));
    let wanted = all.tickets * 4 / 5;
    let most = generate(&tiny("b", Sales::Exactly(wanted))).unwrap();
    assert_eq!(most.tables["ticket_sales"], wanted);
    assert!(
        most.ticket_fraction > 0.95 && most.ticket_fraction <= 1.0,
        "{}",
        most.ticket_fraction
    );
    // No concert sells more than it has.
    let sold: u64 = read(&folder.path().join("b"), "ticket_sales.csv")
        .iter()
        .map(|row| row["quantity"].parse::<u64>().unwrap())
        .sum();
    assert!(sold <= all.tickets && sold as f64 / all.tickets as f64 == most.ticket_fraction);
    let error = generate(&tiny("c", Sales::Exactly(all.tickets + 1))).unwrap_err();
    assert!(
        matches!(error, GenerateError::TooManySales { most, .. } if most == all.tickets),
        "{error}"
    );
    assert!(!folder.path().join("c").exists());
    let none = generate(&tiny("d", Sales::Exactly(0))).unwrap();
    assert_eq!((none.tables["ticket_sales"], none.tables["customers"]), (0, 0));
}

#[test]
fn what_cannot_be_made_is_said_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let base = small(&out);
    let cases = [
        (
            GenerateOptions {
                artists: 0,
                ..base.clone()
            },
            "--artists is 0",
        ),
        (
            GenerateOptions {
                venues: 0,
                ..base.clone()
            },
            "--venues is 0",
        ),
        (
            GenerateOptions {
                venues: 1,
                ..base.clone()
            },
            "1 venues are booked out",
        ),
        (
            GenerateOptions {
                from: AS_OF,
                ..base.clone()
            },
            "is not before --as-of",
        ),
        (
            GenerateOptions {
                from: date(2027, 1, 1),
                ..base.clone()
            },
            "is not before --as-of",
        ),
        (
            GenerateOptions {
                from: date(1, 1, 1),
                ..base.clone()
            },
            "outside of the years",
        ),
        (
            GenerateOptions {
                dirty: 1.5,
                ..base.clone()
            },
            "--dirty 1.5",
        ),
        (
            GenerateOptions {
                dirty: -0.1,
                ..base.clone()
            },
            "--dirty -0.1",
        ),
        (
            GenerateOptions {
                dirty: f64::NAN,
                ..base.clone()
            },
            "--dirty NaN",
        ),
        (
            GenerateOptions {
                sales: Sales::Exactly(u64::MAX),
                ..base.clone()
            },
            "ask for at most as many",
        ),
    ];
    for (options, expected) in cases {
        let error = generate(&options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!out.exists(), "{error}");
    }
    // A world without concerts is one too.
    let empty = GenerateOptions {
        artists: 0,
        venues: 0,
        concerts: 0,
        sales: Sales::AtMost(50_000),
        ..base
    };
    let report = generate(&empty).unwrap();
    assert!(report.tables.values().all(|rows| *rows == 0));
}
