//! Classes: a state that each container makes once, and methods that share it.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::Stream;
use futures_util::future::join_all;
use image_runtime::{CallErrorKind, Class, Handle, app};

use crate::NOTHING;

/// A name that no two containers give themselves.
fn container() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default()
}

struct Counter {
    start: u32,
    container: String,
    calls: AtomicU32,
}

#[app::cls(image = NOTHING, max_containers = 1)]
impl Counter {
    #[enter]
    fn new(start: u32) -> Self {
        println!("entering with {start}");
        Self {
            start,
            container: container(),
            calls: AtomicU32::new(0),
        }
    }

    /// Counts.
    #[method]
    fn next(&self, by: u32) -> u32 {
        self.start + self.calls.fetch_add(by, Ordering::SeqCst)
    }

    #[method]
    fn reset(&mut self) {
        self.calls = AtomicU32::new(0);
    }

    #[method]
    async fn both(&self, text: &str, more: Vec<u8>) -> Result<String, String> {
        tokio::task::yield_now().await;
        match more.is_empty() {
            true => Err(format!("{text}: nothing more")),
            false => Ok(format!("{text} {more:?} {}", self.helper())),
        }
    }

    #[method]
    fn up(&self, to: u32) -> impl Iterator<Item = u32> + '_ {
        (0..to).map(|number| number + self.start)
    }

    #[method]
    async fn up_slowly(&self, to: u32) -> impl Stream<Item = u32> + '_ {
        futures_util::stream::iter(self.up(to))
    }

    const TWO: u32 = 2;

    fn helper(&self) -> u32 {
        self.start * Self::TWO
    }
}

#[app::test]
async fn the_state_is_made_once_and_all_methods_share_it() {
    let counter = Counter::handle(10);
    assert_eq!(counter.next.remote(1).await.expect("it works"), 10);
    assert_eq!(counter.next.remote(5).await.expect("it works"), 11);
    let again = Counter::handle(10);
    assert_eq!(again.next.remote(0).await.expect("it works"), 16);
    again.reset.remote().await.expect("it works");
    assert_eq!(counter.next.remote(0).await.expect("it works"), 10);
    let text = counter.both.remote("a", vec![1]).await.expect("it works");
    assert_eq!(text, "a [1] 20");
    let error = counter
        .both
        .remote("a", vec![])
        .await
        .expect_err("it fails");
    assert_eq!(error.kind(), CallErrorKind::Returned);
    // Here as well, without a container.
    assert_eq!(Counter::new(1).next(1), 1);
    assert!(!Counter::new(1).container.is_empty());
}

#[app::test]
async fn methods_have_all_verbs() {
    let counter = Counter::handle(100);
    let all = counter.next.map([1, 1, 1]).try_collect().await;
    assert_eq!(all.expect("it works"), [100, 101, 102]);
    let all = counter.next.starmap([(1,), (1,)]).try_collect().await;
    assert_eq!(all.expect("it works"), [103, 104]);
    let spawned = counter.next.spawn(1);
    assert_eq!(spawned.get().await.expect("it works"), 105);
    let items = counter.up.stream(3).try_collect().await;
    assert_eq!(items.expect("it works"), [100, 101, 102]);
    let items = counter.up_slowly.stream(2).try_collect().await;
    assert_eq!(items.expect("it works"), [100, 101]);
}

#[app::test]
async fn each_set_of_arguments_has_a_state_of_its_own() {
    let (one, two) = (Counter::handle(1000), Counter::handle(2000));
    let (first, second) = (one.next.remote(1).await, two.next.remote(1).await);
    assert_eq!(
        (first.expect("it works"), second.expect("it works")),
        (1000, 2000)
    );
    assert_eq!(one.next.remote(1).await.expect("it works"), 1001);
}

/// A handle can be kept.
struct Service {
    counter: <Counter as Class>::Handle,
}

#[app::test]
async fn a_handle_can_be_kept() {
    let service = Service {
        counter: Counter::handle(7000),
    };
    assert_eq!(
        service.counter.next.remote(1).await.expect("it works"),
        7000
    );
}

struct Failing;

#[app::cls(image = NOTHING)]
impl Failing {
    #[enter]
    async fn new(how: String) -> anyhow::Result<Self> {
        match how.as_str() {
            "panic" => panic!("no state today"),
            "exit" => std::process::exit(3),
            _ => anyhow::bail!("no `{how}`"),
        }
    }

    #[method]
    fn nothing(&self) {}
}

struct Stuck;

#[app::cls(image = NOTHING, timeout = "1s")]
impl Stuck {
    #[enter]
    async fn new() -> Self {
        std::future::pending().await
    }

    #[method]
    fn nothing(&self) {}
}

async fn failure_of(call: impl Fn() -> Handle<()>) -> (CallErrorKind, String) {
    let calls = [call(), call(), call()];
    let mut errors = join_all(calls.iter().map(Handle::get)).await.into_iter();
    let mut next = || {
        errors
            .next()
            .expect("there are three")
            .expect_err("there is no state")
    };
    let (first, others) = (next(), [next(), next()]);
    for other in others {
        assert_eq!(other.to_string(), first.to_string());
    }
    (first.kind(), first.to_string())
}

async fn failure(how: &str) -> (CallErrorKind, String) {
    let failing = Failing::handle(how.to_owned());
    failure_of(|| failing.nothing.spawn()).await
}

#[app::test]
async fn a_state_that_cannot_be_made_is_told_to_every_call_that_waits() {
    let (kind, text) = failure("weights").await;
    assert_eq!(kind, CallErrorKind::Returned, "{text}");
    assert_eq!(text, "`Failing.new` failed: no `weights`");
    let (kind, text) = failure("panic").await;
    assert_eq!(kind, CallErrorKind::Panicked, "{text}");
    assert!(text.contains("`Failing.new` panicked"), "{text}");
    assert!(text.contains("no state today"), "{text}");
    let (kind, text) = failure("exit").await;
    assert_eq!(kind, CallErrorKind::Died, "{text}");
    assert!(text.contains("exit code 3"), "{text}");
}

#[app::test]
async fn a_state_that_takes_too_long_to_make_meets_the_time_limit() {
    let stuck = Stuck::handle();
    let (kind, text) = failure_of(|| stuck.nothing.spawn()).await;
    assert_eq!(kind, CallErrorKind::TimedOut, "{text}");
    assert!(text.contains("`Stuck.new` did not end within 1s"), "{text}");
}

struct Endless;

#[app::cls(image = NOTHING, max_containers = 1)]
impl Endless {
    #[enter]
    fn new() -> Self {
        loop {
            std::thread::sleep(Duration::from_secs(60));
        }
    }

    #[method]
    fn nothing(&self) {}
}

#[app::test]
async fn a_call_that_waits_for_a_state_meets_its_own_time_limit() {
    let call = Endless::handle().nothing.remote();
    let error = call
        .timeout(Duration::from_millis(300))
        .await
        .expect_err("there is no state");
    assert_eq!(error.kind(), CallErrorKind::TimedOut);
    // Where nobody waits any more, the only place is free again: this call, too, ends by its own limit.
    let call = Endless::handle().nothing.remote();
    let dropped = tokio::time::timeout(Duration::from_millis(300), call).await;
    assert!(dropped.is_err());
    let call = Endless::handle().nothing.remote();
    let error = call
        .timeout(Duration::from_millis(300))
        .await
        .expect_err("there is no state");
    assert_eq!(error.kind(), CallErrorKind::TimedOut);
}

struct Slow;

#[app::cls(image = NOTHING, max_containers = 1, concurrency = 4)]
impl Slow {
    #[enter]
    fn new() -> Self {
        Self
    }

    /// As many as run at once have to meet.
    #[method]
    fn meet(&self, all: u32) -> u32 {
        static HERE: AtomicU32 = AtomicU32::new(0);
        HERE.fetch_add(1, Ordering::SeqCst);
        for _ in 0..2000 {
            if HERE.load(Ordering::SeqCst) >= all {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        HERE.load(Ordering::SeqCst)
    }

    /// Nobody else may be here.
    #[method]
    fn alone(&mut self) -> bool {
        static INSIDE: AtomicU32 = AtomicU32::new(0);
        let is_alone = INSIDE.fetch_add(1, Ordering::SeqCst) == 0;
        std::thread::sleep(Duration::from_millis(50));
        INSIDE.fetch_sub(1, Ordering::SeqCst);
        is_alone
    }
}

#[app::test]
async fn methods_run_at_once_unless_they_change_the_state() {
    let slow = Slow::handle();
    let met = join_all((0..4).map(|_| slow.meet.spawn(4).get())).await;
    assert_eq!(
        met.into_iter().map(Result::ok).collect::<Vec<_>>(),
        [Some(4); 4]
    );
    let alone = join_all((0..4).map(|_| slow.alone.spawn().get())).await;
    assert_eq!(
        alone.into_iter().map(Result::ok).collect::<Vec<_>>(),
        [Some(true); 4]
    );
}

struct Leaving {
    said: u32,
}

#[app::cls(image = NOTHING, idle_timeout = "100ms")]
impl Leaving {
    #[enter]
    fn new(where_to: &Path) -> Self {
        println!("{}", where_to.display());
        Self { said: 0 }
    }

    #[method]
    fn say(&mut self) -> u32 {
        self.said += 1;
        self.said
    }

    #[exit]
    fn bye(&mut self) {
        println!("bye after {}", self.said);
    }
}

#[app::test]
async fn an_idle_container_ends_with_its_state() {
    let leaving = Leaving::handle(Path::new("/nowhere"));
    assert_eq!(leaving.say.remote().await.expect("it works"), 1);
    // On a machine that is busy, it may take long until it has ended.
    for seconds in [1, 2, 4, 8, 16] {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        if leaving.say.remote().await.expect("it works") == 1 {
            return;
        }
    }
    panic!("it stays");
}
