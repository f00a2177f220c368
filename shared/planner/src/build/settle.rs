//! Leaves each link the readings that its neighbours allow: "between" compares or names a time, "by" groups or names
//! who played, a word is a name or a word of the language.

use super::*;

impl Builder<'_> {
    /// "spend per ticket", "ratio of revenue to attendance", "takings divided by tickets": where the catalogue has a
    /// figure that is one by the other, in whatever words, the two links become one.
    pub(super) fn ratios(&mut self) {
        self.each_spends();
        let mut at = 0;
        while at + 1 < self.links.len() {
            if let Some((from, to, metric)) = self.ratio_at(at) {
                let end = self.links.get(to).map_or(0, Link::end);
                if let Some(link) = self.links.get_mut(from) {
                    link.length = end - link.at;
                    link.readings = vec![Reading::Metric(metric)];
                }
                self.links.drain(from + 1..=to);
            }
            at += 1;
        }
    }

    /// Where a ratio of two figures begins and ends, and the metric that it is.
    fn ratio_at(&self, at: usize) -> Option<(usize, usize, usize)> {
        let link = self.links.get(at)?;
        let says_ratio = link.key() == Some(Key::Beyond(Lack::Share)) && self.word(link.at) == Some("ratio");
        let (from, first) = if says_ratio { (at, self.after(at)?) } else { (at, at) };
        let over = self.links.get(first)?;
        let over_metric = over.metric().filter(|_| over.dimension().is_none())?;
        let (mut next, mut joins) = (first + 1, says_ratio);
        while let Some(between) = self.links.get(next) {
            let word = self.word(between.at);
            match between.key() {
                Some(Key::By) if word == Some("per") || between.length > 1 && word == Some("divided") => joins = true,
                Some(Key::Preposition) if word == Some("to") && says_ratio => {}
                // "revenue a head"
                Some(Key::Filler) if word == Some("a") && next == first + 1 => joins = true,
                Some(Key::Filler) => {}
                _ => break,
            }
            next += 1;
        }
        let under = self
            .links
            .get(next)
            .filter(|_| joins && next > first + usize::from(!says_ratio))?;
        let over = self.catalogue.metrics.get(over_metric)?;
        // "average revenue per spectator": of all revenue.
        let over = crate::construct::sum_of(self.catalogue, over)
            .and_then(|sum| self.metric(sum))
            .unwrap_or(over);
        let metric = self.one_by_other(over, under)?;
        Some((from, next, metric))
    }

    /// The metric of the catalogue that is one figure by another, in whatever words the other is named.
    fn one_by_other(&self, over: &Metric, under: &Link) -> Option<usize> {
        let mut under_words: Vec<String> = vec![self.words(under)];
        if let Some(metric) = under.metric().and_then(|index| self.metric(index)) {
            under_words.extend(metric.synonyms.iter().cloned());
            under_words.extend(metric.noun.iter().flatten().cloned());
        }
        let stems =
            |text: &str| -> Vec<String> { crate::text::tokens(text).into_iter().map(|token| token.stem).collect() };
        let over_words = [over.name.replace('_', " "), over.label.clone()];
        let wanted: Vec<Vec<String>> = over_words
            .iter()
            .flat_map(|over| under_words.iter().map(move |under| format!("{over} per {under}")))
            .map(|phrase| stems(&phrase))
            .collect();
        self.catalogue.metrics.iter().position(|metric| {
            metric
                .synonyms
                .iter()
                .chain([&metric.label])
                .any(|phrase| wanted.contains(&stems(phrase)))
        })
    }

    /// "what did each fan spend", "what a visitor pays": money by people, where the catalogue has it; what it has not
    /// is asked for in vain.
    fn each_spends(&mut self) {
        let found = (0..self.links.len()).find_map(|at| {
            let link = self.links.get(at)?;
            let is_one = !self.tokens.get(link.end().checked_sub(1)?)?.is_plural();
            let people = link
                .metric()
                .filter(|_| is_one && link.dimension().is_none())
                .and_then(|index| self.metric(index))
                .filter(|metric| metric.unit == Unit::Count)?;
            let lead = link.at.checked_sub(1).and_then(|at| self.word(at))?;
            let is_led = matches!(lead, "a" | "an" | "each" | "every" | "average" | "typical" | "single");
            let verb = Some(at + 1).filter(|next| self.touches(at, *next) && is_led)?;
            let money = self.links.get(verb)?;
            // "pay" says money by itself, without being the name of a figure.
            let pays = self
                .word(money.at)
                .is_some_and(|word| matches!(word, "pay" | "pays" | "paid"));
            let usual = || {
                self.catalogue
                    .metrics
                    .iter()
                    .find(|metric| metric.unit == Unit::Currency)
            };
            let over = money
                .metric()
                .filter(|_| money.dimension().is_none())
                .and_then(|index| self.metric(index))
                .or_else(|| usual().filter(|_| pays))
                .filter(|metric| metric.unit == Unit::Currency && metric.name != people.name)?;
            let from = at
                .checked_sub(1)
                .filter(|before| {
                    self.links
                        .get(*before)
                        .is_some_and(|link| matches!(link.key(), Some(Key::By | Key::Every | Key::Average)))
                })
                .unwrap_or(at);
            Some((from, verb, self.one_by_other(over, link)))
        });
        let Some((from, to, metric)) = found else { return };
        let end = self.links.get(to).map_or(0, Link::end);
        if let Some(link) = self.links.get_mut(from) {
            link.length = end - link.at;
            link.readings = vec![metric.map_or(Reading::Key(Key::Beyond(Lack::Ratio)), Reading::Metric)];
        }
        self.links.drain(from + 1..=to);
    }

    /// Leaves each link the readings that its neighbours allow.
    pub(super) fn settle(&mut self) {
        for at in 0..self.links.len() {
            let Some(link) = self.links.get(at) else { continue };
            let has_time = link.readings.iter().any(|reading| matches!(reading, Reading::Time(_)));
            let has_compare = link
                .readings
                .iter()
                .any(|reading| matches!(reading, Reading::Compare(..)));
            if has_time && has_compare {
                // "between 1950 and 2000 seats" compares, "between 1950 and 2000" is a time.
                let compares = self.after(at).is_some_and(|next| self.is_countable(next)) || self.is_no_year_here(at);
                if let Some(link) = self.links.get_mut(at) {
                    link.readings.retain(|reading| match reading {
                        Reading::Time(_) => !compares,
                        Reading::Compare(..) => compares,
                        _ => true,
                    });
                }
            }
            let is_ranked = self
                .key_before(at)
                .is_some_and(|key| matches!(key, Key::RankThings(_) | Key::InTime(_) | Key::Next));
            if let Some(link) = self.links.get_mut(at)
                && link.readings.len() > 1
                && link
                    .readings
                    .iter()
                    .any(|reading| matches!(reading, Reading::Number(_)))
            {
                link.readings
                    .retain(|reading| matches!(reading, Reading::Number(_)) == is_ranked);
            }
            self.settle_name(at);
            if self.links.get(at).and_then(Link::key) == Some(Key::But) {
                let every = (0..at).any(|index| self.links.get(index).and_then(Link::key) == Some(Key::Every))
                    || self
                        .tokens
                        .iter()
                        .any(|token| matches!(token.norm.as_str(), "any" | "everything" | "anything"));
                let names = self
                    .after(at)
                    .and_then(|next| self.links.get(next))
                    .is_some_and(Link::is_value);
                let key = if every && names { Key::Not } else { Key::Filler };
                if let Some(link) = self.links.get_mut(at) {
                    link.readings = vec![Reading::Key(key)];
                }
            }
            // "show 5" orders, "the show on Friday" is a concert.
            let orders =
                at == 0 && self.links.len() == 2 && self.reading(1, |reading| matches!(reading, Reading::Number(_)));
            if orders && let Some(link) = self.links.get_mut(at) {
                let says_list = |reading: &Reading| matches!(reading, Reading::Key(Key::List));
                if link.readings.iter().any(says_list) {
                    link.readings.retain(says_list);
                }
            }
            // "show concerts in Chicago" orders too, "show with the highest attendance" is a concert.
            let opens = (0..at).all(|index| self.is_light(index));
            let is_noun = self
                .links
                .get(at)
                .and_then(|link| self.word(link.end()))
                .is_some_and(|next| {
                    matches!(
                        next,
                        "with" | "that" | "which" | "where" | "who" | "by" | "in" | "at" | "on" | "of"
                    )
                });
            let is_singular = self
                .links
                .get(at)
                .and_then(|link| self.tokens.get(link.at))
                .is_some_and(|token| !token.is_plural());
            if opens
                && !is_noun
                && is_singular
                && self.after(at).is_some()
                && let Some(link) = self.links.get_mut(at)
            {
                let says_list = |reading: &Reading| matches!(reading, Reading::Key(Key::List));
                if link.readings.iter().any(says_list) {
                    link.readings.retain(says_list);
                }
            }
            // "by Fugazi" names an artist, it does not group.
            let names = self.links.get(at).is_some_and(|link| link.key() == Some(Key::By))
                && self
                    .after(at)
                    .and_then(|next| self.links.get(next))
                    .is_some_and(|next| next.is_value() && next.dimension().is_none() && next.metric().is_none());
            let splits = self.links.get(at).is_some_and(|link| {
                (link.at..link.end())
                    .any(|token| matches!(self.word(token), Some("split" | "broken" | "break" | "divided")))
            });
            if names && let Some(link) = self.links.get_mut(at) {
                // "split into online and phone"
                let key = if splits { Key::Versus } else { Key::Preposition };
                link.readings = vec![Reading::Key(key)];
            }
        }
    }

    /// "attendance over 2000": a number behind a figure, and a year that the data knows nothing of.
    fn is_no_year_here(&self, at: usize) -> bool {
        let figure = at.checked_sub(1).is_some_and(|before| {
            self.touches(before, at)
                && self.links.get(before).is_some_and(|link| {
                    link.metric().is_some() && link.dimension().is_none() || self.numeric_dimension(link).is_some()
                })
        });
        let years = self
            .state
            .tables
            .iter()
            .filter_map(|table| Some((table.first_day?.year(), table.last_complete_day?.year() + 1)));
        let (first, last) = years.fold((i16::MAX, i16::MIN), |(first, last), (from, to)| {
            (first.min(from), last.max(to))
        });
        let year = self
            .links
            .get(at)
            .and_then(|link| self.word(link.end().saturating_sub(1)))
            .and_then(|word| word.parse().ok());
        figure && year.is_some_and(|year: i16| first <= last && !(first..=last).contains(&year))
    }

    /// A word that is a name and a word of the language as well: which of the two.
    pub(super) fn settle_name(&mut self, at: usize) {
        let Some(link) = self.links.get(at) else { return };
        let is_value = |r: &Reading| matches!(r, Reading::Value { .. } | Reading::Part { .. });
        let values = link.readings.iter().filter(|r| is_value(r)).count();
        if values == 0 || values == link.readings.len() {
            return;
        }
        // "box office in 2025" is a figure where no other is named, and a channel beside one.
        if link.metric().is_some() {
            let others = (0..self.links.len()).any(|index| {
                index != at
                    && self.links.get(index).is_some_and(|link| {
                        link.metric().is_some() && link.dimension().is_none() || self.entity_noun(link)
                    })
            });
            // "compare online and box office"
            let of = |index: usize| {
                self.links
                    .get(index)?
                    .readings
                    .iter()
                    .find_map(|reading| match reading {
                        Reading::Value { dimension, .. } => Some(*dimension),
                        _ => None,
                    })
            };
            let joins = |index: usize| {
                matches!(
                    self.links.get(index).and_then(Link::key),
                    Some(Key::And | Key::Versus | Key::With)
                )
            };
            let ahead = self
                .before(at)
                .filter(|and| joins(*and))
                .and_then(|and| self.before(and));
            let behind = self.after(at).filter(|and| joins(*and)).and_then(|and| self.after(and));
            let beside = [ahead, behind].into_iter().flatten().any(|other| of(other) == of(at));
            let is_name = others || beside;
            if let Some(link) = self.links.get_mut(at) {
                link.readings.retain(|reading| is_value(reading) == is_name);
            }
            return;
        }
        // Linking has let it pass as a name only where it is written as one.
        let of_question = matches!(
            self.key_before(at),
            Some(Key::By | Key::SortBy | Key::Which | Key::Count)
        );
        let is_owner = link.at > 0
            && self.tokens.get(link.at).is_some_and(|token| {
                token.is_capital() && token.text.ends_with("s") && token.text.contains(['\'', '’'])
            });
        // "by Who" names a band: a question word is written small there.
        let is_capital_question = link.at > 0
            && self.key_before(at) == Some(Key::By)
            && self.is_question_word(at)
            && self.tokens.get(link.at).is_some_and(Token::is_capital);
        let is_name = link.length > 1 || !of_question || is_owner || is_capital_question;
        if let Some(link) = self.links.get_mut(at) {
            link.readings.retain(|reading| is_value(reading) == is_name);
        }
    }
}
