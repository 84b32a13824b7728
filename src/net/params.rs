//! Parameters as one flat vector with named tensors laid over it: geometry wants the vector, checkpoints, devices and
//! permutations want the tensors.

use std::sync::Arc;

use super::Init;

/// Sums that an inner product is added up in.
const DOT_SUMS: usize = 16;
/// Values of a combination that are summed before they are rounded: few enough to stay in the nearest cache.
const COMBINED_AT_ONCE: usize = 1024;

/// Index of a tensor in a [`ParamLayout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamId(pub usize);

/// What a tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParamKind {
    /// Of a linear or convolutional layer.
    Weight,
    Bias,
    /// Factor and summand of a normalisation.
    Scale,
    Shift,
    /// Running statistics of batch norm: measured, not trained.
    RunningMean,
    RunningVar,
}

impl ParamKind {
    /// Whether it is a coordinate of weight space, which gradients move and distances count.
    pub fn is_trained(self) -> bool {
        !matches!(self, Self::RunningMean | Self::RunningVar)
    }
}

/// One named tensor of the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamSpec {
    pub name: String,
    pub kind: ParamKind,
    pub shape: Vec<usize>,
    /// Index of its first value in the flat vector.
    pub offset: usize,
    /// Inputs that feed one output, for the initialisation of this tensor.
    pub fan_in: usize,
}

impl ParamSpec {
    /// Number of values.
    pub fn n_values(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Names, shapes and places of all tensors of a network, in order of depth. In the flat vector all trained tensors come
/// first, the running statistics behind them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamLayout {
    specs: Vec<ParamSpec>,
    n_trained: usize,
    len: usize,
}

impl ParamLayout {
    /// Adds a tensor behind the others of its part.
    pub fn push(&mut self, name: String, kind: ParamKind, shape: Vec<usize>, fan_in: usize) -> ParamId {
        let n_values: usize = shape.iter().product();
        let offset = if kind.is_trained() {
            for spec in self.specs.iter_mut().filter(|spec| !spec.kind.is_trained()) {
                spec.offset += n_values;
            }
            self.n_trained += n_values;
            self.n_trained - n_values
        } else {
            self.len
        };
        self.specs.push(ParamSpec { name, kind, shape, offset, fan_in });
        self.len += n_values;
        ParamId(self.specs.len() - 1)
    }

    /// The same places under other names, one a tensor; `None` if their number is not the layout's.
    pub fn renamed(&self, names: Vec<String>) -> Option<Self> {
        if names.len() != self.specs.len() {
            return None;
        }
        let mut renamed = self.clone();
        for (spec, name) in renamed.specs.iter_mut().zip(names) {
            spec.name = name;
        }
        Some(renamed)
    }

    /// Tensors in order.
    pub fn specs(&self) -> &[ParamSpec] {
        &self.specs
    }

    /// One tensor.
    pub fn spec(&self, id: ParamId) -> &ParamSpec {
        &self.specs[id.0]
    }

    /// Number of trained values: the first so many of the flat vector.
    pub fn n_trained(&self) -> usize {
        self.n_trained
    }

    /// Whether there are running statistics.
    pub fn has_statistics(&self) -> bool {
        self.n_trained < self.len
    }

    /// Number of values of the flat vector.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no parameters at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// A point in weight space: a flat vector `[layout.len()]` and the layout that names its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamVec {
    layout: Arc<ParamLayout>,
    values: Vec<f32>,
}

impl ParamVec {
    /// Wraps a flat vector; `None` if its length is not the layout's.
    pub fn new(layout: Arc<ParamLayout>, values: Vec<f32>) -> Option<Self> {
        (values.len() == layout.len()).then_some(Self { layout, values })
    }

    /// All zeros.
    pub fn zeros(layout: Arc<ParamLayout>) -> Self {
        let values = vec![0.0; layout.len()];
        Self { layout, values }
    }

    /// Initial weights by PyTorch's defaults.
    pub fn random(layout: Arc<ParamLayout>, rng: &mut impl rand::Rng) -> Self {
        Init::Torch.draw(&layout, rng)
    }

    pub fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    pub fn values(&self) -> &[f32] {
        &self.values
    }

    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The trained values: the coordinates of weight space, without running statistics.
    pub fn trained(&self) -> &[f32] {
        &self.values[..self.layout.n_trained]
    }

    /// The values of one tensor, row-major.
    pub fn tensor(&self, id: ParamId) -> &[f32] {
        let spec = self.layout.spec(id);
        &self.values[spec.offset..spec.offset + spec.n_values()]
    }

    pub fn tensor_mut(&mut self, id: ParamId) -> &mut [f32] {
        let spec = self.layout.spec(id);
        let range = spec.offset..spec.offset + spec.n_values();
        &mut self.values[range]
    }

    /// `sum_i c_i w_i`, summed in f64.
    ///
    /// `basis`: at least one vector, all of one length; `coefficients`: one a vector.
    pub fn combination(basis: &[Arc<Self>], coefficients: &[f64]) -> Self {
        assert_eq!(basis.len(), coefficients.len(), "one coefficient a basis vector");
        let n = basis[0].values.len();
        let mut values = Vec::with_capacity(n);
        let mut sums = [0.0_f64; COMBINED_AT_ONCE];
        for first in (0..n).step_by(COMBINED_AT_ONCE) {
            let places = first..n.min(first + COMBINED_AT_ONCE);
            let sums = &mut sums[..places.len()];
            sums.fill(0.0);
            for (vector, &c) in basis.iter().zip(coefficients).filter(|(_, c)| **c != 0.0) {
                for (sum, &w) in sums.iter_mut().zip(&vector.values[places.clone()]) {
                    *sum += c * f64::from(w);
                }
            }
            values.extend(sums.iter().map(|&sum| sum as f32));
        }
        Self { layout: Arc::clone(&basis[0].layout), values }
    }

    /// `<self - origin, other - origin>` over the trained values, in f64.
    pub fn dot_from(&self, origin: &Self, other: &Self) -> f64 {
        let (a, a_rest) = self.trained().as_chunks::<DOT_SUMS>();
        let (b, b_rest) = other.trained().as_chunks::<DOT_SUMS>();
        let (o, o_rest) = origin.trained().as_chunks::<DOT_SUMS>();
        let product = |a: f32, b: f32, o: f32| (f64::from(a) - f64::from(o)) * (f64::from(b) - f64::from(o));
        // Several sums at a time: one alone would wait for each addition.
        let mut sums = [0.0; DOT_SUMS];
        for ((a, b), o) in a.iter().zip(b).zip(o) {
            for (place, sum) in sums.iter_mut().enumerate() {
                *sum += product(a[place], b[place], o[place]);
            }
        }
        let rest = a_rest.iter().zip(b_rest).zip(o_rest).map(|((&a, &b), &o)| product(a, b, o));
        sums.iter().sum::<f64>() + rest.sum::<f64>()
    }

    /// Euclidean distance over the trained values, in f64.
    pub fn distance(&self, other: &Self) -> f64 {
        self.dot_from(other, self).sqrt()
    }

    /// Number of NaN and infinite values, and the names of the tensors that hold them.
    pub fn non_finite(&self) -> (usize, Vec<&str>) {
        let mut count = 0;
        let mut tensors = Vec::new();
        for spec in self.layout.specs() {
            let values = &self.values[spec.offset..spec.offset + spec.n_values()];
            let bad = values.iter().filter(|v| !v.is_finite()).count();
            if 0 < bad {
                count += bad;
                tensors.push(spec.name.as_str());
            }
        }
        (count, tensors)
    }

    /// The same values under another network's names (their layouts must have the same shapes).
    pub fn renamed(&self, layout: Arc<ParamLayout>) -> Option<Self> {
        Self::new(layout, self.values.clone())
    }
}
