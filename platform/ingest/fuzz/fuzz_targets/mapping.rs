//! Mapping files.
#![no_main]

use concert_ingest::Mapping;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: String| {
    if let Err(error) = Mapping::parse(Path::new("m.toml"), text) {
        assert!(error.to_string().starts_with("m.toml"));
    }
});
