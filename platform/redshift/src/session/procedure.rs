//! Procedures of plain statements: `BEGIN statement; ... END`. The arguments of a call take the places of their names.
//! Variables, conditions and loops are not answered, and say so when the procedure is made.

use super::{Outcome, Sink, State, explain::parse_query};
use crate::{
    catalog::Name,
    command::{self, Command, Target},
    error::RedshiftError,
    result::ColumnInfo,
    types::SqlType,
};
use arrow::{
    array::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use datafusion::sql::sqlparser::{
    ast::{Expr, SelectItem, SetExpr},
    dialect::RedshiftSqlDialect,
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};
use futures::StreamExt as _;

/// How deep procedures may call each other, as in Redshift.
const DEPTH_MAX: usize = 16;

/// What the procedural language has beyond plain statements.
const CONTROL: [&str; 16] = [
    "declare",
    "if",
    "elsif",
    "else",
    "loop",
    "while",
    "for",
    "foreach",
    "exit",
    "continue",
    "return",
    "perform",
    "execute",
    "open",
    "fetch",
    "exception",
];

/// The statements of a procedure's body, as tokens.
pub(super) fn statements(body: &str) -> Result<Vec<Vec<TokenWithSpan>>, RedshiftError> {
    let tokens = Tokenizer::new(&RedshiftSqlDialect {}, body)
        .tokenize_with_location()
        .map_err(|error| RedshiftError::Syntax(error.to_string()))?;
    let mut parts: Vec<Vec<TokenWithSpan>> = vec![Vec::new()];
    for token in tokens {
        match token.token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::SemiColon => parts.push(Vec::new()),
            _ => {
                if let Some(part) = parts.last_mut() {
                    part.push(token);
                }
            }
        }
    }
    parts.retain(|part| !part.is_empty());
    let is = |part: &[TokenWithSpan], at: usize, word: &str| {
        matches!(part.get(at).map(|token| &token.token), Some(Token::Word(found))
            if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
    };
    let shape = || {
        RedshiftError::Syntax("a procedure's body is BEGIN, statements that end with semicolons, and END".to_owned())
    };
    let Some(first) = parts.first_mut() else {
        return Err(shape());
    };
    if is(first, 0, "declare") {
        return Err(not_plain("DECLARE"));
    }
    if !is(first, 0, "begin") {
        return Err(shape());
    }
    first.remove(0);
    match parts.pop() {
        Some(last) if is(&last, 0, "end") && last.len() <= 2 => {}
        _ => return Err(shape()),
    }
    parts.retain(|part| !(part.is_empty() || part.len() == 1 && is(part, 0, "null")));
    for part in &parts {
        if let Some(word) = CONTROL.iter().find(|word| is(part, 0, word)) {
            return Err(not_plain(word));
        }
        if part.iter().any(|token| token.token == Token::Assignment) {
            return Err(not_plain(":="));
        }
    }
    Ok(parts)
}

fn not_plain(word: &str) -> RedshiftError {
    RedshiftError::NotSupported(format!(
        "procedures hold plain statements here: {} is not answered",
        word.to_uppercase()
    ))
}

impl State {
    pub(super) fn find_procedure(&self, target: &Target) -> Option<Name> {
        let catalog = self.catalog()?;
        let schemas = match &target.schema {
            Some(schema) => vec![schema.clone()],
            None => self.search_path(),
        };
        schemas
            .into_iter()
            .map(|schema| Name::new(schema, &target.name))
            .find(|name| catalog.procedures.contains_key(name))
    }

    pub(super) async fn call(
        &mut self,
        target: &Target,
        arguments: &[Expr],
        query_id: i64,
        sink: &mut dyn Sink,
    ) -> Result<Outcome, RedshiftError> {
        let procedure = self
            .find_procedure(target)
            .and_then(|name| self.catalog()?.procedures.get(&name).cloned())
            .filter(|procedure| procedure.arguments.len() == arguments.len());
        let Some(procedure) = procedure else {
            return Err(RedshiftError::Data(format!(
                "procedure {target}({}) does not exist",
                vec!["unknown"; arguments.len()].join(", ")
            )));
        };
        if self.depth >= DEPTH_MAX {
            return Err(RedshiftError::Data(format!(
                "procedures call each other deeper than {DEPTH_MAX}"
            )));
        }
        let mut given = Vec::with_capacity(arguments.len());
        for (argument, expr) in procedure.arguments.iter().zip(arguments) {
            given.push((argument.name.clone(), self.argument(expr, argument.sql_type).await?));
        }
        self.depth += 1;
        let outcome = self.run_body(&procedure.body, &given, query_id, sink).await;
        self.depth -= 1;
        outcome
    }

    async fn run_body(
        &mut self,
        body: &str,
        arguments: &[(Option<String>, Vec<Token>)],
        query_id: i64,
        _: &mut dyn Sink,
    ) -> Result<Outcome, RedshiftError> {
        for part in statements(body)? {
            if let Some(Token::Word(first)) = part.first().map(|token| &token.token)
                && first.value.eq_ignore_ascii_case("raise")
            {
                if part
                    .get(1)
                    .is_some_and(|token| token.token.to_string().eq_ignore_ascii_case("exception"))
                {
                    let message = part.get(2).map(|token| match &token.token {
                        Token::SingleQuotedString(text) => text.clone(),
                        other => other.to_string(),
                    });
                    return Err(RedshiftError::Data(message.unwrap_or_default()));
                }
                continue;
            }
            let tokens = with_arguments(part, arguments);
            let text: String = tokens.iter().map(|token| written(&token.token) + " ").collect();
            let tokens = crate::parameters::bind(&text, &[])?.tokens;
            match command::parse(&text, tokens, &[])? {
                Command::Begin | Command::Commit | Command::Rollback => {
                    return Err(RedshiftError::NotSupported(
                        "a procedure runs in the transaction of its call: BEGIN, COMMIT and ROLLBACK are not answered \
                         in it"
                            .to_owned(),
                    ));
                }
                Command::Truncate(target) => {
                    // Within a procedure's transaction it is a DELETE of everything.
                    let mut writable = self.writable(&target)?;
                    writable.table.files.clear();
                    let folder = writable.folder.clone();
                    self.put_back(&writable.found, writable.table, &folder)?;
                }
                command => {
                    Box::pin(self.run(command, &[], query_id, &mut Nothing)).await?;
                }
            }
        }
        Ok(Outcome::default())
    }

    /// An argument's value as a literal of its type.
    async fn argument(&self, expr: &Expr, sql_type: SqlType) -> Result<Vec<Token>, RedshiftError> {
        let mut query = parse_query("select 1")?;
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection = vec![SelectItem::UnnamedExpr(expr.clone())];
        }
        let (_, mut stream) = self.planner().await?.stream(query, &[]).await?;
        let Some(batch) = stream.next().await else {
            return Err(RedshiftError::Data("an argument of CALL is no value".to_owned()));
        };
        let batch = batch?;
        let value = sql_type.assign(batch.column(0))?;
        let text = if value.is_null(0) {
            None
        } else {
            let options = FormatOptions::default();
            let formatter =
                ArrayFormatter::try_new(&value, &options).map_err(|error| RedshiftError::Statement(error.into()))?;
            Some(formatter.value(0).to_string())
        };
        let word = |text: &str| Token::make_word(text, None);
        let text = match text {
            Some(text) => Token::SingleQuotedString(text),
            None => word("NULL"),
        };
        // The type stays with the value: cast('x' as integer).
        let type_name = match sql_type {
            SqlType::Char(length) => format!("char({length})"),
            SqlType::Varchar(length) => format!("varchar({length})"),
            other => other.to_string(),
        };
        let type_tokens = Tokenizer::new(&RedshiftSqlDialect {}, &type_name)
            .tokenize()
            .map_err(|error| RedshiftError::Syntax(error.to_string()))?;
        let mut tokens = vec![word("CAST"), Token::LParen, text, word("AS")];
        tokens.extend(type_tokens);
        tokens.push(Token::RParen);
        Ok(tokens)
    }
}

/// Puts arguments where their names, or `$1`, stand.
fn with_arguments(part: Vec<TokenWithSpan>, arguments: &[(Option<String>, Vec<Token>)]) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(part.len());
    for (at, token) in part.iter().enumerate() {
        let after_period = at > 0 && part[at - 1].token == Token::Period;
        let before_period = part.get(at + 1).is_some_and(|next| next.token == Token::Period);
        let value = match &token.token {
            Token::Word(word) if !after_period && !before_period => arguments
                .iter()
                .find(|(name, _)| name.as_ref().is_some_and(|name| *name == word.value.to_lowercase())),
            Token::Placeholder(place) => place
                .strip_prefix('$')
                .and_then(|digits| digits.parse::<usize>().ok())
                .and_then(|number| arguments.get(number.checked_sub(1)?)),
            _ => None,
        };
        match value {
            Some((_, tokens)) => out.extend(tokens.iter().map(|value| TokenWithSpan {
                token: value.clone(),
                span: token.span,
            })),
            None => out.push(token.clone()),
        }
    }
    out
}

/// A token as it is written in a statement: what reads it again finds the same one.
fn written(token: &Token) -> String {
    match token {
        Token::SingleQuotedString(text) => {
            format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
        }
        other => other.to_string(),
    }
}

/// A procedure's queries have no readers.
struct Nothing;

impl Sink for Nothing {
    fn columns(&mut self, _: &[ColumnInfo]) -> Result<(), RedshiftError> {
        Ok(())
    }

    fn batch(&mut self, _: &RecordBatch) -> Result<(), RedshiftError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_plain_statements_between_begin_and_end() {
        let count = |body: &str| {
            statements(body)
                .map(|parts| parts.len())
                .map_err(|error| error.to_string())
        };
        assert_eq!(count("BEGIN delete from t; insert into t values ('a;b'); END;"), Ok(2));
        assert_eq!(count("begin NULL; end"), Ok(0));
        assert!(count("select 1").is_err_and(|error| error.contains("BEGIN")));
        for (body, word) in [
            ("DECLARE n int; BEGIN END;", "DECLARE"),
            ("BEGIN IF true THEN select 1; END IF; END;", "IF"),
            ("BEGIN n := 1; END;", ":="),
        ] {
            assert!(count(body).is_err_and(|error| error.contains(word)), "{body}");
        }
    }
}
