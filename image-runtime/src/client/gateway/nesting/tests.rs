//! Who waits for whom, told without any container.

use super::*;
use crate::gpu::tests::{asked, machine};

const MAIN: PoolId = 1;
const ONE: PoolId = 2;
const OTHER: PoolId = 3;

fn asker(number: u64, pool: PoolId, nested: u64) -> Asker {
    Asker {
        id: (7, number),
        pool,
        gpus: Arc::default(),
        nested,
        function: "outer".into(),
        is_entering: false,
    }
}

/// A function that is wanted and called so often, where so many calls can run.
fn called(
    nesting: &Nesting,
    asker: &Asker,
    (pool, most): (PoolId, Option<usize>),
    times: usize,
) -> (u64, watch::Receiver<Option<CallError>>) {
    called_in(nesting, asker, at(pool, most), times)
}

fn at(pool: PoolId, most: Option<usize>) -> Place {
    Place {
        pool,
        most,
        in_each: 1,
        wish: None,
    }
}

fn called_in(
    nesting: &Nesting,
    asker: &Asker,
    place: Place,
    times: usize,
) -> (u64, watch::Receiver<Option<CallError>>) {
    let wanted = nesting.want("inner", asker, true);
    let name = wanted.expect("it is not deep").name;
    nesting.place(name, place).expect("it is none of a state");
    let refusals = (0..times).filter_map(|_| nesting.open(name).1);
    (name, refusals.last().expect("it is called"))
}

fn new() -> Nesting {
    Nesting(Mutex::new(State::new()))
}

fn is_refused(refusal: &watch::Receiver<Option<CallError>>) -> bool {
    refusal.borrow().is_some()
}

#[test]
fn a_call_that_waits_for_the_only_place_which_its_caller_has_is_refused() {
    let nesting = new();
    let (_, refusal) = called(&nesting, &asker(1, ONE, 0), (ONE, Some(1)), 1);
    assert!(is_refused(&refusal));
    let text = refusal.borrow().as_ref().unwrap().to_string();
    assert!(text.contains("`outer` → `inner`"), "{text}");
    // Where there is another place, or as many as are needed, it is not.
    for most in [Some(2), None] {
        let nesting = new();
        let (_, refusal) = called(&nesting, &asker(1, ONE, 0), (ONE, most), 1);
        assert!(!is_refused(&refusal));
    }
}

#[test]
fn what_lies_between_a_call_and_the_one_that_waits_for_it_does_not_matter() {
    let nesting = new();
    let (there, first) = called(&nesting, &asker(1, ONE, 0), (OTHER, Some(1)), 1);
    assert!(!is_refused(&first));
    let (_, second) = called(&nesting, &asker(2, OTHER, there), (ONE, Some(1)), 1);
    assert!(is_refused(&second));
    assert!(!is_refused(&first), "one is enough");
}

#[test]
fn nothing_is_refused_while_any_call_can_go_on() {
    let nesting = new();
    // It waits for two calls, one of which can run.
    let outer = asker(1, ONE, 0);
    let (other, _) = called(&nesting, &outer, (MAIN, None), 1);
    let (_, own) = called(&nesting, &outer, (ONE, Some(1)), 1);
    assert!(!is_refused(&own));
    nesting.close(other);
    assert!(is_refused(&own));
}

#[test]
fn of_two_that_wait_for_each_others_places_the_later_makes_room() {
    let nesting = new();
    let (_, first) = called(&nesting, &asker(1, ONE, 0), (ONE, Some(2)), 1);
    assert!(!is_refused(&first));
    let (second, refusal) = called(&nesting, &asker(2, ONE, 0), (ONE, Some(2)), 3);
    assert!(is_refused(&refusal));
    assert!(!is_refused(&first));
    for _ in 0..3 {
        nesting.close(second);
    }
    nesting.left((7, 2));
    assert!(!is_refused(&first));
}

#[test]
fn a_call_that_waits_for_the_gpu_of_its_caller_is_refused_wherever_it_runs() {
    let machine = machine(&[("Tesla T4", 15_360), ("Tesla T4", 15_360)]);
    let caller = |gpus: &[u32], is_whole| Asker {
        gpus: Arc::new(Held::new(gpus, is_whole)),
        ..asker(1, ONE, 0)
    };
    let refused = |caller: &Asker, count, pool, in_each| {
        let place = Place {
            wish: Wish::new(&[asked("any", None, None, count)], &machine),
            in_each,
            ..at(pool, None)
        };
        let (_, refusal) = called_in(&new(), caller, place, 1);
        refusal.borrow().as_ref().map(ToString::to_string)
    };
    let both = caller(&[0, 1], true);
    let text = refused(&both, Some(1), OTHER, 1).expect("nobody else has one");
    for says in ["GPUs", "`outer` → `inner`", "help:", "`gpu = \"any\"`"] {
        assert!(text.contains(says), "{text}");
    }
    assert!(refused(&both, None, OTHER, 1).is_some());
    assert!(refused(&caller(&[0], false), Some(2), OTHER, 1).is_some());
    // There is another, it is shared, or the container that has it runs several.
    assert!(refused(&caller(&[0], true), Some(1), OTHER, 1).is_none());
    assert!(refused(&caller(&[0, 1], false), None, OTHER, 1).is_none());
    assert!(refused(&both, Some(2), ONE, 2).is_none());
}

#[test]
fn a_call_in_the_background_can_wait_until_somebody_waits_for_it() {
    let nesting = new();
    let name = nesting
        .want("inner", &asker(1, ONE, 0), false)
        .unwrap()
        .name;
    nesting.place(name, at(ONE, Some(1))).unwrap();
    let refusal = nesting.open(name).1.unwrap();
    assert!(!is_refused(&refusal));
    nesting.is_awaited(name);
    assert!(is_refused(&refusal));
}

#[test]
fn a_caller_waits_from_its_first_open_call_to_its_last() {
    let nesting = new();
    let outer = asker(1, MAIN, 0);
    let one = nesting.want("one", &outer, true).unwrap().name;
    let two = nesting.want("two", &outer, true).unwrap().name;
    assert!(nesting.open(one).0);
    assert!(!nesting.open(two).0);
    assert!(!nesting.close(one));
    assert!(nesting.close(two));
    assert!(nesting.open(two).0);
    assert!(nesting.left(outer.id));
    assert!(!nesting.close(two));
    nesting.forget(one);
    nesting.forget(two);
    let state = nesting.lock();
    assert!(state.callers.is_empty() && state.wanted.is_empty());
}

#[test]
fn the_chain_of_calls_has_an_end() {
    let nesting = new();
    let mut nested = 0;
    for number in 2..=DEEPEST {
        let outer = asker(number as u64, MAIN, nested);
        nested = nesting.want("inner", &outer, true).unwrap().name;
    }
    let error = nesting.want("inner", &asker(99, MAIN, nested), true);
    assert!(error.unwrap_err().to_string().contains("no more than 16"));
}
