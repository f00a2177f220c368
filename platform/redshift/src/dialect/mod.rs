//! From Redshift's SQL to what DataFusion plans: one statement, read-only, with Redshift's names for functions and
//! parts of dates. The statement is changed as a tree and is never written back to text.

mod build;
mod calls;
mod labels;
mod lateral;
mod operators;
mod parts;
mod rewrite;
mod tokens;
mod typing;

pub(crate) use lateral::resolve;
pub(crate) use operators::Operators;
pub(crate) use rewrite::rewrite;
pub(crate) use tokens::respell;
pub(crate) use typing::analyzer_rules;

use crate::{error::RedshiftError, functions, types::SqlType};
use datafusion::sql::sqlparser::{
    ast::{ObjectName, ShowStatementFilter, ShowStatementFilterPosition, ShowStatementOptions, Statement},
    dialect::RedshiftSqlDialect,
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Token, TokenWithSpan},
};
use labels::name_columns;

/// A cast in a plan, as the rewriting of a statement would have made it.
fn build_cast(expr: datafusion::logical_expr::Expr, target: SqlType) -> datafusion::logical_expr::Expr {
    let name = datafusion::logical_expr::lit(functions::encode_type(target));
    functions::cast_function().call(vec![expr, name])
}

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
    rewrite(&mut statement)?;
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
