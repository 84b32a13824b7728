//! Which images excite the matched units of two networks most, and how the two respond to the same images.
//!
//! A unit of a map has a value at every position: an image excites it as much as its largest value says, and its response to
//! the image as a whole is their mean.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batches::{ImageOrder, check_fit};
use super::evaluate::DataRef;
use super::excite_lanes::LanesResponses;
use super::excite_tensors::TensorResponses;
use super::{ComputeError, Engine};
use crate::data::SplitName;
use crate::net::{Network, ParamVec, Reading};

/// Most images whose responses are told one by one.
const MOST_SAMPLES: usize = 512;

/// Pairs of units, and the images that are shown to them.
#[derive(Clone, Debug)]
pub struct ExciteSpec {
    pub network: Arc<Network>,
    pub a: Arc<ParamVec>,
    /// B with its units in A's order, in A's layout.
    pub aligned: Arc<ParamVec>,
    /// The permutation group, and the units of A in it.
    pub group: usize,
    pub places: Vec<usize>,
    pub data: DataRef,
    /// Images that are named for each unit.
    pub n_top: usize,
}

/// What excites some pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Excited {
    pub split: SplitName,
    /// Images that were shown: the first so many of the split.
    pub n_images: usize,
    /// Units have a value at each of several positions of a map.
    pub has_positions: bool,
    /// The images of the pairs' responses, at most 512, evenly spread over all.
    pub sampled: Vec<u32>,
    /// One a place of the spec, in order.
    pub pairs: Vec<ExcitedPair>,
}

/// A unit of A and its partner. Images by number within the split, the most exciting first.
#[derive(Clone, Debug, PartialEq)]
pub struct ExcitedPair {
    pub place: usize,
    /// What excites one of them; nothing if it gives the same for every image.
    pub by_a: Vec<u32>,
    pub by_b: Vec<u32>,
    /// What excites both: by the sum of their excitations, each in deviations from its mean over all images.
    pub by_both: Vec<u32>,
    /// For each sampled image the response of A's unit and that of its partner.
    pub responses: Vec<[f32; 2]>,
}

/// Values of some units for some images, `[unit][image]`: the largest over positions, and the mean.
#[derive(Clone, Debug, Default)]
pub(super) struct Responses {
    pub(super) peaks: Vec<f32>,
    pub(super) means: Vec<f32>,
}

/// What computes responses: the lanes on the CPU, burn's operations on a GPU.
enum Source {
    Lanes(Box<LanesResponses>),
    Tensors(Box<TensorResponses>),
}

/// A running search; call [`Self::step`] until it is finished.
pub struct Excite {
    spec: ExciteSpec,
    source: Source,
    order: ImageOrder,
    n_done: usize,
    /// For A and aligned B, and each place: the peak for every image so far, and the means for those that are sampled.
    peaks: [Vec<Vec<f32>>; 2],
    means: [Vec<Vec<f32>>; 2],
    sampled: Vec<u32>,
}

impl Excite {
    /// # Errors
    /// When the network does not take the images, or has no such group or units.
    pub fn new(engine: &Engine, spec: ExciteSpec) -> Result<Self, ComputeError> {
        check_fit(&spec.network, &spec.data)?;
        let reading = reading(&spec)?;
        let source = if engine.is_gpu() {
            Source::Tensors(Box::new(TensorResponses::new(engine, &spec, reading)))
        } else {
            Source::Lanes(Box::new(LanesResponses::new(&spec, reading)))
        };
        let order = ImageOrder::sequential(spec.data.n_images());
        let empty = || [vec![Vec::new(); spec.places.len()], vec![Vec::new(); spec.places.len()]];
        Ok(Self { source, order, n_done: 0, peaks: empty(), means: empty(), sampled: Vec::new(), spec })
    }

    /// Share of the images that were shown, 0..1.
    pub fn done(&self) -> f64 {
        self.n_done as f64 / self.order.len().max(1) as f64
    }

    /// Works for about `budget`; after the last image what was found.
    pub fn step(&mut self, budget: Duration) -> Result<Option<Excited>, ComputeError> {
        let deadline = Instant::now() + budget;
        while self.n_done < self.order.len() {
            self.show_block()?;
            if deadline <= Instant::now() {
                break;
            }
        }
        Ok((self.n_done == self.order.len()).then(|| self.found()))
    }

    fn show_block(&mut self) -> Result<(), ComputeError> {
        let block_images = match &self.source {
            Source::Lanes(lanes) => lanes.block_images(),
            Source::Tensors(tensors) => tensors.block_images(),
        };
        let indices = self.order.range(self.n_done..self.order.len().min(self.n_done + block_images));
        let found = match &self.source {
            Source::Lanes(lanes) => lanes.responses(&self.spec.data, indices),
            Source::Tensors(tensors) => tensors.responses(&self.spec.data, indices)?,
        };
        let stride = self.order.len().div_ceil(MOST_SAMPLES);
        let is_sampled = |image: usize| (self.n_done + image).is_multiple_of(stride);
        let sampled: Vec<usize> = (0..indices.len()).filter(|&image| is_sampled(image)).collect();
        self.sampled.extend(sampled.iter().map(|&image| indices[image]));
        for ((peaks, means), found) in self.peaks.iter_mut().zip(&mut self.means).zip(found) {
            let units = found.peaks.chunks_exact(indices.len()).zip(found.means.chunks_exact(indices.len()));
            for ((peaks, means), (new_peaks, new_means)) in peaks.iter_mut().zip(means).zip(units) {
                peaks.extend_from_slice(new_peaks);
                means.extend(sampled.iter().map(|&image| new_means[image]));
            }
        }
        self.n_done += indices.len();
        Ok(())
    }

    fn found(&mut self) -> Excited {
        let [peaks_a, peaks_b] = &self.peaks;
        let [means_a, means_b] = &self.means;
        let pair = |(index, &place): (usize, &usize)| {
            let [a, b] = [&peaks_a[index], &peaks_b[index]].map(|peaks| standardised(peaks));
            let alone =
                |scores: &Option<Vec<f64>>| scores.as_ref().map_or_else(Vec::new, |s| strongest(s, self.spec.n_top));
            let both = match (&a, &b) {
                (Some(a), Some(b)) => Some(a.iter().zip(b).map(|(a, b)| a + b).collect()),
                (one, other) => one.clone().or_else(|| other.clone()),
            };
            let responses = means_a[index].iter().zip(&means_b[index]).map(|(&a, &b)| [a, b]).collect();
            ExcitedPair { place, by_a: alone(&a), by_b: alone(&b), by_both: alone(&both), responses }
        };
        Excited {
            split: self.spec.data.split,
            n_images: self.order.len(),
            has_positions: reading(&self.spec).is_ok_and(|reading| has_positions(&self.spec.network, reading)),
            sampled: std::mem::take(&mut self.sampled),
            pairs: self.spec.places.iter().enumerate().map(pair).collect(),
        }
    }
}

/// Where the units are seen first.
fn reading(spec: &ExciteSpec) -> Result<&Reading, ComputeError> {
    let ExciteSpec { network, group, places, .. } = spec;
    let wrong = |text: String| ComputeError::Permutations(text);
    let found = network.groups().get(*group);
    let found =
        found.ok_or_else(|| wrong(format!("expected one of {} groups, found {group}", network.groups().len())))?;
    if let Some(place) = places.iter().find(|place| found.n_units <= **place) {
        return Err(wrong(format!("{}: expected units below {}, found {place}", found.name, found.n_units)));
    }
    found.readings.first().ok_or_else(|| wrong(format!("the units of {} are not seen anywhere", found.name)))
}

fn has_positions(network: &Network, reading: &Reading) -> bool {
    1 < network.nodes()[reading.node.0].shape[1..].iter().product::<usize>()
}

/// The channels that show the units of A at `places`.
pub(super) fn channels_of(spec: &ExciteSpec, reading: &Reading) -> Vec<usize> {
    spec.places.iter().map(|&place| reading.channels[place]).collect()
}

/// Values less their mean, in deviations; `None` for a unit that gives the same for every image. What is not finite takes no
/// part and stays NaN.
fn standardised(values: &[f32]) -> Option<Vec<f64>> {
    let finite = || values.iter().filter(|value| value.is_finite()).map(|&value| f64::from(value));
    let n = finite().count() as f64;
    let mean = finite().sum::<f64>() / n;
    let deviation = (finite().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    let mut others = finite();
    let first = others.next()?;
    if others.all(|value| value == first) {
        return None;
    }
    let of = |&value: &f32| if value.is_finite() { (f64::from(value) - mean) / deviation } else { f64::NAN };
    Some(values.iter().map(of).collect())
}

/// The places of the `n` largest scores, the largest first; of equal ones the earlier first.
fn strongest(scores: &[f64], n: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..scores.len() as u32).filter(|&i| !scores[i as usize].is_nan()).collect();
    let by_score = |i: &u32, j: &u32| scores[*j as usize].total_cmp(&scores[*i as usize]).then(i.cmp(j));
    if n < order.len() {
        order.select_nth_unstable_by(n, by_score);
        order.truncate(n);
    }
    order.sort_unstable_by(by_score);
    order
}
