//! The settings that the edge reads, checked all at once at the start.

use crate::limits;
use concert_aws::{Aws, Credentials};
use concert_contract::money::Currency;
use http::Uri;
use jiff::civil::Date;
use std::{collections::BTreeMap, fmt};

/// A key shorter than this can be guessed.
const COOKIE_KEY_MIN_CHARS: usize = 16;

#[derive(Clone)]
pub struct Settings {
    pub aws: Aws,
    pub workgroup: String,
    pub database: String,
    /// In order of preference, at least one.
    pub models: Vec<String>,
    /// What a model costs, for those whose price is given.
    pub prices: BTreeMap<String, Price>,
    pub cookie_key: Vec<u8>,
    /// Fixes the clock's day; else it is the host's, in UTC.
    pub today: Option<Date>,
    pub currency: Currency,
    /// The DynamoDB table of turns, conversations and budgets. Without it a turn lives in its request.
    pub table: Option<String>,
    /// AgentCore's memory of people's preferences.
    pub memory_id: Option<String>,
    /// Where the memory's strategies keep what they learn of a person; `{actorId}` stands for the person.
    pub memory_namespaces: Vec<String>,
    pub guardrail: Option<Guardrail>,
    /// Who may ask with a token; without it everybody is a guest.
    pub jwt: Option<Jwt>,
    /// Origins other than the page's own that browsers may ask from, with a token.
    pub origins: Vec<String>,
    /// Requests of one person or address.
    pub rate: Rate,
    pub budget_turn: Budget,
    pub budget_day: Budget,
    /// Statements sent a second; 0 for no bound.
    pub pace_execute: u32,
    /// Results fetched a second; 0 for no bound.
    pub pace_result: u32,
}

/// US dollars for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    pub input_usd: f64,
    pub output_usd: f64,
}

impl Price {
    /// In millionths of a US dollar, rounded up: nothing is free that has a price.
    pub fn micro_usd(&self, input_tokens: u64, output_tokens: u64) -> u64 {
        // Dollars for a million tokens are millionths of a dollar for one.
        (self.input_usd * input_tokens as f64 + self.output_usd * output_tokens as f64).ceil() as u64
    }
}

/// Bedrock's guardrail, by id and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guardrail {
    pub id: String,
    pub version: String,
}

/// Whose tokens are taken, and what of them is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// As in the claim `iss`; its keys are at `ISSUER/.well-known/jwks.json`.
    pub issuer: String,
    /// One of them must stand in `aud` or `client_id`.
    pub audiences: Vec<String>,
    /// The claim that holds the role, or the roles.
    pub role_claim: String,
}

/// A token bucket, and a bound for the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Thousandths of a request a second.
    pub milli_per_second: u64,
    pub burst: u32,
    pub per_day: u32,
}

/// A bound on what models may cost; what is none has no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    pub micro_usd: Option<u64>,
    pub tokens: Option<u64>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("aws", &self.aws)
            .field("workgroup", &self.workgroup)
            .field("database", &self.database)
            .field("models", &self.models)
            .field("today", &self.today)
            .field("table", &self.table)
            .field("memory_id", &self.memory_id)
            .field("jwt", &self.jwt)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

/// Everything that is missing or wrong, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the settings are not complete:\n{}", .0.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))]
pub struct SettingsError(pub Vec<String>);

impl Settings {
    /// # Errors
    /// All that is missing or wrong, each with its name and how to write it.
    pub fn read(setting: impl Fn(&str) -> Option<String>) -> Result<Settings, SettingsError> {
        let get = |name: &str| {
            setting(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let mut wrong = Vec::new();
        let mut required = |name: &str, hint: &str| {
            get(name).unwrap_or_else(|| {
                wrong.push(format!("{name} is missing: {hint}"));
                String::new()
            })
        };
        let workgroup = required(
            "CONCERT_WORKGROUP",
            "the Redshift Serverless workgroup, such as concert",
        );
        let models = required(
            "CONCERT_MODELS",
            "model ids in order of preference, separated by commas",
        );
        let cookie_key = required(
            "CONCERT_COOKIE_KEY",
            "a random text of at least 32 characters, kept secret",
        );
        let access_key_id = required("AWS_ACCESS_KEY_ID", "the key that requests are signed with");
        let secret_access_key = required("AWS_SECRET_ACCESS_KEY", "the secret of AWS_ACCESS_KEY_ID");

        let mut prices = BTreeMap::new();
        let models: Vec<String> = list(&models)
            .into_iter()
            .map(|entry| match entry.split_once('=') {
                None => entry,
                Some((model, price)) => {
                    match read_price(price) {
                        Some(price) => {
                            prices.insert(model.trim().to_owned(), price);
                        }
                        None => wrong.push(format!(
                            "CONCERT_MODELS has the price {price:?}: write MODEL=IN/OUT, US dollars for a million tokens"
                        )),
                    }
                    model.trim().to_owned()
                }
            })
            .collect();
        if !cookie_key.is_empty() && cookie_key.chars().count() < COOKIE_KEY_MIN_CHARS {
            wrong.push(format!(
                "CONCERT_COOKIE_KEY has fewer than {COOKIE_KEY_MIN_CHARS} characters: write a random text of 32 or more"
            ));
        }
        let today = get("CONCERT_TODAY").and_then(|text| match text.parse::<Date>() {
            Ok(date) => Some(date),
            Err(_) => {
                wrong.push(format!(
                    "CONCERT_TODAY is {text:?}: write a date as 2026-03-31, or leave it out"
                ));
                None
            }
        });
        let currency = match get("CONCERT_CURRENCY") {
            None => Currency::USD,
            Some(code) => Currency::new(&code).unwrap_or_else(|| {
                wrong.push(format!(
                    "CONCERT_CURRENCY is {code:?}: write three letters, such as USD"
                ));
                Currency::USD
            }),
        };
        let guardrail = get("CONCERT_GUARDRAIL").and_then(|text| match text.rsplit_once(':') {
            Some((id, version)) if !id.is_empty() && !version.is_empty() => Some(Guardrail {
                id: id.to_owned(),
                version: version.to_owned(),
            }),
            _ => {
                wrong.push(format!("CONCERT_GUARDRAIL is {text:?}: write ID:VERSION"));
                None
            }
        });
        let memory_namespaces = match get("CONCERT_MEMORY_NAMESPACES") {
            None => vec!["/preferences/{actorId}".to_owned()],
            Some(text) => list(&text),
        };
        for namespace in &memory_namespaces {
            if !namespace.contains("{actorId}") {
                wrong.push(format!(
                    "CONCERT_MEMORY_NAMESPACES has {namespace:?}: write {{actorId}} where the person stands, else people \
                     would see each other's"
                ));
            }
        }
        let jwt = get("CONCERT_JWT_ISSUER").and_then(|issuer| {
            let issuer = issuer.trim_end_matches('/').to_owned();
            let audiences = list(&get("CONCERT_JWT_AUDIENCE").unwrap_or_default());
            let is_url = issuer.parse::<Uri>().is_ok_and(|uri| {
                uri.scheme_str() == Some("https") || uri.scheme_str() == Some("http") && uri.host().is_some_and(is_here)
            });
            if !is_url {
                wrong.push(format!(
                    "CONCERT_JWT_ISSUER is {issuer:?}: write the https address that stands in the claim iss"
                ));
                return None;
            }
            if audiences.is_empty() {
                wrong.push(
                    "CONCERT_JWT_AUDIENCE is missing: the client ids whose tokens are taken, separated by commas"
                        .to_owned(),
                );
                return None;
            }
            Some(Jwt {
                issuer,
                audiences,
                role_claim: get("CONCERT_ROLE_CLAIM").unwrap_or_else(|| "cognito:groups".to_owned()),
            })
        });
        let origins = list(&get("CONCERT_ORIGINS").unwrap_or_default());
        for origin in &origins {
            let is_origin = origin.parse::<Uri>().is_ok_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some() && uri.path() == "/"
            }) && !origin.ends_with('/');
            if !is_origin {
                wrong.push(format!(
                    "CONCERT_ORIGINS has {origin:?}: write origins such as https://app.example.com, without a path"
                ));
            }
        }
        let number = |name: &str, default: u32, wrong: &mut Vec<String>| match get(name) {
            None => default,
            Some(text) => text.parse().unwrap_or_else(|_| {
                wrong.push(format!("{name} is {text:?}: write a whole number, such as {default}"));
                default
            }),
        };
        let per_second = match get("CONCERT_LIMIT_RPS") {
            None => f64::from(limits::RATE_PER_SECOND),
            Some(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() && number >= 0.001 => number,
                _ => {
                    wrong.push(format!(
                        "CONCERT_LIMIT_RPS is {text:?}: write a number above 0, such as 500"
                    ));
                    f64::from(limits::RATE_PER_SECOND)
                }
            },
        };
        let rate = Rate {
            milli_per_second: (per_second * 1000.0) as u64,
            burst: number("CONCERT_LIMIT_BURST", limits::RATE_BURST, &mut wrong),
            per_day: number("CONCERT_LIMIT_DAY", limits::RATE_PER_DAY, &mut wrong),
        };
        if rate.burst == 0 || rate.per_day == 0 {
            wrong.push("CONCERT_LIMIT_BURST and CONCERT_LIMIT_DAY must be at least 1".to_owned());
        }
        let pace_execute = number("CONCERT_PACE_EXECUTE", limits::PACE_EXECUTE_PER_SECOND, &mut wrong);
        let pace_result = number("CONCERT_PACE_RESULT", limits::PACE_RESULT_PER_SECOND, &mut wrong);
        let mut budget = |name: &str, default: Budget| match get(name) {
            None => default,
            Some(text) => read_budget(&text).unwrap_or_else(|| {
                wrong.push(format!(
                    "{name} is {text:?}: write US dollars and tokens such as 0.50/200000, or one of them with its \
                     stroke: 0.50/ or /200000"
                ));
                default
            }),
        };
        let budget_turn = budget("CONCERT_BUDGET_TURN", limits::BUDGET_TURN);
        let budget_day = budget("CONCERT_BUDGET_DAY", limits::BUDGET_DAY);
        let region = get("CONCERT_REGION")
            .or_else(|| get("AWS_REGION"))
            .unwrap_or_else(|| "us-east-1".to_owned());
        let credentials = Credentials {
            access_key_id,
            secret_access_key,
            session_token: get("AWS_SESSION_TOKEN"),
        };
        let endpoint = get("CONCERT_AWS_ENDPOINT").unwrap_or_default();
        let aws = match Aws::new(&region, &endpoint, credentials) {
            Ok(aws) => aws,
            Err(error) => {
                let name = match error {
                    concert_aws::service::EndpointError::Region(_) => "CONCERT_REGION",
                    concert_aws::service::EndpointError::Endpoint(_) => "CONCERT_AWS_ENDPOINT",
                };
                wrong.push(format!("{name}: {error}"));
                return Err(SettingsError(wrong));
            }
        };
        if !wrong.is_empty() {
            return Err(SettingsError(wrong));
        }
        let database = get("CONCERT_DATABASE").unwrap_or_else(|| "dev".to_owned());
        Ok(Settings {
            aws,
            workgroup,
            database,
            models,
            prices,
            table: get("CONCERT_TABLE"),
            memory_id: get("CONCERT_MEMORY_ID"),
            memory_namespaces,
            guardrail,
            jwt,
            origins,
            rate,
            budget_turn,
            budget_day,
            pace_execute,
            pace_result,
            cookie_key: cookie_key.into_bytes(),
            today,
            currency,
        })
    }
}

/// The entries of a list that is separated by commas.
fn list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect()
}

fn is_here(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

fn read_price(text: &str) -> Option<Price> {
    let amount = |text: &str| {
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|usd| usd.is_finite() && *usd >= 0.0)
    };
    let (input, output) = text.split_once('/')?;
    Some(Price {
        input_usd: amount(input)?,
        output_usd: amount(output)?,
    })
}

/// `0.50/200000`; either side may be empty, which is no bound. Without a stroke it is money.
fn read_budget(text: &str) -> Option<Budget> {
    let (money, tokens) = text.split_once('/').unwrap_or((text, ""));
    let (money, tokens) = (money.trim(), tokens.trim());
    let micro_usd = match money {
        "" => None,
        money => {
            let usd: f64 = money.parse().ok()?;
            Some((usd.is_finite() && usd >= 0.0).then_some((usd * 1e6).round() as u64)?)
        }
    };
    let tokens = match tokens {
        "" => None,
        tokens => Some(tokens.parse().ok()?),
    };
    Some(Budget { micro_usd, tokens })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(name: &str) -> Option<String> {
        Some(match name {
            "CONCERT_WORKGROUP" => "concert".into(),
            "CONCERT_MODELS" => "local.planner, anthropic.claude-x:0".into(),
            "CONCERT_COOKIE_KEY" => "0123456789abcdef0123456789abcdef".into(),
            "AWS_ACCESS_KEY_ID" => "concert".into(),
            "AWS_SECRET_ACCESS_KEY" => "concert-local-secret".into(),
            _ => return None,
        })
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let settings = Settings::read(complete).unwrap();
        assert_eq!(settings.models, ["local.planner", "anthropic.claude-x:0"]);
        assert_eq!(
            (settings.database.as_str(), settings.aws.region()),
            ("dev", "us-east-1")
        );
        assert_eq!(settings.today, None);
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let error = Settings::read(|name| match name {
            "CONCERT_WORKGROUP" => Some("  ".into()),
            "CONCERT_COOKIE_KEY" => Some("short".into()),
            "CONCERT_TODAY" => Some("31.3.2026".into()),
            "CONCERT_CURRENCY" => Some("dollars".into()),
            "CONCERT_AWS_ENDPOINT" => Some("localhost".into()),
            "CONCERT_GUARDRAIL" => Some("abc".into()),
            "CONCERT_JWT_ISSUER" => Some("http://issuer.example.com".into()),
            "CONCERT_ORIGINS" => Some("https://a.example.com, https://b.example.com/path, *".into()),
            "CONCERT_LIMIT_RPS" => Some("many".into()),
            "CONCERT_MEMORY_NAMESPACES" => Some("/all".into()),
            "CONCERT_BUDGET_DAY" => Some("cheap".into()),
            "AWS_SECRET_ACCESS_KEY" => None,
            other => complete(other),
        })
        .unwrap_err();
        insta::assert_snapshot!(error.to_string(), @r#"
        the settings are not complete:
          CONCERT_WORKGROUP is missing: the Redshift Serverless workgroup, such as concert
          AWS_SECRET_ACCESS_KEY is missing: the secret of AWS_ACCESS_KEY_ID
          CONCERT_COOKIE_KEY has fewer than 16 characters: write a random text of 32 or more
          CONCERT_TODAY is "31.3.2026": write a date as 2026-03-31, or leave it out
          CONCERT_CURRENCY is "dollars": write three letters, such as USD
          CONCERT_GUARDRAIL is "abc": write ID:VERSION
          CONCERT_MEMORY_NAMESPACES has "/all": write {actorId} where the person stands, else people would see each other's
          CONCERT_JWT_ISSUER is "http://issuer.example.com": write the https address that stands in the claim iss
          CONCERT_ORIGINS has "https://b.example.com/path": write origins such as https://app.example.com, without a path
          CONCERT_ORIGINS has "*": write origins such as https://app.example.com, without a path
          CONCERT_LIMIT_RPS is "many": write a number above 0, such as 500
          CONCERT_BUDGET_DAY is "cheap": write US dollars and tokens such as 0.50/200000, or one of them with its stroke: 0.50/ or /200000
          CONCERT_AWS_ENDPOINT: "localhost" is not an endpoint: write http://HOST:PORT or https://HOST, or leave it empty for AWS
        "#);
    }

    #[test]
    fn prices_and_budgets_are_read() {
        let settings = Settings::read(|name| match name {
            "CONCERT_MODELS" => {
                Some("a.b-v1:0=3/15, arn:aws:bedrock:us-east-1:1:inference-profile/x, local.planner".into())
            }
            "CONCERT_BUDGET_TURN" => Some("0.25/".into()),
            "CONCERT_BUDGET_DAY" => Some("/5000".into()),
            other => complete(other),
        })
        .unwrap();
        assert_eq!(
            settings.models,
            [
                "a.b-v1:0",
                "arn:aws:bedrock:us-east-1:1:inference-profile/x",
                "local.planner"
            ]
        );
        assert_eq!(settings.prices["a.b-v1:0"].micro_usd(1_000, 100), 4_500);
        assert_eq!(
            settings.budget_turn,
            Budget {
                micro_usd: Some(250_000),
                tokens: None
            }
        );
        assert_eq!(
            settings.budget_day,
            Budget {
                micro_usd: None,
                tokens: Some(5_000)
            }
        );
    }
}
