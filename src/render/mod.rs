//! Pictures: colour maps, the heatmap drawn by wgpu, and figures for export.
