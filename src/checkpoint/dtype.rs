//! Element types of tensors in files, and their conversion to `f32`.

use std::fmt;

use half::{bf16, f16};

/// The type of a tensor's elements in the file. Printed as safetensors names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::I64 => "I64",
            Self::I32 => "I32",
            Self::I16 => "I16",
            Self::I8 => "I8",
            Self::U64 => "U64",
            Self::U32 => "U32",
            Self::U16 => "U16",
            Self::U8 => "U8",
            Self::Bool => "BOOL",
        })
    }
}

impl Dtype {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// The type behind a storage class of PyTorch (`FloatStorage`); `None` for those without a real-valued meaning.
    pub(super) fn of_torch_storage(class: &str) -> Option<Self> {
        Some(match class {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::BF16,
            "LongStorage" => Self::I64,
            "IntStorage" => Self::I32,
            "ShortStorage" => Self::I16,
            "CharStorage" => Self::I8,
            "ByteStorage" => Self::U8,
            "BoolStorage" => Self::Bool,
            _ => return None,
        })
    }

    /// The type that NumPy calls so (`f4`), without its byte order; `None` for what is no real number of up to 8 bytes.
    pub(super) fn of_numpy(code: &str) -> Option<Self> {
        Some(match code {
            "f8" => Self::F64,
            "f4" => Self::F32,
            "f2" => Self::F16,
            "i8" => Self::I64,
            "i4" => Self::I32,
            "i2" => Self::I16,
            "i1" => Self::I8,
            "u8" => Self::U64,
            "u4" => Self::U32,
            "u2" => Self::U16,
            "u1" => Self::U8,
            "b1" => Self::Bool,
            _ => return None,
        })
    }

    /// The type of a safetensors entry; `None` for those narrower than a byte, of 8-bit floats and complex ones.
    pub(super) fn of_safetensors(dtype: safetensors::Dtype) -> Option<Self> {
        use safetensors::Dtype as In;
        Some(match dtype {
            In::F64 => Self::F64,
            In::F32 => Self::F32,
            In::F16 => Self::F16,
            In::BF16 => Self::BF16,
            In::I64 => Self::I64,
            In::I32 => Self::I32,
            In::I16 => Self::I16,
            In::I8 => Self::I8,
            In::U64 => Self::U64,
            In::U32 => Self::U32,
            In::U16 => Self::U16,
            In::U8 => Self::U8,
            In::BOOL => Self::Bool,
            _ => return None,
        })
    }

    /// Appends every element of `bytes` (little-endian) to `out`. Bytes beyond the last whole element are ignored; callers
    /// have checked that there are none.
    pub(super) fn widen(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self {
            Self::F64 => extend(bytes, out, |b| f64::from_le_bytes(b) as f32),
            Self::F32 => extend(bytes, out, f32::from_le_bytes),
            Self::F16 => extend(bytes, out, |b| f16::from_le_bytes(b).to_f32()),
            Self::BF16 => extend(bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
            Self::I64 => extend(bytes, out, |b| i64::from_le_bytes(b) as f32),
            Self::I32 => extend(bytes, out, |b| i32::from_le_bytes(b) as f32),
            Self::I16 => extend(bytes, out, |b| f32::from(i16::from_le_bytes(b))),
            Self::I8 => extend(bytes, out, |b| f32::from(i8::from_le_bytes(b))),
            Self::U64 => extend(bytes, out, |b| u64::from_le_bytes(b) as f32),
            Self::U32 => extend(bytes, out, |b| u32::from_le_bytes(b) as f32),
            Self::U16 => extend(bytes, out, |b| f32::from(u16::from_le_bytes(b))),
            Self::U8 => extend(bytes, out, |[b]: [u8; 1]| f32::from(b)),
            Self::Bool => extend(bytes, out, |[b]: [u8; 1]| f32::from(u8::from(b != 0))),
        }
    }
}

fn extend<const N: usize>(bytes: &[u8], out: &mut Vec<f32>, convert: impl Fn([u8; N]) -> f32) {
    out.extend(bytes.as_chunks::<N>().0.iter().map(|chunk| convert(*chunk)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dtype: Dtype, bytes: &[u8], expected: &[f32]) {
        let mut values = Vec::new();
        dtype.widen(bytes, &mut values);
        assert_eq!(values, expected, "{dtype}");
    }

    #[test]
    fn every_type_widens_to_its_value() {
        check(Dtype::F64, &[1.5_f64.to_le_bytes(), (-2.0_f64).to_le_bytes()].concat(), &[1.5, -2.0]);
        check(Dtype::F32, &0.1_f32.to_le_bytes(), &[0.1]);
        check(Dtype::F16, &[0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00], &[1.0, -2.0, 5.960_464_5e-8]);
        check(Dtype::BF16, &[0x80, 0x3f, 0x49, 0x40], &[1.0, 3.140_625]);
        check(Dtype::I64, &(-3_i64).to_le_bytes(), &[-3.0]);
        check(Dtype::I32, &7_i32.to_le_bytes(), &[7.0]);
        check(Dtype::I16, &(-300_i16).to_le_bytes(), &[-300.0]);
        check(Dtype::I8, &[0xff, 0x7f], &[-1.0, 127.0]);
        check(Dtype::U64, &9_u64.to_le_bytes(), &[9.0]);
        check(Dtype::U32, &3_000_000_000_u32.to_le_bytes(), &[3_000_000_000.0]);
        check(Dtype::U16, &65_535_u16.to_le_bytes(), &[65_535.0]);
        check(Dtype::U8, &[0, 255], &[0.0, 255.0]);
        check(Dtype::Bool, &[0, 1, 2], &[0.0, 1.0, 1.0]);
    }

    #[test]
    fn an_f64_beyond_the_range_of_f32_becomes_infinite() {
        check(Dtype::F64, &1e300_f64.to_le_bytes(), &[f32::INFINITY]);
    }
}
