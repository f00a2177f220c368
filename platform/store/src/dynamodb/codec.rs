//! How items lie on disk: a tag, lengths as variable-length integers, and the bytes. Half the size of the JSON, and
//! read without parsing text.

use super::{
    number::Number,
    value::{Item, Value},
};

/// A stored item that cannot be read: the file was changed by something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored item is damaged at byte {at}")]
pub struct Damaged {
    at: usize,
}

pub(crate) fn encode_item(item: &Item) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    write_item(item, &mut out);
    out
}

pub(crate) fn decode_item(bytes: &[u8]) -> Result<Item, Damaged> {
    let mut reader = Reader { bytes, at: 0 };
    let item = reader.item(0)?;
    if reader.at == bytes.len() {
        Ok(item)
    } else {
        Err(reader.damaged())
    }
}

fn write_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn write_number(number: Number, out: &mut Vec<u8>) {
    let (negative, coefficient, exponent) = number.parts();
    out.push(u8::from(negative));
    out.extend_from_slice(&exponent.to_le_bytes());
    let bytes = coefficient.to_le_bytes();
    let kept = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    write_bytes(&bytes[..kept], out);
}

fn write_item(item: &Item, out: &mut Vec<u8>) {
    write_length(item.len(), out);
    for (name, value) in item {
        write_bytes(name.as_bytes(), out);
        write_value(value, out);
    }
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::S(text) => {
            out.push(1);
            write_bytes(text.as_bytes(), out);
        }
        Value::N(number) => {
            out.push(2);
            write_number(*number, out);
        }
        Value::B(bytes) => {
            out.push(3);
            write_bytes(bytes, out);
        }
        Value::Bool(value) => out.push(if *value { 5 } else { 4 }),
        Value::Null => out.push(6),
        Value::L(values) => {
            out.push(7);
            write_length(values.len(), out);
            values.iter().for_each(|value| write_value(value, out));
        }
        Value::M(values) => {
            out.push(8);
            write_item(values, out);
        }
        Value::SS(values) => {
            out.push(9);
            write_length(values.len(), out);
            values.iter().for_each(|text| write_bytes(text.as_bytes(), out));
        }
        Value::NS(values) => {
            out.push(10);
            write_length(values.len(), out);
            values.iter().for_each(|number| write_number(*number, out));
        }
        Value::BS(values) => {
            out.push(11);
            write_length(values.len(), out);
            values.iter().for_each(|bytes| write_bytes(bytes, out));
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn damaged(&self) -> Damaged {
        Damaged { at: self.at }
    }

    fn byte(&mut self) -> Result<u8, Damaged> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.damaged())?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let end = self.at.checked_add(length).ok_or_else(|| self.damaged())?;
        let taken = self.bytes.get(self.at..end).ok_or_else(|| self.damaged())?;
        self.at = end;
        Ok(taken)
    }

    fn length(&mut self) -> Result<usize, Damaged> {
        let mut length = 0usize;
        for shift in (0..56).step_by(7) {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(length);
            }
        }
        Err(self.damaged())
    }

    fn slice(&mut self) -> Result<&'a [u8], Damaged> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<String, Damaged> {
        let bytes = self.slice()?;
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| self.damaged())
    }

    fn number(&mut self) -> Result<Number, Damaged> {
        let negative = self.byte()? != 0;
        let exponent = self.take(2)?;
        let exponent = i16::from_le_bytes([exponent[0], exponent[1]]);
        let kept = self.slice()?;
        if kept.len() > 16 {
            return Err(self.damaged());
        }
        let mut coefficient = [0u8; 16];
        coefficient[..kept.len()].copy_from_slice(kept);
        Number::from_parts(negative, u128::from_le_bytes(coefficient), exponent).map_err(|_| self.damaged())
    }

    fn item(&mut self, depth: usize) -> Result<Item, Damaged> {
        let count = self.length()?;
        (0..count).map(|_| Ok((self.text()?, self.value(depth)?))).collect()
    }

    fn value(&mut self, depth: usize) -> Result<Value, Damaged> {
        if depth > 2 * super::value::NESTING_MAX {
            return Err(self.damaged());
        }
        Ok(match self.byte()? {
            1 => Value::S(self.text()?),
            2 => Value::N(self.number()?),
            3 => Value::B(self.slice()?.to_vec()),
            4 => Value::Bool(false),
            5 => Value::Bool(true),
            6 => Value::Null,
            7 => {
                let count = self.length()?;
                Value::L((0..count).map(|_| self.value(depth + 1)).collect::<Result<_, _>>()?)
            }
            8 => Value::M(self.item(depth + 1)?),
            9 => {
                let count = self.length()?;
                Value::SS((0..count).map(|_| self.text()).collect::<Result<_, _>>()?)
            }
            10 => {
                let count = self.length()?;
                Value::NS((0..count).map(|_| self.number()).collect::<Result<_, _>>()?)
            }
            11 => {
                let count = self.length()?;
                Value::BS(
                    (0..count)
                        .map(|_| Ok(self.slice()?.to_vec()))
                        .collect::<Result<_, _>>()?,
                )
            }
            _ => return Err(self.damaged()),
        })
    }
}
