//! Values that point at one another, and how they unfold into a tree.
//!
//! PHP's serialisers write a shared value once and refer to it by number, also from inside itself. A reader puts every
//! value into a [`Graph`] as it meets it, borrowing all text from the record; [`Graph::expand`] then makes the tree
//! and is the only place that copies. What a reference repeats is paid for again there: in nodes, in depth, and in
//! bytes, because two bytes of record may repeat a string of a hundred thousand.

use crate::codec::{Budget, Cursor, DecodeError, Fault, Limits, Value};
use std::borrow::Cow;

/// The values of one record in the order they were met.
#[derive(Debug, Default)]
pub(crate) struct Graph<'a> {
    nodes: Vec<Node<'a>>,
}

/// A place in a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(usize);

#[derive(Debug)]
struct Node<'a> {
    shape: Shape<'a>,
    offset: usize,
}

/// One value, with its children by place.
#[derive(Debug)]
pub(crate) enum Shape<'a> {
    /// Anything without parts and without text.
    Plain(Value),
    /// A string; text if it is UTF-8.
    Text(Cow<'a, [u8]>),
    /// A PHP array: a list if its keys are 0, 1, 2 and so on.
    Array(Vec<(Key<'a>, NodeId)>),
    /// An object of a class that nobody looks up.
    Object {
        /// The class's name.
        class: &'a [u8],
        /// Properties, with the marks of private and protected ones still on.
        fields: Vec<(Key<'a>, NodeId)>,
    },
    /// The value at another place.
    Link(NodeId),
}

/// The key of an array's element or an object's property.
#[derive(Debug)]
pub(crate) enum Key<'a> {
    /// A number.
    Int(i64),
    /// Anything else.
    Text(Cow<'a, [u8]>),
}

impl<'a> Graph<'a> {
    /// Adds a value that starts at `offset`.
    pub(crate) fn push(&mut self, shape: Shape<'a>, offset: usize) -> NodeId {
        self.nodes.push(Node { shape, offset });
        NodeId(self.nodes.len() - 1)
    }

    /// Gives a container its parts, which are read after it has got its place.
    pub(crate) fn fill(&mut self, id: NodeId, shape: Shape<'a>) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.shape = shape;
        }
    }

    /// Adds a reference to `target`. A reference to a reference goes to the end at once, so that no chain of them
    /// is ever walked.
    pub(crate) fn link(&mut self, target: NodeId, offset: usize) -> NodeId {
        let end = match self.nodes.get(target.0) {
            Some(Node { shape: Shape::Link(end), .. }) => *end,
            _ => target,
        };
        self.push(Shape::Link(end), offset)
    }

    /// Whether the value at `id` is an object, or will be one when it is read to its end.
    pub(crate) fn is_object(&self, id: NodeId) -> bool {
        match self.nodes.get(id.0).map(|node| &node.shape) {
            Some(Shape::Object { .. }) => true,
            Some(Shape::Link(end)) => self.is_object(*end),
            _ => false,
        }
    }

    /// The tree under `root`. A value inside itself reads as null: it is then nobody's id.
    ///
    /// # Errors
    /// [`Fault::NodesExceeded`], [`Fault::DepthExceeded`] or [`Fault::LengthExceeded`] if the tree, with everything that
    /// references repeat, is past `limits`; the offset is that of the value that was one too many.
    pub(crate) fn expand(&self, root: NodeId, input: &[u8], limits: Limits) -> Result<Value, DecodeError> {
        let open = vec![false; self.nodes.len()];
        Expansion { graph: self, start: Cursor::new(input), budget: Budget::new(limits), text: 0, open }
            .value(root)
    }
}

struct Expansion<'g, 'a> {
    graph: &'g Graph<'a>,
    start: Cursor<'g>,
    budget: Budget,
    /// Bytes of text copied so far.
    text: usize,
    /// Which containers we are inside of.
    open: Vec<bool>,
}

impl<'g> Expansion<'g, '_> {
    fn value(&mut self, id: NodeId) -> Result<Value, DecodeError> {
        let graph = self.graph;
        let Some(Node { shape, offset }) = graph.nodes.get(id.0) else { return Ok(Value::Null) };
        let here = self.cursor(*offset);
        if let Shape::Link(target) = shape {
            return self.value(*target);
        }
        self.budget.node(&here)?;
        match shape {
            Shape::Link(_) => Ok(Value::Null),
            Shape::Plain(value) => Ok(value.clone()),
            Shape::Text(bytes) => self.text(bytes, &here),
            Shape::Array(items) => self.inside(id, &here, |this| this.array(items, &here)),
            Shape::Object { class, fields } => self.inside(id, &here, |this| {
                this.copy(class.len(), &here)?;
                let class = String::from_utf8_lossy(class).into_owned();
                Ok(Value::Object { class, fields: this.fields(fields, &here)? })
            }),
        }
    }

    fn inside(
        &mut self,
        id: NodeId,
        here: &Cursor<'_>,
        read: impl FnOnce(&mut Self) -> Result<Value, DecodeError>,
    ) -> Result<Value, DecodeError> {
        if std::mem::replace(self.open.get_mut(id.0).unwrap_or(&mut true), true) {
            return Ok(Value::Null);
        }
        self.budget.enter(here)?;
        let value = read(self)?;
        self.budget.leave();
        if let Some(open) = self.open.get_mut(id.0) {
            *open = false;
        }
        Ok(value)
    }

    fn array(&mut self, items: &[(Key<'_>, NodeId)], here: &Cursor<'_>) -> Result<Value, DecodeError> {
        if items.iter().enumerate().all(|(index, (key, _))| key.is_index(index)) {
            return items.iter().map(|(_, id)| self.value(*id)).collect::<Result<_, _>>().map(Value::List);
        }
        let mut fields = Vec::new();
        for (key, id) in items {
            fields.push((self.key(key, key.bytes(), here)?, self.value(*id)?));
        }
        Ok(Value::Map(fields))
    }

    fn fields(
        &mut self,
        fields: &[(Key<'_>, NodeId)],
        here: &Cursor<'_>,
    ) -> Result<Vec<(String, Value)>, DecodeError> {
        fields
            .iter()
            .map(|(key, id)| Ok((self.key(key, bare(key.bytes()), here)?, self.value(*id)?)))
            .collect()
    }

    fn key(&mut self, key: &Key<'_>, text: &[u8], here: &Cursor<'_>) -> Result<String, DecodeError> {
        match key {
            Key::Int(number) => Ok(number.to_string()),
            Key::Text(_) => {
                self.copy(text.len(), here)?;
                Ok(String::from_utf8_lossy(text).into_owned())
            }
        }
    }

    fn text(&mut self, bytes: &[u8], here: &Cursor<'_>) -> Result<Value, DecodeError> {
        self.copy(bytes.len(), here)?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Bytes(bytes.to_vec()),
        })
    }

    /// Pays for copying `length` bytes: a tree never holds more text than a record may have bytes.
    fn copy(&mut self, length: usize, here: &Cursor<'_>) -> Result<(), DecodeError> {
        let available = self.budget.limits().bytes;
        self.text = self.text.saturating_add(length);
        if self.text > available {
            return Err(
                here.fail(Fault::LengthExceeded { declared: self.text as u64, available: available as u64 })
            );
        }
        Ok(())
    }

    fn cursor(&self, offset: usize) -> Cursor<'g> {
        let mut cursor = self.start.clone();
        let _in_bounds = cursor.take(offset);
        cursor
    }
}

impl<'a> Key<'a> {
    /// The key that PHP makes of a string: the decimal digits of a number are that number.
    pub(crate) fn of(text: Cow<'a, [u8]>) -> Self {
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<i64>().ok());
        match number {
            Some(number) if number.to_string().as_bytes() == &*text => Self::Int(number),
            _ => Self::Text(text),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Int(_) => &[],
            Self::Text(text) => text,
        }
    }

    fn is_index(&self, index: usize) -> bool {
        match self {
            Self::Int(number) => usize::try_from(*number) == Ok(index),
            Self::Text(_) => false,
        }
    }
}

/// A property's name without PHP's marks: private ones are written `\0Class\0name`, protected ones `\0*\0name`.
fn bare(name: &[u8]) -> &[u8] {
    let Some(marked) = name.strip_prefix(b"\0") else { return name };
    match memchr::memchr(0, marked) {
        Some(end) => marked.get(end + 1..).unwrap_or_default(),
        None => name,
    }
}
