//! Paths, planes and fits against an adversary.

use super::*;
use lowroad::app::Adversary;
use lowroad::data::Attack;

const ATTACK: Attack = Attack { eps: 0.05, step: 0.02, n_steps: 2 };
const ADVERSARY: Adversary = Adversary { attack: ATTACK, n_images: 200 };

impl Desk {
    /// The demo with everything evaluated, and an adversary at hand.
    fn with_adversary() -> Self {
        let mut desk = Self::demo();
        desk.set(|s| s.robust.adversary = ADVERSARY);
        desk
    }

    /// Jobs that were started in a lane.
    fn n_started(&self, lane: Lane) -> usize {
        self.started.iter().filter(|(_, other)| *other == lane).count()
    }

    fn robust_losses(&self) -> Vec<f64> {
        let robust = self.state.robust.as_ref().unwrap();
        robust.values.iter().map(|value| value.expect("the curve is complete").loss).collect()
    }
}

#[test]
fn the_path_is_attacked_when_the_user_asks_and_anew_when_the_attack_changes() {
    let mut desk = Desk::with_adversary();
    assert_eq!(desk.n_started(Lane::Robust), 0);
    desk.set(|s| s.robust.along_path = true);
    desk.act(Action::SetT(0.3));
    assert_eq!(desk.n_started(Lane::Robust), 1);
    desk.settle();
    let weak = desk.robust_losses();
    let clean = desk.test_values();
    let robust = desk.state.robust.as_ref().unwrap();
    assert!(robust.values.iter().flatten().all(|value| value.n_images == 200));
    let summary = robust.summary(desk.state.curve.as_ref().unwrap()).unwrap();
    assert!(clean.iter().zip(&weak).all(|(clean, robust)| clean.loss < *robust), "{clean:?} {weak:?}");
    assert!(summary.worst.accuracy < summary.best.accuracy && summary.worst.accuracy < summary.worst.clean_accuracy);

    desk.set(|s| s.robust.adversary.attack.eps = 0.1);
    assert_eq!(desk.n_started(Lane::Robust), 2);
    desk.settle();
    assert!(weak.iter().sum::<f64>() < desk.robust_losses().iter().sum());
    assert_eq!(desk.n_started(Lane::Curve(SplitName::Test)), 1, "the clean curve stays");

    desk.set(|s| s.robust.along_path = false);
    assert!(desk.state.robust.is_none());
    assert_eq!(desk.n_started(Lane::Robust), 2);
}

#[test]
fn a_path_that_is_attacked_no_more_costs_nothing_more() {
    let mut desk = Desk::demo();
    desk.set(|s| {
        s.robust.along_path = true;
        s.robust.adversary.attack.n_steps = 1000;
        s.path.n_points = 513;
    });
    desk.until("values come", |s| s.robust.as_ref().is_some_and(|robust| robust.values[0].is_some()));
    desk.set(|s| s.robust.along_path = false);
    desk.settle();
    desk.until("it ended", |s| s.jobs.is_empty());
    assert!(!desk.state.runs_job(Purpose::Robust));
    assert!(desk.state.robust.is_none());
}

#[test]
fn a_card_keeps_its_curve_under_attack() {
    let mut desk = Desk::with_adversary();
    desk.set(|s| s.robust.along_path = true);
    desk.settle();
    let straight = desk.robust_losses();
    assert!(desk.state.runs[0].robust.is_some());
    desk.find_path();
    let n_started = desk.n_started(Lane::Robust);
    assert_eq!(n_started, 2, "the path is attacked once it is at rest");
    assert_ne!(desk.robust_losses(), straight);
    assert!(desk.state.runs[1].robust.is_some());
    let first = desk.state.runs[0].id;
    desk.act(Action::Restore(first));
    assert_eq!(desk.robust_losses(), straight);
    assert_eq!(desk.n_started(Lane::Robust), n_started, "nothing is computed again");
}

#[test]
fn a_plane_under_attack_is_drawn_for_the_attack_that_is_set() {
    let mut desk = Desk::with_adversary();
    let losses = |desk: &Desk| -> Vec<f64> {
        desk.state.plane.as_ref().unwrap().values.iter().map(|value| value.expect("it is complete").loss).collect()
    };
    let clean = losses(&desk);
    desk.set(|s| s.plane.under_attack = true);
    desk.settle();
    let plane = desk.state.plane.as_ref().unwrap();
    assert_eq!((plane.adversary, plane.split), (Some(ADVERSARY), SplitName::Test));
    let attacked = losses(&desk);
    assert!(clean.iter().sum::<f64>() < attacked.iter().sum(), "{clean:?} {attacked:?}");
    let n_planes = desk.n_started(Lane::Plane);
    desk.set(|s| s.robust.adversary.attack.eps = 0.1);
    assert_eq!(desk.n_started(Lane::Plane), n_planes + 1);
    desk.settle();
    assert!(attacked.iter().sum::<f64>() < losses(&desk).iter().sum());
    desk.set(|s| s.plane.under_attack = false);
    desk.settle();
    assert_eq!(losses(&desk), clean);
}

#[test]
fn a_path_is_fitted_against_the_adversary_that_is_set_and_its_card_says_so() {
    let mut desk = Desk::with_adversary();
    desk.set(|s| {
        s.path.fit.descent.epochs = 1;
        s.path.fit.descent.attack = Some(ATTACK);
    });
    desk.find_path();
    assert_eq!(desk.fits[0].attack, Some(ATTACK));
    assert_eq!(desk.state.runs.last().unwrap().path.attack, Some(ATTACK));
    assert_eq!(desk.state.runs[0].path.attack, None, "the straight line was not fitted");
}

#[test]
fn the_usual_attack_follows_the_data_until_the_user_chooses_one() {
    let mut desk = Desk::empty();
    let attack = |desk: &Desk| desk.state.settings.robust.adversary.attack;
    assert_eq!(attack(&desk), Attack::COLOUR);
    desk.data(optdigits());
    assert_eq!(attack(&desk), Attack::GREY);
    let colour = Dataset { shape: ImageShape { channels: 3, height: 8, width: 8 }, ..optdigits() };
    desk.data(colour);
    assert_eq!(attack(&desk), Attack::COLOUR);
    desk.set(|s| s.robust.adversary.attack = ATTACK);
    desk.data(optdigits());
    assert_eq!(attack(&desk), ATTACK);
}

#[test]
fn networks_are_aligned_on_their_own_adversarial_examples_where_that_is_set() {
    let mut desk = Desk::with_adversary();
    desk.set(|s| s.align.n_samples = 500);
    desk.align();
    let correlations = |desk: &Desk| -> Vec<f64> {
        desk.state.current_alignment().unwrap().report.groups.iter().map(|group| group.after.mean).collect()
    };
    let clean = correlations(&desk);
    desk.set(|s| s.align.attack = Some(ATTACK));
    desk.align();
    assert_ne!(correlations(&desk), clean);
}
