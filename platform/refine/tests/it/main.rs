//! From files to a publication, through the lake.

mod gates;
mod generated;
mod marts;
mod publication;
mod recomputed;
mod support;
