//! CREATE: tables with Redshift's attributes, views, schemas, procedures, users.

use super::{
    Command, CreateProcedure, CreateTable, CreateView, Principal, Source, Target,
    reader::{Reader, Result, syntax},
};
use crate::{
    catalog::{Argument, Column, Constraint, Identity, Layout},
    error::RedshiftError,
    types::SqlType,
};
use datafusion::sql::sqlparser::{ast::Query, keywords::Keyword, tokenizer::Token};

/// The encodings that a column can be declared with.
const ENCODINGS: [&str; 13] = [
    "auto",
    "raw",
    "az64",
    "bytedict",
    "delta",
    "delta32k",
    "lzo",
    "mostly8",
    "mostly16",
    "mostly32",
    "runlength",
    "text255",
    "zstd",
];

/// What a column's own attributes say about the table.
#[derive(Default)]
pub(super) struct ColumnParts {
    dist_key: bool,
    sort_key: bool,
    constraints: Vec<Constraint>,
}

impl Reader<'_> {
    pub(super) fn create(&mut self) -> Result<Command> {
        self.parser.next_token();
        let or_replace = self.take(&["or", "replace"]);
        let temporary = {
            let local = self.word("local") || self.word("global");
            self.word("temporary") || self.word("temp") || local
        };
        if self.word("table") {
            return self.create_table(temporary);
        }
        if self.take(&["materialized", "view"]) {
            return self.create_view(or_replace, true);
        }
        if self.word("view") {
            return self.create_view(or_replace, false);
        }
        if self.word("schema") {
            let if_not_exists = self.if_not_exists();
            let name = if self.peek(&["authorization"]) {
                None
            } else {
                Some(self.identifier()?)
            };
            let owner = self.word("authorization").then(|| self.identifier()).transpose()?;
            if self.word("quota") && !self.word("unlimited") {
                self.number()?;
                let _ = self.word("mb") || self.word("gb") || self.word("tb");
            }
            let Some(name) = name.or_else(|| owner.clone()) else {
                return Err(self.unexpected());
            };
            return Ok(Command::CreateSchema {
                name,
                if_not_exists,
                owner,
            });
        }
        if self.word("database") {
            let name = self.identifier()?;
            // Owners, limits and collations are accepted.
            self.rest_of_text(&[]);
            return Ok(Command::CreateDatabase(name));
        }
        if self.word("procedure") {
            return self.create_procedure(or_replace);
        }
        for (word, kind) in [
            ("user", Principal::User),
            ("group", Principal::Group),
            ("role", Principal::Role),
        ] {
            if self.word(word) {
                let name = self.identifier()?;
                let options = self.rest_of_text(&[]).to_ascii_lowercase();
                let has = |option: &str| options.split_whitespace().any(|word| word == option);
                return Ok(Command::CreatePrincipal {
                    kind,
                    name,
                    superuser: kind == Principal::User && has("createuser"),
                });
            }
        }
        if self.peek(&["external"]) || self.peek(&["function"]) || self.peek(&["model"]) || self.peek(&["library"]) {
            return Err(RedshiftError::NotSupported(format!(
                "CREATE {} is not answered here; tables, views, schemas, databases, procedures, users, groups and \
                 roles are",
                self.identifier()?.to_uppercase()
            )));
        }
        Err(self.unexpected())
    }

    pub(super) fn create_from_query(&mut self, target: Target, temporary: bool, query: Box<Query>) -> Command {
        let temporary = temporary || target.name.starts_with('#');
        Command::CreateTable(Box::new(CreateTable {
            target,
            temporary,
            if_not_exists: false,
            columns: Vec::new(),
            constraints: Vec::new(),
            layout: Layout::default(),
            source: Source::Query {
                names: Vec::new(),
                query,
            },
        }))
    }

    fn create_table(&mut self, temporary: bool) -> Result<Command> {
        let if_not_exists = self.if_not_exists();
        let target = self.target()?;
        let temporary = temporary || target.name.starts_with('#');
        let mut made = CreateTable {
            target,
            temporary,
            if_not_exists,
            columns: Vec::new(),
            constraints: Vec::new(),
            layout: Layout::default(),
            source: Source::Columns,
        };
        if self.parser.peek_token().token == Token::LParen {
            if self.is_list_of_names() {
                let names = self.names()?;
                self.table_attributes(&mut made.layout)?;
                self.expect(&["as"])?;
                made.source = self.as_query(names)?;
                return Ok(Command::CreateTable(Box::new(made)));
            }
            self.expect_symbol(&Token::LParen)?;
            let mut sort_keys = Vec::new();
            loop {
                self.table_element(&mut made, &mut sort_keys)?;
                if !self.symbol(&Token::Comma) {
                    break;
                }
            }
            self.expect_symbol(&Token::RParen)?;
            made.layout.sort_keys = sort_keys;
            self.table_attributes(&mut made.layout)?;
            if self.word("as") {
                return Err(RedshiftError::Syntax(
                    "CREATE TABLE AS takes names of columns without types".to_owned(),
                ));
            }
        } else {
            self.table_attributes(&mut made.layout)?;
            if self.word("like") {
                // Without brackets, as Redshift accepts it too.
                let of = self.target()?;
                made.source = Source::Like { of, defaults: false };
            } else {
                self.expect(&["as"])?;
                made.source = self.as_query(Vec::new())?;
            }
        }
        if let Source::Columns = made.source
            && made.columns.is_empty()
        {
            return Err(RedshiftError::Syntax("a table has at least one column".to_owned()));
        }
        Ok(Command::CreateTable(Box::new(made)))
    }

    /// `(a, b)` and not `(a int, ...)`.
    fn is_list_of_names(&self) -> bool {
        let is_name = matches!(self.parser.peek_nth_token(1).token, Token::Word(_));
        is_name && matches!(self.parser.peek_nth_token(2).token, Token::Comma | Token::RParen)
    }

    fn as_query(&mut self, names: Vec<String>) -> Result<Source> {
        let query = self.parser.parse_query().map_err(|error| syntax(&error))?;
        Ok(Source::Query { names, query })
    }

    fn table_element(&mut self, made: &mut CreateTable, sort_keys: &mut Vec<String>) -> Result<()> {
        if self.peek(&["like"]) {
            self.word("like");
            let of = self.target()?;
            let defaults = self.take(&["including", "defaults"]);
            self.take(&["excluding", "defaults"]);
            made.source = Source::Like { of, defaults };
            return Ok(());
        }
        if self.peek(&["constraint"])
            || self.peek(&["primary", "key"])
            || self.peek(&["foreign", "key"])
            || (self.peek(&["unique"]) && self.parser.peek_nth_token(1).token == Token::LParen)
        {
            made.constraints.push(self.constraint()?);
            return Ok(());
        }
        let (column, parts) = self.column()?;
        if made.columns.iter().any(|known| known.name == column.name) {
            return Err(RedshiftError::Data(format!(
                "column \"{}\" specified more than once",
                column.name
            )));
        }
        if parts.dist_key {
            if made.layout.dist_key.is_some() {
                return Err(RedshiftError::Data(
                    "multiple DISTKEY columns are not allowed".to_owned(),
                ));
            }
            made.layout.dist_key = Some(column.name.clone());
        }
        if parts.sort_key {
            sort_keys.push(column.name.clone());
        }
        made.constraints.extend(parts.constraints);
        made.columns.push(column);
        Ok(())
    }

    pub(super) fn sql_type(&mut self) -> Result<SqlType> {
        let data_type = self.parser.parse_data_type().map_err(|error| syntax(&error))?;
        SqlType::declared(&data_type)
    }

    pub(super) fn column(&mut self) -> Result<(Column, ColumnParts)> {
        let mut column = Column::new(self.identifier()?, SqlType::Integer);
        column.sql_type = self.sql_type()?;
        let mut parts = ColumnParts::default();
        loop {
            if self.take(&["not", "null"]) {
                column.not_null = true;
            } else if self.parser.parse_keyword(Keyword::NULL) {
            } else if self.word("default") {
                column.default = Some(self.expr()?.to_string());
            } else if self.take(&["generated", "by", "default", "as", "identity"]) {
                column.identity = Some(self.identity(true)?);
            } else if self.word("identity") {
                column.identity = Some(self.identity(false)?);
            } else if self.word("encode") {
                column.encoding = Some(self.encoding()?);
            } else if self.word("distkey") {
                parts.dist_key = true;
            } else if self.word("sortkey") {
                parts.sort_key = true;
            } else if self.take(&["primary", "key"]) {
                column.not_null = true;
                parts.constraints.push(of_column("PRIMARY KEY", &column.name, None));
            } else if self.word("unique") {
                parts.constraints.push(of_column("UNIQUE", &column.name, None));
            } else if self.word("references") {
                let references = self.references()?;
                parts
                    .constraints
                    .push(of_column("FOREIGN KEY", &column.name, Some(references)));
            } else if self.word("collate") {
                let _ = self.word("case_sensitive") || self.word("case_insensitive") || self.word("cs");
            } else {
                break;
            }
        }
        if column.identity.is_some() {
            if !matches!(column.sql_type, SqlType::Integer | SqlType::BigInt) {
                return Err(RedshiftError::Data(
                    "identity column type must be integer or bigint".to_owned(),
                ));
            }
            column.not_null = true;
        }
        Ok((column, parts))
    }

    fn identity(&mut self, by_default: bool) -> Result<Identity> {
        self.expect_symbol(&Token::LParen)?;
        let seed = self.number()?;
        self.expect_symbol(&Token::Comma)?;
        let step = self.number()?;
        self.expect_symbol(&Token::RParen)?;
        Ok(Identity {
            seed,
            step,
            next: seed,
            by_default,
        })
    }

    fn encoding(&mut self) -> Result<String> {
        let name = self.identifier()?;
        if ENCODINGS.contains(&name.as_str()) {
            Ok(name)
        } else {
            Err(RedshiftError::Data(format!(
                "invalid column compression encoding \"{name}\""
            )))
        }
    }

    fn references(&mut self) -> Result<String> {
        let target = self.target()?;
        let mut text = target.to_string();
        if self.parser.peek_token().token == Token::LParen {
            text.push_str(&format!("({})", self.names()?.join(", ")));
        }
        Ok(text)
    }

    pub(super) fn constraint(&mut self) -> Result<Constraint> {
        let name = self.word("constraint").then(|| self.identifier()).transpose()?;
        let kind = if self.take(&["primary", "key"]) {
            "PRIMARY KEY"
        } else if self.take(&["foreign", "key"]) {
            "FOREIGN KEY"
        } else {
            self.expect(&["unique"])?;
            "UNIQUE"
        };
        let columns = self.names()?;
        let references = if kind == "FOREIGN KEY" {
            self.expect(&["references"])?;
            Some(self.references()?)
        } else {
            None
        };
        Ok(Constraint {
            name,
            kind: kind.to_owned(),
            columns,
            references,
        })
    }

    /// DISTSTYLE, DISTKEY, SORTKEY, BACKUP and ENCODE AUTO after a table's brackets, in any order.
    pub(super) fn table_attributes(&mut self, layout: &mut Layout) -> Result<()> {
        loop {
            if self.word("backup") {
                if !(self.word("yes") || self.word("no")) {
                    return Err(self.unexpected());
                }
            } else if self.take(&["encode", "auto"]) {
            } else if !self.layout_part(layout)? {
                break;
            }
        }
        match (&layout.style, &layout.dist_key) {
            (Some(style), Some(_)) if style != "KEY" => Err(RedshiftError::Data(format!(
                "DISTKEY cannot be used with DISTSTYLE {style}"
            ))),
            (Some(style), None) if style == "KEY" => Err(RedshiftError::Data(
                "DISTSTYLE KEY requires a DISTKEY column".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    fn layout_part(&mut self, layout: &mut Layout) -> Result<bool> {
        if self.word("diststyle") {
            let style = self.identifier()?.to_uppercase();
            if !["EVEN", "KEY", "ALL", "AUTO"].contains(&style.as_str()) {
                return Err(RedshiftError::Data(format!("invalid DISTSTYLE \"{style}\"")));
            }
            layout.style = Some(style);
        } else if self.word("distkey") {
            let mut names = self.key_names()?;
            layout.dist_key = names.pop().filter(|_| names.is_empty());
            if layout.dist_key.is_none() {
                return Err(RedshiftError::Data("DISTKEY takes one column".to_owned()));
            }
        } else if self.word("compound") || self.peek(&["interleaved"]) || self.peek(&["sortkey"]) {
            layout.interleaved = self.word("interleaved");
            self.expect(&["sortkey"])?;
            if self.word("auto") || self.word("none") {
                layout.sort_keys.clear();
            } else {
                layout.sort_keys = self.key_names()?;
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// With or without brackets, as ALTER writes it.
    fn key_names(&mut self) -> Result<Vec<String>> {
        if self.parser.peek_token().token == Token::LParen {
            self.names()
        } else {
            Ok(vec![self.identifier()?])
        }
    }

    /// ALTER TABLE ... ALTER DISTSTYLE, DISTKEY, SORTKEY, ENCODE AUTO.
    pub(super) fn layout(&mut self) -> Result<Layout> {
        let mut layout = Layout::default();
        if self.take(&["encode", "auto"]) {
            return Ok(layout);
        }
        let mut any = false;
        while self.layout_part(&mut layout)? || (any && self.word("alter")) {
            any = true;
        }
        if any { Ok(layout) } else { Err(self.unexpected()) }
    }

    fn create_view(&mut self, or_replace: bool, materialized: bool) -> Result<Command> {
        let target = self.target()?;
        let names = if self.parser.peek_token().token == Token::LParen {
            self.names()?
        } else {
            Vec::new()
        };
        if materialized {
            if self.word("backup") {
                let _ = self.word("yes") || self.word("no");
            }
            let mut layout = Layout::default();
            self.table_attributes(&mut layout)?;
            if self.take(&["auto", "refresh"]) {
                let _ = self.word("yes") || self.word("no");
            }
        }
        self.expect(&["as"])?;
        let text = self.rest_of_text(&["with", "no", "schema", "binding"]).to_owned();
        let late_binding = self.take(&["with", "no", "schema", "binding"]);
        if text.is_empty() {
            return Err(self.unexpected());
        }
        Ok(Command::CreateView(Box::new(CreateView {
            target,
            or_replace,
            names,
            text,
            late_binding,
            materialized,
        })))
    }

    fn create_procedure(&mut self, or_replace: bool) -> Result<Command> {
        let target = self.target()?;
        self.expect_symbol(&Token::LParen)?;
        let mut arguments = Vec::new();
        if !self.symbol(&Token::RParen) {
            loop {
                if self.peek(&["out"]) || self.peek(&["inout"]) {
                    return Err(RedshiftError::NotSupported(
                        "procedures have IN arguments only here: OUT and INOUT are not answered".to_owned(),
                    ));
                }
                self.word("in");
                // A name may be left out, so that the type stands alone.
                let next = self.parser.peek_nth_token(1).token;
                let name = if matches!(next, Token::Comma | Token::RParen | Token::LParen) {
                    None
                } else {
                    Some(self.identifier()?)
                };
                arguments.push(Argument {
                    name,
                    sql_type: self.sql_type()?,
                });
                if !self.symbol(&Token::Comma) {
                    break;
                }
            }
            self.expect_symbol(&Token::RParen)?;
        }
        let mut body = None;
        let mut language = None;
        loop {
            if self.word("as") {
                body = Some(match self.parser.peek_token().token {
                    Token::DollarQuotedString(quoted) => {
                        self.parser.next_token();
                        quoted.value
                    }
                    _ => self.text()?,
                });
            } else if self.word("language") {
                language = Some(self.identifier()?);
            } else if self.word("nonatomic")
                || self.take(&["security", "invoker"])
                || self.take(&["security", "definer"])
            {
            } else {
                break;
            }
        }
        match (body, language.as_deref()) {
            (Some(body), Some("plpgsql")) => Ok(Command::CreateProcedure(Box::new(CreateProcedure {
                target,
                or_replace,
                arguments,
                body,
            }))),
            (Some(_), Some(other)) => Err(RedshiftError::NotSupported(format!(
                "language \"{other}\" does not exist: procedures are written in plpgsql"
            ))),
            _ => Err(self.unexpected()),
        }
    }
}

fn of_column(kind: &str, column: &str, references: Option<String>) -> Constraint {
    Constraint {
        name: None,
        kind: kind.to_owned(),
        columns: vec![column.to_owned()],
        references,
    }
}
