//! One node of a graph with its attributes, and errors that say where it is.

use super::fault::{OnnxFault, Place};
use super::proto;
use crate::checkpoint::shown;
use crate::net::op::Padding;

/// The largest kernel, stride, dilation or padding.
const MAX_EXTENT: i64 = 1 << 16;

pub(super) struct NodeView<'a> {
    pub index: usize,
    pub node: &'a proto::Node,
}

impl<'a> NodeView<'a> {
    pub(super) fn place(&self) -> Place {
        Place { index: self.index, op: shown(&self.node.op_type), name: shown(&self.node.name) }
    }

    pub(super) fn unsupported(&self, what: impl Into<String>) -> OnnxFault {
        OnnxFault::Unsupported { place: self.place(), what: what.into() }
    }

    pub(super) fn output(&self) -> &'a str {
        self.node.output.first().map_or("", String::as_str)
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'a proto::Attribute> {
        self.node.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |attribute| attribute.f)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.attribute(name).map(|attribute| String::from_utf8_lossy(&attribute.s).into_owned())
    }

    /// A vertical and a horizontal extent.
    pub(super) fn pair(&self, name: &str, default: Option<usize>) -> Result<[usize; 2], OnnxFault> {
        match (self.attribute(name).map(|attribute| attribute.ints.as_slice()), default) {
            (Some(&[v, h]), _) => Ok([self.extent(name, v)?, self.extent(name, h)?]),
            (None, Some(default)) => Ok([default; 2]),
            (found, _) => {
                Err(self.unsupported(format!("expected two values of {name}, found {}", found.map_or(0, <[_]>::len))))
            }
        }
    }

    /// The padding of a window that reaches over `extent` values of a map `[height, width]`.
    pub(super) fn padding(
        &self,
        map: [usize; 2],
        extent: [usize; 2],
        stride: [usize; 2],
    ) -> Result<Padding, OnnxFault> {
        let auto = self.text("auto_pad").unwrap_or_default();
        match (auto.as_str(), self.attribute("pads").map(|pads| pads.ints.as_slice())) {
            ("" | "NOTSET", None) | ("VALID", _) => Ok([[0; 2]; 2]),
            ("" | "NOTSET", Some(&[top, left, bottom, right])) => {
                let side = |value| self.extent("pads", value);
                Ok([[side(top)?, side(bottom)?], [side(left)?, side(right)?]])
            }
            ("SAME_UPPER" | "SAME_LOWER", _) if !stride.contains(&0) => Ok(std::array::from_fn(|axis| {
                let span = (map[axis].div_ceil(stride[axis]).saturating_sub(1)) * stride[axis] + extent[axis];
                let total = span.saturating_sub(map[axis]);
                let (small, large) = (total / 2, total - total / 2);
                if auto == "SAME_UPPER" { [small, large] } else { [large, small] }
            })),
            _ => Err(self.unsupported(format!("expected four pads or a known auto_pad, found `{}`", shown(&auto)))),
        }
    }

    pub(super) fn extent(&self, name: &str, value: i64) -> Result<usize, OnnxFault> {
        let found = usize::try_from(value).ok().filter(|_| value <= MAX_EXTENT);
        found.ok_or_else(|| self.unsupported(format!("expected {name} of 0 to {MAX_EXTENT}, found {value}")))
    }
}
