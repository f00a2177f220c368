//! Schemas that have nothing to do with each other, each a folder of files: what is inferred of them, and what
//! questions over them are answered.

use concert_catalogue::{Folder, Inferred, data_state, infer_folder};
use concert_contract::{
    api::DataState,
    catalogue::{Aggregate, Catalogue, CatalogueValue},
    compile::{CompileContext, compile},
    table::{Cell, ColumnType},
};
use concert_planner::{PlanContext, Planner, ValueIndex};
use jiff::civil::{Date, date};
use std::path::PathBuf;

const TODAY: Date = date(2024, 6, 15);

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/schemas").join(name)
}

async fn inferred(name: &str) -> (Folder, Inferred) {
    let folder = Folder::open(&folder(name)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let inferred = infer_folder(&folder, |_| {}).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    (folder, inferred)
}

/// Prints what is inferred of every schema; for those who work on it.
#[tokio::test]
#[ignore = "prints"]
async fn print() {
    for name in std::env::var("SCHEMAS").unwrap_or_default().split(',') {
        println!("{}", inferred(name).await.1.toml);
    }
}
