//! Named parameters. The tokenizer that the parser itself uses finds them, so a `:name` inside a string, a comment or
//! a quoted name is never taken for one, and what is a string to one is a string to the other. A parameter becomes a
//! placeholder of the plan and its value a bound text: no value is ever part of the statement.

use crate::{dialect, error::RedshiftError};
use concert_contract::api::Parameter;
use datafusion::sql::sqlparser::{
    dialect::RedshiftSqlDialect,
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};
use std::collections::BTreeSet;

/// A statement as tokens, its parameters replaced by placeholders.
pub(crate) struct Tokens {
    pub tokens: Vec<TokenWithSpan>,
    /// The text of `$1`, `$2`, …: one for each place where a parameter stands, so that the same parameter may be a
    /// date in one place and a text in another.
    pub values: Vec<String>,
}

/// Splits `sql` into tokens and puts placeholders where parameters stand. Quoted names are folded to lower case like
/// all others, as Redshift does unless `enable_case_sensitive_identifier` is set.
///
/// # Errors
/// Text that cannot be split, a parameter without a value, a value without its parameter, a name that is none.
pub(crate) fn bind(sql: &str, parameters: &[Parameter]) -> Result<Tokens, RedshiftError> {
    let mut names = BTreeSet::new();
    for parameter in parameters {
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if parameter.name.is_empty() || !parameter.name.chars().all(valid) {
            return Err(RedshiftError::ParameterName(parameter.name.clone()));
        }
        if parameter.value.is_empty() {
            return Err(RedshiftError::ParameterEmpty(parameter.name.clone()));
        }
        if !names.insert(parameter.name.as_str()) {
            return Err(RedshiftError::ParameterTwice(parameter.name.clone()));
        }
    }

    let source = Tokenizer::new(&RedshiftSqlDialect {}, sql)
        .tokenize_with_location()
        .map_err(|error| RedshiftError::Syntax(error.to_string()))?;
    let mut tokens = Vec::with_capacity(source.len());
    let mut values = Vec::new();
    let mut missing = Vec::new();
    let mut source = source.into_iter().peekable();
    while let Some(mut token) = source.next() {
        match &mut token.token {
            Token::Colon => {
                // A name may begin with a digit, in which case it comes as a number and a word.
                let mut name = String::new();
                while let Some(part) = source.next_if(|next| name_part(&next.token).is_some()) {
                    name.extend(name_part(&part.token));
                }
                if !name.is_empty() {
                    match parameters.iter().find(|parameter| parameter.name == name) {
                        Some(parameter) => {
                            names.remove(parameter.name.as_str());
                            values.push(parameter.value.clone());
                            token.token = Token::Placeholder(format!("${}", values.len()));
                        }
                        None if missing.contains(&name) => {}
                        None => missing.push(name),
                    }
                }
            }
            Token::Placeholder(text) => {
                return Err(RedshiftError::Syntax(format!(
                    "syntax error at or near \"{text}\"{}: parameters are written :name",
                    token.span.start
                )));
            }
            Token::Word(word) if word.quote_style.is_some() => word.value = word.value.to_lowercase(),
            _ => {}
        }
        tokens.push(token);
    }
    if !missing.is_empty() {
        return Err(RedshiftError::ParameterMissing(missing));
    }
    if !names.is_empty() {
        return Err(RedshiftError::ParameterUnused(
            names.into_iter().map(str::to_owned).collect(),
        ));
    }
    Ok(Tokens {
        tokens: dialect::respell(tokens),
        values,
    })
}

fn name_part(token: &Token) -> Option<&str> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
        Token::Number(digits, false) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Vec<Parameter> {
        pairs
            .iter()
            .map(|(name, value)| Parameter {
                name: (*name).into(),
                value: (*value).into(),
            })
            .collect()
    }

    fn text(sql: &str, pairs: &[(&str, &str)]) -> Result<String, String> {
        bind(sql, &parameters(pairs))
            .map(|bound| bound.tokens.iter().map(|token| token.to_string()).collect::<String>())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn only_parameters_become_placeholders() {
        let a = [("a", "1")];
        for (sql, expected) in [
            ("select :a", "select $1"),
            ("select :a, :a::date", "select $1, $2::date"),
            ("select ':a' || :a", "select ':a' || $1"),
            ("select 'it''s :b', :a", "select 'it's :b', $1"),
            ("select :a -- :b\n", "select $1 -- :b\n"),
            ("select /* :b */ :a", "select /* :b */ $1"),
            ("select x as \":b\", :a", "select x as \":b\", $1"),
            ("select x::int, :a", "select x::int, $1"),
            ("select x as \"Year\", :a", "select x as \"year\", $1"),
        ] {
            assert_eq!(text(sql, &a).as_deref(), Ok(expected), "{sql}");
        }
        assert_eq!(text("select :1a", &[("1a", "x")]).as_deref(), Ok("select $1"));
    }

    #[test]
    fn every_parameter_has_a_place_and_every_place_a_parameter() {
        for (sql, pairs, expected) in [
            (
                "select :a",
                &[][..],
                "Parameters list is missing values. Undefined parameters: [a]",
            ),
            (
                "select 1",
                &[("b", "1"), ("a", "2")][..],
                "Parameters list contains unused parameters. Unused parameters: [a, b]",
            ),
            (
                "select ':a'",
                &[("a", "1")][..],
                "Parameters list contains unused parameters. Unused parameters: [a]",
            ),
            (
                "select :a",
                &[("a", "")][..],
                "Parameter a is empty: a value has at least one character; write '' in the SQL",
            ),
            (
                "select :a",
                &[("a;b", "1")][..],
                "\"a;b\" is no name of a parameter: use letters, digits and _",
            ),
            ("select :a", &[("a", "1"), ("a", "2")][..], "Parameter a is given twice"),
        ] {
            assert_eq!(text(sql, pairs), Err(expected.to_owned()), "{sql}");
        }
        assert!(text("select $1", &[]).is_err_and(|error| error.contains("parameters are written :name")));
        assert!(text("select 'open", &[]).is_err());
    }
}
