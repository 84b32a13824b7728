//! A path between two modes: one stage or several, joined end to end.

use std::sync::Arc;

use super::stage::{Measured, StageProjection};
use super::{Curve, Family, Plane, PlanePoint, Stage, arc_centre};
use crate::net::{Network, ParamVec};

/// A path between two modes; t runs from 0 to 1 and is divided evenly among the stages.
#[derive(Clone, Debug)]
pub struct Path {
    family: Family,
    stages: Vec<Measured>,
}

/// Points of a path as combinations of vectors: what `compute` evaluates.
#[derive(Clone, Debug)]
pub struct Sample {
    pub basis: Vec<Arc<ParamVec>>,
    /// One row a point, one coefficient a vector.
    pub rows: Vec<Vec<f64>>,
}

impl Path {
    /// Joins `a` to `b`.
    ///
    /// `bends` replaces the number of bends of the curve; it must be empty for curves without.
    pub fn new(network: &Network, curve: Curve, a: Arc<ParamVec>, b: Arc<ParamVec>, bends: Vec<Arc<ParamVec>>) -> Self {
        let curve = curve.with_bends(bends.len());
        debug_assert_eq!(curve.n_bends(), bends.len(), "a curve without bends was given some");
        let basis = match curve {
            Curve::Linear => vec![a, b],
            Curve::Arc => {
                let centre = Arc::new(arc_centre(network, &a, &b));
                vec![a, b, centre]
            }
            Curve::Chain { .. } | Curve::Bezier { .. } => {
                let mut basis = vec![a];
                basis.extend(bends);
                basis.push(b);
                basis
            }
        };
        Self::staged(curve.into(), vec![Stage::Curve { curve, basis }])
    }

    /// A path whose bends stand at equal distances on the segment from `a` to `b`.
    pub fn straight(network: &Network, curve: Curve, a: Arc<ParamVec>, b: Arc<ParamVec>) -> Self {
        let n_bends = curve.n_bends();
        if n_bends == 0 {
            return Self::new(network, curve, a, b, Vec::new());
        }
        let ends = [Arc::clone(&a), Arc::clone(&b)];
        let bends = (1..=n_bends).map(|j| {
            let s = j as f64 / (n_bends + 1) as f64;
            Arc::new(ParamVec::combination(&ends, &[1.0 - s, s]))
        });
        let basis = std::iter::once(a).chain(bends).chain([b]).collect();
        // That it is straight saves a pass over all weights for each two of its vectors.
        Self { family: curve.into(), stages: vec![Measured::straight(curve, basis)] }
    }

    /// The same path with one of its bends at another point; `None` without such a bend.
    pub fn with_bend(&self, bend: usize, point: Arc<ParamVec>) -> Option<Self> {
        let curve = self.curve().filter(|_| bend < self.bends().len())?;
        let mut basis = self.basis().to_vec();
        basis[1 + bend] = point;
        Some(Self::staged(self.family, vec![Stage::Curve { curve, basis }]))
    }

    /// A path of one or more stages; each must start where the one before it ends.
    pub fn staged(family: Family, stages: Vec<Stage>) -> Self {
        debug_assert!(!stages.is_empty(), "a path has a stage");
        Self { family, stages: stages.into_iter().map(Measured::new).collect() }
    }

    pub fn family(&self) -> Family {
        self.family
    }

    /// The curve that it is, if it is a single one.
    pub fn curve(&self) -> Option<Curve> {
        match self.stages.as_slice() {
            [Measured { stage: Stage::Curve { curve, .. }, .. }] => Some(*curve),
            _ => None,
        }
    }

    pub fn stages(&self) -> impl ExactSizeIterator<Item = &Stage> {
        self.stages.iter().map(|measured| &measured.stage)
    }

    /// What happens in a stage: "stage 1: layer 1".
    pub fn stage_label(&self, index: usize) -> String {
        let what = match self.stages.get(index).map(|measured| &measured.stage) {
            Some(Stage::Walk(walk)) => format!("{} moves at constant loss", walk.n_moves()),
            _ => self.family.stage_name(index),
        };
        format!("stage {}: {what}", index + 1)
    }

    /// The stage that `t` falls into, and the time within it; where two stages meet, the later one at its start.
    pub fn stage_at(&self, t: f64) -> (usize, f64) {
        stage_at(self.stages.len(), t)
    }

    /// The vectors of a single curve, which [`Self::coefficients`] weigh; none of other paths.
    pub fn basis(&self) -> &[Arc<ParamVec>] {
        match self.stages.as_slice() {
            [Measured { stage: Stage::Curve { basis, .. }, .. }] => basis,
            _ => &[],
        }
    }

    pub fn start(&self) -> &Arc<ParamVec> {
        self.stages[0].stage.start()
    }

    pub fn end(&self) -> &Arc<ParamVec> {
        self.stages[self.stages.len() - 1].stage.end()
    }

    /// Trained control points of a single curve, from A to B.
    pub fn bends(&self) -> &[Arc<ParamVec>] {
        match self.curve() {
            Some(Curve::Chain { .. } | Curve::Bezier { .. }) => &self.basis()[1..self.basis().len() - 1],
            _ => &[],
        }
    }

    /// The points that its polylines pass through, from A to B; none of other stages.
    pub fn corners(&self) -> Vec<&Arc<ParamVec>> {
        let mut corners = Vec::new();
        for stage in self.stages() {
            if let Stage::Polyline { points, .. } = stage {
                corners.extend(points);
            }
        }
        corners
    }

    /// The network at `t`.
    pub fn point(&self, t: f64) -> ParamVec {
        let Sample { basis, rows } = self.sample(&[t]);
        ParamVec::combination(&basis, &rows[0])
    }

    /// The points at `ts`; vectors that none of them needs are left out.
    pub fn sample(&self, ts: &[f64]) -> Sample {
        let places: Vec<(usize, f64)> = ts.iter().map(|&t| self.stage_at(t)).collect();
        let mut basis: Vec<Arc<ParamVec>> = Vec::new();
        let mut rows = vec![Vec::new(); ts.len()];
        for (index, Measured { stage, .. }) in self.stages.iter().enumerate() {
            let here: Vec<usize> = (0..ts.len()).filter(|&row| places[row].0 == index).collect();
            let times: Vec<f64> = here.iter().map(|&row| places[row].1).collect();
            let (vectors, found) = stage.combinations(&times);
            for (column, vector) in vectors.into_iter().enumerate() {
                if found.iter().all(|coefficients| coefficients[column] == 0.0) {
                    continue;
                }
                basis.push(vector);
                for (row, coefficients) in here.iter().zip(&found) {
                    rows[*row].resize(basis.len() - 1, 0.0);
                    rows[*row].push(coefficients[column]);
                }
            }
        }
        for row in &mut rows {
            row.resize(basis.len(), 0.0);
        }
        Sample { basis, rows }
    }

    /// Length between each two neighbours of `ts`, which must rise: straight within a curve, along the path elsewhere. One
    /// fewer than `ts`.
    pub fn steps(&self, ts: &[f64]) -> Vec<f64> {
        ts.windows(2)
            .map(|pair| {
                let [(first, from), (last, to)] = [self.stage_at(pair[0]), self.stage_at(pair[1])];
                if first == last {
                    return self.stages[first].distance(from, to);
                }
                let between: f64 = self.stages[first + 1..last].iter().map(|stage| stage.distance(0.0, 1.0)).sum();
                self.stages[first].distance(from, 1.0) + between + self.stages[last].distance(0.0, to)
            })
            .collect()
    }

    /// Length of the polyline through 257 points.
    pub fn length(&self) -> f64 {
        self.steps(&Curve::even_ts(257)).iter().sum()
    }

    /// Prepares the projection onto a plane.
    pub fn project(&self, plane: &Plane) -> PathProjection {
        let stages: Vec<StageProjection> = self.stages.iter().map(|stage| stage.project(plane)).collect();
        let bends = match stages.as_slice() {
            // Behind A in the curve's basis.
            [StageProjection::Curve(_, basis)] => (1..=self.bends().len()).map(|bend| basis.vector(bend)).collect(),
            _ => Vec::new(),
        };
        PathProjection { bends, stages }
    }

    /// The plane through the ends and the bend that stands farthest from the straight line between them, and the number of
    /// that bend; `None` where all bends stand on that line.
    pub fn plane_through_bend(&self) -> Option<(usize, Plane)> {
        let through = |bend: &Arc<ParamVec>| {
            Plane::through(Arc::clone(self.start()), Arc::clone(self.end()), Arc::clone(bend)).ok()
        };
        let planes = self.bends().iter().enumerate().filter_map(|(index, bend)| Some((index, through(bend)?)));
        // Of equally high ones the first.
        planes.reduce(|farthest, next| if farthest.1.height() < next.1.height() { next } else { farthest })
    }
}

/// Where a path falls on a plane.
#[derive(Clone, Debug)]
pub struct PathProjection {
    pub bends: Vec<PlanePoint>,
    stages: Vec<StageProjection>,
}

impl PathProjection {
    /// That of the path with one of its bends on the plane at (x, y): known without a pass over the weights. `None` without
    /// such a bend.
    pub fn with_bend_at(&self, bend: usize, (x, y): (f64, f64)) -> Option<Self> {
        let [StageProjection::Curve(curve, basis)] = self.stages.as_slice() else {
            return None;
        };
        let mut bends = self.bends.clone();
        *bends.get_mut(bend)? = PlanePoint { x, y, off: 0.0 };
        Some(Self { bends, stages: vec![StageProjection::Curve(*curve, basis.with_vector_at(1 + bend, (x, y)))] })
    }

    pub fn at(&self, t: f64) -> PlanePoint {
        let (stage, s) = stage_at(self.stages.len(), t);
        self.stages[stage].at(s)
    }
}

/// The stage of `n_stages` that `t` falls into, and the time within it.
fn stage_at(n_stages: usize, t: f64) -> (usize, f64) {
    let n = n_stages as f64;
    let stage = ((t * n).floor().max(0.0) as usize).min(n_stages - 1);
    (stage, (t * n - stage as f64).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::zoo;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    const CURVES: [Curve; 8] = [
        Curve::Linear,
        Curve::Arc,
        Curve::Chain { n_bends: 1 },
        Curve::Chain { n_bends: 3 },
        Curve::Chain { n_bends: 4 },
        Curve::Bezier { n_bends: 1 },
        Curve::Bezier { n_bends: 2 },
        Curve::Bezier { n_bends: 5 },
    ];

    fn pair() -> (Network, Arc<ParamVec>, Arc<ParamVec>) {
        let network = zoo::mlp(&[6, 5, 3], true).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let a = Arc::new(ParamVec::random(network.layout().clone(), &mut rng));
        let b = Arc::new(ParamVec::random(network.layout().clone(), &mut rng));
        (network, a, b)
    }

    #[test]
    fn every_family_starts_at_a_and_ends_at_b() {
        let (network, a, b) = pair();
        for family in CURVES {
            let path = Path::straight(&network, family, a.clone(), b.clone());
            assert_eq!(path.point(0.0), *a, "{family:?}");
            assert_eq!(path.point(1.0), *b, "{family:?}");
        }
    }

    #[test]
    fn every_family_is_continuous() {
        let (network, a, b) = pair();
        let length = a.distance(&b);
        for family in CURVES {
            let path = Path::straight(&network, family, a.clone(), b.clone());
            let steps = path.steps(&Curve::even_ts(1001));
            assert!(steps.iter().all(|&s| s < 0.01 * length), "{family:?}");
        }
    }

    #[test]
    fn bends_on_the_segment_make_the_straight_line() {
        let (network, a, b) = pair();
        for n_bends in 1..4 {
            for family in [Curve::Chain { n_bends }, Curve::Bezier { n_bends }] {
                let path = Path::straight(&network, family, a.clone(), b.clone());
                assert!((path.length() - a.distance(&b)).abs() < 1e-5, "{family:?}");
                let expected = ParamVec::combination(&[a.clone(), b.clone()], &[0.7, 0.3]);
                assert!(path.point(0.3).distance(&expected) < 1e-5, "{family:?}");
            }
        }
    }

    #[test]
    fn a_chain_passes_through_its_bends() {
        let (network, a, b) = pair();
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let bends: Vec<_> = (0..3).map(|_| Arc::new(ParamVec::random(network.layout().clone(), &mut rng))).collect();
        let path = Path::new(&network, Curve::Chain { n_bends: 3 }, a, b, bends.clone());
        for (j, bend) in bends.iter().enumerate() {
            assert!(path.point((j + 1) as f64 / 4.0).distance(bend) < 1e-5);
        }
    }

    #[test]
    fn lengths_from_inner_products_are_lengths_of_vectors() {
        let (network, a, b) = pair();
        let path = Path::straight(&network, Curve::Arc, a, b);
        let direct = path.point(0.2).distance(&path.point(0.6));
        assert!((path.steps(&[0.2, 0.6])[0] - direct).abs() < 1e-5);
    }

    #[test]
    fn a_straight_path_measures_like_one_whose_vectors_were_multiplied() {
        let (network, a, b) = pair();
        for curve in [Curve::Chain { n_bends: 3 }, Curve::Bezier { n_bends: 2 }] {
            let straight = Path::straight(&network, curve, a.clone(), b.clone());
            let measured = Path::new(&network, curve, a.clone(), b.clone(), straight.bends().to_vec());
            let ts = [0.0, 0.2, 0.5, 0.9, 1.0];
            for (found, expected) in straight.steps(&ts).into_iter().zip(measured.steps(&ts)) {
                assert!((found - expected).abs() < 1e-5 * a.distance(&b), "{curve:?}: {found} {expected}");
            }
        }
    }

    #[test]
    fn where_a_path_falls_with_a_bend_on_the_plane_is_known_beforehand() {
        let (network, a, b) = pair();
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut next = || Arc::new(ParamVec::random(network.layout().clone(), &mut rng));
        for curve in [Curve::Chain { n_bends: 2 }, Curve::Bezier { n_bends: 2 }] {
            let path = Path::new(&network, curve, a.clone(), b.clone(), vec![next(), next()]);
            let plane = Plane::through(a.clone(), b.clone(), next()).unwrap();
            let at = (0.3 * plane.length(), -0.6 * plane.length());
            let moved = path.with_bend(1, Arc::new(plane.point(at.0, at.1))).unwrap();
            assert!(Arc::ptr_eq(&moved.bends()[0], &path.bends()[0]) && moved.family() == path.family());
            let (found, expected) = (path.project(&plane).with_bend_at(1, at).unwrap(), moved.project(&plane));
            let near = |one: PlanePoint, other: PlanePoint| {
                let apart = [one.x - other.x, one.y - other.y, one.off - other.off];
                // How far off the plane is the root of a difference.
                apart.iter().zip([1e-5, 1e-5, 1e-3]).all(|(d, part)| d.abs() < part * plane.length())
            };
            for t in Curve::even_ts(9) {
                assert!(near(found.at(t), expected.at(t)), "{curve:?} at {t}: {:?} {:?}", found.at(t), expected.at(t));
            }
            assert!(near(found.bends[0], expected.bends[0]) && near(found.bends[1], expected.bends[1]));
            assert!(path.with_bend(2, next()).is_none());
            assert!(path.project(&plane).with_bend_at(2, at).is_none());
        }
    }

    /// Two stages: straight to a corner, then a polyline with uneven times.
    fn bent() -> (Path, [Arc<ParamVec>; 4]) {
        let (network, a, b) = pair();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let [corner, inner] = [(); 2].map(|()| Arc::new(ParamVec::random(network.layout().clone(), &mut rng)));
        let first = Stage::Curve { curve: Curve::Linear, basis: vec![a.clone(), corner.clone()] };
        let points = vec![corner.clone(), inner.clone(), b.clone()];
        let second = Stage::Polyline { times: vec![0.0, 0.25, 1.0], points };
        (Path::staged(Family::Layerwise, vec![first, second]), [a, corner, inner, b])
    }

    #[test]
    fn stages_divide_t_evenly_and_polylines_pass_through_their_points() {
        let (path, [a, corner, inner, b]) = bent();
        for (t, expected) in [(0.0, &a), (0.5, &corner), (0.625, &inner), (1.0, &b)] {
            assert_eq!(path.point(t), **expected, "{t}");
        }
        let expected = ParamVec::combination(&[inner, b], &[0.5, 0.5]);
        assert!(path.point(0.5 + 0.5 * 0.625).distance(&expected) < 1e-5);
        assert_eq!(path.stage_at(0.5), (1, 0.0));
        assert_eq!(path.stage_at(1.0), (1, 1.0));
    }

    #[test]
    fn a_sample_holds_the_points_and_no_vector_that_none_needs() {
        let (path, _) = bent();
        let ts = [0.1, 0.5, 0.6, 0.9];
        let sample = path.sample(&ts);
        for (row, t) in sample.rows.iter().zip(ts) {
            assert_eq!(row.len(), sample.basis.len());
            assert!(ParamVec::combination(&sample.basis, row).distance(&path.point(t)) < 1e-6);
        }
        assert_eq!(path.sample(&[0.5]).basis.len(), 1);
    }

    #[test]
    fn the_length_of_stages_is_the_length_of_their_segments() {
        let (path, [a, corner, inner, b]) = bent();
        let expected = a.distance(&corner) + corner.distance(&inner) + inner.distance(&b);
        let ts = Curve::even_ts(11);
        assert!((path.steps(&ts).iter().sum::<f64>() - expected).abs() < 1e-5);
        assert!((path.length() - expected).abs() < 1e-5);
    }

    #[test]
    fn the_projection_of_a_path_is_that_of_its_points() {
        let (path, [a, corner, _, b]) = bent();
        let plane = Plane::through(a, b, corner).unwrap();
        let projection = path.project(&plane);
        for t in Curve::even_ts(13) {
            let (found, expected) = (projection.at(t), plane.project(&[Arc::new(path.point(t))]).at(&[1.0]));
            for (f, e) in [(found.x, expected.x), (found.y, expected.y), (found.off, expected.off)] {
                assert!((f - e).abs() < 1e-4, "{t}: {found:?} {expected:?}");
            }
        }
    }
}
