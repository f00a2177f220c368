//! `information_schema`, `pg_catalog` and the common `SVV_`, `STL_` and `SYS_` views: what tools ask to find their way.
//! Each is made when it is read, from the statement's own view of the database.

use super::{
    Listed,
    scope::{Found, PUBLISHED, Scope, TEMPORARY},
};
use crate::{
    catalog::{Column, Name, Relation, Table},
    error::RedshiftError,
    result::ColumnInfo,
    types::SqlType,
    warehouse::TableInfo,
};
use arrow::{
    array::{ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray},
    datatypes::{Field, Schema},
};
use datafusion::{
    catalog::{MemTable, TableProvider},
    common::Result as EngineResult,
    error::DataFusionError,
};
use std::sync::Arc;

pub(super) const PG_CATALOG: &str = "pg_catalog";
const INFORMATION: &str = "information_schema";
pub(super) const SCHEMAS: [&str; 2] = [INFORMATION, PG_CATALOG];

/// A column of a system table, by the letter of its type: Text, Integer, Big, Float, Logical, timestamP.
type Def = (&'static str, &'static [(&'static str, char)]);

const INFORMATION_TABLES: [Def; 4] = [
    (
        "tables",
        &[
            ("table_catalog", 'T'),
            ("table_schema", 'T'),
            ("table_name", 'T'),
            ("table_type", 'T'),
        ],
    ),
    (
        "columns",
        &[
            ("table_catalog", 'T'),
            ("table_schema", 'T'),
            ("table_name", 'T'),
            ("column_name", 'T'),
            ("ordinal_position", 'I'),
            ("column_default", 'T'),
            ("is_nullable", 'T'),
            ("data_type", 'T'),
            ("character_maximum_length", 'I'),
            ("numeric_precision", 'I'),
            ("numeric_scale", 'I'),
            ("datetime_precision", 'I'),
            ("udt_name", 'T'),
        ],
    ),
    (
        "schemata",
        &[("catalog_name", 'T'), ("schema_name", 'T'), ("schema_owner", 'T')],
    ),
    (
        "views",
        &[
            ("table_catalog", 'T'),
            ("table_schema", 'T'),
            ("table_name", 'T'),
            ("view_definition", 'T'),
        ],
    ),
];

const SVV_TABLES: &[(&str, char)] = &[
    ("table_catalog", 'T'),
    ("table_schema", 'T'),
    ("table_name", 'T'),
    ("table_type", 'T'),
    ("remarks", 'T'),
];
const SVV_COLUMNS: &[(&str, char)] = &[
    ("table_catalog", 'T'),
    ("table_schema", 'T'),
    ("table_name", 'T'),
    ("column_name", 'T'),
    ("ordinal_position", 'I'),
    ("column_default", 'T'),
    ("is_nullable", 'T'),
    ("data_type", 'T'),
    ("character_maximum_length", 'I'),
    ("numeric_precision", 'I'),
    ("numeric_scale", 'I'),
    ("remarks", 'T'),
];
const ALL_TABLES: &[(&str, char)] = &[
    ("database_name", 'T'),
    ("schema_name", 'T'),
    ("table_name", 'T'),
    ("table_type", 'T'),
    ("table_acl", 'T'),
    ("remarks", 'T'),
];
const ALL_COLUMNS: &[(&str, char)] = &[
    ("database_name", 'T'),
    ("schema_name", 'T'),
    ("table_name", 'T'),
    ("column_name", 'T'),
    ("ordinal_position", 'I'),
    ("column_default", 'T'),
    ("is_nullable", 'T'),
    ("data_type", 'T'),
    ("character_maximum_length", 'I'),
    ("numeric_precision", 'I'),
    ("numeric_scale", 'I'),
    ("remarks", 'T'),
];
const ALL_SCHEMAS: &[(&str, char)] = &[
    ("database_name", 'T'),
    ("schema_name", 'T'),
    ("schema_owner", 'I'),
    ("schema_type", 'T'),
    ("schema_acl", 'T'),
    ("source_database", 'T'),
    ("schema_option", 'T'),
];

const PG_TABLES: [Def; 21] = [
    ("svv_tables", SVV_TABLES),
    ("svv_columns", SVV_COLUMNS),
    ("svv_all_tables", ALL_TABLES),
    ("svv_redshift_tables", ALL_TABLES),
    ("svv_all_columns", ALL_COLUMNS),
    ("svv_redshift_columns", ALL_COLUMNS),
    ("svv_all_schemas", ALL_SCHEMAS),
    ("svv_redshift_schemas", ALL_SCHEMAS),
    (
        "svv_redshift_databases",
        &[
            ("database_name", 'T'),
            ("database_owner", 'I'),
            ("database_type", 'T'),
            ("database_acl", 'T'),
        ],
    ),
    (
        "svv_table_info",
        &[
            ("database", 'T'),
            ("schema", 'T'),
            ("table_id", 'I'),
            ("table", 'T'),
            ("encoded", 'T'),
            ("diststyle", 'T'),
            ("sortkey1", 'T'),
            ("max_varchar", 'I'),
            ("sortkey1_enc", 'T'),
            ("sortkey_num", 'I'),
            ("size", 'B'),
            ("pct_used", 'F'),
            ("empty", 'B'),
            ("unsorted", 'F'),
            ("stats_off", 'F'),
            ("tbl_rows", 'B'),
            ("skew_sortkey1", 'F'),
            ("skew_rows", 'F'),
            ("estimated_visible_rows", 'B'),
        ],
    ),
    (
        "svv_relation_privileges",
        &[
            ("namespace_name", 'T'),
            ("relation_name", 'T'),
            ("privilege_type", 'T'),
            ("identity_name", 'T'),
            ("identity_type", 'T'),
            ("admin_option", 'L'),
        ],
    ),
    (
        "pg_table_def",
        &[
            ("schemaname", 'T'),
            ("tablename", 'T'),
            ("column", 'T'),
            ("type", 'T'),
            ("encoding", 'T'),
            ("distkey", 'L'),
            ("sortkey", 'I'),
            ("notnull", 'L'),
        ],
    ),
    (
        "pg_tables",
        &[
            ("schemaname", 'T'),
            ("tablename", 'T'),
            ("tableowner", 'T'),
            ("hasindexes", 'L'),
            ("hasrules", 'L'),
        ],
    ),
    (
        "pg_views",
        &[
            ("schemaname", 'T'),
            ("viewname", 'T'),
            ("viewowner", 'T'),
            ("definition", 'T'),
        ],
    ),
    ("pg_namespace", &[("oid", 'I'), ("nspname", 'T'), ("nspowner", 'I')]),
    (
        "pg_class",
        &[
            ("oid", 'I'),
            ("relname", 'T'),
            ("relnamespace", 'I'),
            ("relkind", 'T'),
            ("reltuples", 'F'),
            ("relnatts", 'I'),
        ],
    ),
    (
        "pg_attribute",
        &[
            ("attrelid", 'I'),
            ("attname", 'T'),
            ("attnum", 'I'),
            ("attnotnull", 'L'),
            ("format_type", 'T'),
        ],
    ),
    (
        "pg_user",
        &[
            ("usename", 'T'),
            ("usesysid", 'I'),
            ("usecreatedb", 'L'),
            ("usesuper", 'L'),
        ],
    ),
    ("pg_database", &[("oid", 'I'), ("datname", 'T'), ("datallowconn", 'T')]),
    (
        "stl_load_errors",
        &[
            ("userid", 'I'),
            ("slice", 'I'),
            ("tbl", 'I'),
            ("starttime", 'P'),
            ("session", 'I'),
            ("query", 'B'),
            ("filename", 'T'),
            ("line_number", 'B'),
            ("colname", 'T'),
            ("type", 'T'),
            ("col_length", 'T'),
            ("position", 'I'),
            ("raw_line", 'T'),
            ("raw_field_value", 'T'),
            ("err_code", 'I'),
            ("err_reason", 'T'),
        ],
    ),
    (
        "sys_load_error_detail",
        &[
            ("user_id", 'I'),
            ("query_id", 'B'),
            ("transaction_id", 'B'),
            ("session_id", 'I'),
            ("database_name", 'T'),
            ("table_id", 'I'),
            ("start_time", 'P'),
            ("file_name", 'T'),
            ("line_number", 'B'),
            ("column_name", 'T'),
            ("column_type", 'T'),
            ("column_length", 'T'),
            ("position", 'I'),
            ("error_code", 'I'),
            ("error_message", 'T'),
        ],
    ),
];

fn definition(schema: &str, name: &str) -> Option<&'static Def> {
    match schema {
        INFORMATION => INFORMATION_TABLES.iter().find(|(known, _)| *known == name),
        PG_CATALOG => PG_TABLES.iter().find(|(known, _)| *known == name),
        _ => None,
    }
}

pub(super) fn exists(schema: &str, name: &str) -> bool {
    definition(schema, name).is_some()
}

#[derive(Clone, Debug)]
enum Cell {
    Null,
    Text(String),
    Number(i64),
    Float(f64),
    Logical(bool),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        text.map_or(Cell::Null, Cell::Text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Cell::Number(number)
    }
}

impl From<Option<i64>> for Cell {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Cell::Null, Cell::Number)
    }
}

fn size(number: u64) -> Cell {
    Cell::Number(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A relation with what all these views say of one.
struct Known {
    name: Name,
    kind: &'static str,
    oid: i64,
    owner: String,
    columns: Vec<Column>,
    table: Option<Table>,
    definition: Option<String>,
}

async fn known(scope: &Scope) -> EngineResult<Vec<Known>> {
    let mut all = Vec::new();
    let stored = scope
        .catalog
        .relations
        .iter()
        .map(|(name, relation)| (name.clone(), relation))
        .chain(
            scope
                .temporary
                .iter()
                .map(|(name, relation)| (Name::new(TEMPORARY, name), relation)),
        );
    for (name, relation) in stored {
        let (table, definition) = match relation.as_ref() {
            Relation::Table(table) => (Some(table.clone()), None),
            Relation::View(view) => (None, Some(view.query.clone())),
        };
        all.push(Known {
            kind: if table.is_some() { "TABLE" } else { "VIEW" },
            oid: i64::from(relation.oid()),
            owner: relation.owner().to_owned(),
            columns: relation.columns().to_vec(),
            table,
            definition,
            name,
        });
    }
    if let Some(published) = &scope.published {
        for (at, table) in published.table_names().into_iter().enumerate() {
            if scope.catalog.relations.contains_key(&Name::new(PUBLISHED, &table)) {
                continue;
            }
            if let Some(provider) = published.table(&table).await? {
                all.push(Known {
                    name: Name::new(PUBLISHED, table),
                    kind: "TABLE",
                    oid: i64::try_from(at).unwrap_or(0) + 50_000,
                    owner: crate::catalog::ADMIN.to_owned(),
                    columns: columns_of(&provider.schema()),
                    table: None,
                    definition: None,
                });
            }
        }
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

fn columns_of(schema: &Schema) -> Vec<Column> {
    schema
        .fields()
        .iter()
        .map(|field| Column {
            not_null: !field.is_nullable(),
            ..Column::new(field.name(), SqlType::of_arrow(field.data_type()))
        })
        .collect()
}

fn system_columns(def: &Def) -> Vec<Column> {
    let columns = def.1.iter();
    columns
        .map(|(name, letter)| {
            let sql_type = match letter {
                'I' => SqlType::Integer,
                'B' => SqlType::BigInt,
                'F' => SqlType::Double,
                'L' => SqlType::Boolean,
                'P' => SqlType::Timestamp,
                _ => SqlType::Varchar(256),
            };
            Column::new(*name, sql_type)
        })
        .collect()
}

fn info(name: &Name, columns: &[Column]) -> TableInfo {
    TableInfo {
        schema: name.schema.clone(),
        name: name.name.clone(),
        columns: columns
            .iter()
            .map(|column| ColumnInfo::declared(column, name))
            .collect(),
    }
}

/// Every relation, for ListTables and DescribeTable.
pub(super) async fn listed(scope: &Scope) -> Result<Vec<Listed>, RedshiftError> {
    let mut all: Vec<Listed> = known(scope)
        .await?
        .into_iter()
        .map(|known| Listed {
            info: info(&known.name, &known.columns),
            kind: known.kind,
        })
        .collect();
    for (schema, tables, kind) in [
        (INFORMATION, &INFORMATION_TABLES[..], "SYSTEM VIEW"),
        (PG_CATALOG, &PG_TABLES[..], "SYSTEM TABLE"),
    ] {
        all.extend(tables.iter().map(|def| Listed {
            info: info(&Name::new(schema, def.0), &system_columns(def)),
            kind,
        }));
    }
    all.sort_by(|one, other| (&one.info.schema, &one.info.name).cmp(&(&other.info.schema, &other.info.name)));
    Ok(all)
}

pub(super) async fn describe(scope: &Scope, found: &Found) -> Result<TableInfo, RedshiftError> {
    let name = found.name();
    let columns = match found {
        Found::Temporary(_, relation) | Found::Stored(_, relation) => relation.columns().to_vec(),
        Found::System(place) => definition(&place.schema, &place.name)
            .map(system_columns)
            .unwrap_or_default(),
        Found::Published(_) => {
            let mut all = known(scope).await?;
            let at = all.iter().position(|known| known.name == name);
            at.map(|at| all.swap_remove(at).columns).unwrap_or_default()
        }
    };
    Ok(info(&name, &columns))
}

/// The rows of a system table.
pub(super) async fn table(scope: &Scope, place: &Name) -> EngineResult<Arc<dyn TableProvider>> {
    let Some(def) = definition(&place.schema, &place.name) else {
        return Err(DataFusionError::Plan(format!("relation \"{place}\" does not exist")));
    };
    let rows = rows(scope, place).await?;
    let columns = system_columns(def);
    let fields: Vec<Field> = columns
        .iter()
        .map(|column| Field::new(&column.name, column.sql_type.arrow(), true))
        .collect();
    let arrays = columns
        .iter()
        .enumerate()
        .map(|(at, column)| array(column.sql_type, rows.iter().map(|row| row.get(at))))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}

fn array<'a>(sql_type: SqlType, cells: impl Iterator<Item = Option<&'a Cell>>) -> ArrayRef {
    let number = |cell: Option<&Cell>| match cell {
        Some(Cell::Number(number)) => Some(*number),
        _ => None,
    };
    match sql_type {
        SqlType::Integer => {
            let numbers = cells.map(|cell| number(cell).and_then(|number| i32::try_from(number).ok()));
            Arc::new(numbers.collect::<Int32Array>())
        }
        SqlType::BigInt => Arc::new(cells.map(number).collect::<Int64Array>()),
        SqlType::Timestamp => Arc::new(cells.map(number).collect::<arrow::array::TimestampMicrosecondArray>()),
        SqlType::Double => Arc::new(
            cells
                .map(|cell| match cell {
                    Some(Cell::Float(float)) => Some(*float),
                    _ => None,
                })
                .collect::<Float64Array>(),
        ),
        SqlType::Boolean => Arc::new(
            cells
                .map(|cell| match cell {
                    Some(Cell::Logical(value)) => Some(*value),
                    _ => None,
                })
                .collect::<BooleanArray>(),
        ),
        _ => Arc::new(
            cells
                .map(|cell| match cell {
                    Some(Cell::Text(text)) => Some(text.clone()),
                    _ => None,
                })
                .collect::<StringArray>(),
        ),
    }
}

fn column_cells(database: &str, known: &Known, at: usize, column: &Column, with_udt: bool) -> Vec<Cell> {
    let (precision, scale) = column.sql_type.precision_and_scale();
    let exact = matches!(
        column.sql_type,
        SqlType::SmallInt | SqlType::Integer | SqlType::BigInt | SqlType::Decimal(..)
    );
    let mut cells: Vec<Cell> = vec![
        database.into(),
        known.name.schema.as_str().into(),
        known.name.name.as_str().into(),
        column.name.as_str().into(),
        Cell::Number(i64::try_from(at + 1).unwrap_or(i64::MAX)),
        column.default.clone().into(),
        if column.not_null { "NO" } else { "YES" }.into(),
        column.sql_type.long_name().into(),
        column.sql_type.character_length().map(i64::from).into(),
        exact.then_some(i64::from(precision)).into(),
        exact.then_some(i64::from(scale)).into(),
    ];
    if with_udt {
        cells.push(
            matches!(column.sql_type, SqlType::Timestamp | SqlType::TimestampTz)
                .then_some(6)
                .into(),
        );
        cells.push(column.sql_type.short_name().into());
    } else {
        cells.push(Cell::Null);
    }
    cells
}

async fn rows(scope: &Scope, place: &Name) -> EngineResult<Vec<Vec<Cell>>> {
    let database = scope.database.name.as_str();
    let all = known(scope).await?;
    let oid_of = |schema: &str| {
        let at = scope.schema_names().iter().position(|name| name == schema);
        Cell::Number(i64::try_from(at.unwrap_or(0)).unwrap_or(0) + 2_200)
    };
    let base = |known: &Known| {
        if known.kind == "TABLE" {
            "BASE TABLE"
        } else {
            known.kind
        }
    };
    Ok(match place.name.as_str() {
        "tables" | "svv_tables" => all
            .iter()
            .map(|known| {
                let comment = known.table.as_ref().and_then(|table| table.comment.clone());
                vec![
                    database.into(),
                    known.name.schema.as_str().into(),
                    known.name.name.as_str().into(),
                    base(known).into(),
                    comment.into(),
                ]
            })
            .collect(),
        "svv_all_tables" | "svv_redshift_tables" => all
            .iter()
            .map(|known| {
                let comment = known.table.as_ref().and_then(|table| table.comment.clone());
                vec![
                    database.into(),
                    known.name.schema.as_str().into(),
                    known.name.name.as_str().into(),
                    known.kind.into(),
                    Cell::Null,
                    comment.into(),
                ]
            })
            .collect(),
        "columns" | "svv_columns" | "svv_all_columns" | "svv_redshift_columns" => all
            .iter()
            .flat_map(|known| {
                let columns = known.columns.iter().enumerate();
                columns.map(|(at, column)| column_cells(database, known, at, column, place.name == "columns"))
            })
            .collect(),
        "schemata" => scope
            .schema_names()
            .into_iter()
            .map(|name| {
                let owner = scope.catalog.schemas.get(&name).cloned();
                vec![
                    database.into(),
                    name.into(),
                    owner.unwrap_or_else(|| crate::catalog::ADMIN.to_owned()).into(),
                ]
            })
            .collect(),
        "svv_all_schemas" | "svv_redshift_schemas" => scope
            .schema_names()
            .into_iter()
            .map(|name| {
                vec![
                    database.into(),
                    name.into(),
                    100.into(),
                    "local".into(),
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                ]
            })
            .collect(),
        "svv_redshift_databases" => scope
            .databases
            .iter()
            .map(|name| vec![name.as_str().into(), 100.into(), "local".into(), Cell::Null])
            .collect(),
        "views" => all
            .iter()
            .filter(|known| known.kind == "VIEW")
            .map(|known| {
                vec![
                    database.into(),
                    known.name.schema.as_str().into(),
                    known.name.name.as_str().into(),
                    known.definition.clone().into(),
                ]
            })
            .collect(),
        "svv_table_info" => all.iter().filter_map(|known| table_info(database, known)).collect(),
        "svv_relation_privileges" => scope
            .catalog
            .grants
            .iter()
            .filter(|grant| grant.kind == "table")
            .map(|grant| {
                let (schema, name) = grant.object.split_once('.').unwrap_or(("", &grant.object));
                let (kind, grantee) = grant.grantee.split_once(' ').unwrap_or(("public", "public"));
                vec![
                    schema.into(),
                    name.into(),
                    grant.privilege.as_str().into(),
                    grantee.into(),
                    kind.into(),
                    Cell::Logical(grant.grantable),
                ]
            })
            .collect(),
        "pg_table_def" => all
            .iter()
            .filter(|known| known.kind == "TABLE")
            .filter(|known| known.name.schema == TEMPORARY || scope.path.contains(&known.name.schema))
            .flat_map(|known| known.columns.iter().map(move |column| table_def(known, column)))
            .collect(),
        "pg_tables" => all
            .iter()
            .filter(|known| known.kind == "TABLE")
            .map(|known| {
                vec![
                    known.name.schema.as_str().into(),
                    known.name.name.as_str().into(),
                    known.owner.as_str().into(),
                    Cell::Logical(false),
                    Cell::Logical(false),
                ]
            })
            .collect(),
        "pg_views" => all
            .iter()
            .filter(|known| known.kind == "VIEW")
            .map(|known| {
                vec![
                    known.name.schema.as_str().into(),
                    known.name.name.as_str().into(),
                    known.owner.as_str().into(),
                    known.definition.clone().into(),
                ]
            })
            .collect(),
        "pg_namespace" => scope
            .schema_names()
            .into_iter()
            .map(|name| vec![oid_of(&name), name.into(), 100.into()])
            .collect(),
        "pg_class" => all
            .iter()
            .map(|known| {
                #[allow(clippy::cast_precision_loss)]
                let rows = known.table.as_ref().map_or(0.0, |table| table.rows() as f64);
                vec![
                    known.oid.into(),
                    known.name.name.as_str().into(),
                    oid_of(&known.name.schema),
                    if known.kind == "VIEW" { "v" } else { "r" }.into(),
                    Cell::Float(rows),
                    i64::try_from(known.columns.len()).unwrap_or(0).into(),
                ]
            })
            .collect(),
        "pg_attribute" => all
            .iter()
            .flat_map(|known| {
                let columns = known.columns.iter().zip(1_i64..);
                columns.map(|(column, number)| {
                    vec![
                        known.oid.into(),
                        column.name.as_str().into(),
                        number.into(),
                        Cell::Logical(column.not_null),
                        column.sql_type.to_string().into(),
                    ]
                })
            })
            .collect(),
        "pg_user" => scope
            .catalog
            .users
            .iter()
            .zip(100_i64..)
            .map(|((name, user), id)| {
                vec![
                    name.as_str().into(),
                    id.into(),
                    Cell::Logical(user.superuser),
                    Cell::Logical(user.superuser),
                ]
            })
            .collect(),
        "pg_database" => scope
            .databases
            .iter()
            .zip(10_000_i64..)
            .map(|(name, oid)| vec![oid.into(), name.as_str().into(), "t".into()])
            .collect(),
        "stl_load_errors" => scope
            .database
            .load_errors()
            .into_iter()
            .map(|error| {
                vec![
                    100.into(),
                    0.into(),
                    i64::from(error.table_id).into(),
                    instant(&error.at),
                    0.into(),
                    error.query.into(),
                    error.file.into(),
                    error.line.into(),
                    error.column.into(),
                    error.column_type.into(),
                    error.column_length.into(),
                    error.position.into(),
                    error.raw_line.into(),
                    error.raw_field.into(),
                    error.code.into(),
                    error.reason.into(),
                ]
            })
            .collect(),
        "sys_load_error_detail" => scope
            .database
            .load_errors()
            .into_iter()
            .map(|error| {
                vec![
                    100.into(),
                    error.query.into(),
                    error.query.into(),
                    0.into(),
                    database.into(),
                    i64::from(error.table_id).into(),
                    instant(&error.at),
                    error.file.into(),
                    error.line.into(),
                    error.column.into(),
                    error.column_type.into(),
                    error.column_length.into(),
                    error.position.into(),
                    error.code.into(),
                    error.reason.into(),
                ]
            })
            .collect(),
        _ => Vec::new(),
    })
}

fn instant(text: &str) -> Cell {
    text.parse::<jiff::Timestamp>()
        .map_or(Cell::Null, |at| Cell::Number(at.as_microsecond()))
}

fn table_info(database: &str, known: &Known) -> Option<Vec<Cell>> {
    let table = known.table.as_ref()?;
    // Redshift leaves tables without rows out.
    if table.rows() == 0 {
        return None;
    }
    let style = match (&table.layout.dist_key, table.layout.style.as_deref()) {
        (Some(key), _) => format!("KEY({key})"),
        (None, Some("AUTO") | None) => "AUTO(ALL)".to_owned(),
        (None, Some(other)) => other.to_owned(),
    };
    let lengths = known
        .columns
        .iter()
        .filter_map(|column| column.sql_type.character_length());
    let encoded = known.columns.iter().any(|column| column.encoding.is_some());
    let first = table.layout.sort_keys.first();
    Some(vec![
        database.into(),
        known.name.schema.as_str().into(),
        known.oid.into(),
        known.name.name.as_str().into(),
        if encoded { "Y" } else { "Y, AUTO(ENCODE)" }.into(),
        style.into(),
        first.cloned().unwrap_or_else(|| "AUTO(SORTKEY)".to_owned()).into(),
        i64::from(lengths.max().unwrap_or(0)).into(),
        first.map(|_| "none".to_owned()).into(),
        i64::try_from(table.layout.sort_keys.len()).unwrap_or(0).into(),
        size(table.bytes().div_ceil(1 << 20)),
        Cell::Float(0.0),
        Cell::Number(0),
        Cell::Float(0.0),
        Cell::Float(0.0),
        size(table.rows()),
        Cell::Float(1.0),
        Cell::Float(1.0),
        size(table.rows()),
    ])
}

fn table_def(known: &Known, column: &Column) -> Vec<Cell> {
    let layout = known.table.as_ref().map(|table| &table.layout);
    let sort = layout
        .and_then(|layout| layout.sort_keys.iter().position(|key| *key == column.name))
        .and_then(|at| i64::try_from(at + 1).ok())
        .unwrap_or(0);
    let sort = if layout.is_some_and(|layout| layout.interleaved) && sort % 2 == 0 {
        -sort
    } else {
        sort
    };
    vec![
        known.name.schema.as_str().into(),
        known.name.name.as_str().into(),
        column.name.as_str().into(),
        column.sql_type.to_string().into(),
        column.encoding.clone().unwrap_or_else(|| "none".to_owned()).into(),
        Cell::Logical(layout.is_some_and(|layout| layout.dist_key.as_ref() == Some(&column.name))),
        sort.into(),
        Cell::Logical(column.not_null),
    ]
}
