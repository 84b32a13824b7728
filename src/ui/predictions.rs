//! A strip of test images with what the network at t makes of them.

use egui::{Align, Context, Label, Layout, RichText, TextureHandle, TextureOptions, Ui};

use super::{pictures, theme};
use crate::app::{AppState, DataState, Prediction};
use crate::data::{Dataset, SplitName};

/// Side of a picture, in points.
const SIDE: f32 = 30.0;
/// A picture with what is made of it.
const SIZE: egui::Vec2 = egui::vec2(88.0, SIDE);

/// The pictures of the data that is open.
#[derive(Default)]
pub(super) struct Pictures {
    data_revision: Option<u64>,
    textures: Vec<TextureHandle>,
}

pub(super) fn show(ui: &mut Ui, state: &AppState, pictures: &mut Pictures) {
    let (Some(data), Some(shown)) = (&state.data, &state.predictions) else {
        return;
    };
    if shown.found.is_empty() {
        ui.label(RichText::new("Classifying…").small().weak());
        return;
    }
    pictures.follow(ui.ctx(), data, shown.data_revision, shown.found.len());
    ui.horizontal_wrapped(|ui| {
        for (index, prediction) in shown.found.iter().enumerate() {
            one(ui, &data.dataset, pictures.textures.get(index), index, prediction);
        }
    });
}

fn one(ui: &mut Ui, dataset: &Dataset, texture: Option<&TextureHandle>, index: usize, prediction: &Prediction) {
    let name = |class: usize| dataset.class_names.get(class).map_or("?", String::as_str);
    let Prediction { label, class, probability } = *prediction;
    let is_right = label == class;
    let verdict = if is_right { "right" } else { "wrong" };
    let meaning = format!(
        "Test image {index}: {} with probability {}, {verdict}{}",
        name(class),
        theme::percent(probability),
        if is_right { String::new() } else { format!(": it is {}", name(label)) }
    );
    let color = if is_right { theme::good(ui.visuals()) } else { ui.visuals().error_fg_color };
    ui.allocate_ui_with_layout(SIZE, Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_size(SIZE);
        if let Some(texture) = texture {
            let picture = egui::Image::new(texture).fit_to_exact_size(egui::Vec2::splat(SIDE));
            ui.add(picture.alt_text(&meaning)).on_hover_text(&meaning);
        }
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            // In words too, for those who do not see the colour.
            let text = if is_right { name(class).to_owned() } else { format!("{}, is {}", name(class), name(label)) };
            ui.add(Label::new(RichText::new(text).small().strong().color(color)).truncate()).on_hover_text(&meaning);
            ui.label(RichText::new(theme::percent(probability)).small());
        });
    });
}

impl Pictures {
    fn follow(&mut self, ctx: &Context, data: &DataState, data_revision: u64, n_images: usize) {
        if self.data_revision == Some(data_revision) {
            return;
        }
        self.data_revision = Some(data_revision);
        let load = |index: usize| {
            let picture = pictures::strip(&data.dataset, SplitName::Test, &[index])?;
            Some(ctx.load_texture(format!("test image {index}"), picture, TextureOptions::NEAREST))
        };
        self.textures = (0..n_images).map_while(load).collect();
    }
}
