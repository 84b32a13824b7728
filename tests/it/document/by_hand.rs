//! Permutations that are changed by hand, and what becomes of the path; methods of alignment; the four curves.

use super::*;
use lowroad::app::compare_table::{Scope, rows};
use lowroad::app::{AlignedBy, CompareOver};
use lowroad::compute::Alignment;
use lowroad::matching::{AlignMethod, Edits, Permutation};

impl Desk {
    /// The demo, aligned, with a straight path.
    fn aligned() -> Self {
        let mut desk = Self::demo();
        desk.set(|s| s.path.family = Family::Linear);
        desk.align();
        desk
    }

    fn found(&self) -> Arc<Alignment> {
        Arc::clone(self.state.current_alignment().unwrap())
    }

    fn shown(&self) -> Arc<Alignment> {
        Arc::clone(self.state.shown_alignment().unwrap())
    }

    fn edit(&mut self, done: bool, change: impl FnOnce(&mut Edits)) {
        let none = Edits::none(self.found().report.groups.len());
        let mut edits = self.state.by_hand.as_ref().map_or(none, |by_hand| by_hand.edits.clone());
        change(&mut edits);
        self.act(Action::EditPermutation { edits, done });
    }

    fn path_end(&self) -> Arc<ParamVec> {
        Arc::clone(self.state.path.as_ref().unwrap().path.end())
    }
}

#[test]
fn a_swap_by_hand_moves_the_end_of_the_path_and_undoing_it_moves_it_back() {
    let mut desk = Desk::aligned();
    let before = desk.barrier();
    desk.edit(true, |edits| edits.groups[0].swaps.push((0, 1)));
    desk.settle();
    let (found, shown) = (desk.found(), desk.shown());
    assert!(desk.state.is_changed_by_hand());
    let [old, new] = [&found, &shown].map(|alignment| &alignment.report.groups[0].permutation);
    assert_eq!((new.source(0), new.source(1)), (old.source(1), old.source(0)));
    assert_eq!(desk.path_end().values(), shown.aligned.values());
    assert!(shown.seal.max_logit_difference < 1e-3, "{:?}", shown.seal);
    assert_ne!(desk.barrier(), before);
    assert!(desk.state.by_hand.as_ref().unwrap().can_undo());
    desk.act(Action::UndoEdit);
    desk.settle();
    assert!(!desk.state.is_changed_by_hand());
    assert_eq!(desk.path_end().values(), found.aligned.values());
    assert_eq!(desk.barrier(), before);
}

#[test]
fn no_layer_is_b_as_it_was_loaded_and_all_layers_are_the_alignment() {
    let mut desk = Desk::demo();
    desk.set(|s| s.path.family = Family::Linear);
    desk.settle();
    let unaligned = desk.barrier();
    desk.align();
    let aligned = desk.barrier();
    desk.edit(true, |edits| edits.n_layers = Some(0));
    desk.settle();
    assert_eq!(desk.path_end().values(), desk.state.joined().unwrap().b.values());
    assert_eq!(desk.barrier(), unaligned);
    desk.act(Action::ResetPermutation);
    desk.settle();
    assert_eq!(desk.barrier(), aligned);
    assert_eq!(desk.state.straight_barrier(false).unwrap().loss, unaligned);
    assert_eq!(desk.state.straight_barrier(true).unwrap().loss, aligned);
    let barriers = desk.state.by_hand.as_ref().unwrap().barriers();
    let n = desk.found().report.groups.len();
    assert_eq!(barriers[&0].loss, unaligned);
    assert_eq!(barriers[&n].loss, aligned);
}

#[test]
fn a_drag_is_undone_at_once_and_evaluated_on_few_images_until_it_ends() {
    let mut desk = Desk::aligned();
    let n = desk.found().report.groups[0].n_units();
    let n_images = |desk: &Desk| desk.test_values()[8].n_images;
    let all = n_images(&desk);
    for k in 1..n / 2 {
        desk.edit(false, |edits| edits.groups[0].n_unmatched = k);
    }
    desk.settle();
    assert!(n_images(&desk) < all);
    desk.edit(true, |edits| edits.groups[0].n_unmatched = n / 2);
    desk.settle();
    assert_eq!(n_images(&desk), all);
    desk.act(Action::UndoEdit);
    desk.settle();
    assert!(!desk.state.is_changed_by_hand());
    assert!(!desk.state.by_hand.as_ref().unwrap().can_undo());
}

#[test]
fn a_sweep_measures_every_number_of_layers_and_leaves_all_as_it_was() {
    let mut desk = Desk::aligned();
    let n = desk.found().report.groups.len();
    desk.edit(true, |edits| edits.groups[0].swaps.push((0, 1)));
    desk.settle();
    let (shown, barrier) = (desk.shown(), desk.barrier());
    desk.act(Action::SweepLayers);
    assert!(desk.state.by_hand.as_ref().unwrap().is_sweeping());
    desk.settle();
    let by_hand = desk.state.by_hand.as_ref().unwrap();
    assert!(!by_hand.is_sweeping());
    assert_eq!(by_hand.barriers().keys().copied().collect::<Vec<_>>(), (0..=n).collect::<Vec<_>>());
    assert!(by_hand.barriers()[&n].loss < by_hand.barriers()[&0].loss);
    assert_eq!(desk.shown().aligned.values(), shown.aligned.values());
    assert_eq!(desk.barrier(), barrier);
}

#[test]
fn changes_by_hand_go_with_the_alignment_that_they_were_made_to() {
    let mut desk = Desk::aligned();
    desk.edit(true, |edits| edits.groups[0].swaps.push((2, 3)));
    desk.settle();
    let run = desk.state.runs.last().unwrap();
    assert!(run.method().contains("by hand"), "{}", run.method());
    let (id, changed) = (run.id, desk.shown());
    desk.align();
    assert!(desk.state.by_hand.is_none() && !desk.state.is_changed_by_hand());
    // The run brings them back, without computing anything.
    desk.act(Action::Restore(id));
    assert!(desk.state.is_changed_by_hand());
    assert!(Arc::ptr_eq(&desk.shown(), &changed));
    assert!(desk.state.jobs.is_empty(), "{:?}", desk.state.jobs);
}

#[test]
fn edits_that_fit_no_layer_change_nothing() {
    let mut desk = Desk::aligned();
    desk.edit(true, |edits| edits.groups[0].swaps.push((0, 100_000)));
    desk.act(Action::EditPermutation { edits: Edits::none(1), done: true });
    assert!(desk.state.by_hand.is_none() && desk.state.jobs.is_empty());
}

#[test]
fn a_fitted_path_is_straight_again_once_its_end_moves() {
    let mut desk = Desk::demo();
    desk.align();
    desk.find_path();
    assert!(!desk.state.path.as_ref().unwrap().is_straight());
    desk.edit(true, |edits| edits.groups[0].swaps.push((0, 1)));
    desk.settle();
    assert!(desk.state.path.as_ref().unwrap().is_straight());
}

#[test]
fn the_method_that_is_set_aligns_and_names_the_run() {
    let mut desk = Desk::demo();
    desk.set(|s| s.align.options.method = AlignMethod::Weight);
    desk.align();
    let state = &desk.state;
    assert_eq!(state.alignment.as_ref().unwrap().by, AlignedBy::Method(AlignMethod::Weight));
    assert!(!desk.found().traces.is_empty());
    assert!(state.runs.iter().any(|run| run.method().ends_with("aligned by weights")));
}

#[test]
fn permutations_are_saved_and_come_back_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::aligned();
    desk.edit(true, |edits| edits.groups[0].swaps.push((0, 1)));
    desk.settle();
    let saved: Vec<Permutation> = desk.shown().report.permutations();
    for name in ["p.json", "p.npz"] {
        let path = folder.path().join(name);
        desk.act(Action::Save(path.clone(), Export::Permutation));
        desk.until("it is saved", |_| path.exists());
        desk.act(Action::OpenPermutation(path));
        desk.until("it is judged", |state| {
            state.alignment.as_ref().is_some_and(|found| found.by == AlignedBy::File(name.to_owned()))
        });
        desk.settle();
        assert_eq!(desk.found().report.permutations(), saved);
    }
    let nonsense = folder.path().join("nonsense.json");
    std::fs::write(&nonsense, "[]").unwrap();
    desk.act(Action::OpenPermutation(nonsense));
    desk.until("it is refused", |state| state.notices.iter().any(|notice| notice.severity == Severity::Error));
    assert!(desk.has_notice(Severity::Error, "The permutation cannot be opened"));
}

#[test]
fn the_four_curves_leave_a_run_for_each_seed() {
    let mut desk = Desk::demo();
    desk.set(|s| {
        s.path.fit.descent.epochs = 1;
        s.align.options.pam.epochs = 1;
        s.align.options.pam.n_draws = 2;
    });
    desk.act(Action::CompareFourCurves(CompareOver { n_seeds: 2, ..CompareOver::ONCE }));
    desk.until("all four are done", |state| state.compare.running.is_none());
    desk.settle();
    assert!(desk.state.compare.failures.is_empty(), "{:?}", desk.state.compare.failures);
    let methods: Vec<String> = desk.state.runs.iter().map(lowroad::app::Run::method).collect();
    for wanted in ["", ", aligned", ", PAM", ", PAM aligned"] {
        let wanted = format!("Bézier curve, 1 bend{wanted}");
        assert_eq!(methods.iter().filter(|method| **method == wanted).count(), 2, "{wanted} in {methods:?}");
    }
}

#[test]
fn comparing_all_pairs_aligns_each_and_comes_back_to_the_pair_as_it_was() {
    let mut desk = Desk::three();
    desk.act(Action::Align);
    desk.settle();
    let before = Arc::clone(desk.state.current_alignment().unwrap());
    for family in Family::ALL {
        desk.act(Action::LeaveOut(family, family != Family::Arc));
    }
    desk.act(Action::Compare(CompareOver { scope: Scope::AllPairs, n_seeds: 1 }));
    desk.until("all pairs are done", |state| state.compare.running.is_none());
    desk.settle();
    assert!(Arc::ptr_eq(desk.state.current_alignment().unwrap(), &before));
    assert!(desk.state.use_aligned && desk.state.path.as_ref().unwrap().aligned);
    let rows = rows(&desk.state, Scope::AllPairs);
    assert_eq!(rows.iter().find(|row| row.title == "Arc, aligned").unwrap().n_runs, 3);
}

#[test]
fn the_repaired_line_has_the_raw_ones_ends_and_a_lower_barrier() {
    let mut desk = Desk::aligned();
    assert!(desk.state.can_repair());
    desk.act(Action::ShowRepaired(true));
    desk.settle();
    let curve = desk.state.curve.as_ref().unwrap();
    let repaired = desk.state.repaired.as_ref().unwrap().loss_summary(curve).expect("it is complete");
    let raw = curve.loss_summary(SplitName::Test).unwrap();
    assert!((repaired.start - raw.start).abs() < 1e-3 && (repaired.end - raw.end).abs() < 1e-3);
    assert!(repaired.barrier < raw.barrier, "{} {}", repaired.barrier, raw.barrier);
    // An arc has no repair, and its curve is not drawn beside it.
    desk.set(|s| s.path.family = Family::Arc);
    desk.settle();
    assert!(!desk.state.can_repair());
    assert!(desk.state.repaired.as_ref().unwrap().values.is_empty());
}
