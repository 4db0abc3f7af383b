//! The grammar: from bytes to a heap.

use crate::codec::java::heap::{Class, Heap, Item, NULL, Node, Part, Place};
use crate::codec::java::text::{self, Decoded};
use crate::codec::{Budget, Cursor, DecodeError, Fault, Limits, Value};
use std::borrow::Cow;

const TC_NULL: u8 = 0x70;
const TC_REFERENCE: u8 = 0x71;
const TC_CLASSDESC: u8 = 0x72;
const TC_OBJECT: u8 = 0x73;
const TC_STRING: u8 = 0x74;
const TC_ARRAY: u8 = 0x75;
const TC_CLASS: u8 = 0x76;
const TC_BLOCKDATA: u8 = 0x77;
const TC_ENDBLOCKDATA: u8 = 0x78;
const TC_RESET: u8 = 0x79;
const TC_BLOCKDATALONG: u8 = 0x7a;
const TC_EXCEPTION: u8 = 0x7b;
const TC_LONGSTRING: u8 = 0x7c;
const TC_PROXYCLASSDESC: u8 = 0x7d;
const TC_ENUM: u8 = 0x7e;

const SC_WRITE_METHOD: u8 = 0x01;
const SC_SERIALIZABLE: u8 = 0x02;
const SC_EXTERNALIZABLE: u8 = 0x04;
const SC_BLOCK_DATA: u8 = 0x08;

/// `ObjectStreamConstants.baseWireHandle`
const BASE_HANDLE: u32 = 0x7e_0000;

/// The heap of the stream `input`, and the place of its one object.
pub(crate) fn parse(input: &[u8], limits: Limits) -> Result<(Heap<'_>, Place), DecodeError> {
    let mut stream = Stream {
        cursor: Cursor::new(input),
        budget: Budget::new(limits),
        heap: Heap::new(),
        handles: Vec::with_capacity(32),
    };
    if !input.starts_with(&[0xac, 0xed, 0, 5]) {
        return stream.malformed("not a Java serialization stream");
    }
    stream.cursor.take(4)?;
    let root = stream.value()?;
    if !stream.cursor.is_empty() {
        return stream.malformed("bytes after the value");
    }
    Ok((stream.heap, root))
}

struct Stream<'a> {
    cursor: Cursor<'a>,
    budget: Budget,
    heap: Heap<'a>,
    handles: Vec<Handle>,
}

/// What a reference may mean.
#[derive(Clone, Copy)]
enum Handle {
    Class(usize),
    Value(Place),
}

impl<'a> Stream<'a> {
    fn malformed<T>(&self, what: &'static str) -> Result<T, DecodeError> {
        Err(self.cursor.fail(Fault::Malformed(what)))
    }

    fn needs_code<T>(&self, opcode: &'static str, name: String) -> Result<T, DecodeError> {
        Err(self.cursor.fail(Fault::NeedsCode { opcode, name }))
    }

    /// One value where the grammar says `object`.
    fn value(&mut self) -> Result<Place, DecodeError> {
        self.budget.node(&self.cursor)?;
        let tag = self.cursor.peek().ok_or_else(|| self.cursor.fail(Fault::Truncated))?;
        match tag {
            TC_EXCEPTION => return self.needs_code("TC_EXCEPTION", String::new()),
            TC_RESET => return self.malformed("`TC_RESET` inside the value"),
            TC_CLASSDESC | TC_PROXYCLASSDESC => {
                return self.malformed("a class description where a value must be");
            }
            TC_BLOCKDATA | TC_BLOCKDATALONG => return self.malformed("block data where a value must be"),
            TC_ENDBLOCKDATA => return self.malformed("`TC_ENDBLOCKDATA` where a value must be"),
            TC_NULL | TC_REFERENCE | TC_OBJECT | TC_STRING | TC_ARRAY | TC_CLASS | TC_LONGSTRING
            | TC_ENUM => {}
            _ => return self.malformed("an unknown tag"),
        }
        self.cursor.byte()?;
        match tag {
            TC_NULL => Ok(NULL),
            TC_REFERENCE => match self.reference()? {
                Handle::Value(place) => Ok(place),
                Handle::Class(_) => self.malformed("a class description where a value must be"),
            },
            TC_STRING | TC_LONGSTRING => self.string(tag),
            _ => {
                self.budget.enter(&self.cursor)?;
                let place = match tag {
                    TC_OBJECT => self.object(),
                    TC_ARRAY => self.array(),
                    TC_ENUM => self.constant(),
                    _ => self.class(),
                }?;
                self.budget.leave();
                Ok(place)
            }
        }
    }

    fn reference(&mut self) -> Result<Handle, DecodeError> {
        let number = u32::from_be_bytes(self.cursor.array()?);
        let index = number.checked_sub(BASE_HANDLE).and_then(|index| usize::try_from(index).ok());
        let handle = index.and_then(|index| self.handles.get(index)).copied();
        handle.ok_or_else(|| self.cursor.fail(Fault::UnknownReference))
    }

    fn string(&mut self, tag: u8) -> Result<Place, DecodeError> {
        let bytes = if tag == TC_STRING {
            self.utf()?
        } else {
            let declared = u64::from_be_bytes(self.cursor.array()?);
            self.cursor.take(usize::try_from(declared).unwrap_or(usize::MAX))?
        };
        let node = match text::decode(bytes) {
            Some(Decoded::Text(text)) => Node::Text(text),
            Some(Decoded::LoneSurrogate) => Node::Bytes(bytes),
            None => return self.malformed("a string that is not modified UTF-8"),
        };
        Ok(self.remember(node))
    }

    fn utf(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = u16::from_be_bytes(self.cursor.array()?);
        self.cursor.take(usize::from(length))
    }

    /// The name of a class or field.
    fn name(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        match text::decode(self.utf()?) {
            Some(Decoded::Text(name)) => Ok(name),
            _ => self.malformed("a name that is not modified UTF-8"),
        }
    }

    fn remember(&mut self, node: Node<'a>) -> Place {
        let place = self.heap.push(node);
        self.handles.push(Handle::Value(place));
        place
    }

    fn finish(&mut self, place: Place, node: Node<'a>) -> Place {
        if let Some(unfinished) = self.heap.nodes.get_mut(place) {
            *unfinished = node;
        }
        place
    }

    fn object(&mut self) -> Result<Place, DecodeError> {
        let class = self.some_class()?;
        let place = self.remember(Node::Unfinished);
        let mut ancestry = vec![class];
        while let Some(parent) = ancestry.last().and_then(|class| self.heap.class(*class)?.parent) {
            self.budget.node(&self.cursor)?;
            ancestry.push(parent);
        }
        let mut parts = Vec::with_capacity(ancestry.len());
        for class in ancestry.into_iter().rev() {
            parts.push(self.part(class)?);
        }
        Ok(self.finish(place, Node::Object { class, parts }))
    }

    /// What one class of the hierarchy wrote.
    fn part(&mut self, class: usize) -> Result<Part<'a>, DecodeError> {
        let described = self.heap.class(class);
        let flags = described.map_or(0, |class| class.flags);
        let codes = described.map(|class| class.fields.iter().map(|(code, _)| *code).collect::<Vec<_>>());
        let mut part = Part { class, fields: Vec::new(), annotation: Vec::new() };
        match (flags & SC_SERIALIZABLE != 0, flags & SC_EXTERNALIZABLE != 0) {
            (true, false) => {
                for code in codes.unwrap_or_default() {
                    part.fields.push(self.field(code)?);
                }
                if flags & SC_WRITE_METHOD != 0 {
                    part.annotation = self.annotation()?;
                }
            }
            (false, true) if flags & SC_BLOCK_DATA != 0 => part.annotation = self.annotation()?,
            (false, true) => {
                let name = self.heap.name(class).to_owned();
                return self.needs_code("SC_EXTERNALIZABLE", name);
            }
            _ => return self.malformed("an object of a class that is not serializable"),
        }
        Ok(part)
    }

    /// A field or array element by its type code.
    fn field(&mut self, code: u8) -> Result<Place, DecodeError> {
        if matches!(code, b'L' | b'[') {
            return self.value();
        }
        self.budget.node(&self.cursor)?;
        let value = match code {
            b'B' => Value::Int(i64::from(i8::from_be_bytes(self.cursor.array()?))),
            b'C' => {
                let unit = u16::from_be_bytes(self.cursor.array()?);
                let character = char::from_u32(u32::from(unit)).map(String::from);
                character.map_or(Value::Int(i64::from(unit)), Value::Text)
            }
            b'D' => Value::Float(f64::from_be_bytes(self.cursor.array()?)),
            b'F' => Value::Float(f64::from(f32::from_be_bytes(self.cursor.array()?))),
            b'I' => Value::Int(i64::from(i32::from_be_bytes(self.cursor.array()?))),
            b'J' => Value::Int(i64::from_be_bytes(self.cursor.array()?)),
            b'S' => Value::Int(i64::from(i16::from_be_bytes(self.cursor.array()?))),
            b'Z' => Value::Bool(self.cursor.byte()? != 0),
            _ => return self.malformed("a field of unknown type"),
        };
        Ok(self.heap.push(Node::Plain(value)))
    }

    /// Blocks and values up to the end mark.
    fn annotation(&mut self) -> Result<Vec<Item<'a>>, DecodeError> {
        let mut items = Vec::new();
        loop {
            items.push(match self.cursor.peek() {
                Some(TC_ENDBLOCKDATA) => {
                    self.cursor.byte()?;
                    return Ok(items);
                }
                Some(TC_BLOCKDATA) => {
                    self.cursor.byte()?;
                    self.budget.node(&self.cursor)?;
                    let length = self.cursor.byte()?;
                    Item::Block(self.cursor.take(usize::from(length))?)
                }
                Some(TC_BLOCKDATALONG) => {
                    self.cursor.byte()?;
                    self.budget.node(&self.cursor)?;
                    let length = self.length()?;
                    Item::Block(self.cursor.take(length)?)
                }
                _ => Item::Value(self.value()?),
            });
        }
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        let length = i32::from_be_bytes(self.cursor.array()?);
        usize::try_from(length).or_else(|_| self.malformed("a negative length"))
    }

    fn array(&mut self) -> Result<Place, DecodeError> {
        let class = self.some_class()?;
        let place = self.remember(Node::Unfinished);
        let length = self.length()?;
        let code = match self.heap.name(class).as_bytes() {
            [b'[', code, ..] => *code,
            _ => return self.malformed("an array of a class that is no array"),
        };
        if code == b'B' {
            let bytes = self.cursor.take(length)?;
            return Ok(self.finish(place, Node::Bytes(bytes)));
        }
        if length > self.cursor.remaining() {
            let (declared, available) = (length as u64, self.cursor.remaining() as u64);
            return Err(self.cursor.fail(Fault::LengthExceeded { declared, available }));
        }
        let mut items = Vec::new();
        for _ in 0..length {
            items.push(self.field(code)?);
        }
        Ok(self.finish(place, Node::Array(items)))
    }

    fn constant(&mut self) -> Result<Place, DecodeError> {
        self.some_class()?;
        let place = self.remember(Node::Unfinished);
        let name = self.value()?;
        match self.heap.nodes.get(name) {
            Some(Node::Text(_)) => Ok(self.finish(place, Node::Constant(name))),
            _ => self.malformed("an enum constant without a name"),
        }
    }

    fn class(&mut self) -> Result<Place, DecodeError> {
        let class = self.some_class()?;
        Ok(self.remember(Node::Class(class)))
    }

    fn some_class(&mut self) -> Result<usize, DecodeError> {
        match self.class_description()? {
            Some(class) => Ok(class),
            None => self.malformed("a value of no class"),
        }
    }

    fn class_description(&mut self) -> Result<Option<usize>, DecodeError> {
        match self.cursor.byte()? {
            TC_NULL => return Ok(None),
            TC_REFERENCE => {
                return match self.reference()? {
                    Handle::Class(class) if self.heap.class(class).is_some_and(|class| class.complete) => {
                        Ok(Some(class))
                    }
                    Handle::Class(_) => self.malformed("a class inside its own description"),
                    Handle::Value(_) => self.malformed("a value where a class must be"),
                };
            }
            TC_CLASSDESC => {}
            TC_PROXYCLASSDESC => return self.proxy_description().map(Some),
            TC_EXCEPTION => return self.needs_code("TC_EXCEPTION", String::new()),
            TC_RESET => return self.malformed("`TC_RESET` inside the value"),
            _ => return self.malformed("no class description where one must be"),
        }
        let name = self.name()?;
        self.cursor.take(8)?;
        let class = self.begin(name)?;
        let flags = self.cursor.byte()?;
        let count = u16::from_be_bytes(self.cursor.array()?);
        let mut fields = Vec::new();
        for _ in 0..count {
            self.budget.node(&self.cursor)?;
            let code = self.cursor.byte()?;
            let name = self.name()?;
            if matches!(code, b'L' | b'[') {
                self.field_type()?;
            }
            fields.push((code, name));
        }
        self.end(class, flags, fields)
    }

    /// A dynamic proxy: a class by the names of its interfaces. Its one field is the handler that would be called.
    fn proxy_description(&mut self) -> Result<usize, DecodeError> {
        let class = self.begin(Cow::Borrowed(""))?;
        let count = self.length()?;
        let mut names = Vec::new();
        for _ in 0..count {
            self.budget.node(&self.cursor)?;
            names.push(self.name()?);
        }
        if let Some(class) = self.heap.classes.get_mut(class) {
            class.name = format!("proxy of {}", names.join(", ")).into();
        }
        self.end(class, SC_SERIALIZABLE, Vec::new()).map(|_| class)
    }

    fn begin(&mut self, name: Cow<'a, str>) -> Result<usize, DecodeError> {
        self.budget.node(&self.cursor)?;
        self.budget.enter(&self.cursor)?;
        let class = self.heap.classes.len();
        self.heap.classes.push(Class { name, flags: 0, fields: Vec::new(), parent: None, complete: false });
        self.handles.push(Handle::Class(class));
        Ok(class)
    }

    /// The annotation, which nothing we know writes, and the parent.
    fn end(
        &mut self,
        class: usize,
        flags: u8,
        fields: Vec<(u8, Cow<'a, str>)>,
    ) -> Result<Option<usize>, DecodeError> {
        self.annotation()?;
        let parent = self.class_description()?;
        if let Some(class) = self.heap.classes.get_mut(class) {
            (class.flags, class.fields, class.parent, class.complete) = (flags, fields, parent, true);
        }
        self.budget.leave();
        Ok(Some(class))
    }

    /// The declared type of a field: a string of the stream, with a handle, and of no use to us.
    fn field_type(&mut self) -> Result<(), DecodeError> {
        match self.cursor.byte()? {
            tag @ (TC_STRING | TC_LONGSTRING) => self.string(tag).map(|_| ()),
            TC_REFERENCE => self.reference().map(|_| ()),
            _ => self.malformed("a field without a type"),
        }
    }
}
