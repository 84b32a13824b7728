//! Protobuf before it is decoded: whether bytes are an ONNX model, and how much of them is structure rather than weights.
//! An empty message takes two bytes in a file and hundreds in memory, so that only the structure's size needs a bound.

/// One level of the messages that weights lie in.
#[derive(Clone, Copy)]
enum Level {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
}

impl Level {
    /// The message in field `number`, where weights may lie in it.
    fn nested(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Self::Model, 7) => Some(Self::Graph),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5) => Some(Self::Tensor),
            (Self::Node, 5) => Some(Self::Attribute),
            _ => None,
        }
    }

    /// Whether field `number` is plain values, as long in memory as in the file.
    fn is_values(self, number: u64) -> bool {
        matches!((self, number), (Self::Tensor, 4 | 9 | 10))
    }
}

/// One field of a message.
struct Field<'a> {
    number: u64,
    wire_type: u64,
    /// What is in a length-delimited field; empty for the other types.
    content: &'a [u8],
}

const VARINT: u64 = 0;
const DELIMITED: u64 = 2;
/// The field of a model that holds its graph.
const GRAPH: u64 = 7;

/// Whether bytes begin as an ONNX model does: its version first, then known fields up to the graph, which may be cut short.
pub(super) fn is_model(mut bytes: &[u8]) -> bool {
    if bytes.first() != Some(&0x08) {
        return false;
    }
    loop {
        let mut at = bytes;
        match varint(&mut at).map(|tag| (tag >> 3, tag & 7)) {
            Some((GRAPH, DELIMITED)) => return true,
            Some((1 | 5, VARINT) | (2 | 3 | 4 | 6 | 8 | 14 | 20 | 25 | 26, DELIMITED)) => {}
            _ => return false,
        }
        if field(&mut bytes).is_none() {
            return false;
        }
    }
}

/// Number of bytes outside weights; `None` where the bytes are not well-formed protobuf.
pub(super) fn structure_bytes(bytes: &[u8]) -> Option<usize> {
    count(bytes, Level::Model)
}

fn count(mut bytes: &[u8], level: Level) -> Option<usize> {
    let mut sum = 0;
    while !bytes.is_empty() {
        let before = bytes.len();
        let Field { number, wire_type, content } = field(&mut bytes)?;
        let head = before - bytes.len() - content.len();
        sum += head
            + match level.nested(number) {
                Some(nested) if wire_type == DELIMITED => count(content, nested)?,
                _ if level.is_values(number) && wire_type == DELIMITED => 0,
                _ => content.len(),
            };
    }
    Some(sum)
}

/// Takes the field that `bytes` begin with.
fn field<'a>(bytes: &mut &'a [u8]) -> Option<Field<'a>> {
    let tag = varint(bytes)?;
    let (number, wire_type) = (tag >> 3, tag & 7);
    let n_fixed = match wire_type {
        VARINT => {
            varint(bytes)?;
            0
        }
        1 => 8,
        DELIMITED => usize::try_from(varint(bytes)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(n_fixed)?;
    *bytes = rest;
    let content = if wire_type == DELIMITED { content } else { &[] };
    Some(Field { number, wire_type, content })
}

/// Takes the base-128 number that `bytes` begin with, lowest digits first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for index in 0..10 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
