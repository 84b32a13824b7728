use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::net::{Conv, GraphBuilder};

/// A convolution 16 -> 32 of 3x3 with a bias, batch norm, and a linear layer 128 -> 64.
fn network() -> Network {
    let (mut graph, input) = GraphBuilder::new(&[16, 4, 4]);
    let x = graph.conv(input, "conv", Conv::new(32, 3)).unwrap();
    let x = graph.batch_norm(x, "norm").unwrap();
    let x = graph.flatten(x).unwrap();
    graph.linear(x, "fc", 64, true).unwrap();
    graph.finish("small").unwrap()
}

fn drawn(init: Init, name: &str) -> Vec<f32> {
    let network = network();
    let params = init.draw(network.layout(), &mut ChaCha8Rng::seed_from_u64(1));
    let index = network.layout().specs().iter().position(|spec| spec.name == name).unwrap();
    params.tensor(ParamId(index)).to_vec()
}

fn mean_and_std(values: &[f32]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

#[test]
fn variances_are_those_of_the_papers() {
    let (conv_in, conv_out) = (16.0 * 9.0, 32.0 * 9.0);
    let (linear_in, linear_out) = (128.0, 64.0);
    // A normal distribution cut off at two standard deviations has 0.8796 of its own.
    for (init, name, expected) in [
        (Init::Torch, "conv.weight", (1.0_f64 / (3.0 * conv_in)).sqrt()),
        (Init::Torch, "fc.weight", (1.0_f64 / (3.0 * linear_in)).sqrt()),
        (Init::XavierNormal, "conv.weight", (2.0 / (conv_in + conv_out)).sqrt()),
        (Init::XavierNormal, "fc.weight", (2.0 / (linear_in + linear_out)).sqrt()),
        (Init::HeNormal, "conv.weight", (2.0 / conv_out).sqrt()),
        (Init::HeNormal, "fc.weight", (1.0_f64 / (3.0 * linear_in)).sqrt()),
        (Init::TruncatedNormal, "conv.weight", 0.01 * 0.8796),
        (Init::TruncatedNormal, "fc.weight", 0.01 * 0.8796),
    ] {
        let (mean, std) = mean_and_std(&drawn(init, name));
        assert!((std / expected - 1.0).abs() < 0.05 && mean.abs() < 0.1 * expected, "{init} {name}: {mean} {std}");
    }
}

#[test]
fn biases_are_zero_where_the_paper_says_so() {
    let zero = |init, name| drawn(init, name).iter().all(|&b| b == 0.0);
    assert!(zero(Init::XavierNormal, "conv.bias") && zero(Init::XavierNormal, "fc.bias"));
    assert!(zero(Init::HeNormal, "conv.bias") && !zero(Init::HeNormal, "fc.bias"));
    assert!(!zero(Init::Torch, "conv.bias") && !zero(Init::TruncatedNormal, "conv.bias"));
}

#[test]
fn truncated_normals_stay_within_two_standard_deviations() {
    assert!(drawn(Init::TruncatedNormal, "conv.weight").iter().all(|w| w.abs() <= 0.02));
}

#[test]
fn normalisations_begin_as_the_identity() {
    for init in Init::ALL {
        assert!(drawn(init, "norm.weight").iter().chain(&drawn(init, "norm.running_var")).all(|&v| v == 1.0));
        assert!(drawn(init, "norm.bias").iter().chain(&drawn(init, "norm.running_mean")).all(|&v| v == 0.0));
    }
}

#[test]
fn the_same_seed_draws_the_same_weights_and_names_are_read_as_written() {
    for init in Init::ALL {
        assert_eq!(drawn(init, "fc.weight"), drawn(init, "fc.weight"));
        assert_eq!(init.to_string().parse(), Ok(init));
    }
    assert!("he".parse::<Init>().unwrap_err().contains("he-normal"));
}
