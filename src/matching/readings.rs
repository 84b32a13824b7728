//! Where the units of a permutation group are read off, for each way to read them.

use super::{ReadAt, StreamRule};
use crate::net::{Network, Op, PermutationGroup, Reading};

/// The readings of each of the network's groups, in order; at least one a group.
///
/// Before the nonlinearity, an activation's input stands for its output. By the paper's rule (METHODS-ALIGNMENT, section 1.4)
/// a residual stream that a layer begins is matched by what that layer shows, and one that begins with a sum by all sums.
pub fn readings(network: &Network, read_at: ReadAt, stream: StreamRule) -> Vec<Vec<Reading>> {
    network.groups().iter().map(|group| of_group(network, group, read_at, stream)).collect()
}

fn of_group(network: &Network, group: &PermutationGroup, read_at: ReadAt, stream: StreamRule) -> Vec<Reading> {
    let readings = match stream {
        StreamRule::Paper if !group.readings.first().is_some_and(|first| is_sum(network, first)) => {
            &group.readings[..group.readings.len().min(1)]
        }
        _ => &group.readings,
    };
    readings
        .iter()
        .map(|reading| if read_at == ReadAt::Pre { before(network, reading) } else { reading.clone() })
        .collect()
}

/// The same units one node earlier, if the reading is an activation.
fn before(network: &Network, reading: &Reading) -> Reading {
    let node = &network.nodes()[reading.node.0];
    match (&node.op, node.inputs.first()) {
        (Op::Activation(_), Some(&input)) => Reading { node: input, channels: reading.channels.clone() },
        _ => reading.clone(),
    }
}

/// Whether a reading, or what its activation reads, is a sum.
fn is_sum(network: &Network, reading: &Reading) -> bool {
    let is_add = |reading: &Reading| network.nodes()[reading.node.0].op == Op::Add;
    is_add(reading) || is_add(&before(network, reading))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::zoo;

    #[test]
    fn the_paper_matches_the_first_stream_by_the_stem_and_the_others_by_their_sums() {
        let network = zoo::by_name("resnet20").unwrap();
        let all = readings(&network, ReadAt::Post, StreamRule::Sum);
        let paper = readings(&network, ReadAt::Post, StreamRule::Paper);
        let streams: Vec<usize> = (0..all.len()).filter(|&group| 1 < all[group].len()).collect();
        assert_eq!(streams.len(), 3, "one stream a stage");
        // The stem and three blocks; three blocks; three blocks.
        assert_eq!(streams.iter().map(|&group| all[group].len()).collect::<Vec<_>>(), [4, 3, 3]);
        assert_eq!(streams.iter().map(|&group| paper[group].len()).collect::<Vec<_>>(), [1, 3, 3]);
        assert_eq!(paper[streams[0]][0], all[streams[0]][0]);
    }

    #[test]
    fn before_the_nonlinearity_the_same_units_are_read_one_node_earlier() {
        let network = zoo::mlp(&[6, 5, 4, 3], true).unwrap();
        let post = readings(&network, ReadAt::Post, StreamRule::Sum);
        let pre = readings(&network, ReadAt::Pre, StreamRule::Sum);
        for (post, pre) in post.iter().flatten().zip(pre.iter().flatten()) {
            assert_eq!(pre.node.0 + 1, post.node.0);
            assert_eq!(pre.channels, post.channels);
            assert!(matches!(network.nodes()[pre.node.0].op, Op::Linear { .. }));
        }
    }
}
