//! Whether somebody can have GPUs while others have theirs. Pure.

use std::collections::HashSet;

use super::choice::{count, matching};
use super::{Gpu, Inventory};
use crate::spec;

/// What a container has of the machine's GPUs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// Their numbers.
    pub(super) gpus: Vec<u32>,
    /// Whether nobody shares them.
    pub(super) is_whole: bool,
}

/// What a container needs of the machine's GPUs: one of these.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    alternatives: Vec<Alternative>,
}

#[derive(Clone, Debug)]
struct Alternative {
    /// Those that fit.
    gpus: Vec<Gpu>,
    count: usize,
    is_whole: bool,
}

#[cfg(test)]
impl Held {
    pub(crate) fn new(gpus: &[u32], is_whole: bool) -> Self {
        Self {
            gpus: gpus.to_vec(),
            is_whole,
        }
    }
}

impl Wish {
    /// Nothing where no GPU is asked for.
    pub(crate) fn new(wanted: &[spec::Gpu], inventory: &Inventory) -> Option<Self> {
        let alternatives = wanted.iter().map(|gpu| Alternative {
            gpus: matching(gpu, &inventory.gpus).cloned().collect(),
            count: count(gpu),
            is_whole: gpu.count.is_some(),
        });
        (!wanted.is_empty()).then(|| Self {
            alternatives: alternatives.collect(),
        })
    }

    /// Whether it can be had while others have these.
    pub(crate) fn is_possible_beside<'a>(&self, held: impl Iterator<Item = &'a Held>) -> bool {
        let mut in_use: HashSet<u32> = HashSet::new();
        let mut whole = in_use.clone();
        for held in held {
            in_use.extend(&held.gpus);
            if held.is_whole {
                whole.extend(&held.gpus);
            }
        }
        self.alternatives.iter().any(|alternative| {
            let blocked = if alternative.is_whole {
                &in_use
            } else {
                &whole
            };
            let gpus = alternative.gpus.iter();
            let free = gpus.filter(|gpu| !blocked.contains(&gpu.index));
            free.count() >= alternative.count
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::choice::tests::{asked, machine};
    use super::*;

    #[test]
    fn whole_gpus_can_be_had_where_nobody_has_them_and_others_where_they_are_shared() {
        let two = machine(&[("NVIDIA A100-SXM4-80GB", 81_920), ("Tesla T4", 15_360)]);
        let possible = |wanted: &[spec::Gpu], held: &[Held]| {
            let wish = Wish::new(wanted, &two).expect("one is asked for");
            wish.is_possible_beside(held.iter())
        };
        let any = |count| asked("any", None, None, count);
        let t4 = asked("T4:1", Some("T4"), None, Some(1));
        for (wanted, of, expected) in [
            (vec![any(Some(1))], vec![Held::new(&[0], true)], true),
            (vec![any(Some(2))], vec![Held::new(&[0], true)], false),
            (vec![t4], vec![Held::new(&[0], true)], true),
            (vec![t4], vec![Held::new(&[1], true)], false),
            (vec![t4], vec![Held::new(&[1], false)], false),
            (vec![t4, any(Some(1))], vec![Held::new(&[1], true)], true),
            (vec![any(None)], vec![Held::new(&[0, 1], false)], true),
            (
                vec![any(None)],
                vec![Held::new(&[0], true), Held::new(&[1], true)],
                false,
            ),
        ] {
            assert_eq!(possible(&wanted, &of), expected, "{wanted:?}, {of:?}");
        }
        assert!(Wish::new(&[], &two).is_none());
    }
}
