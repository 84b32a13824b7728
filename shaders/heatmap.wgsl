// A grid of values, drawn as colours, filled contours and isolines; what is not a number, and what is not known yet, hatched.
//
// Drawn as one triangle over the plot's frame. Spaces: `pixel` counts from the frame's top-left corner, y down; `cell` counts
// cells from the field's lower-left corner, cell i covering [i, i + 1]. `Heatmap` mirrors `gpu_data::Heatmap` in
// src/render/gpu.rs; everything else mirrors src/render/raster.rs, line by line, and Field::sample in src/render/field.rs.
// Joined with colormap.wgsl.

struct Heatmap {
    cell_origin: vec2<f32>,
    cell_step: vec2<f32>,
    frame_origin: vec2<f32>,
    pattern_origin: vec2<f32>,
    size: vec2<i32>,
    is_log: u32,
    is_smooth: u32,
    low: f32,
    inverse_span: f32,
    bands: f32,
    line_levels: f32,
    line_half_width: f32,
    casing_half_width: f32,
    pattern_period: f32,
    stripe_half_width: f32,
    broken_ground: vec4<f32>,
    broken_ink: vec4<f32>,
    unknown_ground: vec4<f32>,
    unknown_ink: vec4<f32>,
    dot_radius: f32,
    _padding_0: f32,
    _padding_1: f32,
    _padding_2: f32,
}

@group(0) @binding(0) var<uniform> heatmap: Heatmap;
@group(0) @binding(1) var values: texture_2d<f32>;
@group(0) @binding(2) var states: texture_2d<u32>;

// CellState in src/render/field.rs; WGSL may treat NaN and infinity as it likes, so they never reach the values texture.
const UNKNOWN: u32 = 0u;
const FINITE: u32 = 1u;

// Less than this many levels a pixel is flat ground: no line lies there.
const FLATTEST: f32 = 1e-4;
const DARK_INK: vec3<f32> = vec3<f32>(0.06);
const LIGHT_INK: vec3<f32> = vec3<f32>(0.97);
const LINE_OPACITY: f32 = 0.85;
const CASING_OPACITY: f32 = 0.35;

struct Sample {
    state: u32,
    nearest: f32,
    value: f32,
    gradient: vec2<f32>,
}

@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    // (-1, -1), (3, -1), (-1, 3): covers the viewport.
    return vec4<f32>(f32(index & 1u) * 4.0 - 1.0, f32(index >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

@fragment
fn fs_gamma(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    return shade(position.xy - heatmap.frame_origin);
}

@fragment
fn fs_linear(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let color = shade(position.xy - heatmap.frame_origin);
    return vec4<f32>(linear_from_srgb(color.rgb), color.a);
}

// The colour of a pixel, transparent outside the field.
fn shade(pixel: vec2<f32>) -> vec4<f32> {
    let cell = heatmap.cell_origin + pixel * heatmap.cell_step;
    if any(cell < vec2<f32>(0.0)) || any(cell > vec2<f32>(heatmap.size)) {
        return vec4<f32>(0.0);
    }
    let sampled = sample_field(cell);
    if sampled.state == UNKNOWN {
        let ink = dots(pixel - heatmap.pattern_origin);
        return vec4<f32>(mix(heatmap.unknown_ground.rgb, heatmap.unknown_ink.rgb, ink), 1.0);
    }
    if sampled.state != FINITE {
        let ink = stripes(pixel - heatmap.pattern_origin);
        return vec4<f32>(mix(heatmap.broken_ground.rgb, heatmap.broken_ink.rgb, ink), 1.0);
    }
    let is_log = heatmap.is_log != 0u;
    let unit = ramp_unit(sampled.value, is_log, heatmap.low, heatmap.inverse_span);
    let steepness = length(sampled.gradient * heatmap.cell_step) * ramp_slope(sampled.value, is_log, heatmap.inverse_span);
    var color: vec3<f32>;
    if heatmap.is_smooth != 0u {
        color = fill(unit, steepness);
    } else {
        color = fill(ramp_unit(sampled.nearest, is_log, heatmap.low, heatmap.inverse_span), 0.0);
    }
    return vec4<f32>(isolines(color, unit, steepness), 1.0);
}

fn fill(unit: f32, steepness: f32) -> vec3<f32> {
    if heatmap.bands < 1.0 {
        return table_color(unit);
    }
    let level = clamp(unit, 0.0, 1.0) * heatmap.bands;
    let levels_per_pixel = steepness * heatmap.bands;
    if levels_per_pixel < FLATTEST {
        return band_color(floor(level), heatmap.bands);
    }
    let edge = floor(level + 0.5);
    let past = clamp((level - edge) / levels_per_pixel + 0.5, 0.0, 1.0);
    return mix(band_color(edge - 1.0, heatmap.bands), band_color(edge, heatmap.bands), past);
}

fn isolines(ground: vec3<f32>, unit: f32, steepness: f32) -> vec3<f32> {
    let level = unit * heatmap.line_levels;
    let line = floor(level + 0.5);
    let levels_per_pixel = steepness * heatmap.line_levels;
    if line < 1.0 || line > heatmap.line_levels - 1.0 || levels_per_pixel < FLATTEST {
        return ground;
    }
    let distance = abs(level - line) / levels_per_pixel;
    let fade = clamp(0.5 / (levels_per_pixel * heatmap.casing_half_width) - 1.0, 0.0, 1.0);
    let is_light = dot(table_color(line / heatmap.line_levels), vec3<f32>(0.299, 0.587, 0.114)) > 0.5;
    let ink = select(LIGHT_INK, DARK_INK, is_light);
    let casing = select(DARK_INK, LIGHT_INK, is_light);
    let cased = mix(ground, casing, fade * CASING_OPACITY * coverage(heatmap.casing_half_width, distance));
    return mix(cased, ink, fade * LINE_OPACITY * coverage(heatmap.line_half_width, distance));
}

fn stripes(at: vec2<f32>) -> f32 {
    let phase = (at.x + at.y) / heatmap.pattern_period;
    let distance = abs(fract(phase) - 0.5) * heatmap.pattern_period * 0.70710678;
    return coverage(heatmap.stripe_half_width, distance);
}

fn dots(at: vec2<f32>) -> f32 {
    let off_center = (fract(at / heatmap.pattern_period) - 0.5) * heatmap.pattern_period;
    return coverage(heatmap.dot_radius, length(off_center));
}

// How much of a pixel lies within `half_width` of a line that is `distance` pixels away.
fn coverage(half_width: f32, distance: f32) -> f32 {
    return clamp(half_width - distance + 0.5, 0.0, 1.0);
}

// Bilinear between the centres of the finite cells around; the others take no part and the weights of the rest are raised.
fn sample_field(cell: vec2<f32>) -> Sample {
    let last = heatmap.size - vec2<i32>(1);
    let here = clamp(vec2<i32>(floor(cell)), vec2<i32>(0), last);
    let state = textureLoad(states, here, 0).r;
    let nearest = textureLoad(values, here, 0).r;
    if state != FINITE {
        return Sample(state, nearest, nearest, vec2<f32>(0.0));
    }
    let corner = floor(cell - 0.5);
    let part = cell - 0.5 - corner;
    // x: the sum, y and z: its derivatives along x and y.
    var sum = vec3<f32>(0.0);
    var weight = vec3<f32>(0.0);
    for (var index = 0; index < 4; index++) {
        let step = vec2<i32>(index & 1, index >> 1u);
        let tap = clamp(vec2<i32>(corner) + step, vec2<i32>(0), last);
        if textureLoad(states, tap, 0).r != FINITE {
            continue;
        }
        let along = select(vec2<f32>(1.0) - part, part, step == vec2<i32>(1));
        let slope = select(vec2<f32>(-1.0), vec2<f32>(1.0), step == vec2<i32>(1));
        let weights = vec3<f32>(along.x * along.y, slope.x * along.y, along.x * slope.y);
        sum += weights * textureLoad(values, tap, 0).r;
        weight += weights;
    }
    let value = sum.x / weight.x;
    return Sample(state, nearest, value, (sum.yz - value * weight.yz) / weight.x);
}
