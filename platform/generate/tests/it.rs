//! The generated files as someone reads them: reproducible, consistent, and with the relations that they promise.

use concert_generate::{GenerateError, GenerateOptions, generate};
use jiff::civil::date;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
};

fn options(out: &Path) -> GenerateOptions {
    GenerateOptions {
        artists: 150,
        venues: 120,
        concerts: 1_500,
        sales: 4_000,
        seed: 42,
        as_of: date(2026, 6, 30),
        out: out.to_owned(),
    }
}

type Row = HashMap<String, String>;

fn read(folder: &Path, table: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(folder.join(format!("{table}.csv"))).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(Result::unwrap)
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                std::fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

#[test]
fn the_same_options_give_the_same_bytes_and_another_seed_gives_others() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b, c) = (
        folder.path().join("a"),
        folder.path().join("b"),
        folder.path().join("c"),
    );
    generate(&options(&a)).unwrap();
    generate(&options(&b)).unwrap();
    generate(&GenerateOptions {
        seed: 43,
        ..options(&c)
    })
    .unwrap();
    assert_eq!(bytes(&a), bytes(&b));
    assert_ne!(bytes(&a), bytes(&c));
}

#[test]
fn every_reference_is_there_and_no_room_is_over_its_capacity() {
    let folder = tempfile::tempdir().unwrap();
    let report = generate(&options(folder.path())).unwrap();
    assert_eq!(report.tables["concerts"], 1_500);
    assert_eq!(report.tables["ticket_sales"], 4_000);
    assert!(report.sales_fraction > 0.0 && report.sales_fraction < 1.0);

    let capacity: HashMap<String, Option<u32>> = read(folder.path(), "venues")
        .into_iter()
        .map(|v| (v["venue_id"].clone(), v["capacity"].parse().ok()))
        .collect();
    let artists: HashSet<String> = read(folder.path(), "artists")
        .into_iter()
        .map(|a| a["artist_id"].clone())
        .collect();
    let concerts = read(folder.path(), "concerts");
    let mut nights = HashSet::new();
    for concert in &concerts {
        assert!(artists.contains(&concert["artist_id"]));
        let room = &capacity[&concert["venue_id"]];
        assert!(
            nights.insert((&concert["venue_id"], &concert["event_date"])),
            "a room is booked twice"
        );
        let over = concert["status"] == "completed";
        assert_eq!(over, !concert["total_attendance"].is_empty());
        assert_eq!(over, !concert["revenue"].is_empty());
        if let (Ok(attendance), Some(room)) = (concert["total_attendance"].parse::<u32>(), room) {
            assert!(attendance <= *room, "{concert:?}");
        }
        assert!(concert["announced_at"] < concert["event_date"]);
        assert_eq!(
            concert["status"] == "scheduled",
            concert["event_date"].as_str() > "2026-06-30" && concert["status"] != "cancelled"
        );
    }
    let ahead = concerts
        .iter()
        .filter(|c| c["event_date"].as_str() > "2026-06-30")
        .count();
    assert_eq!(ahead, 120, "8 % lie ahead");

    let ids: HashMap<&String, &Row> = concerts.iter().map(|c| (&c["concert_id"], c)).collect();
    for sale in read(folder.path(), "ticket_sales") {
        let concert = ids[&sale["concert_id"]];
        assert_ne!(concert["status"], "cancelled");
        let day = &sale["purchase_timestamp"][..10];
        assert!(day >= concert["announced_at"].as_str() && day <= concert["event_date"].as_str());
        assert!(
            day <= "2026-06-30",
            "nothing is bought after the day that the data is made on"
        );
    }
}

#[test]
fn weekends_draw_more_and_popular_artists_fill_larger_rooms() {
    let folder = tempfile::tempdir().unwrap();
    generate(&GenerateOptions {
        concerts: 4_000,
        venues: 300,
        sales: 100,
        ..options(folder.path())
    })
    .unwrap();
    let popularity: HashMap<String, f64> = read(folder.path(), "artists")
        .into_iter()
        .map(|a| (a["artist_id"].clone(), a["popularity_score"].parse().unwrap()))
        .collect();
    let mean = |pick: &dyn Fn(&Row) -> bool| {
        let attendance: Vec<f64> = read(folder.path(), "concerts")
            .iter()
            .filter(|c| pick(c))
            .filter_map(|c| c["total_attendance"].parse().ok())
            .collect();
        attendance.iter().sum::<f64>() / attendance.len() as f64
    };
    let weekend = |c: &Row| {
        let day: jiff::civil::Date = c["event_date"].parse().unwrap();
        matches!(
            day.weekday(),
            jiff::civil::Weekday::Friday | jiff::civil::Weekday::Saturday
        )
    };
    assert!(mean(&weekend) > mean(&|c| !weekend(c)));
    assert!(mean(&|c| popularity[&c["artist_id"]] > 60.0) > 5.0 * mean(&|c| popularity[&c["artist_id"]] < 30.0));
}

#[test]
fn what_cannot_be_made_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let crowded = GenerateOptions {
        venues: 1,
        artists: 2,
        ..options(folder.path())
    };
    assert!(matches!(
        generate(&crowded),
        Err(GenerateError::Crowded { wanted: 1_500, .. })
    ));
    let empty = GenerateOptions {
        artists: 0,
        ..options(folder.path())
    };
    assert!(matches!(
        generate(&empty),
        Err(GenerateError::Empty { what: "artists", .. })
    ));
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(generate(&options(&file)), Err(GenerateError::Write { .. })));
}
