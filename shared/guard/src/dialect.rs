//! sqlparser's Redshift dialect with what Redshift has beyond it, and with a bound on work: the parser tries things and
//! goes back, and nested tries double.

use sqlparser::{
    ast::{Expr, Query},
    dialect::{Dialect, RedshiftSqlDialect},
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan},
};
use std::{any::TypeId, cell::Cell};

/// How often an honest statement's parser begins an expression, for each token, stays below 3.
const TRIES_PER_TOKEN: usize = 8;
const TRIES_MIN: usize = 200;

#[derive(Debug)]
struct Guarded {
    base: RedshiftSqlDialect,
    tries_left: Cell<usize>,
}

impl Dialect for Guarded {
    fn dialect(&self) -> TypeId {
        self.base.dialect()
    }
    fn parse_prefix(&self, _parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        match self.tries_left.get().checked_sub(1) {
            Some(left) => {
                self.tries_left.set(left);
                None
            }
            // The one error that the parser does not try to work around.
            None => Some(Err(ParserError::RecursionLimitExceeded)),
        }
    }
    fn is_identifier_start(&self, ch: char) -> bool {
        self.base.is_identifier_start(ch)
    }
    fn is_identifier_part(&self, ch: char) -> bool {
        self.base.is_identifier_part(ch)
    }
    fn convert_type_before_value(&self) -> bool {
        self.base.convert_type_before_value()
    }
    fn supports_connect_by(&self) -> bool {
        self.base.supports_connect_by()
    }
    fn supports_top_before_distinct(&self) -> bool {
        self.base.supports_top_before_distinct()
    }
    fn supports_partiql(&self) -> bool {
        self.base.supports_partiql()
    }
    fn supports_bitwise_shift_operators(&self) -> bool {
        self.base.supports_bitwise_shift_operators()
    }
    fn allow_extract_single_quotes(&self) -> bool {
        self.base.allow_extract_single_quotes()
    }
    fn allow_extract_custom(&self) -> bool {
        true
    }
    fn supports_select_wildcard_exclude(&self) -> bool {
        self.base.supports_select_wildcard_exclude()
    }
    fn supports_select_exclude(&self) -> bool {
        self.base.supports_select_exclude()
    }
    fn supports_window_function_null_treatment_arg(&self) -> bool {
        self.base.supports_window_function_null_treatment_arg()
    }
    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }
    fn supports_within_after_array_aggregation(&self) -> bool {
        true
    }
    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }
    fn supports_group_by_expr(&self) -> bool {
        true
    }
    fn supports_boolean_literals(&self) -> bool {
        true
    }
    fn supports_comma_separated_trim(&self) -> bool {
        true
    }
}

/// What the parser could not read.
pub(crate) enum ParseError {
    TooDeep,
    /// In sqlparser's words, and the byte offset where it stopped.
    Syntax(String, Option<usize>),
}

/// One query and nothing after it.
pub(crate) fn parse(tokens: Vec<TokenWithSpan>, recursion_limit: usize) -> Result<Box<Query>, ParseError> {
    let dialect = Guarded {
        base: RedshiftSqlDialect {},
        tries_left: Cell::new(tokens.len() * TRIES_PER_TOKEN + TRIES_MIN),
    };
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(recursion_limit)
        .with_tokens_with_locations(tokens);
    let query = parser.parse_query().map_err(ParseError::from)?;
    let next = parser.peek_token();
    match next.token {
        Token::EOF => Ok(query),
        other => Err(ParseError::Syntax(
            format!("Expected: the end of the statement, found: {other}"),
            crate::lex::offset(next.span),
        )),
    }
}

impl From<ParserError> for ParseError {
    fn from(error: ParserError) -> Self {
        let text = match error {
            ParserError::RecursionLimitExceeded => return ParseError::TooDeep,
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        };
        // "Expected: …, found: … at Line: 1, Column: N"; the column is a byte offset + 1 here.
        match text.rsplit_once(" at Line: ") {
            Some((words, place)) => {
                let column = place
                    .rsplit_once("Column: ")
                    .and_then(|(_, n)| n.trim().parse::<usize>().ok());
                ParseError::Syntax(words.to_owned(), column.and_then(|column| column.checked_sub(1)))
            }
            None => ParseError::Syntax(text, None),
        }
    }
}
