//! Rows of one table as columns: what is made, before it is known in which format it is written.

/// Texts, one after the other.
#[derive(Default)]
pub struct Texts {
    pub bytes: Vec<u8>,
    /// Where each text ends.
    pub ends: Vec<i32>,
}

impl Texts {
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.end();
    }

    /// A word and a number in at least as many digits.
    pub fn push_numbered(&mut self, word: &str, number: u64, digits: usize) {
        self.bytes.extend_from_slice(word.as_bytes());
        push_padded(&mut self.bytes, number, digits);
        self.end();
    }

    fn end(&mut self) {
        self.ends.push(self.bytes.len() as i32);
    }

    pub fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start as usize..self.ends[row] as usize]
    }
}

pub enum Values {
    Text(Texts),
    Integer(Vec<i32>),
    /// Numbers, and how many digits after the point are written.
    Double(Vec<f64>, usize),
    /// Cents.
    Money(Vec<i64>),
    /// Days since 1970-01-01.
    Date(Vec<i32>),
    /// Seconds since 1970-01-01, UTC.
    Time(Vec<i64>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Double(usize),
    Money,
    Date,
    Time,
}

pub struct Column {
    pub values: Values,
    /// Which rows have a value; all of them where the list is empty.
    pub valid: Vec<bool>,
}

impl Column {
    pub fn new(kind: Kind) -> Column {
        Column {
            values: match kind {
                Kind::Text => Values::Text(Texts::default()),
                Kind::Integer => Values::Integer(Vec::new()),
                Kind::Double(digits) => Values::Double(Vec::new(), digits),
                Kind::Money => Values::Money(Vec::new()),
                Kind::Date => Values::Date(Vec::new()),
                Kind::Time => Values::Time(Vec::new()),
            },
            valid: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        match &self.values {
            Values::Text(texts) => texts.ends.len(),
            Values::Integer(values) | Values::Date(values) => values.len(),
            Values::Double(values, _) => values.len(),
            Values::Money(values) | Values::Time(values) => values.len(),
        }
    }

    pub fn is_valid(&self, row: usize) -> bool {
        self.valid.get(row).copied().unwrap_or(true)
    }

    /// Says whether the value that was pushed last is one.
    pub fn mark(&mut self, valid: bool) {
        let len = self.len();
        if !valid && self.valid.is_empty() {
            self.valid = vec![true; len.saturating_sub(1)];
        }
        if !valid || !self.valid.is_empty() {
            self.valid.push(valid);
        }
    }

    pub fn text(&mut self, text: &str) {
        if let Values::Text(texts) = &mut self.values {
            texts.push(text);
        }
        self.mark(true);
    }

    pub fn maybe_text(&mut self, text: Option<&str>) {
        if let Values::Text(texts) = &mut self.values {
            texts.push(text.unwrap_or_default());
        }
        self.mark(text.is_some());
    }

    pub fn numbered(&mut self, word: &str, number: u64, digits: usize) {
        if let Values::Text(texts) = &mut self.values {
            texts.push_numbered(word, number, digits);
        }
        self.mark(true);
    }

    /// A whole number or a day.
    pub fn integer(&mut self, value: Option<i32>) {
        if let Values::Integer(values) | Values::Date(values) = &mut self.values {
            values.push(value.unwrap_or(0));
        }
        self.mark(value.is_some());
    }

    pub fn double(&mut self, value: f64) {
        if let Values::Double(values, _) = &mut self.values {
            values.push(value);
        }
        self.mark(true);
    }

    /// Cents, or seconds.
    pub fn long(&mut self, value: Option<i64>) {
        if let Values::Money(values) | Values::Time(values) = &mut self.values {
            values.push(value.unwrap_or(0));
        }
        self.mark(value.is_some());
    }

    /// Puts a value of another column, as text, at the end of this column of text.
    pub fn copy_text(&mut self, other: &Column, row: usize) {
        if let Values::Text(texts) = &mut self.values {
            other.write(row, &mut texts.bytes);
            texts.end();
        }
        self.mark(other.is_valid(row));
    }

    /// A value as text.
    pub fn cell(&self, row: usize) -> Option<String> {
        self.is_valid(row).then(|| {
            let mut text = Vec::new();
            self.write(row, &mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    }

    /// Writes a value as text, or nothing where there is none.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        if !self.is_valid(row) {
            return;
        }
        match &self.values {
            Values::Text(texts) => out.extend_from_slice(texts.get(row)),
            Values::Integer(values) => push_integer(out, i64::from(values[row])),
            Values::Double(values, digits) => push_decimal(out, values[row], *digits),
            Values::Money(values) => push_money(out, values[row]),
            Values::Date(values) => push_day(out, values[row]),
            Values::Time(values) => push_time(out, values[row]),
        }
    }
}

/// Some rows of a table.
pub struct Frame {
    pub table: &'static Table,
    pub columns: Vec<Column>,
}

/// A table as it is written.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub columns: &'static [(&'static str, Kind)],
    /// How many columns from the first on make a row's id.
    pub key_columns: usize,
}

impl Frame {
    pub fn new(table: &'static Table) -> Frame {
        Frame {
            table,
            columns: table.columns.iter().map(|(_, kind)| Column::new(*kind)).collect(),
        }
    }

    /// A frame whose columns are all text, since damaged values fit no type.
    pub fn of_text(table: &'static Table) -> Frame {
        Frame {
            table,
            columns: table.columns.iter().map(|_| Column::new(Kind::Text)).collect(),
        }
    }

    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Column::len)
    }
}

pub fn push_padded(out: &mut Vec<u8>, number: u64, digits: usize) {
    let mut buffer = [b'0'; 20];
    let (mut at, mut rest) = (buffer.len(), number);
    while rest > 0 {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&buffer[at.min(buffer.len() - digits.min(buffer.len()))..]);
}

fn push_integer(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    push_padded(out, value.unsigned_abs(), 1);
}

fn push_decimal(out: &mut Vec<u8>, value: f64, digits: usize) {
    let scale = 10_u64.pow(digits as u32);
    let scaled = (value.abs() * scale as f64).round() as u64;
    if value < 0.0 && scaled > 0 {
        out.push(b'-');
    }
    push_padded(out, scaled / scale, 1);
    out.push(b'.');
    push_padded(out, scaled % scale, digits);
}

fn push_money(out: &mut Vec<u8>, cents: i64) {
    if cents < 0 {
        out.push(b'-');
    }
    push_padded(out, cents.unsigned_abs() / 100, 1);
    out.push(b'.');
    push_padded(out, cents.unsigned_abs() % 100, 2);
}

pub fn push_day(out: &mut Vec<u8>, day: i32) {
    let (year, month, day) = crate::calendar::civil(day);
    push_padded(out, u64::from(year.unsigned_abs()), 4);
    out.push(b'-');
    push_padded(out, u64::from(month), 2);
    out.push(b'-');
    push_padded(out, u64::from(day), 2);
}

fn push_time(out: &mut Vec<u8>, second: i64) {
    let day = second.div_euclid(86_400);
    let second = second.rem_euclid(86_400).unsigned_abs();
    push_day(out, day as i32);
    for (mark, part) in [(b'T', second / 3_600), (b':', second / 60 % 60), (b':', second % 60)] {
        out.push(mark);
        push_padded(out, part, 2);
    }
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_text() {
        let text = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(&|o| push_money(o, 1_250)), "12.50");
        assert_eq!(text(&|o| push_money(o, 5)), "0.05");
        assert_eq!(text(&|o| push_money(o, -705)), "-7.05");
        assert_eq!(text(&|o| push_decimal(o, -73.98745, 5)), "-73.98745");
        assert_eq!(text(&|o| push_decimal(o, 99.96, 1)), "100.0");
        assert_eq!(text(&|o| push_decimal(o, -0.001, 1)), "0.0");
        assert_eq!(text(&|o| push_integer(o, 0)), "0");
        assert_eq!(text(&|o| push_integer(o, -70)), "-70");
        assert_eq!(text(&|o| push_padded(o, 42, 6)), "000042");
        assert_eq!(text(&|o| push_padded(o, 1_234_567, 6)), "1234567");
        assert_eq!(text(&|o| push_time(o, 1_772_452_799)), "2026-03-02T11:59:59Z");
    }

    #[test]
    fn a_missing_value_leaves_its_place() {
        let mut column = Column::new(Kind::Integer);
        column.integer(Some(1));
        column.integer(None);
        column.integer(Some(3));
        assert_eq!((column.len(), column.valid.as_slice()), (3, &[true, false, true][..]));
    }
}
