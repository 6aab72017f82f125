//! How layers are stacked: what an overlay mount is told. Paths in it are short and relative, since the kernel takes one page of
//! options. Stacks that need more are told it layer by layer, which takes a newer kernel.

use std::io;
use std::path::{Path, PathBuf};

use super::form::Form;
use super::kernel;

/// The kernel takes a page of options, and ends it with a NUL.
const LONGEST: usize = 4095;
/// `OVL_MAX_STACK` of the kernel.
const MOST: usize = 500;

/// Where every container's root is mounted, from the folder of the layers. Each sees only its own mount.
const ROOT: &str = "../root";

/// A stack of layers with a place for what is written.
#[derive(Clone, Debug)]
pub(super) struct Overlay {
    /// Where all paths begin: the folder of the layers.
    pub(super) directory: PathBuf,
    /// Where the mount goes, from there.
    pub(super) target: String,
    /// Topmost first.
    pub(super) layers: Vec<String>,
    /// What is written, and what the kernel needs beside it.
    pub(super) places: [(&'static str, String); 2],
    pub(super) settings: Settings,
    /// All of it, as a container's process tells it.
    pub(super) options: Options,
}

/// A key with a value or a key alone each.
type Settings = Vec<(&'static str, Option<&'static str>)>;

/// What the mount is told.
#[derive(Clone, Debug)]
pub(super) enum Options {
    /// At once, by `mount`: one system call.
    Page(String),
    /// One after the other, by `fsconfig`.
    Each(Vec<(String, Option<String>)>),
}

impl Overlay {
    /// The layers, by their paths from `directory`, topmost first. `scratch` holds `upper` and `work`.
    ///
    /// # Errors
    /// There are more layers than the kernel can stack.
    pub(super) fn new(
        directory: &Path,
        layers: impl IntoIterator<Item = String>,
        scratch: &str,
        form: Form,
        volatile: bool,
    ) -> io::Result<Self> {
        let layers: Vec<_> = layers.into_iter().collect();
        let set = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        let places = [
            ("upperdir", format!("{scratch}/upper")),
            ("workdir", format!("{scratch}/work")),
        ];
        let mut settings: Settings = vec![("index", Some("off"))];
        match form {
            // What a distribution switches on would make layers that cannot be stacked anew.
            Form::Root => {
                settings.extend([("metacopy", Some("off")), ("redirect_dir", Some("off"))])
            }
            // Both are off with it, and may not be named.
            Form::Range | Form::User => settings.push(("userxattr", None)),
        }
        if volatile {
            settings.push(("volatile", None));
        }
        let shown = places.iter().map(|(key, path)| set(key, path));
        let told = settings.iter();
        let told = told.map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)));
        let rest: Vec<_> = shown.chain(told).collect();
        let page = page(&layers, &rest);
        let options = if page.len() <= LONGEST {
            Options::Page(page)
        } else if kernel::is_at_least(APPENDING) && layers.len() <= MOST {
            let layers = layers.iter().map(|layer| set(LAYER, layer));
            Options::Each(layers.chain(rest).collect())
        } else {
            return Err(too_many(&layers, &rest));
        };
        Ok(Self {
            directory: directory.to_owned(),
            target: ROOT.to_owned(),
            layers,
            places,
            settings,
            options,
        })
    }
}

/// The key of a layer that is told by itself, topmost first.
pub(super) const LAYER: &str = "lowerdir+";

/// The Linux that takes layers one by one.
const APPENDING: (u32, u32) = (6, 8);

fn page(layers: &[String], rest: &[(String, Option<String>)]) -> String {
    let mut page = format!("lowerdir={}", layers.join(":"));
    for (key, value) in rest {
        page.push(',');
        page.push_str(key);
        if let Some(value) = value {
            page.push('=');
            page.push_str(value);
        }
    }
    page
}

fn too_many(layers: &[String], rest: &[(String, Option<String>)]) -> io::Error {
    // The last one is below every image, and is none of its layers.
    let (count, most) = (layers.len() - 1, MOST - 1);
    let limit = if kernel::is_at_least(APPENDING) {
        format!("can stack: it takes {most}")
    } else {
        let fit = (0..layers.len()).rev();
        let fit = fit
            .map(|count| count.saturating_sub(1))
            .find(|fit| page(&layers[..=*fit], rest).len() <= LONGEST)
            .unwrap_or_default();
        format!("can stack before 6.8: this one takes {fit}, a newer one {most}")
    };
    io::Error::other(format!(
        "{count} layers are more than Linux {limit}\n  help: join steps: each verb of an image is a layer"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(count: usize) -> io::Result<Overlay> {
        let layers = (0..count).map(|number| format!("{number:016x}/fs"));
        Overlay::new(
            Path::new("/store/layers"),
            layers,
            "../containers/01234567",
            Form::Root,
            true,
        )
    }

    #[test]
    fn a_hundred_and_fifty_layers_fit_into_a_page_of_options() {
        let Options::Page(page) = stack(150).unwrap().options else {
            panic!("it takes one system call")
        };
        assert!(page.ends_with(
            ",upperdir=../containers/01234567/upper,workdir=../containers/01234567/work,index=off,metacopy=off,redirect_dir=off,volatile"
        ));
    }

    #[test]
    fn more_layers_are_told_one_by_one_where_the_kernel_knows_that() {
        match stack(500) {
            Ok(overlay) => {
                assert!(matches!(overlay.options, Options::Each(each) if each.len() == 506));
            }
            Err(error) => assert!(error.to_string().contains("before 6.8: this one takes 1")),
        }
    }

    #[test]
    fn too_many_layers_are_told_with_what_to_do() {
        let error = stack(501).unwrap_err().to_string();
        assert!(
            error.starts_with("500 layers") && error.contains("499") && error.contains("help:"),
            "{error}"
        );
    }
}
