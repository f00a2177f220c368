//! Proposals for files of many shapes; every one of them is a mapping that loads its file.

use super::*;
use proptest::prelude::*;

fn propose(name: &str, content: impl AsRef<[u8]>) -> Proposal {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("writes");
    infer(&path).expect("infers")
}

/// `table.column = value` of every entry, without options.
fn entries(proposal: &Proposal) -> Vec<String> {
    let mapping: toml::Table = toml::from_str(&proposal.mapping).expect("TOML");
    let mut entries = Vec::new();
    for (table, section) in &mapping {
        if table == "source" {
            continue;
        }
        for (column, value) in section.as_table().expect("a section") {
            let value = value.as_table().expect("a value");
            let shown = match (value.get("column"), value.get("key"), value.get("const")) {
                (Some(toml::Value::String(path)), ..) => path.clone(),
                (_, Some(toml::Value::Array(paths)), _) => paths
                    .iter()
                    .map(|p| p.as_str().unwrap_or_default())
                    .collect::<Vec<_>>()
                    .join("+"),
                (_, _, Some(text)) => format!("'{}'", text.as_str().unwrap_or_default()),
                _ => panic!("{value:?}"),
            };
            entries.push(format!("{table}.{column} = {shown}"));
        }
    }
    entries
}

fn has(proposal: &Proposal, wanted: &[&str]) {
    let entries = entries(proposal);
    for wanted in wanted {
        assert!(
            entries.iter().any(|entry| entry == wanted),
            "no {wanted} in\n{}\n{}",
            entries.join("\n"),
            proposal.mapping
        );
    }
}

#[test]
fn a_list_of_venues_is_known_by_its_names() {
    let proposal = propose(
        "halls.txt",
        "venue id;Venue Name;town;Capacity;opened;lat;lng;kind\n\
         v1;A;Ulm;100;31/12/1999;48.4;9.99;Theatre\nv2;B;NA;x;01/02/2000;52.5;13.4;club\nv3;C;Bonn;7000;02/02/2000;50.7;7.1;Club\n",
    );
    has(
        &proposal,
        &[
            "venues.venue_id = venue id",
            "venues.name = Venue Name",
            "venues.city = town",
            "venues.latitude = lat",
            "venues.longitude = lng",
            "venues.venue_type = kind",
        ],
    );
    assert!(
        proposal.mapping.contains("delimiter = \";\"") && proposal.mapping.contains("null = [\"NA\"]"),
        "{}",
        proposal.mapping
    );
    assert!(
        proposal
            .mapping
            .contains(r#"map = { "Club" = "club", "Theatre" = "theater", "club" = "club" }"#),
        "{}",
        proposal.mapping
    );
    let capacity = proposal
        .columns
        .iter()
        .find(|column| column.path == "Capacity")
        .expect("there");
    assert_eq!(capacity.maps_to, [""; 0], "what is no number fills no number");
    assert_eq!(capacity.doubts, ["it has no place; its name is near venues.capacity"]);
    let opened = proposal
        .columns
        .iter()
        .find(|column| column.path == "opened")
        .expect("there");
    assert_eq!(
        (opened.kind, opened.nulls, opened.all_different),
        ("date", Some(0.0), true)
    );
    assert_eq!(
        proposal.tables["venues"],
        Tried {
            records: 3,
            refused: 0,
            reason: None
        }
    );
}

#[test]
fn concerts_without_ids_get_keys_and_their_artists_and_venues() {
    let proposal = propose(
        "gigs.csv",
        "Band,Venue,City,Country,Date of show,Crowd,Ticket price\n\
         Ann,Hall,Ulm,Germany,26/05/2024,120,€12\nBob,Park,Paris,France,01/06/2024,,€15.50\n",
    );
    has(
        &proposal,
        &[
            "artists.artist_id = Band",
            "venues.venue_id = Venue+City+Country",
            "venues.city = City",
            "venues.country = Country",
            "concerts.concert_id = Date of show+Venue+City+Country+Band",
            "concerts.artist_id = Band",
            "concerts.venue_id = Venue+City+Country",
            "concerts.event_date = Date of show",
            "concerts.total_attendance = Crowd",
            "concert_prices.price = Ticket price",
            "concert_prices.currency = 'EUR'",
        ],
    );
    assert!(proposal.mapping.contains("date = \"%d/%m/%Y\""), "{}", proposal.mapping);
    assert!(
        proposal
            .mapping
            .contains(r#"map = { "France" = "FR", "Germany" = "DE" }"#),
        "{}",
        proposal.mapping
    );
    assert!(
        proposal
            .mapping
            .contains("the day stands first: 1 values make sense only so"),
        "{}",
        proposal.mapping
    );
    assert_eq!(proposal.tables["concert_prices"].records, 2);
}

#[test]
fn a_box_office_sheet_is_read_as_it_is_written() {
    let proposal = propose(
        "boxoffice.csv",
        "Show Date,Headliner,Room,Town,Paid Attendance,Cap,Gross USD\n\
         03/14/2025,The Velvet Foxes,Paradise Rock Club,\"Boston, MA\",933,933,\"$27,990.00\"\n\
         03/17/2025,The Velvet Foxes,9:30 Club,\"Washington, DC\",\"1,100\",\"1,200\",\"$38,500.00\"\n\
         04/02/2025,Mira Lund,Lincoln Hall,\"Chicago, IL\",,507,\n\
         13/05/2025,Mira Lund,Lincoln Hall,\"Chicago, IL\",400,507,\"$10,000.00\"\n",
    );
    has(
        &proposal,
        &[
            "artists.name = Headliner",
            "venues.name = Room",
            "venues.city = Town",
            "venues.state = Town",
            "venues.capacity = Cap",
            "concerts.event_date = Show Date",
            "concerts.total_attendance = Paid Attendance",
            "concerts.revenue = Gross USD",
            "concerts.currency = 'USD'",
        ],
    );
    let tried = &proposal.tables["concerts"];
    assert_eq!((tried.records, tried.refused), (4, 1), "{}", proposal.mapping);
    assert_eq!(proposal.tables["venues"].refused, 0, "{}", proposal.mapping);
    assert!(
        proposal.mapping.contains("in 1 it cannot: those will be put aside"),
        "{}",
        proposal.mapping
    );

    let proposal = propose(
        "umsatz.csv",
        "Datum;Künstler;Spielstätte;Ort;Besucher;Umsatz EUR\n\
         12.03.2024;Die Ärzte;Zenith;München;5.880;294.000,00\n13.03.2024;Mötley;Halle;Köln;900;18.000,50\n",
    );
    has(
        &proposal,
        &[
            "artists.name = Künstler",
            "venues.city = Ort",
            "concerts.event_date = Datum",
            "concerts.revenue = Umsatz EUR",
            "concerts.currency = 'EUR'",
        ],
    );
    assert!(
        proposal.mapping.contains("number = \"1.234,56\""),
        "{}",
        proposal.mapping
    );
    assert_eq!(proposal.tables["concerts"].refused, 0, "{}", proposal.mapping);
}

#[test]
fn what_is_about_nothing_invents_nothing() {
    let proposal = propose("prices.csv", "doorprice,currency\n$5,USD\n6(pounds),GBP\n");
    assert!(proposal.tables.is_empty(), "{}", proposal.mapping);
}

#[test]
fn amounts_in_several_currencies_are_left_to_a_person() {
    let proposal = propose(
        "shows.csv",
        "show_id,date,venue,artist,price\n1,2024-01-01,A,X,$5\n2,2024-01-02,B,X,6(pounds)\n3,2024-01-03,C,X,$6\n",
    );
    has(&proposal, &["concerts.event_date = date"]);
    assert!(!proposal.tables.contains_key("concert_prices"));
    assert!(
        proposal
            .mapping
            .contains("# price holds amounts in several currencies (USD 2 times, GBP 1 times)"),
        "{}",
        proposal.mapping
    );
    let price = proposal
        .columns
        .iter()
        .find(|column| column.path == "price")
        .expect("there");
    assert_eq!(price.kind, "amount of money");
    assert!(
        price.doubts.iter().any(|doubt| doubt.contains("several currencies")),
        "{price:?}"
    );
}

#[test]
fn a_file_without_a_header_is_read_by_its_values() {
    let proposal = propose(
        "all_events.psv",
        "1|305|Gotterdammerung|2008-01-25 14:30:00\n2|306|Boris Godunov|2008-10-15 20:00:00\n3|305|Salome|2008-04-19 14:30:00\n",
    );
    has(
        &proposal,
        &[
            "concerts.concert_id = column_1",
            "concerts.event_date = column_4",
            "concerts.artist_id = column_3",
            "artists.name = column_3",
            "concerts.venue_id = 'unknown'",
        ],
    );
    assert!(
        proposal
            .mapping
            .contains("column_2 repeat whole numbers and may be its id"),
        "{}",
        proposal.mapping
    );
    let proposal = propose(
        "venue_list.txt",
        "1|Toyota Park|Bridgeview|IL|0\n2|Columbus Stadium|Columbus|OH|0\n3|Hall|Columbus|OH|12000\n",
    );
    has(
        &proposal,
        &[
            "venues.venue_id = column_1",
            "venues.name = column_2",
            "venues.city = column_3",
            "venues.state = column_4",
            "venues.capacity = column_5",
        ],
    );
}

#[test]
fn sales_are_told_from_concerts() {
    let proposal = propose(
        "orders.csv",
        "order_id,event_id,buyer_id,qty,ticket_price,currency,sold_at,sales_channel\n\
         1,e1,b1,2,10.50,EUR,2024-05-01 10:00:00,web\n2,e1,b2,1,10.50,EUR,2024-05-02 10:00:00,box office\n",
    );
    has(
        &proposal,
        &[
            "ticket_sales.sale_id = order_id",
            "ticket_sales.concert_id = event_id",
            "ticket_sales.customer_id = buyer_id",
            "ticket_sales.quantity = qty",
            "ticket_sales.unit_price = ticket_price",
            "ticket_sales.currency = currency",
            "ticket_sales.purchase_timestamp = sold_at",
            "ticket_sales.channel = sales_channel",
        ],
    );
    assert!(!proposal.tables.contains_key("concerts"), "{}", proposal.mapping);
}

#[test]
fn nested_records_are_found_in_json_and_xml() {
    let json = r#"{"links": [{"href": "a"}, {"href": "b"}, {"href": "c"}], "_embedded": {"events": [
        {"id": "e1", "name": "A night", "images": [{"url": "u1"}, {"url": "u2"}, {"url": "u3"}],
         "dates": {"start": {"localDate": "2024-06-01", "dateTime": "2024-06-02T00:00:00Z"}, "status": {"code": "onsale"}},
         "_embedded": {"venues": [{"id": "v1", "name": "Hall", "city": {"name": "Ulm"}, "country": {"countryCode": "DE"},
            "location": {"latitude": "48.4", "longitude": "9.9"}}],
            "attractions": [{"id": "a1", "name": "Ann", "classifications": [{"genre": {"name": "Jazz"}}]}, {"id": "a2", "name": "Bob"}]},
         "priceRanges": [{"type": "standard", "currency": "EUR", "min": 10.0, "max": 20.0}]},
        {"id": "e2", "name": "B night", "dates": {"start": {"localDate": "2024-06-02"}, "status": {"code": "cancelled"}},
         "_embedded": {"venues": [{"id": "v2", "name": "Park", "city": {"name": "Bonn"}, "country": {"countryCode": "DE"}}],
            "attractions": [{"id": "a1", "name": "Ann"}]}}]}}"#;
    let proposal = propose("page.json", json);
    assert!(
        proposal.mapping.contains("records = \"_embedded.events\""),
        "{}",
        proposal.mapping
    );
    has(
        &proposal,
        &[
            "artists.artist_id = _embedded.attractions[*].id",
            "artists.name = _embedded.attractions[*].name",
            "artists.genre = _embedded.attractions[*].classifications[0].genre.name",
            "venues.venue_id = _embedded.venues[*].id",
            "venues.city = _embedded.venues[*].city.name",
            "venues.country = _embedded.venues[*].country.countryCode",
            "venues.latitude = _embedded.venues[*].location.latitude",
            "concerts.concert_id = id",
            "concerts.artist_id = _embedded.attractions[0].id",
            "concerts.venue_id = _embedded.venues[0].id",
            "concerts.event_date = dates.start.localDate",
            "concerts.starts_at = dates.start.dateTime",
            "concerts.status = dates.status.code",
            "concert_prices.tier = priceRanges[*].type",
            "concert_prices.price = priceRanges[*].min",
            "concert_prices.currency = priceRanges[*].currency",
        ],
    );
    assert_eq!(proposal.tables["artists"].records, 3);
    let xml = "<catalog><head><made>2024-01-01</made></head><artists>\
        <artist id='a1'><name>Ann</name><genres><genre>jazz</genre><genre>pop</genre></genres><formed>1999-01-02</formed></artist>\
        <artist id='a2'><name>Bob</name><genres><genre>rock</genre></genres></artist></artists></catalog>";
    let proposal = propose("catalog.xml", xml);
    assert!(
        proposal.mapping.contains("records = \"catalog.artists.artist\""),
        "{}",
        proposal.mapping
    );
    has(
        &proposal,
        &[
            "artists.artist_id = @id",
            "artists.name = name",
            "artists.formation_date = formed",
        ],
    );
    let proposal = propose(
        "artist.json",
        r#"{"id": "b8a7c51f-362c-4dcb-a259-bc6e0095f0a6", "name": "Ed", "country": "GB",
        "area": {"name": "United Kingdom"}, "begin-area": {"name": "Hebden Bridge"}, "life-span": {"begin": "1991-02-17"},
        "aliases": [{"name": "a"}, {"name": "b"}], "tags": [{"name": "pop", "count": 3}]}"#,
    );
    has(
        &proposal,
        &[
            "artists.artist_id = id",
            "artists.musicbrainz_id = id",
            "artists.name = name",
            "artists.home_city = begin-area.name",
            "artists.home_country = country",
            "artists.formation_date = life-span.begin",
            "artist_genres.genre = tags[*].name",
        ],
    );
}

#[test]
fn odd_files_are_proposed_for_without_a_fault() {
    for (name, content) in [
        ("one.csv", &b"name\nAnn\n"[..]),
        ("latin.csv", b"K\xfcnstler;Stadt\nM\xfcller;K\xf6ln\n"),
        ("quoted.csv", b"\"a\"\"b\",\"c\nd\"\n\"1\",\"2\"\n"),
        ("twice.csv", b"name,name,city\nA,B,C\n"),
        ("blank.csv", b"venue,,date\nA,x,2024-01-01\n"),
        ("tab\nname.csv", b"artist\tday\nA\t2024-01-01\n"),
        ("empty_list.json", b"{\"events\": []}"),
        ("numbers.json", b"[1, 2, 3]"),
        ("dots.json", b"[{\"venue.name\": \"A\", \"capacity\": 5, \"a[b]\": 1}]"),
        ("lines.jsonl", b"{\"artist\": \"A\"}\nbroken\n{\"artist\": \"B\"}\n"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("writes");
        match infer(&path) {
            Ok(proposal) => {
                let active = !proposal.tables.is_empty();
                let parsed = Mapping::parse(Path::new("m.toml"), proposal.mapping.clone());
                assert_eq!(
                    parsed.is_ok(),
                    active,
                    "{name}: {:?}\n{}",
                    parsed.err(),
                    proposal.mapping
                );
            }
            Err(error) => assert!(matches!(error, Error::Header { .. }), "{name}: {error}"),
        }
    }
    assert!(
        propose("latin.csv", b"artist;town\nM\xfcller;K\xf6ln\n")
            .mapping
            .contains("encoding = \"latin-1\"")
    );
    has(
        &propose("dots.json", r#"[{"venue.name": "A", "capacity": 5}]"#),
        &["venues.name = venue\\.name"],
    );
}

#[test]
fn a_proposal_is_one_document() {
    let proposal = propose("artists.csv", "artist_id,name,genre\n1,A,jazz\n2,B,\n");
    let json = serde_json::to_value(&proposal).expect("serialises");
    assert_eq!(json["columns"][2]["path"], "genre");
    assert_eq!(json["columns"][2]["nulls"], 0.5);
    assert_eq!(json["columns"][2]["maps_to"], serde_json::json!(["artists.genre"]));
    assert!(json["columns"][2]["confidence"].as_f64().expect("a number") > 0.8);
    assert_eq!(json["tables"]["artists"]["records"], 2);
    assert!(json["mapping"].as_str().is_some_and(|text| text.contains("[artists]")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("CONCERT_LONG").is_some() { 2000 } else { 30 }))]

    #[test]
    fn any_table_gets_a_proposal_that_reads(
        header in proptest::collection::vec(proptest::sample::select(vec![
            "artist", "venue", "date", "city", "id", "price", "qty", "na\"me", "status", "x.y", "", "capacity", "sold_at", "#"]), 1..6),
        rows in proptest::collection::vec(proptest::collection::vec(
            "[a-c$€]{0,3}|[0-9]{1,4}|20[0-2][0-9]-0[1-9]-1[0-9]|[0-3][0-9]/[01][0-9]/2024|NA|USD|TX", 1..6), 0..8),
    ) {
        let quote = |field: &str| format!("\"{}\"", field.replace('"', "\"\""));
        let line = |fields: Vec<String>| fields.join(",") + "\n";
        let mut text = line(header.iter().map(|field| quote(field)).collect());
        for row in &rows {
            let width = header.len();
            text.push_str(&line((0..width).map(|at| quote(row.get(at).map_or("", String::as_str))).collect()));
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("table.csv");
        std::fs::write(&path, &text).expect("writes");
        if let Ok(proposal) = infer(&path)
            && !proposal.tables.is_empty()
        {
            let parsed = Mapping::parse(Path::new("m.toml"), proposal.mapping.clone());
            prop_assert!(parsed.is_ok(), "{:?}\n{}", parsed.err(), proposal.mapping);
        }
    }
}

/// Real data stands beside the repository on some machines; where it does not, the test says so.
fn real(path: &str) -> Option<Proposal> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(path);
    if !path.is_file() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(infer(&path).expect("infers"))
}

#[test]
fn real_files_get_proposals_that_load_them() {
    // The file, what has to be proposed, and how many records of each table are taken and refused.
    type Case = (
        &'static str,
        &'static [&'static str],
        &'static [(&'static str, u64, u64)],
    );
    let cases: [Case; 7] = [
        (
            "fugazi/fls_data.csv",
            &[
                "concerts.concert_id = fls_id",
                "concerts.event_date = show_date",
                "concerts.total_attendance = attendance",
                "venues.venue_id = venue+city+subdivision+country",
                "venues.state = subdivision",
                "venues.country = country",
                "concerts.artist_id = 'fls_data'",
            ],
            &[("concerts", 1049, 0), ("venues", 1049, 0)],
        ),
        (
            "fugazi/fls_venue_geocoding_v2.csv",
            &[
                "venues.name = venue",
                "venues.latitude = y",
                "venues.longitude = x",
                "venues.city = city",
            ],
            &[],
        ),
        (
            "tickit/allevents_pipe.txt",
            &[
                "concerts.concert_id = column_1",
                "concerts.event_date = column_6",
                "artists.name = column_5",
            ],
            &[("concerts", 5000, 0)],
        ),
        (
            "tickit/venue_pipe.txt",
            &[
                "venues.venue_id = column_1",
                "venues.name = column_2",
                "venues.city = column_3",
                "venues.state = column_4",
                "venues.capacity = column_5",
            ],
            &[("venues", 202, 0)],
        ),
        (
            "ticketmaster/events_2019_page.json",
            &[
                "concerts.concert_id = id",
                "concerts.event_date = dates.start.localDate",
                "concerts.venue_id = _embedded.venues[0].id",
                "artists.name = _embedded.attractions[*].name",
                "venues.city = _embedded.venues[*].city.name",
                "venues.latitude = _embedded.venues[*].location.latitude",
                "concert_prices.price = priceRanges[*].min",
            ],
            &[],
        ),
        (
            "spotify/artist_search_Arctic_0.json",
            &[
                "artists.artist_id = id",
                "artists.name = name",
                "artists.popularity_score = popularity",
                "artist_genres.genre = genres[*]",
            ],
            &[("artists", 20, 0), ("artist_genres", 16, 0)],
        ),
        (
            "musicbrainz/artist.json",
            &[
                "artists.artist_id = id",
                "artists.name = name",
                "artists.formation_date = life-span.begin",
                "artists.home_city = begin-area.name",
                "artists.home_country = country",
            ],
            &[("artists", 1, 0)],
        ),
    ];
    for (path, wanted, counts) in cases {
        let Some(proposal) = real(path) else { continue };
        has(&proposal, wanted);
        for (table, records, refused) in counts {
            let tried = proposal
                .tables
                .get(*table)
                .unwrap_or_else(|| panic!("{path}: no {table}\n{}", proposal.mapping));
            assert_eq!(
                (tried.records, tried.refused),
                (*records, *refused),
                "{path}: {table}: {:?}",
                tried.reason
            );
        }
        let parsed = Mapping::parse(Path::new("m.toml"), proposal.mapping.clone());
        assert!(parsed.is_ok(), "{path}: {:?}", parsed.err());
        if std::env::var_os("SHOW").is_some() {
            eprintln!("{path}\n{}", proposal.mapping);
        }
    }
}

#[test]
fn columns_of_parquet_are_known_by_name_and_type() {
    use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
    use std::sync::Arc;
    let columns: [(&str, ArrayRef); 4] = [
        ("showId", Arc::new(Int64Array::from(vec![1, 2]))),
        ("showDate", Arc::new(Date32Array::from(vec![19_000, 19_001]))),
        ("venueName", Arc::new(StringArray::from(vec!["A", "B"]))),
        ("attendees", Arc::new(Int64Array::from(vec![Some(10), None]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let mut file = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut file, batch.schema(), None).expect("opens");
    writer.write(&batch).expect("writes");
    writer.close().expect("closes");
    let proposal = propose("band.parquet", file);
    assert_eq!(proposal.format, "parquet");
    has(
        &proposal,
        &[
            "concerts.concert_id = showId",
            "concerts.event_date = showDate",
            "venues.name = venueName",
            "concerts.total_attendance = attendees",
            "artists.name = 'band'",
        ],
    );
    assert_eq!(proposal.tables["concerts"].refused, 0);
}
