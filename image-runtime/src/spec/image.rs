//! An image definition: a base and a chain of steps.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::{Base, Step};

/// A container image, defined by [`image!`](crate::image!) and checked while compiling.
///
/// The value is a reference to data in read-only memory: it is `Copy`, `'static` and can stand in a `const`.
///
/// ```
/// use image_runtime::{Image, image};
///
/// const TOOLS: Image = image!(debian_slim().apt_install("graphviz"));
/// const MORE: Image = image!(TOOLS.run_commands("dot -V"));
/// ```
#[derive(Clone, Copy)]
pub struct Image {
    spec: &'static ImageSpec,
}

impl Image {
    /// The image of a definition. [`image!`](crate::image!) calls this.
    pub const fn from_spec(spec: &'static ImageSpec) -> Self {
        Self { spec }
    }

    /// The definition.
    pub const fn spec(self) -> &'static ImageSpec {
        self.spec
    }
}

/// Which image it is: the same for copies of one value, another for each `image!`. Its place would not do, since macros can
/// expand several at one place.
impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.spec, other.spec)
    }
}

impl Eq for Image {}

impl Hash for Image {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::hash(self.spec, state);
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({})", self.spec.place)
    }
}

/// What stands inside one `image!( … )`.
#[derive(Debug)]
pub struct ImageSpec {
    /// What the chain starts from.
    pub base: Base,
    /// The steps, in the order they are written.
    pub steps: &'static [Step],
    /// Where the macro call stands.
    pub place: Place,
}

impl ImageSpec {
    /// Whether it stands on a conda prefix.
    pub const fn has_conda(&self) -> bool {
        match self.base {
            Base::Micromamba(_) => true,
            Base::Image(named) => named.image.spec().has_conda(),
            _ => false,
        }
    }

    /// Whether it starts from `scratch()`, and no step can have put a file in.
    pub const fn holds_nothing(&self) -> bool {
        let starts_empty = match self.base {
            Base::Scratch => true,
            Base::Image(named) => named.image.spec().holds_nothing(),
            _ => false,
        };
        let mut at = 0;
        while at < self.steps.len() {
            if self.steps[at].may_put_files_in() {
                return false;
            }
            at += 1;
        }
        starts_empty
    }

    /// Whether its last files are put in when a container starts: `copy = false`.
    pub const fn ends_added(&self) -> bool {
        match (self.steps, self.base) {
            ([.., last], _) => last.is_added(),
            ([], Base::Image(named)) => named.image.spec().ends_added(),
            ([], _) => false,
        }
    }
}

/// An image as somebody named it: the value and the path that was written (`ML`, `images::ML`).
#[derive(Clone, Copy, Debug)]
pub struct ImageRef {
    /// The image.
    pub image: Image,
    /// The path as written in the source, without spaces.
    pub path: &'static str,
    /// `module_path!()` of the place that names it.
    pub module: &'static str,
}

/// A place in the user's source code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// `file!()`
    pub file: &'static str,
    /// `line!()`, from 1
    pub line: u32,
    /// `column!()`, from 1
    pub column: u32,
    /// `module_path!()`
    pub module: &'static str,
    /// `CARGO_MANIFEST_DIR` of the crate: what relative local paths start from.
    pub manifest_dir: &'static str,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
