//! The settings: every name that the platform reads, and whether what stands there can be used. All that is wrong is
//! told at once.

use super::Check;
use concert_contract::{catalogue::Catalogue, money::Currency};
use jiff::civil::Date;
use std::path::Path;
use url::Url;

/// A key shorter than this can be guessed.
const COOKIE_KEY_MIN_CHARS: usize = 16;

/// How far a name may be from one that is known to be taken for it.
const TYPO_MAX_EDITS: usize = 2;

/// What a setting must be.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Region,
    /// An address, or nothing.
    Endpoint,
    /// Letters, digits and these signs.
    Name(&'static str),
    /// Names with commas between.
    List,
    /// Any text.
    Text,
    /// An https address.
    Issuer,
    Key,
    Origins,
    /// Above 0.
    Positive,
    /// 0 or more.
    NotNegative,
    /// US dollars and tokens with a stroke between, either of them alone.
    Budget,
    Day,
    /// A file or an address.
    Catalogue,
    Currency,
    Bucket,
    Role,
    Folder,
    Megabytes,
}

const SETTINGS: [(&str, Kind); 37] = [
    ("CONCERT_REGION", Kind::Region),
    ("CONCERT_AWS_ENDPOINT", Kind::Endpoint),
    ("CONCERT_WORKGROUP", Kind::Name("-")),
    ("CONCERT_DATABASE", Kind::Name("_-$")),
    ("CONCERT_MODELS", Kind::List),
    ("CONCERT_MEMORY_ID", Kind::Name("_-")),
    ("CONCERT_MEMORY_NAMESPACES", Kind::Text),
    ("CONCERT_TABLE", Kind::Name("_-.")),
    ("CONCERT_GUARDRAIL", Kind::Text),
    ("CONCERT_ENDPOINT_SALES", Kind::Name("-")),
    ("CONCERT_ENDPOINT_VENUES", Kind::Name("-")),
    ("CONCERT_ENDPOINT_RECS", Kind::Name("-")),
    ("CONCERT_JWT_ISSUER", Kind::Issuer),
    ("CONCERT_JWT_AUDIENCE", Kind::Text),
    ("CONCERT_ROLE_CLAIM", Kind::Text),
    ("CONCERT_COOKIE_KEY", Kind::Key),
    ("CONCERT_ORIGINS", Kind::Origins),
    ("CONCERT_LIMIT_RPS", Kind::Positive),
    ("CONCERT_LIMIT_BURST", Kind::Positive),
    ("CONCERT_LIMIT_DAY", Kind::Positive),
    ("CONCERT_BUDGET_TURN", Kind::Budget),
    ("CONCERT_BUDGET_DAY", Kind::Budget),
    ("CONCERT_TODAY", Kind::Day),
    ("CONCERT_CATALOGUE", Kind::Catalogue),
    ("CONCERT_CODE_INTERPRETER", Kind::Text),
    ("CONCERT_CURRENCY", Kind::Currency),
    ("CONCERT_STAGE", Kind::Bucket),
    ("CONCERT_COPY_ROLE", Kind::Role),
    ("CONCERT_S3_DIR", Kind::Folder),
    ("CONCERT_PACE_EXECUTE", Kind::NotNegative),
    ("CONCERT_PACE_RESULT", Kind::NotNegative),
    ("CONCERT_HOME", Kind::Text),
    ("CONCERT_LAKE", Kind::Text),
    ("CONCERT_MEMORY_MB", Kind::Megabytes),
    ("CONCERT_MODEL_SERVER", Kind::Endpoint),
    ("CONCERT_MODEL_SERVER_KEY", Kind::Text),
    ("CONCERT_MODEL_SERVER_MODEL", Kind::Text),
];

/// Looks at the settings among these names and values.
pub fn all(settings: impl Iterator<Item = (String, String)>) -> Check {
    let (mut set, mut wrong, mut unknown) = (0, Vec::new(), Vec::new());
    for (name, value) in settings.filter(|(name, _)| name.starts_with("CONCERT_")) {
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        match SETTINGS.iter().find(|(known, _)| *known == name) {
            Some((_, kind)) => {
                set += 1;
                wrong.extend(problem(*kind, value).map(|hint| format!("{name} is {:?}: {hint}", shown(*kind, value))));
            }
            // Names of other programs of ours may be anything; one that is nearly a setting is meant to be it.
            None => unknown.extend(meant(&name).map(|known| format!("{name} is no setting: {known} is"))),
        }
    }
    wrong.sort();
    unknown.sort();
    if !wrong.is_empty() {
        wrong.extend(unknown);
        return Check::error(
            "settings",
            wrong.join("; "),
            "what reads them does not start, or does another thing than was meant",
            "set them anew, or unset them",
        );
    }
    if !unknown.is_empty() {
        return Check::warning(
            "settings",
            unknown.join("; "),
            "nobody reads it",
            "write the name that is read",
        );
    }
    Check::ok(
        "settings",
        match set {
            0 => "none is set; what is not set has a default".to_owned(),
            set => format!("{set} are set, and can be read"),
        },
    )
}

/// A secret is not shown.
fn shown(kind: Kind, value: &str) -> &str {
    match kind {
        Kind::Key => "…",
        _ => value,
    }
}

fn meant(name: &str) -> Option<&'static str> {
    SETTINGS
        .iter()
        .map(|(known, _)| (strsim::osa_distance(known, name), *known))
        .filter(|(edits, _)| (1..=TYPO_MAX_EDITS).contains(edits))
        .min()
        .map(|(_, known)| known)
}

/// What is wrong, as how to write it.
fn problem(kind: Kind, value: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric();
    let (is_right, hint) = match kind {
        Kind::Region => (
            value.chars().all(|c| plain(c) || c == '-') && value.contains('-'),
            "write a region such as us-east-1".to_owned(),
        ),
        Kind::Endpoint => (
            is_origin(value, &["http", "https"]),
            "write http://HOST:PORT or https://HOST, or leave it empty for AWS".to_owned(),
        ),
        Kind::Name(signs) => (
            value.chars().all(|c| plain(c) || signs.contains(c)),
            format!("a name has letters, digits and {signs}"),
        ),
        Kind::List => (
            value.split(',').any(|part| !part.trim().is_empty()),
            "write names with commas between".to_owned(),
        ),
        Kind::Text => (true, String::new()),
        Kind::Budget => {
            let (usd, tokens) = value.split_once('/').unwrap_or((value, ""));
            let fits = |part: &str| part.trim().is_empty() || part.trim().parse::<f64>().is_ok_and(|n| n >= 0.0);
            (
                fits(usd) && fits(tokens),
                "write US dollars and tokens such as 0.50/200000, or 0.50 alone".to_owned(),
            )
        }
        Kind::Issuer => (
            Url::parse(value).is_ok_and(|url| url.scheme() == "https" && url.has_host()),
            "write the issuer's address, https://…".to_owned(),
        ),
        Kind::Key => (
            value.chars().count() >= COOKIE_KEY_MIN_CHARS,
            format!("it has fewer than {COOKIE_KEY_MIN_CHARS} characters; write a random text of 32 or more"),
        ),
        Kind::Origins => (
            value
                .split(',')
                .all(|origin| is_origin(origin.trim(), &["http", "https"])),
            "write origins such as https://example.org, with commas between".to_owned(),
        ),
        Kind::Positive => (
            value
                .parse::<f64>()
                .is_ok_and(|number| number.is_finite() && number > 0.0),
            "write a number above 0".to_owned(),
        ),
        Kind::NotNegative => (
            value
                .parse::<f64>()
                .is_ok_and(|number| number.is_finite() && number >= 0.0),
            "write a number, 0 for none".to_owned(),
        ),
        Kind::Day => (
            value.parse::<Date>().is_ok(),
            "write a date as 2026-03-31, or leave it out".to_owned(),
        ),
        Kind::Catalogue if Url::parse(value).is_ok_and(|url| url.has_host()) => (true, String::new()),
        Kind::Catalogue => match std::fs::read_to_string(value) {
            Err(error) => (false, format!("the file cannot be read: {error}")),
            Ok(text) => match Catalogue::from_toml(&text) {
                Ok(_) => (true, String::new()),
                Err(error) => (false, format!("the file is no catalogue: {error}")),
            },
        },
        Kind::Currency => (
            Currency::try_from(value.to_owned()).is_ok(),
            "write the three letters of a currency, such as USD".to_owned(),
        ),
        Kind::Bucket => (
            value
                .strip_prefix("s3://")
                .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')),
            "write s3://BUCKET/PREFIX".to_owned(),
        ),
        Kind::Role => (
            value.starts_with("arn:") && value.contains(":role/"),
            "write the role's ARN, arn:aws:iam::ACCOUNT:role/NAME".to_owned(),
        ),
        Kind::Folder => (Path::new(value).is_dir(), "there is no such folder".to_owned()),
        Kind::Megabytes => (
            value.parse::<u32>().is_ok_and(|number| number >= 64),
            "write a whole number of MiB, 64 or more".to_owned(),
        ),
    };
    (!is_right).then_some(hint)
}

fn is_origin(value: &str, schemes: &[&str]) -> bool {
    Url::parse(value).is_ok_and(|url| {
        schemes.contains(&url.scheme())
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.username().is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::State;

    fn check(settings: &[(&str, &str)]) -> Check {
        all(settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn what_is_right_passes() {
        let settings = [
            ("CONCERT_REGION", "eu-central-1"),
            ("CONCERT_AWS_ENDPOINT", "http://127.0.0.1:4566"),
            ("CONCERT_WORKGROUP", "concert"),
            ("CONCERT_MODELS", "local.planner, anthropic.claude-x:0"),
            ("CONCERT_TABLE", "concert.v1_a-b"),
            (
                "CONCERT_JWT_ISSUER",
                "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_x",
            ),
            ("CONCERT_COOKIE_KEY", "0123456789abcdef"),
            ("CONCERT_ORIGINS", "https://a.example, http://localhost:8080"),
            ("CONCERT_LIMIT_RPS", "0.5"),
            ("CONCERT_TODAY", "2026-03-31"),
            ("CONCERT_CATALOGUE", "https://example.org/catalogue.toml"),
            ("CONCERT_CURRENCY", "EUR"),
            ("CONCERT_STAGE", "s3://bucket/prefix"),
            ("CONCERT_COPY_ROLE", "arn:aws:iam::123456789012:role/copy"),
            ("CONCERT_PACE_EXECUTE", "0"),
            ("CONCERT_MEMORY_MB", "512"),
            // Empty is not set, and what other programs read is theirs.
            ("CONCERT_WORKGROUP", " "),
            ("CONCERT_PYTHON", "/usr/bin/python3"),
            ("PATH", "CONCERT_TODAY"),
        ];
        let check = check(&settings);
        assert_eq!(
            (check.state, check.found.as_str()),
            (State::Ok, "16 are set, and can be read")
        );
        assert_eq!(super::all(std::iter::empty()).state, State::Ok);
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let wrong = [
            ("CONCERT_REGION", "Virginia"),
            ("CONCERT_AWS_ENDPOINT", "localhost:4566"),
            ("CONCERT_AWS_ENDPOINT", "http://localhost:4566/api?x"),
            ("CONCERT_WORKGROUP", "my workgroup"),
            ("CONCERT_MODELS", ","),
            ("CONCERT_JWT_ISSUER", "http://example.org"),
            ("CONCERT_ORIGINS", "https://a.example/page"),
            ("CONCERT_LIMIT_RPS", "0"),
            ("CONCERT_BUDGET_DAY", "lots"),
            ("CONCERT_LIMIT_DAY", "NaN"),
            ("CONCERT_TODAY", "31.3.2026"),
            ("CONCERT_CATALOGUE", "/no/such/catalogue.toml"),
            ("CONCERT_CURRENCY", "dollars"),
            ("CONCERT_STAGE", "bucket/prefix"),
            ("CONCERT_COPY_ROLE", "copy"),
            ("CONCERT_S3_DIR", "/no/such/folder"),
            ("CONCERT_PACE_RESULT", "-1"),
            ("CONCERT_MEMORY_MB", "32"),
        ];
        let all = check(&wrong);
        assert_eq!(all.state, State::Error);
        for (name, value) in wrong {
            assert!(
                all.found.contains(&format!("{name} is {value:?}: ")),
                "{name} in {}",
                all.found
            );
            assert_eq!(check(&[(name, value)]).state, State::Error, "{name}={value}");
        }
    }

    #[test]
    fn a_key_is_never_shown_and_a_typo_is_seen() {
        let key = check(&[("CONCERT_COOKIE_KEY", "hunter2")]);
        assert!(key.state == State::Error && !key.found.contains("hunter2"), "{key:?}");
        let typo = check(&[("CONCERT_WORKGRUOP", "concert")]);
        assert_eq!(typo.state, State::Warning);
        assert_eq!(typo.found, "CONCERT_WORKGRUOP is no setting: CONCERT_WORKGROUP is");
    }
}
