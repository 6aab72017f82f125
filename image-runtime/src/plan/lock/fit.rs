//! Which of a lock fits a plan.

use std::collections::BTreeMap;

use super::{Holdings, LockError, LockedImage, LockedStep, Lockfile, definition, installs, tools};
use crate::plan::{Action, Plan};

impl Lockfile {
    /// What each layer of a plan on a base is to bring. Where `exact`, all of it is known, and nothing else.
    ///
    /// # Errors
    /// [`LockError::Misfit`], where `exact`.
    pub fn fit(
        &self,
        (program, image): (&str, &str),
        base: Option<&str>,
        plan: &Plan,
        exact: bool,
    ) -> Result<Vec<Option<Holdings>>, LockError> {
        let is_it = |known: &&LockedImage| {
            known.name == image && known.program.as_deref().is_none_or(|of| of == program)
        };
        let mut known = self.images.iter().find(is_it);
        let mut faults = Vec::new();
        match known {
            None => faults.push("it is not in it".to_owned()),
            Some(locked) if locked.base.as_deref() != base => {
                let told = |base: Option<&str>| match base {
                    Some(base) => format!("base `{base}`"),
                    None => "no base".to_owned(),
                };
                let (was, is) = (told(locked.base.as_deref()), told(base));
                faults.push(format!("it stands on {is}, and is locked on {was}"));
                // What its steps bring depends on that.
                known = None;
            }
            Some(_) => {}
        }
        let locked = known.map_or(&[][..], |known| &known.steps);
        let mut rest = 0;
        let mut unlocked = Vec::new();
        let records = plan.steps.iter().filter(|step| step.layer);
        let mut all = Vec::new();
        for (layer, record) in plan.layers.iter().zip(records) {
            if matches!(layer.action, Action::Base(_)) {
                all.push(None);
                continue;
            }
            let definition = definition(record);
            let later = locked.iter().enumerate().skip(rest);
            let found = later
                .into_iter()
                .find(|(_, step)| step.definition == definition);
            all.push(match found {
                Some((index, step)) => {
                    let unlocked = std::mem::take(&mut unlocked);
                    faults.extend(between(unlocked, &locked[rest..index]));
                    rest = index + 1;
                    Some(step.holds.clone())
                }
                None if installs(&layer.action) && known.is_some() => {
                    unlocked.push(layer.title.as_str());
                    None
                }
                None => exact.then(Holdings::default),
            });
        }
        faults.extend(between(unlocked, &locked[rest..]));
        // Those of steps that do not fit are others anyway.
        if let Some(known) = known.filter(|_| faults.is_empty()) {
            faults = other_tools(&known.tools, plan);
        }
        if exact && !faults.is_empty() {
            let image = image.to_owned();
            return Err(LockError::Misfit { image, faults });
        }
        Ok(all)
    }
}

/// Tools of a plan that are none of those that are locked.
fn other_tools(locked: &BTreeMap<String, String>, plan: &Plan) -> Vec<String> {
    let all = plan.layers.iter().flat_map(|layer| tools(&layer.action));
    let all: BTreeMap<&str, &str> = all.collect();
    let faults = all.iter().filter_map(|(tool, version)| {
        let was = locked.get(*tool);
        let was = was.map_or("nothing", String::as_str);
        (was != *version).then(|| format!("tool `{tool}` is {version}, and {was} is locked"))
    });
    let gone = locked
        .keys()
        .filter(|tool| !all.contains_key(tool.as_str()));
    let gone = gone.map(|tool| format!("tool `{tool}`, which it locks, installs nothing"));
    faults.chain(gone).collect()
}

/// What is to be said of steps of which nothing is locked, and of locked ones that there are not, between two that fit: each is named once,
/// and one that was edited is told as that.
fn between(unlocked: Vec<&str>, locked: &[LockedStep]) -> Vec<String> {
    let mut gone: Vec<_> = locked.iter().map(|step| step.step.as_str()).collect();
    let verb = |title: &str| title.split(['(', ' ']).next().map(str::to_owned);
    let mut faults = Vec::new();
    for step in unlocked {
        let same = gone.iter().position(|old| *old == step);
        let edited = || gone.iter().position(|old| verb(old) == verb(step));
        faults.push(match same.or_else(edited).map(|at| gone.remove(at)) {
            Some(old) if old == step => {
                format!("step `{step}` says something else than when it was locked")
            }
            Some(old) => format!("step `{step}` is locked as `{old}`"),
            None => format!("step `{step}` is new, and not locked"),
        });
    }
    let gone = gone.into_iter();
    let gone = gone.map(|step| format!("step `{step}`, which it locks, is not there any more"));
    faults.extend(gone);
    faults
}
