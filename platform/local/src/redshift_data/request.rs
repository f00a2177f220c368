//! Requests as the service's model has them, and the constraints that it puts on their members.

use super::WORKGROUP;
use crate::error::AwsError;
use concert_contract::api::Parameter;
use serde::{Deserialize, Serialize};

const PARAMETERS_MAX: usize = 1_000;
const SQLS_MAX: usize = 40;
const WAIT_MAX_SECONDS: i64 = 30;
const KEEP_ALIVE_MAX_SECONDS: i64 = 86_400;
const STATEMENT_NAME_MAX: usize = 2_048;

/// ExecuteStatement and BatchExecuteStatement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Execute {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqls: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workgroup_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Vec<SqlParameter>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_event: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_keep_alive_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_mode: Option<String>,
    /// How long a caller waits is not part of what it asks for.
    #[serde(skip_serializing)]
    pub wait_time_seconds: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SqlParameter {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ById {
    pub id: Option<String>,
    pub next_token: Option<String>,
    pub wait_time_seconds: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Listing {
    pub workgroup_name: Option<String>,
    pub cluster_identifier: Option<String>,
    pub db_user: Option<String>,
    pub secret_arn: Option<String>,
    pub database: Option<String>,
    pub connected_database: Option<String>,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub schema_pattern: Option<String>,
    pub table_pattern: Option<String>,
    pub next_token: Option<String>,
    pub max_results: Option<i64>,
}

/// ListStatements and ListSessions.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ListOwn {
    pub next_token: Option<String>,
    pub max_results: Option<i64>,
    pub statement_name: Option<String>,
    pub session_id: Option<String>,
    pub status: Option<String>,
    pub database: Option<String>,
    pub workgroup_name: Option<String>,
    pub cluster_identifier: Option<String>,
    /// One key signs every request here, so a role has one session.
    #[allow(dead_code)]
    pub role_level: Option<bool>,
}

impl Execute {
    /// The statements in their order; one for ExecuteStatement.
    pub fn texts(&self) -> Vec<&str> {
        match (&self.sqls, &self.sql) {
            (Some(sqls), _) => sqls.iter().map(String::as_str).collect(),
            (None, Some(sql)) => vec![sql],
            (None, None) => Vec::new(),
        }
    }

    pub fn is_batch(&self) -> bool {
        self.sqls.is_some()
    }

    /// Whether the statements of a batch stand or fall each by itself.
    pub fn commits_each(&self) -> bool {
        self.execution_mode.as_deref() == Some("AUTO_COMMIT")
    }

    pub fn is_csv(&self) -> bool {
        self.result_format.as_deref() == Some("CSV")
    }

    pub fn parameters(&self) -> Vec<Parameter> {
        let given = self.parameters.iter().flatten();
        given
            .map(|parameter| Parameter {
                name: parameter.name.clone(),
                value: parameter.value.clone(),
            })
            .collect()
    }

    /// Everything that the model says about the members.
    pub fn check(&self, batch: bool) -> Result<(), AwsError> {
        if batch {
            let sqls = required("sqls", self.sqls.as_deref())?;
            if sqls.is_empty() {
                return Err(constraint(
                    "sqls",
                    "[]",
                    "Member must have length greater than or equal to 1",
                ));
            }
            if sqls.len() > SQLS_MAX {
                return Err(constraint(
                    "sqls",
                    &format!("[{} statements]", sqls.len()),
                    &format!("Member must have length less than or equal to {SQLS_MAX}"),
                ));
            }
        } else {
            required("sql", self.sql.as_deref())?;
        }
        if self.texts().iter().any(|sql| sql.trim().is_empty()) {
            return Err(AwsError::validation("SQL statement is empty."));
        }
        if let Some(list) = &self.parameters {
            if list.is_empty() {
                return Err(constraint(
                    "parameters",
                    "[]",
                    "Member must have length greater than or equal to 1",
                ));
            }
            if list.len() > PARAMETERS_MAX {
                return Err(AwsError::validation(format!(
                    "A statement takes at most {PARAMETERS_MAX} parameters."
                )));
            }
        }
        one_of("resultFormat", self.result_format.as_deref(), &["CSV", "JSON"])?;
        one_of(
            "executionMode",
            self.execution_mode.as_deref(),
            &["TRANSACTION", "AUTO_COMMIT"],
        )?;
        if let Some(token) = &self.client_token
            && !(1..=64).contains(&token.chars().count())
        {
            return Err(constraint(
                "clientToken",
                token,
                "Member must have length between 1 and 64",
            ));
        }
        if let Some(name) = &self.statement_name
            && name.chars().count() > STATEMENT_NAME_MAX
        {
            return Err(constraint(
                "statementName",
                name,
                &format!("Member must have length less than or equal to {STATEMENT_NAME_MAX}"),
            ));
        }
        between(
            "sessionKeepAliveSeconds",
            self.session_keep_alive_seconds,
            0,
            KEEP_ALIVE_MAX_SECONDS,
        )?;
        check_wait(self.wait_time_seconds)?;
        if let Some(id) = &self.session_id {
            uuid("sessionId", id)?;
        }
        Ok(())
    }
}

pub(super) fn check_wait(seconds: Option<i64>) -> Result<(), AwsError> {
    between("waitTimeSeconds", seconds, 1, WAIT_MAX_SECONDS)
}

fn between(name: &str, value: Option<i64>, least: i64, most: i64) -> Result<(), AwsError> {
    match value {
        Some(value) if !(least..=most).contains(&value) => Err(constraint(
            name,
            &value.to_string(),
            &format!("Member must have value between {least} and {most}"),
        )),
        _ => Ok(()),
    }
}

pub(super) fn one_of(name: &str, value: Option<&str>, known: &[&str]) -> Result<(), AwsError> {
    match value {
        Some(value) if !known.contains(&value) => Err(constraint(
            name,
            value,
            &format!("Member must satisfy enum value set: [{}]", known.join(", ")),
        )),
        _ => Ok(()),
    }
}

pub(super) fn uuid(name: &str, text: &str) -> Result<uuid::Uuid, AwsError> {
    uuid::Uuid::parse_str(text)
        .ok()
        .filter(|id| id.to_string() == text)
        .ok_or_else(|| {
            AwsError::validation(format!(
                "{name} must satisfy regex pattern: ^[a-z0-9]{{8}}(-[a-z0-9]{{4}}){{3}}-[a-z0-9]{{12}}(:\\d+)?$"
            ))
        })
}

/// A statement's id and, behind a colon, the number of a statement of a batch, from 1.
pub(super) fn statement_id(text: Option<&str>) -> Result<(uuid::Uuid, Option<usize>), AwsError> {
    let text = required("id", text)?;
    let (id, part) = match text.split_once(':') {
        Some((id, part)) => (id, Some(part)),
        None => (text, None),
    };
    let id = uuid("id", id)?;
    match part {
        None | Some("") => Ok((id, None)),
        Some(digits) if digits.len() <= 2 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Ok((id, Some(digits.parse().unwrap_or(0))))
        }
        Some(_) => Err(uuid("id", "")
            .err()
            .unwrap_or_else(|| AwsError::validation("id is no id"))),
    }
}

pub(super) fn required<'a, T: ?Sized>(name: &str, value: Option<&'a T>) -> Result<&'a T, AwsError> {
    value.ok_or_else(|| {
        AwsError::validation(format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

pub(super) fn constraint(name: &str, value: &str, rule: &str) -> AwsError {
    AwsError::validation(format!(
        "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {rule}"
    ))
}

/// Where a caller wants to connect: the workgroup, or a cluster of the same name for clients that are set up for one.
pub(super) fn connection(
    workgroup: Option<&str>,
    cluster: Option<&str>,
    db_user: Option<&str>,
    secret: Option<&str>,
) -> Result<(), AwsError> {
    if db_user.is_some() && secret.is_some() {
        return Err(AwsError::validation(
            "Give either DbUser or SecretArn, not both: a secret names its own user.",
        ));
    }
    if let Some(name) = workgroup
        && !(3..=128).contains(&name.chars().count())
    {
        return Err(constraint(
            "workgroupName",
            name,
            "Member must have length between 3 and 128",
        ));
    }
    if let Some(name) = cluster
        && !(1..=63).contains(&name.chars().count())
    {
        return Err(constraint(
            "clusterIdentifier",
            name,
            "Member must have length between 1 and 63",
        ));
    }
    match (workgroup, cluster) {
        (Some(name), None) if name == WORKGROUP || name.ends_with(&format!(":workgroup/{WORKGROUP}")) => Ok(()),
        (None, Some(WORKGROUP)) => Ok(()),
        (Some(_), Some(_)) => Err(AwsError::validation(
            "Give either WorkgroupName or ClusterIdentifier, not both.",
        )),
        (None, None) => Err(AwsError::validation(format!(
            "WorkgroupName is required; it is \"{WORKGROUP}\" here."
        ))),
        (Some(other), None) | (None, Some(other)) => Err(AwsError::validation(format!(
            "Redshift endpoint doesn't exist in this region: \"{other}\". The workgroup \"{WORKGROUP}\" does."
        ))),
    }
}
