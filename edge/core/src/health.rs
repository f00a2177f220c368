//! `GET /api/health`: one cheap signed call to each dependency, remembered for a few seconds.

use crate::{
    Level,
    limits::{HEALTH_MAX_AGE_MS, HEALTH_TIMEOUT_MS},
    lock,
    upstream::{CallError, Context, MODEL, STORE, WAREHOUSE, call_once, send_once},
};
use concert_aws::{
    Service,
    bedrock::{ConverseRequest, converse},
    dynamodb::DescribeTable,
    redshift::{ExecuteStatement, Status},
};
use concert_contract::api::{DependencyHealth, HealthAnswer, HealthState};

/// What the last look found.
#[derive(Clone, Debug)]
pub struct Finding {
    at_ms: u64,
    dependencies: Vec<DependencyHealth>,
}

pub async fn health(context: &Context) -> HealthAnswer {
    let now_ms = context.host.now_ms();
    let known = lock(&context.edge.health)
        .clone()
        .filter(|finding| now_ms.saturating_sub(finding.at_ms) < HEALTH_MAX_AGE_MS);
    let finding = match known {
        Some(finding) => finding,
        None => {
            let (warehouse, model, store) = futures::join!(warehouse(context), model(context), store(context));
            let finding = Finding {
                at_ms: now_ms,
                dependencies: vec![warehouse, model, store],
            };
            *lock(&context.edge.health) = Some(finding.clone());
            finding
        }
    };
    let age_ms = now_ms.saturating_sub(finding.at_ms);
    let dependencies: Vec<DependencyHealth> = finding
        .dependencies
        .into_iter()
        .map(|dependency| DependencyHealth { age_ms, ..dependency })
        .collect();
    let configured = || dependencies.iter().filter(|d| d.state != HealthState::NotConfigured);
    let up = configured().filter(|d| d.state == HealthState::Up).count();
    let state = match up {
        0 => HealthState::Down,
        up if up == configured().count() => HealthState::Up,
        _ => HealthState::Degraded,
    };
    HealthAnswer {
        state,
        dependencies,
        imports: false,
        runtime: context.edge.runtime.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

async fn warehouse(context: &Context) -> DependencyHealth {
    let started_ms = context.host.now_ms();
    let settings = &context.edge.settings;
    let statement = ExecuteStatement {
        sql: "SELECT 1".to_owned(),
        database: settings.database.clone(),
        workgroup_name: Some(settings.workgroup.clone()),
        wait_time_seconds: Some(1),
        ..ExecuteStatement::default()
    };
    let result = call_once(context, &statement, HEALTH_TIMEOUT_MS)
        .await
        .and_then(|executed| match executed.status {
            Some(Status::Failed | Status::Aborted) => Err(CallError::Broken("SELECT 1 failed".to_owned())),
            _ => Ok(()),
        });
    found(context, "redshift", WAREHOUSE, started_ms, result)
}

/// A conversation without a message: the service checks signature, permission and model, then refuses it as invalid,
/// and nothing is billed.
async fn model(context: &Context) -> DependencyHealth {
    let started_ms = context.host.now_ms();
    let settings = &context.edge.settings;
    let model = settings.models.first().map(String::as_str).unwrap_or_default();
    let result = match converse(&settings.aws, model, &ConverseRequest::default(), started_ms) {
        Ok(request) => match send_once(context, Service::BedrockRuntime, request, HEALTH_TIMEOUT_MS).await {
            Ok(_) => Ok(()),
            Err(CallError::Refused(error)) if error.code == "ValidationException" => Ok(()),
            Err(error) => Err(error),
        },
        Err(error) => Err(CallError::Request(error.to_string())),
    };
    found(context, "bedrock", MODEL, started_ms, result)
}

/// The table that keeps conversations.
async fn store(context: &Context) -> DependencyHealth {
    let Some(table) = &context.edge.settings.table else {
        return DependencyHealth {
            name: "dynamodb".to_owned(),
            state: HealthState::NotConfigured,
            latency_ms: None,
            message: Some("Conversations are not kept here.".to_owned()),
            age_ms: 0,
        };
    };
    let started_ms = context.host.now_ms();
    let describe = DescribeTable {
        table_name: table.clone(),
    };
    let result = call_once(context, &describe, HEALTH_TIMEOUT_MS).await.map(drop);
    found(context, "dynamodb", STORE, started_ms, result)
}

fn found(
    context: &Context,
    name: &str,
    service: &str,
    started_ms: u64,
    result: Result<(), CallError>,
) -> DependencyHealth {
    let latency_ms = context.host.now_ms().saturating_sub(started_ms);
    let (state, message) = match result {
        Ok(()) => (HealthState::Up, None),
        Err(error) => {
            context.log(Level::Warning, &format!("health of {name}: {}", error.describe()));
            let state = match &error {
                CallError::Refused(refusal) if concert_aws::retry::is_throttling(refusal) => HealthState::Degraded,
                _ => HealthState::Down,
            };
            let failure = error.into_failure(service);
            let action = failure.suggested_action.unwrap_or_default();
            (
                state,
                Some(format!("{} {action}", failure.message).trim_end().to_owned()),
            )
        }
    };
    DependencyHealth {
        name: name.to_owned(),
        state,
        latency_ms: Some(latency_ms),
        message,
        age_ms: 0,
    }
}
