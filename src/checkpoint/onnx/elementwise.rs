//! Element-wise operators: activations, functions spelled out in arithmetic, sums, and what follows a product or a norm.

use std::rc::Rc;

use super::constant::{BATCH, Constant, Values};
use super::fault::OnnxFault;
use super::lowering::Lowering;
use super::node::NodeView;
use super::pointwise::{Pointwise, sigmoid};
use super::value::{GroupNorm, Value};
use crate::net::{Activation, Op};

impl Lowering {
    /// Functions that stand alone.
    pub(super) fn activation(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let activation = match at.node.op_type.as_str() {
            "Relu" => Activation::Relu,
            "LeakyRelu" => Activation::LeakyRelu(at.float("alpha", 0.01)),
            "Gelu" if at.text("approximate").as_deref() == Some("tanh") => Activation::GeluTanh,
            "Gelu" => Activation::Gelu,
            _ => {
                let bound = |name: &str, index, open: f64| match at.attribute(name) {
                    Some(attribute) => Ok::<f64, OnnxFault>(f64::from(attribute.f)),
                    None => Ok(self.optional_constant(at, index)?.and_then(|bound| bound.single()).unwrap_or(open)),
                };
                let (low, high) = (bound("min", 1, f64::NEG_INFINITY)?, bound("max", 2, f64::INFINITY)?);
                if low != 0.0 || high < f64::from(f32::MAX) {
                    return Err(
                        at.unsupported(format!("expected Clip(0, inf), which is ReLU, found Clip({low}, {high})"))
                    );
                }
                Activation::Relu
            }
        };
        let x = self.input(at, 0)?;
        Ok(Value::Node(self.apply(at, Op::Activation(activation), &[x])?))
    }

    /// Functions that may be a part of another.
    pub(super) fn curve(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let x = self.function(at, 0)?;
        Ok(Value::Pointwise(match at.node.op_type.as_str() {
            "Tanh" => x.map(f64::tanh),
            "Sigmoid" => x.map(sigmoid),
            "Erf" => x.map(libm::erf),
            "Neg" => x.map(|y| -y),
            _ => {
                let exponent = self.constant_input(at, 1)?.single();
                let exponent = exponent.ok_or_else(|| at.unsupported("expected one exponent, found several"))?;
                x.map(|y| y.powf(exponent))
            }
        }))
    }

    /// Input number `index` as a function of the operation before it.
    fn function(&mut self, at: &NodeView<'_>, index: usize) -> Result<Pointwise, OnnxFault> {
        match self.value(at, index)? {
            Value::Pointwise(function) => Ok(function),
            _ => Ok(Pointwise::identity(self.input(at, index)?)),
        }
    }

    pub(super) fn arithmetic(&mut self, at: &NodeView<'_>) -> Result<Value, OnnxFault> {
        let op = at.node.op_type.as_str();
        let compute = |a: f64, b: f64| match op {
            "Add" => a + b,
            "Sub" => a - b,
            "Mul" => a * b,
            _ => a / b,
        };
        match (self.value(at, 0)?, self.value(at, 1)?) {
            (Value::Constant(a), Value::Constant(b)) => match (a.single(), b.single()) {
                (Some(a_value), Some(b_value)) if ![a_value, b_value].contains(&(BATCH as f64)) => {
                    let result = compute(a_value, b_value);
                    let is_int = a.as_ints().is_some() && b.as_ints().is_some();
                    let values = if is_int {
                        Values::Ints(vec![result.floor() as i64])
                    } else {
                        Values::Floats(vec![result as f32])
                    };
                    Ok(Value::Constant(Rc::new(Constant::scalar(at.output(), values))))
                }
                _ => Err(at.unsupported("arithmetic of constants with several values is not known")),
            },
            (value, Value::Constant(constant)) if constant.single().is_none() => self.affine(at, value, &constant),
            (Value::Constant(constant), value) if constant.single().is_none() && matches!(op, "Add" | "Mul") => {
                self.affine(at, value, &constant)
            }
            (Value::Product { x, weight }, Value::Constant(bias)) if op == "Add" => {
                Ok(Value::Node(self.linear(at, x, &weight, Some(&bias))?))
            }
            (_, Value::Constant(constant)) => {
                let c = constant.single().unwrap_or(f64::NAN);
                Ok(Value::Pointwise(self.function(at, 0)?.map(|y| compute(y, c))))
            }
            (Value::Constant(constant), _) => {
                let c = constant.single().unwrap_or(f64::NAN);
                Ok(Value::Pointwise(self.function(at, 1)?.map(|y| compute(c, y))))
            }
            _ => self.combine(at, compute),
        }
    }

    /// Two computed values: parts of one function, or a sum.
    fn combine(&mut self, at: &NodeView<'_>, compute: impl Fn(f64, f64) -> f64) -> Result<Value, OnnxFault> {
        let (a, b) = (self.function(at, 0)?, self.function(at, 1)?);
        let joined = a.zip(&b, compute);
        let is_sum = at.node.op_type == "Add";
        match joined {
            Some(joined) if !is_sum || joined.known().is_some() => Ok(Value::Pointwise(joined)),
            // Tanh's GELU adds a cube, which is no function of its own; a residual adds two that are.
            Some(joined) if a.known().is_none() || b.known().is_none() => Ok(Value::Pointwise(joined)),
            _ if is_sum => {
                let inputs = [self.input(at, 0)?, self.input(at, 1)?];
                Ok(Value::Node(self.apply(at, Op::Add, &inputs)?))
            }
            _ => Err(at.unsupported("of two computed values only sums are known")),
        }
    }

    /// A vector of constants: the bias of a dense layer, or scale and shift of a group norm.
    fn affine(&mut self, at: &NodeView<'_>, value: Value, constant: &Rc<Constant>) -> Result<Value, OnnxFault> {
        let one_a_unit = |n_units: usize| {
            let trailing = constant.shape.iter().rev().take(2).all(|&dim| dim == 1);
            trailing && constant.shape.iter().product::<usize>() == n_units
        };
        match (at.node.op_type.as_str(), value) {
            ("Add", Value::Product { x, weight }) => Ok(Value::Node(self.linear(at, x, &weight, Some(constant))?)),
            ("Mul", Value::Normalized(norm @ GroupNorm { scale: None, shift: None, is_grouped: false, .. }))
                if one_a_unit(self.builder.shape(norm.x)[0]) =>
            {
                Ok(Value::Normalized(GroupNorm { scale: Some(Rc::clone(constant)), ..norm }))
            }
            ("Add", Value::Normalized(norm @ GroupNorm { shift: None, is_grouped: false, .. }))
                if one_a_unit(self.builder.shape(norm.x)[0]) =>
            {
                Ok(Value::Normalized(GroupNorm { shift: Some(Rc::clone(constant)), ..norm }))
            }
            _ => Err(at.unsupported(format!(
                "a constant of shape {:?} is only known as the bias of a matrix product or in a group norm",
                constant.shape
            ))),
        }
    }
}
