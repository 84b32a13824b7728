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
        let field = Arc::new(field_of(plane.grid, &plane.values, metric));
        self.current = Some((plane.revision, metric, Arc::clone(&field)));
        field
    }

    /// A small picture of a run's plane.
    pub(super) fn thumbnail(&mut self, ctx: &Context, run: RunId, plane: &PlaneState, metric: Metric, style: &HeatmapStyle) -> &TextureHandle {
        let current = self.thumbnails.get(&run).is_some_and(|(revision, drawn, _)| *revision == plane.revision && drawn == style);
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
