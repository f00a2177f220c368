//! What outlives a request: turns with their events, conversations, feedback and what models have cost, in one
//! DynamoDB table that is reached through `Host::send`. There is no other store.
//!
//! | what | pk | sk | written by |
//! |---|---|---|---|
//! | conversation | `USER#viewer` | `CONV#conversation` | `conversations` |
//! | what models cost on a day | `USER#viewer` | `DAY#2026-03-31` | `spent` |
//! | turn | `CONV#viewer#conversation` | `TURN#hash` | `turns` |
//! | piece of a turn's events | `CONV#viewer#conversation` | `LOG#hash#0001` | `turns` |
//! | feedback | `CONV#viewer#conversation` | `FEEDBACK#hash` | `turns` |
//!
//! Every key begins with the viewer, so that another person's ids lead to nothing. The index `gsi1` sorts a person's
//! conversations by their last use.

pub mod conversations;
pub mod spent;
pub mod turns;

use crate::{
    Level,
    failure::Failure,
    limits::{ITEM_MAX_BYTES, KEPT_S, STORE_TIMEOUT_MS},
    upstream::{CallError, Context, STORE, call},
};
use concert_aws::dynamodb::{
    AttributeValue, BATCH_MAX_WRITES, BatchWriteItem, CONDITION_FAILED, GetItem, Item, Page, PutItem, Query,
    UpdateItem, WriteRequest, size_bytes,
};
use std::collections::BTreeMap;

/// A table that is busy is asked again for this long.
const PATIENCE_MS: u64 = 5_000;
/// Rounds in which what a batch left over is sent again.
const BATCH_ROUNDS_MAX: u32 = 5;

/// The table, as one request sees it.
#[derive(Clone)]
pub struct Store {
    context: Context,
    table: String,
}

impl Store {
    /// None if no table is configured.
    pub fn of(context: &Context) -> Option<Store> {
        context.edge.settings.table.clone().map(|table| Store {
            context: context.clone(),
            table,
        })
    }

    /// # Errors
    /// 501 if no table is configured.
    pub fn needed(context: &Context, what: &str) -> Result<Store, Failure> {
        Store::of(context)
            .ok_or_else(|| Failure::not_available(format!("{what} is not available: no conversations are kept here.")))
    }

    /// Puts an item where there is none yet. False if there is one.
    async fn put_new(&self, item: Item) -> Result<bool, Failure> {
        self.check_size(&item)?;
        let put = PutItem {
            table_name: self.table.clone(),
            item,
            condition_expression: Some("attribute_not_exists(pk)".to_owned()),
            ..PutItem::default()
        };
        holds(call(&self.context, put, STORE_TIMEOUT_MS, PATIENCE_MS).await).map(|written| written.is_some())
    }

    async fn put(&self, item: Item) -> Result<(), Failure> {
        self.check_size(&item)?;
        let put = PutItem {
            table_name: self.table.clone(),
            item,
            ..PutItem::default()
        };
        call(&self.context, put, STORE_TIMEOUT_MS, PATIENCE_MS)
            .await
            .map(drop)
            .map_err(|error| error.into_failure(STORE))
    }

    /// As it is now, not as it was a moment ago.
    async fn get(&self, key: Item) -> Result<Option<Item>, Failure> {
        let get = GetItem {
            table_name: self.table.clone(),
            key,
            consistent_read: true,
            ..GetItem::default()
        };
        call(&self.context, get, STORE_TIMEOUT_MS, PATIENCE_MS)
            .await
            .map(|got| got.item)
            .map_err(|error| error.into_failure(STORE))
    }

    /// One page. The table's name is filled in here.
    async fn page(&self, query: Query) -> Result<Page, Failure> {
        let query = Query {
            table_name: self.table.clone(),
            ..query
        };
        call(&self.context, query, STORE_TIMEOUT_MS, PATIENCE_MS)
            .await
            .map_err(|error| error.into_failure(STORE))
    }

    /// All items of a partition whose sort key begins with `prefix` and comes after `after`, in its order.
    async fn all(&self, pk: &str, prefix: &str, after: Option<&str>) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::new();
        let mut start = after.map(|sk| key(pk, sk));
        loop {
            let page = self
                .page(Query {
                    key_condition_expression: "pk = :pk AND begins_with(sk, :prefix)".to_owned(),
                    placeholders: concert_aws::dynamodb::Placeholders::default()
                        .value("pk", AttributeValue::text(pk))
                        .value("prefix", AttributeValue::text(prefix)),
                    consistent_read: true,
                    scan_index_forward: true,
                    exclusive_start_key: start,
                    ..Query::default()
                })
                .await?;
            items.extend(page.items);
            match page.last_evaluated_key {
                Some(next) => start = Some(next),
                None => return Ok(items),
            }
        }
    }

    /// The item's attributes after the update. None if the condition did not hold.
    async fn update(&self, update: UpdateItem) -> Result<Option<Item>, Failure> {
        let update = UpdateItem {
            table_name: self.table.clone(),
            ..update
        };
        holds(call(&self.context, update, STORE_TIMEOUT_MS, PATIENCE_MS).await)
            .map(|written| written.map(|written| written.attributes))
    }

    /// Deletes whatever of `keys` is there.
    async fn delete(&self, keys: Vec<Item>) -> Result<(), Failure> {
        let mut left: Vec<WriteRequest> = keys.into_iter().map(|key| WriteRequest::Delete { key }).collect();
        let mut round = 0;
        while !left.is_empty() {
            let batch: Vec<WriteRequest> = left.drain(..left.len().min(BATCH_MAX_WRITES)).collect();
            let write = BatchWriteItem {
                request_items: BTreeMap::from([(self.table.clone(), batch)]),
            };
            let written = call(&self.context, write, STORE_TIMEOUT_MS, PATIENCE_MS)
                .await
                .map_err(|error| error.into_failure(STORE))?;
            let again: Vec<WriteRequest> = written.unprocessed_items.into_values().flatten().collect();
            if !again.is_empty() {
                round += 1;
                if round > BATCH_ROUNDS_MAX {
                    return Err(Failure::busy(
                        STORE,
                        format!("{} deletions were left over", again.len()),
                    ));
                }
                self.context
                    .host
                    .sleep(concert_aws::retry::backoff_ms(round, self.context.random_u32(), None))
                    .await;
                left.extend(again);
            }
        }
        Ok(())
    }

    fn check_size(&self, item: &Item) -> Result<(), Failure> {
        let bytes = size_bytes(item);
        if bytes <= ITEM_MAX_BYTES {
            return Ok(());
        }
        Err(Failure::internal(format!("an item of {bytes} bytes for the store")))
    }

    fn now_ms(&self) -> u64 {
        self.context.host.now_ms()
    }

    /// When what is written now is forgotten, in seconds since 1970: the attribute of the table's time to live.
    fn expires_at(&self) -> AttributeValue {
        AttributeValue::number(self.now_ms() / 1000 + KEPT_S)
    }

    fn log(&self, level: Level, text: &str) {
        self.context.log(level, text);
    }
}

/// None where the condition of a write did not hold.
fn holds<T>(result: Result<T, CallError>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(CallError::Refused(error)) if error.code == CONDITION_FAILED => Ok(None),
        Err(error) => Err(error.into_failure(STORE)),
    }
}

fn key(pk: &str, sk: &str) -> Item {
    Item::from([
        ("pk".to_owned(), AttributeValue::text(pk)),
        ("sk".to_owned(), AttributeValue::text(sk)),
    ])
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_text()
}

fn number(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_u64()
}

fn user(viewer: &str) -> String {
    format!("USER#{viewer}")
}

/// An item that does not have the fields that were written into it.
fn unreadable(what: &str) -> Failure {
    Failure::internal(format!("{what} in the store cannot be read"))
}
