//! Both files of statements, mixed and bent by a seeded generator. Whatever is let through is walked again by the
//! oracle. A normal run is short; `CONCERT_LONG=1` makes it long.

use crate::{
    oracle::confirm,
    support::{hostile, policy, roles, valid},
};
use concert_guard::check;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

const SHORT_RUN: usize = 4_000;
const LONG_RUN: usize = 200_000;

fn runs() -> usize {
    if std::env::var_os("CONCERT_LONG").is_some() {
        LONG_RUN
    } else {
        SHORT_RUN
    }
}

/// Words, literals, signs and the space between them.
fn pieces(sql: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut chars = sql.chars().peekable();
    while let Some(ch) = chars.next() {
        let mut piece = String::from(ch);
        if ch == '\'' || ch == '"' {
            while let Some(next) = chars.next() {
                piece.push(next);
                if next == ch && chars.peek() != Some(&ch) {
                    break;
                }
                if next == ch {
                    piece.extend(chars.next());
                }
            }
        } else if ch.is_alphanumeric() || ch == '_' {
            while let Some(next) = chars.next_if(|next| next.is_alphanumeric() || *next == '_') {
                piece.push(next);
            }
        } else if ch.is_whitespace() {
            while chars.next_if(|next| next.is_whitespace()).is_some() {}
            piece = " ".to_owned();
        }
        pieces.push(piece);
    }
    pieces
}

const EXTRA: [&str; 60] = [
    "concerts",
    "venues",
    "pg_user",
    "secrets",
    "*",
    "c.*",
    "revenue",
    "password",
    "version()",
    "pg_sleep(1)",
    "user",
    "UNION ALL",
    "EXCEPT",
    "(",
    ")",
    ",",
    ";",
    "--",
    "/*",
    "*/",
    "'",
    "\"",
    "\\",
    "$1",
    ":x",
    "$$",
    "E'x'",
    "U&'x'",
    "INTO x",
    "FOR UPDATE",
    "CROSS JOIN",
    "NATURAL JOIN",
    "LATERAL",
    "RECURSIVE",
    "OVER ()",
    "::regclass",
    "[0]",
    ".name",
    "concert_dw.",
    "pg_catalog.",
    "AS",
    "LIMIT 99999999",
    "LIMIT ALL",
    "OFFSET 3",
    "TOP 5",
    "DISTINCT",
    "NOT",
    "NULL",
    "CASE WHEN 1 = 1 THEN 1 END",
    "EXISTS (SELECT 1)",
    "FETCH FIRST 5 ROWS ONLY",
    "\u{a0}",
    "\u{200b}",
    "\u{0}",
    "= 'x' OR 1=1",
    "WITH x AS (SELECT 1 AS a)",
    "SELECT",
    "FROM",
    "GROUP BY ALL",
    "APPROXIMATE",
];

fn mutate(rng: &mut ChaCha8Rng, statements: &[String], words: &[String]) -> String {
    let pick = |rng: &mut ChaCha8Rng| statements.choose(rng).cloned().unwrap_or_default();
    let mut tokens = pieces(&pick(rng));
    for _ in 0..rng.random_range(1..=4) {
        if tokens.is_empty() {
            break;
        }
        let at = rng.random_range(0..tokens.len());
        match rng.random_range(0..16) {
            0 => {
                tokens.remove(at);
            }
            1 => tokens.insert(at, tokens[at].clone()),
            2 => {
                let other = rng.random_range(0..tokens.len());
                tokens.swap(at, other);
            }
            3..=5 => tokens[at] = words.choose(rng).cloned().unwrap_or_default(),
            6 => tokens.insert(at, format!(" {} ", EXTRA.choose(rng).unwrap_or(&""))),
            7 => {
                let other = pieces(&pick(rng));
                let from = rng.random_range(0..=other.len());
                tokens.truncate(at);
                tokens.extend_from_slice(&other[from..]);
            }
            8 => {
                let text: String = tokens.concat();
                tokens = pieces(&match rng.random_range(0..5) {
                    0 => format!("SELECT * FROM ({text}) x"),
                    1 => format!("WITH concerts AS ({text}) SELECT * FROM concerts"),
                    2 => format!("({text}) UNION ALL ({})", pick(rng)),
                    3 => format!("SELECT name FROM venues WHERE venue_id IN ({text})"),
                    _ => format!("SELECT ({text}) AS x"),
                });
            }
            9 => {
                tokens[at] = tokens[at]
                    .chars()
                    .map(|ch| {
                        if rng.random() {
                            ch.to_ascii_uppercase()
                        } else {
                            ch.to_ascii_lowercase()
                        }
                    })
                    .collect()
            }
            10 => tokens[at] = format!("\"{}\"", tokens[at]),
            11 => tokens[at] = format!("({})", tokens[at]),
            12 => tokens[at] = tokens[at].replacen('o', "\u{43e}", 1),
            13 => {
                tokens[at] = if tokens[at] == " " {
                    ["\n", "\t", "\r\n", " \n "][rng.random_range(0..4)].to_owned()
                } else {
                    tokens[at].clone()
                }
            }
            14 => tokens[at] = format!("concert_dw.{}", tokens[at]),
            _ => tokens[at] = format!("{} AS {}", tokens[at], words.choose(rng).map_or("x", String::as_str)),
        }
    }
    tokens.concat()
}

#[test]
fn what_is_let_through_holds_nothing_else() {
    let policies = [vec![policy()], roles()].concat();
    let valid: Vec<String> = valid().into_iter().map(|case| case.sql).collect();
    let hostile: Vec<String> = hostile()
        .into_iter()
        .map(|case| case.sql)
        .filter(|sql| sql.len() < 600)
        .collect();
    let words: Vec<String> = valid
        .iter()
        .chain(&hostile)
        .flat_map(|sql| pieces(sql))
        .filter(|piece| piece != " ")
        .collect();
    // Mostly valid ones: a hostile one mostly stays hostile.
    let statements: Vec<String> = [valid.clone(), valid.clone(), valid, hostile].concat();
    let mut rng = ChaCha8Rng::seed_from_u64(20_261_121);
    let mut accepted = 0;
    for run in 0..runs() {
        let sql = mutate(&mut rng, &statements, &words);
        let policy = &policies[run % policies.len()];
        match check(&sql, policy) {
            Ok(guarded) => {
                accepted += 1;
                confirm(&sql, &guarded, policy);
                if run % policies.len() == 0
                    && let Err(refusal) = check(&guarded.sql, policy)
                {
                    panic!(
                        "what runs would be refused: {refusal}\n  was: {sql}\n  runs: {}",
                        guarded.sql
                    );
                }
            }
            Err(refusal) => {
                assert!(
                    refusal.offset <= sql.len() && sql.is_char_boundary(refusal.offset),
                    "{sql}"
                );
                assert!(
                    !refusal.reason.is_empty() && refusal.line >= 1 && refusal.column >= 1,
                    "{sql}"
                );
            }
        }
    }
    assert!(
        accepted > runs() / 20,
        "only {accepted} were let through: the mutations are too wild"
    );
}

#[test]
fn the_cases_hold_nothing_else_under_every_role() {
    for policy in [vec![policy()], roles()].concat() {
        for case in valid() {
            if let Ok(guarded) = check(&case.sql, &policy) {
                confirm(&case.sql, &guarded, &policy);
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(sql in "\\PC{0,200}") {
        let _ = check(&sql, &policy());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..120)) {
        let _ = check(&format!("SELECT {}", String::from_utf8_lossy(&bytes)), &policy());
    }

    #[test]
    fn no_soup_of_signs_makes_it_panic(sql in "(SELECT|FROM|WHERE|WITH|AS|CASE|WHEN|END|CAST|\\(|\\)|,|'|\"|\\.|\\*|::|a|1| |\\[|\\]|-|/|INTERVAL|EXTRACT|OVER|JOIN|ON|=|UNION|concerts|name){0,60}") {
        let _ = check(&sql, &policy());
    }
}
