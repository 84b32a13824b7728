//! Which slot changes when: the moves that undo the permutation of one group.

use crate::matching::Permutation;
use crate::net::{AxisUse, ParamKind, ParamLayout, ParamVec, PermutationGroup};

/// What happens to a slot along a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The slot's outgoing weights go to zero.
    Remove,
    /// The incoming values of the free slot become those of the unit.
    Copy,
    /// The unit's outgoing weights go from the slot `from` to this one, which computes the same.
    HandOver { from: usize },
    /// The slot's outgoing weights come back.
    Restore,
}

/// One straight piece of a walk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Index of the permutation group.
    pub group: usize,
    pub change: Change,
    /// The slot that changes, and the unit of B that leaves it or comes to it.
    pub slot: usize,
    pub unit: usize,
    /// Euclidean, over the trained values.
    pub length: f64,
}

impl Segment {
    /// Whether the network computes the same function all along.
    pub fn is_flat(&self) -> bool {
        matches!(self.change, Change::Copy | Change::HandOver { .. })
    }

    /// What happens, such as `unit 17 to slot 4`; numbers count from 0, as in permutations.
    pub fn label(&self) -> String {
        let Self { slot, unit, .. } = self;
        match self.change {
            Change::Remove => format!("unit {unit} out of slot {slot}"),
            Change::Copy => format!("slot {slot} learns from unit {unit}"),
            Change::HandOver { .. } => format!("unit {unit} to slot {slot}"),
            Change::Restore => format!("unit {unit} back in slot {slot}"),
        }
    }
}

/// The segments of one group, in order.
#[derive(Clone, Debug)]
pub(super) struct GroupPlan {
    /// Index among the network's groups.
    pub(super) group: usize,
    pub(super) segments: Vec<Segment>,
}

impl GroupPlan {
    /// `permutation`: puts unit `source(i)` into slot i; not the identity. `b`: the network with all units in their places.
    pub(super) fn new(index: usize, group: &PermutationGroup, permutation: &Permutation, b: &ParamVec) -> Self {
        let units = UnitValues { group, params: b };
        let removed = units.least_important();
        let mut plan = Planner { units, group: index, computes: permutation.sources().to_vec(), segments: Vec::new() };
        let places = permutation.inverse();
        let first = places.source(removed);
        plan.remove(first);
        let mut free = first;
        for cycle in permutation.cycles() {
            if cycle.len() == 1 || cycle.contains(&first) {
                continue;
            }
            // The first unit of the cycle steps aside into the free slot; when the others have moved up, it comes to its place.
            let aside = free;
            plan.go(cycle[0], aside);
            free = cycle[0];
            while places.source(free) != cycle[0] {
                plan.go(places.source(free), free);
                free = places.source(free);
            }
            plan.go(aside, free);
            free = aside;
        }
        // The free slot's own cycle ends where the unit that is out belongs.
        while free != removed {
            plan.go(places.source(free), free);
            free = places.source(free);
        }
        plan.restore(removed);
        Self { group: index, segments: plan.segments }
    }

    /// The unit whose incoming values each slot holds when segment number `index` begins, and the slot that is free.
    pub(super) fn state_before(&self, permutation: &Permutation, index: usize) -> (Vec<usize>, Option<usize>) {
        let mut units = permutation.sources().to_vec();
        let mut free = None;
        for segment in &self.segments[..index] {
            match segment.change {
                Change::Remove => free = Some(segment.slot),
                Change::Copy => units[segment.slot] = segment.unit,
                Change::HandOver { from } => free = Some(from),
                Change::Restore => free = None,
            }
        }
        (units, free)
    }

    pub(super) fn n_moves(&self) -> usize {
        self.segments.iter().filter(|segment| matches!(segment.change, Change::HandOver { .. })).count()
    }

    /// The unit that is taken out.
    pub(super) fn removed(&self) -> usize {
        self.segments[0].unit
    }
}

/// Writes segments down while it follows what each slot computes.
struct Planner<'a> {
    units: UnitValues<'a>,
    group: usize,
    /// The unit whose incoming values each slot holds.
    computes: Vec<usize>,
    segments: Vec<Segment>,
}

impl Planner<'_> {
    fn remove(&mut self, slot: usize) {
        let unit = self.computes[slot];
        self.push(Change::Remove, slot, unit, self.units.outgoing_norm(unit));
    }

    /// Moves the unit in slot `from` into the free slot `to`.
    fn go(&mut self, from: usize, to: usize) {
        let unit = self.computes[from];
        self.copy(unit, to);
        // Both slots' outgoing weights change by as much.
        let length = std::f64::consts::SQRT_2 * self.units.outgoing_norm(unit);
        self.push(Change::HandOver { from }, to, unit, length);
    }

    fn restore(&mut self, unit: usize) {
        self.copy(unit, unit);
        self.push(Change::Restore, unit, unit, self.units.outgoing_norm(unit));
    }

    fn copy(&mut self, unit: usize, slot: usize) {
        let length = self.units.incoming_distance(self.computes[slot], unit);
        self.push(Change::Copy, slot, unit, length);
        self.computes[slot] = unit;
    }

    fn push(&mut self, change: Change, slot: usize, unit: usize, length: f64) {
        self.segments.push(Segment { group: self.group, change, slot, unit, length });
    }
}

/// Norms of what units compute and of what is made of them.
struct UnitValues<'a> {
    group: &'a PermutationGroup,
    params: &'a ParamVec,
}

impl UnitValues<'_> {
    /// The unit without which the network changes least: the least product of its incoming and outgoing norms. Where a norm
    /// follows, the incoming weights' size cancels and the norm's factor and summand count instead.
    fn least_important(&self) -> usize {
        let layout = self.params.layout();
        let is_factor = |axis_use: &AxisUse| kind(layout, axis_use) == ParamKind::Scale;
        let is_normalised = self.group.axes.iter().any(is_factor);
        let counts = |axis_use: &AxisUse| {
            let is_of_norm = matches!(kind(layout, axis_use), ParamKind::Scale | ParamKind::Shift);
            axis_use.axis == 0 && is_of_norm == is_normalised
        };
        let importance = |unit: usize| self.norm(unit, counts) * self.outgoing_norm(unit);
        let all: Vec<f64> = (0..self.group.n_units).map(importance).collect();
        (0..all.len()).reduce(|least, unit| if all[unit] < all[least] { unit } else { least }).unwrap_or(0)
    }

    fn outgoing_norm(&self, unit: usize) -> f64 {
        self.norm(unit, |axis_use| 0 < axis_use.axis)
    }

    fn norm(&self, unit: usize, counts: impl Fn(&AxisUse) -> bool) -> f64 {
        let mut sum = 0.0;
        for (values, axis_use) in self.trained(counts) {
            for range in axis_use.runs(self.shape(axis_use), unit) {
                sum += values[range].iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
            }
        }
        sum.sqrt()
    }

    /// How far apart what two units compute is.
    fn incoming_distance(&self, one: usize, other: usize) -> f64 {
        let mut sum = 0.0;
        for (values, axis_use) in self.trained(|axis_use| axis_use.axis == 0) {
            let shape = self.shape(axis_use);
            for (x, y) in axis_use.runs(shape, one).zip(axis_use.runs(shape, other)) {
                let squares = values[x].iter().zip(&values[y]).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2));
                sum += squares.sum::<f64>();
            }
        }
        sum.sqrt()
    }

    /// The tensors of the trained axes that count.
    fn trained(&self, counts: impl Fn(&AxisUse) -> bool) -> impl Iterator<Item = (&[f32], &AxisUse)> {
        let layout = self.params.layout();
        let axes =
            self.group.axes.iter().filter(move |axis_use| kind(layout, axis_use).is_trained() && counts(axis_use));
        axes.map(|axis_use| (self.params.tensor(axis_use.param), axis_use))
    }

    fn shape(&self, axis_use: &AxisUse) -> &[usize] {
        &self.params.layout().spec(axis_use.param).shape
    }
}

fn kind(layout: &ParamLayout, axis_use: &AxisUse) -> ParamKind {
    layout.spec(axis_use.param).kind
}
