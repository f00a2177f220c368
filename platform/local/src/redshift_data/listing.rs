//! Lists: statements, sessions, databases, schemas, tables and columns.

use super::{
    RedshiftData,
    request::{ListOwn, Listing, connection, constraint, one_of, required, uuid},
    statement::{Statement, Status},
    wire::{column_metadata, paged, seconds},
};
use crate::error::AwsError;
use concert_redshift::{Listed, RedshiftError, matches};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::{Arc, PoisonError};

const LIST_MAX: usize = 1_000;
const LIST_OWN_MAX: usize = 100;

fn place_of(request: &ListOwn) -> Result<(), AwsError> {
    if request.workgroup_name.is_some() && request.cluster_identifier.is_some() {
        return Err(AwsError::validation(
            "Give either WorkgroupName or ClusterIdentifier, not both.",
        ));
    }
    Ok(())
}

fn own_error(error: &RedshiftError) -> AwsError {
    match error {
        RedshiftError::NoDatabase(_) => AwsError::validation(error.to_string()),
        _ => AwsError::internal(error.to_string()),
    }
}

impl RedshiftData {
    pub(super) fn list_statements(&self, request: &ListOwn) -> Result<Value, AwsError> {
        // By default only finished statements are shown.
        let status = request.status.as_deref().unwrap_or("FINISHED");
        one_of("status", Some(status), &Status::NAMES)?;
        place_of(request)?;
        let now = Timestamp::now();
        let all: Vec<Arc<Statement>> = {
            let statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
            let newest_first = statements.order.iter().rev();
            newest_first
                .filter_map(|id| statements.by_id.get(id).cloned())
                .collect()
        };
        let listed: Vec<Value> = all
            .iter()
            .filter(|statement| now.duration_since(statement.created_at) <= SignedDuration::from_hours(24))
            .filter(|statement| {
                let own = &statement.request;
                let named = request.statement_name.as_deref().is_none_or(|prefix| {
                    own.statement_name
                        .as_deref()
                        .is_some_and(|name| name.starts_with(prefix))
                });
                let same = |given: &Option<String>, own: &Option<String>| given.is_none() || given == own;
                named
                    && same(&request.workgroup_name, &own.workgroup_name)
                    && same(&request.cluster_identifier, &own.cluster_identifier)
                    && request
                        .database
                        .as_ref()
                        .is_none_or(|database| *database == statement.database)
            })
            .filter_map(|statement| {
                let progress = statement.progress();
                if status != "ALL" && progress.status.name() != status {
                    return None;
                }
                let own = &statement.request;
                let mut data = Map::new();
                let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
                put("Id", json!(statement.id.to_string()));
                put("Status", json!(progress.status.name()));
                put("CreatedAt", seconds(statement.created_at));
                put("UpdatedAt", seconds(progress.updated_at));
                put("IsBatchStatement", json!(own.is_batch()));
                put("ResultFormat", json!(if own.is_csv() { "CSV" } else { "JSON" }));
                if own.is_batch() {
                    put("QueryStrings", json!(own.texts()));
                } else {
                    put("QueryString", json!(own.texts().first()));
                }
                if let Some(name) = &own.statement_name {
                    put("StatementName", json!(name));
                }
                if let Some(secret) = &own.secret_arn {
                    put("SecretArn", json!(secret));
                }
                if let Some(session) = statement.session_id {
                    put("SessionId", json!(session.to_string()));
                }
                if let Some(parameters) = &own.parameters {
                    put("QueryParameters", json!(parameters));
                }
                Some(Value::Object(data))
            })
            .collect();
        let token = request.next_token.as_deref();
        let (page, next) = self.page(listed, request.max_results, LIST_OWN_MAX, token, "statements")?;
        Ok(paged("Statements", page, next))
    }

    pub(super) fn list_sessions(&self, request: &ListOwn) -> Result<Value, AwsError> {
        one_of("status", request.status.as_deref(), &["AVAILABLE", "BUSY", "CLOSED"])?;
        place_of(request)?;
        let wanted = request
            .session_id
            .as_deref()
            .map(|id| uuid("sessionId", id))
            .transpose()?;
        let others = request.status.is_some()
            || request.database.is_some()
            || request.workgroup_name.is_some()
            || request.cluster_identifier.is_some();
        if wanted.is_some() && others {
            return Err(AwsError::validation(
                "SessionId stands alone: leave out Status, ClusterIdentifier, WorkgroupName and Database.",
            ));
        }
        let listed = self.sessions.each(|kept| {
            let saved = &kept.saved;
            let status = kept.status();
            let shown = match (&wanted, request.status.as_deref()) {
                (Some(id), _) => *id == saved.id,
                (None, Some(wanted)) => wanted == status,
                (None, None) => status != "CLOSED",
            };
            let same = |given: &Option<String>, own: &Option<String>| given.is_none() || given == own;
            let here = same(&request.workgroup_name, &saved.workgroup)
                && same(&request.cluster_identifier, &saved.cluster)
                && request
                    .database
                    .as_ref()
                    .is_none_or(|database| *database == saved.database);
            if !shown || !here {
                return None;
            }
            let mut data = Map::new();
            let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
            put("SessionId", json!(saved.id.to_string()));
            put("Status", json!(status));
            put("CreatedAt", seconds(saved.created_at));
            put("UpdatedAt", seconds(saved.updated_at));
            put("Database", json!(saved.database));
            put("SessionAliveSeconds", json!(saved.alive_seconds));
            put("SessionTtl", seconds(kept.expires_at));
            for (name, value) in [
                ("DbUser", &saved.db_user),
                ("WorkgroupName", &saved.workgroup),
                ("ClusterIdentifier", &saved.cluster),
            ] {
                if let Some(value) = value {
                    put(name, json!(value));
                }
            }
            if let Some(running) = kept.running {
                put("CurrentStatementId", json!(running.to_string()));
            }
            Some(Value::Object(data))
        });
        if let (Some(id), true) = (wanted, listed.is_empty()) {
            return Err(super::not_found("Session does not exist.", &id.to_string()));
        }
        let token = request.next_token.as_deref();
        let (page, next) = self.page(listed, request.max_results, LIST_OWN_MAX, token, "sessions")?;
        Ok(paged("Sessions", page, next))
    }

    pub(super) fn list_databases(&self, request: &Listing) -> Result<Value, AwsError> {
        connected(request)?;
        let names = self.cluster.databases().into_iter().map(Value::String).collect();
        let token = request.next_token.as_deref();
        let (page, next) = self.page(names, request.max_results, LIST_MAX, token, "databases")?;
        Ok(paged("Databases", page, next))
    }

    pub(super) async fn list_schemas(&self, request: &Listing) -> Result<Value, AwsError> {
        let database = database(request)?;
        let schemas = self
            .cluster
            .schemas(database)
            .await
            .map_err(|error| own_error(&error))?;
        let names = schemas
            .into_iter()
            .filter(|name| matches(request.schema_pattern.as_deref(), name))
            .map(Value::String)
            .collect();
        let subject = format!("schemas of {database} {:?}", request.schema_pattern);
        let token = request.next_token.as_deref();
        let (page, next) = self.page(names, request.max_results, LIST_MAX, token, &subject)?;
        Ok(paged("Schemas", page, next))
    }

    pub(super) async fn list_tables(&self, request: &Listing) -> Result<Value, AwsError> {
        let database = database(request)?;
        let tables = self
            .relations(database)
            .await?
            .into_iter()
            .filter(|listed| {
                matches(request.schema_pattern.as_deref(), &listed.info.schema)
                    && matches(request.table_pattern.as_deref(), &listed.info.name)
            })
            .map(|listed| json!({"name": listed.info.name, "schema": listed.info.schema, "type": listed.kind}))
            .collect();
        let subject = format!(
            "tables of {database} {:?} {:?}",
            request.schema_pattern, request.table_pattern
        );
        let token = request.next_token.as_deref();
        let (page, next) = self.page(tables, request.max_results, LIST_MAX, token, &subject)?;
        Ok(paged("Tables", page, next))
    }

    pub(super) async fn describe_table(&self, request: &Listing) -> Result<Value, AwsError> {
        let database = database(request)?;
        let wanted = request.table.as_deref().map(str::to_lowercase);
        let schema = request.schema.as_deref().map(str::to_lowercase);
        let mut tables = self.relations(database).await?;
        tables.retain(|listed| {
            wanted.as_ref().is_none_or(|wanted| listed.info.name == *wanted)
                && schema.as_ref().is_none_or(|schema| listed.info.schema == *schema)
        });
        if let (Some(name), true) = (&wanted, tables.is_empty()) {
            return Err(super::not_found(&format!("Table \"{name}\" does not exist."), name));
        }
        let columns = tables
            .iter()
            .flat_map(|listed| listed.info.columns.iter().map(column_metadata))
            .collect();
        let subject = format!("columns of {database} {schema:?} {wanted:?}");
        let token = request.next_token.as_deref();
        let (page, next) = self.page(columns, request.max_results, LIST_MAX, token, &subject)?;
        let mut answer = paged("ColumnList", page, next);
        if let Some(name) = wanted {
            answer["TableName"] = json!(name);
        }
        Ok(answer)
    }

    async fn relations(&self, database: &str) -> Result<Vec<Listed>, AwsError> {
        self.cluster
            .relations(database)
            .await
            .map_err(|error| own_error(&error))
    }
}

fn connected(request: &Listing) -> Result<(), AwsError> {
    connection(
        request.workgroup_name.as_deref(),
        request.cluster_identifier.as_deref(),
        request.db_user.as_deref(),
        request.secret_arn.as_deref(),
    )?;
    match request.max_results {
        Some(count) if !(0..=1_000).contains(&count) => Err(constraint(
            "maxResults",
            &count.to_string(),
            "Member must have value between 0 and 1000",
        )),
        _ => Ok(()),
    }
}

/// The database whose content is asked for; the one to connect to may be another.
fn database(request: &Listing) -> Result<&str, AwsError> {
    connected(request)?;
    required("database", request.database.as_deref())
}
