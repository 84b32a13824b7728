//! Correlation and margin of every unit of A: a dot each.

use egui::{Color32, Pos2, Rect, Role, Stroke, StrokeKind, Ui, Vec2, Visuals, WidgetInfo};
use egui_plot::{HLine, LineStyle, MarkerShape, Plot, PlotPoint, PlotPoints, PlotResponse, PlotUi, Points, VLine};

use super::super::{after_color, focus_color, null_color, selected_color};
use super::{Focus, axis_names, theme};
use crate::matching::{AMBIGUOUS_MARGIN, GroupReport};
use crate::ui::landscape::{APART_ACROSS, APART_UPWARDS, round_marks};

/// How near to a dot the mouse must be, in points.
const REACH: f32 = 9.0;
/// Height of the line that explains the dots.
const KEY_HEIGHT: f32 = 18.0;

/// What the mouse does.
#[derive(Debug, Default)]
pub(super) struct ScatterView {
    /// Where the box began that is being drawn.
    box_from: Option<Pos2>,
}

/// What a dot stands for: shapes tell it as well as colours.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    Contested,
    Dead,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Plain, Self::Contested, Self::Dead];

    fn label(self) -> &'static str {
        match self {
            Self::Plain => "first choice, unrivalled",
            Self::Contested => "contested",
            Self::Dead => "dead",
        }
    }

    fn shape(self) -> MarkerShape {
        match self {
            Self::Plain => MarkerShape::Circle,
            Self::Contested => MarkerShape::Diamond,
            Self::Dead => MarkerShape::Cross,
        }
    }

    fn radius(self) -> f32 {
        match self {
            Self::Plain => 2.2,
            Self::Contested | Self::Dead => 3.2,
        }
    }

    fn color(self, visuals: &Visuals) -> Color32 {
        match self {
            Self::Plain => after_color(visuals).gamma_multiply(0.75),
            Self::Contested => visuals.warn_fg_color.gamma_multiply(0.85),
            Self::Dead => null_color(visuals),
        }
    }
}

/// The dots of one group.
#[derive(Debug)]
pub(super) struct Scatter {
    /// One a unit of A.
    dots: Vec<PlotPoint>,
    /// The same, by kind.
    by_kind: [Vec<PlotPoint>; 3],
}

impl Scatter {
    /// `contested`: one a unit of A.
    pub(super) fn of(group: &GroupReport, contested: &[bool]) -> Self {
        let dots: Vec<PlotPoint> =
            group.units.iter().map(|unit| PlotPoint::new(f64::from(unit.after), f64::from(unit.margin))).collect();
        let kind = |place: usize| match (group.units[place].has_dead(), contested[place]) {
            (true, _) => Kind::Dead,
            (false, true) => Kind::Contested,
            (false, false) => Kind::Plain,
        };
        let mut by_kind = Kind::ALL.map(|_| Vec::new());
        for (place, &dot) in dots.iter().enumerate() {
            by_kind[kind(place) as usize].push(dot);
        }
        Self { by_kind, dots }
    }

    pub(super) fn show(&self, ui: &mut Ui, room: Vec2, view: &mut ScatterView, null: Option<f64>, focus: &mut Focus) {
        self.key(ui);
        let height = (room.y - KEY_HEIGHT).max(60.0);
        let visuals = ui.visuals().clone();
        let response = Plot::new("match scatter")
            .width(room.x)
            .height(height)
            .x_grid_spacer(round_marks(room.x / APART_ACROSS, false))
            .y_grid_spacer(round_marks(height / APART_UPWARDS, false))
            .x_axis_formatter(|mark, _| theme::mark_number(mark.value))
            .y_axis_formatter(|mark, _| theme::mark_number(mark.value))
            .set_margin_fraction(egui::vec2(0.04, 0.06))
            .allow_drag(false)
            .allow_scroll(false)
            .allow_boxed_zoom(false)
            .label_formatter(|_| None)
            .show(ui, |plot| self.draw(plot, null, focus, &visuals));
        axis_names(ui, *response.transform.frame(), "margin", "correlation");
        response.response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, self.describe()));
        self.point_at(&response, focus);
        self.drag_box(ui, &response, view, focus);
    }

    fn draw<'a>(&'a self, plot: &mut PlotUi<'a>, null: Option<f64>, focus: &Focus, visuals: &Visuals) {
        let faint = null_color(visuals);
        for (name, margin, style) in [
            ("no margin", 0.0, LineStyle::Solid),
            ("ambiguous below", f64::from(AMBIGUOUS_MARGIN), LineStyle::dashed_dense()),
        ] {
            plot.hline(HLine::new(name, margin).color(faint).width(1.0).style(style).allow_hover(false));
        }
        if let Some(null) = null {
            let line = VLine::new("chance, 99th percentile", null).color(faint).width(1.0);
            plot.vline(line.style(LineStyle::dotted_dense()).allow_hover(false));
        }
        for (kind, dots) in Kind::ALL.into_iter().zip(&self.by_kind) {
            let points = Points::new(kind.label(), PlotPoints::Borrowed(dots)).shape(kind.shape());
            plot.points(points.radius(kind.radius()).color(kind.color(visuals)).allow_hover(false));
        }
        let selected = focus.selected().iter().filter_map(|&place| self.dots.get(place).copied()).collect();
        let rings = Points::new("selected", PlotPoints::Owned(selected)).shape(MarkerShape::Circle).radius(5.0);
        plot.points(rings.filled(false).color(selected_color(visuals)).allow_hover(false));
        if let Some(dot) = focus.hovered().and_then(|place| self.dots.get(place)) {
            let at = PlotPoints::Owned(vec![*dot]);
            plot.points(Points::new("hovered", at).radius(5.5).color(focus_color(visuals)).allow_hover(false));
        }
    }

    /// Marks the unit under the mouse; a click selects it or takes it out.
    fn point_at<R>(&self, response: &PlotResponse<R>, focus: &mut Focus) {
        let Some(pointer) = response.response.hover_pos() else { return };
        let distance = |place: usize| response.transform.position_from_point(&self.dots[place]).distance(pointer);
        let nearest = (0..self.dots.len()).min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        if let Some(place) = nearest.filter(|&place| distance(place) <= REACH) {
            focus.hover(place);
            if response.response.clicked() {
                focus.toggle(place);
            }
        }
    }

    /// Selects what lies in the box that the mouse draws; with Shift in addition to what is selected.
    fn drag_box<R>(&self, ui: &Ui, response: &PlotResponse<R>, view: &mut ScatterView, focus: &mut Focus) {
        let plot = &response.response;
        if plot.drag_started() {
            view.box_from = ui.input(|i| i.pointer.press_origin());
        }
        let Some((from, to)) = view.box_from.zip(plot.interact_pointer_pos()) else {
            view.box_from = None;
            return;
        };
        let chosen = Rect::from_two_pos(from, to);
        let color = selected_color(ui.visuals());
        let painter = ui.painter().with_clip_rect(*response.transform.frame());
        painter.rect(chosen, 0.0, color.gamma_multiply(0.15), Stroke::new(1.0, color), StrokeKind::Inside);
        if plot.drag_stopped() {
            view.box_from = None;
            let is_in = |&place: &usize| chosen.contains(response.transform.position_from_point(&self.dots[place]));
            let inside = (0..self.dots.len()).filter(is_in);
            let kept = if ui.input(|i| i.modifiers.shift) { focus.selected().clone() } else { Default::default() };
            focus.select(kept.into_iter().chain(inside));
        }
    }

    fn key(&self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            ui.set_height(KEY_HEIGHT - ui.spacing().item_spacing.y);
            for (kind, dots) in Kind::ALL.into_iter().zip(&self.by_kind).filter(|(_, dots)| !dots.is_empty()) {
                mark(ui, kind);
                ui.label(egui::RichText::new(format!("{} {}", theme::count(dots.len()), kind.label())).small());
            }
        })
        .response
        .on_hover_text(
            "Drag a box over dots to select them (with Shift: in addition); click one to select it or take it out",
        );
    }

    fn describe(&self) -> String {
        let [plain, contested, dead] = self.by_kind.each_ref().map(Vec::len);
        format!("Scatter of correlation and margin: {plain} unrivalled units, {contested} contested, {dead} dead")
    }
}

/// A kind's shape, as in the plot.
fn mark(ui: &mut Ui, kind: Kind) {
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(8.0), egui::Sense::hover());
    let (center, radius, color) = (rect.center(), kind.radius(), kind.color(ui.visuals()));
    let corner = |x: f32, y: f32| center + radius * egui::vec2(x, y);
    let line = |from, to| egui::Shape::line_segment([from, to], Stroke::new(1.0, color));
    let shapes = match kind {
        Kind::Plain => vec![egui::Shape::circle_filled(center, radius, color)],
        Kind::Contested => {
            let corners = vec![corner(0.0, 1.0), corner(-1.0, 0.0), corner(0.0, -1.0), corner(1.0, 0.0)];
            vec![egui::Shape::convex_polygon(corners, color, Stroke::NONE)]
        }
        Kind::Dead => {
            vec![line(corner(-0.7, -0.7), corner(0.7, 0.7)), line(corner(0.7, -0.7), corner(-0.7, 0.7))]
        }
    };
    ui.painter().extend(shapes);
}
