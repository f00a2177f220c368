//! The catalogue of `concert_dw` with all of its data published, and the two things that are done with it.

use concert_contract::{
    api::{DataState, TableState},
    catalogue::{CONCERT_DW, Catalogue},
    compile::{CompileContext, compile},
    query::Query,
};
use jiff::civil::Date;

const TODAY: Date = Date::constant(2026, 11, 21);
const LAST_DAY: Date = Date::constant(2026, 11, 15);

pub struct Subject {
    catalogue: Catalogue,
    state: DataState,
    #[cfg(feature = "guard")]
    policy: concert_guard::Policy,
}

impl Subject {
    /// # Errors
    /// What is wrong with the catalogue.
    pub fn new() -> Result<Subject, String> {
        let catalogue = Catalogue::from_toml(CONCERT_DW).map_err(|error| error.to_string())?;
        let tables = catalogue
            .tables
            .iter()
            .map(|(name, table)| TableState {
                table_name: name.clone(),
                row_count: 1_000,
                first_day: None,
                last_complete_day: table.time.as_ref().map(|_| LAST_DAY),
                filled_columns: table.columns.keys().cloned().collect(),
            })
            .collect();
        let state = DataState {
            snapshot_id: "bench".to_owned(),
            as_of: None,
            last_complete_day: Some(LAST_DAY),
            tables,
            currencies: vec!["USD".to_owned(), "EUR".to_owned()],
        };
        #[cfg(feature = "guard")]
        let policy = concert_guard::Policy::of(&catalogue, None).map_err(|error| error.to_string())?;
        Ok(Subject {
            catalogue,
            state,
            #[cfg(feature = "guard")]
            policy,
        })
    }

    /// From the JSON of a `Query` to its statement.
    ///
    /// # Errors
    /// What is wrong with the query.
    pub fn compile(&self, json: &str) -> Result<String, String> {
        let query = Query::from_json(json).map_err(|error| error.to_string())?;
        let context = CompileContext {
            today: TODAY,
            state: &self.state,
            role: None,
            max_rows: 200,
            offset: 0,
        };
        let compiled = compile(&query, &self.catalogue, &context).map_err(|error| error.to_string())?;
        Ok(compiled.sql)
    }

    /// The statement that may be run in place of this one.
    ///
    /// # Errors
    /// Why it is refused.
    #[cfg(feature = "guard")]
    pub fn guard(&self, sql: &str) -> Result<String, String> {
        concert_guard::check(sql, &self.policy)
            .map(|guarded| guarded.sql)
            .map_err(|refusal| refusal.to_string())
    }
}
