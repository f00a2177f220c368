mod catalogue;
mod compared;
mod explain;
mod insight;
mod query;
mod support;

mod sql;
