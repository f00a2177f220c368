//! The edge: routes, agent loop, limits and identity, with no runtime of its own. It reaches the world only through
//! [`Host`]; each adapter (`edge/native`, `edge/worker`, `edge/spin`) implements that and nothing else, so that no
//! route knows what runs it.
//!
//! [`Edge::new`] takes settings once, [`Edge::handle`] answers one request. What is remembered between requests are
//! finished values (health, the published data's state, the catalogue's values), never a future or a stream: a Worker
//! cancels what was begun by another request.

mod body;
mod cache;
mod catalogue;
mod chat;
mod cursor;
mod data;
mod failure;
mod flight;
mod health;
mod history;
mod host;
mod identity;
mod jwt;
pub mod limits;
mod memory;
mod pace;
mod query;
mod rate;
mod routes;
mod settings;
mod sql;
mod statement;
mod store;
mod upstream;
mod values;

pub use body::{Body, BodyError};
pub use host::{Host, Level, SendError};
pub use routes::ClientAddress;
pub use settings::{Settings, SettingsError};

use concert_aws::Service;
use concert_contract::catalogue::{CONCERT_DW, Catalogue};
use futures::channel::oneshot;
use http::{Request, Response};
use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// One edge, for all requests of a process. Cheap to clone; clones share what is remembered.
#[derive(Clone)]
pub struct Edge {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub settings: Settings,
    pub catalogue: Arc<Catalogue>,
    /// What each role of the catalogue may speak of.
    pub seen: BTreeMap<String, Arc<Catalogue>>,
    /// Which adapter this is: `native`, `worker`, `spin`, `lambda`. Only health says it.
    pub runtime: &'static str,
    pub health: Mutex<Option<health::Finding>>,
    pub data: Mutex<Option<data::Remembered>>,
    pub keys: Mutex<jwt::Keys>,
    pub rates: Mutex<rate::Rates>,
    pub breakers: Mutex<HashMap<Service, pace::Breaker>>,
    pub paces: Mutex<statement::Paces>,
    pub cache: Mutex<cache::Cache>,
    pub query_flights: flight::Flights<Result<Arc<cache::Page>, failure::Failure>>,
    pub data_flights: flight::Flights<Result<Arc<data::Data>, failure::Failure>>,
    /// The turns that this process writes, each with a way to stop it.
    pub running: Mutex<HashMap<String, oneshot::Sender<()>>>,
}

impl Inner {
    /// As much of the catalogue as a role may speak of.
    ///
    /// # Errors
    /// 403 for a role that may see nothing.
    pub(crate) fn seen_by(&self, role: &str) -> Result<Arc<Catalogue>, failure::Failure> {
        if self.catalogue.roles.is_empty() {
            return Ok(self.catalogue.clone());
        }
        self.seen.get(role).cloned().ok_or_else(|| {
            failure::Failure::forbidden("not_allowed", "Your role may see nothing of this data.")
                .with_action("Ask whoever keeps the catalogue to add the role.")
        })
    }
}

impl Edge {
    /// Reads the settings with `setting`, which gives the value of a name of the configuration table.
    ///
    /// # Errors
    /// All settings that are missing or wrong, at once.
    pub fn new(runtime: &'static str, setting: impl Fn(&str) -> Option<String>) -> Result<Edge, SettingsError> {
        let catalogue = Catalogue::from_toml(CONCERT_DW)
            .map_err(|error| SettingsError(vec![format!("the built-in catalogue is wrong: {error}")]))?;
        Edge::with_catalogue(runtime, setting, catalogue)
    }

    /// As [`Edge::new`], for a catalogue of one's own in place of the built-in one.
    ///
    /// # Errors
    /// All settings that are missing or wrong, at once.
    pub fn with_catalogue(
        runtime: &'static str,
        setting: impl Fn(&str) -> Option<String>,
        catalogue: Catalogue,
    ) -> Result<Edge, SettingsError> {
        let settings = Settings::read(setting)?;
        let mut seen = BTreeMap::new();
        for role in catalogue.roles.keys() {
            let part = catalogue
                .seen_by(Some(role))
                .map_err(|error| SettingsError(vec![format!("the catalogue's role {role}: {error}")]))?;
            seen.insert(role.clone(), Arc::new(part));
        }
        let paces = statement::Paces {
            execute: pace::Pacer::new(settings.pace_execute),
            describe: pace::Pacer::new(if settings.pace_execute == 0 {
                0
            } else {
                limits::PACE_DESCRIBE_PER_SECOND
            }),
            result: pace::Pacer::new(settings.pace_result),
        };
        let inner = Inner {
            settings,
            catalogue: Arc::new(catalogue),
            seen,
            runtime,
            health: Mutex::default(),
            data: Mutex::default(),
            keys: Mutex::default(),
            rates: Mutex::default(),
            breakers: Mutex::default(),
            paces: Mutex::new(paces),
            cache: Mutex::default(),
            query_flights: flight::Flights::default(),
            data_flights: flight::Flights::default(),
            running: Mutex::default(),
        };
        Ok(Edge { inner: Arc::new(inner) })
    }

    /// Answers one request. Whatever goes wrong is an answer too: this never fails.
    pub async fn handle(&self, host: Rc<dyn Host>, request: Request<Body>) -> Response<Body> {
        routes::handle(&self.inner, host, request).await
    }
}

/// What an adapter answers while [`Edge::new`] refuses its settings. The names stand in the log, not in the answer.
pub fn misconfigured(host: &dyn Host, error: &SettingsError) -> Response<Body> {
    routes::misconfigured(host, error)
}

/// A lock on finished values. A thread that panicked while it held one left the old value or the new one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
