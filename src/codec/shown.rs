//! Values as text, for the assertions of the codecs' tests: JSON where JSON has a word for it.

use crate::codec::Value;

/// The value on one line.
pub(crate) fn shown(value: &Value) -> String {
    let fields = |fields: &[(String, Value)]| {
        let shown: Vec<_> = fields.iter().map(|(key, value)| format!("{key:?}:{}", shown(value))).collect();
        format!("{{{}}}", shown.join(","))
    };
    match value {
        Value::Null => "null".into(),
        Value::Bool(yes) => yes.to_string(),
        Value::Int(number) => number.to_string(),
        Value::BigInt(digits) => format!("{digits}n"),
        Value::Float(number) => format!("{number:?}"),
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("b\"{}\"", bytes.escape_ascii()),
        Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(",")),
        Value::Map(pairs) => fields(pairs),
        Value::Object { class, fields: pairs } => format!("{class}{}", fields(pairs)),
    }
}

/// The bytes that hexadecimal digits stand for; blanks between them mean nothing.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}
