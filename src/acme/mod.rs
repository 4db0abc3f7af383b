//! Certificates that the gateway orders and renews itself (RFC 8555), for the hosts of `[server.acme]`.
//!
//! Job: know for each name when its certificate is due (`renewal`); find or open the account with the authority (`account`); place an
//! order, prove that the name leads here, and put the certificate with its new key into the folder (`order`). Not the job:
//! showing it. A certificate is a file like those of `[[server.certificates]]`, so a new one comes in by a reload, which every
//! connection outlives; proofs are shown by `tls` and told by the listener without TLS.
//!
//! Threats, each with its line of defence. A gateway that asks so often that the authority bars its account: what failed is tried again
//! after a time that doubles, and the folder outlives the process. An authority, or who poses as one, that leads our calls elsewhere:
//! only `https://` is called, and redirects are not followed. A file that is half-written: files are replaced whole. Two
//! gateways that share the folder, or a new process beside the old one: only who has the lock orders.
//!
//! A name without a certificate fails its handshakes and nothing else; one that cannot be renewed is shown to its end, and the log and
//! the metrics say so all the time.
//!
//! The folder is a *roof*.

mod account;
mod exchange;
mod order;
mod renewal;
mod trouble;

pub use renewal::keep;
