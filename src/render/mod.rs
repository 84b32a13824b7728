//! Pictures: colour maps, the heatmap drawn by wgpu, and figures for export.
//!
//! ```text
//! field      the values                  style, colormap   how a value becomes a colour
//! heatmap    the item of an egui plot    gpu               its pipeline (shaders/)
//! raster     the shader's CPU twin       color_bar         the legend, with handles on the clip values
//! figure     publication figures, SVG    ticks             round numbers along an axis
//! ```
//!
//! Draws what it is given and knows neither jobs nor networks.

pub mod color_bar;
pub mod colormap;
pub mod field;
pub mod figure;
pub mod gpu;
pub mod heatmap;
pub mod raster;
pub mod style;
pub mod ticks;

pub use color_bar::color_bar_ui;
pub use colormap::ColorMap;
pub use field::Field;
pub use gpu::{Renderer, install, is_software};
pub use heatmap::HeatmapItem;
pub use raster::{Ground, to_image, to_image_on};
pub use style::{Contours, HeatmapStyle};
