//! From what columns look like to what they are: keys, references, dimensions, measures. All of it is pure; what has
//! to be asked of the data first is said by the `candidates` of each part.

mod columns;
mod draft;
mod entries;
pub mod hierarchies;
pub mod keys;
pub mod references;
mod words;

pub use draft::{DimensionEntry, Draft, JoinEntry, MetricEntry, SourceEntry, TableEntry, draft};

use crate::{names, thesaurus::thesaurus};

/// What a row of a table is, in the singular, as words: `order item` of order_items, `customer` of dim_customers.
pub fn noun_of(table: &str) -> Vec<String> {
    let mut words = thesaurus().words(table);
    while words.len() > 1
        && words.first().is_some_and(|word| {
            matches!(
                word.as_str(),
                "tbl" | "dim" | "fact" | "fct" | "stg" | "raw" | "src" | "t" | "vw" | "v"
            )
        })
    {
        words.remove(0);
    }
    while words.len() > 1
        && words.last().is_some_and(|word| {
            matches!(
                word.as_str(),
                "table" | "tbl" | "data" | "list" | "info" | "dim" | "fact" | "master"
            )
        })
    {
        words.pop();
    }
    // A version or a year: venues_v2, sales_2023.
    let is_version = |word: &String| {
        let digits = word.strip_prefix('v').unwrap_or(word);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    };
    while words.len() > 1 && words.last().is_some_and(is_version) {
        words.pop();
    }
    if let Some(last) = words.last_mut() {
        *last = names::singular(last);
    }
    words
}
