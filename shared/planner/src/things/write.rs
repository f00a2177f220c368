//! A request about things as a `Query`: which metric or whose rows, and every condition as a filter on the rows, on what
//! they belong to, or on the existence of others.

use super::{
    request::{By, Condition, Figure, Group, Related, Request},
    schema::Schema,
};
use concert_contract::{
    catalogue::{Aggregate, Catalogue},
    query::{
        Comparison, Direction, Exists, Filter, FilterClause, HavingClause, MetricFilter, Operator, Order, Query,
        QueryMetric, Statistic, Than, Top, Usual, Value,
    },
};

/// Columns of a thing without a name, beside its key.
const SHOWN_COLUMNS: usize = 5;
/// And names of what it belongs to.
const SHOWN_NAMES: usize = 3;

pub(super) struct Writer<'a> {
    pub catalogue: &'a Catalogue,
    pub schema: &'a Schema,
}

impl Writer<'_> {
    /// None where the catalogue has no words for it.
    pub fn query(&self, request: &Request) -> Option<Query> {
        if request.is_share {
            return self.share(request);
        }
        if let (Some((By::Attribute(attribute), direction)), false) = (request.order, request.groups.is_empty())
            && request.limit.is_some()
            && request.figures.is_empty()
        {
            return self.first_of_each(request, attribute, direction);
        }
        let by_figure = match request.order {
            Some((By::Figure(figure), _)) => Some(figure),
            _ => None,
        };
        // "cities with more than 3 customers": the condition is one on each city.
        let counted = self.counts_of_groups(request);
        let mut query = if request.figures.is_empty() && by_figure.is_none() && counted.is_none() {
            self.list(request)?
        } else {
            self.measure(request, by_figure, counted)?
        };
        if let Some((By::Attribute(attribute), direction)) = request.order {
            let by = self.dimension(attribute)?;
            if query.of.is_none() && !query.dimensions.contains(&by) {
                query.dimensions.push(by.clone());
            }
            query.order = vec![Order { by, direction }];
        }
        query.limit = request.limit;
        // "the customer with the most orders in each country"
        if let (Some((By::Figure(figure), direction)), false) = (request.order, request.groups.is_empty())
            && let Some(limit) = request.limit
        {
            let per: Vec<String> = request
                .groups
                .iter()
                .map(|group| self.group(*group))
                .collect::<Option<_>>()?;
            if query.dimensions.iter().all(|name| per.contains(name)) {
                query.dimensions.insert(0, self.entity(request.thing)?);
            }
            query.limit = None;
            query.order.clear();
            query.top = Some(Top {
                n: limit,
                by: Some(self.metric(figure)?.name()),
                per,
                direction,
            });
        }
        Some(query)
    }

    /// The first rows by an attribute within each group: each row's own value is its only one, so that the greatest of
    /// them is what it has.
    fn first_of_each(&self, request: &Request, attribute: usize, direction: Direction) -> Option<Query> {
        let statistic = if direction == Direction::Descending {
            Statistic::Maximum
        } else {
            Statistic::Minimum
        };
        let figure = Figure::Of(Some(statistic), attribute);
        let mut request = request.clone();
        request.order = Some((By::Figure(figure), direction));
        self.query(&request)
    }

    /// The share of the rows that meet the only condition, among all.
    fn share(&self, request: &Request) -> Option<Query> {
        let [Condition::Is { attribute, op, values }] = request.conditions.as_slice() else {
            return None;
        };
        let is_group = matches!(op, Operator::Equal | Operator::In);
        if !is_group || !self.schema.reaches(request.thing, self.thing_of(*attribute)?) {
            return None;
        }
        let dimension = self.dimension(*attribute)?;
        Some(Query {
            metrics: vec![QueryMetric::from(self.count(request.thing)?)],
            dimensions: vec![dimension.clone()],
            focus: vec![FilterClause::Is(Filter {
                dimension,
                op: Operator::In,
                values: values.iter().map(|value| self.flagged(*attribute, value)).collect(),
            })],
            compare: vec![Comparison::ShareOfTotal],
            ..Query::default()
        })
    }

    fn dimension(&self, attribute: usize) -> Option<String> {
        let attribute = self.schema.attributes.get(attribute)?;
        Some(self.catalogue.dimensions.get(attribute.dimension)?.name.clone())
    }

    fn entity(&self, thing: usize) -> Option<String> {
        let entity = self.schema.things.get(thing)?.entity?;
        Some(self.catalogue.dimensions.get(entity)?.name.clone())
    }

    fn count(&self, thing: usize) -> Option<String> {
        Some(self.schema.things.get(thing)?.count.clone())
    }

    fn thing_of(&self, attribute: usize) -> Option<usize> {
        self.schema.attributes.get(attribute).map(|a| a.thing)
    }

    // Lists

    fn list(&self, request: &Request) -> Option<Query> {
        let mut base = request.thing;
        let shown = if request.shown.is_empty() {
            self.columns_of(request.thing)
        } else {
            request.shown.clone()
        };
        // Values that nothing is said to have are those that there are.
        let lists_values = !request.names_thing
            && request.order.is_none()
            && !shown.is_empty()
            && shown.iter().all(|attribute| {
                self.schema.attributes.get(*attribute).is_some_and(|a| {
                    a.kind != super::schema::Kind::Number
                        && self
                            .schema
                            .things
                            .get(a.thing)
                            .is_some_and(|thing| thing.label != Some(*attribute))
                })
            })
            && !request.shown.is_empty();
        let mut is_distinct = request.is_distinct || lists_values;
        for attribute in &shown {
            let of = self.thing_of(*attribute)?;
            if !self.schema.reaches(base, of) {
                base = self.schema.connector(base, of)?;
                is_distinct = true;
            }
        }
        // "the owner of the youngest dog" is found among the dogs.
        if let Some((By::Attribute(attribute), _)) = request.order {
            let of = self.thing_of(attribute)?;
            if !self.schema.reaches(base, of) && self.schema.reaches(of, base) {
                base = of;
            }
        }
        let mut query = Query {
            of: Some(self.count(base)?),
            distinct: is_distinct,
            filters: self.filters(&request.conditions, request.thing, base)?,
            ..Query::default()
        };
        for attribute in &shown {
            let name = self.dimension(*attribute)?;
            if !query.dimensions.contains(&name) {
                query.dimensions.push(name);
            }
        }
        for group in &request.groups {
            let name = self.group(*group)?;
            if !query.dimensions.contains(&name) {
                query.dimensions.push(name);
            }
        }
        // Without a name of its own a row is shown by what it is ranked by as well.
        if let Some((By::Attribute(attribute), _)) = request.order
            && !request.names_columns
        {
            let name = self.dimension(attribute)?;
            if !query.dimensions.contains(&name) {
                query.dimensions.push(name);
            }
        }
        Some(query)
    }

    /// What a thing is shown by where no column is asked for: its name, or its key and its first columns.
    fn columns_of(&self, thing: usize) -> Vec<usize> {
        let Some(of) = self.schema.things.get(thing) else {
            return Vec::new();
        };
        let own: Vec<usize> = (0..self.schema.attributes.len())
            .filter(|at| {
                self.schema
                    .attributes
                    .get(*at)
                    .is_some_and(|a| a.thing == thing && !a.is_roundabout)
            })
            .collect();
        let column = |at: &usize| self.schema.attributes.get(*at).map_or("", |a| a.column.as_str());
        let is_key = |at: &usize| of.key.iter().any(|key| key == column(at));
        match of.label.filter(|label| !is_key(label)) {
            Some(label) => {
                // People have two names.
                const NAMES: [&str; 6] = ["first_name", "fname", "firstname", "last_name", "lname", "lastname"];
                let mut names: Vec<usize> = own.iter().copied().filter(|at| NAMES.contains(&column(at))).collect();
                if !names.contains(&label) {
                    names.insert(0, label);
                }
                names
            }
            None => {
                let mut shown: Vec<usize> = own.iter().copied().filter(is_key).collect();
                shown.extend(own.iter().copied().filter(|at| !is_key(at)).take(SHOWN_COLUMNS));
                // And what it belongs to: whose loan of which book.
                let above =
                    (0..self.schema.things.len()).filter(|other| self.schema.steps_up(thing, *other) == Some(1));
                shown.extend(
                    above
                        .filter_map(|other| self.schema.things.get(other)?.label)
                        .take(SHOWN_NAMES),
                );
                shown
            }
        }
    }

    // Figures

    /// A condition on how many rows of its own a value has, where what is asked for is told by values.
    fn counts_of_groups(&self, request: &Request) -> Option<usize> {
        request.conditions.iter().position(|condition| match condition {
            Condition::Related(related) => related.thing == request.thing && related.count.is_some(),
            _ => false,
        })
    }

    fn measure(&self, request: &Request, by_figure: Option<Figure>, counted: Option<usize>) -> Option<Query> {
        let mut conditions = request.conditions.clone();
        let mut query = Query::default();
        let mut figures = request.figures.clone();
        let of_group = counted.map(|at| conditions.remove(at));
        if let Some(Condition::Related(Related {
            thing,
            count: Some((op, number)),
            conditions: more,
            ..
        })) = of_group
        {
            let figure = Figure::Count(thing);
            if !figures.contains(&figure) {
                figures.push(figure);
            }
            query.having.push(HavingClause::Is(MetricFilter {
                metric: self.count(thing)?,
                op,
                values: vec![Value::Integer(number)],
            }));
            conditions.extend(more);
        }
        let is_ranked_by_figure = by_figure.is_some();
        if let Some(figure) = by_figure
            && !figures.contains(&figure)
        {
            figures.insert(0, figure);
        }
        for figure in &figures {
            let metric = self.metric(*figure)?;
            if !query.metrics.iter().any(|known| known.name() == metric.name()) {
                query.metrics.push(metric);
            }
        }
        let mut groups: Vec<String> = Vec::new();
        let mut push = |name: String| {
            if !groups.contains(&name) {
                groups.push(name);
            }
        };
        for attribute in &request.shown {
            push(self.dimension(*attribute)?);
        }
        for group in &request.groups {
            push(self.group(*group)?);
        }
        // "the most orders" of whom: of the things that are asked for.
        let tells_things = is_ranked_by_figure && request.shown.is_empty() && request.groups.is_empty();
        let is_own_count = by_figure == Some(Figure::Count(request.thing));
        if tells_things && !is_own_count {
            push(self.entity(request.thing)?);
        }
        query.dimensions = groups;
        let base = self.base_of(figures.first().copied(), request.thing);
        query.filters = self.filters(&conditions, request.thing, base)?;
        // What belongs to none of the things is in no group of them.
        for group in &request.groups {
            let Group::Thing(thing) = group else { continue };
            let entity = self.schema.things.get(*thing).and_then(|thing| thing.entity);
            let has_column = entity
                .and_then(|at| self.catalogue.dimensions.get(at))
                .is_some_and(|dimension| dimension.column.is_some());
            if *thing != base && has_column && self.schema.reaches(base, *thing) {
                query.filters.push(FilterClause::Is(Filter {
                    dimension: self.entity(*thing)?,
                    op: Operator::IsNotNull,
                    values: Vec::new(),
                }));
            }
        }
        if let Some((By::Figure(figure), direction)) = request.order {
            query.order = vec![Order {
                by: self.metric(figure)?.name(),
                direction,
            }];
        }
        Some(query)
    }

    /// The thing whose rows a figure is made of.
    fn base_of(&self, figure: Option<Figure>, thing: usize) -> usize {
        match figure {
            Some(Figure::Count(of)) => of,
            Some(Figure::Of(_, attribute) | Figure::Different(attribute)) => self.thing_of(attribute).unwrap_or(thing),
            Some(Figure::Metric(metric)) => self
                .catalogue
                .metrics
                .get(metric)
                .and_then(|metric| metric.sources.first())
                .and_then(|source| {
                    let table = source
                        .of
                        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
                        .next()?;
                    let table = table.split('.').next()?;
                    self.schema.things.iter().position(|thing| thing.table == table)
                })
                .unwrap_or(thing),
            None => thing,
        }
    }

    fn group(&self, group: Group) -> Option<String> {
        match group {
            Group::Thing(thing) => self.entity(thing),
            Group::Attribute(attribute) => self.dimension(attribute),
        }
    }

    fn metric(&self, figure: Figure) -> Option<QueryMetric> {
        let (wanted, statistic, attribute) = match figure {
            Figure::Count(thing) => return Some(QueryMetric::from(self.count(thing)?)),
            Figure::Metric(metric) => return Some(QueryMetric::from(&self.catalogue.metrics.get(metric)?.name)),
            Figure::Different(attribute) => {
                let of = self.schema.attributes.get(attribute)?;
                // Of what names a thing, the things are counted.
                if self.schema.things.get(of.thing)?.label == Some(attribute) {
                    return Some(QueryMetric::from(self.count(of.thing)?));
                }
                (Aggregate::CountDistinct, Some(Statistic::Distinct), attribute)
            }
            Figure::Of(statistic, attribute) => {
                let aggregate = match statistic {
                    None => Aggregate::Sum,
                    Some(Statistic::Average) => Aggregate::Average,
                    Some(Statistic::Minimum) => Aggregate::Minimum,
                    Some(Statistic::Maximum) => Aggregate::Maximum,
                    // No metric of the catalogue is one: made of any that has the values.
                    Some(_) => Aggregate::Count,
                };
                (aggregate, statistic, attribute)
            }
        };
        let of = self.schema.attributes.get(attribute)?;
        let place = format!("{}.{}", self.schema.things.get(of.thing)?.table, of.column);
        // One that is made of other columns as well could be answered from those.
        let made_of = |aggregate: Option<Aggregate>| {
            self.catalogue
                .metrics
                .iter()
                .filter(|metric| {
                    metric.sources.first().is_some_and(|source| {
                        source.of == place
                            && source.over.is_none()
                            && aggregate.is_none_or(|aggregate| source.aggregate == aggregate)
                    })
                })
                .min_by_key(|metric| metric.sources.len())
        };
        if wanted != Aggregate::Count
            && let Some(metric) = made_of(Some(wanted))
        {
            return Some(QueryMetric::from(&metric.name));
        }
        let statistic = statistic?;
        let metric = [Aggregate::Sum, Aggregate::Average]
            .into_iter()
            .find_map(|aggregate| made_of(Some(aggregate)))
            .or_else(|| made_of(None))?;
        Some(QueryMetric {
            metric: metric.name.clone(),
            aggregate: Some(statistic),
            ..QueryMetric::default()
        })
    }

    // Conditions

    /// Conditions on the rows of `thing`, as filters of a query whose rows are those of `base`.
    fn filters(&self, conditions: &[Condition], thing: usize, base: usize) -> Option<Vec<FilterClause>> {
        conditions
            .iter()
            .map(|condition| self.filter(condition, thing, base))
            .collect()
    }

    fn filter(&self, condition: &Condition, thing: usize, base: usize) -> Option<FilterClause> {
        match condition {
            Condition::Is { attribute, op, values } => {
                let filter = FilterClause::Is(Filter {
                    dimension: self.dimension(*attribute)?,
                    op: match (op, values.len()) {
                        (Operator::In, 1) => Operator::Equal,
                        (Operator::NotIn, 1) => Operator::NotEqual,
                        (op, _) => *op,
                    },
                    values: values.iter().map(|value| self.flagged(*attribute, value)).collect(),
                });
                self.placed(filter, *attribute, thing, base)
            }
            Condition::Average { attribute, op } => {
                let than = FilterClause::Than {
                    than: Than {
                        dimension: self.dimension(*attribute)?,
                        op: *op,
                        statistic: Usual::Average,
                    },
                };
                self.placed(than, *attribute, thing, base)
            }
            Condition::Related(related) => self.related(related, thing, base),
        }
    }

    /// Yes and no as the column holds them.
    fn flagged(&self, attribute: usize, value: &Value) -> Value {
        let is_flag = self
            .schema
            .attributes
            .get(attribute)
            .and_then(|attribute| self.catalogue.dimensions.get(attribute.dimension))
            .is_some_and(super::schema::is_flag);
        match value {
            Value::Boolean(truth) if is_flag => Value::Integer(i64::from(*truth)),
            other => other.clone(),
        }
    }

    /// A condition on an attribute of the rows or of what they belong to, else one on related rows.
    fn placed(&self, filter: FilterClause, attribute: usize, thing: usize, base: usize) -> Option<FilterClause> {
        let of = self.thing_of(attribute)?;
        if self.schema.reaches(base, of) {
            return Some(filter);
        }
        let thing = if self.schema.reaches(base, thing) { thing } else { base };
        let by = self.schema.connector(thing, of)?;
        Some(FilterClause::Exists {
            exists: Box::new(Exists {
                dimension: self.entity(thing)?,
                of: self.count(by)?,
                filters: vec![filter],
                ..Exists::default()
            }),
        })
    }

    fn related(&self, related: &Related, thing: usize, base: usize) -> Option<FilterClause> {
        let thing = if self.schema.reaches(base, thing) { thing } else { base };
        let by = self.schema.connector(thing, related.thing)?;
        if by == thing && related.count.is_none() {
            // Each row belongs to one of them: the conditions are on that one.
            let all = self.filters(&related.conditions, related.thing, base)?;
            let clause = match all.as_slice() {
                [] => return None,
                [one] => one.clone(),
                _ => FilterClause::All { all },
            };
            return Some(negated(clause, related.is_absent));
        }
        // Every row here is one of the others.
        if base == related.thing && related.count.is_none() && related.conditions.is_empty() && !related.is_absent {
            return Some(FilterClause::All {
                all: vec![FilterClause::Is(Filter {
                    dimension: self.entity(thing)?,
                    op: Operator::IsNotNull,
                    values: Vec::new(),
                })],
            });
        }
        let filters = self.filters(&related.conditions, related.thing, by)?;
        let mut exists = Exists {
            dimension: self.entity(thing)?,
            of: self.count(by)?,
            filters,
            ..Exists::default()
        };
        let mut is_absent = related.is_absent;
        if let Some((op, number)) = related.count {
            exists.of = self.count(related.thing)?;
            // What has none at all has fewer than three as well.
            let (op, number, is_opposite) = match (op, number) {
                (Operator::Less, number) => (Operator::GreaterOrEqual, number, true),
                (Operator::LessOrEqual, number) => (Operator::Greater, number, true),
                (Operator::Equal, 0) => (Operator::GreaterOrEqual, 1, true),
                (op, number) => (op, number, false),
            };
            is_absent ^= is_opposite;
            exists.having = vec![HavingClause::Is(MetricFilter {
                metric: exists.of.clone(),
                op,
                values: vec![Value::Integer(number)],
            })];
        }
        Some(negated(
            FilterClause::Exists {
                exists: Box::new(exists),
            },
            is_absent,
        ))
    }
}

fn negated(clause: FilterClause, is_negated: bool) -> FilterClause {
    if is_negated {
        FilterClause::Not { not: Box::new(clause) }
    } else {
        clause
    }
}
