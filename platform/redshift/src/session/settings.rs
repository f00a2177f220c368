//! SET, SHOW and RESET: the settings that tools send. Few of them mean anything here; each is kept and shown again.

use super::{Outcome, Sink, State, give, scope};
use crate::{error::RedshiftError, moment, result::QueryResult};
use std::collections::BTreeMap;

/// Redshift's settings and their defaults.
const KNOWN: [(&str, &str); 22] = [
    ("analyze_threshold_percent", "10"),
    ("application_name", ""),
    ("autocommit", "on"),
    ("client_encoding", "utf-8"),
    ("datestyle", "ISO, MDY"),
    ("default_identifier_case", "lower"),
    ("describe_field_name_in_uppercase", "off"),
    ("downcase_delimited_identifier", "on"),
    ("enable_case_sensitive_identifier", "off"),
    ("enable_result_cache_for_session", "on"),
    ("extra_float_digits", "0"),
    ("json_serialization_enable", "false"),
    ("max_cursor_result_set_size", "default"),
    ("navigate_super_null_on_error", "on"),
    ("query_group", ""),
    ("search_path", "$user, public"),
    ("server_version", "8.0.2"),
    ("spectrum_query_maxerror", "0"),
    ("statement_timeout", "0"),
    ("timezone", "UTC"),
    ("wlm_query_slot_count", "1"),
    ("transaction_isolation", "serializable"),
];

pub(super) fn defaults() -> BTreeMap<String, String> {
    BTreeMap::new()
}

fn known(name: &str) -> Result<&'static str, RedshiftError> {
    KNOWN
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| *value)
        .ok_or_else(|| RedshiftError::Data(format!("unrecognized configuration parameter \"{name}\"")))
}

impl State {
    pub(super) fn set(&mut self, name: &str, value: Option<String>) -> Result<(), RedshiftError> {
        if name == "session_authorization" {
            let user = value.unwrap_or_default();
            let exists = self.catalog().is_some_and(|catalog| catalog.users.contains_key(&user));
            if !exists {
                return Err(RedshiftError::Data(format!("user \"{user}\" does not exist")));
            }
            self.user = user;
            return Ok(());
        }
        let default = known(name)?;
        let value = value.unwrap_or_else(|| default.to_owned());
        let invalid = || RedshiftError::Data(format!("invalid value for parameter \"{name}\": \"{value}\""));
        match name {
            "timezone" if moment::zone(&value).is_none() => return Err(invalid()),
            "statement_timeout" | "wlm_query_slot_count" if value.parse::<u64>().is_err() => return Err(invalid()),
            "enable_case_sensitive_identifier" if matches!(value.as_str(), "true" | "on" | "1") => {
                return Err(RedshiftError::NotSupported(
                    "names are folded to lower case here; enable_case_sensitive_identifier stays off".to_owned(),
                ));
            }
            "server_version" | "transaction_isolation" => {
                return Err(RedshiftError::Data(format!("parameter \"{name}\" cannot be changed")));
            }
            _ => {}
        }
        self.settings.insert(name.to_owned(), value);
        Ok(())
    }

    pub(super) fn reset(&mut self, name: Option<&str>) {
        match name {
            Some(name) => {
                self.settings.remove(name);
            }
            None => self.settings.clear(),
        }
    }

    pub(super) fn show_variable(&self, name: &str, sink: &mut dyn Sink) -> Result<Outcome, RedshiftError> {
        let name = if name == "time zone" { "timezone" } else { name };
        if name == "all" {
            let rows = KNOWN
                .iter()
                .map(|(name, default)| {
                    let value = self.settings.get(*name).map_or(*default, String::as_str);
                    vec![Some((*name).to_owned()), Some(value.to_owned())]
                })
                .collect();
            return give(sink, &QueryResult::texts(&["name", "setting"], rows)?);
        }
        let value = match self.settings.get(name) {
            Some(value) => value.clone(),
            None if name == "search_path" => scope::default_path(&self.database.name).join(", "),
            None => known(name)?.to_owned(),
        };
        give(sink, &QueryResult::texts(&[name], vec![vec![Some(value)]])?)
    }

    /// The schemas in which names without one are looked for.
    pub(super) fn search_path(&self) -> Vec<String> {
        let set = self.settings.get("search_path").cloned();
        let path = set.map(|text| {
            text.split(',')
                .map(|part| part.trim().trim_matches(['"', '\'']).to_lowercase())
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
        });
        let of_user = || {
            let user = self.catalog()?.users.get(&self.user)?;
            user.search_path.clone()
        };
        path.or_else(of_user)
            .unwrap_or_else(|| scope::default_path(&self.database.name))
            .into_iter()
            .map(|part| if part == "$user" { self.user.clone() } else { part })
            .collect()
    }
}
