//! Planes through three points of weight space, with the orthonormal basis of Garipov et al. 2018.

use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

use super::Span;
use crate::net::ParamVec;

/// Relative height of the third point below which three points count as lying on one line.
const FLAT: f64 = 1e-6;

/// Why three points span no plane.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PlaneError {
    #[error("A and B are the same network, so no line joins them")]
    SamePoint,
    #[error("the three points lie on one line, so they span no plane")]
    Collinear,
    #[error("the points hold NaN or infinite weights")]
    NonFinite,
}

/// `theta(x, y) = A + x u + y v` with `u = (B - A) / |B - A|` and `v` the normalised rest of `C - A` orthogonal to `u`.
/// x and y are Euclidean distances in weight space.
#[derive(Clone, Debug)]
pub struct Plane {
    basis: [Arc<ParamVec>; 3],
    /// |B - A|: B stands at (length, 0).
    length: f64,
    /// C stands at (foot, height).
    foot: f64,
    height: f64,
}

/// Where a point falls on a plane, and how far off it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanePoint {
    pub x: f64,
    pub y: f64,
    /// Euclidean distance from the plane.
    pub off: f64,
}

impl Plane {
    /// Through A (the origin), B (on the x axis) and C.
    pub fn through(a: Arc<ParamVec>, b: Arc<ParamVec>, c: Arc<ParamVec>) -> Result<Self, PlaneError> {
        let length = b.distance(&a);
        let ac = c.distance(&a);
        if !length.is_finite() || !ac.is_finite() {
            return Err(PlaneError::NonFinite);
        }
        if length == 0.0 {
            return Err(PlaneError::SamePoint);
        }
        let foot = c.dot_from(&a, &b) / length;
        // Squared height from the residual itself: |C-A|^2 - foot^2 would cancel for flat triangles.
        let mut squared = 0.0;
        for ((&wa, &wb), &wc) in a.trained().iter().zip(b.trained()).zip(c.trained()) {
            let (wa, wb, wc) = (f64::from(wa), f64::from(wb), f64::from(wc));
            squared += (wc - wa - foot / length * (wb - wa)).powi(2);
        }
        let height = squared.sqrt();
        if height <= FLAT * ac.max(length) {
            return Err(PlaneError::Collinear);
        }
        Ok(Self { basis: [a, b, c], length, foot, height })
    }

    /// Through A and B along a random direction, for when there is no third point; as high as half of `|B - A|`.
    pub fn random(a: Arc<ParamVec>, b: Arc<ParamVec>, seed: u64) -> Result<Self, PlaneError> {
        let length = b.distance(&a);
        if !length.is_finite() {
            return Err(PlaneError::NonFinite);
        }
        // For A = B the picture still needs a scale: the norm of A's weights, spread along a random B too.
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut offset = |from: &ParamVec, by: f64| {
            let mut point = from.clone();
            let noise: Vec<f64> = (0..point.layout().n_trained()).map(|_| rng.random_range(-1.0..1.0)).collect();
            let norm = noise.iter().map(|v| v * v).sum::<f64>().sqrt();
            for (w, v) in point.values_mut().iter_mut().zip(noise) {
                *w += (by * v / norm) as f32;
            }
            Arc::new(point)
        };
        if length == 0.0 {
            let scale = a.dot_from(&ParamVec::zeros(a.layout().clone()), &a).sqrt().max(1.0) * 0.5;
            let far = offset(&a, scale);
            let third = offset(&a, scale);
            return Self::through(a, far, third);
        }
        let midpoint = ParamVec::combination(&[a.clone(), b.clone()], &[0.5, 0.5]);
        let third = offset(&midpoint, 0.5 * length);
        Self::through(a, b, third)
    }

    /// The three points that span it: A, B, C.
    pub fn basis(&self) -> &[Arc<ParamVec>; 3] {
        &self.basis
    }

    /// Coordinates of A, B and C.
    pub fn anchors(&self) -> [(f64, f64); 3] {
        [(0.0, 0.0), (self.length, 0.0), (self.foot, self.height)]
    }

    /// |B - A|.
    pub fn length(&self) -> f64 {
        self.length
    }

    /// Distance of C from the line through A and B.
    pub fn height(&self) -> f64 {
        self.height
    }

    /// Weights of A, B and C for the point (x, y); they sum to 1.
    pub fn coefficients(&self, x: f64, y: f64) -> [f64; 3] {
        let c = y / self.height;
        let b = (x - c * self.foot) / self.length;
        [1.0 - b - c, b, c]
    }

    /// The network at (x, y).
    pub fn point(&self, x: f64, y: f64) -> ParamVec {
        ParamVec::combination(&self.basis, &self.coefficients(x, y))
    }

    /// Prepares the projection of combinations of `vectors`.
    pub fn project(&self, vectors: &[Arc<ParamVec>]) -> PlaneProjection {
        let [a, b, c] = &self.basis;
        let coordinates = vectors
            .iter()
            .map(|w| {
                // A pass over all weights for what is known would only add rounding.
                if let Some(own) = self.basis.iter().position(|own| Arc::ptr_eq(own, w)) {
                    return self.anchors()[own];
                }
                let x = w.dot_from(a, b) / self.length;
                let along_c = w.dot_from(a, c);
                (x, (along_c - self.foot * x) / self.height)
            })
            .collect();
        PlaneProjection { coordinates, span: Span::new(a, vectors) }
    }
}

/// Coordinates on a plane of every combination of a few vectors.
#[derive(Clone, Debug)]
pub struct PlaneProjection {
    coordinates: Vec<(f64, f64)>,
    span: Span,
}

impl PlaneProjection {
    /// Where the vector of this number falls.
    pub(super) fn vector(&self, index: usize) -> PlanePoint {
        let one: Vec<f64> = (0..self.coordinates.len()).map(|other| f64::from(u8::from(other == index))).collect();
        self.at(&one)
    }

    /// The same with another vector of this number, which lies on the plane at (x, y).
    pub(super) fn with_vector_at(&self, index: usize, (x, y): (f64, f64)) -> Self {
        let mut coordinates = self.coordinates.clone();
        coordinates[index] = (x, y);
        // Its product with any vector is that with the vector's part in the plane.
        let products: Vec<f64> = coordinates.iter().map(|(other_x, other_y)| x * other_x + y * other_y).collect();
        Self { span: self.span.with_products(index, &products), coordinates }
    }

    /// Where `sum_i c_i w_i` falls; the coefficients must sum to 1.
    pub fn at(&self, coefficients: &[f64]) -> PlanePoint {
        let (mut x, mut y) = (0.0, 0.0);
        for (c, (wx, wy)) in coefficients.iter().zip(&self.coordinates) {
            x += c * wx;
            y += c * wy;
        }
        let off = (self.span.norm_squared(coefficients) - x * x - y * y).max(0.0).sqrt();
        PlanePoint { x, y, off }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Curve, Path};
    use crate::net::zoo;

    fn modes(n: usize) -> (crate::net::Network, Vec<Arc<ParamVec>>) {
        let network = zoo::mlp(&[6, 5, 3], true).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let modes = (0..n).map(|_| Arc::new(ParamVec::random(network.layout().clone(), &mut rng))).collect();
        (network, modes)
    }

    fn abc() -> (Plane, Vec<Arc<ParamVec>>) {
        let (_, m) = modes(4);
        (Plane::through(m[0].clone(), m[1].clone(), m[2].clone()).unwrap(), m)
    }

    #[test]
    fn anchors_are_where_the_points_are() {
        let (plane, m) = abc();
        for (&(x, y), mode) in plane.anchors().iter().zip(&m) {
            assert!(plane.point(x, y).distance(mode) < 1e-5);
        }
    }

    #[test]
    fn axes_are_orthonormal() {
        let (plane, m) = abc();
        let (u, v) = (plane.point(1.0, 0.0), plane.point(0.0, 1.0));
        assert!((u.distance(&m[0]) - 1.0).abs() < 1e-5);
        assert!((v.distance(&m[0]) - 1.0).abs() < 1e-5);
        assert!(u.dot_from(&m[0], &v).abs() < 1e-5);
    }

    #[test]
    fn a_point_on_the_plane_projects_onto_itself() {
        let (plane, _) = abc();
        let point = Arc::new(plane.point(0.7, -0.4));
        let found = plane.project(&[point]).at(&[1.0]);
        assert!((found.x - 0.7).abs() < 1e-5 && (found.y + 0.4).abs() < 1e-5 && found.off < 1e-4, "{found:?}");
    }

    #[test]
    fn a_point_off_the_plane_tells_its_distance() {
        let (plane, m) = abc();
        let found = plane.project(&[m[3].clone()]).at(&[1.0]);
        let foot = plane.point(found.x, found.y);
        assert!((foot.distance(&m[3]) - found.off).abs() < 1e-5);
        assert!(0.1 < found.off);
    }

    #[test]
    fn a_bezier_with_one_bend_lies_in_the_plane_of_its_control_points() {
        let (network, m) = modes(3);
        let plane = Plane::through(m[0].clone(), m[1].clone(), m[2].clone()).unwrap();
        let family = Curve::Bezier { n_bends: 1 };
        let path = Path::new(&network, family, m[0].clone(), m[1].clone(), vec![m[2].clone()]);
        let projection = path.project(&plane);
        for t in Curve::even_ts(9) {
            let found = projection.at(t);
            assert!(found.off < 1e-6, "{found:?}");
            assert!(plane.point(found.x, found.y).distance(&path.point(t)) < 1e-5);
        }
    }

    #[test]
    fn three_points_on_a_line_span_no_plane() {
        let (_, m) = modes(2);
        let middle = Arc::new(ParamVec::combination(&m, &[0.5, 0.5]));
        let found = Plane::through(m[0].clone(), m[1].clone(), middle).map(|_| ());
        assert_eq!(found, Err(PlaneError::Collinear));
        let same = Plane::through(m[0].clone(), m[0].clone(), m[1].clone()).map(|_| ());
        assert_eq!(same, Err(PlaneError::SamePoint));
    }

    #[test]
    fn a_random_direction_replaces_a_missing_third_point() {
        let (_, m) = modes(2);
        let plane = Plane::random(m[0].clone(), m[1].clone(), 7).unwrap();
        assert!((plane.length() - m[0].distance(&m[1])).abs() < 1e-9);
        assert!(0.4 * plane.length() < plane.height());
        assert!(Plane::random(m[0].clone(), m[0].clone(), 7).is_ok());
    }
}
