//! The edge against a scripted world: real decoding of canned upstream bytes, virtual time, no socket.

mod chat;
mod dynamo;
mod health;
mod history;
mod hostile;
mod identity;
mod load;
mod openapi;
mod query;
mod routes;
mod sql;
mod tools;
mod turns;
mod world;
