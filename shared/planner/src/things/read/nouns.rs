//! Things and attributes: counted, listed, grouped by, ranked by, or the subject of what follows.

use super::*;

impl<'a> Reader<'a> {
    /// Whether a number that could be a year is a plain one: "with more than 2000 seats".
    pub(super) fn is_plain_number(&self, at: usize) -> bool {
        let Some(span) = self.span(at) else { return false };
        if span.number.is_none() {
            return false;
        }
        let is_compared = self
            .before_words(at)
            .is_some_and(|before| matches!(self.span(before).and_then(|s| s.word), Some(Word::Compare(_))));
        let is_subject = self.state.subject.is_some_and(|a| self.kind(a) == Kind::Number);
        is_compared || is_subject
    }

    /// A word that is both a thing and something else is the thing unless its neighbours say otherwise.
    pub(super) fn is_noun(&self, at: usize) -> bool {
        let Some(span) = self.span(at) else { return false };
        if span.things.is_empty() {
            return false;
        }
        if !span.hits.is_empty() && self.tokens.get(span.at).is_some_and(Token::is_capital) && span.at > 0 {
            return false;
        }
        // "the country of each city": an attribute of what is meant is nearer than a thing of that name elsewhere.
        let target = self.state.request.thing;
        let is_own = span
            .attributes
            .iter()
            .any(|a| self.schema.attributes.get(*a).is_some_and(|a| a.thing == target));
        !(is_own && !span.things.contains(&target) && !span.things.iter().any(|t| self.schema.reaches(target, *t)))
    }

    pub(super) fn reads_as_value(&self, at: usize) -> bool {
        let Some(span) = self.span(at) else { return false };
        let first = self.tokens.get(span.at);
        first.is_some_and(|token| token.is_capital() && span.at > 0) || span.length > 1
    }

    pub(super) fn thing(&mut self, at: usize) {
        let Some(span) = self.span(at) else { return };
        let target = self.state.request.thing;
        let thing = if span.things.contains(&target) {
            target
        } else {
            match self.best_thing(at) {
                Some(thing) => thing,
                None => return,
            }
        };
        let label = self.noun(thing);
        if let Some(rank) = self.state.rank {
            let is_top = matches!(
                self.span(rank.span).and_then(|s| s.word),
                Some(Word::Top | Word::Bottom)
            );
            let qualifies = self
                .span(at + 1)
                .is_some_and(|next| next.at == span.end() && !next.attributes.is_empty() && next.word.is_none());
            if !is_top && !qualifies && (thing != target || self.heads_with_attribute(at)) {
                // "the most orders"
                self.state.rank = None;
                self.take(rank.span, "the most or the least");
                self.take(at, format!("number of {label}"));
                self.rank_by(By::Figure(Figure::Count(thing)), rank.direction, rank.rows, at);
                self.state.is_counting = false;
                return;
            }
        }
        if self.state.groups {
            // "full name of each maker": the attribute of the noun behind it is what is grouped by.
            self.take(at, format!("for each of the {label}"));
            let names_attribute = self
                .next(at)
                .filter(|next| *next == at + 1)
                .and_then(|next| self.span(next))
                .is_some_and(|s| !s.attributes.is_empty());
            if !names_attribute {
                let has_shown = self
                    .state
                    .request
                    .shown
                    .iter()
                    .any(|a| self.schema.attributes.get(*a).is_some_and(|a| a.thing == thing));
                if !has_shown {
                    self.push_group(Group::Thing(thing));
                }
                self.state.groups = false;
            }
            self.state.context.push(thing);
            return;
        }
        if self.state.is_counting {
            self.state.is_counting = false;
            self.take(at, format!("number of {label}"));
            // "how many different languages", where the rows are those of countries and languages.
            let of_rows = span.attributes.iter().copied().find(|a| {
                self.schema.attributes.get(*a).is_some_and(|a| a.thing == thing)
                    && self
                        .schema
                        .things
                        .get(thing)
                        .is_some_and(|thing| thing.label != Some(*a))
            });
            let figure = match of_rows.filter(|_| self.state.request.is_distinct) {
                Some(attribute) => Figure::Different(attribute),
                None => Figure::Count(thing),
            };
            self.state.request.figures.push(figure);
            self.state.request.names_thing = true;
            self.state.context.push(thing);
            return;
        }
        // "all authors and the number of their books"
        let leads_to_figure = self.state.context.is_empty()
            && self.state.request.shown.is_empty()
            && thing != target
            && self
                .span(at + 1)
                .is_some_and(|next| next.is(Word::And) || next.is(Word::With))
            && (at + 1..self.spans.len())
                .find(|index| {
                    self.span(*index)
                        .is_some_and(|s| !s.is_light() && !s.is(Word::And) && !s.is(Word::With))
                })
                .is_some_and(|next| {
                    matches!(
                        self.span(next).and_then(|s| s.word),
                        Some(Word::HowMany | Word::Statistic(_) | Word::Total)
                    )
                });
        if leads_to_figure {
            self.take(at, format!("for each of the {label}"));
            self.push_group(Group::Thing(thing));
            self.state.context.push(thing);
            return;
        }
        let qualifies = self
            .span(at + 1)
            .is_some_and(|next| next.at == span.end() && !next.attributes.is_empty() && next.word.is_none());
        let names_value = [at.checked_sub(1), Some(at + 1)].into_iter().flatten().any(|index| {
            self.span(index).is_some_and(|other| {
                other.hits.iter().any(|hit| {
                    self.schema
                        .attributes
                        .get(hit.attribute)
                        .is_some_and(|a| a.thing == thing)
                })
            })
        });
        if thing == target {
            self.state.request.names_thing = true;
            self.take(at, label);
            self.state.context.push(thing);
            if self.state.negation.is_some() && self.before(at) == self.state.negation {
                self.state.fails = true;
            }
            return;
        }
        let is_above = self.schema.reaches(target, thing);
        if qualifies || names_value && (is_above || self.state.scope.is_some()) {
            self.take(at, label);
            self.state.context.push(thing);
            return;
        }
        if is_above {
            let is_negated = self.state.negation.is_some();
            if is_negated {
                self.state.fails = true;
                return;
            }
            // "products and their suppliers"
            if self.state.is_selecting
                && !self.state.context.is_empty()
                && self
                    .before_words(at)
                    .is_some_and(|b| self.span(b).is_some_and(|s| s.is(Word::And)))
            {
                self.take(at, label);
                // "students and their courses" are shown together.
                if self.state.request.shown.is_empty() && self.state.context.last() == Some(&target) {
                    self.show_thing(target);
                }
                self.show_thing(thing);
                self.state.context.push(thing);
                return;
            }
            // "which city does … live in" has been the head; elsewhere it says what a name is of.
            self.take(at, label);
            if self.is_asked(at) {
                self.show_thing(thing);
            }
            self.state.context.push(thing);
            return;
        }
        if self.schema.connector(target, thing).is_none() {
            return;
        }
        let is_listed = self.state.is_selecting
            && !self.state.context.is_empty()
            && self.state.negation.is_none()
            && self
                .before_words(at)
                .is_some_and(|b| self.span(b).is_some_and(|s| s.is(Word::And)));
        if is_listed {
            self.take(at, label);
            if self.state.request.shown.is_empty() && self.state.context.last() == Some(&target) {
                self.show_thing(target);
            }
            self.show_thing(thing);
            self.state.context.push(thing);
            return;
        }
        if let Some(not) = self.state.negation.take() {
            self.take(not, "none");
            self.take(at, format!("no {label}"));
            self.relate(thing, true, None);
            return;
        }
        // More about the related rows that a verb has already named.
        let reaches = self
            .related()
            .is_some_and(|related| related.count.is_none() && self.schema.reaches(related.thing, thing));
        if reaches {
            self.take(at, label);
            self.state.context.push(thing);
            return;
        }
        self.take(at, format!("with {label}"));
        self.relate(thing, false, None);
    }

    /// Whether a question word asks for this.
    pub(super) fn is_asked(&self, at: usize) -> bool {
        self.before_words(at)
            .is_some_and(|before| self.span(before).is_some_and(|span| span.is(Word::Which)))
    }

    /// Whether what is meant is told by an attribute in front: "cities with the most customers".
    pub(super) fn heads_with_attribute(&self, at: usize) -> bool {
        !self.state.request.shown.is_empty() && self.state.context.is_empty() && at > 0
    }

    pub(super) fn show_thing(&mut self, thing: usize) {
        if let Some(label) = self.schema.things.get(thing).and_then(|thing| thing.label) {
            self.show(label);
        }
    }

    pub(super) fn show(&mut self, attribute: usize) {
        if !self.state.request.shown.contains(&attribute) {
            self.state.request.shown.push(attribute);
        }
    }

    pub(super) fn push_group(&mut self, group: Group) {
        if !self.state.request.groups.contains(&group) {
            self.state.request.groups.push(group);
        }
    }

    pub(super) fn metric(&mut self, at: usize) {
        let Some(metric) = self.span(at).and_then(|span| span.metrics.first().copied()) else {
            return;
        };
        let statistics = std::mem::take(&mut self.state.statistics);
        // "average revenue" is no metric that the catalogue has.
        self.state.fails |= statistics.iter().any(|(_, statistic)| statistic.is_some());
        for (place, _) in statistics {
            self.take(place, "total");
        }
        self.take(at, "metric");
        if let Some(rank) = self.state.rank.take() {
            self.take(rank.span, "the most or the least");
            self.rank_by(By::Figure(Figure::Metric(metric)), rank.direction, rank.rows, at);
            return;
        }
        self.state.is_counting = false;
        self.state.request.figures.push(Figure::Metric(metric));
    }

    pub(super) fn attribute_at(&mut self, at: usize, options: &[usize]) {
        let Some(attribute) = self.attribute(at, options) else {
            return;
        };
        let target = self.state.request.thing;
        let name = self.name(attribute);
        let kind = self.kind(attribute);
        if kind == Kind::Truth {
            let not = self.state.negation.take();
            if let Some(not) = not {
                self.take(not, "not");
            }
            let is_opposite = self.span(at).is_some_and(|span| span.is_opposite);
            self.take(at, name);
            self.condition(Condition::Is {
                attribute,
                op: Operator::Equal,
                values: vec![Value::Boolean(not.is_none() != is_opposite)],
            });
            return;
        }
        if !self.state.statistics.is_empty() {
            let statistics = std::mem::take(&mut self.state.statistics);
            self.take(at, name.clone());
            for (place, statistic) in statistics {
                self.take(place, format!("of {name}"));
                let figure = Figure::Of(statistic, attribute);
                if let Some(rank) = self.state.rank.take() {
                    self.take(rank.span, "the most or the least");
                    self.rank_by(By::Figure(figure), rank.direction, rank.rows, at);
                } else {
                    self.state.request.figures.push(figure);
                }
            }
            self.state.subject = Some(attribute);
            return;
        }
        if let Some(rank) = self.state.rank.take() {
            self.take(rank.span, format!("by {name}"));
            self.take(at, name);
            // "the highest salary", of nobody in particular, is the figure itself.
            let asks_who = self.spans.first().is_some_and(|span| span.is(Word::Who));
            let named = self.spans.first().is_some_and(|span| span.is(Word::Who))
                || (0..rank.span).any(|index| {
                    self.is_used(index)
                        && self
                            .span(index)
                            .is_some_and(|s| !s.things.is_empty() || !s.attributes.is_empty())
                });
            let follows = matches!(self.span(at + 1).and_then(|s| s.word), Some(Word::With | Word::Who));
            if !named && !follows && matches!(kind, Kind::Number | Kind::Year | Kind::Day) && rank.rows.is_none() {
                let statistic = if rank.direction == Direction::Descending {
                    Statistic::Maximum
                } else {
                    Statistic::Minimum
                };
                if kind == Kind::Number {
                    self.state.request.figures.push(Figure::Of(Some(statistic), attribute));
                    return;
                }
            }
            // "the highest bonus" is that of one row, "the most points" are added up.
            let says_most = matches!(
                self.word_at(rank.span),
                "most" | "fewest" | "least" | "top" | "best" | "worst"
            );
            let of_row = self
                .schema
                .attributes
                .get(attribute)
                .is_some_and(|a| self.schema.reaches(a.thing, target));
            let by = if self.sees(target, attribute) || of_row && !says_most && !asks_who {
                By::Attribute(attribute)
            } else {
                By::Figure(Figure::Of(None, attribute))
            };
            self.rank_by(by, rank.direction, rank.rows, at);
            return;
        }
        if self.state.sorts {
            self.state.sorts = false;
            self.take(at, format!("ordered by {name}"));
            // "cities by population" shows the largest first, "sorted by population" the smallest.
            let usual = if self.state.is_list_by && kind == Kind::Number {
                Direction::Descending
            } else {
                Direction::Ascending
            };
            let direction = self.state.request.order.map_or(usual, |(_, direction)| direction);
            self.state.request.order = Some((By::Attribute(attribute), direction));
            return;
        }
        if self.state.groups {
            self.state.groups = false;
            self.take(at, format!("by {name}"));
            self.push_group(Group::Attribute(attribute));
            return;
        }
        if self.state.is_counting {
            self.state.is_counting = false;
            // "how many units were sold" adds up, "how many different prices" counts.
            let figure = if kind == Kind::Number && !self.state.request.is_distinct {
                self.take(at, format!("total {name}"));
                Figure::Of(None, attribute)
            } else {
                self.take(at, format!("how many different {name}"));
                Figure::Different(attribute)
            };
            self.state.request.figures.push(figure);
            return;
        }
        let is_next_value = self.is_subject(at, attribute);
        if is_next_value {
            self.take(at, name);
            self.state.subject = Some(attribute);
            return;
        }
        if let Some(not) = self.state.negation.take() {
            let without = self.span(not).is_some_and(|span| span.is(Word::Without)) || self.is_behind_have(not);
            if without {
                self.take(not, "none");
                self.take(at, format!("{name} is not known"));
                self.condition(Condition::Is {
                    attribute,
                    op: Operator::IsNull,
                    values: Vec::new(),
                });
                return;
            }
            self.state.negation = Some(not);
        }
        if self.state.is_selecting || self.is_asked(at) {
            self.take(at, format!("shows {name}"));
            // "all employees and their titles"
            let beside = self.state.request.shown.is_empty()
                && self.state.context.last() == Some(&target)
                && self.has_between(at, &["their", "its", "his", "her"]);
            if beside {
                self.show_thing(target);
            }
            self.show(attribute);
            self.state.request.names_columns = true;
            return;
        }
        let and_of_shown = self
            .before_words(at)
            .is_some_and(|b| self.span(b).is_some_and(|s| s.is(Word::And)))
            && self.state.request.conditions.is_empty();
        if and_of_shown {
            self.take(at, format!("shows {name}"));
            self.show(attribute);
            return;
        }
        let with = self
            .before_words(at)
            .is_some_and(|b| self.span(b).is_some_and(|s| s.is(Word::With)));
        self.take(at, name);
        if with && self.next(at).is_none() {
            self.condition(Condition::Is {
                attribute,
                op: Operator::IsNotNull,
                values: Vec::new(),
            });
        }
        self.state.subject = Some(attribute);
    }

    /// Whether one of these words stands between the last thing and this span.
    pub(super) fn has_between(&self, at: usize, words: &[&str]) -> bool {
        let Some(end) = self.span(at).map(|span| span.at) else {
            return false;
        };
        let begin = (0..at)
            .rev()
            .find(|index| {
                self.span(*index)
                    .is_some_and(|span| self.is_thing(span) && !span.attributes.is_empty() || self.is_thing(span))
            })
            .and_then(|index| self.span(index))
            .map_or(0, Span::end);
        self.tokens
            .get(begin..end)
            .is_some_and(|between| between.iter().any(|token| words.contains(&token.norm.as_str())))
    }

    pub(super) fn is_behind_have(&self, not: usize) -> bool {
        self.span(not + 1).is_some_and(|span| span.is(Word::With))
    }

    /// Whether what follows an attribute says how much of it, or which: then the attribute is no column to show.
    pub(super) fn is_subject(&self, at: usize, attribute: usize) -> bool {
        let Some(next) = (at + 1..self.spans.len()).find(|index| {
            self.span(*index).is_some_and(|span| {
                !span.is_light() && !matches!(span.word, Some(Word::Is | Word::Of | Word::Not | Word::In))
            })
        }) else {
            return false;
        };
        let Some(span) = self.span(next) else { return false };
        let is_direct = (at + 1..next).all(|index| {
            self.span(index)
                .is_some_and(|span| matches!(span.word, Some(Word::Is | Word::Of | Word::Not | Word::Filler)))
        });
        let compares = matches!(
            span.word,
            Some(
                Word::Compare(_)
                    | Word::Between
                    | Word::Average(_)
                    | Word::Before
                    | Word::After
                    | Word::Contains
                    | Word::StartsWith
            )
        ) && !span.says_something();
        let is_kind = match self.kind(attribute) {
            Kind::Number => span.number.is_some(),
            Kind::Year | Kind::Day => span.number.is_some() || span.days.is_some(),
            _ => false,
        };
        let is_value = span.hits.iter().any(|hit| hit.attribute == attribute)
            && (is_direct && (self.is_condition_word(at) || at + 1 == next || self.has_is_between(at, next)));
        compares || is_kind && is_direct || is_value
    }

    pub(super) fn has_is_between(&self, at: usize, next: usize) -> bool {
        (at + 1..next).any(|index| self.span(index).is_some_and(|span| span.is(Word::Is)))
    }

    pub(super) fn is_condition_word(&self, at: usize) -> bool {
        self.before_words(at).is_some_and(|before| {
            self.span(before)
                .is_some_and(|span| matches!(span.word, Some(Word::With | Word::Who)))
        })
    }
}
