//! The joins of a catalogue as a graph. Every join leads from many rows to one, so that following it multiplies no row;
//! the shortest chain is taken, and two chains of the same length are an error that names both.

use super::expression::ColumnRef;
use crate::{
    catalogue::Catalogue,
    query::{QueryError, QueryErrorCode},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

/// Chains longer than this are not looked for where a dimension names its joins.
const MAX_JOINS: usize = 12;

pub(super) struct Link {
    pub from: ColumnRef,
    pub to: ColumnRef,
}

/// Indices of links, from the first to the last.
pub(super) type Route = Vec<usize>;

/// The shortest chains that were looked for before, by the tables at their ends.
type Known = BTreeMap<(String, String), Rc<Vec<Route>>>;

pub(super) struct Graph {
    links: Vec<Link>,
    known: RefCell<Known>,
}

impl Graph {
    pub fn new(catalogue: &Catalogue) -> Graph {
        let links = catalogue
            .joins
            .iter()
            .filter_map(|join| {
                Some(Link {
                    from: ColumnRef::parse(&join.from)?,
                    to: ColumnRef::parse(&join.to)?,
                })
            })
            .collect();
        Graph {
            links,
            known: RefCell::default(),
        }
    }

    pub fn link(&self, index: usize) -> Option<&Link> {
        self.links.get(index)
    }

    /// The shortest chains of joins from one table to another, all of them; the empty chain to itself.
    pub fn routes(&self, from: &str, to: &str) -> Rc<Vec<Route>> {
        if from == to {
            return Rc::new(vec![Route::new()]);
        }
        let key = (from.to_owned(), to.to_owned());
        if let Some(routes) = self.known.borrow().get(&key) {
            return Rc::clone(routes);
        }
        let mut found: Vec<Route> = Vec::new();
        let mut steps: BTreeMap<&str, usize> = BTreeMap::from([(from, 0)]);
        let mut queue: VecDeque<(&str, Route)> = VecDeque::from([(from, Route::new())]);
        while let Some((at, route)) = queue.pop_front() {
            if found.first().is_some_and(|first| first.len() <= route.len()) {
                break;
            }
            for (index, link) in self.links.iter().enumerate() {
                if link.from.table != at {
                    continue;
                }
                let next = link.to.table.as_str();
                let length = route.len() + 1;
                if steps.get(next).is_some_and(|known| *known < length) {
                    continue;
                }
                steps.insert(next, length);
                let mut longer = route.clone();
                longer.push(index);
                if next == to {
                    found.push(longer);
                } else {
                    queue.push_back((next, longer));
                }
            }
        }
        let found = Rc::new(found);
        self.known.borrow_mut().insert(key, Rc::clone(&found));
        found
    }

    pub fn reaches(&self, from: &str, to: &str) -> bool {
        !self.routes(from, to).is_empty()
    }

    /// The chain to take; `None` if there is none.
    ///
    /// # Errors
    /// `ambiguous_join` with the chains, where several are equally short and `via` does not decide.
    pub fn route(&self, from: &str, to: &str, via: &[String], label: &str) -> Result<Option<Route>, QueryError> {
        if from == to {
            return Ok(Some(Route::new()));
        }
        let routes = if via.is_empty() {
            self.routes(from, to)
        } else {
            let mut all = Vec::new();
            self.walk(from, to, &mut Route::new(), &mut all);
            let takes = |route: &Route, join: &String| {
                route
                    .iter()
                    .any(|index| self.link(*index).is_some_and(|link| link.from.to_string() == *join))
            };
            // A join that no chain from here takes says nothing of this table.
            let deciding: Vec<&String> = via
                .iter()
                .filter(|join| all.iter().any(|route| takes(route, join)))
                .collect();
            all.retain(|route| deciding.iter().all(|join| takes(route, join)));
            let shortest = all.iter().map(Vec::len).min();
            all.retain(|route| Some(route.len()) == shortest);
            Rc::new(all)
        };
        match routes.as_slice() {
            [] => Ok(None),
            [route] => Ok(Some(route.clone())),
            several => {
                let paths: Vec<String> = several.iter().map(|route| self.describe(route)).collect();
                Err(QueryError::new(
                    QueryErrorCode::AmbiguousJoin,
                    "",
                    format!(
                        "Several chains of joins lead from {from} to {label}: {}.",
                        paths.join("; or ")
                    ),
                )
                .suggest("Let the dimension in the catalogue name the joins to take (via)."))
            }
        }
    }

    fn walk(&self, at: &str, to: &str, so_far: &mut Route, found: &mut Vec<Route>) {
        if so_far.len() >= MAX_JOINS {
            return;
        }
        for (index, link) in self.links.iter().enumerate() {
            let visited = || {
                so_far
                    .iter()
                    .any(|i| self.link(*i).is_some_and(|other| other.from.table == link.to.table))
            };
            if link.from.table != at || visited() {
                continue;
            }
            so_far.push(index);
            if link.to.table == to {
                found.push(so_far.clone());
            } else {
                self.walk(&link.to.table, to, so_far, found);
            }
            so_far.pop();
        }
    }

    /// `sales.buyer_id = users.user_id, users.city_id = cities.city_id`.
    pub fn describe(&self, route: &Route) -> String {
        let steps: Vec<String> = route
            .iter()
            .filter_map(|index| self.link(*index))
            .map(|link| format!("{} = {}", link.from, link.to))
            .collect();
        steps.join(", ")
    }

    /// The tables that the rows of a table belong to, itself first, the nearest before the others.
    pub fn above<'g>(&'g self, table: &'g str) -> Vec<(&'g str, usize)> {
        let mut reached = vec![(table, 0)];
        let mut at = 0;
        while let Some((from, steps)) = reached.get(at).copied() {
            for link in self.links.iter().filter(|link| link.from.table == from) {
                if !reached.iter().any(|(known, _)| *known == link.to.table) {
                    reached.push((&link.to.table, steps + 1));
                }
            }
            at += 1;
        }
        reached
    }

    /// The table whose rows are aggregated: the one from which all columns are reached without multiplying rows.
    pub fn base_table(&self, columns: &[ColumnRef]) -> Option<String> {
        columns
            .iter()
            .find(|candidate| columns.iter().all(|other| self.reaches(&candidate.table, &other.table)))
            .map(|column| column.table.clone())
    }

    /// A circle of joins, as its tables; a join of a table to itself is one.
    pub fn circle(&self) -> Option<Vec<String>> {
        for (index, link) in self.links.iter().enumerate() {
            if link.from.table == link.to.table {
                return Some(vec![link.from.table.clone(), link.to.table.clone()]);
            }
            if let Some(back) = self.routes(&link.to.table, &link.from.table).first() {
                let mut tables = vec![link.from.table.clone()];
                for at in std::iter::once(&index).chain(back) {
                    tables.extend(self.link(*at).map(|link| link.to.table.clone()));
                }
                return Some(tables);
            }
        }
        None
    }
}
