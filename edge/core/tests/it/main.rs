//! The edge against a scripted world: real decoding of canned upstream bytes, virtual time, no socket.

mod chat;
mod health;
mod query;
mod routes;
mod sql;
mod tools;
mod world;
