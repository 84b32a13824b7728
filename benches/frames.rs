//! How long the window's thread works for a frame: of the Permutations pane with 2,000 units in a layer, part by part, while the
//! mouse moves over it; and of the landscape of two networks with 1.8 million weights, while a path between them is fitted and
//! while a bend is dragged. Pictures are not drawn: that is the graphics card's.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use lowroad::app::Action;
use lowroad::checkpoint::save_params;
use lowroad::compute::DeviceChoice;
use lowroad::ui::{Window, WindowOptions};

const N_FRAMES: usize = 60;
/// How long frames are timed while a path is fitted, and what lies between two of them.
const FITTING: Duration = Duration::from_secs(10);
const AIM: Duration = Duration::from_millis(16);
const BETWEEN_FRAMES: Duration = Duration::from_millis(10);
const SIZE: [f32; 2] = [1440.0, 900.0];
/// Where the pane is, in shares of the window.
const PANE: [[f32; 2]; 2] = [[0.23, 0.12], [0.83, 0.56]];

type Screen = Harness<'static, Window>;

fn main() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut screen = open(folder.path(), &[2000]);
    wait(&mut screen);
    permutations(&mut screen);
    drop(screen);
    landscape(&mut open(folder.path(), &[1300, 1300]));
}

fn permutations(screen: &mut Screen) {
    screen.state_mut().act(Action::Align);
    wait(screen);
    press(screen, "Permutations");
    for part in ["Quality", "Pairs", "Strands", "Weights", "By hand", "Table"] {
        press(screen, part);
        wait(screen);
        tell(
            &format!("permutations of 2,000 units, {part}"),
            (0..N_FRAMES).map(|frame| hovered(screen, frame)).collect(),
        );
    }
}

fn landscape(screen: &mut Screen) {
    // The whole plane would take minutes.
    screen.state_mut().act(Action::CancelAll);
    wait(screen);
    let mut settings = screen.state().state().settings.clone();
    settings.path.fit.descent.epochs = 1000;
    screen.state_mut().act(Action::ChangeSettings(Box::new(settings)));
    screen.state_mut().act(Action::FindPath);
    let started = Instant::now();
    let mut times = Vec::new();
    while started.elapsed() < FITTING {
        times.push(timed(screen));
        std::thread::sleep(BETWEEN_FRAMES);
    }
    tell("1.8 million weights, a path fitted and its plane evaluated", times);
    screen.state_mut().act(Action::CancelAll);
    wait(screen);
    let length = screen.state().state().plane.as_ref().expect("a plane is drawn").plane.length();
    let mut tug = |frame: usize| {
        let share = (frame + 1) as f64 / N_FRAMES as f64;
        let started = Instant::now();
        let (x, y, done) = (0.5 * length, 0.5 * share * length, frame + 1 == N_FRAMES);
        screen.state_mut().act(Action::DragBend { bend: 0, x, y, done });
        let acted = started.elapsed();
        let time = acted + timed(screen);
        std::thread::sleep(BETWEEN_FRAMES);
        time
    };
    tell("1.8 million weights, a bend dragged", (0..N_FRAMES).map(&mut tug).collect());
}

/// Median, longest, and how many are longer than a frame may be.
fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let n = times.len();
    let [median, longest] = [n / 2, n - 1].map(|rank| times[rank].as_secs_f64() * 1e3);
    let n_late = times.iter().filter(|time| AIM < **time).count();
    println!("{what}: {median:.1} ms a frame (median), {longest:.1} ms (longest), {n_late} of {n} longer than 16 ms");
}

/// The window with two networks of these hidden layers for the embedded digits.
fn open(folder: &Path, hidden: &[usize]) -> Screen {
    let files = [1, 2].map(|seed| network(folder, hidden, seed));
    let options = WindowOptions { files: files.into(), device: DeviceChoice::Cpu, ..WindowOptions::default() };
    let mut screen = Harness::builder()
        .with_size(SIZE)
        .build_eframe(move |cc| Window::new(cc, options).expect("the threads can be started"));
    while screen.state().state().plane.is_none() {
        screen.step();
    }
    screen
}

/// A network with random weights, as a file.
fn network(folder: &Path, hidden: &[usize], seed: u64) -> PathBuf {
    let network = common::network(&lowroad::data::optdigits(), hidden);
    let file = folder.join(format!("{}-{seed}.safetensors", hidden.len()));
    save_params(&file, &network, &common::random(&network, seed), &BTreeMap::new()).expect("the file can be written");
    file
}

/// One frame with the mouse at the next place of a line across the pane.
fn hovered(screen: &mut Screen, frame: usize) -> Duration {
    let share = frame as f32 / N_FRAMES as f32;
    let at = [0, 1].map(|axis| SIZE[axis] * (PANE[0][axis] + share * (PANE[1][axis] - PANE[0][axis])));
    screen.hover_at(egui::pos2(at[0], at[1]));
    timed(screen)
}

fn timed(screen: &mut Screen) -> Duration {
    let started = Instant::now();
    screen.step();
    started.elapsed()
}

fn press(screen: &mut Screen, label: &str) {
    screen.get_by_label(label).click_accesskit();
    screen.run_steps(4);
}

/// Until nothing runs.
fn wait(screen: &mut Screen) {
    screen.run_steps(4);
    while screen.state().state().modes.len() < 2 || !screen.state().state().jobs.is_empty() {
        screen.step();
        std::thread::sleep(Duration::from_millis(2));
    }
    screen.run_steps(4);
}
