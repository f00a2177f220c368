//! Damaged data: as much as was asked for, of every kind, and all of it in the truth.

use crate::support::{Row, read, small};
use concert_generate::{GenerateOptions, SOURCES, generate};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
};

const KEYS: [(&str, &[&str]); 9] = [
    ("artists", &["artist_id"]),
    ("artist_genres", &["artist_id", "genre"]),
    ("artist_members", &["artist_id", "member"]),
    ("venues", &["venue_id"]),
    ("venue_amenities", &["venue_id", "amenity"]),
    ("customers", &["customer_id"]),
    ("concerts", &["concert_id"]),
    ("concert_prices", &["concert_id", "tier"]),
    ("ticket_sales", &["sale_id"]),
];

fn dirty(folder: &Path, rate: f64) -> GenerateOptions {
    GenerateOptions {
        dirty: rate,
        ..small(folder)
    }
}

#[test]
fn the_truth_names_every_damage() {
    let folder = tempfile::tempdir().unwrap();
    let report = generate(&dirty(folder.path(), 0.2)).unwrap();
    let truth = read(folder.path(), "_truth/damage.csv");
    // Of values that were damaged twice the last counts.
    let mut damaged: HashMap<(String, String, String), Row> = HashMap::new();
    let mut kinds: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut records = HashSet::new();
    for row in truth {
        *kinds.entry((row["table"].clone(), row["kind"].clone())).or_default() += 1;
        assert_ne!(row["original"], row["damaged"]);
        records.insert((row["table"].clone(), row["record_id"].clone()));
        damaged.insert(
            (row["table"].clone(), row["record_id"].clone(), row["column"].clone()),
            row,
        );
    }
    let mut found = 0;
    for (table, keys) in KEYS {
        let rows = read(folder.path(), &format!("{table}.csv"));
        assert_eq!(rows.len() as u64, report.tables[table]);
        for row in rows {
            let id = keys.iter().map(|key| row[*key].as_str()).collect::<Vec<_>>().join("|");
            // A part whose key was damaged is named by the key that it had.
            for (column, value) in row.iter().filter(|(column, _)| !keys[1..].contains(&column.as_str())) {
                if let Some(truth) = damaged.get(&(table.to_owned(), id.clone(), column.clone())) {
                    assert_eq!(truth["damaged"], *value, "{table} {id} {column}");
                    found += 1;
                }
            }
        }
    }
    let parts = damaged
        .values()
        .filter(|row| matches!(row["column"].as_str(), "genre" | "member" | "amenity"));
    let parts = parts.filter(|row| row["table"] != "artists").count();
    assert_eq!(found + parts, damaged.len());
    let dirty = report.dirty.unwrap();
    assert_eq!(dirty.damaged_records, records.len() as u64);
    for (table, kind) in [
        ("artists", "typo"),
        ("artists", "spelling"),
        ("artists", "case"),
        ("artists", "unicode"),
        ("artists", "missing"),
        ("artists", "impossible"),
        ("artists", "differs"),
        ("venues", "spelling"),
        ("venues", "impossible"),
        ("concerts", "impossible"),
        ("concerts", "dangling"),
        ("concerts", "missing"),
        ("concert_prices", "impossible"),
        ("customers", "typo"),
        ("ticket_sales", "impossible"),
        ("ticket_sales", "dangling"),
    ] {
        assert!(
            kinds.contains_key(&(table.to_owned(), kind.to_owned())),
            "no {kind} in {table}: {kinds:?}"
        );
    }
    let sales = kinds
        .iter()
        .filter(|((table, _), _)| table == "ticket_sales")
        .map(|(_, count)| count)
        .sum::<u64>();
    assert!((700..1_300).contains(&sales), "{sales} damages of 4,000 sales");
}

#[test]
fn things_are_there_up_to_five_times_and_the_truth_says_which_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let report = generate(&dirty(folder.path(), 0.4)).unwrap();
    let clean = tempfile::tempdir().unwrap();
    let small = generate(&small(clean.path())).unwrap();
    let clusters = read(folder.path(), "_truth/clusters.csv");
    let mut copies = 0;
    for (table, key) in [
        ("artists", "artist_id"),
        ("venues", "venue_id"),
        ("concerts", "concert_id"),
    ] {
        let mut sources: HashMap<&str, HashSet<&str>> = HashMap::new();
        let mut ids = HashSet::new();
        for row in clusters.iter().filter(|row| row["table"] == table) {
            assert!(row["record_id"].starts_with(&format!("{}-", row["source"])), "{row:?}");
            assert!(
                sources.entry(&row["cluster_id"]).or_default().insert(&row["source"]),
                "{row:?}"
            );
            assert!(ids.insert(row["record_id"].clone()));
        }
        let found: HashSet<String> = read(folder.path(), &format!("{table}.csv"))
            .iter()
            .map(|row| row[key].clone())
            .collect();
        assert_eq!(found, ids, "{table}");
        let things = read(clean.path(), &format!("{table}.csv"));
        assert_eq!(sources.len() as u64, small.tables[table]);
        assert!(things.iter().all(|row| sources.contains_key(row[key].as_str())));
        let several = sources.values().filter(|sources| sources.len() > 1).count() as f64 / sources.len() as f64;
        assert!(
            (0.28..0.52).contains(&several),
            "{several} of the {table} are in several sources"
        );
        assert_eq!(sources.values().map(HashSet::len).max(), Some(SOURCES.len()));
        assert!(sources.values().flatten().collect::<HashSet<_>>().len() == SOURCES.len());
        copies += ids.len() - sources.len();
    }
    assert_eq!(report.dirty.unwrap().duplicate_records, copies as u64);

    // A number that tells which records are one would make it no task.
    let tail = |row: &Row| row["record_id"].rsplit('-').next().unwrap().parse::<u64>().unwrap();
    let mut by_thing: HashMap<(&str, &str), HashSet<u64>> = HashMap::new();
    for row in &clusters {
        by_thing
            .entry((&row["table"], &row["cluster_id"]))
            .or_default()
            .insert(tail(row));
    }
    let several: Vec<&HashSet<u64>> = by_thing.values().filter(|numbers| numbers.len() > 1).collect();
    assert!(several.len() > 500);

    // What refers to a thing names a record of it.
    let known: HashSet<&str> = clusters.iter().map(|row| row["record_id"].as_str()).collect();
    let dangling: HashSet<(String, String)> = read(folder.path(), "_truth/damage.csv")
        .into_iter()
        .filter(|row| row["kind"] == "dangling")
        .map(|row| (row["record_id"].clone(), row["column"].clone()))
        .collect();
    for (file, key, columns) in [
        ("concerts.csv", "concert_id", &["artist_id", "venue_id"][..]),
        ("ticket_sales.csv", "sale_id", &["concert_id"]),
        ("concert_prices.csv", "concert_id", &["concert_id"]),
        ("artist_genres.csv", "artist_id", &["artist_id"]),
    ] {
        for row in read(folder.path(), file) {
            for column in columns {
                let value = row[*column].as_str();
                let is_dangling = dangling.contains(&(row[key].clone(), (*column).to_owned()));
                assert!(
                    value.is_empty() || known.contains(value) != is_dangling,
                    "{file}: {row:?}"
                );
            }
        }
    }
}

#[test]
fn no_damage_leaves_the_world_as_it_is_and_full_damage_spares_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (clean, none, all) = (
        folder.path().join("clean"),
        folder.path().join("none"),
        folder.path().join("all"),
    );
    generate(&small(&clean)).unwrap();
    assert_eq!(generate(&dirty(&none, 0.0)).unwrap().dirty, None);
    assert!(!none.join("_truth").exists());
    assert_eq!(
        std::fs::read(clean.join("artists.csv")).unwrap(),
        std::fs::read(none.join("artists.csv")).unwrap()
    );
    let report = generate(&dirty(&all, 1.0)).unwrap();
    let dirty = report.dirty.unwrap();
    assert!(dirty.damaged_records as f64 > 0.97 * report.tables["ticket_sales"] as f64);
    assert!(dirty.duplicate_records > u64::from(1_500_u32 + 150 + 120));
}
