mod catalogue;
mod explain;
mod insight;
mod support;

mod sql;
