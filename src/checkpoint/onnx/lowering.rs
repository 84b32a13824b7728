//! From the nodes of an ONNX graph to the operations of a network.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::OnnxModel;
use super::constant::{Constant, product};
use super::fault::OnnxFault;
use super::node::NodeView;
use super::pointwise::{Known, Pointwise};
use super::proto;
use super::value::{GroupNorm, Value};
use crate::checkpoint::{MAX_VALUES, is_plain_name, shown};
use crate::net::op::Window;
use crate::net::{GraphBuilder, NodeId, Op, ParamId, ParamKind, ParamVec};

/// The most values that an operation gives for one example.
const MAX_EXAMPLE_VALUES: usize = 1 << 24;

pub(super) struct Lowering {
    pub builder: GraphBuilder,
    /// The operation added last.
    last: NodeId,
    values: HashMap<String, Value>,
    /// The batch size, where the file fixes it.
    pub batch: Option<usize>,
    tensors: Vec<(ParamId, Vec<f32>)>,
    /// Values of all parameters.
    n_values: usize,
    /// Values of all constants, those of the file and those computed from them.
    n_constants: usize,
    /// Names of parameters, with the number of copies made under each.
    names: HashMap<String, usize>,
    /// Outputs that something reads.
    pub used: HashSet<String>,
    pub notes: Vec<String>,
}

/// Builds the network that computes the first output of `graph`.
pub(super) fn lower(graph: &proto::Graph, name: String) -> Result<OnnxModel, OnnxFault> {
    let mut values = HashMap::new();
    let mut n_constants = 0;
    for tensor in &graph.initializer {
        let constant = Constant::read(tensor)?;
        n_constants += constant.values.len();
        if MAX_VALUES < n_constants as u64 {
            let what = "values of all weights";
            return Err(OnnxFault::TooMany { what, found: n_constants, limit: MAX_VALUES as usize });
        }
        values.insert(tensor.name.clone(), Value::Constant(Rc::new(constant)));
    }
    let inputs: Vec<_> = graph.input.iter().filter(|input| !values.contains_key(&input.name)).collect();
    let [input] = inputs.as_slice() else {
        let names: Vec<String> = inputs.iter().take(8).map(|input| format!("`{}`", shown(&input.name))).collect();
        return Err(OnnxFault::Inputs { found: format!("{}: {}", inputs.len(), names.join(", ")) });
    };
    let (batch, shape) = input_shape(input)?;
    let (builder, node) = GraphBuilder::new(&shape);
    values.insert(input.name.clone(), Value::Node(node));
    let output = graph.output.first().ok_or(OnnxFault::NoOutput)?;
    let mut notes = Vec::new();
    if 1 < graph.output.len() {
        notes.push(format!("only the first of {} outputs is read: `{}`", graph.output.len(), shown(&output.name)));
    }
    let (is_needed, used) = needed(graph, &output.name);
    let (tensors, names) = (Vec::new(), HashMap::new());
    let last = node;
    let mut lowering = Lowering { builder, last, values, batch, tensors, n_values: 0, n_constants, names, used, notes };
    for (index, node) in graph.node.iter().enumerate().filter(|(index, _)| is_needed[*index]) {
        lowering.node(&NodeView { index, node })?;
    }
    lowering.finish(&output.name, name)
}

/// Which nodes the output depends on, and the names that they read.
fn needed(graph: &proto::Graph, output: &str) -> (Vec<bool>, HashSet<String>) {
    let mut used = HashSet::from([output.to_owned()]);
    let mut is_needed = vec![false; graph.node.len()];
    for (index, node) in graph.node.iter().enumerate().rev() {
        is_needed[index] = node.output.iter().any(|output| used.contains(output));
        if is_needed[index] {
            used.extend(node.input.iter().cloned());
        }
    }
    (is_needed, used)
}

/// The batch size, if fixed, and the shape of one example.
fn input_shape(input: &proto::ValueInfo) -> Result<(Option<usize>, Vec<usize>), OnnxFault> {
    let shape = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).and_then(|t| t.shape.as_ref());
    let dims: Vec<Option<usize>> = shape.map_or_else(Vec::new, |shape| {
        shape.dim.iter().map(|dim| dim.dim_value.and_then(|n| usize::try_from(n).ok()).filter(|&n| 0 < n)).collect()
    });
    let example: Option<Vec<usize>> = dims.iter().skip(1).copied().collect();
    let is_small =
        |shape: &Vec<usize>| matches!(shape.len(), 1 | 3) && product(shape).is_some_and(|n| n <= MAX_EXAMPLE_VALUES);
    match example.filter(is_small) {
        Some(example) => Ok((dims[0], example)),
        None => {
            let dims: Vec<String> =
                dims.iter().take(8).map(|dim| dim.map_or_else(|| "?".to_owned(), |n| n.to_string())).collect();
            Err(OnnxFault::InputShape { input: shown(&input.name), found: format!("[{}]", dims.join(", ")) })
        }
    }
}

impl Lowering {
    /// One node; its output gets a value.
    fn node(&mut self, at: &NodeView<'_>) -> Result<(), OnnxFault> {
        if let Some(attribute) = at.node.attribute.iter().find(|attribute| attribute.g.is_some()) {
            return Err(
                at.unsupported(format!("has a subgraph (`{}`): control flow is not read", shown(&attribute.name)))
            );
        }
        if !matches!(at.node.domain.as_str(), "" | "ai.onnx") {
            return Err(at.unsupported(format!("operators of domain `{}` are not known", shown(&at.node.domain))));
        }
        for input in at.node.input.iter().filter(|input| !input.is_empty()) {
            if !self.values.contains_key(input) {
                return Err(OnnxFault::Undefined { place: at.place(), input: shown(input) });
            }
        }
        let value = match at.node.op_type.as_str() {
            "Conv" => self.conv(at),
            "Gemm" => self.gemm(at),
            "MatMul" => self.matmul(at),
            "BatchNormalization" => self.batch_norm(at),
            "LayerNormalization" => self.layer_norm(at),
            "GroupNormalization" => self.group_norm(at),
            "InstanceNormalization" => self.instance_norm(at),
            "MaxPool" | "AveragePool" => self.pool(at),
            "GlobalAveragePool" | "GlobalMaxPool" => self.global_pool(at),
            "ReduceMean" | "ReduceMax" => self.reduce(at),
            "Relu" | "LeakyRelu" | "Gelu" | "Clip" => self.activation(at),
            "Tanh" | "Sigmoid" | "Erf" | "Pow" | "Neg" => self.curve(at),
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(at),
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" | "Transpose" | "Cast" => self.reshape(at),
            "Constant" | "ConstantOfShape" | "Shape" | "Gather" => self.constant(at),
            "Concat" => self.concat(at),
            "Slice" => self.slice(at),
            "Split" => return self.split(at),
            "Pad" => self.pad(at),
            "Identity" | "Dropout" => self.alias(at),
            "Softmax" | "LogSoftmax" => self.softmax(at),
            _ => Err(at.unsupported("this operator cannot be part of a network here")),
        }?;
        self.define(at, at.output(), value)
    }

    /// Gives a name its value.
    pub(super) fn define(&mut self, at: &NodeView<'_>, name: &str, value: Value) -> Result<(), OnnxFault> {
        match self.values.insert(name.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(OnnxFault::Redefined { place: at.place(), output: shown(name) }),
        }
    }

    /// A constant that a node gives. Nodes may copy large ones, so that what all take together is bounded.
    pub(super) fn derived(&mut self, at: &NodeView<'_>, constant: Constant) -> Result<Value, OnnxFault> {
        self.n_constants += constant.values.len();
        if MAX_VALUES < self.n_constants as u64 {
            return Err(at.unsupported(format!("expected at most {MAX_VALUES} values of all constants, found more")));
        }
        Ok(Value::Constant(Rc::new(constant)))
    }

    /// The value of input number `index`.
    pub(super) fn value(&self, at: &NodeView<'_>, index: usize) -> Result<Value, OnnxFault> {
        let name = at.node.input.get(index).filter(|name| !name.is_empty());
        let value = name.and_then(|name| self.values.get(name)).cloned();
        value.ok_or_else(|| at.unsupported(format!("expected an input number {index}, found none")))
    }

    /// Input number `index` where it is there and known from the file.
    pub(super) fn optional_constant(&self, at: &NodeView<'_>, index: usize) -> Result<Option<Rc<Constant>>, OnnxFault> {
        match at.node.input.get(index).filter(|name| !name.is_empty()).and_then(|name| self.values.get(name)) {
            None => Ok(None),
            Some(Value::Constant(constant)) => Ok(Some(Rc::clone(constant))),
            Some(_) => {
                Err(at.unsupported(format!("expected input number {index} to be a constant, found a computed value")))
            }
        }
    }

    pub(super) fn constant_input(&self, at: &NodeView<'_>, index: usize) -> Result<Rc<Constant>, OnnxFault> {
        let found = self.optional_constant(at, index)?;
        found.ok_or_else(|| at.unsupported(format!("expected a constant as input number {index}, found none")))
    }

    /// Integers from the attribute `name` or, as later versions have it, from input number `index`.
    pub(super) fn ints(&self, at: &NodeView<'_>, name: &str, index: usize) -> Result<Option<Vec<i64>>, OnnxFault> {
        if let Some(attribute) = at.attribute(name) {
            return Ok(Some(attribute.ints.clone()));
        }
        match self.optional_constant(at, index)? {
            None => Ok(None),
            Some(constant) => match constant.as_ints() {
                Some(ints) => Ok(Some(ints.to_vec())),
                None => Err(at.unsupported(format!("expected integers as {name}, found floats"))),
            },
        }
    }

    /// The operation that gives the input numbered `index`, made now where its parts were only kept.
    pub(super) fn input(&mut self, at: &NodeView<'_>, index: usize) -> Result<NodeId, OnnxFault> {
        let value = self.value(at, index)?;
        let node = self.materialize(at, value)?;
        self.values.insert(at.node.input[index].clone(), Value::Node(node));
        Ok(node)
    }

    pub(super) fn materialize(&mut self, at: &NodeView<'_>, value: Value) -> Result<NodeId, OnnxFault> {
        match value {
            Value::Node(node) => Ok(node),
            Value::Pointwise(function) => self.known_function(at, &function),
            Value::Product { x, weight } => self.linear(at, x, &weight, None),
            Value::Strided { x, stride } => {
                let window = Window { kernel: [1; 2], stride, padding: [[0; 2]; 2], ceil: false };
                self.apply(at, Op::MaxPool(window), &[x])
            }
            Value::Normalized(GroupNorm { x, n_groups, eps, scale, shift, is_grouped: false }) => {
                let scale = scale.map(|scale| self.param(at, &scale, ParamKind::Scale, None)).transpose()?;
                let shift = shift.map(|shift| self.param(at, &shift, ParamKind::Shift, None)).transpose()?;
                self.apply(at, Op::GroupNorm { n_groups, scale, shift, eps }, &[x])
            }
            Value::Constant(_) => Err(at.unsupported("expected a computed value, found a constant")),
            Value::Padded { .. } => {
                Err(at.unsupported("reads a map with zeros around it, which only convolutions and averages can"))
            }
            Value::Grouped { .. } | Value::Normalized(_) => Err(at.unsupported("reads channels cut into groups")),
            Value::Softmax(_) => Err(at.unsupported("reads a softmax, which is only known as the output")),
        }
    }

    fn known_function(&mut self, at: &NodeView<'_>, function: &Pointwise) -> Result<NodeId, OnnxFault> {
        match function.known() {
            Some(Known::Identity) => Ok(function.base),
            Some(Known::Scale(factor)) => self.apply(at, Op::Scale(factor), &[function.base]),
            Some(Known::Activation(activation)) => self.apply(at, Op::Activation(activation), &[function.base]),
            None => Err(at.unsupported("reads an element-wise function that is no activation known here")),
        }
    }

    /// Adds an operation, whose result must have a bounded size.
    pub(super) fn apply(&mut self, at: &NodeView<'_>, op: Op, inputs: &[NodeId]) -> Result<NodeId, OnnxFault> {
        let node = self
            .builder
            .apply(op, inputs)
            .map_err(|source| OnnxFault::Shape { place: at.place(), source: Box::new(source) })?;
        self.last = node;
        let shape = self.builder.shape(node);
        match product(shape) {
            Some(n) if n <= MAX_EXAMPLE_VALUES => Ok(node),
            _ => Err(OnnxFault::TooLarge { place: at.place(), found: format!("{shape:?}"), limit: MAX_EXAMPLE_VALUES }),
        }
    }

    /// A tensor of the network under the name it has in the file, in `shape` or flat.
    pub(super) fn param(
        &mut self,
        at: &NodeView<'_>,
        tensor: &Constant,
        kind: ParamKind,
        shape: Option<Vec<usize>>,
    ) -> Result<ParamId, OnnxFault> {
        let Some(values) = tensor.as_floats() else {
            return Err(at.unsupported(format!("expected floats in `{}`, found integers", shown(&tensor.name))));
        };
        let shape = shape.unwrap_or_else(|| vec![values.len()]);
        if values.is_empty() || product(&shape) != Some(values.len()) {
            return Err(at.unsupported(format!(
                "`{}`: expected shape {shape:?}, found {:?}",
                shown(&tensor.name),
                tensor.shape
            )));
        }
        self.n_values += values.len();
        if MAX_VALUES < self.n_values as u64 {
            return Err(at.unsupported(format!("expected at most {MAX_VALUES} values of all tensors, found more")));
        }
        let fan_in = if kind == ParamKind::Weight { shape[1..].iter().product() } else { 0 };
        let name = self.unique_name(at, &tensor.name);
        let id = self.builder.param(name, kind, shape, fan_in);
        self.tensors.push((id, values.to_vec()));
        Ok(id)
    }

    /// A name no other tensor has: exporters store equal tensors once, a network has each layer's own.
    fn unique_name(&mut self, at: &NodeView<'_>, name: &str) -> String {
        let plain =
            if name.is_empty() || !is_plain_name(name) { format!("tensor_{}", at.index) } else { name.to_owned() };
        let mut copy = self.names.get(&plain).map_or(1, |copies| copies + 1);
        let named = |copy: usize| if copy == 1 { plain.clone() } else { format!("{plain}#{copy}") };
        // A tensor of the file may have the name of a copy.
        while self.names.contains_key(&named(copy)) {
            copy += 1;
        }
        let unique = named(copy);
        self.names.insert(unique.clone(), 1);
        self.names.insert(plain.clone(), copy);
        if 1 < copy {
            self.notes.push(format!("several layers read `{plain}`: `{unique}` is a copy of its own"));
        }
        unique
    }

    fn alias(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        match self.value(at, 0)? {
            constant @ Value::Constant(_) => Ok(constant),
            _ => Ok(Value::Node(self.input(at, 0)?)),
        }
    }

    fn softmax(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let x = self.input(at, 0)?;
        self.notes.push(format!("{} behind the logits is left out", at.node.op_type));
        Ok(Value::Softmax(x))
    }

    fn finish(mut self, output: &str, name: String) -> Result<OnnxModel, OnnxFault> {
        let end = proto::Node { name: output.to_owned(), op_type: "output".to_owned(), ..Default::default() };
        let at = NodeView { index: self.values.len(), node: &end };
        let node = match self.values.get(output).cloned() {
            Some(Value::Softmax(logits)) => logits,
            Some(Value::Constant(_)) | None => return Err(OnnxFault::Output { output: shown(output) }),
            Some(value) => self.materialize(&at, value)?,
        };
        // The last operation is a network's output. A value that was only asked for its shape may have come behind it.
        let n_units = self.builder.shape(node).first().copied().unwrap_or(0);
        if node != self.last || node == NodeId(0) {
            self.apply(&at, Op::Slice { start: 0, end: n_units }, &[node])?;
        }
        let network = self.builder.finish(name).map_err(OnnxFault::Graph)?;
        let mut params = ParamVec::zeros(std::sync::Arc::clone(network.layout()));
        for (id, values) in self.tensors {
            params.tensor_mut(id).copy_from_slice(&values);
        }
        Ok(OnnxModel { network, params, notes: self.notes })
    }
}
