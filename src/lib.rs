//! Cloakroom: a reverse proxy that turns the session an app already keeps into a short-lived token for the services behind it.
//!
//! Start reading at [`pipeline`]: the path of a request on one screen. The rooms in the order a request meets them:
//!
//! ```text
//! listen      accepts connections and judges every head as bytes before hyper sees it
//! request     one canonical view of a request; later the proof that nothing of the client's can speak for us
//! route       host, path and method to one set of rules
//! limit       who asks too often
//! session     cookie to verdict: absent, rejected, verified
//!   format      how each framework keeps a session; codec: its serialisations, read as data
//!   store       Redis, where the app's sessions are; state: what the gateway itself keeps in one
//! issuer      bearer tokens of others, to the same verdict
//! guard       access rule, conditions, cross-site requests
//! token       verified session and template to a signed token; the key ring
//! door        our own endpoints below /.cloakroom/
//! upstream    sends, streams, tunnels
//! respond     refusals from one table, and the last touch on answers
//! ```
//!
//! Around them: [`config`] (gateway.toml, or every mistake in it at once), [`app`] (what runs where), [`internal`] (keys, health and
//! metrics for services), [`admin`] (what operators ask and order), [`explain`] (why a request would pass or not), [`detect`] (which framework wrote a store),
//! [`attest`] (what a service's validation of tokens lets in), [`demo`] (everything on one machine), [`telemetry`],
//! [`web`] (what we ask of others ourselves), `disk` (files of our own), [`clock`] (the one reader of wall time), [`cli`].
//!
//! The rules of the house: imports go one way, top to bottom of `main → cli → demo → app → attest, detect, explain → pipeline, internal, admin →
//! door → respond → guard → upstream → token, issuer, acme → session, limit → format, state → store, codec, route, listen → request, telemetry, web →
//! tls → config, clock, disk`; a value is the proof that its stage ran; *absent*, *rejected* and *could not ask* are three types; secrets cannot
//! be printed.
//! A test (`tidy`) holds us to it.

#![forbid(unsafe_code)]

pub mod acme;
pub mod admin;
pub mod app;
pub mod attest;
pub mod cli;
pub mod clients;
pub mod clock;
pub mod codec;
pub mod config;
pub mod demo;
pub mod detect;
mod disk;
pub mod door;
pub mod explain;
pub mod format;
pub mod guard;
pub mod internal;
pub mod issuer;
pub mod limit;
pub mod listen;
pub mod migration;
pub mod pipeline;
pub mod request;
pub mod respond;
pub mod revocation;
pub mod route;
pub mod session;
pub mod state;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod token;
pub mod upstream;
pub mod web;
