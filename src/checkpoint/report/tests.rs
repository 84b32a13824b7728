//! Files that do not quite fit, through [`Mode::from_checkpoint_with`].

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::checkpoint::{Checkpoint, Dtype, Format, Mode, ModeError, OpenOptions};
use crate::net::{GraphBuilder, Network, zoo};

fn tensor(name: &str, shape: &[usize]) -> RawTensor {
    let n: usize = shape.iter().product();
    let values = (0..n).map(|i| i as f32).collect();
    RawTensor { name: name.to_owned(), shape: shape.to_vec(), dtype: Dtype::F32, values }
}

/// A file with the tensors of a network, each holding 0, 1, 2, ..; `change` alters names and shapes.
fn file_of(network: &Network, change: impl Fn(&str, &[usize]) -> (String, Vec<usize>)) -> Checkpoint {
    let tensors = network.layout().specs().iter().map(|spec| {
        let (name, shape) = change(&spec.name, &spec.shape);
        tensor(&name, &shape)
    });
    Checkpoint {
        path: Path::new("m.pt").to_owned(),
        format: Format::TorchZip,
        tensors: tensors.collect(),
        notes: Vec::new(),
    }
}

fn mlp() -> Arc<Network> {
    Arc::new(zoo::mlp(&[4, 3, 2], true).unwrap())
}

fn options(network: &Arc<Network>, mends: Mends) -> OpenOptions {
    OpenOptions { network: Some(Arc::clone(network)), mends, ..OpenOptions::default() }
}

fn refused(file: Checkpoint, options: &OpenOptions) -> LoadReport {
    match Mode::from_checkpoint_with(file, options) {
        Err(ModeError::DoesNotFit { report, .. }) => *report,
        other => panic!("{other:?}"),
    }
}

fn as_is(name: &str, shape: &[usize]) -> (String, Vec<usize>) {
    (name.to_owned(), shape.to_vec())
}

#[test]
fn a_file_that_fits_is_applied_and_what_it_has_besides_is_listed() {
    let network = mlp();
    let mut file = file_of(&network, as_is);
    file.tensors.push(tensor("head.weight", &[5, 2]));
    file.tensors.push(tensor("bn.num_batches_tracked", &[]));
    let (mode, report) = Mode::from_checkpoint_with(file, &options(&network, Mends::default())).unwrap();
    assert_eq!(report.applied.len(), network.layout().specs().len());
    assert_eq!(report.unused, [("head.weight".to_owned(), vec![5, 2])], "counters are ignored silently");
    assert_eq!(mode.notes, ["not used: head.weight"]);
    assert!(report.is_complete());
}

#[test]
fn missing_tensors_and_other_shapes_are_reported_in_a_table() {
    let network = mlp();
    let mut file = file_of(&network, |name, shape| match shape {
        [3, 4] => (name.to_owned(), vec![4, 3]),
        [3] => (name.to_owned(), vec![7]),
        _ => as_is(name, shape),
    });
    file.tensors.pop();
    let report = refused(file, &options(&network, Mends::default()));
    assert!(!report.is_complete());
    let likely: Vec<Likely> = report.mismatched.iter().map(|mismatch| mismatch.likely).collect();
    assert_eq!(likely, [Likely::Transposed, Likely::OtherWidth]);
    let names: Vec<&str> = network.layout().specs().iter().map(|spec| spec.name.as_str()).collect();
    let expected = [
        "1 tensors applied, 1 missing, 0 unused, 2 of another shape".to_owned(),
        format!("  shape    {}: expected [3, 4], found [4, 3] (transposed?)", names[0]),
        format!("  shape    {}: expected [3], found [7] (a network of another width?)", names[1]),
        format!("  missing  {} [2]", names[3]),
    ];
    assert_eq!(
        report.to_string(),
        expected.join("\n"),
        "transposing all would not help: the other matrix fits as it is"
    );
}

#[test]
fn likely_causes_follow_from_the_shapes() {
    assert_eq!(Likely::of(&[120, 16, 5, 5], &[120, 400]), Likely::Reshaped);
    assert_eq!(Likely::of(&[10, 84], &[84, 10]), Likely::Transposed);
    assert_eq!(Likely::of(&[10, 84], &[100, 84]), Likely::OtherWidth);
    assert_eq!(Likely::of(&[10, 84], &[6, 1, 5, 5]), Likely::OtherLayer);
}

#[test]
fn a_prefix_is_taken_off_or_added_only_when_asked() {
    let network = mlp();
    let prefixed = || file_of(&network, |name, shape| (format!("module.net.{name}"), shape.to_vec()));
    let report = refused(prefixed(), &options(&network, Mends::default()));
    let mends = Mends { strip_prefix: Some("module.net.".to_owned()), ..Mends::default() };
    assert_eq!(report.helpful.as_ref(), Some(&mends));
    assert!(report.to_string().ends_with("\nwhat would help: take the prefix `module.net.` off"), "{report}");
    let (mode, _) = Mode::from_checkpoint_with(prefixed(), &options(&network, mends)).unwrap();
    assert_eq!(mode.notes, ["mended as asked: take the prefix `module.net.` off"]);

    let names = network.layout().specs().iter().map(|spec| format!("model.{}", spec.name)).collect();
    let network = Arc::new(Network::clone(&network).renamed("wrapped", names).unwrap());
    let bare = || file_of(&mlp(), as_is);
    let report = refused(bare(), &options(&network, Mends::default()));
    let mends = Mends { add_prefix: Some("model.".to_owned()), ..Mends::default() };
    assert_eq!(report.helpful.as_ref(), Some(&mends));
    assert!(Mode::from_checkpoint_with(bare(), &options(&network, mends)).is_ok());
}

#[test]
fn matrices_are_transposed_only_when_asked() {
    let network = mlp();
    let reversed = |name: &str, shape: &[usize]| (name.to_owned(), shape.iter().rev().copied().collect());
    let report = refused(file_of(&network, reversed), &options(&network, Mends::default()));
    let mends = Mends { transpose: true, ..Mends::default() };
    assert_eq!(report.helpful.as_ref(), Some(&mends));
    let (mode, _) = Mode::from_checkpoint_with(file_of(&network, reversed), &options(&network, mends)).unwrap();
    // The file has [4, 3] counting along its rows; row 0 of [3, 4] is the file's column 0.
    assert_eq!(mode.params.values()[..4], [0.0, 3.0, 6.0, 9.0]);
}

#[test]
fn other_names_are_placed_by_their_order_only_when_asked() {
    let network = mlp();
    let renamed = |name: &str, shape: &[usize]| (format!("layer_{name}"), shape.to_vec());
    let report = refused(file_of(&network, renamed), &options(&network, Mends::default()));
    let mends = Mends { by_order: true, ..Mends::default() };
    assert_eq!(report.helpful.as_ref(), Some(&mends), "{report}");
    let (mode, report) = Mode::from_checkpoint_with(file_of(&network, renamed), &options(&network, mends)).unwrap();
    assert_eq!(report.applied.len(), 4);
    assert!(mode.network.same_architecture(&network));
}

#[test]
fn mends_also_help_recognition() {
    let network = mlp();
    let reversed = |name: &str, shape: &[usize]| (name.to_owned(), shape.iter().rev().copied().collect());
    let options = OpenOptions { mends: Mends { transpose: true, ..Mends::default() }, ..OpenOptions::default() };
    let (mode, report) = Mode::from_checkpoint_with(file_of(&network, reversed), &options).unwrap();
    assert_eq!(mode.network.n_inputs(), 4);
    assert!(report.is_complete() && report.applied.len() == 4);
}

#[test]
fn tensors_that_become_the_same_by_a_mend_are_not_mixed() {
    let network = mlp();
    let mut file = file_of(&network, as_is);
    let name = network.layout().specs()[0].name.clone();
    file.tensors.push(tensor(&format!("ema.{name}"), &[3, 4]));
    let mends = Mends { strip_prefix: Some("ema.".to_owned()), ..Mends::default() };
    let (_, report) = Mode::from_checkpoint_with(file, &options(&network, mends)).unwrap();
    assert_eq!(report.unused, [(name, vec![3, 4])]);
}

#[test]
fn running_statistics_are_filled_like_other_tensors() {
    let (mut graph, input) = GraphBuilder::new(&[3]);
    let x = graph.linear(input, "fc", 2, true).unwrap();
    graph.batch_norm(x, "bn").unwrap();
    let network = Arc::new(graph.finish("normed").unwrap());
    let (mode, _) = Mode::from_checkpoint_with(file_of(&network, as_is), &options(&network, Mends::default())).unwrap();
    assert!(mode.params.layout().has_statistics());
    assert_eq!(mode.params.values().len(), 6 + 2 + 4 * 2);
    for (index, spec) in network.layout().specs().iter().enumerate() {
        let expected: Vec<f32> = (0..spec.n_values()).map(|i| i as f32).collect();
        assert_eq!(mode.params.tensor(crate::net::ParamId(index)), expected, "{}", spec.name);
    }
}

#[test]
fn an_input_that_the_network_cannot_take_is_refused() {
    let network = mlp();
    let options = OpenOptions { input: Some(vec![9]), ..options(&network, Mends::default()) };
    let error = Mode::from_checkpoint_with(file_of(&network, as_is), &options).unwrap_err();
    assert!(matches!(&error, ModeError::Input { .. }), "{error}");
}
