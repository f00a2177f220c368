//! The guard as its callers meet it: statements in, a refusal or the statement to run out.

mod cases;
mod mutations;
mod oracle;
mod rewriting;
mod support;
