//! Where the path falls on the plane that is drawn: worked out by the compute thread, known when all has settled.

use std::sync::Arc;

use lowroad::app::{Action, AppState, ThirdPoint};
use lowroad::geometry::{Curve, Family};
use lowroad::worker::Lane;

use super::Desk;

/// Checks what is known against what the path itself says.
#[track_caller]
fn check(state: &AppState, what: &str) {
    let (path, plane) = (state.path.as_ref().unwrap(), &state.plane.as_ref().unwrap().plane);
    let found = path.projection(plane).unwrap_or_else(|| panic!("{what}: it is not known where the path falls"));
    let expected = path.path.project(plane);
    assert_eq!(found.bends, expected.bends, "{what}");
    for t in Curve::even_ts(9) {
        assert_eq!(found.at(t), expected.at(t), "{what} at {t}");
    }
}

#[test]
fn when_all_has_settled_it_is_known_where_the_path_falls_on_the_plane() {
    let mut desk = Desk::demo();
    check(&desk.state, "the straight line");
    desk.find_path();
    check(&desk.state, "a fitted path");
    assert!(Arc::ptr_eq(&desk.state.plane.as_ref().unwrap().plane.basis()[2], &desk.bend(0)));
    desk.act(Action::DragBend { bend: 0, x: 1.0, y: 2.0, done: true });
    desk.settle();
    check(&desk.state, "a dragged path");
    desk.set(|s| s.plane.third = ThirdPoint::Random(1));
    desk.settle();
    check(&desk.state, "another plane");
    desk.set(|s| s.path.family = Family::Transport);
    desk.find_path();
    check(&desk.state, "a path of a family that is worked out");
    desk.act(Action::ResetPath);
    desk.settle();
    check(&desk.state, "the straight line again");
}

#[test]
fn while_a_path_is_fitted_the_plane_follows_its_bend_and_the_path_is_drawn_on_it() {
    let mut desk = Desk::demo();
    desk.start_long_fit();
    let first = Arc::clone(&desk.state.plane.as_ref().unwrap().plane);
    desk.until("the plane goes through the bend", |s| {
        s.plane.as_ref().is_some_and(|shown| shown.third == "bend 1" && !Arc::ptr_eq(&shown.plane, &first))
    });
    desk.until("the path is drawn on it", |s| {
        let (path, plane) = (s.path.as_ref().unwrap(), &s.plane.as_ref().unwrap().plane);
        path.projection(plane).is_some()
    });
    assert!(desk.state.is_fitting());
    assert!(desk.started.iter().any(|(_, lane)| *lane == Lane::Placement));
    desk.act(Action::CancelAll);
    desk.settle();
    check(&desk.state, "a fit that was stopped");
}

/// Where the first bend is drawn.
fn drawn(state: &AppState) -> [f64; 3] {
    let (path, plane) = (state.path.as_ref().unwrap(), &state.plane.as_ref().unwrap().plane);
    let at = path.projection(plane).expect("it is known where the path falls").bends[0];
    [at.x, at.y, at.off]
}

#[test]
fn a_dragged_bend_is_drawn_under_the_mouse_before_the_path_is_made_and_the_path_comes_to_the_last_place() {
    let mut desk = Desk::demo();
    let before = desk.bend(0);
    for (x, done) in [(0.5, false), (1.0, false), (1.5, true)] {
        desk.act(Action::DragBend { bend: 0, x, y: 2.0, done });
        assert_eq!(drawn(&desk.state), [x, 2.0, 0.0]);
        assert!(Arc::ptr_eq(&desk.bend(0), &before), "the window's thread made a path");
    }
    let n_bent = |desk: &Desk| desk.started.iter().filter(|(_, lane)| *lane == Lane::Bend).count();
    assert_eq!(n_bent(&desk), 1, "one at a time");
    desk.settle();
    assert_eq!(n_bent(&desk), 2, "the place between is passed over");
    check(&desk.state, "where the mouse let go");
    let [x, y, off] = drawn(&desk.state);
    assert!((x - 1.5).abs() < 1e-4 && (y - 2.0).abs() < 1e-4 && off < 1e-2, "{x} {y} {off}");
    assert!(!desk.state.path.as_ref().unwrap().dragging);
}

#[test]
fn a_bend_on_its_way_changes_no_other_path_and_comes_back_when_all_is_cancelled() {
    let mut desk = Desk::demo();
    let before = drawn(&desk.state);
    desk.act(Action::DragBend { bend: 0, x: 1.0, y: 2.0, done: false });
    desk.act(Action::DragBend { bend: 0, x: 2.0, y: 2.0, done: false });
    desk.act(Action::CancelAll);
    desk.settle();
    check(&desk.state, "cancelled");
    let path = desk.state.path.as_ref().unwrap();
    // Whether the compute thread had bent it already is chance.
    assert!(drawn(&desk.state) == before || path.by_hand);
    assert!(!path.dragging || path.by_hand);

    desk.act(Action::DragBend { bend: 0, x: 1.0, y: 2.0, done: false });
    desk.act(Action::ResetPath);
    desk.settle();
    let path = desk.state.path.as_ref().unwrap();
    assert!(path.is_straight() && !path.dragging);
    assert_eq!(desk.bend(0).distance(&desk.midpoint()), 0.0);
}
