//! The statement that is run: the viewer's own text with the tables replaced by what the viewer may see of them, and
//! with a row limit. Everything else stays as it was written, so that a person recognises it.

use crate::{
    check::{Checker, Limit, Reference},
    lex,
    policy::{Policy, TableRule},
    refusal::{Code, Fault, fault},
};
use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan},
};

/// Where the outermost query says how many rows it wants, found before the parser takes the tokens.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// The number after LIMIT, or ALL.
    limit: Option<(usize, usize)>,
    /// The word FETCH.
    fetch: Option<usize>,
    /// The number after the first TOP.
    top: Option<(usize, usize)>,
    /// Behind the last token.
    end: usize,
}

impl Marks {
    pub fn of(tokens: &[TokenWithSpan]) -> Marks {
        let mut marks = Marks::default();
        let mut depth = 0_usize;
        let keyword = |at: usize| match tokens.get(at).map(|token| &token.token) {
            Some(Token::Word(word)) => word.keyword,
            _ => Keyword::NoKeyword,
        };
        let number = |at: usize| {
            let token = tokens.get(at)?;
            matches!(token.token, Token::Number(..))
                .then(|| lex::range(token.span))
                .flatten()
        };
        for (at, token) in tokens.iter().enumerate() {
            match &token.token {
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
                Token::Word(word) if depth == 0 => match word.keyword {
                    Keyword::LIMIT => {
                        let all = (keyword(at + 1) == Keyword::ALL)
                            .then(|| lex::range(tokens[at + 1].span))
                            .flatten();
                        if let Some(place) = number(at + 1).or(all) {
                            marks.limit = Some(place);
                        }
                    }
                    Keyword::FETCH => marks.fetch = lex::offset(token.span),
                    Keyword::TOP if marks.top.is_none() && at > 0 && keyword(at - 1) == Keyword::SELECT => {
                        let in_brackets = tokens.get(at + 1).is_some_and(|next| next.token == Token::LParen);
                        marks.top = number(at + 1 + usize::from(in_brackets));
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        marks.end = tokens
            .last()
            .and_then(|last| lex::range(last.span))
            .map_or(0, |(_, end)| end);
        marks
    }
}

struct Edit {
    start: usize,
    end: usize,
    text: String,
}

/// The text to run, and its row limit.
pub(crate) fn rewrite(
    sql: &str,
    checker: &Checker<'_>,
    marks: &Marks,
    has_fetch: bool,
) -> Result<(String, u64), Fault> {
    let policy = checker.policy;
    let max = policy.bounds.max_rows;
    let mut edits: Vec<Edit> = Vec::new();
    for reference in &checker.references {
        let Some(rule) = policy.tables.get(&reference.table) else {
            return fault(Code::UnknownTable, reference.start, "This table is not there.");
        };
        edits.push(Edit {
            start: reference.start,
            end: reference.end,
            text: table(policy, rule, reference, checker.expands),
        });
    }
    edits.extend(checker.cuts.iter().map(|(start, end)| Edit {
        start: *start,
        end: *end,
        text: String::new(),
    }));
    let limited = |start: usize, rows: u64| Edit {
        start,
        end: marks.end,
        text: if start == marks.end {
            format!(" LIMIT {rows}")
        } else {
            format!("LIMIT {rows}")
        },
    };
    let lost = || Fault {
        code: Code::BadLimit,
        offset: 0,
        reason: "The row limit could not be found in the text. Write LIMIT and a number at the end.".to_owned(),
    };
    let rows = match checker.limit {
        Limit::None => {
            edits.push(match marks.limit {
                // LIMIT ALL
                Some((start, end)) if sql[start..end].eq_ignore_ascii_case("all") => Edit {
                    start,
                    end,
                    text: max.to_string(),
                },
                _ => limited(marks.end, max),
            });
            max
        }
        Limit::Rows(rows) if has_fetch => {
            // Redshift has no FETCH.
            edits.push(limited(marks.fetch.ok_or_else(lost)?, rows.min(max)));
            rows.min(max)
        }
        Limit::Rows(rows) | Limit::Top(rows) if rows <= max => rows,
        Limit::Rows(_) | Limit::Top(_) => {
            let place = match checker.limit {
                Limit::Top(_) => marks.top,
                _ => marks.limit,
            };
            let (start, end) = place.ok_or_else(lost)?;
            edits.push(Edit {
                start,
                end,
                text: max.to_string(),
            });
            max
        }
    };
    edits.sort_by_key(|edit| (edit.start, edit.end));
    let mut text = String::with_capacity(sql.len() + edits.iter().map(|edit| edit.text.len()).sum::<usize>());
    let mut at = 0;
    for edit in &edits {
        let (Some(kept), true) = (sql.get(at..edit.start), edit.end <= marks.end) else {
            return fault(
                Code::Syntax,
                edit.start,
                "The statement could not be rewritten here. Write it more simply.",
            );
        };
        append(&mut text, kept);
        append(&mut text, &edit.text);
        at = edit.end;
    }
    append(&mut text, sql.get(at..marks.end).unwrap_or_default());
    Ok((text, rows))
}

/// Adds a piece, with a space where two words would become one: in `FROM "concerts"x` the quotes were what parted them.
fn append(text: &mut String, piece: &str) {
    let sticks = |ch: char| ch.is_alphanumeric() || !ch.is_ascii() || matches!(ch, '_' | '$' | '"' | '\'');
    if text.chars().next_back().is_some_and(sticks) && piece.chars().next().is_some_and(sticks) {
        text.push(' ');
    }
    text.push_str(piece);
}

fn table(policy: &Policy, rule: &TableRule, reference: &Reference, expands: bool) -> String {
    let name = format!("{}.{}", quoted(&policy.schema), quoted(&reference.table));
    if !rule.is_restricted() && !expands {
        return name;
    }
    let columns: Vec<String> = rule.columns.iter().map(|column| quoted(&column.name)).collect();
    let columns = if columns.is_empty() {
        "1".to_owned()
    } else {
        columns.join(", ")
    };
    let filter = match &rule.filter {
        Some(filter) => format!(" WHERE ({filter})"),
        None => String::new(),
    };
    let alias = if reference.no_alias_needed {
        String::new()
    } else {
        format!(" AS {}", quoted(&reference.table))
    };
    format!("(SELECT {columns} FROM {name}{filter}){alias}")
}

/// A name as Redshift reads it: in double quotes where it is reserved, or is not plain.
fn quoted(name: &str) -> String {
    let is_plain = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
        && !name.as_bytes()[0].is_ascii_digit();
    if is_plain && RESERVED.binary_search(&name).is_err() {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Redshift's reserved words (its documentation, "Reserved words"), sorted.
const RESERVED: [&str; 156] = [
    "aes128",
    "aes256",
    "all",
    "allowoverwrite",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "authorization",
    "az64",
    "backup",
    "between",
    "binary",
    "blanksasnull",
    "both",
    "bytedict",
    "bzip2",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "connect",
    "constraint",
    "create",
    "credentials",
    "cross",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "current_user_id",
    "default",
    "deferrable",
    "deflate",
    "defrag",
    "delta",
    "delta32k",
    "desc",
    "disable",
    "distinct",
    "do",
    "else",
    "emptyasnull",
    "enable",
    "encode",
    "encrypt",
    "encryption",
    "end",
    "except",
    "explicit",
    "false",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "globaldict256",
    "globaldict64k",
    "grant",
    "group",
    "gzip",
    "having",
    "identity",
    "ignore",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "lun",
    "luns",
    "lzo",
    "lzop",
    "minus",
    "mostly16",
    "mostly32",
    "mostly8",
    "natural",
    "new",
    "not",
    "notnull",
    "null",
    "nulls",
    "off",
    "offline",
    "offset",
    "oid",
    "old",
    "on",
    "only",
    "open",
    "or",
    "order",
    "outer",
    "overlaps",
    "parallel",
    "partition",
    "percent",
    "permissions",
    "pivot",
    "placing",
    "primary",
    "raw",
    "readratio",
    "recover",
    "references",
    "rejectlog",
    "resort",
    "respect",
    "restore",
    "right",
    "select",
    "session_user",
    "similar",
    "snapshot",
    "some",
    "sysdate",
    "system",
    "table",
    "tag",
    "tdes",
    "text255",
    "text32k",
    "then",
    "timestamp",
    "to",
    "top",
    "trailing",
    "true",
    "truncatecolumns",
    "union",
    "unique",
    "unnest",
    "user",
    "using",
    "verbose",
    "wallet",
    "when",
    "where",
    "with",
    "without",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_sorted_and_quoted() {
        assert!(RESERVED.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(quoted("event_date"), "event_date");
        assert_eq!(quoted("order"), "\"order\"");
        assert_eq!(quoted("Größe"), "\"Größe\"");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
