//! The window, driven by the words on it, without a screen: pictures are drawn by the image fallback.
//!
//! The harness fails whenever a control has no accessible name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Key, Modifiers, Role, Theme};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use lowroad::app::{Action, AppState, Settings, ThirdPoint};
use lowroad::checkpoint::save_params;
use lowroad::compute::DeviceChoice;
use lowroad::demo;
use lowroad::geometry::Family;
use lowroad::net::{ParamVec, zoo};
use lowroad::ui::{Window, WindowOptions};

/// Far more than anything here takes; only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(240);

pub(crate) type Screen = Harness<'static, Window>;

/// A window on the CPU, with small pictures.
pub(crate) fn open_sized(size: [f32; 2], files: Vec<PathBuf>) -> Screen {
    let options = WindowOptions { files, device: DeviceChoice::Cpu, ..WindowOptions::default() };
    let mut screen = Harness::builder()
        .with_size(size)
        .with_step_dt(1.0 / 30.0)
        .build_eframe(move |cc| Window::new(cc, options).unwrap());
    set(&mut screen, |s| {
        s.plane.nx = 9;
        s.plane.ny = 7;
        s.path.n_points = 17;
        s.path.fit.descent.epochs = 3;
    });
    screen
}

pub(crate) fn open() -> Screen {
    open_sized([1440.0, 900.0], Vec::new())
}

/// The demo with everything evaluated.
pub(crate) fn demo() -> Screen {
    let mut screen = open();
    settle(&mut screen);
    screen
}

pub(crate) fn set(screen: &mut Screen, change: impl FnOnce(&mut Settings)) {
    let mut settings = screen.state().state().settings.clone();
    change(&mut settings);
    screen.state_mut().act(Action::ChangeSettings(Box::new(settings)));
}

pub(crate) fn until(screen: &mut Screen, what: &str, reached: impl Fn(&AppState) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached(screen.state().state()) {
        screen.step();
        std::thread::sleep(Duration::from_millis(2));
        let state = screen.state().state();
        let jobs: Vec<_> = state.jobs.values().map(|job| &job.label).collect();
        assert!(Instant::now() < deadline, "waited in vain until {what}; {jobs:?}, {:?}", state.notices);
    }
    frames(screen);
}

/// Until nothing runs and all of it is on screen.
pub(crate) fn settle(screen: &mut Screen) {
    until(screen, "nothing runs", |s| s.jobs.is_empty());
}

/// Some frames, so that popups and grids have their final sizes; every control must have a name.
fn frames(screen: &mut Screen) {
    screen.run_steps(4);
    screen.check_accessibility();
}

/// Clicks what has this name, as a screen reader would, wherever it has been scrolled to.
pub(crate) fn press(screen: &mut Screen, name: &str) {
    screen.get_by_label(name).click_accesskit();
    frames(screen);
}

/// Clicks with the mouse, as menus need it: they close when the mouse clicks.
pub(crate) fn click(screen: &mut Screen, role: Role, name: &str) {
    screen.get_by_role_and_label(role, name).click();
    frames(screen);
}

pub(crate) fn press_role(screen: &mut Screen, role: Role, name: &str) {
    screen.get_by_role_and_label(role, name).click_accesskit();
    frames(screen);
}

fn key(screen: &mut Screen, modifiers: Modifiers, key: Key) {
    screen.key_press_modifiers(modifiers, key);
    frames(screen);
}

pub(crate) fn shows(screen: &Screen, words: &str) -> bool {
    screen.query_all_by_label_contains(words).next().is_some()
}

#[track_caller]
pub(crate) fn assert_shows(screen: &Screen, words: &str) {
    assert!(shows(screen, words), "“{words}” is nowhere on screen");
}

fn save(folder: &Path, name: &str, network: &str, seed: u64) -> PathBuf {
    use rand::SeedableRng as _;
    let network = zoo::by_name(network).unwrap();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let params = ParamVec::random(network.layout().clone(), &mut rng);
    let path = folder.join(name);
    save_params(&path, &network, &params, &BTreeMap::new()).unwrap();
    path
}

#[test]
fn the_demo_leads_from_the_barrier_to_the_path_by_what_its_buttons_say() {
    let mut screen = demo();
    assert_shows(&screen, "A");
    assert_shows(&screen, "demo-a");
    assert_shows(&screen, "optdigits");
    assert_shows(&screen, "Straight line");
    let barrier = |screen: &Screen| {
        let curve = screen.state().state().curve.clone().unwrap();
        curve.loss_summary(lowroad::data::SplitName::Test).unwrap().barrier
    };
    let straight = barrier(&screen);
    assert_shows(&screen, &format!("Barrier {straight:.3} nats"));

    press(&mut screen, "Align");
    until(&mut screen, "B is aligned", |s| s.current_alignment().is_some());
    settle(&mut screen);
    let ends_at_aligned = screen.get_by_label("Path ends at aligned B");
    assert_eq!(ends_at_aligned.accesskit_node().toggled(), Some(egui::accesskit::Toggled::True));
    assert_shows(&screen, "Same function");
    let aligned = barrier(&screen);
    assert!(aligned < straight);

    press(&mut screen, "Find path");
    until(&mut screen, "the fit has begun", |s| s.is_fitting() || s.path.as_ref().is_some_and(|p| 0 < p.epochs_done));
    settle(&mut screen);
    assert_shows(&screen, "Bézier curve, 1 bend");
    assert_shows(&screen, "A to aligned B");
    assert_shows(&screen, "3 epochs");
    assert!(barrier(&screen) < straight);
    press(&mut screen, "Continue");
    settle(&mut screen);
    assert_shows(&screen, "6 epochs");

    press(&mut screen, "Path ends at aligned B");
    settle(&mut screen);
    assert_eq!(barrier(&screen).to_bits(), straight.to_bits());
}

#[test]
fn statistics_name_what_they_show() {
    let mut screen = demo();
    assert!(!shows(&screen, "t worst"));
    press(&mut screen, "Statistics");
    for title in ["start", "end", "mean", "integral", "barrier", "t worst", "midpoint", "from the straight line"] {
        assert_shows(&screen, title);
    }
    assert!(!shows(&screen, "not evaluated yet"), "both splits were evaluated");
}

#[test]
fn pictures_are_told_in_words() {
    let screen = demo();
    let landscape = screen.get_by_label_contains("Landscape: test loss on the plane through A, B and mean neuron");
    let words = landscape.accesskit_node().label().unwrap();
    assert!(words.contains("nats") && words.contains("barrier"), "{words}");
    let curve = screen.get_by_label_contains("Along the path: test loss");
    let words = curve.accesskit_node().label().unwrap();
    assert!(words.contains("at A") && words.contains("accuracy at least"), "{words}");
}

#[test]
fn the_theme_can_be_changed_by_button_and_by_key() {
    let mut screen = demo();
    assert_eq!(screen.ctx.theme(), Theme::Dark);
    press(&mut screen, "Light");
    assert_eq!(screen.ctx.theme(), Theme::Light);
    key(&mut screen, Modifiers::COMMAND, Key::T);
    assert_eq!(screen.ctx.theme(), Theme::Dark);
    assert_shows(&screen, "Light");
}

#[test]
fn cards_are_pinned_restored_and_removed() {
    let mut screen = demo();
    press(&mut screen, "Find path");
    settle(&mut screen);
    press(&mut screen, "Pin run 1");
    assert!(screen.state().state().runs[0].pinned);
    assert!(!screen.state().state().runs[1].pinned);
    assert!(!screen.state().state().path.as_ref().unwrap().is_straight());
    press(&mut screen, "Landscape of run 1");
    assert!(screen.state().state().path.as_ref().unwrap().is_straight(), "run 1 is the straight line");
    assert!(screen.state().state().jobs.is_empty(), "it was there at once");
    press(&mut screen, "Remove run 2");
    assert_eq!(screen.state().state().runs.len(), 1);
}

#[test]
fn keys_do_what_the_list_of_shortcuts_says() {
    let mut screen = demo();
    key(&mut screen, Modifiers::NONE, Key::F1);
    assert_shows(&screen, "Ctrl+L");
    key(&mut screen, Modifiers::NONE, Key::F1);
    assert!(!shows(&screen, "Ctrl+L"));

    let t = |screen: &Screen| screen.state().state().t;
    key(&mut screen, Modifiers::NONE, Key::Home);
    assert_eq!(t(&screen).to_bits(), 0.0_f64.to_bits());
    key(&mut screen, Modifiers::NONE, Key::ArrowRight);
    assert!(0.0 < t(&screen) && t(&screen) < 0.1);
    key(&mut screen, Modifiers::NONE, Key::End);
    assert_eq!(t(&screen).to_bits(), 1.0_f64.to_bits());
    key(&mut screen, Modifiers::NONE, Key::ArrowLeft);
    assert!(0.9 < t(&screen) && t(&screen) < 1.0);

    key(&mut screen, Modifiers::NONE, Key::Home);
    key(&mut screen, Modifiers::NONE, Key::Space);
    screen.run_steps(10);
    let on_the_way = t(&screen);
    assert!(0.0 < on_the_way, "space plays");
    key(&mut screen, Modifiers::NONE, Key::Space);
    let stopped = t(&screen);
    screen.run_steps(10);
    assert_eq!(t(&screen).to_bits(), stopped.to_bits(), "space stops");

    key(&mut screen, Modifiers::COMMAND, Key::L);
    until(&mut screen, "B is aligned", |s| s.current_alignment().is_some());
    settle(&mut screen);
    set(&mut screen, |s| s.path.fit.descent.epochs = 5_000);
    key(&mut screen, Modifiers::COMMAND, Key::Enter);
    until(&mut screen, "an epoch is done", |s| s.path.as_ref().is_some_and(|p| 0 < p.epochs_done));
    assert_shows(&screen, "Fitting the path: epoch");
    assert_shows(&screen, "/5000");
    key(&mut screen, Modifiers::NONE, Key::Escape);
    settle(&mut screen);
    assert!(!screen.state().state().is_fitting());
    assert_shows(&screen, "Ready");
}

#[test]
fn the_scrubber_goes_to_the_ends_and_to_the_worst_point() {
    let mut screen = demo();
    press(&mut screen, "Worst");
    let state = screen.state().state();
    let summary = state.curve.as_ref().unwrap().loss_summary(lowroad::data::SplitName::Test).unwrap();
    assert_eq!(state.t.to_bits(), summary.t_max.to_bits());
    assert_shows(&screen, &format!("test loss {:.3}", summary.max));
    press_role(&mut screen, Role::Button, "A");
    assert_eq!(screen.state().state().t.to_bits(), 0.0_f64.to_bits());
    press_role(&mut screen, Role::Button, "B");
    assert_eq!(screen.state().state().t.to_bits(), 1.0_f64.to_bits());
}

#[test]
fn a_path_that_is_typed_is_opened_and_a_wrong_one_becomes_a_notice() {
    let folder = tempfile::tempdir().unwrap();
    let file = save(folder.path(), "third.safetensors", "64-64-32-10", 5);
    let mut screen = demo();
    assert_shows(&screen, "No notices");
    for (typed, accept) in [(file.display().to_string(), "OK"), ("/no/such/file.pt".to_owned(), "Enter")] {
        click(&mut screen, Role::Button, "File");
        click(&mut screen, Role::Button, "Type a path…");
        screen.get_by_role_and_label(Role::TextInput, "Path").focus();
        screen.step();
        screen.get_by_role_and_label(Role::TextInput, "Path").type_text(&typed);
        screen.step();
        if accept == "OK" {
            press(&mut screen, "OK");
        } else {
            key(&mut screen, Modifiers::NONE, Key::Enter);
        }
        assert!(screen.query_by_role_and_label(Role::TextInput, "Path").is_none(), "the box stayed open");
        let done = accept == "OK";
        until(&mut screen, "it was tried", move |s| if done { s.modes.len() == 1 } else { !s.notices.is_empty() });
    }
    settle(&mut screen);
    assert_shows(&screen, "third");
    assert_shows(&screen, "file.pt cannot be opened");
    press(&mut screen, "1 notice");
    press(&mut screen, "Dismiss all");
    assert_shows(&screen, "No notices");
}

#[test]
fn files_dropped_on_the_window_are_opened() {
    #[derive(Debug)]
    struct Dropped(PathBuf);
    impl egui::DroppedFile for Dropped {
        fn path(&self) -> &Path {
            &self.0
        }
        fn bytes(&self) -> Result<Vec<u8>, String> {
            Err("the window opens files by their path".to_owned())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut screen = demo();
    for (place, name) in ["one", "two", "three"].into_iter().enumerate() {
        let file = save(folder.path(), &format!("{name}.safetensors"), "64-64-32-10", 5 + place as u64);
        screen.input_mut().dropped_files.push(Arc::new(Dropped(file)));
    }
    until(&mut screen, "they are open", |s| s.modes.len() == 3);
    settle(&mut screen);
    assert!(!shows(&screen, "demo-a"), "they take the place of the demo");
    assert_shows(&screen, "three");
    press_role(&mut screen, Role::ComboBox, "End of the path");
    press(&mut screen, "C  three");
    settle(&mut screen);
    let state = screen.state().state();
    assert_eq!(state.endpoints.map(|(a, b)| (state.letter(a), state.letter(b))), Some(("A".into(), "C".into())));
}

#[test]
fn an_empty_window_says_what_to_do_first() {
    let mut screen = demo();
    press(&mut screen, "Take B out");
    settle(&mut screen);
    assert_shows(&screen, "Drop two checkpoints on the window");
    assert_shows(&screen, "Loss and accuracy along the path appear here");
    press(&mut screen, "Take A out");
    settle(&mut screen);
    assert_shows(&screen, "Drop two checkpoints on the window");
    assert!(screen.state().state().modes.is_empty());
}

#[test]
fn networks_that_cannot_be_joined_or_take_other_images_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let wide = save(folder.path(), "wide.safetensors", "64-20-10", 1);
    let narrow = save(folder.path(), "narrow.safetensors", "64-12-10", 2);
    let mut screen = open_sized([1440.0, 900.0], vec![wide, narrow]);
    until(&mut screen, "both are open", |s| s.modes.len() == 2);
    settle(&mut screen);
    assert_shows(&screen, "These two networks cannot be joined");
    assert_shows(&screen, "[20, 64]");

    let one = save(folder.path(), "one.safetensors", "9-4-3", 1);
    let two = save(folder.path(), "two.safetensors", "9-4-3", 2);
    let mut screen = open_sized([1440.0, 900.0], vec![one, two]);
    until(&mut screen, "both are open", |s| s.modes.len() == 2);
    settle(&mut screen);
    assert_shows(&screen, "takes 9 inputs, the images have 64 pixels");
}

#[test]
fn every_family_and_every_third_point_of_the_menus_can_be_drawn() {
    // All controls are in sight.
    let mut screen = open_sized([1440.0, 1500.0], Vec::new());
    settle(&mut screen);
    press(&mut screen, "Align");
    until(&mut screen, "B is aligned", |s| s.current_alignment().is_some());
    settle(&mut screen);
    let network = Arc::clone(&screen.state().state().joined().unwrap().network);
    for family in Family::ALL.into_iter().filter(|family| family.unsuited(&network).is_none()) {
        click(&mut screen, Role::ComboBox, "Family");
        click(&mut screen, Role::Button, family.label());
        settle(&mut screen);
        assert_eq!(screen.state().state().settings.path.family, family);
        let curve = screen.state().state().curve.clone().unwrap();
        assert!(curve.test.iter().all(Option::is_some), "{family:?}");
        assert_eq!(shows(&screen, "Arcs are meant for networks that are not aligned"), family == Family::Arc);
    }
    for (label, third) in [
        ("mean neuron", ThirdPoint::MeanNeuron),
        ("B as loaded", ThirdPoint::OriginalB),
        ("random direction", ThirdPoint::Random(0)),
        ("the bend", ThirdPoint::Bend),
    ] {
        click(&mut screen, Role::ComboBox, "Through A, B and");
        click(&mut screen, Role::Button, label);
        settle(&mut screen);
        assert_eq!(screen.state().state().settings.plane.third, third);
        assert!(screen.state().state().plane.is_some(), "{label}");
    }
}

#[test]
fn every_switch_of_the_pictures_can_be_turned_and_has_a_name() {
    let mut screen = demo();
    for name in ["Smooth", "Lines", "Bands", "Reversed", "Auto range", "Training images", "Training", "Fit settings"] {
        press(&mut screen, name);
    }
    for name in ["Log", "Accuracy"] {
        let n = screen.query_all_by_label(name).count();
        assert_eq!(n, 2, "{name} is above both pictures");
        for place in 0..n {
            screen.query_all_by_label(name).nth(place).unwrap().click_accesskit();
            frames(&mut screen);
        }
    }
    settle(&mut screen);
    for menu in ["File", "Edit", "View", "Help"] {
        click(&mut screen, Role::Button, menu);
        key(&mut screen, Modifiers::NONE, Key::Escape);
    }
    click(&mut screen, Role::Button, "Help");
    click(&mut screen, Role::Button, "About lowroad");
    assert_shows(&screen, "CC BY 4.0");
}

#[test]
fn a_bend_follows_the_mouse() {
    let mut screen = demo();
    let rect = screen.get_by_label_contains("Landscape: test loss").rect();
    let state = screen.state().state();
    let bend = Arc::clone(&state.path.as_ref().unwrap().path.bends()[0]);
    let found = (0..60).flat_map(|i| (0..60).map(move |j| (i, j))).map(|(i, j)| {
        let share = egui::vec2((i as f32 + 0.5) / 60.0, (j as f32 + 0.5) / 60.0);
        rect.min + share * rect.size()
    });
    let mut held = None;
    for at in found {
        screen.hover_at(at);
        screen.step();
        if screen.output().platform_output.cursor_icon == egui::CursorIcon::Grab {
            held = Some(at);
            break;
        }
    }
    let from = held.expect("somewhere on the picture the mouse can take hold of the bend");
    screen.drag_at(from);
    screen.step();
    for step in 1..=5 {
        screen.hover_at(from + egui::vec2(0.0, -12.0 * step as f32));
        screen.step();
    }
    screen.drop_at(from + egui::vec2(0.0, -60.0));
    settle(&mut screen);
    let path = screen.state().state().path.clone().unwrap();
    assert!(path.by_hand && !path.dragging);
    assert!(0.1 < path.path.bends()[0].distance(&bend), "the bend did not move");
    assert_shows(&screen, "bent by hand");
}

#[test]
fn a_small_window_still_draws() {
    let mut screen = open_sized([900.0, 600.0], Vec::new());
    settle(&mut screen);
    press(&mut screen, "Statistics");
    screen.set_size(egui::vec2(500.0, 320.0));
    frames(&mut screen);
    assert_shows(&screen, "lowroad");
}

#[test]
fn the_window_can_be_closed_in_the_middle_of_any_job() {
    drop(open());
    let mut screen = demo();
    press(&mut screen, "Align");
    drop(screen);
    let mut screen = demo();
    set(&mut screen, |s| s.path.fit.descent.epochs = 5_000);
    press(&mut screen, "Find path");
    until(&mut screen, "an epoch is done", |s| s.path.as_ref().is_some_and(|p| 0 < p.epochs_done));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("last.safetensors");
    screen.state_mut().act(Action::Save(file.clone(), lowroad::app::Export::PathPoint));
    drop(screen);
    assert!(lowroad::checkpoint::Mode::open(&file).is_ok(), "what was being saved is saved");
}

#[test]
fn the_demo_has_its_two_modes_in_the_order_of_their_letters() {
    let screen = demo();
    let state = screen.state().state();
    let names: Vec<_> = state.modes.iter().map(|m| (state.letter(m.id), m.mode.name.clone())).collect();
    let expected: Vec<_> = demo::modes().into_iter().zip(["A", "B"]).map(|(m, l)| (l.to_owned(), m.name)).collect();
    assert_eq!(names, expected);
}
