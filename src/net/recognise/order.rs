//! The orders that layers may have in the model, as far as the file and the names of its layers tell.

use super::layers::{Kind, Layer};

/// Orders to try, best first, as indices into `layers`: that of the file unless it is merely sorted by name, that of the
/// names where norms follow their convolutions, that where norms go before, and that where `b3` comes before `a4`.
pub(super) fn orders(layers: &[Layer]) -> Vec<Vec<usize>> {
    let mut orders: Vec<Vec<usize>> = Vec::new();
    if !layers.is_sorted_by(|a, b| a.name <= b.name) {
        orders.push((0..layers.len()).collect());
    }
    for (norms_first, numbers_first) in [(false, false), (true, false), (false, true)] {
        let order = sorted(layers, norms_first, numbers_first);
        if !orders.contains(&order) {
            orders.push(order);
        }
    }
    orders
}

/// Layers as a reader would order their names: inputs first and heads last when they say so, numbers by value.
pub(super) fn by_name(layers: &[Layer]) -> Vec<usize> {
    sorted(layers, false, false)
}

/// The same with norms before the convolutions of their number, or with the numbers of single letters before the letters.
fn sorted(layers: &[Layer], norms_first: bool, numbers_first: bool) -> Vec<usize> {
    let names: Vec<Vec<&str>> = layers.iter().map(|layer| layer.name.split(['.', '/']).collect()).collect();
    let n_common = common_prefix(&names);
    let mut keyed: Vec<(Vec<Segment>, usize)> = names
        .iter()
        .enumerate()
        .map(|(index, segments)| {
            let is_norm = layers[index].kind == Kind::Norm;
            let mut key: Vec<Segment> = segments.iter().map(|text| segment(text)).collect();
            if numbers_first {
                key.iter_mut().for_each(Segment::put_number_first);
            }
            if let Some(last) = key.last_mut().filter(|last| last.phase == Phase::Numbered) {
                last.is_second = is_norm != norms_first;
                // A norm beside the blocks closes a network whose norms go before its convolutions.
                if is_norm && norms_first && segments.len() == n_common + 1 {
                    last.phase = Phase::Shortcut;
                }
            }
            (key, index)
        })
        .collect();
    keyed.sort();
    keyed.into_iter().map(|(_, index)| index).collect()
}

/// Segments that all names begin with.
fn common_prefix(names: &[Vec<&str>]) -> usize {
    let Some(first) = names.first() else { return 0 };
    let common = |other: &Vec<&str>| first.iter().zip(other).take_while(|(a, b)| a == b).count();
    names.iter().map(common).min().unwrap_or(0)
}

/// Where in its part of a network a name belongs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    First,
    /// Convolutions and norms, which go by number before anything else.
    Numbered,
    Other,
    Shortcut,
    Auxiliary,
    Dense,
    Last,
}

/// One part of a name, between dots.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Segment {
    phase: Phase,
    text: String,
    number: u64,
    is_second: bool,
    rest: Vec<Piece>,
}

impl Segment {
    /// Makes `b3` come before `a4`: stages by number, their blocks by letter.
    fn put_number_first(&mut self) {
        if self.text.chars().count() == 1 && 0 < self.number {
            self.rest.insert(0, Piece::Text(std::mem::take(&mut self.text)));
        }
    }
}

fn segment(text: &str) -> Segment {
    let lower = text.to_ascii_lowercase();
    let word = lower.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['_', '-']);
    let starts = |words: &[&str]| words.iter().any(|start| word.starts_with(start));
    let phase = if starts(&["shortcut", "downsample", "skip", "proj", "convshortcut", "convdim", "identity"]) {
        Phase::Shortcut
    } else if starts(&["input", "first", "stem", "pre_layers"]) || word == "in" {
        Phase::First
    } else if ["conv", "cv", "bn", "norm", "batchnorm", "batch_norm"].contains(&word) {
        Phase::Numbered
    } else if starts(&["aux"]) {
        Phase::Auxiliary
    } else if ["fc", "linear", "dense", "lin"].contains(&word) {
        Phase::Dense
    } else if starts(&["out", "last", "final", "head", "classifier", "logits"]) {
        Phase::Last
    } else {
        Phase::Other
    };
    let mut pieces = natural(&lower).into_iter().peekable();
    let text = match pieces.next_if(|piece| matches!(piece, Piece::Text(_))) {
        Some(Piece::Text(text)) if phase != Phase::Numbered => text.trim_end_matches(['_', '-']).to_owned(),
        _ => String::new(),
    };
    let number = match pieces.next_if(|piece| matches!(piece, Piece::Number(_))) {
        Some(Piece::Number(number)) => number,
        _ => 0,
    };
    Segment { phase, text, number, is_second: false, rest: pieces.collect() }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Number(u64),
    Text(String),
}

/// `layer10a` as text and numbers, so that 9 comes before 10.
fn natural(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_number = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        pieces.push(match piece.parse() {
            Ok(number) if is_number => Piece::Number(number),
            _ => Piece::Text(piece.to_owned()),
        });
        rest = tail;
    }
    pieces
}
