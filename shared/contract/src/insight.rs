//! The words that go with a result, made by rules: its title, the chips that say what was asked, and the sentence with
//! the number that matters. Nothing here names a metric; the catalogue brings the words.

mod compared;
mod sentence;
mod text;
mod title;

pub use sentence::summarise;
pub use title::{describe, period_text, title};

use crate::{
    api::CatalogueAnswer,
    catalogue::{Catalogue, TimePart, Unit},
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What a sentence depends on beside the query and its result.
#[derive(Clone, Copy, Debug)]
pub struct InsightContext<'a> {
    /// Resolves relative periods.
    pub today: Date,
    /// What a reader must know about the numbers: the notes of the page.
    pub notes: &'a [String],
}

/// One part of what was asked, as the page shows it: "City Chicago".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chip {
    pub kind: ChipKind,
    /// "Metric", "By", "City", "Period".
    pub label: String,
    pub value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChipKind {
    Metric,
    Dimension,
    Filter,
    /// What is shown of all that was counted.
    Focus,
    Having,
    Period,
    Comparison,
    Limit,
}

/// What is known of a dimension where only its words matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct DimensionWords<'a> {
    pub label: &'a str,
    pub plural: &'a str,
    pub phrase: Option<&'a str>,
    pub part: Option<TimePart>,
}

/// The words of a catalogue, whole or as the API tells it.
pub trait Words {
    fn metric_label(&self, name: &str) -> Option<&str>;
    /// What it counts, for one and for many.
    fn metric_noun(&self, name: &str) -> Option<&[String; 2]>;
    fn metric_unit(&self, name: &str) -> Option<Unit>;
    fn dimension_words(&self, name: &str) -> Option<DimensionWords<'_>>;
    /// What a value is called where it is a code: "Germany" for the country DE.
    fn value_name(&self, dimension: &str, value: &str) -> Option<String>;
}

impl Words for Catalogue {
    fn metric_label(&self, name: &str) -> Option<&str> {
        self.metric(name).map(|metric| metric.label.as_str())
    }

    fn metric_noun(&self, name: &str) -> Option<&[String; 2]> {
        self.metric(name)?.noun.as_ref()
    }

    fn metric_unit(&self, name: &str) -> Option<Unit> {
        self.metric(name).map(|metric| metric.unit)
    }

    fn dimension_words(&self, name: &str) -> Option<DimensionWords<'_>> {
        self.dimension(name).map(|dimension| DimensionWords {
            label: &dimension.label,
            plural: &dimension.plural,
            phrase: dimension.phrase.as_deref(),
            part: dimension.part,
        })
    }

    fn value_name(&self, dimension: &str, value: &str) -> Option<String> {
        self.dimension(dimension)?.name_of(value)
    }
}

impl Words for CatalogueAnswer {
    fn metric_label(&self, name: &str) -> Option<&str> {
        self.metrics
            .iter()
            .find(|metric| metric.name == name)
            .map(|metric| metric.label.as_str())
    }

    fn metric_noun(&self, name: &str) -> Option<&[String; 2]> {
        self.metrics.iter().find(|metric| metric.name == name)?.noun.as_ref()
    }

    fn metric_unit(&self, name: &str) -> Option<Unit> {
        self.metrics
            .iter()
            .find(|metric| metric.name == name)
            .map(|metric| metric.unit)
    }

    fn dimension_words(&self, name: &str) -> Option<DimensionWords<'_>> {
        self.dimensions
            .iter()
            .find(|dimension| dimension.name == name)
            .map(|dimension| DimensionWords {
                label: &dimension.label,
                plural: &dimension.plural,
                phrase: dimension.phrase.as_deref(),
                part: dimension.part,
            })
    }

    fn value_name(&self, dimension: &str, value: &str) -> Option<String> {
        self.dimensions
            .iter()
            .find(|info| info.name == dimension)?
            .names
            .get(value)
            .cloned()
    }
}
