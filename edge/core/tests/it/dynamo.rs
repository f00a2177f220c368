//! A DynamoDB in memory, as far as the edge uses it: its conditions, its queries of table and index, its updates. It
//! knows no expression that the edge does not write; another one fails the test.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

type Key = (String, String);

#[derive(Default)]
pub struct Dynamo {
    pub items: BTreeMap<Key, Map<String, Value>>,
    /// Every operation, in order.
    pub calls: Vec<String>,
    /// Items in one page of a query; 0 for all.
    pub page: usize,
}

fn key(item: &Value) -> Key {
    let text = |name: &str| item[name]["S"].as_str().expect("a key of text").to_owned();
    (text("pk"), text("sk"))
}

fn failed() -> (u16, Value) {
    (
        400,
        json!({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "The conditional request failed"}),
    )
}

impl Dynamo {
    pub fn answer(&mut self, operation: &str, body: &Value) -> (u16, Value) {
        self.calls.push(operation.to_owned());
        assert_eq!(
            body.get("TableName").map_or("concert", |name| name.as_str().unwrap()),
            "concert"
        );
        match operation {
            "PutItem" => {
                let key = key(&body["Item"]);
                match body["ConditionExpression"].as_str() {
                    None => {}
                    Some("attribute_not_exists(pk)") if !self.items.contains_key(&key) => {}
                    Some("attribute_not_exists(pk)") => return failed(),
                    Some(other) => panic!("the condition {other}"),
                }
                assert!(body["Item"].to_string().len() < 330_000, "an item that is too large");
                self.items.insert(key, body["Item"].as_object().unwrap().clone());
                (200, json!({}))
            }
            "GetItem" => match self.items.get(&key(&body["Key"])) {
                Some(item) => (200, json!({"Item": item})),
                None => (200, json!({})),
            },
            "UpdateItem" => self.update(body),
            "Query" => self.query(body),
            "BatchWriteItem" => {
                let requests = body["RequestItems"]["concert"].as_array().unwrap();
                assert!(requests.len() <= 25);
                for request in requests {
                    self.items.remove(&key(&request["DeleteRequest"]["Key"]));
                }
                (200, json!({"UnprocessedItems": {}}))
            }
            "DescribeTable" => (200, json!({"Table": {"TableName": "concert", "TableStatus": "ACTIVE"}})),
            other => panic!("the operation {other}"),
        }
    }

    fn update(&mut self, body: &Value) -> (u16, Value) {
        let at = key(&body["Key"]);
        if body["ConditionExpression"].as_str() == Some("attribute_exists(pk)") && !self.items.contains_key(&at) {
            return failed();
        }
        let item = self
            .items
            .entry(at)
            .or_insert_with(|| body["Key"].as_object().unwrap().clone());
        let values = &body["ExpressionAttributeValues"];
        let expression = body["UpdateExpression"].as_str().unwrap();
        let (adds, sets) = match expression.strip_prefix("ADD ") {
            Some(rest) => rest.split_once(" SET ").unwrap_or((rest, "")),
            None => ("", expression.strip_prefix("SET ").expect("SET")),
        };
        for add in adds.split(", ").filter(|add| !add.is_empty()) {
            let (name, value) = add.trim().split_once(' ').unwrap();
            let number = |value: &Value| value["N"].as_str().map_or(0, |n| n.parse::<u64>().unwrap());
            let sum = number(item.get(name).unwrap_or(&Value::Null)) + number(&values[value]);
            item.insert(name.to_owned(), json!({"N": sum.to_string()}));
        }
        let mut rest = sets;
        while !rest.is_empty() {
            let (name, after) = rest.split_once(" = ").unwrap();
            let end = match after.strip_prefix("if_not_exists(") {
                Some(_) => after.find(')').unwrap() + 1,
                None => after.find(',').unwrap_or(after.len()),
            };
            let (value, next) = after.split_at(end);
            let name = name.trim();
            match value.strip_prefix("if_not_exists(") {
                Some(arguments) => {
                    let (of, value) = arguments.trim_end_matches(')').split_once(", ").unwrap();
                    assert_eq!(of, name);
                    if !item.contains_key(name) {
                        item.insert(name.to_owned(), values[value].clone());
                    }
                }
                None => {
                    item.insert(name.to_owned(), values[value.trim()].clone());
                }
            }
            rest = next.trim_start_matches(", ");
        }
        (200, json!({"Attributes": item}))
    }

    fn query(&self, body: &Value) -> (u16, Value) {
        let value = |name: &str| body["ExpressionAttributeValues"][name]["S"].as_str().unwrap();
        let text =
            |item: &Map<String, Value>, name: &str| item.get(name).and_then(|v| v["S"].as_str()).map(str::to_owned);
        let mut found: Vec<(String, &Map<String, Value>)> = match body["KeyConditionExpression"].as_str().unwrap() {
            "pk = :pk AND begins_with(sk, :prefix)" => self
                .items
                .iter()
                .filter(|((pk, sk), _)| pk == value(":pk") && sk.starts_with(value(":prefix")))
                .map(|((_, sk), item)| (sk.clone(), item))
                .collect(),
            "gsi1pk = :user" => {
                assert_eq!(body["IndexName"], "gsi1");
                assert_eq!(body["ConsistentRead"], false, "an index has no consistent reads");
                let of_user = |item: &&Map<String, Value>| text(item, "gsi1pk").as_deref() == Some(value(":user"));
                self.items
                    .values()
                    .filter(of_user)
                    .map(|item| (text(item, "gsi1sk").unwrap(), item))
                    .collect()
            }
            other => panic!("the key condition {other}"),
        };
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let is_forward = body["ScanIndexForward"].as_bool().unwrap();
        if !is_forward {
            found.reverse();
        }
        let sort_name = if body["IndexName"].is_null() { "sk" } else { "gsi1sk" };
        if let Some(start) = body["ExclusiveStartKey"][sort_name]["S"].as_str() {
            found.retain(|(sort, _)| {
                if is_forward {
                    sort.as_str() > start
                } else {
                    sort.as_str() < start
                }
            });
        }
        let mut limit = body["Limit"].as_u64().map_or(usize::MAX, |limit| limit as usize);
        if self.page > 0 {
            limit = limit.min(self.page);
        }
        let is_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| is_more).map(|(sort, item)| {
            let mut last = json!({"pk": item["pk"], "sk": item["sk"]});
            if sort_name == "gsi1sk" {
                last["gsi1pk"] = item["gsi1pk"].clone();
                last["gsi1sk"] = json!({"S": sort});
            }
            last
        });
        let items: Vec<&Map<String, Value>> = found
            .into_iter()
            .map(|(_, item)| item)
            .filter(|item| match body["FilterExpression"].as_str() {
                None => true,
                Some("pinned = :yes") => item.get("pinned") == Some(&json!({"BOOL": true})),
                Some(other) => panic!("the filter {other}"),
            })
            .collect();
        let mut answer = json!({"Items": items, "Count": items.len()});
        if let Some(last) = last {
            answer["LastEvaluatedKey"] = last;
        }
        (200, answer)
    }

    /// The items whose sort key begins with `prefix`.
    pub fn with_prefix(&self, prefix: &str) -> Vec<&Map<String, Value>> {
        self.items
            .iter()
            .filter(|((_, sk), _)| sk.starts_with(prefix))
            .map(|(_, item)| item)
            .collect()
    }
}
