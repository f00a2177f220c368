//! What a person's turns have cost on a day, in millionths of a US dollar and in tokens.

use super::{Store, key, number, user};
use crate::failure::Failure;
use concert_aws::dynamodb::{AttributeValue, Placeholders, UpdateItem};
use jiff::civil::Date;

/// A day's item is only needed on its day; two more for clocks that differ.
const KEPT_S: u64 = 3 * 24 * 60 * 60;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    pub micro_usd: u64,
    pub tokens: u64,
}

impl Store {
    pub async fn spent(&self, viewer: &str, day: Date) -> Result<Spent, Failure> {
        let item = self.get(key(&user(viewer), &sort(day))).await?.unwrap_or_default();
        Ok(Spent {
            micro_usd: number(&item, "micro_usd").unwrap_or(0),
            tokens: number(&item, "tokens").unwrap_or(0),
        })
    }

    /// Adds to the day and gives its sum.
    pub async fn spend(&self, viewer: &str, day: Date, more: Spent) -> Result<Spent, Failure> {
        let update = UpdateItem {
            key: key(&user(viewer), &sort(day)),
            update_expression: "ADD micro_usd :usd, tokens :tokens SET expires_at = :expires".to_owned(),
            placeholders: Placeholders::default()
                .value("usd", AttributeValue::number(more.micro_usd))
                .value("tokens", AttributeValue::number(more.tokens))
                .value("expires", AttributeValue::number(self.now_ms() / 1000 + KEPT_S)),
            return_values: Some("ALL_NEW".to_owned()),
            ..UpdateItem::default()
        };
        let item = self.update(update).await?.unwrap_or_default();
        Ok(Spent {
            micro_usd: number(&item, "micro_usd").unwrap_or(more.micro_usd),
            tokens: number(&item, "tokens").unwrap_or(more.tokens),
        })
    }
}

fn sort(day: Date) -> String {
    format!("DAY#{day}")
}
