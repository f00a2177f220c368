//! Times to live, tags, and what the account may have.

use crate::{
    disk::disk,
    dynamodb::{
        Dynamo,
        engine::{Snapshot, Writer, any_expired},
        error::{DynamoError, invalid, invalid_parameter},
        request::{Constraints, read, table_name},
        schema::Table,
    },
};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

/// DynamoDB leaves an item whose time is further back: it is taken for a mistake.
const EXPIRY_SINCE_SECONDS: i64 = 5 * 365 * 24 * 60 * 60;
/// Items that one transaction of the sweep deletes, so that other writes come between.
const SWEEP_ITEMS: usize = 100;
const TAGS_MAX: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimeToLiveRequest {
    table_name: Option<String>,
    time_to_live_specification: Option<TimeToLive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimeToLive {
    enabled: Option<bool>,
    attribute_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagRequest {
    resource_arn: Option<String>,
    tags: Option<Vec<Tag>>,
    tag_keys: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub key: String,
    pub value: String,
}

pub(in crate::dynamodb) fn describe_limits() -> Json {
    json!({
        "AccountMaxReadCapacityUnits": 80_000,
        "AccountMaxWriteCapacityUnits": 80_000,
        "TableMaxReadCapacityUnits": 40_000,
        "TableMaxWriteCapacityUnits": 40_000,
    })
}

impl Dynamo {
    pub(in crate::dynamodb) fn describe_endpoints(&self) -> Json {
        json!({ "Endpoints": [{
            "Address": format!("dynamodb.{}.amazonaws.com", self.place.region),
            "CachePeriodInMinutes": 1440,
        }] })
    }

    pub(in crate::dynamodb) fn describe_time_to_live(&self, request: &Json) -> Result<Json, DynamoError> {
        let request: TimeToLiveRequest = read(request)?;
        let mut constraints = Constraints::default();
        constraints.table(&request.table_name);
        constraints.finish()?;
        let snapshot = Snapshot::new(&self.store.read()?)?;
        let name = table_name(request.table_name.as_deref().unwrap_or_default());
        let table = named_table(snapshot.find_table(name)?, name)?;
        Ok(json!({ "TimeToLiveDescription": match table.ttl_attribute {
            Some(attribute) => json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": attribute }),
            None => json!({ "TimeToLiveStatus": "DISABLED" }),
        } }))
    }

    pub(in crate::dynamodb) fn update_time_to_live(&self, request: &Json) -> Result<Json, DynamoError> {
        let request: TimeToLiveRequest = read(request)?;
        let mut constraints = Constraints::default();
        constraints.table(&request.table_name);
        constraints.required("timeToLiveSpecification", &request.time_to_live_specification);
        if let Some(wanted) = &request.time_to_live_specification {
            constraints.required("timeToLiveSpecification.enabled", &wanted.enabled);
            constraints.required("timeToLiveSpecification.attributeName", &wanted.attribute_name);
            if let Some(name) = &wanted.attribute_name {
                constraints.length("timeToLiveSpecification.attributeName", name, name.len(), 1, 255);
            }
        }
        constraints.finish()?;
        let (enabled, attribute) = request
            .time_to_live_specification
            .map(|wanted| (wanted.enabled == Some(true), wanted.attribute_name.unwrap_or_default()))
            .unwrap_or_default();
        let write = self.store.write()?;
        {
            let mut writer = Writer::new(&write)?;
            let name = table_name(request.table_name.as_deref().unwrap_or_default());
            let mut table = writer.table(name).map_err(|error| not_found(error, name))?;
            match (&table.ttl_attribute, enabled) {
                (Some(current), true) if *current == attribute => {
                    return Err(invalid("TimeToLive is already enabled"));
                }
                (Some(current), _) if *current != attribute => {
                    return Err(invalid(format!(
                        "TimeToLive is active on a different AttributeName: current AttributeName is {current}"
                    )));
                }
                (None, false) => return Err(invalid("TimeToLive is already disabled")),
                _ => {}
            }
            table.ttl_attribute = enabled.then(|| attribute.clone());
            writer.put_table(&table)?;
            writer.fill_expiry(&table)?;
        }
        write.commit().map_err(disk)?;
        Ok(json!({ "TimeToLiveSpecification": { "Enabled": enabled, "AttributeName": attribute } }))
    }

    /// Deletes items whose time to live has passed, and says how many. DynamoDB does this within days, here it is up
    /// to the caller; until then reads see the items, as they do there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn sweep_expired(&self) -> Result<usize, DynamoError> {
        let now = self.store.clock().now_ms().div_euclid(1000);
        let since = now - EXPIRY_SINCE_SECONDS;
        let mut deleted = 0;
        while any_expired(&self.store.read()?, since, now)? {
            let write = self.store.write()?;
            {
                let mut writer = Writer::new(&write)?;
                for table in writer.all_tables()? {
                    if table.ttl_attribute.is_none() {
                        continue;
                    }
                    for key in writer.expired(&table, since, now, SWEEP_ITEMS)? {
                        if let Some(old) = writer.get(&key)? {
                            writer.replace(&table, &key, Some(&old), None)?;
                            deleted += 1;
                        }
                    }
                }
            }
            write.commit().map_err(disk)?;
        }
        Ok(deleted)
    }

    pub(in crate::dynamodb) fn tag_resource(&self, request: &Json) -> Result<Json, DynamoError> {
        let request: TagRequest = read(request)?;
        let mut constraints = Constraints::default();
        constraints.required("resourceArn", &request.resource_arn);
        constraints.required("tags", &request.tags);
        constraints.finish()?;
        let tags = request.tags.unwrap_or_default();
        self.change_table(&request.resource_arn.unwrap_or_default(), |table| add_tags(table, tags))
    }

    pub(in crate::dynamodb) fn untag_resource(&self, request: &Json) -> Result<Json, DynamoError> {
        let request: TagRequest = read(request)?;
        let mut constraints = Constraints::default();
        constraints.required("resourceArn", &request.resource_arn);
        constraints.required("tagKeys", &request.tag_keys);
        constraints.finish()?;
        let keys = request.tag_keys.unwrap_or_default();
        self.change_table(&request.resource_arn.unwrap_or_default(), |table| {
            table.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
    }

    pub(in crate::dynamodb) fn list_tags_of_resource(&self, request: &Json) -> Result<Json, DynamoError> {
        let request: TagRequest = read(request)?;
        let mut constraints = Constraints::default();
        constraints.required("resourceArn", &request.resource_arn);
        constraints.finish()?;
        let arn = request.resource_arn.unwrap_or_default();
        let snapshot = Snapshot::new(&self.store.read()?)?;
        let table = tagged_table(snapshot.find_table(self.table_of_arn(&arn)?)?, &arn)?;
        let tags: Vec<Json> = table
            .tags
            .iter()
            .map(|(key, value)| json!({ "Key": key, "Value": value }))
            .collect();
        Ok(json!({ "Tags": tags }))
    }

    fn table_of_arn<'a>(&self, arn: &'a str) -> Result<&'a str, DynamoError> {
        let prefix = self.arn("");
        arn.strip_prefix(&prefix)
            .ok_or_else(|| invalid(format!("Invalid TableArn: Invalid ResourceArn provided as input {arn}")))
    }

    fn change_table(
        &self,
        arn: &str,
        change: impl FnOnce(&mut Table) -> Result<(), DynamoError>,
    ) -> Result<Json, DynamoError> {
        let name = self.table_of_arn(arn)?;
        let write = self.store.write()?;
        {
            let mut writer = Writer::new(&write)?;
            let found = writer.all_tables()?.into_iter().find(|table| table.name == name);
            let mut table = tagged_table(found, arn)?;
            change(&mut table)?;
            writer.put_table(&table)?;
        }
        write.commit().map_err(disk)?;
        Ok(Json::Object(Map::new()))
    }
}

pub(super) fn add_tags(table: &mut Table, tags: Vec<Tag>) -> Result<(), DynamoError> {
    for tag in tags {
        if tag.key.is_empty() || tag.key.chars().count() > 128 || tag.value.chars().count() > 256 {
            return Err(invalid_parameter(
                "a tag's key has 1 to 128 characters and its value at most 256",
            ));
        }
        table.tags.insert(tag.key, tag.value);
    }
    if table.tags.len() > TAGS_MAX {
        return Err(invalid_parameter("Too many tags: 50 is the most that a table has"));
    }
    Ok(())
}

fn tagged_table(table: Option<Table>, arn: &str) -> Result<Table, DynamoError> {
    table.ok_or_else(|| {
        DynamoError::ResourceNotFound(format!("Requested resource not found: ResourcArn: {arn} not found"))
    })
}

/// Operations on tables name the table that is not there; those on items do not.
pub(super) fn named_table(table: Option<Table>, name: &str) -> Result<Table, DynamoError> {
    table.ok_or_else(|| DynamoError::ResourceNotFound(format!("Requested resource not found: Table: {name} not found")))
}

pub(super) fn not_found(error: DynamoError, name: &str) -> DynamoError {
    match error {
        DynamoError::ResourceNotFound(_) => {
            DynamoError::ResourceNotFound(format!("Requested resource not found: Table: {name} not found"))
        }
        error => error,
    }
}
