//! The part of the view of permutations where they are changed by hand, and the pairing game.

use egui::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use lowroad::app::Action;
use lowroad::geometry::Family;

use crate::ui::{Screen, assert_shows, demo, press, press_role, set, settle, shows, until};

/// The demo, aligned, with the part on screen.
fn by_hand() -> Screen {
    let mut screen = demo();
    set(&mut screen, |s| s.path.family = Family::Linear);
    settle(&mut screen);
    press(&mut screen, "Permutations");
    press(&mut screen, "Align B to A");
    until(&mut screen, "B is aligned", |s| s.current_alignment().is_some());
    settle(&mut screen);
    press(&mut screen, "By hand");
    screen
}

#[test]
fn barriers_without_and_with_the_alignment_stand_side_by_side() {
    let mut screen = by_hand();
    let state = screen.state().state();
    let [unaligned, aligned] = [false, true].map(|aligned| state.straight_barrier(aligned).unwrap().loss);
    assert!(aligned < unaligned);
    assert_shows(&screen, &format!("Barrier of the straight path, not aligned: {unaligned:.3}"));
    assert_shows(&screen, &format!("Barrier of the straight path, as found: {aligned:.3}"));
    press(&mut screen, "Measure all");
    until(&mut screen, "all were measured", |s| s.by_hand.as_ref().is_some_and(|by_hand| !by_hand.is_sweeping()));
    settle(&mut screen);
    assert_shows(&screen, "Barrier by number of permuted layers: 0: ");
}

#[test]
fn a_contested_unit_gets_its_first_choice_by_one_click_and_loses_it_again() {
    let mut screen = by_hand();
    let wants = |screen: &Screen| {
        let rows = screen.query_all_by_label_contains("prefers");
        rows.filter_map(|row| row.accesskit_node().label()).next()
    };
    let first = wants(&screen).expect("some unit of the demo has not its first choice");
    press_role(&mut screen, Role::Button, &first);
    settle(&mut screen);
    assert!(screen.state().state().is_changed_by_hand());
    assert_shows(&screen, "swap their partners");
    assert_shows(&screen, "Changed by hand");
    press(&mut screen, "Undo");
    settle(&mut screen);
    assert!(!screen.state().state().is_changed_by_hand());
}

#[test]
fn a_change_is_taken_back_by_the_button_beside_it() {
    let mut screen = by_hand();
    let n_groups = screen.state().state().current_alignment().unwrap().report.groups.len();
    let mut edits = lowroad::matching::Edits::none(n_groups);
    edits.groups[0].pin(0, 1);
    edits.groups[0].n_unmatched = 2;
    screen.state_mut().act(Action::EditPermutation { edits, done: true });
    settle(&mut screen);
    press(&mut screen, "Take back: the worst 2 pairs are taken apart");
    settle(&mut screen);
    assert!(!shows(&screen, "Take back: the worst"));
    press(&mut screen, "Take back: B's 1 is pinned to 0 of A");
    settle(&mut screen);
    assert!(!screen.state().state().is_changed_by_hand());
}

#[test]
fn the_game_pairs_by_two_clicks_and_reveals_the_best() {
    let mut screen = by_hand();
    press(&mut screen, "Pair eight units yourself");
    assert_shows(&screen, "0 of 8 paired");
    let names = |screen: &Screen, whose: &str| -> Vec<String> {
        let cells = screen.query_all_by_label_contains("Unit ");
        let labels = cells.filter_map(|cell| cell.accesskit_node().label());
        labels.filter(|label| label.ends_with(whose)).collect()
    };
    let (left, right) = (names(&screen, " of A"), names(&screen, " of B"));
    assert_eq!((left.len(), right.len()), (8, 8), "{left:?} {right:?}");
    for (one, other) in left.iter().zip(&right) {
        press_role(&mut screen, Role::Button, one);
        press_role(&mut screen, Role::Button, other);
    }
    assert_shows(&screen, "8 of 8 paired");
    press(&mut screen, "Reveal the best pairs");
    assert_shows(&screen, "The best there are");
    press(&mut screen, "Back");
    assert_shows(&screen, "Measure all");
}

#[test]
fn a_method_shows_the_settings_that_it_has() {
    use lowroad::matching::AlignMethod;
    let mut screen = demo();
    press(&mut screen, "Match settings");
    assert_shows(&screen, "Alike in");
    set(&mut screen, |s| s.align.options.method = AlignMethod::Weight);
    screen.run_steps(2);
    assert_shows(&screen, "Descents");
    assert!(!shows(&screen, "Alike in"));
    press_role(&mut screen, Role::Button, "Align");
    until(&mut screen, "B is aligned", |s| s.current_alignment().is_some());
    settle(&mut screen);
    assert_shows(&screen, "Course of the search (aligned by weights)");
}
