//! What the page reads out of a statement: its parts for colouring, and the tables it names. It is no parser and
//! decides nothing; a statement that it does not understand is shown plain.

/// What a piece of SQL is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Keyword,
    Text,
    Number,
    Parameter,
}

const KEYWORDS: &[&str] = &[
    "all",
    "and",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cast",
    "count",
    "cross",
    "date",
    "desc",
    "distinct",
    "else",
    "end",
    "exists",
    "extract",
    "false",
    "first",
    "from",
    "full",
    "group",
    "having",
    "in",
    "inner",
    "interval",
    "is",
    "join",
    "last",
    "left",
    "like",
    "limit",
    "not",
    "null",
    "nulls",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "right",
    "select",
    "sum",
    "avg",
    "min",
    "max",
    "then",
    "true",
    "union",
    "when",
    "where",
    "with",
];

/// Cuts `sql` into pieces; joined again they are `sql`.
pub fn pieces(sql: &str) -> Vec<(Kind, &str)> {
    let mut out: Vec<(Kind, &str)> = Vec::new();
    let mut rest = sql;
    let mut plain_from = sql;
    // Each step takes at least one character, so this ends.
    while let Some(first) = rest.chars().next() {
        let (kind, len) = piece(rest, first);
        if kind == Kind::Plain {
            rest = &rest[len..];
            continue;
        }
        let plain = &plain_from[..plain_from.len() - rest.len()];
        if !plain.is_empty() {
            out.push((Kind::Plain, plain));
        }
        out.push((kind, &rest[..len]));
        rest = &rest[len..];
        plain_from = rest;
    }
    if !plain_from.is_empty() {
        out.push((Kind::Plain, plain_from));
    }
    out
}

fn piece(rest: &str, first: char) -> (Kind, usize) {
    let run = |text: &str, inside: fn(char) -> bool| text.find(|c: char| !inside(c)).unwrap_or(text.len());
    match first {
        '\'' => (Kind::Text, rest[1..].find('\'').map_or(rest.len(), |at| at + 2)),
        '"' => (Kind::Plain, rest[1..].find('"').map_or(rest.len(), |at| at + 2)),
        ':' if rest.starts_with("::") => (Kind::Plain, 2),
        ':' => match run(&rest[1..], is_word) {
            0 => (Kind::Plain, 1),
            len => (Kind::Parameter, len + 1),
        },
        '0'..='9' => (Kind::Number, run(rest, |c| c.is_ascii_digit() || c == '.')),
        c if is_word(c) => {
            let len = run(rest, is_word);
            let word = rest[..len].to_ascii_lowercase();
            (
                if KEYWORDS.contains(&word.as_str()) {
                    Kind::Keyword
                } else {
                    Kind::Plain
                },
                len,
            )
        }
        c => (Kind::Plain, c.len_utf8()),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The tables that follow FROM or JOIN, without schema, in the order in which they first occur.
pub fn tables(sql: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut words = sql
        .split(|c: char| c.is_whitespace() || c == ',' || c == '(' || c == ')')
        .filter(|w| !w.is_empty());
    let mut in_extract = false;
    while let Some(word) = words.next() {
        in_extract |= word.eq_ignore_ascii_case("extract");
        if !word.eq_ignore_ascii_case("from") && !word.eq_ignore_ascii_case("join") {
            continue;
        }
        // EXTRACT(year FROM concerts.event_date) names a column.
        if std::mem::take(&mut in_extract) {
            continue;
        }
        // Only `schema.table`: names of subqueries have no schema.
        let Some((_, table)) = words.next().and_then(|name| name.rsplit_once('.')) else {
            continue;
        };
        let table = table.trim_matches('"').to_owned();
        if !table.is_empty() && table.chars().all(is_word) && !found.contains(&table) {
            found.push(table);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "SELECT a.\"name\" AS artist, SUM(c.total_attendance) AS attendance\n\
        FROM concert_dw.concerts AS c\nJOIN \"concert_dw\".\"artists\" a ON a.artist_id = c.artist_id\n\
        WHERE c.status <> 'it''s off' AND EXTRACT(year FROM c.event_date) = 1999 AND x::date < CAST(:p1 AS date)\nLIMIT 10";

    #[test]
    fn pieces_join_to_the_statement() {
        for sql in [SQL, "", "'never ended", "\"never ended", "é: :", "::", "1.5e", "select"] {
            assert_eq!(pieces(sql).iter().map(|(_, text)| *text).collect::<String>(), sql);
        }
    }

    #[test]
    fn pieces_are_told_apart() {
        let of = |kind| {
            pieces(SQL)
                .into_iter()
                .filter(|(k, _)| *k == kind)
                .map(|(_, text)| text)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(Kind::Text), ["'it'", "'s off'"]);
        assert_eq!(of(Kind::Number), ["1999", "10"]);
        assert_eq!(of(Kind::Parameter), [":p1"]);
        assert_eq!(of(Kind::Keyword)[..3], ["SELECT", "AS", "SUM"]);
    }

    #[test]
    fn tables_are_named_once_and_in_order() {
        assert_eq!(tables(SQL), ["concerts", "artists"]);
        let by_year = "SELECT EXTRACT(YEAR FROM concerts.event_date) AS year FROM concert_dw.concerts AS concerts";
        assert_eq!(tables(by_year), ["concerts"]);
        assert_eq!(tables("SELECT 1"), [""; 0]);
        assert_eq!(tables("select * from s.t join s.t"), ["t"]);
        assert_eq!(tables("select from"), [""; 0]);
    }
}
