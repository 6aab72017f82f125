//! GPUs as a function asks for them.

/// One alternative of `gpu = ["A100-80GB:2", "any"]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gpu {
    /// As written.
    pub text: &'static str,
    /// The type; nothing for any.
    pub kind: Option<&'static str>,
    /// How much memory it has, in GB, where that was said.
    pub memory: Option<u32>,
    /// How many, where that was said: then they are the container's alone. Without it, one that may be shared.
    pub count: Option<u32>,
}
