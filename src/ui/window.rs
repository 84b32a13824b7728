//! The glue between eframe, the threads and the document: events in, a picture out, effects to the threads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::exports::export;
use super::{View, show, theme};
use crate::app::{Action, AppState, Effect, Notice, events, update};
use crate::compute::DeviceChoice;
use crate::data::{self, Normalization};
use crate::demo;
use crate::render::{install, is_software};
use crate::worker::{Disk, Worker};

/// Time a frame may spend on taking in events.
const EVENT_BUDGET: Duration = Duration::from_millis(6);

/// How soon a frame follows an event.
const PACE: Duration = Duration::from_millis(16);
/// The same where the processor draws too: frames must leave it time to compute.
const SOFTWARE_PACE: Duration = Duration::from_millis(100);

/// What the window opens with.
#[derive(Clone, Debug, Default)]
pub struct WindowOptions {
    pub files: Vec<PathBuf>,
    /// `optdigits` or a folder; the embedded digits when nothing is given.
    pub data: Option<String>,
    pub normalize: Option<String>,
    pub device: DeviceChoice,
    /// A folder where trainings are kept while they run, so that a crash does not lose them; `None`: nowhere.
    pub keep_trainings: Option<PathBuf>,
}

/// Why no window opened.
#[derive(Debug, Error)]
pub enum UiError {
    #[error(
        "no window can be opened here ({0}); `lowroad demo --out DIR` works without a display, as do all commands of `lowroad --help`"
    )]
    Window(String),
    #[error(
        "there is no display: expected DISPLAY or WAYLAND_DISPLAY to be set, found neither; `lowroad demo --out DIR` works \
         without one, as do all commands of `lowroad --help`"
    )]
    NoDisplay,
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
    #[error(transparent)]
    Data(#[from] data::DataError),
}

/// Opens the window and stays until it is closed.
pub fn run(options: WindowOptions) -> Result<(), UiError> {
    let normalize = options.normalize.clone();
    let native = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("lowroad")
            .with_app_id("lowroad")
            .with_inner_size([1440.0, 900.0])
            .with_min_inner_size([900.0, 600.0]),
        ..Default::default()
    };
    let has_display =
        ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"].iter().any(|name| std::env::var_os(name).is_some());
    if cfg!(target_os = "linux") && !has_display {
        return Err(UiError::NoDisplay);
    }
    let started = Instant::now();
    let opened = eframe::run_native(
        "lowroad",
        native,
        Box::new(move |cc| {
            let mut window = Window::new(cc, options)?;
            log::info!("window after {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
            if let Some(text) = normalize {
                window.normalize(&text);
            }
            Ok(Box::new(window))
        }),
    );
    opened.map_err(|error| UiError::Window(error.to_string()))
}

/// The application as eframe drives it.
pub struct Window {
    state: AppState,
    view: View,
    // Dropped before the threads' channels are needed by nobody: the worker ends its slice, the disk its saves.
    worker: Worker,
    disk: Disk,
    opened: Instant,
    first_picture: Option<Duration>,
    longest_frame: Duration,
}

impl Window {
    /// Starts the threads and opens what was asked for, or the demo.
    pub fn new(cc: &eframe::CreationContext<'_>, options: WindowOptions) -> Result<Self, UiError> {
        theme::apply(&cc.egui_ctx);
        let pace = if is_software(cc.wgpu_render_state.as_ref()) { SOFTWARE_PACE } else { PACE };
        let repaint = || {
            let ctx = cc.egui_ctx.clone();
            move || ctx.request_repaint_after(pace)
        };
        let mut window = Self {
            state: AppState::default(),
            view: View::new(install(cc.wgpu_render_state.as_ref())),
            worker: Worker::spawn_behind_window(options.device, repaint())?,
            disk: Disk::spawn(repaint())?,
            opened: Instant::now(),
            first_picture: None,
            longest_frame: Duration::ZERO,
        };
        window.state.device.choice = options.device;
        window.act(Action::SetT(0.5));
        if let Some(folder) = options.keep_trainings {
            window.act(Action::KeepTrainings(folder));
        }
        if options.files.is_empty() && options.data.is_none() {
            let digits = data::optdigits();
            let usual = Normalization::usual(&digits);
            events::add_data(&mut window.state, Arc::new(digits), usual);
            for mode in demo::modes() {
                events::add_mode(&mut window.state, mode);
            }
        } else {
            window.act(Action::OpenData(options.data.unwrap_or_else(|| data::EMBEDDED.to_owned())));
            window.act(Action::Open(options.files));
        }
        Ok(window)
    }

    /// Replaces the pixel scaling, as `--normalize` asks for it; a text that is wrong becomes a notice.
    fn normalize(&mut self, text: &str) {
        self.view.pending_normalization = Some(text.to_owned());
        self.apply_pending_normalization();
    }

    fn apply_pending_normalization(&mut self) {
        let Some(data) = &self.state.data else { return };
        let Some(text) = self.view.pending_normalization.take() else {
            return;
        };
        match Normalization::parse(&text, data.dataset.shape.channels) {
            Ok(normalization) => self.act(Action::Normalize(normalization)),
            Err(error) => self.state.notify(Notice::error("The normalisation was not understood", &error)),
        }
    }

    /// Carries out an action as if the user had asked for it.
    pub fn act(&mut self, action: Action) {
        let effects = update::on_action(&mut self.state, action);
        self.carry_out(effects);
    }

    /// The document.
    pub fn state(&self) -> &AppState {
        &self.state
    }

    /// Longest time that a frame took on the main thread so far, and the time from start to the first value of a plane.
    pub fn timings(&self) -> (Duration, Option<Duration>) {
        (self.longest_frame, self.first_picture)
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let taken = match effect {
                Effect::Compute(command) => self.worker.send(command),
                Effect::Disk(request) => self.disk.send(request),
            };
            if !taken {
                self.state.notify(Notice::warning("The computation does not answer; restart lowroad if this stays"));
            }
        }
    }

    fn take_in_events(&mut self, ctx: &egui::Context) {
        let deadline = Instant::now() + EVENT_BUDGET;
        loop {
            if let Some(event) = self.worker.try_event() {
                let effects = events::on_event(&mut self.state, event);
                self.carry_out(effects);
            } else if let Some(event) = self.disk.try_event() {
                let effects = events::on_disk_event(&mut self.state, event);
                self.carry_out(effects);
                self.apply_pending_normalization();
            } else {
                break;
            }
            if deadline < Instant::now() {
                ctx.request_repaint();
                break;
            }
        }
        if self.first_picture.is_none()
            && self.state.plane.as_ref().is_some_and(|p| p.values.iter().any(Option::is_some))
        {
            let after = self.opened.elapsed();
            log::info!("first picture after {:.0} ms", after.as_secs_f64() * 1e3);
            self.first_picture = Some(after);
        }
    }
}

impl eframe::App for Window {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        self.take_in_events(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let started = Instant::now();
        let dropped: Vec<PathBuf> = ui.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_owned()).collect());
        if !dropped.is_empty() {
            self.act(Action::Open(dropped));
        }
        let mut actions = show(ui, &self.state, &mut self.view);
        for chosen in self.view.dialogs.take_chosen() {
            match self.view.dialogs.action_of(&chosen) {
                Some(action) => actions.push(action),
                None => match export(&self.state, &self.view, &chosen) {
                    Ok(action) => actions.push(action),
                    Err(notice) => self.state.notify(notice),
                },
            }
        }
        for action in actions {
            self.act(action);
        }
        self.longest_frame = self.longest_frame.max(started.elapsed());
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        log::info!("longest frame {:.1} ms", self.longest_frame.as_secs_f64() * 1e3);
    }
}
