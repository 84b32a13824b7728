//! Paths in the document: fitted, stopped, dragged, saved and loaded.

use super::*;

#[test]
fn finding_a_path_lowers_the_loss_along_it_and_leaves_a_card() {
    let mut desk = Desk::demo();
    let straight = desk.barrier();
    assert_eq!(desk.state.runs.len(), 1, "the straight line is the first card");
    desk.find_path();
    assert!(desk.barrier() < 0.5 * straight, "{} is not lower than {straight}", desk.barrier());
    let path = desk.state.path.as_ref().unwrap();
    assert_eq!((path.epochs_done, path.losses.is_empty()), (4, false));
    let cards: Vec<String> = desk.state.runs.iter().map(|run| run.title()).collect();
    assert_eq!(cards, ["Straight line", "Bézier curve, 1 bend"]);
    let card = desk.state.runs.last().unwrap();
    assert_eq!(card.barrier().unwrap().to_bits(), desk.barrier().to_bits());
    assert!(card.plane.is_some() && !card.pinned);
    let plane = desk.state.plane.as_ref().unwrap();
    assert_eq!(plane.third, "bend 1", "the plane follows the bend");
    let spot = plane.plane.project(path.path.basis()).at(&[0.0, 1.0, 0.0]);
    assert!(spot.off < 1e-3 * plane.plane.length(), "the bend is {} off its plane", spot.off);
}

#[test]
fn the_same_straight_line_is_one_card_however_often_it_is_drawn() {
    let mut desk = Desk::demo();
    desk.align();
    let cards = |desk: &Desk| desk.state.runs.iter().map(|run| run.pair.clone()).collect::<Vec<_>>();
    assert_eq!(cards(&desk), ["A to B", "A to aligned B"]);
    for aligned in [false, true, false] {
        desk.act(Action::UseAligned(aligned));
        desk.settle();
        assert_eq!(cards(&desk), ["A to B", "A to aligned B"]);
        let shown = desk.state.path.as_ref().unwrap().revision;
        assert_eq!(desk.state.runs[usize::from(aligned)].path.revision, shown);
    }
}

#[test]
fn stopping_a_fit_keeps_its_bends_and_continuing_goes_on_from_them() {
    let mut desk = Desk::demo();
    desk.set(|s| s.path.fit.descent.epochs = 5_000);
    desk.act(Action::FindPath);
    desk.until("two epochs are done", |s| s.path.as_ref().is_some_and(|p| 2 <= p.epochs_done));
    desk.act(Action::CancelAll);
    desk.settle();
    let (stopped, epochs) = (desk.bend(0), desk.state.path.as_ref().unwrap().epochs_done);
    assert!(0.0 < stopped.distance(&desk.midpoint()), "the bend went back to the straight line");
    assert!((2..5_000).contains(&epochs));
    assert!(desk.state.curve.as_ref().unwrap().test.iter().all(Option::is_some), "the curve was evaluated again");
    assert_eq!(desk.state.runs.len(), 2, "a stopped fit leaves a card too");

    desk.set(|s| s.path.fit.descent.epochs = 2);
    desk.find_path();
    assert_eq!(desk.fits[1].basis[1].values(), stopped.values(), "the second fit starts from these bends");
    assert_eq!(desk.fits[1].start.epoch, epochs);
    assert_eq!(desk.state.path.as_ref().unwrap().epochs_done, epochs + 2);
    let losses = &desk.state.path.as_ref().unwrap().losses;
    assert!(losses.windows(2).all(|w| w[0].0 <= w[1].0 + 1.0), "the losses are in order");
}

#[test]
fn a_fit_that_is_stopped_in_its_first_epoch_is_no_straight_line() {
    let mut desk = Desk::demo();
    desk.set(|s| s.path.fit.descent.batch_size = 1);
    desk.act(Action::FindPath);
    desk.until("a step was made", |s| s.path.as_ref().is_some_and(|p| p.last_step.is_some()));
    desk.act(Action::CancelAll);
    desk.settle();
    assert!(0.0 < desk.bend(0).distance(&desk.midpoint()));
    assert_eq!(desk.state.runs.last().unwrap().title(), "Bézier curve, 1 bend");
    assert!(!desk.state.path.as_ref().unwrap().is_straight());
    desk.act(Action::ResetPath);
    desk.settle();
    assert!(desk.state.path.as_ref().unwrap().is_straight());
    assert_eq!(desk.bend(0).distance(&desk.midpoint()), 0.0);
}

#[test]
fn a_fit_changes_only_the_path_it_was_started_for() {
    type Change = fn(&mut Desk);
    let changes: [(&str, Change); 5] = [
        ("reset", |desk| desk.act(Action::ResetPath)),
        ("other end", |desk| desk.act(Action::UseAligned(false))),
        ("other family", |desk| desk.set(|s| s.path.family = Family::Chain)),
        ("dragged", |desk| desk.hold_bend(0, (1.0, 1.0))),
        ("restored", |desk| desk.act(Action::Restore(desk.state.runs[0].id))),
    ];
    for (name, change) in changes {
        let mut desk = Desk::demo();
        desk.align();
        desk.start_long_fit();
        change(&mut desk);
        let set_up = desk.bend(0);
        assert!(!desk.state.is_fitting(), "{name}: the fit has nothing left to do");
        desk.settle();
        let moved = desk.bend(0).distance(&set_up);
        assert_eq!(moved, 0.0, "{name}: the old fit moved the new path's bend");
        desk.until("the fit is over", |_| true);
        while !desk.alive.is_empty() {
            desk.pump();
        }
    }
}

#[test]
fn a_dragged_bend_stands_where_the_mouse_let_go_and_the_curve_is_evaluated_again() {
    let mut desk = Desk::demo();
    let straight = desk.test_values();
    let plane = Arc::clone(&desk.state.plane.as_ref().unwrap().plane);
    let length = plane.length();
    // Below the straight line as well as above it.
    for (x, y) in [(0.4 * length, 0.2 * length), (0.6 * length, -0.15 * length)] {
        desk.act(Action::DragBend { bend: 0, x: 0.5 * x, y: 0.5 * y, done: false });
        desk.pump();
        desk.act(Action::DragBend { bend: 0, x, y, done: true });
        desk.settle();
        let shown = desk.state.plane.as_ref().unwrap();
        assert!(Arc::ptr_eq(&shown.plane, &plane), "the plane changed under the mouse");
        let at = shown.plane.project(&[desk.bend(0)]).at(&[1.0]);
        assert!((at.x - x).abs() < 1e-3 * length && (at.y - y).abs() < 1e-3 * length, "{at:?} is not ({x}, {y})");
        assert!(at.off < 1e-3 * length, "{at:?}");
        let values = desk.test_values();
        assert!(values.iter().all(|v| v.n_images == 1797), "all images are used once the mouse let go");
        assert_eq!(values[0].loss.to_bits(), straight[0].loss.to_bits());
        assert!(0.01 < (values[8].loss - straight[8].loss).abs(), "the middle of the curve did not move");
    }
    assert_eq!(desk.state.runs.len(), 2, "one card for a path bent by hand, not one for every tug");
    assert!(desk.state.runs[1].path.by_hand);
}

#[test]
fn the_plane_stays_while_one_of_two_bends_is_dragged_below_the_other() {
    let mut desk = Desk::with_two_bends();
    let plane = Arc::clone(&desk.state.plane.as_ref().unwrap().plane);
    let held = if desk.state.plane.as_ref().unwrap().third == "bend 1" { 0 } else { 1 };
    for share in [0.8, 0.5, 0.1, 0.02] {
        let (x, y) = (0.5 * plane.length(), share * plane.height());
        desk.hold_bend(held, (x, y));
        assert!(Arc::ptr_eq(&desk.state.plane.as_ref().unwrap().plane, &plane), "at {share}");
    }
    desk.act(Action::DragBend { bend: held, x: 0.5 * plane.length(), y: 0.02 * plane.height(), done: true });
    desk.settle();
    assert!(Arc::ptr_eq(&desk.state.plane.as_ref().unwrap().plane, &plane));
}

#[test]
fn bends_are_saved_and_go_back_onto_the_path() {
    let mut desk = Desk::with_two_bends();
    let bends = [desk.bend(0), desk.bend(1)];
    let folder = tempfile::tempdir().unwrap();
    desk.act(Action::Save(folder.path().join("bend.safetensors"), Export::Bends));
    desk.until("both are saved", |s| s.notices.iter().filter(|n| n.headline.starts_with("Saved")).count() == 2);

    desk.set(|s| s.path.family = Family::Linear);
    desk.settle();
    let files = ["bend.1.safetensors", "bend.2.safetensors"].map(|name| folder.path().join(name));
    desk.act(Action::OpenBends(files.to_vec()));
    desk.until("the bends are on the path", |s| s.path.as_ref().is_some_and(|p| p.from_files));
    desk.settle();
    for (index, bend) in bends.iter().enumerate() {
        assert_eq!(desk.bend(index).values(), bend.values(), "bend {index}");
    }
    let settings = &desk.state.settings.path;
    assert_eq!((settings.family, settings.n_bends), (Family::Bezier, 2));
    assert!(!desk.state.path.as_ref().unwrap().is_straight());

    let narrow = folder.path().join("narrow.safetensors");
    let other = untrained("narrow", "64-8-10", 1);
    lowroad::checkpoint::save_params(&narrow, &other.network, &other.params, &BTreeMap::new()).unwrap();
    desk.act(Action::OpenBends(vec![narrow]));
    desk.until("the misfit is said", |s| s.notices.iter().any(|n| n.severity == Severity::Error));
    assert_eq!(desk.bend(0).values(), bends[0].values(), "the path is as it was");
}

#[test]
fn the_network_at_t_is_saved_under_the_names_it_came_with() {
    let mut desk = Desk::demo();
    desk.act(Action::SetT(0.25));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("point.safetensors");
    desk.act(Action::Save(file.clone(), Export::PathPoint));
    desk.until("it is saved", |s| !s.notices.is_empty());
    let saved = Mode::open(&file).unwrap();
    assert_eq!(saved.network.layout(), desk.state.modes[0].mode.network.layout());
    assert_eq!(saved.params.values(), desk.state.path.as_ref().unwrap().path.point(0.25).values());
}

#[test]
fn t_stays_on_the_path() {
    let mut desk = Desk::empty();
    for (asked, is) in [(-1.0, 0.0), (0.3, 0.3), (7.0, 1.0)] {
        desk.act(Action::SetT(asked));
        assert_eq!(desk.state.t.to_bits(), f64::to_bits(is));
    }
}
