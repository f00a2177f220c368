//! One module for each subcommand.

pub mod ask;
pub mod aws;
pub mod generate;
pub mod ingest;
pub mod sql;
pub mod up;

use anyhow::{Context, Result};
use concert_contract::{
    catalogue::Catalogue,
    compile::{CONCERT_DW, CompileError},
};
use jiff::civil::Date;
use std::path::Path;
