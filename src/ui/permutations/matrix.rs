//! Correlations of A's units with B's, before and after B's units were moved.

mod extent;
mod marks;
mod picture;
mod slide;

use std::ops::Range;
use std::sync::{Arc, Weak};

use egui::{Align2, Color32, FontId, Key, Mesh, Rect, Response, Role, Sense, Ui, WidgetInfo, vec2};
use egui_plot::{Plot, PlotBounds, PlotPoint};

use super::{Focus, Shown};
use crate::compute::Alignment;
use crate::matching::GroupReport;
use crate::render::Renderer;
use crate::ui::theme;
use extent::Extent;
use marks::Marks;
use picture::{Order, Picture, Places, Sight, Stage, style};

/// How long columns are on their way, in seconds.
const SLIDE_SECS: f32 = 0.6;
/// Two pictures stand side by side where each is at least so large a share of what one could be.
const SMALLEST_SHARE: f32 = 0.65;
/// Points of scrolling that show e times as many places.
const SCROLL_POINTS: f32 = 250.0;

/// How the matrix is looked at.
#[derive(Debug, Default)]
pub(super) struct MatrixView {
    order: Order,
    /// Where there is room for one picture only.
    stage: Stage,
    /// `None`: all of it.
    extent: Option<Extent>,
    drawn: Drawn,
}

/// One picture on screen.
#[derive(Clone, Copy)]
struct Square {
    stage: Stage,
    /// How far columns have come, 0..1, while they are on their way.
    moving: Option<f32>,
    /// In points.
    side: f32,
}

/// What was worked out for the last frame.
#[derive(Debug, Default)]
struct Drawn {
    /// For which group, in which order.
    of: (Weak<Alignment>, usize, Order),
    places: Arc<Places>,
    /// Before and after.
    pictures: [Option<(Sight, Picture)>; 2],
}

pub(super) fn show(ui: &mut Ui, shown: &Shown<'_>, view: &mut MatrixView, focus: &mut Focus, renderer: Renderer) {
    view.follow(shown);
    let n = shown.report.n_units();
    if n == 0 {
        ui.label("This layer has no units");
        return;
    }
    let gap = ui.spacing().item_spacing.x;
    let caption = ui.text_style_height(&egui::TextStyle::Small) + ui.spacing().item_spacing.y;
    let controls = ui.spacing().interact_size.y + ui.spacing().item_spacing.y;
    let [width, height] = [ui.available_width(), (ui.available_height() - controls - caption).max(60.0)];
    let one = width.min(height);
    let each = (0.5 * (width - gap)).min(height);
    let has_two = SMALLEST_SHARE * one <= each;
    view.controls(ui, has_two);
    if has_two {
        ui.horizontal_top(|ui| {
            for stage in [Stage::Before, Stage::After] {
                let square = Square { stage, moving: None, side: each };
                ui.vertical(|ui| view.panel(ui, shown, focus, renderer, square));
            }
        });
    } else {
        let id = ui.scope_id().with("stage of the correlations");
        let is_after = view.stage == Stage::After;
        let easing = egui::emath::easing::cubic_in_out;
        let share = ui.ctx().animate_bool_with_time_and_easing(id, is_after, SLIDE_SECS, easing);
        let moving = (0.0 < share && share < 1.0).then_some(share);
        let square = Square { stage: view.stage, moving, side: one };
        view.panel(ui, shown, focus, renderer, square);
    }
}

impl MatrixView {
    /// Forgets what belonged to another group; another order keeps the zoom.
    fn follow(&mut self, shown: &Shown<'_>) {
        let (alignment, group, order) = &self.drawn.of;
        let is_same = alignment.as_ptr() == Arc::as_ptr(shown.alignment) && *group == shown.group;
        if is_same && *order == self.order {
            return;
        }
        if *group != shown.group || self.drawn.places.units.len() != shown.report.n_units() {
            self.extent = None;
        }
        self.drawn = Drawn {
            of: (Arc::downgrade(shown.alignment), shown.group, self.order),
            places: Arc::new(Places::new(shown.report, self.order)),
            pictures: [None, None],
        };
    }

    fn controls(&mut self, ui: &mut Ui, has_two: bool) {
        ui.horizontal(|ui| {
            if !has_two {
                let before = "A's units with B's of the same numbers";
                ui.selectable_value(&mut self.stage, Stage::Before, "Before").on_hover_text(before);
                let after = "A's units with their partners in B: matched pairs lie on the diagonal";
                ui.selectable_value(&mut self.stage, Stage::After, "After").on_hover_text(after);
                ui.separator();
            }
            let mut seriated = self.order == Order::Seriated;
            let tip = "Units that respond alike stand side by side; otherwise A's units are in their own order";
            if ui.toggle_value(&mut seriated, "Seriated").on_hover_text(tip).changed() {
                self.order = if seriated { Order::Seriated } else { Order::Own };
            }
            let whole = ui.add_enabled(self.extent.is_some(), egui::Button::new("Whole"));
            let tip = "Shows the whole matrix (double click, or Home). Scroll to zoom, drag to move";
            if whole.on_hover_text(tip).on_disabled_hover_text("Scroll over the matrix to zoom in").clicked() {
                self.extent = None;
            }
            legend(ui);
        });
    }

    fn panel(&mut self, ui: &mut Ui, shown: &Shown<'_>, focus: &mut Focus, renderer: Renderer, square: Square) {
        let Square { stage, moving, side } = square;
        let report = shown.report;
        let n = report.n_units();
        ui.label(egui::RichText::new(caption(report, stage)).small());
        let extent = self.extent.unwrap_or_else(|| Extent::whole(n));
        let most = (side * ui.ctx().pixels_per_point()).round().max(1.0) as usize;
        let picture = self.picture(report, extent, square, most);
        let id = egui::Id::unique(("correlations", stage == Stage::After));
        let slides = moving.filter(|_| n <= slide::MOST_COLUMNS);
        let item = slides.is_none().then(|| picture.item(id, renderer));
        let response = plot(id.with("plot"), side).show(ui, |plot| {
            let (min, max) = ([extent.left, extent.top], [extent.left + extent.side, extent.top + extent.side]);
            plot.set_plot_bounds(PlotBounds::from_min_max(min, max));
            if let Some(item) = item {
                plot.add(item);
            }
        });
        let (transform, response) = (response.transform, response.response);
        let painter = ui.painter().with_clip_rect(transform.frame().intersect(ui.clip_rect()));
        let places = Arc::clone(&self.drawn.places);
        if let Some(share) = slides {
            slide::paint(&painter, &transform, report, &places, share);
        }
        let pointer = response.hover_pos().map(|at| transform.value_from_position(at));
        let pair = pointer.and_then(|at| strongest(report, &places, stage, picture.places_at(at)?));
        if moving.is_none() {
            let marks = Marks { painter: &painter, transform: &transform, report, places: &places, stage };
            marks.paint(focus);
        }
        self.extent = look(ui, &response, extent, n, pointer);
        let words = description(report, stage);
        response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &words));
        if let Some((unit, source)) = pair {
            focus.hover(unit);
            if response.clicked() {
                focus.toggle(unit);
            }
            response.on_hover_text_at_pointer(pair_text(report, unit, source));
        }
    }

    /// The part of the matrix in sight, kept from frame to frame.
    fn picture(&mut self, report: &GroupReport, extent: Extent, square: Square, most: usize) -> Picture {
        let n = report.n_units();
        let sight = Sight { rows: extent.rows(n), columns: extent.columns(n), most };
        let Drawn { of, places, pictures } = &mut self.drawn;
        let mut at = |stage: Stage| {
            let kept = &mut pictures[usize::from(stage == Stage::After)];
            match kept {
                Some((of, picture)) if *of == sight => picture.clone(),
                _ => kept.insert((sight.clone(), Picture::new(report, places, of.2, stage, &sight))).1.clone(),
            }
        };
        match square.moving {
            Some(share) if slide::MOST_COLUMNS < n => Picture::between(&at(Stage::Before), &at(Stage::After), share),
            _ => at(square.stage),
        }
    }
}

/// A bare square that shows what it is told to.
fn plot(id: egui::Id, side: f32) -> Plot<'static> {
    Plot::new(id)
        .width(side)
        .height(side)
        .invert_y(true)
        .show_axes(false)
        .show_grid(false)
        .show_crosshair(false)
        .set_margin_fraction(egui::Vec2::ZERO)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .label_formatter(|_| None)
        .sense(Sense::click_and_drag())
}

/// What scrolling, dragging and keys make of the part in sight; `None` is all of it.
fn look(ui: &Ui, response: &Response, extent: Extent, n: usize, pointer: Option<PlotPoint>) -> Option<Extent> {
    let mut next = extent;
    if let Some(at) = pointer {
        let (scrolled, pinched) = ui.input(|input| (input.smooth_scroll_delta.y, input.zoom_delta()));
        let factor = (-scrolled / SCROLL_POINTS).exp() / pinched;
        if factor != 1.0 {
            next = next.zoomed(n, f64::from(factor), [at.x, at.y]);
        }
    }
    if response.dragged() {
        let places = extent.side / f64::from(response.rect.width().max(1.0));
        let moved = response.drag_delta();
        next = next.moved(n, [-places * f64::from(moved.x), -places * f64::from(moved.y)]);
    }
    if response.clicked() {
        response.request_focus();
    }
    if response.has_focus() {
        next = with_keys(ui, response, next, n);
    }
    let is_all = response.double_clicked() || next.side >= n as f64;
    (!is_all).then_some(next)
}

fn with_keys(ui: &Ui, response: &Response, extent: Extent, n: usize) -> Extent {
    let filter = egui::EventFilter { horizontal_arrows: true, vertical_arrows: true, ..egui::EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    let pressed = |key: Key| ui.input(|input| input.num_presses(key)) as f64;
    let step = extent.side / 8.0;
    let across = pressed(Key::ArrowRight) - pressed(Key::ArrowLeft);
    let down = pressed(Key::ArrowDown) - pressed(Key::ArrowUp);
    let closer = pressed(Key::Plus) + pressed(Key::Equals) - pressed(Key::Minus);
    if 0.0 < pressed(Key::Home) {
        return Extent::whole(n);
    }
    extent.zoomed(n, (-0.5 * closer).exp(), extent.centre()).moved(n, [step * across, step * down])
}

/// Of the pairs that a cell stands for, the one whose value it shows: units of A and of B.
fn strongest(
    report: &GroupReport,
    places: &Places,
    stage: Stage,
    [rows, columns]: [Range<usize>; 2],
) -> Option<(usize, usize)> {
    let pairs = rows
        .flat_map(|row| columns.clone().map(move |column| (places.units[row], places.source(report, stage, column))));
    let strength = |&(unit, source): &(usize, usize)| report.correlation.at(unit, source).abs();
    pairs.max_by(|one, other| strength(one).total_cmp(&strength(other)))
}

fn pair_text(report: &GroupReport, unit: usize, source: usize) -> String {
    let value = report.correlation.at(unit, source);
    let matched = if report.permutation.source(unit) == source { "\nmatched" } else { "" };
    format!("unit {unit} of A, unit {source} of B\ncorrelation {value:.3}{matched}")
}

fn caption(report: &GroupReport, stage: Stage) -> String {
    let (word, spread) = match stage {
        Stage::Before => ("before", report.before),
        Stage::After => ("after", report.after),
    };
    format!("Layer {}, {word}: mean on the diagonal {:.3}", report.name, spread.mean)
}

/// The picture in words, for those who cannot see it.
fn description(report: &GroupReport, stage: Stage) -> String {
    let word = if stage == Stage::After { "after" } else { "before" };
    format!(
        "Correlations of layer {} {word} B's units were moved: {} units, mean on the diagonal {:.3} before and {:.3} after",
        report.name,
        theme::count(report.n_units()),
        report.before.mean,
        report.after.mean
    )
}

/// The colours with their ends.
fn legend(ui: &mut Ui) {
    const BAR: egui::Vec2 = vec2(64.0, 9.0);
    let font = FontId::proportional(11.0);
    let room = vec2(BAR.x + 34.0, ui.spacing().interact_size.y);
    let (area, response) = ui.allocate_exact_size(room, Sense::hover());
    let bar = Rect::from_center_size(area.center(), BAR);
    let style = style();
    let mut mesh = Mesh::default();
    for step in 0..BAR.x as usize {
        let (left, value) = (bar.left() + step as f32, 2.0 * (step as f32 + 0.5) / BAR.x - 1.0);
        let [red, green, blue] = style.color_at(style.unit(value));
        let strip = Rect::from_min_size(egui::pos2(left, bar.top()), vec2(1.0, BAR.y));
        mesh.add_colored_rect(strip, Color32::from_rgb(red, green, blue));
    }
    ui.painter().add(mesh);
    let color = ui.visuals().weak_text_color();
    ui.painter().text(bar.left_center() - vec2(4.0, 0.0), Align2::RIGHT_CENTER, "-1", font.clone(), color);
    ui.painter().text(bar.right_center() + vec2(4.0, 0.0), Align2::LEFT_CENTER, "1", font, color);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, "Colours: correlation from -1 to 1"));
    response.on_hover_text("Correlation: blue is negative, red positive");
}
