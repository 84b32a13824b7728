//! The board of the pairing game: units of A on the left, units of B on the right, and lines between those that the player
//! thinks belong together.

use std::sync::{Arc, Weak};

use egui::{
    Align2, Color32, CornerRadius, Pos2, Rect, RichText, Role, Sense, Shape, Stroke, StrokeKind, TextureHandle,
    TextureId, Ui, WidgetInfo, pos2, vec2,
};

use super::super::unit_images::{Side, UnitImages};
use super::super::{Shown, after_color, before_color, selected_color};
use super::theme;
use crate::app::PairingGame;
use crate::matching::Matrix;

/// Height of a unit, at least and at most: the board fits the pane where it can.
const CELL_HEIGHT: [f32; 2] = [24.0, 44.0];
const CELL_GAP: f32 = 5.0;
const CELL_WIDTH: f32 = 132.0;
/// Room for a unit's number beside its picture.
const NUMBER_WIDTH: f32 = 34.0;
const SIDES: [Side; 2] = [Side::A, Side::B];
const LINE_WIDTH: f32 = 2.0;
/// Distance of the best pairs' lines from the player's.
const BESIDE: f32 = 3.5;

/// A game and what the player holds.
pub(super) struct GameView {
    game: PairingGame,
    /// The correlations of the layer that is played: changes by hand leave them as they are.
    of: Weak<Matrix>,
    /// Side (0 left, 1 right) and place.
    held: Option<(usize, usize)>,
}

impl GameView {
    pub(super) fn new(game: PairingGame, shown: &Shown<'_>) -> Self {
        Self { game, of: Arc::downgrade(&shown.report.correlation), held: None }
    }

    pub(super) fn is_of(&self, shown: &Shown<'_>) -> bool {
        std::ptr::eq(self.of.as_ptr(), Arc::as_ptr(&shown.report.correlation))
    }

    /// Draws the board, in `height` if that is enough; whether the game is over.
    pub(super) fn show(&mut self, ui: &mut Ui, shown: &Shown<'_>, images: &mut UnitImages, height: f32) -> bool {
        let (n, top) = (self.game.n_pairs(), ui.cursor().top());
        ui.label(format!("Which unit of B does what a unit of A does, in layer {}?", shown.report.name));
        let pictures = if images.can_draw(shown) { "The images are their incoming weights. " } else { "" };
        let text = format!(
            "Click a unit on the left and one on the right. {pictures}The bars tell how it correlates with other matched \
             units: units that belong together have like bars"
        );
        ui.label(RichText::new(text).small());
        let is_over = self.buttons(ui);
        self.score(ui);
        let left = height - (ui.cursor().top() - top);
        let cell_height = (left / n as f32 - CELL_GAP).clamp(CELL_HEIGHT[0], CELL_HEIGHT[1]);
        let size = vec2(ui.available_width(), n as f32 * (cell_height + CELL_GAP));
        let (board, _) = ui.allocate_exact_size(size, Sense::hover());
        for side in [0, 1] {
            for place in 0..n {
                let unit = self.game.units()[side][place];
                let image = images.unit_texture(ui.ctx(), shown, SIDES[side], unit).map(TextureHandle::id);
                self.cell(ui, board, side, place, image);
            }
        }
        self.lines(ui, board);
        is_over
    }

    fn cell(&mut self, ui: &mut Ui, board: Rect, side: usize, place: usize, image: Option<TextureId>) {
        let rect = self.cell_rect(board, side, place);
        let number = self.game.units()[side][place];
        let name = format!("Unit {number} of {}", if side == 0 { "A" } else { "B" });
        let response = ui.interact(rect, ui.scope_id().with(("game", side, place)), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
        let is_held = self.held == Some((side, place));
        let visuals = ui.style().interact_selectable(&response, is_held);
        let color = side_color(ui, side);
        let frame = if is_held { Stroke::new(2.0, selected_color(ui.visuals())) } else { visuals.bg_stroke };
        let painter = ui.painter().with_clip_rect(rect.expand(2.0));
        painter.rect(rect, CornerRadius::same(3), visuals.weak_bg_fill, frame, StrokeKind::Inside);
        let (at, anchor, picture) = if side == 0 {
            (rect.left_center() + vec2(5.0, 0.0), Align2::LEFT_CENTER, rect.with_min_x(rect.left() + NUMBER_WIDTH))
        } else {
            (rect.right_center() - vec2(5.0, 0.0), Align2::RIGHT_CENTER, rect.with_max_x(rect.right() - NUMBER_WIDTH))
        };
        let font = egui::TextStyle::Small.resolve(ui.style());
        painter.text(at, anchor, number, font, color);
        let mut picture = picture.shrink(4.0);
        if let Some(image) = image {
            picture = draw_image(ui, picture, side, image);
        }
        profile(ui, picture, self.game.profile(side, place), self.game.largest_profile(), color);
        if response.on_hover_text(name).clicked() {
            self.click(side, place);
        }
    }

    /// The first click holds a unit, one on the other side pairs it.
    fn click(&mut self, side: usize, place: usize) {
        self.held = match self.held {
            Some((held_side, held)) if held_side != side => {
                let (left, right) = if side == 0 { (place, held) } else { (held, place) };
                self.game.pair(left, right);
                None
            }
            held if held == Some((side, place)) => None,
            _ => Some((side, place)),
        };
    }

    fn cell_rect(&self, board: Rect, side: usize, place: usize) -> Rect {
        let width = CELL_WIDTH.min(0.38 * board.width());
        let left = if side == 0 { board.left() } else { board.right() - width };
        let step = board.height() / self.game.n_pairs() as f32;
        Rect::from_min_size(pos2(left, board.top() + place as f32 * step), vec2(width, step - CELL_GAP))
    }

    fn lines(&self, ui: &Ui, board: Rect) {
        let end = |side: usize, place: usize| {
            let rect = self.cell_rect(board, side, place);
            if side == 0 { rect.right_center() } else { rect.left_center() }
        };
        let painter = ui.painter().with_clip_rect(board);
        let own = Stroke::new(LINE_WIDTH, ui.visuals().strong_text_color());
        for (left, right) in self.game.pairs().iter().enumerate() {
            if let Some(right) = right {
                painter.line_segment([end(0, left), end(1, *right)], own);
            }
        }
        if self.game.is_revealed() {
            let best = Stroke::new(LINE_WIDTH, theme::good(ui.visuals()));
            for (left, &right) in self.game.optimum().iter().enumerate() {
                let below = |at: Pos2| pos2(at.x, at.y + BESIDE);
                painter.extend(Shape::dashed_line(&[below(end(0, left)), below(end(1, right))], best, 6.0, 3.0));
            }
        }
    }

    fn score(&self, ui: &mut Ui) {
        let [own, best] = self.game.score();
        let n = self.game.n_pairs();
        let n_paired = self.game.pairs().iter().flatten().count();
        ui.label(if self.game.is_revealed() {
            format!("Your pairs: {own:.2}. The best there are: {best:.2}. {} of {n} are the same", self.game.n_right())
        } else {
            format!("{n_paired} of {n} paired; their correlations come to {own:.2}")
        });
    }

    /// Whether the player leaves.
    fn buttons(&mut self, ui: &mut Ui) -> bool {
        ui.horizontal_wrapped(|ui| {
            let label = if self.game.is_complete() { "Reveal the best pairs" } else { "Give up and reveal" };
            let reveal = ui.add_enabled(!self.game.is_revealed(), egui::Button::new(label));
            if reveal.on_hover_text("Draws the best pairs, dashed, beside yours").clicked() {
                self.game.reveal();
            }
            ui.button("Back").on_hover_text("Leave the game").clicked()
        })
        .inner
    }
}

fn side_color(ui: &Ui, side: usize) -> Color32 {
    if side == 0 { after_color(ui.visuals()) } else { before_color(ui.visuals()) }
}

/// An image of a unit's weights beside its number; returns the room that is left.
fn draw_image(ui: &Ui, room: Rect, side: usize, image: TextureId) -> Rect {
    let width = room.height();
    let (place, left) = if side == 0 {
        (room.with_max_x(room.left() + width), room.with_min_x(room.left() + width + 4.0))
    } else {
        (room.with_min_x(room.right() - width), room.with_max_x(room.right() - width - 4.0))
    };
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    ui.painter().image(image, place, whole, Color32::WHITE);
    left
}

/// Values up to `largest` in magnitude as bars from the middle line.
fn profile(ui: &Ui, rect: Rect, values: &[f32], largest: f32, color: Color32) {
    let step = rect.width() / values.len().max(1) as f32;
    let zero = rect.center().y;
    let painter = ui.painter();
    painter.hline(rect.x_range(), zero, Stroke::new(0.5, ui.visuals().weak_text_color()));
    for (index, value) in values.iter().enumerate() {
        let from = rect.left() + index as f32 * step;
        let tip = zero - 0.5 * rect.height() * value / largest;
        let bar = Rect::from_two_pos(pos2(from + 0.15 * step, zero), pos2(from + 0.85 * step, tip));
        painter.rect_filled(bar, CornerRadius::ZERO, color);
    }
}
