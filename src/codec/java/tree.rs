//! From a heap to a tree, which costs what it repeats.

use crate::codec::java::heap::{Heap, Node, Part, Place};
use crate::codec::java::layout::{self, Layout};
use crate::codec::{Budget, Cursor, DecodeError, Fault, Limits, Value};

/// The tree under `root`.
pub(crate) fn unfold(
    heap: &Heap<'_>,
    root: Place,
    input: &[u8],
    limits: Limits,
) -> Result<Value, DecodeError> {
    let mut end = Cursor::new(input);
    end.take(input.len())?;
    let open = vec![false; heap.nodes.len()];
    Tree { heap, end, budget: Budget::new(limits), open }.value(root)
}

struct Tree<'h, 'a> {
    heap: &'h Heap<'a>,
    end: Cursor<'h>,
    budget: Budget,
    /// Which objects we are inside of.
    open: Vec<bool>,
}

impl<'a> Tree<'_, 'a> {
    fn value(&mut self, place: Place) -> Result<Value, DecodeError> {
        self.budget.node(&self.end)?;
        let heap = self.heap;
        match heap.nodes.get(place) {
            None | Some(Node::Unfinished) => Ok(Value::Null),
            Some(Node::Plain(value)) => Ok(value.clone()),
            Some(Node::Text(text)) => self.text(text),
            Some(Node::Bytes(bytes)) => {
                self.budget.copy(bytes.len(), &self.end)?;
                Ok(Value::Bytes(bytes.to_vec()))
            }
            Some(Node::Constant(name)) => match heap.nodes.get(*name) {
                Some(Node::Text(text)) => self.text(text),
                _ => Ok(Value::Null),
            },
            Some(Node::Class(class)) => {
                let name = self.text(heap.name(*class))?;
                let fields = vec![("name".to_owned(), name)];
                Ok(Value::Object { class: "java.lang.Class".to_owned(), fields })
            }
            Some(Node::Array(items)) => self.inside(place, |tree| tree.list(items)),
            Some(Node::Object { class, parts }) => self.inside(place, |tree| tree.object(*class, parts)),
        }
    }

    /// Reads a container, unless we are inside it already.
    fn inside(
        &mut self,
        place: Place,
        read: impl FnOnce(&mut Self) -> Result<Value, DecodeError>,
    ) -> Result<Value, DecodeError> {
        if self.mark(place, true) {
            return Ok(Value::Null);
        }
        self.budget.enter(&self.end)?;
        let value = read(self)?;
        self.budget.leave();
        self.mark(place, false);
        Ok(value)
    }

    /// Whether `place` was open before.
    fn mark(&mut self, place: Place, open: bool) -> bool {
        self.open.get_mut(place).is_none_or(|mark| std::mem::replace(mark, open))
    }

    fn text(&mut self, text: &str) -> Result<Value, DecodeError> {
        self.budget.copy(text.len(), &self.end)?;
        Ok(Value::Text(text.to_owned()))
    }

    fn list(&mut self, items: &[Place]) -> Result<Value, DecodeError> {
        let mut list = Vec::new();
        for item in items {
            list.push(self.value(*item)?);
        }
        Ok(Value::List(list))
    }

    fn object(&mut self, class: usize, parts: &[Part<'a>]) -> Result<Value, DecodeError> {
        let layout = layout::of(self.heap, parts);
        match layout.map_err(|what| self.end.fail(Fault::Malformed(what)))? {
            Layout::Fields => self.fields(class, parts),
            Layout::List(items) => self.list(&items),
            Layout::Map(entries) => self.map(&entries),
            Layout::Same(place) => self.value(place),
            Layout::KeysOf(place) => match self.value(place)? {
                Value::Map(entries) => {
                    Ok(Value::List(entries.into_iter().map(|(key, _)| Value::Text(key)).collect()))
                }
                Value::List(entries) => {
                    Ok(Value::List(entries.iter().filter_map(|entry| entry.at(0)).cloned().collect()))
                }
                other => Ok(other),
            },
            Layout::Scalar(Value::Text(text) | Value::BigInt(text)) if text.len() > 64 => self.text(&text),
            Layout::Scalar(value) => Ok(value),
        }
    }

    /// A map whose keys are text, numbers or truths; otherwise a list of pairs.
    fn map(&mut self, entries: &[(Place, Place)]) -> Result<Value, DecodeError> {
        let mut pairs = Vec::new();
        for (key, value) in entries {
            pairs.push((self.value(*key)?, self.value(*value)?));
        }
        if pairs.iter().any(|(key, _)| key_text(key).is_none()) {
            self.budget.nodes(pairs.len(), &self.end)?;
            return Ok(Value::List(
                pairs.into_iter().map(|(key, value)| Value::List(vec![key, value])).collect(),
            ));
        }
        Ok(Value::Map(pairs.into_iter().filter_map(|(key, value)| Some((key_text(&key)?, value))).collect()))
    }

    /// Every field of every class of the hierarchy; of two with one name the subclass's is last, where it is found.
    fn fields(&mut self, class: usize, parts: &[Part<'a>]) -> Result<Value, DecodeError> {
        let heap = self.heap;
        let class = heap.name(class);
        self.budget.copy(class.len(), &self.end)?;
        let mut fields = Vec::new();
        for part in parts {
            let names = heap.class(part.class).map(|class| class.fields.as_slice()).unwrap_or_default();
            for ((_, name), place) in names.iter().zip(&part.fields) {
                self.budget.copy(name.len(), &self.end)?;
                fields.push((name.to_string(), self.value(*place)?));
            }
        }
        Ok(Value::Object { class: class.to_owned(), fields })
    }
}

fn key_text(key: &Value) -> Option<String> {
    match key {
        Value::Text(text) | Value::BigInt(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Bytes(_) | Value::List(_) | Value::Map(_) | Value::Object { .. } => None,
    }
}
