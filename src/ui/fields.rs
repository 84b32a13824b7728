//! Planes as fields of numbers for the heatmap, and runs as small pictures; made when they change and kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{ColorImage, Context, TextureHandle, TextureOptions};

use super::theme::THUMBNAIL;
use crate::app::{Metric, PlaneState, RunId};
use crate::figures::{auto_clip, field_of};
use crate::render::{Field, HeatmapStyle, to_image};

/// What has been made so far.
#[derive(Default)]
pub(super) struct Fields {
    current: Option<(u64, Metric, Arc<Field>)>,
    thumbnails: BTreeMap<RunId, (u64, HeatmapStyle, TextureHandle)>,
}

impl Fields {
    /// The plane's values of one metric.
    pub(super) fn of(&mut self, plane: &PlaneState, metric: Metric) -> Arc<Field> {
        if let Some((revision, shown, field)) = &self.current
            && (*revision, *shown) == (plane.revision, metric)
        {
            return Arc::clone(field);
        }
        let mut field = field_of(plane.grid, &plane.values, metric);
        fill_from_coarse(&mut field, plane.coarse_stride());
        let field = Arc::new(field);
        self.current = Some((plane.revision, metric, Arc::clone(&field)));
        field
    }

    /// A small picture of a run's plane.
    pub(super) fn thumbnail(
        &mut self,
        ctx: &Context,
        run: RunId,
        plane: &PlaneState,
        metric: Metric,
        style: &HeatmapStyle,
    ) -> &TextureHandle {
        let current =
            self.thumbnails.get(&run).is_some_and(|(revision, drawn, _)| *revision == plane.revision && drawn == style);
        if !current {
            let field = field_of(plane.grid, &plane.values, metric);
            let clip = auto_clip(&field, metric).unwrap_or(style.clip);
            let image = to_image(&field, &HeatmapStyle { clip, ..style.clone() }, THUMBNAIL[0], THUMBNAIL[1]);
            let size = THUMBNAIL.map(|side| side as usize);
            let picture = ColorImage::from_rgba_unmultiplied(size, image.as_raw());
            let texture = ctx.load_texture("thumbnail", picture, TextureOptions::LINEAR);
            self.thumbnails.insert(run, (plane.revision, style.clone(), texture));
        }
        &self.thumbnails[&run].2
    }

    /// Forgets the pictures of runs that are gone.
    pub(super) fn keep_thumbnails(&mut self, exists: impl Fn(RunId) -> bool) {
        self.thumbnails.retain(|run, _| exists(*run));
    }
}

/// Gives cells that are not evaluated yet the value of the coarse point they belong to, so that a picture stands before its
/// points are all there. Cells without one stay unknown.
fn fill_from_coarse(field: &mut Field, coarse_stride: usize) {
    let (width, height) = (field.width, field.height);
    let known = field.known.clone();
    let nearest =
        |i: usize, stride: usize, n: usize| ((i + stride / 2) / stride * stride).min((n - 1) / stride * stride);
    for y in 0..height {
        for x in 0..width {
            if known[y * width + x] {
                continue;
            }
            let strides = std::iter::successors(Some(2_usize), |s| Some(2 * s)).take_while(|s| *s <= coarse_stride);
            let mut sources = strides.map(|s| nearest(y, s, height) * width + nearest(x, s, width));
            if let Some(source) = sources.find(|&source| known[source]) {
                field.values[y * width + x] = field.values[source];
                field.known[y * width + x] = true;
            }
        }
    }
    field.touch();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarse_points_fill_the_cells_around_them_and_nothing_else() {
        let mut field = Field::unknown(5, 3);
        field.set(0, 0, 1.0);
        field.set(4, 0, 2.0);
        fill_from_coarse(&mut field, 4);
        assert_eq!((field.get(1, 0), field.get(3, 0), field.get(0, 1)), (Some(1.0), Some(2.0), Some(1.0)));
        let mut empty = Field::unknown(4, 4);
        fill_from_coarse(&mut empty, 4);
        assert!(empty.known.iter().all(|known| !known));
    }
}
