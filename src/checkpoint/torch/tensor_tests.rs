use super::*;

fn view(n_elements: u64, offset: i64, shape: &[i64], strides: &[i64]) -> TensorView<'static> {
    let storage = Storage { key: "0", dtype: Dtype::U8, n_elements };
    TensorView { storage, offset, shape: shape.to_vec(), strides: strides.to_vec() }
}

fn gather(view: &TensorView<'_>) -> Result<Vec<f32>, TensorFault> {
    let storage: Vec<u8> = (0..12).collect();
    view.gather(&storage, &mut Budget::for_file(1)).map(|(_, values)| values)
}

fn check(offset: i64, shape: &[i64], strides: &[i64], expected: &[f32]) {
    assert_eq!(gather(&view(12, offset, shape, strides)).unwrap(), expected, "{shape:?} {strides:?}");
}

#[test]
fn strides_are_followed() {
    check(0, &[2, 3], &[3, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    check(0, &[3, 2], &[1, 3], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    check(4, &[2, 2], &[4, 2], &[4.0, 6.0, 8.0, 10.0]);
    check(5, &[2, 3], &[0, 1], &[5.0, 6.0, 7.0, 5.0, 6.0, 7.0]);
    check(7, &[], &[], &[7.0]);
    check(0, &[3, 2], &[1, 1], &[0.0, 1.0, 1.0, 2.0, 2.0, 3.0]);
    check(11, &[1, 1], &[i64::MAX, i64::MAX], &[11.0]);
    check(0, &[2, 0, 3], &[0, 3, 1], &[]);
}

#[test]
fn views_beyond_their_storage_are_refused() {
    for (offset, shape, strides) in [
        (0, &[13][..], &[1][..]),
        (12, &[1], &[1]),
        (11, &[2], &[1]),
        (0, &[2, 7], &[6, 1]),
        (0, &[3, 3], &[i64::MAX, i64::MAX]),
        (i64::MAX, &[2], &[1]),
    ] {
        let error = gather(&view(12, offset, shape, strides)).unwrap_err();
        assert!(matches!(error, TensorFault::OutOfRange { storage: 12, .. }), "{error}");
    }
}

#[test]
fn negative_numbers_and_unequal_ranks_are_refused() {
    for (offset, shape, strides) in [
        (0, &[2][..], &[-1][..]),
        (0, &[-2], &[1]),
        (-1, &[2], &[1]),
        (0, &[2, 2], &[1]),
        (0, &[i64::MAX, i64::MAX, 0], &[1, 1, 1]),
    ] {
        assert!(matches!(gather(&view(12, offset, shape, strides)), Err(TensorFault::Shape { .. })), "{shape:?}");
    }
    assert!(matches!(gather(&view(12, 0, &[1; 9], &[1; 9])), Err(TensorFault::Rank { found: 9, limit: 8 })));
}

#[test]
fn a_storage_of_another_length_than_declared_is_refused() {
    for declared in [0, 11, 13, u64::MAX] {
        let error = gather(&view(declared, 0, &[1], &[1])).unwrap_err();
        assert!(matches!(error, TensorFault::StorageSize { found: 12, .. }), "{error}");
    }
}

#[test]
fn one_number_cannot_become_a_terabyte() {
    let side = 1 << 20;
    let error = gather(&view(12, 0, &[side, side], &[0, 0])).unwrap_err();
    assert!(matches!(error, TensorFault::Expanded { limit: 1_048_576, .. }), "{error}");
    // Nor can many tensors that are each small enough.
    let mut budget = Budget::for_file(1);
    let storage: Vec<u8> = (0..12).collect();
    let expanded = view(12, 0, &[600_000], &[0]);
    assert!(expanded.gather(&storage, &mut budget).is_ok());
    assert!(expanded.gather(&storage, &mut budget).is_err());
}
