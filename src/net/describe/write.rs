//! A network as a description.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::op::{Activation, Padding, Window};
use super::super::{Network, Node, Op, ParamId, layer_name};

/// `network` as text that [`super::describe`] reads back: the same graph under the same names, its parameters in the order
/// of its operations.
pub fn description(network: &Network) -> String {
    let nodes = network.nodes();
    let ids = ids(network);
    let aux: BTreeMap<usize, f32> = network.aux_heads().iter().map(|&(head, weight)| (head.0, weight)).collect();
    let mut text = format!("name = {}\ninput = {:?}\n", quoted(network.name()), network.input_shape());
    for (index, node) in nodes.iter().enumerate().skip(1) {
        let mut layer = LayerText { network, text: String::from("\n[[layer]]\n") };
        layer.operation(node);
        if let Some(id) = &ids[index] {
            layer.option("id", quoted(id));
        }
        let reads_previous = matches!(*node.inputs, [input] if input.0 + 1 == index);
        if !reads_previous {
            let names = node.inputs.iter().map(|input| ids[input.0].as_deref().unwrap_or("input"));
            layer.option("from", format!("[{}]", names.map(quoted).collect::<Vec<_>>().join(", ")));
        }
        if let Some(weight) = aux.get(&index) {
            layer.option("aux_weight", format!("{weight:?}"));
        }
        text += &layer.text;
    }
    text
}

/// Names for the outputs that a layer reads which does not follow at once. The input has its own.
fn ids(network: &Network) -> Vec<Option<String>> {
    let nodes = network.nodes();
    let mut ids = vec![None; nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        let reads_previous = matches!(*node.inputs, [input] if input.0 + 1 == index);
        for input in node.inputs.iter().filter(|input| !reads_previous && 0 < input.0) {
            ids[input.0] = Some(format!("{} {}", nodes[input.0].op.name(), input.0));
        }
    }
    ids
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The lines of one layer.
struct LayerText<'a> {
    network: &'a Network,
    text: String,
}

impl LayerText<'_> {
    fn option(&mut self, name: &str, value: impl std::fmt::Display) {
        writeln!(self.text, "{name} = {value}").expect("writing to a text cannot fail");
    }

    fn operation(&mut self, node: &Node) {
        let name = if matches!(node.op, Op::Conv2d { .. }) { "conv" } else { node.op.name() };
        self.option("op", quoted(name));
        match node.op {
            Op::Linear { weight, bias } => {
                self.tensors(&[("weight", Some(weight)), ("bias", bias)]);
                self.option("units", node.shape[0]);
            }
            Op::Conv2d { weight, bias, stride, padding, dilation, groups } => {
                self.tensors(&[("weight", Some(weight)), ("bias", bias)]);
                let shape = &self.network.layout().spec(weight).shape;
                let kernel = [shape[2], shape[3]];
                self.option("units", node.shape[0]);
                self.option("kernel", pair(kernel));
                self.pair_unless("stride", stride, [1; 2]);
                self.padding(padding);
                self.pair_unless("dilation", dilation, [1; 2]);
                if groups != 1 {
                    self.option("groups", groups);
                }
            }
            Op::BatchNorm { scale, shift, mean, var, eps } => {
                self.norm(scale, shift, &[("running_mean", Some(mean)), ("running_var", Some(var))], eps);
            }
            Op::LayerNorm { scale, shift, eps } => self.norm(scale, shift, &[], eps),
            Op::GroupNorm { n_groups, scale, shift, eps } => {
                self.option("groups", n_groups);
                self.norm(scale, shift, &[], eps);
            }
            Op::Activation(Activation::LeakyRelu(slope)) => self.option("slope", format!("{slope:?}")),
            Op::MaxPool(window) => self.window(window),
            Op::AvgPool { window, count_padding } => {
                self.window(window);
                if !count_padding {
                    self.option("count_padding", false);
                }
            }
            Op::AdaptiveMaxPool { size } | Op::AdaptiveAvgPool { size } => self.option("size", pair(size)),
            Op::Slice { start, end } => {
                self.option("start", start);
                self.option("end", end);
            }
            Op::Pad { before, behind } => {
                self.option("before", before);
                self.option("behind", behind);
            }
            Op::Scale(factor) => self.option("factor", format!("{factor:?}")),
            Op::Input | Op::Flatten | Op::Activation(_) | Op::Add | Op::Concat => {}
        }
    }

    fn norm(
        &mut self,
        scale: Option<ParamId>,
        shift: Option<ParamId>,
        statistics: &[(&str, Option<ParamId>)],
        eps: f32,
    ) {
        if scale.is_none() && shift.is_none() {
            self.option("affine", false);
            self.tensors(statistics);
        } else {
            self.tensors(&[&[("weight", scale), ("bias", shift)], statistics].concat());
        }
        self.option("eps", format!("{eps:?}"));
    }

    /// The layer's name, and the names of tensors that do not follow from it; `bias = false` for a bias that is missing.
    fn tensors(&mut self, tensors: &[(&str, Option<ParamId>)]) {
        let specs = self.network.layout();
        let first = tensors.iter().find_map(|(_, id)| *id);
        let layer = first.map_or_else(String::new, |id| layer_name(&specs.spec(id).name).to_owned());
        self.option("name", quoted(&layer));
        for (role, id) in tensors {
            match id.map(|id| specs.spec(id).name.clone()) {
                Some(name) if name == format!("{layer}.{role}") => {}
                Some(name) => self.option(role, quoted(&name)),
                None => self.option(role, false),
            }
        }
    }

    fn window(&mut self, window: Window) {
        self.option("kernel", pair(window.kernel));
        self.pair_unless("stride", window.stride, window.kernel);
        self.padding(window.padding);
        if window.ceil {
            self.option("ceil", true);
        }
    }

    fn pair_unless(&mut self, name: &str, value: [usize; 2], default: [usize; 2]) {
        if value != default {
            self.option(name, pair(value));
        }
    }

    fn padding(&mut self, padding: Padding) {
        let [[top, bottom], [left, right]] = padding;
        if padding == Padding::default() {
            return;
        }
        if top == bottom && left == right {
            self.option("padding", pair([top, left]));
        } else {
            self.option("padding", format!("{padding:?}"));
        }
    }
}

/// `3`, or `[3, 5]`.
fn pair([vertical, horizontal]: [usize; 2]) -> String {
    if vertical == horizontal { vertical.to_string() } else { format!("[{vertical}, {horizontal}]") }
}
