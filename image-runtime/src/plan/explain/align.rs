//! Which step of today is which step of the last build.

use crate::plan::StepRecord;

/// What a step of today was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Alignment {
    /// The step it was, if any.
    pub(super) old: Option<usize>,
    /// Steps that stood before it and are gone.
    pub(super) gone: Vec<usize>,
}

/// What the steps of today were.
#[derive(Debug)]
pub(super) struct Aligned {
    pub(super) steps: Vec<Alignment>,
}

/// Equal steps are the same; between those, steps of one verb are, in their order.
pub(super) fn align(old: &[StepRecord], new: &[StepRecord]) -> Aligned {
    let mut steps = vec![Alignment::default(); new.len()];
    let (mut old_from, mut new_from) = (0, 0);
    for (old_to, new_to) in common(old, new).into_iter().chain([(old.len(), new.len())]) {
        let mut rest = old_from;
        for index in new_from..new_to {
            let verb = &new[index].verb;
            let Some(found) = (rest..old_to).find(|candidate| old[*candidate].verb == *verb) else {
                continue;
            };
            steps[index].gone.extend(rest..found);
            steps[index].old = Some(found);
            rest = found + 1;
        }
        if let Some(same) = steps.get_mut(new_to) {
            same.gone.extend(rest..old_to);
            same.old = Some(old_to);
        }
        (old_from, new_from) = (old_to + 1, new_to + 1);
    }
    Aligned { steps }
}

/// The longest common sequence of equal steps, as indices of both.
fn common(old: &[StepRecord], new: &[StepRecord]) -> Vec<(usize, usize)> {
    let same = |i: usize, j: usize| old[i].verb == new[j].verb && old[i].facts == new[j].facts;
    let mut longest = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i][j] = if same(i, j) {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    while i < old.len() && j < new.len() {
        if same(i, j) {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[i + 1][j] >= longest[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}
