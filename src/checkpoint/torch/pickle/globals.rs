//! The names a pickle may contain, and what those that look like functions stand for.

use std::fmt;

use super::fault::PickleFault;
use super::heap::{Heap, Object, ObjectId};
use super::numpy::NumpyName;
use crate::checkpoint::torch::tensor::{Storage, TensorView};
use crate::checkpoint::{Dtype, shown};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) enum Global<'a> {
    OrderedDict,
    /// What schedules of learning rates count their milestones with.
    Counter,
    /// How Python 3 writes bytes in pickles that Python 2 can read.
    Encode,
    RebuildTensor,
    RebuildTensorV2,
    RebuildParameter,
    RebuildParameterWithState,
    Size,
    Numpy(NumpyName),
    /// A class of storages, by the type of its elements.
    Storage(Dtype),
    /// `torch.float32` and its like, by name.
    Dtype(&'a str),
}

impl fmt::Display for Global<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(dtype) => write!(f, "storage of {dtype}"),
            Self::Dtype(name) => write!(f, "torch.{name}"),
            function => f.write_str(function.name()),
        }
    }
}

const DTYPE_NAMES: [&str; 23] = [
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "double",
    "float",
    "half",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint64",
    "uint32",
    "uint16",
    "uint8",
    "long",
    "int",
    "short",
    "bool",
    "complex64",
    "complex128",
    "float8_e4m3fn",
    "float8_e5m2",
];

impl<'a> Global<'a> {
    /// Recognizes a name. Both halves must be equal to a known pair: no dots are followed.
    pub(super) fn find(module: &'a str, name: &'a str) -> Result<Self, PickleFault> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("collections", "Counter") => Self::Counter,
            ("_codecs", "encode") => Self::Encode,
            ("torch._utils", "_rebuild_tensor") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensorV2,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch._utils", "_rebuild_parameter_with_state") => Self::RebuildParameterWithState,
            ("torch", "Size") => Self::Size,
            ("torch", name) if DTYPE_NAMES.contains(&name) => Self::Dtype(name),
            ("torch", class) if is_storage_class(class) => match Dtype::of_torch_storage(class) {
                Some(dtype) => Self::Storage(dtype),
                None => {
                    return Err(PickleFault::StorageClass { class: shown(class) });
                }
            },
            (module, name) => match NumpyName::find(module, name) {
                Some(name) => Self::Numpy(name),
                None => return Err(PickleFault::Refused { global: shown(&format!("{module}.{name}")) }),
            },
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::OrderedDict => "collections.OrderedDict",
            Self::Counter => "collections.Counter",
            Self::Encode => "_codecs.encode",
            Self::RebuildTensor => "torch._utils._rebuild_tensor",
            Self::RebuildTensorV2 => "torch._utils._rebuild_tensor_v2",
            Self::RebuildParameter => "torch._utils._rebuild_parameter",
            Self::RebuildParameterWithState => "torch._utils._rebuild_parameter_with_state",
            Self::Size => "torch.Size",
            Self::Numpy(name) => name.name(),
            Self::Storage(_) => "a storage class",
            Self::Dtype(_) => "an element type",
        }
    }

    pub(super) fn is_ndarray(self) -> bool {
        self == Self::Numpy(NumpyName::Ndarray)
    }

    /// The value that Python would get by calling this with `arguments`. Nothing is called.
    pub(super) fn apply(self, heap: &mut Heap<'a>, arguments: &[ObjectId]) -> Result<ObjectId, PickleFault> {
        let result = match self {
            Self::OrderedDict => ordered_dict(heap, arguments),
            Self::Counter => counter(heap, arguments),
            Self::Encode => encoded(heap, arguments),
            Self::RebuildTensor | Self::RebuildTensorV2 => tensor(heap, arguments).map(Object::Tensor),
            Self::RebuildParameter | Self::RebuildParameterWithState => {
                // A parameter is its tensor: whether it is trained is not ours to know.
                return match arguments {
                    [data, ..] if matches!(heap.get(*data), Object::Tensor(_)) => Ok(*data),
                    _ => Err(self.bad_arguments(heap, arguments)),
                };
            }
            Self::Size => size(heap, arguments),
            Self::Numpy(name) => name.apply(heap, arguments)?,
            Self::Storage(_) | Self::Dtype(_) => {
                return Err(PickleFault::NotCallable { what: self.to_string() });
            }
        };
        match result {
            Some(object) => heap.add(object),
            None => Err(self.bad_arguments(heap, arguments)),
        }
    }

    fn bad_arguments(self, heap: &Heap<'_>, arguments: &[ObjectId]) -> PickleFault {
        let found: Vec<String> = arguments.iter().take(8).map(|id| heap.get(*id).describe()).collect();
        PickleFault::Arguments { function: self.name(), found: found.join(", ") }
    }
}

/// Storage classes of the `torch` module are one word ending in `Storage`.
fn is_storage_class(class: &str) -> bool {
    class.ends_with("Storage") && class.chars().all(|c| c.is_ascii_alphanumeric())
}

/// `OrderedDict()` or `OrderedDict([(key, value), ..])`.
fn ordered_dict<'a>(heap: &Heap<'a>, arguments: &[ObjectId]) -> Option<Object<'a>> {
    let pairs = match arguments {
        [] => return Some(Object::Dict(Vec::new())),
        [pairs] => match heap.get(*pairs) {
            Object::List(pairs) | Object::Tuple(pairs) => pairs,
            _ => return None,
        },
        _ => return None,
    };
    let pair = |id: &ObjectId| match heap.get(*id) {
        Object::List(pair) | Object::Tuple(pair) => match pair.as_slice() {
            [key, value] => Some((*key, *value)),
            _ => None,
        },
        _ => None,
    };
    pairs.iter().map(pair).collect::<Option<_>>().map(Object::Dict)
}

/// `Counter()` or `Counter({value: count, ..})`.
fn counter<'a>(heap: &Heap<'a>, arguments: &[ObjectId]) -> Option<Object<'a>> {
    match arguments {
        [] => Some(Object::Dict(Vec::new())),
        [counts] => match heap.get(*counts) {
            Object::Dict(counts) => Some(Object::Dict(counts.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// `encode(text, "latin1")`: bytes, each written as the character of the same number.
fn encoded<'a>(heap: &Heap<'a>, arguments: &[ObjectId]) -> Option<Object<'a>> {
    let [text, encoding] = arguments else {
        return None;
    };
    (heap.text(*encoding)? == "latin1").then_some(Object::Latin1(heap.text(*text)?))
}

/// `(storage, offset, shape, strides, ..)`; what may follow (gradients, hooks, metadata) says nothing about the values.
fn tensor<'a>(heap: &Heap<'a>, arguments: &[ObjectId]) -> Option<TensorView<'a>> {
    let [storage, offset, shape, strides, rest @ ..] = arguments else {
        return None;
    };
    let Object::Storage(storage) = heap.get(*storage) else {
        return None;
    };
    if rest.len() > 3 {
        return None;
    }
    Some(TensorView {
        storage: *storage,
        offset: heap.int(*offset)?,
        shape: heap.ints(*shape)?,
        strides: heap.ints(*strides)?,
    })
}

fn size<'a>(heap: &Heap<'a>, arguments: &[ObjectId]) -> Option<Object<'a>> {
    match arguments {
        [sides] => heap.ints(*sides)?,
        _ => return None,
    };
    match heap.get(*arguments.first()?) {
        Object::Tuple(items) | Object::List(items) => Some(Object::Tuple(items.clone())),
        _ => None,
    }
}

/// Reads `("storage", class, key, location, n_elements)`, the only persistent identifier that PyTorch writes.
pub(super) fn storage<'a>(heap: &Heap<'a>, id: ObjectId) -> Result<Storage<'a>, PickleFault> {
    let bad = || PickleFault::PersistentId { found: heap.get(id).describe() };
    let Object::Tuple(parts) = heap.get(id) else {
        return Err(bad());
    };
    // Before PyTorch 1.6 there is a sixth part. Before 0.4 it could describe a view of another storage; since then it is
    // None.
    let (parts, view) = match parts.as_slice() {
        [parts @ .., view] if parts.len() == 5 => (parts, heap.get(*view)),
        parts => (parts, &Object::None),
    };
    let ([kind, class, key, _location, n_elements], Object::None) = (parts, view) else {
        return Err(bad());
    };
    let Object::Global(Global::Storage(dtype)) = heap.get(*class) else {
        return Err(bad());
    };
    let n_elements = heap.int(*n_elements).and_then(|n| u64::try_from(n).ok());
    match (heap.text(*kind), heap.text(*key), n_elements) {
        (Some("storage"), Some(key), Some(n_elements)) => Ok(Storage { key, dtype: *dtype, n_elements }),
        _ => Err(bad()),
    }
}
