//! A schema of `tests/schemas`, inferred and open to be asked.

use concert_catalogue::{Folder, Inferred, data_state, infer_folder, values_of};
use concert_contract::{
    api::DataState,
    catalogue::Catalogue,
    compile::{CompileContext, compile},
    table::Cell,
};
use concert_planner::{PlanContext, Planner, ValueIndex};
use jiff::civil::{Date, date};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Mutex,
};

const TODAY: Date = date(2024, 6, 15);
const MAX_ROWS: u32 = 100;

pub fn schema_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas").join(name)
}

/// What is inferred of a folder; of the schemas once for all tests.
pub async fn inferred(path: &Path) -> Inferred {
    static KNOWN: Mutex<BTreeMap<PathBuf, Inferred>> = Mutex::new(BTreeMap::new());
    if let Some(known) = KNOWN.lock().expect("a lock").get(path) {
        return known.clone();
    }
    let inferred = inferred_anew(path).await;
    KNOWN.lock().expect("a lock").insert(path.to_owned(), inferred.clone());
    inferred
}

pub async fn inferred_anew(path: &Path) -> Inferred {
    let folder = Folder::open(path)
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    infer_folder(&folder, |_| {})
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A schema with what was inferred of it, ready to be asked.
pub struct World {
    folder: Folder,
    pub inferred: Inferred,
    state: DataState,
    values: ValueIndex,
}

impl World {
    pub async fn open(path: &Path) -> World {
        let failed = |error: &dyn std::fmt::Display| -> ! { panic!("{}: {error}", path.display()) };
        let inferred = inferred(path).await;
        // Answers come from the files opened for the catalogue, as they do for one that a person wrote.
        let folder = Folder::open_for(path, &inferred.catalogue)
            .await
            .unwrap_or_else(|error| failed(&error));
        let state = data_state(&folder, &inferred.catalogue)
            .await
            .unwrap_or_else(|error| failed(&error));
        let values = concert_refine::catalogue_values(folder.tables().session(), &inferred.catalogue)
            .await
            .unwrap_or_else(|error| failed(&error));
        World {
            folder,
            state,
            values: ValueIndex::new(values_of(&values)),
            inferred,
        }
    }

    pub fn catalogue(&self) -> &Catalogue {
        &self.inferred.catalogue
    }

    /// The rows of a question's answer, a line for each, or why there is none.
    pub async fn ask(&self, question: &str) -> String {
        match self.answer(question).await {
            Ok(rows) => rows.iter().map(|row| line(row)).collect::<Vec<_>>().join("\n"),
            Err(why) => why,
        }
    }

    /// The rows of a question's answer, or why there is none.
    pub async fn answer(&self, question: &str) -> Result<Vec<Vec<Cell>>, String> {
        let planner = Planner::new(self.catalogue(), &self.values);
        let context = PlanContext {
            today: TODAY,
            state: &self.state,
            previous: None,
        };
        let plan = planner.plan(question, &context);
        let Some(query) = plan.query else {
            let asked_back = plan.clarify.map(|clarify| clarify.question);
            return Err(format!("no query: {}", plan.message.or(asked_back).unwrap_or_default()));
        };
        let context = CompileContext {
            today: TODAY,
            state: &self.state,
            role: None,
            max_rows: MAX_ROWS,
            offset: 0,
        };
        let compiled =
            compile(&query, self.catalogue(), &context).map_err(|error| format!("no statement: {}", error.message))?;
        let result = self.folder.tables().execute(&compiled.sql, &compiled.parameters).await;
        let result = result.map_err(|error| format!("{error}\n{}", compiled.sql))?;
        let table = result.to_table(&[], MAX_ROWS as usize + 1).expect("a table");
        Ok(compiled.page(table.rows).table.rows)
    }

    /// The rows of a statement over the tables.
    pub async fn cells(&self, sql: &str) -> Vec<Vec<Cell>> {
        let result = self.folder.tables().execute(sql, &[]).await;
        let result = result.unwrap_or_else(|error| panic!("{sql}: {error}"));
        result.to_table(&[], MAX_ROWS as usize).expect("a table").rows
    }

    /// The rows of a statement over the tables, a line for each.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        self.cells(sql).await.iter().map(|row| line(row)).collect()
    }
}

fn line(row: &[Cell]) -> String {
    let cells: Vec<String> = row
        .iter()
        .map(|cell| match cell {
            Cell::Null => "-".to_owned(),
            Cell::Text(text) => text.clone(),
            Cell::Float(value) => ((value * 100.0).round() / 100.0).to_string(),
            other => serde_json::to_string(other).expect("a cell"),
        })
        .collect();
    cells.join(" | ")
}
