//! The operations a network can be made of, as data. Shapes are those of one example, without the batch axis.

use super::ParamId;

/// What a node computes from its inputs.
///
/// Feature maps are `[channels, height, width]`, flat values `[features]`; the leading axis is the axis of units. Pairs are
/// `[vertical, horizontal]`, paddings `[[top, bottom], [left, right]]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The images: `[channels, height, width]`, or `[features]`.
    Input,
    /// Row-major flattening, channel-major as in PyTorch: `[c, h, w]` to `[c * h * w]`.
    Flatten,
    /// `y = W x + b`; W `[out, in]`, b `[out]`.
    Linear {
        weight: ParamId,
        bias: Option<ParamId>,
    },
    /// Cross-correlation; weight `[out, in / groups, kernel height, kernel width]`, bias `[out]`.
    Conv2d {
        weight: ParamId,
        bias: Option<ParamId>,
        stride: [usize; 2],
        padding: Padding,
        dilation: [usize; 2],
        groups: usize,
    },
    /// `(x - mean) / sqrt(var + eps) * scale + shift` for each unit of the leading axis; all `[units]`.
    BatchNorm {
        scale: Option<ParamId>,
        shift: Option<ParamId>,
        mean: ParamId,
        var: ParamId,
        eps: f32,
    },
    /// Normalises all values of an example together; scale and shift have the example's shape.
    LayerNorm {
        scale: Option<ParamId>,
        shift: Option<ParamId>,
        eps: f32,
    },
    /// Normalises `n_groups` equal runs of units, each over its units and positions; scale and shift `[units]`.
    GroupNorm {
        n_groups: usize,
        scale: Option<ParamId>,
        shift: Option<ParamId>,
        eps: f32,
    },
    /// Value by value.
    Activation(Activation),
    MaxPool(Window),
    AvgPool {
        window: Window,
        /// Whether padding counts as zeros in the mean (PyTorch's default).
        count_padding: bool,
    },
    /// Maximum over `size` bins, which cover the map evenly as PyTorch cuts them.
    AdaptiveMaxPool {
        size: [usize; 2],
    },
    /// Mean over `size` bins; `[1, 1]` is global average pooling.
    AdaptiveAvgPool {
        size: [usize; 2],
    },
    /// Sum of two or more values of one shape.
    Add,
    /// Units of two or more inputs behind each other.
    Concat,
    /// Units `start..end`.
    Slice {
        start: usize,
        end: usize,
    },
    /// Zero units before and behind (the parameter-free shortcut of ResNets, option A).
    Pad {
        before: usize,
        behind: usize,
    },
    /// Multiplication with a constant.
    Scale(f32),
}

/// Rows and columns of zeros around a map: `[[top, bottom], [left, right]]`.
pub type Padding = [[usize; 2]; 2];

/// An element-wise function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    Relu,
    /// `x` for positive x, `slope * x` otherwise.
    LeakyRelu(f32),
    /// `x Phi(x)` with the exact normal distribution function.
    Gelu,
    /// GELU by the tanh approximation of its paper.
    GeluTanh,
    /// `x * sigmoid(x)`.
    Silu,
    Tanh,
    Sigmoid,
}

/// The window that a pooling slides over a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: Padding,
    /// Whether a last window that is only partly on the map counts, as long as it begins on the map or its padding at the
    /// top or left.
    pub ceil: bool,
}

impl Window {
    /// A square window that moves by its own size.
    pub fn square(kernel: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [kernel; 2], padding: [[0; 2]; 2], ceil: false }
    }

    pub fn stride(self, stride: usize) -> Self {
        Self { stride: [stride; 2], ..self }
    }

    pub fn padding(self, padding: usize) -> Self {
        Self { padding: [[padding; 2]; 2], ..self }
    }

    pub fn ceil(self) -> Self {
        Self { ceil: true, ..self }
    }

    /// Number of window positions along `axis` (0 vertical, 1 horizontal) of a map `length` long; `None` if none fits.
    pub fn positions(&self, axis: usize, length: usize) -> Option<usize> {
        let [before, behind] = self.padding[axis];
        let free = (length + before + behind).checked_sub(self.kernel[axis])?;
        let stride = self.stride[axis];
        let n = if self.ceil { free.div_ceil(stride) } else { free / stride } + 1;
        // PyTorch: the last window must begin on the map or the padding before it.
        let is_beyond = self.ceil && length + before <= (n - 1) * stride;
        Some(if is_beyond { n - 1 } else { n })
    }

    /// Places of the map that window number `position` covers along `axis`.
    pub fn covered(&self, axis: usize, position: usize, length: usize) -> std::ops::Range<usize> {
        let before = self.padding[axis][0];
        let start = position * self.stride[axis];
        start.saturating_sub(before).min(length)..(start + self.kernel[axis]).saturating_sub(before).min(length)
    }

    /// By how many values the mean of window number `position` divides along `axis` when padding counts: the window's size
    /// without what lies beyond the padding.
    pub fn counted(&self, axis: usize, position: usize, length: usize) -> usize {
        let [before, behind] = self.padding[axis];
        let start = position * self.stride[axis];
        (start + self.kernel[axis]).min(length + before + behind) - start
    }
}

/// Places of bin number `bin` out of `n_bins` on a map `length` long, as PyTorch's adaptive pooling cuts it.
pub fn adaptive_bin(bin: usize, n_bins: usize, length: usize) -> std::ops::Range<usize> {
    bin * length / n_bins..((bin + 1) * length).div_ceil(n_bins)
}

impl Op {
    /// The parameters and running statistics it reads.
    pub fn params(&self) -> Vec<ParamId> {
        match *self {
            Self::Linear { weight, bias } | Self::Conv2d { weight, bias, .. } => {
                std::iter::once(weight).chain(bias).collect()
            }
            Self::BatchNorm { scale, shift, mean, var, .. } => {
                scale.into_iter().chain(shift).chain([mean, var]).collect()
            }
            Self::LayerNorm { scale, shift, .. } | Self::GroupNorm { scale, shift, .. } => {
                scale.into_iter().chain(shift).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What it is called in errors and descriptions.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Flatten => "flatten",
            Self::Linear { .. } => "linear",
            Self::Conv2d { .. } => "conv2d",
            Self::BatchNorm { .. } => "batch_norm",
            Self::LayerNorm { .. } => "layer_norm",
            Self::GroupNorm { .. } => "group_norm",
            Self::Activation(activation) => activation.name(),
            Self::MaxPool(_) => "max_pool",
            Self::AvgPool { .. } => "avg_pool",
            Self::AdaptiveMaxPool { .. } => "adaptive_max_pool",
            Self::AdaptiveAvgPool { .. } => "adaptive_avg_pool",
            Self::Add => "add",
            Self::Concat => "concat",
            Self::Slice { .. } => "slice",
            Self::Pad { .. } => "pad",
            Self::Scale(_) => "scale",
        }
    }
}

impl Activation {
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::LeakyRelu(_) => "leaky_relu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::Silu => "silu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
        }
    }
}
