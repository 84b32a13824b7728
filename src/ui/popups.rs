//! Small windows over the others: notices, about, shortcuts, and what a dropped file will become.

use egui::{Align2, Context, RichText, ScrollArea, Ui, Window};

use super::{View, theme};
use crate::app::{Action, AppState, Remedy, Severity};

pub(super) fn show(ctx: &Context, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    notices(ctx, state, view, actions);
    about(ctx, view);
    shortcuts(ctx, view);
    view.dialogs.show(ctx);
    dropping(ctx);
}

fn notices(ctx: &Context, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    if state.notices.is_empty() {
        view.notices = false;
    }
    // What a file needs to be opened is asked at once.
    let n_remedies = state.notices.iter().filter(|notice| notice.remedy.is_some()).count();
    view.notices |= view.n_remedies < n_remedies;
    view.n_remedies = n_remedies;
    let mut open = view.notices;
    let place = Window::new("Notices")
        .open(&mut open)
        .anchor(Align2::RIGHT_BOTTOM, [-12.0, -40.0])
        .collapsible(false)
        .default_width(460.0);
    place.show(ctx, |ui| {
        ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
            for (index, notice) in state.notices.iter().enumerate().rev() {
                let color = match notice.severity {
                    Severity::Info => ui.visuals().text_color(),
                    Severity::Warning => ui.visuals().warn_fg_color,
                    Severity::Error => ui.visuals().error_fg_color,
                };
                ui.horizontal(|ui| {
                    if ui.small_button("Dismiss").clicked() {
                        actions.push(Action::DismissNotice(index));
                    }
                    ui.add(egui::Label::new(RichText::new(&notice.headline).strong().color(color)).wrap());
                });
                for detail in &notice.details {
                    ui.add(egui::Label::new(RichText::new(detail).small()).wrap());
                }
                if let Some(remedy) = &notice.remedy
                    && remedies(ui, remedy, view, actions)
                {
                    actions.push(Action::DismissNotice(index));
                }
                ui.separator();
            }
        });
        if ui.button("Dismiss all").clicked() {
            actions.push(Action::DismissNotices);
        }
    });
    view.notices = open && view.notices;
}

/// What may help to open a checkpoint; whether one was chosen.
fn remedies(ui: &mut Ui, remedy: &Remedy, view: &mut View, actions: &mut Vec<Action>) -> bool {
    let mut is_chosen = false;
    ui.horizontal_wrapped(|ui| {
        for mends in &remedy.mends {
            let button = ui.button(format!("Open, but {mends}"));
            if button.on_hover_text("The file stays as it is").clicked() {
                let (path, mends) = (remedy.path.clone(), mends.clone());
                actions.push(Action::OpenMended { path, mends, description: None });
                is_chosen = true;
            }
        }
        let describe = ui.button("Describe its network…").on_hover_text("Choose a list of its layers (.toml)");
        if describe.clicked() {
            view.dialogs.ask_description(remedy.path.clone());
            is_chosen = true;
        }
    });
    is_chosen
}

fn about(ctx: &Context, view: &mut View) {
    Window::new("About lowroad").open(&mut view.about).collapsible(false).resizable(false).default_width(420.0).show(ctx, |ui| {
        ui.label(RichText::new(format!("lowroad {}", env!("CARGO_PKG_VERSION"))).heading());
        ui.label("You take the high road over the barrier; lowroad finds the low road between two trained networks.");
        ui.add_space(6.0);
        ui.label("Methods: Optimizing Mode Connectivity via Neuron Alignment (Tatro et al. 2020); Low-loss connection of weight vectors (Anokhin & Yarotsky 2020); Loss Surfaces, Mode Connectivity (Garipov et al. 2018).");
        ui.add_space(6.0);
        ui.label("Embedded data: Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository 1998, CC BY 4.0.");
        ui.add_space(6.0);
        ui.label("lowroad never uses the network and sends nothing anywhere. Licence: MIT or Apache-2.0.");
    });
}

/// Shortcuts and what they do.
pub(super) const SHORTCUTS: [(&str, &str); 12] = [
    ("Ctrl+O", "Open checkpoints"),
    ("Ctrl+D", "Open data"),
    ("Ctrl+L", "Align B to A"),
    ("Ctrl+Enter", "Find the path, or continue"),
    ("Esc", "Stop what runs"),
    ("Space", "Play along the path"),
    ("Left, Right", "Move along the path"),
    ("Home, End", "Go to A, to B"),
    ("Ctrl+T", "Light or dark"),
    ("Ctrl+plus, Ctrl+minus", "Larger or smaller"),
    ("Ctrl+Q", "Quit"),
    ("F1", "This list"),
];

fn shortcuts(ctx: &Context, view: &mut View) {
    Window::new("Keyboard shortcuts").open(&mut view.shortcuts).collapsible(false).resizable(false).show(ctx, |ui| {
        egui::Grid::new("shortcuts").num_columns(2).spacing([24.0, 4.0]).striped(true).show(ui, |ui| {
            for (keys, action) in SHORTCUTS {
                ui.label(RichText::new(keys).monospace());
                ui.label(action);
                ui.end_row();
            }
        });
    });
}

/// While files hover over the window: what letting go will do.
fn dropping(ctx: &Context) {
    let names: Vec<String> = ctx.input(|i| {
        i.raw
            .hovered_files
            .iter()
            .map(|f| f.path.as_ref().map_or_else(|| "a file".to_owned(), |p| describe(p)))
            .collect()
    });
    if names.is_empty() {
        return;
    }
    let screen = ctx.content_rect();
    let painter = ctx.layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("dropping")));
    painter.rect_filled(screen, 0.0, egui::Color32::from_black_alpha(190));
    let text = names.join("\n");
    let color = theme::mode_color(0, true);
    painter.text(screen.center(), Align2::CENTER_CENTER, text, egui::FontId::proportional(20.0), color);
}

fn describe(path: &std::path::Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let is_data = path.is_dir() || name.to_ascii_lowercase().contains("ubyte");
    if is_data { format!("{name}: becomes the data") } else { format!("{name}: becomes a mode") }
}
