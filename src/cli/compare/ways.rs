//! Ways to connect, as they are named on the command line: `linear`, `chain:3`, `aligned/ot`.

use std::fmt;
use std::str::FromStr;

use crate::cli::options::positive;
use crate::geometry::Family;

/// The prefix of ways that join A to aligned B.
const ALIGNED: &str = "aligned/";

/// A family, to B as it is or to B in A's order, and with how many bends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Way {
    pub(in crate::cli) family: Family,
    pub(in crate::cli) is_aligned: bool,
    /// Trained points between the ends, where that is said.
    bends: Option<usize>,
}

impl Way {
    /// Trained points between the ends, for families that have some.
    pub(in crate::cli) fn n_bends(self) -> usize {
        self.bends.unwrap_or(1)
    }

    /// `chain` and `chain:1` are the same.
    fn is(self, other: Self) -> bool {
        (self.family, self.is_aligned, self.n_bends()) == (other.family, other.is_aligned, other.n_bends())
    }
}

/// As it was named.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_aligned {
            f.write_str(ALIGNED)?;
        }
        f.write_str(self.family.name())?;
        self.bends.map_or(Ok(()), |bends| write!(f, ":{bends}"))
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (is_aligned, name) = match text.strip_prefix(ALIGNED) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (name, bends) = match name.split_once(':') {
            Some((name, bends)) => (name, Some(bends)),
            None => (name, None),
        };
        let family = Family::from_name(name).ok_or_else(|| {
            let names = Family::ALL.map(Family::name).join(", ");
            format!("expected a family ({names}), alone or as `aligned/NAME`, found `{text}`")
        })?;
        if bends.is_some() && !family.is_fitted() {
            return Err(format!("`{text}`: {name} has no bends; chain and bezier have"));
        }
        let bends = bends.map(|bends| positive(bends).map_err(|error| format!("`{text}`: {error}"))).transpose()?;
        Ok(Self { family, is_aligned, bends })
    }
}

/// Several ways, in the order in which they are named; `all` stands for every family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Ways(pub(in crate::cli) Vec<Way>);

impl FromStr for Ways {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut ways: Vec<Way> = Vec::new();
        for name in text.split(',') {
            let named = match name {
                "all" => Family::ALL.map(|family| Way { family, is_aligned: false, bends: None }).to_vec(),
                name => vec![name.parse()?],
            };
            for way in named {
                if !ways.iter().any(|known| known.is(way)) {
                    ways.push(way);
                }
            }
        }
        Ok(Self(ways))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_read_as_they_are_written() {
        for text in ["linear", "chain", "chain:1", "chain:3", "aligned/bezier:2", "aligned/ot+wa"] {
            assert_eq!(text.parse::<Way>().unwrap().to_string(), text);
        }
        assert_eq!("bezier".parse::<Way>().unwrap().n_bends(), 1);
        assert_eq!("chain,chain:1,chain:2".parse::<Ways>().unwrap().0.len(), 2);
    }

    #[test]
    fn names_that_mean_nothing_are_refused_with_what_is_expected() {
        for (text, part) in [
            ("straight", "linear"),
            ("linear:2", "no bends"),
            ("chain:0", "at least 1"),
            ("chain:", "whole number"),
            ("aligned/aligned/arc", "found `aligned/aligned/arc`"),
            ("", "found ``"),
        ] {
            let error = text.parse::<Way>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn all_stands_for_every_family_and_none_is_named_twice() {
        let ways = "linear,all,aligned/linear,linear".parse::<Ways>().unwrap().0;
        assert_eq!(ways.len(), Family::ALL.len() + 1);
        assert_eq!((ways[0].family, ways[0].is_aligned), (Family::Linear, false));
        assert!(ways.last().unwrap().is_aligned);
    }
}
