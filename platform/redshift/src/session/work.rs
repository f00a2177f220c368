//! A transaction's view of its database: the snapshot that it began with, and its own changes to it.

use crate::{
    catalog::{Catalog, Database, Name, Relation, WriteLock},
    error::RedshiftError,
};
use datafusion::catalog::SchemaProvider;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

pub(super) struct Work {
    database: Arc<Database>,
    base: Arc<Catalog>,
    pub catalog: Catalog,
    pub temporary: BTreeMap<String, Arc<Relation>>,
    pub published: Option<Arc<dyn SchemaProvider>>,
    lock: Option<WriteLock>,
    committed: bool,
}

impl Drop for Work {
    /// Removes the files of what was not committed. What lies between, such as the first of two changes of one table, is
    /// found at the next start.
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        let kept: BTreeSet<&str> = self.base.files().map(|file| file.name.as_str()).collect();
        let folder = self.database.data_folder();
        for file in self.catalog.files() {
            if !kept.contains(file.name.as_str()) {
                let _ = std::fs::remove_file(folder.join(&file.name));
            }
        }
    }
}

impl Work {
    pub fn begin(
        database: &Arc<Database>,
        temporary: BTreeMap<String, Arc<Relation>>,
        published: Option<Arc<dyn SchemaProvider>>,
    ) -> Work {
        let head = database.head();
        Work {
            database: Arc::clone(database),
            catalog: (*head).clone(),
            base: head,
            temporary,
            published,
            lock: None,
            committed: false,
        }
    }

    /// Takes the right to write, if it is not held yet.
    pub async fn lock(&mut self, wait: Duration) -> Result<(), RedshiftError> {
        if self.lock.is_none() {
            self.lock = Some(self.database.lock(wait).await?);
        }
        Ok(())
    }

    /// Begins again at the newest state; for work that has done nothing yet.
    pub fn renew(&mut self, head: Arc<Catalog>) {
        self.catalog = (*head).clone();
        self.base = head;
    }

    /// Makes the changes visible, all at once, and gives the session's temporary tables.
    ///
    /// # Errors
    /// Another transaction has changed one of the same relations since this one began.
    pub fn commit(mut self) -> Result<BTreeMap<String, Arc<Relation>>, RedshiftError> {
        self.publish()?;
        self.committed = true;
        Ok(std::mem::take(&mut self.temporary))
    }

    fn publish(&mut self) -> Result<(), RedshiftError> {
        let changed = self.changed();
        let others = !(self.catalog.schemas == self.base.schemas
            && self.catalog.procedures == self.base.procedures
            && self.catalog.users == self.base.users
            && self.catalog.groups == self.base.groups
            && self.catalog.roles == self.base.roles
            && self.catalog.grants == self.base.grants);
        if changed.is_empty() && !others {
            return Ok(());
        }
        let head = self.database.head();
        if Arc::ptr_eq(&head, &self.base) {
            self.database.commit(std::mem::take(&mut self.catalog))?;
            return Ok(());
        }
        // Somebody committed between this transaction's snapshot and its first write.
        let mut next = (*head).clone();
        for name in changed {
            let (ours, base, theirs) = (
                self.catalog.relations.get(&name),
                self.base.relations.get(&name),
                head.relations.get(&name),
            );
            if !same(base, theirs) {
                return Err(RedshiftError::Data(format!(
                    "1023 DETAIL: Serializable isolation violation on table {name}: another transaction changed it \
                     after this one began; run this one again"
                )));
            }
            match ours {
                Some(relation) => next.relations.insert(name, Arc::clone(relation)),
                None => next.relations.remove(&name),
            };
        }
        if others {
            let untouched = head.schemas == self.base.schemas
                && head.procedures == self.base.procedures
                && head.users == self.base.users
                && head.groups == self.base.groups
                && head.roles == self.base.roles
                && head.grants == self.base.grants;
            if !untouched {
                return Err(RedshiftError::Data(
                    "1023 DETAIL: Serializable isolation violation on the catalogue: another transaction changed it \
                     after this one began; run this one again"
                        .to_owned(),
                ));
            }
            next.schemas = std::mem::take(&mut self.catalog.schemas);
            next.procedures = std::mem::take(&mut self.catalog.procedures);
            next.users = std::mem::take(&mut self.catalog.users);
            next.groups = std::mem::take(&mut self.catalog.groups);
            next.roles = std::mem::take(&mut self.catalog.roles);
            next.grants = std::mem::take(&mut self.catalog.grants);
        }
        next.next_oid = next.next_oid.max(self.catalog.next_oid);
        self.database.commit(next)?;
        Ok(())
    }

    fn changed(&self) -> Vec<Name> {
        let (ours, base) = (&self.catalog.relations, &self.base.relations);
        let mut names: Vec<Name> = ours
            .iter()
            .filter(|(name, relation)| !same(Some(relation), base.get(name)))
            .map(|(name, _)| name.clone())
            .collect();
        names.extend(base.keys().filter(|name| !ours.contains_key(name)).cloned());
        names
    }
}

fn same(one: Option<&Arc<Relation>>, other: Option<&Arc<Relation>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}
