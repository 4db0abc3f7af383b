//! Ruby's Marshal 4.8 (as in Ruby 3.1 `marshal.c`), as data.
//!
//! In Ruby `u` and `U` call a method of whatever class the record names, and the chains that begin there (`Gem::Requirement`
//! and its kin) end in `Kernel#system`. Here a class is a text: an object is its instance variables under their bare
//! names, a subclass of Hash, Array or String is what it is a subclass of, and of `u` and `U` only times, dates and decimals
//! are read (`moments`), any other is opaque. References to classes and modules themselves, objects extended by modules and
//! native data are refused by their tag, and the classes of the known chains by their name.
//!
//! Two tables have to be kept exactly as Ruby does or every later link is off by one: symbols have one of their own, and
//! objects are counted when they are met, but a `u` only after the instance variables of its string.

mod moments;

use crate::codec::digits;
use crate::codec::graph::{Graph, Node, NodeId};
use crate::codec::{Cursor, DecodeError, Fault, Limits, Value};

/// Longest class name, in bytes; each object carries a copy.
const NAME_BYTES_MAX: usize = 256;

/// Where the published gadget chains begin or pass. None of them can run here; a record that has one is nobody's session.
const HOSTILE_CLASSES: [&str; 9] = [
    "ActiveSupport::Deprecation::",
    "Bundler::",
    "ERB",
    "Gem::",
    "IO",
    "Kernel",
    "Net::",
    "Process",
    "Sprockets::",
];

/// Reads one Marshal stream that is the whole of `input`.
///
/// # Errors
/// [`DecodeError`] with the offset at which reading stopped; [`Fault::NeedsCode`] names the tag and the class.
pub fn read(input: &[u8], limits: Limits) -> Result<Value, DecodeError> {
    let (value, length) = read_prefix(input, limits)?;
    if length == input.len() {
        return Ok(value);
    }
    Err(DecodeError { offset: length, fault: Fault::Malformed("more after the Marshal stream") })
}

/// Reads the stream that `input` begins with, and says how long it was: Ruby ignores what follows.
///
/// # Errors
/// As [`read`].
pub fn read_prefix(input: &[u8], limits: Limits) -> Result<(Value, usize), DecodeError> {
    let mut cursor = Cursor::new(input);
    if input.len() > limits.bytes {
        let (declared, available) = (input.len() as u64, limits.bytes as u64);
        return Err(cursor.fail(Fault::LengthExceeded { declared, available }));
    }
    // Ruby takes a lower minor version with a warning, and no higher one.
    if cursor.byte()? != 4 || cursor.byte()? > 8 {
        return Err(cursor.fail(Fault::Malformed("not Marshal 4.8")));
    }
    let mut reader = Reader { cursor, graph: Graph::new(limits), symbols: Vec::new(), objects: Vec::new() };
    let root = reader.object()?;
    let value = reader.graph.expand(root, &reader.cursor)?;
    Ok((value, reader.cursor.offset()))
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    graph: Graph,
    symbols: Vec<Symbol>,
    objects: Vec<NodeId>,
}

#[derive(Clone, Copy)]
struct Symbol {
    whole: NodeId,
    /// Without the `@` of an instance variable.
    bare: NodeId,
}

/// What the instance variables of a string say about its bytes.
enum Encoding {
    Ascii,
    Binary,
    Latin1,
    Other,
    Utf8,
}

impl<'a> Reader<'a> {
    fn object(&mut self) -> Result<NodeId, DecodeError> {
        match self.cursor.byte()? {
            b'I' => {
                let tag = self.cursor.byte()?;
                match tag {
                    b':' => self.symbol_with_encoding().map(|symbol| symbol.whole),
                    b'u' => self.dumped(true),
                    _ => {
                        let id = self.tagged(tag)?;
                        let encoding = self.instance_variables()?;
                        self.encode(id, &encoding);
                        Ok(id)
                    }
                }
            }
            tag => {
                let id = self.tagged(tag)?;
                self.encode(id, &Encoding::Binary);
                Ok(id)
            }
        }
    }

    fn tagged(&mut self, tag: u8) -> Result<NodeId, DecodeError> {
        match tag {
            b'0' => self.leaf(Value::Null),
            b'T' => self.leaf(Value::Bool(true)),
            b'F' => self.leaf(Value::Bool(false)),
            b'i' => {
                let number = self.long()?;
                self.leaf(Value::Int(number.into()))
            }
            b':' => self.new_symbol().map(|symbol| symbol.whole),
            b';' => self.symbol_link().map(|symbol| symbol.whole),
            b'@' => self.link(),
            b'"' => {
                let bytes = self.bytes()?.to_vec();
                self.register(Node::Leaf(Value::Bytes(bytes)))
            }
            b'f' => self.float(),
            b'l' => self.bignum(),
            b'/' => {
                let source = String::from_utf8_lossy(self.bytes()?).into_owned();
                self.cursor.byte()?;
                self.register(Node::Leaf(Value::Text(source)))
            }
            b'[' => self.array(),
            b'{' | b'}' => self.hash(tag),
            b'o' => self.instance(),
            b'S' => self.structure(),
            b'u' => self.dumped(false),
            b'U' => self.marshalled(),
            b'C' => self.subclass(),
            b'c' => Err(self.class_reference("c")),
            b'm' => Err(self.class_reference("m")),
            b'M' => Err(self.class_reference("M")),
            b'e' => self.extended(),
            b'd' => Err(self.named_refusal("d")),
            _ => Err(self.malformed("no such tag in Marshal")),
        }
    }

    fn leaf(&mut self, value: Value) -> Result<NodeId, DecodeError> {
        self.graph.add(Node::Leaf(value), &self.cursor)
    }

    /// Adds a node that links may lead to.
    fn register(&mut self, node: Node) -> Result<NodeId, DecodeError> {
        let id = self.graph.add(node, &self.cursor)?;
        self.objects.push(id);
        Ok(id)
    }

    fn link(&mut self) -> Result<NodeId, DecodeError> {
        let index = self.length(0)?;
        self.objects.get(index).copied().ok_or_else(|| self.cursor.fail(Fault::UnknownReference))
    }

    fn float(&mut self) -> Result<NodeId, DecodeError> {
        // Ruby before 1.9 put bytes of the mantissa behind a NUL.
        let bytes = self.bytes()?.split(|byte| *byte == 0).next().unwrap_or_default();
        let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
        let number = number.ok_or_else(|| self.malformed("not a number behind `f`"))?;
        self.register(Node::Leaf(Value::Float(number)))
    }

    fn bignum(&mut self) -> Result<NodeId, DecodeError> {
        let negative = match self.cursor.byte()? {
            b'+' => false,
            b'-' => true,
            _ => return Err(self.malformed("no sign behind `l`")),
        };
        let length = self.length(2)?;
        let magnitude = self.cursor.take(length.saturating_mul(2))?;
        let number = digits::integer(negative, magnitude, &self.cursor)?;
        self.register(Node::Leaf(number))
    }

    fn array(&mut self) -> Result<NodeId, DecodeError> {
        let length = self.length(1)?;
        let id = self.register(Node::List(Vec::new()))?;
        self.graph.enter(&self.cursor)?;
        for _ in 0..length {
            let item = self.object()?;
            if let Some(Node::List(items)) = self.graph.get_mut(id) {
                items.push(item);
            }
        }
        self.graph.leave();
        Ok(id)
    }

    fn hash(&mut self, tag: u8) -> Result<NodeId, DecodeError> {
        let length = self.length(2)?;
        let id = self.register(Node::Map(Vec::new()))?;
        self.graph.enter(&self.cursor)?;
        for _ in 0..length {
            let pair = (self.object()?, self.object()?);
            if let Some(Node::Map(pairs)) = self.graph.get_mut(id) {
                pairs.push(pair);
            }
        }
        if tag == b'}' {
            self.object()?;
        }
        self.graph.leave();
        Ok(id)
    }

    fn instance(&mut self) -> Result<NodeId, DecodeError> {
        let class = self.class("o")?;
        let set = class == "Set";
        let id = self.register(Node::Object { class, fields: Vec::new() })?;
        self.fields(id)?;
        if set {
            self.elements_of_set(id)?;
        }
        Ok(id)
    }

    fn structure(&mut self) -> Result<NodeId, DecodeError> {
        let class = self.class("S")?;
        let id = self.register(Node::Object { class, fields: Vec::new() })?;
        self.fields(id)?;
        Ok(id)
    }

    /// Names and values of an object or struct.
    fn fields(&mut self, id: NodeId) -> Result<(), DecodeError> {
        let length = self.length(2)?;
        self.graph.enter(&self.cursor)?;
        for _ in 0..length {
            let field = (self.symbol()?.bare, self.object()?);
            if let Some(Node::Object { fields, .. }) = self.graph.get_mut(id) {
                fields.push(field);
            }
        }
        self.graph.leave();
        Ok(())
    }

    /// A Set of Ruby before 3.5 is an object whose only variable is a hash with its elements as keys.
    fn elements_of_set(&mut self, id: NodeId) -> Result<(), DecodeError> {
        let hash = match self.graph.get(id) {
            Some(Node::Object { fields, .. }) => match fields.as_slice() {
                [(name, hash)] if self.graph.text(*name) == Some("hash") => *hash,
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        let Some(Node::Map(pairs)) = self.graph.get(hash) else { return Ok(()) };
        let elements: Vec<_> = pairs.iter().map(|(element, _)| *element).collect();
        self.graph.copy(elements.len(), &self.cursor)?;
        if let Some(node) = self.graph.get_mut(id) {
            *node = Node::List(elements);
        }
        Ok(())
    }

    /// `_dump`: the class's own bytes. The object is counted after the string's instance variables.
    fn dumped(&mut self, wrapped: bool) -> Result<NodeId, DecodeError> {
        let class = self.class("u")?;
        let bytes = self.bytes()?;
        if wrapped {
            self.instance_variables()?;
        }
        match moments::dumped(&class, bytes) {
            Some(text) => self.register(Node::Leaf(Value::Text(text))),
            None => {
                let bytes = self.leaf(Value::Bytes(bytes.to_vec()))?;
                let name = self.leaf(Value::Text("_dump".to_owned()))?;
                self.register(Node::Object { class, fields: vec![(name, bytes)] })
            }
        }
    }

    /// `marshal_dump`: the class's own value.
    fn marshalled(&mut self) -> Result<NodeId, DecodeError> {
        let class = self.class("U")?;
        let id = self.register(Node::Object { class: class.clone(), fields: Vec::new() })?;
        self.graph.enter(&self.cursor)?;
        let data = self.object()?;
        self.graph.leave();
        let text = match self.graph.get(data) {
            Some(Node::List(parts)) => moments::marshalled(&class, parts, &self.graph),
            _ => None,
        };
        let name = self.leaf(Value::Text("marshal_dump".to_owned()))?;
        match (self.graph.get_mut(id), text) {
            (Some(node), Some(text)) => *node = Node::Leaf(Value::Text(text)),
            (Some(Node::Object { fields, .. }), None) => fields.push((name, data)),
            _ => {}
        }
        Ok(id)
    }

    /// A subclass of Hash, Array, String or Regexp: what it is a subclass of.
    fn subclass(&mut self) -> Result<NodeId, DecodeError> {
        self.class("C")?;
        match self.cursor.byte()? {
            tag @ (b'"' | b'/' | b'[' | b'{' | b'}') => self.tagged(tag),
            _ => Err(self.malformed("a subclass of what has none")),
        }
    }

    /// An object that was extended with modules, nearest last: the object alone, for modules have no data.
    fn extended(&mut self) -> Result<NodeId, DecodeError> {
        self.class("e")?;
        while self.cursor.peek() == Some(b'e') {
            self.cursor.byte()?;
            self.class("e")?;
        }
        match self.cursor.byte()? {
            tag @ (b'"' | b'/' | b'[' | b'{' | b'}' | b'C' | b'S' | b'o') => self.tagged(tag),
            _ => Err(self.malformed("an extension of what has none")),
        }
    }

    fn class(&mut self, tag: &'static str) -> Result<String, DecodeError> {
        let symbol = self.symbol()?;
        let name = self.graph.text(symbol.whole).unwrap_or_default();
        if name.len() > NAME_BYTES_MAX {
            return Err(self.malformed("a class name of more than 256 bytes"));
        }
        let hostile = HOSTILE_CLASSES.iter().any(|class| match class.strip_suffix("::") {
            Some(_) => name.starts_with(class),
            None => name == *class,
        });
        if hostile {
            return Err(self.cursor.fail(Fault::NeedsCode { opcode: tag, name: name.to_owned() }));
        }
        Ok(name.to_owned())
    }

    fn class_reference(&mut self, tag: &'static str) -> DecodeError {
        let name = match self.bytes() {
            Ok(name) => shortened(&String::from_utf8_lossy(name)),
            Err(error) => return error,
        };
        self.cursor.fail(Fault::NeedsCode { opcode: tag, name })
    }

    fn named_refusal(&mut self, tag: &'static str) -> DecodeError {
        match self.symbol() {
            Ok(symbol) => {
                let name = shortened(self.graph.text(symbol.whole).unwrap_or_default());
                self.cursor.fail(Fault::NeedsCode { opcode: tag, name })
            }
            Err(error) => error,
        }
    }

    fn symbol(&mut self) -> Result<Symbol, DecodeError> {
        match self.cursor.byte()? {
            b':' => self.new_symbol(),
            b';' => self.symbol_link(),
            b'I' if self.cursor.byte()? == b':' => self.symbol_with_encoding(),
            _ => Err(self.malformed("no symbol where one belongs")),
        }
    }

    fn new_symbol(&mut self) -> Result<Symbol, DecodeError> {
        let text = String::from_utf8_lossy(self.bytes()?).into_owned();
        let bare = text.strip_prefix('@').map(str::to_owned);
        let whole = self.leaf(Value::Text(text))?;
        let bare = match bare {
            Some(bare) => self.leaf(Value::Text(bare))?,
            None => whole,
        };
        let symbol = Symbol { whole, bare };
        self.symbols.push(symbol);
        Ok(symbol)
    }

    fn symbol_with_encoding(&mut self) -> Result<Symbol, DecodeError> {
        let symbol = self.new_symbol()?;
        self.instance_variables()?;
        Ok(symbol)
    }

    fn symbol_link(&mut self) -> Result<Symbol, DecodeError> {
        let index = self.length(0)?;
        self.symbols.get(index).copied().ok_or_else(|| self.cursor.fail(Fault::UnknownReference))
    }

    /// The variables behind what `I` wraps; only those that name an encoding mean anything to us.
    fn instance_variables(&mut self) -> Result<Encoding, DecodeError> {
        let length = self.length(2)?;
        let mut encoding = Encoding::Binary;
        self.graph.enter(&self.cursor)?;
        for _ in 0..length {
            let (name, value) = (self.symbol()?.whole, self.object()?);
            encoding = match (self.graph.text(name), self.graph.get(value)) {
                (Some("E"), Some(Node::Leaf(Value::Bool(true)))) => Encoding::Utf8,
                (Some("E"), _) => Encoding::Ascii,
                (Some("encoding"), _) => match self.graph.text(value) {
                    Some("ISO-8859-1") => Encoding::Latin1,
                    _ => Encoding::Other,
                },
                _ => encoding,
            };
        }
        self.graph.leave();
        Ok(encoding)
    }

    /// Turns a string's bytes into text where they are text; a link met meanwhile leads to the same node.
    fn encode(&mut self, id: NodeId, encoding: &Encoding) {
        let Some(Node::Leaf(value)) = self.graph.get_mut(id) else { return };
        let Value::Bytes(bytes) = value else { return };
        let text = match encoding {
            Encoding::Utf8 => {
                String::from_utf8(std::mem::take(bytes)).map_err(std::string::FromUtf8Error::into_bytes)
            }
            Encoding::Latin1 => Ok(bytes.iter().map(|byte| char::from(*byte)).collect()),
            // A text in UTF-16 has NULs; one in another encoding is the same in ASCII.
            Encoding::Ascii | Encoding::Binary | Encoding::Other
                if bytes.is_ascii() && !bytes.contains(&0) =>
            {
                String::from_utf8(std::mem::take(bytes)).map_err(std::string::FromUtf8Error::into_bytes)
            }
            Encoding::Ascii | Encoding::Binary | Encoding::Other => return,
        };
        *value = match text {
            Ok(text) => Value::Text(text),
            Err(bytes) => Value::Bytes(bytes),
        };
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.length(1)?;
        self.cursor.take(length)
    }

    /// A length or index; if each part takes at least `each` bytes, no more than can still come.
    fn length(&mut self, each: usize) -> Result<usize, DecodeError> {
        let long = self.long()?;
        let length = usize::try_from(long).map_err(|_| self.malformed("a negative length"))?;
        let available = self.cursor.remaining().checked_div(each).unwrap_or(usize::MAX);
        if length > available {
            let (declared, available) = (length as u64, available as u64);
            return Err(self.cursor.fail(Fault::LengthExceeded { declared, available }));
        }
        Ok(length)
    }

    /// The packed integer: small ones in one byte, others behind their byte count, negative ones behind a negative count.
    fn long(&mut self) -> Result<i32, DecodeError> {
        let first = i32::from(self.cursor.byte()?.cast_signed());
        match first {
            0 => Ok(0),
            5.. => Ok(first - 5),
            ..-4 => Ok(first + 5),
            _ => {
                let fill = if first < 0 { u32::MAX } else { 0 };
                let mut number = fill;
                for at in 0..first.unsigned_abs() {
                    let byte = u32::from(self.cursor.byte()?);
                    number = number & !(0xff << (8 * at)) | byte << (8 * at);
                }
                Ok(number.cast_signed())
            }
        }
    }

    const fn malformed(&self, what: &'static str) -> DecodeError {
        self.cursor.fail(Fault::Malformed(what))
    }
}

/// A name for an error message.
fn shortened(name: &str) -> String {
    name.chars().take(NAME_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests;
