//! The gateway's binary between real clients, a real Redis and real upstreams.
//!
//! Every test starts what it needs through [`support::World`]: nothing is shared, no port is fixed, and whatever was
//! started is ended by its process id when the test lets go of it. A test that needs a program fails when it is missing;
//! `tests/run` installs them all.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

mod access;
mod acme;
mod admin;
mod attest;
mod backchannel;
mod bearer;
mod cache;
mod cases;
mod changes;
mod client_certificates;
mod clients;
mod cluster;
mod conformance;
mod cookies;
mod demo;
mod drain;
mod ended_tokens;
mod everywhere;
mod express;
mod faults;
mod feed;
mod frameworks;
mod grpc;
mod http2;
mod idle;
mod internal;
mod introspection;
mod jwt;
mod keys;
mod limits;
mod logout;
mod migration;
mod outage;
mod overload;
mod own_bearer;
mod pair;
mod plain_http;
mod premises;
mod profiles;
mod proxy_protocol;
mod rate;
mod recipes;
mod reload;
mod revocation;
mod rewriting;
mod scanners;
mod secrets;
mod sentinel;
mod shared_secret;
mod siege;
mod slow_clients;
mod soak;
mod state;
mod streaming;
mod streams;
mod succession;
mod support;
mod tls;
mod tokens;
mod topology;
mod torn;
mod touch;
mod trust;
mod upstream_tls;
mod upstreams;
mod user_record;
mod websocket;
mod websocket_http2;
