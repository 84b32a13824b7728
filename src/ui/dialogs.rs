//! Asking for files: the system's dialog on a thread of its own, and a box to type a path into where there is none.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use egui::{Align2, Context, Key, RichText, Window};

use crate::app::{Action, Export, ModeId};
use crate::checkpoint::Mends;

/// A dialog that comes back empty faster than a person can click was never shown.
const TOO_FAST: Duration = Duration::from_millis(1000);

/// What a file is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    OpenCheckpoints,
    OpenBends,
    OpenFlow,
    OpenPermutation,
    OpenData,
    /// The network that the panel trains.
    DescribeTraining,
    /// The network of a checkpoint that was not understood.
    DescribeCheckpoint,
    /// Where the networks on the way of a training go.
    TrajectoryFolder,
    SavePathPoint,
    SaveBends,
    SaveAligned,
    SavePermutation,
    SaveFlow,
    SaveMode(ModeId),
    ExportLandscapePng,
    ExportLandscapeSvg,
    ExportCurveSvg,
    ExportCurveCsv,
    /// Clean and robust curves.
    ExportRobustSvg,
    /// What was handed over with the wish.
    SaveUnits,
}

impl Wish {
    fn title(self) -> &'static str {
        match self {
            Self::OpenCheckpoints => "Open checkpoints",
            Self::OpenBends => "Open bends",
            Self::OpenFlow => "Open a map",
            Self::OpenPermutation => "Open a permutation",
            Self::OpenData => "Open a data folder",
            Self::DescribeTraining | Self::DescribeCheckpoint => "Choose the description of a network (.toml)",
            Self::TrajectoryFolder => "Choose a folder for the networks on the way",
            Self::SavePathPoint => "Save the network at t",
            Self::SaveBends => "Save the bends",
            Self::SaveAligned => "Save aligned B",
            Self::SavePermutation => "Save the permutation (.json or .npz)",
            Self::SaveFlow => "Save the map",
            Self::SaveMode(_) => "Save the mode",
            Self::ExportLandscapePng | Self::ExportLandscapeSvg => "Export the landscape",
            Self::ExportCurveSvg | Self::ExportCurveCsv | Self::ExportRobustSvg => "Export the curves",
            Self::SaveUnits => "Save the table of units",
        }
    }

    /// File name to start from, for what is saved.
    fn file_name(self) -> Option<&'static str> {
        match self {
            Self::OpenCheckpoints
            | Self::OpenBends
            | Self::OpenFlow
            | Self::OpenPermutation
            | Self::OpenData
            | Self::DescribeTraining
            | Self::DescribeCheckpoint
            | Self::TrajectoryFolder => None,
            Self::SavePathPoint => Some("path.safetensors"),
            Self::SaveBends => Some("bend.safetensors"),
            Self::SaveAligned => Some("b-aligned.safetensors"),
            Self::SavePermutation => Some("permutation.json"),
            Self::SaveFlow => Some("map.safetensors"),
            Self::SaveMode(_) => Some("mode.safetensors"),
            Self::ExportLandscapePng => Some("landscape.png"),
            Self::ExportLandscapeSvg => Some("landscape.svg"),
            Self::ExportCurveSvg => Some("curves.svg"),
            Self::ExportCurveCsv => Some("curves.csv"),
            Self::ExportRobustSvg => Some("robust.svg"),
            Self::SaveUnits => Some("units.csv"),
        }
    }
}

/// A file that was chosen for something.
pub(super) struct Chosen {
    pub(super) wish: Wish,
    pub(super) paths: Vec<PathBuf>,
}

struct Pending {
    wish: Wish,
    asked: Instant,
    answer: Receiver<Vec<PathBuf>>,
}

struct PathBox {
    wish: Wish,
    text: String,
    explain: bool,
}

/// Dialogs that are open.
#[derive(Default)]
pub(super) struct Dialogs {
    pending: Option<Pending>,
    path_box: Option<PathBox>,
    chosen: Vec<Chosen>,
    /// The checkpoint that a description is asked for.
    described: Option<PathBuf>,
    /// What goes into the file that is asked for, where it is written already.
    to_save: Vec<u8>,
}

impl Dialogs {
    /// Whether the path box stands open, which Escape closes.
    pub(super) fn is_open(&self) -> bool {
        self.path_box.is_some()
    }

    /// Asks for a file for these bytes.
    pub(super) fn save(&mut self, wish: Wish, bytes: Vec<u8>) {
        self.to_save = bytes;
        self.ask(wish);
    }

    /// Opens the system's dialog, unless one is open already.
    pub(super) fn ask(&mut self, wish: Wish) {
        if self.pending.is_some() {
            return;
        }
        let (sender, answer) = bounded(1);
        let dialog = move || {
            // Nobody may be waiting any more.
            let _heard = sender.send(pollster::block_on(choose(wish)));
        };
        match std::thread::Builder::new().name("dialog".to_owned()).spawn(dialog) {
            Ok(_detached) => self.pending = Some(Pending { wish, asked: Instant::now(), answer }),
            Err(error) => {
                log::warn!("no thread for a dialog: {error}");
                self.type_path(wish);
            }
        }
    }

    /// Asks for the description of a checkpoint's network.
    pub(super) fn ask_description(&mut self, checkpoint: PathBuf) {
        self.described = Some(checkpoint);
        self.ask(Wish::DescribeCheckpoint);
    }

    /// Opens the box to type a path into.
    pub(super) fn type_path(&mut self, wish: Wish) {
        let text = wish.file_name().unwrap_or("").to_owned();
        self.path_box = Some(PathBox { wish, text, explain: false });
    }

    /// Takes in answers of the system's dialog and draws the path box.
    pub(super) fn show(&mut self, ctx: &Context) {
        if let Some(pending) = &self.pending {
            match pending.answer.try_recv() {
                Ok(paths) => {
                    let (wish, fast) = (pending.wish, pending.asked.elapsed() < TOO_FAST);
                    self.pending = None;
                    if !paths.is_empty() {
                        self.chosen.push(Chosen { wish, paths });
                    } else if fast {
                        self.type_path(wish);
                        if let Some(path_box) = &mut self.path_box {
                            path_box.explain = true;
                        }
                    }
                }
                Err(crossbeam_channel::TryRecvError::Empty) => ctx.request_repaint_after(Duration::from_millis(100)),
                Err(crossbeam_channel::TryRecvError::Disconnected) => self.pending = None,
            }
        }
        self.show_path_box(ctx);
    }

    fn show_path_box(&mut self, ctx: &Context) {
        let Some(path_box) = &mut self.path_box else {
            return;
        };
        let (mut accepted, mut closed) = (false, false);
        let window = Window::new(path_box.wish.title()).collapsible(false).anchor(Align2::CENTER_CENTER, [0.0, 0.0]);
        window.show(ctx, |ui| {
            if path_box.explain {
                ui.label(RichText::new("This desktop offers no file dialog, so type the path here.").weak());
            }
            let label = ui.label("Path");
            let field = egui::TextEdit::singleline(&mut path_box.text).desired_width(420.0);
            let response = ui.add(field).labelled_by(label.id);
            if !response.has_focus() && path_box.text.is_empty() {
                response.request_focus();
            }
            accepted = response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            ui.horizontal(|ui| {
                accepted |= ui.button("OK").clicked();
                closed = ui.button("Cancel").clicked() || ui.input(|i| i.key_pressed(Key::Escape));
            });
        });
        if accepted && !path_box.text.trim().is_empty() {
            let paths = vec![PathBuf::from(path_box.text.trim())];
            self.chosen.push(Chosen { wish: path_box.wish, paths });
            self.path_box = None;
        } else if closed {
            self.path_box = None;
        }
    }

    /// Files chosen since the last call.
    pub(super) fn take_chosen(&mut self) -> Vec<Chosen> {
        std::mem::take(&mut self.chosen)
    }

    /// What a chosen file means to the document; `None` for exports of pictures, which are drawn by the window.
    pub(super) fn action_of(&mut self, chosen: &Chosen) -> Option<Action> {
        let first = chosen.paths.first()?.clone();
        Some(match chosen.wish {
            Wish::OpenCheckpoints => Action::Open(chosen.paths.clone()),
            Wish::OpenBends => Action::OpenBends(chosen.paths.clone()),
            Wish::OpenFlow => Action::OpenFlow(first),
            Wish::OpenPermutation => Action::OpenPermutation(first),
            Wish::OpenData => Action::OpenData(first.to_string_lossy().into_owned()),
            Wish::DescribeTraining => Action::TrainDescribed(first),
            Wish::DescribeCheckpoint => {
                Action::OpenMended { path: self.described.take()?, mends: Mends::default(), description: Some(first) }
            }
            Wish::TrajectoryFolder => Action::SaveTrajectory(first),
            Wish::SavePathPoint => Action::Save(first, Export::PathPoint),
            Wish::SaveBends => Action::Save(first, Export::Bends),
            Wish::SaveAligned => Action::Save(first, Export::AlignedB),
            Wish::SavePermutation => Action::Save(first, Export::Permutation),
            Wish::SaveFlow => Action::Save(first, Export::Flow),
            Wish::SaveMode(id) => Action::Save(first, Export::Mode(id)),
            Wish::SaveUnits => Action::SaveBytes(first, std::mem::take(&mut self.to_save)),
            Wish::ExportLandscapePng
            | Wish::ExportLandscapeSvg
            | Wish::ExportCurveSvg
            | Wish::ExportCurveCsv
            | Wish::ExportRobustSvg => return None,
        })
    }
}

async fn choose(wish: Wish) -> Vec<PathBuf> {
    let dialog = rfd::AsyncFileDialog::new().set_title(wish.title());
    let one = |handle: Option<rfd::FileHandle>| handle.map(|h| h.path().to_owned()).into_iter().collect();
    match (wish, wish.file_name()) {
        (Wish::OpenCheckpoints | Wish::OpenBends, _) => {
            let dialog = dialog
                .add_filter("Checkpoints", &["safetensors", "pt", "pth", "th", "bin"])
                .add_filter("All files", &["*"]);
            let chosen = dialog.pick_files().await.unwrap_or_default();
            chosen.into_iter().map(|h| h.path().to_owned()).collect()
        }
        (Wish::OpenFlow, _) => one(dialog.add_filter("Maps", &["safetensors"]).pick_file().await),
        (Wish::OpenPermutation, _) => {
            let dialog = dialog.add_filter("Permutations", &["json", "npz"]).add_filter("All files", &["*"]);
            one(dialog.pick_file().await)
        }
        (Wish::DescribeTraining | Wish::DescribeCheckpoint, _) => {
            one(dialog.add_filter("Descriptions", &["toml"]).pick_file().await)
        }
        (_, Some(name)) => one(dialog.set_file_name(name).save_file().await),
        (_, None) => one(dialog.pick_folder().await),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is open after the system's dialog came back empty after so long.
    fn after_an_empty_answer(after: Duration) -> Dialogs {
        let (sender, answer) = bounded(1);
        sender.send(Vec::new()).unwrap();
        let asked = Instant::now().checked_sub(after).unwrap();
        let pending = Pending { wish: Wish::OpenBends, asked, answer };
        let mut dialogs = Dialogs { pending: Some(pending), ..Dialogs::default() };
        let mut output = Context::default().run_ui(egui::RawInput::default(), |ui| dialogs.show(ui.ctx()));
        output.textures_delta.clear();
        dialogs
    }

    #[test]
    fn where_no_dialog_is_shown_a_path_can_be_typed() {
        let dialogs = after_an_empty_answer(Duration::ZERO);
        let path_box = dialogs.path_box.expect("a box to type into");
        assert!(path_box.explain && path_box.wish == Wish::OpenBends);
    }

    #[test]
    fn a_dialog_that_the_user_closed_asks_no_further() {
        let dialogs = after_an_empty_answer(TOO_FAST * 2);
        assert!(dialogs.path_box.is_none() && dialogs.pending.is_none() && dialogs.chosen.is_empty());
    }

    #[test]
    fn what_is_to_be_saved_goes_into_the_file_that_is_chosen() {
        let mut dialogs = Dialogs { to_save: b"unit,source".to_vec(), ..Dialogs::default() };
        let chosen = Chosen { wish: Wish::SaveUnits, paths: vec![PathBuf::from("units.csv")] };
        let action = dialogs.action_of(&chosen).unwrap();
        assert!(
            matches!(action, Action::SaveBytes(path, bytes) if path.ends_with("units.csv") && bytes == b"unit,source")
        );
    }
}
