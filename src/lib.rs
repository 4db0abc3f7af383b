//! Cloakroom: a reverse-proxy authentication gateway.

#![forbid(unsafe_code)]

pub mod clock;
pub mod codec;
pub mod config;
pub mod format;
pub mod guard;
pub mod internal;
pub mod listen;
pub mod pipeline;
pub mod request;
pub mod respond;
pub mod route;
pub mod session;
pub mod store;
pub mod telemetry;
pub mod token;
pub mod upstream;
