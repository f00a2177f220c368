mod catalogue;
mod insight;
mod support;

mod sql;
