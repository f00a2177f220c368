//! What a turn's model calls cost: counted after each, compared with the turn's budget and with the person's budget of
//! the day before the next.

use super::Turn;
use crate::{
    Level,
    failure::Failure,
    settings::Budget,
    store::{Store, spent::Spent},
    upstream::Context,
};
use concert_aws::bedrock::Usage;
use concert_contract::chat::ChatEvent;
use jiff::civil::Date;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

pub struct Account {
    store: Option<Store>,
    viewer: String,
    /// In UTC and by the host's clock, whatever day questions count from.
    day: Date,
    turn: Spent,
    of_day: Spent,
    usage: Usage,
    /// Whether every call so far was one of a model whose price is known.
    is_priced: bool,
}

impl Account {
    pub async fn open(context: &Context, turn: &Turn) -> Result<Account, Failure> {
        let day = context.utc_day();
        let of_day = match &turn.store {
            Some(store) => store.spent(&turn.viewer.id, day).await?,
            None => Spent::default(),
        };
        Ok(Account {
            store: turn.store.clone(),
            viewer: turn.viewer.id.clone(),
            day,
            turn: Spent::default(),
            of_day,
            usage: Usage::default(),
            is_priced: true,
        })
    }

    /// # Errors
    /// 429 when the turn or the day has cost what it may.
    pub fn check(&self, context: &Context) -> Result<(), Failure> {
        let settings = &context.edge.settings;
        let until_midnight_s = u32::try_from((DAY_MS - context.host.now_ms() % DAY_MS) / 1000).unwrap_or(u32::MAX);
        if is_used_up(self.of_day, settings.budget_day) {
            return Err(Failure::limit(
                "day_budget_used_up",
                "Your questions of today have cost what they may cost in a day.",
                until_midnight_s,
            )
            .with_action("Ask again tomorrow."));
        }
        if is_used_up(self.turn, settings.budget_turn) {
            return Err(Failure::limit(
                "turn_budget_used_up",
                "This answer has cost what one answer may cost.",
                0,
            )
            .with_action("Ask a simpler question."));
        }
        Ok(())
    }

    /// Counts one call.
    pub async fn add(&mut self, context: &Context, model: &str, usage: Usage) -> Result<(), Failure> {
        self.usage.input_tokens += usage.input_tokens;
        self.usage.output_tokens += usage.output_tokens;
        let price = context.edge.settings.prices.get(model);
        self.is_priced &= price.is_some();
        let more = Spent {
            micro_usd: price.map_or(0, |price| price.micro_usd(usage.input_tokens, usage.output_tokens)),
            tokens: usage.input_tokens + usage.output_tokens,
        };
        self.turn.micro_usd += more.micro_usd;
        self.turn.tokens += more.tokens;
        context.log(
            Level::Info,
            &format!(
                "{model}: {} tokens in, {} out, {} micro-dollars",
                usage.input_tokens, usage.output_tokens, more.micro_usd
            ),
        );
        if let Some(store) = &self.store
            && more != Spent::default()
        {
            self.of_day = store.spend(&self.viewer, self.day, more).await?;
        }
        Ok(())
    }

    /// The event that tells it; none where nothing was counted.
    pub fn usage(&self) -> Option<ChatEvent> {
        (self.turn.tokens > 0).then(|| ChatEvent::Usage {
            input_tokens: self.usage.input_tokens,
            output_tokens: self.usage.output_tokens,
            cost: self.is_priced.then_some(self.turn.micro_usd as f64 / 1e6),
        })
    }
}

fn is_used_up(spent: Spent, budget: Budget) -> bool {
    budget
        .micro_usd
        .is_some_and(|most| most <= spent.micro_usd && spent.micro_usd > 0)
        || budget.tokens.is_some_and(|most| most <= spent.tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_used_up_by_money_or_by_tokens() {
        let budget = Budget {
            micro_usd: Some(100),
            tokens: Some(10),
        };
        for (micro_usd, tokens, expected) in [(0, 0, false), (99, 9, false), (100, 0, true), (0, 10, true)] {
            assert_eq!(
                is_used_up(Spent { micro_usd, tokens }, budget),
                expected,
                "{micro_usd} {tokens}"
            );
        }
        let none = Budget::default();
        assert!(!is_used_up(
            Spent {
                micro_usd: u64::MAX,
                tokens: u64::MAX
            },
            none
        ));
    }
}
