//! COPY and UNLOAD: what they say, with Redshift's defaults.

use super::{
    Target,
    reader::{Reader, Result, syntax},
};
use crate::{error::RedshiftError, moment::Format};
use datafusion::sql::sqlparser::{
    ast::Query,
    dialect::RedshiftSqlDialect,
    parser::Parser,
    tokenizer::{Token, Tokenizer},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CopyFormat {
    /// The default: fields between delimiters, without quotes.
    Delimited,
    Csv {
        quote: char,
    },
    FixedWidth(Vec<(String, usize)>),
    /// `auto`, `auto ignorecase`, `noshred`, or the address of a file of paths.
    Json(String),
    Parquet,
}

#[derive(Debug)]
pub(crate) struct Copy {
    pub target: Target,
    pub columns: Vec<String>,
    pub from: String,
    pub format: CopyFormat,
    pub delimiter: char,
    pub compression: Compression,
    pub manifest: bool,
    pub ignore_header: usize,
    pub null_as: Option<String>,
    pub empty_as_null: bool,
    pub blanks_as_null: bool,
    /// What stands for bytes that are no UTF-8; none: they are a fault.
    pub accept_invalid: Option<char>,
    pub accept_any_date: bool,
    pub date_format: Format,
    pub time_format: Format,
    pub max_errors: u64,
    pub remove_quotes: bool,
    pub escape: bool,
    pub trim_blanks: bool,
    pub truncate_columns: bool,
    pub fill_record: bool,
    pub ignore_blank_lines: bool,
    pub round_decimals: bool,
    pub explicit_ids: bool,
    pub no_load: bool,
}

impl Copy {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Copy> {
        let target = reader.target()?;
        let columns = if reader.parser.peek_token().token == Token::LParen {
            reader.names()?
        } else {
            Vec::new()
        };
        reader.expect(&["from"])?;
        let mut copy = Copy {
            target,
            columns,
            from: reader.text()?,
            format: CopyFormat::Delimited,
            delimiter: '|',
            compression: Compression::None,
            manifest: false,
            ignore_header: 0,
            null_as: None,
            empty_as_null: false,
            blanks_as_null: false,
            accept_invalid: None,
            accept_any_date: false,
            date_format: Format::Pattern("YYYY-MM-DD".to_owned()),
            time_format: Format::Pattern("YYYY-MM-DD HH:MI:SS".to_owned()),
            max_errors: 0,
            remove_quotes: false,
            escape: false,
            trim_blanks: false,
            truncate_columns: false,
            fill_record: false,
            ignore_blank_lines: false,
            round_decimals: false,
            explicit_ids: false,
            no_load: false,
        };
        let mut delimiter = None;
        let mut authorized = false;
        while !matches!(reader.parser.peek_token().token, Token::EOF | Token::SemiColon) {
            if authorization(reader)? {
                authorized = true;
            } else if !copy.option(reader, &mut delimiter)? {
                return Err(reader.unexpected());
            }
        }
        if !authorized && copy.from.starts_with("s3://") {
            return Err(RedshiftError::Data(
                "CREDENTIALS argument is required for COPY: name IAM_ROLE default, IAM_ROLE 'arn' or CREDENTIALS"
                    .to_owned(),
            ));
        }
        copy.delimiter = match (delimiter, &copy.format) {
            (Some(delimiter), _) => delimiter,
            (None, CopyFormat::Csv { .. }) => ',',
            (None, _) => '|',
        };
        Ok(copy)
    }

    fn option(&mut self, reader: &mut Reader<'_>, delimiter: &mut Option<char>) -> Result<bool> {
        if reader.word("format") {
            reader.word("as");
            return if self.data_format(reader)? {
                Ok(true)
            } else {
                Err(reader.unexpected())
            };
        }
        if self.data_format(reader)? {
            return Ok(true);
        }
        if reader.word("delimiter") {
            *delimiter = Some(one_char(reader, "DELIMITER")?);
        } else if reader.word("quote") {
            let character = one_char(reader, "QUOTE")?;
            match &mut self.format {
                CopyFormat::Csv { quote } => *quote = character,
                _ => return Err(RedshiftError::Data("QUOTE is an option of CSV".to_owned())),
            }
        } else if let Some(compression) = compression(reader)? {
            self.compression = compression;
        } else if reader.word("manifest") {
            self.manifest = true;
        } else if reader.word("ignoreheader") {
            reader.word("as");
            self.ignore_header = usize::try_from(reader.number()?).unwrap_or(0);
        } else if reader.word("null") {
            reader.word("as");
            self.null_as = Some(reader.text()?);
        } else if reader.word("emptyasnull") {
            self.empty_as_null = true;
        } else if reader.word("blanksasnull") {
            self.blanks_as_null = true;
        } else if reader.word("acceptinvchars") {
            reader.word("as");
            let replacement = if reader.is_text() {
                one_char(reader, "ACCEPTINVCHARS")?
            } else {
                '?'
            };
            self.accept_invalid = Some(replacement);
        } else if reader.word("acceptanydate") {
            self.accept_any_date = true;
        } else if reader.word("dateformat") {
            reader.word("as");
            self.date_format = Format::of(&reader.text()?);
        } else if reader.word("timeformat") {
            reader.word("as");
            self.time_format = Format::of(&reader.text()?);
        } else if reader.word("maxerror") {
            reader.word("as");
            let count = reader.number()?;
            self.max_errors = u64::try_from(count)
                .ok()
                .filter(|count| *count <= 100_000)
                .ok_or_else(|| RedshiftError::Data(format!("MAXERROR {count} must be between 0 and 100000")))?;
        } else if reader.word("ignoreallerrors") {
            self.max_errors = u64::MAX;
        } else if reader.word("removequotes") {
            self.remove_quotes = true;
        } else if reader.word("escape") {
            self.escape = true;
        } else if reader.word("trimblanks") {
            self.trim_blanks = true;
        } else if reader.word("truncatecolumns") {
            self.truncate_columns = true;
        } else if reader.word("fillrecord") {
            self.fill_record = true;
        } else if reader.word("ignoreblanklines") {
            self.ignore_blank_lines = true;
        } else if reader.word("roundec") {
            self.round_decimals = true;
        } else if reader.word("explicit_ids") {
            self.explicit_ids = true;
        } else if reader.word("noload") {
            self.no_load = true;
        } else if reader.word("region") {
            reader.word("as");
            reader.text()?;
        } else if reader.word("encoding") {
            reader.word("as");
            let name = if reader.is_text() {
                reader.text()?
            } else {
                reader.identifier()?
            };
            if !matches!(name.to_ascii_lowercase().as_str(), "utf8" | "utf-8") {
                return Err(RedshiftError::NotSupported(format!(
                    "COPY reads UTF-8 here, not {name}: convert the file first"
                )));
            }
        } else if reader.word("compupdate") || reader.word("statupdate") {
            let _ = reader.word("preset")
                || reader.word("on")
                || reader.word("off")
                || reader.word("true")
                || reader.word("false");
        } else if reader.word("comprows") {
            reader.number()?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn data_format(&mut self, reader: &mut Reader<'_>) -> Result<bool> {
        if reader.word("csv") {
            self.format = CopyFormat::Csv { quote: '"' };
        } else if reader.word("json") {
            reader.word("as");
            let how = if reader.is_text() {
                reader.text()?
            } else {
                "auto".to_owned()
            };
            self.format = CopyFormat::Json(how);
        } else if reader.word("parquet") {
            self.format = CopyFormat::Parquet;
        } else if reader.word("fixedwidth") {
            reader.word("as");
            self.format = CopyFormat::FixedWidth(widths(&reader.text()?)?);
        } else if reader.peek(&["orc"]) || reader.peek(&["avro"]) || reader.peek(&["shapefile"]) {
            return Err(RedshiftError::NotSupported(format!(
                "COPY of {} is not answered here: text, CSV, JSON and Parquet are",
                reader.identifier()?.to_uppercase()
            )));
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

fn widths(text: &str) -> Result<Vec<(String, usize)>> {
    text.split(',')
        .map(|part| {
            let (name, width) = part.rsplit_once(':')?;
            let width: usize = width.trim().parse().ok()?;
            Some((name.trim().to_lowercase(), width))
        })
        .collect::<Option<Vec<_>>>()
        .filter(|widths| !widths.is_empty())
        .ok_or_else(|| RedshiftError::Data(format!("FIXEDWIDTH takes 'name:width, name:width'; {text:?} is none")))
}

/// A single character, written as itself, as an octal number (`\011`) or as a letter after a backslash (`\t`).
fn one_char(reader: &mut Reader<'_>, option: &str) -> Result<char> {
    reader.word("as");
    let text = reader.text()?;
    let wrong = || RedshiftError::Data(format!("{option} takes a single character; {text:?} is none"));
    let mut characters = text.chars();
    let first = characters.next().ok_or_else(wrong)?;
    let rest = characters.as_str();
    match (first, rest) {
        (one, "") => Ok(one),
        ('\\', "t") => Ok('\t'),
        ('\\', "n") => Ok('\n'),
        ('\\', "\\") => Ok('\\'),
        ('\\', digits) => u32::from_str_radix(digits, 8)
            .ok()
            .and_then(char::from_u32)
            .filter(char::is_ascii)
            .ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

fn compression(reader: &mut Reader<'_>) -> Result<Option<Compression>> {
    if reader.word("gzip") {
        return Ok(Some(Compression::Gzip));
    }
    if reader.word("zstd") {
        return Ok(Some(Compression::Zstd));
    }
    if reader.peek(&["bzip2"]) || reader.peek(&["lzop"]) {
        return Err(RedshiftError::NotSupported(format!(
            "{} is not read or written here: GZIP and ZSTD are",
            reader.identifier()?.to_uppercase()
        )));
    }
    Ok(None)
}

/// Who would be allowed by AWS. Everyone who reaches this machine's endpoint may read its folders, so it is read and
/// not used.
fn authorization(reader: &mut Reader<'_>) -> Result<bool> {
    if reader.word("iam_role") {
        if !reader.word("default") {
            let role = reader.text()?;
            let known = role.split(',').all(|role| {
                role.trim().eq_ignore_ascii_case("default")
                    || (role.trim().starts_with("arn:aws") && role.contains(":iam::") && role.contains(":role/"))
            });
            if !known {
                return Err(RedshiftError::Data(format!(
                    "invalid IAM_ROLE \"{role}\": it is default or arn:aws:iam::ACCOUNT:role/NAME"
                )));
            }
        }
    } else if ["credentials", "access_key_id", "secret_access_key", "session_token"]
        .iter()
        .any(|word| reader.word(word))
    {
        reader.word("as");
        reader.text()?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnloadFormat {
    Delimited,
    Csv,
    Json,
    Parquet,
}

#[derive(Debug)]
pub(crate) struct Unload {
    pub query: Box<Query>,
    pub to: String,
    pub format: UnloadFormat,
    pub delimiter: char,
    pub header: bool,
    pub manifest: bool,
    pub manifest_verbose: bool,
    pub compression: Compression,
    pub add_quotes: bool,
    pub null_as: String,
    pub escape: bool,
    pub allow_overwrite: bool,
    pub clean_path: bool,
    pub parallel: bool,
    pub max_file_bytes: u64,
    pub extension: Option<String>,
}

/// A file ends at this size unless MAXFILESIZE says otherwise.
const MAX_FILE_BYTES: u64 = 6_200 << 20;
/// MAXFILESIZE is at least 5 MB.
const LEAST_FILE_BYTES: u64 = 5 << 20;

impl Unload {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Unload> {
        reader.expect_symbol(&Token::LParen)?;
        let text = match reader.parser.peek_token().token {
            Token::DollarQuotedString(quoted) => {
                reader.parser.next_token();
                quoted.value
            }
            _ => reader.text()?,
        };
        reader.expect_symbol(&Token::RParen)?;
        reader.expect(&["to"])?;
        let to = reader.text()?;
        let tokens = Tokenizer::new(&RedshiftSqlDialect {}, &text)
            .tokenize_with_location()
            .map_err(|error| RedshiftError::Syntax(error.to_string()))?;
        crate::dialect::check_operators(&tokens)?;
        let mut inner = Parser::new(&RedshiftSqlDialect {})
            .with_recursion_limit(crate::dialect::NESTING_MAX)
            .with_tokens_with_locations(tokens);
        let query = inner.parse_query().map_err(|error| syntax(&error))?;
        while inner.consume_token(&Token::SemiColon) {}
        if inner.peek_token().token != Token::EOF {
            return Err(RedshiftError::Syntax("UNLOAD takes one query".to_owned()));
        }
        let mut unload = Unload {
            query,
            to,
            format: UnloadFormat::Delimited,
            delimiter: '|',
            header: false,
            manifest: false,
            manifest_verbose: false,
            compression: Compression::None,
            add_quotes: false,
            null_as: String::new(),
            escape: false,
            allow_overwrite: false,
            clean_path: false,
            parallel: true,
            max_file_bytes: MAX_FILE_BYTES,
            extension: None,
        };
        let (mut delimiter, mut authorized) = (None, false);
        while !matches!(reader.parser.peek_token().token, Token::EOF | Token::SemiColon) {
            if authorization(reader)? {
                authorized = true;
            } else if !unload.option(reader, &mut delimiter)? {
                return Err(reader.unexpected());
            }
        }
        if !authorized && unload.to.starts_with("s3://") {
            return Err(RedshiftError::Data(
                "CREDENTIALS argument is required for UNLOAD: name IAM_ROLE default, IAM_ROLE 'arn' or CREDENTIALS"
                    .to_owned(),
            ));
        }
        unload.delimiter = match (delimiter, unload.format) {
            (Some(delimiter), _) => delimiter,
            (None, UnloadFormat::Csv) => ',',
            (None, _) => '|',
        };
        unload.check()
    }

    fn check(self) -> Result<Unload> {
        let columnar = matches!(self.format, UnloadFormat::Parquet | UnloadFormat::Json);
        let wrong = match (columnar, self.format) {
            (true, _) if self.header => Some("HEADER"),
            (true, _) if self.add_quotes => Some("ADDQUOTES"),
            (true, _) if self.escape => Some("ESCAPE"),
            (_, UnloadFormat::Csv) if self.add_quotes => Some("ADDQUOTES"),
            (_, UnloadFormat::Csv) if self.escape => Some("ESCAPE"),
            (_, UnloadFormat::Parquet) if self.compression != Compression::None => Some("GZIP or ZSTD"),
            _ => None,
        };
        match wrong {
            Some(option) => Err(RedshiftError::Data(
                format!("{option} is not supported for UNLOAD to {:?}", self.format)
                    .replace("Csv", "CSV")
                    .replace("Parquet", "PARQUET")
                    .replace("Json", "JSON"),
            )),
            None => Ok(self),
        }
    }

    fn option(&mut self, reader: &mut Reader<'_>, delimiter: &mut Option<char>) -> Result<bool> {
        let named = reader.word("format");
        if named {
            reader.word("as");
        }
        if reader.word("csv") {
            self.format = UnloadFormat::Csv;
        } else if reader.word("parquet") {
            self.format = UnloadFormat::Parquet;
        } else if reader.word("json") {
            self.format = UnloadFormat::Json;
        } else if named {
            return Err(reader.unexpected());
        } else if reader.word("delimiter") {
            *delimiter = Some(one_char(reader, "DELIMITER")?);
        } else if reader.word("header") {
            self.header = true;
        } else if reader.word("manifest") {
            self.manifest = true;
            self.manifest_verbose = reader.word("verbose");
        } else if let Some(compression) = compression(reader)? {
            self.compression = compression;
        } else if reader.word("addquotes") {
            self.add_quotes = true;
        } else if reader.word("null") {
            reader.word("as");
            self.null_as = reader.text()?;
        } else if reader.word("escape") {
            self.escape = true;
        } else if reader.word("allowoverwrite") {
            self.allow_overwrite = true;
        } else if reader.word("cleanpath") {
            self.clean_path = true;
        } else if reader.word("parallel") {
            self.parallel = if reader.word("off") || reader.word("false") {
                false
            } else {
                let _ = reader.word("on") || reader.word("true");
                true
            };
        } else if reader.word("maxfilesize") {
            reader.word("as");
            let number = reader.number()?;
            let unit = if reader.word("gb") {
                1 << 30
            } else {
                reader.word("mb");
                1 << 20
            };
            self.max_file_bytes = u64::try_from(number)
                .ok()
                .and_then(|number| number.checked_mul(unit))
                .filter(|bytes| (LEAST_FILE_BYTES..=MAX_FILE_BYTES).contains(bytes))
                .ok_or_else(|| RedshiftError::Data("MAXFILESIZE must be between 5 MB and 6.2 GB".to_owned()))?;
        } else if reader.word("rowgroupsize") {
            reader.word("as");
            reader.number()?;
            let _ = reader.word("mb") || reader.word("gb");
        } else if reader.word("region") {
            reader.word("as");
            reader.text()?;
        } else if reader.word("extension") {
            self.extension = Some(reader.text()?);
        } else if reader.peek(&["partition"]) || reader.peek(&["fixedwidth"]) || reader.peek(&["encrypted"]) {
            return Err(RedshiftError::NotSupported(format!(
                "{} is not answered here for UNLOAD",
                reader.identifier()?.to_uppercase()
            )));
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}
