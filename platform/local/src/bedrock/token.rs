//! How tokens are counted where no model counts them: four characters are one, the last one may have fewer.

pub(crate) const CHARS_PER_TOKEN: u64 = 4;

pub(crate) fn tokens(text: &str) -> u64 {
    of_chars(text.chars().count() as u64)
}

pub(crate) fn of_chars(chars: u64) -> u64 {
    chars.div_ceil(CHARS_PER_TOKEN)
}
