//! What inventory collected of this program, sorted: images, functions, the program's settings, its tests.

mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

pub use names::Names;

use crate::spec::{
    AppSpec, Base, FunctionOptions, FunctionSpec, Image, Place, Secrets, TestEntry, Volumes,
};

/// An image that `image!` registered.
#[derive(Debug)]
pub struct RegisteredImage(pub Image);

/// A function that `#[app::function]` registered.
#[derive(Debug)]
pub struct RegisteredFunction(pub &'static FunctionSpec);

/// The settings that `app::config!` registered.
#[derive(Debug)]
pub struct RegisteredApp(pub &'static AppSpec);

/// A test that `#[app::test]` registered.
#[derive(Debug)]
pub struct RegisteredTest(pub &'static TestEntry);

inventory::collect!(RegisteredImage);
inventory::collect!(RegisteredFunction);
inventory::collect!(RegisteredApp);
inventory::collect!(RegisteredTest);

/// All functions, in no order.
pub fn functions() -> impl Iterator<Item = &'static FunctionSpec> {
    inventory::iter::<RegisteredFunction>
        .into_iter()
        .map(|registered| registered.0)
}

/// Everything this program registered, checked and sorted.
#[derive(Debug)]
pub struct Program {
    functions: BTreeMap<&'static str, &'static FunctionSpec>,
    app: Option<&'static AppSpec>,
}

/// The image of a function that names none, in a program that sets no other.
const DEFAULT_IMAGE: Image = crate::image!(debian_slim());

/// What the definitions of a program contradict each other in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ProgramError(Vec<String>);

impl ProgramError {
    /// Each by itself.
    pub(crate) fn faults(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl Program {
    /// This program.
    ///
    /// # Errors
    /// Two functions of one name, or two `app::config!`: all of them, with their places.
    pub fn get() -> Result<&'static Self, ProgramError> {
        static PROGRAM: LazyLock<Result<Program, ProgramError>> = LazyLock::new(|| {
            let apps = inventory::iter::<RegisteredApp>
                .into_iter()
                .map(|app| app.0);
            Program::of(functions(), apps)
        });
        PROGRAM.as_ref().map_err(Clone::clone)
    }

    fn of(
        functions: impl Iterator<Item = &'static FunctionSpec>,
        apps: impl Iterator<Item = &'static AppSpec>,
    ) -> Result<Self, ProgramError> {
        let mut by_name: BTreeMap<&str, Vec<&'static FunctionSpec>> = BTreeMap::new();
        for function in functions {
            by_name.entry(function.name).or_default().push(function);
        }
        let mut apps: Vec<_> = apps.collect();
        apps.sort_by_key(|app| app.place);

        let mut faults: Vec<String> = by_name
            .iter()
            .filter(|(_, functions)| functions.len() > 1)
            .map(|(name, functions)| {
                format!(
                    "{} functions are named `{name}`: {}\n  help: give one another name with `name = \"…\"`",
                    functions.len(),
                    places(functions.iter().map(|function| function.place))
                )
            })
            .collect();
        if apps.len() > 1 {
            faults.push(format!(
                "`app::config!` stands in {} places: {}\n  help: a program has at most one",
                apps.len(),
                places(apps.iter().map(|app| app.place))
            ));
        }
        if !faults.is_empty() {
            return Err(ProgramError(faults));
        }
        Ok(Self {
            functions: by_name
                .into_iter()
                .map(|(name, functions)| (name, functions[0]))
                .collect(),
            app: apps.first().copied(),
        })
    }

    /// All functions, by name.
    pub fn functions(&self) -> impl ExactSizeIterator<Item = &'static FunctionSpec> {
        self.functions.values().copied()
    }

    /// The function of a name.
    pub fn function(&self, name: &str) -> Option<&'static FunctionSpec> {
        self.functions.get(name).copied()
    }

    /// The name under which a function, or what makes the state of a class, prints.
    pub(crate) fn printing(&self, name: &str) -> Option<&'static str> {
        let enters = self.functions().filter_map(|function| function.class);
        let mut names = self
            .functions()
            .chain(enters.map(|class| &class.enter))
            .map(|function| function.name);
        names.find(|known| *known == name)
    }

    /// The image a function runs in.
    pub fn image_of(&self, function: &FunctionSpec) -> Image {
        function
            .image
            .or(self.app.and_then(|app| app.image))
            .map_or(DEFAULT_IMAGE, |named| named.image)
    }

    /// A function's options, with the program's where it sets none.
    pub fn options_of(&self, function: &FunctionSpec) -> FunctionOptions {
        let defaults = self.app.map(|app| app.options).unwrap_or_default();
        let own = function.options;
        FunctionOptions {
            timeout: own.timeout.or(defaults.timeout),
            env: if own.env.is_empty() {
                defaults.env
            } else {
                own.env
            },
            secrets: if own.secrets.is_empty() {
                defaults.secrets
            } else {
                own.secrets
            },
            volumes: if own.volumes.is_empty() {
                defaults.volumes
            } else {
                own.volumes
            },
            gpu: if own.gpu.is_empty() {
                defaults.gpu
            } else {
                own.gpu
            },
            cpu: own.cpu.or(defaults.cpu),
            memory: own.memory.or(defaults.memory),
            network: own.network.or(defaults.network),
            retries: own.retries.or(defaults.retries),
            concurrency: own.concurrency.or(defaults.concurrency),
            min_containers: own.min_containers.or(defaults.min_containers),
            max_containers: own.max_containers.or(defaults.max_containers),
            idle_timeout: own.idle_timeout.or(defaults.idle_timeout),
        }
    }

    /// The secrets of a function: its own, else the program's.
    pub fn secrets_of(&self, function: &FunctionSpec) -> Secrets {
        let is_own = !function.options.secrets.is_empty();
        Secrets {
            all: self.options_of(function).secrets,
            folder: self.place_of_option(function, is_own).manifest_dir,
        }
    }

    /// The volumes of a function: its own, else the program's.
    pub fn volumes_of(&self, function: &FunctionSpec) -> Volumes {
        let is_own = !function.options.volumes.is_empty();
        Volumes {
            all: self.options_of(function).volumes,
            folder: self.place_of_option(function, is_own).manifest_dir,
        }
    }

    /// Where an option stands that is the function's own, or else the program's.
    fn place_of_option(&self, function: &FunctionSpec, is_own: bool) -> Place {
        match self.app {
            Some(app) if !is_own => app.place,
            _ => function.place,
        }
    }

    /// Every image of the program, by name: those that `image!` made, and the default where a function uses it.
    pub fn images(&self) -> Vec<(String, Image)> {
        let names = self.names();
        let used = self.functions().map(|function| self.image_of(function));
        let mut images: Vec<_> = inventory::iter::<RegisteredImage>
            .into_iter()
            .map(|registered| registered.0)
            .filter(|image| *image != DEFAULT_IMAGE)
            .chain(used)
            .map(|image| (names.name(image), image))
            .collect();
        images.sort_by(|a, b| (&a.0, a.1.spec().place).cmp(&(&b.0, b.1.spec().place)));
        let mut seen = HashSet::new();
        images.retain(|(_, image)| seen.insert(*image));
        images
    }

    /// What people call the images.
    pub fn names(&self) -> Names {
        let by_functions = self.functions().filter_map(|function| function.image);
        let by_app = self.app.and_then(|app| app.image);
        let by_images = inventory::iter::<RegisteredImage>
            .into_iter()
            .filter_map(|registered| match registered.0.spec().base {
                Base::Image(extended) => Some(extended),
                _ => None,
            });
        Names::of(
            by_functions.chain(by_app).chain(by_images),
            [(DEFAULT_IMAGE, "debian_slim()")],
        )
    }

    /// The app's name: what `app::config!` says, else the package's.
    pub fn app_name(&self, package: &'static str) -> &'static str {
        self.app.and_then(|app| app.name).unwrap_or(package)
    }
}

fn places(places: impl Iterator<Item = Place>) -> String {
    let mut places: Vec<_> = places.map(|place| place.to_string()).collect();
    places.sort();
    places.join(", ")
}

/// The path of any test that can serve as a worker's entry: the smallest, without the crate's name.
pub fn test_entry() -> Option<&'static str> {
    inventory::iter::<RegisteredTest>
        .into_iter()
        .filter_map(|test| Some(test.0.path.split_once("::")?.1))
        .min()
}
