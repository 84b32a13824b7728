//! Which class the network at t takes each input for, where examples are points of a plane.

use std::sync::Arc;

use super::jobs::Purpose;
use super::refresh::{drop_job, fitting_pair, start};
use super::state::DataState;
use super::{AppState, BatchNormSettings, Effect};
use crate::compute::{ClassifySpec, DataRef};
use crate::data::{Dataset, Normalization, Split, SplitName, Values};
use crate::geometry::{Axis, ClassMap, Grid};
use crate::net::Network;
use crate::worker::{JobId, Lane, Request};

/// Inputs along each axis; between them logits are interpolated.
const N_INPUTS: usize = 97;
/// Room around the examples, in shares of their extent.
const MARGIN: f64 = 0.12;
/// Training examples that are drawn, evenly spread over all.
const MOST_EXAMPLES: usize = 2_000;

/// The decisions that are drawn, and the examples over them.
#[derive(Clone, Debug)]
pub struct DecisionState {
    /// The rectangle of inputs around the examples, in the data's own units.
    pub grid: Grid,
    /// Training examples and their classes.
    pub examples: Arc<Vec<([f64; 2], u16)>>,
    /// The newest decisions and the t that they belong to.
    pub map: Option<(f64, Arc<ClassMap>)>,
    /// Changes with every change of the map.
    pub revision: u64,
    /// The points of the grid, as examples.
    inputs: Arc<Dataset>,
    data_revision: u64,
    asked: Option<Asked>,
}

/// What decisions were last asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Asked {
    t: f64,
    path_revision: u64,
    batch_norm: Option<BatchNormSettings>,
}

/// Asks for the decisions at t once the last ones are there: they follow the scrubber and the bends as fast as they can.
pub(super) fn refresh(state: &mut AppState, effects: &mut Vec<Effect>) {
    let (Some(pair), Some(data), Some(path)) = (fitting_pair(state), state.data.clone(), state.path.clone()) else {
        leave(state, effects);
        return;
    };
    if data.dataset.shape.pixels() != 2 {
        leave(state, effects);
        return;
    }
    if state.decisions.as_ref().is_none_or(|shown| shown.data_revision != data.revision) {
        drop_job(state, Purpose::Decide, effects);
        state.decisions = Some(DecisionState::new(&data, &pair.network));
    }
    if state.runs_job(Purpose::Decide) {
        return;
    }
    let batch_norm = pair.network.layout().has_statistics().then_some(state.settings.batch_norm);
    let asked = Asked { t: state.t, path_revision: path.revision, batch_norm };
    let Some(decisions) = state.decisions.as_mut().filter(|shown| shown.asked != Some(asked)) else {
        return;
    };
    decisions.asked = Some(asked);
    let inputs = DataRef {
        dataset: Arc::clone(&decisions.inputs),
        split: SplitName::Test,
        normalization: data.normalization.clone(),
        limit: None,
    };
    let params = Arc::new(path.path.point(state.t));
    let spec = ClassifySpec { network: pair.network, params, inputs, batch_norm: data.batch_norm(batch_norm) };
    let label = format!("Classifying {N_INPUTS} x {N_INPUTS} inputs");
    effects.push(start(state, Purpose::Decide, Lane::Decisions, label, Request::Classify(spec)));
}

fn leave(state: &mut AppState, effects: &mut Vec<Effect>) {
    state.decisions = None;
    drop_job(state, Purpose::Decide, effects);
}

/// The logits at the points of the grid.
pub(super) fn on_classified(state: &mut AppState, job: JobId, logits: Vec<f32>) {
    if state.job_of(Purpose::Decide) != Some(job) {
        return;
    }
    let revision = state.fresh();
    if let Some(DecisionState { grid, map, asked: Some(asked), revision: shown, .. }) = &mut state.decisions {
        let n_classes = logits.len() / grid.len();
        *map = Some((asked.t, Arc::new(ClassMap::new(*grid, n_classes, logits))));
        *shown = revision;
    }
}

/// Decisions that were not finished are asked for again.
pub(super) fn on_interrupted(state: &mut AppState) {
    if let Some(decisions) = &mut state.decisions {
        decisions.asked = None;
    }
}

impl DecisionState {
    fn new(data: &DataState, network: &Network) -> Self {
        let plain = Normalization::identity(data.dataset.shape.channels);
        let examples = data.dataset.inputs(SplitName::Train, &plain);
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        let stride = examples.len().div_ceil(MOST_EXAMPLES);
        let mut drawn = Vec::with_capacity(examples.len().min(MOST_EXAMPLES));
        let mut values = [0.0; 2];
        for index in 0..examples.len() {
            examples.read(index, &mut values);
            let at = values.map(f64::from);
            for axis in 0..2 {
                low[axis] = low[axis].min(at[axis]);
                high[axis] = high[axis].max(at[axis]);
            }
            if index.is_multiple_of(stride) {
                drawn.push((at, examples.label(index)));
            }
        }
        let axis = |i: usize| {
            let extent = high[i] - low[i];
            // All examples may have the same value.
            let room = if 0.0 < extent { MARGIN * extent } else { 1.0 };
            Axis { min: low[i] - room, max: high[i] + room, n: N_INPUTS }
        };
        let grid = Grid { x: axis(0), y: axis(1) };
        Self {
            grid,
            examples: Arc::new(drawn),
            map: None,
            revision: 0,
            inputs: Arc::new(points_as_examples(&grid, &data.dataset, network.n_classes())),
            data_revision: data.revision,
            asked: None,
        }
    }
}

/// The points of a grid as the test split of a data set that has the shape of `like`.
fn points_as_examples(grid: &Grid, like: &Dataset, n_classes: usize) -> Dataset {
    let values = grid.points().into_iter().flat_map(|(x, y)| [x as f32, y as f32]).collect();
    Dataset {
        name: format!("inputs around {}", like.name),
        source: "a grid".to_owned(),
        shape: like.shape,
        max_value: like.max_value,
        class_names: (0..n_classes).map(|class| class.to_string()).collect(),
        train: Split::default(),
        test: Split { values: Values::Floats(values), labels: vec![0; grid.len()] },
        notes: Vec::new(),
    }
}
