//! One statement on one session: parse, plan, bind, run within limits.

use crate::{
    catalog::{Column, Name},
    dialect,
    error::RedshiftError,
    functions,
    parameters::{self, Tokens},
    result::{ColumnInfo, QueryResult, normalise},
    runtime::PauseInJoins,
};
use arrow::datatypes::DataType;
use concert_contract::api::Parameter;
use datafusion::{
    common::{
        Column as EngineColumn, ParamValues, ScalarValue, TableReference,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    execution::{SessionStateBuilder, context::SQLOptions, runtime_env::RuntimeEnvBuilder},
    logical_expr::{Expr, LogicalPlan},
    prelude::SessionContext,
    sql::{parser::Statement as EngineStatement, sqlparser::ast::Statement},
};
use futures::StreamExt;
use std::{collections::HashMap, sync::Arc, time::Duration};

/// The longest statement that the Data API takes ("query statement size").
pub const SQL_MAX_BYTES: usize = 100 * 1024;

/// What all statements together may hold in memory while they run; one that needs more fails and says so.
const MEMORY_MAX_BYTES: usize = 1 << 30;

/// What one statement may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub timeout: Duration,
    /// The Data API's largest result is 500 MB after compression; one machine holds less.
    pub result_max_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            timeout: Duration::from_secs(120),
            result_max_bytes: 100 << 20,
        }
    }
}

/// A session with Redshift's functions and rules over the tables of `lake`'s.
///
/// # Errors
/// The engine's memory cannot be bounded.
pub(crate) fn session(lake: &SessionContext) -> Result<SessionContext, RedshiftError> {
    let state = lake.state();
    let mut config = state.config().clone();
    let options = config.options_mut();
    // 1.5 is a NUMERIC in Redshift.
    options.sql_parser.parse_float_as_decimal = true;
    // NULL counts as larger than every value: last when ascending, first when descending.
    options.sql_parser.default_null_ordering = "nulls_max".to_owned();
    // The catalogue is there already; a new one would hide it.
    options.catalog.create_default_catalog_and_schema = false;
    let runtime = RuntimeEnvBuilder::from_runtime_env(state.runtime_env()).with_memory_limit(MEMORY_MAX_BYTES, 1.0);
    let state = SessionStateBuilder::new_from_existing(state)
        .with_config(config)
        .with_runtime_env(runtime.build_arc()?)
        .with_physical_optimizer_rule(Arc::new(PauseInJoins))
        .with_analyzer_rules(dialect::analyzer_rules())
        .build();
    let context = SessionContext::new_with_state(state);
    functions::register(&context)?;
    Ok(context)
}

/// Splits a statement and binds its parameters, without parsing it.
pub(crate) fn tokens(sql: &str, parameters: &[Parameter]) -> Result<Tokens, RedshiftError> {
    if sql.len() > SQL_MAX_BYTES {
        return Err(RedshiftError::Syntax(format!(
            "the statement has {} bytes; the longest accepted has {SQL_MAX_BYTES}",
            sql.len()
        )));
    }
    parameters::bind(sql, parameters)
}

/// Runs a query; dropping the future ends it.
pub(crate) async fn run(
    context: SessionContext,
    statement: Statement,
    labels: Option<Vec<Option<String>>>,
    values: Vec<String>,
    limits: &Limits,
) -> Result<QueryResult, RedshiftError> {
    let plan = plan(&context, statement, &values).await?;
    let columns = columns(&plan, labels, &|_| None);
    let mut stream = context.execute_logical_plan(plan).await?.execute_stream().await?;
    let mut batches = Vec::new();
    let mut bytes = 0;
    while let Some(batch) = stream.next().await {
        let batch = normalise(&batch?, &columns)?;
        bytes += batch.get_array_memory_size();
        if bytes > limits.result_max_bytes {
            return Err(RedshiftError::ResultTooLarge(limits.result_max_bytes));
        }
        batches.push(batch);
    }
    Ok(QueryResult::new(columns, batches))
}

/// The engine's plan, a row for each line, in one column named as Redshift names it.
pub(crate) async fn explain(
    context: SessionContext,
    statement: Statement,
    values: Vec<String>,
) -> Result<QueryResult, RedshiftError> {
    let plan = plan(&context, statement, &values).await?;
    let lines = context.state().optimize(&plan)?.display_indent().to_string();
    QueryResult::texts(
        &["QUERY PLAN"],
        lines.lines().map(|line| vec![Some(line.to_owned())]).collect(),
    )
}

/// The plan as it will run, with the types that its columns will have.
pub(crate) fn analyzed(context: &SessionContext, plan: LogicalPlan) -> Result<LogicalPlan, RedshiftError> {
    let state = context.state();
    Ok(state
        .analyzer()
        .execute_and_check(plan, state.config_options(), |_, _| {})?)
}

pub(crate) async fn plan(
    context: &SessionContext,
    statement: Statement,
    values: &[String],
) -> Result<LogicalPlan, RedshiftError> {
    let mut statement = statement;
    dialect::resolve(context, &mut statement).await?;
    let plan = context
        .state()
        .statement_to_plan(EngineStatement::Statement(Box::new(statement)))
        .await?;
    // The statement was looked at as text's tree; the plan is looked at as well, so that a form of writing that the
    // parser learns later does not slip through.
    let read_only = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    read_only.verify_plan(&plan)?;
    if values.is_empty() {
        return analyzed(context, plan);
    }
    // A parameter is a literal of unknown type, as in Redshift: beside an integer it is read as one.
    let types = plan.get_parameter_types()?;
    let bound = values
        .iter()
        .enumerate()
        .map(|(i, text)| match types.get(&format!("${}", i + 1)) {
            Some(Some(known)) if !known.is_string() => typed(text, known),
            _ => Ok(ScalarValue::Utf8(Some(text.clone()))),
        })
        .collect::<Result<Vec<_>, _>>()?;
    analyzed(context, plan.with_param_values(ParamValues::from(bound))?)
}

fn typed(text: &str, data_type: &DataType) -> Result<ScalarValue, RedshiftError> {
    ScalarValue::try_from_string(text.trim().to_owned(), data_type).map_err(|_| {
        RedshiftError::NotSupported(format!(
            "invalid input syntax for type {}: {text:?}",
            data_type.to_string().to_lowercase()
        ))
    })
}

/// The place and the columns of a table that the session knows.
type Declared<'a> = dyn Fn(&TableReference) -> Option<(Name, Vec<Column>)> + 'a;

/// Describes a query's columns. `declared` gives the place and the columns of a table that the session knows.
pub(crate) fn columns(
    plan: &LogicalPlan,
    labels: Option<Vec<Option<String>>>,
    declared: &Declared<'_>,
) -> Vec<ColumnInfo> {
    let schema = plan.schema();
    let tables = tables(plan);
    let labels = labels
        .filter(|labels| labels.len() == schema.fields().len())
        .unwrap_or_default();
    (0..schema.fields().len())
        .map(|i| {
            let (qualifier, field) = schema.qualified_field(i);
            let table = qualifier.and_then(|qualifier| tables.get(&qualifier.to_string()));
            let mut column = ColumnInfo::of(
                field,
                table.and_then(|table| table.schema().map(str::to_owned)),
                table.map(|table| table.table().to_owned()),
            );
            // A column under another name is still its table's column.
            let origin = if table.is_none() { origin(plan, i) } else { None };
            let base = origin.as_ref().map_or(field.name(), |column| &column.name);
            let renamed = origin.as_ref().and_then(|column| column.relation.as_ref());
            let table = table.or_else(|| renamed.and_then(|relation| tables.get(&relation.to_string())));
            if let Some((name, columns)) = table.and_then(declared) {
                match columns.iter().find(|known| known.name == *base) {
                    Some(known) => {
                        column = ColumnInfo {
                            label: field.name().clone(),
                            name: field.name().clone(),
                            ..ColumnInfo::declared(known, &name)
                        };
                    }
                    None => {
                        column.schema = Some(name.schema);
                        column.table = Some(name.name);
                    }
                }
            }
            if let Some(Some(label)) = labels.get(i) {
                column.label.clone_from(label);
                if column.table.is_none() {
                    column.name.clone_from(label);
                }
            }
            column
        })
        .collect()
}

/// The column that a query gives under another name.
fn origin(plan: &LogicalPlan, at: usize) -> Option<EngineColumn> {
    match plan {
        LogicalPlan::Projection(projection) => match projection.expr.get(at)? {
            Expr::Alias(alias) => match alias.expr.as_ref() {
                Expr::Column(column) => Some(column.clone()),
                _ => None,
            },
            _ => None,
        },
        LogicalPlan::Sort(sort) => origin(&sort.input, at),
        LogicalPlan::Limit(limit) => origin(&limit.input, at),
        _ => None,
    }
}

/// The tables behind the names that a plan's columns carry: aliases, and the tables' own names.
fn tables(plan: &LogicalPlan) -> HashMap<String, TableReference> {
    let mut tables = HashMap::new();
    // The closure never fails.
    let _ = plan.apply(|node| {
        match node {
            LogicalPlan::TableScan(scan) => {
                tables.insert(scan.table_name.to_string(), scan.table_name.clone());
            }
            LogicalPlan::SubqueryAlias(alias) => {
                if let LogicalPlan::TableScan(scan) = alias.input.as_ref() {
                    tables.insert(alias.alias.to_string(), scan.table_name.clone());
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::{self, Task},
        result::Value,
        runtime::on_engine,
    };
    use arrow::array::{
        ArrayRef, Date32Array, Decimal128Array, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    };
    use datafusion::prelude::SessionConfig;

    /// Three concerts: sold at 10, 15 and an unknown number; priced 10.50, 7.25 and nothing.
    fn context() -> SessionContext {
        let config = SessionConfig::new().with_default_catalog_and_schema("dev", "concert_dw");
        let context = SessionContext::new_with_config(config);
        let batch = RecordBatch::try_from_iter([
            (
                "name",
                Arc::new(StringArray::from(vec!["O'Neill", "b", "c"])) as ArrayRef,
            ),
            ("attendance", Arc::new(Int32Array::from(vec![Some(10), Some(15), None]))),
            (
                "price",
                Arc::new(
                    Decimal128Array::from(vec![Some(1050), Some(725), None])
                        .with_precision_and_scale(14, 2)
                        .expect("fits"),
                ),
            ),
            // 1999-03-04, 1999-12-31, 2000-02-29
            ("day", Arc::new(Date32Array::from(vec![10654, 10956, 11016]))),
            (
                "sold_at",
                Arc::new(TimestampMicrosecondArray::from(vec![
                    Some(920_548_800_000_000),
                    Some(1),
                    None,
                ])),
            ),
        ])
        .expect("a batch");
        context.register_batch("concerts", batch).expect("registers");
        session(&context).expect("a session")
    }

    async fn ask(sql: &str, parameters: &[(&str, &str)]) -> Result<QueryResult, RedshiftError> {
        let parameters: Vec<Parameter> = parameters
            .iter()
            .map(|(name, value)| Parameter {
                name: (*name).into(),
                value: (*value).into(),
            })
            .collect();
        let Tokens { tokens, values } = tokens(sql, &parameters)?;
        on_engine(async move {
            match dialect::parse(tokens)? {
                Task::Query { statement, labels } => {
                    run(context(), *statement, labels, values, &Limits::default()).await
                }
                Task::Explain(statement) => explain(context(), *statement, values).await,
                _ => Err(RedshiftError::NotSupported("not tested here".to_owned())),
            }
        })
        .await?
    }

    /// Rows joined by `|`, values by `,`.
    async fn text(sql: &str, parameters: &[(&str, &str)]) -> String {
        match ask(sql, parameters).await {
            Ok(result) => {
                let rows = result.rows(0).map(|row| {
                    let values = row.into_iter().map(|value| match value {
                        Value::Null => "NULL".to_owned(),
                        Value::Boolean(value) => value.to_string(),
                        Value::Long(value) => value.to_string(),
                        Value::Double(value) => format!("{value:?}"),
                        Value::Text(value) => value,
                    });
                    values.collect::<Vec<_>>().join(",")
                });
                rows.collect::<Vec<_>>().join("|")
            }
            Err(error) => format!("error: {error}"),
        }
    }

    #[tokio::test]
    async fn the_dialect_answers_as_redshift_does() {
        for (sql, expected) in [
            ("select 7 / 2, -7 / 2, 7 % 2", "3,-3,1"),
            ("select 1.5", "1.5"),
            (
                "select count(*), sum(attendance), avg(attendance) from concerts",
                "3,25,12",
            ),
            ("select avg(price), avg(price::float8) from concerts", "8.87,8.875"),
            (
                "select name, avg(attendance) from concerts group by name order by name",
                "O'Neill,10|b,15|c,NULL",
            ),
            ("select attendance from concerts order by attendance", "10|15|NULL"),
            ("select attendance from concerts order by attendance desc", "NULL|15|10"),
            (
                "select date_part(year, day), extract(month from day) from concerts order by day limit 1",
                "1999.0,3",
            ),
            ("select date_part(dow, date '1999-03-04')", "4.0"),
            (
                "select date_trunc('month', day) from concerts order by day limit 1",
                "1999-03-01 00:00:00",
            ),
            ("select dateadd(month, 1, date '1999-01-31')", "1999-02-28 00:00:00"),
            ("select datediff(year, date '1999-12-31', date '2000-01-01')", "1"),
            ("select datediff(day, '1999-12-31', '2000-01-02')", "2"),
            ("select nvl(attendance, 0) from concerts order by name", "10|15|0"),
            ("select name from concerts where name ilike 'o%'", "O'Neill"),
            ("select \"NAME\" from concerts order by 1 limit 1 offset 1", "b"),
            (
                "select to_char(day, 'YYYY-MM') from concerts order by day limit 1",
                "1999-03",
            ),
            ("select '12'::int + 1, cast('2.50' as decimal(14,2))", "13,2.50"),
            (
                "select name from concert_dw.concerts where day between '1999-01-01' and '1999-06-30'",
                "O'Neill",
            ),
            (
                "with t as (select * from concerts) select count(*) from t where price > 8",
                "1",
            ),
            (
                "select sum(price) * 2, price * attendance from concerts where name = 'b' group by price, attendance",
                "14.50,108.75",
            ),
            (
                "select sold_at from concerts order by name",
                "1999-03-04 12:00:00|1970-01-01 00:00:00.000001|NULL",
            ),
            ("select count(distinct name), true, null from concerts", "3,true,NULL"),
            (
                "select price, price::float8 as p from concerts group by 1, 2 order by 2 limit 1",
                "7.25,7.25",
            ),
            (
                "select count(*) from concerts where price::varchar > '0' group by price::varchar",
                "1|1",
            ),
            (
                "select sum(attendance), sum(attendance::float8), sum(attendance::numeric(10,2)) from concerts",
                "25,25.0,25.00",
            ),
            (
                "select 1, 1, 1 + 1, 1 + 1, count(*), count(*) from concerts order by count",
                "1,1,2,2,3,3",
            ),
            (
                "select day::timestamp, count(*) from concerts group by day order by 2, 1 limit 1",
                "1999-03-04 00:00:00,1",
            ),
            ("select charindex('b', 'abc'), len('abc')", "2,3"),
        ] {
            assert_eq!(text(sql, &[]).await, expected, "{sql}");
        }
    }

    #[tokio::test]
    async fn parameters_are_values_whatever_they_hold() {
        let hostile = "x' or '1'='1'; drop table concerts; --";
        for (sql, parameters, expected) in [
            (
                "select name from concerts where name = :n",
                &[("n", "O'Neill")][..],
                "O'Neill",
            ),
            ("select name from concerts where name = :n", &[("n", hostile)][..], ""),
            ("select :n", &[("n", hostile)][..], hostile),
            (
                "select :n",
                &[("n", "a :b $1 \\ \" ' \n €")][..],
                "a :b $1 \\ \" ' \n €",
            ),
            (
                "select name from concerts where attendance > :n order by 1",
                &[("n", "12")][..],
                "b",
            ),
            (
                "select name from concerts where day >= :d::date",
                &[("d", "2000-01-01")][..],
                "c",
            ),
            (
                "select name from concerts where day >= cast(:d as date)",
                &[("d", "2000-01-01")][..],
                "c",
            ),
            (
                "select name from concerts where day >= :d",
                &[("d", "2000-01-01")][..],
                "c",
            ),
            (
                "select name from concerts where price = cast(:p as decimal(14,2))",
                &[("p", "7.25")][..],
                "b",
            ),
            (
                "select name from concerts where name in (:a, :b) order by 1",
                &[("a", "b"), ("b", "c")][..],
                "b|c",
            ),
            (
                "select name from concerts where name ilike '%' || :part || '%'",
                &[("part", "neil")][..],
                "O'Neill",
            ),
            (
                "select name from concerts where name = :x or attendance = :x",
                &[("x", "15")][..],
                "b",
            ),
            (
                "select count(*) from concerts having count(*) > :n",
                &[("n", "2")][..],
                "3",
            ),
        ] {
            assert_eq!(text(sql, parameters).await, expected, "{sql} {parameters:?}");
        }
        let error = text("select name from concerts where attendance > :n", &[("n", "many")]).await;
        assert!(
            error.starts_with("error: invalid input syntax for type int32") && error.contains("many"),
            "{error}"
        );
        let error = text("select :d::date", &[("d", "soon")]).await;
        assert!(error.starts_with("error: ") && error.contains("soon"), "{error}");
    }

    #[tokio::test]
    async fn columns_are_described_as_redshift_does() {
        let result = ask(
            "select name, c.attendance as sold, price, day, sold_at, count(*), 1.5 * 2, price > 1, price::float8 p \
             from concert_dw.concerts c group by 1, 2, 3, 4, 5",
            &[],
        )
        .await
        .expect("runs");
        let columns: Vec<String> = result
            .columns
            .iter()
            .map(|column| {
                let table = column.table.as_deref().unwrap_or("-");
                format!(
                    "{} {}({},{}) {table}",
                    column.label, column.type_name, column.precision, column.scale
                )
            })
            .collect();
        assert_eq!(
            columns,
            [
                "name varchar(65535,0) concerts",
                "sold int4(10,0) -",
                "price numeric(14,2) concerts",
                "day date(13,0) concerts",
                "sold_at timestamp(29,6) concerts",
                "count int8(19,0) -",
                "?column? numeric(13,1) -",
                "?column? bool(1,0) -",
                "p float8(17,17) -",
            ]
        );
        let table = result.to_table(&[None, Some("count".into())], 2).expect("a table");
        assert_eq!((table.rows.len(), table.row_count, table.truncated), (2, 2, true));
        assert_eq!(table.columns[1].unit.as_deref(), Some("count"));
        let json = ask(
            "select name, price, day, sold_at from concerts order by name limit 1",
            &[],
        )
        .await
        .expect("runs");
        let json = serde_json::to_string(&json.to_table(&[], 10).expect("a table").rows).expect("json");
        assert_eq!(json, r#"[["O'Neill",10.50,"1999-03-04","1999-03-04T12:00:00Z"]]"#);
    }

    #[tokio::test]
    async fn errors_say_what_and_never_panic() {
        for (sql, part) in [
            (
                "select * from nothing",
                "relation \"concert_dw.nothing\" does not exist",
            ),
            ("select nope from concerts", "nope"),
            ("select frobnicate(1)", "frobnicate"),
            ("selec 1", "selec"),
            ("select 1 +", "expected"),
            ("select 1 / 0", "zero"),
            ("insert into concerts values (1)", "read-only"),
            ("select avg(name) from concerts", "avg"),
            ("select 1; select 2", "one statement"),
        ] {
            let error = text(sql, &[]).await;
            assert!(
                error.starts_with("error: ") && error.to_lowercase().contains(part),
                "{sql}: {error}"
            );
        }
        // Long chains of operators recurse in the planner; whatever happens, it is an answer.
        assert_eq!(text(&format!("select 1{}", "+1".repeat(1_000)), &[]).await, "1001");
        for long in ["+1".repeat(1_001), "- - 1".repeat(10_000), " or true".repeat(5_000)] {
            let answer = text(&format!("select 1{long}"), &[]).await;
            assert!(
                answer.starts_with("error: ") && answer.contains("the most accepted is 1000"),
                "{answer}"
            );
        }
        let big = format!("select '{}'", "x".repeat(SQL_MAX_BYTES));
        assert!(text(&big, &[]).await.contains("the longest accepted has"));
    }

    #[tokio::test]
    async fn a_large_result_ends_at_its_limit() {
        let tokens = tokens("select a.name || b.name from concerts a, concerts b", &[])
            .expect("splits")
            .tokens;
        let Task::Query { statement, labels } = dialect::parse(tokens).expect("parses") else {
            panic!("a query")
        };
        let limits = Limits {
            result_max_bytes: 16,
            ..Limits::default()
        };
        let error = run(context(), *statement, labels, Vec::new(), &limits)
            .await
            .expect_err("too large");
        assert!(matches!(error, RedshiftError::ResultTooLarge(16)), "{error}");
    }

    #[tokio::test]
    async fn explain_gives_a_row_for_each_line() {
        let plan = text("explain select count(*) from concerts where name = :n", &[("n", "b")]).await;
        assert!(plan.contains("concerts") && plan.contains('|'), "{plan}");
    }
}
