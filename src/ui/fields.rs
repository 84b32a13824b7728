//! Planes as fields of numbers for the heatmap, and runs as small pictures; made when they change and kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{ColorImage, Context, TextureHandle, TextureOptions};

use super::theme::THUMBNAIL;
use crate::app::{Metric, PlaneState, RunId};
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
        let field = Arc::new(field_of(plane, metric));
        self.current = Some((plane.revision, metric, Arc::clone(&field)));
        field
    }

    /// A small picture of a run's plane.
    pub(super) fn thumbnail(&mut self, ctx: &Context, run: RunId, plane: &PlaneState, metric: Metric, style: &HeatmapStyle) -> &TextureHandle {
        let current = self.thumbnails.get(&run).is_some_and(|(revision, drawn, _)| *revision == plane.revision && drawn == style);
        if !current {
            let field = field_of(plane, metric);
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

/// The range of colours that shows a field well: losses end at the 95th percentile, or a few huge ones would hide the rest.
pub(super) fn auto_clip(field: &Field, metric: Metric) -> Option<(f32, f32)> {
    let (low, high) = match metric {
        Metric::Loss => field.robust_range((0.0, 0.95))?,
        Metric::Accuracy => field.finite_range()?,
    };
    Some(if low < high { (low, high) } else { (low, low + low.abs().max(1.0) * 1e-3) })
}

pub(super) fn field_of(plane: &PlaneState, metric: Metric) -> Field {
    let mut field = Field::unknown(plane.grid.x.n, plane.grid.y.n);
    for (index, value) in plane.values.iter().enumerate() {
        if let Some(value) = value {
            field.values[index] = match metric {
                Metric::Loss => value.loss as f32,
                Metric::Accuracy => value.accuracy as f32,
            };
            field.known[index] = true;
        }
    }
    field.touch();
    field
}
