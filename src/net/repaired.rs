//! A network with a batch norm behind every hidden layer, through which interpolated networks get their statistics back
//! (REPAIR, Jordan et al. 2023; METHODS-ALIGNMENT, section 7.4).
//!
//! Interpolated units lose variance where the units they are made of are not fully correlated. REPAIR sets mean and deviation
//! of every unit to the interpolation of those of the ends. Both are factors of the batch norms here, so a path of the network
//! is a path of this one, and measuring its running statistics anew at every point is the repair.

use std::sync::Arc;

use super::{GraphBuilder, Network, NodeId, Op, ParamId, ParamKind, ParamVec, ShapeError, layer_name};

/// Added to variances; far below those of any unit that matters, so that the ends stay what they are.
const EPS: f32 = 1e-8;

/// A network and its copy with the added batch norms.
#[derive(Clone, Debug)]
pub struct Repaired {
    network: Arc<Network>,
    norms: Vec<AddedNorm>,
}

/// One added batch norm.
#[derive(Clone, Copy, Debug)]
struct AddedNorm {
    /// The layer before it, in the network without it.
    layer: NodeId,
    scale: ParamId,
    shift: ParamId,
    mean: ParamId,
    var: ParamId,
}

/// Mean and standard deviation of each unit, `[n_units]`.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitDistribution {
    pub mean: Vec<f64>,
    pub deviation: Vec<f64>,
}

impl Repaired {
    /// Adds the batch norms, behind all linear layers and convolutions but those that give the logits.
    pub fn new(original: &Network) -> Result<Self, ShapeError> {
        let (mut graph, input) = GraphBuilder::new(original.input_shape());
        for spec in original.layout().specs() {
            // In the same order, so that operations find them under the same numbers.
            graph.param(spec.name.clone(), spec.kind, spec.shape.clone(), spec.fan_in);
        }
        let mut norms = Vec::new();
        let mut places = vec![input];
        for (index, node) in original.nodes().iter().enumerate().skip(1) {
            let inputs: Vec<NodeId> = node.inputs.iter().map(|id| places[id.0]).collect();
            let mut place = graph.apply(node.op.clone(), &inputs)?;
            let is_output = original.outputs().contains(&NodeId(index));
            if let (false, Op::Linear { weight, .. } | Op::Conv2d { weight, .. }) = (is_output, &node.op) {
                let name = layer_name(&original.layout().spec(*weight).name).to_owned();
                let shape = vec![node.shape[0]];
                let mut param = |part: &str, kind| graph.param(format!("{name}.repair.{part}"), kind, shape.clone(), 0);
                let norm = AddedNorm {
                    layer: NodeId(index),
                    scale: param("weight", ParamKind::Scale),
                    shift: param("bias", ParamKind::Shift),
                    mean: param("running_mean", ParamKind::RunningMean),
                    var: param("running_var", ParamKind::RunningVar),
                };
                let AddedNorm { scale, shift, mean, var, .. } = norm;
                let op = Op::BatchNorm { scale: Some(scale), shift: Some(shift), mean, var, eps: EPS };
                place = graph.apply(op, &[place])?;
                norms.push(norm);
            }
            places.push(place);
        }
        original.aux_heads().iter().for_each(|&(head, weight)| graph.aux_head(places[head.0], weight));
        let network = Arc::new(graph.finish(format!("{} repaired", original.name()))?);
        Ok(Self { network, norms })
    }

    /// The copy.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The layers of the original that are normalised.
    pub fn layers(&self) -> Vec<NodeId> {
        self.norms.iter().map(|norm| norm.layer).collect()
    }

    /// The copy's parameters: those of the original, and batch norms that give the units these distributions (one a layer of
    /// [`Self::layers`]). With the distributions of its own units they change nothing.
    pub fn params(&self, original: &ParamVec, wanted: &[UnitDistribution]) -> ParamVec {
        assert_eq!(wanted.len(), self.norms.len(), "one distribution a layer");
        let mut params = ParamVec::zeros(Arc::clone(self.network.layout()));
        for index in 0..original.layout().specs().len() {
            params.tensor_mut(ParamId(index)).copy_from_slice(original.tensor(ParamId(index)));
        }
        for (norm, UnitDistribution { mean, deviation }) in self.norms.iter().zip(wanted) {
            let mut put = |id: ParamId, values: &[f64], value: fn(f64) -> f64| {
                params.tensor_mut(id).iter_mut().zip(values).for_each(|(p, v)| *p = value(*v) as f32);
            };
            put(norm.scale, deviation, |v| v);
            put(norm.shift, mean, |v| v);
            put(norm.mean, mean, |v| v);
            put(norm.var, deviation, |v| v * v);
        }
        params
    }
}

impl UnitDistribution {
    /// `(1 - share) self + share other`, mean and deviation each.
    pub fn between(&self, other: &Self, share: f64) -> Self {
        let blend = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (1.0 - share) * a + share * b).collect();
        Self { mean: blend(&self.mean, &other.mean), deviation: blend(&self.deviation, &other.deviation) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::zoo;

    #[test]
    fn every_hidden_layer_is_normalised_and_the_logits_are_not() {
        let network = zoo::mlp(&[6, 5, 4, 3], true).unwrap();
        let repaired = Repaired::new(&network).unwrap();
        assert_eq!(repaired.layers().len(), 2);
        assert_eq!(repaired.network().n_classes(), 3);
        assert!(repaired.network().layout().has_statistics());
        for network in zoo::samples() {
            let repaired = Repaired::new(&network).unwrap();
            let n_norms = repaired.network().nodes().len() - network.nodes().len();
            assert_eq!(n_norms, repaired.layers().len(), "{}", network.name());
        }
    }

    #[test]
    fn weights_keep_their_values_and_norms_get_what_is_wanted() {
        let network = zoo::mlp(&[6, 5, 3], true).unwrap();
        let repaired = Repaired::new(&network).unwrap();
        let values = (0..network.layout().len()).map(|v| v as f32).collect();
        let original = ParamVec::new(Arc::clone(network.layout()), values).unwrap();
        let low = UnitDistribution { mean: vec![0.0; 5], deviation: vec![1.0; 5] };
        let high = UnitDistribution { mean: vec![2.0; 5], deviation: vec![3.0; 5] };
        let params = repaired.params(&original, &[low.between(&high, 0.25)]);
        for (index, spec) in network.layout().specs().iter().enumerate() {
            assert_eq!(params.tensor(ParamId(index)), original.tensor(ParamId(index)), "{}", spec.name);
        }
        let norm = repaired.norms[0];
        assert_eq!((params.tensor(norm.shift)[0], params.tensor(norm.scale)[0]), (0.5, 1.5));
        assert_eq!((params.tensor(norm.mean)[0], params.tensor(norm.var)[0]), (0.5, 2.25));
    }
}
