//! What is put right before the parser sees a statement: words that it does not know.

use super::parts::date_part;
use datafusion::sql::sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Word},
};

/// "The maximum length for an identifier is 127 bytes"; Redshift cuts longer ones.
const IDENTIFIER_MAX_BYTES: usize = 127;

/// `APPROXIMATE` before an aggregate is left out, since the exact answer is one of those allowed; the part in
/// `EXTRACT(yr FROM d)` gets its full name; names that are too long are cut.
pub(crate) fn respell(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for at in 0..tokens.len() {
        let mut token = tokens[at].clone();
        if let Some(name) = bare(&token.token) {
            if name.eq_ignore_ascii_case("approximate")
                && following(&tokens, at).is_some_and(|next| {
                    bare(next).is_some_and(|next| {
                        next.eq_ignore_ascii_case("count") || next.eq_ignore_ascii_case("percentile_disc")
                    })
                })
            {
                continue;
            }
            if let Some(known) = extracted(&out, name) {
                token.token = Token::make_word(known, None);
            }
        } else if let Token::SingleQuotedString(name) = &token.token
            && let Some(known) = extracted(&out, name)
        {
            token.token = Token::make_word(known, None);
        }
        if let Token::Word(word) = &mut token.token {
            cut(word);
        }
        out.push(token);
    }
    out
}

fn bare(token: &Token) -> Option<&str> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
        _ => None,
    }
}

fn following(tokens: &[TokenWithSpan], at: usize) -> Option<&Token> {
    tokens[at + 1..]
        .iter()
        .map(|token| &token.token)
        .find(|token| !matches!(token, Token::Whitespace(_)))
}

/// The full name of a part, if `EXTRACT (` is what stands before it.
fn extracted(before: &[TokenWithSpan], name: &str) -> Option<&'static str> {
    let mut before = before
        .iter()
        .rev()
        .map(|token| &token.token)
        .filter(|token| !matches!(token, Token::Whitespace(_)));
    let opens = before.next() == Some(&Token::LParen);
    let extract = matches!(before.next(), Some(Token::Word(word)) if word.keyword == Keyword::EXTRACT);
    if opens && extract { date_part(name) } else { None }
}

fn cut(word: &mut Word) {
    if word.value.len() > IDENTIFIER_MAX_BYTES {
        let mut end = IDENTIFIER_MAX_BYTES;
        while !word.value.is_char_boundary(end) {
            end -= 1;
        }
        word.value.truncate(end);
    }
}
