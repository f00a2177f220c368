//! What stands where: questions about links and their neighbours, about the catalogue and about what the data can
//! tell. Nothing here changes anything.

use super::*;

impl<'a> Builder<'a> {
    /// The index of the next link that says something.
    pub(super) fn after(&self, at: usize) -> Option<usize> {
        (at + 1..self.links.len()).find(|index| !self.is_light(*index))
    }

    pub(super) fn before(&self, at: usize) -> Option<usize> {
        (0..at).rev().find(|index| !self.is_light(*index))
    }

    pub(super) fn is_light(&self, at: usize) -> bool {
        self.links.get(at).is_some_and(|link| self.is_light_link(link))
    }

    /// "most often", "most frequently", "how often".
    pub(super) fn ranks_often(&self, link: &Link) -> bool {
        link.ranks() && (link.at..link.end()).any(|at| matches!(self.word(at), Some("often" | "frequently")))
    }

    pub(super) fn is_light_link(&self, link: &Link) -> bool {
        matches!(link.key(), Some(Key::Filler | Key::Preposition))
    }

    pub(super) fn key_before(&self, at: usize) -> Option<Key> {
        self.links.get(self.before(at)?)?.key()
    }

    pub(super) fn key_after(&self, at: usize) -> Option<Key> {
        self.links.get(self.after(at)?)?.key()
    }

    pub(super) fn reading(&self, at: usize, wanted: impl Fn(&Reading) -> bool) -> bool {
        self.links.get(at).is_some_and(|link| link.readings.iter().any(wanted))
    }

    pub(super) fn is_noun(&self, at: usize) -> bool {
        self.reading(at, |r| matches!(r, Reading::Metric(_) | Reading::Dimension(_)))
    }

    pub(super) fn is_compare(&self, at: usize) -> bool {
        self.reading(at, |r| matches!(r, Reading::Compare(..)))
    }

    pub(super) fn dimension(&self, index: usize) -> Option<&'a Dimension> {
        self.catalogue.dimensions.get(index)
    }

    pub(super) fn metric(&self, index: usize) -> Option<&'a Metric> {
        self.catalogue.metrics.get(index)
    }

    /// A noun that a number can be compared with.
    pub(super) fn is_countable(&self, at: usize) -> bool {
        self.links
            .get(at)
            .is_some_and(|link| link.metric().is_some() || self.numeric_dimension(link).is_some())
    }

    pub(super) fn numeric_dimension(&self, link: &Link) -> Option<usize> {
        let index = link.dimension()?;
        let dimension = self.dimension(index)?;
        (dimension.column.is_some() && dimension.column_type.is_number()).then_some(index)
    }

    pub(super) fn is_entity(&self, index: usize) -> bool {
        self.dimension(index)
            .is_some_and(|d| d.column.is_none() && d.part.is_none())
    }

    pub(super) fn entity(&self) -> Option<usize> {
        (0..self.catalogue.dimensions.len()).find(|index| self.is_entity(*index))
    }

    pub(super) fn dimension_of_part(&self, part: TimePart) -> Option<usize> {
        self.catalogue
            .dimensions
            .iter()
            .position(|dimension| dimension.part == Some(part))
    }

    /// Whether the data can tell a metric at all.
    pub(super) fn is_available(&self, index: usize) -> bool {
        self.is_available_by(index, None)
    }

    /// Whether the data can tell a metric by a dimension.
    pub(super) fn is_available_by(&self, index: usize, dimension: Option<&Dimension>) -> bool {
        self.metric(index).is_some_and(|metric| {
            let query = Query {
                metrics: vec![QueryMetric::from(&metric.name)],
                dimensions: dimension.map(|dimension| dimension.name.clone()).into_iter().collect(),
                ..Query::default()
            };
            self.compiles(&query)
        })
    }

    pub(super) fn compiles(&self, query: &Query) -> bool {
        let context = CompileContext {
            today: self.today,
            state: self.state,
            role: None,
            max_rows: 1,
            offset: 0,
        };
        compile(query, self.catalogue, &context).is_ok()
    }

    /// Whether one metric is money and the other one counts things.
    pub(super) fn prices(&self, money: usize, counted: usize) -> bool {
        self.metric(money).is_some_and(|metric| metric.unit == Unit::Currency)
            && self
                .metric(counted)
                .is_some_and(|metric| metric.unit == Unit::Count && metric.noun.is_some())
    }

    /// What is counted unless something else is named.
    pub(super) fn counted(&self) -> Option<(usize, &'a Metric)> {
        self.catalogue
            .metrics
            .iter()
            .enumerate()
            .find(|(_, metric)| metric.noun.is_some())
    }

    /// The metric of rows that nobody named one for: of single things an amount, of groups the first.
    pub(super) fn default_metric(&self, for_entity: bool) -> usize {
        let entity = self.entity().and_then(|index| self.dimension(index));
        let amount = |index: &usize| {
            self.metric(*index).is_some_and(|m| m.noun.is_none()) && self.is_available_by(*index, entity)
        };
        let any = (0..self.catalogue.metrics.len())
            .find(|index| self.is_available(*index))
            .unwrap_or(0);
        if for_entity {
            (0..self.catalogue.metrics.len()).find(amount).unwrap_or(any)
        } else {
            any
        }
    }

    pub(super) fn is_question_word(&self, at: usize) -> bool {
        let link = self.links.get(at);
        link.and_then(|l| self.tokens.get(l.at))
            .is_some_and(|t| matches!(t.norm.as_str(), "who" | "where" | "when"))
    }

    /// Whether links cover every word between two of them.
    pub(super) fn is_gapless(&self, first: usize, second: usize) -> bool {
        let ends = self.links.iter().skip(first).take(second - first);
        let starts = self.links.iter().skip(first + 1).take(second - first);
        ends.zip(starts).all(|(before, next)| before.end() == next.at)
    }

    /// Whether nothing but "of" and "the" stands between two links.
    pub(super) fn adjacent(&self, first: usize, second: usize) -> bool {
        let (Some(a), Some(b)) = (self.links.get(first), self.links.get(second)) else {
            return false;
        };
        self.tokens.get(a.end()..b.at).is_some_and(|between| {
            between
                .iter()
                .all(|t| matches!(t.norm.as_str(), "of" | "the" | "called" | "named"))
        })
    }

    /// Whether no word stands between two links.
    pub(super) fn touches(&self, first: usize, second: usize) -> bool {
        let ends = self.links.get(first).map(Link::end);
        ends.is_some() && ends == self.links.get(second).map(|link| link.at)
    }

    pub(super) fn word(&self, at: usize) -> Option<&str> {
        self.tokens.get(at).map(|token| token.norm.as_str())
    }

    pub(super) fn words(&self, link: &Link) -> String {
        self.tokens
            .get(link.at..link.end())
            .map(|tokens| {
                tokens
                    .iter()
                    .map(|token| token.text.as_str())
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .unwrap_or_default()
    }

    /// "artists from Texas" may be those who come from there, and not those who played there.
    pub(super) fn may_be_origin(&self, at: usize, dimension: &Dimension) -> bool {
        let Some(from) = at.checked_sub(1).filter(|from| {
            self.links
                .get(*from)
                .is_some_and(|link| self.word(link.at) == Some("from"))
        }) else {
            return false;
        };
        let table = |column: &Option<String>| column.as_deref().and_then(|c| c.split('.').next()).map(str::to_owned);
        let of = table(&dimension.column);
        from.checked_sub(1)
            .and_then(|thing| self.links.get(thing)?.dimension())
            .and_then(|index| self.dimension(index))
            .is_some_and(|thing| thing.key.is_some() && thing.column.is_some() && table(&thing.key) != of)
    }

    /// Whether a number is written with the sign of a currency.
    pub(super) fn says_money(&self, link: &Link) -> bool {
        self.tokens
            .get(link.at..link.end())
            .is_some_and(|tokens| tokens.iter().any(|token| token.text.contains(['$', '€', '£', '¥'])))
    }

    pub(super) fn is_scope(&self, link: &Link) -> bool {
        link.is_value() || link.readings.iter().any(|reading| matches!(reading, Reading::Time(_)))
    }

    /// "the highest attendance in each country": a ranking before, within what follows.
    pub(super) fn is_best_within(&self, at: usize) -> bool {
        let says_each = self.links.get(at).is_some_and(|link| {
            (link.at..link.end()).any(|token| matches!(self.word(token), Some("each" | "every" | "per")))
        });
        let ranked = self.links.iter().take(at).any(Link::ranks);
        says_each && ranked
    }

    /// Whether both sides of a comparison name something: two values, two times or two figures.
    pub(super) fn has_two_sides(&self, at: usize) -> bool {
        if self.before(at).is_none() {
            return true;
        }
        let names = |link: &Link| self.is_scope(link);
        let figures = [self.before(at), self.after(at)].into_iter().all(|side| {
            side.and_then(|index| self.links.get(index))
                .is_some_and(|link| link.metric().is_some())
        });
        figures
            || self.links.iter().take(at).any(names) && self.links.iter().skip(at + 1).any(names)
            || self.links.iter().skip(at + 1).filter(|link| names(link)).count() > 1
    }

    /// "did not play in Boston", "haven't played": not the place is negated but what happened there.
    pub(super) fn negates_verb(&self, at: usize) -> bool {
        let Some(link) = self.links.get(at) else { return false };
        let is_verb = |word: Option<&str>| {
            matches!(
                word,
                Some("do" | "does" | "did" | "have" | "has" | "had" | "can" | "could" | "will")
            )
        };
        let written = self.word(link.at).is_some_and(|word| {
            matches!(
                word,
                "dont" | "doesnt" | "didnt" | "havent" | "hasnt" | "hadnt" | "without"
            )
        });
        // "artists not playing in 2026"
        let is_participle = self.word(link.at) == Some("not")
            && self.word(link.end()).is_some_and(|next| {
                next.ends_with("ing")
                    && self
                        .links
                        .iter()
                        .any(|l| l.at == link.end() && l.key() == Some(Key::Filler))
            });
        is_participle
            || written && self.word(link.at) != Some("without")
            || is_verb(link.at.checked_sub(1).and_then(|at| self.word(at)))
    }

    /// Whether only words without a meaning stand before or after a link.
    pub(super) fn is_at_an_end(&self, at: usize) -> bool {
        let is_light = |index: usize| {
            self.links
                .get(index)
                .is_some_and(|link| matches!(link.key(), Some(Key::Filler | Key::List | Key::GoOn | Key::And)))
        };
        (0..at).all(is_light) || (at + 1..self.links.len()).all(is_light)
    }

    /// "artists who played in every city", "in all countries": what follows is no group but a condition.
    pub(super) fn holds_for_each(&self, at: usize) -> bool {
        let things_before = (0..at).any(|index| self.links.get(index).is_some_and(|link| link.dimension().is_some()));
        let thing_after = self
            .after(at)
            .and_then(|next| self.links.get(next))
            .is_some_and(|link| link.dimension().is_some() || matches!(link.key(), Some(Key::Grain(_))));
        let relative = (0..at).any(|index| {
            self.links
                .get(index)
                .and_then(|link| self.word(link.at))
                .is_some_and(|word| matches!(word, "who" | "that" | "which"))
        });
        things_before && thing_after && relative
    }

    /// "how many years": counting what no metric counts.
    pub(super) fn counts_nothing(&self, at: usize) -> bool {
        self.after(at)
            .and_then(|next| self.links.get(next))
            .is_some_and(|link| {
                link.metric().is_none() && (link.dimension().is_some() || matches!(link.key(), Some(Key::Grain(_))))
            })
    }

    /// "revenue per seat", "revenue per ticket": a figure over another figure.
    pub(super) fn is_ratio(&self, at: usize) -> bool {
        let says_per = self.links.get(at).and_then(|link| self.word(link.at)) == Some("per");
        says_per
            && self
                .after(at)
                .and_then(|next| self.links.get(next))
                .is_some_and(|link| {
                    self.numeric_dimension(link).is_some() || (link.metric().is_some() && link.dimension().is_none())
                })
    }

    /// "top customers": things that are only counted, and have no names to be listed by.
    pub(super) fn ranks_uncounted(&self, at: usize) -> bool {
        self.after(at)
            .and_then(|next| self.links.get(next))
            .is_some_and(|link| {
                link.dimension().is_none()
                    && link
                        .metric()
                        .and_then(|index| self.metric(index))
                        .is_some_and(|metric| metric.noun.is_some())
            })
    }

    pub(super) fn keys(&self, wanted: impl Fn(Key) -> bool) -> impl Iterator<Item = usize> {
        self.links
            .iter()
            .enumerate()
            .filter(move |(_, link)| link.key().is_some_and(&wanted))
            .map(|(at, _)| at)
    }

    pub(super) fn has_key(&self, wanted: impl Fn(Key) -> bool) -> bool {
        self.keys(wanted).next().is_some()
    }
}
