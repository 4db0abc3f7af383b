//! Cloakroom: a reverse-proxy authentication gateway.

#![forbid(unsafe_code)]

pub mod clock;
pub mod codec;
pub mod config;
pub mod format;
pub mod request;
pub mod session;
pub mod store;
pub mod upstream;
