//! Words and signs of an expression, each with its place, and DynamoDB's way of saying where a text stops making sense.

use super::ExpressionError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An attribute's name, a keyword or a function's name.
    Word,
    /// `#name`
    Name,
    /// `:value`
    Value,
    Integer,
    /// `=`, `<>`, `(`, …
    Sign,
    /// A character that no expression has.
    Unreadable,
}

#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    start: usize,
}

impl Token<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The tokens of one expression and how far they have been read.
pub(super) struct Tokens<'a> {
    source: &'a str,
    tokens: Vec<Token<'a>>,
    pub at: usize,
}

impl<'a> Tokens<'a> {
    pub fn new(source: &'a str) -> Tokens<'a> {
        Tokens {
            source,
            tokens: tokens(source),
            at: 0,
        }
    }

    pub fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.at)
    }

    pub fn next(&mut self) -> Option<Token<'a>> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    pub fn is_sign(&self, sign: &str) -> bool {
        self.peek()
            .is_some_and(|token| token.kind == Kind::Sign && token.text == sign)
    }

    pub fn is_word(&self, word: &str) -> bool {
        self.peek()
            .is_some_and(|token| token.kind == Kind::Word && token.text.eq_ignore_ascii_case(word))
    }

    /// A word directly followed by an opening parenthesis.
    pub fn is_call(&self) -> bool {
        self.peek().is_some_and(|token| token.kind == Kind::Word)
            && self
                .tokens
                .get(self.at + 1)
                .is_some_and(|token| token.kind == Kind::Sign && token.text == "(")
    }

    pub fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    pub fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    pub fn expect_sign(&mut self, sign: &str) -> Result<(), ExpressionError> {
        if self.take_sign(sign) {
            Ok(())
        } else {
            Err(self.syntax_error())
        }
    }

    pub fn expect_word(&mut self, word: &str) -> Result<(), ExpressionError> {
        if self.take_word(word) {
            Ok(())
        } else {
            Err(self.syntax_error())
        }
    }

    pub fn expect_end(&self) -> Result<(), ExpressionError> {
        if self.at == self.tokens.len() {
            Ok(())
        } else {
            Err(self.syntax_error())
        }
    }

    /// The token that reading stopped at, and the text from the token before it to the one after it.
    pub fn syntax_error(&self) -> ExpressionError {
        let message = match self.tokens.get(self.at) {
            None => {
                let near = self.tokens.last().map_or(self.source, |token| token.text);
                format!("Syntax error; token: \"<EOF>\", near: \"{near}\"")
            }
            Some(token) => {
                let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
                let start = before.map_or(token.start, |token| token.start);
                let end = self.tokens.get(self.at + 1).map_or(token.end(), Token::end);
                format!(
                    "Syntax error; token: \"{}\", near: \"{}\"",
                    token.text,
                    &self.source[start..end]
                )
            }
        };
        ExpressionError(message)
    }
}

fn tokens(source: &str) -> Vec<Token<'_>> {
    let bytes = source.as_bytes();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let run =
        |from: usize, accept: &dyn Fn(&u8) -> bool| from + bytes[from..].iter().take_while(|byte| accept(byte)).count();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let (kind, end) = match byte {
            b'#' | b':' => {
                let end = run(at + 1, &is_part);
                let kind = match (end > at + 1, byte) {
                    (false, _) => Kind::Unreadable,
                    (true, b'#') => Kind::Name,
                    (true, _) => Kind::Value,
                };
                (kind, end)
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => (Kind::Word, run(at, &is_part)),
            b'0'..=b'9' => (Kind::Integer, run(at, &u8::is_ascii_digit)),
            b'<' if matches!(bytes.get(at + 1), Some(b'=' | b'>')) => (Kind::Sign, at + 2),
            b'>' if bytes.get(at + 1) == Some(&b'=') => (Kind::Sign, at + 2),
            b'<' | b'>' | b'=' | b'(' | b')' | b'[' | b']' | b',' | b'.' | b'+' | b'-' => (Kind::Sign, at + 1),
            _ => {
                let width = source[at..].chars().next().map_or(1, char::len_utf8);
                (Kind::Unreadable, at + width)
            }
        };
        out.push(Token {
            kind,
            text: &source[at..end],
            start: at,
        });
        at = end;
    }
    out
}
