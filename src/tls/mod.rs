//! What clients are shown when they ask who we are, and the encryption that follows.
//!
//! Job: from the PEM of `[[server.certificates]]` to a [`Server`] that makes a stream of a TCP connection: which certificate
//! answers which name, which versions and protocols are spoken, how a session is resumed. Not the job: reading files
//! (`config`), deadlines and what runs over the stream (`listen`), and the TLS of stores and upstreams, which are its clients.
//!
//! Threat: a client picks the name it asks for, so a name decides only which certificate is shown. What is chosen by name is
//! exact before one-label wildcard before the first certificate; nobody is refused for a name, because routes judge the Host
//! anyway, and who dials an address sends none.
//!
//! Invariants. TLS 1.3 and 1.2 with forward secrecy and AEAD, nothing else. No early data: it can be replayed, and a request
//! that comes twice is a request forged once. Tickets are bound to the name they were given for (rustls refuses them under
//! another), and their keys live in this process alone, rotate, and outlive a reload.
//!
//! Where `[[server.client_certificates]]` asks for it, the name in the handshake also decides whether a client is asked for a
//! certificate, and whose is good (`callers`). Such a handshake is made in full each time: one that is resumed would skip
//! the judgement, so a certificate that was revoked since would go on. What a request may reach by it is for `pipeline`.
//!
//! A handshake for the protocol `acme-tls/1` is an authority's who wants to see that a name leads here (`challenges`): it gets the proof
//! of an order that is on its way, if there is one for that name, and nothing is ever served over it.
//!
//! A certificate that cannot work is a mistake, at its place in the file: no key, another key, a later one without a name to be
//! chosen by. One that works badly is a warning: expired, not valid yet, or the first one without a name. A gateway that
//! would not start after a weekend because a certificate had expired would be the worse of two outages.
//!
//! The folder is a *roof*: only this file names the children to the outside.

mod callers;
mod challenges;
mod chosen;
mod identity;
mod names;
mod server;

pub use callers::{CallerId, Callers, ClientCertificate, Shown};
pub use challenges::{Challenges, Posed};
pub use identity::validity;
pub use server::{Ordered, Server, Tickets};

#[cfg(test)]
mod tests;
