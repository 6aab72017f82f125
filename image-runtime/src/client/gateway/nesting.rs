//! What functions in containers have asked for: which call belongs to which, how deep they are, and whether they wait for one another.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::super::job::Nested;
use super::super::{CallError, CallErrorKind};
use crate::gpu::{Held, Wish};

/// How many calls may be inside one another.
const DEEPEST: usize = 16;

/// All of this process.
pub(super) static NESTING: Nesting = Nesting(Mutex::new(State::new()));

/// See the module.
pub(super) struct Nesting(Mutex<State>);

struct State {
    /// The calls that want functions.
    callers: BTreeMap<CallerId, Caller>,
    /// The functions that are wanted, by the names that the host gives them.
    wanted: BTreeMap<u64, Wanted>,
    /// How many of these run where places are limited.
    limited: usize,
    last: u64,
}

/// A call that runs in a container: which container's, and its number there.
pub(super) type CallerId = (u64, u64);

struct Caller {
    pool: PoolId,
    /// What its container has.
    gpus: Arc<Held>,
    /// What its own call is made of; 0 where a program made it.
    nested: u64,
    /// Calls without an end that it asked for.
    open: usize,
}

/// What tells pools apart.
type PoolId = usize;

/// Where a function runs.
#[derive(Clone, Debug)]
pub(in super::super) struct Place {
    pub(in super::super) pool: PoolId,
    /// How many calls can run there at once, where that is limited for good.
    pub(in super::super) most: Option<usize>,
    /// How many run in one container.
    pub(in super::super) in_each: usize,
    /// The GPUs that a container needs.
    pub(in super::super) wish: Option<Wish>,
}

/// What calls have that do not come to an end.
#[derive(Default)]
struct Taken<'a> {
    /// Of each pool: how many places, and which containers.
    pools: HashMap<PoolId, (usize, HashSet<u64>)>,
    gpus: Vec<&'a Held>,
}

struct Wanted {
    /// Nothing where that is not known, or has ended.
    by: Option<CallerId>,
    chain: Arc<Link>,
    /// Once that is known.
    place: Option<Place>,
    /// Calls without an end.
    open: usize,
    is_awaited: bool,
    is_forgotten: bool,
    /// Told why the open calls are not made.
    refusal: watch::Sender<Option<CallError>>,
}

/// A function, and by which it is called.
struct Link {
    function: String,
    /// Where it makes the state of a class, the containers that need this.
    entering: Option<PoolId>,
    above: Option<Arc<Link>>,
    depth: usize,
}

/// What there is too little of for a call to run.
enum Lack {
    Gpu,
    Place { most: usize },
}

/// Who asks for a function.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    /// Its number is 0 where it may be one of several calls.
    pub(super) id: CallerId,
    pub(super) pool: PoolId,
    /// What the container has in which it asks.
    pub(super) gpus: Arc<Held>,
    /// The host's name for what its own call is made of; 0 where a program made it.
    pub(super) nested: u64,
    pub(super) function: String,
    /// Whether it makes the state of a class.
    pub(super) is_entering: bool,
}

impl Nesting {
    /// Gives a name to a function that is wanted.
    ///
    /// # Errors
    /// Too many calls are inside one another.
    pub(super) fn want(
        &self,
        function: &str,
        asker: &Asker,
        is_awaited: bool,
    ) -> Result<Nested, CallError> {
        let mut state = self.lock();
        let above = state
            .wanted
            .get(&asker.nested)
            .map(|own| Arc::clone(&own.chain));
        let caller = match above {
            Some(own) if !asker.is_entering => own,
            above => {
                let entering = asker.is_entering.then_some(asker.pool);
                Link::below(above, &asker.function, entering)
            }
        };
        let chain = Link::below(Some(caller), function, None);
        if chain.depth > DEEPEST {
            return Err(too_deep(&chain));
        }
        let by = Some(asker.id).filter(|(_, number)| *number != 0);
        if let Some(id) = by {
            state.callers.entry(id).or_insert(Caller {
                pool: asker.pool,
                gpus: Arc::clone(&asker.gpus),
                nested: asker.nested,
                open: 0,
            });
        }
        state.last += 1;
        let (name, depth) = (state.last, chain.depth - 1);
        state.wanted.insert(
            name,
            Wanted {
                by,
                chain,
                place: None,
                open: 0,
                is_awaited,
                is_forgotten: false,
                refusal: watch::Sender::new(None),
            },
        );
        Ok(Nested { name, depth })
    }

    /// Notes where a wanted function runs.
    ///
    /// # Errors
    /// It runs where something that waits for it is made first.
    pub(super) fn place(&self, name: u64, place: Place) -> Result<(), CallError> {
        let mut state = self.lock();
        let Some(wanted) = state.wanted.get_mut(&name) else {
            return Ok(());
        };
        if wanted.chain.enters(place.pool) {
            return Err(entered_by_itself(&wanted.chain));
        }
        let is_limited = place.is_limited();
        wanted.place = Some(place);
        state.limited += usize::from(is_limited);
        state.refuse_what_waits_for_itself();
        Ok(())
    }

    /// A call of a wanted function is made: whether it is the first that its caller waits for, and where it is told that it is not made.
    pub(super) fn open(&self, name: u64) -> (bool, Option<watch::Receiver<Option<CallError>>>) {
        let mut state = self.lock();
        let Some(wanted) = state.wanted.get_mut(&name) else {
            return (false, None);
        };
        wanted.open += 1;
        let (refusal, by) = (wanted.refusal.subscribe(), wanted.by);
        let is_first = by
            .and_then(|by| state.callers.get_mut(&by))
            .is_some_and(|caller| {
                caller.open += 1;
                caller.open == 1
            });
        state.refuse_what_waits_for_itself();
        (is_first, Some(refusal))
    }

    /// A call of a wanted function has ended: whether it was the last that its caller waited for.
    pub(super) fn close(&self, name: u64) -> bool {
        let mut state = self.lock();
        let Some(wanted) = state.wanted.get_mut(&name) else {
            return false;
        };
        wanted.open -= 1;
        let by = wanted.by;
        let is_last = by
            .and_then(|by| state.callers.get_mut(&by))
            .is_some_and(|caller| {
                caller.open -= 1;
                caller.open == 0
            });
        state.drop_if_done(name);
        state.refuse_what_waits_for_itself();
        is_last
    }

    /// Somebody waits for the call of a wanted function.
    pub(super) fn is_awaited(&self, name: u64) {
        let mut state = self.lock();
        if let Some(wanted) = state.wanted.get_mut(&name) {
            wanted.is_awaited = true;
            state.refuse_what_waits_for_itself();
        }
    }

    /// No more calls of a wanted function are made.
    pub(super) fn forget(&self, name: u64) {
        let mut state = self.lock();
        if let Some(wanted) = state.wanted.get_mut(&name) {
            wanted.is_forgotten = true;
            state.drop_if_done(name);
        }
    }

    /// A caller has ended: whether it waited for something.
    pub(super) fn left(&self, id: CallerId) -> bool {
        let mut state = self.lock();
        let Some(caller) = state.callers.remove(&id) else {
            return false;
        };
        for wanted in state.wanted.values_mut() {
            wanted.by = wanted.by.filter(|by| *by != id);
        }
        state.refuse_what_waits_for_itself();
        caller.open > 0
    }

    /// No holder of this lock can panic half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn new() -> Self {
        Self {
            callers: BTreeMap::new(),
            wanted: BTreeMap::new(),
            limited: 0,
            last: 0,
        }
    }

    fn drop_if_done(&mut self, name: u64) {
        if let Some(wanted) = self.wanted.get(&name)
            && wanted.is_forgotten
            && wanted.open == 0
        {
            let is_limited = wanted.place.as_ref().is_some_and(Place::is_limited);
            self.limited -= usize::from(is_limited);
            self.wanted.remove(&name);
        }
    }

    /// Refuses calls that wait for a place where all places are taken by calls that wait for them, whatever lies between: the last of
    /// those that were wanted.
    fn refuse_what_waits_for_itself(&mut self) {
        if self.limited == 0 {
            return;
        }
        let mut stuck: HashSet<CallerId> = self.callers.keys().copied().collect();
        loop {
            let taken = self.taken(&stuck);
            let still = |id: &CallerId| {
                let mut waits = self.waits_of(*id).peekable();
                waits.peek().is_some()
                    && waits.all(|(name, wanted)| !self.may_go_on(name, wanted, &stuck, &taken))
            };
            let next: HashSet<_> = stuck.iter().copied().filter(still).collect();
            if next.len() == stuck.len() {
                break;
            }
            stuck = next;
        }
        if stuck.is_empty() {
            return;
        }
        let taken = self.taken(&stuck);
        let last = self.wanted.iter().rev().find(|(name, wanted)| {
            wanted.by.is_some_and(|by| stuck.contains(&by))
                && wanted.is_waited_for()
                && wanted.open > self.callers_of(**name).count()
                && wanted.lacks(&taken).is_some()
        });
        if let Some((_, wanted)) = last
            && let Some(lack) = wanted.lacks(&taken)
        {
            let error = waits_for_itself(&wanted.chain, &lack);
            wanted.refusal.send_replace(Some(error));
        }
    }

    /// What a caller waits for.
    fn waits_of(&self, caller: CallerId) -> impl Iterator<Item = (u64, &Wanted)> {
        let all = self.wanted.iter().map(|(name, wanted)| (*name, wanted));
        all.filter(move |(_, wanted)| wanted.by == Some(caller) && wanted.is_waited_for())
    }

    /// What these have.
    fn taken(&self, callers: &HashSet<CallerId>) -> Taken<'_> {
        let mut taken = Taken::default();
        for (id, caller) in self.callers.iter().filter(|(id, _)| callers.contains(id)) {
            let (places, containers) = taken.pools.entry(caller.pool).or_default();
            *places += 1;
            containers.insert(id.0);
            taken.gpus.push(&caller.gpus);
        }
        taken
    }

    /// Whether one of the calls of a wanted function may come to an end although these callers do not.
    fn may_go_on(
        &self,
        name: u64,
        wanted: &Wanted,
        stuck: &HashSet<CallerId>,
        taken: &Taken<'_>,
    ) -> bool {
        let has_others = wanted.open > self.callers_of(name).count();
        (has_others && wanted.lacks(taken).is_none())
            || self.callers_of(name).any(|id| !stuck.contains(&id))
    }

    /// The calls of a wanted function that want functions themselves.
    fn callers_of(&self, name: u64) -> impl Iterator<Item = CallerId> {
        let callers = self.callers.iter();
        callers.filter_map(move |(id, caller)| (caller.nested == name).then_some(*id))
    }
}

impl Wanted {
    fn is_waited_for(&self) -> bool {
        self.is_awaited && self.open > 0
    }

    /// What keeps another call of it from running while these calls do not come to an end.
    fn lacks(&self, taken: &Taken<'_>) -> Option<Lack> {
        let place = self.place.as_ref()?;
        let (places, containers) = match taken.pools.get(&place.pool) {
            Some((places, containers)) => (*places, containers.len()),
            None => (0, 0),
        };
        let has_room = containers * place.in_each > places;
        if let Some(wish) = &place.wish
            && !has_room
            && !wish.is_possible_beside(taken.gpus.iter().copied())
        {
            return Some(Lack::Gpu);
        }
        let most = place.most?;
        (places >= most).then_some(Lack::Place { most })
    }
}

impl Place {
    fn is_limited(&self) -> bool {
        self.most.is_some() || self.wish.is_some()
    }
}

impl Link {
    fn below(above: Option<Arc<Self>>, function: &str, entering: Option<PoolId>) -> Arc<Self> {
        Arc::new(Self {
            function: function.to_owned(),
            entering,
            depth: above.as_ref().map_or(0, |above| above.depth) + 1,
            above,
        })
    }

    fn enters(&self, pool: PoolId) -> bool {
        self.entering == Some(pool) || self.above.as_ref().is_some_and(|above| above.enters(pool))
    }
}

/// The functions, outermost first.
impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(above) = &self.above {
            write!(f, "{above} → ")?;
        }
        write!(f, "`{}`", self.function)
    }
}

fn too_deep(chain: &Link) -> CallError {
    let text = format!(
        "`{}` was not called: no more than {DEEPEST} calls can be inside one another, and these are {}: {chain}\n  \
         help: end the recursion earlier, or call the function directly, without `::remote`",
        chain.function, chain.depth
    );
    CallError::new(CallErrorKind::Engine, text)
}

fn entered_by_itself(chain: &Link) -> CallError {
    let text = format!(
        "`{}` was not called: it needs the state of its class, and is called while that is made: {chain}\n  \
         help: call the method directly, without `.remote`, or not before the state is made",
        chain.function
    );
    CallError::new(CallErrorKind::Engine, text)
}

fn waits_for_itself(chain: &Link, lack: &Lack) -> CallError {
    let (reason, help) = match lack {
        Lack::Gpu => (
            "the GPUs that it could have are in use by calls that wait for it".to_owned(),
            "let both share one, by `gpu = \"any\"` or a type without `:1`",
        ),
        Lack::Place { most } => {
            let calls = match most {
                1 => "the only call that can run at once is".to_owned(),
                most => format!("only {most} calls can run at once, and each is"),
            };
            (
                format!("{calls} one that waits for such a call itself"),
                "let more run with `max_containers = …` or `concurrency = …`",
            )
        }
    };
    let text = format!(
        "`{}` was not called: it would wait for ever, because {reason}: {chain}\n  \
         help: {help}, or call it directly, without `::remote`",
        chain.function
    );
    CallError::new(CallErrorKind::Engine, text)
}
