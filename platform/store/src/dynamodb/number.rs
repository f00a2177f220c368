//! DynamoDB's numbers: exact decimals of at most 38 significant digits.
//!
//! Floats would lose digits and a general decimal crate has other limits, so the type stores what DynamoDB stores: a
//! coefficient without trailing zeros and a power of ten. Two numbers that are equal are equal in memory.

use std::{cmp::Ordering, fmt, str::FromStr};

/// Significant digits that a number can have.
pub const DIGITS_MAX: u32 = 38;
/// The largest power of ten of the first digit: 9.99…E+125.
const ADJUSTED_MAX: i32 = 125;
/// The smallest: 1E-130.
const ADJUSTED_MIN: i32 = -130;

/// `(-1)^negative · coefficient · 10^exponent`, the coefficient without trailing zeros; zero is `0 · 10^0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    coefficient: u128,
    exponent: i16,
}

/// Why a text or a result is no number of DynamoDB's. The words are DynamoDB's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    #[error("The parameter cannot be converted to a numeric value")]
    Empty,
    #[error("The parameter cannot be converted to a numeric value: {0}")]
    Syntax(String),
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooManyDigits,
    #[error("Number overflow. Attempting to store a number with magnitude larger than supported range")]
    Overflow,
    #[error("Number underflow. Attempting to store a number with magnitude smaller than supported range")]
    Underflow,
}

impl Number {
    pub const ZERO: Number = Number {
        negative: false,
        coefficient: 0,
        exponent: 0,
    };

    /// Puts the parts into the one form that a value has.
    ///
    /// # Errors
    /// When the result has too many digits or leaves the range.
    fn new(negative: bool, mut coefficient: u128, mut exponent: i32) -> Result<Number, NumberError> {
        if coefficient == 0 {
            return Ok(Number::ZERO);
        }
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent += 1;
        }
        let digits = digits_of(coefficient);
        if digits > DIGITS_MAX {
            return Err(NumberError::TooManyDigits);
        }
        let adjusted = exponent + digits as i32 - 1;
        if adjusted > ADJUSTED_MAX {
            return Err(NumberError::Overflow);
        }
        if adjusted < ADJUSTED_MIN {
            return Err(NumberError::Underflow);
        }
        Ok(Number {
            negative,
            coefficient,
            exponent: exponent as i16,
        })
    }

    /// The parts: sign, coefficient, power of ten.
    pub(crate) fn parts(self) -> (bool, u128, i16) {
        (self.negative, self.coefficient, self.exponent)
    }

    /// From parts that [`Number::parts`] gave.
    pub(crate) fn from_parts(negative: bool, coefficient: u128, exponent: i16) -> Result<Number, NumberError> {
        Number::new(negative, coefficient, i32::from(exponent))
    }

    pub fn is_zero(self) -> bool {
        self.coefficient == 0
    }

    fn digits(self) -> u32 {
        digits_of(self.coefficient)
    }

    /// The power of ten of the first digit.
    fn adjusted(self) -> i32 {
        i32::from(self.exponent) + self.digits() as i32 - 1
    }

    pub fn negate(self) -> Number {
        Number {
            negative: !self.negative && self.coefficient != 0,
            ..self
        }
    }

    /// The exact sum.
    ///
    /// # Errors
    /// When it has more digits than a number can hold, or leaves the range.
    pub fn checked_add(self, other: Number) -> Result<Number, NumberError> {
        if self.is_zero() {
            return Ok(other);
        }
        if other.is_zero() {
            return Ok(self);
        }
        let low = i32::from(self.exponent.min(other.exponent));
        // The lowest digit is not zero where the powers differ, so a wider span cannot shrink to what fits.
        if self.adjusted().max(other.adjusted()) - low > DIGITS_MAX as i32 && self.exponent != other.exponent {
            return Err(NumberError::TooManyDigits);
        }
        let scaled = |number: Number| {
            let shift = (i32::from(number.exponent) - low) as u32;
            10u128
                .checked_pow(shift)
                .and_then(|power| number.coefficient.checked_mul(power))
                .ok_or(NumberError::TooManyDigits)
        };
        let (left, right) = (scaled(self)?, scaled(other)?);
        if self.negative == other.negative {
            let sum = left.checked_add(right).ok_or(NumberError::TooManyDigits)?;
            return Number::new(self.negative, sum, low);
        }
        match left.cmp(&right) {
            Ordering::Equal => Ok(Number::ZERO),
            Ordering::Greater => Number::new(self.negative, left - right, low),
            Ordering::Less => Number::new(other.negative, right - left, low),
        }
    }

    /// The exact difference; errors as [`Number::checked_add`].
    pub fn checked_sub(self, other: Number) -> Result<Number, NumberError> {
        self.checked_add(other.negate())
    }

    /// Bytes that DynamoDB counts: one for two digits, one for the power, one for a minus.
    pub fn size_bytes(self) -> usize {
        if self.is_zero() {
            return 1;
        }
        // Pairs of digits lie on even powers of ten.
        let digits = self.digits() as usize;
        let straddles = usize::from(self.exponent.rem_euclid(2) == 1 && digits.is_multiple_of(2));
        digits.div_ceil(2) + straddles + 1 + usize::from(self.negative)
    }

    /// Whole seconds, for times to live: the fraction is cut; none where it does not fit.
    pub fn to_i64(self) -> Option<i64> {
        let value = if self.exponent >= 0 {
            let power = 10u128.checked_pow(u32::try_from(self.exponent).ok()?)?;
            self.coefficient.checked_mul(power)?
        } else {
            match 10u128.checked_pow(u32::from(self.exponent.unsigned_abs())) {
                Some(power) => self.coefficient / power,
                None => 0,
            }
        };
        let value = i64::try_from(value).ok()?;
        Some(if self.negative { -value } else { value })
    }

    /// Bytes that sort as the numbers do, and of which none is a beginning of another.
    pub(crate) fn encode_ordered(self, out: &mut Vec<u8>) {
        if self.is_zero() {
            out.push(0x80);
            return;
        }
        let adjusted = (self.adjusted() - ADJUSTED_MIN + 1) as u16;
        let mut body = adjusted.to_be_bytes().to_vec();
        let mut digits = [0u8; DIGITS_MAX as usize];
        let mut count = 0;
        let mut rest = self.coefficient;
        while rest > 0 {
            digits[count] = (rest % 10) as u8 + 1;
            rest /= 10;
            count += 1;
        }
        body.extend(digits[..count].iter().rev());
        body.push(0);
        if self.negative {
            out.push(0x40);
            out.extend(body.iter().map(|byte| !byte));
        } else {
            out.push(0xC0);
            out.extend(body);
        }
    }
}

fn digits_of(coefficient: u128) -> u32 {
    coefficient.checked_ilog10().map_or(1, |log| log + 1)
}

impl From<i64> for Number {
    fn from(value: i64) -> Number {
        // At most 19 digits: it always fits.
        Number::new(value < 0, u128::from(value.unsigned_abs()), 0).unwrap_or(Number::ZERO)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        let sign = |number: &Number| match (number.is_zero(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            let wide = |number: &Number| number.coefficient * 10u128.pow(DIGITS_MAX - number.digits());
            let magnitude = self
                .adjusted()
                .cmp(&other.adjusted())
                .then_with(|| wide(self).cmp(&wide(other)));
            if self.negative { magnitude.reverse() } else { magnitude }
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Number {
    type Err = NumberError;

    /// Sign, digits with at most one point, exponent; nothing else, no space.
    fn from_str(text: &str) -> Result<Number, NumberError> {
        if text.is_empty() {
            return Err(NumberError::Empty);
        }
        let syntax = || NumberError::Syntax(text.to_owned());
        let (negative, unsigned) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (coefficient, power) = match unsigned.find(['e', 'E']) {
            Some(at) => {
                let power = &unsigned[at + 1..];
                let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(syntax());
                }
                (&unsigned[..at], power.parse::<i64>().map_err(|_| syntax())?)
            }
            None => (unsigned, 0),
        };
        let (whole, fraction) = coefficient.split_once('.').unwrap_or((coefficient, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        if digits().next().is_none() || !digits().all(|byte| byte.is_ascii_digit()) {
            return Err(syntax());
        }
        let mut exponent = power.saturating_sub(fraction.len() as i64);
        let significant: Vec<u8> = digits().skip_while(|byte| *byte == b'0').collect();
        let kept = significant
            .iter()
            .rposition(|byte| *byte != b'0')
            .map_or(0, |last| last + 1);
        if kept == 0 {
            // Zero has no magnitude of its own, yet DynamoDB holds it to the range as if its last digit were a one.
            return match exponent {
                exponent if exponent > i64::from(ADJUSTED_MAX) => Err(NumberError::Overflow),
                exponent if exponent < i64::from(ADJUSTED_MIN) => Err(NumberError::Underflow),
                _ => Ok(Number::ZERO),
            };
        }
        if kept > DIGITS_MAX as usize {
            return Err(NumberError::TooManyDigits);
        }
        exponent = exponent.saturating_add((significant.len() - kept) as i64);
        let coefficient = significant[..kept]
            .iter()
            .fold(0u128, |sum, byte| sum * 10 + u128::from(byte - b'0'));
        // Far outside the range either way; the bound only keeps the sum of an i32.
        let exponent = exponent.clamp(-10_000, 10_000) as i32;
        Number::new(negative, coefficient, exponent)
    }
}

impl fmt::Display for Number {
    /// Without an exponent, as DynamoDB answers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let digits = self.coefficient.to_string();
        if self.exponent >= 0 {
            f.write_str(&digits)?;
            return f.write_str(&"0".repeat(self.exponent.unsigned_abs() as usize));
        }
        let places = self.exponent.unsigned_abs() as usize;
        if digits.len() > places {
            let (whole, fraction) = digits.split_at(digits.len() - places);
            write!(f, "{whole}.{fraction}")
        } else {
            write!(f, "0.{}{digits}", "0".repeat(places - digits.len()))
        }
    }
}
