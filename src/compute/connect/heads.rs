//! The networks of WA-ensembles (Anokhin & Yarotsky 2020; section 1.10 of the methods): members that share the lower layers of
//! one of them, their own upper layers upon these, the lowest of them fitted or not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::super::batches::check_fit;
use super::super::{ComputeError, DataRef};
use super::Cost;
use super::chain::fit_cost;
use super::least_squares::{Fitted, LeastSquares};
use super::scores::forward_flops;
use super::weight_adjustment::AdjustmentOptions;
use crate::net::{Network, ParamVec, Sequence};

/// What a member has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Layers with weights, counted from the logits.
    pub layers: usize,
    /// The lowest of them is fitted to pass on what the member's own lower layers computed; otherwise it is as it was.
    pub adjusted: bool,
}

impl Head {
    /// "2 layers, adjusted".
    pub fn label(self) -> String {
        let how = if self.adjusted { "adjusted" } else { "raw" };
        match self.layers {
            1 => format!("1 layer, {how}"),
            n => format!("{n} layers, {how}"),
        }
    }
}

/// Networks that are to share their lower layers.
#[derive(Clone, Debug)]
pub struct HeadsSpec {
    pub network: Arc<Network>,
    /// The first is the one whose lower layers are shared.
    pub members: Vec<Arc<ParamVec>>,
    pub head: Head,
    /// Images that layers are fitted on.
    pub train: DataRef,
    pub options: AdjustmentOptions,
}

/// What a slice of work came to.
#[derive(Debug)]
pub enum HeadsStep {
    /// Share of the work that is done, 0..1.
    Working(f64),
    /// The members in their order, the first as it was.
    Finished(Vec<Arc<ParamVec>>),
}

/// Members at work. Fits run on the processor whatever the engine.
pub struct MakeHeads {
    spec: HeadsSpec,
    sequence: Sequence,
    made: Vec<Arc<ParamVec>>,
    fitting: Option<LeastSquares>,
}

impl MakeHeads {
    /// # Errors
    /// Where the network is no chain or has not so many layers, without members, and where the images do not fit.
    pub fn new(spec: HeadsSpec) -> Result<Self, ComputeError> {
        check_fit(&spec.network, &spec.train)?;
        let sequence = Sequence::of(&spec.network).map_err(unsuited)?;
        let n_layers = sequence.layers().len();
        let found = spec.head.layers;
        if !(1..=n_layers).contains(&found) {
            return Err(unsuited(format!("expected heads of 1 to {n_layers} layers, found {found}")));
        }
        let base = spec.members.first().map(Arc::clone);
        let base = base.ok_or_else(|| ComputeError::Start("expected at least one member, found none".to_owned()))?;
        Ok(Self { spec, sequence, made: vec![base], fitting: None })
    }

    /// Works for about `budget`.
    ///
    /// # Errors
    /// Where a fit has no solution.
    pub fn step(&mut self, budget: Duration) -> Result<HeadsStep, ComputeError> {
        let started = Instant::now();
        while let Some(member) = self.spec.members.get(self.made.len()).map(Arc::clone) {
            self.advance(&member)?;
            if budget <= started.elapsed() {
                break;
            }
        }
        let n = self.spec.members.len();
        if self.made.len() == n {
            return Ok(HeadsStep::Finished(std::mem::take(&mut self.made)));
        }
        let running = self.fitting.as_ref().map_or(0.0, |problem| {
            let half = 0.5 * problem.done();
            match (problem.is_reading(), problem.is_waiting()) {
                (true, _) => half,
                (_, true) => 0.5,
                _ => 0.5 + half,
            }
        });
        Ok(HeadsStep::Working(((self.made.len() - 1) as f64 + running) / (n - 1) as f64))
    }

    /// A piece of work on the next member.
    fn advance(&mut self, member: &Arc<ParamVec>) -> Result<(), ComputeError> {
        let HeadsSpec { network, members, head, train, options } = &self.spec;
        let base = &members[0];
        let layer = self.sequence.layers().len() - head.layers;
        let lowest = &self.sequence.layers()[layer];
        // The first layer takes the images, whatever is shared.
        if layer == 0 || !head.adjusted {
            self.made.push(Arc::new(self.sequence.head_on(base, member, layer)));
            return Ok(());
        }
        let problem = self
            .fitting
            .get_or_insert_with(|| LeastSquares::new(network, lowest, member, &options.images(train), options.ridge));
        if problem.is_waiting() {
            problem.start(base);
        }
        if let Some(Fitted { weight, .. }) = problem.step()? {
            let mut own = self.sequence.head_on(base, member, layer);
            own.tensor_mut(lowest.weight).copy_from_slice(&weight);
            self.made.push(Arc::new(own));
            self.fitting = None;
        }
        Ok(())
    }
}

fn unsuited(reason: String) -> ComputeError {
    ComputeError::Unsuited { family: "Weight adjustment", reason }
}

/// All members without a pause.
pub fn make_heads(spec: HeadsSpec) -> Result<Vec<Arc<ParamVec>>, ComputeError> {
    let mut job = MakeHeads::new(spec)?;
    loop {
        if let HeadsStep::Finished(members) = job.step(Duration::from_secs(3600))? {
            return Ok(members);
        }
    }
}

/// What making the members takes: for each a fit of its lowest layer, and the way of the images to it through both networks.
pub fn heads_cost(spec: &HeadsSpec) -> Cost {
    let n_fitted = spec.members.len().saturating_sub(1);
    let mut cost = Cost { flops: 0.0, bytes: n_fitted * spec.network.layout().len() * size_of::<f32>() };
    let Ok(sequence) = Sequence::of(&spec.network) else {
        return cost;
    };
    let layer = sequence.layers().len().saturating_sub(spec.head.layers);
    if layer == 0 || !spec.head.adjusted {
        return cost;
    }
    let n_images = spec.options.images(&spec.train).n_images();
    let fit = fit_cost(&spec.network, &sequence.layers()[layer], n_images);
    let below = 2.0 * forward_flops(&spec.network) * n_images as f64;
    cost.flops += n_fitted as f64 * (fit.flops + below);
    cost.bytes += fit.bytes;
    cost
}

#[cfg(test)]
mod tests {
    use super::super::super::test_data::{chains, logit_difference, noise, params};
    use super::*;
    use crate::net::zoo;

    /// Heads of a member on a base, which is itself or another one.
    fn spec(network: &Arc<Network>, base: u64, head: Head) -> HeadsSpec {
        HeadsSpec {
            network: Arc::clone(network),
            members: vec![params(network, base), params(network, 2)],
            head,
            train: noise(network, 60),
            options: AdjustmentOptions::default(),
        }
    }

    #[test]
    fn a_head_on_its_own_lower_layers_is_the_member_again() {
        for network in chains() {
            for layers in 1..=Sequence::of(&network).unwrap().layers().len() {
                let spec = spec(&network, 2, Head { layers, adjusted: true });
                let (member, train) = (Arc::clone(&spec.members[1]), spec.train.clone());
                let made = make_heads(spec).unwrap();
                let difference = logit_difference(&network, &made[1], &member, &train);
                assert!(difference < 1e-3, "{} {layers}: {difference}", network.name());
            }
        }
    }

    #[test]
    fn a_member_has_the_bases_lower_layers_its_own_upper_ones_and_a_lowest_one_that_is_fitted_where_asked_for() {
        for network in chains() {
            let sequence = Sequence::of(&network).unwrap();
            let n_layers = sequence.layers().len();
            for (layers, adjusted) in (1..=n_layers).flat_map(|layers| [(layers, false), (layers, true)]) {
                let spec = spec(&network, 1, Head { layers, adjusted });
                let members = spec.members.clone();
                let made = make_heads(spec).unwrap();
                assert!(Arc::ptr_eq(&made[0], &members[0]), "the base is as it was");
                let lowest = n_layers - layers;
                for (index, layer) in sequence.layers().iter().enumerate() {
                    let source = if index < lowest { &members[0] } else { &members[1] };
                    let is_copied = made[1].tensor(layer.weight) == source.tensor(layer.weight);
                    let is_fitted = adjusted && index == lowest && 0 < lowest;
                    assert_eq!(is_copied, !is_fitted, "{} {index}", network.name());
                    if let Some(bias) = layer.bias {
                        assert_eq!(made[1].tensor(bias), source.tensor(bias));
                    }
                }
            }
        }
    }

    #[test]
    fn slices_of_any_length_make_the_same_members() {
        let network = Arc::new(zoo::mlp(&[12, 8, 6, 3], true).unwrap());
        let mut spec = spec(&network, 1, Head { layers: 1, adjusted: true });
        spec.members.push(params(&network, 3));
        let whole = make_heads(spec.clone()).unwrap();
        let mut job = MakeHeads::new(spec).unwrap();
        let mut done = 0.0;
        let sliced = loop {
            match job.step(Duration::ZERO).unwrap() {
                HeadsStep::Working(now) => {
                    assert!(done <= now && now < 1.0, "from {done} to {now}");
                    done = now;
                }
                HeadsStep::Finished(members) => break members,
            }
        };
        assert_eq!(whole, sliced);
    }

    #[test]
    fn heads_that_a_network_has_no_layers_for_are_refused() {
        let network = Arc::new(zoo::mlp(&[12, 8, 3], true).unwrap());
        for layers in [0, 3] {
            let error = make_heads(spec(&network, 1, Head { layers, adjusted: true })).unwrap_err().to_string();
            assert!(error.contains(&format!("heads of 1 to 2 layers, found {layers}")), "{error}");
        }
        let residual = Arc::new(zoo::samples().into_iter().find(|network| Sequence::of(network).is_err()).unwrap());
        assert!(make_heads(spec(&residual, 1, Head { layers: 1, adjusted: true })).is_err());
    }

    #[test]
    fn only_fitted_heads_take_operations() {
        let network = Arc::new(zoo::mlp(&[12, 8, 3], true).unwrap());
        let flops = |layers, adjusted| heads_cost(&spec(&network, 1, Head { layers, adjusted })).flops;
        assert!(0.0 < flops(1, true));
        assert_eq!((flops(1, false), flops(2, true)), (0.0, 0.0));
    }
}
