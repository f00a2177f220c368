//! Whose rows a question is about, and which attribute a word means there.

use super::*;

impl<'a> Reader<'a> {
    pub(super) fn target(&self) -> Option<usize> {
        let is_after = |at: usize, words: &[Word]| {
            self.before_words(at).is_some_and(|before| {
                self.span(before)
                    .is_some_and(|s| s.word.is_some_and(|w| words.contains(&w)))
            })
        };
        // "how many singers", wherever it stands.
        let counted = self.spans.iter().enumerate().find_map(|(at, span)| {
            if !span.is(Word::HowMany) {
                return None;
            }
            self.counted_noun(at)
        });
        if let Some(at) = counted {
            let is_ranked = self.before(at).is_some_and(|how| self.is_rank_word_before(how));
            if !is_ranked {
                return self.best_thing(at);
            }
        }
        let nouns: Vec<usize> = (0..self.spans.len())
            .filter(|at| self.span(*at).is_some_and(|span| !span.things.is_empty()))
            .filter(|at| !is_after(*at, &[Word::By]) || !self.has_figures())
            .collect();
        let head = (0..self.spans.len()).find(|at| {
            self.span(*at)
                .is_some_and(|span| (!span.things.is_empty() || !span.attributes.is_empty()) && !span.is(Word::Is))
        });
        // "the code and channel of the latest cartoon" is about cartoons.
        let owner = head.and_then(|head| {
            let is_owner = |at: &usize| {
                let before = (head..*at).rev().find(|index| {
                    self.span(*index).is_some_and(|span| {
                        !span.is_light() && span.ranks.is_empty() && !matches!(span.word, Some(Word::Recent(_)))
                    })
                });
                before.is_some_and(|before| self.span(before).is_some_and(|span| span.is(Word::Of)))
                    && (head..*at).all(|index| {
                        self.span(index).is_some_and(|span| {
                            span.is_light()
                                || span.says_something()
                                || !span.ranks.is_empty()
                                || matches!(span.word, Some(Word::And | Word::Of | Word::Recent(_)))
                        })
                    })
            };
            nouns.iter().copied().find(is_owner)
        });
        let is_attribute = head.is_some_and(|head| self.span(head).is_some_and(|span| span.things.is_empty()));
        let first = owner.filter(|_| is_attribute).or(nouns.first().copied());
        match (head, first) {
            (Some(head), Some(first)) if head < first => {
                // "cities with more than 3 customers" is about cities.
                let counts = self.is_counted_noun(first);
                if counts {
                    self.attribute_thing(head, &nouns)
                } else {
                    self.best_thing(first)
                }
            }
            // "who owns the most dogs"
            (_, Some(first)) if self.spans.first().is_some_and(|s| s.is(Word::Who)) && self.is_counted_noun(first) => {
                let counted = self.best_thing(first)?;
                let agent = (0..first)
                    .filter(|at| self.span(*at).is_some_and(|span| span.is(Word::Verb)))
                    .flat_map(|at| self.things_of_verb(at))
                    .find(|thing| *thing != counted && self.schema.connector(*thing, counted).is_some());
                let person = self
                    .schema
                    .person
                    .filter(|person| *person != counted && self.schema.connector(*person, counted).is_some());
                agent.or(person).or(Some(counted))
            }
            (_, Some(first)) => self.best_thing(first),
            _ => {
                let by_votes = self.by_votes()?;
                let asks_who = self.spans.first().is_some_and(|span| span.is(Word::Who));
                match self.schema.person {
                    Some(person) if asks_who && self.schema.reaches(by_votes, person) => Some(person),
                    _ => Some(by_votes),
                }
            }
        }
    }

    /// The thing that is counted, words that only narrow it aside: "how many active female members".
    pub(super) fn counted_noun(&self, at: usize) -> Option<usize> {
        let mut index = self.next(at)?;
        loop {
            let span = self.span(index)?;
            if self.is_thing(span) {
                return Some(index);
            }
            let narrows = !span.hits.is_empty()
                || !span.ranks.is_empty()
                || span.is(Word::Distinct)
                || span.attributes.iter().any(|a| self.kind(*a) == Kind::Truth);
            if !narrows {
                return None;
            }
            index += 1;
        }
    }

    pub(super) fn counted_noun_follows(&self, at: usize) -> Option<usize> {
        let how = (0..at)
            .rev()
            .find(|index| self.span(*index).is_some_and(|span| span.is(Word::HowMany)))?;
        self.counted_noun(how)
    }

    pub(super) fn is_thing(&self, span: &Span) -> bool {
        !span.things.is_empty()
    }

    pub(super) fn attribute_thing(&self, at: usize, nouns: &[usize]) -> Option<usize> {
        let span = self.span(at)?;
        let related: Vec<usize> = nouns.iter().filter_map(|noun| self.best_thing(*noun)).collect();
        span.attributes
            .iter()
            .filter_map(|a| self.schema.attributes.get(*a))
            .map(|a| a.thing)
            .min_by_key(|thing| {
                related
                    .first()
                    .and_then(|other| self.schema.distance(*thing, *other))
                    .unwrap_or(usize::MAX)
            })
    }

    pub(super) fn has_figures(&self) -> bool {
        self.spans.iter().any(|span| {
            matches!(
                span.word,
                Some(Word::HowMany | Word::Statistic(_) | Word::Total | Word::Most | Word::Least)
            ) || !span.metrics.is_empty()
        })
    }

    /// The span right before, words without a meaning aside.
    pub(super) fn before_words(&self, at: usize) -> Option<usize> {
        (0..at)
            .rev()
            .find(|index| self.span(*index).is_some_and(|span| !span.is_light()))
    }

    pub(super) fn is_rank_word_before(&self, at: usize) -> bool {
        self.before_words(at).is_some_and(|before| {
            matches!(
                self.span(before).and_then(|span| span.word),
                Some(Word::Most | Word::Least | Word::Top)
            )
        })
    }

    /// "more than 3 customers", "the most customers".
    pub(super) fn is_counted_noun(&self, at: usize) -> bool {
        let Some(before) = self.before(at) else { return false };
        self.span(before).is_some_and(|span| {
            matches!(
                span.word,
                Some(Word::Most | Word::Least | Word::Common(_) | Word::Without | Word::Compare(_))
            ) || span.number.is_some() && span.word.is_none()
        })
    }

    pub(super) fn sees(&self, thing: usize, attribute: usize) -> bool {
        self.schema
            .attributes
            .get(attribute)
            .is_some_and(|a| self.schema.reaches(thing, a.thing))
    }

    /// Of several things of one name the one that the rest of the question is about.
    pub(super) fn best_thing(&self, at: usize) -> Option<usize> {
        let span = self.span(at)?;
        match span.things.as_slice() {
            [] => None,
            [thing] => Some(*thing),
            several => {
                let votes = self.votes();
                several.iter().copied().max_by_key(|thing| {
                    (
                        votes.get(*thing).copied().unwrap_or_default(),
                        std::cmp::Reverse(*thing),
                    )
                })
            }
        }
    }

    pub(super) fn votes(&self) -> Vec<usize> {
        let mut votes = vec![0; self.schema.things.len()];
        for (at, span) in self.spans.iter().enumerate() {
            let mut options: Vec<usize> = span.attributes.clone();
            options.extend(span.hits.iter().map(|hit| hit.attribute));
            options.extend(span.ranks.iter().chain(&span.comparatives).map(|(a, _)| *a));
            if options.is_empty() {
                options.extend(&span.parts);
            }
            if span.is(Word::Verb) && options.is_empty() {
                options.extend(self.attributes_of_verb(at));
            }
            let of: Vec<usize> = options
                .iter()
                .filter_map(|a| self.schema.attributes.get(*a))
                .map(|a| a.thing)
                .collect();
            if of.is_empty() {
                for (thing, votes) in votes.iter_mut().enumerate() {
                    let nearest = span
                        .things
                        .iter()
                        .filter_map(|other| self.schema.steps_up(thing, *other))
                        .min();
                    *votes += nearest.map_or(0, |steps| 15_usize.saturating_sub(steps));
                }
                continue;
            }
            for (thing, votes) in votes.iter_mut().enumerate() {
                // What lies far away counts a little less, so that of two that know everything the nearer one is meant.
                let nearest = of.iter().filter_map(|other| self.schema.steps_up(thing, *other)).min();
                *votes += match nearest {
                    Some(0) => 30,
                    Some(steps) => 20_usize.saturating_sub(steps),
                    None => 0,
                };
            }
        }
        votes
    }

    pub(super) fn by_votes(&self) -> Option<usize> {
        let votes = self.votes();
        let most = *votes.iter().max()?;
        if most == 0 {
            return None;
        }
        votes.iter().position(|votes| *votes == most)
    }

    /// The attribute of a span that is nearest to what is spoken of.
    pub(super) fn attribute(&self, at: usize, options: &[usize]) -> Option<usize> {
        let neighbour = self.noun_beside(at);
        let scope = self.scope_thing();
        let target = self.state.request.thing;
        let last = self.state.context.last().copied();
        options.iter().copied().min_by_key(|option| {
            let Some(attribute) = self.schema.attributes.get(*option) else {
                return (usize::MAX, 0);
            };
            let from = |thing: usize| self.schema.steps_up(thing, attribute.thing);
            let cost = if neighbour == Some(attribute.thing) {
                0
            } else if attribute.thing == scope {
                1
            } else if last == Some(attribute.thing) {
                2
            } else if let Some(steps) = from(scope).or_else(|| from(target)) {
                2 + steps
            } else {
                20 + self.schema.distance(scope, attribute.thing).unwrap_or(100)
            };
            (cost * 2 + usize::from(attribute.is_roundabout), *option)
        })
    }

    /// The thing of a noun right before an attribute, or behind it and "of": "stadium names", "names of the stadiums".
    pub(super) fn noun_beside(&self, at: usize) -> Option<usize> {
        let thing_at = |index: usize| {
            self.span(index)
                .filter(|span| !span.things.is_empty())
                .and_then(|_| self.best_thing(index))
        };
        let own = self.span(at)?;
        if let Some(index) = at.checked_sub(1)
            && self.span(index).is_some_and(|span| span.end() == own.at)
            && let Some(thing) = thing_at(index)
        {
            return Some(thing);
        }
        // Over "and"s and other attributes to the "of".
        let mut index = at + 1;
        while let Some(span) = self.span(index) {
            if span.is(Word::Of) {
                let next = (index + 1..self.spans.len()).find(|i| self.span(*i).is_some_and(|s| !s.is_light()))?;
                return thing_at(next);
            }
            if !(span.is(Word::And) || span.is_light() || !span.attributes.is_empty()) {
                return None;
            }
            index += 1;
        }
        None
    }

    pub(super) fn scope_thing(&self) -> usize {
        self.related().map_or(self.state.request.thing, |related| related.thing)
    }

    pub(super) fn related(&self) -> Option<&Related> {
        match self.state.request.conditions.get(self.state.scope?)? {
            Condition::Related(related) => Some(related),
            _ => None,
        }
    }
}
