//! Records of CIFAR's binary versions, cut to few of them by what the fuzzer's inputs may be long.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::open_data;
fuzz_target!(|data: &[u8]| {
    // The first byte says which version, and where the names of the classes end and the records begin.
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    let (names, records) = rest.split_at(usize::from(first / 2).min(rest.len()));
    if first % 2 == 0 {
        open_data(&[("data_batch_1.bin", records), ("test_batch.bin", records), ("batches.meta.txt", names)], "");
    } else {
        open_data(&[("train.bin", records), ("test.bin", records), ("fine_label_names.txt", names)], "");
    }
});
