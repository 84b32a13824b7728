//! Colour tables, shared by the GPU, the colour bar and the exported figures, so that a colour means the same everywhere.

use std::fmt;
use std::sync::OnceLock;

use colorgrad::Gradient as _;
use serde::{Deserialize, Serialize};

/// How a number in `[0, 1]` becomes a colour. All maps are readable for colour-blind readers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorMap {
    /// Blue, green, yellow: the field's habit, evenly lighter from low to high.
    #[default]
    Viridis,
    /// Blue to yellow: looks nearly the same with and without red-green blindness.
    Cividis,
    /// Black, purple, cream: the largest lightness range, best for fine relief.
    Magma,
    /// Navy, green, ochre, pink: in the spirit of Crameri's batlow, with stops of our own that are even in Oklab lightness.
    Batlow,
    /// Blue, paper, red: for signed values; symmetric in lightness about the middle.
    Diverging,
}

/// A colour table; entry i is the colour of `i / 255`.
pub type ColorTable = [[u8; 4]; 256];

impl ColorMap {
    /// Every map, in the order of a menu.
    pub const ALL: &'static [Self] = &[Self::Viridis, Self::Cividis, Self::Magma, Self::Batlow, Self::Diverging];

    /// The name shown to users.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viridis => "Viridis",
            Self::Cividis => "Cividis",
            Self::Magma => "Magma",
            Self::Batlow => "Batlow-like",
            Self::Diverging => "Blue to red",
        }
    }

    /// The 256 colours, sRGB-encoded, opaque; built once.
    pub fn table(self) -> &'static ColorTable {
        static TABLES: OnceLock<Vec<ColorTable>> = OnceLock::new();
        let tables = TABLES.get_or_init(|| Self::ALL.iter().map(|map| map.build()).collect());
        &tables[Self::ALL.iter().position(|map| *map == self).expect("ALL lists every map")]
    }

    /// The colour of a number in `[0, 1]`; numbers outside take the colour of the nearer end, NaN that of the low end.
    ///
    /// Values that are not finite must not be coloured at all: see [`super::field::CellState`].
    pub fn color_at(self, unit: f32) -> [u8; 3] {
        let [red, green, blue, _] = self.table()[table_index(unit)];
        [red, green, blue]
    }

    fn build(self) -> ColorTable {
        match self {
            Self::Viridis => from_colorous(colorous::VIRIDIS),
            Self::Cividis => from_colorous(colorous::CIVIDIS),
            Self::Magma => from_colorous(colorous::MAGMA),
            Self::Batlow => from_oklab(&BATLOW_STOPS),
            Self::Diverging => from_oklab(&DIVERGING_STOPS),
        }
    }
}

impl fmt::Display for ColorMap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// The entry of a table for a number in `[0, 1]`; the twin of `table_color` in `shaders/colormap.wgsl`.
pub(super) fn table_index(unit: f32) -> usize {
    (unit.clamp(0.0, 1.0) * 255.0 + 0.5) as usize
}

/// Oklab `[L, a, b]`, evenly spaced: L rises by the same step each time, the hue turns from navy over green and ochre to pink.
const BATLOW_STOPS: [[f32; 3]; 9] = [
    [0.270, -0.010, -0.085],
    [0.351, -0.030, -0.080],
    [0.432, -0.048, -0.050],
    [0.513, -0.056, 0.000],
    [0.594, -0.040, 0.060],
    [0.675, 0.005, 0.104],
    [0.756, 0.058, 0.094],
    [0.837, 0.068, 0.038],
    [0.918, 0.036, 0.004],
];

/// Oklab `[L, a, b]`, symmetric in L about the middle, which is a warm paper white that no hatching uses.
const DIVERGING_STOPS: [[f32; 3]; 9] = [
    [0.340, -0.020, -0.110],
    [0.490, -0.038, -0.128],
    [0.650, -0.042, -0.100],
    [0.810, -0.026, -0.050],
    [0.950, 0.002, 0.008],
    [0.810, 0.062, 0.044],
    [0.650, 0.128, 0.074],
    [0.490, 0.160, 0.080],
    [0.340, 0.120, 0.055],
];

fn from_colorous(gradient: colorous::Gradient) -> ColorTable {
    std::array::from_fn(|entry| {
        let color = gradient.eval_rational(entry, 256);
        [color.r, color.g, color.b, 255]
    })
}

fn from_oklab(stops: &[[f32; 3]]) -> ColorTable {
    let colors: Vec<_> = stops.iter().map(|[l, a, b]| colorgrad::Color::from_oklaba(*l, *a, *b, 1.0)).collect();
    let gradient = colorgrad::GradientBuilder::new()
        .colors(&colors)
        .mode(colorgrad::BlendMode::Oklab)
        .build::<colorgrad::CatmullRomGradient>()
        .expect("our stops are valid");
    std::array::from_fn(|entry| gradient.at(entry as f32 / 255.0).to_rgba8())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lightness(color: [u8; 4]) -> f32 {
        colorgrad::Color::from_rgba8(color[0], color[1], color[2], 255).to_oklaba()[0]
    }

    /// Lightness at 17 places, far enough apart that rounding to 8 bits does not matter.
    fn ladder(map: ColorMap) -> Vec<f32> {
        (0..=16).map(|rung| lightness(map.table()[(rung * 255) / 16])).collect()
    }

    #[test]
    fn sequential_maps_grow_lighter_in_nearly_even_steps() {
        for map in [ColorMap::Viridis, ColorMap::Cividis, ColorMap::Magma, ColorMap::Batlow] {
            let ladder = ladder(map);
            let mean = (ladder[16] - ladder[0]) / 16.0;
            for pair in ladder.windows(2) {
                let step = (pair[1] - pair[0]) / mean;
                assert!((0.4..=2.2).contains(&step), "{map}: a step of {step} times the mean in {ladder:?}");
            }
        }
    }

    #[test]
    fn our_own_map_is_even_to_a_tenth() {
        let ladder = ladder(ColorMap::Batlow);
        let mean = (ladder[16] - ladder[0]) / 16.0;
        assert!(ladder.windows(2).all(|pair| ((pair[1] - pair[0]) / mean - 1.0).abs() < 0.1), "{ladder:?}");
    }

    #[test]
    fn the_diverging_map_is_symmetric_in_lightness_and_lightest_in_the_middle() {
        let ladder = ladder(ColorMap::Diverging);
        for rung in 0..8 {
            assert!((ladder[rung] - ladder[16 - rung]).abs() < 0.02, "{ladder:?}");
            assert!(ladder[rung] < ladder[rung + 1]);
        }
    }

    #[test]
    fn numbers_outside_take_the_colour_of_the_nearer_end() {
        for map in ColorMap::ALL {
            assert_eq!(map.color_at(-3.0), map.color_at(0.0));
            assert_eq!(map.color_at(f32::INFINITY), map.color_at(1.0));
            assert_eq!(map.color_at(f32::NAN), map.color_at(0.0));
        }
    }

    #[test]
    fn no_map_contains_a_pure_grey_which_belongs_to_the_hatching() {
        for map in ColorMap::ALL {
            let greys = map.table().iter().filter(|[r, g, b, _]| r == g && g == b && (40..=250).contains(r)).count();
            assert_eq!(greys, 0, "{map}");
        }
    }
}
