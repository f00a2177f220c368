//! What the tokens alone tell: how many statements, how deep, how long. It stands before the parser, which recurses and
//! makes trees as deep as a chain of operators is long.

use crate::{
    lex::{offset, range},
    policy::Bounds,
    refusal::{Code, Fault, fault},
};
use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan},
};

/// How deep a tree may get through brackets and chains of operators together. Walking and dropping a tree take stack
/// for every level; a megabyte, which is what wasm32 has, holds several times as many.
const TREE_MAX_DEPTH: usize = 400;

/// Checks the tokens, and takes out what Redshift's grammar has and sqlparser's has not; none of it holds a name.
pub(crate) fn check(mut tokens: Vec<TokenWithSpan>, bounds: &Bounds) -> Result<Vec<TokenWithSpan>, Fault> {
    if let Some(last) = tokens.pop_if(|last| last.token == Token::SemiColon)
        && tokens.is_empty()
    {
        return fault(Code::Empty, start(&last), "There is no statement. Write one SELECT.");
    }
    if tokens.is_empty() {
        return fault(Code::Empty, 0, "There is no statement. Write one SELECT.");
    }
    if let Some(at) = tokens.iter().position(|token| token.token == Token::SemiColon) {
        return fault(
            Code::SeveralStatements,
            start(&tokens[at]),
            "A semicolon ends the statement before the text ends. Send one statement at a time.",
        );
    }
    first_word(&tokens)?;
    depth(&tokens, bounds)?;
    neighbours(&tokens)?;
    Ok(without_redshifts_own(tokens))
}

fn start(token: &TokenWithSpan) -> usize {
    offset(token.span).unwrap_or(0)
}

fn first_word(tokens: &[TokenWithSpan]) -> Result<(), Fault> {
    let Some(first) = tokens.iter().find(|token| token.token != Token::LParen) else {
        return fault(Code::Syntax, 0, "There are only brackets. Write one SELECT.");
    };
    let Token::Word(word) = &first.token else {
        return fault(Code::NotAQuery, start(first), "A statement begins with SELECT or WITH.");
    };
    match word.keyword {
        Keyword::SELECT | Keyword::WITH => Ok(()),
        _ => fault(
            Code::NotAQuery,
            start(first),
            format!(
                "{} is not let through: only queries are, and they begin with SELECT or WITH.",
                shown(&word.value)
            ),
        ),
    }
}

/// A word of the statement for a message: cut, so that a refusal stays short.
pub(crate) fn shown(word: &str) -> String {
    const SHOWN_MAX_CHARS: usize = 40;
    match word.char_indices().nth(SHOWN_MAX_CHARS) {
        Some((at, _)) => format!("{}…", &word[..at]),
        None => word.to_owned(),
    }
}

fn depth(tokens: &[TokenWithSpan], bounds: &Bounds) -> Result<(), Fault> {
    // For every open bracket: how many operators stand in it since the last comma.
    let mut open: Vec<(usize, &TokenWithSpan)> = Vec::new();
    let mut operators = 0;
    let mut total = 0;
    let mut set_operations = 0;
    let mut cases = 0_usize;
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket => {
                open.push((operators, token));
                operators = 0;
                total += 1;
                if open.len() > bounds.max_nesting {
                    return fault(
                        Code::TooDeep,
                        start(token),
                        format!(
                            "Brackets are nested more than {} deep. Name inner queries in a WITH clause.",
                            bounds.max_nesting
                        ),
                    );
                }
            }
            Token::RParen | Token::RBracket => {
                let matches = |open: &Token| (*open == Token::LParen) == (token.token == Token::RParen);
                let Some((outer, _)) = open.pop().filter(|(_, open)| matches(&open.token)) else {
                    return fault(
                        Code::Syntax,
                        start(token),
                        "This bracket closes nothing. Take it out, or open one before it.",
                    );
                };
                total -= operators + 1;
                operators = outer;
            }
            Token::Comma => {
                total -= operators;
                operators = 0;
            }
            Token::Word(word) if word.keyword == Keyword::CASE => {
                cases += 1;
                if cases > bounds.max_nesting {
                    return fault(
                        Code::TooDeep,
                        start(token),
                        format!(
                            "CASE is nested more than {} deep. Put it into steps by WITH.",
                            bounds.max_nesting
                        ),
                    );
                }
            }
            Token::Word(word) if word.keyword == Keyword::END => cases = cases.saturating_sub(1),
            other if deepens(other) => {
                operators += 1;
                total += 1;
                if total > TREE_MAX_DEPTH {
                    return fault(
                        Code::TooDeep,
                        start(token),
                        format!(
                            "More than {TREE_MAX_DEPTH} operators stand in a row. Write long conditions with IN, or in parts."
                        ),
                    );
                }
                if let Token::Word(word) = other
                    && matches!(
                        word.keyword,
                        Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS
                    )
                {
                    set_operations += 1;
                    if set_operations > bounds.max_set_operations {
                        return fault(
                            Code::TooMany,
                            start(token),
                            format!(
                                "There are more than {} set operations. Group by a column instead.",
                                bounds.max_set_operations
                            ),
                        );
                    }
                }
            }
            _ => {}
        }
    }
    match open.last() {
        Some((_, bracket)) => fault(Code::Syntax, start(bracket), "This bracket is not closed."),
        None => Ok(()),
    }
}

/// What can make the tree deeper without a bracket.
fn deepens(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::NOTNULL
                | Keyword::IN
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::RLIKE
                | Keyword::REGEXP
                | Keyword::SIMILAR
                | Keyword::BETWEEN
                | Keyword::OVERLAPS
                | Keyword::COLLATE
                | Keyword::AT
                | Keyword::XOR
                | Keyword::DIV
                | Keyword::JOIN
                | Keyword::PIVOT
                | Keyword::UNPIVOT
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::MINUS
        ),
        Token::Number(..) | Token::SingleQuotedString(_) | Token::Period => false,
        _ => true,
    }
}

/// Pairs of tokens that mean different things to different engines, or make the parser recurse without a bracket.
fn neighbours(tokens: &[TokenWithSpan]) -> Result<(), Fault> {
    for pair in tokens.windows(2) {
        let [left, right] = pair else { continue };
        match (&left.token, &right.token) {
            (Token::SingleQuotedString(_), Token::SingleQuotedString(_)) => {
                return fault(
                    Code::OddLiteral,
                    start(right),
                    "Two texts stand side by side. Join them with ||.",
                );
            }
            (Token::Word(word), Token::LBracket) if word.quote_style.is_none() && is_clause(word.keyword) => {
                return not_a_name(right);
            }
            // What may stand before a subscript; anything else makes it a name in brackets, or a list.
            (Token::Word(_) | Token::RParen | Token::RBracket, Token::LBracket) => {}
            (_, Token::LBracket) => return not_a_name(right),
            (Token::LBracket, Token::Number(..) | Token::SingleQuotedString(_)) => {}
            (Token::LBracket, _) => return not_a_name(left),
            // ARRAY<…>, MAP<…>: types that nest without brackets.
            (Token::Word(word), Token::Lt)
                if word.quote_style.is_none()
                    && matches!(word.keyword, Keyword::ARRAY | Keyword::MAP | Keyword::STRUCT) =>
            {
                return fault(
                    Code::TypeNotAllowed,
                    start(left),
                    "Types with parts are not let through. Cast to a plain type.",
                );
            }
            // `SELECT 1from t`, `'a'FROM`: legal, but cut differently by different readers.
            (Token::Number(..), Token::Word(_)) if range(left.span).map(|(_, end)| end) == offset(right.span) => {
                return fault(
                    Code::OddLiteral,
                    start(right),
                    "A number runs into a word. Put a space between.",
                );
            }
            _ => {}
        }
    }
    match tokens.first() {
        Some(first) if first.token == Token::LBracket => not_a_name(first),
        _ => Ok(()),
    }
}

fn not_a_name(at: &TokenWithSpan) -> Result<(), Fault> {
    fault(
        Code::OddName,
        start(at),
        "Names in square brackets are not Redshift's. Quote a name with double quotes.",
    )
}

fn is_clause(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::SELECT
            | Keyword::FROM
            | Keyword::JOIN
            | Keyword::WHERE
            | Keyword::ON
            | Keyword::BY
            | Keyword::HAVING
            | Keyword::AND
            | Keyword::OR
            | Keyword::NOT
            | Keyword::AS
            | Keyword::DISTINCT
            | Keyword::ALL
    )
}

/// `APPROXIMATE COUNT(DISTINCT …)`, `TRIM(TRAILING FROM …)` and the outer join's `(+)`.
fn without_redshifts_own(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is_word = |at: usize, words: &[&str]| {
        matches!(tokens.get(at).map(|token| &token.token), Some(Token::Word(word))
            if word.quote_style.is_none() && words.iter().any(|expected| word.value.eq_ignore_ascii_case(expected)))
    };
    let is = |at: usize, token: &Token| tokens.get(at).is_some_and(|there| there.token == *token);
    let approximate = |at: usize| {
        is_word(at, &["approximate"]) && is_word(at + 1, &["count", "percentile_disc"]) && is(at + 2, &Token::LParen)
    };
    let outer = |at: usize| {
        is(at, &Token::LParen)
            && is(at + 1, &Token::Plus)
            && is(at + 2, &Token::RParen)
            && at >= 3
            && matches!(tokens[at - 1].token, Token::Word(_))
            && is(at - 2, &Token::Period)
    };
    // TRIM(TRAILING FROM name), without the characters to trim.
    let trim = |at: usize| {
        is_word(at, &["leading", "trailing", "both"])
            && is_word(at + 1, &["from"])
            && at >= 2
            && is(at - 1, &Token::LParen)
            && is_word(at - 2, &["trim"])
    };
    let mut out = vec![true; tokens.len()];
    let mut any = false;
    for at in 0..tokens.len() {
        if approximate(at) {
            out[at] = false;
            any = true;
        } else if trim(at) {
            out[at..at + 2].fill(false);
            any = true;
        } else if outer(at) {
            out[at..at + 3].fill(false);
            any = true;
        }
    }
    if !any {
        return tokens;
    }
    let mut keep = out.into_iter();
    let mut tokens = tokens;
    tokens.retain(|_| keep.next().unwrap_or(true));
    tokens
}
