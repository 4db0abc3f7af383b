//! Cloakroom: a reverse-proxy authentication gateway.

#![forbid(unsafe_code)]

pub mod clock;
pub mod codec;
pub mod config;
pub mod format;
pub mod listen;
pub mod request;
pub mod session;
pub mod store;
