//! Shape inference: what comes out of an operation, or why it cannot be applied.

use thiserror::Error;

use super::op::{Padding, Window};
use super::{Op, ParamLayout};

/// Why a graph could not be built. `layer` is the name of the tensor or operation where it does not fit.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ShapeError {
    #[error("layer `{layer}` wants a flat input, but gets shape {found:?}: flatten it first")]
    NotFlat { layer: String, found: Vec<usize> },
    #[error("layer `{layer}` wants a map [channels, height, width], but gets shape {found:?}")]
    NotMap { layer: String, found: Vec<usize> },
    #[error("layer `{layer}` has no units")]
    Empty { layer: String },
    #[error("layer `{layer}` expects {expected} inputs, but gets shape {found:?}")]
    Inputs { layer: String, expected: usize, found: Vec<usize> },
    #[error("layer `{layer}`: {groups} groups do not divide {n_units} units")]
    Groups { layer: String, groups: usize, n_units: usize },
    #[error("layer `{layer}`: its window is larger than its input of shape {found:?}, or its stride is 0")]
    Window { layer: String, found: Vec<usize> },
    #[error("layer `{layer}` joins shapes that differ: {first:?} and {second:?}")]
    Differ { layer: String, first: Vec<usize>, second: Vec<usize> },
    #[error("layer `{layer}` takes units {start}..{end} of shape {found:?}")]
    Slice { layer: String, start: usize, end: usize, found: Vec<usize> },
    #[error("the network's output must be a flat vector of logits, but has shape {found:?}")]
    Output { found: Vec<usize> },
}

/// Shape of the output of `op` for inputs of the shapes `inputs`; `layer` names it in errors.
pub(super) fn infer(op: &Op, inputs: &[&[usize]], layout: &ParamLayout, layer: &str) -> Result<Vec<usize>, ShapeError> {
    let layer = || layer.to_owned();
    let Some(&x) = inputs.first() else {
        return Err(ShapeError::Empty { layer: layer() });
    };
    let inputs_error = |expected: usize| ShapeError::Inputs { layer: layer(), expected, found: x.to_vec() };
    let map = || match *x {
        [c, h, w] => Ok([c, h, w]),
        _ => Err(ShapeError::NotMap { layer: layer(), found: x.to_vec() }),
    };
    let window_error = || ShapeError::Window { layer: layer(), found: x.to_vec() };
    match op {
        Op::Input | Op::Activation(_) | Op::Scale(_) => Ok(x.to_vec()),
        Op::Flatten => Ok(vec![x.iter().product()]),
        Op::Linear { weight, .. } => {
            let shape = &layout.spec(*weight).shape;
            match *x {
                [n_in] if n_in == shape[1] => Ok(vec![shape[0]]),
                [_] => Err(inputs_error(shape[1])),
                _ => Err(ShapeError::NotFlat { layer: layer(), found: x.to_vec() }),
            }
        }
        Op::Conv2d { weight, stride, padding, dilation, groups, .. } => {
            let shape = &layout.spec(*weight).shape;
            let [c, h, w] = map()?;
            let n_groups = *groups;
            if n_groups == 0 || !shape[0].is_multiple_of(n_groups) || !c.is_multiple_of(n_groups) {
                return Err(ShapeError::Groups { layer: layer(), groups: n_groups, n_units: shape[0] });
            }
            if c != shape[1] * n_groups {
                return Err(inputs_error(shape[1] * n_groups));
            }
            let side = |axis: usize, length: usize| {
                let extent = dilation[axis] * shape[2 + axis].saturating_sub(1) + 1;
                conv_positions(length, extent, stride[axis], padding, axis).ok_or_else(window_error)
            };
            Ok(vec![shape[0], side(0, h)?, side(1, w)?])
        }
        Op::BatchNorm { mean, .. } => {
            let expected = layout.spec(*mean).n_values();
            if x.first() == Some(&expected) { Ok(x.to_vec()) } else { Err(inputs_error(expected)) }
        }
        Op::LayerNorm { scale, .. } => match scale.map(|id| layout.spec(id).n_values()) {
            Some(expected) if expected != x.iter().product::<usize>() => Err(inputs_error(expected)),
            _ => Ok(x.to_vec()),
        },
        Op::GroupNorm { n_groups, scale, .. } => {
            let n_units = x.first().copied().unwrap_or(0);
            if *n_groups == 0 || !n_units.is_multiple_of(*n_groups) {
                return Err(ShapeError::Groups { layer: layer(), groups: *n_groups, n_units });
            }
            match scale.map(|id| layout.spec(id).n_values()) {
                Some(expected) if expected != n_units => Err(inputs_error(expected)),
                _ => Ok(x.to_vec()),
            }
        }
        Op::MaxPool(window) | Op::AvgPool { window, .. } => {
            let [c, h, w] = map()?;
            let side = |axis: usize, length: usize| positions(window, axis, length).ok_or_else(window_error);
            Ok(vec![c, side(0, h)?, side(1, w)?])
        }
        Op::AdaptiveMaxPool { size } | Op::AdaptiveAvgPool { size } => {
            let [c, h, w] = map()?;
            if size.contains(&0) || h == 0 || w == 0 {
                return Err(window_error());
            }
            Ok(vec![c, size[0], size[1]])
        }
        Op::Add => match inputs.iter().find(|other| **other != x) {
            Some(other) => Err(ShapeError::Differ { layer: layer(), first: x.to_vec(), second: other.to_vec() }),
            None => Ok(x.to_vec()),
        },
        Op::Concat => {
            if let Some(other) = inputs.iter().find(|other| other.get(1..) != x.get(1..)) {
                return Err(ShapeError::Differ { layer: layer(), first: x.to_vec(), second: other.to_vec() });
            }
            let mut shape = x.to_vec();
            shape[0] = inputs.iter().map(|input| input[0]).sum();
            Ok(shape)
        }
        Op::Slice { start, end } => {
            if end <= start || x.first().is_none_or(|n| n < end) {
                return Err(ShapeError::Slice { layer: layer(), start: *start, end: *end, found: x.to_vec() });
            }
            let mut shape = x.to_vec();
            shape[0] = end - start;
            Ok(shape)
        }
        Op::Pad { before, behind } => {
            let mut shape = x.to_vec();
            *shape.first_mut().ok_or_else(|| inputs_error(1))? += before + behind;
            Ok(shape)
        }
    }
}

fn conv_positions(length: usize, extent: usize, stride: usize, padding: &Padding, axis: usize) -> Option<usize> {
    let free = (length + padding[axis][0] + padding[axis][1]).checked_sub(extent)?;
    (0 < stride).then(|| free / stride + 1)
}

fn positions(window: &Window, axis: usize, length: usize) -> Option<usize> {
    // A window that lies on padding alone would have no values: PyTorch refuses paddings beyond half a window too.
    let is_sound = 0 < window.stride[axis]
        && 0 < window.kernel[axis]
        && window.padding[axis].iter().all(|&p| 2 * p <= window.kernel[axis]);
    if is_sound { window.positions(axis, length) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceil_mode_counts_partial_windows_that_begin_on_the_map() {
        // torch.nn.MaxPool2d(3, 2, ceil_mode=True) on 32: 16; without: 15. MaxPool2d(2, 2, ceil_mode=True) on 5: 3.
        let window = Window::square(3).stride(2);
        assert_eq!((window.positions(0, 32), window.ceil().positions(0, 32)), (Some(15), Some(16)));
        assert_eq!(Window::square(2).ceil().positions(0, 5), Some(3));
        // MaxPool2d(1, 2, ceil_mode=True) on 4 would begin its third window beyond the map.
        assert_eq!(Window::square(1).stride(2).ceil().positions(0, 4), Some(2));
    }

    #[test]
    fn windows_cover_what_lies_on_the_map() {
        let window = Window::square(3).stride(2).padding(1).ceil();
        assert_eq!(window.covered(0, 0, 5), 0..2);
        assert_eq!(window.covered(0, 2, 5), 3..5);
        assert_eq!((window.counted(0, 0, 5), window.counted(0, 2, 5)), (3, 3));
        assert_eq!(Window::square(2).ceil().counted(0, 2, 5), 1);
    }

    #[test]
    fn a_window_larger_than_its_map_has_no_positions() {
        assert_eq!(positions(&Window::square(5), 0, 4), None);
        assert_eq!(positions(&Window { stride: [0, 1], ..Window::square(2) }, 0, 4), None);
        assert_eq!(positions(&Window::square(2).padding(2), 0, 4), None);
    }
}
