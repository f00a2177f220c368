//! Empty: see `Cargo.toml`, which is all that this crate is for.
