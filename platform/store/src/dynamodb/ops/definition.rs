//! What CreateTable and UpdateTable say of keys, indexes and throughput, and the rules that it is held to.

use crate::dynamodb::{
    error::{DynamoError, invalid, invalid_parameter},
    request::Constraints,
    schema::{Index, IndexProjection, KeySchema, KeyType, Table, Throughput},
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const GLOBAL_INDEXES_MAX: usize = 20;
const LOCAL_INDEXES_MAX: usize = 5;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AttributeDefinition {
    pub attribute_name: String,
    pub attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct KeyElement {
    pub attribute_name: String,
    pub key_type: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ThroughputRequest {
    pub read_capacity_units: i64,
    pub write_capacity_units: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct IndexRequest {
    pub index_name: Option<String>,
    pub key_schema: Option<Vec<KeyElement>>,
    pub projection: Option<ProjectionRequest>,
    pub provisioned_throughput: Option<ThroughputRequest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ProjectionRequest {
    pub projection_type: Option<String>,
    pub non_key_attributes: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct IndexUpdate {
    pub create: Option<IndexRequest>,
    pub update: Option<IndexRequest>,
    pub delete: Option<IndexRequest>,
}

pub(super) fn attributes(definitions: Vec<AttributeDefinition>) -> Result<BTreeMap<String, KeyType>, DynamoError> {
    let mut out = BTreeMap::new();
    for definition in definitions {
        let kind = match definition.attribute_type.as_str() {
            "S" => KeyType::S,
            "N" => KeyType::N,
            "B" => KeyType::B,
            other => {
                return Err(invalid(format!(
                    "1 validation error detected: Value '{other}' at 'attributeDefinitions.1.member.attributeType' \
                     failed to satisfy constraint: Member must satisfy enum value set: [B, N, S]"
                )));
            }
        };
        if out.insert(definition.attribute_name.clone(), kind).is_some() {
            return Err(invalid_parameter(format_args!(
                "Duplicate AttributeDefinition: {}",
                definition.attribute_name
            )));
        }
    }
    Ok(out)
}

pub(super) fn key_schema(elements: &[KeyElement]) -> Result<KeySchema, DynamoError> {
    match elements {
        [] => Err(invalid(
            "1 validation error detected: Value '[]' at 'keySchema' failed to satisfy constraint: Member must have \
             length greater than or equal to 1",
        )),
        [hash, ..] if hash.key_type != "HASH" => Err(invalid(
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        )),
        [_, range, ..] if range.key_type != "RANGE" => Err(invalid(
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        )),
        [hash, range] if hash.attribute_name == range.attribute_name => Err(invalid(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        )),
        [hash] => Ok(KeySchema {
            partition: hash.attribute_name.clone(),
            sort: None,
        }),
        [hash, range] => Ok(KeySchema {
            partition: hash.attribute_name.clone(),
            sort: Some(range.attribute_name.clone()),
        }),
        _ => Err(invalid(
            "1 validation error detected: Value at 'keySchema' failed to satisfy constraint: Member must have length \
             less than or equal to 2",
        )),
    }
}

pub(super) fn throughput(
    on_demand: bool,
    wanted: Option<ThroughputRequest>,
    of: &str,
) -> Result<Throughput, DynamoError> {
    match (on_demand, wanted) {
        (true, Some(wanted)) if wanted.read_capacity_units != 0 || wanted.write_capacity_units != 0 => {
            Err(invalid_parameter(format_args!(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST{of}"
            )))
        }
        (true, _) => Ok(Throughput::default()),
        (false, None) => Err(invalid_parameter(format_args!(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED{of}"
        ))),
        (false, Some(wanted)) => {
            let mut constraints = Constraints::default();
            constraints.at_least(
                "provisionedThroughput.readCapacityUnits",
                Some(wanted.read_capacity_units),
                1,
            );
            constraints.at_least(
                "provisionedThroughput.writeCapacityUnits",
                Some(wanted.write_capacity_units),
                1,
            );
            constraints.finish()?;
            Ok(Throughput {
                read: wanted.read_capacity_units.unsigned_abs(),
                write: wanted.write_capacity_units.unsigned_abs(),
            })
        }
    }
}

impl IndexRequest {
    pub fn index(self, id: u32, table_key: &KeySchema, local: bool, on_demand: bool) -> Result<Index, DynamoError> {
        let mut constraints = Constraints::default();
        constraints.required("indexName", &self.index_name);
        constraints.name("indexName", &self.index_name);
        constraints.required("keySchema", &self.key_schema);
        constraints.required("projection", &self.projection);
        constraints.finish()?;
        let name = self.index_name.unwrap_or_default();
        let key = key_schema(&self.key_schema.unwrap_or_default())?;
        if local && key.partition != table_key.partition {
            return Err(invalid_parameter(format_args!(
                "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. index \
                 hash key: {}, table hash key: {}",
                key.partition, table_key.partition
            )));
        }
        if local && key.sort.is_none() {
            return Err(invalid_parameter(format_args!(
                "Index KeySchema does not have a range key for index: {name}"
            )));
        }
        let wanted = self.projection.unwrap_or(ProjectionRequest {
            projection_type: None,
            non_key_attributes: None,
        });
        let projection = match (wanted.projection_type.as_deref(), wanted.non_key_attributes) {
            (Some("ALL"), None) => IndexProjection::All,
            (Some("KEYS_ONLY"), None) => IndexProjection::KeysOnly,
            (Some("INCLUDE"), Some(names)) if !names.is_empty() => IndexProjection::Include(names),
            (Some("INCLUDE"), _) => {
                return Err(invalid_parameter(
                    "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
                ));
            }
            (Some(kind @ ("ALL" | "KEYS_ONLY")), Some(_)) => {
                return Err(invalid_parameter(format_args!(
                    "ProjectionType is {kind}, but NonKeyAttributes is specified"
                )));
            }
            (None, _) => return Err(invalid_parameter("Unknown ProjectionType: null")),
            (Some(other), _) => {
                return Err(invalid(format!(
                    "1 validation error detected: Value '{other}' at 'projection.projectionType' failed to satisfy \
                     constraint: Member must satisfy enum value set: [ALL, INCLUDE, KEYS_ONLY]"
                )));
            }
        };
        let throughput = if local {
            Throughput::default()
        } else {
            throughput(on_demand, self.provisioned_throughput, &format!(" for index: {name}"))?
        };
        Ok(Index {
            id,
            name,
            key,
            projection,
            local,
            throughput,
        })
    }
}

/// Every key attribute is defined, and nothing else.
pub(super) fn check_attributes(table: &Table) -> Result<(), DynamoError> {
    let used: BTreeSet<&str> = table
        .key
        .names()
        .chain(table.indexes.iter().flat_map(|index| index.key.names()))
        .collect();
    let defined: Vec<&str> = table.attributes.keys().map(String::as_str).collect();
    if let Some(missing) = used.iter().find(|name| !table.attributes.contains_key(**name)) {
        let kind = if table.key.contains(missing) { "" } else { "index " };
        return Err(invalid_parameter(format_args!(
            "Some {kind}key attributes are not defined in AttributeDefinitions. Keys: [{missing}], \
             AttributeDefinitions: [{}]",
            defined.join(", ")
        )));
    }
    if defined.len() != used.len() {
        if table.indexes.is_empty() {
            return Err(invalid_parameter(
                "Number of attributes in KeySchema does not exactly match number of attributes defined in \
                 AttributeDefinitions",
            ));
        }
        return Err(invalid_parameter(format_args!(
            "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
            defined.join(", "),
            used.into_iter().collect::<Vec<_>>().join(", ")
        )));
    }
    let mut names = BTreeSet::new();
    if let Some(index) = table.indexes.iter().find(|index| !names.insert(&index.name)) {
        return Err(invalid_parameter(format_args!("Duplicate index name: {}", index.name)));
    }
    Ok(())
}

pub(super) fn check_counts(table: &Table) -> Result<(), DynamoError> {
    let local = table.indexes.iter().filter(|index| index.local).count();
    if local > LOCAL_INDEXES_MAX {
        return Err(invalid_parameter(
            "Number of LocalSecondaryIndexes exceeds per-table limit of 5",
        ));
    }
    if table.indexes.len() - local > GLOBAL_INDEXES_MAX {
        return Err(invalid_parameter(
            "Number of GlobalSecondaryIndexes exceeds per-table limit of 20",
        ));
    }
    if local > 0 && table.key.sort.is_none() {
        return Err(invalid_parameter(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ));
    }
    Ok(())
}
