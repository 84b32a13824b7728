//! Units that give the same for every sample are all alike to whatever compares activations. Their incoming weights tell them
//! apart.

use std::collections::HashMap;

use super::weights::unit_weights;
use super::{Permutation, permute};
use crate::net::{AxisUse, Network, ParamId, ParamVec};

/// Pairs units that are dead in both networks anew: those that have the very same incoming weights with each other, so that
/// a network with its units in another order is put back exactly, and the others in the order in which they are left. What
/// reads units of this group or of later ones does not count, since their order is not yet known.
///
/// `a`, `b`: parameters of `network`, in one layout. `earlier`: the permutations of all groups before this one. `found`: that
/// of this group, which every other unit keeps. `dead`: `[n_units]` of A and of B, each in its own order.
pub fn pair_dead_units(
    network: &Network,
    a: &ParamVec,
    b: &ParamVec,
    earlier: &[Permutation],
    found: &Permutation,
    dead: [&[bool]; 2],
) -> Permutation {
    let [dead_a, dead_b] = dead;
    let places: Vec<usize> = (0..found.len()).filter(|&place| dead_a[place] && dead_b[found.source(place)]).collect();
    if places.len() < 2 {
        return found.clone();
    }
    let (group, later) = (&network.groups()[earlier.len()], &network.groups()[earlier.len()..]);
    let read_by_later: Vec<ParamId> =
        later.iter().flat_map(|group| &group.axes).filter(|axis| 0 < axis.axis).map(|axis| axis.param).collect();
    let is_incoming = |axis: &AxisUse| axis.axis == 0 && !read_by_later.contains(&axis.param);

    let moved = permute(network, b, &with_identities(network, earlier));
    let [(rows_a, n_weights), (rows_b, _)] = [a, &moved].map(|params| unit_weights(group, params, is_incoming));
    let bits = |rows: &[f32], unit: usize| -> Vec<u32> {
        rows[unit * n_weights..][..n_weights].iter().map(|weight| weight.to_bits()).collect()
    };
    // Of several that are the same the first is taken first.
    let mut units_of: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
    for &place in places.iter().rev() {
        let unit = found.source(place);
        units_of.entry(bits(&rows_b, unit)).or_default().push(unit);
    }
    let same: Vec<Option<usize>> =
        places.iter().map(|&place| units_of.get_mut(&bits(&rows_a, place)).and_then(Vec::pop)).collect();
    let mut is_left = vec![true; found.len()];
    same.iter().flatten().for_each(|&unit| is_left[unit] = false);
    let mut left = places.iter().map(|&place| found.source(place)).filter(|&unit| is_left[unit]);
    let mut sources = found.sources().to_vec();
    for (&place, unit) in places.iter().zip(same) {
        if let Some(unit) = unit.or_else(|| left.next()) {
            sources[place] = unit;
        }
    }
    Permutation::new(sources).unwrap_or_else(|| found.clone())
}

/// The permutations of the first groups, and those of the others that leave units where they are.
fn with_identities(network: &Network, earlier: &[Permutation]) -> Vec<Permutation> {
    let others = network.groups()[earlier.len()..].iter().map(|group| Permutation::identity(group.n_units));
    earlier.iter().cloned().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::zoo;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;
    use std::sync::Arc;

    /// Shuffles a network and gives its dead units, which are the first `n_dead` of every group, back in the wrong order.
    fn check(network: &Network, n_dead: usize) {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let a = ParamVec::random(Arc::clone(network.layout()), &mut rng);
        let shuffle: Vec<Permutation> =
            network.groups().iter().map(|group| Permutation::random(group.n_units, &mut rng)).collect();
        let b = permute(network, &a, &shuffle);
        let mut repaired = Vec::new();
        for shuffle in &shuffle {
            let back = shuffle.inverse();
            let n = back.len();
            let dead_a: Vec<bool> = (0..n).map(|unit| unit < n_dead).collect();
            let dead_b: Vec<bool> = (0..n).map(|unit| dead_a[shuffle.source(unit)]).collect();
            let mut sources = back.sources().to_vec();
            sources[..n_dead].rotate_left(1);
            let wrong = Permutation::new(sources).unwrap();
            let found = pair_dead_units(network, &a, &b, &repaired, &wrong, [&dead_a, &dead_b]);
            assert_eq!(found, back, "{}", network.name());
            repaired.push(found);
        }
        assert_eq!(permute(network, &b, &repaired).values(), a.values());
    }

    #[test]
    fn dead_units_of_a_shuffled_network_find_their_places() {
        check(&zoo::mlp(&[6, 9, 8, 7, 3], true).unwrap(), 4);
        for name in ["resnet8", "lenet"] {
            check(&zoo::by_name(name).unwrap(), 4);
        }
    }

    #[test]
    fn units_that_live_in_either_network_stay() {
        let network = zoo::mlp(&[6, 4, 3], true).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut random = || ParamVec::random(Arc::clone(network.layout()), &mut rng);
        let (a, b) = (random(), random());
        let found = Permutation::new(vec![2, 3, 0, 1]).unwrap();
        let (all, first) = ([true; 4], [false, false, true, false]);
        let same = pair_dead_units(&network, &a, &b, &[], &found, [&all, &first]);
        assert_eq!(same, found, "only one pair is dead on both sides");
        assert_eq!(pair_dead_units(&network, &a, &b, &[], &found, [&all, &all]), found, "no two are the same");
    }
}
