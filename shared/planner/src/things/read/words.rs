//! Words of the language, and orders and rankings.

use super::*;

impl<'a> Reader<'a> {
    /// A word of the language. True where it has been dealt with.
    #[allow(clippy::too_many_lines, reason = "one arm for each word")]
    pub(super) fn word(&mut self, at: usize, word: Word) -> bool {
        let Some(span) = self.span(at) else { return true };
        match word {
            Word::HowMany => {
                let next = self.next(at).and_then(|next| self.span(next));
                let counts = next.is_some_and(|span| span.says_something() || !span.parts.is_empty());
                self.state.is_counting = counts;
                self.state.fails |= !counts;
                self.take(at, "how many");
            }
            Word::By => {
                let next = self.next(at).and_then(|next| self.span(next));
                let is_name = next.is_some_and(|n| {
                    n.things.is_empty() && n.attributes.is_empty() && n.metrics.is_empty() && n.parts.is_empty()
                });
                let says_each = self.span(at).is_some_and(|span| {
                    (span.at..span.end()).any(|t| {
                        self.tokens
                            .get(t)
                            .is_some_and(|t| matches!(t.norm.as_str(), "each" | "every" | "per" | "grouped" | "group"))
                    })
                });
                // "pets owned by students" are not told for each of them.
                let is_agent = !says_each
                    && at
                        .checked_sub(1)
                        .is_some_and(|before| self.span(before).is_some_and(|s| s.is(Word::Verb)))
                    && self
                        .next(at)
                        .is_some_and(|next| self.span(next).is_some_and(|s| self.is_thing(s)) && self.is_plural(next));
                if is_agent {
                    return true;
                }
                if self.state.is_sorting && !is_name {
                    self.state.is_sorting = false;
                    self.state.sorts = true;
                    self.take(at, "in order of");
                    return true;
                }
                // "budget by department" asks for the figure, though no word says which one of it.
                let is_figure = !self.has_figures()
                    && self.state.context.is_empty()
                    && self.state.request.order.is_none()
                    && !self.state.request.shown.is_empty()
                    && self.state.request.shown.iter().all(|a| self.kind(*a) == Kind::Number);
                self.state.fails |= is_figure && !is_name;
                let ranked_by = next
                    .filter(|_| !says_each && self.state.request.limit.is_some())
                    .map(|next| {
                        next.attributes
                            .iter()
                            .copied()
                            .filter(|a| self.kind(*a) == Kind::Number)
                            .collect()
                    })
                    .unwrap_or_default();
                let ranked_by: Vec<usize> = ranked_by;
                if let (Some((By::Attribute(_), direction)), Some(at_next)) = (self.state.request.order, self.next(at))
                    && let Some(attribute) = self.attribute(at_next, &ranked_by)
                {
                    // "the smallest countries by surface area"
                    self.take(at, "ranked by");
                    self.take(at_next, self.name(attribute));
                    self.state.request.order = Some((By::Attribute(attribute), direction));
                } else if self.state.rank.is_some() && !is_name && !says_each {
                    // "top 5 products by revenue"
                    self.take(at, "ranked by");
                } else if !is_name && (self.has_figures() || says_each) {
                    self.state.groups = true;
                    self.state.subject = None;
                    self.take(at, "for each");
                } else if !is_name
                    && next.is_some_and(|n| n.things.is_empty() && !n.attributes.is_empty())
                    && !self.has_figures()
                {
                    self.state.sorts = true;
                    self.state.is_list_by = true;
                    self.take(at, "in order of");
                }
            }
            Word::Sort => {
                self.state.is_sorting = true;
                self.take(at, "sorted");
            }
            Word::HowMuch => {
                self.state.asks_how_much = true;
                self.take(at, "how much");
            }
            Word::Recent(direction) => {
                if !span.ranks.is_empty() && self.ranks_by_own(at) {
                    let options: Vec<usize> = span.ranks.iter().map(|(a, _)| *a).collect();
                    let target = self.state.request.thing;
                    if options.iter().any(|a| self.sees(target, *a)) {
                        return false;
                    }
                }
                if let Some(attribute) = self.schema.time_of(self.state.request.thing) {
                    let rows = self.rows_beside(at);
                    self.take(at, format!("by {}", self.name(attribute)));
                    self.rank_by(By::Attribute(attribute), direction, rows, at);
                }
            }
            Word::SortBy => {
                self.state.sorts = true;
                self.state.groups = false;
                self.take(at, "in order of");
            }
            Word::Sorted(direction) => self.sorted(at, direction),
            Word::Statistic(statistic) => {
                if !span.says_something() || !span.attributes.is_empty() && self.next_attribute(at) {
                    self.state.statistics.push((at, Some(statistic)));
                    return true;
                }
                return false;
            }
            Word::Total => {
                if span.says_something() && !self.next_attribute(at) {
                    return false;
                }
                self.state.statistics.push((at, None));
            }
            Word::Most | Word::Top | Word::Least | Word::Bottom => {
                if !span.ranks.is_empty() && self.ranks_by_own(at) {
                    return false;
                }
                if span.says_something() && !self.next_attribute(at) {
                    return false;
                }
                let direction = if matches!(word, Word::Most | Word::Top) {
                    Direction::Descending
                } else {
                    Direction::Ascending
                };
                let rows = self.rows_beside(at);
                self.state.rank = Some(PendingRank {
                    span: at,
                    direction,
                    rows,
                });
                self.most_of_verb(at);
            }
            Word::Common(direction) => {
                let rows = self.rows_beside(at);
                // "the most common hometown"
                if let Some(next) = self.next(at)
                    && let Some(span) = self.span(next)
                    && span.things.is_empty()
                    && let Some(attribute) = self.attribute(next, &span.attributes)
                {
                    self.take(next, format!("shows {}", self.name(attribute)));
                    self.show(attribute);
                }
                self.take(at, "by how many there are");
                let thing = self.state.request.thing;
                self.rank_by(By::Figure(Figure::Count(thing)), direction, rows, at);
            }
            Word::Compare(op) => self.compare(at, op),
            Word::Between => self.between(at),
            Word::Before | Word::After => {
                let Some(next) = self.next(at) else { return true };
                let Some(number) = self.span(next).and_then(|span| span.number) else {
                    return true;
                };
                let op = match (word, self.word_at(at)) {
                    (Word::After, "since") => Operator::GreaterOrEqual,
                    (Word::After, _) => Operator::Greater,
                    _ => Operator::Less,
                };
                if let Some(attribute) = self.time_attribute()
                    && self.number_condition(attribute, op, &[number])
                {
                    self.take(at, format!("condition on {}", self.name(attribute)));
                    self.take(next, "condition");
                }
            }
            Word::Average(op) => self.against_average(at, op),
            Word::Not | Word::Without => {
                self.state.negation = Some(at);
                // "never rated anything", "have no orders": what is absent follows.
                if word == Word::Without {
                    self.state.is_selecting = false;
                }
            }
            Word::Contains | Word::StartsWith => self.text(at, word),
            Word::Both => {
                self.state.is_both = true;
                self.take(at, "both");
            }
            Word::Distinct => {
                self.state.request.is_distinct = true;
                self.take(at, "each once");
            }
            Word::And => self.state.is_or = false,
            Word::Or => {
                self.state.is_or = true;
                self.state.is_both = false;
            }
            // "employees with their department names" are shown with them.
            Word::With
                if self
                    .tokens
                    .get(span.end())
                    .is_some_and(|t| matches!(t.norm.as_str(), "their" | "its")) => {}
            Word::Who | Word::With => {
                if !self.state.request.shown.is_empty() || !self.state.context.is_empty() {
                    self.state.is_selecting = false;
                }
                self.state.groups = false;
                self.state.subject = None;
                return !span.says_something();
            }
            Word::Verb => {
                // "the cost of each treatment"
                let is_noun = span
                    .at
                    .checked_sub(1)
                    .and_then(|before| self.tokens.get(before))
                    .is_some_and(|token| matches!(token.norm.as_str(), "the" | "a" | "an" | "their" | "its"));
                if span.says_something() || is_noun && !span.parts.is_empty() {
                    return false;
                }
                if self.state.groups && self.state.request.groups.is_empty() {
                    self.state.groups = false;
                }
                self.verb(at);
            }
            Word::Is | Word::Of | Word::In | Word::Than | Word::Which | Word::List => {
                return !span.says_something();
            }
            Word::Filler => return !span.says_something() && span.parts.is_empty() && span.number.is_none(),
            Word::Share => {
                self.state.request.is_share = true;
                self.state.is_counting = false;
                self.take(at, "share of all");
            }
            Word::Often(direction) => {
                let verb = (0..at)
                    .rev()
                    .find(|index| self.span(*index).is_some_and(|s| s.is(Word::Verb)));
                let target = self.state.request.thing;
                let things: Vec<usize> = verb
                    .map(|verb| self.things_of_verb(verb))
                    .unwrap_or_default()
                    .into_iter()
                    .filter(|thing| *thing != target && self.schema.connector(target, *thing).is_some())
                    .collect();
                let only = match self.schema.referring(target).as_slice() {
                    [only] => Some(*only),
                    _ => None,
                };
                let behind = self
                    .next(at)
                    .filter(|next| self.span(*next).is_some_and(|span| self.is_thing(span)))
                    .and_then(|next| self.best_thing(next))
                    .filter(|thing| *thing != target && self.schema.connector(target, *thing).is_some());
                if let Some(thing) = things.first().copied().or(behind).or(only) {
                    if let (Some(_), Some(next)) = (behind, self.next(at)) {
                        self.take(next, self.noun(thing));
                    }
                    self.take(at, format!("number of {}", self.noun(thing)));
                    self.rank_by(By::Figure(Figure::Count(thing)), direction, None, at);
                }
            }
            Word::When => {
                if !span.attributes.is_empty() {
                    return false;
                }
                self.when(at);
            }
            Word::Year => {
                if span.says_something() {
                    return false;
                }
                // A course over years is told by the time of the rows.
                let is_grouped = self
                    .before_words(at)
                    .is_some_and(|before| self.span(before).is_some_and(|span| span.is(Word::By)));
                self.state.fails |= is_grouped || self.is_asked(at);
                self.take(at, "year");
            }
            Word::Beyond => return !span.says_something(),
        }
        true
    }

    /// Whether an attribute follows at once, so that the word is said of it.
    pub(super) fn next_attribute(&self, at: usize) -> bool {
        self.next(at).and_then(|next| self.span(next)).is_some_and(|span| {
            !span.attributes.is_empty()
                || !span.metrics.is_empty()
                || !span.parts.is_empty() && span.word.is_none()
                || matches!(span.word, Some(Word::Statistic(_) | Word::Total | Word::And))
        })
    }

    /// "the largest city", where no attribute follows: by the number that the word speaks of.
    pub(super) fn ranks_by_own(&self, at: usize) -> bool {
        let next = self.next(at).and_then(|next| self.span(next));
        next.is_none_or(|span| {
            !span.things.is_empty()
                || span.attributes.is_empty() && span.metrics.is_empty() && span.word != Some(Word::HowMany)
        }) && !next.is_some_and(|span| matches!(span.word, Some(Word::Statistic(_) | Word::Total)))
    }

    pub(super) fn rows_beside(&mut self, at: usize) -> Option<u32> {
        let rows = |number: f64| {
            let fits = number.fract() == 0.0 && (1.0..=MOST_RANKED_ROWS).contains(&number);
            fits.then_some(number as u32)
        };
        if let Some((place, number)) = self.state.number.take()
            && let Some(rows) = rows(number)
        {
            self.take(place, format!("{rows} rows"));
            return Some(rows);
        }
        let next = at + 1;
        let number = self
            .span(next)
            .filter(|span| span.word.is_none())
            .and_then(|span| span.number)?;
        let rows = rows(number)?;
        self.take(next, format!("{rows} rows"));
        Some(rows)
    }

    pub(super) fn rank_by(&mut self, by: By, direction: Direction, rows: Option<u32>, at: usize) {
        let thing = self.state.request.thing;
        let names = (0..self.spans.len())
            .filter(|index| *index != at && self.span(*index).is_some_and(|span| span.things.contains(&thing)))
            .min_by_key(|index| index.abs_diff(at));
        let has_attribute = |index: &usize| self.span(*index).is_some_and(|span| !span.attributes.is_empty());
        let shown = (0..at).find(has_attribute);
        let any_shown = (0..self.spans.len()).find(|index| has_attribute(index) && self.is_used(*index));
        // "cities with the most customers" ranks cities, "names of the youngest student" the student.
        let head = match by {
            By::Figure(Figure::Count(of)) if of == thing => shown.or(any_shown).or(names),
            _ => names.or(shown),
        };
        let is_plural = head.is_some_and(|head| self.is_plural(head))
            && !self
                .spans
                .iter()
                .zip(0..)
                .any(|(span, index): (&Span, usize)| span.is(Word::Which) && self.word_at(index) == "what is");
        let rows = rows.unwrap_or(if is_plural { RANKED_ROWS } else { 1 });
        self.state.request.order = Some((by, direction));
        self.state.request.limit = Some(rows);
        self.state.is_selecting = false;
    }

    pub(super) fn superlative(&mut self, at: usize) {
        let Some(span) = self.span(at) else { return };
        let options: Vec<usize> = span.ranks.iter().map(|(a, _)| *a).collect();
        // "top 3 most expensive"
        let before = self.state.rank.take();
        if let Some(rank) = before {
            self.take(rank.span, "the first");
        }
        let rows = self.rows_beside(at).or(before.and_then(|rank| rank.rows));
        let best = self.attribute(at, &options);
        let target = self.state.request.thing;
        let near = best.filter(|a| {
            self.sees(target, *a)
                || self.sees(self.scope_thing(), *a)
                || self
                    .schema
                    .attributes
                    .get(*a)
                    .is_some_and(|a| self.schema.reaches(a.thing, target))
        });
        if let Some(attribute) = near {
            let direction = span
                .ranks
                .iter()
                .find(|(a, _)| *a == attribute)
                .map_or(Direction::Descending, |(_, direction)| *direction);
            self.take(at, format!("by {}", self.name(attribute)));
            self.rank_by(By::Attribute(attribute), direction, rows, at);
            return;
        }
        if let Some((metric, direction)) = span.metric_ranks.first().copied() {
            self.take(at, "ranked");
            self.rank_by(By::Figure(Figure::Metric(metric)), direction, rows, at);
        }
    }

    pub(super) fn sorted(&mut self, at: usize, direction: Direction) {
        self.take(at, "in this order");
        let says_of = self
            .span(at)
            .and_then(|span| self.tokens.get(span.end().checked_sub(1)?))
            .is_some_and(|token| matches!(token.norm.as_str(), "of" | "by"));
        let follows = self
            .next(at)
            .and_then(|next| self.span(next))
            .is_some_and(|span| !span.attributes.is_empty() || !span.parts.is_empty());
        match &mut self.state.request.order {
            Some((_, known)) if !says_of || !follows => *known = direction,
            _ if follows => {
                self.state.sorts = true;
                self.state.request.order = Some((By::Attribute(usize::MAX), direction));
            }
            _ => {
                let shown = self.state.request.shown.clone();
                let label = self
                    .schema
                    .things
                    .get(self.state.request.thing)
                    .and_then(|thing| thing.label);
                let by = match self.state.request.figures.last() {
                    Some(figure) => Some(By::Figure(*figure)),
                    None => shown.last().copied().or(label).map(By::Attribute),
                };
                self.state.request.order = by.map(|by| (by, direction));
            }
        }
    }
}
