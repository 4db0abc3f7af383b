//! One canonical view of a request, parsed once at the edge.

mod conn;
mod cookie;
mod error;
mod strip;

pub use conn::Conn;
pub use cookie::Cookies;
pub use error::ParseError;
pub use strip::{Stripped, Upgrade};
