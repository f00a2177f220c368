//! Which names mean what at a point of a query: relations of the FROM clause, names that the SELECT list gives, the
//! queries around it.

use crate::policy::{Spread, TableRule};
use std::{cell::Cell, rc::Rc};

/// How many rows a relation may have, as far as the text tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    AtMost(u64),
    /// One for each of some kinds: days, cities, channels.
    Kinds,
    /// One for each thing, or thing and kind: venues, artists and channels.
    Things,
    Many,
}

impl Rows {
    /// For comparing: fewer first.
    pub fn order(self) -> (u8, u64) {
        match self {
            Rows::AtMost(rows) => (0, rows),
            Rows::Kinds => (1, 0),
            Rows::Things => (2, 0),
            Rows::Many => (3, 0),
        }
    }

    pub fn beside(self, other: Rows) -> Rows {
        match (self, other) {
            (Rows::AtMost(a), Rows::AtMost(b)) => Rows::AtMost(a.saturating_mul(b)),
            (Rows::AtMost(1), other) | (other, Rows::AtMost(1)) => other,
            (Rows::Kinds, Rows::Kinds) => Rows::Things,
            _ => Rows::Many,
        }
    }

    pub fn and(self, other: Rows) -> Rows {
        match (self, other) {
            (Rows::AtMost(a), Rows::AtMost(b)) => Rows::AtMost(a.saturating_add(b)),
            (Rows::Many, _) | (_, Rows::Many) => Rows::Many,
            (Rows::Things, _) | (_, Rows::Things) => Rows::Things,
            _ => Rows::Kinds,
        }
    }

    /// One row for each combination of values.
    pub fn of(spreads: impl Iterator<Item = Spread>) -> Rows {
        let mut rows = Rows::Kinds;
        for spread in spreads {
            rows = match (rows, spread) {
                (rows, Spread::Few | Spread::Kinds) => rows,
                (Rows::Kinds, Spread::Things) => Rows::Things,
                _ => return Rows::Many,
            };
        }
        rows
    }

    pub fn limited(self, limit: Option<u64>) -> Rows {
        match (self, limit) {
            (Rows::AtMost(n), Some(limit)) => Rows::AtMost(n.min(limit)),
            (_, Some(limit)) => Rows::AtMost(limit),
            (rows, None) => rows,
        }
    }
}

/// A column that a query gives.
#[derive(Clone, Debug)]
pub(crate) struct OutColumn {
    /// In lower case. Empty for one that has no name.
    pub name: String,
    pub spread: Spread,
}

/// What a query gives.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub columns: Vec<OutColumn>,
    pub rows: Rows,
}

#[derive(Clone, Debug)]
pub(crate) enum Columns<'a> {
    Table(&'a TableRule),
    Named(Rc<Vec<OutColumn>>),
}

/// What a FROM clause names.
#[derive(Clone, Debug)]
pub(crate) struct Relation<'a> {
    /// Its alias, or its table's name, in lower case. None for a subquery without an alias.
    pub name: Option<String>,
    /// The table that it is. Its columns may have been renamed.
    pub table: Option<&'a str>,
    /// Whether an alias hides the table's name: `schema.table.column` no longer means it.
    pub has_alias: bool,
    pub columns: Columns<'a>,
    pub rows: Rows,
}

impl Relation<'_> {
    pub fn has(&self, column: &str) -> bool {
        match &self.columns {
            Columns::Table(rule) => rule.column(column).is_some(),
            Columns::Named(names) => names.iter().any(|there| there.name == column),
        }
    }

    pub fn spread(&self, column: &str) -> Spread {
        let own = match &self.columns {
            Columns::Table(rule) => rule.column(column).map(|column| column.spread),
            Columns::Named(names) => names
                .iter()
                .find(|there| there.name == column)
                .map(|there| there.spread),
        };
        let own = own.unwrap_or(Spread::Many);
        // A column has no more values than its relation has rows.
        match self.rows {
            Rows::AtMost(_) | Rows::Kinds => own.min(Spread::Few),
            Rows::Things => own.min(Spread::Things),
            Rows::Many => own,
        }
    }

    pub fn out_columns(&self) -> Vec<OutColumn> {
        match &self.columns {
            Columns::Table(rule) => rule
                .columns
                .iter()
                .map(|column| OutColumn {
                    name: column.name.clone(),
                    spread: column.spread,
                })
                .collect(),
            Columns::Named(names) => names.as_ref().clone(),
        }
    }

    pub fn names(&self) -> Vec<&str> {
        match &self.columns {
            Columns::Table(rule) => rule.columns.iter().map(|column| column.name.as_str()).collect(),
            Columns::Named(names) => names.iter().map(|column| column.name.as_str()).collect(),
        }
    }
}

/// The bit of [`Scope::seen`] for everything outside of this query.
pub(crate) const OUTSIDE: u64 = 1 << 63;

/// The names of one SELECT.
pub(crate) struct Scope<'s, 'a> {
    pub relations: Vec<Relation<'a>>,
    /// Names that the SELECT list gives; Redshift lets later expressions use them.
    pub aliases: Vec<OutColumn>,
    /// One bit for each relation that a resolved name belongs to.
    pub seen: Cell<u64>,
    pub outer: Option<&'s Scope<'s, 'a>>,
}

impl<'s, 'a> Scope<'s, 'a> {
    pub fn within(outer: Option<&'s Scope<'s, 'a>>) -> Scope<'s, 'a> {
        Scope {
            relations: Vec::new(),
            aliases: Vec::new(),
            seen: Cell::new(0),
            outer,
        }
    }

    fn mark(&self, bit: u64) {
        self.seen.set(self.seen.get() | bit);
    }

    /// This scope and those around it, innermost first.
    pub fn chain(&self) -> impl Iterator<Item = &Scope<'s, 'a>> {
        std::iter::successors(Some(self), |scope| scope.outer)
    }

    /// The relation at `level` (0 is here) with index `at` was meant.
    pub fn use_of(&self, level: usize, at: usize) {
        for (depth, scope) in self.chain().enumerate() {
            match depth.cmp(&level) {
                std::cmp::Ordering::Less => scope.mark(OUTSIDE),
                std::cmp::Ordering::Equal => scope.mark(1 << at.min(62)),
                std::cmp::Ordering::Greater => return,
            }
        }
    }
}
