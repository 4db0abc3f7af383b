//! What REDUCE, NEWOBJ and BUILD would make, for the classes that are read as data.

use crate::codec::graph::{Node, NodeId};
use crate::codec::pickle::{Machine, moments};
use crate::codec::{DecodeError, Fault, Value};

/// Longest dotted name, in bytes; each object that is made of it carries a copy.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// Most arguments of one call: as many as a named tuple that somebody keeps in a session may have fields.
const ARGUMENTS_MAX: usize = 256;

/// What a node is beside its data, for the opcodes that come after it.
#[derive(Clone, Debug)]
pub(super) enum Special {
    /// A dotted name: a class or function that was not looked up.
    Name(String),
    /// A `timedelta`, in microseconds.
    Span(i128),
    /// A time zone with a known offset, in microseconds.
    Offset(i128),
    /// A time zone known by its name only: there is no zone database here.
    Zone(String),
}

/// Modules whose classes are no data even though their names look like classes: making one starts, loads or compiles
/// something. Nothing would run here either way; a record that asks for it is nobody's session.
const HOSTILE_MODULES: [&str; 12] = [
    "__builtin__.",
    "builtins.",
    "code.",
    "ctypes.",
    "importlib.",
    "multiprocessing.",
    "os.",
    "pty.",
    "subprocess.",
    "sys.",
    "threading.",
    "types.",
];

/// What else stands for data though its name or module speaks against it: objects without a reading of their own.
const OPAQUE: [&str; 12] = [
    "builtins.complex",
    "builtins.range",
    "builtins.slice",
    "builtins.xrange",
    "django.db.models.base.model_unpickle",
    "django.utils.functional._lazy_proxy_unpickle",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "re._compile",
    "types.SimpleNamespace",
];

impl Machine<'_> {
    /// REDUCE calls a callable with a tuple of arguments; NEWOBJ calls a class's `__new__`.
    pub(super) fn construct(&mut self, opcode: u8) -> Result<(), DecodeError> {
        let opcode = if opcode == b'R' { "REDUCE" } else { "NEWOBJ" };
        let arguments = self.pop()?;
        let callable = self.pop()?;
        let arguments = match self.graph.get(arguments) {
            Some(Node::List(items)) if items.len() <= ARGUMENTS_MAX => items.clone(),
            Some(Node::List(_)) => return Err(self.malformed("more than 256 arguments")),
            _ => return Err(self.malformed("arguments that are no tuple")),
        };
        self.copy(&arguments)?;
        let Some(Special::Name(name)) = self.specials.get(&callable).cloned() else {
            return Err(self.needs_code(opcode, ""));
        };
        if let Some(done) = self.known(&name, &arguments) {
            return done;
        }
        let class = name.rsplit('.').next().is_some_and(|last| {
            let first = last.trim_start_matches('_').chars().next();
            first.is_some_and(char::is_uppercase)
        });
        let hostile = HOSTILE_MODULES.iter().any(|module| name.starts_with(module));
        if !is_opaque(&name) && (hostile || (opcode == "REDUCE" && !class)) {
            return Err(self.needs_code(opcode, &name));
        }
        self.push(Node::Object { class: name, fields: Vec::new() })?;
        let object = self.top()?;
        self.number_fields(object, arguments)
    }

    /// BUILD gives an object its state.
    pub(super) fn build(&mut self) -> Result<(), DecodeError> {
        let state = self.pop()?;
        let target = self.top()?;
        if let Some(Special::Name(name)) = self.specials.get(&target) {
            return Err(self.needs_code("BUILD", name));
        }
        // The second half of a pair is the state of `__slots__`.
        let parts = match self.graph.get(state) {
            Some(Node::List(halves)) if halves.len() == 2 => halves.clone(),
            _ => vec![state],
        };
        let mut added = Vec::new();
        for part in &parts {
            self.copy(&[*part])?;
            match self.graph.get(*part) {
                Some(Node::Map(pairs)) => added.extend(pairs.iter().copied()),
                Some(Node::Leaf(Value::Null)) => {}
                _ => {
                    let name = self.graph.add(Node::Leaf(Value::Text("(state)".to_owned())), &self.cursor)?;
                    added.push((name, *part));
                }
            }
        }
        let uuid = added.iter().find(|(key, _)| self.graph.text(*key) == Some("int")).map(|(_, int)| *int);
        let uuid = uuid.and_then(|int| self.uuid(int));
        match (self.graph.get_mut(target), uuid) {
            (Some(node @ Node::Object { .. }), Some(uuid)) if is_uuid(node) => *node = Node::Leaf(uuid),
            (Some(Node::Object { fields, .. }), _) => fields.extend(added),
            // Attributes on a dict, list or str of the standard library: nothing that its data shows.
            (Some(Node::Map(_) | Node::List(_) | Node::Leaf(Value::Text(_))), _) => {}
            _ => return Err(self.malformed("BUILD of what has no state")),
        }
        Ok(())
    }

    /// Adds fields under their numbers.
    pub(super) fn number_fields(&mut self, object: NodeId, items: Vec<NodeId>) -> Result<(), DecodeError> {
        for item in items {
            let count = match self.graph.get(object) {
                Some(Node::Object { fields, .. }) => fields.len(),
                _ => 0,
            };
            let name = self.graph.add(Node::Leaf(Value::Text(count.to_string())), &self.cursor)?;
            if let Some(Node::Object { fields, .. }) = self.graph.get_mut(object) {
                fields.push((name, item));
            }
        }
        Ok(())
    }

    /// Makes what the allow-list knows; `None` if it does not.
    fn known(&mut self, name: &str, arguments: &[NodeId]) -> Option<Result<(), DecodeError>> {
        let name = name
            .strip_prefix("__builtin__.")
            .map_or_else(|| name.to_owned(), |rest| format!("builtins.{rest}"));
        let name =
            name.strip_prefix("copy_reg.").map_or_else(|| name.clone(), |rest| format!("copyreg.{rest}"));
        let made = match name.as_str() {
            "builtins.set" | "builtins.frozenset" | "collections.deque" => {
                self.items(arguments).map(Node::List)
            }
            "collections.OrderedDict" => self.pairs(arguments).map(Node::Map),
            "collections.Counter" => self.map(arguments),
            "collections.defaultdict" => Some(Node::Map(Vec::new())),
            "builtins.bytes" | "builtins.bytearray" => {
                self.bytes(arguments).map(|bytes| Node::Leaf(Value::Bytes(bytes)))
            }
            "_codecs.encode" => self.latin1(arguments).map(|bytes| Node::Leaf(Value::Bytes(bytes))),
            "decimal.Decimal" => self.decimal(arguments).map(|text| Node::Leaf(Value::Text(text))),
            "django.utils.safestring.SafeString"
            | "django.utils.safestring.SafeText"
            | "django.utils.safestring.SafeUnicode"
            | "markupsafe.Markup" => match arguments {
                [text] => self.graph.text(*text).map(|text| Node::Leaf(Value::Text(text.to_owned()))),
                _ => None,
            },
            "copyreg._reconstructor" => return self.reconstruct(arguments),
            "builtins.getattr" => return self.zoneinfo_unpickle(arguments),
            _ => return moments::known(self, &name, arguments),
        };
        let made = made.ok_or_else(|| self.malformed("arguments that its class would not take"));
        Some(made.and_then(|node| self.push(node)))
    }

    /// Protocols 0 and 1 make every object by `copyreg._reconstructor(class, base, state of the base)`.
    fn reconstruct(&mut self, arguments: &[NodeId]) -> Option<Result<(), DecodeError>> {
        let [class, _, state] = arguments else { return None };
        let Some(Special::Name(class)) = self.specials.get(class).cloned() else { return None };
        if HOSTILE_MODULES.iter().any(|module| class.starts_with(module)) {
            return Some(Err(self.needs_code("REDUCE", &class)));
        }
        if !matches!(self.graph.get(*state), Some(Node::Leaf(Value::Null)))
            && let Some(done) = self.known(&class, &[*state])
        {
            return Some(done);
        }
        Some(self.push(Node::Object { class, fields: Vec::new() }))
    }

    /// `ZoneInfo.__reduce__` gives `getattr(ZoneInfo, "_unpickle")`; every other `getattr` is the way to a gadget.
    fn zoneinfo_unpickle(&mut self, arguments: &[NodeId]) -> Option<Result<(), DecodeError>> {
        let [class, attribute] = arguments else { return None };
        let Some(Special::Name(class)) = self.specials.get(class) else { return None };
        if class != "zoneinfo.ZoneInfo" || self.graph.text(*attribute) != Some("_unpickle") {
            return None;
        }
        let name = "zoneinfo.ZoneInfo._unpickle".to_owned();
        Some(self.push_special(Node::Object { class: name.clone(), fields: Vec::new() }, Special::Name(name)))
    }

    fn items(&self, arguments: &[NodeId]) -> Option<Vec<NodeId>> {
        match arguments.first().map(|first| self.graph.get(*first)) {
            None => Some(Vec::new()),
            Some(Some(Node::List(items))) => Some(items.clone()),
            Some(_) => None,
        }
    }

    fn map(&self, arguments: &[NodeId]) -> Option<Node> {
        match arguments.first().map(|first| self.graph.get(*first)) {
            None => Some(Node::Map(Vec::new())),
            Some(Some(Node::Map(pairs))) => Some(Node::Map(pairs.clone())),
            Some(_) => None,
        }
    }

    fn pairs(&self, arguments: &[NodeId]) -> Option<Vec<(NodeId, NodeId)>> {
        let pair = |item: NodeId| match self.graph.get(item) {
            Some(Node::List(halves)) => match halves.as_slice() {
                [key, value] => Some((*key, *value)),
                _ => None,
            },
            _ => None,
        };
        self.items(arguments)?.into_iter().map(pair).collect()
    }

    /// Bytes, or the text that stood for them before protocol 3.
    pub(super) fn bytes(&self, arguments: &[NodeId]) -> Option<Vec<u8>> {
        let Some(first) = arguments.first() else { return Some(Vec::new()) };
        match self.graph.get(*first)? {
            Node::Leaf(Value::Bytes(bytes)) => Some(bytes.clone()),
            Node::Leaf(Value::Text(text)) => {
                text.chars().map(|char| u8::try_from(u32::from(char)).ok()).collect()
            }
            _ => None,
        }
    }

    fn latin1(&self, arguments: &[NodeId]) -> Option<Vec<u8>> {
        let [text, encoding] = arguments else { return None };
        matches!(self.graph.text(*encoding)?, "latin1" | "latin-1").then(|| self.bytes(&[*text]))?
    }

    fn decimal(&self, arguments: &[NodeId]) -> Option<String> {
        let [text] = arguments else { return None };
        let text = self.graph.text(*text)?;
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        (plain && !text.is_empty()).then(|| text.to_owned())
    }

    fn uuid(&self, int: NodeId) -> Option<Value> {
        let bits: u128 = match self.graph.get(int)? {
            Node::Leaf(Value::Int(int)) => (*int).try_into().ok()?,
            Node::Leaf(Value::BigInt(text)) => text.parse().ok()?,
            _ => return None,
        };
        let hex = format!("{bits:032x}");
        let parts = [hex.get(..8)?, hex.get(8..12)?, hex.get(12..16)?, hex.get(16..20)?, hex.get(20..)?];
        Some(Value::Text(parts.join("-")))
    }

    /// Counts what making something of these nodes may copy.
    fn copy(&mut self, arguments: &[NodeId]) -> Result<(), DecodeError> {
        let mut parts = 0;
        for argument in arguments {
            parts += match self.graph.get(*argument) {
                Some(Node::List(items)) => items.len(),
                Some(Node::Map(pairs) | Node::Object { fields: pairs, .. }) => pairs.len(),
                Some(Node::Leaf(Value::Text(text))) => text.len() / 32,
                Some(Node::Leaf(Value::Bytes(bytes))) => bytes.len() / 32,
                Some(Node::Leaf(_)) | None => 0,
            };
        }
        self.graph.copy(parts, &self.cursor)
    }

    pub(super) fn needs_code(&self, opcode: &'static str, name: &str) -> DecodeError {
        self.cursor.fail(Fault::NeedsCode { opcode, name: name.to_owned() })
    }
}

/// Whether this is on the list, under Python 2's name for the built-ins too, or an exception.
fn is_opaque(name: &str) -> bool {
    let built_in = name.strip_prefix("__builtin__.").or_else(|| name.strip_prefix("builtins."));
    match built_in {
        Some(class) => {
            let ends = ["Error", "Exception", "Warning"].iter().any(|end| class.ends_with(end));
            ends || OPAQUE.iter().any(|opaque| opaque.strip_prefix("builtins.") == Some(class))
        }
        None => OPAQUE.contains(&name),
    }
}

fn is_uuid(node: &Node) -> bool {
    matches!(node, Node::Object { class, .. } if class == "uuid.UUID")
}
