//! What a question about things asks for, before it is put into the words of a `Query`.

use concert_contract::query::{Direction, Operator, Statistic, Value};

/// A condition on the rows of a thing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    Is {
        attribute: usize,
        op: Operator,
        values: Vec<Value>,
    },
    /// Against the average of the attribute.
    Average { attribute: usize, op: Operator },
    /// It has rows of another thing: so many of them, or any, or none.
    Related(Related),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Related {
    pub thing: usize,
    pub is_absent: bool,
    pub count: Option<(Operator, i64)>,
    /// What holds for those rows.
    pub conditions: Vec<Condition>,
    /// Whether it stands for itself: "both a cat and a dog".
    pub is_apart: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Figure {
    /// How many rows of a thing.
    Count(usize),
    /// How many different values of an attribute.
    Different(usize),
    /// None: the sum.
    Of(Option<Statistic>, usize),
    /// A metric of the catalogue.
    Metric(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Group {
    Thing(usize),
    Attribute(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum By {
    Attribute(usize),
    Figure(Figure),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    /// Whose rows are meant.
    pub thing: usize,
    pub figures: Vec<Figure>,
    pub shown: Vec<usize>,
    pub groups: Vec<Group>,
    pub conditions: Vec<Condition>,
    pub order: Option<(By, Direction)>,
    pub limit: Option<u32>,
    pub is_distinct: bool,
    /// Whether the thing itself was named.
    pub names_thing: bool,
    /// Which share of all rows the conditions leave.
    pub is_share: bool,
    /// Whether columns were named, so that no other is added.
    pub names_columns: bool,
}
