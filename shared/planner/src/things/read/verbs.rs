//! What verbs speak of: a day, a number, related rows, or whom.

use super::*;

impl<'a> Reader<'a> {
    pub(super) fn attributes_of_verb(&self, at: usize) -> Vec<usize> {
        let verb = self.word_at(at);
        let speaks = SPEAKS_OF
            .iter()
            .filter(|(word, _)| *word == verb || same_root(word, verb) && word.len() > 3)
            .flat_map(|(_, names)| names.iter().copied())
            .collect::<Vec<_>>();
        (0..self.schema.attributes.len())
            .filter(|index| {
                let Some(attribute) = self.schema.attributes.get(*index) else {
                    return false;
                };
                // What is reached by a certain join is spoken of by the column of the join.
                let name = match attribute.via.first().filter(|_| attribute.is_roundabout) {
                    Some(join) => join.split_once('.').map_or("", |(_, column)| column),
                    None => attribute.column.as_str(),
                };
                let in_name = |fits: &dyn Fn(&str) -> bool| name.split('_').any(fits);
                let is_form = |word: &str| {
                    same_root(word, verb) || word.len() >= 3 && verb.starts_with(word) && attribute.kind != Kind::Text
                };
                let is_id = attribute.column.ends_with("id");
                in_name(&|word| speaks.contains(&word)) && !is_id
                    || attribute.kind != Kind::Text && attribute.kind != Kind::Number && in_name(&is_form)
                    || attribute.kind == Kind::Truth && in_name(&is_form)
            })
            .collect()
    }

    pub(super) fn things_of_verb(&self, at: usize) -> Vec<usize> {
        let verb = self.word_at(at);
        let speaks: Vec<&str> = SPEAKS_OF
            .iter()
            .filter(|(word, _)| *word == verb)
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        (0..self.schema.things.len())
            .filter(|index| {
                self.schema.things.get(*index).is_some_and(|thing| {
                    thing.table.split('_').any(|word| {
                        let word = crate::text::stem(word);
                        same_root(&word, verb) || speaks.contains(&word.as_str())
                    })
                })
            })
            .collect()
    }

    /// A verb: it may say which day is meant, or which related rows, or only tie two things.
    pub(super) fn verb(&mut self, at: usize) {
        let target = self.state.request.thing;
        let scope = self.scope_thing();
        let attributes: Vec<usize> = self
            .attributes_of_verb(at)
            .into_iter()
            .filter(|a| {
                self.schema.attributes.get(*a).is_some_and(|a| {
                    self.schema.reaches(scope, a.thing) || self.state.context.contains(&a.thing) || a.thing == target
                })
            })
            .collect();
        let attribute = self.attribute(at, &attributes);
        let things: Vec<usize> = self
            .things_of_verb(at)
            .into_iter()
            .filter(|thing| *thing != target && self.schema.connector(target, *thing).is_some())
            .filter(|thing| !self.schema.reaches(target, *thing))
            .collect();
        let thing = things
            .iter()
            .copied()
            .min_by_key(|thing| (self.schema.distance(target, *thing), *thing));
        let names_more = self
            .next(at)
            .and_then(|next| self.span(next))
            .is_some_and(|span| !span.things.is_empty() && !span.things.contains(&target) || !span.hits.is_empty());
        if let Some(not) = self.state.negation {
            // "orders that have not been shipped"
            if let Some(attribute) = attribute.filter(|a| self.kind(*a) == Kind::Day) {
                self.take(not, "not");
                self.state.negation = None;
                self.take(at, format!("{} is not known", self.name(attribute)));
                self.condition(Condition::Is {
                    attribute,
                    op: Operator::IsNull,
                    values: Vec::new(),
                });
                return;
            }
            if names_more {
                return;
            }
            // "customers who have never ordered", "books that were never borrowed"
            let only = match self.schema.referring(target).as_slice() {
                [only] => Some(*only),
                _ => None,
            };
            if let Some(thing) = thing.or(only) {
                self.take(not, "none");
                self.state.negation = None;
                self.take(at, format!("{} of it", self.noun(thing)));
                self.relate(thing, true, None);
            }
            return;
        }
        if let Some(attribute) = attribute {
            let is_time = matches!(self.kind(attribute), Kind::Day | Kind::Year);
            let is_about = self.next(at).and_then(|next| self.span(next)).is_some_and(|span| {
                span.days.is_some()
                    || span.number.is_some()
                    || matches!(
                        span.word,
                        Some(
                            Word::Compare(_)
                                | Word::Between
                                | Word::Before
                                | Word::After
                                | Word::Average(_)
                                | Word::Most
                                | Word::Least
                        )
                    )
            });
            if is_about {
                self.take(at, self.name(attribute));
                self.state.subject = Some(attribute);
                return;
            }
            if is_time {
                return;
            }
            // "arriving in Aberdeen": the names that follow are those of the destination.
            if self.schema.attributes.get(attribute).is_some_and(|a| a.is_roundabout) {
                self.take(at, self.name(attribute));
                self.state.subject = Some(attribute);
                return;
            }
        }
        let is_counted = self
            .state
            .request
            .figures
            .iter()
            .any(|figure| matches!(figure, Figure::Count(_)));
        if let Some(thing) = thing
            && names_more
            && !is_counted
            && self
                .next(at)
                .and_then(|next| self.span(next))
                .is_some_and(|span| span.things.is_empty() && !span.hits.is_empty())
        {
            self.take(at, format!("by its {}", self.noun(thing)));
            self.relate(thing, false, None);
        }
    }

    /// "when was she hired", "in which year was it published": the day or year that the verb speaks of, else the usual.
    pub(super) fn when(&mut self, at: usize) {
        let target = self.state.request.thing;
        let is_time = |reader: &Self, a: &usize| matches!(reader.kind(*a), Kind::Day | Kind::Year);
        let of_verb = (at + 1..self.spans.len()).find_map(|index| {
            if !self.span(index)?.is(Word::Verb) {
                return None;
            }
            let options: Vec<usize> = self
                .attributes_of_verb(index)
                .into_iter()
                .filter(|a| is_time(self, a) && self.sees(target, *a))
                .collect();
            self.attribute(index, &options)
        });
        if let Some(attribute) = of_verb.or_else(|| self.schema.time_of(target)) {
            self.take(at, format!("shows {}", self.name(attribute)));
            self.show(attribute);
            self.state.request.names_columns = true;
        }
    }

    /// "how much does it cost": the number that the verb speaks of.
    pub(super) fn how_much(&mut self) {
        if !self.state.asks_how_much || !self.state.request.shown.is_empty() || !self.state.request.figures.is_empty() {
            return;
        }
        let target = self.state.request.thing;
        let found = (0..self.spans.len()).find_map(|index| {
            let span = self.span(index)?;
            let options: Vec<usize> = if span.is(Word::Verb) {
                self.attributes_of_verb(index)
            } else if self.is_used(index) {
                return None;
            } else {
                span.attributes.iter().chain(&span.parts).copied().collect()
            };
            let options: Vec<usize> = options.into_iter().filter(|a| self.kind(*a) == Kind::Number).collect();
            Some((index, self.attribute(index, &options)?))
        });
        match found {
            Some((index, attribute)) => {
                self.take(index, self.name(attribute));
                if self.sees(target, attribute) && self.state.request.groups.is_empty() {
                    self.show(attribute);
                    self.state.request.names_columns = true;
                } else {
                    self.state.request.figures.push(Figure::Of(None, attribute));
                }
            }
            None => self.state.fails = true,
        }
    }

    /// "who wrote Emma", "who directed it": whom the verb speaks of, where a column or a thing is named for them.
    pub(super) fn whom(&mut self) {
        let asks = self.spans.first().is_some_and(|span| span.is(Word::Who));
        let is_plain = self.state.request.shown.is_empty()
            && self.state.request.figures.is_empty()
            && self.state.request.groups.is_empty()
            && self.state.request.order.is_none()
            && !self.state.request.conditions.is_empty();
        if !asks || !is_plain || Some(self.state.request.thing) == self.schema.person {
            return;
        }
        let target = self.state.request.thing;
        let Some(verb) = (0..self.spans.len()).find(|index| self.span(*index).is_some_and(|span| span.is(Word::Verb)))
        else {
            return;
        };
        let word = self.word_at(verb);
        let texts: Vec<usize> = (0..self.schema.attributes.len())
            .filter(|a| {
                self.schema.attributes.get(*a).is_some_and(|attribute| {
                    attribute.kind == Kind::Text
                        && self.schema.reaches(target, attribute.thing)
                        && attribute.column.split('_').any(|part| same_root(part, word))
                })
            })
            .collect();
        let things: Vec<usize> = self
            .things_of_verb(verb)
            .into_iter()
            .filter(|thing| *thing != target && self.schema.reaches(target, *thing))
            .collect();
        if let Some(attribute) = self.attribute(verb, &texts) {
            self.take(verb, format!("shows {}", self.name(attribute)));
            self.show(attribute);
        } else if let Some(thing) = things.first() {
            self.take(verb, self.noun(*thing));
            self.show_thing(*thing);
        }
    }

    /// "who earns the most": by what the verb speaks of.
    pub(super) fn most_of_verb(&mut self, at: usize) {
        let next = self.next(at).and_then(|next| self.span(next));
        let names_figure = next.is_some_and(|span| {
            span.says_something()
                || !span.parts.is_empty()
                || matches!(span.word, Some(Word::Statistic(_) | Word::HowMany | Word::Total))
                || !span.ranks.is_empty()
        });
        if names_figure {
            return;
        }
        let Some(rank) = self.state.rank else { return };
        let attribute = self.state.subject.or_else(|| {
            let verb = (0..at)
                .rev()
                .find(|index| self.span(*index).is_some_and(|s| s.is(Word::Verb)))?;
            let options: Vec<usize> = self
                .attributes_of_verb(verb)
                .into_iter()
                .filter(|a| self.kind(*a) == Kind::Number)
                .collect();
            self.attribute(verb, &options)
        });
        if let Some(attribute) = attribute {
            self.state.rank = None;
            self.take(at, format!("by {}", self.name(attribute)));
            let target = self.state.request.thing;
            let is_own = self.sees(target, attribute);
            let by = if is_own {
                By::Attribute(attribute)
            } else {
                By::Figure(Figure::Of(None, attribute))
            };
            self.rank_by(by, rank.direction, rank.rows, at);
        }
    }
}
