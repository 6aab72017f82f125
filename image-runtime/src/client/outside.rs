//! Calls that another process makes for this one, and tells here what came of them: the host of the container that this is, or the
//! supervisor that keeps containers for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::oneshot;

use super::call::not_encoded;
use super::inbox::{Delivery, Inbox, Receiver};
use super::job::Wishes;
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
    /// Who makes the calls, for people.
    name: &'static str,
    state: Mutex<State>,
    /// The last number that was given to something.
    number: AtomicU64,
}

#[derive(Default)]
struct State {
    calls: HashMap<u64, Call>,
    /// Those who wait to hear that a function can be called.
    preparing: HashMap<u64, oneshot::Sender<Result<Room, CallError>>>,
    /// Whether nothing more is heard.
    is_broken: bool,
}

/// A call without an end.
struct Call {
    /// The number of the function that is wanted.
    wanted: u64,
    name: &'static str,
    inbox: Arc<Inbox>,
    /// Which of the inbox's calls it is.
    number: u64,
}

/// A function that calls are made of.
pub(super) struct Wanted {
    outside: Arc<Outside>,
    id: u64,
    function: &'static FunctionSpec,
    room: OnceLock<Room>,
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
        let host = |asking| Self::open(asking, Events::silent(), "the host of this container");
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

    pub(super) fn open(asking: Arc<Asking>, events: Events, name: &'static str) -> Arc<Self> {
        let outside = Arc::new(Self {
            asking,
            events,
            name,
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
        let wanted = Wanted {
            outside: Arc::clone(self),
            id: self.next(),
            function,
            room: OnceLock::new(),
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
                .and_then(|program| program.function(function))
        {
            self.events.tell(Event::FunctionOutput {
                function: function.name,
                container: container.to_owned(),
                line: line.to_owned(),
            });
        }
    }

    /// Nothing more is heard: whatever is under way has no result.
    fn close(&self) {
        let mut state = self.state();
        state.is_broken = true;
        state.preparing.clear();
        for (_, call) in state.calls.drain() {
            let end = Delivery::End(Err(self.gone(call.name)));
            call.inbox.put(call.number, end);
        }
    }

    fn gone(&self, function: &str) -> CallError {
        let text = format!(
            "`{function}` has no result: {} makes no more calls for it\n  \
             help: it has ended, and whether the call was made to its end is not known: make it again if it may be made twice",
            self.name
        );
        CallError::new(CallErrorKind::Engine, text)
    }

    fn unclear(&self, reason: &str) -> CallError {
        let text = format!("{} cannot be understood: {reason}", self.name);
        CallError::new(CallErrorKind::Engine, text)
    }

    fn tell(&self, kind: Kind, number: u64, parts: &[&[u8]]) -> Result<(), TellError> {
        self.asking.tell(kind, number, parts)
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
    pub(super) fn submit(
        &self,
        arguments: Vec<u8>,
        receiver: &Receiver,
        number: u64,
        is_stream: bool,
    ) {
        let call = Call {
            wanted: self.id,
            name: self.function.name,
            inbox: receiver.inbox(),
            number,
        };
        let id = self.outside.next();
        {
            let mut state = self.outside.state();
            if state.is_broken {
                let end = Delivery::End(Err(self.outside.gone(call.name)));
                return call.inbox.put(number, end);
            }
            state.calls.insert(id, call);
        }
        let kind = match is_stream {
            true => Kind::Stream,
            false => Kind::Queue,
        };
        let told = self
            .outside
            .tell(kind, id, &[&self.id.to_be_bytes(), &arguments]);
        if let Err(error) = told
            && let Some(call) = self.outside.state().calls.remove(&id)
        {
            call.inbox
                .put(number, Delivery::End(Err(self.unheard(&error))));
        }
    }

    /// Ends the calls that nobody waits for, and asks for more items where some were taken.
    pub(super) fn look_up(&self) {
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
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;
    use std::task::{Context, Wake, Waker};

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
        let outside = Outside::open(asking, Events::silent(), "the host");
        let [first, second] = [Receiver::default(), Receiver::default()];
        for (id, receiver) in [(1, &first), (2, &second)] {
            let call = Call {
                wanted: 1,
                name: "f",
                inbox: receiver.inbox(),
                number: 0,
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
            text.contains("the host makes no more calls for it"),
            "{text}"
        );
    }
}
