//! The edge: routes, agent loop, limits and identity, with no runtime of its own. It reaches the world only through
//! [`Host`]; each adapter (`edge/native`, `edge/worker`, `edge/spin`) implements that and nothing else, so that no
//! route knows what runs it.
//!
//! [`Edge::new`] takes settings once, [`Edge::handle`] answers one request. What is remembered between requests are
//! finished values (health, the published data's state, the catalogue's values), never a future or a stream: a Worker
//! cancels what was begun by another request.

mod body;
mod catalogue;
mod chat;
mod cursor;
mod data;
mod failure;
mod health;
mod host;
mod identity;
pub mod limits;
mod query;
mod routes;
mod settings;
mod sql;
mod statement;
mod upstream;
mod values;

pub use body::{Body, BodyError};
pub use host::{Host, Level, SendError};
pub use settings::{Settings, SettingsError};

use concert_contract::catalogue::{CONCERT_DW, Catalogue};
use http::{Request, Response};
use std::{
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
    pub catalogue: Catalogue,
    /// Which adapter this is: `native`, `worker`, `spin`, `lambda`. Only health says it.
    pub runtime: &'static str,
    pub health: Mutex<Option<health::Finding>>,
    pub data: Mutex<Option<data::Remembered>>,
}

impl Edge {
    /// Reads the settings with `setting`, which gives the value of a name of the configuration table.
    ///
    /// # Errors
    /// All settings that are missing or wrong, at once.
    pub fn new(runtime: &'static str, setting: impl Fn(&str) -> Option<String>) -> Result<Edge, SettingsError> {
        let settings = Settings::read(setting)?;
        let catalogue = Catalogue::from_toml(CONCERT_DW)
            .map_err(|error| SettingsError(vec![format!("the built-in catalogue is wrong: {error}")]))?;
        let inner = Inner {
            settings,
            catalogue,
            runtime,
            health: Mutex::new(None),
            data: Mutex::new(None),
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
