//! GRANT and REVOKE: everything that is named must be there, and what is granted is kept for the system's views. Who
//! reaches this machine's endpoint is its owner, so nothing is refused for lack of a privilege.

use super::State;
use crate::{
    catalog::{Grant, Name},
    command::{GrantCommand, Kind, Principal, Target},
    error::RedshiftError,
};

const TABLE: [&str; 10] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "DROP",
    "REFERENCES",
    "ALTER",
    "TRUNCATE",
    "RULE",
    "TRIGGER",
];
const SCHEMA: [&str; 5] = ["CREATE", "USAGE", "ALTER", "DROP", "ALL"];
const DATABASE: [&str; 5] = ["CREATE", "TEMPORARY", "TEMP", "USAGE", "ALTER"];

impl State {
    pub(super) fn grant(&mut self, command: GrantCommand) -> Result<(), RedshiftError> {
        let (kind, allowed): (&str, &[&str]) = match command.kind {
            Kind::Table => ("table", &TABLE),
            Kind::Schema => ("schema", &SCHEMA),
            Kind::Database => ("database", &DATABASE),
            Kind::Procedure => ("procedure", &["EXECUTE"]),
            _ => ("role", &["USAGE"]),
        };
        let mut privileges = Vec::new();
        for privilege in &command.privileges {
            if privilege == "ALL" || privilege == "ALL PRIVILEGES" {
                privileges.extend(
                    allowed
                        .iter()
                        .filter(|name| **name != "ALL")
                        .map(|name| (*name).to_owned()),
                );
            } else if allowed.contains(&privilege.as_str()) {
                privileges.push(privilege.clone());
            } else {
                return Err(RedshiftError::Data(format!(
                    "invalid privilege type {privilege} for {kind}"
                )));
            }
        }
        let mut objects = Vec::new();
        for target in &command.objects {
            objects.extend(self.granted_objects(command.kind, command.all_in_schema, target)?);
        }
        let catalog = &mut self.work()?.catalog;
        for (principal, name) in &command.grantees {
            let grantee = match principal {
                None => "public".to_owned(),
                Some(Principal::User) if catalog.users.contains_key(name) => format!("user {name}"),
                Some(Principal::Group) if catalog.groups.contains_key(name) => format!("group {name}"),
                Some(Principal::Role) if catalog.roles.contains(name) => format!("role {name}"),
                Some(Principal::User) => {
                    return Err(RedshiftError::Data(format!("user \"{name}\" does not exist")));
                }
                Some(Principal::Group) => {
                    return Err(RedshiftError::Data(format!("group \"{name}\" does not exist")));
                }
                Some(Principal::Role) => {
                    return Err(RedshiftError::Data(format!("role \"{name}\" does not exist")));
                }
            };
            for object in &objects {
                for privilege in &privileges {
                    let grant = Grant {
                        grantee: grantee.clone(),
                        kind: kind.to_owned(),
                        object: object.clone(),
                        privilege: privilege.clone(),
                        grantable: command.grantable && !command.revoke,
                    };
                    catalog.grants.retain(|known| {
                        !(known.grantee == grant.grantee
                            && known.kind == grant.kind
                            && known.object == grant.object
                            && known.privilege == grant.privilege)
                    });
                    if !command.revoke {
                        catalog.grants.insert(grant);
                    }
                }
            }
        }
        Ok(())
    }

    fn granted_objects(&self, kind: Kind, all_in_schema: bool, target: &Target) -> Result<Vec<String>, RedshiftError> {
        let scope = self.scope()?;
        let missing = |what: &str| RedshiftError::Data(format!("{what} \"{target}\" does not exist"));
        if all_in_schema {
            if !scope.has_schema(&target.name) {
                return Err(missing("schema"));
            }
            let names = |name: &&Name| name.schema == target.name;
            return Ok(if kind == Kind::Procedure {
                scope
                    .catalog
                    .procedures
                    .keys()
                    .filter(names)
                    .map(Name::to_string)
                    .collect()
            } else {
                scope
                    .catalog
                    .relations
                    .keys()
                    .filter(names)
                    .map(Name::to_string)
                    .collect()
            });
        }
        match kind {
            Kind::Schema if scope.has_schema(&target.name) => Ok(vec![target.name.clone()]),
            Kind::Schema => Err(missing("schema")),
            Kind::Database if scope.databases.contains(&target.name) || target.name == scope.database.name => {
                Ok(vec![target.name.clone()])
            }
            Kind::Database => Err(missing("database")),
            Kind::Procedure => match self.find_procedure(target) {
                Some(name) => Ok(vec![name.to_string()]),
                None => Err(missing("procedure")),
            },
            Kind::Role if scope.catalog.roles.contains(&target.name) => Ok(vec![target.name.clone()]),
            Kind::Role => Err(missing("role")),
            _ => match scope.find(target) {
                Some(found) => Ok(vec![found.name().to_string()]),
                None => Err(missing("relation")),
            },
        }
    }
}
