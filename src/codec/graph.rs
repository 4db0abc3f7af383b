//! What a format with back references reads into first: nodes that may share and even hold each other.
//!
//! Pickle and Marshal fill a container after they have named it, so a reference may lead to one that is not finished, or
//! to one that holds the reference. Reading is linear in the input; expansion into a tree is not, so
//! [`Graph::expand`] counts every value and every byte of text again each time it comes by, and a container that is
//! met inside itself reads as null there: it is then nobody's id.

use crate::codec::{Budget, Cursor, DecodeError, Fault, Limits, Value};

/// Names one node of one graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NodeId(usize);

/// One value, its parts by name.
#[derive(Debug)]
pub(super) enum Node {
    /// A value without parts.
    Leaf(Value),
    /// A sequence.
    List(Vec<NodeId>),
    /// A mapping; the keys are nodes too, since they may be shared text.
    Map(Vec<(NodeId, NodeId)>),
    /// An object: its class, and its fields like a mapping's.
    Object {
        /// The class as the record names it.
        class: String,
        /// Field names and values.
        fields: Vec<(NodeId, NodeId)>,
    },
}

/// The nodes of one record.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    budget: Budget,
    limits: Limits,
}

impl Graph {
    /// A graph without nodes.
    pub(super) const fn new(limits: Limits) -> Self {
        Self { nodes: Vec::new(), budget: Budget::new(limits), limits }
    }

    /// Adds a node.
    ///
    /// # Errors
    /// [`Fault::NodesExceeded`] past the limit.
    pub(super) fn add(&mut self, node: Node, cursor: &Cursor<'_>) -> Result<NodeId, DecodeError> {
        self.budget.node(cursor)?;
        self.nodes.push(node);
        Ok(NodeId(self.nodes.len() - 1))
    }

    /// Counts a copy of `parts` ids or of that many 32 bytes of text: an opcode of three bytes may ask for a copy of
    /// everything that came before it, and again.
    ///
    /// # Errors
    /// [`Fault::NodesExceeded`] past the limit.
    pub(super) fn copy(&mut self, parts: usize, cursor: &Cursor<'_>) -> Result<(), DecodeError> {
        self.budget.nodes(parts, cursor)
    }

    /// Enters a container while reading; pair with [`Graph::leave`].
    ///
    /// # Errors
    /// [`Fault::DepthExceeded`] past the limit.
    pub(super) fn enter(&mut self, cursor: &Cursor<'_>) -> Result<(), DecodeError> {
        self.budget.enter(cursor)
    }

    /// Leaves a container.
    pub(super) fn leave(&mut self) {
        self.budget.leave();
    }

    /// The node; `None` if it is not of this graph.
    pub(super) fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    /// The node, to be filled.
    pub(super) fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(id.0)
    }

    /// Text, if the node is text.
    pub(super) fn text(&self, id: NodeId) -> Option<&str> {
        match self.get(id)? {
            Node::Leaf(value) => value.as_text(),
            Node::List(_) | Node::Map(_) | Node::Object { .. } => None,
        }
    }

    /// The tree under `root`.
    ///
    /// # Errors
    /// [`Fault::NodesExceeded`], [`Fault::DepthExceeded`] and [`Fault::LengthExceeded`] if the tree is past the limits, shared
    /// parts counted each time.
    pub(super) fn expand(&self, root: NodeId, cursor: &Cursor<'_>) -> Result<Value, DecodeError> {
        let budget = Budget::new(self.limits);
        let mut expansion = Expansion { graph: self, cursor, budget, bytes: 0, open: Vec::new() };
        expansion.value(root)
    }
}

struct Expansion<'g, 'a> {
    graph: &'g Graph,
    cursor: &'g Cursor<'a>,
    budget: Budget,
    bytes: usize,
    /// The containers from the root to here; never more than the depth limit.
    open: Vec<NodeId>,
}

impl Expansion<'_, '_> {
    fn value(&mut self, id: NodeId) -> Result<Value, DecodeError> {
        self.budget.node(self.cursor)?;
        let graph = self.graph;
        let node = graph.get(id).ok_or_else(|| self.cursor.fail(Fault::UnknownReference))?;
        if let Node::Leaf(value) = node {
            self.count(value)?;
            return Ok(value.clone());
        }
        if self.open.contains(&id) {
            return Ok(Value::Null);
        }
        self.budget.enter(self.cursor)?;
        self.open.push(id);
        let value = match node {
            Node::Leaf(value) => value.clone(),
            Node::List(items) => {
                Value::List(items.iter().map(|item| self.value(*item)).collect::<Result<_, _>>()?)
            }
            Node::Map(pairs) => Value::Map(self.fields(pairs)?),
            Node::Object { class, fields } => {
                self.count_bytes(class.len())?;
                Value::Object { class: class.clone(), fields: self.fields(fields)? }
            }
        };
        self.open.pop();
        self.budget.leave();
        Ok(value)
    }

    fn fields(&mut self, pairs: &[(NodeId, NodeId)]) -> Result<Vec<(String, Value)>, DecodeError> {
        pairs.iter().map(|(key, value)| Ok((self.key(*key)?, self.value(*value)?))).collect()
    }

    /// A key as text. Python's and Ruby's own texts of numbers and of nothing agree where sessions use them; a container as a
    /// key cannot be part of a path, so its kind is enough.
    fn key(&mut self, id: NodeId) -> Result<String, DecodeError> {
        let node = self.graph.get(id).ok_or_else(|| self.cursor.fail(Fault::UnknownReference))?;
        let Node::Leaf(value) = node else { return Ok("(container)".to_owned()) };
        self.count(value)?;
        Ok(match value {
            Value::Text(text) | Value::BigInt(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => format!("{number:?}"),
            Value::Bool(yes) => yes.to_string(),
            Value::Null => "null".to_owned(),
            Value::Bytes(_) => "(bytes)".to_owned(),
            Value::List(_) | Value::Map(_) | Value::Object { .. } => "(container)".to_owned(),
        })
    }

    fn count(&mut self, leaf: &Value) -> Result<(), DecodeError> {
        match leaf {
            Value::Text(text) | Value::BigInt(text) => self.count_bytes(text.len()),
            Value::Bytes(bytes) => self.count_bytes(bytes.len()),
            _ => Ok(()),
        }
    }

    /// A text that is referred to ten thousand times is one value each time but all of its bytes as well.
    fn count_bytes(&mut self, length: usize) -> Result<(), DecodeError> {
        self.bytes = self.bytes.saturating_add(length);
        let limit = self.graph.limits.bytes;
        if self.bytes > limit {
            let (declared, available) = (self.bytes as u64, limit as u64);
            return Err(self.cursor.fail(Fault::LengthExceeded { declared, available }));
        }
        Ok(())
    }
}
