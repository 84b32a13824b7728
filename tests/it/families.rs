//! Families in the window: the menu, paths that are worked out, and the comparison.

use std::collections::VecDeque;
use std::sync::Arc;

use egui::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use lowroad::app::compare_bands::bands;
use lowroad::app::compare_table::{self, Column, Scope};
use lowroad::app::{Action, AppState, CompareOver, Effect, Purpose, ThirdPoint, events, update};
use lowroad::compute::{Connection, DataRef, PointValue, Trace};
use lowroad::data::{Normalization, optdigits};
use lowroad::demo;
use lowroad::geometry::{Family, Path, Stage};
use lowroad::net::ParamVec;
use lowroad::worker::{Command, Event, JobError, JobId, Request};

use crate::ui::{Screen, assert_shows, click, demo, open_sized, press, set, settle, shows};

/// A document whose jobs are answered at once, with made-up values.
struct Desk {
    state: AppState,
    /// Jobs that were started and not answered yet.
    asked: VecDeque<(JobId, Request)>,
    /// Families whose connections fail.
    failing: Vec<Family>,
    /// Families in the order in which their paths were evaluated.
    seen: Vec<Family>,
}

impl Desk {
    fn new() -> Self {
        let mut desk =
            Self { state: AppState::default(), asked: VecDeque::new(), failing: Vec::new(), seen: Vec::new() };
        let digits = optdigits();
        let usual = Normalization::usual(&digits);
        events::add_data(&mut desk.state, Arc::new(digits), usual);
        for mode in demo::modes() {
            events::add_mode(&mut desk.state, mode);
        }
        desk.act(Action::SetT(0.5));
        desk.answer_all();
        desk.seen.clear();
        desk
    }

    fn act(&mut self, action: Action) {
        let effects = update::on_action(&mut self.state, action);
        self.take(effects);
    }

    fn choose(&mut self, family: Family) {
        let mut settings = self.state.settings.clone();
        settings.path.family = family;
        self.act(Action::ChangeSettings(Box::new(settings)));
    }

    fn hear(&mut self, event: Event) {
        let effects = events::on_event(&mut self.state, event);
        self.take(effects);
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Compute(Command::Start { job, request, .. }) => self.asked.push_back((job, *request)),
                Effect::Compute(Command::Cancel { job }) => {
                    self.asked.retain(|(asked, _)| *asked != job);
                    self.hear(Event::Cancelled { job });
                }
                Effect::Compute(_) | Effect::Disk(_) => {}
            }
        }
    }

    /// Answers the job that waits longest; returns whether there was one.
    fn answer(&mut self) -> bool {
        let Some((job, request)) = self.asked.pop_front() else {
            return false;
        };
        let family = self.state.settings.path.family;
        match request {
            Request::Evaluate(spec) => self.answer_values(job, spec.coefficients.len(), &spec.data),
            Request::EvaluatePath(spec) => {
                if self.seen.last() != Some(&family) {
                    self.seen.push(family);
                }
                self.answer_values(job, spec.ts.len(), &spec.data);
            }
            Request::Connect(spec) if self.failing.contains(&spec.family) => {
                self.hear(Event::Failed { job, error: JobError::Panicked("no path today".to_owned()) });
                return true;
            }
            Request::Connect(spec) => {
                let connection = Box::new(detour(spec.family, &spec.a, &spec.b));
                self.hear(Event::Connected { job, connection });
            }
            Request::Fit(spec) => {
                let vectors = spec.basis[1..spec.basis.len() - 1].to_vec();
                let (a, b) = (Arc::clone(&spec.basis[0]), Arc::clone(&spec.basis[spec.basis.len() - 1]));
                let path = spec.family.map(|curve| Path::new(&spec.network, curve, a, b, vectors.clone()));
                self.hear(Event::Trained { job, vectors, path: path.map(Arc::new), epochs_done: spec.epochs });
            }
            _ => {}
        }
        self.hear(Event::Finished { job });
        true
    }

    fn answer_values(&mut self, job: JobId, n_points: usize, data: &DataRef) {
        let value = |point: usize| {
            let loss = 0.1 + 0.01 * (point % 5) as f64;
            (point, PointValue { loss, accuracy: 1.0 - loss / 10.0, n_images: data.n_images() })
        };
        self.hear(Event::Values { job, values: (0..n_points).map(value).collect() });
    }

    fn answer_all(&mut self) {
        while self.answer() {}
    }

    /// Answers until the comparison has come to this family.
    fn until_at(&mut self, family: Family) {
        while self.state.compare.running.as_ref().is_some_and(|running| running.task.way.family != family) {
            assert!(self.answer(), "nothing is asked any more");
        }
    }

    fn titles(&self) -> Vec<String> {
        self.state.runs.iter().map(lowroad::app::Run::title).collect()
    }
}

/// A made-up connection of two stages that leaves the straight line.
fn detour(family: Family, a: &Arc<ParamVec>, b: &Arc<ParamVec>) -> Connection {
    let ends = [Arc::clone(a), Arc::clone(b)];
    let mut corner = ParamVec::combination(&ends, &[0.5, 0.5]);
    corner.values_mut().iter_mut().step_by(2).for_each(|w| *w += 0.05);
    let corner = Arc::new(corner);
    let stages =
        vec![Stage::evenly(vec![Arc::clone(a), Arc::clone(&corner)]), Stage::evenly(vec![corner, ends[1].clone()])];
    let points = vec![(0.0, 0.0), (0.5, 0.125), (1.0, 0.0)];
    Connection {
        path: Arc::new(Path::staged(family, stages)),
        traces: vec![Trace { name: "fit residual".to_owned(), unit: String::new(), points }],
        notes: vec!["412 moves at constant loss".to_owned()],
    }
}

/// Families that a comparison of the demo's networks runs.
fn suited(state: &AppState) -> Vec<Family> {
    state.compared_families()
}

#[test]
fn a_comparison_runs_the_chosen_families_in_order_and_fills_the_table() {
    let mut desk = Desk::new();
    let families = suited(&desk.state);
    let left_out = *families.last().unwrap();
    desk.act(Action::LeaveOut(left_out, true));
    desk.act(Action::Compare(CompareOver::ONCE));
    assert_eq!(desk.state.compare.running.as_ref().map(|r| (r.number, r.n_tasks)), Some((1, families.len() - 1)));
    desk.answer_all();
    assert!(desk.state.compare.running.is_none() && desk.state.compare.failures.is_empty());
    assert_eq!(desk.seen, families[..families.len() - 1]);
    let rows = compare_table::rows(&desk.state, Scope::ThisPair);
    assert_eq!(rows.len(), families.len() - 1, "{:?}", desk.titles());
    for row in &rows {
        let worst = row.value(Column::TestWorst).unwrap();
        assert!((worst.mean - 0.986).abs() < 1e-12 && worst.deviation.is_none(), "{}", row.title);
        assert!(row.value(Column::Length).unwrap().mean > 0.0);
    }
}

#[test]
fn a_family_that_fails_is_named_with_its_reason_and_the_others_go_on() {
    let mut desk = Desk::new();
    let connected: Vec<Family> = suited(&desk.state).into_iter().filter(|family| family.is_connected()).collect();
    desk.failing = vec![connected[0]];
    desk.act(Action::Compare(CompareOver::ONCE));
    desk.answer_all();
    assert!(desk.state.compare.running.is_none());
    let [(task, reason)] = desk.state.compare.failures.as_slice() else { panic!("one family fails") };
    assert_eq!(task.way.family, connected[0]);
    assert!(reason.contains("no path today"), "{reason}");
    assert!(!desk.titles().contains(&connected[0].label().to_owned()), "a failed path is no card of its own");
    assert!(desk.titles().contains(&connected[1].label().to_owned()));
}

#[test]
fn stopping_a_comparison_keeps_what_it_found_and_starts_no_more() {
    let mut desk = Desk::new();
    let families = suited(&desk.state);
    desk.act(Action::Compare(CompareOver::ONCE));
    desk.until_at(families[2]);
    let n_runs = desk.state.runs.len();
    assert!(2 <= n_runs);
    desk.act(Action::CancelAll);
    desk.answer_all();
    assert!(desk.state.compare.running.is_none());
    assert!(n_runs <= desk.state.runs.len());
    assert!(!desk.seen.contains(&families[3]));
}

#[test]
fn choosing_another_family_or_pair_ends_a_comparison() {
    let mut desk = Desk::new();
    desk.act(Action::Compare(CompareOver::ONCE));
    desk.until_at(suited(&desk.state)[1]);
    desk.choose(Family::Chain);
    assert!(desk.state.compare.running.is_none());
    desk.act(Action::Compare(CompareOver::ONCE));
    let (a, b) = desk.state.endpoints.unwrap();
    desk.act(Action::SetEndpoints { a: b, b: a });
    assert!(desk.state.compare.running.is_none());
}

#[test]
fn several_pairs_are_averaged_with_their_deviation() {
    let mut desk = Desk::new();
    desk.choose(Family::Linear);
    desk.answer_all();
    let (a, b) = desk.state.endpoints.unwrap();
    desk.act(Action::SetEndpoints { a: b, b: a });
    desk.answer_all();
    let linear = |scope| {
        let rows = compare_table::rows(&desk.state, scope);
        rows.into_iter().find(|row| row.title == "Linear").unwrap()
    };
    assert_eq!(linear(Scope::ThisPair).n_runs, 1);
    let both = linear(Scope::AllPairs);
    assert_eq!(both.n_runs, 2);
    assert!(both.value(Column::Barrier).unwrap().deviation.unwrap().abs() < 1e-12, "both pairs have the same values");
    let shown = desk.state.runs.iter().find(|run| run.id == both.run).unwrap();
    assert_eq!(shown.endpoints, (b, a), "a click goes to the pair that is set");
}

#[test]
fn a_comparison_over_all_pairs_and_several_seeds_leaves_a_run_for_each_and_comes_back() {
    let mut desk = Desk::new();
    let mut third = demo::modes().remove(0);
    let ends: Vec<Arc<ParamVec>> = desk.state.modes.iter().map(|entry| Arc::clone(&entry.mode.params)).collect();
    third.params = Arc::new(ParamVec::combination(&ends, &[0.7, 0.4]));
    events::add_mode(&mut desk.state, third);
    for family in suited(&desk.state) {
        desk.act(Action::LeaveOut(family, ![Family::Arc, Family::AutoNeb].contains(&family)));
    }
    let set = |state: &AppState| (state.endpoints, state.settings.path.connect.seed, state.settings.path.fit.seed);
    let before = set(&desk.state);
    desk.act(Action::Compare(CompareOver { scope: Scope::AllPairs, n_seeds: 2 }));
    assert_eq!(desk.state.compare.running.as_ref().map(|running| running.n_tasks), Some(3 * (1 + 2)));
    desk.answer_all();
    assert!(desk.state.compare.running.is_none() && desk.state.compare.failures.is_empty());
    assert_eq!(set(&desk.state), before);
    for (scope, n_arcs, n_bands) in [(Scope::ThisPair, 1, 2), (Scope::AllPairs, 3, 6)] {
        let rows = compare_table::rows(&desk.state, scope);
        let n_runs = |family: Family| rows.iter().find(|row| row.title == family.label()).unwrap().n_runs;
        assert_eq!((n_runs(Family::Arc), n_runs(Family::AutoNeb)), (n_arcs, n_bands));
    }
    let bands = bands(&desk.state, Scope::AllPairs, |value| value.loss);
    let arc = bands.iter().find(|band| band.title == Family::Arc.label()).unwrap();
    assert_eq!((arc.n_runs, arc.points.len()), (3, desk.state.settings.path.n_points));
    for (index, (_, spread)) in arc.points.iter().enumerate() {
        assert!((spread.mean - 0.1 - 0.01 * (index % 5) as f64).abs() < 1e-12 && spread.deviation.unwrap() < 1e-12);
    }
}

#[test]
fn a_worked_out_path_is_shown_on_a_plane_of_its_own_and_curves_on_that_of_their_bends() {
    let mut desk = Desk::new();
    assert_eq!(desk.state.settings.plane.third, ThirdPoint::Bend);
    desk.choose(Family::AutoNeb);
    assert_eq!(desk.state.settings.plane.third, ThirdPoint::BestOfPath);
    desk.act(Action::FindPath);
    while !desk.asked.iter().any(|(_, request)| matches!(request, Request::FindPlane { .. })) {
        assert!(desk.answer(), "the plane of the path is never sought");
    }
    desk.choose(Family::Bezier);
    assert_eq!(desk.state.settings.plane.third, ThirdPoint::Bend);
    let mut settings = desk.state.settings.clone();
    settings.plane.third = ThirdPoint::MeanNeuron;
    desk.act(Action::ChangeSettings(Box::new(settings)));
    desk.choose(Family::AutoNeb);
    assert_eq!(desk.state.settings.plane.third, ThirdPoint::MeanNeuron, "what the user chose stays");
}

#[test]
fn the_menu_lists_every_family_and_says_which_do_not_suit() {
    let mut screen = demo();
    let network = Arc::clone(&screen.state().state().joined().unwrap().network);
    let is_unsuited = |family: Family| family.unsuited(&network).is_some();
    click(&mut screen, Role::ComboBox, "Family");
    for family in Family::ALL {
        let entry = screen.get_by_role_and_label(Role::Button, family.label());
        assert_eq!(entry.accesskit_node().is_disabled(), is_unsuited(family), "{family:?}");
    }
    assert!(Family::ALL.into_iter().any(is_unsuited));
    click(&mut screen, Role::Button, Family::Arc.label());
    assert_shows(&screen, Family::Arc.explanation());
    assert_shows(&screen, Family::Arc.source());
}

/// The demo, tall enough for all controls, with a family chosen.
fn demo_of(family: Family) -> Screen {
    let mut screen = open_sized([1440.0, 1500.0], Vec::new());
    settle(&mut screen);
    set(&mut screen, |s| s.path.family = family);
    settle(&mut screen);
    screen
}

#[test]
fn transport_is_found_from_its_button_and_shows_its_stages_and_remarks() {
    let mut screen = demo_of(Family::Transport);
    press(&mut screen, "Family settings");
    press(&mut screen, "Go on to B itself");
    assert!(shows(&screen, "less than a second"), "what it will take is told before");
    press(&mut screen, "Find path");
    settle(&mut screen);
    let path = screen.state().state().path.clone().unwrap();
    assert!(!path.is_straight());
    assert_eq!(path.path.stages().len(), 2);
    assert_shows(&screen, "Optimal transport");
    assert_shows(&screen, path.remarks.first().unwrap());
    assert!(screen.state().state().plane.as_ref().is_some_and(|plane| plane.third == "the path"));
    screen.state_mut().act(Action::SetT(0.6));
    screen.run_steps(2);
    let Some(Stage::Walk(walk)) = path.path.stages().nth(1) else { panic!("stage 2 is a walk") };
    let (index, _) = walk.segment_at(path.path.stage_at(0.6).1);
    assert_shows(&screen, &walk.segments()[index].label());
    let n_steps = walk.segments().len();
    for step in index + 1..index + 4 {
        assert_shows(&screen, &format!("step {step} of {n_steps}"));
        press(&mut screen, "Next move");
        screen.run_steps(4);
    }
    assert_shows(&screen, &format!("step {} of {n_steps}", index + 4));
    press(&mut screen, "Move back");
    assert_shows(&screen, &format!("step {} of {n_steps}", index + 3));
    screen.state_mut().act(Action::SetT(0.1));
    screen.run_steps(2);
    assert_shows(&screen, &path.path.stage_label(1));
    press(&mut screen, "Next move");
    assert_shows(&screen, &format!("step 1 of {n_steps}"));
    press(&mut screen, "Reset");
    settle(&mut screen);
    assert!(screen.state().state().path.as_ref().unwrap().is_straight());
}

#[test]
fn predictions_follow_the_scrubber() {
    let mut screen = open_sized([1440.0, 900.0], Vec::new());
    settle(&mut screen);
    press(&mut screen, "Predictions");
    settle(&mut screen);
    let found = |screen: &Screen| screen.state().state().predictions.clone().unwrap().found;
    let in_the_middle = found(&screen);
    assert_eq!(in_the_middle.len(), 8);
    assert_shows(&screen, "Test image 0: ");
    screen.state_mut().act(Action::SetT(0.0));
    settle(&mut screen);
    let at_a = found(&screen);
    assert!(in_the_middle.iter().zip(&at_a).any(|(m, a)| (m.probability - a.probability).abs() > 1e-6));
    press(&mut screen, "Predictions");
    assert!(screen.state().state().predictions.is_none());
}

#[test]
fn the_comparison_is_driven_from_its_pane() {
    let mut screen = demo_of(Family::Linear);
    press(&mut screen, "Compare");
    press(&mut screen, "Run all…");
    for family in suited(screen.state().state()) {
        if ![Family::Linear, Family::Arc].contains(&family) {
            screen.state_mut().act(Action::LeaveOut(family, true));
        }
    }
    screen.run_steps(2);
    press(&mut screen, "Run 2 families");
    settle(&mut screen);
    assert!(!screen.state().state().runs_job(Purpose::FindPath));
    for name in ["Go back to Linear", "Go back to Arc", "Pin Arc", "Sort by barrier"] {
        assert_shows(&screen, name);
    }
    press(&mut screen, "Pin Arc");
    assert!(screen.state().state().runs.iter().any(|run| run.pinned && run.title() == "Arc"));
    press(&mut screen, "Sort by barrier");
    press(&mut screen, "Go back to Linear");
    assert_eq!(screen.state().state().settings.path.family, Family::Linear);
    press(&mut screen, "Copy Markdown");
    press(&mut screen, "Accuracy curves");
    assert_shows(&screen, "Curves along t, test accuracy (%): Linear; Arc");
}
