//! Where files may lie, and what is known by its content.

use crate::support::*;

#[tokio::test]
async fn the_same_content_adds_nothing_under_another_name_or_packed() {
    let bench = Bench::new();
    let text = format!("{VENUES_HEADER}v1,A,Ulm,100,\nv2,B,Ulm,x,\n");
    let first = bench.file("venues.csv", &text);
    bench.load(&[first], None).await.expect("loads");
    let mapping = bench.file(
        "m.toml",
        "[venues]\nvenue_id = { column = \"venue_id\" }\nname = { column = \"name\" }\ncity = { column = \"city\" }\n\
         capacity = { column = \"capacity\" }\nvenue_type = { column = \"venue_type\" }\n",
    );
    let again = [
        bench.file("venues.csv.gz", gzip(text.as_bytes())),
        bench.file("halls.zst", zstd::encode_all(text.as_bytes(), 3).expect("packs")),
    ];
    let (options, notes) = noting(options(&again, Some(&mapping)));
    let report = ingest(&bench.lake, &options).await.expect("loads");
    assert_eq!(report.tables["venues"], counts(4, 0, 0, 2, 2));
    assert_eq!(
        *notes.lock().expect("not poisoned"),
        [
            "venues.csv.gz holds what venues.csv has brought before: its records are looked at, and kept once",
            "halls.zst holds what venues.csv has brought before: its records are looked at, and kept once",
        ]
    );
    assert_eq!(bench.rows("SELECT count(*) FROM raw_records").await, ["2"]);
    assert_eq!(bench.rows("SELECT source FROM raw_files").await, ["venues.csv"]);
}

#[tokio::test]
async fn addresses_are_read_as_streams_and_folders_of_them_as_folders() {
    let bench = Bench::new();
    bench.file("venues.csv", format!("{VENUES_HEADER}v1,A,Ulm,100,\n"));
    bench.file("artists.jsonl.gz", gzip(b"{\"artist_id\": \"a1\", \"name\": \"B\"}\n"));
    bench.file(".hidden.csv", "no");
    let folder = format!("file://{}", bench.data.path().display());
    let report = bench
        .load(&[PathBuf::from(format!("{folder}/"))], None)
        .await
        .expect("loads");
    assert_eq!(report.tables["venues"], counts(1, 1, 0, 0, 0));
    assert_eq!(report.tables["artists"], counts(1, 1, 0, 0, 0));
    let single = PathBuf::from(format!("{folder}/venues.csv"));
    let report = bench.load(&[single], None).await.expect("loads");
    assert_eq!(report.tables["venues"], counts(1, 0, 0, 0, 1));
    assert_eq!(
        bench.rows("SELECT source FROM raw_files ORDER BY 1").await,
        ["artists.jsonl.gz", "venues.csv"]
    );
    for (address, wanted) in [
        (format!("{folder}/nowhere.csv"), "there is no object of that name"),
        ("ftp://host/x.csv".to_owned(), "ftp:// is not known"),
    ] {
        let message = bench
            .load(&[PathBuf::from(address)], None)
            .await
            .expect_err(wanted)
            .to_string();
        assert!(message.contains(wanted), "{message}");
    }
}

#[tokio::test]
async fn a_row_leads_back_to_a_file_whose_content_came_under_another_name_before() {
    let bench = Bench::new();
    let rows = format!("{VENUES_HEADER}v1,A,Ulm,\"1,200\",\n");
    let first = bench.file("venues.csv", &rows);
    let report = bench.load(&[first], None).await.expect("loads");
    assert_eq!(report.tables["venues"], counts(1, 0, 0, 1, 0));
    let again = bench.file("halls.csv", &rows);
    let mapping = bench.file(
        "m.toml",
        "[venues]\nvenue_id = { column = \"venue_id\" }\nname = { column = \"name\" }\n\
         capacity = { column = \"capacity\", number = \"1,234\" }\n",
    );
    let report = bench.load(&[again], Some(&mapping)).await.expect("loads");
    assert_eq!(report.tables["venues"], counts(1, 1, 0, 0, 0));
    let traced = bench.lake.lineage("venues", &["v1".to_owned()]).await.expect("reads");
    assert_eq!((traced[0].source.as_str(), traced[0].line), ("halls.csv", 2));
    assert_eq!(traced[0].original.as_deref(), Some("v1,A,Ulm,\"1,200\","));
    // As received, each record once.
    assert_eq!(bench.rows("SELECT count(*) FROM raw_records").await, ["1"]);
}
