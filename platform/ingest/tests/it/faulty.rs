//! What is wrong with a record or a file is said with its place and the mend.

use crate::support::*;

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
            "4|capacity|type.number|capacity: \"many\" is not a whole number",
            "5|name|utf8|the text is not valid UTF-8; if the file is Latin-1, write encoding = \"latin-1\"",
            "6|-|fields|the row has 6 fields, not 5: it has a delimiter too many",
            "7|name|venues.name.required|name: there is no value, and every row must have one",
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
