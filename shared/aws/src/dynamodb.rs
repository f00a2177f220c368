//! DynamoDB (JSON 1.0): items as maps of [`AttributeValue`], and the operations that a single-table design needs. An
//! item holds at most [`ITEM_MAX_BYTES`]; expressions name attributes by `#name` and values by `:name`.

use crate::{json::Operation, service::Service};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The service refuses larger items: names and values together.
pub const ITEM_MAX_BYTES: usize = 400 * 1024;
/// Writes in one [`BatchWriteItem`].
pub const BATCH_MAX_WRITES: usize = 25;
/// What a put or update with a condition answers when the condition does not hold.
pub const CONDITION_FAILED: &str = "ConditionalCheckFailedException";

/// One attribute. Numbers are text, so that none loses a digit on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AttributeValue {
    S(String),
    N(String),
    /// Base64.
    B(String),
    #[serde(rename = "BOOL")]
    Bool(bool),
    /// Always `true`.
    #[serde(rename = "NULL")]
    Null(bool),
    L(Vec<AttributeValue>),
    M(Item),
    #[serde(rename = "SS")]
    StringSet(Vec<String>),
    #[serde(rename = "NS")]
    NumberSet(Vec<String>),
    #[serde(rename = "BS")]
    BinarySet(Vec<String>),
}

pub type Item = BTreeMap<String, AttributeValue>;

impl AttributeValue {
    pub fn text(text: impl Into<String>) -> AttributeValue {
        AttributeValue::S(text.into())
    }

    pub fn number(number: impl std::fmt::Display) -> AttributeValue {
        AttributeValue::N(number.to_string())
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            AttributeValue::S(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_u64(&self) -> Option<u64> {
        match self {
            AttributeValue::N(number) => number.parse().ok(),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            AttributeValue::Bool(value) => Some(*value),
            _ => None,
        }
    }
}

/// What an expression compares or sets, and by which names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Placeholders {
    /// `#name` to an attribute; for names that are reserved words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expression_attribute_names: BTreeMap<String, String>,
    /// `:name` to a value. The service refuses an empty map, so none is written then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expression_attribute_values: Item,
}

impl Placeholders {
    /// Adds `#name`, which stands for the attribute of that name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Placeholders {
        self.expression_attribute_names
            .insert(format!("#{name}"), name.to_owned());
        self
    }

    /// Adds `:name`.
    #[must_use]
    pub fn value(mut self, name: &str, value: AttributeValue) -> Placeholders {
        self.expression_attribute_values.insert(format!(":{name}"), value);
        self
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutItem {
    pub table_name: String,
    pub item: Item,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition_expression: Option<String>,
    #[serde(flatten)]
    pub placeholders: Placeholders,
}

impl Operation for PutItem {
    const NAME: &'static str = "PutItem";
    const SERVICE: Service = Service::DynamoDb;
    type Output = Written;
}

/// What a write answers: the attributes that were asked for, if any.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Written {
    #[serde(default)]
    pub attributes: Item,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetItem {
    pub table_name: String,
    pub key: Item,
    #[serde(default)]
    pub consistent_read: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection_expression: Option<String>,
    #[serde(flatten)]
    pub placeholders: Placeholders,
}

impl Operation for GetItem {
    const NAME: &'static str = "GetItem";
    const SERVICE: Service = Service::DynamoDb;
    type Output = Got;
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Got {
    /// None where there is no such item.
    #[serde(default)]
    pub item: Option<Item>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateItem {
    pub table_name: String,
    pub key: Item,
    pub update_expression: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition_expression: Option<String>,
    #[serde(flatten)]
    pub placeholders: Placeholders,
    /// `NONE`, `ALL_NEW`, `UPDATED_NEW`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_values: Option<String>,
}

impl Operation for UpdateItem {
    const NAME: &'static str = "UpdateItem";
    const SERVICE: Service = Service::DynamoDb;
    type Output = Written;
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Query {
    pub table_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_name: Option<String>,
    pub key_condition_expression: String,
    /// Judged after `limit`, so that a page may hold fewer items, or none, and still have a next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_expression: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection_expression: Option<String>,
    #[serde(flatten)]
    pub placeholders: Placeholders,
    /// A table's own keys only; an index is always a little behind.
    #[serde(default)]
    pub consistent_read: bool,
    /// False: the largest sort key first.
    pub scan_index_forward: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive_start_key: Option<Item>,
}

impl Operation for Query {
    const NAME: &'static str = "Query";
    const SERVICE: Service = Service::DynamoDb;
    type Output = Page;
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Page {
    #[serde(default)]
    pub items: Vec<Item>,
    /// Where the next page begins; none after the last.
    #[serde(default)]
    pub last_evaluated_key: Option<Item>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteItem {
    pub table_name: String,
    pub key: Item,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition_expression: Option<String>,
    #[serde(flatten)]
    pub placeholders: Placeholders,
}

impl Operation for DeleteItem {
    const NAME: &'static str = "DeleteItem";
    const SERVICE: Service = Service::DynamoDb;
    type Output = Written;
}

/// At most [`BATCH_MAX_WRITES`] writes by table; each succeeds or comes back by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchWriteItem {
    pub request_items: BTreeMap<String, Vec<WriteRequest>>,
}

impl Operation for BatchWriteItem {
    const NAME: &'static str = "BatchWriteItem";
    const SERVICE: Service = Service::DynamoDb;
    type Output = BatchWritten;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum WriteRequest {
    #[serde(rename = "PutRequest", rename_all = "PascalCase")]
    Put { item: Item },
    #[serde(rename = "DeleteRequest", rename_all = "PascalCase")]
    Delete { key: Item },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchWritten {
    /// To be sent again after a wait.
    #[serde(default)]
    pub unprocessed_items: BTreeMap<String, Vec<WriteRequest>>,
}

/// The cheapest call that tells whether a table is there and may be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeTable {
    pub table_name: String,
}

impl Operation for DescribeTable {
    const NAME: &'static str = "DescribeTable";
    const SERVICE: Service = Service::DynamoDb;
    type Output = TableDescribed;
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TableDescribed {
    pub table: TableDescription,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TableDescription {
    #[serde(default)]
    pub table_name: String,
    #[serde(default)]
    pub table_status: String,
}

/// The size of an item by the service's rule: UTF-8 bytes of names and texts, a byte for what is true or null, about
/// half a byte for a digit, three bytes and one for each entry of a list or map.
pub fn size_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &AttributeValue) -> usize {
    let set = |entries: &[String]| entries.iter().map(String::len).sum();
    match value {
        AttributeValue::S(text) | AttributeValue::B(text) => text.len(),
        AttributeValue::N(number) => number.len() / 2 + 2,
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        AttributeValue::L(entries) => 3 + entries.iter().map(|entry| 1 + value_bytes(entry)).sum::<usize>(),
        AttributeValue::M(item) => 3 + item.len() + size_bytes(item),
        AttributeValue::StringSet(entries)
        | AttributeValue::NumberSet(entries)
        | AttributeValue::BinarySet(entries) => set(entries),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Aws, Credentials, json};

    fn key(pk: &str) -> Item {
        Item::from([("pk".to_owned(), AttributeValue::text(pk))])
    }

    #[test]
    fn operations_are_written_as_the_service_reads_them() {
        let put = PutItem {
            table_name: "concert".into(),
            item: Item::from([
                ("n".into(), AttributeValue::number(7)),
                ("yes".into(), AttributeValue::Bool(true)),
            ]),
            condition_expression: Some("attribute_not_exists(pk)".into()),
            ..PutItem::default()
        };
        assert_eq!(
            serde_json::to_string(&put).unwrap(),
            r#"{"TableName":"concert","Item":{"n":{"N":"7"},"yes":{"BOOL":true}},"ConditionExpression":"attribute_not_exists(pk)"}"#
        );
        let query = Query {
            table_name: "concert".into(),
            index_name: Some("gsi1".into()),
            key_condition_expression: "gsi1pk = :p".into(),
            placeholders: Placeholders::default()
                .value("p", AttributeValue::text("x"))
                .name("state"),
            limit: Some(2),
            ..Query::default()
        };
        assert_eq!(
            serde_json::to_string(&query).unwrap(),
            r##"{"TableName":"concert","IndexName":"gsi1","KeyConditionExpression":"gsi1pk = :p","ExpressionAttributeNames":{"#state":"state"},"ExpressionAttributeValues":{":p":{"S":"x"}},"ConsistentRead":false,"ScanIndexForward":false,"Limit":2}"##
        );
        let batch = BatchWriteItem {
            request_items: BTreeMap::from([("concert".into(), vec![WriteRequest::Delete { key: key("a") }])]),
        };
        assert_eq!(
            serde_json::to_string(&batch).unwrap(),
            r#"{"RequestItems":{"concert":[{"DeleteRequest":{"Key":{"pk":{"S":"a"}}}}]}}"#
        );
    }

    #[test]
    fn answers_are_read_with_every_kind_of_value() {
        let got = json::decode::<GetItem>(
            br#"{"Item":{"a":{"S":"x"},"b":{"N":"12"},"c":{"BOOL":false},"d":{"NULL":true},"e":{"L":[{"S":"y"}]},
                "f":{"M":{"g":{"B":"AA=="}}},"h":{"SS":["p","q"]}}}"#,
        )
        .unwrap();
        let item = got.item.unwrap();
        assert_eq!(item["a"].as_text(), Some("x"));
        assert_eq!(item["b"].as_u64(), Some(12));
        assert_eq!(item["c"].as_bool(), Some(false));
        assert_eq!(item["a"].as_u64(), None);
        assert_eq!(json::decode::<GetItem>(b"{}").unwrap().item, None);
        let page = json::decode::<Query>(br#"{"Items":[],"Count":0,"LastEvaluatedKey":{"pk":{"S":"a"}}}"#).unwrap();
        assert_eq!(page.last_evaluated_key, Some(key("a")));
    }

    #[test]
    fn requests_carry_target_and_version() {
        let credentials = Credentials {
            access_key_id: "AKID".into(),
            secret_access_key: "secret".into(),
            session_token: None,
        };
        let aws = Aws::new("eu-west-1", "", credentials).unwrap();
        let get = GetItem {
            table_name: "concert".into(),
            key: key("a"),
            ..GetItem::default()
        };
        let request = json::request(&aws, &get, 1_774_958_400_000).unwrap();
        assert_eq!(request.uri(), "https://dynamodb.eu-west-1.amazonaws.com/");
        assert_eq!(request.headers()["x-amz-target"], "DynamoDB_20120810.GetItem");
        assert_eq!(request.headers()["content-type"], "application/x-amz-json-1.0");
        let authorization = request.headers()["authorization"].to_str().unwrap();
        assert!(
            authorization.contains("/eu-west-1/dynamodb/aws4_request"),
            "{authorization}"
        );
    }

    #[test]
    fn the_size_of_an_item_counts_names_and_nested_values() {
        let item = Item::from([
            ("ab".into(), AttributeValue::text("xyz")),
            (
                "c".into(),
                AttributeValue::L(vec![AttributeValue::text("é"), AttributeValue::Null(true)]),
            ),
        ]);
        assert_eq!(size_bytes(&item), 2 + 3 + 1 + 3 + (1 + 2) + (1 + 1));
    }
}
