//! Signing and framing against vectors that others made. AWS's own suites are read from beside the repository where
//! they are (skipped with a line where not); the vectors under `tests/data` are always there and are compiled in, so
//! that they hold on wasm as well.

mod eventstream;
mod paths;
mod suite;
mod vectors;
