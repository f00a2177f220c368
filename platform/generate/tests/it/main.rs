//! The generated files as someone reads them: reproducible, consistent, with the relations that they promise, and never
//! half there.

mod damage;
mod places;
mod relations;
mod rows;
mod speed;
mod support;
