//! CreateTable, DescribeTable, ListTables, UpdateTable and DeleteTable. Changes are done when the answer is given; the
//! answer still says CREATING, UPDATING or DELETING, as clients expect, and the next DescribeTable says ACTIVE.

use super::{
    definition::{
        AttributeDefinition, IndexRequest, IndexUpdate, KeyElement, ThroughputRequest, attributes, check_attributes,
        check_counts, key_schema, throughput,
    },
    settings::{Tag, add_tags, named_table, not_found},
};
use crate::{
    disk::{disk, next_number},
    dynamodb::{
        Dynamo,
        engine::{Snapshot, Writer},
        error::{DynamoError, invalid, invalid_parameter},
        request::{Constraints, read, table_name},
        schema::{IndexProjection, KeySchema, Table, Throughput},
    },
};
use redb::WriteTransaction;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableRequest {
    table_name: Option<String>,
    attribute_definitions: Option<Vec<AttributeDefinition>>,
    key_schema: Option<Vec<KeyElement>>,
    billing_mode: Option<String>,
    provisioned_throughput: Option<ThroughputRequest>,
    global_secondary_indexes: Option<Vec<IndexRequest>>,
    local_secondary_indexes: Option<Vec<IndexRequest>>,
    global_secondary_index_updates: Option<Vec<IndexUpdate>>,
    deletion_protection_enabled: Option<bool>,
    table_class: Option<String>,
    stream_specification: Option<Json>,
    replica_updates: Option<Json>,
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRequest {
    exclusive_start_table_name: Option<String>,
    limit: Option<i64>,
}

fn next_id(write: &WriteTransaction) -> Result<u32, DynamoError> {
    let number = next_number(write, "dynamodb.space")?;
    u32::try_from(number).map_err(|_| DynamoError::LimitExceeded("The store has had too many tables.".to_owned()))
}

fn refuse_unserved(request: &TableRequest) -> Result<(), DynamoError> {
    let streams = request
        .stream_specification
        .as_ref()
        .is_some_and(|wanted| wanted["StreamEnabled"] == json!(true));
    if streams {
        return Err(invalid("Streams are not served here. Leave StreamSpecification out."));
    }
    if request.replica_updates.is_some() {
        return Err(invalid("Global tables are not served here. Leave ReplicaUpdates out."));
    }
    Ok(())
}

impl Dynamo {
    pub(super) fn arn(&self, table: &str) -> String {
        format!(
            "arn:aws:dynamodb:{}:{}:table/{table}",
            self.place.region, self.place.account
        )
    }

    pub(in crate::dynamodb) fn create_table(&self, request: &Json) -> Result<Json, DynamoError> {
        let request: TableRequest = read(request)?;
        refuse_unserved(&request)?;
        let mut constraints = Constraints::default();
        constraints.required("tableName", &request.table_name);
        constraints.name("tableName", &request.table_name);
        constraints.required("attributeDefinitions", &request.attribute_definitions);
        constraints.required("keySchema", &request.key_schema);
        constraints.one_of(
            "billingMode",
            &request.billing_mode,
            &["PROVISIONED", "PAY_PER_REQUEST"],
        );
        constraints.finish()?;
        let on_demand = request.billing_mode.as_deref() == Some("PAY_PER_REQUEST");
        let write = self.store.write()?;
        let mut table = Table {
            id: next_id(&write)?,
            uuid: Uuid::new_v4().to_string(),
            name: request.table_name.unwrap_or_default(),
            created_ms: self.store.clock().now_ms(),
            attributes: attributes(request.attribute_definitions.unwrap_or_default())?,
            key: key_schema(&request.key_schema.unwrap_or_default())?,
            indexes: Vec::new(),
            on_demand,
            throughput: throughput(on_demand, request.provisioned_throughput, "")?,
            ttl_attribute: None,
            deletion_protection: request.deletion_protection_enabled == Some(true),
            class: request.table_class,
            tags: BTreeMap::new(),
        };
        for (requests, local) in [
            (request.local_secondary_indexes, true),
            (request.global_secondary_indexes, false),
        ] {
            if requests.as_ref().is_some_and(Vec::is_empty) {
                let kind = if local { "Local" } else { "Global" };
                return Err(invalid_parameter(format_args!(
                    "List of {kind}SecondaryIndexes is empty"
                )));
            }
            for request in requests.into_iter().flatten() {
                let index = request.index(next_id(&write)?, &table.key, local, on_demand)?;
                table.indexes.push(index);
            }
        }
        check_attributes(&table)?;
        check_counts(&table)?;
        add_tags(&mut table, request.tags.unwrap_or_default())?;
        {
            let mut writer = Writer::new(&write)?;
            if writer.table(&table.name).is_ok() {
                return Err(DynamoError::ResourceInUse(format!(
                    "Table already exists: {}",
                    table.name
                )));
            }
            writer.put_table(&table)?;
        }
        write.commit().map_err(disk)?;
        Ok(json!({ "TableDescription": self.description(&table, "CREATING", &|_| (0, 0), None) }))
    }

    pub(in crate::dynamodb) fn describe_table(&self, request: &Json) -> Result<Json, DynamoError> {
        let request: TableRequest = read(request)?;
        let mut constraints = Constraints::default();
        constraints.table(&request.table_name);
        constraints.finish()?;
        let name = table_name(request.table_name.as_deref().unwrap_or_default());
        Ok(json!({ "Table": self.describe(name, "ACTIVE", None)? }))
    }

    fn describe(&self, name: &str, status: &str, changed: Option<(&str, &str)>) -> Result<Json, DynamoError> {
        let snapshot = Snapshot::new(&self.store.read()?)?;
        let table = named_table(snapshot.find_table(name)?, name)?;
        let mut counts = BTreeMap::new();
        for id in std::iter::once(table.id).chain(table.indexes.iter().map(|index| index.id)) {
            counts.insert(id, snapshot.counts(id)?);
        }
        let count = |id: u32| counts.get(&id).copied().unwrap_or_default();
        Ok(self.description(&table, status, &count, changed))
    }

    pub(in crate::dynamodb) fn list_tables(&self, request: &Json) -> Result<Json, DynamoError> {
        let request: ListRequest = read(request)?;
        let mut constraints = Constraints::default();
        constraints.at_least("limit", request.limit, 1);
        constraints.at_most("limit", request.limit, 100);
        constraints.name("exclusiveStartTableName", &request.exclusive_start_table_name);
        constraints.finish()?;
        let limit = usize::try_from(request.limit.unwrap_or(100)).unwrap_or(100);
        let snapshot = Snapshot::new(&self.store.read()?)?;
        let mut names = snapshot.table_names(request.exclusive_start_table_name.as_deref(), limit + 1)?;
        let more = names.len() > limit;
        names.truncate(limit);
        let mut answer = json!({ "TableNames": names });
        if more && let Some(last) = names.last() {
            answer["LastEvaluatedTableName"] = json!(last);
        }
        Ok(answer)
    }

    pub(in crate::dynamodb) fn delete_table(&self, request: &Json) -> Result<Json, DynamoError> {
        let request: TableRequest = read(request)?;
        let mut constraints = Constraints::default();
        constraints.table(&request.table_name);
        constraints.finish()?;
        let name = table_name(request.table_name.as_deref().unwrap_or_default());
        let write = self.store.write()?;
        let table = {
            let mut writer = Writer::new(&write)?;
            let table = writer.table(name).map_err(|error| not_found(error, name))?;
            if table.deletion_protection {
                return Err(invalid(format!(
                    "Resource cannot be deleted as it is currently protected against deletion. Disable deletion \
                     protection first. Table: {name}"
                )));
            }
            writer.drop_table(&table)?;
            table
        };
        write.commit().map_err(disk)?;
        let mut description = json!({
            "TableName": table.name,
            "TableStatus": "DELETING",
            "TableArn": self.arn(&table.name),
            "TableId": table.uuid,
            "ItemCount": 0,
            "TableSizeBytes": 0,
            "ProvisionedThroughput": throughput_json(table.throughput),
            "DeletionProtectionEnabled": false,
        });
        if table.on_demand {
            description["BillingModeSummary"] = json!({ "BillingMode": "PAY_PER_REQUEST" });
        }
        Ok(json!({ "TableDescription": description }))
    }

    pub(in crate::dynamodb) fn update_table(&self, request: &Json) -> Result<Json, DynamoError> {
        let request: TableRequest = read(request)?;
        refuse_unserved(&request)?;
        let mut constraints = Constraints::default();
        constraints.table(&request.table_name);
        constraints.one_of(
            "billingMode",
            &request.billing_mode,
            &["PROVISIONED", "PAY_PER_REQUEST"],
        );
        constraints.finish()?;
        let updates = request.global_secondary_index_updates.unwrap_or_default();
        let nothing = request.billing_mode.is_none()
            && request.provisioned_throughput.is_none()
            && request.deletion_protection_enabled.is_none()
            && request.table_class.is_none()
            && request.stream_specification.is_none()
            && updates.is_empty();
        if nothing {
            return Err(invalid(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, \
                 GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required",
            ));
        }
        let online = updates
            .iter()
            .filter(|update| update.create.is_some() || update.delete.is_some());
        if online.count() > 1 {
            return Err(DynamoError::LimitExceeded(
                "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
                    .to_owned(),
            ));
        }
        let name = table_name(request.table_name.as_deref().unwrap_or_default()).to_owned();
        let write = self.store.write()?;
        let mut changed = None;
        let created = match updates.iter().any(|update| update.create.is_some()) {
            true => Some(next_id(&write)?),
            false => None,
        };
        {
            let mut writer = Writer::new(&write)?;
            let mut table = writer.table(&name).map_err(|error| not_found(error, &name))?;
            if let Some(mode) = &request.billing_mode {
                table.on_demand = mode == "PAY_PER_REQUEST";
                if table.on_demand {
                    table.throughput = Throughput::default();
                    table
                        .indexes
                        .iter_mut()
                        .for_each(|index| index.throughput = Throughput::default());
                }
            }
            if request.provisioned_throughput.is_some() || (request.billing_mode.is_some() && !table.on_demand) {
                table.throughput = throughput(table.on_demand, request.provisioned_throughput, "")?;
            }
            if let Some(protected) = request.deletion_protection_enabled {
                table.deletion_protection = protected;
            }
            if let Some(class) = request.table_class {
                table.class = Some(class);
            }
            if let Some(definitions) = request.attribute_definitions {
                table.attributes.extend(attributes(definitions)?);
            }
            for update in updates {
                if let Some(wanted) = update.create {
                    let index = wanted.index(created.unwrap_or_default(), &table.key, false, table.on_demand)?;
                    if table.index(&index.name).is_some() {
                        return Err(invalid(format!(
                            "Attempting to create an index which already exists: {}",
                            index.name
                        )));
                    }
                    changed = Some((index.name.clone(), "CREATING"));
                    table.indexes.push(index.clone());
                    check_attributes(&table)?;
                    check_counts(&table)?;
                    writer.fill_index(&table, &index)?;
                } else if let Some(wanted) = update.delete {
                    let index_name = wanted.index_name.unwrap_or_default();
                    let at = table
                        .indexes
                        .iter()
                        .position(|index| index.name == index_name && !index.local);
                    let index = at
                        .map(|at| table.indexes.remove(at))
                        .ok_or_else(|| missing_index(&index_name))?;
                    writer.drop_index(&index)?;
                } else if let Some(wanted) = update.update {
                    let index_name = wanted.index_name.unwrap_or_default();
                    let on_demand = table.on_demand;
                    let index = table
                        .indexes
                        .iter_mut()
                        .find(|index| index.name == index_name && !index.local)
                        .ok_or_else(|| missing_index(&index_name))?;
                    index.throughput = throughput(
                        on_demand,
                        wanted.provisioned_throughput,
                        &format!(" for index: {index_name}"),
                    )?;
                    changed = Some((index_name, "UPDATING"));
                }
            }
            // What no key names any more is forgotten.
            let used: BTreeSet<String> = table
                .key
                .names()
                .chain(table.indexes.iter().flat_map(|index| index.key.names()))
                .map(str::to_owned)
                .collect();
            table.attributes.retain(|name, _| used.contains(name));
            writer.put_table(&table)?;
        }
        write.commit().map_err(disk)?;
        let changed = changed.as_ref().map(|(name, status)| (name.as_str(), *status));
        Ok(json!({ "TableDescription": self.describe(&name, "UPDATING", changed)? }))
    }

    /// `TableDescription`. `changed` is an index that is said to be in another state than ACTIVE.
    fn description(
        &self,
        table: &Table,
        status: &str,
        counts: &dyn Fn(u32) -> (u64, u64),
        changed: Option<(&str, &str)>,
    ) -> Json {
        let (items, bytes) = counts(table.id);
        let arn = self.arn(&table.name);
        let definitions: Vec<Json> = table
            .attributes
            .iter()
            .map(|(name, kind)| json!({ "AttributeName": name, "AttributeType": kind.name() }))
            .collect();
        let mut out = json!({
            "TableName": table.name,
            "TableStatus": status,
            "TableArn": arn,
            "TableId": table.uuid,
            "CreationDateTime": table.created_ms as f64 / 1000.0,
            "AttributeDefinitions": definitions,
            "KeySchema": key_json(&table.key),
            "ItemCount": items,
            "TableSizeBytes": bytes,
            "ProvisionedThroughput": throughput_json(table.throughput),
            "DeletionProtectionEnabled": table.deletion_protection,
        });
        if table.on_demand {
            out["BillingModeSummary"] = json!({ "BillingMode": "PAY_PER_REQUEST" });
        }
        if let Some(class) = &table.class {
            out["TableClassSummary"] = json!({ "TableClass": class });
        }
        for (member, local) in [("LocalSecondaryIndexes", true), ("GlobalSecondaryIndexes", false)] {
            let indexes: Vec<Json> = table
                .indexes
                .iter()
                .filter(|index| index.local == local)
                .map(|index| {
                    let (items, bytes) = counts(index.id);
                    let mut out = json!({
                        "IndexName": index.name,
                        "IndexArn": format!("{arn}/index/{}", index.name),
                        "KeySchema": key_json(&index.key),
                        "Projection": projection_json(&index.projection),
                        "ItemCount": items,
                        "IndexSizeBytes": bytes,
                    });
                    if !local {
                        let changed = changed
                            .filter(|(name, _)| *name == index.name)
                            .map(|(_, status)| status);
                        let usual = if status == "CREATING" { status } else { "ACTIVE" };
                        out["IndexStatus"] = json!(changed.unwrap_or(usual));
                        out["ProvisionedThroughput"] = throughput_json(index.throughput);
                    }
                    out
                })
                .collect();
            if !indexes.is_empty() {
                out[member] = json!(indexes);
            }
        }
        out
    }
}

fn missing_index(name: &str) -> DynamoError {
    DynamoError::ResourceNotFound(format!("Requested resource not found: Index: {name} not found"))
}

fn key_json(key: &KeySchema) -> Json {
    let mut out = vec![json!({ "AttributeName": key.partition, "KeyType": "HASH" })];
    out.extend(
        key.sort
            .iter()
            .map(|name| json!({ "AttributeName": name, "KeyType": "RANGE" })),
    );
    json!(out)
}

fn projection_json(projection: &IndexProjection) -> Json {
    match projection {
        IndexProjection::All => json!({ "ProjectionType": "ALL" }),
        IndexProjection::KeysOnly => json!({ "ProjectionType": "KEYS_ONLY" }),
        IndexProjection::Include(names) => json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": names }),
    }
}

fn throughput_json(throughput: Throughput) -> Json {
    json!({
        "NumberOfDecreasesToday": 0,
        "ReadCapacityUnits": throughput.read,
        "WriteCapacityUnits": throughput.write,
    })
}
