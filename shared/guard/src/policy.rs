//! What a viewer may ask: tables, columns, row filters and bounds. `role.rs` makes one from the catalogue.

use concert_contract::table::ColumnType;
use std::collections::{BTreeMap, BTreeSet};

/// How much a statement may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The row limit that every statement gets; a larger one is lowered to it.
    pub max_rows: u64,
    /// How far OFFSET may skip.
    pub max_offset: u64,
    /// Length of the text.
    pub max_bytes: usize,
    /// Brackets within brackets.
    pub max_nesting: usize,
    /// Tables and subqueries in all FROM clauses together.
    pub max_relations: usize,
    /// SELECTs in the whole statement.
    pub max_selects: usize,
    /// UNION, INTERSECT, EXCEPT and MINUS together.
    pub max_set_operations: usize,
    /// Elements of one IN list, rows of one VALUES.
    pub max_list: usize,
    /// Rows that a statement may make out of nothing: by VALUES or a recursive query.
    pub max_generated_rows: u64,
    /// Rows of a relation that may be set beside another without a condition.
    pub max_cross_rows: u64,
    /// Characters that REPEAT, LPAD and their kind may make.
    pub max_repeat: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            max_rows: 10_000,
            max_offset: 1_000_000,
            max_bytes: 32 * 1024,
            max_nesting: 32,
            max_relations: 40,
            max_selects: 60,
            max_set_operations: 30,
            max_list: 1_000,
            max_generated_rows: 10_000,
            max_cross_rows: 500,
            max_repeat: 1_000,
        }
    }
}

/// A column that may be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnRule {
    /// In lower case.
    pub name: String,
    pub column_type: ColumnType,
    pub spread: Spread,
}

/// How many different values something takes, as far as the catalogue and the text tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spread {
    /// Kinds that the catalogue groups by: channels, currencies, cities.
    Kinds,
    /// Days, months, other texts.
    Few,
    /// One for each of the things that events happen to: venues, artists.
    Things,
    /// About one for each row of what happens: sales, instants, amounts.
    Many,
}

/// What may be seen of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRule {
    /// In the order in which `SELECT *` gives them.
    pub columns: Vec<ColumnRule>,
    /// Whether its rows are things, which are few beside what happens to them: the catalogue gives it no time.
    pub is_of_things: bool,
    /// Columns that are there, but not for this role.
    pub hidden: Vec<String>,
    /// A condition in Redshift's SQL over the table's own columns, written without a qualifier. It is the catalogue's,
    /// never the viewer's. Tables inside it are written `schema.table`.
    pub filter: Option<String>,
}

impl TableRule {
    pub(crate) fn column(&self, name: &str) -> Option<&ColumnRule> {
        self.columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Whether the role sees less than what is there.
    pub(crate) fn is_restricted(&self) -> bool {
        self.filter.is_some() || !self.hidden.is_empty()
    }
}

/// What a viewer may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The one schema.
    pub schema: String,
    /// By name, in lower case.
    pub tables: BTreeMap<String, TableRule>,
    /// Tables that are there, but not for this role.
    pub hidden_tables: BTreeSet<String>,
    pub bounds: Bounds,
}

impl Policy {
    /// Hides a column of a table. Names that are not there change nothing.
    #[must_use]
    pub fn hide(mut self, table: &str, column: &str) -> Policy {
        if let Some(rule) = self.tables.get_mut(&table.to_ascii_lowercase())
            && let Some(at) = rule.columns.iter().position(|c| c.name.eq_ignore_ascii_case(column))
        {
            rule.hidden.push(rule.columns.remove(at).name);
        }
        self
    }

    /// Hides a whole table.
    #[must_use]
    pub fn hide_table(mut self, table: &str) -> Policy {
        let table = table.to_ascii_lowercase();
        if self.tables.remove(&table).is_some() {
            self.hidden_tables.insert(table);
        }
        self
    }

    /// Lets only those rows of a table be seen for which `condition` is true; a second condition narrows the first.
    #[must_use]
    pub fn filter(mut self, table: &str, condition: &str) -> Policy {
        if let Some(rule) = self.tables.get_mut(&table.to_ascii_lowercase()) {
            rule.filter = Some(match rule.filter.take() {
                Some(first) => format!("({first}) AND ({condition})"),
                None => condition.to_owned(),
            });
        }
        self
    }

    #[must_use]
    pub fn with_max_rows(mut self, max_rows: u64) -> Policy {
        self.bounds.max_rows = max_rows;
        self
    }
}
