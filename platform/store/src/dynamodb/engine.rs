//! Items, index entries, expiry entries and counts on disk, and the walks over them.

use super::{
    codec,
    error::DynamoError,
    key,
    schema::{Index, Table},
    value::{Item, item_size_bytes},
};
use crate::{
    StoreError,
    disk::{Bytes, Named, disk, from_json, read_json, to_json},
};
use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};
use std::ops::Bound;

/// Tables by name.
pub(crate) const TABLES: Named = TableDefinition::new("dynamodb.tables");
/// Items by key; see [`key`].
const ITEMS: Bytes = TableDefinition::new("dynamodb.items");
/// The item's own key by its key in an index.
const ENTRIES: Bytes = TableDefinition::new("dynamodb.index");
/// Nothing, by table, second of expiry and the item's key.
const EXPIRY: Bytes = TableDefinition::new("dynamodb.expiry");
/// Items and bytes by the number of a table or an index.
const COUNTS: TableDefinition<u32, (u64, u64)> = TableDefinition::new("dynamodb.counts");
/// Transactions by their client's token: a hash of what was asked and when it is forgotten.
pub(crate) const TOKENS: Bytes = TableDefinition::new("dynamodb.tokens");

/// Makes the tables of the file.
pub(crate) fn prepare(write: &WriteTransaction) -> Result<(), StoreError> {
    write.open_table(TABLES).map_err(disk)?;
    write.open_table(ITEMS).map_err(disk)?;
    write.open_table(ENTRIES).map_err(disk)?;
    write.open_table(EXPIRY).map_err(disk)?;
    write.open_table(COUNTS).map_err(disk)?;
    write.open_table(TOKENS).map_err(disk)?;
    Ok(())
}

/// A half-open range of keys.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub from: Bound<Vec<u8>>,
    pub to: Bound<Vec<u8>>,
}

impl Range {
    /// From a key on, up to and without another.
    pub fn new(from: Vec<u8>, to: Option<Vec<u8>>) -> Range {
        Range {
            from: Bound::Included(from),
            to: to.map_or(Bound::Unbounded, Bound::Excluded),
        }
    }

    /// Everything that begins so.
    pub fn prefix(prefix: Vec<u8>) -> Range {
        let to = key::after_prefix(&prefix);
        Range::new(prefix, to)
    }

    /// What comes after a key, in the direction of the walk.
    pub fn after(mut self, key: Vec<u8>, forward: bool) -> Range {
        if forward {
            self.from = Bound::Excluded(key);
        } else {
            self.to = Bound::Excluded(key);
        }
        self
    }

    /// Whether a key lies inside.
    pub fn contains(&self, key: &[u8]) -> bool {
        let after = match &self.from {
            Bound::Included(from) => from.as_slice() <= key,
            Bound::Excluded(from) => from.as_slice() < key,
            Bound::Unbounded => true,
        };
        let before = match &self.to {
            Bound::Included(to) => key <= to.as_slice(),
            Bound::Excluded(to) => key < to.as_slice(),
            Bound::Unbounded => true,
        };
        after && before
    }

    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (
            self.from.as_ref().map(Vec::as_slice),
            self.to.as_ref().map(Vec::as_slice),
        )
    }

    /// redb wants bounds in order.
    fn is_empty(&self) -> bool {
        match self.bounds() {
            (Bound::Included(from), Bound::Excluded(to))
            | (Bound::Excluded(from), Bound::Excluded(to))
            | (Bound::Excluded(from), Bound::Included(to)) => from >= to,
            (Bound::Included(from), Bound::Included(to)) => from > to,
            _ => false,
        }
    }
}

fn damaged(error: codec::Damaged) -> StoreError {
    StoreError::Damaged(error.to_string())
}

/// One snapshot for reading.
pub(crate) struct Snapshot {
    tables: redb::ReadOnlyTable<&'static str, &'static [u8]>,
    items: redb::ReadOnlyTable<&'static [u8], &'static [u8]>,
    entries: redb::ReadOnlyTable<&'static [u8], &'static [u8]>,
    counts: redb::ReadOnlyTable<u32, (u64, u64)>,
}

impl Snapshot {
    pub fn new(read: &ReadTransaction) -> Result<Snapshot, StoreError> {
        Ok(Snapshot {
            tables: read.open_table(TABLES).map_err(disk)?,
            items: read.open_table(ITEMS).map_err(disk)?,
            entries: read.open_table(ENTRIES).map_err(disk)?,
            counts: read.open_table(COUNTS).map_err(disk)?,
        })
    }

    /// # Errors
    /// `ResourceNotFound` where there is no such table.
    pub fn table(&self, name: &str) -> Result<Table, DynamoError> {
        find_table(&self.tables, name)
    }

    pub fn find_table(&self, name: &str) -> Result<Option<Table>, StoreError> {
        read_json(&self.tables, name)
    }

    /// Names after one, in order, at most so many.
    pub fn table_names(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.tables
            .range::<&str>((from, Bound::Unbounded))
            .map_err(disk)?
            .take(limit)
            .map(|entry| Ok(entry.map_err(disk)?.0.value().to_owned()))
            .collect()
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Item>, StoreError> {
        get(&self.items, key)
    }

    /// Items and bytes of a table or an index.
    pub fn counts(&self, id: u32) -> Result<(u64, u64), StoreError> {
        Ok(self.counts.get(id).map_err(disk)?.map_or((0, 0), |value| value.value()))
    }

    /// Walks items in the order of their keys until `visit` says that it has enough. `visit` gets the key in what is
    /// walked and the whole item.
    pub fn walk(
        &self,
        index: Option<&Index>,
        range: &Range,
        forward: bool,
        mut visit: impl FnMut(&[u8], Item) -> bool,
    ) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let walked = if index.is_some() { &self.entries } else { &self.items };
        let mut entries = walked.range::<&[u8]>(range.bounds()).map_err(disk)?;
        loop {
            let next = if forward { entries.next() } else { entries.next_back() };
            let Some(entry) = next else { return Ok(()) };
            let (at, value) = entry.map_err(disk)?;
            let item = match index {
                None => codec::decode_item(value.value()).map_err(damaged)?,
                Some(_) => get(&self.items, value.value())?
                    .ok_or_else(|| StoreError::Damaged("an index names an item that is not there".to_owned()))?,
            };
            if !visit(at.value(), item) {
                return Ok(());
            }
        }
    }

    /// Bytes of all items that share a partition key.
    pub fn collection_bytes(&self, prefix: Vec<u8>) -> Result<usize, StoreError> {
        let mut bytes = 0;
        self.walk(None, &Range::prefix(prefix), true, |_, item| {
            bytes += item_size_bytes(&item);
            true
        })?;
        Ok(bytes)
    }
}

fn find_table(tables: &impl ReadableTable<&'static str, &'static [u8]>, name: &str) -> Result<Table, DynamoError> {
    read_json(tables, name)?.ok_or_else(|| DynamoError::ResourceNotFound("Requested resource not found".to_owned()))
}

fn get(items: &impl ReadableTable<&'static [u8], &'static [u8]>, key: &[u8]) -> Result<Option<Item>, StoreError> {
    items
        .get(key)
        .map_err(disk)?
        .map(|value| codec::decode_item(value.value()).map_err(damaged))
        .transpose()
}

/// One transaction that writes.
pub(crate) struct Writer<'t> {
    pub tables: redb::Table<'t, &'static str, &'static [u8]>,
    items: redb::Table<'t, &'static [u8], &'static [u8]>,
    entries: redb::Table<'t, &'static [u8], &'static [u8]>,
    expiry: redb::Table<'t, &'static [u8], &'static [u8]>,
    counts: redb::Table<'t, u32, (u64, u64)>,
}

impl<'t> Writer<'t> {
    pub fn new(write: &'t WriteTransaction) -> Result<Writer<'t>, StoreError> {
        Ok(Writer {
            tables: write.open_table(TABLES).map_err(disk)?,
            items: write.open_table(ITEMS).map_err(disk)?,
            entries: write.open_table(ENTRIES).map_err(disk)?,
            expiry: write.open_table(EXPIRY).map_err(disk)?,
            counts: write.open_table(COUNTS).map_err(disk)?,
        })
    }

    /// # Errors
    /// `ResourceNotFound` where there is no such table.
    pub fn table(&self, name: &str) -> Result<Table, DynamoError> {
        find_table(&self.tables, name)
    }

    pub fn put_table(&mut self, table: &Table) -> Result<(), StoreError> {
        self.tables
            .insert(table.name.as_str(), to_json(table)?.as_slice())
            .map_err(disk)?;
        Ok(())
    }

    pub fn all_tables(&self) -> Result<Vec<Table>, StoreError> {
        self.tables
            .range::<&str>(..)
            .map_err(disk)?
            .map(|entry| from_json(entry.map_err(disk)?.1.value()))
            .collect()
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Item>, StoreError> {
        get(&self.items, key)
    }

    /// Puts an item in another's place, in the table, its indexes, its expiry and its counts.
    pub fn replace(
        &mut self,
        table: &Table,
        key: &[u8],
        old: Option<&Item>,
        new: Option<&Item>,
    ) -> Result<(), StoreError> {
        match new {
            Some(item) => {
                self.items
                    .insert(key, codec::encode_item(item).as_slice())
                    .map_err(disk)?;
            }
            None => {
                self.items.remove(key).map_err(disk)?;
            }
        }
        self.count(table.id, old.map(item_size_bytes), new.map(item_size_bytes))?;
        for index in &table.indexes {
            self.replace_entry(table, index, key, old, new)?;
        }
        let expiry = |item: Option<&Item>| item.and_then(|item| table.expiry_seconds(item));
        let (before, after) = (expiry(old), expiry(new));
        if before != after {
            if let Some(seconds) = before {
                self.expiry
                    .remove(expiry_key(table.id, seconds, key).as_slice())
                    .map_err(disk)?;
            }
            if let Some(seconds) = after {
                self.expiry
                    .insert(expiry_key(table.id, seconds, key).as_slice(), [].as_slice())
                    .map_err(disk)?;
            }
        }
        Ok(())
    }

    fn replace_entry(
        &mut self,
        table: &Table,
        index: &Index,
        key: &[u8],
        old: Option<&Item>,
        new: Option<&Item>,
    ) -> Result<(), StoreError> {
        let entry = |item: Option<&Item>| item.and_then(|item| table.index_key_bytes(index, item, key));
        let size = |item: Option<&Item>| item.map(|item| item_size_bytes(&table.projected(index, item)));
        let (before, after) = (entry(old), entry(new));
        if before != after {
            if let Some(entry) = &before {
                self.entries.remove(entry.as_slice()).map_err(disk)?;
            }
            if let Some(entry) = &after {
                self.entries.insert(entry.as_slice(), key).map_err(disk)?;
            }
        }
        self.count(index.id, before.and(size(old)), after.and(size(new)))
    }

    fn count(&mut self, id: u32, old: Option<usize>, new: Option<usize>) -> Result<(), StoreError> {
        if old == new {
            return Ok(());
        }
        let (items, bytes) = self.counts.get(id).map_err(disk)?.map_or((0, 0), |value| value.value());
        let items = (items + u64::from(new.is_some())).saturating_sub(u64::from(old.is_some()));
        let bytes = (bytes + new.unwrap_or(0) as u64).saturating_sub(old.unwrap_or(0) as u64);
        self.counts.insert(id, (items, bytes)).map_err(disk)?;
        Ok(())
    }

    fn all_items(&self, table: &Table) -> Result<Vec<(Vec<u8>, Item)>, StoreError> {
        let range = Range::prefix(key::space(table.id));
        self.items
            .range::<&[u8]>(range.bounds())
            .map_err(disk)?
            .map(|entry| {
                let (key, value) = entry.map_err(disk)?;
                Ok((
                    key.value().to_vec(),
                    codec::decode_item(value.value()).map_err(damaged)?,
                ))
            })
            .collect()
    }

    /// Fills an index that was added to a table with items.
    pub fn fill_index(&mut self, table: &Table, index: &Index) -> Result<(), StoreError> {
        for (key, item) in self.all_items(table)? {
            self.replace_entry(table, index, &key, None, Some(&item))?;
        }
        Ok(())
    }

    pub fn drop_index(&mut self, index: &Index) -> Result<(), StoreError> {
        let range = Range::prefix(key::space(index.id));
        self.entries
            .retain_in::<&[u8], _>(range.bounds(), |_, _| false)
            .map_err(disk)?;
        self.counts.remove(index.id).map_err(disk)?;
        Ok(())
    }

    /// Makes the expiry entries of a table anew, after its attribute changed.
    pub fn fill_expiry(&mut self, table: &Table) -> Result<(), StoreError> {
        let range = Range::prefix(key::space(table.id));
        self.expiry
            .retain_in::<&[u8], _>(range.bounds(), |_, _| false)
            .map_err(disk)?;
        if table.ttl_attribute.is_none() {
            return Ok(());
        }
        for (key, item) in self.all_items(table)? {
            if let Some(seconds) = table.expiry_seconds(&item) {
                self.expiry
                    .insert(expiry_key(table.id, seconds, &key).as_slice(), [].as_slice())
                    .map_err(disk)?;
            }
        }
        Ok(())
    }

    pub fn drop_table(&mut self, table: &Table) -> Result<(), StoreError> {
        for index in &table.indexes {
            self.drop_index(index)?;
        }
        let range = Range::prefix(key::space(table.id));
        self.items
            .retain_in::<&[u8], _>(range.bounds(), |_, _| false)
            .map_err(disk)?;
        self.expiry
            .retain_in::<&[u8], _>(range.bounds(), |_, _| false)
            .map_err(disk)?;
        self.counts.remove(table.id).map_err(disk)?;
        self.tables.remove(table.name.as_str()).map_err(disk)?;
        Ok(())
    }

    /// Keys of items whose time has come, at most so many, of those that ended after `since_seconds`.
    pub fn expired(
        &self,
        table: &Table,
        since_seconds: i64,
        now_seconds: i64,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let bound = |seconds: i64| expiry_key(table.id, seconds.max(0), &[]);
        let range = Range::new(bound(since_seconds), Some(bound(now_seconds)));
        if range.is_empty() {
            return Ok(Vec::new());
        }
        self.expiry
            .range::<&[u8]>(range.bounds())
            .map_err(disk)?
            .take(limit)
            .map(|entry| Ok(entry.map_err(disk)?.0.value()[EXPIRY_PREFIX_BYTES..].to_vec()))
            .collect()
    }
}

/// Whether any item's time has come; cheap, and without a transaction that writes.
pub(crate) fn any_expired(read: &ReadTransaction, since_seconds: i64, now_seconds: i64) -> Result<bool, StoreError> {
    let tables = read.open_table(TABLES).map_err(disk)?;
    let expiry = read.open_table(EXPIRY).map_err(disk)?;
    for entry in tables.range::<&str>(..).map_err(disk)? {
        let table: Table = from_json(entry.map_err(disk)?.1.value())?;
        let bound = |seconds: i64| expiry_key(table.id, seconds.max(0), &[]);
        let range = Range::new(bound(since_seconds), Some(bound(now_seconds)));
        if table.ttl_attribute.is_some()
            && !range.is_empty()
            && expiry.range::<&[u8]>(range.bounds()).map_err(disk)?.next().is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

const EXPIRY_PREFIX_BYTES: usize = 4 + 8;

fn expiry_key(table: u32, seconds: i64, key: &[u8]) -> Vec<u8> {
    let mut out = key::space(table);
    out.extend_from_slice(&seconds.to_be_bytes());
    out.extend_from_slice(key);
    out
}
