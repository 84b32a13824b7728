//! Volumes of simplexes in weight space, and how they change with one vertex.
//!
//! The volume of a simplex is the product of the heights of its vertices over the flat through those before them, divided by
//! k!. Its square is the Cayley-Menger determinant over `(k!)^2 2^k` up to sign, without that determinant's cancellations.

use std::sync::Arc;

use crate::net::ParamVec;

/// The flat through the vertices of a simplex, trained values only.
#[derive(Clone, Debug)]
pub struct Flat {
    origin: Arc<ParamVec>,
    /// Orthonormal, one a vertex beyond the first that does not lie in the flat of those before it.
    directions: Vec<Vec<f64>>,
    n_vertices: usize,
    squared_volume: f64,
}

impl Flat {
    /// `vertices`: at least one.
    pub fn through(vertices: &[Arc<ParamVec>]) -> Self {
        let origin = Arc::clone(&vertices[0]);
        let mut flat = Self { origin, directions: Vec::new(), n_vertices: 1, squared_volume: 1.0 };
        for vertex in &vertices[1..] {
            let height = flat.height(vertex);
            flat.squared_volume = flat.squared_volume_with(&height);
            let length = dot(&height, &height).sqrt();
            if 0.0 < length {
                flat.directions.push(height.iter().map(|value| value / length).collect());
            }
            flat.n_vertices += 1;
        }
        flat
    }

    /// The square of the volume of the simplex of its vertices: of two the distance, of three the triangle's area, and so on.
    /// 1 for a single vertex.
    pub fn squared_volume(&self) -> f64 {
        self.squared_volume
    }

    /// What leads from the flat to `vertex`, upright on it; one value a trained parameter.
    pub fn height(&self, vertex: &ParamVec) -> Vec<f64> {
        let values = vertex.trained().iter().zip(self.origin.trained());
        let mut height: Vec<f64> = values.map(|(&v, &o)| f64::from(v) - f64::from(o)).collect();
        // Twice, so that what is left is upright to rounding even where the vertex stands low.
        for direction in self.directions.iter().chain(&self.directions) {
            let along = dot(&height, direction);
            height.iter_mut().zip(direction).for_each(|(h, d)| *h -= along * d);
        }
        height
    }

    /// The square of the volume with one more vertex, of this height.
    pub fn squared_volume_with(&self, height: &[f64]) -> f64 {
        let k = self.n_vertices as f64;
        self.squared_volume * dot(height, height) / (k * k)
    }

    /// The factor of a vertex's height that makes the gradient, in the vertex, of the squared volume with it.
    pub fn gradient_factor(&self) -> f64 {
        let k = self.n_vertices as f64;
        2.0 * self.squared_volume / (k * k)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Network, zoo};
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    fn vertices(network: &Network, n: u64) -> Vec<Arc<ParamVec>> {
        let vertex = |seed| ParamVec::random(network.layout().clone(), &mut ChaCha8Rng::seed_from_u64(seed));
        (0..n).map(|seed| Arc::new(vertex(seed))).collect()
    }

    fn network() -> Network {
        zoo::mlp(&[4, 3, 2], true).unwrap()
    }

    /// A vertex whose first coordinates are these.
    fn at(coordinates: &[f32]) -> Arc<ParamVec> {
        let mut vertex = ParamVec::zeros(network().layout().clone());
        vertex.values_mut()[..coordinates.len()].copy_from_slice(coordinates);
        Arc::new(vertex)
    }

    /// Of a matrix, by expansion along its first row.
    fn determinant(matrix: &[Vec<f64>]) -> f64 {
        if matrix.is_empty() {
            return 1.0;
        }
        let minor = |column: usize| -> Vec<Vec<f64>> {
            let without = |row: &Vec<f64>| [&row[..column], &row[column + 1..]].concat();
            matrix[1..].iter().map(without).collect()
        };
        let sign = |column: usize| if column.is_multiple_of(2) { 1.0 } else { -1.0 };
        (0..matrix.len()).map(|column| sign(column) * matrix[0][column] * determinant(&minor(column))).sum()
    }

    /// By the Cayley-Menger determinant: a border of ones around the squared distances.
    fn cayley_menger(vertices: &[Arc<ParamVec>]) -> f64 {
        let n = vertices.len();
        let entry = |i: usize, j: usize| match (i, j) {
            (0, 0) => 0.0,
            (0, _) | (_, 0) => 1.0,
            _ => vertices[i - 1].distance(&vertices[j - 1]).powi(2),
        };
        let matrix: Vec<Vec<f64>> = (0..=n).map(|i| (0..=n).map(|j| entry(i, j)).collect()).collect();
        let factorial: f64 = (1..n).map(|k| k as f64).product();
        determinant(&matrix).abs() / (factorial.powi(2) * 2.0_f64.powi(n as i32 - 1))
    }

    #[test]
    fn volumes_are_those_of_school() {
        let triangle = [at(&[0.0, 0.0]), at(&[3.0, 0.0]), at(&[1.0, 2.0])];
        assert!((Flat::through(&triangle).squared_volume().sqrt() - 3.0).abs() < 1e-12);
        let corner = [at(&[0.0]), at(&[2.0]), at(&[0.0, 3.0]), at(&[0.0, 0.0, 4.0])];
        assert!((Flat::through(&corner).squared_volume().sqrt() - 4.0).abs() < 1e-12);
    }

    #[test]
    fn squared_volumes_agree_with_the_cayley_menger_determinant() {
        for n in 2..6 {
            let vertices = vertices(&network(), n);
            let (found, expected) = (Flat::through(&vertices).squared_volume(), cayley_menger(&vertices));
            assert!((found / expected - 1.0).abs() < 1e-6, "{n}: {found} {expected}");
        }
    }

    #[test]
    fn a_vertex_in_the_flat_of_the_others_makes_no_volume() {
        let mut vertices = vertices(&network(), 3);
        vertices.push(Arc::new(ParamVec::combination(&vertices, &[0.5, 0.2, 0.3])));
        assert!(Flat::through(&vertices).squared_volume() < 1e-12);
    }

    #[test]
    fn the_gradient_is_the_change_of_the_squared_volume() {
        let vertices = vertices(&network(), 4);
        let flat = Flat::through(&vertices[..3]);
        let volume = |vertex: &ParamVec| flat.squared_volume_with(&flat.height(vertex));
        let (height, factor) = (flat.height(&vertices[3]), flat.gradient_factor());
        let mut moved = ParamVec::clone(&vertices[3]);
        for (place, slope) in height.iter().enumerate() {
            let here = moved.values()[place];
            let mut at = |shift: f32| {
                moved.values_mut()[place] = here + shift;
                volume(&moved)
            };
            let expected = (at(0.0625) - at(-0.0625)) / 0.125;
            moved.values_mut()[place] = here;
            assert!((factor * slope - expected).abs() < 1e-5, "{place}");
        }
    }
}
