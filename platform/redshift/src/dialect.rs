//! From Redshift's SQL to what DataFusion plans: one statement, read-only, with Redshift's names for functions and
//! parts of dates. The statement is changed as a tree and is never written back to text.

use crate::{error::RedshiftError, functions::TYPED};
use datafusion::sql::sqlparser::{
    ast::{
        self, CaseWhen, CastKind, DataType, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr,
        FunctionArguments, Ident, LimitClause, ObjectName, Query, Select, SelectItem, SetExpr, ShowStatementFilter,
        ShowStatementFilterPosition, ShowStatementOptions, Statement, TimezoneInfo, TopQuantity, Value, VisitMut,
        VisitorMut,
    },
    dialect::RedshiftSqlDialect,
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Token, TokenWithSpan},
};
use std::{collections::BTreeSet, ops::ControlFlow};

/// Deeper nesting than any person writes; the parser and planner recurse.
pub(crate) const NESTING_MAX: usize = 64;

/// A chain of operators is a tree as deep as it is long, and everything after the parser walks it by recursion. A
/// thread's stack holds several times as many.
const OPERATORS_MAX: usize = 1_000;

/// What to do for a statement.
pub(crate) enum Task {
    /// Plan and run.
    Query {
        statement: Box<Statement>,
        /// The names that Redshift gives to the columns, where they can be told from the text.
        labels: Option<Vec<Option<String>>>,
    },
    /// Plan, and answer with the plan.
    Explain(Box<Statement>),
    /// Answer from the list of tables.
    ShowTables {
        schema: Option<String>,
        like: Option<String>,
    },
    ShowColumns {
        table: String,
        like: Option<String>,
    },
    ShowSchemas {
        like: Option<String>,
    },
    ShowDatabases,
}

/// Refuses chains of operators that would be trees too deep.
///
/// # Errors
/// There are more than [`OPERATORS_MAX`].
pub(crate) fn check_operators(tokens: &[TokenWithSpan]) -> Result<(), RedshiftError> {
    let operators = tokens.iter().filter(|token| is_operator(&token.token)).count();
    if operators > OPERATORS_MAX {
        return Err(RedshiftError::Syntax(format!(
            "the statement has {operators} operators, the most accepted is {OPERATORS_MAX}: write long lists with IN"
        )));
    }
    Ok(())
}

/// How many statements a text has, by its semicolons.
pub(crate) fn count_statements(tokens: &[TokenWithSpan]) -> usize {
    let tokens = tokens.iter().map(|token| &token.token);
    let mut tokens = tokens
        .filter(|token| !matches!(token, Token::Whitespace(_) | Token::EOF))
        .peekable();
    let mut count = 0;
    while let Some(token) = tokens.next() {
        let ends = tokens.peek().is_none_or(|next| **next == Token::SemiColon);
        if *token != Token::SemiColon && ends {
            count += 1;
        }
    }
    count
}

/// Parses exactly one statement and refuses what is not read-only.
pub(crate) fn parse(tokens: Vec<TokenWithSpan>) -> Result<Task, RedshiftError> {
    check_operators(&tokens)?;
    let mut statements = Parser::new(&RedshiftSqlDialect {})
        .with_recursion_limit(NESTING_MAX)
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(|error| {
            let text = error.to_string();
            RedshiftError::Syntax(text.strip_prefix("sql parser error: ").unwrap_or(&text).to_owned())
        })?;
    if statements.len() != 1 {
        return Err(RedshiftError::NotOne(statements.len()));
    }
    prepare(statements.remove(0))
}

/// Says what to do for a statement that reads, and puts it into the engine's words.
///
/// # Errors
/// A statement that does not only read, or that the engine has no words for.
pub(crate) fn prepare(statement: Statement) -> Result<Task, RedshiftError> {
    match statement {
        Statement::Query(_) => query(statement),
        Statement::Explain {
            analyze: false,
            statement,
            ..
        } if matches!(*statement, Statement::Query(_)) => match query(*statement)? {
            Task::Query { statement, .. } => Ok(Task::Explain(statement)),
            other => Ok(other),
        },
        Statement::Explain { .. } => Err(RedshiftError::NotReadOnly("EXPLAIN of anything but a query".to_owned())),
        Statement::ShowTables { show_options, .. } => Ok(Task::ShowTables {
            schema: parent(&show_options),
            like: like(&show_options)?,
        }),
        Statement::ShowColumns { show_options, .. } => match parent(&show_options) {
            Some(table) => Ok(Task::ShowColumns {
                table,
                like: like(&show_options)?,
            }),
            None => Err(RedshiftError::Syntax(
                "SHOW COLUMNS names a table: SHOW COLUMNS FROM TABLE name".to_owned(),
            )),
        },
        Statement::ShowSchemas { show_options, .. } => Ok(Task::ShowSchemas {
            like: like(&show_options)?,
        }),
        Statement::ShowDatabases { .. } => Ok(Task::ShowDatabases),
        Statement::ShowVariable { variable } => {
            let name = variable
                .iter()
                .map(|part| part.value.clone())
                .collect::<Vec<_>>()
                .join(" ");
            Err(RedshiftError::NotSupported(format!(
                "SHOW {name} is not there: SHOW TABLES, SHOW COLUMNS FROM TABLE, SHOW SCHEMAS and SHOW DATABASES are"
            )))
        }
        other => Err(RedshiftError::NotReadOnly(kind(&other))),
    }
}

/// What can make a tree deeper without brackets.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            word.quote_style.is_none()
                && matches!(
                    word.keyword,
                    Keyword::AND
                        | Keyword::OR
                        | Keyword::NOT
                        | Keyword::IS
                        | Keyword::LIKE
                        | Keyword::ILIKE
                        | Keyword::BETWEEN
                        | Keyword::COLLATE
                        | Keyword::AT
                        | Keyword::JOIN
                        | Keyword::UNION
                        | Keyword::EXCEPT
                        | Keyword::INTERSECT
                        | Keyword::MINUS
                )
        }
        Token::Whitespace(_)
        | Token::Number(..)
        | Token::Comma
        | Token::Period
        | Token::LParen
        | Token::RParen
        | Token::SemiColon
        | Token::Placeholder(_)
        | Token::SingleQuotedString(_)
        | Token::EOF => false,
        _ => true,
    }
}

fn query(mut statement: Statement) -> Result<Task, RedshiftError> {
    let labels = match &mut statement {
        Statement::Query(query) => name_columns(query),
        _ => None,
    };
    if let ControlFlow::Break(error) = statement.visit(&mut Rewrite) {
        return Err(error);
    }
    Ok(Task::Query {
        statement: Box::new(statement),
        labels,
    })
}

/// A statement's first word or two.
fn kind(statement: &Statement) -> String {
    let text = statement.to_string();
    let mut words = text
        .split_whitespace()
        .map(|word| word.trim_matches('(').to_uppercase());
    let first = words.next().unwrap_or_default();
    match (first.as_str(), words.next()) {
        ("CREATE" | "DROP" | "ALTER", Some(second)) => format!("{first} {second}"),
        _ => first,
    }
}

/// The last part of `FROM SCHEMA dev.concert_dw`, `FROM TABLE t` or `FROM x`.
fn parent(options: &ShowStatementOptions) -> Option<String> {
    let name = options.show_in.as_ref()?.parent_name.as_ref()?;
    last(name).map(str::to_lowercase)
}

fn like(options: &ShowStatementOptions) -> Result<Option<String>, RedshiftError> {
    match &options.filter_position {
        None => Ok(None),
        Some(
            ShowStatementFilterPosition::Infix(ShowStatementFilter::Like(pattern))
            | ShowStatementFilterPosition::Suffix(ShowStatementFilter::Like(pattern)),
        ) => Ok(Some(pattern.clone())),
        Some(_) => Err(RedshiftError::NotSupported(
            "SHOW takes LIKE 'pattern' as its only filter".to_owned(),
        )),
    }
}

fn last(name: &ObjectName) -> Option<&str> {
    name.0.last()?.as_ident().map(|ident| ident.value.as_str())
}

struct Rewrite;

impl VisitorMut for Rewrite {
    type Break = RedshiftError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<RedshiftError> {
        if !query.locks.is_empty() {
            return ControlFlow::Break(RedshiftError::NotReadOnly("SELECT FOR UPDATE".to_owned()));
        }
        match read_only(&query.body) {
            Ok(()) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        if let SetExpr::Select(select) = query.body.as_mut()
            && let Some(top) = select.top.take()
        {
            let quantity = match (top.quantity, top.percent || top.with_ties, &query.limit_clause) {
                (Some(TopQuantity::Constant(count)), false, None) => number(count),
                (Some(TopQuantity::Expr(count)), false, None) => count,
                _ => {
                    return ControlFlow::Break(RedshiftError::NotSupported(
                        "TOP takes a number, and no LIMIT beside it".to_owned(),
                    ));
                }
            };
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: Some(quantity),
                offset: None,
                limit_by: Vec::new(),
            });
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<RedshiftError> {
        let replaced = match expr {
            Expr::Function(function) => rewrite_function(function),
            Expr::Extract { field, .. } => {
                normalise_field(field);
                Ok(None)
            }
            // A literal's cast is a literal to the planner, and nobody groups by one.
            Expr::Cast {
                expr: inner, data_type, ..
            } if !matches!(**inner, Expr::Value(_)) => {
                let data_type = data_type.clone();
                Ok(Some(named(expr.clone(), &data_type)))
            }
            // SYSDATE is written without brackets.
            Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("sysdate") => {
                Ok(Some(timestamp(call("now", Vec::new()))))
            }
            _ => Ok(None),
        };
        match replaced {
            Ok(Some(new)) => *expr = new,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

fn read_only(body: &SetExpr) -> Result<(), RedshiftError> {
    match body {
        SetExpr::Select(select) => match &select.into {
            Some(_) => Err(RedshiftError::NotReadOnly("SELECT INTO".to_owned())),
            None => Ok(()),
        },
        SetExpr::SetOperation { left, right, .. } => read_only(left).and_then(|()| read_only(right)),
        SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => Ok(()),
        SetExpr::Insert(statement)
        | SetExpr::Update(statement)
        | SetExpr::Delete(statement)
        | SetExpr::Merge(statement) => Err(RedshiftError::NotReadOnly(kind(statement))),
    }
}

/// The engine leaves casts out of the names of expressions and refuses two of one name in a GROUP BY or among the
/// aggregates, so that `SUM(x), SUM(x::FLOAT8)` would fail: this keeps the type in the name.
fn named(cast: Expr, data_type: &DataType) -> Expr {
    let name = text(&data_type.to_string().to_lowercase());
    call(TYPED, vec![cast, name])
}

/// What a function of Redshift is here; `None` where it is the same.
fn rewrite_function(function: &mut Function) -> Result<Option<Expr>, RedshiftError> {
    let Some(name) = (if function.name.0.len() == 1 {
        last(&function.name)
    } else {
        None
    })
    .map(str::to_lowercase) else {
        return Ok(None);
    };
    let Some(mut args) = plain_arguments(function) else {
        return Ok(None);
    };
    let plain = function.over.is_none() && function.filter.is_none() && function.within_group.is_empty();
    if !plain {
        return Ok(None);
    }
    let rewritten = match (name.as_str(), args.len()) {
        ("getdate", 0) => timestamp(call("now", args)),
        ("nvl", _) => call("coalesce", args),
        ("len" | "char_length" | "textlen", 1) => call("character_length", args),
        ("charindex", 2) => {
            args.swap(0, 1);
            call("strpos", args)
        }
        // DATE_PART gives a double, EXTRACT an integer.
        ("date_part" | "datepart" | "pgdate_part", 2) => {
            part_to_text(&mut args[0])?;
            cast(call("date_part", args), DataType::DoublePrecision)
        }
        ("date_trunc", 2) => {
            part_to_text(&mut args[0])?;
            call("date_trunc", args)
        }
        ("dateadd" | "date_add", 3) => {
            part_to_text(&mut args[0])?;
            call("dateadd", args)
        }
        ("datediff" | "date_diff", 3) => {
            part_to_text(&mut args[0])?;
            call("datediff", args)
        }
        ("add_months", 2) => {
            args.swap(0, 1);
            args.insert(0, text("month"));
            call("dateadd", args)
        }
        ("to_char" | "to_date" | "to_timestamp", 2) => {
            args[1] = text(&chrono_pattern(&name, &args[1])?);
            call(&name, args)
        }
        ("decode", count) if count >= 3 => decode(args),
        _ => return Ok(None),
    };
    Ok(Some(rewritten))
}

/// A call's arguments, if they are plain expressions.
fn plain_arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else {
        return matches!(function.args, FunctionArguments::None).then(Vec::new);
    };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return None;
    }
    list.args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

/// `DECODE(x, a, 1, b, 2, 3)` compares so that NULL equals NULL.
fn decode(args: Vec<Expr>) -> Expr {
    let mut args = args.into_iter();
    let subject = args.next().unwrap_or_else(|| Expr::value(Value::Null));
    let rest: Vec<Expr> = args.collect();
    let mut conditions = Vec::new();
    let pairs = rest.chunks_exact(2);
    let otherwise = pairs.remainder().first().cloned().map(Box::new);
    for pair in pairs {
        conditions.push(CaseWhen {
            condition: Expr::IsNotDistinctFrom(Box::new(subject.clone()), Box::new(pair[0].clone())),
            result: pair[1].clone(),
        });
    }
    Expr::Case {
        case_token: ast::helpers::attached_token::AttachedToken::empty(),
        end_token: ast::helpers::attached_token::AttachedToken::empty(),
        operand: None,
        conditions,
        else_result: otherwise,
    }
}

/// Redshift takes the part of a date bare or quoted, under many names: `year`, `'yr'`, `mon`, `dow`.
fn part_to_text(part: &mut Expr) -> Result<(), RedshiftError> {
    let name = match part {
        Expr::Identifier(ident) => Some(ident.value.clone()),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(name) => Some(name.clone()),
            _ => None,
        },
        _ => None,
    };
    match name.as_deref().and_then(date_part) {
        Some(known) => {
            *part = text(known);
            Ok(())
        }
        None => Err(RedshiftError::NotSupported(format!(
            "{part} is no part of a date: use year, quarter, month, week, day, dow, doy, hour, minute, second or epoch"
        ))),
    }
}

/// Redshift's "dateparts for date or timestamp functions".
fn date_part(name: &str) -> Option<&'static str> {
    Some(match name.to_lowercase().as_str() {
        "year" | "years" | "y" | "yr" | "yrs" => "year",
        "quarter" | "quarters" | "qtr" | "qtrs" => "quarter",
        "month" | "months" | "mon" | "mons" => "month",
        "week" | "weeks" | "w" => "week",
        "day" | "days" | "d" => "day",
        "dayofweek" | "dow" | "dw" | "weekday" => "dow",
        "dayofyear" | "doy" | "dy" | "yearday" => "doy",
        "hour" | "hours" | "h" | "hr" | "hrs" => "hour",
        "minute" | "minutes" | "m" | "min" | "mins" => "minute",
        "second" | "seconds" | "s" | "sec" | "secs" => "second",
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => "millisecond",
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" => "microsecond",
        "epoch" => "epoch",
        _ => return None,
    })
}

fn normalise_field(field: &mut DateTimeField) {
    if let DateTimeField::Custom(ident) = field
        && let Some(known) = date_part(&ident.value)
    {
        *ident = Ident::new(known);
    }
}

/// Redshift's patterns of dates ("datetime format strings") in the engine's own letters.
///
/// # Errors
/// A pattern that is not a literal, or has a letter that is not in the table: it would be printed as it stands.
fn chrono_pattern(function: &str, pattern: &Expr) -> Result<String, RedshiftError> {
    const PARTS: [(&str, &str); 22] = [
        ("YYYY", "%Y"),
        ("YY", "%y"),
        ("MONTH", "%B"),
        ("MON", "%b"),
        ("MM", "%m"),
        ("DDD", "%j"),
        ("DD", "%d"),
        ("DAY", "%A"),
        ("DY", "%a"),
        ("HH24", "%H"),
        ("HH12", "%I"),
        ("HH", "%I"),
        ("MI", "%M"),
        ("SS", "%S"),
        ("MS", "%3f"),
        ("US", "%6f"),
        ("AM", "%p"),
        ("PM", "%p"),
        ("IYYY", "%G"),
        ("IW", "%V"),
        ("ID", "%u"),
        ("FM", ""),
    ];
    let refuse = |what: String| {
        Err(RedshiftError::NotSupported(format!(
            "{function} takes a literal pattern of YYYY, YY, MONTH, MON, MM, DD, DDD, DAY, DY, HH24, HH12, MI, SS, MS, \
             US, AM, IYYY, IW and ID here; {what}"
        )))
    };
    let Expr::Value(value) = pattern else {
        return refuse(format!("{pattern} is no literal"));
    };
    let Value::SingleQuotedString(pattern) = &value.value else {
        return refuse(format!("{pattern} is no text"));
    };
    let mut rest = pattern.as_str();
    let mut out = String::new();
    while let Some(next) = rest.chars().next() {
        if next == '"' {
            let Some((literal, after)) = rest[1..].split_once('"') else {
                return refuse("a quoted text in it is not closed".to_owned());
            };
            out.push_str(&literal.replace('%', "%%"));
            rest = after;
            continue;
        }
        let known = PARTS
            .iter()
            .filter(|(part, _)| {
                rest.get(..part.len())
                    .is_some_and(|head| head.eq_ignore_ascii_case(part))
            })
            .max_by_key(|(part, _)| part.len());
        match known {
            Some((part, chrono)) => {
                out.push_str(chrono);
                rest = &rest[part.len()..];
            }
            None if next.is_alphanumeric() => return refuse(format!("{rest:?} does not begin with one")),
            None => {
                out.push_str(if next == '%' { "%%" } else { &rest[..next.len_utf8()] });
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    Ok(out)
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(ast::FunctionArgumentList {
            duplicate_treatment: None,
            args: args
                .into_iter()
                .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
                .collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

fn timestamp(expr: Expr) -> Expr {
    cast(expr, DataType::Timestamp(None, TimezoneInfo::None))
}

fn text(value: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(value.to_owned()))
}

fn number(value: u64) -> Expr {
    Expr::value(Value::Number(value.to_string(), false))
}

/// The names that Redshift gives to a query's columns: an alias, a column's name, a function's name, else `?column?`.
/// `None` where a `*` makes their number unknown here; an entry is `None` where the engine's own name serves.
///
/// Redshift lets two columns have one name, the engine does not: what has no name gets an alias of its own.
fn name_columns(query: &mut Query) -> Option<Vec<Option<String>>> {
    let mut body = query.body.as_mut();
    let select: &mut Select = loop {
        match body {
            SetExpr::Select(select) => break select,
            SetExpr::Query(query) => body = query.body.as_mut(),
            SetExpr::SetOperation { left, .. } => body = left,
            _ => return None,
        }
    };
    let mut names = BTreeSet::new();
    let mut labels = Vec::with_capacity(select.projection.len());
    for (i, item) in select.projection.iter_mut().enumerate() {
        labels.push(match item {
            SelectItem::ExprWithAlias { alias, .. } => {
                names.insert(alias.value.to_lowercase());
                None
            }
            SelectItem::UnnamedExpr(expr) => {
                let label = label(expr);
                if is_column(expr) {
                    names.insert(label.clone());
                } else {
                    // A cast of a column is named like the column, and GROUP BY means the column by that name.
                    let unique = label != "?column?" && !is_cast(expr) && names.insert(label.clone());
                    let alias = if unique {
                        label.clone()
                    } else {
                        format!("{label} {}", i + 1)
                    };
                    *item = SelectItem::ExprWithAlias {
                        expr: expr.clone(),
                        alias: Ident::with_quote('"', alias),
                    };
                }
                Some(label)
            }
            _ => return None,
        });
    }
    Some(labels)
}

fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        Expr::Nested(inner) => is_column(inner),
        _ => false,
    }
}

fn is_cast(expr: &Expr) -> bool {
    match expr {
        Expr::Cast { .. } => true,
        Expr::Nested(inner) => is_cast(inner),
        _ => false,
    }
}

fn label(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => ident.value.to_lowercase(),
        Expr::CompoundIdentifier(parts) => parts.last().map(|ident| ident.value.to_lowercase()).unwrap_or_default(),
        Expr::Nested(inner) => label(inner),
        Expr::Cast { expr, data_type, .. } => match label(expr).as_str() {
            "?column?" => data_type
                .to_string()
                .split(['(', ' '])
                .next()
                .unwrap_or_default()
                .to_lowercase(),
            name => name.to_owned(),
        },
        Expr::Function(function) => last(&function.name).unwrap_or("?column?").to_lowercase(),
        Expr::Extract { .. } => "date_part".to_owned(),
        Expr::Case { .. } => "case".to_owned(),
        _ => "?column?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::bind;

    fn rewritten(sql: &str) -> Result<String, String> {
        let tokens = bind(sql, &[]).map_err(|error| error.to_string())?.tokens;
        match parse(tokens).map_err(|error| error.to_string())? {
            Task::Query { statement, .. } => Ok(statement.to_string()),
            Task::Explain(statement) => Ok(format!("explained: {statement}")),
            Task::ShowTables { schema, like } => Ok(format!("tables {schema:?} {like:?}")),
            Task::ShowColumns { table, like } => Ok(format!("columns {table:?} {like:?}")),
            Task::ShowSchemas { like } => Ok(format!("schemas {like:?}")),
            Task::ShowDatabases => Ok("databases".to_owned()),
        }
    }

    #[test]
    fn functions_of_redshift_become_those_of_the_engine() {
        for (sql, expected) in [
            ("select getdate()", "SELECT CAST(now() AS TIMESTAMP) AS \"getdate\""),
            ("select sysdate", "SELECT CAST(now() AS TIMESTAMP)"),
            ("select nvl(a, b, 0)", "SELECT coalesce(a, b, 0) AS \"nvl\""),
            ("select len(name)", "SELECT character_length(name) AS \"len\""),
            (
                "select date_part(yr, d)",
                "SELECT CAST(date_part('year', d) AS DOUBLE PRECISION) AS \"date_part\"",
            ),
            (
                "select dateadd(day, 3, d)",
                "SELECT dateadd('day', 3, d) AS \"dateadd\"",
            ),
            (
                "select datediff('mons', a, b)",
                "SELECT datediff('month', a, b) AS \"datediff\"",
            ),
            (
                "select to_char(d, 'YYYY-MM \"of\" Mon')",
                "SELECT to_char(d, '%Y-%m of %b') AS \"to_char\"",
            ),
            ("select top 3 x from t", "SELECT x FROM t LIMIT 3"),
            (
                "select decode(x, 1, 'a', 'b')",
                "SELECT CASE WHEN x IS NOT DISTINCT FROM 1 THEN 'a' ELSE 'b' END AS \"decode\"",
            ),
            ("explain select 1", "explained: SELECT 1 AS \"?column? 1\""),
            (
                "show tables from schema dev.concert_dw like 'c%'",
                "tables Some(\"concert_dw\") Some(\"c%\")",
            ),
            ("show databases", "databases"),
        ] {
            assert_eq!(rewritten(sql).as_deref(), Ok(expected), "{sql}");
        }
    }

    #[test]
    fn what_is_not_read_only_is_refused_at_every_depth() {
        for (sql, name) in [
            ("insert into t values (1)", "INSERT"),
            ("create table t (a int)", "CREATE TABLE"),
            ("drop table t", "DROP TABLE"),
            ("delete from t", "DELETE"),
            ("update t set a = 1", "UPDATE"),
            ("truncate table t", "TRUNCATE"),
            ("select 1 into t", "SELECT INTO"),
            ("with x as (select 1 as a into y) select * from x", "SELECT INTO"),
            ("select * from (select 1 as a into y) x", "SELECT INTO"),
            ("explain delete from t", "EXPLAIN"),
            ("set a = 1", "SET"),
            ("begin", "BEGIN"),
            ("copy t from 's3://b/k' iam_role 'r'", "COPY"),
        ] {
            let error = rewritten(sql).expect_err(sql);
            assert!(error.contains(name), "{sql}: {error}");
        }
        assert!(rewritten("select 1; select 2").is_err_and(|error| error.contains("found 2")));
        assert!(rewritten("").is_err_and(|error| error.contains("found 0")));
        assert!(rewritten("select to_char(d, 'QQQ')").is_err_and(|error| error.contains("\"QQQ\"")));
        assert!(rewritten("select dateadd(fortnight, 1, d)").is_err_and(|error| error.contains("fortnight")));
        let deep = format!("select {}1{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(rewritten(&deep).is_err());
    }

    /// Whatever is written, the answer is a task or an error.
    #[test]
    fn no_text_panics() {
        let samples = [
            "select a.b, count(*), x::numeric(14,2) from s.t a join u on a.id = u.id where n in (:p, 'it''s') group by 1",
            "with t as (select top 3 decode(x, 1, 'a') d from u) select to_char(d, 'YYYY \"q\" MM') from t order by 1 limit 2",
            "show tables from schema dev.concert_dw like 'c%'",
            "explain select date_part(dow, dateadd(month, -1, getdate())) over (partition by a order by b)",
            "select case when a is null then -1 else (b || 'é') end as \"Name\" -- :c \n /* x */ from t;",
        ];
        let mut state = 42_u64;
        let mut random = |bound: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound.max(1)
        };
        let (mut tasks, mut errors) = (0, 0);
        for _ in 0..5_000 {
            let mut chars: Vec<char> = samples[random(samples.len())].chars().collect();
            let other: Vec<char> = samples[random(samples.len())].chars().collect();
            for _ in 0..=random(3) {
                let at = random(chars.len());
                match random(4) {
                    0 => drop(chars.remove(at.min(chars.len() - 1))),
                    1 => chars.insert(at, other[random(other.len())]),
                    2 => chars.truncate(at + 1),
                    _ => chars
                        .splice(at..at, other[random(other.len())..].iter().copied())
                        .for_each(drop),
                }
            }
            let sql: String = chars.into_iter().collect();
            let parameters = [concert_contract::api::Parameter {
                name: "p".into(),
                value: "v".into(),
            }];
            let parameters = if sql.contains(":p") { &parameters[..] } else { &[] };
            match bind(&sql, parameters).and_then(|bound| parse(bound.tokens)) {
                Ok(_) => tasks += 1,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    errors += 1;
                }
            }
        }
        assert!(tasks > 100 && errors > 100, "{tasks} tasks, {errors} errors");
    }
}
