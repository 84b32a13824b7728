//! Operators that move values without computing: reshaping, joining, cutting and padding, and the arithmetic of shapes.

use std::rc::Rc;

use super::constant::{BATCH, Constant, Values, product};
use super::fault::OnnxFault;
use super::lowering::Lowering;
use super::node::NodeView;
use super::value::{GroupNorm, Value};
use crate::net::{NodeId, Op};

/// The most integers that shapes are computed with.
const MAX_INTS: usize = 64;

impl Lowering {
    pub(super) fn reshape(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let op = at.node.op_type.as_str();
        match (op, self.value(at, 0)?) {
            (_, Value::Constant(constant)) => {
                let reshaped = self.reshaped_constant(at, op, &constant)?;
                self.derived(at, reshaped)
            }
            ("Reshape", value) => {
                let target = self.constant_input(at, 1)?;
                let target = target.as_ints().filter(|ints| ints.len() <= MAX_INTS);
                let target = target.ok_or_else(|| at.unsupported("expected integers as a shape"))?.to_vec();
                self.reshape_to(at, value, &target)
            }
            ("Flatten", _) if at.int("axis", 1) == 1 => {
                let x = self.input(at, 0)?;
                self.flat(at, x)
            }
            ("Squeeze", _) => {
                let x = self.input(at, 0)?;
                let axes = self.ints(at, "axes", 1)?.unwrap_or_default();
                let is_map = matches!(axes.as_slice(), [2, 3] | [3, 2] | [-2, -1] | [-1, -2]);
                match (is_map, self.builder.shape(x)) {
                    (true, [_, 1, 1]) => self.flat(at, x),
                    (_, shape) => Err(at.unsupported(format!("cannot take axes {axes:?} from shape {shape:?}"))),
                }
            }
            ("Cast", _) if matches!(at.int("to", 0), 1 | 10 | 11 | 16) => Ok(Value::Node(self.input(at, 0)?)),
            _ => Err(at.unsupported("this change of shape or type of computed values is not known")),
        }
    }

    fn flat(&mut self, at: &NodeView<'_>, x: NodeId) -> Result<Value, OnnxFault> {
        let is_flat = self.builder.shape(x).len() == 1;
        Ok(Value::Node(if is_flat { x } else { self.apply(at, Op::Flatten, &[x])? }))
    }

    fn reshape_to(&mut self, at: &NodeView<'_>, value: Value, target: &[i64]) -> Result<Value, OnnxFault> {
        let normalized = match value {
            Value::Normalized(norm @ GroupNorm { is_grouped: true, .. }) => Some(norm),
            _ => None,
        };
        let x = match &normalized {
            Some(norm) => norm.x,
            None => self.input(at, 0)?,
        };
        let shape = self.builder.shape(x).to_vec();
        let wrong =
            || at.unsupported(format!("expected a flat shape, found {target:?} for examples of shape {shape:?}"));
        let n_values: usize = shape.iter().product();
        let (&first, rest) = target.split_first().ok_or_else(wrong)?;
        let is_batch = matches!(first, 0 | -1 | BATCH) || self.batch.is_some_and(|n| i64::try_from(n) == Ok(first));
        // 0 keeps the axis as it is; one -1 is what remains.
        let dims = rest.iter().enumerate().map(|(axis, &dim)| match dim {
            0 => shape.get(axis).copied(),
            -1 => Some(0),
            _ => usize::try_from(dim).ok().filter(|&dim| 0 < dim),
        });
        let mut dims: Vec<usize> = dims.collect::<Option<_>>().filter(|_| is_batch).ok_or_else(wrong)?;
        let known: Vec<usize> = dims.iter().copied().filter(|&dim| dim != 0).collect();
        let known = product(&known).filter(|&known| n_values.is_multiple_of(known)).ok_or_else(wrong)?;
        dims.iter_mut().filter(|dim| **dim == 0).for_each(|dim| *dim = n_values / known);
        if product(&dims) != Some(n_values) || (first == -1 && rest.contains(&-1)) {
            return Err(wrong());
        }
        match (normalized, dims.as_slice()) {
            (Some(norm), dims) if dims == shape => Ok(Value::Normalized(GroupNorm { is_grouped: false, ..norm })),
            (Some(_), _) => Err(wrong()),
            (None, dims) if dims == shape => Ok(Value::Node(x)),
            (None, [_]) => self.flat(at, x),
            (None, &[n_groups, _]) if shape.len() == 3 && shape[0].is_multiple_of(n_groups) => {
                Ok(Value::Grouped { x, n_groups })
            }
            _ => Err(wrong()),
        }
    }

    fn reshaped_constant(&self, at: &NodeView<'_>, op: &str, constant: &Constant) -> Result<Constant, OnnxFault> {
        let n_values = product(&constant.shape).unwrap_or(0);
        let found = match op {
            "Transpose" => constant.transposed(),
            "Cast" => match (at.int("to", 0), &constant.values) {
                (6 | 7, Values::Ints(_)) | (1 | 10 | 11 | 16, Values::Floats(_)) => Some(constant.clone()),
                _ => None,
            },
            "Squeeze" if n_values == 1 => constant.reshaped(Vec::new()),
            "Unsqueeze" if n_values == 1 => constant.reshaped(vec![1]),
            "Reshape" => match self.ints(at, "shape", 1)?.as_deref() {
                Some(&[-1]) => constant.reshaped(vec![n_values]),
                Some(&[-1, n]) if 0 < n => {
                    let n = usize::try_from(n).unwrap_or(usize::MAX);
                    constant.reshaped(vec![n_values / n, n])
                }
                _ => None,
            },
            _ => None,
        };
        found.ok_or_else(|| at.unsupported(format!("not known for a constant of shape {:?}", constant.shape)))
    }

    pub(super) fn constant(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let name = at.output();
        let constant = match at.node.op_type.as_str() {
            "Constant" => match at.node.attribute.first() {
                Some(attribute) if attribute.name == "value" => match &attribute.t {
                    Some(tensor) => Some(Constant { name: name.to_owned(), ..Constant::read(tensor)? }),
                    None => None,
                },
                Some(attribute) => match attribute.name.as_str() {
                    "value_int" => Some(Constant::scalar(name, Values::Ints(vec![attribute.i]))),
                    "value_float" => Some(Constant::scalar(name, Values::Floats(vec![attribute.f]))),
                    "value_ints" => Some(Constant::ints(name, attribute.ints.clone())),
                    _ => None,
                },
                None => None,
            },
            "ConstantOfShape" => {
                let value = at.attribute("value").and_then(|attribute| attribute.t.as_deref());
                let value =
                    value.map(Constant::read).transpose()?.and_then(|value| value.as_ints().map(<[i64]>::to_vec));
                match (self.constant_input(at, 0)?.as_ints(), value.as_deref()) {
                    (Some(&[n]), Some(&[value])) if (0..=MAX_INTS as i64).contains(&n) => {
                        Some(Constant::ints(name, vec![value; n as usize]))
                    }
                    _ => None,
                }
            }
            "Shape" if at.node.attribute.is_empty() || (at.int("start", 0) == 0 && at.attribute("end").is_none()) => {
                let x = self.input(at, 0)?;
                let batch = self.batch.map_or(BATCH, |n| n as i64);
                let dims = self.builder.shape(x).iter().map(|&dim| dim as i64);
                Some(Constant::ints(name, std::iter::once(batch).chain(dims).collect()))
            }
            "Gather" if at.int("axis", 0) == 0 => {
                let (data, indices) = (self.constant_input(at, 0)?, self.constant_input(at, 1)?);
                let n = data.shape.first().copied().unwrap_or(0) as i64;
                let row = |&index: &i64| usize::try_from(if index < 0 { index.saturating_add(n) } else { index }).ok();
                let rows: Option<Vec<usize>> = indices.as_ints().and_then(|ints| ints.iter().map(row).collect());
                rows.filter(|rows| rows.len() <= MAX_INTS).and_then(|rows| data.rows(&rows, indices.shape.is_empty()))
            }
            _ => None,
        };
        let constant = constant.ok_or_else(|| at.unsupported("this way to a constant is not known"))?;
        self.derived(at, constant)
    }

    pub(super) fn concat(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        if let Value::Constant(_) = self.value(at, 0)? {
            let mut joined = Vec::new();
            for index in 0..at.node.input.len() {
                let part = self.constant_input(at, index)?;
                let ints = part.as_ints().filter(|ints| ints.len() + joined.len() <= MAX_INTS);
                joined.extend_from_slice(ints.ok_or_else(|| at.unsupported("expected a few integers to be joined"))?);
            }
            return Ok(Value::Constant(Rc::new(Constant::ints(at.output(), joined))));
        }
        let inputs = (0..at.node.input.len()).map(|index| self.input(at, index)).collect::<Result<Vec<_>, _>>()?;
        self.expect_channel_axis(at, inputs[0], at.int("axis", 0))?;
        Ok(Value::Node(self.apply(at, Op::Concat, &inputs)?))
    }

    fn expect_channel_axis(&self, at: &NodeView<'_>, x: NodeId, axis: i64) -> Result<(), OnnxFault> {
        if axis == 1 || axis == -(self.builder.shape(x).len() as i64) {
            return Ok(());
        }
        Err(at.unsupported(format!("expected the axis of channels or features, 1, found {axis}")))
    }

    pub(super) fn slice(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let missing = || at.unsupported("expected starts and ends");
        let starts = self.ints(at, "starts", 1)?.ok_or_else(missing)?;
        let ends = self.ints(at, "ends", 2)?.filter(|ends| ends.len() == starts.len()).ok_or_else(missing)?;
        let axes = self.ints(at, "axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = self.ints(at, "steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
        if axes.len() != starts.len() || steps.len() != starts.len() {
            return Err(at.unsupported("expected as many axes and steps as starts"));
        }
        if let Value::Constant(constant) = self.value(at, 0)? {
            let n = constant.shape.first().copied().unwrap_or(0);
            let rows = match (axes.as_slice(), steps.as_slice()) {
                ([0], [1]) => few(bound(starts[0], n)..bound(ends[0], n)),
                // Only what PyTorch writes to turn paddings around: all rows from the last to the first.
                ([0], [-1]) if starts[0] == -1 && ends[0] < -(n as i64) => few((0..n).rev()),
                _ => None,
            };
            let sliced = rows.and_then(|rows| constant.rows(&rows, false));
            return self.derived(at, sliced.ok_or_else(|| at.unsupported("not known for this constant"))?);
        }
        let (mut x, mut stride) = match self.value(at, 0)? {
            Value::Strided { x, stride } => (x, stride),
            _ => (self.input(at, 0)?, [1; 2]),
        };
        for (((&axis, &start), &end), &step) in axes.iter().zip(&starts).zip(&ends).zip(&steps) {
            let shape = self.builder.shape(x).to_vec();
            let axis = if axis < 0 { axis.saturating_add(1 + shape.len() as i64) } else { axis };
            let wrong = || at.unsupported(format!("cannot take {start}..{end} in steps of {step} along axis {axis}"));
            let axis = usize::try_from(axis).ok().and_then(|axis| axis.checked_sub(1)).ok_or_else(wrong)?;
            let &length = shape.get(axis).ok_or_else(wrong)?;
            let (start, end) = (bound(start, length), bound(end, length));
            let is_all = start == 0 && end == length;
            match (axis, step) {
                (_, 1) if is_all => {}
                (0, 1) if stride == [1; 2] => x = self.apply(at, Op::Slice { start, end }, &[x])?,
                (1 | 2, 1..) if is_all => {
                    let step = at.extent("steps", step)?;
                    stride[axis - 1] = at.extent("steps", (stride[axis - 1] * step) as i64)?;
                }
                _ => return Err(wrong()),
            }
        }
        Ok(if stride == [1; 2] { Value::Node(x) } else { Value::Strided { x, stride } })
    }

    pub(super) fn split(&mut self, at: &NodeView<'_>) -> Result<(), OnnxFault> {
        let x = self.input(at, 0)?;
        self.expect_channel_axis(at, x, at.int("axis", 0))?;
        let n_units = self.builder.shape(x)[0];
        let n_parts = at.node.output.len();
        let size = n_units.div_ceil(n_parts.max(1)) as i64;
        let sizes = self.ints(at, "split", 1)?.unwrap_or_else(|| vec![size; n_parts]);
        let mut start = 0_usize;
        for (output, &size) in at.node.output.iter().zip(&sizes) {
            let size = usize::try_from(size).map_err(|_negative| at.unsupported(format!("a part of size {size}")))?;
            let end = start.saturating_add(size).min(n_units);
            if self.used.contains(output) {
                let part = self.apply(at, Op::Slice { start, end }, &[x])?;
                self.define(at, output, Value::Node(part))?;
            }
            start = end;
        }
        Ok(())
    }

    pub(super) fn pad(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        if at.text("mode").is_some_and(|mode| mode != "constant")
            || at.node.input.get(3).is_some_and(|axes| !axes.is_empty())
        {
            return Err(at.unsupported("expected constant padding of all axes"));
        }
        let value = self.optional_constant(at, 2)?.map_or(Some(0.0), |value| value.single());
        let pads = self.ints(at, "pads", 1)?.unwrap_or_default();
        let wrong = || at.unsupported(format!("expected zeros around channels or around a map, found {pads:?}"));
        if value != Some(0.0) || at.float("value", 0.0) != 0.0 {
            return Err(wrong());
        }
        let side = |value: i64| at.extent("pads", value);
        let (x, around) = self.padded_input(at)?;
        match (pads.as_slice(), self.builder.shape(x).len()) {
            (&[0, before, 0, behind], 1) | (&[0, before, 0, 0, 0, behind, 0, 0], 3) if around == [[0; 2]; 2] => {
                let op = Op::Pad { before: side(before)?, behind: side(behind)? };
                Ok(Value::Node(self.apply(at, op, &[x])?))
            }
            (&[0, 0, top, left, 0, 0, bottom, right], 3) if around == [[0; 2]; 2] => {
                let padding = [[side(top)?, side(bottom)?], [side(left)?, side(right)?]];
                Ok(Value::Padded { x, padding })
            }
            _ => Err(wrong()),
        }
    }
}

/// The rows, unless there are too many of them.
fn few(rows: impl ExactSizeIterator<Item = usize>) -> Option<Vec<usize>> {
    (rows.len() <= MAX_INTS).then(|| rows.collect())
}

/// A start or end of a slice on an axis of `length`: negative ones count from the end, those beyond are cut.
fn bound(index: i64, length: usize) -> usize {
    let length = length as i64;
    (if index < 0 { index.saturating_add(length) } else { index }).clamp(0, length) as usize
}
