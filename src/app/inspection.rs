//! What is worked out only for what the Permutations view shows: what excites pairs of units, and weight matrices side by side.
//! The view asks by an action while it is open; nothing here runs on its own.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use super::jobs::Purpose;
use super::refresh::{fitting_pair, start};
use super::{AppState, Effect};
use crate::compute::{Alignment, ExciteSpec, Excited};
use crate::data::SplitName;
use crate::matching::{WeightMatrices, WeightSpec};
use crate::worker::{JobId, Lane, Request};

/// Test images that are shown to the units, at most.
const MOST_IMAGES: usize = 10_000;
/// Images that are named for each unit.
const N_TOP: usize = 8;
/// Answers that are kept.
const MOST_KEPT: usize = 8;

/// Some pairs of units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairsShown {
    /// The permutation group.
    pub group: usize,
    /// Units of A in it.
    pub places: Vec<usize>,
}

/// A tensor that carries the units of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightsShown {
    /// The permutation group.
    pub group: usize,
    /// Place of the tensor's axis among those of the group.
    pub axis: usize,
}

/// Answers to questions about alignments: the newest ones, and the question that was asked last.
#[derive(Debug)]
pub struct Answers<Q, A> {
    asked: Option<Question<Q>>,
    /// The newest last.
    kept: VecDeque<(Question<Q>, Arc<A>)>,
}

/// What an answer depends on. An alignment that is gone is like no other.
#[derive(Clone, Debug)]
struct Question<Q> {
    alignment: Weak<Alignment>,
    data_revision: u64,
    what: Q,
}

/// Where an answer stands.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a, A> {
    Known(&'a Arc<A>),
    /// It is being worked out.
    Awaited,
    /// It was asked for last, but the job was cancelled or failed.
    Ended,
    NotAsked,
}

impl<Q, A> Default for Answers<Q, A> {
    fn default() -> Self {
        Self { asked: None, kept: VecDeque::new() }
    }
}

impl<Q: PartialEq> PartialEq for Question<Q> {
    fn eq(&self, other: &Self) -> bool {
        let same = Weak::ptr_eq(&self.alignment, &other.alignment) && self.data_revision == other.data_revision;
        same && self.what == other.what
    }
}

impl<Q: PartialEq, A> Answers<Q, A> {
    fn stand(&self, question: &Question<Q>, is_running: bool) -> Answer<'_, A> {
        match self.kept.iter().find(|(of, _)| of == question) {
            Some((_, answer)) => Answer::Known(answer),
            None if self.asked.as_ref() != Some(question) => Answer::NotAsked,
            None if is_running => Answer::Awaited,
            None => Answer::Ended,
        }
    }

    fn ask(&mut self, question: Question<Q>) {
        self.asked = Some(question);
    }

    /// To the question that was asked last.
    fn answer(&mut self, answer: A) {
        if let Some(question) = self.asked.take() {
            self.kept.push_back((question, Arc::new(answer)));
            if MOST_KEPT < self.kept.len() {
                self.kept.pop_front();
            }
        }
    }

    /// The last question can be asked again.
    pub(super) fn forget_question(&mut self) {
        self.asked = None;
    }
}

impl AppState {
    /// What excites some pairs of the alignment that is shown.
    pub fn excitement(&self, of: &PairsShown) -> Answer<'_, Excited> {
        let Some(question) = question(self, of.clone()) else {
            return Answer::Ended;
        };
        self.excitement.stand(&question, self.runs_job(Purpose::Excite))
    }

    /// The weights of a group's units in A and aligned B.
    pub fn weight_matrices(&self, of: WeightsShown) -> Answer<'_, WeightMatrices> {
        let Some(question) = question(self, of) else {
            return Answer::Ended;
        };
        self.weight_matrices.stand(&question, self.runs_job(Purpose::CompareWeights))
    }
}

/// `None` without an alignment.
fn question<Q>(state: &AppState, what: Q) -> Option<Question<Q>> {
    let data_revision = state.data.as_ref().map_or(0, |data| data.revision);
    Some(Question { alignment: Arc::downgrade(state.shown_alignment()?), data_revision, what })
}

pub(super) fn excite(state: &mut AppState, what: PairsShown, effects: &mut Vec<Effect>) {
    if let Some(question) = question(state, what.clone()) {
        state.excitement.ask(question);
    }
    let (pair, alignment) = (fitting_pair(state), state.shown_alignment());
    let (Some(pair), Some(data), Some(alignment)) = (pair, &state.data, alignment) else {
        return;
    };
    let spec = ExciteSpec {
        network: pair.network,
        a: pair.a,
        aligned: Arc::clone(&alignment.aligned),
        group: what.group,
        places: what.places,
        data: data.split(SplitName::Test, Some(MOST_IMAGES)),
        n_top: N_TOP,
    };
    let label = "Looking for images that excite the pairs".to_owned();
    effects.push(start(state, Purpose::Excite, Lane::Excite, label, Request::Excite(spec)));
}

pub(super) fn compare_weights(state: &mut AppState, what: WeightsShown, effects: &mut Vec<Effect>) {
    if let Some(question) = question(state, what) {
        state.weight_matrices.ask(question);
    }
    let (Some(pair), Some(alignment)) = (state.joined().cloned(), state.shown_alignment()) else {
        return;
    };
    let Some(group) = alignment.report.groups.get(what.group) else {
        return;
    };
    let spec = WeightSpec {
        network: pair.network,
        a: pair.a,
        b: pair.b,
        aligned: Arc::clone(&alignment.aligned),
        group: what.group,
        axis: what.axis,
        order: group.order.clone(),
    };
    let label = "Laying weights side by side".to_owned();
    effects.push(start(state, Purpose::CompareWeights, Lane::CompareWeights, label, Request::CompareWeights(spec)));
}

pub(super) fn on_excited(state: &mut AppState, job: JobId, excited: Excited) {
    if state.job_of(Purpose::Excite) == Some(job) {
        state.excitement.answer(excited);
    }
}

pub(super) fn on_weights(state: &mut AppState, job: JobId, matrices: WeightMatrices) {
    if state.job_of(Purpose::CompareWeights) == Some(job) {
        state.weight_matrices.answer(matrices);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(what: usize) -> Question<usize> {
        Question { alignment: Weak::new(), data_revision: 1, what }
    }

    #[test]
    fn a_question_is_open_until_it_is_answered() {
        let mut answers: Answers<usize, &str> = Answers::default();
        assert!(matches!(answers.stand(&of(3), true), Answer::NotAsked));
        answers.ask(of(3));
        assert!(matches!(answers.stand(&of(3), true), Answer::Awaited));
        assert!(matches!(answers.stand(&of(3), false), Answer::Ended));
        answers.answer("three");
        assert!(matches!(answers.stand(&of(3), false), Answer::Known(answer) if **answer == "three"));
        let other_data = Question { data_revision: 2, ..of(3) };
        assert!(matches!(answers.stand(&other_data, false), Answer::NotAsked));
    }

    #[test]
    fn only_the_newest_answers_are_kept() {
        let mut answers: Answers<usize, usize> = Answers::default();
        for what in 0..=MOST_KEPT {
            answers.ask(of(what));
            answers.answer(what);
        }
        assert_eq!(answers.kept.len(), MOST_KEPT);
        assert!(matches!(answers.stand(&of(0), false), Answer::NotAsked));
        assert!(matches!(answers.stand(&of(MOST_KEPT), false), Answer::Known(_)));
    }

    #[test]
    fn an_answer_to_nothing_is_dropped() {
        let mut answers: Answers<usize, usize> = Answers::default();
        answers.ask(of(1));
        answers.forget_question();
        answers.answer(1);
        assert!(matches!(answers.stand(&of(1), false), Answer::NotAsked));
    }
}
