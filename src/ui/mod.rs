//! The window: draws the state and returns what the user wants. Holds no lock, sends no command and never waits.

mod align_controls;
mod along_path;
mod attack_controls;
mod boundary;
mod compare;
mod compare_curves;
mod connect_controls;
mod controls;
mod descent_controls;
mod dialogs;
mod ensemble;
mod exports;
mod family_menu;
mod family_options;
mod fields;
mod filmstrip;
mod flow_controls;
mod landscape;
mod menu;
mod path_controls;
mod path_statistics;
mod permutations;
mod pictures;
mod popups;
mod predictions;
mod robust_curve;
mod sketch;
mod status_bar;
mod tables;
mod theme;
mod train_panel;
mod walk_controls;
mod window;

pub use window::{UiError, Window, WindowOptions, run};

use std::collections::BTreeMap;

use egui_plot::PlotTransform;
use egui_tiles::{Tile, TileId, Tiles, Tree};

use crate::app::{Action, AppState, Metric, TrajectoryId};
use crate::render::{ColorMap, Contours, HeatmapStyle, Renderer};
use crate::ui::boundary::BoundaryView;
use crate::ui::compare::CompareView;
use crate::ui::dialogs::Dialogs;
use crate::ui::fields::Fields;
use crate::ui::permutations::PermutationsView;
use crate::ui::predictions::Pictures;

/// One of the parts of the window that can be moved and resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pane {
    Controls,
    Landscape,
    /// Only where examples are points of a plane.
    Boundary,
    Permutations,
    AlongPath,
    Compare,
    Ensemble,
    Runs,
}

/// What belongs to the window and not to the document: layout, looks, open menus.
struct View {
    tree: Tree<Pane>,
    renderer: Renderer,
    style: HeatmapStyle,
    /// The clip range follows the values.
    auto_clip: bool,
    curve: CurveView,
    compare: CompareView,
    pictures: Pictures,
    boundary: BoundaryView,
    permutations: PermutationsView,
    fields: Fields,
    dialogs: Dialogs,
    /// `--normalize`, until there is data to apply it to.
    pending_normalization: Option<String>,
    /// The checkpoint that each trajectory's control is set to.
    checkpoints: BTreeMap<TrajectoryId, usize>,
    /// The bend that the mouse holds.
    held_bend: Option<usize>,
    /// Where the landscape's points stood on screen in the last frame.
    landscape: Option<PlotTransform>,
    /// What the landscape's zoom shows (`None`: all), and since when.
    looked: (Option<[f64; 4]>, f64),
    playing: bool,
    about: bool,
    shortcuts: bool,
    notices: bool,
    /// Notices of the last frame that offer something to try.
    n_remedies: usize,
}

/// How the curves along the path are drawn.
#[derive(Clone, Copy)]
struct CurveView {
    metric: Metric,
    log: bool,
    train: bool,
    statistics: bool,
    /// What was found beside the path.
    traces: bool,
}

impl View {
    fn new(renderer: Renderer) -> Self {
        Self {
            tree: default_layout(),
            renderer,
            style: HeatmapStyle {
                map: ColorMap::Viridis,
                log: true,
                contours: Contours { bands: None, lines: true },
                ..HeatmapStyle::default()
            },
            auto_clip: true,
            curve: CurveView { metric: Metric::Loss, log: false, train: true, statistics: false, traces: false },
            compare: CompareView::default(),
            pictures: Pictures::default(),
            boundary: BoundaryView::default(),
            permutations: PermutationsView::default(),
            fields: Fields::default(),
            dialogs: Dialogs::default(),
            pending_normalization: None,
            checkpoints: BTreeMap::new(),
            held_bend: None,
            landscape: None,
            looked: (None, 0.0),
            playing: false,
            about: false,
            shortcuts: false,
            notices: false,
            n_remedies: 0,
        }
    }
}

/// Controls, landscape or permutations above the plot or the table of families, runs.
fn default_layout() -> Tree<Pane> {
    let mut tiles = Tiles::default();
    let controls = tiles.insert_pane(Pane::Controls);
    let landscape = tiles.insert_pane(Pane::Landscape);
    let boundary = tiles.insert_pane(Pane::Boundary);
    let along_path = tiles.insert_pane(Pane::AlongPath);
    let compare = tiles.insert_pane(Pane::Compare);
    let ensemble = tiles.insert_pane(Pane::Ensemble);
    let runs = tiles.insert_pane(Pane::Runs);
    let permutations = tiles.insert_pane(Pane::Permutations);
    let above = tiles.insert_tab_tile(vec![landscape, permutations]);
    let pictures = tiles.insert_horizontal_tile(vec![above, boundary]);
    set_shares(&mut tiles, pictures, &[(above, 0.58), (boundary, 0.42)]);
    let below = tiles.insert_tab_tile(vec![along_path, compare, ensemble]);
    let middle = tiles.insert_vertical_tile(vec![pictures, below]);
    set_shares(&mut tiles, middle, &[(pictures, 0.6), (below, 0.4)]);
    let root = tiles.insert_horizontal_tile(vec![controls, middle, runs]);
    set_shares(&mut tiles, root, &[(controls, 0.22), (middle, 0.62), (runs, 0.16)]);
    Tree::new(layout_id(), root, tiles)
}

fn layout_id() -> egui::Id {
    egui::Id::unique("layout")
}

fn set_shares(tiles: &mut Tiles<Pane>, container: TileId, shares: &[(TileId, f32)]) {
    if let Some(Tile::Container(egui_tiles::Container::Linear(linear))) = tiles.get_mut(container) {
        for &(tile, share) in shares {
            linear.shares.set_share(tile, share);
        }
    }
}

/// Draws everything and collects what the user wants.
fn show(ui: &mut egui::Ui, state: &AppState, view: &mut View) -> Vec<Action> {
    let mut actions = Vec::new();
    menu::shortcuts(ui, state, view, &mut actions);
    menu::show(ui, state, view, &mut actions);
    status_bar::show(ui, state, view, &mut actions);
    egui::CentralPanel::no_frame().show(ui, |ui| {
        let mut tree = std::mem::replace(&mut view.tree, Tree::empty(layout_id()));
        if let Some(boundary) = tree.tiles.find_pane(&Pane::Boundary) {
            tree.set_visible(boundary, state.decisions.is_some());
        }
        let mut panes = Panes { state, view, actions: &mut actions };
        tree.ui(&mut panes, ui);
        view.tree = tree;
    });
    popups::show(ui.ctx(), state, view, &mut actions);
    train_panel::show(ui.ctx(), state, view, &mut actions);
    along_path::play(ui.ctx(), state, view, &mut actions);
    actions
}

/// Fills the tiles.
struct Panes<'a> {
    state: &'a AppState,
    view: &'a mut View,
    actions: &'a mut Vec<Action>,
}

impl egui_tiles::Behavior<Pane> for Panes<'_> {
    fn pane_ui(&mut self, ui: &mut egui::Ui, _id: TileId, pane: &mut Pane) -> egui_tiles::UiResponse {
        let frame = egui::Frame::new().fill(ui.visuals().panel_fill).inner_margin(8);
        frame.show(ui, |ui| {
            ui.set_min_size(ui.available_size());
            match pane {
                Pane::Controls => controls::show(ui, self.state, self.view, self.actions),
                Pane::Landscape => landscape::show(ui, self.state, self.view, self.actions),
                Pane::Boundary => boundary::show(ui, self.state, self.view),
                Pane::Permutations => permutations::show(ui, self.state, self.view, self.actions),
                Pane::AlongPath => along_path::show(ui, self.state, self.view, self.actions),
                Pane::Compare => compare::show(ui, self.state, self.view, self.actions),
                Pane::Ensemble => ensemble::show(ui, self.state, self.actions),
                Pane::Runs => filmstrip::show(ui, self.state, self.view, self.actions),
            }
        });
        egui_tiles::UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> egui::WidgetText {
        match pane {
            Pane::Controls => "Set up",
            Pane::Landscape => "Landscape",
            Pane::Boundary => "Decision boundary",
            Pane::Permutations => "Permutations",
            Pane::AlongPath => "Along the path",
            Pane::Compare => "Compare",
            Pane::Ensemble => "Ensemble",
            Pane::Runs => "Runs",
        }
        .into()
    }

    fn simplification_options(&self) -> egui_tiles::SimplificationOptions {
        egui_tiles::SimplificationOptions { all_panes_must_have_tabs: true, ..Default::default() }
    }
}
