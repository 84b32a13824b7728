//! Ensembles whose members share the lower layers of one network (WA-ensembles, Anokhin & Yarotsky 2020): how many layers a
//! member needs of its own, with its lowest one fitted to the shared layers and without.

use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Result, bail};

use super::reports::EnsembleReport;
use super::{Kind, Member, Work};
use crate::checkpoint::Mode;
use crate::cli::networks::shown;
use crate::cli::options::positive;
use crate::cli::output::say;
use crate::compute::{BatchNorm, DataRef, Head, HeadsSpec};
use crate::net::Sequence;

/// Layers in the heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heads {
    /// From one layer to all.
    All,
    Layers(Vec<usize>),
}

impl FromStr for Heads {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            numbers => numbers.split(',').map(positive).collect::<Result<_, _>>().map(Self::Layers),
        }
    }
}

impl Heads {
    /// For each number of layers two ensembles: heads as they are, and adjusted ones.
    pub(super) fn ensembles(&self, work: &Work<'_>, modes: &[Mode]) -> Result<Vec<EnsembleReport>> {
        let sequence = match Sequence::of(&work.network) {
            Ok(sequence) => sequence,
            Err(reason) => bail!("--wa: {}: {reason}", work.network.name()),
        };
        let n_layers = sequence.layers().len();
        let wanted = match self {
            Self::All => (1..=n_layers).collect(),
            Self::Layers(layers) => layers.clone(),
        };
        if let Some(beyond) = wanted.iter().find(|&&layers| n_layers < layers) {
            bail!("--wa: expected heads of 1 to {n_layers} layers of {}, found {beyond}", work.network.name());
        }
        let mut found = Vec::new();
        for layers in wanted {
            for adjusted in [false, true] {
                let head = Head { layers, adjusted };
                say(&format!("heads: {}", head.label()));
                let members = members(work, modes, head)?;
                let kind = Kind { name: "wa", head: Some(head) };
                found.push(work.together(kind, members, BatchNorm::Stored)?);
            }
        }
        Ok(found)
    }
}

/// The first network, and the heads of the others on its lower layers.
fn members(work: &Work<'_>, modes: &[Mode], head: Head) -> Result<Vec<Member>> {
    let connect = &work.args.find.connect;
    let spec = HeadsSpec {
        network: Arc::clone(&work.network),
        members: modes.iter().map(|mode| mode.params_for(&work.network)).collect::<Result<_, _>>()?,
        head,
        train: DataRef { limit: connect.fit_images, ..work.training_images() },
        options: connect.adjustment(),
    };
    let made = work.jobs.heads("fitting heads", spec)?;
    Ok(modes.iter().zip(made).map(|(mode, params)| Member { name: shown(mode), params }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_numbers_of_layers_or_all() {
        assert_eq!("all".parse(), Ok(Heads::All));
        assert_eq!("1,3".parse(), Ok(Heads::Layers(vec![1, 3])));
        assert!("0".parse::<Heads>().is_err() && "1,".parse::<Heads>().is_err() && "some".parse::<Heads>().is_err());
    }
}
