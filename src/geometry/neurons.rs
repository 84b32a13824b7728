//! The neurons of a network with one hidden layer as vectors: the objects that the normalising maps of the families `flow`
//! and `bijection` act on.

use serde::{Deserialize, Serialize};

use crate::net::{Network, ParamId, ParamVec, Sequence};

/// What a neuron vector `[incoming row, bias, outgoing column]` is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NeuronShape {
    /// Length of the incoming row.
    pub n_inputs: usize,
    /// Whether a bias follows it.
    pub bias: bool,
    /// Length of the outgoing column.
    pub n_outputs: usize,
}

impl NeuronShape {
    /// Length of a neuron vector; the largest number where that is beyond all numbers.
    pub fn dim(self) -> usize {
        self.n_inputs.saturating_add(usize::from(self.bias)).saturating_add(self.n_outputs)
    }
}

/// Where the hidden neurons lie in the weights of a network with one hidden layer. The output's bias belongs to none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neurons {
    pub incoming: ParamId,
    pub bias: Option<ParamId>,
    pub outgoing: ParamId,
    pub output_bias: Option<ParamId>,
    pub shape: NeuronShape,
    /// How many there are.
    pub n: usize,
}

impl Neurons {
    /// Finds the hidden layer.
    ///
    /// # Errors
    /// Why the network is none of two linear layers with a ReLU between them.
    pub fn of(network: &Network) -> Result<Self, String> {
        let sequence = Sequence::of(network)?;
        let (true, [hidden, output]) = (sequence.is_two_layer(), sequence.layers()) else {
            let n = sequence.layers().len();
            return Err(format!(
                "expected two linear layers with a ReLU between them, whose neurons are mapped; {} has {n} layers",
                network.name()
            ));
        };
        let width = |id| network.layout().spec(id).shape.iter().skip(1).product();
        let shape =
            NeuronShape { n_inputs: width(hidden.weight), bias: hidden.bias.is_some(), n_outputs: output.n_units };
        Ok(Self {
            incoming: hidden.weight,
            bias: hidden.bias,
            outgoing: output.weight,
            output_bias: output.bias,
            shape,
            n: hidden.n_units,
        })
    }

    /// The neuron vectors of a network, `[n, dim]`.
    pub fn rows(&self, params: &ParamVec) -> Vec<f32> {
        let mut rows = Vec::with_capacity(self.n * self.shape.dim());
        let (incoming, outgoing) = (params.tensor(self.incoming), params.tensor(self.outgoing));
        for unit in 0..self.n {
            rows.extend_from_slice(&incoming[unit * self.shape.n_inputs..][..self.shape.n_inputs]);
            rows.extend(self.bias.map(|bias| params.tensor(bias)[unit]));
            rows.extend(outgoing.iter().skip(unit).step_by(self.n));
        }
        rows
    }

    /// Writes neuron vectors `[n, dim]` into the weights of a network.
    pub fn put_rows(&self, rows: &[f32], params: &mut ParamVec) {
        let NeuronShape { n_inputs, n_outputs, .. } = self.shape;
        for (unit, row) in rows.chunks_exact(self.shape.dim()).enumerate() {
            params.tensor_mut(self.incoming)[unit * n_inputs..][..n_inputs].copy_from_slice(&row[..n_inputs]);
            if let Some(bias) = self.bias {
                params.tensor_mut(bias)[unit] = row[n_inputs];
            }
            let column = params.tensor_mut(self.outgoing).iter_mut().skip(unit).step_by(self.n);
            column.zip(&row[row.len() - n_outputs..]).for_each(|(weight, &value)| *weight = value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::zoo;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_neuron_is_its_row_its_bias_and_its_column() {
        let network = zoo::mlp(&[2, 3, 2], true).unwrap();
        let mut params = ParamVec::zeros(network.layout().clone());
        params.values_mut().iter_mut().enumerate().for_each(|(i, value)| *value = i as f32);
        let neurons = Neurons::of(&network).unwrap();
        assert_eq!((neurons.n, neurons.shape.dim()), (3, 5));
        // Six weights, three biases, then two rows of three outgoing weights.
        assert_eq!(neurons.rows(&params)[5..10], [2.0, 3.0, 7.0, 10.0, 13.0]);
    }

    #[test]
    fn rows_that_are_put_back_restore_everything_but_the_outputs_bias() {
        for bias in [true, false] {
            let network = zoo::mlp(&[4, 7, 3], bias).unwrap();
            let params = ParamVec::random(network.layout().clone(), &mut ChaCha8Rng::seed_from_u64(1));
            let neurons = Neurons::of(&network).unwrap();
            let mut found = ParamVec::zeros(network.layout().clone());
            neurons.put_rows(&neurons.rows(&params), &mut found);
            if let Some(id) = neurons.output_bias {
                assert!(found.tensor(id).iter().all(|&value| value == 0.0));
                found.tensor_mut(id).copy_from_slice(params.tensor(id));
            }
            assert_eq!(found, params);
        }
    }

    #[test]
    fn networks_of_other_depths_and_kinds_are_refused_with_what_they_are() {
        let refused = |network: Network, part: &str| {
            let reason = Neurons::of(&network).unwrap_err();
            assert!(reason.contains(part), "{reason}");
        };
        refused(zoo::mlp(&[4, 5, 5, 3], true).unwrap(), "mlp 4-5-5-3 has 3 layers");
        refused(zoo::mlp(&[4, 3], true).unwrap(), "expected at least 2");
        refused(zoo::by_name("resnet20").unwrap(), "several branches");
    }
}
