//! The arithmetic of a metric: `ticket_sales.quantity * ticket_sales.unit_price`. It is parsed rather than pasted, so
//! that a catalogue cannot smuggle a statement into the SQL and every column it names can be checked.

use std::fmt;

/// Deeper brackets and longer texts are refused, so that no catalogue can exhaust the stack.
const MAX_DEPTH: usize = 32;
const MAX_CHARS: usize = 1_000;

/// `table.column`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnRef {
    pub table: String,
    pub column: String,
}

impl ColumnRef {
    /// Reads `table.column`; `None` for anything else.
    pub fn parse(text: &str) -> Option<ColumnRef> {
        let (table, column) = text.trim().split_once('.')?;
        (is_name(table) && is_name(column)).then(|| ColumnRef {
            table: table.to_owned(),
            column: column.to_owned(),
        })
    }
}

impl fmt::Display for ColumnRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}

/// A name that needs no quotes in SQL: a lower-case letter or `_`, then those and digits.
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Column(ColumnRef),
    Number(String),
    Negative(Box<Expression>),
    Binary(Box<Expression>, char, Box<Expression>),
}

impl Expression {
    /// # Errors
    /// What was met, and at which character (from 1) of the text.
    pub fn parse(text: &str) -> Result<Expression, String> {
        if text.len() > MAX_CHARS {
            return Err(format!(
                "an expression has at most {MAX_CHARS} characters; the longer one ends at character {}",
                text.len()
            ));
        }
        let mut parser = Parser { text, at: 0 };
        let expression = parser.sum(0)?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.unexpected("an operator or the end"));
        }
        Ok(expression)
    }

    pub fn columns(&self) -> Vec<&ColumnRef> {
        match self {
            Expression::Column(column) => vec![column],
            Expression::Number(_) => Vec::new(),
            Expression::Negative(inner) => inner.columns(),
            Expression::Binary(left, _, right) => {
                let mut columns = left.columns();
                columns.extend(right.columns());
                columns
            }
        }
    }

    /// Whether it divides anywhere, so that whole numbers may give a fraction.
    pub fn divides(&self) -> bool {
        match self {
            Expression::Column(_) | Expression::Number(_) => false,
            Expression::Negative(inner) => inner.divides(),
            Expression::Binary(left, op, right) => *op == '/' || left.divides() || right.divides(),
        }
    }
}

impl Expression {
    /// Whether it names a number that is not whole, so that whole columns may give a fraction.
    pub fn has_fractions(&self) -> bool {
        match self {
            Expression::Column(_) => false,
            Expression::Number(number) => number.contains('.'),
            Expression::Negative(inner) => inner.has_fractions(),
            Expression::Binary(left, _, right) => left.has_fractions() || right.has_fractions(),
        }
    }

    /// Its text with each column written by `column`.
    ///
    /// # Errors
    /// Those of `column`.
    pub fn written<E>(&self, column: &mut impl FnMut(&ColumnRef) -> Result<String, E>) -> Result<String, E> {
        Ok(match self {
            Expression::Column(name) => column(name)?,
            Expression::Number(number) => number.clone(),
            Expression::Negative(inner) if matches!(**inner, Expression::Binary(..)) => {
                format!("(-({}))", inner.written(column)?)
            }
            Expression::Negative(inner) => format!("(-{})", inner.written(column)?),
            // Whole numbers divided by whole numbers would lose their fraction.
            Expression::Binary(left, '/', right) => format!(
                "(CAST({} AS DOUBLE PRECISION) / NULLIF({}, 0))",
                left.written(column)?,
                right.written(column)?
            ),
            Expression::Binary(left, op, right) => {
                let mut side = |side: &Expression| -> Result<String, E> {
                    let text = side.written(column)?;
                    Ok(match side {
                        Expression::Binary(_, '+' | '-', _) => format!("({text})"),
                        _ => text,
                    })
                };
                let (left, right) = (side(left)?, side(right)?);
                format!("{left} {op} {right}")
            }
        })
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.written::<fmt::Error>(&mut |column| Ok(column.to_string()))?;
        f.write_str(&text)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take_any(&mut self, of: &[char]) -> Option<char> {
        self.skip_space();
        let next = self.rest().chars().next().filter(|c| of.contains(c))?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn unexpected(&self, wanted: &str) -> String {
        let found = self
            .rest()
            .chars()
            .next()
            .map_or("the end".to_owned(), |c| format!("{c:?}"));
        let position = self.text.get(..self.at).map_or(0, |before| before.chars().count()) + 1;
        format!(
            "expected {wanted} at character {position} of {:?}, found {found}",
            self.text
        )
    }

    fn sum(&mut self, depth: usize) -> Result<Expression, String> {
        let mut left = self.product(depth)?;
        while let Some(op) = self.take_any(&['+', '-']) {
            left = Expression::Binary(Box::new(left), op, Box::new(self.product(depth)?));
        }
        Ok(left)
    }

    fn product(&mut self, depth: usize) -> Result<Expression, String> {
        let mut left = self.atom(depth)?;
        while let Some(op) = self.take_any(&['*', '/']) {
            left = Expression::Binary(Box::new(left), op, Box::new(self.atom(depth)?));
        }
        Ok(left)
    }

    fn atom(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > MAX_DEPTH {
            return Err(format!("brackets are nested deeper than {MAX_DEPTH}"));
        }
        match self.take_any(&['(', '-']) {
            Some('(') => {
                let inner = self.sum(depth + 1)?;
                return self
                    .take_any(&[')'])
                    .map(|_| inner)
                    .ok_or_else(|| self.unexpected("\")\""));
            }
            Some(_) => return Ok(Expression::Negative(Box::new(self.atom(depth + 1)?))),
            None => {}
        }
        self.skip_space();
        let word: String = self
            .rest()
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
            .collect();
        let number = word.starts_with(|c: char| c.is_ascii_digit())
            && word.ends_with(|c: char| c.is_ascii_digit())
            && word.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && word.bytes().filter(|b| *b == b'.').count() <= 1;
        let expression = if number {
            Expression::Number(word.clone())
        } else {
            Expression::Column(ColumnRef::parse(&word).ok_or_else(|| self.unexpected("table.column or a number"))?)
        };
        self.at += word.len();
        Ok(expression)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_read_and_written_with_its_meaning_kept() {
        let cases = [
            ("sales.quantity * sales.unit_price", "sales.quantity * sales.unit_price"),
            ("a.b * (a.c + 2)", "a.b * (a.c + 2)"),
            ("a.b - (a.c - a.d)", "a.b - (a.c - a.d)"),
            ("a.b / a.c", "(CAST(a.b AS DOUBLE PRECISION) / NULLIF(a.c, 0))"),
            ("-a.b*1.5", "(-a.b) * 1.5"),
            ("-(a.b + a.c)", "(-(a.b + a.c))"),
        ];
        for (text, expected) in cases {
            assert_eq!(Expression::parse(text).expect(text).to_string(), expected);
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_place() {
        for text in [
            "",
            "a",
            "a.b +",
            "a.b; DROP TABLE x",
            "count(a.b)",
            "a.b 'x'",
            "1.2.3",
            "A.b",
            "a.b -- c",
            "(a.b",
        ] {
            let error = Expression::parse(text).expect_err(text);
            assert!(error.contains("character"), "{text}: {error}");
        }
        assert!(Expression::parse(&"(".repeat(10_000)).is_err());
    }
}
