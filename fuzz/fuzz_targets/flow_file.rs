//! A map of neurons: the text in its header, which says what tensors there are, and these tensors.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::checkpoint::{TensorOut, parse_flow, to_safetensors};
use lowroad_fuzz::named_shapes;

/// Values that all the tensors of one file are cut from.
const HALVES: [f32; 1 << 12] = [0.5; 1 << 12];

// The header's text, an empty line, then one tensor a line; or a whole file.
fuzz_target!(|data: &[u8]| {
    let path = Path::new("fuzzed");
    drop(parse_flow(data, path));
    let Some((header, tensors)) = str::from_utf8(data).ok().and_then(|text| text.split_once("\n\n")) else {
        return;
    };
    let lines = named_shapes(tensors);
    let tensors = lines.iter().filter_map(|(name, shape)| {
        let n_values = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n))?;
        Some(TensorOut { name, shape, values: HALVES.get(..n_values)? })
    });
    let metadata = BTreeMap::from([("lowroad.flow".to_owned(), header.to_owned())]);
    if let Ok(file) = to_safetensors(&tensors.collect::<Vec<_>>(), &metadata)
        && let Ok(model) = parse_flow(&file, path)
    {
        let config = model.config();
        assert_eq!(config.tensors().len(), model.values().len());
    }
});
