//! Parquet, from its footer to its pages.
#![no_main]

use concert_ingest::fuzzing::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), data).expect("writes");
    if let Ok(whole) = read(file.path(), "parquet", false) {
        assert_eq!(whole.records_in, whole.rows + whole.quarantined);
    }
});
