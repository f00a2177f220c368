//! The whole platform as a user meets it. `cargo xtask test` builds what these tests start and says where it is.

mod browser;
mod conformance;
mod conformance_history;
mod doctor;
mod faults;
mod lake;
mod runtimes;
mod support;
mod upstream;
mod wire;
