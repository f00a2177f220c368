//! Queries: planning with this session's names, running, and EXPLAIN.

use super::{
    Outcome, Sink, State, give,
    scope::{Found, Names, PATH, Scope},
};
use crate::{
    catalog::Relation,
    command::{Command, Target},
    dialect::{self, Task},
    engine,
    error::RedshiftError,
    parameters,
    result::{ColumnInfo, QueryResult, normalise},
    warehouse::TableInfo,
};
use datafusion::{
    catalog::{CatalogProviderList as _, MemoryCatalogProviderList, view::ViewTable},
    execution::{SendableRecordBatchStream, SessionStateBuilder},
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder},
    prelude::SessionContext,
    sql::sqlparser::{
        ast::{ObjectName, Query, Statement, visit_relations},
        dialect::RedshiftSqlDialect,
        parser::Parser,
    },
};
use futures::StreamExt as _;
use std::{ops::ControlFlow, pin::Pin, sync::Arc};

/// How deep views may read views.
const VIEW_DEPTH_MAX: usize = 32;

/// A scope and the engine's session over it.
#[derive(Clone)]
pub(super) struct Planner {
    pub scope: Arc<Scope>,
    context: SessionContext,
}

impl State {
    pub(super) async fn planner(&self) -> Result<Planner, RedshiftError> {
        self.planner_over(self.scope()?).await
    }

    pub(super) async fn planner_over(&self, scope: Scope) -> Result<Planner, RedshiftError> {
        let scope = Arc::new(scope);
        let base = self.cluster.base().await?;
        let mut config = base.config().clone();
        let database = self.database.name.clone();
        config.options_mut().catalog.default_catalog.clone_from(&database);
        config.options_mut().catalog.default_schema = PATH.to_owned();
        config.options_mut().catalog.information_schema = false;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(database, Arc::new(Names(Arc::clone(&scope))));
        let state = SessionStateBuilder::new_from_existing(base)
            .with_config(config)
            .with_catalog_list(Arc::new(catalogs))
            .build();
        Ok(Planner {
            scope,
            context: SessionContext::new_with_state(state),
        })
    }

    pub(super) async fn read(
        &mut self,
        statement: Statement,
        values: &[String],
        sink: &mut dyn Sink,
    ) -> Result<Outcome, RedshiftError> {
        let planner = self.planner().await?;
        planner.find_views(&statement, 0).await?;
        match dialect::prepare(statement)? {
            Task::Query { statement, labels } => {
                let plan = engine::plan(&planner.context, *statement, values).await?;
                let columns = planner.columns(&plan, labels);
                sink.columns(&columns)?;
                let mut rows = 0;
                let mut stream = planner
                    .context
                    .execute_logical_plan(plan)
                    .await?
                    .execute_stream()
                    .await?;
                while let Some(batch) = stream.next().await {
                    let batch = normalise(&batch?, &columns)?;
                    rows += batch.num_rows() as u64;
                    sink.batch(&batch)?;
                }
                Ok(Outcome {
                    has_result: true,
                    rows: Some(rows),
                    ..Outcome::default()
                })
            }
            Task::Explain(statement) => {
                let result = engine::explain(planner.context.clone(), *statement, values.to_vec()).await?;
                give(sink, &result)
            }
            list => give(sink, &self.list(&planner.scope, list).await?),
        }
    }

    async fn list(&self, scope: &Scope, task: Task) -> Result<QueryResult, RedshiftError> {
        let database = Some(scope.database.name.clone());
        match task {
            Task::ShowTables { schema, like } => {
                let rows = super::system::listed(scope)
                    .await?
                    .into_iter()
                    .filter(|listed| !listed.kind.starts_with("SYSTEM"))
                    .filter(|listed| schema.as_ref().is_none_or(|schema| *schema == listed.info.schema))
                    .filter(|listed| State::pattern_matches(like.as_deref(), &listed.info.name))
                    .map(|listed| {
                        vec![
                            database.clone(),
                            Some(listed.info.schema),
                            Some(listed.info.name),
                            Some(listed.kind.to_owned()),
                        ]
                    })
                    .collect();
                QueryResult::texts(&["database_name", "schema_name", "table_name", "table_type"], rows)
            }
            Task::ShowColumns { table, like } => {
                let target = Target::of(table.split('.').map(str::to_owned).collect());
                let found = target.as_ref().and_then(|target| scope.find(target));
                let Some(found) = found else {
                    return Err(RedshiftError::Data(format!("relation \"{table}\" does not exist")));
                };
                let info: TableInfo = super::system::describe(scope, &found).await?;
                let rows = info
                    .columns
                    .into_iter()
                    .enumerate()
                    .filter(|(_, column)| State::pattern_matches(like.as_deref(), &column.name))
                    .map(|(at, column)| {
                        let nullable = if column.nullable { "YES" } else { "NO" };
                        vec![
                            Some(info.schema.clone()),
                            Some(info.name.clone()),
                            Some(column.name),
                            Some((at + 1).to_string()),
                            Some(column.type_name.to_owned()),
                            Some(nullable.to_owned()),
                        ]
                    })
                    .collect();
                QueryResult::texts(
                    &[
                        "schema_name",
                        "table_name",
                        "column_name",
                        "ordinal_position",
                        "data_type",
                        "is_nullable",
                    ],
                    rows,
                )
            }
            Task::ShowSchemas { like } => {
                let rows = scope
                    .schema_names()
                    .into_iter()
                    .filter(|name| State::pattern_matches(like.as_deref(), name))
                    .map(|name| vec![database.clone(), Some(name)])
                    .collect();
                QueryResult::texts(&["database_name", "schema_name"], rows)
            }
            _ => {
                let rows = scope.databases.iter().map(|name| vec![Some(name.clone())]).collect();
                QueryResult::texts(&["database_name"], rows)
            }
        }
    }

    pub(super) async fn explain(
        &mut self,
        command: Command,
        values: &[String],
        sink: &mut dyn Sink,
    ) -> Result<Outcome, RedshiftError> {
        let statement = match command {
            Command::Read(statement) => *statement,
            other => Statement::Query(self.query_of(other).await?),
        };
        let planner = self.planner().await?;
        planner.find_views(&statement, 0).await?;
        let Task::Query { statement, .. } = dialect::prepare(statement)? else {
            return Err(RedshiftError::NotSupported("EXPLAIN takes a query".to_owned()));
        };
        let result = engine::explain(planner.context.clone(), *statement, values.to_vec()).await?;
        give(sink, &result)
    }
}

impl Planner {
    /// Plans every view that a statement reads, so that the engine finds it as a table.
    pub fn find_views<'a>(
        &'a self,
        statement: &'a Statement,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<(), RedshiftError>> + Send + 'a>> {
        Box::pin(async move {
            let mut views = Vec::new();
            for target in relations(statement) {
                if let Some(found) = self.scope.find(&target)
                    && let Some(relation) = found.relation()
                    && let Relation::View(view) = relation.as_ref()
                    && view.stored.is_none()
                {
                    views.push((found.name(), view.clone()));
                }
            }
            if !views.is_empty() && depth >= VIEW_DEPTH_MAX {
                return Err(RedshiftError::Data(format!(
                    "views are nested deeper than {VIEW_DEPTH_MAX}, or read themselves"
                )));
            }
            for (name, view) in views {
                let query = parse_query(&view.query)?;
                let plan = self.plan_view(&query, &view.names, depth + 1).await?;
                self.scope.put(name, Arc::new(ViewTable::new(plan, Some(view.query))));
            }
            Ok(())
        })
    }

    pub async fn plan_view(&self, query: &Query, names: &[String], depth: usize) -> Result<LogicalPlan, RedshiftError> {
        let statement = Statement::Query(Box::new(query.clone()));
        self.find_views(&statement, depth).await?;
        let Task::Query { statement, labels } = dialect::prepare(statement)? else {
            return Err(RedshiftError::NotSupported("a view is a query".to_owned()));
        };
        let plan = engine::plan(&self.context, *statement, &[]).await?;
        let columns = self.columns(&plan, labels);
        if names.len() > columns.len() {
            return Err(RedshiftError::Data(
                "CREATE VIEW specifies more column names than columns".to_owned(),
            ));
        }
        let projection: Vec<_> = plan
            .schema()
            .columns()
            .into_iter()
            .enumerate()
            .map(|(at, column)| {
                let name = names.get(at).unwrap_or(&columns[at].label);
                Expr::Column(column).alias(name)
            })
            .collect();
        Ok(LogicalPlanBuilder::from(plan).project(projection)?.build()?)
    }

    /// Plans a query of the session's own and gives its columns and its rows in the engine's types.
    pub async fn stream(
        &self,
        query: Query,
        values: &[String],
    ) -> Result<(Vec<ColumnInfo>, SendableRecordBatchStream), RedshiftError> {
        let statement = Statement::Query(Box::new(query));
        self.find_views(&statement, 0).await?;
        let Task::Query { statement, labels } = dialect::prepare(statement)? else {
            return Err(RedshiftError::NotSupported("a query is expected here".to_owned()));
        };
        let plan = engine::plan(&self.context, *statement, values).await?;
        let columns = self.columns(&plan, labels);
        let stream = self.context.execute_logical_plan(plan).await?.execute_stream().await?;
        Ok((columns, stream))
    }

    pub async fn columns_of(
        &self,
        query: Query,
        values: &[String],
    ) -> Result<(Vec<ColumnInfo>, Vec<arrow::datatypes::DataType>), RedshiftError> {
        let statement = Statement::Query(Box::new(query));
        self.find_views(&statement, 0).await?;
        let Task::Query { statement, labels } = dialect::prepare(statement)? else {
            return Err(RedshiftError::NotSupported("a query is expected here".to_owned()));
        };
        let plan = engine::plan(&self.context, *statement, values).await?;
        let plan = engine::analyzed(&self.context, plan)?;
        let types = plan
            .schema()
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        Ok((self.columns(&plan, labels), types))
    }

    fn columns(&self, plan: &LogicalPlan, labels: Option<Vec<Option<String>>>) -> Vec<ColumnInfo> {
        engine::columns(plan, labels, &|table| self.scope.declared(table))
    }
}

/// The relations that a statement names; names of its own WITH may be among them.
pub(super) fn relations(statement: &Statement) -> Vec<Target> {
    let mut found = Vec::new();
    let _ = visit_relations(statement, |name| {
        found.extend(target_of(name));
        ControlFlow::<()>::Continue(())
    });
    found
}

pub(super) fn target_of(name: &ObjectName) -> Option<Target> {
    let parts = name.0.iter();
    let parts = parts.filter_map(|part| part.as_ident().map(|ident| ident.value.to_lowercase()));
    Target::of(parts.collect())
}

/// Reads a query that was kept as text.
pub(super) fn parse_query(text: &str) -> Result<Query, RedshiftError> {
    let tokens = parameters::bind(text, &[])?.tokens;
    dialect::check_operators(&tokens)?;
    let mut parser = Parser::new(&RedshiftSqlDialect {})
        .with_recursion_limit(dialect::NESTING_MAX)
        .with_tokens_with_locations(tokens);
    let query = parser.parse_query().map_err(|error| crate::command::syntax(&error))?;
    Ok(*query)
}

/// The names in a view's query that are relations of the database.
pub(super) fn reads(scope: &Scope, query: &Query) -> Vec<Found> {
    let statement = Statement::Query(Box::new(query.clone()));
    let mut found: Vec<Found> = relations(&statement)
        .iter()
        .filter_map(|target| scope.find(target))
        .collect();
    found.dedup_by_key(|found| found.name());
    found
}
