//! What columns are called and how they are written, by the catalogue; without one, by their own names.

use crate::{
    numbers::{self, Styles},
    state::{Loaded, State},
};
use concert_contract::{
    api::{CatalogueAnswer, DataState},
    format,
    insight::{self, Chip},
    query::{Grain, Query},
    table::{Column, ColumnType},
};
use jiff::civil::Date;
use leptos::prelude::*;
use std::sync::Arc;

/// The catalogue as a source of names; a view that gets it follows it.
#[derive(Clone)]
pub struct Names(Arc<CatalogueAnswer>);

impl Names {
    pub fn get(state: State) -> Names {
        Names(match &*state.catalogue.read() {
            Loaded::Ready(answer) => answer.clone(),
            Loaded::Loading | Loaded::Failed(_) => Arc::new(CatalogueAnswer {
                version: String::new(),
                metrics: Vec::new(),
                dimensions: Vec::new(),
                data: DataState::default(),
                questions: Vec::new(),
            }),
        })
    }

    pub fn styles(&self, columns: &[Column]) -> Styles {
        Styles::of(columns, &self.0)
    }

    fn label(&self, name: &str) -> String {
        let metric = self
            .0
            .metrics
            .iter()
            .find(|metric| metric.name == name)
            .map(|metric| &metric.label);
        let dimension = || self.0.dimensions.iter().find(|dimension| dimension.name == name);
        metric
            .or_else(|| dimension().map(|dimension| &dimension.label))
            .cloned()
            .unwrap_or_else(|| numbers::words(name))
    }

    /// "Revenue, US$".
    pub fn heading(&self, column: &Column) -> String {
        // A date named like a stretch of time is one: "month" is then August 1991, not a month of any year.
        let is_stretch = column.column_type == ColumnType::Date && Grain::ALL.iter().any(|g| g.name() == column.name);
        let label = if is_stretch {
            numbers::words(&column.name)
        } else {
            self.label(&column.name)
        };
        format::heading(&label, column.unit.as_deref())
    }

    /// The headings of the drawn columns.
    pub fn headings(&self, columns: &[Column], drawn: &[String]) -> String {
        let drawn = columns.iter().filter(|column| drawn.contains(&column.name));
        drawn.map(|column| self.heading(column)).collect::<Vec<_>>().join(" · ")
    }

    /// What a query asks for, part by part.
    pub fn describe(&self, query: &Query) -> Vec<Chip> {
        insight::describe(query, &*self.0)
    }

    pub fn last_day(&self) -> Option<Date> {
        self.0.data.last_complete_day
    }
}
