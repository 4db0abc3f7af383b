//! Spring Session, and ASP.NET Core, the other one that keeps hashes.

use crate::config::Framework;
use crate::detect::candidate::{Candidate, Mark, Need};
use crate::detect::ids::Ids;

/// What Java's and .NET's frameworks write.
pub(super) fn candidates() -> Vec<Candidate> {
    vec![spring("jdk"), spring("json"), aspnet()]
}

fn spring(serializer: &'static str) -> Candidate {
    Candidate {
        hints: &[":sessions:"],
        ids: &[Ids::Uuid],
        serializer,
        options: if serializer == "jdk" { Vec::new() } else { vec![("serializer", serializer)] },
        cookies: &[&[], &[("engine", "plain_cookie")]],
        base: 40,
        marks: vec![
            Mark::every(
                30,
                "are hashes with `creationTime`, `lastAccessedTime` and `maxInactiveInterval`",
                |_| true,
            ),
            Mark::some(5, "hold a SPRING_SECURITY_CONTEXT", |seen| seen.holds("SPRING_SECURITY_CONTEXT")),
        ],
        ..Candidate::new(Framework::Spring, "Spring Session", "SESSION", "spring:session:sessions:{id}")
    }
}

fn aspnet() -> Candidate {
    Candidate {
        ids: &[Ids::Uuid],
        serializer: "text",
        secrets: Need::Cookie,
        base: 40,
        marks: vec![Mark::every(30, "are hashes with `absexp`, `sldexp` and `data`", |_| true)],
        ..Candidate::new(
            Framework::Aspnet,
            "ASP.NET Core's session over its distributed Redis cache",
            ".AspNetCore.Session",
            "{id}",
        )
    }
}
