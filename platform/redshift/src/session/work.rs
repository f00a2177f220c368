//! A transaction's view of its database: the snapshot that it began with, and its own changes to it.

use crate::{
    catalog::{Catalog, Database, Name, Relation, WriteLock},
    error::RedshiftError,
};
use datafusion::catalog::SchemaProvider;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub(super) struct Work {
    base: Arc<Catalog>,
    pub catalog: Catalog,
    pub temporary: BTreeMap<String, Arc<Relation>>,
    pub published: Option<Arc<dyn SchemaProvider>>,
    lock: Option<WriteLock>,
}

impl Work {
    pub fn begin(
        head: Arc<Catalog>,
        temporary: BTreeMap<String, Arc<Relation>>,
        published: Option<Arc<dyn SchemaProvider>>,
    ) -> Work {
        Work {
            catalog: (*head).clone(),
            base: head,
            temporary,
            published,
            lock: None,
        }
    }

    /// Takes the right to write, if it is not held yet.
    pub async fn lock(&mut self, database: &Database, wait: Duration) -> Result<(), RedshiftError> {
        if self.lock.is_none() {
            self.lock = Some(database.lock(wait).await?);
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
    pub fn commit(self, database: &Database) -> Result<BTreeMap<String, Arc<Relation>>, RedshiftError> {
        let changed = self.changed();
        let others = !(self.catalog.schemas == self.base.schemas
            && self.catalog.procedures == self.base.procedures
            && self.catalog.users == self.base.users
            && self.catalog.groups == self.base.groups
            && self.catalog.roles == self.base.roles
            && self.catalog.grants == self.base.grants);
        if changed.is_empty() && !others {
            return Ok(self.temporary);
        }
        let head = database.head();
        if Arc::ptr_eq(&head, &self.base) {
            database.commit(self.catalog)?;
            return Ok(self.temporary);
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
            next.schemas = self.catalog.schemas;
            next.procedures = self.catalog.procedures;
            next.users = self.catalog.users;
            next.groups = self.catalog.groups;
            next.roles = self.catalog.roles;
            next.grants = self.catalog.grants;
        }
        next.next_oid = next.next_oid.max(self.catalog.next_oid);
        database.commit(next)?;
        Ok(self.temporary)
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
