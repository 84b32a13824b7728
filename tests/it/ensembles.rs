//! Several networks asked together, in the window.

use lowroad::app::{Action, EnsembleOf, Scored};
use lowroad::geometry::Family;

use crate::ui::{assert_shows, demo, press, set, settle, shows, until};

#[test]
fn points_of_the_path_and_the_open_modes_are_asked_together_and_alone() {
    let mut screen = demo();
    press(&mut screen, "Ensemble");
    press(&mut screen, "Ask them, and 2 modes, together");
    until(&mut screen, "modes were asked", |s| s.ensemble(EnsembleOf::Modes).is_some());
    settle(&mut screen);

    let state = screen.state().state();
    let scores: Vec<Scored> = state.modes.iter().map(|mode| mode.scores).collect();
    let accuracies: Vec<f64> = scores.iter().map(|scored| scored.test.unwrap().accuracy).collect();
    let (modes, is_current) = state.ensemble(EnsembleOf::Modes).unwrap();
    assert!(is_current);
    assert_eq!(modes.single.iter().map(|value| value.accuracy).collect::<Vec<_>>(), accuracies);
    assert_eq!(modes.together[0], modes.single[0], "one member is the network itself");
    let (points, is_current) = state.ensemble(EnsembleOf::PathPoints).unwrap();
    assert!(is_current);
    assert_eq!((points.single.len(), points.together.len()), (5, 5));
    let ends = [points.single[0].accuracy, points.single[4].accuracy];
    assert_eq!(ends.to_vec(), accuracies, "the path ends at the modes");
    let all = 100.0 * modes.together[1].accuracy;
    assert_shows(&screen, &format!("2 open modes together {all:.2} %"));
    assert_shows(&screen, "5 points of the path together");

    set(&mut screen, |s| s.path.family = Family::Arc);
    settle(&mut screen);
    assert_shows(&screen, "(of an earlier path)");
    assert!(!shows(&screen, "(of other modes)"));
}

#[test]
fn an_ensemble_that_is_stopped_is_not_asked_on() {
    let mut screen = demo();
    screen.state_mut().act(Action::AskTogether { n_points: 7 });
    screen.state_mut().act(Action::CancelAll);
    settle(&mut screen);
    assert!(screen.state().state().ensemble(EnsembleOf::Modes).is_none());
}
