//! Layers with parameters: convolutions, dense layers, normalisations.

use std::rc::Rc;

use super::constant::{Constant, Values};
use super::fault::OnnxFault;
use super::lowering::Lowering;
use super::node::NodeView;
use super::value::{GroupNorm, Value};
use crate::checkpoint::shown;
use crate::net::op::Padding;
use crate::net::{NodeId, Op, ParamKind};

impl Lowering {
    /// A map and the zeros around it that wait for a window.
    pub(super) fn padded_input(&mut self, at: &NodeView<'_>) -> Result<(NodeId, Padding), OnnxFault> {
        match self.value(at, 0)? {
            Value::Padded { x, padding } => Ok((x, padding)),
            _ => Ok((self.input(at, 0)?, [[0; 2]; 2])),
        }
    }

    /// Height and width of a map.
    pub(super) fn map_size(&self, at: &NodeView<'_>, x: NodeId) -> Result<[usize; 2], OnnxFault> {
        match *self.builder.shape(x) {
            [_, h, w] => Ok([h, w]),
            ref other => {
                Err(at.unsupported(format!("expected a map [channels, height, width], found shape {other:?}")))
            }
        }
    }

    pub(super) fn conv(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let (x, around) = self.padded_input(at)?;
        let map = self.map_size(at, x)?;
        let weight = self.constant_input(at, 1)?;
        let &[n_units, _, kh, kw] = weight.shape.as_slice() else {
            return Err(at.unsupported(format!("expected a weight of 4 dimensions, found shape {:?}", weight.shape)));
        };
        let stride = at.pair("strides", Some(1))?;
        let dilation = at.pair("dilations", Some(1))?;
        if dilation.contains(&0) {
            return Err(at.unsupported("expected dilations of at least 1, found 0"));
        }
        let groups = at.extent("group", at.int("group", 1))?;
        let kernel = [at.extent("kernel", kh as i64)?, at.extent("kernel", kw as i64)?];
        let extent = std::array::from_fn(|axis| (kernel[axis].max(1) - 1) * dilation[axis] + 1);
        let padding = add_padding(at.padding(add_map(map, around), extent, stride)?, around);
        let bias = self.optional_constant(at, 2)?;
        let weight = self.param(at, &weight, ParamKind::Weight, Some(weight.shape.clone()))?;
        let bias = bias.map(|bias| self.param(at, &bias, ParamKind::Bias, Some(vec![n_units]))).transpose()?;
        Ok(Value::Node(self.apply(at, Op::Conv2d { weight, bias, stride, padding, dilation, groups }, &[x])?))
    }

    pub(super) fn gemm(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        if at.int("transA", 0) != 0 {
            return Err(at.unsupported("transA is not known: it would exchange examples and features"));
        }
        let x = self.input(at, 0)?;
        let weight = self.constant_input(at, 1)?;
        let weight = if at.int("transB", 0) == 0 { weight } else { Rc::new(transposed(at, &weight)?) };
        let weight = scaled(&weight, at.float("alpha", 1.0));
        let bias = self.optional_constant(at, 2)?.map(|bias| scaled(&bias, at.float("beta", 1.0)));
        Ok(Value::Node(self.linear(at, x, &weight, bias.as_deref())?))
    }

    pub(super) fn matmul(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let x = self.input(at, 0)?;
        Ok(Value::Product { x, weight: self.constant_input(at, 1)? })
    }

    /// A dense layer with `weight` `[in, out]`.
    pub(super) fn linear(
        &mut self,
        at: &NodeView<'_>,
        x: NodeId,
        weight: &Constant,
        bias: Option<&Constant>,
    ) -> Result<NodeId, OnnxFault> {
        let weight = transposed(at, weight)?;
        let n_units = weight.shape[0];
        let bias = match bias {
            Some(Constant { name, values: Values::Floats(values), .. }) if values.len() == 1 => {
                let values = Values::Floats(vec![values[0]; n_units]);
                Some(Constant { name: name.clone(), shape: vec![n_units], values })
            }
            other => other.cloned(),
        };
        let id = self.param(at, &weight, ParamKind::Weight, Some(weight.shape.clone()))?;
        let bias = bias.map(|bias| self.param(at, &bias, ParamKind::Bias, Some(vec![n_units]))).transpose()?;
        self.apply(at, Op::Linear { weight: id, bias }, &[x])
    }

    pub(super) fn batch_norm(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let x = self.input(at, 0)?;
        if at.int("training_mode", 0) != 0 {
            self.notes.push(format!("{} was exported for training: read as in evaluation", at.place()));
        }
        let kinds = [ParamKind::Scale, ParamKind::Shift, ParamKind::RunningMean, ParamKind::RunningVar];
        let n_units = self.builder.shape(x).first().copied().unwrap_or(0);
        let mut ids = Vec::with_capacity(kinds.len());
        for (index, kind) in kinds.into_iter().enumerate() {
            let tensor = self.constant_input(at, index + 1)?;
            ids.push(self.param(at, &tensor, kind, Some(vec![n_units]))?);
        }
        let (scale, shift) = (Some(ids[0]), Some(ids[1]));
        let op = Op::BatchNorm { scale, shift, mean: ids[2], var: ids[3], eps: at.float("epsilon", 1e-5) };
        Ok(Value::Node(self.apply(at, op, &[x])?))
    }

    pub(super) fn layer_norm(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let x = self.input(at, 0)?;
        let shape = self.builder.shape(x).to_vec();
        let axis = at.int("axis", -1);
        if axis != 1 && axis != -(shape.len() as i64) {
            return Err(at.unsupported(format!("expected all axes of an example to be normalised, found axis {axis}")));
        }
        let (scale, shift) = (self.constant_input(at, 1)?, self.optional_constant(at, 2)?);
        let scale = Some(self.param(at, &scale, ParamKind::Scale, Some(shape.clone()))?);
        let shift = shift.map(|shift| self.param(at, &shift, ParamKind::Shift, Some(shape))).transpose()?;
        let op = Op::LayerNorm { scale, shift, eps: at.float("epsilon", 1e-5) };
        Ok(Value::Node(self.apply(at, op, &[x])?))
    }

    pub(super) fn group_norm(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let x = self.input(at, 0)?;
        let n_units = self.builder.shape(x).first().copied().unwrap_or(0);
        let (scale, shift) = (self.constant_input(at, 1)?, self.constant_input(at, 2)?);
        if [&scale, &shift].iter().any(|tensor| tensor.shape != [n_units]) {
            // Version 18 of the operator had one scale a group.
            return Err(at.unsupported(format!("expected a scale and a shift for each of {n_units} channels")));
        }
        let n_groups = at.extent("num_groups", at.int("num_groups", 0))?;
        let eps = at.float("epsilon", 1e-5);
        let norm = GroupNorm { x, n_groups, eps, scale: Some(scale), shift: Some(shift), is_grouped: false };
        Ok(Value::Node(self.materialize(at, Value::Normalized(norm))?))
    }

    pub(super) fn instance_norm(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let (scale, shift) = (self.constant_input(at, 1)?, self.constant_input(at, 2)?);
        let eps = at.float("epsilon", 1e-5);
        if let Value::Grouped { x, n_groups } = self.value(at, 0)? {
            let is_all =
                |tensor: &Constant, value: f32| tensor.as_floats().is_some_and(|v| v.iter().all(|&v| v == value));
            if !is_all(&scale, 1.0) || !is_all(&shift, 0.0) {
                return Err(at.unsupported("expected scale 1 and shift 0 for channels cut into groups"));
            }
            let norm = GroupNorm { x, n_groups, eps, scale: None, shift: None, is_grouped: true };
            return Ok(Value::Normalized(norm));
        }
        let x = self.input(at, 0)?;
        let n_groups = self.builder.shape(x).first().copied().unwrap_or(0);
        let norm = GroupNorm { x, n_groups, eps, scale: Some(scale), shift: Some(shift), is_grouped: false };
        Ok(Value::Node(self.materialize(at, Value::Normalized(norm))?))
    }
}

/// The size of a map with zeros around it.
fn add_map(map: [usize; 2], padding: Padding) -> [usize; 2] {
    std::array::from_fn(|axis| map[axis] + padding[axis][0] + padding[axis][1])
}

pub(super) fn add_padding(a: Padding, b: Padding) -> Padding {
    std::array::from_fn(|axis| std::array::from_fn(|side| a[axis][side] + b[axis][side]))
}

fn transposed(at: &NodeView<'_>, weight: &Constant) -> Result<Constant, OnnxFault> {
    let name = || shown(&weight.name);
    weight
        .transposed()
        .ok_or_else(|| at.unsupported(format!("expected a matrix `{}`, found shape {:?}", name(), weight.shape)))
}

fn scaled(tensor: &Rc<Constant>, factor: f32) -> Rc<Constant> {
    match &tensor.values {
        Values::Floats(values) if factor != 1.0 => {
            let values = Values::Floats(values.iter().map(|value| factor * value).collect());
            Rc::new(Constant { name: tensor.name.clone(), shape: tensor.shape.clone(), values })
        }
        _ => Rc::clone(tensor),
    }
}
