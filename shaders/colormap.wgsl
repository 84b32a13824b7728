// From a value to a colour. Mirrors `Ramp` and `band_unit` in src/render/style.rs and `table_index` in src/render/colormap.rs.
// Colours are sRGB-encoded, as egui's are; `linear_from_srgb` is for render targets that encode by themselves.

// 256 x 1; entry i is the colour of i / 255.
@group(0) @binding(3) var color_table: texture_2d<f32>;

const LARGEST_VALUE: f32 = 1e37;
const SMALLEST_LOG_VALUE: f32 = 1e-37;
const LN_2: f32 = 0.6931471805599453;

// Below 0 and above 1 are beyond the clip values.
fn ramp_unit(value: f32, is_log: bool, low: f32, inverse_span: f32) -> f32 {
    if is_log {
        return (log2(clamp(value, SMALLEST_LOG_VALUE, LARGEST_VALUE)) - low) * inverse_span;
    }
    return (clamp(value, -LARGEST_VALUE, LARGEST_VALUE) - low) * inverse_span;
}

// How much `ramp_unit` changes for a change of the value.
fn ramp_slope(value: f32, is_log: bool, inverse_span: f32) -> f32 {
    if !is_log {
        return inverse_span;
    }
    if value <= SMALLEST_LOG_VALUE {
        return 0.0;
    }
    return inverse_span / (value * LN_2);
}

fn table_color(unit: f32) -> vec3<f32> {
    let entry = i32(clamp(unit, 0.0, 1.0) * 255.0 + 0.5);
    return textureLoad(color_table, vec2<i32>(entry, 0), 0).rgb;
}

// The flat colour of a filled contour.
fn band_color(band: f32, bands: f32) -> vec3<f32> {
    return table_color((clamp(band, 0.0, bands - 1.0) + 0.5) / bands);
}

fn linear_from_srgb(encoded: vec3<f32>) -> vec3<f32> {
    let dark = encoded / 12.92;
    let light = pow((encoded + 0.055) / 1.055, vec3<f32>(2.4));
    return select(light, dark, encoded < vec3<f32>(0.04045));
}
