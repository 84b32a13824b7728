//! The data set in the program: Optical Recognition of Handwritten Digits (E. Alpaydin and C. Kaynak, 1998, UCI Machine
//! Learning Repository, CC BY 4.0). 3,823 training and 1,797 test images of 8 x 8 pixels from 0 to 16.

use std::path::{Path, PathBuf};

use super::{DataError, Dataset, ImageShape, Split, Values};

const SHAPE: ImageShape = ImageShape { channels: 1, height: 8, width: 8 };
const MAX_VALUE: u8 = 16;
const N_CLASSES: u8 = 10;

/// The embedded data set.
pub fn optdigits() -> Dataset {
    let train = parse(include_bytes!("../../assets/optdigits.tra"), Path::new("optdigits.tra"));
    let test = parse(include_bytes!("../../assets/optdigits.tes"), Path::new("optdigits.tes"));
    Dataset {
        name: "optdigits".to_owned(),
        source: "embedded".to_owned(),
        shape: SHAPE,
        max_value: MAX_VALUE,
        class_names: (0..N_CLASSES).map(|digit| digit.to_string()).collect(),
        train: train.expect("the embedded file is part of the program, and a test reads it"),
        test: test.expect("the embedded file is part of the program, and a test reads it"),
        notes: Vec::new(),
    }
}

/// Rows of 64 pixels and a label.
fn parse(text: &[u8], path: &Path) -> Result<Split, DataError> {
    let (mut all_pixels, mut labels) = (Vec::new(), Vec::new());
    let mut rows = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let mut row = csv::ByteRecord::new();
    let mut line = 0;
    loop {
        line += 1;
        // Reading bytes from memory cannot fail, and rows of any length are allowed here.
        if !rows.read_byte_record(&mut row).unwrap_or(false) {
            return Ok(Split { values: Values::Bytes(all_pixels), labels });
        }
        let numbers: Option<Vec<u8>> =
            row.iter().map(|field| str::from_utf8(field).ok()?.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some([pixels @ .., label])
                if pixels.len() == SHAPE.pixels() && *label < N_CLASSES && pixels.iter().all(|p| *p <= MAX_VALUE) =>
            {
                all_pixels.extend_from_slice(pixels);
                labels.push(u16::from(*label));
            }
            _ => return Err(bad_row(path.to_owned(), line, &row)),
        }
    }
}

fn bad_row(path: PathBuf, line: usize, row: &csv::ByteRecord) -> DataError {
    const SHOWN_CHARS: usize = 40;
    let text: String = String::from_utf8_lossy(row.as_slice()).chars().take(SHOWN_CHARS).collect();
    let found = format!("{} fields: {}", row.len(), text.escape_debug());
    DataError::Row { path, line, expected: SHAPE.pixels() + 1, limit: MAX_VALUE, found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Normalization;

    #[test]
    fn the_embedded_digits_are_as_their_authors_describe_them() {
        let digits = optdigits();
        assert_eq!((digits.train.len(), digits.test.len()), (3_823, 1_797));
        assert_eq!(digits.train.values.len(), 3_823 * 64);
        assert_eq!(digits.test.values.len(), 1_797 * 64);
        assert!(matches!(&digits.train.values, Values::Bytes(pixels) if pixels.iter().max() == Some(&16)));
        let counts = |split: &Split| {
            (0..10).map(|digit| split.labels.iter().filter(|label| **label == digit).count()).collect::<Vec<_>>()
        };
        assert_eq!(counts(&digits.train), [376, 389, 380, 389, 387, 376, 377, 387, 380, 382]);
        assert_eq!(counts(&digits.test), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        let statistics = Normalization::of_train(&digits);
        // NumPy: 0.307748230, 0.377280349.
        assert_eq!(statistics, Normalization { mean: vec![0.307_748_24], std: vec![0.377_280_35] });
    }

    #[test]
    fn a_row_that_is_no_image_is_named_by_its_line() {
        let good = format!("{}7\n", "16,".repeat(64));
        assert_eq!(parse(good.as_bytes(), Path::new("d")).unwrap().labels, [7]);
        for bad in [
            format!("{}7\n", "0,".repeat(63)),
            format!("{}10\n", "0,".repeat(64)),
            format!("17,{}7\n", "0,".repeat(63)),
            format!("x,{}7\n", "0,".repeat(63)),
            format!("{}7\n", "0,".repeat(65)),
        ] {
            let message = parse(format!("{good}{bad}").as_bytes(), Path::new("d")).unwrap_err().to_string();
            assert!(message.starts_with("line 2: expected 65 whole numbers up to 16"), "{message}");
        }
    }
}
