//! What can be looked at and told apart as well or not: the home and its data ([`data`]), the settings ([`settings`]) and
//! the services that they name ([`services`]). `concert doctor` tells all of it, `concert status` what is wrong with
//! the data.

pub mod data;
pub mod services;
pub mod settings;

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    /// Everything works, and something should be known or done.
    Warning,
    /// Something does not work, or an answer may be wrong.
    Error,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Error => "error",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub state: State,
    /// What is there, or what is wrong.
    pub found: String,
    /// What it means where it is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub means: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Check {
    pub fn ok(name: &'static str, found: impl Into<String>) -> Check {
        Check {
            name,
            state: State::Ok,
            found: found.into(),
            means: None,
            mend: None,
        }
    }

    pub fn warning(name: &'static str, found: impl Into<String>, means: &str, mend: impl Into<String>) -> Check {
        Check {
            state: State::Warning,
            means: Some(means.to_owned()),
            mend: Some(mend.into()),
            ..Check::ok(name, found)
        }
    }

    pub fn error(name: &'static str, found: impl Into<String>, means: &str, mend: impl Into<String>) -> Check {
        Check {
            state: State::Error,
            ..Check::warning(name, found, means, mend)
        }
    }
}

/// `12.3 MiB`: bytes for people.
pub fn bytes(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// An error with its causes, on one line.
pub fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Libraries often repeat their cause in their own text.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
