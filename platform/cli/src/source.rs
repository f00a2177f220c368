//! What a question is asked of: the published tables of the lake, or a folder of files under a catalogue of their own;
//! and what of it the role that asks may see.

use crate::commands::{built_in_catalogue, open_lake};
use anyhow::{Context, Result, bail};
use clap::Args;
use concert_catalogue::{Folder, data_state, infer_folder, values_of};
use concert_contract::{
    api::{DataState, Parameter},
    catalogue::{Catalogue, CatalogueValue, Dimension},
    compile::{CompileContext, Compiled, compile},
    query::Query,
};
use concert_redshift::{QueryResult, Warehouse};
use jiff::civil::Date;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Values of one dimension that are looked up for a role that sees only some rows.
const MAX_ROLE_VALUES: u32 = 10_000;

/// Which tables, by which catalogue, as whom.
#[derive(Args)]
pub struct Asked {
    /// The catalogue to ask by, instead of the built-in one
    #[arg(long, value_name = "FILE")]
    catalogue: Option<PathBuf>,
    /// Ask the files of this folder instead of the lake; without a catalogue one is inferred
    #[arg(long, value_name = "DIR")]
    tables: Option<PathBuf>,
    /// Ask as this role of the catalogue, with its rows and columns
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

enum Engine {
    Lake(Warehouse),
    Files(Folder),
}

/// Tables that are open, with all that answering needs.
pub struct Source {
    pub catalogue: Catalogue,
    /// What of the catalogue the role may see: what is hidden is not known to the planner at all.
    pub visible: Catalogue,
    pub state: DataState,
    /// The values that the role may see.
    pub values: Vec<CatalogueValue>,
    pub role: Option<String>,
    engine: Engine,
}

impl Source {
    /// # Errors
    /// A catalogue that cannot be used or does not fit the tables; a role that it does not have; no data.
    pub async fn open(home: &Path, asked: &Asked, today: Date) -> Result<Source> {
        let given = asked.catalogue.as_deref().map(read_catalogue).transpose()?;
        let (catalogue, state, values, engine) = match &asked.tables {
            Some(tables) => files(tables, given).await?,
            None => {
                let lake = open_lake(home)?;
                let state = lake.data_state().await?;
                if state.snapshot_id.is_empty() {
                    bail!(
                        "no data is published in {}; take a file in first: concert ingest FILES --mapping M.toml",
                        home.display()
                    );
                }
                let catalogue = given.map_or_else(built_in_catalogue, Ok)?;
                let values = lake.catalogue_values().await?;
                (catalogue, state, values, Engine::Lake(Warehouse::new(lake)))
            }
        };
        let mut source = Source {
            visible: catalogue.clone(),
            catalogue,
            state,
            values,
            role: asked.role.clone(),
            engine,
        };
        if let Some(role) = &asked.role {
            source.look_as(role, today).await?;
        }
        Ok(source)
    }

    /// Runs a statement that was compiled from the catalogue.
    pub async fn execute(&self, sql: &str, parameters: &[Parameter]) -> Result<QueryResult> {
        Ok(match &self.engine {
            Engine::Lake(warehouse) => warehouse.execute(sql, parameters).await?,
            Engine::Files(folder) => folder.tables().execute(sql, parameters).await?,
        })
    }

    /// Leaves only what a role may see: metrics and dimensions that compile for it, and values of its rows.
    async fn look_as(&mut self, role: &str, today: Date) -> Result<()> {
        let Some(rules) = self.catalogue.roles.get(role) else {
            let names: Vec<&str> = self.catalogue.roles.keys().map(String::as_str).collect();
            if names.is_empty() {
                bail!("the catalogue has no roles, so there is no {role:?}; leave out --role");
            }
            bail!("the catalogue has no role {role:?}; it has {}", names.join(", "));
        };
        let sees_all_rows = rules.rows.is_empty();
        let metrics = self.catalogue.metrics.clone();
        let (mut seen_metrics, mut seen_dimensions) = (BTreeSet::new(), BTreeSet::new());
        let mut seen_values: Vec<CatalogueValue> = Vec::new();
        for metric in &metrics {
            if self.compiled(Some(&metric.name), None, role, today).is_some() {
                seen_metrics.insert(metric.name.clone());
            }
        }
        for dimension in self.catalogue.dimensions.clone() {
            let by = seen_metrics
                .iter()
                .find_map(|metric| self.compiled(Some(metric), Some(&dimension), role, today));
            let Some(compiled) = by else { continue };
            seen_dimensions.insert(dimension.name.clone());
            if !dimension.indexed {
                continue;
            }
            let known: Option<BTreeSet<String>> = if sees_all_rows {
                None
            } else {
                let result = self.execute(&compiled.sql, &compiled.parameters).await?;
                let page = compiled.page(result.to_table(&[], MAX_ROLE_VALUES as usize)?.rows);
                let column = page.table.column_index(&dimension.name).unwrap_or(0);
                let texts = page.table.rows.iter().filter_map(|row| row.get(column)?.as_str());
                Some(texts.map(str::to_owned).collect())
            };
            let of = self.values.iter().filter(|value| value.dimension == dimension.name);
            let shown = of.filter(|value| known.as_ref().is_none_or(|known| known.contains(&value.value)));
            seen_values.extend(shown.cloned());
        }
        self.values = seen_values;
        self.visible
            .metrics
            .retain(|metric| seen_metrics.contains(&metric.name));
        self.visible
            .dimensions
            .retain(|dimension| seen_dimensions.contains(&dimension.name));
        for dimension in &mut self.visible.dimensions {
            dimension.shows.retain(|name| seen_dimensions.contains(name));
            let is_seen = |name: &String| seen_dimensions.contains(name);
            dimension.within = dimension.within.take().filter(is_seen);
            let metric = dimension.of_metric.take();
            dimension.of_metric = metric.filter(|name| seen_metrics.contains(name));
        }
        if self.visible.metrics.is_empty() {
            bail!("the role {role:?} may see nothing that can be asked for");
        }
        Ok(())
    }

    fn compiled(
        &self,
        metric: Option<&str>,
        dimension: Option<&Dimension>,
        role: &str,
        today: Date,
    ) -> Option<Compiled> {
        let query = Query {
            metrics: metric.into_iter().map(Into::into).collect(),
            dimensions: dimension.map(|dimension| dimension.name.clone()).into_iter().collect(),
            ..Query::default()
        };
        let context = CompileContext {
            today,
            state: &self.state,
            role: Some(role),
            max_rows: MAX_ROLE_VALUES,
            offset: 0,
        };
        compile(&query, &self.catalogue, &context).ok()
    }
}

async fn files(tables: &Path, given: Option<Catalogue>) -> Result<(Catalogue, DataState, Vec<CatalogueValue>, Engine)> {
    let (catalogue, folder) = match given {
        Some(catalogue) => {
            let folder = Folder::open_for(tables, &catalogue).await?;
            (catalogue, folder)
        }
        None => {
            let folder = Folder::open(tables).await?;
            let inferred = infer_folder(&folder, |_| {}).await?;
            (inferred.catalogue, folder)
        }
    };
    let state = data_state(&folder, &catalogue).await?;
    let values = concert_refine::catalogue_values(folder.tables().session(), &catalogue)
        .await
        .context("cannot list the values of the dimensions")?;
    let values = values_of(&values);
    Ok((catalogue, state, values, Engine::Files(folder)))
}

fn read_catalogue(path: &Path) -> Result<Catalogue> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Catalogue::from_toml(&text).with_context(|| format!("{} cannot be used", path.display()))
}
