//! Pictures of a data set's examples.

use egui::ColorImage;

use crate::data::{Dataset, Normalization, SplitName};

/// Examples as they are in the file, beside each other in one picture: grey, or in colours where they have three channels.
/// `None` where examples are no images, or there are none.
pub(super) fn strip(dataset: &Dataset, split: SplitName, indices: &[usize]) -> Option<ColorImage> {
    let shape = dataset.shape;
    if shape.is_tabular() || indices.is_empty() {
        return None;
    }
    let inputs = dataset.inputs(split, &Normalization::identity(shape.channels));
    let mut values = vec![0.0; shape.pixels()];
    let row = shape.width * indices.len();
    let mut rgb = vec![0; 3 * row * shape.height];
    let n = shape.height * shape.width;
    for (place, &index) in indices.iter().enumerate() {
        inputs.read(index, &mut values);
        let (low, high) = values.iter().fold((0.0_f32, 1.0_f32), |(low, high), &v| (low.min(v), high.max(v)));
        for pixel in 0..n {
            let at = 3 * (pixel / shape.width * row + place * shape.width + pixel % shape.width);
            for (color, out) in rgb[at..at + 3].iter_mut().enumerate() {
                let channel = if shape.channels == 3 { color } else { 0 };
                *out = (255.0 * (values[channel * n + pixel] - low) / (high - low)).round() as u8;
            }
        }
    }
    Some(ColorImage::from_rgb([row, shape.height], &rgb))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::optdigits;

    #[test]
    fn pictures_stand_beside_each_other_in_order() {
        let digits = optdigits();
        let both = strip(&digits, SplitName::Test, &[7, 3]).unwrap();
        assert_eq!(both.size, [16, 8]);
        for (place, index) in [(0, 7), (1, 3)] {
            let alone = strip(&digits, SplitName::Test, &[index]).unwrap();
            for y in 0..8 {
                assert_eq!(both.pixels[y * 16 + place * 8..][..8], alone.pixels[y * 8..][..8]);
            }
        }
        assert!(strip(&digits, SplitName::Test, &[]).is_none());
    }
}
