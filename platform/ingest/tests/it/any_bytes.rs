//! Any bytes at all, in any format, packed or not, come to an end without a panic, and every record that was seen is
//! accounted for.

use crate::support::*;
use concert_ingest::{Mapping, fuzzing};
use proptest::{collection::vec, prelude::*, sample::select};

/// Cases of each property; many more in a long run.
fn cases() -> ProptestConfig {
    let long = std::env::var_os("CONCERT_LONG").is_some_and(|value| value == "1");
    ProptestConfig::with_cases(if long { 5_000 } else { 96 })
}

/// Pieces that the formats give a meaning to, among bytes that mean nothing.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"\"",
        b"\"\"",
        b",",
        b"\n",
        b"\r\n",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b"\\",
        b"\\u12",
        b"<a>",
        b"</a>",
        b"<",
        b">",
        b"<!--",
        b"]]>",
        b"<![CDATA[",
        b"&amp;",
        b"&x;",
        b"&#0;",
        b" id='1'",
        b"null",
        b"1e999",
        b"-0",
        b"2024-02-30",
        b"2024-02-29T23:59:60Z",
        b"99999999999999999999",
        b"\xC3",
        b"\xC3\xA9",
        b"\0",
        b"\xEF\xBB\xBF",
        b"id,a,b\n",
        b"{\"id\":1,\"a\":[{\"b\":2}]}",
        b"<?xml version='1.0' encoding='latin-1'?>",
        b"PAR1",
    ];
    let any = any::<u8>().prop_map(|byte| vec![byte]);
    let piece = prop_oneof![6 => select(pieces).prop_map(<[u8]>::to_vec), 1 => any];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn check(path: &Path, format: &str, latin_1: bool) -> Result<(), TestCaseError> {
    let Ok(read) = fuzzing::read(path, format, latin_1) else {
        return Ok(());
    };
    prop_assert_eq!(read.records_in, read.rows + read.quarantined);
    for block_bytes in [1, 7, 64] {
        let in_blocks = fuzzing::read_in_blocks(path, format, latin_1, block_bytes).expect("reads as well");
        if let Some(in_blocks) = in_blocks {
            prop_assert_eq!(in_blocks, read, "in blocks of {}", block_bytes);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn text_formats(bytes in soup(), latin_1 in any::<bool>(), format in select(vec!["csv", "json", "jsonl", "xml"])) {
        let folder = tempfile::tempdir().expect("a folder");
        let begin: &[u8] = if format == "csv" { b"id,a,b\n" } else { b"" };
        let path = folder.path().join("x");
        std::fs::write(&path, [begin, &bytes].concat()).expect("writes");
        check(&path, format, latin_1)?;
    }

    #[test]
    fn damaged_parquet(at in 0usize..2_000, byte in any::<u8>(), cut in 0usize..2_000) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.parquet");
        let mut bytes = crate::formats::parquet_of(&[("v1", "A", "1"), ("v2", "B", "2"), ("v3", "C", "x")]);
        let length = bytes.len();
        bytes[at % length] ^= byte;
        if cut % 3 == 0 {
            bytes.truncate(length - cut.min(length));
        }
        std::fs::write(&path, bytes).expect("writes");
        check(&path, "parquet", false)?;
    }

    #[test]
    fn damaged_wrappers(text in soup(), at in any::<prop::sample::Index>(), byte in any::<u8>(), zstd in any::<bool>()) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.csv");
        let text = [b"id,a,b\n".to_vec(), text].concat();
        let mut packed = if zstd { zstd::encode_all(&text[..], 1).expect("packs") } else { gzip(&text) };
        let at = at.index(packed.len());
        if byte == 0 {
            packed.truncate(at);
        } else {
            packed[at] ^= byte;
        }
        std::fs::write(&path, packed).expect("writes");
        check(&path, "csv", false)?;
    }

    #[test]
    fn mappings(lines in vec(select(vec![
        "[source]", "[venues]", "[lookup.x]", "venue_id = { column = \"a\" }", "name = { key = [\"a\", \"b\"] }",
        "city = { column = \"a[*].b\", pattern = \"(a+)+$\", missing = \"null\" }", "file = \"x.csv\"", "key = \"a\"",
        "columns = []", "delimiter = \"\u{e9}\"", "header = false", "records = \"a..b\"", "null = 1", "from = \"*\"",
        "capacity = { const = 1979-05-27 }", "created_at = { column = \"a\", date = \"%Q%\" }", "= [", "\"",
    ]), 0..12), tail in ".{0,20}") {
        let text = format!("{}\n{tail}", lines.join("\n"));
        if let Err(error) = Mapping::parse(Path::new("m.toml"), text) {
            prop_assert!(error.to_string().starts_with("m.toml"), "{}", error);
        }
    }

    #[test]
    fn values_by_any_pattern(text in ".{0,30}|[-+.0-9eETZ: /]{0,30}", pattern in "(%[-_0^#:0-9]{0,3}[a-zA-Z%]|[ /.:a-z]){0,6}") {
        fuzzing::values(&text, &pattern);
    }
}

#[tokio::test]
async fn a_bomb_is_read_in_small_pieces() {
    // Megabytes of one line in few bytes of gzip: one record that is too long, and the row behind it.
    let bench = Bench::new();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let write = |packed: &mut flate2::write::GzEncoder<Vec<u8>>, text: &[u8]| {
        use std::io::Write as _;
        packed.write_all(text).expect("packs");
    };
    write(&mut packed, VENUES_HEADER.as_bytes());
    let megabytes = if std::env::var_os("CONCERT_LONG").is_some_and(|value| value == "1") {
        4096
    } else {
        64
    };
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..megabytes {
        write(&mut packed, &megabyte);
    }
    write(&mut packed, b"\nv1,A,Ulm,1,\n");
    let file = bench.file("venues.csv.gz", packed.finish().expect("packs"));
    let report = bench.load(&[file], None).await.expect("loads");
    assert_eq!(report.tables["venues"], counts(2, 1, 0, 1, 0));
    assert_eq!(
        bench
            .rows("SELECT max(length(encode(record, 'hex'))) <= 2097154 FROM raw_records")
            .await,
        ["true"]
    );
}
