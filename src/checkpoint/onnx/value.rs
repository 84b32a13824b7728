//! What a name in an ONNX graph stands for while the graph is read.

use std::rc::Rc;

use super::constant::Constant;
use super::pointwise::Pointwise;
use crate::net::NodeId;
use crate::net::op::Padding;

/// Several ONNX nodes can make one operation of a network. Until the last of them is seen, its parts are kept here.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Constant(Rc<Constant>),
    Node(NodeId),
    /// An element-wise function, perhaps not complete.
    Pointwise(Pointwise),
    /// `x W` with W `[in, out]`, which a bias may follow.
    Product {
        x: NodeId,
        weight: Rc<Constant>,
    },
    /// Zeros around a map, for the window that follows.
    Padded {
        x: NodeId,
        padding: Padding,
    },
    /// Every `stride`-th row and column.
    Strided {
        x: NodeId,
        stride: [usize; 2],
    },
    /// The channels of a map cut into runs: `[n_groups, values of a run]`.
    Grouped {
        x: NodeId,
        n_groups: usize,
    },
    /// Group norm, whose scale and shift may follow.
    Normalized(GroupNorm),
    /// Probabilities of logits, which only the output may be.
    Softmax(NodeId),
}

#[derive(Clone, Debug)]
pub(super) struct GroupNorm {
    pub x: NodeId,
    pub n_groups: usize,
    pub eps: f32,
    pub scale: Option<Rc<Constant>>,
    pub shift: Option<Rc<Constant>>,
    /// Whether the value still has the shape of [`Value::Grouped`].
    pub is_grouped: bool,
}
