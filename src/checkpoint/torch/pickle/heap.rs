//! The values of a pickle.

use std::borrow::Cow;

use super::globals::Global;
use super::numpy::{ArrayDtype, PickledArray};
use super::{MAX_OBJECTS, MAX_OPS, PickleFault};
use crate::checkpoint::shown;
use crate::checkpoint::torch::tensor::{Storage, TensorView};

/// More than the dimensions of any tensor.
const MAX_INTS: usize = 64;

/// Place of a value in its [`Heap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) struct ObjectId(u32);

#[derive(Clone, Debug)]
pub(in crate::checkpoint) enum Object<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer that needs more than 64 bits; only seeds of random generators do.
    BigInt,
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Bytes written as text, one character each.
    Latin1(&'a str),
    Tuple(Vec<ObjectId>),
    List(Vec<ObjectId>),
    /// Also `OrderedDict`. In the order of the file; a key that was set twice is there twice.
    Dict(Vec<(ObjectId, ObjectId)>),
    Global(Global<'a>),
    Storage(Storage<'a>),
    Tensor(TensorView<'a>),
    ArrayDtype(ArrayDtype<'a>),
    /// An array of NumPy whose state was not read yet.
    EmptyArray,
    Array(PickledArray<'a>),
}

impl Object<'_> {
    /// What it is, for messages.
    pub(in crate::checkpoint) fn describe(&self) -> String {
        match self {
            Self::None => "None".to_owned(),
            Self::Bool(value) => format!("the truth value {value}"),
            Self::Int(value) => format!("the number {value}"),
            Self::BigInt => "a number of more than 64 bits".to_owned(),
            Self::Float(value) => format!("the number {value}"),
            Self::Text(text) => format!("the text `{}`", shown(text)),
            Self::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Self::Latin1(text) => format!("{} bytes", text.chars().count()),
            Self::Tuple(items) => format!("a tuple of {}", items.len()),
            Self::List(items) => format!("a list of {}", items.len()),
            Self::Dict(items) => format!("a dictionary of {}", items.len()),
            Self::Global(global) => format!("`{global}`"),
            Self::Storage(_) => "a storage".to_owned(),
            Self::Tensor(_) => "a single tensor".to_owned(),
            Self::ArrayDtype(dtype) => format!("the NumPy type `{}`", dtype.code),
            Self::EmptyArray => "a NumPy array without content".to_owned(),
            Self::Array(array) => format!("a NumPy array of type `{}` and shape {:?}", array.dtype.code, array.shape),
        }
    }
}

/// All values of one pickle.
#[derive(Debug)]
pub(in crate::checkpoint) struct Heap<'a> {
    objects: Vec<Object<'a>>,
    /// How many identifiers the objects held when they were added. A short pickle can ask for the same long list again and
    /// again; this bounds what the copies cost.
    n_links: usize,
    root: ObjectId,
}

impl<'a> Heap<'a> {
    pub(super) fn new() -> Self {
        // The first value is what an identifier of nothing would find.
        Self { objects: vec![Object::None], n_links: 0, root: ObjectId(0) }
    }

    pub(super) fn set_root(&mut self, root: ObjectId) {
        self.root = root;
    }

    /// The value that the pickle describes.
    pub(in crate::checkpoint) fn root(&self) -> ObjectId {
        self.root
    }

    pub(super) fn add(&mut self, object: Object<'a>) -> Result<ObjectId, PickleFault> {
        if self.objects.len() > MAX_OBJECTS {
            return Err(PickleFault::Limit { what: "values in the pickle", limit: MAX_OBJECTS });
        }
        self.n_links += match &object {
            Object::Tuple(items) | Object::List(items) => items.len(),
            Object::Dict(items) => items.len(),
            _ => 0,
        };
        if self.n_links > MAX_OPS {
            return Err(PickleFault::Limit { what: "members of values in the pickle", limit: MAX_OPS });
        }
        // At most a million, so it fits.
        let id = ObjectId(self.objects.len() as u32);
        self.objects.push(object);
        Ok(id)
    }

    pub(in crate::checkpoint) fn get(&self, id: ObjectId) -> &Object<'a> {
        self.objects.get(id.0 as usize).unwrap_or(&Object::None)
    }

    pub(super) fn get_mut(&mut self, id: ObjectId) -> Result<&mut Object<'a>, PickleFault> {
        self.objects.get_mut(id.0 as usize).ok_or(PickleFault::EmptyStack)
    }

    /// All storages that the pickle refers to, in the order of the file; one may occur many times.
    pub(in crate::checkpoint) fn storages(&self) -> impl Iterator<Item = &Storage<'a>> {
        self.objects.iter().filter_map(|object| match object {
            Object::Storage(storage) => Some(storage),
            _ => None,
        })
    }

    pub(in crate::checkpoint) fn text(&self, id: ObjectId) -> Option<&'a str> {
        match self.get(id) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What was bytes in Python 2 or 3. `None` also where a text has characters that are no bytes.
    pub(in crate::checkpoint) fn bytes(&self, id: ObjectId) -> Option<Cow<'a, [u8]>> {
        match self.get(id) {
            Object::Text(text) => Some(Cow::Borrowed(text.as_bytes())),
            Object::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
            Object::Latin1(text) => {
                let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
                bytes.map(Cow::Owned)
            }
            _ => None,
        }
    }

    pub(in crate::checkpoint) fn int(&self, id: ObjectId) -> Option<i64> {
        match self.get(id) {
            Object::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The numbers of a short tuple or list of numbers, like a shape.
    pub(super) fn ints(&self, id: ObjectId) -> Option<Vec<i64>> {
        match self.get(id) {
            Object::Tuple(items) | Object::List(items) if items.len() <= MAX_INTS => {
                items.iter().map(|item| self.int(*item)).collect()
            }
            _ => None,
        }
    }
}
