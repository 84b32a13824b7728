//! Layer strip and correlation matrix of the pane of permutations.

use egui::accesskit::Toggled;
use egui::{Event, Key, Modifiers, MouseWheelSource, MouseWheelUnit, Role, TouchPhase};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use lowroad::app::Action;
use lowroad::matching::GroupReport;

use crate::ui::{Screen, assert_shows, demo, press, press_role, settle, shows, until};

/// The demo aligned, with the pane of permutations in front.
fn aligned() -> Screen {
    let mut screen = demo();
    screen.state_mut().act(Action::Align);
    until(&mut screen, "B is aligned", |s| s.shown_alignment().is_some());
    settle(&mut screen);
    press(&mut screen, "Permutations");
    screen
}

fn groups(screen: &Screen) -> Vec<GroupReport> {
    screen.state().state().shown_alignment().unwrap().report.groups.clone()
}

/// The matrix in words.
fn matrix(screen: &Screen) -> String {
    screen.get_by_label_contains("Correlations of layer").accesskit_node().label().unwrap()
}

fn is_chosen(screen: &Screen, name: &str) -> bool {
    screen.get_by_role_and_label(Role::RadioButton, name).accesskit_node().toggled() == Some(Toggled::True)
}

#[test]
fn the_matrix_tells_the_diagonal_before_and_after() {
    let mut screen = aligned();
    let group = groups(&screen).swap_remove(0);
    let mean = format!("mean on the diagonal {:.3} before and {:.3} after", group.before.mean, group.after.mean);
    assert_eq!(
        matrix(&screen),
        format!("Correlations of layer {} after B's units were moved: {} units, {mean}", group.name, group.n_units())
    );
    press(&mut screen, "Before");
    screen.run_steps(40);
    assert!(matrix(&screen).contains("before B's units were moved"), "{}", matrix(&screen));
    assert_shows(&screen, &format!("before: mean on the diagonal {:.3}", group.before.mean));
}

#[test]
fn a_cell_that_is_pointed_at_is_told_and_its_unit_marked() {
    let mut screen = aligned();
    assert!(!shows(&screen, "Unit "));
    screen.get_by_label_contains("Correlations of layer").hover();
    screen.run_steps(4);
    let group = groups(&screen).swap_remove(0);
    // The middle of the seriated matrix after alignment is a matched pair.
    let unit = group.order[group.n_units() / 2];
    assert_shows(&screen, &format!("Unit {unit} of A, unit {} of B", group.permutation.source(unit)));
}

#[test]
fn scrolling_zooms_in_and_a_button_shows_the_whole_matrix_again() {
    let mut screen = aligned();
    let is_whole = |screen: &Screen| screen.get_by_label("Whole").accesskit_node().is_disabled();
    assert!(is_whole(&screen));
    screen.get_by_label_contains("Correlations of layer").hover();
    screen.run_steps(2);
    screen.event(Event::MouseWheel {
        unit: MouseWheelUnit::Point,
        delta: egui::vec2(0.0, 120.0),
        phase: TouchPhase::Move,
        source: MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    });
    screen.run_steps(20);
    assert!(!is_whole(&screen));
    press(&mut screen, "Whole");
    assert!(is_whole(&screen));
}

#[test]
fn layers_are_chosen_by_mouse_and_by_arrow_keys() {
    let mut screen = aligned();
    let names: Vec<String> = groups(&screen).into_iter().map(|group| group.name).collect();
    let [first, .., last] = &names[..] else { panic!("the demo has several layers: {names:?}") };
    assert!(is_chosen(&screen, first) && matrix(&screen).contains(first));
    press_role(&mut screen, Role::RadioButton, last);
    assert!(is_chosen(&screen, last) && !is_chosen(&screen, first) && matrix(&screen).contains(last));
    let t = screen.state().state().t;
    for _ in &names {
        screen.key_press(Key::ArrowUp);
        screen.run_steps(4);
    }
    assert!(is_chosen(&screen, first), "the first row is the end");
    assert_eq!(screen.state().state().t.to_bits(), t.to_bits(), "the path heard of it too");
}

#[test]
fn the_signature_is_told_in_words() {
    let mut screen = aligned();
    press(&mut screen, "Signature");
    let group = groups(&screen).swap_remove(0);
    assert_shows(&screen, "Mean correlation of paired units by layer, before and after:");
    assert_shows(&screen, &format!("{} {:.2} to {:.2}", group.name, group.before.mean, group.after.mean));
}
