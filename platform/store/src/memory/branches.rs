//! Branches of a session: a conversation that was taken up again at an earlier event and went another way.

use super::{MemoryError, events::Event, request::invalid};
use std::collections::BTreeMap;

/// The branch of events that name none.
pub(super) const MAIN: &str = "main";

/// The event that each branch of a session begins after, by the branch's name.
pub(super) fn roots(events: &[Event]) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for event in events {
        if let Some(root) = &event.root_event_id {
            out.entry(event.branch.clone()).or_insert_with(|| root.clone());
        }
    }
    out
}

/// Checks a new event's branch against those of its session, and gives the root that it is to carry.
///
/// # Errors
/// A new branch without a root, a root that is not there, another root than the branch has.
pub(super) fn check(events: &[Event], branch: &str, root: Option<String>) -> Result<Option<String>, MemoryError> {
    if branch == MAIN {
        return match root {
            None => Ok(None),
            Some(_) => Err(invalid("branch.rootEventId", "The branch main has no root event")),
        };
    }
    let known = roots(events).remove(branch);
    match (known, root) {
        (Some(known), None) => Ok(Some(known)),
        (Some(known), Some(root)) if known == root => Ok(Some(known)),
        (Some(known), Some(_)) => Err(invalid(
            "branch.rootEventId",
            format!("The branch {branch} begins after the event {known}, not after another"),
        )),
        (None, None) => Err(invalid(
            "branch.rootEventId",
            format!("The branch {branch} is new: say the rootEventId that it begins after"),
        )),
        (None, Some(root)) if events.iter().any(|event| event.id == root) => Ok(Some(root)),
        (None, Some(root)) => Err(invalid(
            "branch.rootEventId",
            format!("The event {root} is not in this session"),
        )),
    }
}

/// Whether an event belongs to a branch, or, where parents count, to what the branch grew out of.
pub(super) fn belongs(
    event: &Event,
    branch: &str,
    with_parents: bool,
    roots: &BTreeMap<String, String>,
    branch_of: &BTreeMap<String, String>,
) -> bool {
    if event.branch == branch {
        return true;
    }
    if !with_parents {
        return false;
    }
    let mut current = branch;
    // A branch cannot be its own parent, since its root was there first; the bound is for damaged files.
    for _ in 0..=roots.len() {
        let Some(root) = roots.get(current) else { return false };
        let parent = branch_of.get(root).map_or(MAIN, String::as_str);
        if event.branch == parent {
            return event.id <= *root;
        }
        current = parent;
    }
    false
}
