//! What the page says when something is not as it should be: what happened, what it means, what to do.

use crate::turn::Problem;
use concert_contract::{error::ErrorCategory, format::integer};

/// A failure in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    pub what: String,
    pub then: String,
    /// For whoever looks into it; copied with a button.
    pub reference: Option<String>,
    /// Whether asking again can help.
    pub retry: bool,
}

pub fn problem(problem: &Problem) -> Words {
    match problem {
        Problem::Envelope(envelope) => {
            let mut then = envelope
                .suggested_action
                .clone()
                .unwrap_or_else(|| match envelope.error_category {
                    ErrorCategory::Validation => "Ask in other words.".to_owned(),
                    ErrorCategory::NotFound | ErrorCategory::NotAvailable => "Ask for something else.".to_owned(),
                    ErrorCategory::Forbidden => "Sign in with an account that may see this.".to_owned(),
                    ErrorCategory::Limit => "Wait, then ask again.".to_owned(),
                    ErrorCategory::Upstream | ErrorCategory::Internal => "Your question is kept. Ask again.".to_owned(),
                });
            if let Some(seconds) = envelope.retry_after {
                then.push_str(&format!(" It can be asked again in {}.", duration(seconds)));
            }
            Words {
                what: envelope.error_message.clone(),
                then,
                reference: Some(envelope.correlation_id.clone()),
                retry: !matches!(
                    envelope.error_category,
                    ErrorCategory::Validation | ErrorCategory::Forbidden | ErrorCategory::NotAvailable
                ),
            }
        }
        Problem::Unreachable => Words {
            what: "The server does not answer.".to_owned(),
            then: "Your question is kept. Check the connection, or that the server is running, and ask again."
                .to_owned(),
            reference: None,
            retry: true,
        },
        Problem::CutOff => Words {
            what: "The connection broke off before the answer was whole.".to_owned(),
            then: "What has come is shown and may be incomplete. Ask again for all of it.".to_owned(),
            reference: None,
            retry: true,
        },
        Problem::Unreadable(detail) => Words {
            what: "The server's answer could not be read.".to_owned(),
            then: "Page and server may be of different versions. Reload the page, then ask again.".to_owned(),
            reference: Some(detail.clone()),
            retry: true,
        },
    }
}

fn duration(seconds: u32) -> String {
    match seconds {
        1 => "1 second".to_owned(),
        2..=119 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// How long ago, in words: "just now", "2 min ago", "3 h ago", "5 days ago".
pub fn ago(ms: f64) -> String {
    let minutes = (ms / 60_000.0).max(0.0) as u64;
    match minutes {
        0 => "just now".to_owned(),
        1..=59 => format!("{minutes} min ago"),
        60..=2879 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}

/// A table's name as words: `ticket_sales` → "ticket sales".
pub fn table(name: &str) -> String {
    name.replace('_', " ")
}

/// "1,049 concerts", "1 artist".
pub fn counted(rows: u64, table_name: &str) -> String {
    let name = table(table_name);
    let name = if rows == 1 {
        name.strip_suffix('s').unwrap_or(&name)
    } else {
        &name
    };
    format!("{} {name}", integer(i64::try_from(rows).unwrap_or(i64::MAX)))
}

/// "a", "a and b", "a, b and c".
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_lists_read_as_people_say_them() {
        let minute = 60_000.0;
        assert_eq!(
            [-1.0, 0.9, 2.0, 59.9, 61.0, 2879.0, 2880.0].map(|m| ago(m * minute)),
            [
                "just now",
                "just now",
                "2 min ago",
                "59 min ago",
                "1 h ago",
                "47 h ago",
                "2 days ago"
            ]
        );
        assert_eq!(counted(1, "artists"), "1 artist");
        assert_eq!(counted(50_000, "ticket_sales"), "50,000 ticket sales");
        let items = |n: usize| ["a", "b", "c"][..n].iter().map(|s| s.to_string()).collect::<Vec<_>>();
        assert_eq!(
            [0, 1, 2, 3].map(|n| list(&items(n))),
            ["", "a", "a and b", "a, b and c"]
        );
        assert_eq!([1, 60, 200].map(duration), ["1 second", "60 seconds", "4 minutes"]);
    }

    #[test]
    fn no_problem_ends_without_what_to_do() {
        for case in [Problem::Unreachable, Problem::CutOff, Problem::Unreadable("x".into())] {
            let words = problem(&case);
            assert!(
                words.what.ends_with('.') && words.then.ends_with('.') && words.retry,
                "{words:?}"
            );
        }
    }
}
