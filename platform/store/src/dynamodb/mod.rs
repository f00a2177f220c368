//! DynamoDB: tables, items, expressions, indexes, transactions and times to live.
//!
//! [`Dynamo::call`] takes an operation's name and its JSON and answers its JSON. Every write is one transaction of the
//! store, so that an item, its index entries and the table's counts are never apart, and conditional writes are in
//! line one after another. Reads see one snapshot.

mod codec;
mod engine;
mod error;
mod expression;
mod key;
mod number;
mod ops;
mod request;
mod schema;
mod value;

pub use codec::Damaged;
pub use error::{Cancellation, DynamoError};
pub use number::{Number, NumberError};
pub use value::{Item, Value, item_from_json, item_size_bytes, item_to_json};

pub(crate) use engine::prepare;

use crate::Store;
use serde_json::Value as Json;

/// Bytes of one item.
pub const ITEM_MAX_BYTES: usize = 400 * 1024;
/// Bytes that one page of a query or a scan reads.
pub const PAGE_MAX_BYTES: usize = 1 << 20;

/// Every operation that is served.
pub const OPERATIONS: &[&str] = &[
    "BatchGetItem",
    "BatchWriteItem",
    "CreateTable",
    "DeleteItem",
    "DeleteTable",
    "DescribeEndpoints",
    "DescribeLimits",
    "DescribeTable",
    "DescribeTimeToLive",
    "GetItem",
    "ListTables",
    "ListTagsOfResource",
    "PutItem",
    "Query",
    "Scan",
    "TagResource",
    "TransactGetItems",
    "TransactWriteItems",
    "UntagResource",
    "UpdateItem",
    "UpdateTable",
    "UpdateTimeToLive",
];

/// Where the tables are said to be.
#[derive(Clone, Debug)]
pub struct Place {
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl Default for Place {
    fn default() -> Place {
        Place {
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
        }
    }
}

/// DynamoDB over a store. Cloning shares it. Calls block on the disk: run them off an async thread.
#[derive(Clone)]
pub struct Dynamo {
    store: Store,
    place: Place,
}

impl Dynamo {
    pub fn new(store: Store, place: Place) -> Dynamo {
        Dynamo { store, place }
    }

    /// Carries out one operation.
    ///
    /// # Errors
    /// As DynamoDB's; `UnknownOperation` for what is not in [`OPERATIONS`].
    pub fn call(&self, operation: &str, request: &Json) -> Result<Json, DynamoError> {
        if !request.is_object() {
            return Err(DynamoError::Serialization(
                "The request's body is no JSON object".to_owned(),
            ));
        }
        match operation {
            "CreateTable" => self.create_table(request),
            "DescribeTable" => self.describe_table(request),
            "ListTables" => self.list_tables(request),
            "UpdateTable" => self.update_table(request),
            "DeleteTable" => self.delete_table(request),
            "DescribeTimeToLive" => self.describe_time_to_live(request),
            "UpdateTimeToLive" => self.update_time_to_live(request),
            "TagResource" => self.tag_resource(request),
            "UntagResource" => self.untag_resource(request),
            "ListTagsOfResource" => self.list_tags_of_resource(request),
            "DescribeLimits" => Ok(ops::describe_limits()),
            "DescribeEndpoints" => Ok(self.describe_endpoints()),
            "PutItem" => self.put_item(request),
            "GetItem" => self.get_item(request),
            "UpdateItem" => self.update_item(request),
            "DeleteItem" => self.delete_item(request),
            "Query" => self.query(request),
            "Scan" => self.scan(request),
            "BatchGetItem" => self.batch_get_item(request),
            "BatchWriteItem" => self.batch_write_item(request),
            "TransactGetItems" => self.transact_get_items(request),
            "TransactWriteItems" => self.transact_write_items(request),
            "ExecuteStatement" | "BatchExecuteStatement" | "ExecuteTransaction" => {
                Err(DynamoError::UnknownOperation(format!(
                    "{operation}: PartiQL is not served here. Write the same with GetItem, Query, Scan, PutItem, \
                     UpdateItem, DeleteItem or TransactWriteItems."
                )))
            }
            _ => Err(DynamoError::UnknownOperation(format!(
                "{operation} is not served here. Served are {}.",
                OPERATIONS.join(", ")
            ))),
        }
    }
}
