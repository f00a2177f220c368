//! The parser's pieces with Redshift's own words around them.

use super::{
    AlterTable, Command, Copy, GrantCommand, Insert, Kind, Maintenance, Merge, MergeAction, Principal, Target, Unload,
    WhenMatched,
};
use crate::{dialect, error::RedshiftError};
use datafusion::sql::sqlparser::{
    ast::{Assignment, Expr, SetExpr, Statement},
    dialect::RedshiftSqlDialect,
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Location, Token, TokenWithSpan},
};

/// Reads one statement, word by word.
pub(crate) struct Reader<'a> {
    pub(super) parser: Parser<'a>,
    sql: &'a str,
    values: &'a [String],
}

pub(super) type Result<T> = std::result::Result<T, RedshiftError>;

pub(crate) fn syntax(error: &ParserError) -> RedshiftError {
    let text = error.to_string();
    RedshiftError::Syntax(text.strip_prefix("sql parser error: ").unwrap_or(&text).to_owned())
}

/// The text between two places.
pub(crate) fn slice(sql: &str, from: Location, to: Option<Location>) -> &str {
    let offset = |at: Location| {
        let mut line_start = 0;
        for _ in 1..at.line {
            line_start += sql[line_start..].find('\n').map_or(0, |end| end + 1);
        }
        let column = usize::try_from(at.column.saturating_sub(1)).unwrap_or(0);
        let rest = &sql[line_start..];
        line_start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
    };
    let end = to.map_or(sql.len(), offset);
    sql.get(offset(from)..end).unwrap_or_default().trim()
}

impl<'a> Reader<'a> {
    pub fn new(sql: &'a str, tokens: Vec<TokenWithSpan>, values: &'a [String]) -> Result<Reader<'a>> {
        dialect::check_operators(&tokens)?;
        let statements = dialect::count_statements(&tokens);
        if statements != 1 {
            return Err(RedshiftError::NotOne(statements));
        }
        Ok(Reader {
            parser: Parser::new(&RedshiftSqlDialect {})
                .with_recursion_limit(dialect::NESTING_MAX)
                .with_tokens_with_locations(tokens),
            sql,
            values,
        })
    }

    /// Nothing may follow but semicolons.
    pub fn end(&mut self) -> Result<()> {
        while self.parser.consume_token(&Token::SemiColon) {}
        let rest = self.parser.peek_token();
        if rest.token == Token::EOF {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    pub(super) fn unexpected(&self) -> RedshiftError {
        let next = self.parser.peek_token();
        RedshiftError::Syntax(match next.token {
            Token::EOF => "syntax error at end of input".to_owned(),
            token => format!("syntax error at or near \"{token}\"{}", next.span.start),
        })
    }

    fn at_word(&self, ahead: usize, word: &str) -> bool {
        matches!(&self.parser.peek_nth_token(ahead).token,
            Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
    }

    pub(super) fn peek(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(at, word)| self.at_word(at, word))
    }

    /// Goes past these words if they are next.
    pub(super) fn take(&mut self, words: &[&str]) -> bool {
        let found = self.peek(words);
        if found {
            for _ in words {
                self.parser.next_token();
            }
        }
        found
    }

    pub(super) fn word(&mut self, word: &str) -> bool {
        self.take(&[word])
    }

    pub(super) fn expect(&mut self, words: &[&str]) -> Result<()> {
        if self.take(words) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    pub(super) fn symbol(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    pub(super) fn expect_symbol(&mut self, token: &Token) -> Result<()> {
        if self.symbol(token) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    pub(super) fn identifier(&mut self) -> Result<String> {
        match &self.parser.peek_token().token {
            Token::Word(_) => Ok(self
                .parser
                .parse_identifier()
                .map_err(|error| syntax(&error))?
                .value
                .to_lowercase()),
            _ => Err(self.unexpected()),
        }
    }

    /// A literal text, or a parameter that stands for one.
    pub(super) fn text(&mut self) -> Result<String> {
        let text = match self.parser.peek_token().token {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => text,
            Token::Placeholder(place) => self.placeholder(&place).ok_or_else(|| self.unexpected())?,
            _ => return Err(self.unexpected()),
        };
        self.parser.next_token();
        Ok(text)
    }

    fn placeholder(&self, place: &str) -> Option<String> {
        let number: usize = place.strip_prefix('$')?.parse().ok()?;
        self.values.get(number.checked_sub(1)?).cloned()
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(
            self.parser.peek_token().token,
            Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) | Token::Placeholder(_)
        )
    }

    pub(super) fn number(&mut self) -> Result<i64> {
        let negative = self.symbol(&Token::Minus);
        let value = match self.parser.peek_token().token {
            Token::Number(digits, _) => digits.parse::<i64>().ok(),
            Token::SingleQuotedString(digits) => digits.trim().parse().ok(),
            Token::Placeholder(place) => self.placeholder(&place).and_then(|text| text.trim().parse().ok()),
            _ => None,
        };
        let Some(value) = value else {
            return Err(self.unexpected());
        };
        self.parser.next_token();
        Ok(if negative { -value } else { value })
    }

    pub(super) fn expr(&mut self) -> Result<Expr> {
        self.parser.parse_expr().map_err(|error| syntax(&error))
    }

    pub(super) fn target(&mut self) -> Result<Target> {
        let mut parts = vec![self.identifier()?];
        while self.symbol(&Token::Period) {
            parts.push(self.identifier()?);
        }
        Target::of(parts).ok_or_else(|| self.unexpected())
    }

    /// `(a, b)`
    pub(super) fn names(&mut self) -> Result<Vec<String>> {
        self.expect_symbol(&Token::LParen)?;
        let mut names = vec![self.identifier()?];
        while self.symbol(&Token::Comma) {
            names.push(self.identifier()?);
        }
        self.expect_symbol(&Token::RParen)?;
        Ok(names)
    }

    pub(super) fn if_exists(&mut self) -> bool {
        self.take(&["if", "exists"])
    }

    pub(super) fn if_not_exists(&mut self) -> bool {
        self.take(&["if", "not", "exists"])
    }

    /// The text from here to the end, or to the words that end it.
    pub(super) fn rest_of_text(&mut self, ends: &[&str]) -> &'a str {
        let from = self.parser.peek_token().span.start;
        let mut to = None;
        loop {
            let next = self.parser.peek_token();
            if next.token == Token::EOF {
                break;
            }
            if next.token == Token::SemiColon || (!ends.is_empty() && self.peek(ends)) {
                to = Some(next.span.start);
                break;
            }
            self.parser.next_token();
        }
        slice(self.sql, from, to)
    }

    pub(crate) fn command(&mut self) -> Result<Command> {
        let Token::Word(first) = self.parser.peek_token().token else {
            return match self.parser.peek_token().token {
                Token::LParen => self.query(),
                _ => Err(self.unexpected()),
            };
        };
        match first.value.to_ascii_lowercase().as_str() {
            "select" | "with" | "values" => self.query(),
            "show" => self.show(),
            "explain" => self.explain(),
            "begin" | "start" => self.begin(),
            "commit" | "end" => self.finish(Command::Commit),
            "rollback" | "abort" => self.finish(Command::Rollback),
            "create" => self.create(),
            "drop" => self.drop_(),
            "alter" => self.alter(),
            "truncate" => {
                self.parser.next_token();
                self.word("table");
                Ok(Command::Truncate(self.target()?))
            }
            "insert" => self.insert(),
            "update" => match self.statement()? {
                Statement::Update(update) => Ok(Command::Update(Box::new(update))),
                _ => Err(self.unexpected()),
            },
            "delete" => self.delete(),
            "merge" => self.merge(),
            "copy" => {
                self.parser.next_token();
                Ok(Command::Copy(Box::new(Copy::read(self)?)))
            }
            "unload" => {
                self.parser.next_token();
                Ok(Command::Unload(Box::new(Unload::read(self)?)))
            }
            "set" => self.set(),
            "reset" => {
                self.parser.next_token();
                if self.word("all") {
                    return Ok(Command::Reset(None));
                }
                Ok(Command::Reset(Some(self.identifier()?)))
            }
            "grant" | "revoke" => self.grant(),
            "vacuum" => {
                self.parser.next_token();
                let _ = self.word("full")
                    || self.take(&["sort", "only"])
                    || self.take(&["delete", "only"])
                    || self.word("reindex")
                    || self.word("recluster");
                self.maintain(Maintenance::Vacuum)
            }
            "analyze" | "analyse" => {
                self.parser.next_token();
                self.word("compression");
                self.word("verbose");
                self.maintain(Maintenance::Analyze)
            }
            "lock" => {
                self.parser.next_token();
                self.word("table");
                self.maintain(Maintenance::Lock)
            }
            "call" => self.call(),
            "comment" => self.comment(),
            "refresh" => {
                self.parser.next_token();
                self.expect(&["materialized", "view"])?;
                Ok(Command::RefreshView(self.target()?))
            }
            word @ ("prepare" | "execute" | "deallocate" | "declare" | "fetch" | "close" | "use" | "cancel") => {
                Err(RedshiftError::NotSupported(format!(
                    "{} is not answered here: send the statement itself, and read its result page by page",
                    word.to_uppercase()
                )))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn statement(&mut self) -> Result<Statement> {
        self.parser.parse_statement().map_err(|error| syntax(&error))
    }

    fn query(&mut self) -> Result<Command> {
        let mut statement = self.statement()?;
        if let Statement::Query(query) = &mut statement
            && let SetExpr::Select(select) = query.body.as_mut()
            && let Some(into) = select.into.take()
        {
            let parts = into.name.0.iter();
            let parts = parts.filter_map(|part| part.as_ident().map(|ident| ident.value.to_lowercase()));
            let target = Target::of(parts.collect()).ok_or_else(|| self.unexpected())?;
            return Ok(self.create_from_query(target, into.temporary, query.clone()));
        }
        Ok(Command::Read(Box::new(statement)))
    }

    fn explain(&mut self) -> Result<Command> {
        self.parser.next_token();
        self.word("verbose");
        let command = self.command()?;
        match command {
            Command::Read(statement) if !matches!(*statement, Statement::Query(_)) => Err(self.unexpected()),
            Command::Read(_)
            | Command::CreateTable(_)
            | Command::Insert(_)
            | Command::Update(_)
            | Command::Delete(_)
            | Command::Merge(_) => Ok(Command::Explain(Box::new(command))),
            _ => Err(RedshiftError::NotSupported(
                "EXPLAIN takes SELECT, SELECT INTO, CREATE TABLE AS, INSERT, UPDATE, DELETE or MERGE".to_owned(),
            )),
        }
    }

    fn show(&mut self) -> Result<Command> {
        const LISTS: [&str; 5] = ["tables", "columns", "schemas", "databases", "grants"];
        if LISTS[..4].iter().any(|list| self.at_word(1, list)) {
            return Ok(Command::Read(Box::new(self.statement()?)));
        }
        self.parser.next_token();
        let mut name = self.identifier()?;
        while matches!(self.parser.peek_token().token, Token::Word(_)) {
            name.push(' ');
            name.push_str(&self.identifier()?);
        }
        Ok(Command::ShowVariable(name))
    }

    fn begin(&mut self) -> Result<Command> {
        self.parser.next_token();
        let _ = self.word("transaction") || self.word("work");
        // Every transaction here sees one snapshot; the levels and modes are accepted as Redshift accepts them.
        while !matches!(self.parser.peek_token().token, Token::EOF | Token::SemiColon) {
            let known = self.take(&["isolation", "level"])
                || self.word("serializable")
                || self.take(&["read", "committed"])
                || self.take(&["read", "uncommitted"])
                || self.take(&["repeatable", "read"])
                || self.take(&["read", "write"])
                || self.take(&["read", "only"])
                || self.word("snapshot")
                || self.symbol(&Token::Comma);
            if !known {
                return Err(self.unexpected());
            }
        }
        Ok(Command::Begin)
    }

    fn finish(&mut self, command: Command) -> Result<Command> {
        self.parser.next_token();
        let _ = self.word("transaction") || self.word("work");
        Ok(command)
    }

    fn drop_(&mut self) -> Result<Command> {
        self.parser.next_token();
        let kind = self.kind()?;
        let if_exists = self.if_exists();
        let mut names = vec![self.drop_name(kind)?];
        while self.symbol(&Token::Comma) {
            names.push(self.drop_name(kind)?);
        }
        let cascade = self.word("cascade") || self.word("force");
        if !cascade {
            self.word("restrict");
        }
        Ok(Command::Drop {
            kind,
            names,
            if_exists,
            cascade,
        })
    }

    fn drop_name(&mut self, kind: Kind) -> Result<Target> {
        let target = self.target()?;
        // A procedure may be named with the types of its arguments; there is one of each name here.
        if kind == Kind::Procedure && self.symbol(&Token::LParen) {
            while !self.symbol(&Token::RParen) {
                if self.parser.next_token().token == Token::EOF {
                    return Err(self.unexpected());
                }
            }
        }
        Ok(target)
    }

    fn kind(&mut self) -> Result<Kind> {
        Ok(if self.word("table") {
            Kind::Table
        } else if self.word("view") {
            Kind::View
        } else if self.take(&["materialized", "view"]) {
            Kind::MaterializedView
        } else if self.word("schema") {
            Kind::Schema
        } else if self.word("database") {
            Kind::Database
        } else if self.word("procedure") {
            Kind::Procedure
        } else if self.word("user") {
            Kind::User
        } else if self.word("group") {
            Kind::Group
        } else if self.word("role") {
            Kind::Role
        } else {
            return Err(self.unexpected());
        })
    }

    fn alter(&mut self) -> Result<Command> {
        self.parser.next_token();
        if self.word("schema") {
            let name = self.identifier()?;
            let rename = self.take(&["rename", "to"]).then(|| self.identifier()).transpose()?;
            let owner = self.take(&["owner", "to"]).then(|| self.identifier()).transpose()?;
            if rename.is_none() && owner.is_none() {
                return Err(self.unexpected());
            }
            return Ok(Command::AlterSchema { name, rename, owner });
        }
        if self.word("group") {
            let name = self.identifier()?;
            let add = self.word("add");
            if !add {
                self.expect(&["drop"])?;
            }
            self.expect(&["user"])?;
            let mut users = vec![self.identifier()?];
            while self.symbol(&Token::Comma) {
                users.push(self.identifier()?);
            }
            return Ok(Command::AlterGroup { name, add, users });
        }
        if self.word("user") {
            let name = self.identifier()?;
            let mut search_path = None;
            self.word("with");
            while !matches!(self.parser.peek_token().token, Token::EOF | Token::SemiColon) {
                if self.take(&["set", "search_path"]) {
                    let _ = self.word("to") || self.symbol(&Token::Eq);
                    let mut path = vec![self.setting()?];
                    while self.symbol(&Token::Comma) {
                        path.push(self.setting()?);
                    }
                    search_path = Some(path);
                } else {
                    // Passwords and limits are of no use on this machine.
                    self.parser.next_token();
                }
            }
            return Ok(Command::AlterUser { name, search_path });
        }
        self.expect(&["table"])?;
        let table = self.target()?;
        let action = self.alter_table()?;
        Ok(Command::AlterTable { table, action })
    }

    fn alter_table(&mut self) -> Result<AlterTable> {
        if self.take(&["append", "from"]) {
            return Ok(AlterTable::Append(self.target()?));
        }
        if self.word("add") {
            if self.peek(&["constraint"])
                || self.peek(&["primary"])
                || self.peek(&["foreign"])
                || self.peek(&["unique"])
            {
                return Ok(AlterTable::AddConstraint(self.constraint()?));
            }
            self.word("column");
            return Ok(AlterTable::AddColumn(self.column()?.0));
        }
        if self.word("drop") {
            if self.word("constraint") {
                let name = self.identifier()?;
                let _ = self.word("cascade") || self.word("restrict");
                return Ok(AlterTable::DropConstraint(name));
            }
            self.word("column");
            let name = self.identifier()?;
            let cascade = self.word("cascade");
            self.word("restrict");
            return Ok(AlterTable::DropColumn { name, cascade });
        }
        if self.word("rename") {
            if self.word("to") {
                return Ok(AlterTable::RenameTo(self.identifier()?));
            }
            self.word("column");
            let from = self.identifier()?;
            self.expect(&["to"])?;
            let to = self.identifier()?;
            return Ok(AlterTable::RenameColumn { from, to });
        }
        if self.take(&["owner", "to"]) {
            return Ok(AlterTable::OwnerTo(self.identifier()?));
        }
        if self.take(&["set", "schema"]) {
            return Ok(AlterTable::SetSchema(self.identifier()?));
        }
        if self.word("alter") {
            if self.peek(&["column"]) {
                self.word("column");
                let name = self.identifier()?;
                if self.word("type") {
                    return Ok(AlterTable::ColumnType {
                        name,
                        sql_type: self.sql_type()?,
                    });
                }
                self.expect(&["encode"])?;
                return Ok(AlterTable::ColumnEncoding {
                    name,
                    encoding: self.identifier()?,
                });
            }
            return Ok(AlterTable::Layout(self.layout()?));
        }
        Err(self.unexpected())
    }

    fn insert(&mut self) -> Result<Command> {
        self.parser.next_token();
        self.expect(&["into"])?;
        let target = self.target()?;
        if self.take(&["default", "values"]) {
            return Ok(Command::Insert(Box::new(Insert {
                target,
                columns: Vec::new(),
                query: None,
            })));
        }
        let mut columns = Vec::new();
        let bracket = self.parser.peek_token().token == Token::LParen;
        if bracket && !(self.at_word(1, "select") || self.at_word(1, "with") || self.at_word(1, "values")) {
            columns = self.names()?;
        }
        let query = self.parser.parse_query().map_err(|error| syntax(&error))?;
        Ok(Command::Insert(Box::new(Insert {
            target,
            columns,
            query: Some(query),
        })))
    }

    fn delete(&mut self) -> Result<Command> {
        // FROM may be left out.
        if !self.at_word(1, "from") {
            let token = self.parser.next_token();
            let target = self.target()?;
            let template = format!("DELETE FROM {}", quoted(&target));
            let mut parsed = Parser::parse_sql(&RedshiftSqlDialect {}, &template).map_err(|error| syntax(&error))?;
            let Some(Statement::Delete(mut delete)) = parsed.pop() else {
                return Err(self.unexpected());
            };
            delete.delete_token.0 = token;
            if self.word("where") {
                delete.selection = Some(self.expr()?);
            }
            return Ok(Command::Delete(Box::new(delete)));
        }
        match self.statement()? {
            Statement::Delete(delete) => Ok(Command::Delete(Box::new(delete))),
            _ => Err(self.unexpected()),
        }
    }

    fn merge(&mut self) -> Result<Command> {
        self.parser.next_token();
        self.expect(&["into"])?;
        let target = self.parser.parse_table_factor().map_err(|error| syntax(&error))?;
        self.expect(&["using"])?;
        let source = self.parser.parse_table_factor().map_err(|error| syntax(&error))?;
        self.expect(&["on"])?;
        let on = self.expr()?;
        let action = if self.take(&["remove", "duplicates"]) {
            MergeAction::RemoveDuplicates
        } else {
            let (mut matched, mut not_matched) = (None, None);
            while self.word("when") {
                let not = self.word("not");
                self.expect(&["matched", "then"])?;
                if not && not_matched.is_none() {
                    self.expect(&["insert"])?;
                    let columns = if self.parser.peek_token().token == Token::LParen {
                        self.names()?
                    } else {
                        Vec::new()
                    };
                    self.expect(&["values"])?;
                    self.expect_symbol(&Token::LParen)?;
                    let mut values = vec![self.expr()?];
                    while self.symbol(&Token::Comma) {
                        values.push(self.expr()?);
                    }
                    self.expect_symbol(&Token::RParen)?;
                    not_matched = Some((columns, values));
                } else if !not && matched.is_none() {
                    matched = Some(if self.word("delete") {
                        WhenMatched::Delete
                    } else {
                        self.expect(&["update", "set"])?;
                        WhenMatched::Update(self.assignments()?)
                    });
                } else {
                    return Err(self.unexpected());
                }
            }
            if matched.is_none() && not_matched.is_none() {
                return Err(self.unexpected());
            }
            MergeAction::When { matched, not_matched }
        };
        Ok(Command::Merge(Box::new(Merge {
            target,
            source,
            on,
            action,
        })))
    }

    fn assignments(&mut self) -> Result<Vec<Assignment>> {
        self.parser
            .parse_comma_separated(Parser::parse_assignment)
            .map_err(|error| syntax(&error))
    }

    fn set(&mut self) -> Result<Command> {
        self.parser.next_token();
        let _ = self.word("session") || self.word("local");
        if self.take(&["session", "authorization"]) || self.word("authorization") {
            let name = self.setting()?;
            return Ok(Command::Set {
                name: "session_authorization".to_owned(),
                value: Some(name),
            });
        }
        let name = if self.take(&["time", "zone"]) {
            "timezone".to_owned()
        } else {
            let name = self.identifier()?;
            if !(self.word("to") || self.symbol(&Token::Eq)) {
                return Err(self.unexpected());
            }
            name
        };
        if self.word("default") {
            return Ok(Command::Set { name, value: None });
        }
        let mut value = self.setting()?;
        while self.symbol(&Token::Comma) {
            value.push_str(", ");
            value.push_str(&self.setting()?);
        }
        Ok(Command::Set {
            name,
            value: Some(value),
        })
    }

    fn setting(&mut self) -> Result<String> {
        if self.is_text() {
            return self.text();
        }
        match self.parser.peek_token().token {
            Token::Number(..) | Token::Minus => Ok(self.number()?.to_string()),
            Token::Word(word) => {
                self.parser.next_token();
                Ok(word.value.to_lowercase())
            }
            _ => Err(self.unexpected()),
        }
    }

    fn grant(&mut self) -> Result<Command> {
        let revoke = self.at_word(0, "revoke");
        self.parser.next_token();
        let mut grantable = revoke && self.take(&["grant", "option", "for"]);
        let mut privileges = Vec::new();
        loop {
            let mut privilege = self.identifier()?;
            while !self.peek(&["on"])
                && !self.peek(&["to"])
                && !self.peek(&["from"])
                && matches!(self.parser.peek_token().token, Token::Word(_))
            {
                privilege.push(' ');
                privilege.push_str(&self.identifier()?);
            }
            privileges.push(privilege.to_uppercase());
            if !self.symbol(&Token::Comma) {
                break;
            }
        }
        let (mut kind, mut all_in_schema, mut objects) = (Kind::Role, false, Vec::new());
        if self.word("on") {
            kind = Kind::Table;
            if self.word("all") {
                kind = if self.word("tables") {
                    Kind::Table
                } else {
                    self.expect(&["procedures"])?;
                    Kind::Procedure
                };
                self.expect(&["in", "schema"])?;
                all_in_schema = true;
            } else if self.word("schema") {
                kind = Kind::Schema;
            } else if self.word("database") {
                kind = Kind::Database;
            } else if self.word("procedure") {
                kind = Kind::Procedure;
            } else {
                self.word("table");
            }
            objects.push(self.drop_name(kind)?);
            while self.symbol(&Token::Comma) {
                objects.push(self.drop_name(kind)?);
            }
        } else {
            // GRANT ROLE r TO ...
            let roles = std::mem::take(&mut privileges);
            for role in roles {
                let name = role.strip_prefix("ROLE ").unwrap_or(&role).to_lowercase();
                objects.push(Target {
                    database: None,
                    schema: None,
                    name,
                });
            }
            privileges.push("USAGE".to_owned());
        }
        self.expect(&[if revoke { "from" } else { "to" }])?;
        let mut grantees = Vec::new();
        loop {
            grantees.push(if self.word("group") {
                (Some(Principal::Group), self.identifier()?)
            } else if self.word("role") {
                (Some(Principal::Role), self.identifier()?)
            } else if self.word("public") {
                (None, "public".to_owned())
            } else {
                (Some(Principal::User), self.identifier()?)
            });
            if !self.symbol(&Token::Comma) {
                break;
            }
        }
        grantable |= self.take(&["with", "grant", "option"]) || self.take(&["with", "admin", "option"]);
        let _ = self.word("cascade") || self.word("restrict");
        Ok(Command::Grant(Box::new(GrantCommand {
            revoke,
            privileges,
            kind,
            all_in_schema,
            objects,
            grantees,
            grantable,
        })))
    }

    fn maintain(&mut self, what: Maintenance) -> Result<Command> {
        let mut table = None;
        let mut columns = Vec::new();
        if let Token::Word(_) = self.parser.peek_token().token {
            table = Some(self.target()?);
            if self.parser.peek_token().token == Token::LParen {
                columns = self.names()?;
            }
            let _ = self.take(&["predicate", "columns"]) || self.take(&["all", "columns"]);
            if self.word("to") {
                self.number()?;
                self.expect(&["percent"])?;
            }
            if self.word("comprows") {
                self.number()?;
            }
            self.word("boost");
        }
        Ok(Command::Maintain { what, table, columns })
    }

    fn call(&mut self) -> Result<Command> {
        self.parser.next_token();
        let procedure = self.target()?;
        self.expect_symbol(&Token::LParen)?;
        let mut arguments = Vec::new();
        if !self.symbol(&Token::RParen) {
            arguments.push(self.expr()?);
            while self.symbol(&Token::Comma) {
                arguments.push(self.expr()?);
            }
            self.expect_symbol(&Token::RParen)?;
        }
        Ok(Command::Call { procedure, arguments })
    }

    fn comment(&mut self) -> Result<Command> {
        self.parser.next_token();
        self.expect(&["on"])?;
        if self.word("column") || self.word("constraint") {
            return Err(RedshiftError::NotSupported(
                "comments are kept for tables, views, schemas and databases".to_owned(),
            ));
        }
        let kind = self.kind()?;
        let on = self.target()?;
        self.expect(&["is"])?;
        let text = if self.parser.parse_keyword(Keyword::NULL) {
            None
        } else {
            Some(self.text()?)
        };
        Ok(Command::Comment { kind, on, text })
    }
}

/// A name as SQL, whatever it holds.
pub(crate) fn quoted(target: &Target) -> String {
    let quote = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
    match &target.schema {
        Some(schema) => format!("{}.{}", quote(schema), quote(&target.name)),
        None => quote(&target.name),
    }
}

impl Target {
    pub(crate) fn of(mut parts: Vec<String>) -> Option<Target> {
        let name = parts.pop()?;
        let schema = parts.pop();
        let database = parts.pop();
        parts.is_empty().then_some(Target { database, schema, name })
    }
}
