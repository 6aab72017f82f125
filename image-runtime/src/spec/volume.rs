//! Volumes as a function names them.

/// A directory that outlives containers: what a function writes there, every container sees that names it, now and later.
/// The macros know its name: it need not be imported for them.
///
/// ```
/// # use image_runtime::app;
/// #[app::function(volumes = { "/data": Volume::from_name("models"), "/in": Volume::from_host("./input") })]
/// fn train() -> std::io::Result<()> {
///     std::fs::copy("/in/table.csv", "/data/table.csv").map(drop)
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume(Place);

/// Where a volume is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// With the engine, under a name.
    Name(&'static str),
    /// In a directory of this machine.
    Host(&'static str),
}

/// The volumes of one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volumes {
    /// Each with its directory in the container.
    pub all: &'static [(&'static str, Volume)],
    /// What the paths of this machine start from.
    pub folder: &'static str,
}

impl Volume {
    /// `Volume::from_name("models")`: a volume that the engine keeps under this name. It is empty at first, and stays until
    /// `volume delete`: `prune` removes none. The embedded engine and Docker each have their own.
    pub const fn from_name(name: &'static str) -> Self {
        Self(Place::Name(name))
    }

    /// `Volume::from_host("./input")`: a directory of this machine, which must exist when the function is called. A relative path
    /// starts from the crate that writes it. The function can write to it.
    pub const fn from_host(path: &'static str) -> Self {
        Self(Place::Host(path))
    }

    pub(crate) const fn place(self) -> Place {
        self.0
    }
}
