//! Putting rows into a table by key: a row whose key is there takes the place of the old one, any other is added. Only
//! the files that hold one of the keys are written anew, all in one commit.

use crate::{
    Error, Result, TableWriter, Writer,
    schema::{Layer, TableDef},
    session::{self, Joins},
};
use arrow::array::AsArray as _;
use datafusion::{
    common::{JoinType, ScalarValue},
    dataframe::DataFrame,
    functions_aggregate::expr_fn::{count, max, min},
    logical_expr::{Expr, ident, lit},
    prelude::SessionContext,
};
use deltalake::{
    DeltaTable,
    kernel::{Action, LogicalFileView},
    protocol::SaveMode,
};
use futures::{StreamExt as _, TryStreamExt as _};
use std::collections::{BTreeMap, BTreeSet};

/// The column that says which file a row is in.
const FILE: &str = "__file";

/// With more rows than this to put in, their keys may not fit into memory, and joins sort instead of hashing.
const MAX_HASHED_ROWS: u64 = 2_000_000;

/// What a merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Rows whose key was new.
    pub inserted: u64,
    /// Rows that took the place of one with the same key.
    pub updated: u64,
    /// Files that were written anew because they held one of the keys.
    pub files_rewritten: usize,
}

impl Writer {
    /// Puts `rows` into a table by its key ([`TableDef::key`]), in one commit and in bounded memory. Columns are found
    /// by name, as [`TableWriter::write`] does; a row replaces the old one as a whole.
    ///
    /// A file is written anew if it holds one of the keys, so keys that are spread over a whole table rewrite it, and
    /// keys that are near each other in a sorted table do not. `rows` is computed three times: give it something that
    /// is cheap to read, such as a Parquet file. It must have each key once, and no key that is null.
    ///
    /// # Errors
    /// [`Error::Query`] when `rows` cannot be computed; otherwise as [`Writer::append_staged`].
    pub async fn merge(&mut self, layer: Layer, table: &str, rows: DataFrame) -> Result<Merged> {
        let (def, handle) = self.table(layer, table)?;
        let merge = Merge {
            layer,
            def,
            rows,
            failed: format!("merge into {}.{}", layer.name(), def.name),
        };
        let Some(coming) = merge.coming().await? else {
            return Ok(Merged::default());
        };
        let joins = if coming.rows > MAX_HASHED_ROWS {
            Joins::Sorting
        } else {
            Joins::Hashing
        };
        let context = self.lake.work_session(joins)?;
        let touched = merge.touched(&context, &handle, &coming).await?;
        let updated = touched.values().sum();

        let mut writer = self.stage(layer, table)?;
        let written = merge.write(&context, &handle, &touched, &mut writer).await;
        if let Err(e) = written {
            writer.abort().await;
            return Err(e);
        }
        let staged = writer.finish().await?;
        let touched: BTreeSet<String> = touched.into_keys().collect();
        let mut actions = removals(layer, def, &handle, &touched, true).await?;
        actions.extend(staged.adds.into_iter().map(Action::Add));
        self.commit_files(layer, def, actions, SaveMode::Append).await?;
        Ok(Merged {
            inserted: coming.rows.saturating_sub(updated),
            updated,
            files_rewritten: touched.len(),
        })
    }
}

/// What is known of the rows that are to be put in.
struct Coming {
    rows: u64,
    /// The smallest and the largest value of the key's first column.
    first: ScalarValue,
    last: ScalarValue,
}

struct Merge {
    layer: Layer,
    def: &'static TableDef,
    rows: DataFrame,
    failed: String,
}

impl Merge {
    fn failed(&self) -> impl Fn(datafusion::error::DataFusionError) -> Error + use<> {
        let what = self.failed.clone();
        move |e| Error::query(what.clone(), e)
    }

    /// Counts the rows and finds the range of their keys; none if there are no rows.
    async fn coming(&self) -> Result<Option<Coming>> {
        let key = self.def.key.first().copied().unwrap_or_default();
        let aggregates = vec![
            count(lit(1)).alias("rows"),
            min(ident(key)).alias("first"),
            max(ident(key)).alias("last"),
        ];
        let failed = self.failed();
        let batches = self
            .rows
            .clone()
            .aggregate(Vec::new(), aggregates)
            .map_err(&failed)?
            .collect()
            .await
            .map_err(&failed)?;
        let Some(batch) = batches.first() else { return Ok(None) };
        let rows = crate::state::integer(batch, 0, 0);
        let value = |column| ScalarValue::try_from_array(batch.column(column), 0).map_err(&failed);
        let coming = Coming {
            rows: u64::try_from(rows).unwrap_or(0),
            first: value(1)?,
            last: value(2)?,
        };
        Ok(Some(coming).filter(|coming| coming.rows > 0))
    }

    /// The keys of the rows that are to be put in, under the name `coming`.
    fn keys(&self, context: &SessionContext) -> Result<DataFrame> {
        let failed = self.failed();
        let keys: Vec<Expr> = self.def.key.iter().map(|column| ident(*column)).collect();
        context
            .read_table(self.rows.clone().into_view())
            .and_then(|rows| rows.select(keys))
            .and_then(|rows| rows.alias("coming"))
            .map_err(failed)
    }

    /// The files that hold one of the keys, and how many of their rows have one.
    async fn touched(
        &self,
        context: &SessionContext,
        table: &DeltaTable,
        coming: &Coming,
    ) -> Result<BTreeMap<String, u64>> {
        let failed = self.failed();
        let key = self.def.key;
        let provider = session::scan(self.layer, self.def, table, |scan| scan.with_file_column(FILE)).await?;
        let mut columns: Vec<Expr> = key.iter().map(|column| ident(*column)).collect();
        columns.push(ident(FILE));
        let mut current = context.read_table(provider).map_err(&failed)?;
        if !coming.first.is_null() {
            // Files and row groups outside of the range are not read at all.
            let within = ident(key[0]).between(lit(coming.first.clone()), lit(coming.last.clone()));
            current = current.filter(within).map_err(&failed)?;
        }
        let current = current
            .select(columns)
            .and_then(|rows| rows.alias("current"))
            .map_err(&failed)?;
        // What comes is most often the smaller side, and the left one is what a hash join holds in memory.
        let batches = self
            .keys(context)?
            .join(current, JoinType::RightSemi, key, key, None)
            .and_then(|rows| {
                let file = datafusion::logical_expr::cast(ident(FILE), arrow::datatypes::DataType::Utf8);
                rows.aggregate(vec![file.alias("file")], vec![count(lit(1)).alias("rows")])
            })
            .map_err(&failed)?
            .collect()
            .await
            .map_err(&failed)?;
        let mut touched = BTreeMap::new();
        for batch in &batches {
            let files = batch.column(0).as_string_opt::<i32>();
            for row in 0..batch.num_rows() {
                let rows = u64::try_from(crate::state::integer(batch, 1, row)).unwrap_or(0);
                if let Some(files) = files {
                    touched.insert(files.value(row).to_owned(), rows);
                }
            }
        }
        Ok(touched)
    }

    /// Writes what stays of the touched files, then what comes.
    async fn write(
        &self,
        context: &SessionContext,
        table: &DeltaTable,
        touched: &BTreeMap<String, u64>,
        writer: &mut TableWriter,
    ) -> Result<()> {
        let failed = self.failed();
        if !touched.is_empty() {
            let files: Vec<String> = touched.keys().cloned().collect();
            let provider = session::scan(self.layer, self.def, table, |scan| scan.with_file_paths(files)).await?;
            let current = context
                .read_table(provider)
                .and_then(|rows| rows.alias("current"))
                .map_err(&failed)?;
            let staying = self
                .keys(context)?
                .join(current, JoinType::RightAnti, self.def.key, self.def.key, None)
                .map_err(&failed)?;
            self.copy(staying, writer).await?;
        }
        let coming = context.read_table(self.rows.clone().into_view()).map_err(&failed)?;
        self.copy(coming, writer).await
    }

    async fn copy(&self, rows: DataFrame, writer: &mut TableWriter) -> Result<()> {
        let failed = self.failed();
        let mut rows = rows.execute_stream().await.map_err(&failed)?;
        while let Some(batch) = rows.next().await {
            writer.write(&batch.map_err(&failed)?).await?;
        }
        Ok(())
    }
}

/// The actions that remove these files from a table. `files` are addresses or paths below the table's folder.
/// `changes` says whether their rows go with them.
pub(crate) async fn removals(
    layer: Layer,
    def: &TableDef,
    table: &DeltaTable,
    files: &BTreeSet<String>,
    changes: bool,
) -> Result<Vec<Action>> {
    let failed = |e| Error::table("read", layer, def.name, e);
    let all: Vec<LogicalFileView> = table
        .snapshot()
        .map_err(failed)?
        .snapshot()
        .file_views(table.log_store().as_ref(), None)
        .try_collect()
        .await
        .map_err(failed)?;
    let is_named = |path: &str| files.contains(path) || files.iter().any(|url| is_at(url, path));
    let removals: Vec<Action> = all
        .iter()
        .filter(|file| is_named(&file.path()))
        .map(|file| Action::Remove(file.remove_action(changes)))
        .collect();
    if removals.len() == files.len() {
        Ok(removals)
    } else {
        Err(Error::Row {
            table: def.name.to_owned(),
            message: format!("{} of its files are not in its log", files.len() - removals.len()),
        })
    }
}

/// Whether an address is that of the file with this path below the table's folder.
fn is_at(url: &str, path: &str) -> bool {
    url.strip_suffix(path).is_some_and(|before| before.ends_with('/'))
}
