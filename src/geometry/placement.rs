//! A path and a plane, and where the one falls on the other: worked out once, since it passes over all weights.

use std::sync::Arc;

use super::{Path, PathProjection, Plane};

/// Where a path falls on a plane.
#[derive(Clone, Debug)]
pub struct Placement {
    pub plane: Arc<Plane>,
    pub projection: Arc<PathProjection>,
    /// Number of the bend that the plane was put through, where it was put through one.
    pub through: Option<usize>,
}

impl Placement {
    pub fn on(path: &Path, plane: Arc<Plane>) -> Self {
        Self { projection: Arc::new(path.project(&plane)), plane, through: None }
    }

    /// On the plane through the ends and the bend that stands farthest from the straight line between them; `None` where all
    /// bends stand on that line.
    pub fn through_bend(path: &Path) -> Option<Self> {
        let (bend, plane) = path.plane_through_bend()?;
        Some(Self { through: Some(bend), ..Self::on(path, Arc::new(plane)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Curve;
    use crate::net::{ParamVec, zoo};
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_plane_holds_the_bend_that_is_farthest_off_the_line() {
        let network = zoo::mlp(&[6, 5, 3], true).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let mut next = || Arc::new(ParamVec::random(network.layout().clone(), &mut rng));
        let (a, b, far) = (next(), next(), next());
        let near = Arc::new(ParamVec::combination(&[a.clone(), b.clone(), far.clone()], &[0.4, 0.5, 0.1]));
        for (bends, expected) in [(vec![near.clone(), far.clone()], 1), (vec![far.clone(), near.clone()], 0)] {
            let curve = Curve::Bezier { n_bends: 2 };
            let path = Path::new(&network, curve, a.clone(), b.clone(), bends);
            let found = Placement::through_bend(&path).unwrap();
            assert_eq!(found.through, Some(expected));
            assert!(Arc::ptr_eq(&found.plane.basis()[2], &far));
            for bend in &found.projection.bends {
                assert!(bend.off < 1e-4 * found.plane.length(), "both lie in it: {bend:?}");
            }
        }
        let straight = Path::straight(&network, Curve::Chain { n_bends: 3 }, a, b);
        assert!(Placement::through_bend(&straight).is_none());
    }
}
