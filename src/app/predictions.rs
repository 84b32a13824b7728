//! What the network at t makes of a few test images.

use super::jobs::Purpose;
use super::refresh::{fitting_pair, start};
use super::state::DataState;
use super::{AppState, BatchNormSettings, Effect};
use crate::data::SplitName;
use crate::worker::{JobId, Lane, PredictSpec, Request};

/// Images that are looked at: the first ones of the test split.
const N_IMAGES: usize = 8;

/// The predictions that are shown.
#[derive(Clone, Debug, Default)]
pub struct PredictionState {
    /// One an image, once they are there.
    pub found: Vec<Prediction>,
    /// Changes whenever the images do.
    pub data_revision: u64,
    asked: Option<Asked>,
}

/// What a network makes of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The class that it is.
    pub label: usize,
    /// The most probable class, and its probability by the softmax of the logits.
    pub class: usize,
    pub probability: f64,
}

/// What predictions were last asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Asked {
    t: f64,
    path_revision: u64,
    data_revision: u64,
    batch_norm: Option<BatchNormSettings>,
}

/// Shows predictions, or no longer.
pub(super) fn show(state: &mut AppState, shown: bool) {
    state.predictions = shown.then(PredictionState::default);
}

/// Asks for the predictions at t once the last ones are there: they follow the scrubber as fast as they can.
pub(super) fn refresh(state: &mut AppState, effects: &mut Vec<Effect>) {
    let (Some(pair), Some(data), Some(path)) = (fitting_pair(state), state.data.clone(), state.path.clone()) else {
        return;
    };
    if state.predictions.is_none() || state.runs_job(Purpose::Predict) {
        return;
    }
    let batch_norm = pair.network.layout().has_statistics().then_some(state.settings.batch_norm);
    let asked = Asked { t: state.t, path_revision: path.revision, data_revision: data.revision, batch_norm };
    let Some(shown) = state.predictions.as_mut().filter(|shown| shown.asked != Some(asked)) else {
        return;
    };
    shown.asked = Some(asked);
    let spec = PredictSpec {
        network: pair.network,
        path: path.path,
        t: asked.t,
        inputs: data.split(SplitName::Test, Some(N_IMAGES)),
        batch_norm: data.batch_norm(batch_norm),
    };
    let label = format!("Classifying {N_IMAGES} images");
    effects.push(start(state, Purpose::Predict, Lane::Predictions, label, Request::Predict(spec)));
}

/// The logits of the images.
pub(super) fn on_classified(state: &mut AppState, job: JobId, logits: &[f32]) {
    let (Some(data), Some(shown)) = (&state.data, &mut state.predictions) else {
        return;
    };
    let of_these = shown.asked.is_some_and(|asked| asked.data_revision == data.revision);
    if !of_these || state.jobs.get(&job).is_none_or(|info| info.purpose != Purpose::Predict) {
        return;
    }
    shown.found = read(data, logits);
    shown.data_revision = data.revision;
}

/// Predictions that were not finished are asked for again.
pub(super) fn on_interrupted(state: &mut AppState) {
    if let Some(shown) = &mut state.predictions {
        shown.asked = None;
    }
}

fn read(data: &DataState, logits: &[f32]) -> Vec<Prediction> {
    let labels = &data.dataset.test.labels;
    let n_images = labels.len().clamp(1, N_IMAGES);
    let rows = logits.chunks_exact((logits.len() / n_images).max(1));
    labels.iter().zip(rows).map(|(&label, row)| predicted(usize::from(label), row)).collect()
}

/// Logits that are not numbers have no most probable class: the first is named, with probability NaN.
fn predicted(label: usize, logits: &[f32]) -> Prediction {
    let class = (0..logits.len()).fold(0, |best, i| if logits[best] < logits[i] { i } else { best });
    let highest = f64::from(logits[class]);
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - highest).exp()).sum();
    Prediction { label, class, probability: 1.0 / sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_probable_class_has_the_softmax_of_the_largest_logit() {
        let found = predicted(1, &[0.0, 3.0_f32.ln(), 0.0]);
        assert_eq!((found.label, found.class), (1, 1));
        assert!((found.probability - 0.6).abs() < 1e-6);
        assert!(predicted(0, &[f32::NAN, 1.0]).probability.is_nan());
        assert_eq!(predicted(0, &[-1e30, 1e30]).probability, 1.0, "no overflow");
    }
}
