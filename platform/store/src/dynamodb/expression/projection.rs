//! Projections: the parts of an item that an answer holds.

use super::{ExpressionError, Path, Reader, Step, refuse_overlaps};
use crate::dynamodb::value::{Item, Value};
use std::collections::BTreeMap;

/// Paths of which none begins with another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Projection(pub Vec<Path>);

pub(crate) fn parse(reader: &mut Reader<'_, '_>) -> Result<Projection, ExpressionError> {
    let mut paths = vec![reader.path()?];
    while reader.tokens.take_sign(",") {
        paths.push(reader.path()?);
    }
    if !reader.is_dry() {
        refuse_overlaps(&paths.iter().collect::<Vec<_>>())?;
    }
    Ok(Projection(paths))
}

/// What is wanted of a value.
#[derive(Default)]
struct Wanted<'a> {
    whole: bool,
    attributes: BTreeMap<&'a str, Wanted<'a>>,
    indexes: BTreeMap<usize, Wanted<'a>>,
}

impl Projection {
    /// The wanted parts that are there. Elements of a list move together, in their order.
    pub fn of(&self, item: &Item) -> Item {
        project(item, self.0.iter())
    }
}

/// As [`Projection::of`], for paths that are known not to overlap.
pub(crate) fn project<'a>(item: &Item, paths: impl IntoIterator<Item = &'a Path>) -> Item {
    let mut wanted = Wanted::default();
    for path in paths {
        let mut node = &mut wanted;
        for step in &path.0 {
            node = match step {
                Step::Attribute(name) => node.attributes.entry(name).or_default(),
                Step::Index(index) => node.indexes.entry(*index).or_default(),
            };
        }
        node.whole = true;
    }
    map(item, &wanted)
}

fn map(item: &Item, wanted: &Wanted<'_>) -> Item {
    wanted
        .attributes
        .iter()
        .filter_map(|(name, wanted)| Some(((*name).to_owned(), part(item.get(*name)?, wanted)?)))
        .collect()
}

fn part(value: &Value, wanted: &Wanted<'_>) -> Option<Value> {
    if wanted.whole {
        return Some(value.clone());
    }
    match value {
        Value::M(values) => Some(map(values, wanted)).filter(|part| !part.is_empty()).map(Value::M),
        Value::L(values) => {
            let parts: Vec<Value> = wanted
                .indexes
                .iter()
                .filter_map(|(index, wanted)| part(values.get(*index)?, wanted))
                .collect();
            Some(parts).filter(|parts| !parts.is_empty()).map(Value::L)
        }
        _ => None,
    }
}
