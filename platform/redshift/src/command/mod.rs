//! What a statement asks for. Queries, INSERT, UPDATE, DELETE and MERGE are read by the SQL parser; what is Redshift's
//! own (DISTKEY, COPY, UNLOAD, procedures and the like) is read here, with that parser's pieces for names, types and
//! expressions.

mod create;
mod load;
mod reader;

pub(crate) use load::{Compression, Copy, CopyFormat, Unload, UnloadFormat};
pub(crate) use reader::{Reader, syntax};

use crate::{
    catalog::{Argument, Column, Constraint, Layout},
    error::RedshiftError,
    types::SqlType,
};
use datafusion::sql::sqlparser::{
    ast::{Assignment, Delete, Expr, Query, Statement, TableFactor, Update},
    tokenizer::TokenWithSpan,
};

/// A name as it was written, in lower case: the schema where one is given, and the relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub database: Option<String>,
    pub schema: Option<String>,
    pub name: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.name)
    }
}

#[derive(Debug)]
pub(crate) enum Command {
    /// A query, or what else only reads: EXPLAIN of one, and SHOW of what there is.
    Read(Box<Statement>),
    Explain(Box<Command>),
    ShowVariable(String),
    Begin,
    Commit,
    Rollback,
    CreateTable(Box<CreateTable>),
    CreateView(Box<CreateView>),
    RefreshView(Target),
    CreateSchema {
        name: String,
        if_not_exists: bool,
        owner: Option<String>,
    },
    CreateDatabase(String),
    CreateProcedure(Box<CreateProcedure>),
    CreatePrincipal {
        kind: Principal,
        name: String,
        superuser: bool,
    },
    Drop {
        kind: Kind,
        names: Vec<Target>,
        if_exists: bool,
        cascade: bool,
    },
    AlterTable {
        table: Target,
        action: AlterTable,
    },
    AlterSchema {
        name: String,
        rename: Option<String>,
        owner: Option<String>,
    },
    AlterUser {
        name: String,
        search_path: Option<Vec<String>>,
    },
    AlterGroup {
        name: String,
        add: bool,
        users: Vec<String>,
    },
    Truncate(Target),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    Merge(Box<Merge>),
    Copy(Box<Copy>),
    Unload(Box<Unload>),
    Set {
        name: String,
        value: Option<String>,
    },
    Reset(Option<String>),
    Grant(Box<GrantCommand>),
    /// Changes nothing that could be seen here; the table is looked up.
    Maintain {
        what: Maintenance,
        table: Option<Target>,
        columns: Vec<String>,
    },
    Call {
        procedure: Target,
        arguments: Vec<Expr>,
    },
    Comment {
        kind: Kind,
        on: Target,
        text: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maintenance {
    Vacuum,
    Analyze,
    Lock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    User,
    Group,
    Role,
}

/// What DROP, COMMENT and GRANT can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Table,
    View,
    MaterializedView,
    Schema,
    Database,
    Procedure,
    User,
    Group,
    Role,
}

#[derive(Debug)]
pub(crate) struct CreateTable {
    pub target: Target,
    pub temporary: bool,
    pub if_not_exists: bool,
    pub columns: Vec<Column>,
    pub constraints: Vec<Constraint>,
    pub layout: Layout,
    pub source: Source,
}

#[derive(Debug)]
pub(crate) enum Source {
    Columns,
    /// CREATE TABLE ... AS, with names for the columns where some are given; SELECT ... INTO.
    Query {
        names: Vec<String>,
        query: Box<Query>,
    },
    Like {
        of: Target,
        defaults: bool,
    },
}

#[derive(Debug)]
pub(crate) struct CreateView {
    pub target: Target,
    pub or_replace: bool,
    pub names: Vec<String>,
    /// As it was written.
    pub text: String,
    pub late_binding: bool,
    pub materialized: bool,
}

#[derive(Debug)]
pub(crate) struct CreateProcedure {
    pub target: Target,
    pub or_replace: bool,
    pub arguments: Vec<Argument>,
    pub body: String,
}

#[derive(Debug)]
pub(crate) enum AlterTable {
    AddColumn(Column),
    DropColumn {
        name: String,
        cascade: bool,
    },
    RenameColumn {
        from: String,
        to: String,
    },
    RenameTo(String),
    ColumnType {
        name: String,
        sql_type: SqlType,
    },
    ColumnEncoding {
        name: String,
        encoding: String,
    },
    OwnerTo(String),
    Layout(Layout),
    AddConstraint(Constraint),
    DropConstraint(String),
    SetSchema(String),
    /// ALTER TABLE t APPEND FROM s.
    Append(Target),
}

#[derive(Debug)]
pub(crate) struct Insert {
    pub target: Target,
    pub columns: Vec<String>,
    /// None: DEFAULT VALUES.
    pub query: Option<Box<Query>>,
}

#[derive(Debug)]
pub(crate) struct Merge {
    pub target: TableFactor,
    pub source: TableFactor,
    pub on: Expr,
    pub action: MergeAction,
}

#[derive(Debug)]
pub(crate) enum MergeAction {
    RemoveDuplicates,
    When {
        matched: Option<WhenMatched>,
        not_matched: Option<(Vec<String>, Vec<Expr>)>,
    },
}

#[derive(Debug)]
pub(crate) enum WhenMatched {
    Update(Vec<Assignment>),
    Delete,
}

#[derive(Debug)]
pub(crate) struct GrantCommand {
    pub revoke: bool,
    pub privileges: Vec<String>,
    pub kind: Kind,
    /// ON ALL TABLES IN SCHEMA: the names are schemas.
    pub all_in_schema: bool,
    pub objects: Vec<Target>,
    pub grantees: Vec<(Option<Principal>, String)>,
    pub grantable: bool,
}

/// Reads one statement.
///
/// # Errors
/// Text that is no statement, or more than one; a form that is not answered here.
pub(crate) fn parse(sql: &str, tokens: Vec<TokenWithSpan>, values: &[String]) -> Result<Command, RedshiftError> {
    let mut reader = Reader::new(sql, tokens, values)?;
    let command = reader.command()?;
    reader.end()?;
    Ok(command)
}
