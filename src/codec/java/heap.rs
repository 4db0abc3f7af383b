//! Objects as the stream has them: by place, shared and perhaps inside one another.

use crate::codec::Value;
use std::borrow::Cow;

/// A place in a [`Heap`].
pub(crate) type Place = usize;

/// The place of null, which is there from the start.
pub(crate) const NULL: Place = 0;

/// Everything one stream holds.
pub(crate) struct Heap<'a> {
    pub(crate) nodes: Vec<Node<'a>>,
    pub(crate) classes: Vec<Class<'a>>,
}

/// One value.
pub(crate) enum Node<'a> {
    /// A primitive or null.
    Plain(Value),
    Text(Cow<'a, str>),
    /// A byte array, or a string with a lone surrogate in it.
    Bytes(&'a [u8]),
    /// An enum constant; the place of its name.
    Constant(Place),
    Array(Vec<Place>),
    Object {
        class: usize,
        /// What each class of the hierarchy wrote, super classes first.
        parts: Vec<Part<'a>>,
    },
    /// A class, as a value.
    Class(usize),
    /// An object whose end has not been read.
    Unfinished,
}

/// A class as the stream describes it.
pub(crate) struct Class<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) flags: u8,
    /// Type code and name.
    pub(crate) fields: Vec<(u8, Cow<'a, str>)>,
    pub(crate) parent: Option<usize>,
    /// Whether its description has been read to the end. No class is its own ancestor because of this.
    pub(crate) complete: bool,
}

/// What one class of an object's hierarchy wrote.
pub(crate) struct Part<'a> {
    pub(crate) class: usize,
    /// One for each of the class's fields, in their order.
    pub(crate) fields: Vec<Place>,
    /// What its `writeObject` added.
    pub(crate) annotation: Vec<Item<'a>>,
}

/// A piece of an annotation.
pub(crate) enum Item<'a> {
    Block(&'a [u8]),
    Value(Place),
}

impl<'a> Heap<'a> {
    pub(crate) fn new() -> Self {
        // Room for a usual value, so that it is not moved as it grows.
        let mut nodes = Vec::with_capacity(32);
        nodes.push(Node::Plain(Value::Null));
        Self { nodes, classes: Vec::new() }
    }

    pub(crate) fn push(&mut self, node: Node<'a>) -> Place {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(crate) fn class(&self, class: usize) -> Option<&Class<'a>> {
        self.classes.get(class)
    }

    /// The name of a class; every index was made by the stream that made the class.
    pub(crate) fn name(&self, class: usize) -> &str {
        self.class(class).map_or("", |class| &class.name)
    }

    /// The field `name` of an object; a class's own goes before its parent's.
    pub(crate) fn field(&self, parts: &[Part<'a>], name: &str) -> Option<Place> {
        parts.iter().rev().find_map(|part| {
            let names = &self.class(part.class)?.fields;
            let index = names.iter().position(|(_, field)| field == name)?;
            part.fields.get(index).copied()
        })
    }

    /// The integer in the field `name`.
    pub(crate) fn integer(&self, parts: &[Part<'a>], name: &str) -> Option<i64> {
        match self.nodes.get(self.field(parts, name)?)? {
            Node::Plain(Value::Int(number)) => Some(*number),
            _ => None,
        }
    }
}

impl<'a> Part<'a> {
    /// The values of the annotation.
    pub(crate) fn values(&self) -> impl Iterator<Item = Place> {
        self.annotation.iter().filter_map(|item| match item {
            Item::Value(place) => Some(*place),
            Item::Block(_) => None,
        })
    }

    /// The first block of primitive data in the annotation; no class we know writes two.
    pub(crate) fn block(&self) -> &'a [u8] {
        self.annotation
            .iter()
            .find_map(|item| match item {
                Item::Block(block) => Some(*block),
                Item::Value(_) => None,
            })
            .unwrap_or_default()
    }
}
