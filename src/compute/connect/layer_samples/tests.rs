use super::super::super::test_data::{noise, params};
use super::*;
use crate::net::{Sequence, reference, zoo};

/// Inputs and outputs of a layer for all images and places, one sample after another, by plain loops: `[n_samples][n]` and
/// `[n_samples][m]`, the outputs with their bias.
pub(in super::super) fn plain_samples(
    network: &Network,
    layer: &SequenceLayer,
    params: &ParamVec,
    data: &DataRef,
) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let [channels, height, width] = map_shape(&network.nodes()[layer.input.0].shape);
    let [_, out_height, out_width] = map_shape(&network.nodes()[layer.node.0].shape);
    let pointwise = ConvWindow { kernel: [1; 2], stride: [1; 2], padding: [[0; 2]; 2], dilation: [1; 2] };
    let ConvWindow { kernel, stride, padding, dilation } = layer.window.unwrap_or(pointwise);
    let mut image = vec![0.0; network.n_inputs()];
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for index in 0..data.n_images() {
        data.inputs().read(index, &mut image);
        let values = reference::outputs(network, params, &image);
        let map = &values[layer.input.0];
        for (y, x) in (0..out_height).flat_map(|y| (0..out_width).map(move |x| (y, x))) {
            let mut patch = Vec::new();
            for (c, u, v) in
                (0..channels).flat_map(|c| (0..kernel[0]).flat_map(move |u| (0..kernel[1]).map(move |v| (c, u, v))))
            {
                let row = (y * stride[0] + u * dilation[0]).wrapping_sub(padding[0][0]);
                let column = (x * stride[1] + v * dilation[1]).wrapping_sub(padding[1][0]);
                let is_inside = row < height && column < width;
                patch.push(if is_inside { map[(c * height + row) * width + column] } else { 0.0 });
            }
            inputs.push(patch);
            let output = values[layer.node.0].iter().skip(y * out_width + x).step_by(out_height * out_width);
            outputs.push(output.copied().collect());
        }
    }
    (inputs, outputs)
}

/// The samples of all chunks, with those that fill up.
fn gathered(samples: &mut LayerSamples, params: &ParamVec, side: Side) -> Vec<Vec<f64>> {
    let packed = samples.pack(params);
    let n_values = samples.n_values(side);
    let mut found = Vec::new();
    for chunk in 0..samples.n_chunks() {
        samples.run(chunk, &packed, side);
        let mut panels = Vec::new();
        let n_samples = samples.gather(chunk, side, &mut panels);
        for sample in 0..n_samples {
            let value = |i: usize| f64::from(panels[i / B_UNITS * n_samples + sample][i % B_UNITS]);
            found.push((0..n_values).map(value).collect());
        }
        let rest = n_values % B_UNITS;
        if rest != 0 {
            let last = &panels[n_values / B_UNITS * n_samples..];
            assert!(last.iter().all(|row| row[rest..].iter().all(|v| *v == 0.0)), "what fills up a panel is zero");
        }
    }
    found
}

/// Image, and vertical and horizontal place, of each gathered sample; `None` for those that fill up.
fn origins(samples: &LayerSamples) -> Vec<Option<(usize, [usize; 2])>> {
    let of_chunk = |chunk: usize| {
        samples.places(chunk).into_iter().flat_map(move |place| {
            let first = (chunk * samples.chunk_blocks + place.block) * LANES;
            (0..LANES).map(move |lane| (lane < place.n_images).then_some((first + lane, place.at)))
        })
    };
    (0..samples.n_chunks()).flat_map(of_chunk).collect()
}

#[test]
fn samples_are_what_the_layer_itself_reads_and_gives() {
    for network in zoo::samples().into_iter().map(Arc::new) {
        let Ok(sequence) = Sequence::of(&network) else { continue };
        let (params, data) = (params(&network, 1), noise(&network, 37));
        for layer in &sequence.layers()[1..] {
            let mut samples = LayerSamples::new(&network, layer, &data);
            assert!(!samples.is_partial());
            let (inputs, outputs) = plain_samples(&network, layer, &params, &data);
            for (side, expected) in [(Side::Inputs, inputs), (Side::Outputs, outputs)] {
                let found = gathered(&mut samples, &params, side);
                let origins = origins(&samples);
                assert_eq!(found.len(), origins.len());
                assert_eq!(origins.iter().flatten().count(), expected.len());
                let [_, height, width] = samples.geometry.output;
                for (found, origin) in found.iter().zip(origins) {
                    let zeros = vec![0.0; samples.n_values(side)];
                    let expected = origin.map_or(&zeros, |(image, [y, x])| &expected[(image * height + y) * width + x]);
                    for (x, y) in found.iter().zip(expected) {
                        assert!((x - y).abs() < 1e-4, "{} {} {side:?}: {x} {y}", network.name(), layer.name);
                    }
                }
            }
        }
    }
}

#[test]
fn large_maps_are_sampled_evenly_and_alike_on_both_sides() {
    let network = Arc::new(zoo::ConvNet::conv2fc1(&[3, 20, 20], 4).build().unwrap());
    let sequence = Sequence::of(&network).unwrap();
    let layer = &sequence.layers()[1];
    let (params, data) = (params(&network, 1), noise(&network, 100));
    let mut samples = LayerSamples::new(&network, layer, &data);
    // A map of 9 x 9 or 10 x 10, of which 64 places count.
    assert!(samples.is_partial());
    assert_eq!(samples.n_samples(), 6400);
    let inputs = gathered(&mut samples, &params, Side::Inputs);
    let outputs = gathered(&mut samples, &params, Side::Outputs);
    assert_eq!(inputs.len(), 64 * 7 * LANES);
    let (weight, bias) = (params.tensor(layer.weight), params.tensor(layer.bias.unwrap()));
    for ((x, y), _) in inputs.iter().zip(&outputs).zip(origins(&samples)).filter(|(_, origin)| origin.is_some()) {
        for (unit, y) in y.iter().enumerate() {
            let row = &weight[unit * x.len()..][..x.len()];
            let expected = x.iter().zip(row).map(|(x, w)| x * f64::from(*w)).sum::<f64>() + f64::from(bias[unit]);
            assert!((y - expected).abs() < 1e-4, "{y} {expected}");
        }
    }
    // From block to block the places move on, so that all of them are seen.
    let [_, height, width] = samples.geometry.output;
    let mut seen: Vec<[usize; 2]> = origins(&samples).into_iter().flatten().map(|(_, at)| at).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), height * width);
}
