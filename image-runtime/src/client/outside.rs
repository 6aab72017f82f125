//! Calls that another process makes for this one, and tells here what came of them: the host of the container that this is, or the
//! supervisor that keeps containers for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::oneshot;

use super::call::not_encoded;
use super::inbox::{Delivery, Inbox};
use super::job::{Wanting, Wishes};
use super::onward::Onward;
use super::route::Route;
use super::{CallError, CallErrorKind, Callee};
use crate::event::{Event, Events};
use crate::protocol::{self, By, Fault, Header, How, Kind, Room, value};
use crate::registry::Program;
use crate::spec::FunctionSpec;
use crate::worker::{self, Asking, TellError};

/// The host, as functions in a container see it; or a supervisor.
pub(super) struct Outside {
    asking: Arc<Asking>,
    /// Who is told what functions print.
    events: Events,
    /// Who makes the calls.
    maker: Maker,
    state: Mutex<State>,
    /// The last number that was given to something.
    number: AtomicU64,
}

/// Who makes calls for this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    /// The host of the container that this process is in. It ends this process, too, when it ends.
    Host,
    /// Calls go on without it.
    Supervisor,
}

impl Maker {
    /// For people.
    fn name(self) -> &'static str {
        match self {
            Self::Host => "the host of this container",
            Self::Supervisor => "the supervisor",
        }
    }
}

#[derive(Default)]
struct State {
    calls: HashMap<u64, Call>,
    /// Those who wait to hear that a function can be called.
    preparing: HashMap<u64, oneshot::Sender<Result<Room, CallError>>>,
    /// Whether nothing more is made there.
    is_broken: bool,
    /// Who ended it, where that was said.
    ended_by: Option<String>,
}

/// A call without an end.
struct Call {
    /// The number of the function that is wanted.
    wanted: u64,
    name: &'static str,
    inbox: Arc<Inbox>,
    /// Which of the inbox's calls it is.
    number: u64,
    /// Where it is made again, and with which arguments, if it has no end here.
    again: Option<(Arc<Onward>, Vec<u8>)>,
}

/// A function that calls are made of.
pub(super) struct Wanted {
    outside: Arc<Outside>,
    id: u64,
    function: &'static FunctionSpec,
    room: OnceLock<Room>,
    /// Where its calls go on that have no end here.
    onward: Option<Arc<Onward>>,
}

/// The thread that hears what comes: with it all that is under way ends.
struct Listening(Arc<Outside>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Outside {
    /// The host of this process, for a call of a function.
    pub(super) fn get(function: &FunctionSpec) -> Result<Arc<Self>, CallError> {
        static OUTSIDE: OnceLock<Option<Arc<Outside>>> = OnceLock::new();
        let host = |asking| Self::open(asking, Events::silent(), Maker::Host);
        let outside = OUTSIDE.get_or_init(|| worker::asking().map(host));
        outside.clone().ok_or_else(|| {
            let text = format!(
                "`{}` cannot be called here: a function that runs while an image is built calls no other one in a container\n  \
                 help: call it directly, without `::remote`, or put what it makes into a step before",
                function.name
            );
            CallError::new(CallErrorKind::Engine, text)
        })
    }

    pub(super) fn open(asking: Arc<Asking>, events: Events, maker: Maker) -> Arc<Self> {
        let outside = Arc::new(Self {
            asking,
            events,
            maker,
            state: Mutex::default(),
            number: AtomicU64::new(0),
        });
        let listening = Listening(Arc::clone(&outside));
        let thread = std::thread::Builder::new().name("image-runtime-answers".into());
        // However it ends, and if it cannot be started, nothing more will come.
        let _ = thread.spawn(move || {
            let outside = &*listening.0;
            outside
                .asking
                .listen(|header, body| outside.hear(header, body))
        });
        outside
    }

    /// Whether it makes no more calls.
    pub(super) fn is_broken(&self) -> bool {
        self.state().is_broken
    }

    /// Says that a function is wanted; where many calls of it are to follow, waits until it can be called.
    pub(super) async fn want(
        self: &Arc<Self>,
        callee: &Callee,
        wishes: &Wishes,
    ) -> Result<Wanted, CallError> {
        let function = callee.function;
        let state = match &callee.instance {
            Some(instance) => Some(instance.arguments()?),
            None => None,
        };
        let head = protocol::Wanted {
            function: function.name.to_owned(),
            is_method: state.is_some(),
            timeout: wishes.timeout,
            retries: wishes.retries,
            by: wishes.by.map(|by| By {
                number: if worker::asks(by.number) {
                    by.number
                } else {
                    0
                },
                nested: by.nested,
                function: by.function.to_owned(),
            }),
            how: wishes.how,
        };
        let head = value::encode(&head).map_err(|reason| not_encoded(function, &reason))?;
        let length = u32::try_from(head.len()).expect("names are short");
        let goes_on = self.maker == Maker::Supervisor;
        let wanted = Wanted {
            outside: Arc::clone(self),
            id: self.next(),
            function,
            room: OnceLock::new(),
            onward: goes_on.then(|| Arc::new(Onward::new(callee, wishes))),
        };
        let ready = matches!(wishes.how, How::Many).then(|| {
            let (sender, ready) = oneshot::channel();
            self.state().preparing.insert(wanted.id, sender);
            ready
        });
        let state = state.map_or(&[][..], |state| state);
        self.tell(
            Kind::Want,
            wanted.id,
            &[&length.to_be_bytes(), &head, state],
        )
        .map_err(|error| wanted.unheard(&error))?;
        if let Some(ready) = ready {
            let room = ready.await.map_err(|_| self.gone(function.name))??;
            let _ = wanted.room.set(room);
        }
        Ok(wanted)
    }

    fn hear(&self, header: Header, body: Vec<u8>) {
        let number = header.number;
        if header.kind == Kind::Printed {
            return self.hear_printed(&body);
        }
        let mut state = self.state();
        match header.kind {
            Kind::Leave => {
                state.is_broken = true;
                state.ended_by = Some(String::from_utf8_lossy(&body).into_owned());
                self.asking.hang_up();
            }
            Kind::Ready => {
                if let Some(sender) = state.preparing.remove(&number) {
                    let ready = value::decode::<Result<Room, Fault>>(&body)
                        .map_err(|reason| self.unclear(&reason));
                    // Whoever has gone does not want it any more.
                    let _ = sender.send(ready.and_then(|ready| ready.map_err(CallError::of_fault)));
                }
            }
            // Of a call that nobody waits for any more, an answer may be under way.
            Kind::Item => {
                if let Some(call) = state.calls.get(&number) {
                    call.inbox.put(call.number, Delivery::Item(body));
                }
            }
            Kind::Returned | Kind::Failed => {
                if let Some(call) = state.calls.remove(&number) {
                    let result = match header.kind {
                        Kind::Returned => Ok(body),
                        _ => Err(value::decode(&body)
                            .map_or_else(|reason| self.unclear(&reason), CallError::of_fault)),
                    };
                    call.inbox.put(call.number, Delivery::End(result));
                }
            }
            _ => {}
        }
    }

    fn hear_printed(&self, body: &[u8]) {
        let text = String::from_utf8_lossy(body);
        let mut parts = text.splitn(3, '\0');
        if let (Some(function), Some(container), Some(line)) =
            (parts.next(), parts.next(), parts.next())
            && let Some(function) = Program::get()
                .ok()
                .and_then(|program| program.printing(function))
        {
            self.events.tell(Event::FunctionOutput {
                function,
                container: container.to_owned(),
                line: line.to_owned(),
            });
        }
    }

    /// Nothing more is heard: whatever is under way has no result here.
    fn close(&self) {
        let mut state = self.state();
        state.is_broken = true;
        state.preparing.clear();
        let calls = std::mem::take(&mut state.calls);
        let ended_by = state.ended_by.clone();
        drop(state);
        for (_, call) in calls {
            let error = match (ended_by.as_deref(), call.again) {
                (None, Some((onward, arguments))) => {
                    onward.make_again(Wanting {
                        arguments,
                        inbox: call.inbox,
                        number: call.number,
                        is_stream: false,
                    });
                    continue;
                }
                (None, None) => self.gone(call.name),
                (Some(by), _) => CallError::dismissed(call.name, by),
            };
            call.inbox.put(call.number, Delivery::End(Err(error)));
        }
    }

    fn gone(&self, function: &str) -> CallError {
        let text = format!(
            "`{function}` has no result: {} makes no more calls for it\n  \
             help: it has ended, and whether the call was made to its end is not known: make it again if it may be made twice",
            self.maker.name()
        );
        CallError::new(CallErrorKind::Engine, text)
    }

    fn unclear(&self, reason: &str) -> CallError {
        let text = format!("{} cannot be understood: {reason}", self.maker.name());
        CallError::new(CallErrorKind::Engine, text)
    }

    fn tell(&self, kind: Kind, number: u64, parts: &[&[u8]]) -> Result<(), TellError> {
        let told = self.asking.tell(kind, number, parts);
        if let Err(TellError::Io(_)) = told {
            self.state().is_broken = true;
        }
        told
    }

    fn next(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// No holder of this lock can panic half-way.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wanted {
    /// How many calls make sense at once.
    pub(super) fn room(&self) -> Room {
        self.room.get().copied().unwrap_or(Room {
            places: 1,
            ahead: 1,
        })
    }

    /// Makes a call whose answers arrive with a number.
    pub(super) fn submit(&self, call: Wanting) {
        let onward = self.onward.as_ref();
        let again = onward.filter(|onward| onward.begins_again() && !call.is_stream);
        let under_way = Call {
            wanted: self.id,
            name: self.function.name,
            inbox: Arc::clone(&call.inbox),
            number: call.number,
            again: again.map(|again| (Arc::clone(again), call.arguments.clone())),
        };
        let id = self.outside.next();
        {
            let mut state = self.outside.state();
            if state.is_broken {
                drop(state);
                return self.cannot_make(call, self.outside.gone(self.function.name));
            }
            state.calls.insert(id, under_way);
        }
        let kind = match call.is_stream {
            true => Kind::Stream,
            false => Kind::Queue,
        };
        let told = self
            .outside
            .tell(kind, id, &[&self.id.to_be_bytes(), &call.arguments]);
        if let Err(error) = told {
            // Where it is under way no more, it goes on already.
            let under_way = self.outside.state().calls.remove(&id);
            match (under_way, error) {
                (None, _) => {}
                (Some(_), TellError::Io(_)) => {
                    self.cannot_make(call, self.outside.gone(self.function.name));
                }
                (Some(_), error @ TellError::Frame(_)) => {
                    let end = Delivery::End(Err(self.unheard(&error)));
                    call.inbox.put(call.number, end);
                }
            }
        }
    }

    /// Nobody has begun the call.
    fn cannot_make(&self, call: Wanting, error: CallError) {
        match &self.onward {
            Some(onward) => onward.make(call),
            None => call.inbox.put(call.number, Delivery::End(Err(error))),
        }
    }

    /// Where its calls go on, once they do.
    fn next_routes(&self) -> impl Iterator<Item = &Route> {
        self.onward.iter().flat_map(|onward| onward.routes())
    }

    /// Ends the calls that nobody waits for, and asks for more items where some were taken.
    pub(super) fn look_up(&self) {
        self.next_routes().for_each(Route::look_up);
        let (mut ended, mut taken) = (Vec::new(), Vec::new());
        self.outside.state().calls.retain(|id, call| {
            if call.wanted != self.id {
                return true;
            }
            let is_closed = call.inbox.is_closed();
            match is_closed {
                true => ended.push(*id),
                false => taken.push((*id, call.inbox.taken())),
            }
            !is_closed
        });
        // A host that does not hear it is gone.
        for id in ended {
            let _ = self.outside.tell(Kind::Stop, id, &[]);
        }
        for (id, items) in taken.into_iter().filter(|(_, items)| *items > 0) {
            let _ = self.outside.tell(Kind::More, id, &[&items.to_be_bytes()]);
        }
    }

    /// Somebody waits for the call.
    pub(super) fn is_awaited(&self) {
        self.next_routes().for_each(Route::is_awaited);
        let _ = self.outside.tell(Kind::Await, self.id, &[]);
    }

    fn unheard(&self, error: &TellError) -> CallError {
        match error {
            TellError::Frame(error) => CallError::encoding(self.function.name, &error.to_string()),
            TellError::Io(_) => self.outside.gone(self.function.name),
        }
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.outside.state().preparing.remove(&self.id);
        let _ = self.outside.tell(Kind::Forget, self.id, &[]);
    }
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wanted")
            .field("function", &self.function.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::task::{Context, Wake, Waker};

    use super::super::inbox::Receiver;
    use super::*;

    struct Unkind;

    impl Wake for Unkind {
        fn wake(self: Arc<Self>) {
            panic!("who waits may be anybody");
        }
    }

    #[test]
    fn calls_end_with_whoever_hears_of_their_ends() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let asking = Arc::new(Asking::new(ours));
        let outside = Outside::open(asking, Events::silent(), Maker::Host);
        let [first, second] = [Receiver::default(), Receiver::default()];
        for (id, receiver) in [(1, &first), (2, &second)] {
            let call = Call {
                wanted: 1,
                name: "f",
                inbox: receiver.inbox(),
                number: 0,
                again: None,
            };
            outside.state().calls.insert(id, call);
        }
        let unkind = Waker::from(Arc::new(Unkind));
        assert!(first.poll(&Context::from_waker(&unkind)).is_pending());
        let frame = protocol::encode(Kind::Returned, 1, &[]).unwrap();
        theirs.write_all(&frame).unwrap();
        let ended = super::super::call::block_on(second.end(|| {}));
        let text = ended.unwrap_err().to_string();
        assert!(
            text.contains("the host of this container makes no more calls for it"),
            "{text}"
        );
    }

    #[test]
    fn who_is_told_that_nothing_more_is_made_hangs_up_and_its_calls_are_cancelled() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let asking = Arc::new(Asking::new(ours));
        let outside = Outside::open(asking, Events::silent(), Maker::Supervisor);
        let receiver = Receiver::default();
        let call = Call {
            wanted: 1,
            name: "f",
            inbox: receiver.inbox(),
            number: 0,
            again: None,
        };
        outside.state().calls.insert(1, call);
        let frame = protocol::encode(Kind::Leave, 0, &[b"somebody"]).unwrap();
        theirs.write_all(&frame).unwrap();
        // It has heard it.
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
        assert!(outside.is_broken());
        drop(theirs);
        let error = super::super::call::block_on(receiver.end(|| {})).unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::Cancelled);
        let text = "`f` was cancelled: somebody ended";
        assert!(error.to_string().starts_with(text), "{error}");
    }
}
