//! The warehouse as its callers see it: a statement in, rows out, always on the newest published snapshot.

use crate::{
    dialect::{self, Task},
    engine::{self, Limits},
    error::RedshiftError,
    parameters::Tokens,
    result::{ColumnInfo, QueryResult},
    runtime::on_engine,
};
use concert_contract::api::Parameter;
use concert_lake::{CATALOG, Lake, Layer, Snapshot};
use datafusion::prelude::SessionContext;
use std::sync::{Arc, Mutex, PoisonError};

/// A table and its columns, as ListTables, DescribeTable and SHOW give them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableInfo {
    pub schema: String,
    pub name: String,
    pub columns: Vec<ColumnInfo>,
}

/// Redshift over the lake's published tables. Cloning is cheap; clones share the open snapshot.
#[derive(Clone)]
pub struct Warehouse {
    lake: Lake,
    limits: Limits,
    /// None: the newest one, whichever that is when a statement begins.
    pinned: Option<Snapshot>,
    open: Arc<Mutex<Option<(Snapshot, SessionContext)>>>,
}

impl Warehouse {
    pub fn new(lake: Lake) -> Warehouse {
        Warehouse::with_limits(lake, Limits::default())
    }

    pub fn with_limits(lake: Lake, limits: Limits) -> Warehouse {
        Warehouse {
            lake,
            limits,
            pinned: None,
            open: Arc::new(Mutex::new(None)),
        }
    }

    /// The same warehouse, on this snapshot instead of the newest one.
    pub fn at(self, snapshot: Snapshot) -> Warehouse {
        Warehouse {
            pinned: Some(snapshot),
            open: Arc::new(Mutex::new(None)),
            ..self
        }
    }

    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// The name of the only database: `dev`.
    pub fn database(&self) -> &'static str {
        CATALOG
    }

    /// The name of the only schema: `concert_dw`.
    pub fn schema(&self) -> &'static str {
        Layer::ConcertDw.name()
    }

    /// Whether the parameters and the places for them in the text match: what the Data API refuses before it makes a
    /// statement.
    ///
    /// # Errors
    /// The parameter that is missing, unused, empty, given twice or badly named; text that cannot be split.
    pub fn check_parameters(&self, sql: &str, parameters: &[Parameter]) -> Result<(), RedshiftError> {
        engine::tokens(sql, parameters).map(|_| ())
    }

    /// Runs exactly one read-only statement on the newest snapshot. `:name` in it stands for the parameter of that
    /// name, whose value is bound and never becomes part of the text. Dropping the future ends the statement.
    ///
    /// # Errors
    /// A statement that does not parse, is not read-only, names what is not there or fails on a value; parameters
    /// that do not match its text; the limits of time and size; tables that cannot be read.
    pub async fn execute(&self, sql: &str, parameters: &[Parameter]) -> Result<QueryResult, RedshiftError> {
        let Tokens { tokens, values } = engine::tokens(sql, parameters)?;
        let (warehouse, timeout) = (self.clone(), self.limits.timeout);
        let work = on_engine(async move {
            match dialect::parse(tokens)? {
                Task::Query { statement, labels } => {
                    engine::run(
                        warehouse.session().await?,
                        *statement,
                        labels,
                        values,
                        &warehouse.limits,
                    )
                    .await
                }
                Task::Explain(statement) => engine::explain(warehouse.session().await?, *statement, values).await,
                Task::ShowTables { schema, like } => warehouse.show_tables(schema.as_deref(), like.as_deref()).await,
                Task::ShowColumns { table, like } => warehouse.show_columns(&table, like.as_deref()).await,
                Task::ShowSchemas { like } => {
                    let row = [warehouse.database(), warehouse.schema()]
                        .map(|name| Some(name.to_owned()))
                        .to_vec();
                    let rows = if matches(like.as_deref(), warehouse.schema()) {
                        vec![row]
                    } else {
                        Vec::new()
                    };
                    QueryResult::texts(&["database_name", "schema_name"], rows)
                }
                Task::ShowDatabases => {
                    QueryResult::texts(&["database_name"], vec![vec![Some(warehouse.database().to_owned())]])
                }
            }
        });
        tokio::time::timeout(timeout, work)
            .await
            .unwrap_or(Ok(Err(RedshiftError::Timeout(timeout))))?
    }

    /// The published tables, by name.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub async fn tables(&self) -> Result<Vec<TableInfo>, RedshiftError> {
        let session = self.session().await?;
        let Some(schema) = session
            .catalog(CATALOG)
            .and_then(|catalog| catalog.schema(self.schema()))
        else {
            return Ok(Vec::new());
        };
        let mut names = schema.table_names();
        names.sort();
        let mut tables = Vec::with_capacity(names.len());
        for name in names {
            if let Some(table) = schema.table(&name).await? {
                let columns = table
                    .schema()
                    .fields()
                    .iter()
                    .map(|field| ColumnInfo::of(field, Some(self.schema().to_owned()), Some(name.clone())))
                    .collect();
                tables.push(TableInfo {
                    schema: self.schema().to_owned(),
                    name,
                    columns,
                });
            }
        }
        Ok(tables)
    }

    async fn show_tables(&self, schema: Option<&str>, like: Option<&str>) -> Result<QueryResult, RedshiftError> {
        let rows = self
            .tables()
            .await?
            .into_iter()
            .filter(|table| schema.is_none_or(|schema| schema == table.schema) && matches(like, &table.name))
            .map(|table| {
                vec![
                    Some(self.database().to_owned()),
                    Some(table.schema),
                    Some(table.name),
                    Some("TABLE".to_owned()),
                ]
            })
            .collect();
        QueryResult::texts(&["database_name", "schema_name", "table_name", "table_type"], rows)
    }

    async fn show_columns(&self, table: &str, like: Option<&str>) -> Result<QueryResult, RedshiftError> {
        let Some(info) = self.tables().await?.into_iter().find(|info| info.name == table) else {
            return Err(RedshiftError::NotSupported(format!(
                "relation \"{table}\" does not exist"
            )));
        };
        let rows = info
            .columns
            .into_iter()
            .enumerate()
            .filter(|(_, column)| matches(like, &column.name))
            .map(|(i, column)| {
                let nullable = if column.nullable { "YES" } else { "NO" };
                vec![
                    Some(info.schema.clone()),
                    Some(info.name.clone()),
                    Some(column.name),
                    Some((i + 1).to_string()),
                    Some(column.type_name.to_owned()),
                    Some(nullable.to_owned()),
                ]
            });
        let names = [
            "schema_name",
            "table_name",
            "column_name",
            "ordinal_position",
            "data_type",
            "is_nullable",
        ];
        QueryResult::texts(&names, rows.collect())
    }

    /// The session over the pinned or the newest snapshot. The pointer is read for every statement; tables are opened only when
    /// it moved.
    async fn session(&self) -> Result<SessionContext, RedshiftError> {
        let snapshot = match &self.pinned {
            Some(snapshot) => snapshot.clone(),
            None => self.lake.snapshot()?.unwrap_or_default(),
        };
        {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((current, session)) = open.as_ref()
                && *current == snapshot
            {
                return Ok(session.clone());
            }
        }
        let session = engine::session(&self.lake.session(&snapshot).await?)?;
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some((snapshot, session.clone()));
        Ok(session)
    }
}

/// LIKE with `%` and `_`, case aside, as the patterns of SHOW and of ListTables are.
pub fn matches(pattern: Option<&str>, name: &str) -> bool {
    let Some(pattern) = pattern else { return true };
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    // Only the last wildcard is ever tried again, so a pattern of many costs no more than the product of the lengths.
    let (mut p, mut n) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('%') => {
                again = Some((p, n));
                p += 1;
            }
            Some(one) if *one == '_' || *one == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match again {
                Some((wildcard, from)) => {
                    again = Some((wildcard, from + 1));
                    p = wildcard + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A product of 10^12 rows: nobody waits for its end.
    const ENDLESS: &str = "with d as (select 0 as n union all select 1 union all select 2 union all select 3 union all
        select 4 union all select 5 union all select 6 union all select 7 union all select 8 union all select 9),
        k as (select a.n + 10 * b.n + 100 * c.n as n from d a, d b, d c)
        select count(*) from k a, k b, k c, k d where a.n + b.n + c.n + d.n = 7";

    #[tokio::test]
    async fn statements_that_do_not_end_are_ended_and_leave_room_for_others() {
        let home = tempfile::tempdir().expect("a folder");
        let lake = Lake::open(home.path()).expect("a lake");
        let limits = Limits {
            timeout: Duration::from_millis(200),
            ..Limits::default()
        };
        let hurried = Warehouse::with_limits(lake.clone(), limits);
        // More of them than the engine has threads: each must really have ended for the last statement to run.
        let threads = 2 * std::thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..=threads {
            let error = hurried.execute(ENDLESS, &[]).await.expect_err("no end");
            assert!(matches!(error, RedshiftError::Timeout(_)), "{error}");
        }
        let result = Warehouse::new(lake)
            .execute("select 1 as one", &[])
            .await
            .expect("runs");
        assert_eq!(result.row_count(), 1);
    }

    #[tokio::test]
    async fn before_the_first_publication_the_tables_are_there_and_empty() {
        let home = tempfile::tempdir().expect("a folder");
        let warehouse = Warehouse::new(Lake::open(home.path()).expect("a lake"));
        let result = warehouse
            .execute("select count(*) from concert_dw.concerts", &[])
            .await
            .expect("runs");
        assert_eq!(result.rows(0).collect::<Vec<_>>(), [[crate::Value::Long(0)]]);
        let tables = warehouse.tables().await.expect("tables");
        let concerts = tables.iter().find(|table| table.name == "concerts").expect("concerts");
        assert_eq!(concerts.schema, "concert_dw");
        let shown = warehouse
            .execute("show columns from table concert_dw.concerts like 'rev%'", &[])
            .await;
        let shown: Vec<_> = shown.expect("runs").rows(0).collect();
        assert_eq!(shown[0][2], crate::Value::Text("revenue".to_owned()));
    }

    #[test]
    fn patterns_match_as_like_does() {
        for (pattern, name, expected) in [
            ("concert%", "concerts", true),
            ("%s", "concerts", true),
            ("c_ncerts", "concerts", true),
            ("%on%rt%", "concerts", true),
            ("CONCERTS", "concerts", true),
            ("concert", "concerts", false),
            ("_concerts", "concerts", false),
            ("", "concerts", false),
            ("%", "", true),
        ] {
            assert_eq!(matches(Some(pattern), name), expected, "{pattern} on {name}");
        }
        assert!(matches(None, "anything"));
    }
}
