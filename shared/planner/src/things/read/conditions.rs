//! Conditions: where each is said, and what comparisons, values, numbers and times are about.

use super::*;

impl<'a> Reader<'a> {
    /// Puts a condition where it is said: on the related rows that are spoken of, or on the rows themselves.
    pub(super) fn condition(&mut self, condition: Condition) {
        let (attribute, target) = match &condition {
            Condition::Is { attribute, .. } | Condition::Average { attribute, .. } => {
                (*attribute, self.state.request.thing)
            }
            Condition::Related(_) => {
                self.state.request.conditions.push(condition);
                self.state.is_selecting = false;
                return;
            }
        };
        self.state.is_selecting = false;
        let of = self.schema.attributes.get(attribute).map_or(target, |a| a.thing);
        let reached = self.schema.reaches(target, of);
        let scope = self.state.scope;
        let in_scope = self.related().is_some_and(|related| {
            self.schema.reaches(related.thing, of) && (!reached || related.thing == of)
                || self
                    .schema
                    .connector(target, related.thing)
                    .is_some_and(|link| !reached && self.schema.reaches(link, of))
        });
        if let (Some(scope), true) = (scope, in_scope)
            && let Some(Condition::Related(related)) = self.state.request.conditions.get_mut(scope)
        {
            related.conditions.push(condition);
            return;
        }
        if reached {
            self.state.request.conditions.push(condition);
            return;
        }
        // Rows of another thing that nothing has named: "students who have a cat".
        let is_absent = self.state.negation.is_some();
        if let Some(not) = self.state.negation.take() {
            self.take(not, "none of them");
        }
        let open = self.state.request.conditions.iter_mut().find_map(|known| match known {
            Condition::Related(related)
                if related.thing == of
                    && related.is_absent == is_absent
                    && !self.state.is_both
                    && !related.is_apart =>
            {
                Some(related)
            }
            _ => None,
        });
        match open {
            Some(related) if !is_same_attribute(&related.conditions, attribute) => related.conditions.push(condition),
            _ => {
                self.state.request.conditions.push(Condition::Related(Related {
                    thing: of,
                    is_absent,
                    conditions: vec![condition],
                    is_apart: self.state.is_both,
                    ..Related::default()
                }));
            }
        }
    }

    /// A value, beside others of its attribute where there are some.
    pub(super) fn value(&mut self, attribute: usize, hit: &Hit, is_negated: bool) {
        let value = self.value_of(attribute, &hit.value);
        let wanted = if is_negated { Operator::NotIn } else { Operator::In };
        let merges = !self.state.is_both || is_negated;
        if merges && let Some(values) = find_values(&mut self.state.request.conditions, attribute, wanted) {
            if !values.contains(&value) {
                values.push(value);
            }
            return;
        }
        self.condition(Condition::Is {
            attribute,
            op: wanted,
            values: vec![value],
        });
    }

    pub(super) fn value_of(&self, attribute: usize, value: &str) -> Value {
        match self.kind(attribute) {
            Kind::Number | Kind::Year => value
                .parse()
                .map_or_else(|_| Value::Text(value.to_owned()), Value::Integer),
            _ => Value::Text(value.to_owned()),
        }
    }

    pub(super) fn days(&mut self, attribute: usize, days: (Option<Date>, Option<Date>)) {
        let is_year = self.kind(attribute) != Kind::Day;
        let value = |day: Date| {
            if is_year {
                Value::Integer(i64::from(day.year()))
            } else {
                Value::Text(day.to_string())
            }
        };
        let (op, values) = match days {
            (Some(from), Some(to)) if is_year && from.year() == to.year() => (Operator::Equal, vec![value(from)]),
            (Some(from), Some(to)) => (Operator::Between, vec![value(from), value(to)]),
            (Some(from), None) => (Operator::GreaterOrEqual, vec![value(from)]),
            (None, Some(to)) => (Operator::LessOrEqual, vec![value(to)]),
            (None, None) => return,
        };
        // "in 2014 or 2015"
        if is_year
            && op == Operator::Equal
            && let Some(known) = find_values(&mut self.state.request.conditions, attribute, Operator::In)
        {
            known.extend(values);
            return;
        }
        let op = if op == Operator::Equal { Operator::In } else { op };
        // "before 1990 and after 2000" names two stretches, and no row lies in both.
        let opposite = match op {
            Operator::LessOrEqual => Some(Operator::GreaterOrEqual),
            Operator::GreaterOrEqual => Some(Operator::LessOrEqual),
            _ => None,
        };
        let contradicts = opposite
            .and_then(|opposite| find_values(&mut self.state.request.conditions, attribute, opposite))
            .is_some_and(|known| {
                let text = |value: &Value| match value {
                    Value::Text(text) => text.clone(),
                    Value::Integer(year) => format!("{year:06}"),
                    _ => String::new(),
                };
                match (known.first(), values.first()) {
                    (Some(known), Some(new)) if op == Operator::LessOrEqual => text(known) > text(new),
                    (Some(known), Some(new)) => text(known) < text(new),
                    _ => false,
                }
            });
        self.state.fails |= contradicts;
        self.condition(Condition::Is { attribute, op, values });
    }

    pub(super) fn number_condition(&mut self, attribute: usize, op: Operator, values: &[f64]) -> bool {
        let values: Vec<Value> = match self.kind(attribute) {
            Kind::Number | Kind::Year => values.iter().map(|number| number_value(*number)).collect(),
            // "after 1950" of a day.
            Kind::Day => {
                let year = |number: &f64| {
                    let fits = number.fract() == 0.0 && (1.0..=9999.0).contains(number);
                    fits.then_some(*number as i16)
                };
                let (Some(first), last) = (values.first().and_then(year), values.last().and_then(year)) else {
                    return false;
                };
                let start = |year: i16| Date::new(year, 1, 1).ok();
                let end = |year: i16| Date::new(year, 12, 31).ok();
                let days = match op {
                    Operator::Greater => (start(first.saturating_add(1)), None),
                    Operator::GreaterOrEqual => (start(first), None),
                    Operator::Less => (None, end(first.saturating_sub(1))),
                    Operator::LessOrEqual => (None, end(first)),
                    Operator::Between => (start(first), last.and_then(end)),
                    _ => (start(first), end(first)),
                };
                self.days(attribute, days);
                return true;
            }
            Kind::Text | Kind::Truth => return false,
        };
        self.condition(Condition::Is { attribute, op, values });
        true
    }

    /// The number that a comparison without a name is about: the only one that the rows have.
    pub(super) fn only_measure(&self, thing: usize) -> Option<usize> {
        let key = self
            .schema
            .things
            .get(thing)
            .map(|thing| thing.key.as_slice())
            .unwrap_or_default();
        let mut measures = self.schema.attributes.iter().enumerate().filter(|(_, a)| {
            a.thing == thing
                && a.kind == Kind::Number
                && !a.is_roundabout
                && !key.contains(&a.column)
                && !a.column.ends_with("id")
        });
        let first = measures.next()?.0;
        if measures.next().is_none() {
            return Some(first);
        }
        // "between 10 and 20 dollars", where only one of them is money.
        const MONEY: [&str; 12] = [
            "price", "cost", "amount", "salary", "fee", "fare", "budget", "revenue", "total", "balance", "income",
            "wage",
        ];
        let says_money = self.tokens.iter().any(|token| {
            token.text.contains(['$', '€', '£'])
                || matches!(
                    token.stem.as_str(),
                    "dollar" | "euro" | "pound" | "usd" | "eur" | "buck"
                )
        });
        let mut amounts = (0..self.schema.attributes.len()).filter(|at| {
            self.schema.attributes.get(*at).is_some_and(|a| {
                a.thing == thing && a.kind == Kind::Number && a.column.split('_').any(|word| MONEY.contains(&word))
            })
        });
        let amount = amounts.next().filter(|_| says_money)?;
        amounts.next().is_none().then_some(amount)
    }

    /// Conditions are said of these related rows from here on.
    pub(super) fn relate(&mut self, thing: usize, is_absent: bool, count: Option<(Operator, i64)>) {
        let is_apart = self.state.is_both;
        self.condition(Condition::Related(Related {
            thing,
            is_absent,
            count,
            conditions: Vec::new(),
            is_apart,
        }));
        self.state.scope = Some(self.state.request.conditions.len().saturating_sub(1));
        self.state.context.push(thing);
    }

    pub(super) fn comparative(&mut self, at: usize) {
        let Some(span) = self.span(at) else { return };
        let options: Vec<usize> = span.comparatives.iter().map(|(a, _)| *a).collect();
        let Some(attribute) = self.attribute(at, &options) else {
            return;
        };
        let direction = span
            .comparatives
            .iter()
            .find(|(a, _)| *a == attribute)
            .map_or(Direction::Descending, |(_, direction)| *direction);
        let op = if direction == Direction::Descending {
            Operator::Greater
        } else {
            Operator::Less
        };
        let Some(next) = (at + 1..self.spans.len()).find(|index| {
            self.span(*index)
                .is_some_and(|s| s.number.is_some() || s.days.is_some() || matches!(s.word, Some(Word::Average(_))))
        }) else {
            return;
        };
        let Some(of) = self.span(next) else { return };
        if matches!(of.word, Some(Word::Average(_))) {
            self.condition(Condition::Average { attribute, op });
        } else if let Some(number) = of.number {
            // How old somebody is, is not told by a birthday.
            if self.kind(attribute) == Kind::Day || !self.number_condition(attribute, op, &[number]) {
                return;
            }
        } else {
            return;
        }
        self.take(at, format!("condition on {}", self.name(attribute)));
        self.take(next, "condition");
        self.unit_behind(next, attribute);
    }

    /// "300000 milliseconds": the unit names the attribute once more.
    pub(super) fn unit_behind(&mut self, at: usize, attribute: usize) {
        if let Some(next) = self.next(at)
            && let Some(span) = self.span(next)
            && (span.attributes.contains(&attribute) || span.parts.contains(&attribute))
        {
            self.take(next, self.name(attribute));
        }
    }

    pub(super) fn compare(&mut self, at: usize, op: Operator) {
        let Some(mut next) = self.next(at) else { return };
        // "above age 20"
        if let Some(span) = self.span(next)
            && span.number.is_none()
            && !span.attributes.is_empty()
            && self.span(next + 1).is_some_and(|behind| behind.number.is_some())
            && let Some(attribute) = self.attribute(next, &span.attributes)
        {
            self.take(next, self.name(attribute));
            self.state.subject = Some(attribute);
            next += 1;
        }
        let Some(number) = self.span(next).and_then(|span| span.number) else {
            return;
        };
        if self.compare_with(at, next, op, &[number]) {
            self.take(at, "condition");
            self.take(next, "condition");
        }
    }

    pub(super) fn between(&mut self, at: usize) {
        let numbers: Vec<usize> = (at + 1..self.spans.len())
            .filter(|index| {
                self.span(*index)
                    .is_some_and(|span| !span.is_light() && !span.is(Word::And))
            })
            .take(2)
            .collect();
        let [first, second] = numbers.as_slice() else { return };
        let number = |index: usize| self.span(index).and_then(|span| span.number);
        let (Some(low), Some(high)) = (number(*first), number(*second)) else {
            return;
        };
        if self.compare_with(at, *second, Operator::Between, &[low.min(high), low.max(high)]) {
            for index in [at, *first, *second] {
                self.take(index, "condition");
            }
        }
    }

    /// What a comparison is about: the attribute before it, the attribute or the thing behind its number.
    pub(super) fn compare_with(&mut self, at: usize, last: usize, op: Operator, numbers: &[f64]) -> bool {
        let not = self.state.negation.take();
        let op = match (not, op) {
            (Some(not), op) => {
                self.take(not, "not");
                match op {
                    Operator::Greater => Operator::LessOrEqual,
                    Operator::GreaterOrEqual => Operator::Less,
                    Operator::Less => Operator::GreaterOrEqual,
                    Operator::LessOrEqual => Operator::Greater,
                    Operator::Equal => Operator::NotEqual,
                    other => other,
                }
            }
            (None, op) => op,
        };
        let behind = self.next(last).filter(|next| {
            let gap = self.span(*next).map_or(0, |s| s.at) - self.span(last).map_or(0, Span::end);
            gap <= 1
        });
        if let Some(subject) = self.state.subject.take()
            && matches!(self.kind(subject), Kind::Number | Kind::Year | Kind::Day)
            && self.number_condition(subject, op, numbers)
        {
            self.unit_behind(last, subject);
            return true;
        }
        if let Some(behind) = behind
            && let Some(span) = self.span(behind)
        {
            let options = if span.attributes.is_empty() {
                &span.parts
            } else {
                &span.attributes
            };
            let options: Vec<usize> = options
                .iter()
                .copied()
                .filter(|a| self.kind(*a) == Kind::Number)
                .collect();
            let own = self
                .attribute(behind, &options)
                .filter(|a| self.sees(self.scope_thing(), *a) || span.things.is_empty());
            if let Some(attribute) = own.filter(|_| span.word.is_none() || !span.attributes.is_empty())
                && self.number_condition(attribute, op, numbers)
            {
                self.take(behind, self.name(attribute));
                return true;
            }
            if !span.things.is_empty()
                && let Some(thing) = self.best_thing(behind)
                && let Some(count) = numbers.first().filter(|n| n.fract() == 0.0).map(|n| *n as i64)
                && op != Operator::Between
            {
                self.take(behind, format!("number of {}", self.noun(thing)));
                self.relate(thing, false, Some((op, count)));
                return true;
            }
        }
        // "cities with a population over …" without a subject: by the verb, by what ranks, or the only number there is.
        let verb = (0..at)
            .rev()
            .take(3)
            .find(|index| self.span(*index).is_some_and(|span| span.is(Word::Verb)));
        let by_verb = verb.and_then(|verb| {
            let options: Vec<usize> = self
                .attributes_of_verb(verb)
                .into_iter()
                .filter(|a| self.kind(*a) == Kind::Number)
                .collect();
            self.attribute(verb, &options)
        });
        let figure = match self.state.request.figures.as_slice() {
            [.., Figure::Of(_, attribute)] if self.state.request.groups.is_empty() => Some(*attribute),
            _ => None,
        };
        let measure = by_verb.or(figure).or_else(|| self.only_measure(self.scope_thing()));
        if let Some(attribute) = measure
            && self.number_condition(attribute, op, numbers)
        {
            self.state.guesses += usize::from(by_verb.is_none());
            return true;
        }
        false
    }

    pub(super) fn against_average(&mut self, at: usize, op: Operator) {
        let behind = self.next(at).filter(|next| {
            self.span(*next)
                .is_some_and(|span| !span.attributes.is_empty() || !span.parts.is_empty())
        });
        let named = behind.and_then(|behind| {
            let span = self.span(behind)?;
            let options = if span.attributes.is_empty() {
                &span.parts
            } else {
                &span.attributes
            };
            let options: Vec<usize> = options
                .iter()
                .copied()
                .filter(|a| self.kind(*a) == Kind::Number)
                .collect();
            self.attribute(behind, &options)
        });
        let verb = (0..at)
            .rev()
            .take(3)
            .find(|index| self.span(*index).is_some_and(|span| span.is(Word::Verb)));
        let of_verb = || {
            let options: Vec<usize> = self
                .attributes_of_verb(verb?)
                .into_iter()
                .filter(|a| self.kind(*a) == Kind::Number)
                .collect();
            self.attribute(verb?, &options)
        };
        let attribute = named
            .or(self.state.subject)
            .or_else(of_verb)
            .or_else(|| self.only_measure(self.scope_thing()));
        if let Some(attribute) = attribute.filter(|a| self.kind(*a) == Kind::Number) {
            if let (Some(behind), Some(_)) = (behind, named) {
                self.take(behind, self.name(attribute));
            }
            self.take(at, format!("against the average of {}", self.name(attribute)));
            self.state.subject = None;
            self.condition(Condition::Average { attribute, op });
        }
    }

    pub(super) fn text(&mut self, at: usize, word: Word) {
        let subject = self.state.subject.take().or_else(|| {
            let thing = self.schema.things.get(self.scope_thing())?;
            thing.label
        });
        let next = (at + 1..self.spans.len()).find(|index| {
            !matches!(self.span(*index).and_then(|s| s.word), Some(Word::Filler)) || *index + 1 == self.spans.len()
        });
        let Some((attribute, next)) = subject.filter(|a| self.kind(*a) == Kind::Text).zip(next) else {
            return;
        };
        let Some(span) = self.span(next) else { return };
        let text: Vec<&str> = self
            .tokens
            .get(span.at..span.end())
            .unwrap_or_default()
            .iter()
            .map(|token| token.text.as_str())
            .collect();
        let op = if word == Word::Contains {
            Operator::Contains
        } else {
            Operator::StartsWith
        };
        self.take(at, format!("condition on {}", self.name(attribute)));
        self.take(next, "text");
        self.condition(Condition::Is {
            attribute,
            op,
            values: vec![Value::Text(text.join(" "))],
        });
    }

    pub(super) fn time_attribute(&self) -> Option<usize> {
        let is_time = |a: &usize| matches!(self.kind(*a), Kind::Day | Kind::Year);
        let last = self.state.context.last().copied();
        self.state.subject.filter(is_time).or_else(|| {
            let scope = self.scope_thing();
            last.filter(|thing| self.schema.reaches(scope, *thing) && *thing != scope)
                .and_then(|thing| self.schema.time_of(thing))
                .or_else(|| self.schema.time_of(scope))
                .or_else(|| self.schema.time_of(self.state.request.thing))
        })
    }

    pub(super) fn time(&mut self, at: usize, days: (Option<Date>, Option<Date>)) {
        if let Some(subject) = self
            .state
            .subject
            .filter(|a| matches!(self.kind(*a), Kind::Day | Kind::Year))
        {
            self.take(at, format!("condition on {}", self.name(subject)));
            self.days(subject, days);
            self.state.subject = None;
            return;
        }
        // "in year 2014", "founded date after 2014": a name behind.
        let attribute = self.time_attribute();
        if let Some(attribute) = attribute {
            self.take(at, format!("condition on {}", self.name(attribute)));
            self.days(attribute, days);
        }
    }

    /// "orders from 1997" are those of that year, though a course "from 1997" goes on.
    pub(super) fn whole_year(&self, at: usize, days: (Option<Date>, Option<Date>)) -> (Option<Date>, Option<Date>) {
        match days {
            (Some(from), None) if self.word_at(at) == "from" && from == from.first_of_year() => {
                (Some(from), Some(from.last_of_year()))
            }
            other => other,
        }
    }

    pub(super) fn number(&mut self, at: usize, number: f64) {
        // "aged 32 or 33"
        let joined = self.before_words(at).is_some_and(|b| {
            self.span(b)
                .is_some_and(|span| matches!(span.word, Some(Word::Or | Word::And)))
        });
        if joined
            && let Some(Condition::Is {
                op: op @ (Operator::Equal | Operator::In),
                values,
                attribute,
            }) = self.state.request.conditions.last_mut()
            && matches!(values.first(), Some(Value::Integer(_) | Value::Number(_)))
        {
            *op = Operator::In;
            values.push(number_value(number));
            let attribute = *attribute;
            self.take(at, format!("or {number}, {}", self.name(attribute)));
            return;
        }
        let next = at + 1;
        if let Some(subject) = self.state.subject.take()
            && matches!(self.kind(subject), Kind::Number | Kind::Year)
        {
            let not = self.state.negation.take();
            let op = match not {
                Some(not) => {
                    self.take(not, "not");
                    Operator::NotEqual
                }
                None => Operator::Equal,
            };
            self.take(at, format!("{} is {number}", self.name(subject)));
            self.number_condition(subject, op, &[number]);
            return;
        }
        if let Some(span) = self.span(next) {
            let ranks = span.word.is_some_and(|word| {
                matches!(
                    word,
                    Word::Most | Word::Least | Word::Top | Word::Bottom | Word::Common(_)
                )
            }) || !span.ranks.is_empty()
                || !span.metric_ranks.is_empty();
            if ranks {
                self.state.number = Some((at, number));
                return;
            }
            let options = if span.attributes.is_empty() {
                &span.parts
            } else {
                &span.attributes
            };
            let options: Vec<usize> = options
                .iter()
                .copied()
                .filter(|a| self.kind(*a) == Kind::Number)
                .collect();
            if !options.is_empty()
                && let Some(attribute) = self.attribute(next, &options)
            {
                self.take(at, format!("{} is {number}", self.name(attribute)));
                self.take(next, self.name(attribute));
                self.number_condition(attribute, Operator::Equal, &[number]);
                return;
            }
            // "2 pets"
            if !span.things.is_empty()
                && let Some(thing) = self.best_thing(next)
                && thing != self.state.request.thing
                && number.fract() == 0.0
            {
                self.take(at, "exactly so many");
                self.take(next, format!("number of {}", self.noun(thing)));
                self.relate(thing, false, Some((Operator::Equal, number as i64)));
            }
        }
    }

    pub(super) fn hit(&mut self, at: usize) {
        let Some(span) = self.span(at) else { return };
        let options: Vec<usize> = span.hits.iter().map(|hit| hit.attribute).collect();
        let subject = self.state.subject.filter(|subject| options.contains(subject));
        let Some(attribute) = subject
            .or_else(|| self.beside_value(at, &options))
            .or_else(|| self.attribute(at, &options))
        else {
            return;
        };
        let found = attribute;
        let attribute = self
            .state
            .subject
            .and_then(|spoken_of| self.schema.beside(spoken_of, attribute))
            .unwrap_or(attribute);
        let several = options
            .iter()
            .filter(|other| {
                **other != found
                    && self.schema.attributes.get(**other).map(|a| a.thing)
                        == self.schema.attributes.get(found).map(|a| a.thing)
            })
            .count();
        self.state.guesses += several.min(1);
        // "how many dogs": those that are one.
        if self.state.is_counting
            && !self.span(at + 1).is_some_and(|next| self.is_thing(next))
            && self.counted_noun_follows(at).is_none()
        {
            self.state.is_counting = false;
            let thing = self.state.request.thing;
            self.state.request.figures.push(Figure::Count(thing));
        }
        let mut hits: Vec<&Hit> = span.hits.iter().filter(|hit| hit.attribute == found).collect();
        hits.sort_by_key(|hit| std::cmp::Reverse(hit.weight));
        let is_negated_value = self.state.negation.is_some() && self.sees(self.state.request.thing, attribute);
        if is_negated_value && let Some(not) = self.state.negation.take() {
            self.take(not, "not");
        }
        let values: Vec<&Hit> = hits;
        let told: Vec<&str> = values.iter().map(|hit| hit.value.as_str()).collect();
        self.take(at, format!("{} is {}", self.name(attribute), told.join(" or ")));
        let both = self.state.is_both;
        for (index, hit) in values.iter().enumerate() {
            if index > 0 {
                self.state.is_both = false;
            }
            self.value(attribute, hit, is_negated_value);
        }
        self.state.is_both = both;
        self.state.subject = None;
        self.state.last_hit = Some(at);
        self.state.is_selecting = self.state.is_selecting && self.state.request.shown.is_empty();
    }

    /// The attribute of a value whose thing stands beside it: "the Surgery department".
    pub(super) fn beside_value(&self, at: usize, options: &[usize]) -> Option<usize> {
        [at.checked_sub(1), Some(at + 1)]
            .into_iter()
            .flatten()
            .find_map(|index| {
                let things = &self.span(index)?.things;
                options.iter().copied().find(|option| {
                    self.schema
                        .attributes
                        .get(*option)
                        .is_some_and(|a| things.contains(&a.thing))
                })
            })
    }
}
