//! Networks, paths and planes against an adversary, by the words of the window.

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use lowroad::app::{Action, TrainingForm};
use lowroad::data::Attack;

use crate::ui::{Screen, assert_shows, demo, press, set, settle, shows, until};

const ATTACK: Attack = Attack { eps: 0.05, step: 0.02, n_steps: 2 };

/// The demo under attack.
fn attacked() -> Screen {
    let mut screen = demo();
    set(&mut screen, |s| {
        s.robust.adversary.attack = ATTACK;
        s.robust.adversary.n_images = 200;
    });
    press(&mut screen, "Under attack (PGD)");
    settle(&mut screen);
    screen
}

#[test]
fn the_path_under_attack_is_told_beside_the_clean_one() {
    let mut screen = attacked();
    let figure = screen.get_by_label_contains("Along the path: test loss").accesskit_node().label().unwrap();
    assert!(figure.contains("Under attack (PGD 0.05,0.02,2 on 200 images): loss at most"), "{figure}");
    let state = screen.state().state();
    let summary = state.robust.as_ref().unwrap().summary(state.curve.as_ref().unwrap()).unwrap();
    assert_shows(&screen, &format!("under attack {:.1} %", 100.0 * summary.worst.accuracy));
    assert_shows(&screen, &format!("under attack: worst {:.1} %", 100.0 * summary.worst.accuracy));
    press(&mut screen, "Statistics");
    for words in ["attacked loss", "attacked accuracy", "(clean "] {
        assert_shows(&screen, words);
    }
    press(&mut screen, "Under attack");
    assert!(screen.state().state().robust.is_none());
    assert!(!shows(&screen, "attacked loss"));
}

#[test]
fn the_landscape_under_attack_says_so() {
    let mut screen = attacked();
    press(&mut screen, "Attacked");
    settle(&mut screen);
    assert_shows(&screen, "Landscape: test loss under attack on the plane through A, B and mean neuron");
    assert_shows(&screen, "attacked at every point anew (PGD 0.05,0.02,2)");
    press(&mut screen, "Test images");
    settle(&mut screen);
    assert!(screen.state().state().plane.as_ref().unwrap().adversary.is_none());
}

#[test]
fn modes_and_curves_are_trained_against_the_adversary_and_units_matched_on_its_images() {
    let mut screen = attacked();
    press(&mut screen, "Fit settings");
    press(&mut screen, "Against an adversary (PGD)");
    assert_eq!(screen.state().state().settings.path.fit.descent.attack, Some(ATTACK));
    press(&mut screen, "Find path");
    until(&mut screen, "the path is fitted", |s| s.path.as_ref().is_some_and(|p| p.epochs_done == 3));
    settle(&mut screen);
    assert_shows(&screen, "against PGD 0.05,0.02,2");
    press(&mut screen, "Fit settings");

    press(&mut screen, "Match settings");
    press(&mut screen, "On adversarial examples (PGD)");
    assert_eq!(screen.state().state().settings.align.attack, Some(ATTACK));
    press(&mut screen, "Match settings");

    let mut form = TrainingForm { network: "64-8-10".to_owned(), n_modes: 1, ..TrainingForm::default() };
    form.recipe.descent.epochs = 1;
    screen.state_mut().act(Action::ChangeTraining(Box::new(form)));
    press(&mut screen, "Train…");
    press(&mut screen, "More settings");
    press(&mut screen, "Against an adversary (PGD)");
    until(&mut screen, "there is a network", |s| matches!(s.training.network, Some(Ok(_))));
    press(&mut screen, "Train");
    until(&mut screen, "the mode is trained", |s| s.training.n_finished == 1);
    assert_shows(&screen, "64-8-10 seed 1 PGD");
}

#[test]
fn an_attack_is_typed_in_shades_or_as_a_decimal() {
    let mut screen = demo();
    let eps = |screen: &Screen| screen.state().state().settings.robust.adversary.attack.eps;
    for (typed, expected) in [("4/255", 4.0 / 255.0), ("0.25", 0.25)] {
        screen.get_by_label("eps").focus();
        screen.run_steps(2);
        screen.get_by_label("eps").type_text(typed);
        screen.run_steps(2);
        screen.key_press(egui::Key::Enter);
        screen.run_steps(2);
        assert_eq!(eps(&screen), expected);
    }
}
