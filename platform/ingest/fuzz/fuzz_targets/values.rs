//! Numbers, money, days, instants and paths, by any date pattern.
#![no_main]

use concert_ingest::fuzzing::values;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (String, String)| {
    let (text, pattern) = input;
    values(&text, &pattern);
});
