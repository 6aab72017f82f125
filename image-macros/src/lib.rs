//! The macros of `image-runtime`, which re-exports them: depend on that crate, not on this one.

mod advice;
mod class;
mod conda_file;
mod config;
mod diag;
mod dockerfile;
mod entry;
mod function;
mod image;
mod item;
mod keyword;
mod made;
mod paths;
mod python;
#[cfg(test)]
mod reference;
mod script;
#[cfg(test)]
mod snapshots;
mod syntax;
mod text;
mod tokens;

use proc_macro::TokenStream;

/// A container image: a base and a chain of steps, checked while compiling.
///
/// Bases are `debian_slim(…)`, `from_registry("…")`, `from_dockerfile("…")`, `scratch()` and the path of another `const Image`. The documentation of a
/// base, a step or a keyword is shown where it is written in an editor.
///
/// ```ignore
/// use image_runtime::{Image, image};
///
/// const ML: Image = image!(
///     debian_slim(python_version = "3.11")
///         .apt_install("git", "curl")
///         .pip_install("numpy==2.2.6", "pandas")
///         .env({ "PYTHONUNBUFFERED": "1" })
///         .workdir("/app")
/// );
/// ```
#[proc_macro]
pub fn image(input: TokenStream) -> TokenStream {
    image::image(input.into()).into()
}

/// Lets a function run inside the image it names.
///
/// Keywords: `image = ML`, `timeout = "5m"`, `env = { "KEY": "value" }`, `name = "train"`;
/// `retries = 3` or `retries(max = 3, initial_delay = "1s", backoff = 2.0)`;
/// `concurrency = 4`, `min_containers = 1`, `max_containers = 8`, `idle_timeout = "60s"`: a function with one of these has
/// containers of its own, all others with the same image and environment share theirs.
///
/// The function stays what it is; `train::local(…)` runs it here, and in containers run
/// * `train::remote(…)`: one call,
/// * `train::map(inputs)` and `train::map_stream(inputs)`: one call for each input of an iterator or a stream; of a function with several
///   parameters an input is a tuple, and `train::starmap(inputs)` takes tuples in every case,
/// * `train::spawn(…)`: a call in the background,
/// * `train::stream(…)`, in place of all these, where the result is `impl Iterator<Item = T>` or `impl Stream<Item = T>`, alone or
///   in a `Result`: items as they are made. Where an item is a `Result`, the first `Err` ends them.
///
/// Arguments are serde types by value, `&T`, `&str`, `&[T]` or `&Path`. What a call gives is the function's result `T`, or the `T`
/// of its `Result<T, E>`. The rule looks at the written type: where its last name is `Result`, the first generic argument is
/// `T`, and an alias without generic arguments is resolved; a type of any other name is `T` as a whole.
///
/// ```ignore
/// #[app::function(image = ML, timeout = "5m")]
/// fn train(epochs: u32) -> anyhow::Result<f64> {
///     Ok(1.0 / f64::from(epochs))
/// }
/// ```
#[proc_macro_attribute]
pub fn function(arguments: TokenStream, item: TokenStream) -> TokenStream {
    function::function(arguments.into(), item.into()).into()
}

/// Lets the methods of a type run in containers that make the type's value once.
///
/// It takes the keywords of [`macro@function`], and goes on an `impl` in which these attributes say what is what:
/// * `#[enter]` on the function that makes the value: `fn new(size: u32) -> Self` or `-> Result<Self, E>`. It runs once in each container,
///   before the first call, within `timeout`. Where it fails, all calls that wait hear why.
/// * `#[method]` on what can be called: it takes `&self` or `&mut self`, and otherwise what an annotated function takes. With
///   `concurrency`, methods that take `&self` run at once; one that takes `&mut self` runs alone in its container, and waits for that.
/// * `#[exit]` on what runs before a container ends that was idle for too long, or whose program ends by itself (killed by a signal, it
///   does not): `fn bye(&mut self)`. It may take ten seconds.
///
/// Everything else in the `impl` stays as it is, and so do these functions. What they make has to be `Send + Sync`.
///
/// `Model::handle(7)` gives a value whose fields are the methods, with the verbs of annotated functions. Each set of arguments has
/// containers of its own. To keep a handle in a struct, name its type `<Model as image_runtime::Class>::Handle`.
///
/// ```ignore
/// #[app::cls(image = ML)]
/// impl Model {
///     #[enter]
///     fn new(size: u32) -> Self {
///         Self { weights: load(size) }
///     }
///
///     #[method]
///     fn predict(&self, x: f32) -> f32 {
///         self.weights.iter().map(|weight| weight * x).sum()
///     }
/// }
///
/// let y = Model::handle(7).predict.remote(1.0).await?;
/// ```
#[proc_macro_attribute]
pub fn cls(arguments: TokenStream, item: TokenStream) -> TokenStream {
    class::class(arguments.into(), item.into()).into()
}

/// Lets a function of a Python file be called: `fn train(epochs: u32) -> anyhow::Result<f64>;` has no body, and runs the function of that
/// name in `file`.
///
/// It takes the keywords of [`macro@function`], and `file = "train.py"`, a path from the folder of the crate's Cargo.toml. The file must
/// exist and define the function at its top level, by `def` or `async def`, with parameters of the same names. It travels with the
/// program, so that a change of it makes no image anew. Other files that it imports have to be in the image.
///
/// The function runs in the `python3` of the image, in an interpreter that stays warm in its container, where the file is run once. With
/// `concurrency`, each call has a thread of its own. `async def` and generators work: what a function whose result is `impl Iterator` or
/// `impl Stream` yields arrives item by item. The verbs are those of [`macro@function`], but for `local`.
///
/// Arguments and results are what JSON can say, and bytes: `serde_bytes::ByteBuf` is `bytes` in Python, of which `numpy.frombuffer` makes
/// an array without a copy; `Vec<f64>` is a list of numbers. An array comes back as the type of the result says, whether numpy, `array` or
/// who else made it: as numbers, in lists of lists where it has several dimensions (`Vec<f64>`, `Vec<[f32; 3]>`); or, where that wants
/// bytes (`ByteBuf`), as those that it lies in, in the order of C. What else has a `tolist`, such as a series or a tensor, comes back
/// as a list, a dataclass as an object. An exception is a `Returned` error with its traceback.
///
/// ```ignore
/// #[app::python(image = ML, file = "train.py")]
/// fn train(epochs: u32) -> anyhow::Result<f64>;
/// ```
#[proc_macro_attribute]
pub fn python(arguments: TokenStream, item: TokenStream) -> TokenStream {
    script::python(arguments.into(), item.into()).into()
}

/// Makes `fn main` or `async fn main` the start of a program whose functions run in containers.
///
/// The program gets a command line (`build`, `images`, `call`, …). `#[app::main(cli = false)]` leaves all arguments to the program.
/// Without arguments the body of `main` runs; `fn main();` has none, and deploys the functions.
///
/// ```ignore
/// #[app::main]
/// async fn main() -> anyhow::Result<()> {
///     println!("{}", train::remote(3).await?);
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    entry::main(arguments.into(), item.into()).into()
}

/// Makes a `fn` or an `async fn` a test that can call annotated functions in their containers.
///
/// ```ignore
/// #[app::test]
/// async fn trains() {
///     assert!(train::remote(1).await.unwrap() < 1.0);
/// }
/// ```
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    entry::test(arguments.into(), item.into()).into()
}

/// The name of the program and the defaults of its functions: `name` and the keywords of [`macro@function`]. At most one a program.
///
/// ```ignore
/// app::config! { name = "etl", image = ML, timeout = "5m" }
/// ```
#[proc_macro]
pub fn config(input: TokenStream) -> TokenStream {
    config::config(input.into()).into()
}
