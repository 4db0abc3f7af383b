//! What the fuzz targets share: a small set of limits, and what must hold for whatever a reader returns.

pub mod family;
pub mod vectors;

use cloakroom::codec::{DecodeError, Limits, Value};
use cloakroom::format::cookies::CookieRules;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Limits that a fuzzer's inputs reach.
pub const TIGHT: Limits = Limits { bytes: 4096, depth: 8, nodes: 64 };

/// Most memory that reading one record may hold at once. A tree of `Limits::nodes` values is about 1 MiB; the rest is the
/// readers' own tables, and the windows of the compressors.
const MEMORY_BYTES_MAX: usize = 16 << 20;

/// Names of session cookies that mean something in some family: plain, prefixed, mangled in PHP.
pub const NAMES: [&str; 4] = ["sid", "__Host-sid", "a_b", "connect.sid"];

/// The cookie rules of every family.
pub const RULES: [CookieRules; 12] = [
    CookieRules::EXPRESS,
    CookieRules::FASTIFY,
    CookieRules::KOA,
    CookieRules::DJANGO,
    CookieRules::FLASK,
    CookieRules::RACK,
    CookieRules::PHP,
    CookieRules::GO,
    CookieRules::TOWER,
    CookieRules::SPRING,
    CookieRules::ASPNET,
    CookieRules::STRICT,
];

/// Reads `input` within tight limits and within the usual ones. What comes out obeys them; what the tight limits admit,
/// the usual ones read the same; an error names a place in the input.
pub fn decode(input: &[u8], read: fn(&[u8], Limits) -> Result<Value, DecodeError>) {
    let tight = bounded(|| read(input, TIGHT));
    let usual = bounded(|| read(input, Limits::default()));
    for (result, limits) in [(&tight, TIGHT), (&usual, Limits::default())] {
        match result {
            Ok(value) => obeys(value, limits),
            Err(error) => assert!(error.offset <= input.len(), "{error} is outside"),
        }
    }
    if let Ok(tight) = tight {
        let usual = usual.expect("what tight limits admit, the usual ones do");
        // NaN equals nothing; its print is enough then.
        assert!(tight == usual || format!("{tight:?}") == format!("{usual:?}"), "limits change the data");
    }
}

/// Inflates `input` within both limits.
pub fn inflate(input: &[u8], read: impl Fn(&[u8], Limits) -> Result<Vec<u8>, DecodeError>) {
    let tight = bounded(|| read(input, TIGHT));
    let usual = bounded(|| read(input, Limits::default()));
    for (result, limits) in [(&tight, TIGHT), (&usual, Limits::default())] {
        match result {
            Ok(bytes) => assert!(bytes.len() <= limits.bytes, "{} bytes", bytes.len()),
            Err(error) => assert!(error.offset <= input.len(), "{error} is outside"),
        }
    }
    if let Ok(tight) = tight {
        assert_eq!(Ok(tight), usual);
    }
}

/// Runs `work` and sees that it never holds too much memory.
pub fn bounded<T>(work: impl FnOnce() -> T) -> T {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = work();
    let held = MEMORY.peak_usage().saturating_sub(before);
    assert!(held <= MEMORY_BYTES_MAX, "{held} bytes of memory held");
    result
}

/// The tree is within `limits`: in values, in depth, and in text, which may come once from the input, once more by
/// references, and in a few dozen bytes for each number or moment that reads as text.
pub fn obeys(root: &Value, limits: Limits) {
    let (mut nodes, mut text, mut stack) = (0, 0, vec![(root, 0)]);
    while let Some((value, depth)) = stack.pop() {
        nodes += 1;
        let inside = depth + 1;
        match value {
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
            Value::BigInt(digits) => text += digits.len(),
            Value::Text(content) => text += content.len(),
            Value::Bytes(content) => text += content.len(),
            Value::List(items) => {
                assert!(inside <= limits.depth, "a list at depth {inside}");
                stack.extend(items.iter().map(|item| (item, inside)));
            }
            Value::Map(fields) => {
                assert!(inside <= limits.depth, "a map at depth {inside}");
                text += fields.iter().map(|(name, _)| name.len()).sum::<usize>();
                stack.extend(fields.iter().map(|(_, field)| (field, inside)));
            }
            Value::Object { class, fields } => {
                assert!(inside <= limits.depth, "an object at depth {inside}");
                text += class.len() + fields.iter().map(|(name, _)| name.len()).sum::<usize>();
                stack.extend(fields.iter().map(|(_, field)| (field, inside)));
            }
        }
    }
    assert!(nodes <= limits.nodes, "{nodes} values");
    let most = 3 * limits.bytes + 64 * nodes;
    assert!(text <= most, "{text} bytes of text, {most} at most");
}
