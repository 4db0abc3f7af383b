//! What the JDK's own classes mean by what they write.

use crate::codec::java::heap::{Heap, NULL, Node, Part, Place};
use crate::codec::java::{number, time};
use crate::codec::{Value, uuid};

/// How an object reads.
pub(crate) enum Layout {
    /// By its fields, under its class's name.
    Fields,
    List(Vec<Place>),
    Map(Vec<(Place, Place)>),
    /// As the one thing that it wraps.
    Same(Place),
    /// As the keys of the map it wraps.
    KeysOf(Place),
    Scalar(Value),
}

type Found = Result<Layout, &'static str>;

const SIZE: &str = "a collection of another size than it says";
const VALUE: &str = "a value class without its value";

/// How an object reads whose classes wrote `parts`. The lowest class that is known decides: an application's own
/// subclass of `HashMap` is still a map.
pub(crate) fn of(heap: &Heap<'_>, parts: &[Part<'_>]) -> Found {
    for part in parts.iter().rev() {
        let found = match heap.name(part.class).strip_prefix("java.") {
            Some(name) => known(name, heap, part, parts)?,
            None => Layout::Fields,
        };
        if !matches!(found, Layout::Fields) {
            return Ok(found);
        }
    }
    Ok(Layout::Fields)
}

fn known(name: &str, heap: &Heap<'_>, part: &Part<'_>, parts: &[Part<'_>]) -> Found {
    let field = |name| heap.field(parts, name).ok_or(VALUE);
    if let Some(name) = name.strip_prefix("util.Collections$") {
        return wrapper(name, heap, parts);
    }
    match name {
        "lang.Boolean"
        | "lang.Byte"
        | "lang.Character"
        | "lang.Double"
        | "lang.Float"
        | "lang.Integer"
        | "lang.Long"
        | "lang.Short"
        | "util.concurrent.atomic.AtomicInteger"
        | "util.concurrent.atomic.AtomicLong" => field("value").map(Layout::Same),
        "util.ArrayList" | "util.PriorityQueue" => list(part.values().collect(), heap.integer(parts, "size")),
        "util.LinkedList" | "util.ArrayDeque" | "util.concurrent.CopyOnWriteArrayList" => {
            list(part.values().collect(), int_at(part, 0))
        }
        "util.HashSet" => list(part.values().collect(), int_at(part, 8)),
        "util.TreeSet" => list(part.values().skip(1).collect(), int_at(part, 0)),
        "util.HashMap" | "util.Hashtable" => map(part, int_at(part, 4)),
        "util.TreeMap" | "util.EnumMap" | "util.IdentityHashMap" => map(part, int_at(part, 0)),
        "util.concurrent.ConcurrentHashMap" | "util.concurrent.ConcurrentSkipListMap" => {
            let pairs = pairs(part.values().collect());
            Ok(Layout::Map(pairs.into_iter().take_while(|(key, _)| *key != NULL).collect()))
        }
        "util.CollSer" => match heap.integer(parts, "tag").map(|tag| tag & 0xff) {
            Some(1 | 2 | 4) => list(part.values().collect(), int_at(part, 0)),
            Some(3) => map(part, int_at(part, 0).map(|length| length / 2)),
            _ => Err("an immutable collection of unknown kind"),
        },
        "util.Arrays$ArrayList" => field("a").map(Layout::Same),
        "util.concurrent.CopyOnWriteArraySet" => field("al").map(Layout::Same),
        "util.EnumSet$SerializationProxy" => field("elements").map(Layout::Same),
        "util.Vector" => match heap.nodes.get(field("elementData")?) {
            Some(Node::Array(items)) => {
                let count = heap.integer(parts, "elementCount").and_then(|count| usize::try_from(count).ok());
                Ok(Layout::List(items.get(..count.ok_or(SIZE)?).ok_or(SIZE)?.to_vec()))
            }
            _ => Err(VALUE),
        },
        "util.UUID" => {
            let half =
                |name| heap.integer(parts, name).map(|half| u128::from(half.cast_unsigned())).ok_or(VALUE);
            let bits = half("mostSigBits")? << 64 | half("leastSigBits")?;
            Ok(Layout::Scalar(Value::Text(uuid::text(bits))))
        }
        "util.Date" => {
            let millis = part.block().first_chunk().map(|millis| i64::from_be_bytes(*millis)).ok_or(VALUE)?;
            let nanos = heap.integer(parts, "nanos");
            Ok(Layout::Scalar(Value::Text(time::date(millis, nanos).ok_or("no time")?)))
        }
        "time.Ser" => Ok(Layout::Scalar(Value::Text(time::text(part.block()).ok_or("no time")?))),
        "math.BigInteger" => integer(heap, parts).map(|digits| {
            let small = digits.parse().map(Value::Int);
            Layout::Scalar(small.unwrap_or(Value::BigInt(digits)))
        }),
        "math.BigDecimal" => match heap.nodes.get(field("intVal")?) {
            Some(Node::Object { parts: unscaled, .. }) => {
                let scale = heap.integer(parts, "scale").ok_or(VALUE)?;
                Ok(Layout::Scalar(Value::Text(number::decimal(&integer(heap, unscaled)?, scale))))
            }
            _ => Err(VALUE),
        },
        _ => Ok(Layout::Fields),
    }
}

/// The nested classes of `java.util.Collections`.
fn wrapper(name: &str, heap: &Heap<'_>, parts: &[Part<'_>]) -> Found {
    let field = |name| heap.field(parts, name);
    match name {
        "EmptyList" | "EmptySet" => Ok(Layout::List(Vec::new())),
        "EmptyMap" => Ok(Layout::Map(Vec::new())),
        "SingletonList" | "SingletonSet" => Ok(Layout::List(vec![field("element").ok_or(VALUE)?])),
        "SingletonMap" => Ok(Layout::Map(vec![(field("k").ok_or(VALUE)?, field("v").ok_or(VALUE)?)])),
        "SetFromMap" => field("m").map(Layout::KeysOf).ok_or(VALUE),
        _ if ["Unmodifiable", "Synchronized", "Checked"].iter().any(|kind| name.starts_with(kind)) => {
            field("c").or_else(|| field("m")).map(Layout::Same).ok_or(VALUE)
        }
        _ => Ok(Layout::Fields),
    }
}

fn list(items: Vec<Place>, size: Option<i64>) -> Found {
    match size.map(usize::try_from) {
        Some(Ok(size)) if size == items.len() => Ok(Layout::List(items)),
        _ => Err(SIZE),
    }
}

fn map(part: &Part<'_>, size: Option<i64>) -> Found {
    let values = part.values().collect::<Vec<_>>();
    let whole = values.len().is_multiple_of(2);
    let pairs = pairs(values);
    match size.map(usize::try_from) {
        Some(Ok(size)) if whole && size == pairs.len() => Ok(Layout::Map(pairs)),
        _ => Err(SIZE),
    }
}

fn pairs(values: Vec<Place>) -> Vec<(Place, Place)> {
    let mut values = values.into_iter();
    let mut pairs = Vec::new();
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        pairs.push((key, value));
    }
    pairs
}

/// The `int` at an offset of the annotation's block.
fn int_at(part: &Part<'_>, offset: usize) -> Option<i64> {
    let bytes = part.block().get(offset..)?.first_chunk()?;
    Some(i64::from(i32::from_be_bytes(*bytes)))
}

/// The digits of a `BigInteger`.
fn integer(heap: &Heap<'_>, parts: &[Part<'_>]) -> Result<String, &'static str> {
    let magnitude = match heap.field(parts, "magnitude").and_then(|place| heap.nodes.get(place)) {
        Some(Node::Bytes(magnitude)) if magnitude.len() <= number::MAGNITUDE_BYTES_MAX => magnitude,
        Some(Node::Bytes(_)) => return Err("an integer of more than 1024 bytes"),
        _ => return Err(VALUE),
    };
    let digits = number::digits(magnitude);
    match heap.integer(parts, "signum") {
        Some(-1) if digits != "0" => Ok(format!("-{digits}")),
        Some(0 | 1) => Ok(digits),
        _ => Err(VALUE),
    }
}
