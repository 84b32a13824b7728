//! From the values of a data set to the inputs of a network, one example at a time.

use rand::Rng;

use super::{Augmentation, Dataset, ImageShape, Normalization, SplitName, Values};

/// The examples of a split as a network takes them. Bytes are looked up in a table a channel.
pub struct Inputs<'a> {
    shape: ImageShape,
    values: &'a Values,
    labels: &'a [u16],
    normalization: Normalization,
    max_value: f32,
    /// `[channels]`, what each byte becomes. Empty for floats.
    tables: Vec<[f32; 256]>,
}

impl Dataset {
    /// The examples of a split, normalised.
    ///
    /// # Panics
    /// If the normalization is for another number of channels.
    pub fn inputs<'a>(&'a self, split: SplitName, normalization: &Normalization) -> Inputs<'a> {
        let n_channels = [normalization.mean.len(), normalization.std.len()];
        assert_eq!(n_channels, [self.shape.channels; 2], "a mean and a deviation for each channel");
        let split = self.split(split);
        let max_value = f32::from(self.max_value);
        let table =
            |(mean, std): (&f32, &f32)| std::array::from_fn(|byte| normalised(byte as f32 / max_value, *mean, *std));
        let tables = match &split.values {
            Values::Bytes(_) => normalization.mean.iter().zip(&normalization.std).map(table).collect(),
            Values::Floats(_) => Vec::new(),
        };
        Inputs {
            shape: self.shape,
            values: &split.values,
            labels: &split.labels,
            normalization: normalization.clone(),
            max_value,
            tables,
        }
    }
}

impl Inputs<'_> {
    /// Values of one example.
    pub fn n_values(&self) -> usize {
        self.shape.pixels()
    }

    /// How many examples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    pub fn label(&self, index: usize) -> u16 {
        self.labels[index]
    }

    /// Writes one example, normalised, `[channels, height, width]`.
    pub fn read(&self, index: usize, out: &mut [f32]) {
        self.read_from(index, 0, out);
    }

    /// Writes as many of one example's values as `out` takes, from its value `first` on.
    pub fn read_from(&self, index: usize, first: usize, out: &mut [f32]) {
        let start = index * self.n_values() + first;
        let per_channel = self.shape.height * self.shape.width;
        let mut done = 0;
        while done < out.len() {
            let channel = (first + done) / per_channel;
            let end = out.len().min((channel + 1) * per_channel - first);
            let (source, out) = (start + done..start + end, &mut out[done..end]);
            match self.values {
                Values::Bytes(bytes) => {
                    let table = &self.tables[channel];
                    for (out, &byte) in out.iter_mut().zip(&bytes[source]) {
                        *out = table[usize::from(byte)];
                    }
                }
                Values::Floats(floats) => {
                    let (mean, std) = (self.normalization.mean[channel], self.normalization.std[channel]);
                    for (out, &value) in out.iter_mut().zip(&floats[source]) {
                        *out = normalised(value, mean, std);
                    }
                }
            }
            done = end;
        }
    }

    /// Writes one example, changed at random and then normalised, `[channels, height, width]`.
    pub fn read_augmented(&self, index: usize, augmentation: &Augmentation, rng: &mut impl Rng, out: &mut [f32]) {
        let range = index * self.n_values()..(index + 1) * self.n_values();
        match self.values {
            Values::Bytes(bytes) => {
                for (out, &byte) in out.iter_mut().zip(&bytes[range]) {
                    *out = f32::from(byte) / self.max_value;
                }
            }
            Values::Floats(floats) => out.copy_from_slice(&floats[range]),
        }
        augmentation.apply(self.shape, rng, out);
        let Normalization { mean, std } = &self.normalization;
        for (channel, (mean, std)) in
            out.chunks_exact_mut(self.shape.height * self.shape.width).zip(mean.iter().zip(std))
        {
            channel.iter_mut().for_each(|value| *value = normalised(*value, *mean, *std));
        }
    }
}

fn normalised(value: f32, mean: f32, std: f32) -> f32 {
    (value - mean) / std
}

#[cfg(test)]
mod tests;
