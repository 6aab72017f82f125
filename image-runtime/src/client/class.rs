//! Classes on the host: what tells the containers of one class from those of another.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::CallError;
use super::call::not_encoded;
use crate::spec::{ClassSpec, FunctionSpec};

/// A type under `#[app::cls]`. The attribute implements it.
pub trait Class {
    /// What `handle(…)` of the type gives, to be named where one is kept: `<Model as Class>::Handle`. Its fields are the methods.
    type Handle: Clone + fmt::Debug + Send + Sync + 'static;
}

/// A class with the arguments of what makes its state: equal ones share containers.
#[derive(Clone)]
#[doc(hidden)]
pub struct Instance {
    pub(super) class: &'static ClassSpec,
    /// Encoded.
    arguments: Result<Arc<[u8]>, Arc<str>>,
    /// What tells most instances apart without a look at their arguments, which may be long: each call asks.
    hash: u64,
}

impl Instance {
    /// A class with encoded arguments. `handle` makes it.
    pub fn new(class: &'static ClassSpec, arguments: Result<Vec<u8>, String>) -> Self {
        let mut hasher = DefaultHasher::new();
        (class.name, &arguments).hash(&mut hasher);
        Self {
            class,
            arguments: arguments.map(Into::into).map_err(Into::into),
            hash: hasher.finish(),
        }
    }

    /// The encoded arguments.
    pub(super) fn arguments(&self) -> Result<&Arc<[u8]>, CallError> {
        match &self.arguments {
            Ok(arguments) => Ok(arguments),
            Err(reason) => Err(not_encoded(&self.class.enter, reason)),
        }
    }
}

impl PartialEq for Instance {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.class.name == other.class.name
            && match (&self.arguments, &other.arguments) {
                (Ok(ours), Ok(theirs)) => Arc::ptr_eq(ours, theirs) || ours == theirs,
                (ours, theirs) => ours == theirs,
            }
    }
}

impl Eq for Instance {}

impl Hash for Instance {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("class", &self.class.name)
            .finish_non_exhaustive()
    }
}

/// What is called: a function, or a method of an instance of a class.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct Callee {
    pub(super) function: &'static FunctionSpec,
    pub(super) instance: Option<Instance>,
}

impl Callee {
    /// A method.
    pub fn method(function: &'static FunctionSpec, instance: &Instance) -> Self {
        Self {
            function,
            instance: Some(instance.clone()),
        }
    }
}

impl PartialEq for Callee {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.function, other.function) && self.instance == other.instance
    }
}

impl Eq for Callee {}

impl Hash for Callee {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::hash(self.function, state);
        self.instance.hash(state);
    }
}

impl From<&'static FunctionSpec> for Callee {
    fn from(function: &'static FunctionSpec) -> Self {
        Self {
            function,
            instance: None,
        }
    }
}
