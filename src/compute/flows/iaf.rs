//! The inverse of masked autoregressive layers, by substitution: coordinate after coordinate, each hidden unit as soon as all
//! coordinates that it sees are known. So it takes as many operations as one pass through the masked networks, not one pass
//! for each coordinate; but they come one after another, in vectors over neurons, and only a CPU is any good at that.

use rayon::prelude::*;

use super::super::simd::add_scaled;
use super::map::NORM_EPSILON;
use crate::geometry::{FlowConfig, FlowModel};

/// Neurons that a thread inverts together.
const ROWS_A_TASK: usize = 64;

/// The neurons `[n, dim]` that `model`, of the kind IAF, maps to `latent` `[n, dim]`.
pub(super) fn inverse(model: &FlowModel, latent: &[f32]) -> Vec<f32> {
    let dim = model.config().dim();
    let tasks = latent.par_chunks(ROWS_A_TASK * dim);
    let parts: Vec<Vec<f32>> = tasks.map(|rows| inverse_of_rows(model, rows)).collect();
    parts.concat()
}

fn inverse_of_rows(model: &FlowModel, latent: &[f32]) -> Vec<f32> {
    let config = model.config();
    let mut columns = Columns::of_rows(latent, config.dim());
    for layer in (0..config.n_layers).rev() {
        columns = inverse_of_layer(model, layer, &columns);
        if let Some([mean, var]) = config.norm_tensors(layer) {
            let deviations: Vec<f32> = model.values()[var].iter().map(|var| (var + NORM_EPSILON).sqrt()).collect();
            columns.scale_and_shift(&deviations, &model.values()[mean]);
        }
    }
    columns.scale_and_shift(&model.values()[1], &model.values()[0]);
    columns.into_rows()
}

/// Solves `y_i = x_i exp(s_i(x_<i)) + t_i(x_<i)` for x.
fn inverse_of_layer(model: &FlowModel, layer: usize, y: &Columns) -> Columns {
    let config = model.config();
    let mut x = Columns::zeros(config.dim(), y.n_rows);
    let mut networks = config.network_tensors(layer).map(|first| Network::new(model, first, y.n_rows));
    let mut sums = [vec![0.0; y.n_rows], vec![0.0; y.n_rows]];
    for place in 0..config.dim() {
        let coordinate = config.degree(layer, place);
        for (network, sums) in networks.iter_mut().zip(&mut sums) {
            network.advance(config, &x, place);
            network.output(coordinate, sums);
        }
        let [scales, shifts] = &sums;
        let known = x.column_mut(coordinate).iter_mut().zip(y.column(coordinate));
        for ((x, y), (scale, shift)) in known.zip(scales.iter().zip(shifts)) {
            *x = (y - shift) * (-scale).exp();
        }
    }
    x
}

/// A network s or t of which some hidden units are known.
struct Network<'a> {
    /// Weights and biases in turn.
    tensors: &'a [Vec<f32>],
    /// Values of each hidden layer, zero where they are not known yet.
    hidden: Vec<Columns>,
    /// The first so many units of every hidden layer are known.
    n_known: usize,
}

impl<'a> Network<'a> {
    fn new(model: &'a FlowModel, first: usize, n_rows: usize) -> Self {
        let FlowConfig { hidden, n_hidden, .. } = *model.config();
        let tensors = &model.values()[first..first + 2 * (n_hidden + 1)];
        Self { tensors, hidden: vec![Columns::zeros(hidden, n_rows); n_hidden], n_known: 0 }
    }

    /// Computes the hidden units that see coordinates before `place` alone.
    fn advance(&mut self, config: &FlowConfig, x: &Columns, place: usize) {
        let first = self.n_known;
        while self.n_known < config.hidden && config.hidden_degree(self.n_known) < place {
            self.n_known += 1;
        }
        let mut sums = vec![0.0; x.n_rows];
        for depth in 0..config.n_hidden {
            for unit in first..self.n_known {
                let input = if depth == 0 { x } else { &self.hidden[depth - 1] };
                self.linear(depth, unit, input, &mut sums);
                let column = self.hidden[depth].column_mut(unit).iter_mut();
                column.zip(&sums).for_each(|(value, sum)| *value = sum.tanh());
            }
        }
    }

    /// Writes the network's output for one coordinate.
    fn output(&self, coordinate: usize, sums: &mut [f32]) {
        if let Some(input) = self.hidden.last() {
            self.linear(self.hidden.len(), coordinate, input, sums);
        }
    }

    /// One output of a linear layer. Inputs that the mask forbids have weights of zero.
    fn linear(&self, depth: usize, output: usize, input: &Columns, sums: &mut [f32]) {
        let (weights, bias) = (&self.tensors[2 * depth], self.tensors[2 * depth + 1][output]);
        sums.fill(bias);
        let n_in = input.n_columns();
        for (index, &weight) in weights[output * n_in..][..n_in].iter().enumerate() {
            if weight != 0.0 {
                add_scaled(sums, weight, input.column(index));
            }
        }
    }
}

/// Some neurons coordinate by coordinate.
#[derive(Clone)]
struct Columns {
    /// `[n_columns, n_rows]`.
    values: Vec<f32>,
    n_rows: usize,
}

impl Columns {
    fn zeros(n_columns: usize, n_rows: usize) -> Self {
        Self { values: vec![0.0; n_columns * n_rows], n_rows }
    }

    /// `rows`: `[n_rows, dim]`.
    fn of_rows(rows: &[f32], dim: usize) -> Self {
        Self { values: transposed(rows, dim), n_rows: rows.len() / dim }
    }

    fn into_rows(self) -> Vec<f32> {
        transposed(&self.values, self.n_rows)
    }

    fn n_columns(&self) -> usize {
        self.values.len() / self.n_rows
    }

    fn column(&self, index: usize) -> &[f32] {
        &self.values[index * self.n_rows..][..self.n_rows]
    }

    fn column_mut(&mut self, index: usize) -> &mut [f32] {
        &mut self.values[index * self.n_rows..][..self.n_rows]
    }

    /// Each column times its factor plus its summand.
    fn scale_and_shift(&mut self, factors: &[f32], summands: &[f32]) {
        let columns = self.values.chunks_exact_mut(self.n_rows).zip(factors.iter().zip(summands));
        for (column, (factor, summand)) in columns {
            column.iter_mut().for_each(|value| *value = *value * factor + summand);
        }
    }
}

/// `values` `[n, width]` as `[width, n]`.
fn transposed(values: &[f32], width: usize) -> Vec<f32> {
    (0..width).flat_map(|column| values.iter().skip(column).step_by(width).copied()).collect()
}
