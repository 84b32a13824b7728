//! Several networks asked together, in the window.

use lowroad::app::{Action, AppState, EnsembleForm, EnsembleKind, EnsembleOf, Purpose, Scored};
use lowroad::compute::Head;
use lowroad::geometry::Family;

use crate::ui::{Screen, assert_shows, demo, press, set, settle, shows, until};

/// The demo with the pane of ensembles set to a kind.
fn set_to(kind: EnsembleKind, change: impl FnOnce(&mut EnsembleForm)) -> Screen {
    let mut screen = demo();
    press(&mut screen, "Ensemble");
    let mut form = EnsembleForm { kind, ..screen.state().state().ensembles.form.clone() };
    change(&mut form);
    screen.state_mut().act(Action::ChangeEnsemble(Box::new(form)));
    screen.run_steps(2);
    screen
}

fn test_accuracies(state: &AppState) -> Vec<f64> {
    let scores: Vec<Scored> = state.modes.iter().map(|mode| mode.scores).collect();
    scores.iter().map(|scored| scored.test.unwrap().accuracy).collect()
}

#[test]
fn points_of_the_path_and_the_open_modes_are_asked_together_and_alone() {
    let mut screen = demo();
    press(&mut screen, "Ensemble");
    press(&mut screen, "Ask them, and 2 modes, together");
    until(&mut screen, "modes were asked", |s| s.ensemble(EnsembleOf::Modes).is_some());
    settle(&mut screen);

    let state = screen.state().state();
    let accuracies = test_accuracies(state);
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
    screen.state_mut().act(Action::AskTogether);
    screen.state_mut().act(Action::CancelAll);
    settle(&mut screen);
    assert!(screen.state().state().ensemble(EnsembleOf::Modes).is_none());
}

#[test]
fn networks_at_the_minima_of_a_cyclic_learning_rate_are_asked_together() {
    let mut screen = set_to(EnsembleKind::Fge, |form| form.fge.descent.epochs = 7);
    assert_shows(&screen, "less than a second");
    press(&mut screen, "Train on and ask 2 networks");
    until(&mut screen, "networks were asked", |s| s.ensemble(EnsembleOf::Fge).is_some());
    settle(&mut screen);
    let state = screen.state().state();
    let (found, is_current) = state.ensemble(EnsembleOf::Fge).unwrap();
    assert!(is_current && found.remark.is_none());
    assert_eq!((found.single.len(), found.together.len()), (2, 2));
    assert!(found.single.iter().all(|value| 0.9 < value.accuracy && value.n_images == 1797), "{:?}", found.single);
    assert_ne!(found.single[0], found.single[1]);
    let all = 100.0 * found.together[1].accuracy;
    assert_shows(&screen, &format!("2 networks of FGE from A together {all:.2} %"));

    let form = EnsembleForm { seed: 4, ..state.ensembles.form.clone() };
    screen.state_mut().act(Action::ChangeEnsemble(Box::new(form)));
    screen.run_steps(2);
    assert_shows(&screen, "(of other settings)");
}

#[test]
fn a_training_that_goes_on_holds_up_nothing_else_and_leaves_what_it_collected_where_it_is_stopped() {
    let mut screen = set_to(EnsembleKind::Fge, |form| form.fge.descent.epochs = 10_000);
    screen.state_mut().act(Action::AskTogether);
    until(&mut screen, "some epochs are behind", |s| {
        s.jobs.values().any(|job| job.purpose == Purpose::Ensemble && 5.0 / 10_000.0 < job.done)
    });
    set(&mut screen, |s| s.path.n_points = 9);
    until(&mut screen, "the path was evaluated meanwhile", |s| {
        s.curve.as_ref().is_some_and(|curve| curve.ts.len() == 9 && curve.train.iter().all(Option::is_some))
    });
    assert!(screen.state().state().runs_job(Purpose::Ensemble), "it still trains");
    press(&mut screen, "Stop");
    until(&mut screen, "what was collected is asked", |s| s.ensemble(EnsembleOf::Fge).is_some());
    settle(&mut screen);
    let (found, _) = screen.state().state().ensemble(EnsembleOf::Fge).unwrap();
    assert!(!found.together.is_empty());
    assert!(found.remark.as_ref().is_some_and(|remark| remark.starts_with("stopped after ")), "{:?}", found.remark);
}

#[test]
fn the_mean_of_weights_is_compared_with_its_ends_and_opened_as_a_mode() {
    let mut screen = set_to(EnsembleKind::Swa, |form| form.swa.descent.epochs = 3);
    press(&mut screen, "Train on and average 3 networks");
    until(&mut screen, "the mean was scored", |s| s.ensemble(EnsembleOf::Swa).is_some());
    settle(&mut screen);
    let state = screen.state().state();
    let found = state.ensemble(EnsembleOf::Swa).unwrap().0.clone();
    let [start, last, mean] = found.single[..] else { panic!("{found:?}") };
    assert_eq!(start.accuracy, test_accuracies(state)[0]);
    assert!(last != mean && start != mean && found.together.is_empty());
    assert_eq!(found.averaged.as_ref().unwrap().1, 3);
    assert_shows(&screen, &format!("SWA from A: the mean of 3 networks {:.2} %", 100.0 * mean.accuracy));

    press(&mut screen, "Open the mean as a mode");
    settle(&mut screen);
    let state = screen.state().state();
    assert_eq!(state.modes[2].mode.name, "demo-a, mean of 3 (SWA)");
    assert_eq!(test_accuracies(state)[2], mean.accuracy);
    assert_eq!(*state.modes[2].mode.params, *found.averaged.unwrap().0);
}

#[test]
fn modes_that_share_lower_layers_are_asked_for_every_number_of_layers_of_their_own() {
    let mut screen = set_to(EnsembleKind::Heads, |_| ());
    press(&mut screen, "Share lower layers among 2 modes");
    let all = |layers| EnsembleOf::Heads(Head { layers, adjusted: true });
    until(&mut screen, "all heads were asked", |s| s.ensemble(all(3)).is_some());
    screen.state_mut().act(Action::ChangeEnsemble(Box::default()));
    screen.state_mut().act(Action::AskTogether);
    until(&mut screen, "modes were asked", |s| s.ensemble(EnsembleOf::Modes).is_some());
    settle(&mut screen);
    let state = screen.state().state();
    let heads: Vec<EnsembleOf> = state.ensembles_found().map(|(found, _)| found.of()).collect();
    assert_eq!(heads.iter().filter(|of| matches!(of, EnsembleOf::Heads(_))).count(), 6);
    let (modes, _) = state.ensemble(EnsembleOf::Modes).unwrap();
    for adjusted in [false, true] {
        let (whole, is_current) = state.ensemble(EnsembleOf::Heads(Head { layers: 3, adjusted })).unwrap();
        assert!(is_current);
        assert_eq!(whole.together, modes.together, "with all layers of their own they are the modes");
    }
    let accuracy =
        |adjusted| state.ensemble(EnsembleOf::Heads(Head { layers: 1, adjusted })).unwrap().0.single[1].accuracy;
    assert!(accuracy(false) < accuracy(true), "a fitted head knows the layers below it");
    assert_shows(&screen, "2 modes with 1 layer of their own on A's lower layers together");
}

#[test]
fn settings_that_collect_no_network_say_so_and_cannot_be_started() {
    let mut screen = set_to(EnsembleKind::Swa, |form| form.swa.descent.epochs = 1);
    let mut form = screen.state().state().ensembles.form.clone();
    form.swa.collect = lowroad::recipe::Collect::Swa { every: 2 };
    screen.state_mut().act(Action::ChangeEnsemble(Box::new(form)));
    screen.run_steps(2);
    assert_shows(&screen, "expected at least 2 epochs");
    screen.state_mut().act(Action::AskTogether);
    assert!(!screen.state().state().runs_job(Purpose::Ensemble));
}
