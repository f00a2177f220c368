//! Schemas that have nothing to do with each other, each a folder of files: what is inferred of them, and what
//! questions over them are answered.

mod answers;
mod files;
mod pure;
mod redshift;
mod schemas;
mod scored;
mod support;
