//! Tables and indexes: what is kept of them, and the rules that CreateTable and UpdateTable hold them to.

use super::{
    error::{DynamoError, invalid, invalid_parameter},
    value::{Item, Value},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The type of a key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyType {
    S,
    N,
    B,
}

impl KeyType {
    pub fn name(self) -> &'static str {
        match self {
            KeyType::S => "S",
            KeyType::N => "N",
            KeyType::B => "B",
        }
    }
}

/// A partition key and perhaps a sort key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeySchema {
    pub partition: String,
    pub sort: Option<String>,
}

impl KeySchema {
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.partition.as_str()).chain(self.sort.as_deref())
    }

    pub fn contains(&self, name: &str) -> bool {
        self.names().any(|key| key == name)
    }
}

/// Which attributes an index holds beside the keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IndexProjection {
    All,
    KeysOnly,
    Include(Vec<String>),
}

/// Units a second; zero means on demand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Throughput {
    pub read: u64,
    pub write: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    /// Its number in the keys on disk.
    pub id: u32,
    pub name: String,
    pub key: KeySchema,
    pub projection: IndexProjection,
    /// Local indexes share the table's partition key and may read the table's other attributes.
    pub local: bool,
    pub throughput: Throughput,
}

/// A table as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// Its number in the keys on disk.
    pub id: u32,
    pub uuid: String,
    pub name: String,
    pub created_ms: i64,
    pub attributes: BTreeMap<String, KeyType>,
    pub key: KeySchema,
    pub indexes: Vec<Index>,
    pub on_demand: bool,
    pub throughput: Throughput,
    /// The attribute that holds the time to live, in seconds since 1970.
    pub ttl_attribute: Option<String>,
    pub deletion_protection: bool,
    pub class: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// Bytes of a partition key and of a sort key.
pub(crate) const PARTITION_KEY_MAX_BYTES: usize = 2048;
pub(crate) const SORT_KEY_MAX_BYTES: usize = 1024;

impl Table {
    pub fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// Whether items that share a partition key form a collection with a size of its own.
    pub fn has_local_indexes(&self) -> bool {
        self.indexes.iter().any(|index| index.local)
    }

    /// The item's key attributes alone.
    pub fn key_of(&self, item: &Item) -> Item {
        self.key
            .names()
            .filter_map(|name| Some((name.to_owned(), item.get(name)?.clone())))
            .collect()
    }

    /// The key of a whole item.
    ///
    /// # Errors
    /// Where a key attribute is missing, of another type, empty or too long; and where an attribute has another type
    /// than an index's key wants.
    pub fn check_item(&self, item: &Item) -> Result<Vec<u8>, DynamoError> {
        for name in self.key.names() {
            let value = item
                .get(name)
                .ok_or_else(|| invalid_parameter(format_args!("Missing the key {name} in the item")))?;
            let wanted = self.attributes.get(name).copied().unwrap_or(KeyType::S);
            if value.type_name() != wanted.name() {
                return Err(invalid_parameter(format_args!(
                    "Type mismatch for key {name} expected: {} actual: {}",
                    wanted.name(),
                    value.type_name()
                )));
            }
        }
        self.check_key_values(item)?;
        for index in &self.indexes {
            for name in index.key.names() {
                let Some(value) = item.get(name) else { continue };
                let wanted = self.attributes.get(name).copied().unwrap_or(KeyType::S);
                if value.type_name() != wanted.name() {
                    return Err(invalid_parameter(format_args!(
                        "Type mismatch for Index Key {name} Expected: {} Actual: {} IndexName: {}",
                        wanted.name(),
                        value.type_name(),
                        index.name
                    )));
                }
                let (kind, length) = match value {
                    Value::S(text) => ("string", text.len()),
                    Value::B(bytes) => ("binary", bytes.len()),
                    _ => continue,
                };
                let most = if index.key.partition == name {
                    PARTITION_KEY_MAX_BYTES
                } else {
                    SORT_KEY_MAX_BYTES
                };
                if length > most {
                    return Err(invalid_parameter(format_args!(
                        "Size of the key attribute {name} has exceeded the maximum size limit of {most} bytes. \
                         IndexName: {}",
                        index.name
                    )));
                }
                if length > 0 {
                    continue;
                }
                return Err(invalid(format!(
                    "One or more parameter values are not valid. A value specified for a secondary index key is not \
                     supported. The AttributeValue for a key attribute cannot contain an empty {kind} value. \
                     IndexName: {}, IndexKey: {name}",
                    index.name
                )));
            }
        }
        Ok(self.key_bytes(item))
    }

    /// The key of a request that names an item by its key attributes alone.
    ///
    /// # Errors
    /// Where they are not exactly the key attributes, or as [`Table::check_item`].
    pub fn check_key(&self, key: &Item) -> Result<Vec<u8>, DynamoError> {
        let fits = key.len() == self.key.names().count()
            && self.key.names().all(|name| {
                key.get(name).is_some_and(|value| {
                    self.attributes.get(name).map(|wanted| wanted.name()) == Some(value.type_name())
                })
            });
        if !fits {
            return Err(invalid("The provided key element does not match the schema"));
        }
        self.check_key_values(key)?;
        Ok(self.key_bytes(key))
    }

    fn check_key_values(&self, item: &Item) -> Result<(), DynamoError> {
        for (name, (max_bytes, kind)) in self.key.names().zip([
            (PARTITION_KEY_MAX_BYTES, "hashkey"),
            (SORT_KEY_MAX_BYTES, "aggregated range key"),
        ]) {
            let (length, type_name) = match item.get(name) {
                Some(Value::S(text)) => (text.len(), "string"),
                Some(Value::B(bytes)) => (bytes.len(), "binary"),
                _ => continue,
            };
            if length == 0 {
                return Err(invalid(format!(
                    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot \
                     contain an empty {type_name} value. Key: {name}"
                )));
            }
            if length > max_bytes {
                return Err(invalid_parameter(if kind == "hashkey" {
                    format!("Size of hashkey has exceeded the maximum size limit of{max_bytes} bytes")
                } else {
                    format!("Aggregated size of all range keys has exceeded the size limit of {max_bytes} bytes")
                }));
            }
        }
        Ok(())
    }

    /// The stored key of an item that has its key attributes.
    pub fn key_bytes(&self, item: &Item) -> Vec<u8> {
        let empty = Value::Null;
        super::key::item(
            self.id,
            item.get(&self.key.partition).unwrap_or(&empty),
            self.key.sort.as_ref().and_then(|name| item.get(name)),
        )
    }

    /// The stored key of an item in an index; none where the item lacks one of the index's keys.
    pub fn index_key_bytes(&self, index: &Index, item: &Item, primary: &[u8]) -> Option<Vec<u8>> {
        let value = |name: &str| {
            let value = item.get(name)?;
            let wanted = self.attributes.get(name)?;
            (value.type_name() == wanted.name()).then_some(value)
        };
        let partition = value(&index.key.partition)?;
        let sort = match &index.key.sort {
            Some(name) => Some(value(name)?),
            None => None,
        };
        Some(super::key::index(index.id, partition, sort, primary))
    }

    /// What of an item an index holds.
    pub fn projected(&self, index: &Index, item: &Item) -> Item {
        match &index.projection {
            IndexProjection::All => item.clone(),
            IndexProjection::KeysOnly => self.only(index, item, &[]),
            IndexProjection::Include(names) => self.only(index, item, names),
        }
    }

    fn only(&self, index: &Index, item: &Item, names: &[String]) -> Item {
        self.key
            .names()
            .chain(index.key.names())
            .chain(names.iter().map(String::as_str))
            .filter_map(|name| Some((name.to_owned(), item.get(name)?.clone())))
            .collect()
    }

    /// Whether an index holds an attribute.
    pub fn index_holds(&self, index: &Index, name: &str) -> bool {
        match &index.projection {
            IndexProjection::All => true,
            IndexProjection::KeysOnly => self.key.contains(name) || index.key.contains(name),
            IndexProjection::Include(names) => {
                self.key.contains(name) || index.key.contains(name) || names.iter().any(|other| other == name)
            }
        }
    }

    /// The second when the item ends, where it says one that counts: DynamoDB leaves what ended five years ago.
    pub fn expiry_seconds(&self, item: &Item) -> Option<i64> {
        match item.get(self.ttl_attribute.as_ref()?)? {
            Value::N(number) => number.to_i64().filter(|seconds| *seconds > 0),
            _ => None,
        }
    }
}
