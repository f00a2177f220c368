//! In which order the rows of an answer stand: as asked, else as suits their groups; always to the last column, so that
//! pages do not overlap.

use super::compiler::{Compiler, CurrencyRule, GroupBy};
use crate::query::{Direction, QueryError, QueryErrorCode};

pub(super) enum OrderBy {
    /// A column of the result.
    Name(String, Direction),
    /// A group that is not shown, by its index.
    Key(usize, Direction),
    /// The number of rows behind, most first.
    Rows,
}

pub(super) fn direction_sql(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => "ASC NULLS LAST",
        Direction::Descending => "DESC NULLS LAST",
    }
}

impl Compiler<'_> {
    pub fn order(&self) -> Result<Vec<OrderBy>, QueryError> {
        let mut order: Vec<OrderBy> = Vec::new();
        let hidden = |name: &str| {
            self.groups.iter().position(|group| {
                group.name.is_none() && matches!(&group.what, GroupBy::Dimension(dimension) if dimension.name == name)
            })
        };
        let mut add = |name: &str, direction: Direction| {
            let by = match hidden(name) {
                Some(index) => OrderBy::Key(index, direction),
                None => OrderBy::Name(name.to_owned(), direction),
            };
            let is_there = order.iter().any(|other| match (other, &by) {
                (OrderBy::Name(a, _), OrderBy::Name(b, _)) => a == b,
                (OrderBy::Key(a, _), OrderBy::Key(b, _)) => a == b,
                _ => false,
            });
            if !is_there {
                order.push(by);
            }
        };
        let numbers = self.number_names();
        for (index, by) in self.query.order.iter().enumerate() {
            let known = numbers.contains(&by.by)
                || hidden(&by.by).is_some()
                || self.groups.iter().any(|g| g.name.as_deref() == Some(by.by.as_str()));
            if known {
                add(&by.by, by.direction);
                continue;
            }
            match self.dimensions.iter().find(|d| d.name == by.by) {
                Some(dimension) => dimension
                    .shows
                    .iter()
                    .filter(|name| self.groups.iter().any(|g| g.name.as_ref() == Some(name)))
                    .for_each(|name| add(name, by.direction)),
                None => {
                    let mut names = numbers.clone();
                    names.extend(self.groups.iter().filter_map(|g| g.name.clone()));
                    return Err(QueryError::new(
                        QueryErrorCode::BadOrder,
                        format!("order[{index}].by"),
                        format!("The answer has no column {:?} to be ordered by.", by.by),
                    )
                    .suggest(format!("Order by one of: {}.", names.join(", "))));
                }
            }
        }
        if self.query.order.is_empty() {
            let in_time: Vec<&str> = self
                .groups
                .iter()
                .filter(|_| self.query.of.is_none())
                .filter(|group| match &group.what {
                    GroupBy::Grain(_) => true,
                    GroupBy::Dimension(d) => d.part.is_some() || d.days_since.is_some(),
                    GroupBy::Key(..) | GroupBy::Row(_) | GroupBy::Currency => false,
                })
                .filter_map(|group| group.name.as_deref())
                .collect();
            for name in &in_time {
                add(name, Direction::Ascending);
            }
            if let Some(top) = &self.query.top {
                // The first rows of each group stand together.
                for per in &top.per {
                    for group in &self.groups {
                        match &group.name {
                            Some(name) if name == per => add(name, Direction::Ascending),
                            _ => {}
                        }
                    }
                }
                let by = top.by.clone().or_else(|| numbers.first().cloned());
                if let Some(by) = by {
                    add(&by, top.direction);
                }
            }
            // Amounts in different currencies have no order among them.
            if self.currency == CurrencyRule::Group(true)
                || (self.currency == CurrencyRule::Group(false) && self.dimensions.len() == 1 && in_time.is_empty())
            {
                order.push(OrderBy::Rows);
            } else if in_time.is_empty()
                && self.query.top.is_none()
                && !self.groups.is_empty()
                && let Some(metric) = numbers.first()
            {
                add(metric, Direction::Descending);
            }
        }
        for (index, group) in self.groups.iter().enumerate() {
            match &group.name {
                Some(_) if self.is_taken_currency(group) => {}
                Some(name)
                    if order
                        .iter()
                        .any(|by| matches!(by, OrderBy::Name(taken, _) if taken == name)) => {}
                Some(name) => order.push(OrderBy::Name(name.clone(), Direction::Ascending)),
                None if order
                    .iter()
                    .any(|by| matches!(by, OrderBy::Key(taken, _) if *taken == index)) => {}
                None => order.push(OrderBy::Key(index, Direction::Ascending)),
            }
        }
        Ok(order)
    }
}
