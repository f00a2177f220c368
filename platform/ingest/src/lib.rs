//! Brings files into the lake: reads them by a mapping, types every value, puts aside what does not fit, and merges
//! the rest into the layer [`Layer::Clean`]. Publishing is `concert-refine`'s; this crate does not know it.
//!
//! Every record that comes in ends as clean, merged, unchanged or quarantined, per table, and the four add up; a load
//! whose counts do not is not committed. A load has two halves: each file is read into the staging folder ([`read`],
//! [`stage`]), then all of it is settled with the tables that are there ([`settle`]) and committed at once. Both work
//! in batches, so that memory does not grow with the files, and a load that was stopped goes on from what is staged.

mod bind;
mod blocks;
mod collect;
mod columnar;
mod disk;
mod error;
mod files;
#[doc(hidden)]
pub mod fuzzing;
mod infer;
mod input;
mod json;
mod judge;
mod load;
mod lookup;
mod mapping;
mod merge;
mod nested;
mod number;
mod path;
mod plan;
pub mod quarantine;
mod read;
mod records;
pub mod rules;
mod settle;
mod sink;
mod source;
mod stage;
mod tables;
mod value;
mod xml;

pub use blocks::BLOCK_BYTES;
pub use collect::MAX_ORIGINAL_BYTES;
pub use error::{Error, Result};
pub use infer::{Proposal, ProposedColumn, Tried, infer};
pub use judge::{Failure, Judge};
pub use load::{
    Invalid, ValidateReport, Validated, discard_unfinished, ingest, ingest_by, ingest_judged, unfinished, validate,
};
pub use mapping::Mapping;
pub use records::MAX_RECORD_BYTES;
pub use settle::PART_BYTES;
pub use stage::Unfinished;

use concert_contract::money::Currency;
use jiff::civil::Date;
use plan::Pass;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

/// How far a load is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Reading {
        file: String,
        /// Of all files so far, those that an earlier attempt has staged among them.
        records: u64,
        bytes_read: u64,
        /// Of all files, as they are stored.
        bytes: u64,
    },
    Writing {
        table: &'static str,
    },
    /// Something that a person should know and that is no fault: a file that no table reads.
    Note(String),
}

/// Is called while a load runs.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

pub struct IngestOptions {
    /// Files, folders and addresses such as `s3://bucket/prefix`; a folder stands for the files in it.
    pub files: Vec<PathBuf>,
    /// Says what is in the files. Without it, each file is named after a table and has its columns as header.
    pub mapping: Option<PathBuf>,
    /// A concert before this day is completed, unless its source says otherwise.
    pub today: Date,
    /// The currency of amounts whose source names none.
    pub currency: Currency,
    /// How long to wait for another writer.
    pub wait: Duration,
    pub progress: Option<OnProgress>,
}

/// What became of the records, per table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestReport {
    pub run_id: String,
    pub tables: BTreeMap<String, TableCounts>,
    /// The rules that were judged, with how many records broke each: the tables' own, then those of types that were
    /// broken.
    #[serde(default)]
    pub rules: Vec<rules::RuleCount>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCounts {
    /// Records that said something about the table.
    #[serde(rename = "in")]
    pub records_in: u64,
    /// New rows.
    pub clean: u64,
    /// Records that went into a row of the same id, and changed it or came with the load that made it.
    pub merged: u64,
    pub quarantined: u64,
    /// Records that say what is there already.
    pub unchanged: u64,
}

impl TableCounts {
    fn check(&self, table: &'static str) -> Result<()> {
        let accounted = self.clean + self.merged + self.quarantined + self.unchanged;
        if accounted == self.records_in {
            Ok(())
        } else {
            Err(Error::Counts {
                table,
                records_in: self.records_in,
                accounted,
            })
        }
    }
}
