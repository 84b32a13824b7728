use super::super::op::Window;
use super::super::{Conv, GraphBuilder};
use super::*;

fn places(network: &Network, group: usize, tensor: &str) -> Vec<usize> {
    let group = &network.groups()[group];
    let found = group.axes.iter().find(|u| network.layout().spec(u.param).name == tensor && u.axis == 1);
    found.unwrap().places.clone()
}

#[test]
fn a_residual_stream_is_one_group_with_a_reading_at_every_activation() {
    let (mut g, x) = GraphBuilder::new(&[3, 8, 8]);
    let x = g.conv(x, "stem", Conv::new(4, 3).padding(1)).unwrap();
    let x = g.relu(x).unwrap();
    let y = g.conv(x, "inner", Conv::new(5, 3).padding(1)).unwrap();
    let y = g.relu(y).unwrap();
    let y = g.conv(y, "outer", Conv::new(4, 3).padding(1)).unwrap();
    let sum = g.add(x, y).unwrap();
    let sum = g.relu(sum).unwrap();
    let pooled = g.global_avg_pool(sum).unwrap();
    g.linear(pooled, "head", 2, true).unwrap();
    let network = g.finish("residual").unwrap();
    let names: Vec<(&str, usize, usize)> =
        network.groups().iter().map(|g| (g.name.as_str(), g.n_units, g.readings.len())).collect();
    assert_eq!(names, [("stem", 4, 2), ("inner", 5, 1)]);
}

#[test]
fn concatenated_branches_stay_apart_at_their_offsets() {
    let (mut g, x) = GraphBuilder::new(&[1, 4, 4]);
    let a = g.conv(x, "a", Conv::new(2, 1)).unwrap();
    let b = g.conv(x, "b", Conv::new(3, 1)).unwrap();
    let joined = g.concat(&[a, b]).unwrap();
    let flat = g.flatten(joined).unwrap();
    g.linear(flat, "head", 2, true).unwrap();
    let network = g.finish("branches").unwrap();
    assert_eq!(network.groups().len(), 2);
    // Positions of b's three channels of 16 pixels begin behind a's two.
    assert_eq!(places(&network, 1, "head.weight"), (32..80).collect::<Vec<_>>());
}

#[test]
fn a_padded_shortcut_splits_the_wider_stream() {
    let (mut g, x) = GraphBuilder::new(&[1, 4, 4]);
    let x = g.conv(x, "narrow", Conv::new(4, 3).padding(1)).unwrap();
    let y = g.conv(x, "wide", Conv::new(8, 3).stride(2).padding(1)).unwrap();
    let short = g.max_pool(x, Window::square(1).stride(2)).unwrap();
    let short = g.apply(Op::Pad { before: 2, behind: 2 }, &[short]).unwrap();
    let sum = g.add(y, short).unwrap();
    let pooled = g.global_avg_pool(sum).unwrap();
    g.linear(pooled, "head", 2, true).unwrap();
    let network = g.finish("padded").unwrap();
    let sizes: Vec<(&str, usize)> = network.groups().iter().map(|g| (g.name.as_str(), g.n_units)).collect();
    assert_eq!(sizes, [("narrow", 4), ("wide", 4)]);
    assert_eq!(places(&network, 0, "head.weight"), [2, 3, 4, 5]);
    assert_eq!(places(&network, 1, "head.weight"), [0, 1, 6, 7]);
}

#[test]
fn group_norm_and_grouped_convolutions_restrict_and_say_so() {
    let (mut g, x) = GraphBuilder::new(&[3, 4, 4]);
    let x = g.conv(x, "first", Conv::new(6, 1)).unwrap();
    let x = g.group_norm(x, "norm", 2, 1e-5).unwrap();
    let x = g.conv(x, "depthwise", Conv::new(6, 3).padding(1).groups(6)).unwrap();
    let x = g.conv(x, "second", Conv::new(8, 1)).unwrap();
    let x = g.conv(x, "grouped", Conv::new(4, 1).groups(2)).unwrap();
    let x = g.global_avg_pool(x).unwrap();
    g.linear(x, "head", 2, true).unwrap();
    let network = g.finish("grouped").unwrap();
    let sizes: Vec<(&str, usize)> = network.groups().iter().map(|g| (g.name.as_str(), g.n_units)).collect();
    assert_eq!(sizes, [("first", 3), ("first #2", 3), ("grouped", 2), ("grouped #2", 2)]);
    assert_eq!(network.restrictions().len(), 2);
}
