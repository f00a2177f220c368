//! DynamoDB's wire: JSON 1.0 over [`concert_store::dynamodb`], with DynamoDB's names for errors, and the sweep of items
//! whose time to live has passed.

use crate::{
    REGION, StartError,
    error::{AwsError, Protocol},
    service::{Answer, Call, Operation, Service, ServiceInfo},
};
use concert_store::{
    Store,
    dynamodb::{Dynamo, DynamoError, Place, item_to_json},
};
use futures::{FutureExt as _, future::BoxFuture};
use http::StatusCode;
use serde_json::{Value, json};
use std::{sync::OnceLock, time::Duration};
use tokio::task::JoinHandle;

/// The table that is there from the first start, for the edge. docs/local-store.md describes it.
pub const TABLE: &str = "concert";
/// The account in ARNs.
const ACCOUNT: &str = "000000000000";
/// DynamoDB promises days; a second shows on a laptop what it does. A round with nothing to do reads a few pages.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

static INFO: ServiceInfo = ServiceInfo {
    name: "dynamodb",
    signing_name: "dynamodb",
    protocol: Protocol::Json10,
    target_prefix: "DynamoDB_20120810",
    error_namespace: Some("com.amazonaws.dynamodb.v20120810"),
    error_message: "message",
    body_max_bytes: 16 << 20,
    operations: &[
        Operation::named("BatchExecuteStatement"),
        Operation::named("BatchGetItem"),
        Operation::named("BatchWriteItem"),
        Operation::named("CreateTable"),
        Operation::named("DeleteItem"),
        Operation::named("DeleteTable"),
        Operation::named("DescribeEndpoints"),
        Operation::named("DescribeLimits"),
        Operation::named("DescribeTable"),
        Operation::named("DescribeTimeToLive"),
        Operation::named("ExecuteStatement"),
        Operation::named("ExecuteTransaction"),
        Operation::named("GetItem"),
        Operation::named("ListTables"),
        Operation::named("ListTagsOfResource"),
        Operation::named("PutItem"),
        Operation::named("Query"),
        Operation::named("Scan"),
        Operation::named("TagResource"),
        Operation::named("TransactGetItems"),
        Operation::named("TransactWriteItems"),
        Operation::named("UntagResource"),
        Operation::named("UpdateItem"),
        Operation::named("UpdateTable"),
        Operation::named("UpdateTimeToLive"),
    ],
};

pub(crate) struct DynamoDb {
    dynamo: Dynamo,
    sweeper: OnceLock<Sweeper>,
}

/// Ends with the service.
struct Sweeper(JoinHandle<()>);

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl DynamoDb {
    /// Makes the edge's table if it is not there yet.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn new(store: Store) -> Result<DynamoDb, StartError> {
        let place = Place {
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
        };
        let dynamo = Dynamo::new(store, place);
        make_table(&dynamo)
            .map_err(|error| StartError::State(format!("the table {TABLE} cannot be made in the store: {error}")))?;
        Ok(DynamoDb {
            dynamo,
            sweeper: OnceLock::new(),
        })
    }

    /// Only where there is a runtime, which a call shows.
    fn start_sweeper(&self) {
        self.sweeper.get_or_init(|| {
            let dynamo = self.dynamo.clone();
            Sweeper(tokio::spawn(async move {
                loop {
                    let sweep = dynamo.clone();
                    match tokio::task::spawn_blocking(move || sweep.sweep_expired()).await {
                        Ok(Ok(0)) => {}
                        Ok(Ok(deleted)) => tracing::info!(deleted, "items whose time to live had passed"),
                        Ok(Err(error)) => tracing::warn!(%error, "items could not be swept"),
                        Err(error) => tracing::warn!(%error, "a sweep was cut off"),
                    }
                    tokio::time::sleep(SWEEP_EVERY).await;
                }
            }))
        });
    }
}

impl Service for DynamoDb {
    fn info(&self) -> &'static ServiceInfo {
        &INFO
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, AwsError>> {
        async move {
            self.start_sweeper();
            let dynamo = self.dynamo.clone();
            // A write that has begun is carried out, whether or not its client waits.
            let answered = tokio::task::spawn_blocking(move || {
                let request: Value = call.parse()?;
                dynamo.call(call.operation, &request).map_err(aws_error)
            });
            match answered.await {
                Ok(answer) => answer.map(Answer::from),
                Err(error) => Err(internal(&error)),
            }
        }
        .boxed()
    }
}

/// `pk`, `sk` and the index `gsi1` over `gsi1pk`, `gsi1sk`, all strings; items end at the second in `expires_at`.
fn make_table(dynamo: &Dynamo) -> Result<(), DynamoError> {
    let string = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let key = |partition: &str, sort: &str| {
        json!([
            {"AttributeName": partition, "KeyType": "HASH"},
            {"AttributeName": sort, "KeyType": "RANGE"},
        ])
    };
    let created = dynamo.call(
        "CreateTable",
        &json!({
            "TableName": TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [string("pk"), string("sk"), string("gsi1pk"), string("gsi1sk")],
            "KeySchema": key("pk", "sk"),
            "GlobalSecondaryIndexes": [{
                "IndexName": "gsi1",
                "KeySchema": key("gsi1pk", "gsi1sk"),
                "Projection": {"ProjectionType": "ALL"},
            }],
        }),
    );
    match created {
        Ok(_) => {}
        Err(DynamoError::ResourceInUse(_)) => return Ok(()),
        Err(error) => return Err(error),
    }
    dynamo.call(
        "UpdateTimeToLive",
        &json!({
            "TableName": TABLE,
            "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "expires_at"},
        }),
    )?;
    Ok(())
}

fn internal(error: &dyn std::fmt::Display) -> AwsError {
    tracing::error!(%error, "DynamoDB failed");
    AwsError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalServerError",
        "Internal server error",
    )
}

/// DynamoDB's name and members for an error; all of the sender's are 400.
fn aws_error(error: DynamoError) -> AwsError {
    let message = error.to_string();
    let named = |code: &str| AwsError::new(StatusCode::BAD_REQUEST, code, message.clone());
    match error {
        DynamoError::Validation(_) => named("com.amazon.coral.validate#ValidationException"),
        DynamoError::Serialization(_) => named("com.amazon.coral.service#SerializationException"),
        DynamoError::UnknownOperation(_) => named("com.amazon.coral.service#UnknownOperationException"),
        DynamoError::ConditionalCheckFailed { item } => {
            let error = named("ConditionalCheckFailedException");
            match item {
                Some(item) => error.with("Item", item_to_json(&item)),
                None => error,
            }
        }
        DynamoError::ResourceNotFound(_) => named("ResourceNotFoundException"),
        DynamoError::ResourceInUse(_) => named("ResourceInUseException"),
        DynamoError::TransactionCanceled(reasons) => {
            let reasons: Vec<Value> = reasons
                .iter()
                .map(|reason| {
                    let mut out = json!({"Code": reason.code()});
                    if let Some(message) = reason.message() {
                        out["Message"] = json!(message);
                    }
                    if let Some(item) = reason.item() {
                        out["Item"] = item_to_json(item);
                    }
                    out
                })
                .collect();
            named("TransactionCanceledException")
                .with("Message", message.clone())
                .with("CancellationReasons", reasons)
        }
        DynamoError::IdempotentParameterMismatch => {
            named("IdempotentParameterMismatchException").with("Message", message.clone())
        }
        DynamoError::ItemCollectionSizeLimitExceeded => named("ItemCollectionSizeLimitExceededException"),
        DynamoError::LimitExceeded(_) => named("LimitExceededException"),
        DynamoError::Store(error) => internal(&error),
    }
}
