//! Laravel, Symfony, plain PHP over phpredis.

use crate::config::Framework;
use crate::detect::candidate::{Candidate, Mark, Need, Opt};
use crate::detect::ids::{Alphabet, Ids};

/// 5 bits a character, as PHP's own ini files have it; 4 bits; 6 bits.
const PHP_IDS: &[Ids] = &[
    Ids::Fixed(26, Alphabet::Lower),
    Ids::Fixed(32, Alphabet::Hex),
    Ids::Fixed(32, Alphabet::Lower),
    Ids::Fixed(22, Alphabet::Php),
    Ids::Fixed(26, Alphabet::Php),
    Ids::Fixed(32, Alphabet::Php),
];
const HANDLERS: [&str; 5] = ["php", "php_serialize", "php_binary", "igbinary", "msgpack"];

/// What PHP's frameworks write.
pub(super) fn candidates() -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for handler in HANDLERS {
        candidates.push(symfony(handler));
        for compressor in [None, Some("lzf"), Some("zstd"), Some("lz4")] {
            candidates.push(php(handler, compressor));
        }
    }
    for serializer in ["php", "json"] {
        for store_serializer in [None, Some("php"), Some("igbinary"), Some("msgpack"), Some("json")] {
            candidates.push(laravel(serializer, store_serializer, false));
            candidates.push(laravel(serializer, store_serializer, true));
        }
    }
    candidates
}

fn php(handler: &'static str, compressor: Option<&'static str>) -> Candidate {
    let mut options = spoken(handler);
    options.extend(compressor.map(|compressor| ("compressor", compressor)));
    let base = match handler {
        // Its marks are in every byte; MessagePack is anybody's.
        "php" => 50,
        "php_serialize" | "php_binary" | "igbinary" => 50,
        _ => 5,
    };
    let marks = match handler {
        "php" => vec![Mark::every(5, "are `name|value` pairs of PHP's serialisation", |_| true)],
        "msgpack" => vec![Mark::every(50, "are MessagePack with the mark of PHP's extension", |seen| {
            matches!(seen.bytes(), [0x80..=0x8f, 0xc0, ..] | [0xde, _, _, 0xc0, ..])
        })],
        _ => Vec::new(),
    };
    Candidate {
        hints: &["PHPREDIS"],
        ids: PHP_IDS,
        serializer: handler,
        options,
        base: if compressor.is_some() { base - 3 } else { base },
        marks,
        ..Candidate::new(Framework::Php, "PHP sessions over phpredis", "PHPSESSID", "PHPREDIS_SESSION:{id}")
    }
}

fn symfony(handler: &'static str) -> Candidate {
    Candidate {
        ids: PHP_IDS,
        serializer: handler,
        options: spoken(handler),
        marks: vec![
            Mark::every(70, "hold `_sf2_attributes` or `_sf2_meta`", |seen| {
                memchr::memmem::find(seen.bytes(), b"_sf2_").is_some()
            }),
            Mark::some(5, "hold a `_security_` token", |seen| {
                memchr::memmem::find(seen.bytes(), b"_security_").is_some()
            }),
        ],
        ..Candidate::new(Framework::Symfony, "Symfony with its RedisSessionHandler", "PHPSESSID", "sf_s{id}")
    }
}

fn spoken(handler: &'static str) -> Vec<Opt> {
    if handler == "php" { Vec::new() } else { vec![("serializer", handler)] }
}

fn laravel(serializer: &'static str, store_serializer: Option<&'static str>, encrypted: bool) -> Candidate {
    let mut options: Vec<Opt> = Vec::new();
    options.extend((serializer != "php").then_some(("serializer", serializer)));
    options.extend(store_serializer.map(|name| ("store_serializer", name)));
    options.extend(encrypted.then_some(("encrypted", "true")));
    let wrapped = Mark::every(5, "are serialised once more by phpredis", |seen| {
        !seen.bytes().starts_with(b"s:") || nested(seen.bytes())
    });
    let sealed: fn(&[u8]) -> bool = match store_serializer {
        None => |bytes| bytes.starts_with(b"s:") && holds_payload(bytes) && !nested(bytes),
        Some("igbinary") => |bytes| bytes.starts_with(b"\0\0\0") && holds_payload(bytes),
        Some("msgpack") => |bytes| matches!(bytes, [0xd9..=0xdb, ..]) && holds_payload(bytes),
        Some("json") => |bytes| bytes.starts_with(b"\"s:") && holds_payload(bytes),
        Some(_) => |bytes| holds_payload(bytes) && nested(bytes),
    };
    // Two names, for two explanations of one value are told side by side.
    let name = match (encrypted, serializer) {
        (false, _) => "Laravel",
        (true, "json") => "Laravel with encrypted sessions, JSON inside (only APP_KEY shows what is)",
        (true, _) => {
            "Laravel with encrypted sessions, PHP's serialisation inside (only APP_KEY shows what is)"
        }
    };
    Candidate {
        hints: &["laravel"],
        ids: &[Ids::Fixed(40, Alphabet::Alnum)],
        serializer,
        options,
        cookies: &[
            &[],
            &[("cipher", "AES-256-GCM")],
            &[("cipher", "AES-128-CBC")],
            &[("cipher", "AES-128-GCM")],
        ],
        secrets: if encrypted { Need::Value } else { Need::Cookie },
        base: if encrypted { 65 } else { 10 },
        marks: if encrypted {
            Vec::new()
        } else {
            let mut marks =
                vec![Mark::every(58, "hold `_token` and `_flash` inside a serialised string", |seen| {
                    seen.holds("_token") || seen.holds("_flash")
                })];
            marks.extend(store_serializer.map(|_| wrapped));
            marks
        },
        sealed: encrypted.then_some(sealed),
        ..Candidate::new(Framework::Laravel, name, "laravel_session", "laravel_database_laravel_cache_{id}")
    }
}

/// Base64 of `{"iv":`, where Laravel's Encrypter starts.
fn holds_payload(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes.get(..40).unwrap_or(bytes), b"\"eyJpdiI6").is_some()
}

/// Whether there is a serialised string in a serialised string.
fn nested(bytes: &[u8]) -> bool {
    let start = bytes.get(..20).unwrap_or(bytes);
    bytes.starts_with(b"s:") && memchr::memmem::find(start, b":\"s:").is_some()
}
