//! Where in a checkpoint the weights are: the dictionary itself, or under one of the keys that training scripts use.

use std::collections::BTreeSet;
use std::path::Path;

use super::pickle::{Heap, Object, ObjectId};
use super::tensor::TensorView;
use crate::checkpoint::{CheckpointError, MAX_TENSORS, is_plain_name, shown};

/// Looked for in this order.
const STATE_DICT_KEYS: [&str; 11] = [
    "state_dict",
    "model_state",
    "model_state_dict",
    "model",
    "net",
    "network",
    "params",
    "weights",
    "ema",
    "state_dict_ema",
    "model_ema",
];
/// How deep such keys may nest.
const MAX_NESTING: usize = 3;
/// How many keys a message lists.
const MAX_LISTED: usize = 20;

/// The weights of a checkpoint, not yet read.
#[derive(Debug)]
pub(super) struct Layout<'h> {
    /// In the order of the dictionary.
    pub(super) tensors: Vec<(&'h str, &'h TensorView<'h>)>,
    pub(super) notes: Vec<String>,
}

type Items = [(ObjectId, ObjectId)];

/// Finds the dictionary of tensors.
pub(super) fn find<'h>(heap: &'h Heap<'h>, path: &Path) -> Result<Layout<'h>, CheckpointError> {
    let mut notes = Vec::new();
    let mut items = match heap.get(heap.root()) {
        Object::Dict(items) => items.as_slice(),
        other => {
            let found = other.describe();
            return Err(CheckpointError::NoTensors { path: path.to_owned(), found });
        }
    };
    let root_keys = keys(heap, items);
    for _ in 0..MAX_NESTING {
        let Some((key, inner)) = nested(heap, items) else {
            break;
        };
        notes.push(format!("read from key `{key}`"));
        note_skipped(heap, items, |name, _| name != key, &mut notes);
        items = inner;
    }
    let tensors = tensors(heap, items, path)?;
    if tensors.is_empty() {
        let found = if root_keys.is_empty() {
            "an empty dictionary".to_owned()
        } else {
            format!("a dictionary with the keys {}", listed(&root_keys))
        };
        return Err(CheckpointError::NoTensors { path: path.to_owned(), found });
    }
    note_skipped(heap, items, |_, value| !matches!(value, Object::Tensor(_)), &mut notes);
    Ok(Layout { tensors, notes })
}

/// The first of the known keys whose value is a dictionary that has tensors, or leads to one.
fn nested<'h>(heap: &'h Heap<'h>, items: &'h Items) -> Option<(&'static str, &'h Items)> {
    STATE_DICT_KEYS.iter().find_map(|wanted| {
        let (_, value) = items.iter().rev().find(|(key, _)| heap.text(*key) == Some(wanted))?;
        let Object::Dict(inner) = heap.get(*value) else {
            return None;
        };
        let leads_on = inner.iter().any(|(key, value)| match heap.get(*value) {
            Object::Tensor(_) => true,
            Object::Dict(_) => heap.text(*key).is_some_and(|key| STATE_DICT_KEYS.contains(&key)),
            _ => false,
        });
        leads_on.then_some((*wanted, inner.as_slice()))
    })
}

fn tensors<'h>(
    heap: &'h Heap<'h>,
    items: &'h Items,
    path: &Path,
) -> Result<Vec<(&'h str, &'h TensorView<'h>)>, CheckpointError> {
    let mut names = BTreeSet::new();
    let mut tensors = Vec::new();
    for (key, value) in items {
        let Object::Tensor(view) = heap.get(*value) else {
            continue;
        };
        let name = heap.text(*key).filter(|name| is_plain_name(name)).ok_or_else(|| CheckpointError::NoTensors {
            path: path.to_owned(),
            found: format!("a tensor under the key {}", key_text(heap, *key)),
        })?;
        if !names.insert(name) {
            return Err(CheckpointError::DuplicateName { path: path.to_owned(), name: shown(name) });
        }
        tensors.push((name, view));
        if tensors.len() > MAX_TENSORS {
            let (found, limit) = (tensors.len(), MAX_TENSORS);
            return Err(CheckpointError::TooManyTensors { path: path.to_owned(), found, limit });
        }
    }
    Ok(tensors)
}

fn note_skipped(
    heap: &Heap<'_>,
    items: &Items,
    is_skipped: impl Fn(&str, &Object<'_>) -> bool,
    notes: &mut Vec<String>,
) {
    let skipped: Vec<String> = items
        .iter()
        .filter(|(key, value)| is_skipped(heap.text(*key).unwrap_or_default(), heap.get(*value)))
        .map(|(key, _)| key_text(heap, *key))
        .collect();
    if !skipped.is_empty() {
        notes.push(format!("skipped: {}", listed(&skipped)));
    }
}

fn keys(heap: &Heap<'_>, items: &Items) -> Vec<String> {
    items.iter().map(|(key, _)| key_text(heap, *key)).collect()
}

fn key_text(heap: &Heap<'_>, key: ObjectId) -> String {
    match heap.get(key) {
        Object::Text(text) => shown(text),
        other => other.describe(),
    }
}

fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(MAX_LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > MAX_LISTED {
        text.push_str(&format!(" and {} more", names.len() - MAX_LISTED));
    }
    text
}
