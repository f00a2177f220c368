//! From text to sqlparser's tokens, by rules narrower than any engine's: what two engines could cut in different ways
//! is refused here. Spans hold byte offsets (column = offset + 1 on line 1), so that every node of the tree says where
//! in the text it stands.

use crate::refusal::{Code, Fault, fault};
use sqlparser::{
    ast::{Expr, Ident, ObjectName, Spanned, TableWithJoins},
    tokenizer::{Location, Span, Token, TokenWithSpan},
};

/// Redshift's names have at most 127 bytes.
const NAME_MAX_BYTES: usize = 127;

/// A node of the tree that stands somewhere in the text.
pub(crate) trait Placed {
    fn place(&self) -> Option<usize>;
}

impl Placed for Ident {
    fn place(&self) -> Option<usize> {
        offset(self.span)
    }
}

macro_rules! placed {
    ($($node:ty),+) => {$(
        impl Placed for $node {
            fn place(&self) -> Option<usize> {
                offset(self.span())
            }
        }
    )+};
}

placed!(Expr, ObjectName, TableWithJoins);

/// The byte offset at which a span starts. None for a node that stands nowhere in the text.
pub(crate) fn offset(span: Span) -> Option<usize> {
    usize::try_from(span.start.column).ok()?.checked_sub(1)
}

/// The bytes that a span covers.
pub(crate) fn range(span: Span) -> Option<(usize, usize)> {
    let end = usize::try_from(span.end.column).ok()?.checked_sub(1)?;
    Some((offset(span)?, end))
}

fn place(token: Token, start: usize, end: usize) -> TokenWithSpan {
    let at = |offset: usize| Location {
        line: 1,
        column: offset as u64 + 1,
    };
    TokenWithSpan {
        token,
        span: Span {
            start: at(start),
            end: at(end),
        },
    }
}

/// Cuts `sql` into tokens, without white space.
///
/// # Errors
/// Comments, odd characters, odd literals, placeholders, and operators that Redshift's queries do not have.
pub(crate) fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, Fault> {
    let bytes = sql.as_bytes();
    let mut tokens = Vec::with_capacity(sql.len() / 4);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let token = match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'\'' => {
                let (text, end) = string(sql, at)?;
                at = end;
                Token::SingleQuotedString(text)
            }
            b'"' => {
                let (name, end) = quoted_name(sql, at)?;
                at = end;
                Token::make_word(&name, Some('"'))
            }
            b'0'..=b'9' => {
                at = number(bytes, at)?;
                Token::Number(sql[start..at].to_owned(), false)
            }
            b'.' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) && !ends_operand(tokens.last(), start) => {
                at = number(bytes, at)?;
                Token::Number(sql[start..at].to_owned(), false)
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => {
                at = word(sql, at)?;
                let word = &sql[start..at];
                no_prefix(bytes, word, start, at)?;
                Token::make_word(word, None)
            }
            _ => {
                let (token, len) = symbol(bytes, at)?;
                at += len;
                token
            }
        };
        tokens.push(place(token, start, at));
    }
    Ok(tokens)
}

/// Whether `a.5` could be `a` and `.5`: a number may not follow a name without a space.
fn ends_operand(last: Option<&TokenWithSpan>, start: usize) -> bool {
    last.is_some_and(|last| {
        matches!(last.token, Token::Word(_) | Token::RParen | Token::RBracket)
            && range(last.span).is_some_and(|(_, end)| end == start)
    })
}

/// Redshift ends a literal at a quote that no backslash escapes, other engines at any quote. A literal that both end
/// at the same place is let through as it is written.
fn string(sql: &str, start: usize) -> Result<(String, usize), Fault> {
    let bytes = sql.as_bytes();
    let mut text = String::new();
    let mut from = start + 1;
    let mut at = from;
    let mut backslashes = 0;
    loop {
        match bytes.get(at) {
            None => {
                return fault(
                    Code::Syntax,
                    start,
                    "This text literal does not end. Close it with a quote.",
                );
            }
            Some(b'\'') if backslashes % 2 == 1 => {
                return fault(
                    Code::OddLiteral,
                    at - 1,
                    "A backslash stands before a quote, which engines read in different ways. Write a quote inside a text as two quotes.",
                );
            }
            Some(b'\'') => {
                text.push_str(&sql[from..at]);
                if bytes.get(at + 1) == Some(&b'\'') {
                    text.push('\'');
                    at += 2;
                    from = at;
                    backslashes = 0;
                } else {
                    break;
                }
            }
            Some(b'\\') => {
                backslashes += 1;
                at += 1;
            }
            Some(0x80..) => {
                at += readable(sql, at)?;
                backslashes = 0;
            }
            Some(b'\t' | b'\n' | b'\r') => {
                at += 1;
                backslashes = 0;
            }
            Some(byte) if byte.is_ascii_control() => return odd_character(at, char::from(*byte)),
            Some(_) => {
                at += 1;
                backslashes = 0;
            }
        }
    }
    Ok((text, at + 1))
}

fn quoted_name(sql: &str, start: usize) -> Result<(String, usize), Fault> {
    let bytes = sql.as_bytes();
    let mut name = String::new();
    let from = start + 1;
    let mut at = from;
    loop {
        match bytes.get(at) {
            None => {
                return fault(
                    Code::Syntax,
                    start,
                    "This quoted name does not end. Close it with a double quote.",
                );
            }
            Some(b'"') => {
                name.push_str(&sql[from..at]);
                if bytes.get(at + 1) == Some(&b'"') {
                    return fault(
                        Code::OddName,
                        at,
                        "A double quote stands inside a name. Choose a name without one.",
                    );
                }
                break;
            }
            Some(b'\\' | b'`' | b'\'' | b';') => {
                return fault(
                    Code::OddName,
                    at,
                    "A name may not hold quotes, backslashes or semicolons. Choose a plainer one.",
                );
            }
            Some(0x80..) => at += readable(sql, at)?,
            Some(byte) if byte.is_ascii_control() => return odd_character(at, char::from(*byte)),
            Some(_) => at += 1,
        }
    }
    // `--` and `/*` inside a name mean nothing here, but would to a tool that looks for comments.
    if let Some(inner) = name.find("--").or_else(|| name.find("/*")) {
        return fault(
            Code::OddName,
            start + 1 + inner,
            "A name may not hold the beginning of a comment. Choose a plainer one.",
        );
    }
    if name.trim().is_empty() || name.len() > NAME_MAX_BYTES {
        return fault(
            Code::OddName,
            start,
            format!("A name has between 1 and {NAME_MAX_BYTES} bytes."),
        );
    }
    Ok((name, at + 1))
}

/// The length of a character that a person can see where it stands.
fn readable(sql: &str, at: usize) -> Result<usize, Fault> {
    let Some(ch) = sql[at..].chars().next() else {
        return Ok(1);
    };
    // Characters that reorder or hide the text around them.
    let hides = matches!(ch, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    if ch.is_control() || hides {
        return odd_character(at, ch);
    }
    Ok(ch.len_utf8())
}

fn odd_character<T>(at: usize, ch: char) -> Result<T, Fault> {
    fault(
        Code::OddCharacter,
        at,
        format!(
            "The character U+{:04X} has no place in a statement. Take it out.",
            u32::from(ch)
        ),
    )
}

fn number(bytes: &[u8], start: usize) -> Result<usize, Fault> {
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut at = digits(start);
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let end = digits(at + 1 + sign);
        if end > at + 1 + sign {
            at = end;
        }
    }
    match bytes.get(at) {
        Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | b'.' | 0x80..) => fault(
            Code::OddLiteral,
            start,
            "A number runs into what follows it. Put a space between them.",
        ),
        _ => Ok(at),
    }
}

fn word(sql: &str, start: usize) -> Result<usize, Fault> {
    let mut end = start;
    for (at, ch) in sql[start..].char_indices() {
        let fits = match ch {
            'a'..='z' | 'A'..='Z' | '_' => true,
            '0'..='9' | '$' => at > 0,
            _ if ch.is_ascii() => false,
            // Letters of other alphabets may stand in a name; spaces, marks and signs that look like ASCII may not.
            _ if ch.is_alphanumeric() => true,
            _ => return odd_character(start + at, ch),
        };
        if !fits {
            break;
        }
        end = start + at + ch.len_utf8();
    }
    if end - start > NAME_MAX_BYTES {
        return fault(
            Code::OddName,
            start,
            format!("A name has at most {NAME_MAX_BYTES} bytes."),
        );
    }
    Ok(end)
}

/// `E'…'`, `U&'…'`, `x'…'`: a letter that changes how the literal after it is read.
fn no_prefix(bytes: &[u8], word: &str, start: usize, end: usize) -> Result<(), Fault> {
    let quote = |byte: Option<&u8>| matches!(byte, Some(b'\'' | b'"'));
    let unicode = word.eq_ignore_ascii_case("u") && bytes.get(end) == Some(&b'&') && quote(bytes.get(end + 1));
    let letter = word.len() <= 2 && quote(bytes.get(end));
    if unicode || letter {
        return fault(
            Code::OddLiteral,
            start,
            "Literals with a prefix (E'', U&'', X'', B'', N'') are not let through. Write the text in plain quotes.",
        );
    }
    Ok(())
}

fn symbol(bytes: &[u8], at: usize) -> Result<(Token, usize), Fault> {
    let next = bytes.get(at + 1).copied().unwrap_or(0);
    let third = bytes.get(at + 2).copied().unwrap_or(0);
    Ok(match (bytes[at], next) {
        (b'-', b'-') | (b'/', b'*') => {
            return fault(
                Code::Comment,
                at,
                "The statement holds a comment, which could hide a part of it. Take it out; for a minus before a negative number, put a space between.",
            );
        }
        (b'*', b'/') => return fault(Code::Comment, at, "A comment ends here. Take it out."),
        (b'<', b'=') if third != b'>' => (Token::LtEq, 2),
        (b'<', b'>') => (Token::Neq, 2),
        (b'<', b'<') => (Token::ShiftLeft, 2),
        (b'>', b'=') => (Token::GtEq, 2),
        (b'>', b'>') => (Token::ShiftRight, 2),
        (b'!', b'=') => (Token::Neq, 2),
        (b'!', b'~') if third == b'*' => (Token::ExclamationMarkTildeAsterisk, 3),
        (b'!', b'~') if third != b'~' => (Token::ExclamationMarkTilde, 2),
        (b'|', b'|') if third != b'/' => (Token::StringConcat, 2),
        (b':', b':') => (Token::DoubleColon, 2),
        (b'~', b'*') => (Token::TildeAsterisk, 2),
        (b'~', b'~') => {
            return fault(
                Code::OperatorNotAllowed,
                at,
                "Write LIKE or ILIKE instead of this operator.",
            );
        }
        (b'=', _) if next != b'=' && next != b'>' => (Token::Eq, 1),
        (b'<', _) if next != b'@' => (Token::Lt, 1),
        (b'>', _) => (Token::Gt, 1),
        (b'+', _) => (Token::Plus, 1),
        (b'-', _) if next != b'>' => (Token::Minus, 1),
        (b'*', _) => (Token::Mul, 1),
        (b'/', _) => (Token::Div, 1),
        (b'%', _) => (Token::Mod, 1),
        (b'^', _) => (Token::Caret, 1),
        (b'~', _) => (Token::Tilde, 1),
        (b'&', _) if next != b'&' => (Token::Ampersand, 1),
        (b'|', _) if next != b'/' && next != b'|' => (Token::Pipe, 1),
        (b'(', _) => (Token::LParen, 1),
        (b')', _) => (Token::RParen, 1),
        (b'[', _) => (Token::LBracket, 1),
        (b']', _) => (Token::RBracket, 1),
        (b',', _) => (Token::Comma, 1),
        (b'.', _) => (Token::Period, 1),
        (b';', _) => (Token::SemiColon, 1),
        (b'$', b'0'..=b'9') | (b':', b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'0'..=b'9') | (b'?', _) => {
            return fault(
                Code::Placeholder,
                at,
                "Nothing is bound to parameters here. Write the value itself.",
            );
        }
        (b'$', _) => {
            return fault(
                Code::OddLiteral,
                at,
                "Dollar quotes are not let through. Write the text in plain quotes.",
            );
        }
        (b'#', _) => {
            return fault(
                Code::OddName,
                at,
                "Names with # (temporary tables) are not let through.",
            );
        }
        (b'`', _) => {
            return fault(
                Code::OddName,
                at,
                "Backticks are not Redshift's. Quote names with double quotes.",
            );
        }
        (b'\\', _) => {
            return fault(
                Code::OddCharacter,
                at,
                "A backslash stands outside of a text. Take it out.",
            );
        }
        (byte, _) if byte.is_ascii_control() => return odd_character(at, char::from(byte)),
        (byte, _) => {
            return fault(
                Code::OperatorNotAllowed,
                at,
                format!(
                    "The operator that begins with {} is not let through. Write it as a function: ABS, SQRT, CBRT, JSON_EXTRACT_PATH_TEXT.",
                    char::from(byte)
                ),
            );
        }
    })
}
