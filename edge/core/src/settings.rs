//! The settings that the edge reads, checked all at once at the start.

use concert_aws::{Aws, Credentials};
use concert_contract::money::Currency;
use jiff::civil::Date;
use std::fmt;

/// A key shorter than this can be guessed.
const COOKIE_KEY_MIN_CHARS: usize = 16;

#[derive(Clone)]
pub struct Settings {
    pub aws: Aws,
    pub workgroup: String,
    pub database: String,
    /// In order of preference, at least one.
    pub models: Vec<String>,
    pub cookie_key: Vec<u8>,
    /// Fixes the clock's day; else it is the host's, in UTC.
    pub today: Option<Date>,
    pub currency: Currency,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("aws", &self.aws)
            .field("workgroup", &self.workgroup)
            .field("database", &self.database)
            .field("models", &self.models)
            .field("today", &self.today)
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

        let models: Vec<String> = models
            .split(',')
            .map(str::trim)
            .filter(|model| !model.is_empty())
            .map(str::to_owned)
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
            cookie_key: cookie_key.into_bytes(),
            today,
            currency,
        })
    }
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
          CONCERT_AWS_ENDPOINT: "localhost" is not an endpoint: write http://HOST:PORT or https://HOST, or leave it empty for AWS
        "#);
    }
}
