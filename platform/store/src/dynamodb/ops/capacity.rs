//! Capacity units and collection metrics: what an operation would be billed, in the shapes that requests ask for.

use crate::dynamodb::{
    engine::Snapshot,
    error::DynamoError,
    key,
    schema::Table,
    value::{Item, item_size_bytes, item_to_json},
};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// Bytes that a unit reads and writes.
const READ_UNIT_BYTES: usize = 4096;
const WRITE_UNIT_BYTES: usize = 1024;
const GIB: f64 = (1u64 << 30) as f64;

/// Units of one table and its indexes.
#[derive(Clone, Debug, Default)]
pub(super) struct Capacity {
    table: f64,
    /// By name; true for a local index.
    indexes: BTreeMap<String, (bool, f64)>,
}

pub(super) fn read_units(bytes: usize, consistent: bool) -> f64 {
    let units = bytes.div_ceil(READ_UNIT_BYTES).max(1) as f64;
    if consistent { units } else { units / 2.0 }
}

impl Capacity {
    pub fn table(units: f64) -> Capacity {
        Capacity {
            table: units,
            indexes: BTreeMap::new(),
        }
    }

    pub fn index(name: &str, local: bool, units: f64) -> Capacity {
        Capacity {
            table: 0.0,
            indexes: BTreeMap::from([(name.to_owned(), (local, units))]),
        }
    }

    /// A write costs the larger of what was and what is, and each index that it touches the same of its own part.
    pub fn write(table: &Table, old: Option<&Item>, new: Option<&Item>) -> Capacity {
        let units = |old: usize, new: usize| old.max(new).div_ceil(WRITE_UNIT_BYTES).max(1) as f64;
        let size = |item: Option<&Item>| item.map_or(0, item_size_bytes);
        let mut out = Capacity::table(units(size(old), size(new)));
        for index in &table.indexes {
            let entry = |item: Option<&Item>| {
                let item = item?;
                table.index_key_bytes(index, item, &[])?;
                Some(table.projected(index, item))
            };
            let (old, new) = (entry(old), entry(new));
            if old != new {
                let units = units(size(old.as_ref()), size(new.as_ref()));
                out.indexes.insert(index.name.clone(), (index.local, units));
            }
        }
        out
    }

    pub fn add(&mut self, other: &Capacity) {
        self.table += other.table;
        for (name, (local, units)) in &other.indexes {
            self.indexes.entry(name.clone()).or_insert((*local, 0.0)).1 += units;
        }
    }

    /// Transactions prepare and commit: twice the units.
    pub fn doubled(mut self) -> Capacity {
        self.table *= 2.0;
        self.indexes.values_mut().for_each(|(_, units)| *units *= 2.0);
        self
    }

    /// `ConsumedCapacity` as the request wants it; none where it wants none.
    pub fn to_json(&self, table_name: &str, wanted: &Option<String>) -> Option<Json> {
        let detailed = match wanted.as_deref() {
            Some("TOTAL") => false,
            Some("INDEXES") => true,
            _ => return None,
        };
        let total = self.table + self.indexes.values().map(|(_, units)| units).sum::<f64>();
        let mut out = json!({ "TableName": table_name, "CapacityUnits": total });
        if detailed {
            out["Table"] = json!({ "CapacityUnits": self.table });
            for (member, wanted) in [("LocalSecondaryIndexes", true), ("GlobalSecondaryIndexes", false)] {
                let of_kind: Map<String, Json> = self
                    .indexes
                    .iter()
                    .filter(|(_, (local, _))| *local == wanted)
                    .map(|(name, (_, units))| (name.clone(), json!({ "CapacityUnits": units })))
                    .collect();
                if !of_kind.is_empty() {
                    out[member] = Json::Object(of_kind);
                }
            }
        }
        Some(out)
    }
}

/// `ItemCollectionMetrics`: only for tables with local indexes, and only where asked.
pub(super) fn collection_metrics(
    snapshot: &Snapshot,
    table: &Table,
    key: &Item,
    wanted: &Option<String>,
) -> Result<Option<Json>, DynamoError> {
    if wanted.as_deref() != Some("SIZE") || !table.has_local_indexes() {
        return Ok(None);
    }
    let Some(partition) = key.get(&table.key.partition) else {
        return Ok(None);
    };
    let bytes = snapshot.collection_bytes(key::partition(table.id, partition))?;
    let low = (bytes as f64 / GIB).floor();
    let name = Item::from([(table.key.partition.clone(), partition.clone())]);
    Ok(Some(json!({
        "ItemCollectionKey": item_to_json(&name),
        "SizeEstimateRangeGB": [low, low + 1.0],
    })))
}
