//! The Redshift Data API (JSON 1.1): statements and their results as values. Every parameter is text with at least one
//! character, and there is no NULL among them; see [`Parameter`].

use crate::{json, service::Service};
use serde::{Deserialize, Serialize};

pub use crate::json::{JsonError as RedshiftError, Operation, decode, request};

/// The longest that one call may wait for a statement, in seconds.
pub const WAIT_MAX_S: u32 = 30;

pub const CONTENT_TYPE: &str = json::VERSION_1_1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    pub name: String,
    /// At least one character; the statement casts it.
    pub value: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExecuteStatement {
    pub sql: String,
    pub database: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workgroup_name: Option<String>,
    /// The service refuses an empty list, so none is written then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_name: Option<String>,
    /// Makes a second try of the same call harmless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// 1 to [`WAIT_MAX_S`]: answer when the statement has ended, or after this many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_time_seconds: Option<u32>,
}

impl Operation for ExecuteStatement {
    const NAME: &'static str = "ExecuteStatement";
    const SERVICE: Service = Service::RedshiftData;
    type Output = Executed;
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Executed {
    pub id: String,
    /// There when the call waited.
    #[serde(default)]
    pub status: Option<Status>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Submitted,
    Picked,
    Started,
    Finished,
    Aborted,
    Failed,
    /// A state that came later than this code.
    #[serde(other)]
    Other,
}

impl Status {
    /// Whether the statement will not change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Status::Finished | Status::Aborted | Status::Failed)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeStatement {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_time_seconds: Option<u32>,
}

impl Operation for DescribeStatement {
    const NAME: &'static str = "DescribeStatement";
    const SERVICE: Service = Service::RedshiftData;
    type Output = Described;
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Described {
    pub id: String,
    pub status: Status,
    /// The engine's own words; for the log.
    #[serde(default)]
    pub error: Option<String>,
    #[serde(default)]
    pub has_result_set: Option<bool>,
    /// -1 where unknown.
    #[serde(default)]
    pub result_rows: Option<i64>,
    /// In nanoseconds.
    #[serde(default)]
    pub duration: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetStatementResult {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

impl Operation for GetStatementResult {
    const NAME: &'static str = "GetStatementResult";
    const SERVICE: Service = Service::RedshiftData;
    type Output = ResultPage;
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResultPage {
    #[serde(default)]
    pub column_metadata: Vec<ColumnMetadata>,
    #[serde(default)]
    pub records: Vec<Vec<Field>>,
    #[serde(default)]
    pub next_token: Option<String>,
    #[serde(default)]
    pub total_num_rows: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnMetadata {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub label: Option<String>,
    /// Redshift's own name: `int8`, `numeric`, `varchar`, `date`, `timestamp`.
    #[serde(default)]
    pub type_name: String,
    #[serde(default)]
    pub precision: Option<i32>,
    #[serde(default)]
    pub scale: Option<i32>,
}

/// One value. NUMERIC, DATE and TIMESTAMP come as text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Field {
    StringValue(String),
    LongValue(i64),
    DoubleValue(f64),
    BooleanValue(bool),
    /// Always `true`.
    IsNull(bool),
    /// Base64.
    BlobValue(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CancelStatement {
    pub id: String,
}

impl Operation for CancelStatement {
    const NAME: &'static str = "CancelStatement";
    const SERVICE: Service = Service::RedshiftData;
    type Output = Cancelled;
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Cancelled {
    #[serde(default)]
    pub status: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_written_as_the_service_reads_it() {
        let statement = ExecuteStatement {
            sql: "SELECT :a".into(),
            database: "dev".into(),
            workgroup_name: Some("concert".into()),
            parameters: vec![Parameter {
                name: "a".into(),
                value: "1".into(),
            }],
            wait_time_seconds: Some(10),
            ..Default::default()
        };
        assert_eq!(
            serde_json::to_string(&statement).unwrap(),
            r#"{"Sql":"SELECT :a","Database":"dev","WorkgroupName":"concert","Parameters":[{"name":"a","value":"1"}],"WaitTimeSeconds":10}"#
        );
    }

    #[test]
    fn results_keep_their_types_and_states_of_the_future_are_read() {
        let page = decode::<GetStatementResult>(
            br#"{"ColumnMetadata":[{"name":"a","label":"a","typeName":"int8","precision":19,"scale":0,"nullable":1,
                "length":0,"isSigned":true,"schemaName":"","tableName":""},{"name":"b","typeName":"numeric","scale":2}],
                "Records":[[{"longValue":7},{"stringValue":"12.50"}],[{"isNull":true},{"doubleValue":1.5}],
                [{"booleanValue":false},{"blobValue":"AA=="}]],"TotalNumRows":3,"NextToken":"t"}"#,
        )
        .unwrap();
        assert_eq!(
            page.records[0],
            [Field::LongValue(7), Field::StringValue("12.50".into())]
        );
        assert_eq!(page.records[1], [Field::IsNull(true), Field::DoubleValue(1.5)]);
        assert_eq!(page.column_metadata[1].scale, Some(2));
        let described = decode::<DescribeStatement>(br#"{"Id":"1","Status":"QUEUED_ON_MARS"}"#).unwrap();
        assert_eq!(described.status, Status::Other);
        assert!(!described.status.is_final());
        let error = decode::<DescribeStatement>(b"[]").unwrap_err();
        assert!(error.to_string().contains("DescribeStatement"), "{error}");
    }
}
