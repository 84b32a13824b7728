//! The weights of a layer in A, in aligned B, and their difference.

use std::sync::Arc;

use egui::{Color32, ComboBox, Id, Label, RichText, Role, Ui, Visuals, WidgetInfo, vec2};
use egui_plot::{HLine, Plot, PlotUi};

use super::unit_images::legend;
use super::{Focus, Shown, focus_color, selected_color};
use crate::app::{Action, Answer, WeightsShown};
use crate::matching::{Matrix, WeightMatrices};
use crate::net::{UnitMatrix, UnitRole};
use crate::render::{ColorMap, Field, HeatmapItem, HeatmapStyle, Renderer};

/// Selected units that are marked, at most.
const MOST_MARKED: usize = 200;

#[derive(Default)]
pub(super) struct WeightsView {
    /// The tensor that is shown, by its place among the group's; the first if there is no such.
    matrix: usize,
    drawn: Option<Drawn>,
}

/// The pictures of an answer.
struct Drawn {
    of: Arc<WeightMatrices>,
    fields: [Arc<Field>; 3],
    /// `[n_units]`: the row of each unit of A among the weights' rows.
    rows: Vec<usize>,
}

/// What is under the mouse.
#[derive(Clone, Copy)]
struct Pointed {
    row: usize,
    column: usize,
}

pub(super) fn show(
    ui: &mut Ui,
    shown: &Shown<'_>,
    view: &mut WeightsView,
    focus: &mut Focus,
    renderer: Renderer,
    actions: &mut Vec<Action>,
) {
    let Some(pair) = shown.state.joined() else {
        return;
    };
    let Some(group) = pair.network.groups().get(shown.group) else {
        return;
    };
    let matrices = group.matrices(pair.network.layout());
    let Some(matrix) = matrices.get(view.matrix).or(matrices.first()) else {
        ui.label("No weights are held for these units");
        return;
    };
    let weights = WeightsShown { group: shown.group, axis: matrix.axis };
    let answer = shown.state.weight_matrices(weights);
    ui.horizontal_wrapped(|ui| {
        choose(ui, &matrices, matrix, &mut view.matrix);
        match answer {
            Answer::Known(found) => {
                let hint = "Blue below 0, red above, the same for all three pictures; the colours end where 99.5 % of the \
                            cells of A and aligned B do";
                legend(ui, found.limit, hint);
            }
            Answer::Awaited => {
                ui.label(RichText::new("Laying weights side by side…").small().weak());
            }
            Answer::Ended if ui.small_button("Lay weights side by side").clicked() => {
                actions.push(Action::CompareWeights(weights));
            }
            Answer::Ended => {}
            Answer::NotAsked => actions.push(Action::CompareWeights(weights)),
        }
    });
    let Answer::Known(found) = answer else {
        return;
    };
    ui.add(Label::new(RichText::new(distances(found)).small()).wrap());
    let drawn = view.drawn.take().filter(|drawn| Arc::ptr_eq(&drawn.of, found));
    let drawn = drawn.unwrap_or_else(|| Drawn::new(Arc::clone(found), group.n_units));
    triptych(ui, shown, &drawn, focus, renderer);
    view.drawn = Some(drawn);
}

/// Which tensor is shown.
fn choose(ui: &mut Ui, matrices: &[UnitMatrix], matrix: &UnitMatrix, chosen: &mut usize) {
    let name = |matrix: &UnitMatrix| match matrix.role {
        UnitRole::Makes => format!("made by {}", matrix.layer),
        UnitRole::Reads => format!("read by {}", matrix.layer),
    };
    let what = |matrix: &UnitMatrix| match matrix.role {
        UnitRole::Makes => "Rows are units, columns the weights that each is made with",
        UnitRole::Reads => "Rows are units, columns the weights that the next layer reads each with",
    };
    if matrices.len() <= 3 {
        for (index, other) in matrices.iter().enumerate() {
            if ui.selectable_label(other == matrix, name(other)).on_hover_text(what(other)).clicked() {
                *chosen = index;
            }
        }
        return;
    }
    let menu = ComboBox::from_id_salt("weights of").selected_text(name(matrix)).width(170.0);
    let menu = menu.show_ui(ui, |ui| {
        for (index, other) in matrices.iter().enumerate() {
            ui.selectable_value(chosen, index, name(other)).on_hover_text(what(other));
        }
    });
    menu.response.on_hover_text(what(matrix)).widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Weights"));
}

/// How far the weights are apart.
fn distances(found: &WeightMatrices) -> String {
    format!(
        "Distance of B's weights from A's (Frobenius): {:.2} before, {:.2} after alignment; A's norm {:.2}",
        found.distance_before, found.distance_after, found.norm
    )
}

impl Drawn {
    fn new(of: Arc<WeightMatrices>, n_units: usize) -> Self {
        let field = |matrix: &Matrix| {
            Arc::new(Field::from_values(matrix.n_columns(), matrix.n_rows(), matrix.values().to_vec()))
        };
        let fields = [&of.a, &of.aligned, &of.difference].map(field);
        let mut rows = vec![0; n_units];
        for (row, &unit) in of.order.iter().enumerate() {
            if let Some(place) = rows.get_mut(unit) {
                *place = row;
            }
        }
        Self { of, fields, rows }
    }

    /// The row of the pictures that a unit lies in.
    fn row_of(&self, unit: usize) -> Option<usize> {
        Some(self.of.cell_of(*self.rows.get(unit)?))
    }
}

fn triptych(ui: &mut Ui, shown: &Shown<'_>, drawn: &Drawn, focus: &mut Focus, renderer: Renderer) {
    let found = &drawn.of;
    let titles = ["A", "aligned B", "aligned B less A"];
    let small = ui.text_style_height(&egui::TextStyle::Small) + ui.spacing().item_spacing.y;
    let gap = ui.spacing().item_spacing.x;
    let width = ((ui.available_width() - 2.0 * gap) / 3.0).floor();
    let height = (ui.available_height() - 2.0 * small - 4.0).max(60.0);
    let mut pointed = None;
    ui.horizontal_top(|ui| {
        for (index, title) in titles.into_iter().enumerate() {
            ui.allocate_ui(vec2(width, height + small), |ui| {
                ui.vertical(|ui| {
                    ui.set_width(width);
                    ui.add(Label::new(RichText::new(title).small()).truncate());
                    let over = picture(ui, shown, drawn, index, vec2(width, height), focus, renderer);
                    pointed = pointed.or(over);
                });
            });
        }
    });
    let text = pointed.map_or_else(
        || "Scroll to zoom, drag to move, double-click to see all again".to_owned(),
        |pointed| readout(found, pointed),
    );
    ui.add(Label::new(RichText::new(text).small()).truncate());
}

/// One of the three pictures; what is pointed at in it.
fn picture(
    ui: &mut Ui,
    shown: &Shown<'_>,
    drawn: &Drawn,
    index: usize,
    size: egui::Vec2,
    focus: &mut Focus,
    renderer: Renderer,
) -> Option<Pointed> {
    let found = &drawn.of;
    let style = HeatmapStyle {
        map: ColorMap::Diverging,
        clip: (-found.limit, found.limit),
        smooth: false,
        ..HeatmapStyle::default()
    };
    let ends = |n: usize| (0.0, n.saturating_sub(1) as f64);
    let [x, y] = [ends(found.a.n_columns()), ends(found.a.n_rows())];
    let item = || {
        let field = Arc::clone(&drawn.fields[index]);
        HeatmapItem::new(Id::unique(("weights", index)), field, x, y, style.clone(), renderer)
    };
    let marks = marks(drawn, focus);
    // Zoom and place are those of the layer that is shown.
    let id = ("weights", shown.group, found.n_weights);
    let response = Plot::new((id, index))
        .width(size.x)
        .height(size.y)
        .link_axis(Id::unique(id), true)
        .invert_y(true)
        .show_axes(false)
        .show_grid(false)
        .show_x(false)
        .show_y(false)
        .set_margin_fraction(egui::Vec2::ZERO)
        .label_formatter(|_| None)
        .show(ui, |plot: &mut PlotUi<'_>| {
            plot.add(item());
            for (height, color) in marks {
                plot.hline(HLine::new("", height).color(color).width(1.0));
            }
            plot.pointer_coordinate()
        });
    let at = response.inner.filter(|_| response.response.hovered());
    let pointed = at.and_then(|at| item().cell_at(at)).map(|(column, row)| Pointed { row, column });
    if let Some(&unit) = pointed.and_then(|pointed| found.units_of(pointed.row).first()) {
        focus.hover(unit);
        if response.response.clicked() {
            focus.toggle(unit);
        }
    }
    let name = ["A", "aligned B", "aligned B less A"][index];
    let text = format!(
        "Weights of {name}: {} units with {} weights each; {}",
        found.order.len(),
        found.n_weights,
        distances(found)
    );
    response.response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &text));
    pointed
}

/// Rows and colours of the lines through the units that are pointed at and selected. The ground of the pictures is light in
/// both themes, and so are the colours those of the light one.
fn marks(drawn: &Drawn, focus: &Focus) -> Vec<(f64, Color32)> {
    let visuals = Visuals::light();
    let selected = focus.selected().iter().take(MOST_MARKED).map(|&unit| (unit, selected_color(&visuals)));
    let hovered = focus.hovered().map(|unit| (unit, focus_color(&visuals)));
    selected.chain(hovered).filter_map(|(unit, color)| Some((drawn.row_of(unit)? as f64, color))).collect()
}

/// What a cell shows, in words.
fn readout(found: &WeightMatrices, Pointed { row, column }: Pointed) -> String {
    let units = found.units_of(row);
    let weights = found.weights_of(column);
    let unit = match units {
        [unit] => format!("Unit {unit}"),
        [first, .., last] => format!("Units {first} to {last} in the order shown"),
        [] => return String::new(),
    };
    let weight = match weights.len() {
        1 => format!("weight {}", weights.start),
        _ => format!("weights {} to {}", weights.start, weights.end - 1),
    };
    let largest = if units.len() * weights.len() == 1 { "" } else { ", each the largest in magnitude" };
    format!(
        "{unit}, {weight}: A {:.4}, aligned B {:.4}, difference {:.4}{largest}",
        found.a.at(row, column),
        found.aligned.at(row, column),
        found.difference.at(row, column)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrices(n_units: usize, n_rows: usize) -> WeightMatrices {
        let matrix = |value: f32| Matrix::new(2, vec![value; 2 * n_rows]);
        WeightMatrices {
            a: matrix(1.0),
            aligned: matrix(1.5),
            difference: matrix(0.5),
            order: (0..n_units).rev().collect(),
            n_weights: 2,
            limit: 1.0,
            norm: 2.0,
            distance_before: 3.0,
            distance_after: 1.0,
        }
    }

    #[test]
    fn a_unit_lies_in_the_row_that_stands_for_it() {
        for (n_units, n_rows) in [(5, 5), (9, 4)] {
            let drawn = Drawn::new(Arc::new(matrices(n_units, n_rows)), n_units);
            for unit in 0..n_units {
                let row = drawn.row_of(unit).unwrap();
                assert!(drawn.of.units_of(row).contains(&unit), "unit {unit} of {n_units} in row {row}");
            }
        }
    }

    #[test]
    fn the_readout_says_when_a_cell_stands_for_several_weights() {
        let one = readout(&matrices(3, 3), Pointed { row: 0, column: 1 });
        assert_eq!(one, "Unit 2, weight 1: A 1.0000, aligned B 1.5000, difference 0.5000");
        let several = readout(&matrices(6, 3), Pointed { row: 1, column: 0 });
        assert!(several.starts_with("Units 3 to 2 in the order shown, weight 0"), "{several}");
        assert!(several.ends_with("each the largest in magnitude"));
    }
}
