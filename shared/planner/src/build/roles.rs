//! The role of each noun: a figure that is asked for, a group, the target of a comparison, an order, or context that
//! says nothing new.

use super::*;

impl Builder<'_> {
    pub(super) fn roles(&self) -> Vec<Role> {
        let mut roles = vec![Role::None; self.links.len()];
        for at in 0..self.links.len() {
            if self.is_compare(at)
                && let Some(target) = self.compare_target(at, &roles)
                && let Some(role) = roles.get_mut(target)
            {
                *role = Role::Target;
                // "holding more than 5,000 people"
                let number = self
                    .links
                    .get(target)
                    .is_some_and(|link| self.numeric_dimension(link).is_some());
                if target < at
                    && number
                    && let Some(next) = self
                        .after(at)
                        .filter(|next| self.touches(at, *next) && self.is_countable(*next))
                    && let Some(role) = roles.get_mut(next)
                {
                    *role = Role::Context;
                }
            }
        }
        for at in 0..self.links.len() {
            if let Some(role) = self.said_twice(at, &roles)
                && let Some(slot) = roles.get_mut(at)
            {
                *slot = role;
                continue;
            }
            // "concerts where …", "artists who …": the word refers to the noun before it.
            let refers = self.is_question_word(at) && (0..at).any(|earlier| self.is_noun(earlier));
            if self.is_noun(at) && !refers && roles.get(at) == Some(&Role::None) {
                let role = self.role(at, &roles);
                if let Some(slot) = roles.get_mut(at) {
                    *slot = role;
                }
            }
        }
        roles
    }

    /// "drew more than 3,000 people", "customers who bought tickets": a figure that is named by its verb as well, or by
    /// the object of what is counted.
    pub(super) fn said_twice(&self, at: usize, roles: &[Role]) -> Option<Role> {
        let link = self.links.get(at)?;
        let metric = link.metric().filter(|_| roles.get(at) == Some(&Role::None))?;
        let compared = self
            .after(at)
            .filter(|next| self.is_compare(*next))
            .and_then(|next| self.after(next));
        let is_target = compared.is_some_and(|target| {
            roles.get(target) == Some(&Role::Target) && self.links.get(target).and_then(Link::metric) == Some(metric)
        });
        if is_target {
            return Some(Role::Context);
        }
        if self.is_verb_of_figure(at, roles) {
            return Some(Role::Context);
        }
        // "how many customers bought tickets"
        let counted = (0..at).find(|index| self.links.get(*index).and_then(Link::key) == Some(Key::Count))?;
        let subject = self
            .after(counted)
            .filter(|subject| self.before(at) == Some(*subject))?;
        let of_subject = self.metric(self.links.get(subject)?.metric()?)?;
        let is_distinct = of_subject
            .sources
            .iter()
            .all(|s| s.aggregate == Aggregate::CountDistinct);
        let is_object = self.metric(metric).is_some_and(|metric| metric.noun.is_some()) && !self.touches(subject, at);
        (is_distinct && is_object).then_some(Role::Context)
    }

    /// Whether two figures are one, and whether it is the first. None where something sets them side by side.
    pub(super) fn is_one_thing(&self, first: usize, second: usize) -> Option<bool> {
        const VERBS: [&str; 22] = [
            "made",
            "make",
            "makes",
            "spend",
            "spends",
            "spent",
            "earn",
            "earned",
            "earns",
            "brought",
            "bring",
            "take",
            "took",
            "sold",
            "charged",
            "drew",
            "draw",
            "grossed",
            "generated",
            "attended",
            "pay",
            "paid",
        ];
        let (a, b) = (self.links.get(first)?, self.links.get(second)?);
        let mut lead = self.before(second);
        while lead.is_some_and(|index| {
            matches!(
                self.links.get(index).and_then(Link::key),
                Some(Key::Count | Key::Average | Key::List)
            )
        }) {
            lead = lead.and_then(|index| self.before(index));
        }
        let joined = lead.is_some_and(|index| {
            let link = self.links.get(index);
            link.is_some_and(Link::ranks)
                || self.is_compare(index)
                || matches!(
                    link.and_then(Link::key),
                    Some(
                        Key::And
                            | Key::With
                            | Key::Versus
                            | Key::By
                            | Key::SortBy
                            | Key::Than
                            | Key::Also
                            | Key::Add
                            | Key::Share
                            | Key::More(_)
                            | Key::Median
                            | Key::Percentile
                    )
                )
        });
        let gap = self.tokens.get(a.end()..b.at)?;
        let comma = self
            .tokens
            .get(a.end()..b.at + 1)?
            .iter()
            .any(|token| token.after_comma);
        let counts = |link: &Link| {
            link.metric()
                .and_then(|index| self.metric(index))
                .is_some_and(|metric| metric.unit == Unit::Count)
        };
        let is_verb = |link: &Link| self.word(link.at).is_some_and(|word| VERBS.contains(&word));
        let ranked = self
            .before(second)
            .is_some_and(|index| self.links.get(index).is_some_and(Link::ranks));
        if ranked && is_verb(a) && !comma {
            // "generated the most tickets"
            return Some(false);
        }
        if joined || comma {
            return None;
        }
        let asked = self.key_before(first) == Some(Key::Count);
        let passive = gap
            .iter()
            .any(|token| matches!(token.norm.as_str(), "were" | "was" | "is" | "are" | "been" | "being"));
        Some(if is_verb(b) {
            asked || passive || !counts(a) || counts(b)
        } else if is_verb(a) && !counts(a) {
            true
        } else if gap.is_empty() {
            // "ticket revenue" is revenue, "the price people paid" a price.
            let is_plural = self.tokens.get(b.end().saturating_sub(1)).is_some_and(Token::is_plural);
            asked || !counts(a) && counts(b) || counts(a) && counts(b) && is_plural
        } else {
            true
        })
    }

    /// "purchases were made online", "tickets sold for Silver Lakes": a verb that would be a figure by itself, said of
    /// one; and "customers spend", where the one who does it is none.
    fn is_verb_of_figure(&self, at: usize, roles: &[Role]) -> bool {
        const PASSIVE: [&str; 8] = ["were", "was", "are", "is", "been", "being", "got", "get"];
        const VERBS: [&str; 16] = [
            "made", "make", "makes", "spend", "spends", "spent", "earn", "earned", "earns", "brought", "bring", "take",
            "took", "sold", "charged", "drew",
        ];
        let is_verb = |index: usize| {
            self.links
                .get(index)
                .and_then(|link| self.word(link.at))
                .is_some_and(|word| VERBS.contains(&word))
        };
        let counts = |index: usize| {
            self.links
                .get(index)
                .and_then(Link::metric)
                .and_then(|metric| self.metric(metric))
                .is_some_and(|metric| metric.unit == Unit::Count && metric.noun.is_some())
        };
        let Some(link) = self.links.get(at) else { return false };
        if is_verb(at) && self.after(at).is_some() {
            let said_of = self.before(at).filter(|index| {
                roles
                    .get(*index)
                    .is_some_and(|role| matches!(role, Role::Metric | Role::None))
                    && counts(*index)
            });
            return said_of.is_some_and(|subject| {
                let between = self
                    .links
                    .get(subject)
                    .and_then(|subject| self.tokens.get(subject.end()..link.at))
                    .unwrap_or_default();
                let is_passive = between.iter().any(|token| PASSIVE.contains(&token.norm.as_str()));
                let sold_for = between.is_empty() && self.word(link.at) == Some("sold");
                is_passive || sold_for
            });
        }
        // "what do customers spend"
        let asked = (0..at).any(|index| matches!(self.links.get(index).and_then(Link::key), Some(Key::Count)));
        let is_distinct = link
            .metric()
            .and_then(|index| self.metric(index))
            .is_some_and(|metric| {
                metric
                    .sources
                    .iter()
                    .all(|source| source.aggregate == Aggregate::CountDistinct)
            });
        let acts = self.after(at).is_some_and(|next| {
            self.touches(at, next)
                && is_verb(next)
                && !counts(next)
                && self.links.get(next).is_some_and(|l| l.metric().is_some())
        });
        is_distinct && acts && !asked && link.dimension().is_none()
    }

    /// The noun that a comparison is with: the next one, else the one before.
    pub(super) fn compare_target(&self, at: usize, roles: &[Role]) -> Option<usize> {
        let free = |index: &usize| roles.get(*index) == Some(&Role::None) && self.is_countable(*index);
        let next = self.after(at).filter(free);
        // "venues that hold more than 5,000 people"
        let holds = at
            .checked_sub(1)
            .filter(|before| self.touches(*before, at) && free(before))
            .filter(|before| {
                self.links
                    .get(*before)
                    .is_some_and(|link| self.numeric_dimension(link).is_some())
            });
        if holds.is_some() {
            return holds;
        }
        let before = || {
            let mut index = self.before(at)?;
            while matches!(self.links.get(index)?.key(), Some(Key::With | Key::RankBy(_))) {
                index = self.before(index)?;
            }
            // "venues over 1000" says nothing of what is over: only a figure can be.
            let link = self.links.get(index)?;
            let is_figure =
                self.numeric_dimension(link).is_some() || (link.metric().is_some() && link.dimension().is_none());
            is_figure.then_some(index).filter(free)
        };
        next.or_else(before)
    }

    pub(super) fn role(&self, at: usize, roles: &[Role]) -> Role {
        let Some(link) = self.links.get(at) else {
            return Role::None;
        };
        let (metric, dimension) = (link.metric(), link.dimension());
        let before = self.before(at);
        let role_before = before.and_then(|index| roles.get(index)).copied().unwrap_or(Role::None);
        let has_group = roles.contains(&Role::Group)
            || self
                .links
                .iter()
                .take(at)
                .any(|l| matches!(l.key(), Some(Key::Grain(_))));
        let is_every = before.is_some_and(|index| self.is_grouping_every(index));
        let has_metric = roles.contains(&Role::Metric);
        let ranks_before = self.links.iter().take(at).any(|l| {
            matches!(
                l.key(),
                Some(Key::RankThings(_) | Key::RankBy(_) | Key::List | Key::Which)
            )
        });
        let or_group = if dimension.is_some() { Role::Group } else { Role::Metric };
        let or_metric = if metric.is_some() { Role::Metric } else { Role::Group };
        if dimension.is_some() && self.names_neighbour(at) {
            return Role::Context;
        }
        // "the total capacity" asks for a figure; a number of things groups only where that is said.
        let is_number = metric.is_none() && self.numeric_dimension(link).is_some();
        let key = before.and_then(|index| self.links.get(index)).and_then(Link::key);
        let shown_with = key == Some(Key::With)
            && roles.contains(&Role::Group)
            && before.is_some_and(|with| {
                self.links
                    .get(with)
                    .and_then(|link| self.word(link.end()))
                    .is_some_and(|word| matches!(word, "their" | "its" | "the"))
            });
        if is_number
            && !shown_with
            && !matches!(
                key,
                Some(Key::By | Key::SortBy | Key::RankBy(_) | Key::Which | Key::And | Key::List)
            )
            && !self.orders(link)
        {
            return Role::None;
        }
        let after_rank =
            before.is_some_and(|index| self.reading(index, |r| matches!(r, Reading::Rank(..) | Reading::RankOf(..))));
        if after_rank && self.orders(link) && roles.contains(&Role::Group) {
            return Role::Order;
        }
        match key {
            Some(Key::Every) if is_every => return or_group,
            Some(Key::By | Key::RankBy(_)) if self.orders(link) => return Role::Order,
            Some(Key::Versus) if metric.is_some() && dimension.is_none() => return Role::Metric,
            Some(Key::Versus) if before.is_some_and(|index| self.before(index).is_some()) => return Role::None,
            // "top 10 venues by concerts" ranks, "top genre per city" and "top artists by city" group.
            Some(Key::By) if self.is_per_row(at) => return Role::Context,
            Some(Key::By) if metric.is_some() && has_group && ranks_before && !has_metric && self.ranks_by(at) => {
                return Role::Metric;
            }
            Some(Key::By) => return or_group,
            Some(Key::SortBy) if self.is_grouped_before(at, dimension) => return Role::Order,
            Some(Key::SortBy) => return if metric.is_some() { Role::Metric } else { Role::Order },
            Some(Key::Count) if is_number => return Role::None,
            Some(Key::Count | Key::Often) => return or_metric,
            Some(Key::RankBy(_)) => return or_metric,
            Some(Key::Which) if before.is_some_and(|index| !self.is_gapless(index, at)) => {}
            Some(Key::RankThings(_) | Key::InTime(_) | Key::Next | Key::Which) => return or_group,
            Some(Key::Grain(_)) => return or_metric,
            Some(Key::And) => {
                let earlier = before.and_then(|index| self.before(index));
                match earlier.and_then(|index| roles.get(index)) {
                    Some(Role::Group) if dimension.is_some() => return Role::Group,
                    Some(Role::Metric) if metric.is_some() => return Role::Metric,
                    _ => {}
                }
                if earlier.is_some_and(|index| matches!(self.links.get(index).and_then(Link::key), Some(Key::Grain(_))))
                {
                    return or_group;
                }
            }
            _ => {}
        }
        if before.is_some_and(|index| self.reading(index, |r| matches!(r, Reading::Rank(..) | Reading::Number(_)))) {
            return or_group;
        }
        if metric.is_some() && dimension.is_none() && self.is_object_of_figure(at, roles) {
            return Role::Context;
        }
        if metric.is_none() || dimension.is_none() {
            return if metric.is_some() { Role::Metric } else { Role::Group };
        }
        // From here on the word is both: "concerts" are counted, or listed one by one.
        let touching = before.filter(|index| self.touches(*index, at));
        let ranks_figure = touching
            .filter(|index| roles.get(*index) == Some(&Role::Metric))
            .and_then(|index| self.before(index))
            .is_some_and(|index| self.links.get(index).is_some_and(Link::ranks));
        if ranks_figure {
            // "highest revenue artist by year"
            return Role::Group;
        }
        if dimension.is_some_and(|index| !self.is_entity(index)) && self.is_place_with(at) {
            return Role::Context;
        }
        if self.lists_figures(at) {
            return Role::Metric;
        }
        if self.is_place_of_kind(at) {
            return Role::Context;
        }
        match self.key_after(at) {
            Some(Key::By) => {
                let mut by = self.after(at).and_then(|index| self.after(index));
                while by.is_some_and(|index| {
                    matches!(
                        self.links.get(index).and_then(Link::key),
                        Some(Key::Average | Key::Median | Key::RankBy(_))
                    )
                }) {
                    by = by.and_then(|index| self.after(index));
                }
                let by_figure = by
                    .and_then(|index| self.links.get(index))
                    .is_some_and(|l| l.metric().is_some() && l.dimension().is_none());
                return if by_figure { Role::Group } else { Role::Metric };
            }
            Some(Key::SortBy) => return Role::Group,
            Some(Key::With) if dimension.is_some_and(|index| self.is_entity(index)) && self.is_grouped_later(at) => {
                return Role::Metric;
            }
            Some(Key::With) if self.figure_follows(at) => return Role::Group,
            _ => {}
        }
        if self.after(at).is_some_and(|index| self.is_compare(index)) {
            // "artists with shows in more than 10 cities": the shows are those of the artists.
            let is_entity = dimension.is_some_and(|index| self.is_entity(index));
            return if is_entity && roles.contains(&Role::Group) && key == Some(Key::With) {
                Role::Context
            } else {
                Role::Group
            };
        }
        // "list of Iron Meadow concerts in 2025 with attendance"
        let opening = (0..at)
            .rev()
            .find(|index| !self.is_light(*index) && !self.links.get(*index).is_some_and(Link::is_value));
        let is_list_of = opening.is_some_and(|index| self.links.get(index).and_then(Link::key) == Some(Key::List));
        if is_list_of
            && role_before == Role::None
            && dimension.is_some_and(|index| self.is_entity(index))
            && self.links.iter().skip(at + 1).any(|link| link.key() == Some(Key::With))
        {
            return Role::Group;
        }
        let listed = before.is_some_and(|index| {
            matches!(
                self.links.get(index).and_then(Link::key),
                Some(Key::List | Key::Every | Key::Only)
            )
        });
        if listed && role_before == Role::None {
            return Role::Group;
        }
        let is_entity = dimension.is_some_and(|index| self.is_entity(index));
        let others = roles
            .iter()
            .enumerate()
            .any(|(index, role)| index != at && *role == Role::Metric)
            || (0..self.links.len()).any(|index| {
                index != at
                    && self
                        .links
                        .get(index)
                        .is_some_and(|l| l.metric().is_some() && l.dimension().is_none())
            });
        let ranked = self
            .links
            .iter()
            .any(|l| l.readings.iter().any(|r| matches!(r, Reading::Rank(..))));
        match (is_entity, others, ranked) {
            // "concerts, attendance and revenue": one of several figures; "concert revenue" is one figure.
            (true, true, _) if self.is_one_of_several(at) => Role::Metric,
            (true, true, _) => Role::Context,
            (_, false, true) => Role::Group,
            (true, false, false) => Role::Metric,
            (false, _, _) => Role::Group,
        }
    }

    /// Whether a noun in the plural stands right before another figure, in a list that "and" closes.
    pub(super) fn is_one_of_several(&self, at: usize) -> bool {
        let Some(link) = self.links.get(at) else { return false };
        let is_plural = self
            .tokens
            .get(link.end().saturating_sub(1))
            .is_some_and(Token::is_plural);
        let is_figure = |index: usize| self.links.get(index).is_some_and(|link| link.metric().is_some());
        let lists = self.links.iter().enumerate().skip(at + 1).any(|(and, link)| {
            link.key() == Some(Key::And)
                && self.after(and).is_some_and(is_figure)
                && self.before(and).is_some_and(is_figure)
        });
        let first =
            (0..at).all(|index| self.is_light(index) || self.links.get(index).and_then(Link::key) == Some(Key::List));
        is_plural
            && lists
            && first
            && self
                .after(at)
                .is_some_and(|next| is_figure(next) && self.touches(at, next))
    }

    /// "revenue from VIP tickets", "tickets sold to customers in Chicago": what the figure is one of.
    fn is_object_of_figure(&self, at: usize, roles: &[Role]) -> bool {
        let counts = self
            .links
            .get(at)
            .and_then(Link::metric)
            .and_then(|metric| self.metric(metric))
            .is_some_and(|metric| metric.unit == Unit::Count && metric.noun.is_some());
        let mut lead = at;
        while let Some(before) = lead.checked_sub(1)
            && self
                .links
                .get(before)
                .is_some_and(|link| link.is_value() || link.key() == Some(Key::Filler))
        {
            lead = before;
        }
        let preposition = lead
            .checked_sub(1)
            .filter(|index| self.links.get(*index).and_then(Link::key) == Some(Key::Preposition));
        let Some(preposition) = preposition else { return false };
        let figure = self.before(preposition);
        counts && figure.is_some_and(|index| roles.get(index) == Some(&Role::Metric))
    }

    /// "takings per show", "median revenue of each concert": the figure of a single row, and no list of rows.
    pub(super) fn is_per_row(&self, at: usize) -> bool {
        let is_singular = self
            .links
            .get(at)
            .and_then(|link| self.tokens.get(link.at..link.end())?.last())
            .is_some_and(|token| !token.is_plural());
        let by = self
            .before(at)
            .and_then(|index| self.links.get(index))
            .filter(|link| link.key() == Some(Key::By));
        let Some(by) = by else { return false };
        let says_statistic = self.has_key(|key| matches!(key, Key::Average | Key::Median | Key::Percentile));
        let word = self.word(by.end().saturating_sub(1));
        let says_per = word == Some("per") || word == Some("each") && says_statistic;
        let amount = (0..at).rev().find_map(|index| {
            let metric = self.metric(self.links.get(index)?.metric()?)?;
            Some(
                metric
                    .sources
                    .iter()
                    .all(|source| source.aggregate == Aggregate::Sum && source.over.is_none()),
            )
        });
        let ranks_rows = self
            .links
            .iter()
            .take(at)
            .any(|link| link.dimension().is_some_and(|index| self.is_entity(index)));
        is_singular
            && says_per
            && amount == Some(true)
            && !ranks_rows
            && self
                .links
                .get(at)
                .and_then(Link::dimension)
                .is_some_and(|index| self.is_entity(index))
    }

    /// Whether "by" and a group, or a stretch of time, come later.
    fn is_grouped_later(&self, at: usize) -> bool {
        (at + 1..self.links.len()).any(|index| {
            let behind = self.after(index).and_then(|next| self.links.get(next));
            self.links.get(index).and_then(Link::key) == Some(Key::By)
                && behind.is_some_and(|link| {
                    matches!(link.key(), Some(Key::Grain(_)))
                        || link.dimension().is_some() && link.metric().is_none()
                        || link.dimension().is_some_and(|index| !self.is_entity(index))
                })
        })
    }

    /// "concerts and attendance per city": the first of two figures, and not rows that are listed.
    fn lists_figures(&self, at: usize) -> bool {
        let Some(link) = self.links.get(at) else { return false };
        let is_plural = self
            .tokens
            .get(link.end().saturating_sub(1))
            .is_some_and(Token::is_plural);
        let and = self
            .after(at)
            .filter(|index| self.links.get(*index).and_then(Link::key) == Some(Key::And) && self.touches(at, *index));
        let figure = and.and_then(|and| self.after(and).filter(|next| self.touches(and, *next)));
        let is_figure = figure
            .and_then(|index| self.links.get(index))
            .is_some_and(|link| link.metric().is_some() && link.dimension().is_none());
        let opens = (0..at).all(|index| {
            self.is_light(index)
                || self.links.get(index).is_some_and(|link| {
                    link.is_value()
                        || matches!(link.key(), Some(Key::List | Key::Versus | Key::Grain(_)))
                        || link.readings.iter().any(|r| matches!(r, Reading::Time(_)))
                })
        });
        is_plural && is_figure && opens
    }

    /// "concerts at venues with more than 5,000 seats by genre": a place that a number of its own tells, beside the group
    /// that is asked for.
    fn is_place_with(&self, at: usize) -> bool {
        let led = at
            .checked_sub(1)
            .and_then(|index| self.links.get(index))
            .is_some_and(|link| {
                link.key() == Some(Key::Preposition) && matches!(self.word(link.at), Some("at" | "in"))
            });
        let with = self
            .after(at)
            .filter(|next| self.links.get(*next).and_then(Link::key) == Some(Key::With));
        let compares = with
            .and_then(|with| self.after(with))
            .is_some_and(|next| self.is_compare(next));
        let figure_before = (0..at).any(|index| self.links.get(index).is_some_and(|link| link.metric().is_some()));
        led && compares && figure_before && self.is_grouped_later(at)
    }

    /// "revenue at outdoor venues": the venues only say what is outdoor, where a figure is asked for.
    fn is_place_of_kind(&self, at: usize) -> bool {
        let kind = self.before(at).filter(|kind| self.touches(*kind, at));
        let Some(kind) = kind else { return false };
        let table = |column: Option<&str>| column.and_then(|c| c.split('.').next()).map(str::to_owned);
        let things = self
            .links
            .get(at)
            .and_then(Link::dimension)
            .and_then(|index| self.dimension(index))
            .and_then(|dimension| table(dimension.key.as_deref()));
        let is_kind = things.is_some()
            && self.reading(kind, |reading| match reading {
                Reading::Value { dimension, .. } => {
                    self.dimension(*dimension).and_then(|of| table(of.column.as_deref())) == things
                }
                _ => false,
            });
        let is_led = kind
            .checked_sub(1)
            .and_then(|index| self.links.get(index))
            .is_some_and(|link| {
                // "the highest attendance among jazz artists" is that of one of them.
                link.key() == Some(Key::Preposition) && !matches!(self.word(link.at), Some("among" | "amongst"))
            });
        let figure_before = (0..at).any(|index| self.links.get(index).is_some_and(|link| link.metric().is_some()));
        is_kind && is_led && figure_before
    }

    /// "every city" and "in all cities" group; "all concerts" are listed.
    pub(super) fn is_grouping_every(&self, at: usize) -> bool {
        self.links.get(at).is_some_and(|link| {
            link.key() == Some(Key::Every)
                && (self.word(link.at) == Some("every")
                    || self.word(link.end().saturating_sub(1)) == Some("every")
                    || link.length > 1 && self.word(link.at) != Some("all"))
        })
    }

    /// Whether "by" before a noun leads to what ranks: a figure, or things in the plural, which are counted.
    pub(super) fn ranks_by(&self, at: usize) -> bool {
        let Some(link) = self.links.get(at) else { return false };
        let says_by = self
            .before(at)
            .and_then(|index| self.links.get(index))
            .is_some_and(|by| self.word(by.at) == Some("by"));
        let is_plural = self
            .tokens
            .get(link.end().saturating_sub(1))
            .is_some_and(Token::is_plural);
        says_by && (link.dimension().is_none() || is_plural)
    }

    /// Whether a ranking is by this number of the things themselves: "largest arenas by capacity".
    pub(super) fn orders(&self, link: &Link) -> bool {
        link.metric().is_none() && self.numeric_dimension(link).is_some() && self.links.iter().any(Link::ranks)
    }

    /// Whether the same dimension was named before.
    pub(super) fn is_grouped_before(&self, at: usize, dimension: Option<usize>) -> bool {
        dimension.is_some() && self.links.iter().take(at).any(|link| link.dimension() == dimension)
    }

    /// Whether a noun only names the kind of the value beside it: "the city of Boston", "rock genre".
    pub(super) fn names_neighbour(&self, at: usize) -> bool {
        let Some(dimension) = self.links.get(at).and_then(Link::dimension) else {
            return false;
        };
        let names = |index: Option<usize>| {
            index.is_some_and(|index| {
                self.reading(index, |r| match r {
                    Reading::Value { dimension: of, .. } | Reading::Part { dimension: of, .. } => *of == dimension,
                    _ => false,
                })
            })
        };
        let grouped = matches!(self.key_before(at), Some(Key::By | Key::Which | Key::Count));
        !grouped
            && (names(self.after(at).filter(|next| self.adjacent(at, *next)))
                || names(self.before(at).filter(|b| self.adjacent(*b, at))))
    }

    /// Whether a figure or a ranking comes later in the question.
    pub(super) fn figure_follows(&self, at: usize) -> bool {
        (at + 1..self.links.len()).any(|index| {
            self.is_compare(index)
                || self.is_countable(index)
                || self.reading(index, |r| matches!(r, Reading::Rank(..)))
                || matches!(self.links.get(index).and_then(Link::key), Some(Key::RankBy(_)))
        })
    }
}
