//! Which plane is drawn, and which part of it.

use std::sync::Arc;

use super::jobs::Purpose;
use super::refresh::{drop_job, fitting_pair, start};
use super::state::{OwnPlane, Pair, PathState, PlaneChoice, PlaneState};
use super::{AppState, Effect, ThirdPoint, placing};
use crate::geometry::{Axis, Grid, PathPlane, Plane, PlaneError, arc_centre};
use crate::net::ParamVec;
use crate::worker::{JobId, Lane, Request};

/// Name of the third point that serves when there is no bend off the segment.
const MEAN_NEURON: &str = "mean neuron";
/// The same where no point but the whole path decides.
const WHOLE_PATH: &str = "the path";
/// Distance off the plane, in shares of |B - A|, up to which the bend counts as lying in it.
const ON_PLANE: f64 = 1e-4;
/// Width of the region that is evaluated over its height, at least and at most.
const PICTURE_ASPECT: f64 = 1.9;

/// Whether a plane's third point is one that can be marked, and no mere direction.
pub fn marks_third_point(third: &str) -> bool {
    third != WHOLE_PATH && !third.starts_with("random")
}

/// Has the plane sought that shows most of the path, once it is at rest, where the settings ask for it.
pub(super) fn seek_own(state: &mut AppState, effects: &mut Vec<Effect>) {
    // A search for a path that has changed since holds the picture back for nothing.
    let awaited = state.path.as_ref().and_then(|path| {
        let own = path.own_plane.as_ref()?;
        (own.path_revision == path.revision && own.found.is_none()).then_some(own.job)
    });
    if state.job_of(Purpose::PathPlane) != awaited {
        drop_job(state, Purpose::PathPlane, effects);
    }
    let is_wanted = state.settings.plane.third == ThirdPoint::BestOfPath && state.compare.running.is_none();
    if !is_wanted || state.is_path_moving() || fitting_pair(state).is_none() {
        return;
    }
    let Some(path) = state.path.as_ref().filter(|path| !path.is_straight()) else {
        return;
    };
    let path_revision = path.revision;
    if path.own_plane.as_ref().is_some_and(|own| own.path_revision == path_revision) {
        return;
    }
    let request = Request::FindPlane { path: Arc::clone(&path.path) };
    let label = "Finding the plane of the path".to_owned();
    effects.push(start(state, Purpose::PathPlane, Lane::PathPlane, label, request));
    if let (Some(job), Some(path)) = (state.job_of(Purpose::PathPlane), &mut state.path) {
        path.own_plane = Some(OwnPlane { path_revision, job, found: None });
    }
}

/// The plane of a path was found; it is of no interest if the path has changed.
pub(super) fn on_found(state: &mut AppState, job: JobId, found: Result<Arc<PathPlane>, PlaneError>) {
    let own = state.path.as_mut().and_then(|path| path.own_plane.as_mut());
    if let Some(own) = own.filter(|own| own.job == job) {
        own.found = Some(found);
        state.plane_choice = None;
    }
}

/// Whether the plane through the ends and a bend is still to be found, which passes over all weights more than once.
pub(super) fn awaits_bend_plane(state: &AppState, path: &PathState) -> bool {
    let third = state.settings.plane.third;
    let follows_bend = third == ThirdPoint::Bend || third == ThirdPoint::BestOfPath && path.own_plane().is_none();
    // While the path moves, the plane of where it was a moment ago will do.
    let serves = |choice: &PlaneChoice| {
        state.is_fitting() || !choice.name.starts_with("bend") || goes_through_bend(&choice.plane, path)
    };
    let is_chosen =
        state.plane_choice.as_ref().is_some_and(|choice| is_choice_for(choice, state, path) && serves(choice));
    follows_bend
        && !is_chosen
        && !path.by_hand
        && !path.is_straight()
        && !path.path.bends().is_empty()
        && !placing::has_no_bend_plane(state, path.revision)
        && !state.plane.as_ref().is_some_and(|shown| goes_through_bend(&shown.plane, path))
}

fn is_choice_for(choice: &PlaneChoice, state: &AppState, path: &PathState) -> bool {
    let wanted = (path.revision, state.settings.plane.third, state.modes.len());
    (choice.path_revision, choice.third, choice.n_modes) == wanted
}

/// Whether a plane is put through the ends and a bend of this very path.
fn goes_through_bend(plane: &Plane, path: &PathState) -> bool {
    let [a, b, c] = plane.basis();
    let joins = Arc::ptr_eq(a, path.path.start()) && Arc::ptr_eq(b, path.path.end());
    joins && path.path.bends().iter().any(|bend| Arc::ptr_eq(bend, c))
}

/// Takes the plane through a bend for the path's; of one that has moved on meanwhile it is as good as any.
pub(super) fn choose_placed(state: &mut AppState, plane: &Arc<Plane>, bend: usize) {
    let (third, n_modes) = (state.settings.plane.third, state.modes.len());
    if let Some(path) = &state.path {
        let (plane, name) = (Arc::clone(plane), format!("bend {}", bend + 1));
        state.plane_choice = Some(PlaneChoice { path_revision: path.revision, third, n_modes, plane, name });
    }
}

/// The plane that the settings ask for and the name of its third point, worked out once for each path.
pub(super) fn chosen_plane(state: &mut AppState, pair: &Pair, path: &PathState) -> Option<(Arc<Plane>, String)> {
    let (third, n_modes) = (state.settings.plane.third, state.modes.len());
    if let Some(choice) = state.plane_choice.as_ref().filter(|choice| is_choice_for(choice, state, path)) {
        return Some((Arc::clone(&choice.plane), choice.name.clone()));
    }
    let (plane, name) = choose_plane(state, pair, path)?;
    let choice = PlaneChoice { path_revision: path.revision, third, n_modes, plane, name };
    let found = (Arc::clone(&choice.plane), choice.name.clone());
    state.plane_choice = Some(choice);
    Some(found)
}

/// The plane that the settings ask for; the one shown now if it still serves.
fn choose_plane(state: &AppState, pair: &Pair, path: &PathState) -> Option<(Arc<Plane>, String)> {
    let (a, b) = (path.path.start(), path.path.end());
    if let Some(own) = path.own_plane().filter(|_| state.settings.plane.third == ThirdPoint::BestOfPath) {
        return Some((Arc::clone(&own.plane), WHOLE_PATH.to_owned()));
    }
    let shown = state.plane.as_ref();
    // The plane in which the user drags a bend stays while they do: another one would move it under the mouse.
    let dragged_in = shown.filter(|s| {
        let follows_bends = s.third.starts_with("bend") || s.third == MEAN_NEURON;
        let joins = Arc::ptr_eq(&s.plane.basis()[0], a) && Arc::ptr_eq(&s.plane.basis()[1], b);
        path.by_hand && state.settings.plane.third == ThirdPoint::Bend && follows_bends && joins
    });
    if let Some(shown) = dragged_in {
        return Some((Arc::clone(&shown.plane), shown.third.clone()));
    }
    let (third, name): (Option<Arc<ParamVec>>, String) = match state.settings.plane.third {
        ThirdPoint::Bend | ThirdPoint::BestOfPath => {
            if let Some(shown) = shown.filter(|shown| goes_through_bend(&shown.plane, path)) {
                return Some((Arc::clone(&shown.plane), shown.third.clone()));
            }
            match path.path.plane_through_bend() {
                Some((index, plane)) => return Some((Arc::new(plane), format!("bend {}", index + 1))),
                None => (None, String::new()),
            }
        }
        ThirdPoint::MeanNeuron | ThirdPoint::Random(_) => (None, String::new()),
        ThirdPoint::Mode(index) => {
            let mode = state.modes.get(index)?;
            (mode.mode.params_for(&pair.network).ok(), state.letter(mode.id))
        }
        ThirdPoint::OriginalB => (Some(Arc::clone(&pair.b)), "B as loaded".to_owned()),
    };
    if let Some(c) = third {
        let reusable = shown
            .filter(|s| s.third == name && Arc::ptr_eq(&s.plane.basis()[0], a) && Arc::ptr_eq(&s.plane.basis()[1], b));
        if let Some(shown) = reusable {
            let spot = shown.plane.project(std::slice::from_ref(&c)).at(&[1.0]);
            if spot.off <= ON_PLANE * shown.plane.length() {
                return Some((Arc::clone(&shown.plane), name));
            }
        }
        if let Ok(plane) = Plane::through(Arc::clone(a), Arc::clone(b), c) {
            return Some((Arc::new(plane), name));
        }
    }
    if let ThirdPoint::Random(seed) = state.settings.plane.third {
        return random_plane(shown, a, b, seed);
    }
    let name = MEAN_NEURON.to_owned();
    let keeps =
        |s: &&PlaneState| s.third == name && Arc::ptr_eq(&s.plane.basis()[0], a) && Arc::ptr_eq(&s.plane.basis()[1], b);
    if let Some(shown) = shown.filter(keeps) {
        return Some((Arc::clone(&shown.plane), name));
    }
    let centre = Arc::new(arc_centre(&pair.network, a, b));
    match Plane::through(Arc::clone(a), Arc::clone(b), centre) {
        Ok(plane) => Some((Arc::new(plane), name)),
        Err(_flat) => random_plane(shown, a, b, 0),
    }
}

fn random_plane(
    shown: Option<&PlaneState>,
    a: &Arc<ParamVec>,
    b: &Arc<ParamVec>,
    seed: u64,
) -> Option<(Arc<Plane>, String)> {
    let name = format!("random direction {seed}");
    let keeps = |s: &&PlaneState| s.third == name && Arc::ptr_eq(&s.plane.basis()[0], a);
    if let Some(shown) = shown.filter(keeps) {
        return Some((Arc::clone(&shown.plane), name));
    }
    Plane::random(Arc::clone(a), Arc::clone(b), seed).ok().map(|plane| (Arc::new(plane), name))
}

/// What the user zoomed to, or the points with a margin around them.
pub(super) fn grid_around(plane: &Plane, state: &AppState, path: &PathState) -> Grid {
    let (settings, shown) = (&state.settings.plane, state.plane.as_ref());
    if let Some([x0, x1, y0, y1]) = state.look {
        return Grid { x: Axis { min: x0, max: x1, n: settings.nx }, y: Axis { min: y0, max: y1, n: settings.ny } };
    }
    // While the user drags a bend the frame must not move under the mouse.
    if let Some(shown) = shown.filter(|s| path.by_hand && std::ptr::eq(&*s.plane, plane))
        && (shown.grid.x.n, shown.grid.y.n) == (settings.nx, settings.ny)
    {
        return shown.grid;
    }
    let [_, b, c] = plane.anchors();
    let (mut left, mut right) = (c.0.min(0.0), c.0.max(b.0));
    let (mut low, mut high) = (c.1.min(0.0), c.1.max(0.0));
    if let Some(own) = path.own_plane().filter(|own| std::ptr::eq(&*own.plane, plane)) {
        let [x0, x1, y0, y1] = own.extent;
        (left, right, low, high) = (left.min(x0), right.max(x1), low.min(y0), high.max(y1));
    }
    let (mx, my) = (settings.margin * plane.length(), settings.margin * plane.height());
    let (width, height) = (right - left + 2.0 * mx, high - low + 2.0 * my);
    // Widened to the shape of the picture: a bend near the straight line would otherwise leave a thin strip.
    let wider = 0.5 * (height * PICTURE_ASPECT - width).max(0.0);
    let higher = 0.5 * (width / PICTURE_ASPECT - height).max(0.0);
    Grid {
        x: Axis { min: left - mx - wider, max: right + mx + wider, n: settings.nx },
        y: Axis { min: low - my - higher, max: high + my + higher, n: settings.ny },
    }
}
