//! How the listener sees the Redshift Data API.

use crate::{
    error::{AwsError, Protocol},
    redshift_data::RedshiftData,
    service::{Answer, Call, Operation, Service, ServiceInfo},
};
use futures::{FutureExt as _, future::BoxFuture};

static INFO: ServiceInfo = ServiceInfo {
    name: "redshift-data",
    signing_name: "redshift-data",
    protocol: Protocol::Json11,
    target_prefix: "RedshiftData",
    error_namespace: None,
    error_message: "Message",
    // A statement is at most 200 KB long, a batch holds 40 of them.
    body_max_bytes: 10 << 20,
    operations: &[
        Operation::named("BatchExecuteStatement"),
        Operation::named("CancelStatement"),
        Operation::named("DescribeStatement"),
        Operation::named("DescribeTable"),
        Operation::named("ExecuteStatement"),
        Operation::named("GetStatementResult"),
        Operation::named("GetStatementResultV2"),
        Operation::named("ListDatabases"),
        Operation::named("ListSchemas"),
        Operation::named("ListSessions"),
        Operation::named("ListStatements"),
        Operation::named("ListTables"),
    ],
};

impl Service for RedshiftData {
    fn info(&self) -> &'static ServiceInfo {
        &INFO
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, AwsError>> {
        async move {
            // The inherent method, not this one.
            RedshiftData::call(self, call.operation, &call.body)
                .await
                .map(Answer::Json)
        }
        .boxed()
    }
}
