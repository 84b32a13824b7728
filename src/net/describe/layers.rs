//! One layer of a description becomes nodes of the graph.

use super::super::op::Window;
use super::super::{Activation, NodeId, Op, ParamId, ParamKind};
use super::{DescribeError, Fields, MAX_PARAMETERS, MAX_UNITS, MAX_VALUES, Reader, Tensor, n_values};

/// Epsilon of norms where none is given (PyTorch's).
const DEFAULT_EPS: f32 = 1e-5;
/// Slope of leaky ReLU where none is given (PyTorch's).
const DEFAULT_SLOPE: f32 = 0.01;

impl Reader {
    /// Adds a layer; what it reads, how it is called and what it is are all in `fields`.
    pub(super) fn layer(&mut self, mut fields: Fields) -> Result<(), DescribeError> {
        let id = fields.text("id")?;
        let aux_weight = fields.number("aux_weight")?;
        let inputs = self.inputs(&mut fields)?;
        let (layer, name) = (fields.layer.clone(), fields.name.clone());
        let output = self.operation(fields, &inputs)?;
        if let Some(weight) = aux_weight {
            self.graph.aux_head(output, weight);
        }
        self.last = output;
        match (id, name) {
            (Some(id), _) if self.named.contains_key(&id) => return Err(DescribeError::Id { layer, id }),
            (Some(id), _) => drop(self.named.insert(id, output)),
            // Layers that share their tensors share their name; the first keeps it.
            (None, Some(name)) => drop(self.named.entry(name).or_insert(output)),
            (None, None) => {}
        }
        Ok(())
    }

    fn inputs(&self, fields: &mut Fields) -> Result<Vec<NodeId>, DescribeError> {
        let Some(names) = fields.from()? else { return Ok(vec![self.last]) };
        let find = |from: String| match self.named.get(&from) {
            Some(&node) => Ok(node),
            None => Err(DescribeError::From { layer: fields.layer.clone(), from }),
        };
        let found: Vec<NodeId> = names.into_iter().map(find).collect::<Result<_, _>>()?;
        let expected = match (fields.op.as_str(), found.len()) {
            ("add", 2..) | ("concat", 1..) => return Ok(found),
            ("add", _) => "at least 2",
            ("concat", _) => "at least 1",
            (_, 1) => return Ok(found),
            _ => "1",
        };
        Err(DescribeError::Inputs { layer: fields.layer.clone(), expected, found: found.len() })
    }

    fn operation(&mut self, mut fields: Fields, inputs: &[NodeId]) -> Result<NodeId, DescribeError> {
        let op = match fields.op.as_str() {
            "linear" => self.linear(&mut fields, inputs[0])?,
            "conv" | "conv2d" => self.conv(&mut fields, inputs[0])?,
            "batch_norm" => self.batch_norm(&mut fields, inputs[0])?,
            "layer_norm" => {
                let shape = self.graph.shape(inputs[0]).to_vec();
                let (scale, shift) = self.affine(&mut fields, &shape)?;
                Op::LayerNorm { scale, shift, eps: fields.number("eps")?.unwrap_or(DEFAULT_EPS) }
            }
            "group_norm" => {
                let n_groups = fields.positive("groups")?;
                let units = self.units(inputs[0]);
                let (scale, shift) = self.affine(&mut fields, &units)?;
                Op::GroupNorm { n_groups, scale, shift, eps: fields.number("eps")?.unwrap_or(DEFAULT_EPS) }
            }
            "relu" => Op::Activation(Activation::Relu),
            "leaky_relu" => Op::Activation(Activation::LeakyRelu(fields.number("slope")?.unwrap_or(DEFAULT_SLOPE))),
            "gelu" => Op::Activation(Activation::Gelu),
            "gelu_tanh" => Op::Activation(Activation::GeluTanh),
            "silu" => Op::Activation(Activation::Silu),
            "tanh" => Op::Activation(Activation::Tanh),
            "sigmoid" => Op::Activation(Activation::Sigmoid),
            "max_pool" => Op::MaxPool(window(&mut fields)?),
            "avg_pool" => {
                let count_padding = fields.flag("count_padding", true)?;
                Op::AvgPool { window: window(&mut fields)?, count_padding }
            }
            "adaptive_max_pool" => Op::AdaptiveMaxPool { size: size(&mut fields)? },
            "adaptive_avg_pool" => Op::AdaptiveAvgPool { size: size(&mut fields)? },
            "global_avg_pool" => {
                let pooled = self.apply(&fields.layer, Op::AdaptiveAvgPool { size: [1, 1] }, inputs)?;
                let flat = self.apply(&fields.layer, Op::Flatten, &[pooled])?;
                return fields.finish().map(|()| flat);
            }
            "flatten" => Op::Flatten,
            "add" => Op::Add,
            "concat" => Op::Concat,
            "slice" => {
                let start = fields.count("start")?.ok_or_else(|| fields.missing("start"))?;
                Op::Slice { start, end: fields.positive("end")? }
            }
            "pad" => {
                Op::Pad { before: fields.count("before")?.unwrap_or(0), behind: fields.count("behind")?.unwrap_or(0) }
            }
            "scale" => Op::Scale(fields.number("factor")?.ok_or_else(|| fields.missing("factor"))?),
            "dropout" | "identity" => {
                // How much is dropped in training does not matter here.
                fields.number("p")?;
                return fields.finish().map(|()| inputs[0]);
            }
            _ => return Err(DescribeError::Operation { layer: fields.layer }),
        };
        let layer = fields.layer.clone();
        fields.finish()?;
        self.apply(&layer, op, inputs)
    }

    fn linear(&mut self, fields: &mut Fields, input: NodeId) -> Result<Op, DescribeError> {
        let n_units = fields.positive("units")?;
        // What is no flat input is refused when the operation is applied.
        let n_in = self.graph.shape(input).first().copied().unwrap_or(0);
        let weight = self.tensor(fields, "weight", ParamKind::Weight, vec![n_units, n_in], n_in)?;
        let bias = self.optional_tensor(fields, "bias", ParamKind::Bias, vec![n_units], n_in)?;
        Ok(Op::Linear { weight, bias })
    }

    fn conv(&mut self, fields: &mut Fields, input: NodeId) -> Result<Op, DescribeError> {
        let n_units = fields.positive("units")?;
        let kernel = fields.pair("kernel")?.ok_or_else(|| fields.missing("kernel"))?;
        let groups = fields.pair("groups")?.map_or(1, |[groups, _]| groups);
        let n_in = self.graph.shape(input).first().copied().unwrap_or(0) / groups;
        let fan_in = n_values(&[n_in, kernel[0], kernel[1]]);
        let weight =
            self.tensor(fields, "weight", ParamKind::Weight, vec![n_units, n_in, kernel[0], kernel[1]], fan_in)?;
        let bias = self.optional_tensor(fields, "bias", ParamKind::Bias, vec![n_units], fan_in)?;
        Ok(Op::Conv2d {
            weight,
            bias,
            stride: fields.pair("stride")?.unwrap_or([1; 2]),
            padding: fields.padding()?,
            dilation: fields.pair("dilation")?.unwrap_or([1; 2]),
            groups,
        })
    }

    fn batch_norm(&mut self, fields: &mut Fields, input: NodeId) -> Result<Op, DescribeError> {
        let units = self.units(input);
        let (scale, shift) = self.affine(fields, &units)?;
        let mean = self.tensor(fields, "running_mean", ParamKind::RunningMean, units.clone(), 0)?;
        let var = self.tensor(fields, "running_var", ParamKind::RunningVar, units, 0)?;
        Ok(Op::BatchNorm { scale, shift, mean, var, eps: fields.number("eps")?.unwrap_or(DEFAULT_EPS) })
    }

    /// `[units]` of a node.
    fn units(&self, node: NodeId) -> Vec<usize> {
        self.graph.shape(node).iter().take(1).copied().collect()
    }

    /// Factor and summand of a norm, unless `affine = false`.
    fn affine(
        &mut self,
        fields: &mut Fields,
        shape: &[usize],
    ) -> Result<(Option<ParamId>, Option<ParamId>), DescribeError> {
        if !fields.flag("affine", true)? {
            return Ok((None, None));
        }
        let scale = self.optional_tensor(fields, "weight", ParamKind::Scale, shape.to_vec(), 0)?;
        Ok((scale, self.optional_tensor(fields, "bias", ParamKind::Shift, shape.to_vec(), 0)?))
    }

    /// A tensor that `role = false` leaves out.
    fn optional_tensor(
        &mut self,
        fields: &mut Fields,
        role: &'static str,
        kind: ParamKind,
        shape: Vec<usize>,
        fan_in: usize,
    ) -> Result<Option<ParamId>, DescribeError> {
        let (is_there, name) = fields.tensor(role)?;
        is_there.then(|| self.named_tensor(fields, role, name, kind, shape, fan_in)).transpose()
    }

    fn tensor(
        &mut self,
        fields: &mut Fields,
        role: &'static str,
        kind: ParamKind,
        shape: Vec<usize>,
        fan_in: usize,
    ) -> Result<ParamId, DescribeError> {
        let name = fields.text(role)?;
        self.named_tensor(fields, role, name, kind, shape, fan_in)
    }

    /// The tensor `name`, or `LAYER.role` without; one that an earlier layer named is shared.
    fn named_tensor(
        &mut self,
        fields: &Fields,
        role: &'static str,
        name: Option<String>,
        kind: ParamKind,
        shape: Vec<usize>,
        fan_in: usize,
    ) -> Result<ParamId, DescribeError> {
        let of_layer = || fields.name.as_ref().map(|layer| format!("{layer}.{role}"));
        let tensor = name.or_else(of_layer).ok_or_else(|| fields.missing("name"))?;
        if let Some(earlier) = self.tensors.get(&tensor) {
            if (earlier.kind, &earlier.shape) == (kind, &shape) {
                return Ok(earlier.id);
            }
            let (layer, expected) = (fields.layer.clone(), earlier.shape.clone());
            return Err(DescribeError::Shared { layer, tensor, expected, found: shape });
        }
        self.n_parameters = self.n_parameters.saturating_add(n_values(&shape));
        if MAX_PARAMETERS < self.n_parameters {
            return Err(too_large(&fields.layer, "too many parameters", MAX_PARAMETERS));
        }
        let id = self.graph.param(tensor.clone(), kind, shape.clone(), fan_in);
        self.tensors.insert(tensor, Tensor { id, kind, shape });
        Ok(id)
    }

    fn apply(&mut self, layer: &str, op: Op, inputs: &[NodeId]) -> Result<NodeId, DescribeError> {
        let node =
            self.graph.apply(op, inputs).map_err(|source| DescribeError::Shape { layer: layer.to_owned(), source })?;
        let shape = self.graph.shape(node);
        if MAX_VALUES < n_values(shape) {
            return Err(too_large(layer, "too many values in its output", MAX_VALUES));
        }
        self.n_units += shape[0];
        if MAX_UNITS < self.n_units {
            return Err(too_large(layer, "too many units in this and the layers before", MAX_UNITS));
        }
        Ok(node)
    }
}

fn too_large(layer: &str, what: &'static str, limit: usize) -> DescribeError {
    DescribeError::TooLarge { layer: layer.to_owned(), what, limit }
}

fn window(fields: &mut Fields) -> Result<Window, DescribeError> {
    let kernel = fields.pair("kernel")?.ok_or_else(|| fields.missing("kernel"))?;
    let stride = fields.pair("stride")?.unwrap_or(kernel);
    Ok(Window { kernel, stride, padding: fields.padding()?, ceil: fields.flag("ceil", false)? })
}

fn size(fields: &mut Fields) -> Result<[usize; 2], DescribeError> {
    fields.pair("size")?.ok_or_else(|| fields.missing("size"))
}
