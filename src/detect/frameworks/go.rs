//! scs, gorilla/sessions with redistore, gin-contrib/sessions.

use crate::config::Framework;
use crate::detect::candidate::{Candidate, Mark, Need};
use crate::detect::ids::{Alphabet, Ids};

/// What Go's frameworks write.
pub(super) fn candidates() -> Vec<Candidate> {
    let mut candidates = vec![scs()];
    for serializer in ["gob", "json"] {
        candidates.push(redistore(
            Framework::Gorilla,
            "gorilla/sessions with redistore (gin-contrib/sessions writes the same)",
            "session-name",
            serializer,
        ));
        let gin = redistore(
            Framework::Gin,
            "gin-contrib/sessions with Redis (gorilla/sessions writes the same)",
            "mysession",
            serializer,
        );
        candidates.push(Candidate { base: gin.base - 1, ..gin });
    }
    candidates
}

fn scs() -> Candidate {
    Candidate {
        ids: &[Ids::Fixed(43, Alphabet::Url)],
        serializer: "gob",
        cookies: &[&[], &[("engine", "hash_token")]],
        base: 40,
        marks: vec![Mark::every(30, "are gob of a `Deadline` and `Values`", |_| true)],
        ..Candidate::new(
            Framework::GoScs,
            "scs with goredisstore or redisstore",
            "session",
            "scs:session:{id}",
        )
    }
}

fn redistore(
    framework: Framework,
    name: &'static str,
    cookie: &'static str,
    serializer: &'static str,
) -> Candidate {
    Candidate {
        ids: &[Ids::Fixed(52, Alphabet::Base32)],
        serializer,
        options: if serializer == "gob" { Vec::new() } else { vec![("serializer", serializer)] },
        secrets: Need::Cookie,
        base: if serializer == "gob" { 30 } else { 5 },
        marks: vec![Mark::every(40, "are under a key of 52 characters of base32", |seen| {
            matches!(seen.family.ids, Ids::Fixed(52, Alphabet::Base32))
        })],
        ..Candidate::new(framework, name, cookie, "session_{id}")
    }
}
