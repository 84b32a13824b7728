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
    check(&desk.state, "a dragged path, at once");
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
