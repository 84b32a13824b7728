//! The stages of a path, and what is read off each of them without touching its vectors again.

use std::sync::Arc;

use super::{Curve, Plane, PlanePoint, PlaneProjection, Span, Walk};
use crate::net::ParamVec;

/// One part of a path; its own time s runs from 0 to 1.
#[derive(Clone, Debug)]
pub enum Stage {
    /// Combinations of a few vectors.
    Curve {
        curve: Curve,
        /// `[A, bends.., B]`, or `[A, B, M]` for arcs.
        basis: Vec<Arc<ParamVec>>,
    },
    /// Straight segments between points that were worked out one by one: the path is this polyline.
    Polyline {
        /// One a point, from 0 to 1, rising.
        times: Vec<f64>,
        points: Vec<Arc<ParamVec>>,
    },
    /// Hidden units go back to their own places, one by one.
    Walk(Arc<Walk>),
}

impl Stage {
    /// A polyline through evenly spaced times.
    pub fn evenly(points: Vec<Arc<ParamVec>>) -> Self {
        Self::Polyline { times: Curve::even_ts(points.len()), points }
    }

    pub fn start(&self) -> &Arc<ParamVec> {
        match self {
            Self::Curve { basis: vectors, .. } | Self::Polyline { points: vectors, .. } => &vectors[0],
            Self::Walk(walk) => walk.start(),
        }
    }

    pub fn end(&self) -> &Arc<ParamVec> {
        match self {
            Self::Curve { curve: Curve::Arc, basis } => &basis[1],
            Self::Curve { basis: vectors, .. } | Self::Polyline { points: vectors, .. } => &vectors[vectors.len() - 1],
            Self::Walk(walk) => walk.end(),
        }
    }

    /// The points at `times` as combinations of vectors: a row of coefficients for each, which sum to 1.
    pub(super) fn combinations(&self, times: &[f64]) -> (Vec<Arc<ParamVec>>, Vec<Vec<f64>>) {
        match self {
            Self::Curve { curve, basis } => (basis.clone(), times.iter().map(|&s| curve.coefficients(s)).collect()),
            Self::Polyline { times: corners, points } => {
                let row = |&s: &f64| {
                    let mut row = vec![0.0; points.len()];
                    let (segment, share) = segment_at(corners, s);
                    row[segment] = 1.0 - share;
                    if 0.0 < share {
                        row[segment + 1] = share;
                    }
                    row
                };
                (points.clone(), times.iter().map(row).collect())
            }
            Self::Walk(walk) => {
                let points = times.iter().map(|&s| Arc::new(walk.point(s))).collect();
                let one = |row: usize| (0..times.len()).map(|column| f64::from(u8::from(row == column))).collect();
                (points, (0..times.len()).map(one).collect())
            }
        }
    }
}

/// The segment of a polyline that s falls into, and the share of it that lies behind.
fn segment_at(times: &[f64], s: f64) -> (usize, f64) {
    let last = times.len() - 1;
    let segment = times.partition_point(|&time| time <= s).saturating_sub(1);
    if segment == last {
        return (last, 0.0);
    }
    (segment, ((s - times[segment]) / (times[segment + 1] - times[segment])).clamp(0.0, 1.0))
}

/// A stage with what lengths are read off.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) stage: Stage,
    /// Inner products of a curve's basis.
    span: Span,
    /// Length of each segment of a polyline.
    lengths: Vec<f64>,
}

impl Measured {
    pub(super) fn new(stage: Stage) -> Self {
        let (basis, points) = match &stage {
            Stage::Curve { basis, .. } => (basis.as_slice(), [].as_slice()),
            Stage::Polyline { points, .. } => ([].as_slice(), points.as_slice()),
            Stage::Walk(_) => ([].as_slice(), [].as_slice()),
        };
        let span = Span::new(stage.start(), basis);
        let lengths = points.windows(2).map(|pair| pair[0].distance(&pair[1])).collect();
        Self { span, lengths, stage }
    }

    /// The curve on the straight line from its start to its end; its bends at equal distances.
    pub(super) fn straight(curve: Curve, basis: Vec<Arc<ParamVec>>) -> Self {
        let (start, end) = (&basis[0], &basis[basis.len() - 1]);
        let (length, n_steps) = (start.distance(end), (basis.len() - 1) as f64);
        let lengths: Vec<f64> = (0..basis.len()).map(|step| length * step as f64 / n_steps).collect();
        Self { stage: Stage::Curve { curve, basis }, span: Span::on_line(&lengths), lengths: Vec::new() }
    }

    /// Straight distance between two times of a curve; of a polyline or a walk, the length of it between them.
    pub(super) fn distance(&self, from: f64, to: f64) -> f64 {
        match &self.stage {
            Stage::Curve { curve, .. } => self.span.distance(&curve.coefficients(from), &curve.coefficients(to)),
            Stage::Polyline { times, .. } => {
                let travelled = |s: f64| {
                    let (segment, share) = segment_at(times, s);
                    let part = self.lengths.get(segment).map_or(0.0, |length| share * length);
                    self.lengths[..segment].iter().sum::<f64>() + part
                };
                travelled(to) - travelled(from)
            }
            Stage::Walk(walk) => walk.length_between(from, to),
        }
    }

    /// Prepares the projection onto a plane.
    pub(super) fn project(&self, plane: &Plane) -> StageProjection {
        match &self.stage {
            Stage::Curve { curve, basis } => StageProjection::Curve(*curve, plane.project(basis)),
            Stage::Polyline { times, points } => polyline(plane, times.clone(), points),
            // Hundreds of short moves to and fro, drawn as the straight lines between the points where the loss changes.
            Stage::Walk(walk) => {
                let times = walk.landmarks();
                let points: Vec<Arc<ParamVec>> = times.iter().map(|&s| Arc::new(walk.point(s))).collect();
                polyline(plane, times, &points)
            }
        }
    }
}

fn polyline(plane: &Plane, times: Vec<f64>, points: &[Arc<ParamVec>]) -> StageProjection {
    StageProjection::Polyline(times, points.windows(2).map(|pair| plane.project(pair)).collect())
}

/// Where a stage falls on a plane.
#[derive(Clone, Debug)]
pub(super) enum StageProjection {
    Curve(Curve, PlaneProjection),
    /// Times of the points, and a projection for each segment.
    Polyline(Vec<f64>, Vec<PlaneProjection>),
}

impl StageProjection {
    pub(super) fn at(&self, s: f64) -> PlanePoint {
        match self {
            Self::Curve(curve, projection) => projection.at(&curve.coefficients(s)),
            Self::Polyline(times, segments) => match segment_at(times, s) {
                (segment, share) if segment < segments.len() => segments[segment].at(&[1.0 - share, share]),
                _ => segments[segments.len() - 1].at(&[0.0, 1.0]),
            },
        }
    }
}
