//! Which networks and images go together, and what is said where they do not.

use super::*;

#[test]
fn an_endpoint_can_be_removed_at_any_moment() {
    type Before = fn(&mut Desk);
    let moments: [(&str, Before); 6] = [
        ("while the demo opens", |_| ()),
        ("at rest", Desk::settle),
        ("while it is aligned", |desk| desk.act(Action::Align)),
        ("while a path is fitted", |desk| {
            desk.settle();
            desk.start_long_fit();
        }),
        ("while a bend is dragged", |desk| {
            desk.settle();
            desk.act(Action::DragBend { bend: 0, x: 1.0, y: 1.0, done: false });
        }),
        ("while a picture is evaluated", |desk| {
            desk.settle();
            desk.set(|s| s.plane.nx = 41);
        }),
    ];
    for (moment, before) in moments {
        for place in [0, 1] {
            let mut desk = Desk::with(demo::modes());
            before(&mut desk);
            desk.act(Action::RemoveMode(desk.id(place)));
            desk.settle();
            let state = &desk.state;
            assert_eq!((state.modes.len(), state.endpoints), (1, None), "{moment}");
            let gone = state.path.is_none() && state.curve.is_none() && state.plane.is_none() && state.pair.is_none();
            assert!(gone, "{moment}: something of the pair is left");
            desk.act(Action::RemoveMode(ModeId(u64::MAX)));
            desk.act(Action::RemoveMode(desk.id(0)));
            desk.settle();
            assert!(desk.state.notices.is_empty(), "{moment}: {:?}", desk.state.notices);
        }
    }
}

#[test]
fn when_an_endpoint_of_three_is_removed_the_other_two_are_joined() {
    let mut desk = Desk::three();
    desk.set(|s| s.plane.third = ThirdPoint::Mode(2));
    desk.settle();
    assert_eq!(desk.state.plane.as_ref().unwrap().third, "C");
    desk.start_long_fit();
    desk.act(Action::RemoveMode(desk.id(0)));
    desk.settle();
    assert_eq!(desk.state.endpoints, Some((desk.id(0), desk.id(1))));
    assert_eq!(desk.state.settings.plane.third, ThirdPoint::Mode(1), "the setting follows its mode");
    assert!(desk.state.path.as_ref().unwrap().is_straight());
    assert_eq!(desk.test_values().len(), 17);
    assert!(desk.state.plane.is_some());
}

#[test]
fn the_first_network_that_is_opened_takes_the_place_of_the_demo_at_any_moment() {
    type Before = fn(&mut Desk);
    let moments: [(&str, Before); 3] = [
        ("while the demo opens", |_| ()),
        ("while it is aligned", |desk| desk.act(Action::Align)),
        ("while a path is fitted", |desk| {
            desk.settle();
            desk.start_long_fit();
        }),
    ];
    for (moment, before) in moments {
        let mut desk = Desk::with(demo::modes());
        before(&mut desk);
        for (n_modes, name) in [(1, "x"), (2, "y")] {
            let own = Mode { path: Some(name.into()), name: name.to_owned(), ..third_mode() };
            let effects = events::on_disk_event(&mut desk.state, DiskEvent::Mode(Box::new(own)));
            desk.carry_out(effects);
            assert_eq!(desk.state.modes.len(), n_modes, "{moment}");
        }
        desk.settle();
        assert_eq!(desk.state.endpoints, Some((desk.id(0), desk.id(1))), "{moment}");
        assert!(desk.state.current_alignment().is_none() && !desk.state.path.as_ref().unwrap().aligned);
        assert!(desk.barrier().abs() < 1e-6, "{moment}: x and y are the same network");
    }
}

#[test]
fn an_alignment_belongs_to_the_pair_it_was_made_for() {
    let mut desk = Desk::three();
    desk.settle();
    desk.act(Action::Align);
    desk.act(Action::SetEndpoints { a: desk.id(0), b: desk.id(2) });
    desk.settle();
    while !desk.alive.is_empty() {
        desk.pump();
    }
    assert!(desk.state.current_alignment().is_none(), "A and C were never aligned");
    let path = desk.state.path.as_ref().unwrap();
    assert!(!path.aligned);
    assert_eq!(path.path.end().values(), desk.state.modes[2].mode.params.values());
}

#[test]
fn data_that_the_networks_cannot_take_is_said_and_starts_no_job() {
    let mut desk = Desk::demo();
    let n_started = desk.started.len();
    let split = Split { values: Values::Bytes(vec![9; 16 * 6]), labels: vec![0, 1, 2, 0, 1, 2] };
    desk.data(Dataset {
        name: "small".to_owned(),
        source: "a test".to_owned(),
        shape: ImageShape { channels: 1, height: 4, width: 4 },
        max_value: 255,
        class_names: ["x", "y", "z"].map(str::to_owned).to_vec(),
        train: split.clone(),
        test: split,
        notes: Vec::new(),
    });
    assert!(desk.state.jobs.is_empty());
    desk.act(Action::Align);
    desk.act(Action::FindPath);
    desk.settle();
    let starts = &desk.started[n_started..];
    assert!(starts.is_empty(), "{starts:?}");
    let state = &desk.state;
    let data = state.data.as_ref().unwrap();
    let reason = data.misfit(&state.modes[0].mode.network).expect("64 inputs do not take 16 pixels");
    assert!(reason.contains("64") && reason.contains("16"), "{reason}");
    assert!(state.curve.is_none() && state.plane.is_none());
    assert!(state.modes.iter().all(|m| m.scores.test.is_none()), "no score of the old data is left");

    desk.data(optdigits());
    desk.settle();
    assert!(0.1 < desk.barrier(), "the right data brings everything back");
}

#[test]
fn networks_of_different_shape_are_not_joined_and_both_shapes_are_named() {
    let mut modes = demo::modes();
    modes[1] = untrained("narrow", "64-48-32-10", 1);
    let mut desk = Desk::with(modes);
    desk.settle();
    let reason = desk.state.pair.clone().unwrap().unwrap_err();
    assert!(reason.contains("64, 64") && reason.contains("48, 64"), "{reason}");
    assert!(desk.state.path.is_none() && desk.state.plane.is_none());
    for action in [Action::Align, Action::FindPath, Action::ResetPath, Action::KeepRun, Action::CancelAll] {
        desk.act(action);
    }
    desk.settle();
    assert!(desk.state.modes.iter().all(|m| m.scores.test.is_some()), "each is scored all the same");
}

#[test]
fn a_wrong_normalisation_is_noticed_and_the_suggestion_restores_the_accuracy() {
    let mut desk = Desk::demo();
    desk.act(Action::Normalize(Normalization::parse("0.9/0.1", 1).unwrap()));
    desk.settle();
    let wrong = desk.state.modes[0].scores.test.unwrap().accuracy;
    let suggestion = desk.state.suggestion.clone().expect("another scaling is offered");
    assert!(wrong + 0.1 < suggestion.accuracy_then, "{wrong}, {suggestion:?}");
    desk.act(Action::Normalize(suggestion.normalization));
    desk.settle();
    let right = desk.state.modes[0].scores.test.unwrap().accuracy;
    assert!(0.9 < right && desk.state.suggestion.is_none(), "{right}");
}

#[test]
fn normalisations_changed_in_quick_succession_end_with_the_last() {
    let mut desk = Desk::with(demo::modes());
    for change in 0..20 {
        let text = if change % 2 == 0 { "0.3/0.7" } else { "0/1" };
        desk.act(Action::Normalize(Normalization::parse(text, 1).unwrap()));
        if change % 3 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        desk.pump();
    }
    desk.settle();
    let scores = desk.state.modes[0].scores.test.unwrap();
    assert_eq!(desk.state.data.as_ref().unwrap().normalization, Normalization::identity(1));
    assert!(0.9 < scores.accuracy);
}

#[test]
fn weights_that_are_not_numbers_are_shown_as_such_and_never_as_good() {
    let a = Mode { path: Some("a.safetensors".into()), ..demo::modes().remove(0) };
    let mut params = (*demo::modes().remove(1).params).clone();
    params.values_mut()[100] = f32::NAN;
    // Other names than A's, so that B must be brought into A's layout.
    let b = untrained("broken", "64-64-32-10", 1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.safetensors");
    let params = params.renamed(b.network.layout().clone()).unwrap();
    lowroad::checkpoint::save_params(&file, &b.network, &params, &BTreeMap::new()).unwrap();
    let mut desk = Desk::with(vec![a]);
    desk.open_files(&[&file]);
    assert!(desk.has_notice(Severity::Info, "NaN"), "{:?}", desk.state.notices);
    let broken = desk.state.modes[1].scores.test.unwrap();
    assert!(broken.loss.is_nan() && broken.accuracy == 0.0, "{broken:?}");
    let values = desk.test_values();
    assert!(values[0].loss.is_finite(), "A itself is sound");
    assert!(values[1..].iter().all(|v| v.loss.is_nan() && v.accuracy == 0.0), "{values:?}");
    assert!(desk.barrier().is_nan());
    assert!(desk.state.plane.is_none(), "there is no plane through what is not a number");
    assert!(desk.started.len() < 40, "{} jobs for one broken file", desk.started.len());
    desk.act(Action::Align);
    desk.act(Action::FindPath);
    desk.until("all has ended", |s| s.jobs.is_empty());
}

#[test]
fn the_same_network_twice_is_said_and_does_no_harm() {
    let mode = demo::modes().remove(0);
    let mut desk = Desk::with(vec![mode.clone(), mode]);
    desk.settle();
    assert!(desk.has_notice(Severity::Info, "the same network"), "{:?}", desk.state.notices);
    assert!(desk.barrier().abs() < 1e-6);
    desk.align();
    assert!(desk.barrier().abs() < 1e-6);
    desk.find_path();
    desk.act(Action::DragBend { bend: 0, x: 0.5, y: 0.5, done: true });
    desk.settle();
}
