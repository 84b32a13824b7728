//! Cards of the filmstrip: what is on them, and what restoring one brings back.

use std::sync::Arc;

use lowroad::app::{Action, Settings};
use lowroad::app::{PlaneState, Purpose, Run, ThirdPoint, events, update};
use lowroad::compute::PointValue;
use lowroad::data::SplitName;
use lowroad::geometry::Family;
use lowroad::worker::{Event, JobId};

use super::{Desk, bits};

#[test]
fn restoring_a_run_brings_everything_back_and_computes_nothing() {
    let mut desk = Desk::demo();
    desk.set(|s| s.path.n_points = 9);
    desk.settle();
    desk.find_path();
    let fitted = (desk.test_values(), desk.bend(0), desk.state.plane.clone().unwrap());
    let card = desk.state.runs.last().unwrap().id;
    desk.set(|s| {
        s.path.family = Family::Linear;
        s.path.n_points = 21;
        s.plane.nx = 11;
        s.plane.third = ThirdPoint::Random(3);
    });
    desk.settle();
    assert_eq!(desk.test_values().len(), 21);

    let n_started = desk.started.len();
    desk.act(Action::Restore(card));
    desk.settle();
    assert_eq!(desk.started.len(), n_started, "restoring started {:?}", &desk.started[n_started..]);
    assert_eq!(bits(&desk.test_values()), bits(&fitted.0));
    assert!(Arc::ptr_eq(&desk.bend(0), &fitted.1));
    let plane = desk.state.plane.as_ref().unwrap();
    assert_eq!((plane.grid, plane.third.as_str()), (fitted.2.grid, "bend 1"));
    let settings = &desk.state.settings;
    assert_eq!((settings.path.family, settings.path.n_points), (Family::Bezier, 9));
    assert_eq!((settings.plane.nx, settings.plane.third), (9, ThirdPoint::Bend));
}

#[test]
fn a_run_restored_while_others_are_evaluated_keeps_its_own_values() {
    let mut desk = Desk::demo();
    let card = desk.state.runs[0].id;
    for (n_points, side) in [(129, 41), (33, 25), (5, 3)] {
        desk.set(|s| {
            s.path.n_points = n_points;
            s.plane.nx = side;
            s.plane.ny = side;
        });
        let asked = desk.started.last().unwrap().0;
        desk.until("the new jobs run", |s| !s.jobs.contains_key(&asked) || 0.0 < s.jobs[&asked].done);
        // A job that was quick enough has renewed the card; what counts is what is on it when it is restored.
        let run = desk.state.runs.iter().find(|run| run.id == card).unwrap();
        let values: Vec<PointValue> = run.curve.test.iter().flatten().copied().collect();
        let plane = run.plane.clone().unwrap();
        desk.act(Action::Restore(card));
        desk.settle();
        assert_eq!(bits(&desk.test_values()), bits(&values));
        let shown = desk.state.plane.as_ref().unwrap();
        assert_eq!(shown.grid, plane.grid);
        let losses = |p: &PlaneState| p.values.iter().map(|v| v.map(|v| v.loss.to_bits())).collect::<Vec<_>>();
        assert_eq!(losses(shown), losses(&plane));
    }
}

/// The demo with a finer curve and plane asked for, and nothing of them computed yet.
fn asked_anew(desk: &mut Desk) {
    let mut settings: Settings = desk.state.settings.clone();
    settings.path.n_points = 5;
    settings.plane.nx = 3;
    settings.plane.ny = 3;
    // The compute thread is not told: the test says itself what it reports.
    update::on_action(&mut desk.state, Action::ChangeSettings(Box::new(settings)));
}

fn job(desk: &Desk, purpose: Purpose) -> JobId {
    let found = desk.state.jobs.iter().find(|(_, job)| job.purpose == purpose);
    *found.unwrap_or_else(|| panic!("{purpose:?} does not run")).0
}

/// Reports a value of every point of a job, on so many images.
fn report(desk: &mut Desk, purpose: Purpose, n_points: usize, n_images: usize) {
    let value = PointValue { loss: 1.0, accuracy: 0.5, n_images };
    let values = (0..n_points).map(|point| (point, value)).collect();
    let event = Event::Values { job: job(desk, purpose), values };
    events::on_event(&mut desk.state, event);
}

fn finish(desk: &mut Desk, purpose: Purpose) {
    let event = Event::Finished { job: job(desk, purpose) };
    events::on_event(&mut desk.state, event);
}

fn card(desk: &Desk) -> &Run {
    desk.state.runs.first().unwrap()
}

#[test]
fn a_card_whose_curve_is_renewed_keeps_its_plane_and_that_planes_settings_until_a_new_one_stands() {
    let mut desk = Desk::demo();
    let old = card(&desk).plane.clone().unwrap();
    asked_anew(&mut desk);
    report(&mut desk, Purpose::Plane, 9, 256);
    report(&mut desk, Purpose::Curve(SplitName::Test), 5, 1797);
    finish(&mut desk, Purpose::Curve(SplitName::Test));
    assert_eq!(card(&desk).curve.test.len(), 5, "the curve is the new one");
    let kept = card(&desk).plane.as_ref().unwrap();
    assert_eq!((kept.grid, kept.revision), (old.grid, old.revision), "a plane on few images is no result");
    let settings = &card(&desk).settings.plane;
    assert_eq!((settings.nx, settings.ny), (old.grid.x.n, old.grid.y.n));

    report(&mut desk, Purpose::Plane, 9, 1797);
    finish(&mut desk, Purpose::Plane);
    assert_eq!(card(&desk).plane.as_ref().unwrap().grid.x.n, 3);
    assert_eq!(card(&desk).settings.plane.nx, 3);
}

#[test]
fn values_on_few_training_images_do_not_get_onto_a_card() {
    let mut desk = Desk::demo();
    asked_anew(&mut desk);
    report(&mut desk, Purpose::Curve(SplitName::Train), 5, 256);
    report(&mut desk, Purpose::Curve(SplitName::Test), 5, 1797);
    finish(&mut desk, Purpose::Curve(SplitName::Test));
    assert!(card(&desk).curve.test.iter().all(Option::is_some));
    assert!(card(&desk).curve.train.iter().all(Option::is_none));
    report(&mut desk, Purpose::Curve(SplitName::Train), 5, 3823);
    finish(&mut desk, Purpose::Curve(SplitName::Train));
    assert!(card(&desk).curve.train.iter().all(|value| value.is_some_and(|value| value.n_images == 3823)));
}
