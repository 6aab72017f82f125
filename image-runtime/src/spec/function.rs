//! An annotated function: its name, its image, its options, and how to call it with encoded arguments.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Failure;
use super::{ClassSpec, Gpu, ImageRef, Place, PythonSpec, Secret, Volume};

/// What `#[app::function]` knows of a function.
#[derive(Debug)]
pub struct FunctionSpec {
    /// The name it is called by: the function's own, or `name = "…"`.
    pub name: &'static str,
    /// The class it is a method of.
    pub class: Option<&'static ClassSpec>,
    /// Where the function stands.
    pub place: Place,
    /// The image it names; without one, the program's default.
    pub image: Option<ImageRef>,
    /// What the keywords say.
    pub options: FunctionOptions,
    /// The parameters, in order.
    pub parameters: &'static [Parameter],
    /// The result type as written; `()` where none is.
    pub result: &'static str,
    /// Runs the function on encoded arguments.
    pub invoke: Invoke,
    /// Crosses between JSON and the encoding of this function's values.
    pub json: JsonBridge,
}

/// An annotated function as `run_function` names it.
#[derive(Clone, Copy, Debug)]
pub struct BuildFunction {
    /// The function.
    pub spec: fn() -> &'static FunctionSpec,
    /// How many parameters it has.
    pub parameters: usize,
    /// Whether its result is a stream.
    pub makes_stream: bool,
    /// Its head and its body, without spaces, comments and attributes. Nothing of a function that is not annotated.
    pub source: &'static str,
}

/// A parameter of an annotated function, as written.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: &'static str,
}

/// The keywords of `#[app::function(…)]` and of `app::config!`.
#[derive(Clone, Copy, Debug, Default)]
pub struct FunctionOptions {
    /// [`timeout`](Self::timeout)
    pub timeout: Option<Duration>,
    /// [`env`](Self::env)
    pub env: &'static [(&'static str, &'static str)],
    /// [`secrets`](Self::secrets)
    pub secrets: &'static [Secret],
    /// [`volumes`](Self::volumes)
    pub volumes: &'static [(&'static str, Volume)],
    /// [`gpu`](Self::gpu)
    pub gpu: &'static [Gpu],
    /// [`cpu`](Self::cpu)
    pub cpu: Option<f64>,
    /// [`memory`](Self::memory)
    pub memory: Option<u64>,
    /// [`network`](Self::network)
    pub network: Option<bool>,
    /// [`retries`](Self::retries)
    pub retries: Option<Retries>,
    /// [`concurrency`](Self::concurrency)
    pub concurrency: Option<u32>,
    /// [`min_containers`](Self::min_containers)
    pub min_containers: Option<u32>,
    /// [`max_containers`](Self::max_containers)
    pub max_containers: Option<u32>,
    /// [`idle_timeout`](Self::idle_timeout)
    pub idle_timeout: Option<Duration>,
}

/// How often a failed call is made again, and after how long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retries {
    /// How often at most; the first time does not count.
    pub max: u32,
    /// How long to wait before the first time.
    pub initial_delay: Duration,
    /// By how much each further wait is longer. No wait is longer than a minute.
    pub backoff: f64,
}

impl Retries {
    /// What `retries = 3` means: each time after a second.
    pub const fn times(max: u32) -> Self {
        Self {
            max,
            initial_delay: Duration::from_secs(1),
            backoff: 1.0,
        }
    }

    /// How long to wait before the retry of this number, from 0.
    pub fn delay(&self, earlier: u32) -> Duration {
        const LONGEST: Duration = Duration::from_secs(60);
        let factor = self.backoff.powi(earlier.try_into().unwrap_or(i32::MAX));
        Duration::try_from_secs_f64(self.initial_delay.as_secs_f64() * factor)
            .map_or(LONGEST, |delay| delay.min(LONGEST))
    }
}

impl FunctionOptions {
    /// No option set.
    pub const fn new() -> Self {
        Self {
            timeout: None,
            env: &[],
            secrets: &[],
            volumes: &[],
            gpu: &[],
            cpu: None,
            memory: None,
            network: None,
            retries: None,
            concurrency: None,
            min_containers: None,
            max_containers: None,
            idle_timeout: None,
        }
    }

    /// `timeout = "5m"`: how long one call may run (`ms`, `s`, `m`, `h`). Without it, as long as it takes.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// `env = { "KEY": "value" }`: environment of the function, over the image's.
    #[must_use]
    pub const fn env(mut self, variables: &'static [(&'static str, &'static str)]) -> Self {
        self.env = variables;
        self
    }

    /// `secrets = [Secret::from_name("database")]`: variables of the function's environment, over `env` and the image's. Their values
    /// are hidden in what the function prints and in its errors.
    #[must_use]
    pub const fn secrets(mut self, secrets: &'static [Secret]) -> Self {
        self.secrets = secrets;
        self
    }

    /// `volumes = { "/data": Volume::from_name("data") }`: directories that outlive the container, each where the function sees it: anywhere
    /// but at `/`, at `/etc`, and in `/dev`, `/proc` and `/sys`.
    #[must_use]
    pub const fn volumes(mut self, volumes: &'static [(&'static str, Volume)]) -> Self {
        self.volumes = volumes;
        self
    }

    /// `gpu = "A100"`: a GPU of this type, one of them (`"A100-80GB"` of this memory, `"any"` of any type), which other functions may use at the same time.
    /// `gpu = "A100:2"`: two, and nobody else's; where all are in use, calls wait. `gpu = ["H100", "A100-80GB:2", "any"]`: the first of
    /// these that can be had. Where the machine has none of them, a call fails before anything starts:
    /// [`CallErrorKind::NoSuchGpu`](crate::CallErrorKind::NoSuchGpu).
    #[must_use]
    pub const fn gpu(mut self, alternatives: &'static [Gpu]) -> Self {
        self.gpu = alternatives;
        self
    }

    /// `cpu = 2.0`: how many CPUs' time each container gets at most; `0.5` is half of one. Who wants more is slowed. Without it, no limit.
    /// More than the machine has is all that it has, which a line says.
    #[must_use]
    pub const fn cpu(mut self, cpus: f64) -> Self {
        self.cpu = Some(cpus);
        self
    }

    /// `memory = "4GiB"`: how much memory each container gets at most, in bytes, swap included (`MiB`, `GiB`; `MB`, `GB` are powers of ten).
    /// Who needs more is ended: [`CallErrorKind::OutOfMemory`](crate::CallErrorKind::OutOfMemory). Without it, no limit.
    /// More than the machine has is as if there were none, which a line says.
    #[must_use]
    pub const fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// `network = false`: the function reaches no network but its container's own loopback.
    #[must_use]
    pub const fn network(mut self, reaches: bool) -> Self {
        self.network = Some(reaches);
        self
    }

    /// `retries = 3`, or `retries(max = 3, initial_delay = "1s", backoff = 2.0)`: how often a call that failed is made again.
    ///
    /// Without it a call is made at most once; with it, at least once: a function may then run again although an earlier run
    /// has done its work. An error that the function returned, a panic, a time limit and a container that ended are
    /// retried; values that cannot be encoded, an image that cannot be built, a missing GPU and a cancelled call are not.
    #[must_use]
    pub const fn retries(mut self, retries: Retries) -> Self {
        self.retries = Some(retries);
        self
    }

    /// `concurrency = 4`: how many calls run at once in one container, each in a thread of its own. Without it, 1.
    #[must_use]
    pub const fn concurrency(mut self, calls: u32) -> Self {
        self.concurrency = Some(calls);
        self
    }

    /// `min_containers = 1`: containers that are started with the first call and stay until the program ends.
    #[must_use]
    pub const fn min_containers(mut self, containers: u32) -> Self {
        self.min_containers = Some(containers);
        self
    }

    /// `max_containers = 8`: how many containers there are at most; further calls wait. Without it, as many as the machine has
    /// cores, and 4 on small machines; then calls that functions in containers make find further ones where all only wait for such calls.
    #[must_use]
    pub const fn max_containers(mut self, containers: u32) -> Self {
        self.max_containers = Some(containers);
        self
    }

    /// `idle_timeout = "60s"`: how long a container stays without a call. `"0s"` is a fresh container for every call.
    #[must_use]
    pub const fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = Some(limit);
        self
    }
}

/// Decodes arguments, runs the function, encodes its result.
#[derive(Clone, Copy, Debug)]
pub enum Invoke {
    /// A `fn`.
    Blocking(fn(Vec<u8>) -> Result<Vec<u8>, Failure>),
    /// An `async fn`.
    Async(fn(Vec<u8>) -> InvokeFuture),
    /// A `fn` whose result is an iterator; each item goes to the sink.
    Items(fn(Vec<u8>, &dyn ItemSink) -> Result<(), Failure>),
    /// An `async fn`, or a result that is a stream.
    Stream(for<'a> fn(Vec<u8>, &'a dyn ItemSink) -> StreamFuture<'a>),
    /// A function whose body is Python.
    Python(&'static PythonSpec),
}

impl Invoke {
    /// Whether the result is many values.
    pub fn is_stream(&self) -> bool {
        match self {
            Self::Blocking(_) | Self::Async(_) => false,
            Self::Items(_) | Self::Stream(_) => true,
            Self::Python(spec) => spec.is_stream,
        }
    }
}

/// Takes the items of a function's stream.
pub trait ItemSink {
    /// Sends an encoded item once there is room for it. Breaks where nobody wants it any more.
    fn put(&self, item: Vec<u8>) -> ControlFlow<()>;

    /// Ends when nobody wants the rest.
    fn stopped(&self) -> Pin<Box<dyn Future<Output = ()> + '_>>;
}

/// The run of a function that makes a stream.
pub type StreamFuture<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// The run of an `async fn`.
pub type InvokeFuture = Pin<Box<dyn Future<Output = Result<Vec<u8>, Failure>>>>;

/// Crosses between JSON, for the command line, and the encoding of one function's values.
#[derive(Clone, Copy, Debug)]
pub struct JsonBridge {
    /// Encodes the arguments given as JSON values, one a parameter; the error is for people.
    pub encode_arguments: fn(Vec<serde_json::Value>) -> Result<Vec<u8>, String>,
    /// Decodes an encoded result to JSON; the error is for people.
    pub decode_result: fn(Vec<u8>) -> Result<serde_json::Value, String>,
}
