//! INSERT, UPDATE, DELETE and MERGE. Each is a query for the rows that change, with the places of those that are there
//! already; untouched files stay as they are.

use super::{
    State,
    explain::{Planner, parse_query, target_of},
    scope::Found,
};
use crate::{
    catalog::{
        Column, DataFile, Name, ROW_ID, Relation, RowSet, Table, TableWriter, read_file, rows_of, without_row_ids,
    },
    command::{Command, Insert, Merge, MergeAction, Source, Target, WhenMatched},
    error::RedshiftError,
};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, RecordBatch, new_null_array},
    compute::filter_record_batch,
    datatypes::Int64Type,
};
use datafusion::{
    catalog::streaming::StreamingTable,
    execution::SendableRecordBatchStream,
    sql::sqlparser::ast::{
        Assignment, AssignmentTarget, Delete, Expr, FromTable, Ident, ObjectName, Query, SelectItem, SetExpr,
        TableAlias, TableFactor, TableWithJoins, UnaryOperator, Update, UpdateTableFromKind,
    },
};
use futures::StreamExt as _;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// The table of a change, with the places of its rows, is known to the engine by this name.
const CHANGED: (&str, &str) = ("__dml", "__target");

/// A table with more small files than this is written into one.
const SMALL_FILES_MAX: usize = 32;
const SMALL_FILE_BYTES: u64 = 4 << 20;

/// A table that a statement writes to.
pub(crate) struct Writable {
    pub found: Found,
    pub table: Table,
    pub folder: PathBuf,
}

impl State {
    /// Finds a table that can be written.
    pub(crate) fn writable(&self, target: &Target) -> Result<Writable, RedshiftError> {
        let scope = self.scope()?;
        let Some(found) = scope.find(target) else {
            return Err(RedshiftError::Data(format!("relation \"{target}\" does not exist")));
        };
        let folder = scope.folder_of(&found);
        match (&found, found.relation().map(AsRef::as_ref)) {
            (_, Some(Relation::Table(table))) => Ok(Writable {
                table: table.clone(),
                found,
                folder,
            }),
            (_, Some(Relation::View(_))) => Err(RedshiftError::Data(format!("\"{target}\" is a view, not a table"))),
            (Found::Published(name), _) => Err(RedshiftError::Published(name.to_string())),
            _ => Err(RedshiftError::Data(format!(
                "permission denied for relation {}",
                target.name
            ))),
        }
    }

    /// Puts a changed table back, so that this transaction sees it.
    pub(crate) fn put_back(&mut self, found: &Found, mut table: Table, folder: &Path) -> Result<(), RedshiftError> {
        gather(&mut table, folder)?;
        let relation = Arc::new(Relation::Table(table));
        let work = self.work()?;
        match found {
            Found::Temporary(name, _) => work.temporary.insert(name.clone(), relation),
            other => work.catalog.relations.insert(other.name(), relation),
        };
        Ok(())
    }

    pub(super) async fn insert(&mut self, insert: Insert, values: &[String]) -> Result<u64, RedshiftError> {
        let mut writable = self.writable(&insert.target)?;
        let planner = self.planner().await?;
        let Some(query) = insert.query else {
            let mut filler = Filler::new(&planner, &writable.table, &[], false).await?;
            let mut writer = TableWriter::new(&writable.folder, writable.table.arrow_schema());
            let columns = filler.fill(&[], 1, &mut writable.table)?;
            writer.write(columns, 1)?;
            writable.table.files.extend(writer.finish()?);
            self.put_back(&writable.found, writable.table, &writable.folder)?;
            return Ok(1);
        };
        let columns = named_columns(&writable.table, &insert.columns)?;
        let query = with_defaults(*query, &writable.table, &columns)?;
        let (given, stream) = planner.stream(query, values).await?;
        // Columns that are not named get their defaults, from the left.
        let columns = match given.len() {
            count if count > columns.len() => {
                return Err(RedshiftError::Data(
                    "INSERT has more expressions than target columns".to_owned(),
                ));
            }
            count if count < columns.len() && !insert.columns.is_empty() => {
                return Err(RedshiftError::Data(
                    "INSERT has more target columns than expressions".to_owned(),
                ));
            }
            count => columns[..count].to_vec(),
        };
        let rows = append(&planner, &mut writable, &columns, stream, false).await?;
        self.put_back(&writable.found, writable.table, &writable.folder)?;
        Ok(rows)
    }

    /// Rows of a query into a new table.
    pub(super) async fn fill_table(
        &mut self,
        writable: &mut Writable,
        query: Query,
        values: &[String],
    ) -> Result<u64, RedshiftError> {
        let planner = self.planner().await?;
        let (_, stream) = planner.stream(query, values).await?;
        let columns: Vec<String> = writable
            .table
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        append(&planner, writable, &columns, stream, true).await
    }

    pub(super) async fn update(&mut self, update: Update, values: &[String]) -> Result<u64, RedshiftError> {
        let (target, alias) = target_and_alias(&update.table.relation)?;
        if !update.table.joins.is_empty() {
            return Err(RedshiftError::NotSupported(
                "UPDATE names one table; join others in FROM and WHERE".to_owned(),
            ));
        }
        let mut writable = self.writable(&target)?;
        let planner = self.planner_with(&writable).await?;
        let mut from = vec![changed_table(&alias)];
        if let Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) = update.from {
            from.extend(tables);
        }
        let projection = assigned(&writable.table, &alias, &update.assignments)?;
        let query = select(projection, from, update.selection)?;
        let (_, stream) = planner.stream(query, values).await?;
        let rows = rewrite_rows(&mut writable, stream, false).await?;
        self.put_back(&writable.found, writable.table, &writable.folder)?;
        Ok(rows)
    }

    pub(super) async fn delete(&mut self, delete: Delete, values: &[String]) -> Result<u64, RedshiftError> {
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = delete.from;
        let mut tables = tables.into_iter();
        let (Some(first), None) = (tables.next(), tables.next()) else {
            return Err(RedshiftError::NotSupported(
                "DELETE names one table; name others in USING".to_owned(),
            ));
        };
        let (target, alias) = target_and_alias(&first.relation)?;
        let mut writable = self.writable(&target)?;
        let using = delete.using.unwrap_or_default();
        if delete.selection.is_none() && using.is_empty() {
            let rows = writable.table.rows();
            writable.table.files.clear();
            self.put_back(&writable.found, writable.table, &writable.folder)?;
            return Ok(rows);
        }
        let planner = self.planner_with(&writable).await?;
        let from = [changed_table(&alias)].into_iter().chain(using).collect();
        let query = select(vec![row_id(&alias)], from, delete.selection)?;
        let (_, stream) = planner.stream(query, values).await?;
        let rows = remove_rows(&mut writable, stream).await?;
        self.put_back(&writable.found, writable.table, &writable.folder)?;
        Ok(rows)
    }

    pub(super) async fn merge(&mut self, merge: Merge, values: &[String]) -> Result<u64, RedshiftError> {
        let (target, alias) = target_and_alias(&merge.target)?;
        let mut writable = self.writable(&target)?;
        let planner = self.planner_with(&writable).await?;
        let source = TableWithJoins {
            relation: merge.source,
            joins: Vec::new(),
        };
        let both = vec![changed_table(&alias), source.clone()];
        // The new rows are found before anything changes.
        let absent = {
            let mut inner = select(
                vec![row_id(&alias)],
                vec![changed_table(&alias)],
                Some(merge.on.clone()),
            )?;
            inner.order_by = None;
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr: Box::new(Expr::Exists {
                    subquery: Box::new(inner),
                    negated: false,
                }),
            }
        };
        let mut added = Vec::new();
        let mut changed = 0;
        let before = writable.table.clone();
        match merge.action {
            MergeAction::RemoveDuplicates => {
                let query = select(vec![all()], vec![source], None)?;
                let (given, stream) = planner.stream(query, values).await?;
                let columns: Vec<String> = before.columns.iter().map(|column| column.name.clone()).collect();
                if given.len() != columns.len() {
                    return Err(RedshiftError::Data(
                        "MERGE with REMOVE DUPLICATES needs a source with the columns of the target".to_owned(),
                    ));
                }
                let mut new = scratch(&writable);
                changed += append(&planner, &mut new, &columns, stream, false).await?;
                added.extend(new.table.files);
                let query = select(vec![row_id(&alias)], both, Some(merge.on))?;
                let (_, stream) = planner.stream(query, values).await?;
                remove_rows(&mut writable, stream).await?;
            }
            MergeAction::When { matched, not_matched } => {
                if let Some((columns, expressions)) = not_matched {
                    let columns = named_columns(&before, &columns)?;
                    if expressions.len() != columns.len() {
                        return Err(RedshiftError::Data(
                            "MERGE inserts as many values as it names columns".to_owned(),
                        ));
                    }
                    let projection = expressions
                        .into_iter()
                        .zip(&columns)
                        .map(|(expr, column)| or_default(expr, &before, column).map(SelectItem::UnnamedExpr))
                        .collect::<Result<_, _>>()?;
                    let query = select(projection, vec![source.clone()], Some(absent))?;
                    let (_, stream) = planner.stream(query, values).await?;
                    let mut new = scratch(&writable);
                    changed += append(&planner, &mut new, &columns, stream, false).await?;
                    added.extend(new.table.files);
                    // Identity columns have gone on counting.
                    writable.table.columns = new.table.columns;
                }
                match matched {
                    Some(WhenMatched::Update(assignments)) => {
                        let projection = assigned(&before, &alias, &assignments)?;
                        let query = select(projection, both, Some(merge.on))?;
                        let (_, stream) = planner.stream(query, values).await?;
                        changed += rewrite_rows(&mut writable, stream, true).await?;
                    }
                    Some(WhenMatched::Delete) => {
                        let query = select(vec![row_id(&alias)], both, Some(merge.on))?;
                        let (_, stream) = planner.stream(query, values).await?;
                        changed += remove_rows(&mut writable, stream).await?;
                    }
                    None => {}
                }
            }
        }
        writable.table.files.extend(added);
        self.put_back(&writable.found, writable.table, &writable.folder)?;
        Ok(changed)
    }

    /// A planner that knows the places of a table's rows.
    async fn planner_with(&self, writable: &Writable) -> Result<Planner, RedshiftError> {
        let planner = self.planner().await?;
        let (schema, partitions, _) = rows_of(&writable.table, &writable.folder);
        let table = StreamingTable::try_new(schema, partitions)?;
        planner.scope.put(Name::new(CHANGED.0, CHANGED.1), Arc::new(table));
        Ok(planner)
    }

    /// The query behind a change, for EXPLAIN.
    pub(super) async fn query_of(&self, command: Command) -> Result<Box<Query>, RedshiftError> {
        let not_here = || RedshiftError::NotSupported("EXPLAIN is not answered for this statement".to_owned());
        Ok(match command {
            Command::Insert(insert) => {
                self.writable(&insert.target)?;
                insert.query.ok_or_else(not_here)?
            }
            Command::CreateTable(create) => match create.source {
                Source::Query { query, .. } => query,
                _ => return Err(not_here()),
            },
            Command::Update(update) => {
                let (target, _) = target_and_alias(&update.table.relation)?;
                self.writable(&target)?;
                let mut from = vec![update.table];
                if let Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) =
                    update.from
                {
                    from.extend(tables);
                }
                let values = update
                    .assignments
                    .into_iter()
                    .map(|one| SelectItem::UnnamedExpr(one.value));
                Box::new(select(values.collect(), from, update.selection)?)
            }
            Command::Delete(delete) => {
                let (FromTable::WithFromKeyword(mut tables) | FromTable::WithoutKeyword(mut tables)) = delete.from;
                tables.extend(delete.using.unwrap_or_default());
                Box::new(select(vec![all()], tables, delete.selection)?)
            }
            Command::Merge(merge) => {
                let table = |relation| TableWithJoins {
                    relation,
                    joins: Vec::new(),
                };
                Box::new(select(
                    vec![all()],
                    vec![table(merge.target), table(merge.source)],
                    Some(merge.on),
                )?)
            }
            _ => return Err(not_here()),
        })
    }
}

fn scratch(writable: &Writable) -> Writable {
    let mut table = writable.table.clone();
    table.files.clear();
    Writable {
        found: writable.found.clone(),
        table,
        folder: writable.folder.clone(),
    }
}

/// The columns that a statement names, or all.
pub(crate) fn named_columns(table: &Table, names: &[String]) -> Result<Vec<String>, RedshiftError> {
    if names.is_empty() {
        // An identity column counts by itself, and VALUES has nothing for it.
        let counts = |column: &&Column| column.identity.is_none_or(|identity| identity.by_default);
        return Ok(table
            .columns
            .iter()
            .filter(counts)
            .map(|column| column.name.clone())
            .collect());
    }
    for (at, name) in names.iter().enumerate() {
        if table.column(name).is_none() {
            return Err(RedshiftError::Data(format!(
                "column \"{name}\" of relation does not exist"
            )));
        }
        if names[..at].contains(name) {
            return Err(RedshiftError::Data(format!(
                "column \"{name}\" specified more than once"
            )));
        }
    }
    Ok(names.to_vec())
}

/// Makes whole rows: the columns that are given, defaults for the others.
pub(crate) struct Filler {
    /// For each column of the table: which of the given ones it takes.
    from: Vec<Option<usize>>,
    /// One row of defaults.
    defaults: Vec<Option<ArrayRef>>,
}

impl Filler {
    /// `explicit_ids` lets values be given to identity columns.
    pub(super) async fn new(
        planner: &Planner,
        table: &Table,
        columns: &[String],
        explicit_ids: bool,
    ) -> Result<Filler, RedshiftError> {
        let mut from = Vec::with_capacity(table.columns.len());
        let mut defaults = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let at = columns.iter().position(|name| *name == column.name);
            if let (Some(_), Some(identity)) = (at, column.identity)
                && !identity.by_default
                && !explicit_ids
            {
                return Err(RedshiftError::Data(format!(
                    "cannot set an identity column to a value: \"{}\"",
                    column.name
                )));
            }
            from.push(at);
            defaults.push(match (&column.default, at) {
                (Some(default), None) => Some(default_value(planner, column, default).await?),
                _ => None,
            });
        }
        Ok(Filler { from, defaults })
    }

    /// `given` has the values of the named columns, in any types.
    pub(crate) fn fill(
        &mut self,
        given: &[ArrayRef],
        rows: usize,
        table: &mut Table,
    ) -> Result<Vec<ArrayRef>, RedshiftError> {
        let mut filled = Vec::with_capacity(self.from.len());
        for (at, column) in table.columns.iter_mut().enumerate() {
            let values = match (self.from[at].and_then(|from| given.get(from)), &self.defaults[at]) {
                (Some(values), _) => column.sql_type.assign(values)?,
                (None, Some(default)) => repeated(default, rows)?,
                (None, None) => match &mut column.identity {
                    Some(identity) => {
                        let start = identity.next;
                        let ids = (0..i64::try_from(rows).unwrap_or(i64::MAX)).map(|row| start + row * identity.step);
                        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
                        identity.next = start + i64::try_from(rows).unwrap_or(i64::MAX) * identity.step;
                        column.sql_type.assign(&ids)?
                    }
                    None => new_null_array(&column.sql_type.arrow(), rows),
                },
            };
            check_nulls(column, &values)?;
            filled.push(values);
        }
        Ok(filled)
    }
}

fn check_nulls(column: &Column, values: &ArrayRef) -> Result<(), RedshiftError> {
    if column.not_null && values.null_count() > 0 {
        return Err(RedshiftError::Data(format!(
            "Cannot insert a NULL value into column {}",
            column.name
        )));
    }
    Ok(())
}

fn repeated(one: &ArrayRef, rows: usize) -> Result<ArrayRef, RedshiftError> {
    let places = Int32Array::from(vec![0; rows]);
    arrow::compute::take(one, &places, None).map_err(|error| RedshiftError::Statement(error.into()))
}

/// A default's value now, in the column's type.
pub(super) async fn default_value(
    planner: &Planner,
    column: &Column,
    default: &str,
) -> Result<ArrayRef, RedshiftError> {
    let query = parse_query(&format!("select {default}"))?;
    let (_, mut stream) = planner.stream(query, &[]).await?;
    match stream.next().await {
        Some(batch) => {
            let batch = batch?;
            if batch.num_rows() != 1 || batch.num_columns() != 1 {
                return Err(RedshiftError::Data(format!(
                    "the default of {} is no value",
                    column.name
                )));
            }
            column.sql_type.assign(batch.column(0))
        }
        None => Err(RedshiftError::Data(format!(
            "the default of {} is no value",
            column.name
        ))),
    }
}

async fn append(
    planner: &Planner,
    writable: &mut Writable,
    columns: &[String],
    mut stream: SendableRecordBatchStream,
    explicit_ids: bool,
) -> Result<u64, RedshiftError> {
    let mut filler = Filler::new(planner, &writable.table, columns, explicit_ids).await?;
    let mut writer = TableWriter::new(&writable.folder, writable.table.arrow_schema());
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let filled = filler.fill(batch.columns(), batch.num_rows(), &mut writable.table)?;
        writer.write(filled, batch.num_rows())?;
    }
    let rows = writer.rows();
    writable.table.files.extend(writer.finish()?);
    Ok(rows)
}

/// Writes new versions of rows: a stream of places and whole rows.
async fn rewrite_rows(
    writable: &mut Writable,
    mut stream: SendableRecordBatchStream,
    only_once: bool,
) -> Result<u64, RedshiftError> {
    let mut changed = RowSet::default();
    let mut writer = TableWriter::new(&writable.folder, writable.table.arrow_schema());
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let places = batch.column(0).as_primitive::<Int64Type>();
        let first: BooleanArray = places
            .values()
            .iter()
            .map(|place| Some(changed.insert(*place)))
            .collect();
        let batch = if first.true_count() == batch.num_rows() {
            batch
        } else if only_once {
            return Err(RedshiftError::Data(
                "Found multiple matches to update the same tuple.".to_owned(),
            ));
        } else {
            // Of several rows that match one, any may be taken.
            filter_record_batch(&batch, &first).map_err(|error| RedshiftError::Statement(error.into()))?
        };
        let mut columns = Vec::with_capacity(writable.table.columns.len());
        for (column, values) in writable.table.columns.iter().zip(&batch.columns()[1..]) {
            let values = column.sql_type.assign(values)?;
            check_nulls(column, &values)?;
            columns.push(values);
        }
        writer.write(columns, batch.num_rows())?;
    }
    if changed.len() > 0 {
        let added = writer.finish()?;
        writable.table.files = without_row_ids(&writable.table, &changed, &writable.folder)?;
        writable.table.files.extend(added);
    }
    Ok(changed.len())
}

async fn remove_rows(writable: &mut Writable, mut stream: SendableRecordBatchStream) -> Result<u64, RedshiftError> {
    let mut gone = RowSet::default();
    while let Some(batch) = stream.next().await {
        for place in batch?.column(0).as_primitive::<Int64Type>().values() {
            gone.insert(*place);
        }
    }
    if gone.len() > 0 {
        writable.table.files = without_row_ids(&writable.table, &gone, &writable.folder)?;
    }
    Ok(gone.len())
}

/// Writes many small files into one.
fn gather(table: &mut Table, folder: &Path) -> Result<(), RedshiftError> {
    let is_small = |file: &Arc<DataFile>| file.bytes < SMALL_FILE_BYTES;
    if table.files.iter().filter(|file| is_small(file)).count() <= SMALL_FILES_MAX {
        return Ok(());
    }
    let schema = table.arrow_schema();
    let (small, mut kept): (Vec<_>, Vec<_>) = table.files.drain(..).partition(is_small);
    let mut writer = TableWriter::new(folder, Arc::clone(&schema));
    for file in small {
        for batch in read_file(&folder.join(&file.name), &schema)? {
            let batch: RecordBatch = batch?;
            let rows = batch.num_rows();
            writer.write(batch.columns().to_vec(), rows)?;
        }
    }
    kept.extend(writer.finish()?);
    table.files = kept;
    Ok(())
}

fn target_and_alias(table: &TableFactor) -> Result<(Target, Ident), RedshiftError> {
    let TableFactor::Table { name, alias, .. } = table else {
        return Err(RedshiftError::Syntax(format!(
            "{table} is no table that can be changed"
        )));
    };
    let target = target_of(name).ok_or_else(|| RedshiftError::Syntax(format!("{name} is no table's name")))?;
    let alias = match alias {
        Some(alias) => Ident::with_quote('"', alias.name.value.to_lowercase()),
        None => Ident::with_quote('"', target.name.clone()),
    };
    Ok((target, alias))
}

/// The changed table under the name that the statement uses.
fn changed_table(alias: &Ident) -> TableWithJoins {
    let name = ObjectName::from(vec![Ident::new(CHANGED.0), Ident::new(CHANGED.1)]);
    TableWithJoins {
        relation: TableFactor::Table {
            name,
            alias: Some(TableAlias {
                explicit: true,
                name: alias.clone(),
                columns: Vec::new(),
                at: None,
            }),
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        },
        joins: Vec::new(),
    }
}

fn column_of(alias: &Ident, name: &str) -> Expr {
    Expr::CompoundIdentifier(vec![alias.clone(), Ident::with_quote('"', name)])
}

fn row_id(alias: &Ident) -> SelectItem {
    SelectItem::UnnamedExpr(column_of(alias, ROW_ID))
}

fn all() -> SelectItem {
    SelectItem::Wildcard(Default::default())
}

fn select(
    projection: Vec<SelectItem>,
    from: Vec<TableWithJoins>,
    selection: Option<Expr>,
) -> Result<Query, RedshiftError> {
    let mut query = parse_query("select 1")?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = projection;
        select.from = from;
        select.selection = selection;
    }
    Ok(query)
}

/// The place of a row and its columns, with those that are assigned replaced.
fn assigned(table: &Table, alias: &Ident, assignments: &[Assignment]) -> Result<Vec<SelectItem>, RedshiftError> {
    let mut new: Vec<Option<Expr>> = vec![None; table.columns.len()];
    for assignment in assignments {
        let AssignmentTarget::ColumnName(name) = &assignment.target else {
            return Err(RedshiftError::Syntax("SET takes column = value".to_owned()));
        };
        let name = name
            .0
            .last()
            .and_then(|part| part.as_ident())
            .map(|ident| ident.value.to_lowercase())
            .unwrap_or_default();
        let Some(at) = table.columns.iter().position(|column| column.name == name) else {
            return Err(RedshiftError::Data(format!(
                "column \"{name}\" of relation does not exist"
            )));
        };
        if table.columns[at].identity.is_some_and(|identity| !identity.by_default) {
            return Err(RedshiftError::Data(format!("cannot update identity column \"{name}\"")));
        }
        if new[at].is_some() {
            return Err(RedshiftError::Data(format!(
                "multiple assignments to same column \"{name}\""
            )));
        }
        new[at] = Some(or_default(assignment.value.clone(), table, &name)?);
    }
    let columns = table
        .columns
        .iter()
        .zip(new)
        .map(|(column, new)| SelectItem::UnnamedExpr(new.unwrap_or_else(|| column_of(alias, &column.name))));
    Ok([row_id(alias)].into_iter().chain(columns).collect())
}

/// DEFAULT as a value is the column's default.
fn or_default(expr: Expr, table: &Table, column: &str) -> Result<Expr, RedshiftError> {
    let is_default = matches!(&expr, Expr::Identifier(ident)
        if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"));
    if !is_default {
        return Ok(expr);
    }
    let text = table.column(column).and_then(|column| column.default.clone());
    let query = parse_query(&format!("select {}", text.as_deref().unwrap_or("null")))?;
    if let SetExpr::Select(select) = *query.body
        && let Some(SelectItem::UnnamedExpr(expr)) = select.projection.into_iter().next()
    {
        return Ok(expr);
    }
    Err(RedshiftError::Data(format!("the default of {column} is no value")))
}

fn with_defaults(mut query: Query, table: &Table, columns: &[String]) -> Result<Query, RedshiftError> {
    if let SetExpr::Values(values) = query.body.as_mut() {
        for row in &mut values.rows {
            for (expr, column) in row.content.iter_mut().zip(columns) {
                let value = std::mem::replace(expr, Expr::value(datafusion::sql::sqlparser::ast::Value::Null));
                *expr = or_default(value, table, column)?;
            }
        }
    }
    Ok(query)
}
