//! CSV, JSON, JSON Lines and XML, plain or packed (gzip and zstd are known by their first bytes). The first byte chooses
//! the format, the encoding and the size of the blocks; every record that is seen must be accounted for, and blocks must
//! give what the whole file gives.
#![no_main]

use concert_ingest::fuzzing::{read, read_in_blocks};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    let format = ["csv", "json", "jsonl", "xml"][usize::from(choice & 3)];
    let latin_1 = choice & 4 != 0;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("writes");
    let Ok(whole) = read(file.path(), format, latin_1) else { return };
    assert_eq!(whole.records_in, whole.rows + whole.quarantined);
    let block_bytes = 1 + usize::from(choice >> 3);
    if let Some(blocks) = read_in_blocks(file.path(), format, latin_1, block_bytes).expect("reads as well") {
        assert_eq!(blocks, whole);
    }
});
