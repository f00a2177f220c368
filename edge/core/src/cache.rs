//! Finished pages of queries. A page is known by its query, the catalogue and the data that it was made of, the day that
//! relative periods count from, the viewer's role and its place in the result; so a page is right as long as it is kept.

use crate::{
    flight::Key,
    limits::{CACHE_MAX_BYTES, CACHE_MAX_ENTRIES},
};
use concert_contract::table::Table;
use std::{collections::HashMap, sync::Arc};

/// One page of a result, for whoever may see it.
#[derive(Debug, PartialEq)]
pub struct Page {
    pub table: Table,
    pub notes: Vec<String>,
    pub sql: String,
}

#[derive(Debug, Default)]
pub struct Cache {
    pages: HashMap<Key, Entry>,
    bytes: usize,
    /// Counts uses, by which the one that was not used for longest is found.
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    page: Arc<Page>,
    bytes: usize,
    used: u64,
}

impl Cache {
    pub fn get(&mut self, key: &Key) -> Option<Arc<Page>> {
        self.uses += 1;
        let entry = self.pages.get_mut(key)?;
        entry.used = self.uses;
        Some(entry.page.clone())
    }

    pub fn insert(&mut self, key: Key, page: Arc<Page>) {
        let bytes = size(&page);
        // A page that would push out everything else is not worth it.
        if bytes > CACHE_MAX_BYTES / 8 {
            return;
        }
        self.uses += 1;
        let entry = Entry {
            page,
            bytes,
            used: self.uses,
        };
        if let Some(before) = self.pages.insert(key, entry) {
            self.bytes -= before.bytes;
        }
        self.bytes += bytes;
        while self.bytes > CACHE_MAX_BYTES || self.pages.len() > CACHE_MAX_ENTRIES {
            let oldest = self
                .pages
                .iter()
                .min_by_key(|(_, entry)| entry.used)
                .map(|(key, _)| *key);
            match oldest.and_then(|key| self.pages.remove(&key)) {
                Some(entry) => self.bytes -= entry.bytes,
                None => return,
            }
        }
    }
}

/// About what a page holds in memory: its JSON, and the cells' own size.
fn size(page: &Page) -> usize {
    const CELL_BYTES: usize = 32;
    let json = serde_json::to_string(&page.table).map_or(0, |json| json.len());
    let cells = page.table.rows.len() * page.table.columns.len() * CELL_BYTES;
    json + cells + page.sql.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Arc<Page> {
        Arc::new(Page {
            table: Table::default(),
            notes: Vec::new(),
            sql: text.into(),
        })
    }

    fn key(number: usize) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        key
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let mut cache = Cache::default();
        for at in 0..CACHE_MAX_ENTRIES {
            cache.insert(key(at), page("x"));
        }
        assert!(cache.get(&key(0)).is_some());
        cache.insert(key(CACHE_MAX_ENTRIES), page("x"));
        assert!(cache.get(&key(0)).is_some() && cache.get(&key(1)).is_none());
        assert_eq!(cache.pages.len(), CACHE_MAX_ENTRIES);
    }

    #[test]
    fn bytes_are_bounded_and_counted_once() {
        let mut cache = Cache::default();
        let large = "x".repeat(CACHE_MAX_BYTES / 10);
        for at in 0..30 {
            cache.insert(key(at % 15), page(&large));
        }
        assert!(cache.bytes <= CACHE_MAX_BYTES);
        assert_eq!(
            cache.bytes,
            cache.pages.values().map(|entry| entry.bytes).sum::<usize>()
        );
        cache.insert(key(99), page(&"x".repeat(CACHE_MAX_BYTES)));
        assert!(cache.get(&key(99)).is_none());
    }
}
