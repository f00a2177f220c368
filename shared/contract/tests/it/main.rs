mod catalogue;
mod compared;
mod constructs;
mod explain;
mod insight;
mod query;
mod support;

mod sql;
