//! The form an answer takes: whatever the caller can read.

use crate::request::{is_grpc, is_navigation};
use http::{HeaderMap, Method};

/// How a refusal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A gRPC status in trailers-only form, never a redirect.
    Grpc,
    /// A small page.
    Page,
    /// `application/problem+json` (RFC 9457).
    Problem,
}

impl Form {
    /// What the request can read.
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        if is_grpc(headers) {
            Self::Grpc
        } else if is_navigation(method, headers) {
            Self::Page
        } else {
            Self::Problem
        }
    }
}
