//! How long the window's thread works for a frame of the Permutations pane with 2,000 units in a layer, part by part, while
//! the mouse moves over it. Pictures are not drawn: that is the graphics card's.
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
const SIZE: [f32; 2] = [1440.0, 900.0];
/// Where the pane is, in shares of the window.
const PANE: [[f32; 2]; 2] = [[0.23, 0.12], [0.83, 0.56]];

type Screen = Harness<'static, Window>;

fn main() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let files = [1, 2].map(|seed| network(folder.path(), seed));
    let options = WindowOptions { files: files.into(), device: DeviceChoice::Cpu, ..WindowOptions::default() };
    let mut screen = Harness::builder()
        .with_size(SIZE)
        .build_eframe(move |cc| Window::new(cc, options).expect("the threads can be started"));
    wait(&mut screen);
    screen.state_mut().act(Action::Align);
    wait(&mut screen);
    press(&mut screen, "Permutations");
    for part in ["Quality", "Pairs", "Strands", "Weights", "By hand", "Table"] {
        press(&mut screen, part);
        wait(&mut screen);
        let mut times: Vec<Duration> = (0..N_FRAMES).map(|frame| timed(&mut screen, frame)).collect();
        times.sort_unstable();
        let [median, longest] = [N_FRAMES / 2, N_FRAMES - 1].map(|rank| times[rank].as_secs_f64() * 1e3);
        println!(
            "permutations of 2,000 units, {part}: {median:.1} ms a frame (median), {longest:.1} ms (longest of {N_FRAMES})"
        );
    }
}

/// A network 64-2000-10 for the embedded digits, as a file.
fn network(folder: &Path, seed: u64) -> PathBuf {
    let network = common::network(&lowroad::data::optdigits(), &[2000]);
    let file = folder.join(format!("{seed}.safetensors"));
    save_params(&file, &network, &common::random(&network, seed), &BTreeMap::new()).expect("the file can be written");
    file
}

/// One frame with the mouse at the next place of a line across the pane.
fn timed(screen: &mut Screen, frame: usize) -> Duration {
    let share = frame as f32 / N_FRAMES as f32;
    let at = [0, 1].map(|axis| SIZE[axis] * (PANE[0][axis] + share * (PANE[1][axis] - PANE[0][axis])));
    screen.hover_at(egui::pos2(at[0], at[1]));
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
