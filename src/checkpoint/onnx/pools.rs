//! Pooling, by windows and over whole maps.

use super::fault::OnnxFault;
use super::layers::add_padding;
use super::lowering::Lowering;
use super::node::NodeView;
use super::value::Value;
use crate::net::Op;
use crate::net::op::Window;

impl Lowering {
    pub(super) fn pool(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let (x, around) = self.padded_input(at)?;
        let map = self.map_size(at, x)?;
        let kernel = at.pair("kernel_shape", None)?;
        let stride = at.pair("strides", Some(1))?;
        if at.pair("dilations", Some(1))? != [1, 1] {
            return Err(at.unsupported("pooling with dilations is not known"));
        }
        let own = at.padding(map, kernel, stride)?;
        let is_max = at.node.op_type == "MaxPool";
        let counts_own = at.int("count_include_pad", 0) != 0 || own == [[0; 2]; 2];
        let is_padded = around != [[0; 2]; 2];
        if is_padded && (is_max || !counts_own || at.text("auto_pad").is_some_and(|auto| auto.starts_with("SAME"))) {
            return Err(at.unsupported("zeros around the map of a maximum or of a mean that leaves padding out"));
        }
        let window = Window { kernel, stride, padding: add_padding(own, around), ceil: at.int("ceil_mode", 0) != 0 };
        let count_padding = is_padded || at.int("count_include_pad", 0) != 0;
        let op = if is_max { Op::MaxPool(window) } else { Op::AvgPool { window, count_padding } };
        Ok(Value::Node(self.apply(at, op, &[x])?))
    }

    pub(super) fn global_pool(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        self.whole_map(at, at.node.op_type == "GlobalMaxPool", true)
    }

    /// A mean or maximum over both axes of a map.
    pub(super) fn reduce(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let mut axes = self.ints(at, "axes", 1)?.unwrap_or_default();
        axes.iter_mut().filter(|axis| **axis < 0).for_each(|axis| *axis = axis.saturating_add(4));
        axes.sort_unstable();
        if axes != [2, 3] {
            return Err(at.unsupported(format!("expected the axes of a map, [2, 3], found {axes:?}")));
        }
        self.whole_map(at, at.node.op_type == "ReduceMax", at.int("keepdims", 1) != 0)
    }

    fn whole_map(&mut self, at: &NodeView<'_>, is_max: bool, keeps_axes: bool) -> Result<Value, OnnxFault> {
        let x = self.input(at, 0)?;
        let size = [1, 1];
        let op = if is_max { Op::AdaptiveMaxPool { size } } else { Op::AdaptiveAvgPool { size } };
        let pooled = self.apply(at, op, &[x])?;
        Ok(Value::Node(if keeps_axes { pooled } else { self.apply(at, Op::Flatten, &[pooled])? }))
    }
}
