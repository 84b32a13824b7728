//! The weights of a layer that pass on what another network computes: `W H' = Y'` in the sense of least squares over the
//! samples of a data set, by its normal equations with a ridge, `W = Y' H (H'H + lambda I)^-1` (section 1.7 of the methods).
//!
//! H: `[n_samples, n]`, what enters the layer; Y: `[n_samples, m]`, what the other network's layer gives without its bias.
//! Since `Y = H_A W_A'`, this is the methods' `W_A (H_A'H) (H'H + lambda I)^-1`, but the product that depends on both networks
//! has m columns instead of n. Products are summed in f32 over a chunk of samples and in f64 over the chunks; of the symmetric
//! `H'H` only the lower triangle is computed. In memory are that matrix, Y (in f32), and `H'Y`.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rayon::prelude::*;

use super::super::lanes::{A_UNITS, B_UNITS, Packed, STRIP, StripProducts};
use super::super::{ComputeError, DataRef};
use super::cholesky::Cholesky;
use super::layer_samples::{LayerSamples, Side};
use crate::net::{Network, ParamVec, SequenceLayer};

/// Units whose sums one thread adds up at a time.
const ROWS: usize = STRIP * A_UNITS;
/// Sums for which a step makes room: the system gives large memory page by page, which takes longer than to fill it.
const ROOM: usize = 8 << 20;

/// The weights that fit best.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fitted {
    /// `[m, n]`, in the order of the layer's weight.
    pub(super) weight: Vec<f32>,
    /// `|H W' - Y| / |Y|`; what is below a thousandth is rounding.
    pub(super) residual: f64,
}

/// The least-squares problems of one layer that share the outputs to be met.
pub(super) struct LeastSquares {
    layer: String,
    samples: LayerSamples,
    /// The summand on the diagonal, as a multiple of the diagonal's mean.
    ridge: f64,
    /// The outputs to be met, one entry a chunk.
    targets: Vec<Panels>,
    /// Sum of their squares.
    target_square: f64,
    work: Work,
    /// The chunk at work, and the matrix of the last fit: memory that is used again.
    a: Vec<[f32; A_UNITS]>,
    b: Panels,
    gram: Vec<f64>,
}

/// `[panel][sample]`.
type Panels = Vec<[f32; B_UNITS]>;

enum Work {
    Nothing,
    /// Reads the outputs to be met, chunk by chunk.
    Targets(Packed),
    /// Makes room for the sums.
    Room(Packed, Equations),
    /// Sums up the equations; the next chunk.
    Sums(Packed, usize, Equations),
    Factors(Cholesky, RightSides),
    Solves(Cholesky, RightSides, Substitutions),
}

/// `H'H`, `[n, n]` of which the lower triangle counts, and `H'Y`, `[n, m]`.
struct Equations {
    gram: Vec<f64>,
    cross: Vec<f64>,
}

/// `H'Y` in panels, and the summand that was put on the diagonal.
struct RightSides {
    panels: Vec<[f64; B_UNITS]>,
    lambda: f64,
}

/// Strips of rows that are substituted: from the first to the last through the factor, and back through its transpose.
struct Substitutions {
    /// Those that are done, both ways.
    n_done: usize,
    /// `|L^-1 H'Y|^2`, once the way there is done.
    explained: f64,
}

impl LeastSquares {
    /// `layer`, one of `network`'s, shall give what it gives in the network `target`, its bias apart.
    pub(super) fn new(
        network: &Arc<Network>,
        layer: &SequenceLayer,
        target: &ParamVec,
        data: &DataRef,
        ridge: f64,
    ) -> Self {
        let samples = LayerSamples::new(network, layer, data);
        let mut target = target.clone();
        if let Some(bias) = layer.bias {
            target.tensor_mut(bias).fill(0.0);
        }
        Self {
            layer: layer.name.clone(),
            ridge,
            targets: Vec::with_capacity(samples.n_chunks()),
            target_square: 0.0,
            work: Work::Targets(samples.pack(&target)),
            a: Vec::new(),
            b: Vec::new(),
            gram: Vec::new(),
            samples,
        }
    }

    /// What the samples are, where they are not all there are.
    pub(super) fn note(&self) -> Option<String> {
        let (layer, n) = (&self.layer, self.samples.n_samples());
        self.samples
            .is_partial()
            .then(|| format!("{layer} is fitted on {n} patches, evenly over the images and their maps"))
    }

    /// Begins to fit the layer in the network `params`, of which the layers before it matter.
    pub(super) fn start(&mut self, params: &ParamVec) {
        let [n, m] = self.shape();
        let mut gram = std::mem::take(&mut self.gram);
        gram.clear();
        gram.reserve_exact(n * n);
        let equations = Equations { gram, cross: Vec::with_capacity(n * m) };
        self.work = Work::Room(self.samples.pack(params), equations);
    }

    /// Whether the outputs to be met are still being read.
    pub(super) fn is_reading(&self) -> bool {
        matches!(self.work, Work::Targets(_))
    }

    /// Whether a fit can [start](Self::start): none runs.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.work, Work::Nothing)
    }

    /// Share done of what runs now, 0..1.
    pub(super) fn done(&self) -> f64 {
        let share = |chunks: usize| chunks as f64 / self.samples.n_chunks().max(1) as f64;
        match &self.work {
            Work::Nothing => 1.0,
            Work::Targets(_) => share(self.targets.len()),
            Work::Room(..) => 0.0,
            Work::Sums(_, chunk, _) => 0.9 * share(*chunk),
            Work::Factors(cholesky, _) => 0.9 + 0.05 * cholesky.share_done(),
            Work::Solves(cholesky, _, Substitutions { n_done, .. }) => {
                0.95 + 0.05 * *n_done as f64 / (2 * cholesky.n_strips()).max(1) as f64
            }
        }
    }

    /// A piece of the room for the sums, one chunk of samples, one block of the factorisation, or one strip of the solution;
    /// the result at last.
    pub(super) fn step(&mut self) -> Result<Option<Fitted>, ComputeError> {
        match std::mem::replace(&mut self.work, Work::Nothing) {
            Work::Nothing => {}
            Work::Targets(packed) => {
                self.read_targets(&packed);
                let is_last = self.targets.len() == self.samples.n_chunks();
                self.work = if is_last { Work::Nothing } else { Work::Targets(packed) };
            }
            Work::Room(packed, mut equations) => {
                let [n, m] = self.shape();
                let is_room = grow(&mut equations.gram, n * n) && grow(&mut equations.cross, n * m);
                self.work = if is_room { Work::Sums(packed, 0, equations) } else { Work::Room(packed, equations) };
            }
            Work::Sums(packed, chunk, mut equations) if chunk < self.samples.n_chunks() => {
                self.add(&packed, chunk, &mut equations);
                self.work = Work::Sums(packed, chunk + 1, equations);
            }
            Work::Sums(_, _, equations) => {
                let (cholesky, sides) = self.with_ridge(equations);
                self.work = Work::Factors(cholesky, sides);
            }
            Work::Factors(mut cholesky, sides) => {
                let is_last = cholesky.step().map_err(|_unfactored| self.unsolvable())?;
                self.work = if is_last {
                    Work::Solves(cholesky, sides, Substitutions { n_done: 0, explained: 0.0 })
                } else {
                    Work::Factors(cholesky, sides)
                };
            }
            Work::Solves(cholesky, mut sides, mut substitutions) => {
                substitute(&cholesky, &mut sides, &mut substitutions);
                if substitutions.n_done == 2 * cholesky.n_strips() {
                    self.gram = cholesky.into_matrix();
                    return Ok(Some(self.fitted(&sides, substitutions.explained)));
                }
                self.work = Work::Solves(cholesky, sides, substitutions);
            }
        }
        Ok(None)
    }

    /// `[n, m]`: inputs and outputs of the layer.
    fn shape(&self) -> [usize; 2] {
        [Side::Inputs, Side::Outputs].map(|side| self.samples.n_values(side))
    }

    fn unsolvable(&self) -> ComputeError {
        ComputeError::LeastSquares { layer: self.layer.clone(), ridge: self.ridge }
    }

    fn read_targets(&mut self, packed: &Packed) {
        let chunk = self.targets.len();
        self.samples.run(chunk, packed, Side::Outputs);
        let mut panels = Vec::new();
        self.samples.gather(chunk, Side::Outputs, &mut panels);
        let squares = panels.par_iter().map(|row| row.iter().map(|&y| f64::from(y).powi(2)).sum::<f64>());
        // In their order, so that the sum does not depend on the number of threads.
        self.target_square += squares.collect::<Vec<f64>>().iter().sum::<f64>();
        self.targets.push(panels);
    }

    /// Adds a chunk of samples to both sums.
    fn add(&mut self, packed: &Packed, chunk: usize, equations: &mut Equations) {
        let [n, m] = self.shape();
        self.samples.run(chunk, packed, Side::Inputs);
        let n_samples = self.samples.gather(chunk, Side::Inputs, &mut self.b);
        regroup(&self.b, n_samples, n, &mut self.a);
        let (inputs, targets) = (&self.b, &self.targets[chunk]);
        let rows = equations.gram.par_chunks_mut(ROWS * n).zip(equations.cross.par_chunks_mut(ROWS * m));
        rows.zip(self.a.par_chunks(STRIP * n_samples)).enumerate().for_each(|(index, ((gram, cross), a))| {
            // Only what lies left of the diagonal.
            let n_panels = ((index + 1) * ROWS).min(n).div_ceil(B_UNITS);
            let (room, first_column) = (n_samples, 0);
            let inputs = &inputs[..n_panels * n_samples];
            StripProducts { a, b: inputs, room, n_samples, products: gram, row_len: n, first_column }.add();
            StripProducts { a, b: targets, room, n_samples, products: cross, row_len: m, first_column }.add();
        });
    }

    /// `H'H + lambda I` and `H'Y`, as they are solved.
    fn with_ridge(&self, Equations { mut gram, cross }: Equations) -> (Cholesky, RightSides) {
        let [n, m] = self.shape();
        let mean = (0..n).map(|i| gram[i * n + i]).sum::<f64>() / n as f64;
        // Where nothing comes in, nothing is passed on.
        let lambda = if mean == 0.0 { 1.0 } else { self.ridge * mean };
        (0..n).for_each(|i| gram[i * n + i] += lambda);
        let mut panels = vec![[0.0; B_UNITS]; m.div_ceil(B_UNITS) * n];
        for (i, row) in cross.chunks_exact(m).enumerate() {
            for (panel, values) in row.chunks(B_UNITS).enumerate() {
                panels[panel * n + i][..values.len()].copy_from_slice(values);
            }
        }
        (Cholesky::new(gram, n), RightSides { panels, lambda })
    }

    /// From the solution `W`. With `G = L L' - lambda I`, `C = H'Y` and `Z = L^-1 C`:
    /// `|H W' - Y|^2 = |Y|^2 - |Z|^2 - lambda |W|^2`.
    fn fitted(&self, RightSides { panels, lambda }: &RightSides, explained: f64) -> Fitted {
        let [n, m] = self.shape();
        let rest = self.target_square - explained - lambda * square(panels);
        let residual = if self.target_square == 0.0 { 0.0 } else { (rest.max(0.0) / self.target_square).sqrt() };
        let mut weight = vec![0.0; m * n];
        weight.par_chunks_mut(n).enumerate().for_each(|(output, weights)| {
            let column = &panels[output / B_UNITS * n..][..n];
            weights.iter_mut().zip(column).for_each(|(weight, row)| *weight = row[output % B_UNITS] as f32);
        });
        Fitted { weight, residual }
    }
}

/// Adds zeros up to a length, so many at a time; whether it is reached.
fn grow(sums: &mut Vec<f64>, len: usize) -> bool {
    sums.resize(len.min(sums.len() + ROOM), 0.0);
    sums.len() == len
}

/// The next strip.
fn substitute(cholesky: &Cholesky, sides: &mut RightSides, substitutions: &mut Substitutions) {
    let (strip, n_strips) = (substitutions.n_done, cholesky.n_strips());
    if strip < n_strips {
        cholesky.solve_lower(strip, &mut sides.panels);
    } else {
        cholesky.solve_upper(2 * n_strips - 1 - strip, &mut sides.panels);
    }
    substitutions.n_done += 1;
    if substitutions.n_done == n_strips {
        substitutions.explained = square(&sides.panels);
    }
}

/// Sum of the squares.
fn square(panels: &[[f64; B_UNITS]]) -> f64 {
    panels.as_flattened().iter().map(|value| value * value).sum()
}

/// The same `n` columns in panels of A.
fn regroup(b: &[[f32; B_UNITS]], n_samples: usize, n: usize, a: &mut Vec<[f32; A_UNITS]>) {
    a.resize(n.div_ceil(A_UNITS) * n_samples, [0.0; A_UNITS]);
    a.par_chunks_mut(n_samples).enumerate().for_each(|(index, panel)| {
        let (first, offset) = (index * A_UNITS / B_UNITS, index * A_UNITS % B_UNITS);
        let n_first = A_UNITS.min(B_UNITS - offset);
        for (units, row) in panel.iter_mut().zip(&b[first * n_samples..][..n_samples]) {
            units[..n_first].copy_from_slice(&row[offset..offset + n_first]);
        }
        // What the next panel of B holds of them, if there is one.
        let next = b.get((first + 1) * n_samples..).unwrap_or(&[]);
        for (units, row) in panel.iter_mut().zip(next) {
            units[n_first..].copy_from_slice(&row[..A_UNITS - n_first]);
        }
    });
}
